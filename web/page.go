package web

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"rekey"
)

//go:embed templates/page.html static
var pageFiles embed.FS

// page is what the HTML side is made of: one template for all states of all screens, the texts, and the files beside it.
type page struct {
	document *template.Template
	texts    map[string]texts // by language
	files    map[string]file
	support  template.URL // checked; "": there is none
	doneURL  template.URL // checked
	next     *nextLinks
}

// file is a file of the page. Its URL carries the hash of its content, so that it may be kept for good.
type file struct {
	content []byte
	kind    string // Content-Type
	hash    string // of the content: 64 bits in hex, as many as telling a few versions apart takes
}

func newFile(content []byte, kind string) file {
	sum := sha256.Sum256(content)
	return file{content, kind, hex.EncodeToString(sum[:8])}
}

func newPage(o Options, words map[string]texts) (*page, error) {
	var faults []error
	fault := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	p := &page{texts: words, files: map[string]file{}}
	for name, kind := range map[string]string{
		"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8",
	} {
		content, err := pageFiles.ReadFile("static/" + name)
		fault(err)
		p.files[name] = newFile(content, kind)
	}
	brand, err := brandCSS(o.Page.Brand, o.Page.BrandDark)
	fault(err)
	if brand != "" {
		p.files["brand.css"] = newFile([]byte(brand), "text/css; charset=utf-8")
	}
	p.document, err = template.ParseFS(pageFiles, "templates/page.html")
	fault(err)
	p.support, err = configuredLink("support", o.Page.Support)
	fault(err)
	p.doneURL, err = configuredLink("done", cmp.Or(o.Page.DoneURL, "/"))
	fault(err)
	p.next, err = newNextLinks(o)
	fault(err)
	return p, errors.Join(faults...)
}

// pagePolicy lets the page load its own style and script and post to us, and nothing else; scripts write HTML through
// the one Trusted Types policy of page.js only (T38).
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types rekey"

// The screens.
const (
	startScreen = "start"
	codeScreen  = "code"
	doneScreen  = "done"
)

// The elements that focus may go to on a new screen, beside the fields. Fields go by their ids: mobile, code, pw.
const (
	focusNotice  = "notice"
	focusResend  = "resend"
	focusHeading = "heading"
)

// fault is something to mend in one field.
type fault struct {
	Field string // its id
	Text  string
}

// view is one screen in one state: what the template is given. It never holds a password.
type view struct {
	texts
	Language string
	Screen   string
	Site     string // the name of the site
	Consent  string
	Support  template.URL
	Faults   []fault
	Mobile   string // as typed; on the code screen in the spelling that the numbering plan takes
	Flow     string
	Code     string // as typed, where it may still be right
	Dead     bool   // the code is dead: a new one is to be asked for
	Said     string // what the last step came to, where nothing else shows it

	s      *server
	notice string       // of no field
	focus  string       // "": nowhere
	number rekey.Number // of the code screen
	visit  visit
	query  url.Values // what goes along through the flow: the chosen language, where to go in the end
	now    time.Time
}

// newView begins the answer to r, in the language that its URL asks for, if any.
func (s *server) newView(w http.ResponseWriter, r *request) *view {
	asked := r.URL.Query()
	query := url.Values{}
	if language := asked.Get("lang"); s.page.texts[language] != nil {
		query.Set("lang", language)
		r.language = language
		w.Header().Set("Content-Language", language)
	}
	if next := asked.Get("next"); s.page.next.allow(next) {
		query.Set("next", next)
	}
	return &view{texts: s.page.texts[r.language], Language: r.language, Screen: startScreen, Site: s.Page.Title,
		Consent: s.Page.Consent, Support: s.page.support, s: s, query: query, now: time.Now()}
}

// getPage shows the first screen, or the second one to whoever has been sent a code in the last minutes.
func (s *server) getPage(w http.ResponseWriter, r *request) error {
	v := s.newView(w, r)
	s.setCSRF(w, r)
	if r.URL.Query().Get("new") == "1" {
		s.setPrivate(w, pageCookie, "", 0)
	} else if visit, ok := s.openVisit(r, v.now); ok {
		v.enterCode(visit)
	}
	return s.show(w, http.StatusOK, v)
}

// htmlError answers a form post, or a visit to the page, that went wrong. Retry-After and Allow are set already.
func (s *server) htmlError(w http.ResponseWriter, r *request, out outcome, err error) error {
	if e, ok := errors.AsType[*formError](err); ok {
		if len(e.view.Faults) == 0 {
			e.view.refuse(out, err)
		}
		return s.show(w, out.status, e.view)
	}
	v := s.newView(w, r)
	if visit, ok := s.openVisit(r, v.now); ok && r.form && r.route == routePage {
		v.enterCode(visit) // the form of the second screen: its script keeps what has been typed
	}
	v.refuse(out, err)
	return s.show(w, out.status, v)
}

// show writes a view.
func (s *server) show(w http.ResponseWriter, status int, v *view) error {
	var body bytes.Buffer
	if err := s.page.document.Execute(&body, v); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, err := w.Write(body.Bytes())
	return err
}

