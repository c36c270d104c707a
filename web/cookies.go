package web

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"rekey"
)

// The cookies beside that of the CSRF token. Under https they carry the prefix __Host- (RFC 6265bis, section 4.1.3.2),
// so that neither a sibling subdomain nor a plain-http answer can toss one.
const (
	flowCookie   = "rekey_flow"
	deviceCookie = "rekey_device"
	hostPrefix   = "__Host-"

	flowAge   = 15 * time.Minute     // a flow outlives every code made in it
	deviceAge = 180 * 24 * time.Hour // a known device
)

// frameworkCookie is a name that a framework has for its session (sessionid, PHPSESSID, JSESSIONID, SESSION,
// laravel_session, _app_session), a login that is remembered, or its own CSRF token.
var frameworkCookie = regexp.MustCompile(`^(sess.*|.*sess(ion)?(_?id)?|sid|remember.*|wordpress.*|` +
	`csrftoken|xsrf-token|_csrf|(x-|admin-|sa)?token|jwt|auth|authorization)$`)

// checkCSRFCookie refuses names that would overwrite a cookie of ours or of the application's own framework, whose
// sessions or forms would fail from then on, and names with a prefix for which browsers would drop the cookie
// (RFC 6265bis, section 4.1.3). It compares without case, as browsers and some frameworks do.
func checkCSRFCookie(name string, https bool) error {
	plain, secured := strings.ToLower(name), false
	for _, prefix := range []string{"__host-", "__secure-"} {
		if rest, ok := strings.CutPrefix(plain, prefix); ok {
			plain, secured = rest, true
		}
	}
	switch {
	case !tokenForm.MatchString(name):
		return fmt.Errorf("%q can't be the name of the CSRF cookie; use letters, digits, - and _", name)
	case secured && !https:
		return fmt.Errorf("the CSRF cookie can't be called %q without a public origin of https: browsers would drop it", name)
	case strings.HasPrefix(plain, "rekey_"):
		return fmt.Errorf("the CSRF cookie can't be called %q: names with rekey_ are our other cookies", name)
	case frameworkCookie.MatchString(plain):
		return fmt.Errorf("the CSRF cookie can't be called %q, which frameworks use for their own; "+
			"leave it at csrf_token", name)
	}
	return nil
}

// takenHeader is a name that means something already: to browsers and servers (RFC 9110, section 16.3.1, and the Fetch
// standard's forbidden request headers), to proxies, or to us.
var takenHeader = regexp.MustCompile(`^((accept|access-control|content|if|proxy|sec|upgrade|x-forwarded|x-rekey)(-.*)?|` +
	`authorization|cache-control|connection|cookie2?|set-cookie|date|dnt|expect|forwarded|from|host|keep-alive|link|` +
	`max-forwards|origin|pragma|priority|range|referer|te|trailer|transfer-encoding|user-agent|via|x-real-ip|x-request-id|` +
	`x-requested-with)$`)

// checkCSRFHeader refuses the names of other headers: the token would take their place, or they that of the token.
func checkCSRFHeader(name string) error {
	switch {
	case !tokenForm.MatchString(name):
		return fmt.Errorf("%q can't be the name of the CSRF header; use letters, digits, - and _", name)
	case takenHeader.MatchString(strings.ToLower(name)):
		return fmt.Errorf("the CSRF header can't be called %q, which has a meaning already; leave it at X-CSRFToken", name)
	}
	return nil
}

// private is the name under which a cookie that is for us alone is set and read.
func (s *server) private(name string) string {
	if s.https {
		return hostPrefix + name
	}
	return name
}

// setPrivate sets a cookie that no script can read. age 0 clears it.
func (s *server) setPrivate(w http.ResponseWriter, name, value string, age time.Duration) {
	c := &http.Cookie{Name: s.private(name), Value: value, Path: "/", MaxAge: int(age.Seconds()),
		HttpOnly: true, Secure: s.https, SameSite: http.SameSiteLaxMode}
	if age == 0 {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// cookie is the value of a private cookie, or "". Of several with one name, which only http without the prefix allows,
// it is the first: a tossed flow or device gives its bearer no more than one that he asked for himself.
func (s *server) cookie(r *request, name string) string {
	c, err := r.Cookie(s.private(name))
	if err != nil {
		return ""
	}
	return c.Value
}

// flow is the flow that the cookie jar hands back, or "".
func (s *server) flow(r *request) string { return s.cookie(r, flowCookie) }

// device is the device that the cookie jar hands back, or "".
func (s *server) device(r *request) string { return s.cookie(r, deviceCookie) }

func (s *server) setFlow(w http.ResponseWriter, flow string) {
	s.setPrivate(w, flowCookie, flow, flowAge)
}

// setDevice makes a device known after a success.
func (s *server) setDevice(w http.ResponseWriter, d rekey.Done) {
	if d.Device != "" {
		s.setPrivate(w, deviceCookie, d.Device, deviceAge)
	}
}

// csrfPurpose is what CSRF tokens are signed for.
const csrfPurpose = "csrf"

// A CSRF token is 128 random bits, the id of a key and that key's MAC of them, without separators, so that it holds
// base64url characters alone.
const (
	csrfRandom = 22 // base64url characters of 128 bits
	csrfKeyID  = 8
	csrfMAC    = 43 // base64url characters of 256 bits
)

func newCSRFToken(keys *rekey.Keyring) string {
	var b [16]byte
	rand.Read(b[:])
	random := base64.RawURLEncoding.EncodeToString(b[:])
	return random + strings.Replace(keys.Sign(csrfPurpose, random), ".", "", 1)
}

// ourCSRFToken reports whether we made token, with any of the keys.
func ourCSRFToken(keys *rekey.Keyring, token string) bool {
	if len(token) != csrfRandom+csrfKeyID+csrfMAC {
		return false
	}
	random, signature := token[:csrfRandom], token[csrfRandom:]
	return keys.Signed(csrfPurpose, random, signature[:csrfKeyID]+"."+signature[csrfKeyID:])
}

// setCSRF sets the cookie of the CSRF token, which scripts are to read, and returns the token. A visitor keeps the one
// that he has, so that a second tab does not make the first one's stale.
func (s *server) setCSRF(w http.ResponseWriter, r *request) string {
	token := ""
	if held := r.CookiesNamed(s.CSRFCookie); len(held) == 1 && ourCSRFToken(s.Keys, held[0].Value) {
		token = held[0].Value
	} else {
		token = newCSRFToken(s.Keys)
	}
	http.SetCookie(w, &http.Cookie{Name: s.CSRFCookie, Value: token, Path: "/",
		Secure: s.https, SameSite: http.SameSiteLaxMode})
	return token
}
