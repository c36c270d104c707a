package web

import (
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
)

// configuredLink is a link that the operator has named: a page of the web, of the same host, or a way to call or write.
func configuredLink(name, link string) (template.URL, error) {
	if link == "" {
		return "", nil
	}
	u, err := url.Parse(link)
	switch {
	case err != nil:
	case (u.Scheme == "https" || u.Scheme == "http") && u.Host != "",
		(u.Scheme == "tel" || u.Scheme == "mailto") && u.Opaque != "",
		u.Scheme == "" && localPath(link):
		return template.URL(link), nil
	}
	return "", fmt.Errorf("the %s link %q must begin with https://, http://, tel:, mailto: or a single slash", name, link)
}

// nextLinks knows where `next` may lead (T35).
type nextLinks struct{ origins []string }

func newNextLinks(o Options) (*nextLinks, error) {
	n := &nextLinks{}
	var faults []error
	for _, origin := range o.Page.NextOrigins {
		normal, err := normalOrigin(origin)
		if err != nil {
			err = fmt.Errorf("next origins: %w", err)
		}
		faults = append(faults, err)
		n.origins = append(n.origins, normal)
	}
	if normal, err := normalOrigin(o.PublicOrigin); err == nil {
		n.origins = append(n.origins, normal)
	}
	return n, errors.Join(faults...)
}

// maxNext is how long a `next` is carried along, in bytes: it stands in every URL of the flow.
const maxNext = 1 << 10

// allow reports whether next is a path of ours or lies in one of the configured origins. It reads next as the strictest
// and the laxest parser at once: what browsers would repair (backslashes, tabs, missing slashes; the URL standard,
// section 4.4) is refused rather than understood, and so is user information.
func (n *nextLinks) allow(next string) bool {
	if next == "" || len(next) > maxNext {
		return false
	}
	if localPath(next) {
		return true
	}
	// What stands before the path must be an origin as we write it, letter by letter but for case and default port.
	scheme, host, ok := strings.Cut(next, "://")
	if !ok || !plainURL(next) {
		return false
	}
	if i := strings.IndexAny(host, "/?#"); i >= 0 {
		host = host[:i]
	}
	normal, err := normalOrigin(scheme + "://" + host)
	return err == nil && slices.Contains(n.origins, normal)
}

// localPath reports whether link is a path on the same host, whoever reads it.
func localPath(link string) bool {
	if !strings.HasPrefix(link, "/") || strings.HasPrefix(link, "//") || !plainURL(link) {
		return false
	}
	u, err := url.Parse(link)
	return err == nil && u.Scheme == "" && u.Host == "" && u.Opaque == ""
}

// plainURL reports whether s holds nothing but the characters of a URL (RFC 3986, appendix A): no backslash, no space, no
// control character, nothing beyond ASCII.
func plainURL(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte("\\\"<>^`{|}", s[i]) >= 0 {
			return false
		}
	}
	return true
}
