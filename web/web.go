// Package web is the public side: the JSON contract that pages and apps talk, and the page itself. It reads a request,
// refuses what is cross-site or malformed, hands everything else to rekey.Service and turns the outcome into an answer.
// It decides nothing about codes.
package web

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"rekey"
)

// Options are the parts and settings of the public side. Service and Keys are required; the zero value of every other
// field stands for the default in its comment.
type Options struct {
	Service *rekey.Service
	Keys    *rekey.Keyring // signs what visitors carry for us

	BasePath     string   // where the contract lives, from slash to slash; "": "/forget_pwd/"
	PublicOrigin string   // the scheme and host that people see, such as "https://www.example.com"; "": not known
	Origins      []string // other origins whose pages may use the contract

	CSRFCookie string // "": "csrf_token"
	CSRFHeader string // "": "X-CSRFToken"

	TrustedProxies []netip.Prefix // whose X-Forwarded-For and X-Request-Id are believed; nil: nobody's
	Languages      []string       // BCP 47, the first is the default; nil: "zh-CN", "en"

	// Receipts, if set, serves what SMS vendors push to the base path + ReceiptsPath, by POST or GET. It is given the path
	// behind that, with its slash. A nil http.Handler: there is no such path.
	Receipts http.Handler

	Page     PageOptions
	Recorder rekey.Recorder // is told of refused requests; the Service's own, or nil
	// Log gets one line a request, and what broke. The causes of a failed Check, Send or Reset are the Recorder's; only
	// without one are they logged. nil: nothing is logged.
	Log *slog.Logger
}

// PageOptions are what an operator may change about the page. Every field may be left empty.
type PageOptions struct {
	Title       string   // the name of the site
	Brand       string   // its colour in the light scheme, such as "#0b57d0"
	BrandDark   string   // the same in the dark scheme
	Support     string   // the link for people who can't be helped here
	Consent     string   // a line below the first form
	DoneURL     string   // where to sign in after a reset
	NextOrigins []string // the origins, beside our own, that `next` may lead to
}

// server is the handler that New makes. It is safe for concurrent use: only strangers changes.
type server struct {
	Options
	https     bool // PublicOrigin is an https origin: cookies are Secure, HSTS is sent
	sites     *sites
	languages *languages
	texts     map[string]texts // of the contract, by language
	page      *page
	strangers strangers
}

// ReceiptsPath is what stands between the base path and the paths of Options.Receipts.
const ReceiptsPath = "receipts/"

// defaultBasePath is where the Django original has its flow.
const defaultBasePath = "/forget_pwd/"

// New makes the handler of the public side. Its error lists every fault of the options.
func New(o Options) (http.Handler, error) {
	var faults []error
	fault := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}

	if o.Service == nil {
		fault(errors.New("a Service is required"))
	}
	if o.Keys == nil {
		fault(errors.New("the Keys are required"))
	}
	if o.Languages == nil {
		o.Languages = []string{"zh-CN", "en"}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.BasePath = cmp.Or(o.BasePath, defaultBasePath)
	o.CSRFCookie = cmp.Or(o.CSRFCookie, "csrf_token")
	o.CSRFHeader = cmp.Or(o.CSRFHeader, "X-CSRFToken")

	fault(checkBasePath(o.BasePath))
	proxies, err := normalPrefixes(o.TrustedProxies)
	fault(err)
	o.TrustedProxies = proxies

	fault(o.normalizeOrigins())
	s := &server{https: strings.HasPrefix(o.PublicOrigin, "https://")}
	fault(checkCSRFCookie(o.CSRFCookie, s.https))
	fault(checkCSRFHeader(o.CSRFHeader))
	s.sites, err = newSites(o)
	fault(err)
	s.languages, err = newLanguages(o.Languages)
	fault(err)
	o.Languages = s.languages.names
	s.Options = o
	texts, words, err := loadTexts(o.Languages)
	fault(err)
	s.texts = texts
	s.page, err = newPage(o, words)
	fault(err)
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return s, nil
}

// tokenForm is the part of RFC 9110's token that no cookie or header parser disagrees on.
var tokenForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// basePathForm is one or more segments of characters that need no escaping in a URL (RFC 3986, section 2.3).
var basePathForm = regexp.MustCompile(`^/([A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*$`)

func checkBasePath(path string) error {
	if !basePathForm.MatchString(path) {
		return fmt.Errorf("the base path %q must begin and end with a slash and hold only letters, digits, - . _ ~ "+
			"between slashes", path)
	}
	return nil
}

// handler is one thing that the public side does. What it returns as an error is turned into an answer by server.fail,
// in one place; a handler that has written an answer returns nil.
type handler func(w http.ResponseWriter, r *request) error

// methods are the handlers of one path by method.
type methods map[string]handler

// route is where a path leads. Its name goes to the log in place of the path, which holds a number or a secret (T36).
type route struct {
	name    string
	methods methods
}

// The names of routes in the log.
const (
	routePage     = "page"
	routeAsset    = "asset"
	routeCheck    = "mobiles"
	routeSend     = "sms_code"
	routeReceipts = "receipts"
	routeRedirect = "redirect"
	routeUnknown  = "unknown"
)

// route is the whole map of the public side. It compares paths exactly rather than through http.ServeMux, which answers
// unclean paths with redirects of its own, outside the envelope.
//
// An escaped slash is no separator (T25): a path that has one is compared still escaped, and so fits nothing and is no
// number.
func (s *server) route(u *url.URL) route {
	path := u.Path
	if strings.Contains(strings.ToLower(u.RawPath), "%2f") {
		path = u.RawPath
	}
	rest, within := strings.CutPrefix(path, s.BasePath)
	if !within {
		if path+"/" == s.BasePath {
			return route{routeRedirect, nil}
		}
		return route{routeUnknown, nil}
	}
	switch rest {
	case "":
		return route{routePage, methods{http.MethodGet: s.getPage, http.MethodPost: s.reset}}
	case "sms_code", "sms_code/":
		return route{routeSend, methods{http.MethodPost: s.send}}
	case "page.css", "page.js", "brand.css":
		return route{routeAsset, methods{http.MethodGet: s.asset(rest)}}
	}
	if strings.HasPrefix(rest, ReceiptsPath) && s.Receipts != nil {
		return route{routeReceipts, methods{http.MethodGet: s.receipts, http.MethodPost: s.receipts}}
	}
	mobile, ok := strings.CutPrefix(rest, "mobiles/")
	if again, repeated := strings.CutPrefix(rest, s.BasePath[1:]+"mobiles/"); repeated {
		// Pages written for the original use a relative URL that repeats the base path, which may itself be "mobiles/".
		mobile, ok = again, true
	}
	if ok {
		return route{routeCheck, methods{http.MethodGet: s.check(strings.TrimSuffix(mobile, "/"))}}
	}
	return route{routeUnknown, nil}
}

// asset is the handler of one file of the page.
func (s *server) asset(name string) handler {
	return func(w http.ResponseWriter, r *request) error { return s.static(w, r, name) }
}
