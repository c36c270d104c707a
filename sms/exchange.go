package sms

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
)

// maxAnswer is how much of a provider's answer is read. Answers are a few hundred bytes; a page of a proxy that stands
// in the way is longer and tells nothing more after that.
const maxAnswer = 64 << 10

// NewTransport makes the transport that all providers over HTTP share, so that they share its limits too. Connections
// are kept for the next message; proxies are taken from the environment (http.ProxyFromEnvironment).
func NewTransport() *http.Transport {
	// A gateway gains nothing from HTTP/2, whose one connection would let one lost packet hold up every message, and
	// whose retries are harder to reason about.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: DefaultTimeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: DefaultTimeout,
		Protocols:           &protocols,
		MaxIdleConnsPerHost: 64,
		MaxConnsPerHost:     256, // a gateway that hangs holds at most so many; the rest waits and is certainly not sent
		// Shorter than the time after which common servers close an idle connection (Node.js and Apache: 5 s), so that
		// a message hardly ever meets a connection that is being closed, which would leave its fate unknown.
		IdleConnTimeout:        4 * time.Second,
		MaxResponseHeaderBytes: 16 << 10,
		DisableCompression:     true, // answers are short, and maxAnswer shall mean the bytes on the wire
	}
}

// caller makes requests to one provider, each exactly once.
type caller struct {
	client  http.Client
	timeout time.Duration
}

func newCaller(transport http.RoundTripper, timeout time.Duration) caller {
	if transport == nil {
		transport = NewTransport()
	}
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	return caller{
		client: http.Client{
			Transport: transport,
			// A redirect is not followed: it would take number, code and credentials to a host that the operator did
			// not write down, or turn a POST into a GET that sends nothing and answers 200.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		timeout: timeout,
	}
}

// request is one request to a provider, rendered.
type request struct {
	method string
	url    *url.URL
	header http.Header
	body   []byte
}

// answer is what a provider said.
type answer struct {
	status int
	body   []byte
	whole  bool // the body ended within maxAnswer, and is as it was written: nothing on the way has compressed it
}

// byteOrderMark is U+FEFF in UTF-8.
const byteOrderMark = "\uFEFF"

// call makes the request once and returns its answer, whatever the status. Its error is a *Refusal: Unavailable if the
// request certainly did not reach the provider, Unknown if it may have. It holds nothing of the request and nothing of
// the answer (T36).
func (c *caller) call(ctx context.Context, r request) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()

	// A request whose header section never left in full can't have been carried out. The transport calls WroteHeaders
	// right after the last byte of that section, and returns an error only after its writer has ended.
	var left atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { left.Store(true) }})

	// A body that the transport can't rewind keeps it from repeating the request on another connection when a kept one
	// breaks. It would do so for every GET, and for a POST with the header Idempotency-Key or X-Idempotency-Key, after the
	// provider may have taken the message.
	body := io.NopCloser(bytes.NewReader(r.body))
	_, idempotent := r.header["Idempotency-Key"]
	_, too := r.header["X-Idempotency-Key"]
	var encoding []string
	switch {
	case len(r.body) > 0:
	case r.method == http.MethodPost && !idempotent && !too:
		body = http.NoBody // which has a Content-Length, as servers want for a POST
	default:
		// Else it would go in chunks, as one whose length nobody knows: a GET, too, whose body does not show its end to the
		// transport within 200 ms, as on a busy machine.
		encoding = []string{"identity"}
	}
	req := (&http.Request{
		Method: r.method, URL: r.url, Header: r.header, Body: body, ContentLength: int64(len(r.body)), TransferEncoding: encoding,
	}).WithContext(ctx)
	resp, err := c.client.Do(req)
	if err != nil {
		outcome := Unavailable
		if left.Load() {
			outcome = Unknown
		}
		return answer{}, &Refusal{Outcome: outcome, Detail: c.cause(ctx, err)}
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// What follows is no body: it ends when the provider likes, and the transport has no say in it any more.
		return answer{status: resp.StatusCode}, nil
	}
	said, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	whole := err == nil && len(said) <= maxAnswer
	if coding := resp.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		whole = false // who asks for no coding may be sent any (RFC 9110, section 12.5.3)
	}
	// Servers on Windows put a mark before UTF-8, which is no part of what they say.
	said = bytes.TrimPrefix(said[:min(len(said), maxAnswer)], []byte(byteOrderMark))
	return answer{status: resp.StatusCode, body: said, whole: whole}, nil
}

