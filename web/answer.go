package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"rekey"
)

// The values of errno, fixed by the contract.
const (
	errnoOK      = "0"
	errnoDB      = "4001"
	errnoNoData  = "4002"
	errnoExists  = "4003"
	errnoData    = "4004"
	errnoSession = "4101"
	errnoParam   = "4103"
	errnoRequest = "4201"
	errnoThird   = "4301"
	errnoServer  = "4500"
	errnoUnknown = "4501"
)

// refusal is a no that the front end itself says. It is an error, so that handlers return it like one of the recovery.
type refusal struct {
	status int
	errno  string
	key    string // of the message in the catalogue; also the Outcome of the event, and the error's text
	event  bool   // the recorder is told: somebody sent what no page of ours sends
}

func (e *refusal) Error() string { return e.key }

// Faults of HTTP itself, the same wherever they are met.
var (
	errNotFound  = &refusal{status: http.StatusNotFound, errno: errnoParam, key: "not_found"}
	errMethod    = &refusal{status: http.StatusMethodNotAllowed, errno: errnoParam, key: "method"}
	errTooLarge  = &refusal{status: http.StatusRequestEntityTooLarge, errno: errnoParam, key: "too_large", event: true}
	errEncoding  = &refusal{status: http.StatusUnsupportedMediaType, errno: errnoParam, key: "encoding", event: true}
	errCrossSite = &refusal{status: http.StatusForbidden, errno: errnoSession, key: "cross_site", event: true}
	errNotJSON   = &refusal{status: http.StatusOK, errno: errnoUnknown, key: "not_json", event: true}
	errBadForm   = &refusal{status: http.StatusBadRequest, errno: errnoParam, key: "bad_form", event: true}
	errPanic     = &refusal{status: http.StatusInternalServerError, errno: errnoServer, key: "internal"}
)

// operation is which of the three steps an outcome belongs to.
type operation int

const (
	opCheck operation = iota
	opSend
	opReset
)

// reply is how one Kind is answered in one operation. The zero reply is for what can't come about there.
type reply struct {
	status int
	key    string
}

// kinds is the one table from Kind to what the contract answers.
var kinds = [...]struct {
	errno   string
	replies [3]reply // by operation: check, send, reset
}{
	rekey.Internal:        {errnoServer, [3]reply{{500, "internal"}, {500, "internal"}, {500, "internal"}}},
	rekey.InvalidNumber:   {errnoParam, [3]reply{{404, "number"}, {200, "number"}, {403, "number_format"}}},
	rekey.InvalidPassword: {errnoParam, [3]reply{opReset: {403, "password"}}}, // the key gets the rule appended
	rekey.InvalidCode:     {errnoParam, [3]reply{opReset: {403, "code_form"}}},
	rekey.NotRegistered:   {errnoNoData, [3]reply{opSend: {200, "not_registered"}}},
	rekey.SeveralAccounts: {errnoData, [3]reply{opSend: {200, "several_accounts"}}},
	rekey.TooSoon:         {errnoExists, [3]reply{opSend: {200, "too_soon"}}},
	rekey.Limited:         {errnoRequest, [3]reply{{429, "limited"}, {200, "limited"}, {429, "limited"}}},
	rekey.Expired:         {errnoParam, [3]reply{opReset: {200, "expired"}}},
	rekey.WrongCode:       {errnoParam, [3]reply{opReset: {403, "wrong_code"}}},
	rekey.TooManyWrong:    {errnoRequest, [3]reply{opReset: {429, "too_many_wrong"}}},
	rekey.NoAccount:       {errnoParam, [3]reply{opReset: {200, "no_account"}}},
	rekey.NotDelivered:    {errnoThird, [3]reply{opSend: {200, "not_delivered"}}},
	rekey.UsersDown:       {errnoDB, [3]reply{{503, "users_down"}, {503, "down"}, {503, "down"}}},
	rekey.StoreDown:       {errnoServer, [3]reply{{503, "down"}, {503, "down"}, {503, "down"}}},
	rekey.Busy:            {errnoServer, [3]reply{opReset: {503, "busy"}}},
}

// outcome is an answer that says no, before it is put in words.
type outcome struct {
	status     int
	errno      string
	key        string        // of the message in the catalogue
	retryAfter time.Duration // 0: not known
	data       any           // nil: null
}

// unknownWait is how long a client is asked to stay away where the recovery can't tell: the shortest interval to the
// next code.
const unknownWait = time.Minute

// operationError is an error of the recovery with the step that it came from.
type operationError struct {
	op    operation
	cause error
}

func (e *operationError) Error() string { return e.cause.Error() }
func (e *operationError) Unwrap() error { return e.cause }

