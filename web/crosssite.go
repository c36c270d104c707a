package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"rekey"
)

// sites knows which other sites' pages may talk to us (T33).
type sites struct {
	protection *http.CrossOriginProtection
	keys       *rekey.Keyring
	origins    []string // those that get CORS headers
	insecure   string   // the plain-http twin of an https public origin; "": there is none
	cookie     string
	header     string
}

// newSites takes options whose origins are normal, or empty where they are not known.
func newSites(o Options) (*sites, error) {
	s := &sites{protection: http.NewCrossOriginProtection(), keys: o.Keys, origins: o.Origins,
		cookie: o.CSRFCookie, header: o.CSRFHeader}
	for _, origin := range append(slices.Clone(o.Origins), o.PublicOrigin) {
		if origin == "" {
			continue
		}
		if err := s.protection.AddTrustedOrigin(origin); err != nil {
			return nil, err
		}
	}
	if host, ok := strings.CutPrefix(o.PublicOrigin, "https://"); ok {
		s.insecure = "http://" + host
	}
	return s, nil
}

// hostForm is a host as a browser writes it: letters of other scripts are in their ASCII form there (RFC 5890).
var hostForm = regexp.MustCompile(`^([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$`)

// normalOrigin is an origin as browsers write it (RFC 6454, section 6.2): lower case, without the scheme's own port.
func normalOrigin(origin string) (string, error) {
	fault := fmt.Errorf("%q is no origin; write scheme and host only, such as https://www.example.com", origin)
	u, err := url.Parse(origin)
	if err != nil || u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", fault
	}
	host := strings.ToLower(u.Host)
	switch {
	case !hostForm.MatchString(host):
		return "", fault
	case u.Scheme == "http":
		host = strings.TrimSuffix(host, ":80")
	case u.Scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	default:
		return "", fault
	}
	return u.Scheme + "://" + host, nil
}

// check refuses a cross-site request that could change something, before it has any effect.
//
// Where Origin or Sec-Fetch-Site is sent, it decides, as http.CrossOriginProtection has it. What that protects: no page
// of another site can make a visitor's browser ask for a code or try one. Beyond it, Origin must stand once and not be
// "null" (sandboxed frames, data: URLs, redirects from elsewhere), and the plain-http twin of an https public origin is
// another origin, since whoever sits on the wire can write such a page.
//
// CrossOriginProtection compares Origin with the Host header where Sec-Fetch-Site is missing. A forged Host (T34)
// passes only for whoever writes the whole request himself and so needs nobody's browser; a browser's Host is the name
// that it connected to. A name of the attacker's that resolves to us (DNS rebinding) is same origin to the browser,
// which then sends none of our cookies: the attacker gets what he has without it. Behind a proxy that changes Host, the
// public origin passes by being trusted.
//
// Where neither is sent there is no browser of this decade: a native app, or curl. If it hands in a token, the token
// must be the one in its cookie and one that we signed; none passes. A tossed cookie of ours with the matching header
// does pass there, and protects nothing, nor need it: setting that header takes a script of our own origin, or no
// browser at all. Several cookies of that name mean that one was tossed; then no token is right.
func (s *sites) check(r *request) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
		return nil
	}
	origin, site := r.Header.Values("Origin"), r.Header.Values("Sec-Fetch-Site")
	if len(origin) == 0 && len(site) == 0 {
		return s.checkToken(r)
	}
	if len(origin) > 1 || len(site) > 1 || slices.Contains(site, "") {
		return errCrossSite
	}
	if len(origin) == 1 && (origin[0] == "" || origin[0] == "null" || (origin[0] == s.insecure)) {
		return errCrossSite
	}
	if s.protection.Check(r.Request) != nil {
		return errCrossSite
	}
	return nil
}

func (s *sites) checkToken(r *request) error {
	given := r.Header.Values(s.header)
	if len(given) == 0 {
		return nil
	}
	held := r.CookiesNamed(s.cookie)
	if len(given) > 1 || len(held) != 1 || given[0] != held[0].Value || !ourCSRFToken(s.keys, given[0]) {
		return errCrossSite
	}
	return nil
}

// allow lets a page of a configured origin read the answer, with credentials (the Fetch standard, section 3.3: CORS
// protocol). Without configured origins there are no CORS headers at all.
func (s *sites) allow(h http.Header, r *request) {
	if len(s.origins) == 0 {
		return
	}
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if !slices.Contains(s.origins, origin) {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", "Retry-After, X-Request-Id")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

// preflight answers what a browser asks before a request of another origin that is not simple.
func (s *sites) preflight(h http.Header, r *request, m methods) {
	if h.Get("Access-Control-Allow-Origin") == "" || r.Header.Get("Access-Control-Request-Method") == "" {
		return
	}
	h.Set("Access-Control-Allow-Methods", m.allow())
	h.Set("Access-Control-Allow-Headers", "Content-Type, X-Rekey-Proof, "+s.header)
	h.Set("Access-Control-Max-Age", "600") // seconds; Chromium keeps no preflight for more than two hours
}
