package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"rekey"
	"rekey/web"
)

func trusting(cidrs ...string) setting {
	return func(_ *rekey.Options, front *web.Options) {
		for _, cidr := range cidrs {
			front.TrustedProxies = append(front.TrustedProxies, netip.MustParsePrefix(cidr))
		}
	}
}

// httptest's requests come from 192.0.2.1.
const peer = "192.0.2.1"

func TestT32_ForgedForwardingHeadersAreIgnoredAndTold(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.ask("GET", "/forget_pwd/mobiles/"+alice, "", "X-Forwarded-For: 198.51.100.7", "Forwarded: for=198.51.100.8",
		"X-Real-IP: 198.51.100.9")
	if got := h.events.addresses(); len(got) != 1 || got[0] != netip.MustParseAddr(peer) {
		t.Errorf("the recovery was told of %v", got)
	}
	if got := h.events.refused(); len(got) != 1 || got[0] != "untrusted_forwarded_for" {
		t.Errorf("events: %v", got)
	}
}

func TestT32_ATrustedProxyIsBelieved(t *testing.T) {
	t.Parallel()
	h := newHouse(t, trusting("192.0.2.0/24"))
	h.ask("GET", "/forget_pwd/mobiles/"+alice, "", "X-Forwarded-For: 203.0.113.66, 198.51.100.7")
	if got := h.events.addresses(); len(got) != 1 || got[0] != netip.MustParseAddr("198.51.100.7") {
		t.Errorf("the recovery was told of %v", got)
	}
	if got := h.events.refused(); len(got) != 0 {
		t.Errorf("events: %v", got)
	}
}

func TestT33_ATokenOfAnotherVisitorIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.ask("GET", "/forget_pwd/", "")
	other := h.cookie("csrf_token")
	clear(h.cookies)
	h.ask("GET", "/forget_pwd/", "")
	if other == h.cookie("csrf_token") {
		t.Fatal("two visitors have one token")
	}
	w := h.ask("POST", "/forget_pwd/sms_code/", send(alice).body, "X-CSRFToken: "+other)
	if w.Code != 403 || errno(t, w) != "4101" || h.phones.count() != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestT33_ATossedCookieDoesNotPassInABrowser(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	// A sibling subdomain visits us for a token of its own, and tosses it into the visitor's jar beside ours.
	h.ask("GET", "/forget_pwd/", "")
	tossed := h.cookie("csrf_token")
	clear(h.cookies)
	h.ask("GET", "/forget_pwd/", "")
	body := send(alice).body
	for name, headers := range map[string][]string{
		"from the sibling's page":          {"Origin: http://evil.example.com", "Sec-Fetch-Site: same-site", "X-CSRFToken: " + tossed},
		"from the sibling's form":          {"Origin: http://evil.example.com", "Content-Type: text/plain"},
		"two cookies, the tossed token":    {"Cookie: csrf_token=" + tossed, "X-CSRFToken: " + tossed},
		"two cookies, the visitor's token": {"Cookie: csrf_token=" + tossed, "X-CSRFToken: TOKEN"},
	} {
		w := h.ask("POST", "/forget_pwd/sms_code/", body, headers...)
		if w.Code != 403 || errno(t, w) != "4101" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if h.phones.count() != 0 {
		t.Error("a message was sent")
	}
	if w := h.ask("POST", "/forget_pwd/sms_code/", body, "Origin: http://example.com"); errno(t, w) != "0" {
		t.Errorf("the visitor is locked out: %s", w.Body)
	}
}

func TestT33_ARefusalHasNoOtherEffect(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.people.down = errCut // whoever asked the table would fail
	h.store.down.Store(true)
	for _, r := range []request{send(alice), reset(alice, "123456", newPassword), post("", padded(1<<20)), post("sms_code/", "x", "Content-Encoding: gzip")} {
		w := h.ask(r.method, r.path, r.body, append(r.headers, "Origin: https://evil.example")...)
		if w.Code != 403 || errno(t, w) != "4101" || len(w.Result().Cookies()) != 0 {
			t.Errorf("%d %s %v", w.Code, w.Body, w.Result().Cookies())
		}
	}
	if got := h.events.addresses(); len(got) != 0 {
		t.Error("the recovery was asked")
	}
	if got := h.events.refused(); len(got) != 4 || got[0] != "cross_site" {
		t.Errorf("events: %v", got)
	}
}

func TestT34_AForgedHostAppearsNowhere(t *testing.T) {
	t.Parallel()
	h := newHouse(t, origins)
	for _, host := range []string{"evil.example", "evil.example:80@www.example.com", "www.example.com.evil.example"} {
		for _, r := range []request{get(""), get("?new=1"), {"GET", "/forget_pwd", "", nil}, {"POST", "/forget_pwd", "", nil},
			get("mobiles/" + alice), get("nothing"), send(nobody), reset(alice, "123456", newPassword), get("page.css"),
			{"OPTIONS", "/forget_pwd/sms_code/", "", nil}} {
			w := h.ask(r.method, r.path, r.body, append(r.headers, "Host: "+host, "X-Forwarded-Host: "+host)...)
			if said := fmt.Sprint(w.Header(), w.Body); strings.Contains(said, "evil") {
				t.Errorf("%s %s: %s", r.method, r.path, said)
			}
		}
	}
}

func TestT34_AForgedHostDoesNotMakeAnOriginOurs(t *testing.T) {
	t.Parallel()
	h := newHouse(t, origins)
	// What a browser says decides, whatever Host it is behind.
	for _, headers := range [][]string{
		{"Host: evil.example", "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"},
		{"Host: www.example.com", "Origin: https://evil.example"},
		{"Host: www.example.com", "X-Forwarded-Host: evil.example", "Origin: https://evil.example"},
	} {
		if w := h.ask("POST", "/forget_pwd/sms_code/", send(alice).body, headers...); w.Code != 403 {
			t.Errorf("%q: %d", headers, w.Code)
		}
	}
}

func TestT38_EveryAnswerForbidsFramingSniffingAndCaching(t *testing.T) {
	t.Parallel()
	for _, https := range []bool{false, true} {
		h := newHouse(t)
		if https {
			h = newHouse(t, origins)
		}
		form := []string{"Content-Type: application/x-www-form-urlencoded", "Accept: text/html"}
		for _, r := range []request{get(""), {"GET", "/forget_pwd", "", nil}, get("mobiles/" + alice), get("mobiles/x"),
			get("nothing"), send(alice), send(nobody), reset(alice, "123456", newPassword), {"PUT", "/forget_pwd/", "", nil},
			{"OPTIONS", "/forget_pwd/", "", nil}, post("", "mobile=1", form...), post("", padded(1<<20), form...),
			post("", padded(1<<20)), post("nothing", "a=b", form...), send(alice, "Origin: null")} {
			w := h.ask(r.method, r.path, r.body, r.headers...)
			want := map[string]string{
				"Cache-Control": "no-store", "Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff",
				"X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin",
				"Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "",
			}
			if https {
				want["Strict-Transport-Security"] = "max-age=31536000"
			}
			for name, value := range want {
				if got := w.Header().Get(name); got != value {
					t.Errorf("%s %s: %s is %q, want %q", r.method, r.path, name, got, value)
				}
			}
			policy := w.Header().Get("Content-Security-Policy")
			if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") {
				t.Errorf("%s %s: the policy is %q", r.method, r.path, policy)
			}
			if w.Header().Get("X-Request-Id") == "" {
				t.Errorf("%s %s has no request id", r.method, r.path)
			}
		}
	}
}

// records are the lines of the log, each of which must be one JSON record.
func (h *house) records() []map[string]any {
	h.Helper()
	var all []map[string]any
	for line := range strings.Lines(h.log.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			h.Fatalf("a broken record: %q", line)
		}
		all = append(all, record)
	}
	return all
}

func TestOneLineARequestIsLogged(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.ask("GET", "/forget_pwd/mobiles/"+alice+"/?mobile="+alice, "")
	records := h.records()
	if len(records) != 1 {
		t.Fatalf("%d records", len(records))
	}
	for key, want := range map[string]any{"msg": "request", "method": "GET", "route": "mobiles", "status": 200.,
		"address": peer, "bytes": float64(w.Body.Len()), "request": w.Header().Get("X-Request-Id")} {
		if got := records[0][key]; got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
}

func TestAFaultIsLoggedWithItsCauseAndAnsweredWithout(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.people.down = errCut
	w := h.ask("GET", "/forget_pwd/mobiles/"+alice, "")
	if strings.Contains(w.Body.String(), errCut.Error()) {
		t.Errorf("the cause is told: %s", w.Body)
	}
	record := h.records()[0]
	if record["msg"] != "failed" || record["level"] != "ERROR" || !strings.Contains(fmt.Sprint(record["error"]), errCut.Error()) ||
		record["request"] != w.Header().Get("X-Request-Id") {
		t.Errorf("the log says %v", record)
	}
}

func TestRequestIDsComeFromTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	const given = "X-Request-Id: 0af7651916cd43dd-8448eb211c80319c"
	for _, c := range []struct {
		name  string
		with  setting
		given string
		taken bool
	}{
		{"from a stranger", nil, given, false},
		{"from a proxy", trusting("192.0.2.0/24"), given, true},
		{"too long", trusting("192.0.2.0/24"), "X-Request-Id: " + strings.Repeat("a", 65), false},
		{"not plain", trusting("192.0.2.0/24"), "X-Request-Id: a b\u2028", false},
		{"empty", trusting("192.0.2.0/24"), "X-Request-Id: ", false},
	} {
		var settings []setting
		if c.with != nil {
			settings = append(settings, c.with)
		}
		h := newHouse(t, settings...)
		got := h.ask("GET", "/forget_pwd/mobiles/x", "", c.given).Header().Get("X-Request-Id")
		if taken := "X-Request-Id: "+got == c.given; taken != c.taken || len(got) < 20 {
			t.Errorf("%s: the id is %q", c.name, got)
		}
	}
}

