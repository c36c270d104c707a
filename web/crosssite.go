package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
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
	s.insecure = plainTwin(o.PublicOrigin)
	return s, nil
}

// hostForm is a host as a browser writes it: letters of other scripts are in their ASCII form there (RFC 5890). What is
// in brackets is an IPv6 address, which netip judges.
var hostForm = regexp.MustCompile(`^(?:([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)|\[([0-9a-f:.]+)\])(?::([1-9][0-9]{0,4}))?$`)

// splitOrigin takes an origin apart. It is normal as browsers write it (RFC 6454, section 6.2): lower case, without the
// scheme's own port. host is without port and brackets.
func splitOrigin(origin string) (normal, scheme, host string, err error) {
	fault := fmt.Errorf("%q is no origin; write scheme and host only, such as https://www.example.com", origin)
	scheme, rest, ok := strings.Cut(strings.ToLower(origin), "://")
	parts := hostForm.FindStringSubmatch(rest)
	if !ok || parts == nil {
		return "", "", "", fault
	}
	defaultPort, ok := map[string]string{"http": "80", "https": "443"}[scheme]
	if !ok {
		return "", "", "", fault
	}
	name, bracketed, port := parts[1], parts[2], parts[3]
	if bracketed != "" {
		a, err := netip.ParseAddr(bracketed)
		if err != nil || !a.Is6() || a.Is4In6() {
			return "", "", "", fault
		}
		name = "[" + a.String() + "]" // RFC 5952, as the URL standard has it too
	}
	if port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", "", "", fault
		}
	}
	normal = scheme + "://" + name
	if port != "" && port != defaultPort {
		normal += ":" + port
	}
	return normal, scheme, strings.Trim(name, "[]"), nil
}

// normalOrigin is an origin as browsers write it, or the error says that it is none.
func normalOrigin(origin string) (string, error) {
	normal, _, _, err := splitOrigin(origin)
	return normal, err
}

// normalizeOrigins judges and rewrites the origins whose pages people type codes and passwords into. Plain http passes
// only where the Internet does not come by: whoever sits on the wire could write such a page himself.
func (o *Options) normalizeOrigins() error {
	var faults []error
	judge := func(origin string) string {
		normal, scheme, host, err := splitOrigin(origin)
		if err == nil && scheme == "http" && !local(host) {
			err = fmt.Errorf("pages of %q send codes and passwords in clear over the Internet; write https:// and put TLS in front", origin)
		}
		faults = append(faults, err)
		return normal
	}
	if o.PublicOrigin != "" {
		o.PublicOrigin = judge(o.PublicOrigin)
	}
	twin := plainTwin(o.PublicOrigin)
	o.Origins = slices.Clone(o.Origins)
	for i, origin := range o.Origins {
		o.Origins[i] = judge(origin)
		if twin != "" && o.Origins[i] == twin {
			faults = append(faults, fmt.Errorf("the origin %q is the public origin without TLS, whose pages are refused; remove it", origin))
		}
	}
	return errors.Join(faults...)
}

// plainTwin is the plain-http origin of the same host as an https origin; "": there is none.
func plainTwin(origin string) string {
	host, ok := strings.CutPrefix(origin, "https://")
	if !ok {
		return ""
	}
	return "http://" + host
}

// local reports whether a host can't be reached over the Internet: a private address, or a name that can't be public
// (RFC 6761; "internal" as ICANN reserved it in 2024; one without a dot).
func local(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		a = a.Unmap()
		return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast()
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	return last == host || slices.Contains([]string{"localhost", "test", "internal", "local"}, last)
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
