package web_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"rekey"
	"rekey/web"
)

// row is one row of the contract.
type row struct {
	name  string
	with  setting       // how the house is built; nil: as it comes
	given func(*house)  // what happened before; nil: nothing
	ask   request       // what is asked
	want  answer        // what is answered
	sms   int           // how many messages leave because of it
	then  func(*house)  // what is true afterwards; nil: nothing beyond the answer
	after time.Duration // how long after what was given
}

type request struct {
	method, path, body string
	headers            []string
}

// answer is an envelope, unless errno is "": then it is whatever check says. header has lines that must be there.
type answer struct {
	status              int
	errno, errmsg, data string
	header              []string
}

func get(path string, headers ...string) request {
	return request{"GET", "/forget_pwd/" + path, "", headers}
}

func post(path, body string, headers ...string) request {
	return request{"POST", "/forget_pwd/" + path, body, headers}
}

// newPassword is what the resets of this file ask for.
const newPassword = "Correct7Horse"

func reset(mobile, code, password string, headers ...string) request {
	return post("", `{"mobile":"`+mobile+`","sms_code":"`+code+`","new_password":"`+password+`"}`, headers...)
}

func send(mobile string, headers ...string) request {
	return post("sms_code/", `{"mobile":"`+mobile+`"}`, headers...)
}

func ok(errmsg, data string) answer {
	return answer{status: 200, errno: "0", errmsg: errmsg, data: data}
}

func no(status int, errno, errmsg string) answer {
	return answer{status: status, errno: errno, errmsg: errmsg, data: "null"}
}

func (a answer) withData(data string) answer        { a.data = data; return a }
func (a answer) withHeader(lines ...string) answer  { a.header = append(a.header, lines...); return a }
func headerOnly(status int, lines ...string) answer { return answer{status: status, header: lines} }

func codeFor(mobile string) func(*house) { return func(h *house) { h.sent(mobile) } }

// all does one thing after another.
func all(steps ...func(*house)) func(*house) {
	return func(h *house) {
		for _, step := range steps {
			step(h)
		}
	}
}

func asked(r request) func(*house) {
	return func(h *house) { h.ask(r.method, r.path, r.body, r.headers...) }
}

func usersDown(h *house)     { h.people.down = errCut }
func usersBack(h *house)     { h.people.down = nil }
func storeDown(h *house)     { h.store.down.Store(true) }
func storeBack(h *house)     { h.store.down.Store(false) }
func hashingBusy(h *house)   { h.people.busy = true }
func hashingFree(h *house)   { h.people.busy = false }
func providersFail(h *house) { h.phones.fail = rekey.ErrUnavailable }
func providersBack(h *house) { h.phones.fail = nil }
func otherClient(h *house)   { clear(h.cookies) }

func noDisclosure(core *rekey.Options, _ *web.Options) { core.Disclosure = false }

func limits(change func(*rekey.Limits)) setting {
	return func(core *rekey.Options, _ *web.Options) { change(&core.Limits) }
}

func origins(core *rekey.Options, front *web.Options) {
	front.PublicOrigin = "https://www.example.com"
	front.Origins = []string{"https://app.example.net"}
}

// passwordIs says what the password of alice is afterwards.
func passwordIs(password string) func(*house) {
	return func(h *house) {
		if got := h.people.password(alice); got != password {
			h.Errorf("the password is %q, want %q", got, password)
		}
	}
}

// succeeds says that a request works afterwards.
func succeeds(r request) func(*house) {
	return func(h *house) {
		if w := h.ask(r.method, r.path, r.body, r.headers...); errno(h, w) != "0" {
			h.Errorf("%s %s afterwards: %s", r.method, r.path, w.Body)
		}
	}
}

// attemptsLeft says how many guesses remain after one more wrong one.
func attemptsLeft(n int) func(*house) {
	return func(h *house) {
		w := h.ask("POST", "/forget_pwd/", reset(alice, "WRONG", newPassword).body)
		if want := `"data":{"attempts_left":` + strconv.Itoa(n) + `}`; !strings.Contains(w.Body.String(), want) {
			h.Errorf("a wrong guess afterwards: %s, want %s", w.Body, want)
		}
	}
}

