package rekey

import (
	"compress/gzip"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// policyFor is a policy for tests: a fault in the embedded list ends the test.
func policyFor(t testing.TB, name string, blocklist bool) *Policy {
	t.Helper()
	p, err := NewPolicy(name, blocklist)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPolicyRules(t *testing.T) {
	t.Parallel()
	n, err := ChinaMobile("13800000001")
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, policy, password string
		want                   PolicyRule
	}{
		{"letters and digits", "classic", "Rekey2026go", ""},
		{"six characters are enough", "classic", "kq7wz3", ""},
		{"twenty characters still fit", "classic", "kq7wz3kq7wz3kq7wz3ab", ""},
		{"empty", "classic", "", RuleForm},
		{"five characters", "classic", "kq7wz", RuleForm},
		{"twenty-one characters", "classic", "kq7wz3kq7wz3kq7wz3abc", RuleForm},
		{"a hyphen", "classic", "kq7wz3-ab", RuleForm},
		{"a space", "classic", "kq7wz3 ab", RuleForm},
		{"a newline at the end", "classic", "kq7wz3\n", RuleForm},
		{"NUL", "classic", "kq7wz3\x00", RuleForm},
		{"Han", "classic", "密码密码密码", RuleForm},
		{"T25 full-width digits", "classic", "１２３９５６", RuleForm},
		{"T25 Arabic-Indic digits", "classic", "١٢٣٩٥٦٧", RuleForm},
		{"a letter with an accent", "classic", "kq7wz3é", RuleForm},
		{"the bytes beside digits and letters", "classic", "/:@[`{", RuleForm},
		{"form goes before the list", "classic", "12345", RuleForm},
		{"form goes before the number", "classic", "+8613800000001", RuleForm},
		{"common", "classic", "password1", RuleCommon},
		{"common in capitals", "classic", "PassWord1", RuleCommon},
		{"common digits", "classic", "123456", RuleCommon},
		{"the number", "classic", "13800000001", RuleNumber},
		{"the number with the calling code", "classic", "8613800000001", RuleNumber},
		{"the number with 00", "classic", "008613800000001", RuleNumber},
		{"the number with a trunk zero", "classic", "013800000001", RuleNumber},
		{"another number", "classic", "13800000002", ""},
		{"the number and more", "classic", "13800000001a", ""},

		{"eight characters", "nist", "kq7 wz3!", ""},
		{"a phrase", "nist", "correct horse battery staple", ""},
		{"eight Han", "nist", "永和九年岁在癸丑", ""},
		{"eight characters of four bytes", "nist", "🐎🔋📎🐎🔋📎🐎🔋", ""},
		{"128 characters of four bytes", "nist", strings.Repeat("🐎", 128), ""},
		{"128 characters", "nist", strings.Repeat("kq7w", 32), ""},
		{"empty", "nist", "", RuleLength},
		{"seven characters", "nist", "kq7 wz3", RuleLength},
		{"seven characters in many bytes", "nist", "永和九年岁在癸", RuleLength},
		{"combining marks count", "nist", "e\u0301e\u0301e\u0301e\u0301", ""},
		{"129 characters", "nist", strings.Repeat("k", 129), RuleLength},
		{"129 characters of four bytes", "nist", strings.Repeat("🐎", 129), RuleLength},
		{"not UTF-8", "nist", "kq7wz3ab\xff", RuleLength},
		{"a surrogate in UTF-8's clothes", "nist", "kq7wz3ab\xed\xa0\x80", RuleLength},
		{"NUL", "nist", "kq7wz3ab\x00", RuleLength},
		{"length goes before the list", "nist", "123456", RuleLength},
		{"common", "nist", "password1", RuleCommon},
		{"common in capitals", "nist", "PASSWORD1", RuleCommon},
		{"common between spaces", "nist", "  123456 ", RuleCommon},
		{"common with the Kelvin sign for k, as in Django", "nist", "hac\u212aer123", RuleCommon},
		{"the number", "nist", "13800000001", RuleNumber},
		{"the number as E.164", "nist", "+8613800000001", RuleNumber},
		{"the number in groups", "nist", "+86 138-0000-0001", RuleNumber},
		{"the number in groups, national", "nist", "138 0000 0001", RuleNumber},
		{"the number in brackets", "nist", "(+86) 138.0000.0001", RuleNumber},
		{"another number in groups", "nist", "+86 138-0000-0002", ""},
		{"another country's spelling", "nist", "+8513800000001", ""},
	}
	policies := map[string]*Policy{"classic": policyFor(t, "classic", true), "nist": policyFor(t, "nist", true)}
	for _, c := range cases {
		t.Run(c.policy+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			if got := policies[c.policy].Check(n, c.password); got != c.want {
				t.Errorf("Check(%q) = %q, want %q", c.password, got, c.want)
			}
		})
	}
}

