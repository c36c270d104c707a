package sms_test

import (
	"strings"
	"testing"
	"time"

	"rekey"
	"rekey/sms"
)

func message(t testing.TB, calling, national, tag string, expires time.Duration) rekey.Message {
	t.Helper()
	to, err := rekey.NewNumber("", calling, national)
	if err != nil {
		t.Fatal(err)
	}
	code, ok := rekey.ParseCode("012345")
	if !ok {
		t.Fatal("no code")
	}
	return rekey.Message{ID: "id", To: to, Code: code, Language: tag, ExpiresIn: expires}
}

func TestTextsByLanguageAndCountry(t *testing.T) {
	t.Parallel()
	const zh = "验证码012345，用于重置密码，5分钟内有效，请勿告诉他人。"
	const line = "\n\n@www.example.com #012345"
	https := "https://www.example.com:8443"
	cases := []struct {
		name               string
		sign, origin       string
		calling, tag, want string
	}{
		{"mainland", "示例网", https, "86", "zh-CN", "【示例网】" + zh},
		{"mainland, no sign", "", https, "86", "zh-CN", zh},
		{"mainland, in English", "Example", https, "86", "en", "【Example】012345 is your password reset code. It expires in 5 minutes."},
		{"elsewhere", "Example", https, "1", "en", "012345 is your Example code. It expires in 5 minutes." + line},
		{"elsewhere, no sign", "", https, "1", "en", "012345 is your password reset code. It expires in 5 minutes." + line},
		{"elsewhere, in Chinese", "示例网", https, "852", "zh-CN", "【示例网】" + zh + line},
		{"elsewhere, no origin", "Example", "", "1", "en", "012345 is your Example code. It expires in 5 minutes."},
		{"elsewhere, no https", "Example", "http://localhost:8000", "1", "en", "012345 is your Example code. It expires in 5 minutes."},
		{"a sign that looks like a placeholder", "{code}", "", "1", "en", "012345 is your {code} code. It expires in 5 minutes."},
		{"the nearest language", "", "", "86", "en-GB", "012345 is your password reset code. It expires in 5 minutes."},
		{"the first language for others", "", "", "86", "fr", zh},
		{"the first language for none", "", "", "86", "", zh},
		{"the first language for nonsense", "", "", "86", "\r\n#", zh},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			texts := newTexts(t, sms.TextConfig{Sign: c.sign, Origin: c.origin})
			if got := texts.Text(message(t, c.calling, "13800000001", c.tag, 5*time.Minute)); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
	first := newTexts(t, sms.TextConfig{Languages: []string{"en", "zh-CN"}})
	if got := first.Language("fr"); got != "en" {
		t.Errorf("language %q, want the first", got)
	}
}

func TestTextsNeverPromiseMoreTimeThanThereIs(t *testing.T) {
	t.Parallel()
	texts := newTexts(t, sms.TextConfig{})
	for expires, want := range map[time.Duration][2]string{
		5 * time.Minute:                    {"5 minutes", "5分钟"},
		5*time.Minute - time.Millisecond:   {"5 minutes", "5分钟"},
		5*time.Minute - 2*time.Millisecond: {"4 minutes", "4分钟"},
		119 * time.Second:                  {"1 minute", "1分钟"},
		time.Minute:                        {"1 minute", "1分钟"},
		59900 * time.Millisecond:           {"59 seconds", "59秒"},
		time.Second:                        {"1 second", "1秒"},
		-time.Hour:                         {"0 seconds", "0秒"},
	} {
		for i, tag := range []string{"en", "zh-CN"} {
			got := texts.Text(message(t, "86", "13800000001", tag, expires))
			if !strings.Contains(got, " "+want[i]+".") && !strings.Contains(got, "，"+want[i]+"内") {
				t.Errorf("%v: %q does not say %q", expires, got, want[i])
			}
		}
	}
}

func TestT34_BadSignsAndOriginsAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []sms.TextConfig{
		{Languages: []string{"fr"}},
		{Languages: []string{"zh-CN", "not a tag"}},
		{Sign: "【示例网】"},
		{Sign: "a\nb"},
		{Sign: "a\u2028b"},
		{Sign: strings.Repeat("长", 21)},
		{Origin: "www.example.com"},
		{Origin: "https://"},
		{Origin: "https://例子.example"},
		{Origin: "https://a b"},
	} {
		if texts, err := sms.NewTexts(c); err == nil {
			t.Errorf("%+v was taken: %q", c, texts.Text(message(t, "1", "2025550123", "en", time.Minute)))
		}
	}
	_, err := sms.NewTexts(sms.TextConfig{Languages: []string{"fr"}, Sign: "\n", Origin: "x"})
	if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 3 {
		t.Errorf("got %v, want all three faults", err)
	}
}

// FuzzTexts reads messages as a browser does (WICG, Origin-bound one-time codes delivered via SMS, section 4.2): whatever
// sign and origin are taken, the last line names the configured host and the code, and in the mainland there is none.
func FuzzTexts(f *testing.F) {
	f.Add("示例网", "https://www.example.com", "en")
	f.Add("", "https://a:1/x?y#z", "zh-CN")
	f.Add("a #111111", "https://user@host%20b", "zh")
	f.Add("\u00a0", "https://[::1]:8443", "")
	f.Fuzz(func(t *testing.T, sign, origin, tag string) {
		texts, err := sms.NewTexts(sms.TextConfig{Languages: []string{"en", "zh-CN"}, Sign: sign, Origin: origin})
		if err != nil {
			return
		}
		text := texts.Text(message(t, "86", "13800000001", tag, time.Minute))
		if strings.ContainsAny(text, "\r\n") {
			t.Errorf("mainland: %q has lines", text)
		}
		text = texts.Text(message(t, "44", "7911123456", tag, time.Minute))
		lines := strings.Split(text, "\n")
		if len(lines) == 1 {
			return // no https origin
		}
		host, found := strings.CutSuffix(lines[len(lines)-1], " #012345")
		host, marked := strings.CutPrefix(host, "@")
		if len(lines) != 3 || lines[1] != "" || !found || !marked || host == "" || strings.ContainsAny(host, "\t\f\r #") {
			t.Errorf("%q", text)
		}
	})
}