// judge is how err is answered.
func judge(err error) outcome {
	if e, ok := errors.AsType[*refusal](err); ok {
		return outcome{status: e.status, errno: e.errno, key: e.key}
	}
	op := opCheck
	if e, ok := errors.AsType[*operationError](err); ok {
		op = e.op
	}
	e, ok := errors.AsType[*rekey.Error](err)
	if !ok || e.Kind < 0 || int(e.Kind) >= len(kinds) || kinds[e.Kind].replies[op] == (reply{}) {
		e = &rekey.Error{Kind: rekey.Internal}
	}
	kind := kinds[e.Kind]
	out := outcome{status: kind.replies[op].status, errno: kind.errno, key: kind.replies[op].key, retryAfter: e.RetryAfter}
	switch e.Kind {
	case rekey.InvalidPassword:
		out.key += "_" + string(e.Rule)
	case rekey.WrongCode:
		out.data = attemptsLeft{e.AttemptsLeft}
	case rekey.Limited, rekey.TooSoon:
		out.retryAfter = max(out.retryAfter, time.Second)
		out.data = retryAfter{seconds(out.retryAfter)}
	}
	if out.status == http.StatusTooManyRequests || out.status == http.StatusServiceUnavailable {
		out.retryAfter = cmp.Or(out.retryAfter, unknownWait)
	}
	return out
}

// What `data` holds, where it is not null.
type (
	registered struct {
		Mobile string `json:"mobile"`
		Count  int    `json:"count"`
	}
	sent struct {
		RetryAfter int64  `json:"retry_after"` // seconds
		ExpiresIn  int64  `json:"expires_in"`  // seconds
		Flow       string `json:"flow"`
	}
	retryAfter struct {
		RetryAfter int64 `json:"retry_after"` // seconds
	}
	attemptsLeft struct {
		AttemptsLeft int `json:"attempts_left"`
	}
)

// seconds rounds a wait up: whoever comes back after so many seconds is not too early.
func seconds(d time.Duration) int64 { return int64(math.Ceil(d.Seconds())) }

// envelope is every JSON answer of the contract.
type envelope struct {
	Errno  string `json:"errno"`
	Errmsg string `json:"errmsg"`
	Data   any    `json:"data"`
}

// succeed answers that it worked. key names the message, "" being the empty one.
func (s *server) succeed(w http.ResponseWriter, r *request, key string, data any) error {
	return s.write(w, http.StatusOK, envelope{errnoOK, s.texts[r.language][key], data})
}

// fail is the one place where an error becomes an answer: its kind decides status, errno and text; its cause goes to
// the recorder or the log, once, and never to the client.
func (s *server) fail(w *recorder, r *request, err error) {
	if w.status != 0 {
		s.notWritten(r, slog.LevelDebug, err) // the client left while it was being answered
		return
	}
	out := judge(err)
	if e, ok := errors.AsType[*refusal](err); ok {
		if e.event {
			s.refused(r, e.key)
		}
	} else if out.status >= http.StatusInternalServerError && !s.recorded(err) {
		level := slog.LevelError
		if r.Context().Err() != nil {
			level = slog.LevelInfo // the client has gone: nobody waits for the answer that failed
		}
		s.Log.LogAttrs(r.Context(), level, "failed", slog.String("request", r.id), slog.String("route", r.route),
			slog.String("outcome", out.key), slog.Any("error", err))
	}
	if out.status == http.StatusTooManyRequests || out.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.FormatInt(seconds(out.retryAfter), 10))
	}
	if r.html() {
		err := s.htmlError(w, r, out, err)
		if err == nil {
			return
		}
		if w.status != 0 {
			s.notWritten(r, slog.LevelDebug, err)
			return
		}
		s.notWritten(r, slog.LevelError, err) // the page is broken: plain words are better than none
	}
	if err := s.write(w, out.status, envelope{out.errno, s.texts[r.language][out.key], out.data}); err != nil {
		s.notWritten(r, slog.LevelDebug, err)
	}
}

// recorded reports whether the Recorder has got the cause of err: each of the three steps ends with an event.
func (s *server) recorded(err error) bool {
	_, ok := errors.AsType[*operationError](err)
	return ok && s.Recorder != nil
}

func (s *server) notWritten(r *request, level slog.Level, err error) {
	s.Log.LogAttrs(r.Context(), level, "answer not written", slog.String("request", r.id), slog.String("route", r.route),
		slog.Any("error", err))
}

// write sends an envelope. Text is written raw: escaping is for HTML, which this is not.
func (s *server) write(w http.ResponseWriter, status int, e envelope) error {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, err := w.Write(body.Bytes())
	return err
}
