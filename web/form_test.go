package web_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/html"

	"rekey"
	"rekey/web"
)

func TestT25_FormsReadEverySpellingOfAPerson(t *testing.T) {
	t.Parallel()
	for _, mobile := range []string{"138 0000 0001", " 138-0000-0001\n", "+86 138-0000-0001", "+8613800000001", "0086 138 0000 0001",
		"(+86) 13800000001", "（+86）138 0000 0001", "１３８００００００01", "＋８６　１３８００００００01", "+86\u00a0138\u20110000\u20110001",
		"\u202d+86 138 0000 0001\u202c", "138\u20130000\u22120001"} {
		h := newHouse(t)
		h.ask("GET", "/forget_pwd/", "")
		if w := h.ask("POST", "/forget_pwd/sms_code/", formSend(mobile).body, formSend(mobile).headers...); w.Code != 303 {
			t.Errorf("%q: %d %s", mobile, w.Code, w.Body)
			continue
		}
		if got := h.phones.messages[0].To.E164(); got != "+8613800000001" {
			t.Errorf("%q: sent to %s", mobile, got)
		}
		// The contract stays strict.
		body, err := json.Marshal(map[string]string{"mobile": mobile})
		if err != nil {
			t.Fatal(err)
		}
		if w := h.ask("POST", "/forget_pwd/sms_code/", string(body)); errno(h, w) != "4103" {
			t.Errorf("%q as JSON: %s", mobile, w.Body)
		}
	}
}

func TestT25_FormsRefuseWhatIsNoNumber(t *testing.T) {
	t.Parallel()
	for _, mobile := range []string{"1380000000", "138000000011", "+85213800000001", "86138000000011", "+86 +86 13800000001", "١٣٨00000001",
		"13800000001\x00", "13800000001x", "l3800000001", "+", "0086", "+8610086", "13800000001,13800000002"} {
		h := newHouse(t)
		h.ask("GET", "/forget_pwd/", "")
		w := h.ask("POST", "/forget_pwd/sms_code/", formSend(mobile).body, formSend(mobile).headers...)
		d := parse(t, w)
		d.reads("请输入 11 位手机号，如 138 0013 8000", "")
		if w.Code != 200 || len(h.phones.messages) != 0 {
			t.Errorf("%q: %d, %d messages", mobile, w.Code, len(h.phones.messages))
		}
	}
}

func TestAnEmptyFormIsNoEvent(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.ask("GET", "/forget_pwd/", "")
	for _, mobile := range []string{"", " ", "\u3000-"} {
		w := h.ask("POST", "/forget_pwd/sms_code/", formSend(mobile).body, formSend(mobile).headers...)
		if w.Code != 200 || !strings.Contains(w.Body.String(), "请输入手机号") {
			t.Errorf("%q: %d %s", mobile, w.Code, w.Body)
		}
	}
	if got := h.events.refused(); len(got) != 0 {
		t.Errorf("events: %v", got)
	}
}

