package main

import (
	"errors"
	"strings"
	"testing"

	"rekey"
)

func TestT25_APlanTakesOneSpellingAPersonAndNothingElse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		region string
		allow  string
		mobile string
		want   string // E.164; "": refused
	}{
		{"CN", "CN", "13800000001", "+8613800000001"},
		{"CN", "CN", "14600000001", "+8614600000001"}, // libphonenumber refuses it
		{"CN", "CN", "+8613800000001", ""},
		{"CN", "CN", "013800000001", ""},
		{"CN", "CN", "１３８０００００００１", ""},

		{"HK", "HK", "51234567", "+85251234567"},
		{"HK", "HK", "5123 4567", ""},
		{"HK", "HK", "+85251234567", ""},
		{"HK", "HK", "85251234567", ""},
		{"HK", "HK", "0085251234567", ""},
		{"HK", "HK", "21234567", ""}, // a landline
		{"HK", "HK", "٥١٢٣٤٥٦٧", ""},
		{"HK", "HK", "51234567\n", ""},
		{"HK", "HK", "", ""},
		{"GB", "GB", "07400123456", "+447400123456"},
		{"GB", "GB", "7400123456", "+447400123456"},
		{"GB", "GB", "007400123456", ""},
		{"GB", "GB", "447400123456", ""},
		{"GB", "GB", "07797712345", ""}, // Jersey, which shares +44
		{"US", "US", "2015550123", "+12015550123"},
		{"US", "US", "12015550123", "+12015550123"}, // with its trunk prefix
		{"US", "US", "5062345678", ""},              // Canada, which shares +1
		{"US", "US", "01186138000001", ""},          // an international prefix

		{"*", "CN,HK", "+8613800000001", "+8613800000001"},
		{"*", "CN,HK", "+8614600000001", "+8614600000001"},
		{"*", "CN,HK", "+8612800000001", ""},
		{"*", "CN,HK", "+85251234567", "+85251234567"},
		{"*", "CN,HK", "+12015550123", ""},
		{"*", "*", "+12015550123", "+12015550123"},
		{"*", "HK", "+8613800000001", ""},
		{"*", "*", "12015550123", ""},
		{"*", "*", "++12015550123", ""},
		{"*", "*", "+1 2015550123", ""},
		{"*", "*", "+4407400123456", ""}, // a second spelling of +447400123456
		{"*", "*", "+447400123456", "+447400123456"},
		{"*", "*", "+8613800000001;ext=1", ""},
		{"*", "*", "+870773111632", ""}, // a satellite phone
		{"*", "*", "+80012345678", ""},  // a universal freephone number
		{"*", "*", "+", ""},
		{"*", "*", "+" + strings.Repeat("1", 5000), ""},
		{"*", "*", "tel:+85251234567", ""},
	}
	for _, tt := range tests {
		n, err := newPlan(tt.region, strings.Split(tt.allow, ","))(tt.mobile)
		if got := n.E164(); got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("plan %s, allow %s: %q is %s, %v, want %q", tt.region, tt.allow, tt.mobile, got, err, tt.want)
		}
		if err != nil && !errors.Is(err, rekey.ErrNumberForm) {
			t.Errorf("%q: the error is %v", tt.mobile, err)
		}
	}
}

func FuzzPlans(f *testing.F) {
	for _, s := range []string{"13800000001", "+85251234567", "07400123456", "+4407400123456", "0086138", "+86", "1;ext=2", "\x00"} {
		f.Add(s)
	}
	plans := map[string]rekey.Plan{}
	for _, region := range []string{"CN", "HK", "GB", "US", "IT", "MX", "AR", "*"} {
		plans[region] = newPlan(region, []string{"*"})
	}
	f.Fuzz(func(t *testing.T, mobile string) {
		for region, plan := range plans {
			n, err := plan(mobile)
			if err != nil {
				continue
			}
			if strings.Trim(mobile, "+0123456789") != "" || !strings.HasSuffix(mobile, n.National()) {
				t.Errorf("plan %s reads %q as %s", region, mobile, n.E164())
			}
			if again, err := plans["*"](n.E164()); err != nil || again != n {
				t.Errorf("plan %s reads %q as %s, which plan * reads as %s, %v", region, mobile, n.E164(), again.E164(), err)
			}
			if region != "*" {
				if again, err := plan(n.National()); err != nil || again != n {
					t.Errorf("plan %s reads %q as %s, and its national form as %s, %v", region, mobile, n.E164(), again.E164(), err)
				}
			}
		}
	})
}