// cause describes a failed exchange in words that are safe to log. Errors of package net/http are not: they carry the
// URL, which may hold number, code and credentials, and quote malformed answers.
func (c *caller) cause(ctx context.Context, err error) string {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "no answer in time"
	case ctx.Err() != nil:
		return "given up before an answer came"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok { // "dial tcp 192.0.2.1:443: connect: connection refused"
		return op.Error()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.Error()
	}
	if cert, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return cert.Error()
	}
	if record, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return record.Error()
	}
	return "the connection ended without a readable answer"
}

// verdict is what the status of an answer says about the message: nil for 2xx, else a *Refusal.
//
// A 4xx is a refusal of this message, except for those that are about the account or the moment and would meet any
// message. A 3xx means that the url in the configuration is not the provider's: 301, 307 and 308 say that the request is
// to be made elsewhere (RFC 9110, section 15.4), so it wasn't carried out here. 302 and 303 are also what a script answers
// after its work, and any 5xx but 503 may come from a proxy before a server that took the message: unknown. So may a 503, but
// only from a few proxies, which say so.
func (a answer) verdict() error {
	r := &Refusal{Code: fmt.Sprint(a.status), Detail: "it answered with this HTTP status"}
	switch s := a.status; {
	case s >= 200 && s <= 299:
		return nil
	case s == http.StatusServiceUnavailable && lostBehind(a.body):
		r.Outcome, r.Detail = Unknown, "a proxy answered with this HTTP status, which had handed the message on and lost the answer"
	case s == http.StatusUnauthorized, s == http.StatusPaymentRequired, s == http.StatusProxyAuthRequired:
		r.Outcome = RejectedAccount
	case s == http.StatusTooManyRequests:
		r.Outcome = Throttled
	case s == http.StatusMovedPermanently, s == http.StatusTemporaryRedirect, s == http.StatusPermanentRedirect,
		s == http.StatusRequestTimeout, s == http.StatusMisdirectedRequest, s == http.StatusTooEarly,
		s == http.StatusServiceUnavailable:
		r.Outcome = Unavailable
	case s >= 400 && s <= 499:
		r.Outcome = RejectedNumber
	default:
		r.Outcome = Unknown
	}
	if a.status >= 300 && a.status <= 399 {
		r.Detail = "it answered with a redirect, which is not followed; configure the final address"
	}
	return r
}

// lostBehind reports whether a page with status 503 is of a proxy after which the request may have reached the server: Envoy,
// where others write 502, with its reason
// (https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage, UC and UR), Varnish for every
// failure (https://www.netdata.cloud/guides/varnish/varnish-503-backend-fetch-failed/), and Fastly by name
// (https://fastly.com/documentation/guides/vcl/errors).
func lostBehind(page []byte) bool {
	text := strings.ToLower(string(page))
	if _, reason, ok := strings.Cut(text, "before headers. reset reason: "); ok {
		reason = strings.TrimPrefix(strings.TrimPrefix(reason, "local "), "remote ")
		for _, unreached := range []string{"overflow", "connection failure", "connection timeout"} {
			if strings.HasPrefix(reason, unreached) {
				return false
			}
		}
	}
	for _, lost := range []string{
		"upstream connect error or disconnect/reset before headers", "backend fetch failed", "backend read error", "backend write error",
		"first byte timeout", "between bytes timeout", "fetch timeout",
	} {
		if strings.Contains(text, lost) {
			return true
		}
	}
	return false
}

// codeless is the verdict on an answer without a code from a vendor whose refusals all have one: it comes from something in
// the way, such as a proxy or a firewall, or from another server at endpoint, or it was cut off. Such a 4xx says nothing of
// the number; every message would meet it, so that the provider must be set aside and an operator hear of it.
func (a answer) codeless() error {
	err := a.verdict()
	if r, ok := errors.AsType[*Refusal](err); ok && r.Outcome == RejectedNumber {
		r.Outcome, r.Detail = Unavailable, "it answered with this HTTP status and without a code of the vendor's; check endpoint, and the proxies on the way"
	}
	return err
}

// String is the answer for an operator's terminal.
func (a answer) String() string {
	s := fmt.Sprintf("%d %s\n%s", a.status, http.StatusText(a.status), printable(a.body))
	if !a.whole {
		s += "\n(the answer was cut off, is longer than 64 KiB, or is compressed)"
	}
	return strings.TrimSpace(s)
}

// printable has a full stop in place of everything that could steer a terminal (T37).
func printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '.'
	}, string(b))
}
