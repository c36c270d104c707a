package web_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rekey"
	"rekey/web"
)

// form is a form post, as a browser sends it.
func form(path string, fields ...string) request {
	values := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	return post(path, values.Encode(), "Content-Type: application/x-www-form-urlencoded", "Accept: text/html",
		"Sec-Fetch-Site: same-origin")
}

func formSend(mobile string) request { return form("sms_code/", "mobile", mobile) }

func formResend(mobile string) request { return form("sms_code/", "mobile", mobile, "flow", "FLOW") }

func formReset(code, password string) request {
	return form("", "mobile", alice, "flow", "FLOW", "sms_code", code, "new_password", password)
}

// state is one line of the table of states.
type state struct {
	name   string
	with   setting
	given  func(*house)
	after  time.Duration
	ask    request
	status int
	focus  string
	faulty bool // the title says so, and a fault of a field stands twice
	zh, en []string
}

func states() []state {
	visited := asked(get(""))
	sent := all(visited, asked(formSend(alice)))
	wrong := formReset("WRONG", newPassword)
	code := []string{"输入验证码，设置新密码", "验证码已发送至 138 0000 0001", "更换号码", "短信验证码", "6 位数字，5 分钟内有效",
		"重新获取", "新密码", "6–20 位字母或数字", "显示", "确认修改", "手机号已停用？联系客服"}
	codeEN := []string{"Enter the code and a new password", "We texted a code to 138 0000 0001", "Use a different number",
		"Code from the text message", "6 digits, valid for 5 minutes", "Send again", "New password",
		"6 to 20 letters or digits", "Show", "Change password", "No access to this number? Contact support"}
	return []state{
		{name: "Start", ask: get(""), status: 200,
			zh: []string{"重置密码", "手机号", "输入注册时用的手机号，我们会发短信验证码", "获取验证码", "手机号已停用？联系客服", "English"},
			en: []string{"Reset your password", "Mobile number", "Enter the number you signed up with. We'll text you a code",
				"Text me a code", "No access to this number? Contact support", "简体中文"}},
		{name: "no number", given: visited, ask: formSend(" "), status: 200, focus: "mobile", faulty: true,
			zh: []string{"请输入手机号"}, en: []string{"Enter your mobile number"}},
		{name: "bad number", given: visited, ask: formSend("1380013800"), status: 200, focus: "mobile", faulty: true,
			zh: []string{"请输入 11 位手机号，如 138 0013 8000"}, en: []string{"Enter an 11-digit mobile number, like 138 0013 8000"}},
		{name: "not registered", given: visited, ask: formSend(nobody), status: 200, focus: "mobile", faulty: true,
			zh: []string{"该手机号未注册，请检查或换一个号码"}, en: []string{"No account uses this number. Check it or try another"}},
		{name: "several accounts", given: visited, ask: formSend(twins), status: 200, focus: "notice", faulty: true,
			zh: []string{"该手机号对应多个账号，请联系客服重置"}, en: []string{"This number has several accounts. Contact support to reset"}},

		{name: "Code", given: sent, ask: get(""), status: 200, focus: "code",
			zh: append(code, "1 分钟后可重新获取"), en: append(codeEN, "You can send again in 1 minute")},
		{name: "Code, no cookies", given: otherClient, ask: formSend(alice), status: 200, focus: "code", zh: code, en: codeEN},
		{name: "Code, disclosure off", with: noDisclosure, given: all(visited, asked(formSend(alice))), ask: get(""), status: 200, focus: "code",
			zh: []string{"如果 138 0000 0001 已注册，验证码将在 1 分钟内送达"},
			en: []string{"If 138 0000 0001 has an account, a code arrives within a minute"}},
		{name: "just sent", given: all(sent, later(18*time.Second), asked(formSend(alice))), ask: get(""), status: 200, focus: "code",
			zh: []string{"刚发送过验证码，请查收；42 秒后可重新获取"}, en: []string{"We just sent a code. You can send again in 42 s"}},
		{name: "waiting", given: sent, after: 18 * time.Second, ask: get(""), status: 200, focus: "code",
			zh: []string{"42 秒后可重新获取"}, en: []string{"You can send again in 42 s"}},
		{name: "wait over", given: sent, after: time.Minute, ask: get(""), status: 200, focus: "code",
			zh: []string{"可以重新获取验证码了", "重新获取"}, en: []string{"You can send the code again", "Send again"}},
		{name: "resent", given: all(sent, later(time.Minute), asked(formResend(alice))), ask: get(""), status: 200,
			zh: []string{"验证码已重新发送", "2 分钟后可重新获取"}, en: []string{"Code sent again", "You can send again in 2 minutes"}},
		{name: "limited", with: limits(func(l *rekey.Limits) { l.AddressSends10m = 1 }),
			given: all(sent, later(2*time.Minute)), ask: formSend(alice), status: 200, focus: "notice", faulty: true,
			zh: []string{"请求过于频繁，请 8 分钟后再试"}, en: []string{"Too many requests. Try again in 8 minutes"}},
		{name: "limited, of the second screen", with: limits(func(l *rekey.Limits) { l.NumberSendsHour = 1 }),
			given: all(sent, later(2*time.Minute)), ask: formResend(alice), status: 200, focus: "notice", faulty: true,
			zh: append(code, "请求过于频繁，请 58 分钟后再试"), en: append(codeEN, "Too many requests. Try again in 58 minutes")},
		{name: "limited for hours", with: limits(func(l *rekey.Limits) { l.NumberSendsDay, l.NumberReserved = 1, 0 }),
			given: all(sent, later(time.Hour+time.Minute)), ask: formSend(alice), status: 200, focus: "notice", faulty: true,
			zh: []string{"请求过于频繁，请 23 小时后再试"}, en: []string{"Too many requests. Try again in 23 hours"}},
		{name: "SMS failed", given: all(visited, providersFail), ask: formSend(alice), status: 200, focus: "notice", faulty: true,
			zh: []string{"短信没有发出，请再试一次"}, en: []string{"The text was not sent. Try again"}},
		{name: "503", given: all(visited, storeDown), ask: formSend(alice), status: 503, focus: "notice", faulty: true,
			zh: []string{"服务暂时不可用，请 TIME后再试"}, en: []string{"Service unavailable. Try again in TIME"}},
		{name: "503, of the second screen", given: all(sent, usersDown), ask: formReset("CODE", newPassword), status: 503, focus: "notice", faulty: true,
			zh: append(code, "服务暂时不可用，请 TIME后再试。验证码仍有效"),
			en: append(codeEN, "Service unavailable. Try again in TIME. Your code still works")},
		{name: "503, hashing busy", given: all(sent, hashingBusy), ask: formReset("CODE", newPassword), status: 503, focus: "notice", faulty: true,
			zh: []string{"服务暂时不可用，请 TIME后再试。验证码仍有效"}, en: []string{"Service unavailable. Try again in TIME. Your code still works"}},

		{name: "no code", given: sent, ask: formReset("", newPassword), status: 403, focus: "code", faulty: true,
			zh: []string{"请输入短信验证码"}, en: []string{"Enter the code from the text message"}},
		{name: "not six digits", given: sent, ask: formReset("12345", newPassword), status: 403, focus: "code", faulty: true,
			zh: []string{"验证码是 6 位数字"}, en: []string{"The code has 6 digits"}},
		{name: "wrong code", given: sent, ask: wrong, status: 403, focus: "code", faulty: true,
			zh: []string{"验证码不正确，还可以再试 4 次"}, en: []string{"That code is not right. 4 tries left"}},
		{name: "wrong code, one try left", given: all(sent, asked(formReset("WRONG", newPassword+"1")), asked(formReset("WRONG", newPassword+"2")),
			asked(formReset("WRONG", newPassword+"3"))), ask: wrong, status: 403, focus: "code", faulty: true,
			zh: []string{"验证码不正确，还可以再试 1 次"}, en: []string{"That code is not right. 1 try left"}},
		{name: "used up", given: all(sent, asked(formReset("WRONG", newPassword+"1")), asked(formReset("WRONG", newPassword+"2")),
			asked(formReset("WRONG", newPassword+"3")), asked(formReset("WRONG", newPassword+"4")), asked(formReset("WRONG", newPassword+"5"))),
			ask: formReset("CODE", newPassword), status: 429, focus: "resend", faulty: true,
			zh: []string{"该验证码已失效，请重新获取"}, en: []string{"This code no longer works. Send a new one"}},
		{name: "expired", given: sent, after: 6 * time.Minute, ask: formReset("CODE", newPassword), status: 200, focus: "resend", faulty: true,
			zh: []string{"验证码已过期，请重新获取"}, en: []string{"The code has expired. Send a new one"}},
		{name: "no password", given: sent, ask: formReset("CODE", ""), status: 403, focus: "pw", faulty: true,
			zh: []string{"请输入新密码"}, en: []string{"Enter a new password"}},
		{name: "against policy", given: sent, ask: formReset("CODE", "half-done"), status: 403, focus: "pw", faulty: true,
			zh: []string{"新密码需为 6–20 位字母或数字"}, en: []string{"Use 6 to 20 letters or digits"}},
		{name: "against policy nist", with: nist, given: sent, ask: formReset("CODE", "short"), status: 403, focus: "pw", faulty: true,
			zh: []string{"8–128 位，任意字符", "新密码需为 8–128 位，任意字符"},
			en: []string{"8 to 128 characters of any kind", "Use 8 to 128 characters of any kind"}},
		{name: "too common", given: sent, ask: formReset("CODE", "password1"), status: 403, focus: "pw", faulty: true,
			zh: []string{"这个密码太常见，请换一个"}, en: []string{"This password is too common. Choose another"}},
		{name: "the number as password", given: sent, ask: formReset("CODE", alice), status: 403, focus: "pw", faulty: true,
			zh: []string{"新密码不能是手机号，请换一个"}, en: []string{"The password can't be your number. Choose another"}},
		{name: "two faults", given: sent, ask: formReset("", ""), status: 403, focus: "notice", faulty: true,
			zh: []string{"请检查以下内容", "请输入短信验证码", "请输入新密码"},
			en: []string{"Please check this", "Enter the code from the text message", "Enter a new password"}},
		{name: "account gone", given: all(sent, func(h *house) {
			h.people.change(func(rows map[string][]*person) { rows["+86"+alice][0].inactive = true })
		}), ask: formReset("CODE", newPassword), status: 200, focus: "notice", faulty: true,
			zh: []string{"无法在此重置，请联系客服"}, en: []string{"It can't be reset here. Contact support"}},
		{name: "cross-site", given: visited, ask: request{"POST", "/forget_pwd/sms_code/", formSend(alice).body,
			[]string{"Content-Type: application/x-www-form-urlencoded", "Accept: text/html", "Sec-Fetch-Site: cross-site"}},
			status: 403, focus: "notice", faulty: true,
			zh: []string{"页面已失效，请刷新后再试"}, en: []string{"This page is out of date. Reload and try again"}},
		{name: "Done", given: sent, ask: formReset("CODE", newPassword), status: 200, focus: "h1",
			zh: []string{"密码已修改", "请用新密码登录", "去登录"}, en: []string{"Password changed", "Sign in with your new password", "Go to sign in"}},
	}
}