// A trunk zero that belongs to the national number (Italy's land lines have one) is part of the spelling.
func TestPolicyRefusesTheNumberOfOtherPlans(t *testing.T) {
	t.Parallel()
	p := policyFor(t, "classic", true)
	for _, c := range []struct{ region, calling, national, password string }{
		{"GB", "44", "7700900123", "07700900123"},
		{"GB", "44", "7700900123", "447700900123"},
		{"IT", "39", "0612345678", "0612345678"},
		{"IT", "39", "0612345678", "390612345678"},
		{"HK", "852", "51234567", "0085251234567"},
	} {
		n, err := NewNumber(c.region, c.calling, c.national)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Check(n, c.password); got != RuleNumber {
			t.Errorf("%s: Check(%q) = %q, want %q", c.region, c.password, got, RuleNumber)
		}
	}
}

func TestPolicyWithoutBlocklistKeepsFormOnly(t *testing.T) {
	t.Parallel()
	n, _ := ChinaMobile("13800000001")
	p := policyFor(t, "classic", false)
	for _, password := range []string{"123456", "password1", "13800000001"} {
		if got := p.Check(n, password); got != "" {
			t.Errorf("Check(%q) = %q, want none", password, got)
		}
	}
	if got := p.Check(n, "12345"); got != RuleForm {
		t.Errorf("five digits: %q, want %q", got, RuleForm)
	}
}

func TestPolicyWithoutNumberStillHasForm(t *testing.T) {
	t.Parallel()
	p := policyFor(t, "classic", true)
	if got := p.Check(Number{}, "00000000000000"); got != "" {
		t.Errorf("zeros are not the spelling of no number: %q", got)
	}
	if got := p.Check(Number{}, ""); got != RuleForm {
		t.Errorf("empty: %q, want %q", got, RuleForm)
	}
}

func TestPolicyUnmadeTakesNothing(t *testing.T) {
	t.Parallel()
	n, _ := ChinaMobile("13800000001")
	for name, p := range map[string]*Policy{"nil": nil, "zero": {}} {
		if got := p.Check(n, "correct horse battery"); got != RuleForm {
			t.Errorf("%s: %q, want %q", name, got, RuleForm)
		}
		if p.Name() != "" {
			t.Errorf("%s has the name %q", name, p.Name())
		}
	}
}

func TestNewPolicyNamesTheChoices(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "Classic", "strong"} {
		p, err := NewPolicy(name, true)
		if err == nil || p != nil {
			t.Fatalf("NewPolicy(%q) gave a policy", name)
		}
		if !strings.Contains(err.Error(), "classic or nist") {
			t.Errorf("the error does not say what to write: %v", err)
		}
	}
	for _, name := range []string{"classic", "nist"} {
		if got := policyFor(t, name, false).Name(); got != name {
			t.Errorf("Name() = %q, want %q", got, name)
		}
	}
}

