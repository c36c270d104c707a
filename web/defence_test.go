package web_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

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
	if got := h.events.of(rekey.EventForwarded); len(got) != 1 || got[0].Address != netip.MustParseAddr(peer) {
		t.Errorf("events: %v", got)
	}
	if got := h.events.refused(); len(got) != 0 {
		t.Errorf("a request that was served is told as refused: %v", got)
	}
}

func TestT32_AnUnbelievedPeerIsToldOfOnceAndNotTooManyAre(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ask := func(address string) {
		r := httptest.NewRequest("GET", "/forget_pwd/mobiles/x", nil)
		r.RemoteAddr = address + ":1234"
		r.Header.Set("X-Forwarded-For", "198.51.100.7")
		h.handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	for range 3 {
		ask("192.0.2.1")
	}
	ask("192.0.2.2")
	var warnings []string
	for _, record := range h.records() {
		if record["level"] == "WARN" {
			warnings = append(warnings, fmt.Sprint(record["msg"]))
		}
	}
	if want := "X-Forwarded-For from 192.0.2.1 is ignored; if that is your proxy, add its network to trusted_proxies"; len(warnings) != 2 ||
		warnings[0] != want || len(h.events.of(rekey.EventForwarded)) != 2 {
		t.Errorf("%q", warnings)
	}
	for i := range 1000 {
		ask(fmt.Sprintf("10.0.%d.%d", i/250, i%250))
	}
	if n := len(h.events.of(rekey.EventForwarded)); n > 100 {
		t.Errorf("%d peers were told of", n)
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
		"https://App.Example.net:443":  "https://app.example.net",
		"http://app.example.test:80":   "http://app.example.test",
		"https://app.example.net:80":   "https://app.example.net:80",
		"https://[2001:DB8:0::1]:8080": "https://[2001:db8::1]:8080",
		"http://[FD00::1]":             "http://[fd00::1]",
		"http://192.168.1.5:65535":     "http://192.168.1.5:65535",
		"http://localhost:3000":        "http://localhost:3000",
	} {
		h := newHouse(t, func(_ *rekey.Options, front *web.Options) { front.Origins = []string{configured} })
		w := h.ask("POST", "/forget_pwd/sms_code/", send(alice).body, "Origin: "+browsers, "Sec-Fetch-Site: cross-site")
		if errno(t, w) != "0" || w.Header().Get("Access-Control-Allow-Origin") != browsers {
			t.Errorf("%s: %s %v", configured, w.Body, w.Header())
		}
	}
	keys := newHouse(t).keys
	for _, origin := range []string{"*", "null", "app.example.net", "https://", "https://app.example.net/", "https://*.example.net",
		"ftp://app.example.net", "https://a@app.example.net", "https://app.example.net?x", "https://例子.cn", "https://app.example.net:", " https://a",
		"https://app.example.net:0", "https://app.example.net:65536", "https://app.example.net:99999", "https://app.example.net:080",
		`https://app."example.net`, "https://app.$example.net", "https://app..example.net", "https://.", "https://[1.2.3.4]",
		"https://[::1", "https://[::ffff:1.2.3.4]", "https://[:::]"} {
		if _, err := web.New(web.Options{Service: &rekey.Service{}, Keys: keys, Origins: []string{origin}}); err == nil {
			t.Errorf("%q was taken", origin)
		}
	}
}

func TestT33_PagesInClearAreNotAmongTheOrigins(t *testing.T) {
	t.Parallel()
	keys := newHouse(t).keys
	for _, c := range []struct {
		name  string
		o     web.Options
		fault string
	}{
		{"the plain twin", web.Options{PublicOrigin: "https://www.example.com", Origins: []string{"http://www.example.com"}}, "http://www.example.com"},
		{"the plain twin of a name for trying out", web.Options{PublicOrigin: "https://localhost:8443", Origins: []string{"http://localhost:8443"}}, "without TLS"},
		{"another public host", web.Options{PublicOrigin: "https://www.example.com", Origins: []string{"http://app.example.net:8080"}}, "in clear"},
		{"a public address", web.Options{Origins: []string{"http://198.51.100.7"}}, "in clear"},
		{"a public address of IPv6", web.Options{Origins: []string{"http://[2001:db8::1]"}}, "in clear"},
		{"a public host as public origin", web.Options{PublicOrigin: "http://www.example.com"}, "in clear"},
		{"a private front end", web.Options{PublicOrigin: "https://www.example.com", Origins: []string{"http://localhost:3000", "http://10.0.0.7", "http://app.internal"}}, ""},
		{"a private public origin", web.Options{PublicOrigin: "http://127.0.0.1:8000"}, ""},
	} {
		c.o.Service, c.o.Keys = &rekey.Service{}, keys
		_, err := web.New(c.o)
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestNamesThatWouldBreakAnApplicationAreRefused(t *testing.T) {
	t.Parallel()
	keys := newHouse(t).keys
	try := func(o web.Options) error {
		o.Service, o.Keys = &rekey.Service{}, keys
		_, err := web.New(o)
		return err
	}
	for _, name := range []string{"sessionid", "PHPSESSID", "JSESSIONID", "SESSION", "connect.sid", "laravel_session", "_app_session",
		"csrftoken", "CSRFToken", "XSRF-TOKEN", "xsrf-token", "_csrf", "remember_user_token", "rememberMe", "Admin-Token",
		"rekey_flow", "__Host-rekey_flow", "__host-rekey_page", "__Host-csrf", "__Secure-csrf", "__secure-csrf"} {
		if err := try(web.Options{CSRFCookie: name}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("the cookie %s: %v", name, err)
		}
	}
	for _, name := range []string{"csrf_token", "csrf", "my_csrf_token", "recovery"} {
		if err := try(web.Options{CSRFCookie: name}); err != nil {
			t.Errorf("the cookie %s: %v", name, err)
		}
	}
	for _, name := range []string{"__Host-csrf", "__Secure-csrf"} {
		if err := try(web.Options{CSRFCookie: name, PublicOrigin: "https://www.example.com"}); err != nil {
			t.Errorf("the cookie %s under https: %v", name, err)
		}
	}
	for _, name := range []string{"Content-Type", "content-length", "Origin", "Authorization", "Cookie", "Host", "Sec-Fetch-Site",
		"X-Forwarded-For", "X-Request-Id", "X-Rekey-Proof", "Accept", "If-None-Match", "Expect", "Transfer-Encoding"} {
		if err := try(web.Options{CSRFHeader: name}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("the header %s: %v", name, err)
		}
	}
	for _, name := range []string{"X-CSRFToken", "X-CSRF-TOKEN", "X-XSRF-TOKEN", "CSRF-Token", "RequestVerificationToken"} {
		if err := try(web.Options{CSRFHeader: name}); err != nil {
			t.Errorf("the header %s: %v", name, err)
		}
	}
}

func TestTheCheckIsFoundUnderABasePathOfItsOwnName(t *testing.T) {
	t.Parallel()
	h := newHouse(t, basePath("/mobiles/"))
	for _, path := range []string{"/mobiles/mobiles/" + alice, "/mobiles/mobiles/" + alice + "/", "/mobiles/mobiles/mobiles/" + alice + "/"} {
		if w := h.ask("GET", path, ""); w.Code != 200 || errno(t, w) != "0" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := h.ask("GET", "/mobiles/"+alice, ""); w.Code != 404 {
		t.Errorf("%d %s", w.Code, w.Body)
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