func TestT25_FormsReadEverySpellingOfACode(t *testing.T) {
	t.Parallel()
	for name, spell := range map[string]func(string) string{
		"groups":     func(c string) string { return c[:3] + " " + c[3:] },
		"dashes":     func(c string) string { return c[:3] + "-" + c[3:] + "\n" },
		"full-width": fullWidth,
		"message": func(c string) string {
			return "【示例网】验证码" + c + "，用于重置密码，5分钟内有效，请勿告诉他人。"
		},
		"message with its origin": func(c string) string {
			return c + " is your Example code. It expires in 5 minutes.\n\n@www.example.com #" + c
		},
	} {
		h := newHouse(t)
		h.sent(alice)
		ask := formReset(spell(h.phones.newest()), newPassword)
		if w := h.ask("POST", "/forget_pwd/", ask.body, ask.headers...); w.Code != 200 || h.people.password(alice) != newPassword {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for _, code := range []string{"12345", "1234567", "12345a", "١٢٣٤٥٦", "123456 or 654321", "12345.6", "0x1234"} {
		h := newHouse(t)
		h.sent(alice)
		ask := formReset(code, newPassword)
		w := h.ask("POST", "/forget_pwd/", ask.body, ask.headers...)
		parse(t, w).reads("验证码是 6 位数字", "")
	}
}

func fullWidth(s string) string {
	return strings.Map(func(r rune) rune { return r - '0' + '０' }, s)
}

// TestT35_NextStaysWithinTheAllowedOrigins follows a `next` through the flow to the link of the last screen.
func TestT35_NextStaysWithinTheAllowedOrigins(t *testing.T) {
	t.Parallel()
	for next, allowed := range map[string]bool{
		"/app":                                     true,
		"/app?a=b&c=d#e":                           true,
		"/":                                        true,
		"/a//b":                                    true,
		"https://www.example.com/app":              true, // the public origin
		"https://app.example.net":                  true,
		"https://app.example.net/a?b=//c":          true,
		"HTTPS://APP.example.net/":                 true,
		"https://app.example.net:443/":             true,
		"":                                         false,
		"app":                                      false,
		"?a":                                       false,
		"//evil.example":                           false,
		"///evil.example":                          false,
		"/\\evil.example":                          false,
		"\\\\evil.example":                         false,
		"/\t/evil.example":                         false,
		"/\n/evil.example":                         false,
		" //evil.example":                          false,
		"\u00a0//evil.example":                     false,
		"https:evil.example":                       false,
		"https:/evil.example":                      false,
		"https:///evil.example":                    false,
		"https://evil.example":                     false,
		"http://app.example.net/":                  false,
		"https://app.example.net:8443/":            false,
		"https://app.example.net.evil/":            false,
		"https://app.example.netevil/":             false,
		"https://app.example.net@evil/":            false,
		"https://u@app.example.net/":               false,
		"https://u:p@app.example.net/":             false,
		"https://evil/@app.example.net":            false,
		"https://app.example.net\\@evil/":          false,
		"https://app.example.net%2f@evil/":         false,
		"https://evil?https://app.example.net":     false,
		"https://ａpp.example.net/":                 false,
		"javascript:alert(1)":                      false,
		"JaVaScRiPt://app.example.net/%0aalert(1)": false,
		"data:text/html,x":                         false,
		"vbscript:x":                               false,
		"file:///etc/passwd":                       false,
		"/" + strings.Repeat("a", 2000):            false,
	} {
		h := newHouse(t, func(_ *rekey.Options, front *web.Options) {
			front.PublicOrigin = "https://www.example.com"
			front.Page.NextOrigins = []string{"https://app.example.net"}
			front.Page.DoneURL = "https://login.example/in"
		})
		where := "/forget_pwd/?next=" + url.QueryEscape(next)
		d := parse(t, h.ask("GET", where, "", "Referer: https://evil.example/"))
		action := attr(d.tags("form")[0], "action")
		if strings.Contains(action, "next=") != allowed {
			t.Errorf("%q goes along to %q", next, action)
		}
		if !strings.HasPrefix(action, "/forget_pwd/sms_code/") {
			t.Errorf("%q: the form posts to %q", next, action)
		}
		ask := formSend(alice)
		w := h.ask("POST", "/forget_pwd/sms_code/?next="+url.QueryEscape(next), ask.body, ask.headers...)
		location := w.Header().Get("Location")
		if w.Code != 303 || (location != "/forget_pwd/" && !strings.HasPrefix(location, "/forget_pwd/?")) || strings.Contains(location, "next=") != allowed {
			t.Errorf("%q: %d, on to %q", next, w.Code, location)
		}
		ask = formReset("CODE", newPassword)
		d = parse(t, h.ask("POST", where, strings.ReplaceAll(ask.body, "FLOW", h.cookie("__Host-rekey_flow")), ask.headers...))
		want := "https://login.example/in"
		if allowed {
			want = next
		}
		links := d.all(func(n *html.Node) bool { return attr(n, "class") == "button primary" })
		if len(links) != 1 || attr(links[0], "href") != want {
			t.Errorf("%q: the last screen leads to %q, want %q", next, attr(links[0], "href"), want)
		}
	}
}

func TestConfiguredLinksAreChecked(t *testing.T) {
	t.Parallel()
	for link, good := range map[string]bool{"https://a.example/b": true, "tel:4001234567": true, "mailto:a@b.example": true, "/help": true,
		"javascript:alert(1)": false, "//evil": false, "help": false, "https:evil": false, "data:,x": false, "/\\evil": false} {
		_, err := web.New(web.Options{Page: web.PageOptions{Support: link, DoneURL: link}})
		if got := !strings.Contains(err.Error(), "support link") && !strings.Contains(err.Error(), "done link"); got != good {
			t.Errorf("%q: %v", link, err)
		}
	}
	if _, err := web.New(web.Options{Page: web.PageOptions{NextOrigins: []string{"https://a.example/path"}}}); !strings.Contains(err.Error(), "next origins") {
		t.Errorf("an origin with a path: %v", err)
	}
}

// TestPageWithoutScripts is the table of what plain forms are answered.
func TestPageWithoutScripts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, withSupport)
		ask := func(r request) document {
			t.Helper()
			return parse(t, h.ask(r.method, r.path, r.body, r.headers...))
		}
		h.ask("GET", "/forget_pwd/", "")
		send := formSend(alice)
		w := h.ask(send.method, send.path, send.body, send.headers...)
		if w.Code != 303 || w.Header().Get("Location") != "/forget_pwd/" || w.Body.Len() != 0 {
			t.Fatalf("a code was asked for: %d %v %s", w.Code, w.Header(), w.Body)
		}
		c := h.cookies["rekey_page"]
		if c == nil || !c.HttpOnly || c.MaxAge != 600 || c.Path != "/" || strings.Contains(c.Value, alice) {
			t.Fatalf("the cookie of the page is %v", c)
		}
		if plain, err := url.QueryUnescape(c.Value); err != nil || strings.Contains(plain, alice) {
			t.Errorf("the cookie says the number: %q", plain)
		}

		// A wrong code keeps code and flow and gives no password back; the page comes back by its cookie.
		d := ask(formReset("WRONG", newPassword))
		if got := attr(d.id("code"), "value"); len(got) != 6 {
			t.Errorf("the code is %q", got)
		}
		if got := attr(d.tags("input")[1], "value"); got != h.cookie("rekey_flow") {
			t.Errorf("the flow is %q", got)
		}
		d = ask(get(""))
		d.reads("验证码已发送至 138 0000 0001", "")

		// Another number: the cookie goes, whatever the address says.
		d = ask(get("?new=1"))
		d.reads("获取验证码", "")
		if c := h.cookies["rekey_page"]; c.MaxAge >= 0 {
			t.Errorf("the cookie of the page is %v", c)
		}
		ask(get("")).reads("获取验证码", "")

		// A cookie is good for ten minutes, whatever the browser does with it, and for nobody's making.
		time.Sleep(2 * time.Minute)
		h.ask(send.method, send.path, send.body, send.headers...)
		kept := h.cookies["rekey_page"]
		time.Sleep(10*time.Minute - time.Second)
		ask(get("")).reads("确认修改", "")
		time.Sleep(time.Second)
		h.cookies["rekey_page"] = kept
		ask(get("")).reads("获取验证码", "")
		kept.Value = "AAAA" + kept.Value[4:]
		ask(get("")).reads("获取验证码", "")

		h.ask(send.method, send.path, send.body, send.headers...)
		d = ask(formReset("CODE", newPassword))
		d.reads("密码已修改", "")
		if c := h.cookies["rekey_page"]; c.MaxAge >= 0 {
			t.Errorf("after the reset the cookie of the page is %v", c)
		}
		if len(d.tags("form")) != 0 || strings.Contains(text(d.tags("body")[0]), newPassword) {
			t.Error("there is a form on the last screen")
		}
	})
}

