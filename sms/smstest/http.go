package smstest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"rekey"
)

// HTTP is a provider that speaks to its far side over HTTP.
type HTTP struct {
	Open    func(t *testing.T, url string) rekey.Sender // a fresh Sender to a far side at url
	Accept  Accept
	Taken   string   // the body of a 2xx answer that says taken
	Refused string   // the body of a 2xx answer that says refused, or "" if any 2xx says taken; Echo in it stands for what must not leak
	Secrets []string // of the configuration, which no error may hold
	Coded   bool     // the far side's refusals have codes of its own, so that one without is not the far side's
}

// Echo stands within HTTP.Refused where the far side repeats what was sent: where that must be inside of a JSON string, since
// otherwise it would be no answer. Without it, it comes last.
const Echo = "{echo}"

// echo is what misbehaving gateways say beside their status: all that must not reach an error.
func (p HTTP) echo() string {
	return "number " + canaryNumber + " code " + canaryCode + " key " + strings.Join(p.Secrets, " ")
}

// fault is a way in which a gateway misbehaves.
type fault struct {
	name   string
	answer http.HandlerFunc
	want   error // nil: it was taken nevertheless
}

// RunHTTP is Run, and all the ways in which a gateway or the way to it fails (T31), each met on a connection that has
// served a message before: that is where a transport is tempted to repeat a request.
func RunHTTP(t *testing.T, p HTTP) {
	Run(t, func(t *testing.T) Subject {
		g := NewGateway(t, false, p.Accept, p.Taken)
		return Subject{Sender: p.Open(t, g.URL()), Taken: g.Taken}
	})
	for _, f := range p.faults() {
		t.Run("a gateway that "+f.name, func(t *testing.T) {
			t.Parallel()
			g := NewGateway(t, false, p.Accept, p.Taken)
			s := p.Open(t, g.URL())
			send := func(id string) error {
				_, err := s.Send(t.Context(), Message(t, id, canaryNumber, canaryCode))
				return err
			}
			if err := send("before"); err != nil {
				t.Fatal(err)
			}
			g.Misbehave(f.answer)
			err := send("during")
			if f.want == nil && err != nil {
				t.Error(err)
			} else if f.want != nil {
				CheckError(t, err, f.want, p.Secrets...)
			}
			g.Misbehave(nil)
			if err := send("after"); err != nil {
				t.Errorf("when it behaves again: %v", err)
			}
			if n := g.Requests(); n != 3 {
				t.Errorf("%d requests for 3 messages", n)
			}
		})
	}

	t.Run("a gateway that hangs: unknown, as soon as the caller gives up", func(t *testing.T) {
		t.Parallel()
		g := NewGateway(t, false, p.Accept, p.Taken)
		g.Misbehave(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-g.Arrived
			cancel()
		}()
		_, err := p.Open(t, g.URL()).Send(ctx, Message(t, "hanging", canaryNumber, canaryCode))
		CheckError(t, err, rekey.ErrUnknown, p.Secrets...)
	})

	t.Run("nobody listens: unavailable", func(t *testing.T) {
		t.Parallel()
		g := NewGateway(t, false, p.Accept, p.Taken)
		s := p.Open(t, g.URL())
		g.Close()
		_, err := s.Send(t.Context(), Message(t, "nobody", canaryNumber, canaryCode))
		CheckError(t, err, rekey.ErrUnavailable, p.Secrets...)
	})

	t.Run("no TLS where it is expected: unavailable", func(t *testing.T) {
		t.Parallel()
		g := NewGateway(t, false, p.Accept, p.Taken)
		s := p.Open(t, strings.Replace(g.URL(), "http://", "https://", 1))
		_, err := s.Send(t.Context(), Message(t, "plain", canaryNumber, canaryCode))
		CheckError(t, err, rekey.ErrUnavailable, p.Secrets...)
	})

	t.Run("a certificate that nobody vouches for: unavailable", func(t *testing.T) {
		t.Parallel()
		g := NewGateway(t, true, p.Accept, p.Taken)
		_, err := p.Open(t, g.URL()).Send(t.Context(), Message(t, "untrusted", canaryNumber, canaryCode))
		CheckError(t, err, rekey.ErrUnavailable, p.Secrets...)
		if n := g.Requests(); n != 0 {
			t.Errorf("%d requests went to a stranger", n)
		}
	})
}

func (p HTTP) faults() []fault {
	var all []fault
	refused := rekey.ErrRejected
	if p.Coded {
		refused = rekey.ErrUnavailable
	}
	for status, want := range map[int]error{
		400: refused, 403: refused, 404: refused, 422: refused,
		401: rekey.ErrUnavailable, 402: rekey.ErrUnavailable, 408: rekey.ErrUnavailable, 429: rekey.ErrUnavailable,
		503: rekey.ErrUnavailable, 301: rekey.ErrUnavailable, 307: rekey.ErrUnavailable, 308: rekey.ErrUnavailable,
		302: rekey.ErrUnknown, 303: rekey.ErrUnknown, 500: rekey.ErrUnknown, 502: rekey.ErrUnknown, 504: rekey.ErrUnknown,
	} {
		all = append(all, fault{fmt.Sprintf("answers %d", status), func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", r.URL.RequestURI()) // itself: one request more if the redirect is followed
			w.WriteHeader(status)
			io.WriteString(w, p.echo())
		}, want})
	}
	all = append(all,
		fault{"cuts the connection before it answers", hijacked(""), rekey.ErrUnknown},
		fault{"answers what is not HTTP", hijacked(p.echo() + "\r\n\r\n"), rekey.ErrUnknown},
		fault{"answers a malformed status", hijacked("HTTP/1.1 " + p.echo() + "\r\n\r\n"), rekey.ErrUnknown},
		fault{"answers a malformed header", hijacked("HTTP/1.1 200 OK\r\n" + p.echo() + "\r\n\r\n"), rekey.ErrUnknown},
		fault{"answers headers without end", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat(p.echo(), 4000))
		}, rekey.ErrUnknown},
	)
	// 101 hands the connection over, and with it the transport's word on when to stop.
	all = append(all, fault{"answers another protocol without end", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"+p.echo())
		io.Copy(io.Discard, conn) // until the caller hangs up
	}, rekey.ErrUnknown})
	// A 2xx says taken all by itself, unless the body has a say.
	judged := error(nil)
	if p.Refused != "" {
		judged = rekey.ErrUnknown
		all = append(all, fault{"answers 200 with an error in the body", func(w http.ResponseWriter, _ *http.Request) {
			refused := p.Refused
			if !strings.Contains(refused, Echo) {
				refused += Echo
			}
			io.WriteString(w, strings.ReplaceAll(refused, Echo, p.echo()))
		}, rekey.ErrRejected})
	}
	all = append(all,
		fault{"answers half a body", hijacked("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + p.echo()), judged},
		fault{"answers a body without end", func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := io.WriteString(w, p.echo()); err != nil {
					return
				}
			}
		}, judged},
	)
	return all
}

// hijacked answers with raw bytes and then cuts the connection.
func hijacked(raw string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		if raw == "" {
			conn.(*net.TCPConn).SetLinger(0) // a reset, not an orderly end
		}
		io.WriteString(conn, raw)
		conn.Close()
	}
}
