package web

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"time"

	"rekey"
)

// request is what a handler is given: the HTTP request, and what the way in has found out about whoever sends it.
type request struct {
	*http.Request
	id       string     // random, or a trusted proxy's; in the log, in events and in the answer's X-Request-Id
	route    string     // the name of the route, for the log
	address  netip.Addr // the client's, after trusted proxies
	language string     // the installed language that fits best, such as "zh-CN"
	form     bool       // a form post: it gets HTML back, never JSON
	body     *body
}

// client is what the recovery is told of whoever asks. flow is what the body hands back; the cookie stands in for it.
func (s *server) client(r *request, flow string) rekey.Client {
	if flow == "" {
		flow = s.flow(r)
	}
	return rekey.Client{Address: r.address, Flow: flow, Device: s.device(r), Language: r.language, RequestID: r.id}
}

// ServeHTTP is the way in and out of every request: headers, limits, the log line, and whatever panics.
func (s *server) ServeHTTP(rw http.ResponseWriter, hr *http.Request) {
	began := time.Now()
	where := s.route(hr.URL)
	r := &request{Request: hr, route: where.name, body: newBody(rw, hr, where.maxBody())}
	w := &recorder{ResponseWriter: rw, body: r.body}
	defer func() {
		s.Log.LogAttrs(hr.Context(), slog.LevelInfo, "request",
			slog.String("request", r.id),
			slog.String("method", knownMethod(hr.Method)),
			slog.String("route", r.route),
			slog.Int("status", w.status),
			slog.Int64("bytes", w.bytes),
			slog.String("address", r.address.String()),
			slog.Float64("elapsed_ms", float64(time.Since(began).Microseconds())/1000))
	}()
	defer func() {
		if v := recover(); v != nil {
			s.recovered(w, r, v)
		}
	}()

	from := clientAddress(hr, s.TrustedProxies)
	r.address = from.client
	r.id = requestID(hr, from.trusted)
	r.form = isFormPost(hr)
	r.language = s.languages.match(hr.Header.Values("Accept-Language"))

	s.setSecurityHeaders(w.Header(), r)
	s.sites.allow(w.Header(), r)
	if len(hr.TransferEncoding) > 0 {
		// RFC 9112, section 6.1: a request with both lengths may be an attempt at smuggling, and its connection is to be
		// closed. net/http has already dropped the Content-Length, so every chunked request costs its connection (T23).
		w.Header().Set("Connection", "close")
	}
	if from.ignored {
		s.forwarded(r)
	}
	if err := s.serve(w, r, where); err != nil {
		s.fail(w, r, err)
	}
}

// serve checks what can be checked before a handler has any effect, then calls it.
func (s *server) serve(w http.ResponseWriter, r *request, where route) error {
	switch where.name {
	case routeRedirect:
		return s.redirectToBase(w, r)
	case routeUnknown:
		return errNotFound
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // net/http drops the body of the answer
	}
	handle, ok := where.methods[method]
	if !ok {
		w.Header().Set("Allow", where.methods.allow())
		if method == http.MethodOptions {
			s.sites.preflight(w.Header(), r, where.methods)
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return errMethod
	}
	if r.route == routeReceipts {
		return handle(w, r) // vendors are no browsers; see receipts
	}
	if err := s.sites.check(r); err != nil {
		return err
	}
	return handle(w, r)
}

// allow is the value of the Allow header.
func (m methods) allow() string {
	all := []string{http.MethodOptions}
	for method := range m {
		all = append(all, method)
		if method == http.MethodGet {
			all = append(all, http.MethodHead)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// redirectToBase adds the missing slash to the base path. 308 keeps method and body (RFC 9110, section 15.4.9). The
// target comes from the configuration only (T34, T35).
func (s *server) redirectToBase(w http.ResponseWriter, r *request) error {
	to := s.BasePath
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	w.Header()["Content-Type"] = nil // else net/http adds an HTML body
	http.Redirect(w, r.Request, to, http.StatusPermanentRedirect)
	return nil
}

// setSecurityHeaders sets what every answer carries (T38). The page replaces the policy by its own, which lets it load
// its style and script; an asset replaces Cache-Control.
func (s *server) setSecurityHeaders(h http.Header, r *request) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Language", r.language)
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Request-Id", r.id)
	if s.https {
		// A year, as RFC 6797, section 6.1.1 has it in its examples; not for subdomains, which are not ours to decide on.
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// requestID is the X-Request-Id of a trusted proxy if it is short and plain, else a random one (130 bits in base32).
func requestID(r *http.Request, trusted bool) string {
	if given := r.Header.Get("X-Request-Id"); trusted && tokenForm.MatchString(given) {
		return given
	}
	return rand.Text()
}

// knownMethod is a method for the log; a made-up one may hold anything that is a token.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	}
	return "other"
}

// refused tells the recorder of a request that did not get as far as the recovery.
func (s *server) refused(r *request, outcome string) { s.record(r, rekey.EventRefused, outcome) }

func (s *server) record(r *request, kind rekey.EventKind, outcome string) {
	if s.Recorder == nil {
		return
	}
	s.Recorder.Record(r.Context(), rekey.Event{Kind: kind, At: time.Now(), Request: r.id, Address: r.address, Outcome: outcome})
}

// forwarded tells, once a peer, of an X-Forwarded-For that is not believed: it is forged, or a proxy's that the operator
// has forgotten, behind which all people share one budget (T32).
func (s *server) forwarded(r *request) {
	if !s.strangers.first(r.address) {
		return
	}
	s.record(r, rekey.EventForwarded, "ignored")
	s.Log.LogAttrs(r.Context(), slog.LevelWarn, fmt.Sprintf("X-Forwarded-For from %v is ignored; "+
		"if that is your proxy, add its network to trusted_proxies", r.address), slog.String("request", r.id))
}

// recovered answers a request whose handler has panicked, and logs where. The value may hold anything that the request
// held, and debug.Stack prints arguments; so the log gets the value's type and the names of the functions only, and the
// text of a runtime error, which speaks of the program alone (T36).
func (s *server) recovered(w *recorder, r *request, v any) {
	what := fmt.Sprintf("%T", v)
	switch v := v.(type) {
	case runtime.Error:
		what = v.Error()
	case error:
		if errors.Is(v, http.ErrAbortHandler) {
			panic(http.ErrAbortHandler) // net/http's way to cut the connection
		}
	}
	s.Log.LogAttrs(r.Context(), slog.LevelError, "panic",
		slog.String("request", r.id), slog.String("route", r.route), slog.String("panic", what),
		slog.Any("stack", stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler) // half an answer must not pass for a whole one
	}
	defer func() {
		if recover() != nil {
			panic(http.ErrAbortHandler) // net/http would print what it is given
		}
	}()
	s.fail(w, r, errPanic)
}

// stack is where the panic being recovered came from: functions with file and line, innermost first.
func stack() []string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(5, pcs)])
	var lines []string
	for {
		frame, more := frames.Next()
		lines = append(lines, fmt.Sprintf("%s (%s:%d)", frame.Function, frame.File, frame.Line))
		if !more {
			return lines
		}
	}
}

// recorder remembers what was answered, for the log, and leaves the body before an answer begins.
type recorder struct {
	http.ResponseWriter
	body   *body
	status int
	bytes  int64
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		w.body.leave()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach what is beneath.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
