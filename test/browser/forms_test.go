package browser_test

import (
	"net/http"
	"rekey/test/embedded"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// started opens a site's page and goes to the second screen.
func (b *browser) started(t *testing.T, s *site, l look) *tab {
	t.Helper()
	tab := b.open(t, s, l)
	tab.visit("")
	tab.send()
	return tab
}

// send asks for a code for alice on the first screen.
func (b *tab) send() {
	b.Helper()
	b.fill("#mobile", alice)
	b.press(kb.Enter)
	b.await(`document.querySelector('#code')`)
	b.ready()
}

// done waits for the last screen and wants exactly one change, to newPassword.
func (b *tab) done() {
	b.Helper()
	b.await(`!document.querySelector('form')`)
	b.site.changedOnce(b.T)
}

// noticed waits for a notice of no field, where … stands for anything, and wants it in focus.
func (b *tab) noticed(text string) {
	b.Helper()
	before, after, _ := strings.Cut(text, "…")
	b.await(`(text => text?.startsWith(` + quote(before) + `) && text.endsWith(` + quote(after) + `))(document.querySelector('#notice h2')?.textContent)`)
	b.focusOn("#notice")
	if !strings.HasPrefix(eval[string](b, `document.title`), "错误：") {
		b.Errorf("the title does not tell of the fault: %q", eval[string](b, `document.title`))
	}
}

// bothWays runs a test with and without scripts.
func bothWays(t *testing.T, run func(*testing.T, look)) {
	for _, l := range []look{{}, {noScript: true}} {
		t.Run(l.String(), func(t *testing.T) { run(t, l) })
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)

	t.Run("a code is read however it is pasted", func(t *testing.T) {
		bothWays(t, func(t *testing.T, l look) {
			for name, spell := range map[string]func(embedded.Message) string{
				"in two groups": func(m embedded.Message) string { return m.Code[:3] + " " + m.Code[3:] },
				"full-width": func(m embedded.Message) string {
					return strings.Map(func(r rune) rune { return r - '0' + '０' }, m.Code)
				},
				"the message": func(m embedded.Message) string { return m.Text },
			} {
				t.Run(name, func(t *testing.T) {
					s := newSite(t)
					b := browser.started(t, s, l)
					m := s.newest(t, 1)
					b.paste("#code", spell(m))
					if !l.noScript {
						b.want("pasted", b.value("#code"), m.Code)
					}
					b.fill("#pw", newPassword)
					b.press(kb.Enter)
					b.done()
				})
			}
		})
	})

	t.Run("a double click sends once and changes once", func(t *testing.T) {
		bothWays(t, func(t *testing.T, l look) {
			s := newSite(t)
			b := browser.open(t, s, l)
			b.visit("")
			b.fill("#mobile", alice)
			b.click(".primary", 2)
			b.await(`document.querySelector('#code')`)
			b.ready()
			m := s.newest(t, 1)
			b.fill("#code", m.Code)
			b.fill("#pw", newPassword)
			b.click("#reset .primary", 2)
			b.done()
			s.newest(t, 1)
			if n := s.posts.Load(); n != 2 && !l.noScript {
				t.Errorf("%d posts, want 2", n)
			}
		})
	})

	t.Run("a reload shows the same screen", func(t *testing.T) {
		bothWays(t, func(t *testing.T, l look) {
			b := browser.started(t, newSite(t), l)
			b.must(chromedp.Do(b.ctx, chromedp.Reload()))
			b.ready()
			b.want("sent to", b.text("#to"), "验证码已发送至 138 0013 8000")
			b.focusOn("#code")
			if got := b.text("#wait"); !strings.HasSuffix(got, "后可重新获取") {
				t.Errorf("the wait is %q", got)
			}
		})
	})

	t.Run("another number can be used", func(t *testing.T) {
		bothWays(t, func(t *testing.T, l look) {
			b := browser.started(t, newSite(t), l)
			entries := eval[int](b, `history.length`)
			b.click("#change")
			b.await(`document.querySelector('#mobile')`)
			b.want("the old number", b.value("#mobile"), "")
			if !l.noScript {
				b.focusOn("#mobile")
				if n := eval[int](b, `history.length`); n != entries {
					t.Errorf("%d entries of history, want %d", n, entries)
				}
			}
			b.fill("#mobile", twins)
			b.press(kb.Enter)
			b.noticed("该手机号对应多个账号，请联系客服重置")
			b.check("several-accounts")
			b.send()
			b.must(chromedp.Do(b.ctx, chromedp.Reload()))
			b.await(`document.querySelector('#code')`)
		})
	})

	t.Run("the flow works without cookies", func(t *testing.T) {
		bothWays(t, func(t *testing.T, l look) {
			s := newSite(t)
			s.keepNoCookies()
			b := browser.started(t, s, l)
			b.fill("#code", s.wrong(t))
			b.fill("#pw", newPassword)
			b.press(kb.Enter)
			b.await(`document.querySelector('#ce')`)
			b.want("left of the flow's own guesses", b.text("#ce"), "验证码不正确，还可以再试 4 次")
			b.fill("#code", s.newest(t, 1).Code)
			b.fill("#pw", newPassword)
			b.press(kb.Enter)
			b.done()
		})
	})

	t.Run("the chosen language and where to go stay through the flow", func(t *testing.T) {
		bothWays(t, func(t *testing.T, l look) {
			s := newSite(t)
			b := browser.open(t, s, l)
			b.visit("?next=%2Fapp%3Fa%3Db")
			b.want("language of the link", eval[string](b, `document.querySelector('nav a').lang`), "en")
			b.click("nav a")
			b.await(`document.documentElement.lang === 'en'`)
			b.ready()
			b.send()
			b.want("h1", b.text("h1"), "Enter the code and a new password")
			m := s.newest(t, 1)
			b.want("language of the message", m.Language, "en")
			b.fill("#code", m.Code)
			b.fill("#pw", newPassword)
			b.press(kb.Enter)
			b.done()
			b.want("h1", b.text("h1"), "Password changed")
			b.want("where to go", eval[string](b, `document.querySelector('main a').getAttribute('href')`), "/app?a=b")
		})
	})

	t.Run("a dead code is asked for anew", func(t *testing.T) {
		bothWays(t, func(t *testing.T, l look) {
			s := newSite(t, often)
			b := browser.started(t, s, l)
			for left := 4; left >= 0; left-- {
				b.fill("#code", s.wrong(t))
				b.fill("#pw", newPassword+string(rune('0'+left)))
				b.press(kb.Enter)
				want := "验证码不正确，还可以再试 " + string(rune('0'+left)) + " 次"
				if left == 0 {
					want = "该验证码已失效，请重新获取"
				}
				b.await(`document.querySelector('#ce')?.textContent === ` + quote(want))
			}
			b.focusOn("#resend")
			b.want("the dead code", b.value("#code"), "")
			b.check("used-up")
			b.press(kb.Enter)
			b.await(`document.querySelector('#said')`)
			b.want("said", b.text("#said"), "验证码已重新发送")
			b.check("resent")
			b.fill("#code", s.newest(t, 2).Code)
			b.fill("#pw", newPassword)
			b.press(kb.Enter)
			b.done()
		})
	})

	t.Run("T39 nobody is told whether a number is registered", func(t *testing.T) {
		bothWays(t, func(t *testing.T, l look) {
			s := newSite(t, noDisclosure)
			b := browser.open(t, s, l)
			b.visit("")
			b.fill("#mobile", nobody)
			b.press(kb.Enter)
			b.await(`document.querySelector('#code')`)
			b.want("sent to", b.text("#to"), "如果 139 0000 0002 已注册，验证码将在 1 分钟内送达")
			b.check("disclosure-off")
			if n := len(s.house.Messages(t)); n != 0 {
				t.Errorf("%d messages", n)
			}
		})
	})

	t.Run("an outage is told of, and the code still works", func(t *testing.T) {
		bothWays(t, func(t *testing.T, l look) {
			s := newSite(t)
			b := browser.open(t, s, l)
			b.visit("")
			s.people.down.Store(true)
			b.fill("#mobile", alice)
			b.press(kb.Enter)
			b.noticed("服务暂时不可用，请 …后再试")
			b.want("the number", b.value("#mobile"), alice)
			s.people.down.Store(false)
			b.send()
			s.people.down.Store(true)
			b.fill("#code", s.newest(t, 1).Code)
			b.fill("#pw", newPassword)
			b.press(kb.Enter)
			b.noticed("服务暂时不可用，请 …后再试。验证码仍有效")
			b.want("the code", b.value("#code"), s.newest(t, 1).Code)
			b.check("unavailable")
			s.people.down.Store(false)
			if l.noScript {
				b.fill("#pw", newPassword)
			}
			b.click("#reset .primary")
			b.done()
		})
	})

	t.Run("T38 Back from Done shows no live form", func(t *testing.T) {
		bothWays(t, func(t *testing.T, l look) {
			s := newSite(t)
			b := browser.started(t, s, l)
			b.fill("#code", s.newest(t, 1).Code)
			b.fill("#pw", newPassword)
			b.press(kb.Enter)
			b.done()
			b.click("main a")
			b.await(`location.pathname === '/login'`)
			for b.back() {
				// Without scripts the entry of Done is a post, which the browser does not repeat unasked.
				b.await(`true`)
				if eval[bool](b, `!!document.querySelector('#reset')`) {
					t.Error("there is a live form")
				}
				if got := eval[string](b, `document.documentElement.outerHTML`); strings.Contains(got, newPassword) {
					t.Error("the page still holds the password")
				}
			}
			s.newest(t, 1)
		})
	})
}

// back goes one entry of history back and reports whether there is one of ours.
func (b *tab) back() bool {
	b.Helper()
	h := call(b, page.GetNavigationHistory, cdp.Empty{})
	if h.CurrentIndex == 0 || !strings.HasPrefix(h.Entries[h.CurrentIndex-1].URL, b.site.URL) {
		return false
	}
	call(b, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: h.Entries[h.CurrentIndex-1].ID})
	b.until("the entry before", func() bool {
		now, err := chromedp.Call(b.ctx, page.GetNavigationHistory, cdp.Empty{})
		return err == nil && now.CurrentIndex == h.CurrentIndex-1 // no page, in between two, is no error
	})
	return true
}

// keepNoCookies makes the browser one that keeps no cookies, as far as the server can tell.
func (s *site) keepNoCookies() {
	h := s.Config.Handler
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Cookie")
		h.ServeHTTP(w, r)
	})
}