// static sends one file of the page. Under the URL that the page names it never changes; under any other it is asked
// for anew each time.
func (s *server) static(w http.ResponseWriter, r *request, name string) error {
	f, ok := s.page.files[name]
	if !ok {
		return errNotFound
	}
	h := w.Header()
	h.Del("Content-Language")
	h.Set("Content-Type", f.kind)
	h.Set("ETag", `"`+f.hash+`"`)
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == f.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r.Request, name, time.Time{}, bytes.NewReader(f.content))
	return nil
}

// enterCode makes the view the second screen, where the code goes into.
func (v *view) enterCode(visit visit) {
	v.Screen, v.visit = codeScreen, visit
	v.Mobile, v.Flow = visit.Mobile, visit.Flow
	v.number, _ = v.s.Service.Plan()(visit.Mobile)
	v.focus = "code"
	if visit.Note == noteResent {
		v.Said, v.focus = v.T("resent"), ""
	}
}

// Asset is the URL of a file of the page, or "" if there is none of that name.
func (v *view) Asset(name string) string {
	f, ok := v.s.page.files[name]
	if !ok {
		return ""
	}
	return v.s.BasePath + name + "?v=" + f.hash
}

// URL is a URL of ours that carries along what goes through the flow. It comes from the configuration only (T34).
func (v *view) URL(path string) string { return v.with(path, v.query) }

func (v *view) with(path string, query url.Values) string {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return v.s.BasePath + path
}

// Change leads back to the first screen.
func (v *view) Change() string {
	if len(v.query) > 0 {
		return v.URL("") + "&new=1"
	}
	return v.URL("") + "?new=1"
}

// Next is where a person goes who is done.
func (v *view) Next() template.URL {
	if next := v.query.Get("next"); next != "" {
		return template.URL(next) // allowed by nextLinks
	}
	return v.s.page.doneURL
}

// other is a link to the page in another language.
type other struct{ Tag, Name, URL string }

// Others are the installed languages but this one.
func (v *view) Others() []other {
	var all []other
	for _, tag := range v.s.Languages {
		if tag == v.Language {
			continue
		}
		query := url.Values{"lang": {tag}}
		if next := v.query.Get("next"); next != "" {
			query.Set("next", next)
		}
		all = append(all, other{tag, v.s.page.texts[tag]["language"], v.with("", query)})
	}
	return all
}

// Title names the fault, the screen and the site.
func (v *view) Title() string {
	title := v.T(v.Screen)
	if v.Notice() != "" {
		title = v.T("error") + title
	}
	if v.Site != "" {
		title += " – " + v.Site
	}
	return title
}

// Notice is the heading of the box above the screen: a fault of no field, or what comes before the list of faults.
func (v *view) Notice() string {
	if len(v.Faults) > 0 {
		return v.T("check")
	}
	return v.notice
}

// Fault is what is wrong with a field, or "".
func (v *view) Fault(field string) string {
	for _, f := range v.Faults {
		if f.Field == field {
			return f.Text
		}
	}
	return ""
}

// Focused is the attribute that puts focus on an element where it belongs there. The script follows it too.
func (v *view) Focused(element string) template.HTMLAttr {
	if element != v.focus {
		return ""
	}
	return " autofocus"
}

// spacedNumber is a number as people write it, in groups.
var spacedNumber = regexp.MustCompile(`\+?\d+(?: \d+)+`)

// Rich is text in which no number breaks over two lines.
func (v *view) Rich(text string) template.HTML {
	return template.HTML(spacedNumber.ReplaceAllString(template.HTMLEscapeString(text), `<span class="num">$0</span>`))
}

// SentTo says where the code went, and no more than that where nobody may know who is registered (T39).
func (v *view) SentTo() template.HTML {
	key := "sent"
	if !v.s.Service.Disclosure() {
		key = "sent_if"
	}
	return v.Rich(v.T(key, "number", v.number.Spaced()))
}

// wait is how long it is to the next send, 0: no longer, or not known.
func (v *view) wait() time.Duration { return max(0, time.UnixMilli(v.visit.Until).Sub(v.now)) }

// JustSent reports whether a code was asked for too soon after the last one.
func (v *view) JustSent() bool { return v.visit.Note == noteJustSent && v.wait() > 0 }

// WaitText is the text of the wait, with a place for the time.
func (v *view) WaitText() string {
	if v.JustSent() {
		return v.T("just_sent")
	}
	return v.T("wait")
}

// WaitSeconds is the wait as the script counts it down.
func (v *view) WaitSeconds() int64 { return seconds(v.wait()) }

// Wait is the wait in words.
func (v *view) Wait() string {
	switch {
	case v.visit.Until == 0:
		return ""
	case v.wait() == 0:
		return v.T("wait_over")
	}
	return strings.ReplaceAll(v.WaitText(), "{time}", v.span(v.wait()))
}

// CodeHint states the form and lifetime of a code.
func (v *view) CodeHint() string {
	return v.T("sms_code_hint", "time", v.span(v.s.Service.Code().Lifetime))
}

// PasswordHint states the rule for passwords.
func (v *view) PasswordHint() string { return v.T("password_" + v.s.Service.Policy().Name()) }

// PasswordRules tell Safari what to generate: without them its passwords hold hyphens, which the classic rule refuses
// (https://developer.apple.com/password-rules/). What it generates is as long as the classic rule lets it be.
func (v *view) PasswordRules() string {
	longest := "20"
	if v.s.Service.Policy().Name() == "nist" {
		longest = "128"
	}
	return "minlength: 16; maxlength: " + longest + "; required: lower; required: upper; required: digit;"
}