// The canaries of T36: if any of them is found where it should not be, it has leaked.
const (
	canaryPassword = "Canary7Password"
	canaryCode     = "271828"
	canaryNumber   = "13912345678"
)

func (h *house) mustNotHaveLogged(canaries ...string) {
	h.Helper()
	h.records()
	for _, canary := range canaries {
		if log := h.log.String(); strings.Contains(log, canary) {
			h.Errorf("%s is in the log: %s", canary, log)
		}
	}
}

func TestT36_NoNumberCodeOrPasswordReachesTheLog(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	form := []string{"Content-Type: application/x-www-form-urlencoded", "Accept: text/html"}
	fields := "mobile=" + canaryNumber + "&sms_code=" + canaryCode + "&new_password=" + canaryPassword
	for _, down := range []error{nil, errCut} {
		h.people.down = down
		for _, r := range []request{
			get("mobiles/" + canaryNumber), get("mobiles/" + canaryNumber + "x"), get("nothing/" + canaryNumber), get("?mobile=" + canaryNumber),
			{"GET", "/forget_pwd?mobile=" + canaryNumber, "", nil}, {canaryNumber, "/forget_pwd/", "", nil},
			send(canaryNumber), send(canaryNumber + "x"), reset(canaryNumber, canaryCode, canaryPassword),
			reset(canaryNumber, canaryCode, canaryPassword+"-"), post("", canaryNumber+canaryCode+canaryPassword),
			post("", fields, form...), post("sms_code/", fields, form...), post("", fields+"&mobile=1", form...),
			send(canaryNumber, "Origin: https://"+canaryNumber), send(canaryNumber, "User-Agent: "+canaryNumber, "Referer: /"+canaryNumber),
		} {
			h.ask(r.method, r.path, r.body, r.headers...)
		}
	}
	if len(h.records()) < 32 {
		t.Fatal("requests are missing from the log")
	}
	h.mustNotHaveLogged(canaryNumber, canaryCode, canaryPassword)
}

// panicky panics with whatever it is asked for.
type panicky struct {
	*people
	with func(rekey.Number) any
}

func (p panicky) Find(_ context.Context, n rekey.Number) ([]rekey.Account, error) {
	panic(p.with(n))
}

func TestT36_APanicIsAnsweredAndSaysNothingOfTheRequest(t *testing.T) {
	t.Parallel()
	for name, with := range map[string]func(rekey.Number) any{
		"a string": func(n rekey.Number) any { return "no row for " + n.E164() },
		"an error": func(n rekey.Number) any { return fmt.Errorf("no row for %s", n.National()) },
		"a struct": func(n rekey.Number) any { return struct{ mobile string }{n.National()} },
	} {
		h := newHouse(t, func(core *rekey.Options, _ *web.Options) {
			core.Directory = panicky{newPeople(), with}
		})
		w := h.ask("GET", "/forget_pwd/mobiles/"+canaryNumber, "")
		if w.Code != 500 || errno(t, w) != "4500" || strings.Contains(w.Body.String(), canaryNumber) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		h.mustNotHaveLogged(canaryNumber)
		records := h.records()
		if len(records) != 2 || records[0]["msg"] != "panic" || !strings.Contains(fmt.Sprint(records[0]["stack"]), "panicky.Find") {
			t.Errorf("%s: the log says %v", name, records)
		}
		if records[1]["status"] != 500. {
			t.Errorf("%s: the log says %v", name, records[1])
		}
		// A form gets HTML, and the server goes on.
		w = h.ask("POST", "/forget_pwd/sms_code/", "mobile="+canaryNumber, "Content-Type: application/x-www-form-urlencoded",
			"Accept: text/html")
		if w.Code != 500 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %s", name, w.Code, w.Header())
		}
	}
}

