package browser_test

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// words are the texts that tell the screens apart.
type words struct{ start, code, sent, done string }

var copyOf = map[string]words{
	"zh-CN": {"重置密码", "输入验证码，设置新密码", "验证码已发送至 138 0013 8000", "密码已修改"},
	"en":    {"Reset your password", "Enter the code and a new password", "We texted a code to 138 0013 8000", "Password changed"},
}

func TestRecovery(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	for _, language := range []string{"zh-CN", "en"} {
		for _, width := range []int64{360, 1280} {
			for _, dark := range []bool{false, true} {
				for _, noScript := range []bool{false, true} {
					l := look{language, width, dark, noScript}
					t.Run(l.String(), func(t *testing.T) { recovery(t, b, l) })
				}
			}
		}
	}
}

// recovery goes all the way, with the mistakes that people make.
func recovery(t *testing.T, browser *browser, l look) {
	s := newSite(t)
	b := browser.open(t, s, l)
	want := copyOf[l.language]

	b.visit("")
	b.want("lang", eval[string](b, `document.documentElement.lang`), l.language)
	b.want("h1", b.text("h1"), want.start)
	b.check("1-start")

	b.fill("#mobile", nobody)
	b.press(kb.Enter)
	b.await(`document.querySelector('#me')`)
	b.focusOn("#mobile")
	b.check("2-not-registered")

	b.fill("#mobile", "+86 138-0013-8000")
	b.press(kb.Enter)
	b.await(`document.querySelector('#code')`)
	b.ready()
	b.want("h1", b.text("h1"), want.code)
	b.want("sent to", b.text("#to"), want.sent)
	b.focusOn("#code")
	b.check("3-code")
	message := s.newest(t, 1)
	b.want("language of the message", message.Language, l.language)

	b.press(kb.Enter)
	b.await(`document.querySelector('#ce') && document.querySelector('#pe')`)
	b.focusOn("#notice")
	b.check("4-two-faults")

	b.fill("#code", s.wrong(t))
	b.fill("#pw", newPassword)
	b.press(kb.Enter)
	b.await(`document.querySelector('#ce') && !document.querySelector('#pe')`)
	b.focusOn("#code")
	if !l.noScript {
		b.want("the password after a wrong code", b.value("#pw"), newPassword)
	}
	b.check("5-wrong-code")

	b.fill("#code", message.Code)
	b.fill("#pw", newPassword)
	b.press(kb.Enter)
	b.await(`!document.querySelector('form')`)
	b.want("h1", b.text("h1"), want.done)
	b.focusOn("h1")
	b.check("6-done")
	s.changedOnce(t)

	b.click("main a")
	b.await(`location.pathname === '/login'`)
}
