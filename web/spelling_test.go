package web

import (
	"testing"

	"rekey"
)

func FuzzReadNumber(f *testing.F) {
	for _, seed := range []string{"13800000001", "+86 138-0000-0001", "0086 138 0000 0001", "１３８００００００01", "\u202d138\u202c", "+1 380 000 0001", ""} {
		f.Add(seed)
	}
	// A plan that takes numbers of two countries in E.164 only, and one more country's as they are dialled there.
	plan := func(mobile string) (rekey.Number, error) {
		if len(mobile) == 10 {
			return rekey.NewNumber("US", "1", mobile)
		}
		if len(mobile) > 3 && mobile[:3] == "+86" {
			return rekey.ChinaMobile(mobile[3:])
		}
		return rekey.Number{}, rekey.ErrNumberForm
	}
	f.Fuzz(func(t *testing.T, typed string) {
		for _, plan := range []rekey.Plan{rekey.ChinaMobile, plan} {
			spelling, n := readNumber(plan, typed)
			again, err := plan(spelling)
			if (err == nil) != !n.IsZero() || again != n {
				t.Errorf("%q is read as %q, which the plan takes for %v, not %v", typed, spelling, again, n)
			}
			if twice, m := readNumber(plan, spelling); !n.IsZero() && (twice != spelling || m != n) {
				t.Errorf("%q is read as %q, and that as %q", typed, spelling, twice)
			}
		}
	})
}

func FuzzReadCode(f *testing.F) {
	for _, seed := range []string{"123456", "123 456", "１２３４５６", "验证码123456，5分钟内有效", "123456 is your code.\n\n@host #123456", "123456 654321", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code := readCode(typed)
		if readCode(code) != code {
			t.Errorf("%q is read as %q, and that as %q", typed, code, readCode(code))
		}
	})
}

func TestChineseNumbersAreNotReadByOtherPlans(t *testing.T) {
	t.Parallel()
	us := func(mobile string) (rekey.Number, error) {
		if len(mobile) != 11 || mobile[0] != '1' {
			return rekey.Number{}, rekey.ErrNumberForm
		}
		return rekey.NewNumber("US", "1", mobile[1:])
	}
	if spelling, n := readNumber(us, "+86 138 0000 0001"); !n.IsZero() {
		t.Errorf("a number of China is read as %q of the United States", spelling)
	}
}