func TestARuntimeErrorIsNamedInTheLog(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(core *rekey.Options, _ *web.Options) {
		core.Directory = panicky{newPeople(), func(rekey.Number) any { var p *people; return p.rows }}
	})
	h.ask("GET", "/forget_pwd/mobiles/"+alice, "")
	record := h.records()[0]
	if !strings.Contains(fmt.Sprint(record["panic"]), "nil pointer") || !strings.Contains(fmt.Sprint(record["stack"]), "TestARuntimeError") {
		t.Errorf("the log says %v", record)
	}
}

// evils break out of a line, a terminal or a JSON text if they are written raw.
func evils() []string {
	return []string{"a\r\nlevel=ERROR msg=forged", "\x1b[2J\x1b[31m", "a\u2028b\u2029c", "\x00\x07", `"}` + "\n" + `{"msg":"forged"}`,
		"\xff\xfe"}
}

const raw = "\r\x1b\u2028\u2029\x00\x07"

func TestT37_NothingThatIsSentBreaksARecord(t *testing.T) {
	t.Parallel()
	h := newHouse(t, trusting("192.0.2.0/24"))
	for _, evil := range evils() {
		if n := h.recordsOf(evil); n != 1 {
			t.Errorf("%q: %d records", evil, n)
		}
	}
	if log := h.log.String(); strings.ContainsAny(log, raw) || strings.Contains(log, "forged") {
		t.Errorf("the log is %q", log)
	}
}

func TestT37_NoCauseBreaksARecord(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]func(*journal) slog.Handler{
		"JSON": func(j *journal) slog.Handler { return slog.NewJSONHandler(j, nil) },
		"text": func(j *journal) slog.Handler { return slog.NewTextHandler(j, nil) },
	} {
		log := &journal{}
		h := newHouse(t, func(_ *rekey.Options, front *web.Options) { front.Log = slog.New(handler(log)) })
		for _, evil := range evils() {
			h.people.down = errors.New("the database says " + evil)
			h.ask("GET", "/forget_pwd/mobiles/"+alice, "")
		}
		text := log.String()
		if lines := strings.Count(text, "\n"); lines != 2*len(evils()) || strings.ContainsAny(text, raw) || !utf8.ValidString(text) {
			t.Errorf("%s: %d lines: %q", name, lines, text)
		}
	}
}

// recordsOf sends evil in every place that a client can fill, and counts the records that it made.
func (h *house) recordsOf(evil string) int {
	h.Helper()
	before := len(h.records())
	r := httptest.NewRequest("GET", "/forget_pwd/mobiles/1", nil)
	r.Method = "GET" + evil
	r.URL.Path, r.URL.RawQuery, r.Host, r.RequestURI = "/forget_pwd/mobiles/"+evil, evil, evil, evil
	for _, name := range []string{"User-Agent", "Referer", "X-Forwarded-For", "X-Request-Id", "Accept-Language", "Origin", "Accept", "Content-Type"} {
		r.Header.Set(name, evil)
	}
	h.handler.ServeHTTP(discard{http.Header{}}, r)
	return len(h.records()) - before
}

func TestFaultsOfTheOptionsAreAllListed(t *testing.T) {
	t.Parallel()
	_, err := web.New(web.Options{
		BasePath: "forget_pwd", PublicOrigin: "www.example.com/", Origins: []string{"https://a.example/path", "*"},
		CSRFCookie: "csrftoken", CSRFHeader: "X CSRF", TrustedProxies: []netip.Prefix{{}}, Languages: []string{"en", "tlh", "-"},
	})
	if err == nil {
		t.Fatal("the options were taken")
	}
	for _, fault := range []string{"a Service is required", "the Keys are required", `"forget_pwd"`, `"www.example.com/"`,
		`"https://a.example/path"`, `"*"`, `"csrftoken"`, `"X CSRF"`, "trusted proxy", `"tlh"`, `"-"`} {
		if !strings.Contains(err.Error(), fault) {
			t.Errorf("the error says nothing of %s:\n%v", fault, err)
		}
	}
}

