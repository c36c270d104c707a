package sms_test

import (
	"errors"
	"testing"

	"rekey/sms"
)

func TestValueByLanguageIsTheLanguagesOwnOrElseTheGeneralOne(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		b      sms.ByLanguage
		tag    string
		want   string
		absent bool
	}{
		{sms.ByLanguage{"": "a"}, "zh-CN", "a", false},
		{sms.ByLanguage{"": "a", "en": "b"}, "en", "b", false},
		{sms.ByLanguage{"": "a", "en": "b"}, "zh-CN", "a", false},
		{sms.ByLanguage{"": "a", "en": ""}, "en", "a", false},
		{sms.ByLanguage{"en": "b"}, "zh-CN", "", true},
		{sms.ByLanguage{"": ""}, "en", "", true},
		{nil, "en", "", true},
	} {
		if got, ok := c.b.For(c.tag); got != c.want || ok == c.absent {
			t.Errorf("%v for %q: %q, %v; want %q", c.b, c.tag, got, ok, c.want)
		}
	}
}

func TestEveryConfiguredLanguageNeedsItsValue(t *testing.T) {
	t.Parallel()
	texts := newTexts(t, sms.TextConfig{Languages: []string{"zh-cn", "en"}})
	for _, c := range []struct {
		b    sms.ByLanguage
		want string
	}{
		{sms.ByLanguage{"": "a"}, ""},
		{sms.ByLanguage{"zh-CN": "a", "en": "b"}, ""},
		{nil, "template: is required"},
		{sms.ByLanguage{"zh-CN": "a"}, "template: there is none for the language en; add template.en"},
		{sms.ByLanguage{"": "", "en": "b"}, "template: there is none for the language zh-CN; add template.zh-CN"},
		{sms.ByLanguage{"": "a", "zh-cn": "b"}, `template."zh-cn": is not one of the configured languages, zh-CN, en`},
	} {
		got := ""
		if err := errors.Join(c.b.Faults("template", texts.Languages())...); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%v: %q, want %q", c.b, got, c.want)
		}
	}
}
