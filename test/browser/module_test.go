package browser_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

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
		// While in a hurry, eight and twenty-five seconds pass in a fiftieth of the time. An answer that is on its way has
		// all of them, however slow the machine.
		call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
			Source: `const real = setTimeout; setTimeout = (f, ms, ...rest) => real(f, globalThis.hurry ? ms / 50 : ms, ...rest)`})
		b.visit("")
		b.send()
		gate := make(chan struct{})
		s.delay.Store(&gate)
		b.fill("#code", s.newest(t, 1).Code)
		b.fill("#pw", newPassword)
		// What the status says is kept, since it may pass faster than we can look.
		eval[any](b, `globalThis.hurry = true; globalThis.said = []; new MutationObserver(() => said.push(document.querySelector('#status').textContent))
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
		eval[any](b, `globalThis.hurry = false; 0`)
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
