package web

import (
	"errors"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"rekey"
)

// check answers how many accounts are registered under the number that stands in the path. What it is checked for is
// the Service's matter: everything that is no number, an empty string too, comes back as rekey.InvalidNumber.
func (s *server) check(mobile string) handler {
	return func(w http.ResponseWriter, r *request) error {
		count, err := s.Service.Check(r.Context(), s.client(r, ""), mobile)
		if err != nil {
			return &operationError{opCheck, err}
		}
		return s.succeed(w, r, "", registered{mobile, count})
	}
}

// Faults of a JSON body, which the contract words differently for its two POSTs.
var (
	errSendEmpty  = &refusal{status: http.StatusOK, errno: errnoParam, key: "send_empty", event: true}
	errSendParam  = &refusal{status: http.StatusOK, errno: errnoParam, key: "send_parameter", event: true}
	errResetEmpty = &refusal{status: http.StatusOK, errno: errnoParam, key: "reset_empty", event: true}
	errResetParam = &refusal{status: http.StatusForbidden, errno: errnoParam, key: "reset_parameter", event: true}
)

// send asks for a code.
func (s *server) send(w http.ResponseWriter, r *request) error {
	body, err := r.body.readAll()
	if err != nil {
		return err
	}
	if r.form {
		return s.withForm(w, r, body, s.formSend)
	}
	if len(body) == 0 {
		return errSendEmpty
	}
	fields, err := readObject(body)
	if err != nil {
		return orNotObject(err, errSendParam)
	}
	mobile := fields["mobile"]
	if mobile == "" {
		return errSendParam
	}
	done, err := s.Service.Send(r.Context(), s.client(r, fields["flow"]), mobile)
	if err != nil {
		return &operationError{opSend, err}
	}
	s.setFlow(w, done.Flow)
	return s.succeed(w, r, "sent", sent{
		RetryAfter: seconds(done.RetryAfter), ExpiresIn: int64(math.Round(done.ExpiresIn.Seconds())), Flow: done.Flow})
}

// reset redeems a code for a new password. The Service checks the forms of number, password and code itself, in the
// order of the contract; only what is wrong with the JSON is said here.
func (s *server) reset(w http.ResponseWriter, r *request) error {
	body, err := r.body.readAll()
	if err != nil {
		return err
	}
	if r.form {
		return s.withForm(w, r, body, s.formReset)
	}
	if len(body) == 0 {
		return errResetEmpty
	}
	fields, err := readObject(body)
	if err != nil {
		return orNotObject(err, errResetParam)
	}
	asked := rekey.ResetRequest{Mobile: fields["mobile"], Code: fields["sms_code"], Password: fields["new_password"]}
	if asked.Mobile == "" || asked.Code == "" || asked.Password == "" {
		return errResetParam
	}
	done, err := s.Service.Reset(r.Context(), s.client(r, fields["flow"]), asked)
	if err != nil {
		return &operationError{opReset, err}
	}
	s.setDevice(w, done)
	return s.succeed(w, r, "reset", nil)
}

// orNotObject keeps apart a body that is no acceptable JSON and one that is, but no object.
func orNotObject(err error, notObject *refusal) error {
	if errors.Is(err, errNoObject) {
		return notObject
	}
	return errNotJSON
}

// isFormPost reports whether the body is a form that wants HTML back. Any other body is read as JSON, whatever its type
// says: jQuery and curl say "form" and send JSON.
func isFormPost(r *http.Request) bool {
	if r.Method != http.MethodPost {
		return false
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/x-www-form-urlencoded" && acceptsHTML(r.Header.Values("Accept"))
}

// acceptsHTML reports whether an Accept header names text/html (RFC 9110, section 12.5.1); a wildcard does not.
func acceptsHTML(accept []string) bool {
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			kind, _, _ := strings.Cut(item, ";")
			if strings.EqualFold(strings.TrimSpace(kind), "text/html") {
				return true
			}
		}
	}
	return false
}

// html reports whether an answer to r is to be HTML: to a form post, and to a visit to the page.
func (r *request) html() bool {
	return r.form || (r.route == routePage && (r.Method == http.MethodGet || r.Method == http.MethodHead))
}

// withForm parses the body of a form post and hands it to the page. A field that stands twice is refused, since two
// readers might take different ones.
func (s *server) withForm(w http.ResponseWriter, r *request, body []byte,
	handle func(http.ResponseWriter, *request, url.Values) error) error {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return errBadForm
	}
	for _, values := range form {
		if len(values) > 1 {
			return errBadForm
		}
	}
	return handle(w, r, form)
}