func TestChosenLanguageGoesAlong(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	d := parse(t, h.ask("GET", "/forget_pwd/", ""))
	link := d.tags("nav")[0].FirstChild
	if attr(link, "href") != "/forget_pwd/?lang=en" || attr(link, "lang") != "en" || text(link) != "English" {
		t.Errorf("the link to the page in English is %v", link.Attr)
	}
	d = parse(t, h.ask("GET", "/forget_pwd/?lang=en", ""))
	if got := attr(d.tags("form")[0], "action"); got != "/forget_pwd/sms_code/?lang=en" {
		t.Errorf("the form posts to %q", got)
	}
	send := formSend(alice)
	w := h.ask("POST", "/forget_pwd/sms_code/?lang=en", send.body, send.headers...)
	if got := w.Header().Get("Location"); got != "/forget_pwd/?lang=en" {
		t.Errorf("on to %q", got)
	}
	if got := h.phones.messages[0].Language; got != "en" {
		t.Errorf("the message is in %q", got)
	}
	d = parse(t, h.ask("GET", "/forget_pwd/?lang=en", ""))
	d.wellMade("en")
	if got := attr(d.id("change"), "href"); got != "/forget_pwd/?lang=en&new=1" {
		t.Errorf("another number is at %q", got)
	}
	for _, lang := range []string{"fr", "", "../locales/en", "en\x00", "zh"} {
		w := h.ask("GET", "/forget_pwd/?lang="+url.QueryEscape(lang), "")
		if got := w.Header().Get("Content-Language"); got != "zh-CN" {
			t.Errorf("lang=%q: %s", lang, got)
		}
	}
}