// TestCommonPasswordsAreAllRefused reads the embedded file on its own, so that a mistake in reading it shows.
func TestCommonPasswordsAreAllRefused(t *testing.T) {
	t.Parallel()
	r, err := gzip.NewReader(strings.NewReader(commonPasswords))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	p := policyFor(t, "nist", true)
	if !slices.IsSorted(p.common) {
		t.Fatal("the list is not sorted: looking up would miss entries")
	}
	lines := 0
	for line := range strings.Lines(string(text)) {
		lines++
		word := strings.TrimSpace(line)
		if word != strings.ToLower(word) {
			t.Errorf("%q is not in lower case: it could never be found", word)
		}
		if !p.isCommon(word) || !p.isCommon(strings.ToUpper(word)) {
			t.Errorf("%q is not refused", word)
		}
	}
	if lines != 19_727 || len(p.common) != lines { // 20,000 before Django put them in lower case and dropped doubles
		t.Errorf("the file has %d passwords and the policy %d, want 19,727", lines, len(p.common))
	}
	for _, word := range []string{"", " ", "kq7wz3ab", "password1x", "zzzzzzzzzzzz", "\x00"} {
		if p.isCommon(word) {
			t.Errorf("%q is on no list", word)
		}
	}
}

// TestT22_LongPasswordCostsNothing counts allocations: a password over the bound is refused before anything reads it.
func TestT22_LongPasswordCostsNothing(t *testing.T) { // not parallel: AllocsPerRun counts the whole program's
	n, _ := ChinaMobile("13800000001")
	long := strings.Repeat("密", 1<<20/3)
	for _, name := range []string{"classic", "nist"} {
		p := policyFor(t, name, true)
		if got := testing.AllocsPerRun(100, func() { p.Check(n, long) }); got != 0 {
			t.Errorf("%s: 1 MiB makes %v allocations", name, got)
		}
	}
}

// BenchmarkPolicyCheck has the 1 MiB password beside the usual one: it must not be the slower of the two (T22).
func BenchmarkPolicyCheck(b *testing.B) {
	n, _ := ChinaMobile("13800000001")
	p := policyFor(b, "nist", true)
	for name, password := range map[string]string{"usual": "correct horse battery", "1MiB": strings.Repeat("k", 1<<20)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Check(n, password)
			}
		})
	}
}

// BenchmarkNewPolicy reports what a policy keeps in memory beside what it costs to make.
func BenchmarkNewPolicy(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept := policyFor(b, "classic", true)
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
		policyFor(b, "classic", true)
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1024, "KiB-kept")
	runtime.KeepAlive(kept)
}

func TestPolicyIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	n, _ := ChinaMobile("13800000001")
	p := policyFor(t, "nist", true)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				if got := p.Check(n, "Password1"); got != RuleCommon {
					t.Errorf("got %q", got)
					return
				}
			}
		})
	}
	all.Wait()
}

func FuzzPolicy(f *testing.F) {
	for _, seed := range []string{"", "kq7wz3", "Password1", "13800000001", "+86 138-0000-0001", "１２３４５６", "a\x00b", "\xff\xfe",
		strings.Repeat("永", 130), "e\u0301e\u0301e\u0301e\u0301"} {
		f.Add(seed)
	}
	n, err := ChinaMobile("13800000001")
	if err != nil {
		f.Fatal(err)
	}
	classic, nist := policyFor(f, "classic", true), policyFor(f, "nist", true)
	f.Fuzz(func(t *testing.T, password string) {
		switch rule := classic.Check(n, password); rule {
		case "":
			alphanumeric := strings.Trim(password, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
			if !alphanumeric || len(password) < 6 || len(password) > 20 || password == n.National() {
				t.Errorf("classic takes %q", password)
			}
		case RuleForm, RuleNumber, RuleCommon:
		default:
			t.Errorf("classic has no rule %q", rule)
		}
		switch rule := nist.Check(n, password); rule {
		case "":
			if c := utf8.RuneCountInString(password); c < 8 || c > 128 || !utf8.ValidString(password) ||
				strings.ContainsRune(password, 0) {
				t.Errorf("nist takes %q", password)
			}
		case RuleLength, RuleNumber, RuleCommon:
		default:
			t.Errorf("nist has no rule %q", rule)
		}
		if nist.Check(n, password) == "" && classic.Check(n, password) == RuleCommon {
			t.Errorf("%q is common for one policy only", password)
		}
	})
}