// later lets time pass.
func later(d time.Duration) func(*house) { return func(*house) { time.Sleep(d); synctest.Wait() } }

// withSupport is how the page is configured here.
func withSupport(_ *rekey.Options, front *web.Options) {
	front.Page = web.PageOptions{Title: "Example", Support: "https://support.example/", DoneURL: "/login", Consent: "I agree."}
}

func TestPageStates(t *testing.T) {
	t.Parallel()
	for _, s := range states() {
		for language, want := range map[string][]string{"zh-CN": s.zh, "en": s.en} {
			t.Run(s.name+"/"+language, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { s.run(t, language, want) })
			})
		}
	}
}

func (s state) run(t *testing.T, language string, want []string) {
	settings := []setting{withSupport}
	if s.with != nil {
		settings = append(settings, s.with)
	}
	h := newHouse(t, settings...)
	if s.given != nil {
		s.given(h)
	}
	time.Sleep(s.after)
	synctest.Wait()
	w := h.ask(s.ask.method, s.ask.path, s.ask.body, append(s.ask.headers, "Accept-Language: "+language)...)
	synctest.Wait()
	if w.Code != s.status {
		t.Errorf("status %d, want %d", w.Code, s.status)
	}
	if got, want := w.Header().Get("Retry-After") != "", w.Code == 429 || w.Code == 503; got != want {
		t.Errorf("status %d with Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	d := parse(t, w)
	d.wellMade(language)
	if got := d.focus(); got != s.focus {
		t.Errorf("focus on %q, want %q", got, s.focus)
	}
	for _, text := range want {
		d.reads(text, w.Header().Get("Retry-After"))
	}
	d.tellsFaults(language, s.faulty)
}

// TestTextsOfTheModule are the states that only a browser gets to: it finds their texts on the page.
func TestTextsOfTheModule(t *testing.T) {
	t.Parallel()
	for language, want := range map[string]map[string]string{
		"zh-CN": {"sending": "正在发送…", "changing": "正在修改…", "over": "可以重新获取验证码了", "slow": "网络较慢，请稍候…",
			"offline": "网络已断开，内容已保留。联网后再试", "silent": "没有收到回应，请再点一次，不会重复提交", "error": "错误：",
			"units": "{n} 秒|1 分钟|{n} 分钟|1 小时|{n} 小时"},
		"en": {"sending": "Sending…", "changing": "Changing…", "over": "You can send the code again",
			"slow": "Slow connection, still working…", "offline": "You're offline. Nothing is lost. Try again when connected",
			"silent": "No answer. Press again; it won't be done twice", "error": "Error: ",
			"units": "{n} s|1 minute|{n} minutes|1 hour|{n} hours"},
	} {
		synctest.Test(t, func(t *testing.T) { // in which the wait stays what it is
			h := newHouse(t)
			d := parse(t, h.ask("GET", "/forget_pwd/", "", "Accept-Language: "+language))
			status := d.id("status")
			for name, want := range want {
				if got := attr(status, "data-"+name); got != want {
					t.Errorf("%s: data-%s is %q, want %q", language, name, got, want)
				}
			}
			h.ask("POST", "/forget_pwd/sms_code/", formSend(alice).body, formSend(alice).headers...)
			d = parse(t, h.ask("GET", "/forget_pwd/", "", "Accept-Language: "+language))
			if got := attr(d.id("wait"), "data-text"); !strings.Contains(got, "{time}") {
				t.Errorf("%s: the wait is counted in %q", language, got)
			}
			if got := attr(d.id("wait"), "data-seconds"); got != "60" {
				t.Errorf("%s: %q s to wait", language, got)
			}
			show := d.id("show")
			labels := strings.Join([]string{attr(show, "aria-label"), attr(show, "data-label"), text(show), attr(show, "data-text")}, " ")
			if want := map[string]string{"zh-CN": "显示密码 隐藏密码 显示 隐藏", "en": "Show password Hide password Show Hide"}[language]; labels != want {
				t.Errorf("%s: Show says %q, want %q", language, labels, want)
			}
		})
	}
}

func TestCataloguesHaveEqualKeys(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"texts", "locales"} {
		files, err := filepath.Glob(folder + "/*.json")
		if err != nil || len(files) < 2 {
			t.Fatalf("%s: %v %v", folder, files, err)
		}
		var first []string
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var texts map[string]string
			if err := json.Unmarshal(data, &texts); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			keys := slices.Sorted(maps.Keys(texts))
			for key, text := range texts {
				if text == "" {
					t.Errorf("%s: the text of %q is empty", file, key)
				}
			}
			if first == nil {
				first = keys
			}
			if !slices.Equal(keys, first) {
				t.Errorf("%s has the keys %q, %s has %q", file, keys, files[0], first)
			}
		}
	}
}