// TestT39_PageTellsNobodyWhoIsRegistered compares what a known and an unknown number are shown, step by step, with
// disclosure off.
func TestT39_PageTellsNobodyWhoIsRegistered(t *testing.T) {
	t.Parallel()
	for _, cookies := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			shown := map[string][]string{}
			for _, mobile := range []string{alice, nobody, twins, inactive} {
				h := newHouse(t, noDisclosure, withSupport)
				flow := ""
				for _, step := range []request{get(""), formSend(mobile), get(""), formSend(mobile),
					form("", "mobile", mobile, "flow", "FLOW", "sms_code", "000000", "new_password", newPassword+"1"),
					form("", "mobile", mobile, "flow", "FLOW", "sms_code", "12", "new_password", ""),
					form("", "mobile", mobile, "flow", "FLOW", "sms_code", "000001", "new_password", newPassword+"2"),
					form("sms_code/", "mobile", mobile, "flow", "FLOW"),
				} {
					if !cookies {
						h.otherClientButFlow(&flow)
						step.body = strings.ReplaceAll(step.body, "FLOW", flow)
					}
					w := h.ask(step.method, step.path, step.body, step.headers...)
					synctest.Wait()
					var all bytes.Buffer
					w.Header().Set("X-Request-Id", "")
					for _, c := range w.Result().Cookies() {
						all.WriteString(c.Name + string(rune('0'+len(c.Value)%10)) + " ")
					}
					w.Header().Del("Set-Cookie")
					if err := w.Header().Write(&all); err != nil {
						t.Fatal(err)
					}
					body := strings.ReplaceAll(w.Body.String(), mobile[:3]+" "+mobile[3:7]+" "+mobile[7:], "NUMBER")
					body = flowField.ReplaceAllStringFunc(strings.ReplaceAll(body, mobile, "NUMBER"), func(field string) string {
						return strings.Repeat("f", len(field))
					})
					shown[mobile] = append(shown[mobile], step.method+" "+all.String()+body)
				}
			}
			for _, mobile := range []string{nobody, twins, inactive} {
				for i, want := range shown[alice] {
					if got := shown[mobile][i]; got != want {
						t.Errorf("cookies %v, step %d shows %s\n%s\nand a registered number\n%s", cookies, i, mobile, got, want)
					}
				}
			}
		})
	}
}

// flowField is the hidden field of the forms that hold a flow, which is random for everybody.
var flowField = regexp.MustCompile(`name="flow" value="[^"]*"`)

// otherClientButFlow forgets the cookies as a browser does that keeps none, and remembers what its forms hold.
func (h *house) otherClientButFlow(flow *string) {
	if held := h.cookie("rekey_flow"); held != "" {
		*flow = held
	}
	clear(h.cookies)
}

func TestPageKeepsNoPasswordInItsErrors(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sent(alice)
	storeDown(h)
	const canary = "Canary0Password"
	ask := formReset("CODE", canary)
	w := h.ask(ask.method, ask.path, ask.body, ask.headers...)
	if w.Code != 503 || strings.Contains(w.Body.String(), canary) || strings.Contains(h.log.String(), canary) ||
		strings.Contains(h.log.String(), alice) {
		t.Errorf("%d %s\n%s", w.Code, w.Body, h.log)
	}
}