func TestBasePathsThatWouldMislead(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, path := range []string{"", "/", "/a/", "/a-b/c_d/e.f~1/"} {
		if _, err := web.New(web.Options{Service: &rekey.Service{}, Keys: h.keys, BasePath: path}); err != nil {
			t.Errorf("%q: %v", path, err)
		}
	}
	for _, path := range []string{"a/", "/a", "//a/", "/a//b/", "/../", "/./", "/a b/", "/%61/", "/ä/", "/a?b/", "/a#/", "/a\n/", "//"} {
		if _, err := web.New(web.Options{Service: &rekey.Service{}, Keys: h.keys, BasePath: path}); err == nil {
			t.Errorf("%q was taken", path)
		}
	}
}

func TestOriginsAreWrittenAsBrowsersWriteThem(t *testing.T) {
	t.Parallel()
	for configured, browsers := range map[string]string{
		"https://App.Example.net:443": "https://app.example.net",
		"http://app.example.net:80":   "http://app.example.net",
		"https://app.example.net:80":  "https://app.example.net:80",
		"http://[2001:DB8::1]:8080":   "http://[2001:db8::1]:8080",
		"http://localhost:3000":       "http://localhost:3000",
	} {
		h := newHouse(t, func(_ *rekey.Options, front *web.Options) { front.Origins = []string{configured} })
		w := h.ask("POST", "/forget_pwd/sms_code/", send(alice).body, "Origin: "+browsers, "Sec-Fetch-Site: cross-site")
		if errno(t, w) != "0" || w.Header().Get("Access-Control-Allow-Origin") != browsers {
			t.Errorf("%s: %s %v", configured, w.Body, w.Header())
		}
	}
	keys := newHouse(t).keys
	for _, origin := range []string{"*", "null", "app.example.net", "https://", "https://app.example.net/", "https://*.example.net",
		"ftp://app.example.net", "https://a@app.example.net", "https://app.example.net?x", "https://例子.cn", "https://app.example.net:", " https://a"} {
		if _, err := web.New(web.Options{Service: &rekey.Service{}, Keys: keys, Origins: []string{origin}}); err == nil {
			t.Errorf("%q was taken", origin)
		}
	}
}

func TestAnHTTPSOriginIsKnownInAnySpelling(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(_ *rekey.Options, front *web.Options) { front.PublicOrigin = "HTTPS://WWW.Example.com:443" })
	w := h.ask("POST", "/forget_pwd/sms_code/", send(alice).body, "Origin: https://www.example.com")
	if c := h.cookies["__Host-rekey_flow"]; errno(t, w) != "0" || c == nil || !c.Secure {
		t.Errorf("%s %v", w.Body, w.Header())
	}
}

func TestT46_TokensOutliveARotationOfKeys(t *testing.T) {
	t.Parallel()
	old, fresh, index := bytes.Repeat([]byte("o"), 32), bytes.Repeat([]byte("n"), 32), bytes.Repeat([]byte("i"), 32)
	ring := func(secrets ...[]byte) setting {
		return func(core *rekey.Options, front *web.Options) {
			keys, err := rekey.NewKeyring(secrets, index)
			if err != nil {
				panic(err)
			}
			core.Keys, front.Keys = keys, keys
		}
	}
	before := newHouse(t, ring(old))
	before.ask("GET", "/forget_pwd/", "")
	token := before.cookies["csrf_token"]

	rotated := newHouse(t, ring(fresh, old))
	rotated.cookies["csrf_token"] = token
	rotated.ask("GET", "/forget_pwd/", "")
	if rotated.cookie("csrf_token") != token.Value {
		t.Error("the visitor got a new token though the old one is still good")
	}
	if w := rotated.ask("POST", "/forget_pwd/sms_code/", send(alice).body, "X-CSRFToken: TOKEN"); errno(t, w) != "0" {
		t.Errorf("%s", w.Body)
	}
	gone := newHouse(t, ring(fresh))
	gone.cookies["csrf_token"] = token
	if w := gone.ask("POST", "/forget_pwd/sms_code/", send(alice).body, "X-CSRFToken: TOKEN"); w.Code != 403 {
		t.Errorf("a token of a key that is gone: %s", w.Body)
	}
	gone.ask("GET", "/forget_pwd/", "")
	if gone.cookie("csrf_token") == token.Value {
		t.Error("the visitor keeps a token that is no good")
	}
}

func BenchmarkCheckThroughTheHandler(b *testing.B) {
	h := newHouse(b, func(core *rekey.Options, front *web.Options) {
		core.Limits, core.Recorder, front.Recorder, front.Log = rekey.Limits{}, nil, nil, nil
	})
	w := discard{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest("GET", "/forget_pwd/mobiles/"+alice+"/", nil)
		r.Header.Set("Accept-Language", "zh-CN,zh;q=0.9,en;q=0.8")
		h.handler.ServeHTTP(w, r)
	}
}
