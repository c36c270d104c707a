package browser_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
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
	if password, writes := b.site.people.password(); password != newPassword || writes != 1 {
		b.Errorf("the password is %q after %d changes", password, writes)
	}
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
			for name, spell := range map[string]func(message) string{
				"in two groups": func(m message) string { return m.Code[:3] + " " + m.Code[3:] },
				"full-width":    func(m message) string { return strings.Map(func(r rune) rune { return r - '0' + '０' }, m.Code) },
				"the message":   func(m message) string { return m.Text },
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
			if n := len(s.messages(t)); n != 0 {
				t.Errorf("%d messages", n)
			}
		})
	})

	t.Run("an outage is told of, and the code still works", func(t *testing.T) {
		bothWays(t, func(t *testing.T, l look) {
			s := newSite(t)
			b := browser.open(t, s, l)
			b.visit("")
			s.people.setDown(true)
			b.fill("#mobile", alice)
			b.press(kb.Enter)
			b.noticed("服务暂时不可用，请 …后再试")
			b.want("the number", b.value("#mobile"), alice)
			s.people.setDown(false)
			b.send()
			s.people.setDown(true)
			b.fill("#code", s.newest(t, 1).Code)
			b.fill("#pw", newPassword)
			b.press(kb.Enter)
			b.noticed("服务暂时不可用，请 …后再试。验证码仍有效")
			b.want("the code", b.value("#code"), s.newest(t, 1).Code)
			b.check("unavailable")
			s.people.setDown(false)
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
				b.await(`document.readyState === 'complete'`)
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

func TestModule(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)

	t.Run("the page is five requests at most", func(t *testing.T) {
		b := browser.open(t, newSite(t), look{})
		b.visit("")
		if got := b.asked(); len(got) == 0 || len(got) > 5 {
			t.Errorf("requests: %q", got)
		}
	})

	t.Run("a request is shown, and more clicks are ignored", func(t *testing.T) {
		s := newSite(t)
		b := browser.open(t, s, look{})
		b.visit("")
		gate := make(chan struct{})
		s.delay.Store(&gate)
		b.fill("#mobile", alice)
		b.press(kb.Enter)
		b.await(`document.querySelector('.primary').textContent === '正在发送…'`)
		b.want("status", b.text("#status"), "正在发送…")
		b.want("off", eval[string](b, `document.querySelector('.primary').ariaDisabled`), "true")
		b.focusOn("#mobile")
		b.shot("sending")
		b.click(".primary")
		b.press(kb.Enter)
		close(gate)
		s.delay.Store(nil)
		b.await(`document.querySelector('#code')`)
		b.want("status", b.text("#status"), "")
		if n := s.posts.Load(); n != 1 {
			t.Errorf("%d posts, want 1", n)
		}

		gate = make(chan struct{})
		s.delay.Store(&gate)
		b.fill("#code", s.newest(t, 1).Code)
		b.fill("#pw", newPassword)
		b.press(kb.Enter)
		b.await(`document.querySelector('#reset .primary').textContent === '正在修改…'`)
		b.shot("changing")
		close(gate)
		s.delay.Store(nil)
		b.done()
	})

	t.Run("a slow answer is told of, a missing one may be asked for again", func(t *testing.T) {
		s := newSite(t)
		b := browser.open(t, s, look{})
		// Eight and twenty-five seconds pass in a fiftieth of the time.
		call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
			Source: `const real = setTimeout; setTimeout = (f, ms, ...rest) => real(f, ms / 50, ...rest)`})
		b.visit("")
		b.send()
		gate := make(chan struct{})
		s.delay.Store(&gate)
		b.fill("#code", s.newest(t, 1).Code)
		b.fill("#pw", newPassword)
		// What the status says is kept, since it may pass faster than we can look.
		eval[any](b, `globalThis.said = []; new MutationObserver(() => said.push(document.querySelector('#status').textContent))
			.observe(document.querySelector('#status'), {childList: true}); 0`)
		b.press(kb.Enter)
		b.noticed("没有收到回应，请再点一次，不会重复提交")
		if said := eval[[]string](b, `said`); len(said) < 2 || said[0] != "正在修改…" || said[1] != "网络较慢，请稍候…" {
			t.Errorf("the status said %q", said)
		}
		close(gate)
		s.delay.Store(nil)
		b.want("the code", b.value("#code"), s.newest(t, 1).Code)
		b.want("the password", b.value("#pw"), newPassword)
		b.shot("no-answer")
		b.click("#reset .primary")
		b.done()
	})

	t.Run("a lost answer is no second change", func(t *testing.T) {
		s := newSite(t)
		b := browser.started(t, s, look{})
		b.fill("#code", s.newest(t, 1).Code)
		b.fill("#pw", newPassword)
		s.lose.Store(true)
		b.press(kb.Enter)
		b.noticed("没有收到回应，请再点一次，不会重复提交")
		b.click("#reset .primary")
		b.done()
	})

	t.Run("offline loses nothing", func(t *testing.T) {
		s := newSite(t)
		b := browser.started(t, s, look{})
		b.fill("#code", s.newest(t, 1).Code)
		b.fill("#pw", newPassword)
		b.offline(true)
		b.press(kb.Enter)
		b.noticed("网络已断开，内容已保留。联网后再试")
		b.want("the code", b.value("#code"), s.newest(t, 1).Code)
		b.want("the password", b.value("#pw"), newPassword)
		b.check("offline")
		b.offline(false)
		b.click("#reset .primary")
		b.done()
	})

	t.Run("the wait follows the clock through a sleep, and its end is said once", func(t *testing.T) {
		s := newSite(t)
		b := browser.started(t, s, look{})
		b.want("hidden while it ticks", eval[string](b, `document.querySelector('#wait').ariaHidden`), "true")
		b.click("#resend")
		b.await(`document.querySelector('#status').textContent.endsWith('后可重新获取')`)
		if n := s.posts.Load(); n != 1 {
			t.Errorf("%d posts, want 1", n)
		}
		height := eval[float64](b, `document.documentElement.scrollHeight`)
		eval[any](b, `globalThis.now = Date.now; Date.now = () => now() + 30e3;
			document.dispatchEvent(new Event('visibilitychange')); 0`)
		left := eval[int](b, `parseInt(document.querySelector('#wait').textContent)`)
		if left < 1 || left > 30 {
			t.Errorf("after 30 s %d s are left", left)
		}
		eval[any](b, `Date.now = () => now() + 61e3; document.dispatchEvent(new Event('visibilitychange')); 0`)
		b.want("over", b.text("#wait"), "可以重新获取验证码了")
		b.want("status", b.text("#status"), "可以重新获取验证码了")
		b.want("heard", eval[string](b, `document.querySelector('#wait').ariaHidden`), "false")
		b.want("on again", eval[string](b, `document.querySelector('#resend').ariaDisabled`), "false")
		if got := eval[float64](b, `document.documentElement.scrollHeight`); got != height {
			t.Errorf("the page jumped from %v to %v px", height, got)
		}
		b.shot("wait-over")
		b.click("#resend") // the server's clock has not moved
		b.await(`document.querySelector('#wait').textContent.startsWith('刚发送过验证码，请查收；')`)
		b.focusOn("#code")
		b.check("just-sent")
	})

	t.Run("a code sent again leaves focus and fields alone", func(t *testing.T) {
		s := newSite(t, often)
		b := browser.started(t, s, look{})
		b.fill("#pw", newPassword)
		b.fill("#code", "12")
		b.click("#resend")
		b.await(`document.querySelector('#said')`)
		b.focusOn("#resend")
		b.want("status", b.text("#status"), "验证码已重新发送")
		b.want("the code", b.value("#code"), "12")
		b.want("the password", b.value("#pw"), newPassword)
		s.newest(t, 2)
	})

	t.Run("Show keeps focus and caret, says its state, and ends with the submit", func(t *testing.T) {
		s := newSite(t)
		b := browser.started(t, s, look{})
		b.want("says", eval[string](b, `document.querySelector('#show').ariaLabel`), "显示密码")
		b.fill("#pw", newPassword)
		eval[any](b, `document.querySelector('#pw').setSelectionRange(3, 3)`)
		b.click("#show")
		b.want("type", eval[string](b, `document.querySelector('#pw').type`), "text")
		b.want("says", eval[string](b, `document.querySelector('#show').ariaLabel`), "隐藏密码")
		b.want("reads", b.text("#show"), "隐藏")
		b.focusOn("#pw")
		if at := eval[int](b, `document.querySelector('#pw').selectionStart`); at != 3 {
			t.Errorf("the caret is at %d", at)
		}
		b.check("shown")
		b.fill("#code", "1")
		b.press(kb.Enter)
		b.await(`document.querySelector('#ce')`)
		b.want("type", eval[string](b, `document.querySelector('#pw').type`), "password")
		b.want("says", eval[string](b, `document.querySelector('#show').ariaLabel`), "显示密码")
		b.want("selected", eval[string](b, `getSelection().toString() || document.activeElement.value.slice(
			document.activeElement.selectionStart, document.activeElement.selectionEnd)`), "1")
	})

	t.Run("a message that the phone reads fills an empty code field, and no request is left behind", func(t *testing.T) {
		s := newSite(t)
		b := browser.open(t, s, look{})
		call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
			globalThis.OTPCredential ??= class {};
			globalThis.asked = [];
			navigator.credentials.get = options => new Promise((resolve, reject) => {
				asked.push({resolve, signal: options.signal});
				options.signal.addEventListener('abort', () => reject(options.signal.reason)); })`})
		b.visit("")
		b.send()
		if n := eval[int](b, `asked.length`); n != 1 {
			t.Fatalf("asked for %d messages", n)
		}
		eval[any](b, `asked[0].resolve({code: `+quote(s.newest(t, 1).Code)+`})`)
		b.await(`document.activeElement.id === 'pw'`)
		b.want("the code", b.value("#code"), s.newest(t, 1).Code)
		b.typed("short")
		b.press(kb.Enter)
		b.await(`document.querySelector('#pe')`)
		if !eval[bool](b, `asked[0].signal.aborted && asked.length === 2 && !asked[1].signal.aborted`) {
			t.Error("the first request was not aborted by the submit, or the second is not alive")
		}
		eval[any](b, `asked[1].resolve({code: '999999'})`)
		b.fill("#pw", newPassword)
		b.want("a field that is not empty", b.value("#code"), s.newest(t, 1).Code)
		b.press(kb.Enter)
		b.done()
	})

	t.Run("fields filled before the module ran are submitted", func(t *testing.T) {
		s := newSite(t)
		b := browser.open(t, s, look{})
		call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
			new MutationObserver(() => { const f = document.querySelector('#mobile'); if (f && !f.value) f.value = '` + alice + `' })
				.observe(document, {childList: true, subtree: true})`})
		b.visit("")
		b.click(".primary")
		b.await(`document.querySelector('#code')`)
		s.newest(t, 1)
	})

	t.Run("Tab goes in reading order", func(t *testing.T) {
		b := browser.started(t, newSite(t), look{})
		var order []string
		eval[any](b, `document.querySelector('nav a').focus()`)
		for range 7 {
			order = append(order, eval[string](b, `document.activeElement.id || document.activeElement.textContent`))
			if !eval[bool](b, `getComputedStyle(document.activeElement).outlineStyle !== 'none'`) {
				t.Errorf("focus on %q can't be seen", order[len(order)-1])
			}
			b.press(kb.Tab)
		}
		b.want("order", strings.Join(order, " "), "English change code resend pw show 确认修改")
	})

	t.Run("screen readers meet each part once", func(t *testing.T) {
		b := browser.started(t, newSite(t), look{})
		var met []string
		for _, node := range call(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
			if node.Ignored || node.Role == nil || node.Name == nil {
				continue
			}
			var role, name string
			b.must(json.Unmarshal([]byte(node.Role.Value), &role))
			b.must(json.Unmarshal([]byte(node.Name.Value), &name))
			if slices.Contains([]string{"textbox", "button", "link", "heading"}, role) {
				met = append(met, role+" "+name)
			}
		}
		slices.Sort(met)
		b.want("tree", strings.Join(met, ", "), "button 显示密码, button 确认修改, button 重新获取, heading 输入验证码，设置新密码, "+
			"link English, link 手机号已停用？联系客服, link 更换号码, textbox 新密码, textbox 短信验证码")
	})

	t.Run("T38 fields are empty when the page comes back", func(t *testing.T) {
		b := browser.started(t, newSite(t), look{})
		b.fill("#code", "123456")
		b.fill("#pw", newPassword)
		b.must(chromedp.Do(b.ctx, chromedp.Navigate(b.site.URL+"/login")))
		b.back()
		b.await(`document.querySelector('#show:not([hidden])')`)
		b.want("the code", b.value("#code"), "")
		b.want("the password", b.value("#pw"), "")
		// The same, where the browser keeps the page as it is.
		b.fill("#pw", newPassword)
		eval[any](b, `dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))`)
		b.want("the password of a page that is kept", b.value("#pw"), "")
	})
}

// offline cuts the tab off, and says so.
func (b *tab) offline(off bool) {
	b.Helper()
	call(b, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{Offline: off, DownloadThroughput: -1, UploadThroughput: -1}}})
	call(b, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: off, DownloadThroughput: -1, UploadThroughput: -1})
}