func TestPageIsSmall(t *testing.T) {
	t.Parallel()
	h := newHouse(t, withSupport)
	h.ask("GET", "/forget_pwd/", "")
	h.ask("POST", "/forget_pwd/sms_code/", formSend(alice).body, formSend(alice).headers...)
	size := h.ask("GET", "/forget_pwd/", "").Body.Len()
	for name, most := range map[string]int{"page.css": 10 << 10, "page.js": 6000} {
		w := h.ask("GET", "/forget_pwd/"+name, "")
		if w.Code != 200 || w.Body.Len() > most {
			t.Errorf("%s: status %d, %d bytes, want at most %d", name, w.Code, w.Body.Len(), most)
		}
		size += w.Body.Len()
	}
	if size > 30<<10 {
		t.Errorf("HTML, CSS and JS together are %d bytes", size)
	}
}

func TestT38_HeadersOfThePage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, ask := range []request{get(""), formSend(""), {"HEAD", "/forget_pwd/", "", nil}, formReset("123456", newPassword)} {
		w := h.ask(ask.method, ask.path, ask.body, ask.headers...)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
				"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types rekey",
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
			"X-Frame-Options": "DENY", "Content-Language": "zh-CN",
		} {
			if got := w.Header().Values(name); len(got) != 1 || got[0] != want {
				t.Errorf("%s %s: %s: %q, want %q", ask.method, ask.path, name, got, want)
			}
		}
	}
}

func TestFilesOfThePageAreKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(_ *rekey.Options, front *web.Options) {
		front.Page.Brand, front.Page.BrandDark = "#7a1fa2", "#ddaaff"
	})
	d := parse(t, h.ask("GET", "/forget_pwd/", ""))
	var urls []string
	for _, n := range append(d.tags("link"), d.tags("script")...) {
		urls = append(urls, attr(n, "href")+attr(n, "src"))
	}
	if len(urls) != 3 {
		t.Fatalf("the page loads %q", urls)
	}
	for _, u := range urls {
		w := h.ask("GET", u, "")
		kind := map[bool]string{true: "text/css; charset=utf-8", false: "text/javascript; charset=utf-8"}[strings.Contains(u, ".css")]
		if w.Code != 200 || w.Header().Get("Content-Type") != kind ||
			w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%s: %d %v", u, w.Code, w.Header())
		}
		tag := w.Header().Get("ETag")
		if w := h.ask("GET", u, "", "If-None-Match: "+tag); w.Code != 304 || w.Body.Len() != 0 {
			t.Errorf("%s is sent again to whoever has it: %d", u, w.Code)
		}
		plain, _, _ := strings.Cut(u, "?")
		for _, other := range []string{plain, plain + "?v=0"} {
			if w := h.ask("GET", other, ""); w.Code != 200 || w.Header().Get("Cache-Control") != "no-cache" || w.Header().Get("ETag") != tag {
				t.Errorf("%s: %d %v", other, w.Code, w.Header())
			}
		}
		if w := h.ask("HEAD", u, ""); w.Code != 200 || w.Header().Get("Content-Type") != kind {
			t.Errorf("HEAD %s: %d", u, w.Code)
		}
	}
	if w := newHouse(t).ask("GET", "/forget_pwd/brand.css", ""); w.Code != 404 {
		t.Errorf("brand.css without a brand: %d", w.Code)
	}
}

func TestBrandColoursCanBeRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		light, dark string
		fault       string
	}{
		{"#0b57d0", "#a8c7fa", ""},
		{"#000", "#fff", ""},
		{"#767676", "", ""},
		{"#777777", "", "4.4"},
		{"#ffcc00", "", "contrast"},
		{"", "#123456", "contrast"},
		{"blue", "", "#rrggbb"},
		{"#12345", "", "#rrggbb"},
		{"#00000g", "", "#rrggbb"},
		{"000000", "", "#rrggbb"},
		{"#000}body{display:none", "", "#rrggbb"},
	} {
		_, err := web.New(web.Options{Page: web.PageOptions{Brand: c.light, BrandDark: c.dark}})
		// Service and Keys are missing too: all faults are told at once.
		if err == nil || !strings.Contains(err.Error(), "Keys") {
			t.Fatalf("faults: %v", err)
		}
		if got := strings.Contains(err.Error(), "colour"); got != (c.fault != "") || !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%q, %q: %v", c.light, c.dark, err)
		}
	}
}

func TestThePageStatesWhatTheRecoveryRunsWith(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nist, noDisclosure, func(core *rekey.Options, _ *web.Options) {
		core.Code.Lifetime = 2 * time.Minute
		core.Plan = func(mobile string) (rekey.Number, error) { return rekey.NewNumber("HK", "852", mobile) }
	})
	h.ask("GET", "/forget_pwd/", "")
	h.ask("POST", "/forget_pwd/sms_code/", formSend("91234567").body, formSend("91234567").headers...)
	page := h.ask("GET", "/forget_pwd/", "").Body.String()
	for _, text := range []string{"2 分钟内有效", "8–128 位", "+852 91234567", "如果"} {
		if !strings.Contains(page, text) {
			t.Errorf("nothing of %q on the page:\n%s", text, page)
		}
	}
}
