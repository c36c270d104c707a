package web

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
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

// checkCSRFCookie refuses names that would overwrite a cookie of ours, or that of the application's own framework: each
// of its forms would fail from then on.
func checkCSRFCookie(name string) error {
	plain := strings.TrimPrefix(name, hostPrefix)
	switch {
	case strings.HasPrefix(plain, "rekey_"):
		return fmt.Errorf("the CSRF cookie can't be called %q: names with rekey_ are our other cookies", name)
	case slices.Contains([]string{"csrftoken", "XSRF-TOKEN", "_csrf"}, plain):
		return fmt.Errorf("the CSRF cookie can't be called %q, which frameworks use for their own; "+
			"leave it at csrf_token", name)
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