// The texts of the contract.
const (
	txtSent       = "短信验证码发送成功"
	txtReset      = "恭喜你修改成功"
	txtNumber     = "手机号错误"
	txtLimited    = "请求过于频繁,请稍后再试"
	txtDown       = "服务暂时不可用,请稍后重试"
	txtUnknown    = "未知错误"
	txtParameter  = "参数错误"
	txtMissing    = "参数为空,请检查"
	txtExpired    = "验证码过期"
	txtWrong      = "验证码错误!!!!"
	txtCrossSite  = "CSRF验证失败,请刷新页面后重试"
	txtPassword   = "新密码格式不正确"
	txtNotFound   = "请求的地址不存在"
	txtNoMethod   = "不支持该请求方法"
	sentData      = `{"retry_after":60,"expires_in":300,"flow":"FLOW"}`
	retryAfterFor = "Retry-After: "
)

// TestContract is the contract, row by row.
func TestContract(t *testing.T) {
	t.Parallel()
	for _, section := range []struct {
		name string
		rows []row
	}{
		{"1 the page", pageRows()},
		{"2 is it registered", checkRows()},
		{"3 send a code", sendRows()},
		{"4 reset", resetRows()},
		{"acceptable JSON", jsonRows()},
		{"cross-site protection", crossSiteRows()},
		{"methods and unknown paths", methodRows()},
	} {
		t.Run(section.name, func(t *testing.T) {
			t.Parallel()
			for _, r := range section.rows {
				t.Run(r.name, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { r.run(t, "zh-CN") })
					if r.want.errno != "" {
						synctest.Test(t, func(t *testing.T) { r.run(t, "en") })
					}
				})
			}
		})
	}
}

// run plays a row and compares. In another language than the contract's only errmsg differs.
func (r row) run(t *testing.T, language string) {
	var settings []setting
	if r.with != nil {
		settings = append(settings, r.with)
	}
	h := newHouse(t, settings...)
	if r.given != nil {
		r.given(h)
	}
	time.Sleep(r.after)
	synctest.Wait() // what goes on after an answer is done
	before := h.phones.count()
	w := h.ask(r.ask.method, r.ask.path, r.ask.body, append(r.ask.headers, "Accept-Language: "+language)...)
	synctest.Wait()

	if w.Code != r.want.status {
		t.Errorf("status %d, want %d: %s", w.Code, r.want.status, w.Body)
	}
	if r.want.errno != "" {
		r.compare(h, w, language)
	}
	for _, line := range r.want.header {
		name, value, _ := strings.Cut(line, ": ")
		if got := strings.Join(w.Header().Values(name), " | "); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	if got := h.phones.count() - before; got != r.sms {
		t.Errorf("%d messages were sent, want %d", got, r.sms)
	}
	if r.then != nil {
		r.then(h)
	}
}

// compare is what holds for every envelope.
func (r row) compare(h *house, w *httptest.ResponseRecorder, language string) {
	h.Helper()
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(w.Body.Bytes(), &keys); err != nil {
		h.Fatalf("not JSON: %q", w.Body)
	}
	if got := slices.Sorted(maps.Keys(keys)); !slices.Equal(got, []string{"data", "errmsg", "errno"}) {
		h.Errorf("the envelope has the keys %q", got)
	}
	var e struct{ Errno, Errmsg string }
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
		h.Fatal(err)
	}
	if e.Errno != r.want.errno {
		h.Errorf("errno %q, want %q: %s", e.Errno, r.want.errno, w.Body)
	}
	switch {
	case language == "zh-CN" && e.Errmsg != r.want.errmsg:
		h.Errorf("errmsg %q, want %q", e.Errmsg, r.want.errmsg)
	case language == "zh-CN" && !bytes.Contains(w.Body.Bytes(), []byte(r.want.errmsg)):
		h.Errorf("errmsg is not written raw: %s", w.Body)
	case language == "en" && (e.Errmsg == "") != (r.want.errmsg == ""), language == "en" && !isASCII(e.Errmsg):
		h.Errorf("errmsg %q in English", e.Errmsg)
	}
	var data bytes.Buffer
	if err := json.Compact(&data, keys["data"]); err != nil {
		h.Fatal(err)
	}
	if want := strings.ReplaceAll(r.want.data, "FLOW", h.cookie("rekey_flow")); data.String() != want {
		h.Errorf("data %s, want %s", &data, want)
	}
	for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store",
		"Content-Language": language, "Content-Length": strconv.Itoa(w.Body.Len())} {
		if got := w.Header().Get(name); got != want {
			h.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got, want := w.Header().Get("Retry-After") != "", w.Code == 429 || w.Code == 503; got != want {
		h.Errorf("status %d with Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	if !utf8.Valid(w.Body.Bytes()) {
		h.Error("the answer is not UTF-8")
	}
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > '~' })
}
