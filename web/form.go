package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"rekey"
)

// formError is an error of a form post, with the screen that is to tell of it.
type formError struct {
	view  *view
	cause error
}

func (e *formError) Error() string { return e.cause.Error() }
func (e *formError) Unwrap() error { return e.cause }

// errNoNumber is a first screen that was sent empty. People do that; it is no event.
var errNoNumber = &refusal{status: http.StatusOK, errno: errnoParam, key: "send_parameter"}

// formSend asks for a code on behalf of the page: of its first screen, or of the second one, whose forms alone have a
// flow.
func (s *server) formSend(w http.ResponseWriter, r *request, form url.Values) error {
	v := s.newView(w, r)
	mobile, number := readNumber(s.Service.Plan(), form.Get("mobile"))
	client := s.client(r, form.Get("flow"))
	again := form.Has("flow")
	if again && !number.IsZero() {
		v.enterCode(s.visitOf(r, mobile, form.Get("flow"), v.now))
	}
	v.Mobile = mobile
	if mobile == "" {
		v.fault("mobile", v.T("no_number"))
		return &formError{v, errNoNumber}
	}

	sent, err := s.Service.Send(r.Context(), client, mobile)
	seen := visit{Mobile: mobile, Flow: sent.Flow, Until: v.now.Add(sent.RetryAfter).UnixMilli()}
	switch {
	case err == nil:
		s.setFlow(w, sent.Flow)
		if again {
			seen.Note = noteResent
		}
	case rekey.KindOf(err) == rekey.TooSoon:
		seen.Flow, seen.Note = client.Flow, noteJustSent
		seen.Until = v.now.Add(judge(&operationError{opSend, err}).retryAfter).UnixMilli()
	default:
		return &formError{v, &operationError{opSend, err}}
	}
	if err := s.setVisit(w, seen, v.now); err != nil {
		return err
	}
	if r.Header.Get("Cookie") == "" {
		// A browser that keeps no cookies is shown the second screen at once. The page has set it one before.
		v.enterCode(seen)
		return s.show(w, http.StatusOK, v)
	}
	// What can be reloaded has a URL of its own: the page, with the number in the cookie.
	w.Header().Set("Location", v.URL(""))
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// formReset redeems a code on behalf of the page. What it can tell by itself it tells at once, of all fields; the
// Service would name the first only.
func (s *server) formReset(w http.ResponseWriter, r *request, form url.Values) error {
	v := s.newView(w, r)
	mobile, number := readNumber(s.Service.Plan(), form.Get("mobile"))
	if number.IsZero() {
		v.Mobile = mobile
		return &formError{v, &operationError{opReset, &rekey.Error{Kind: rekey.InvalidNumber}}}
	}
	v.enterCode(s.visitOf(r, mobile, form.Get("flow"), v.now))
	v.Said, v.Code = "", readCode(form.Get("sms_code"))
	asked := rekey.ResetRequest{Mobile: mobile, Code: v.Code, Password: form.Get("new_password")}

	var cause error
	if _, ok := rekey.ParseCode(asked.Code); !ok {
		cause = &rekey.Error{Kind: rekey.InvalidCode}
		if asked.Code == "" {
			v.fault("code", v.T("no_code"))
		} else {
			v.fault("code", v.T("bad_code"))
		}
	}
	if rule := s.Service.Policy().Check(number, asked.Password); rule != "" {
		cause = &rekey.Error{Kind: rekey.InvalidPassword, Rule: rule}
		v.fault("pw", v.passwordFault(rule, asked.Password))
	}
	if cause != nil {
		return &formError{v, &operationError{opReset, cause}}
	}

	done, err := s.Service.Reset(r.Context(), s.client(r, form.Get("flow")), asked)
	if err != nil {
		return &formError{v, &operationError{opReset, err}}
	}
	s.setDevice(w, done)
	s.setPrivate(w, pageCookie, "", 0)
	v.Screen, v.focus = doneScreen, focusHeading
	return s.show(w, http.StatusOK, v)
}

// fault adds a fault of a field. Focus goes to the only one, or to the list of several.
func (v *view) fault(field, text string) {
	v.Faults = append(v.Faults, fault{field, text})
	v.focus = field
	if len(v.Faults) > 1 {
		v.focus = focusNotice
	}
}

// passwordFault is what to say of a password that breaks a rule.
func (v *view) passwordFault(rule rekey.PolicyRule, password string) string {
	switch {
	case password == "":
		return v.T("no_password")
	case rule == rekey.RuleCommon:
		return v.T("common_password")
	case rule == rekey.RuleNumber:
		return v.T("number_password")
	case rule == rekey.RuleHash:
		return v.T("long_password")
	}
	return v.T("bad_password_" + v.s.Service.Policy().Name())
}

// refuse puts on the view what the recovery, or the way to it, has said no to: one cause and one action.
func (v *view) refuse(out outcome, err error) {
	kind := rekey.Internal
	left := 0
	if e, ok := errors.AsType[*rekey.Error](err); ok {
		kind, left = e.Kind, e.AttemptsLeft
	}
	onCode := v.Screen == codeScreen
	v.Said = ""
	switch {
	case out.key == errCrossSite.key:
		v.say(v.T("cross_site"))
	case kind == rekey.InvalidNumber:
		v.Screen = startScreen
		v.fault("mobile", v.badNumber())
	case kind == rekey.NotRegistered:
		v.Screen = startScreen
		v.fault("mobile", v.T("not_registered"))
	case kind == rekey.SeveralAccounts:
		v.say(v.T("several_accounts"))
	case kind == rekey.Limited:
		v.say(v.T("limited", "time", v.span(out.retryAfter)))
	case kind == rekey.NotDelivered:
		v.say(v.T("not_delivered"))
	case kind == rekey.NoAccount:
		v.say(v.T("no_account"))
	case kind == rekey.WrongCode && left > 0:
		v.fault("code", v.count("wrong_code", left))
	case kind == rekey.WrongCode, kind == rekey.TooManyWrong:
		v.codeIsDead("used_up")
	case kind == rekey.Expired:
		v.codeIsDead("expired")
	case out.status < http.StatusInternalServerError:
		v.say(v.s.texts[v.Language][out.key])
	default:
		key := "unavailable"
		if onCode {
			key = "unavailable_code"
		}
		wait := out.retryAfter
		if wait == 0 {
			wait = unknownWait
		}
		v.say(v.T(key, "time", v.span(wait)))
	}
}

// say sets a notice that is of no field.
func (v *view) say(text string) { v.notice, v.focus = text, focusNotice }

// codeIsDead asks for a new code.
func (v *view) codeIsDead(key string) {
	v.fault("code", v.T(key))
	v.Code, v.Dead, v.focus = "", true, focusResend
}

// badNumber states the form of a number, by an example that the numbering plan takes.
func (v *view) badNumber() string {
	if n, err := v.s.Service.Plan()("13800138000"); err == nil && n.Region() == "CN" {
		return v.T("bad_number")
	}
	return v.T("bad_number_abroad")
}

// pageCookie holds a visit, sealed.
const (
	pageCookie  = "rekey_page"
	pagePurpose = "page"
	pageAge     = 10 * time.Minute
)

// visit is what the page knows of a person between the two screens. Instants are Unix milliseconds, so that a sealed
// visit is always of the same length and tells nothing by it (T39).
type visit struct {
	Mobile string `json:"m"` // in the spelling that the numbering plan takes
	Flow   string `json:"f"`
	Until  int64  `json:"u"` // when the next code may be asked for; 0: not known
	Note   note   `json:"n"`
	Ends   int64  `json:"e"` // when the visit does
}

// note is how somebody came to the second screen.
type note int

const (
	noteSent note = iota
	noteResent
	noteJustSent
)

func (s *server) setVisit(w http.ResponseWriter, v visit, now time.Time) error {
	v.Ends = now.Add(pageAge).UnixMilli()
	sealed, err := json.Marshal(v)
	if err != nil {
		return err
	}
	s.setPrivate(w, pageCookie, s.Keys.Seal(pagePurpose, string(sealed)), pageAge)
	return nil
}

// openVisit is the visit that the cookie jar hands back. One that has ended, or holds a number that the plan takes no
// more, is none.
func (s *server) openVisit(r *request, now time.Time) (visit, bool) {
	sealed, ok := s.Keys.Open(pagePurpose, s.cookie(r, pageCookie))
	var v visit
	if !ok || json.Unmarshal([]byte(sealed), &v) != nil || now.UnixMilli() >= v.Ends {
		return visit{}, false
	}
	_, err := s.Service.Plan()(v.Mobile)
	return v, err == nil
}

// visitOf is the visit that a form of the second screen belongs to. The form says which number and flow; the cookie, if
// it is of the same number, how long the wait is.
func (s *server) visitOf(r *request, mobile, flow string, now time.Time) visit {
	v := visit{Mobile: mobile, Flow: flow}
	if seen, ok := s.openVisit(r, now); ok && seen.Mobile == mobile {
		v.Until = seen.Until
	}
	return v
}

// readNumber reads a number as people type and paste it (T25): compatibility forms (NFKC, full-width digits among them),
// spaces, dashes, brackets and the marks of bidirectional text that address books copy along. It returns the spelling
// that the plan takes and the number, or what is left of the text and no number.
//
// Where the plan takes no country code, that of China is dropped, but only if a number of China remains: no other
// country's plan gets to read the digits of a Chinese number as its own.
func readNumber(plan rekey.Plan, typed string) (string, rekey.Number) {
	plain := strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.White_Space, unicode.Pd, unicode.Ps, unicode.Pe, unicode.Cf) || r == '\u2212' {
			return -1
		}
		return r
	}, norm.NFKC.String(typed))
	if n, err := plan(plain); err == nil {
		return plain, n
	}
	international := plain
	if rest, ok := strings.CutPrefix(plain, "00"); ok {
		international = "+" + rest
		if n, err := plan(international); err == nil {
			return international, n
		}
	}
	if national, ok := strings.CutPrefix(international, "+86"); ok {
		if n, err := plan(national); err == nil && n.CallingCode() == "86" {
			return national, n
		}
	}
	return plain, rekey.Number{}
}

var digitRuns = regexp.MustCompile(`[0-9]+`)

// readCode reads a code as people type and paste it (T25): compatibility forms, spaces and dashes anywhere, or a whole
// message that holds one run of six digits, however often. Else it returns the text without the space around it.
func readCode(typed string) string {
	text := strings.TrimSpace(norm.NFKC.String(typed))
	plain := strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.White_Space, unicode.Pd, unicode.Cf) {
			return -1
		}
		return r
	}, text)
	if _, ok := rekey.ParseCode(plain); ok {
		return plain
	}
	found := ""
	for _, run := range digitRuns.FindAllString(text, -1) {
		if _, ok := rekey.ParseCode(run); !ok {
			continue
		}
		if found != "" && found != run {
			return text
		}
		found = run
	}
	if found == "" {
		return text
	}
	return found
}
