package web

import (
	"slices"
	"strings"
	"testing"
)

func installed(t testing.TB) *languages {
	t.Helper()
	l, err := newLanguages([]string{"zh-CN", "en"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAcceptLanguagePicksTheBestInstalledOne(t *testing.T) {
	t.Parallel()
	l := installed(t)
	for accept, want := range map[string]string{
		"":                                    "zh-CN",
		"en":                                  "en",
		"EN":                                  "en",
		"en-GB,en;q=0.8":                      "en",
		"zh":                                  "zh-CN",
		"zh-CN,zh;q=0.9,en;q=0.8":             "zh-CN",
		"zh-Hans-SG":                          "zh-CN",
		"zh-HK;q=0.5, en":                     "en",
		"fr":                                  "zh-CN",
		"fr, en;q=0.1":                        "en",
		"fr-CH, fr;q=0.9, en;q=0.8, *;q=0.5":  "en",
		"en;q=0, zh":                          "zh-CN",
		"*":                                   "zh-CN",
		"en;q=x":                              "zh-CN",
		"en;;;":                               "zh-CN",
		"nonsense and more":                   "zh-CN",
		"en-u-rg-cnzzzz":                      "en",
		strings.Repeat("de,", 200) + "en":     "zh-CN", // too long
		strings.Repeat("-", 500):              "zh-CN",
		"x-private":                           "zh-CN",
		"en\x00":                              "zh-CN",
		"ｅｎ":                                  "zh-CN",
		"de, es;q=0.9, it;q=0.8, en-US;q=0.7": "en",
	} {
		if got := l.match([]string{accept}); got != want {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
	}
	if got := l.match(nil); got != "zh-CN" {
		t.Errorf("no header: %s", got)
	}
	if got := l.match([]string{"fr", "en;q=0.5"}); got != "en" {
		t.Errorf("two lines: %s", got)
	}
}

func FuzzAcceptLanguage(f *testing.F) {
	for _, seed := range []string{"", "en", "zh-CN,zh;q=0.9", "*;q=0", "en-u-co-phonebk-x-a", "i-klingon", "a-DE", "en;q=1e99",
		strings.Repeat("a-", 250), strings.Repeat("x,", 250), "und-t-en-t0-abc", "zh-min-nan", "sgn-BE-FR", "en;q=NaN"} {
		f.Add(seed, "")
	}
	l := installed(f)
	f.Fuzz(func(t *testing.T, one, two string) {
		if got := l.match([]string{one, two}); !slices.Contains(l.names, got) {
			t.Fatalf("%q is not installed", got)
		}
	})
}

// What the longest header costs: the bound keeps a request with it about as cheap as any other.
func BenchmarkAcceptLanguage(b *testing.B) {
	l := installed(b)
	for name, accept := range map[string]string{
		"browser":    "zh-CN,zh;q=0.9,en;q=0.8",
		"many":       strings.Repeat("de,", maxAcceptLanguage/3),
		"extensions": "en-u" + strings.Repeat("-aa-bbb", maxAcceptLanguage/7-1),
		"private":    "x" + strings.Repeat("-a", maxAcceptLanguage/2-1),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.match([]string{accept})
			}
		})
	}
}

func TestCataloguesHaveEveryText(t *testing.T) {
	t.Parallel()
	used := []string{"sent", "reset", "password_form", "password_length", "password_common", "password_number", "password_hash"}
	for _, e := range []*refusal{errNotFound, errMethod, errTooLarge, errEncoding, errCrossSite, errNotJSON, errBadForm, errPanic,
		errSendEmpty, errSendParam, errResetEmpty, errResetParam} {
		used = append(used, e.key)
	}
	for _, kind := range kinds {
		for _, reply := range kind.replies {
			if reply.key != "" && reply.key != "password" { // which gets its rule appended
				used = append(used, reply.key)
			}
		}
	}
	slices.Sort(used)
	used = slices.Compact(used)

	entries, err := textFiles.ReadDir("locales")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) < 2 {
		t.Fatal("zh-CN and en are to be installed")
	}
	for _, entry := range entries {
		name := strings.TrimSuffix(entry.Name(), ".json")
		texts, _, err := loadTexts([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for key, text := range texts[name] {
			keys = append(keys, key)
			if strings.TrimSpace(text) == "" || strings.TrimSpace(text) != text {
				t.Errorf("%s: %s is %q", name, key, text)
			}
		}
		slices.Sort(keys)
		if !slices.Equal(keys, used) {
			t.Errorf("%s has the keys\n%q, used are\n%q", name, keys, used)
		}
	}
}
