package sms_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"rekey/sms"
	"rekey/sms/smstest"
)

// TestConnectionsAreKept sends thousands of messages one after the other over one connection, and then as many from sixteen
// goroutines over sixteen. A machine that stalls in the wrong moment costs a connection (net/http gives one up whose request
// is not known to have been written 50 ms after its answer), but not one in a hundred messages.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	const messages, senders, stalls = 2000, 16, 20
	g := smstest.NewGateway(t, true, smstest.Signed([]byte(canaryKey)), "ok")
	transport := sms.NewTransport()
	transport.IdleConnTimeout = time.Hour // a machine may be slow
	transport.TLSClientConfig = g.Server().Client().Transport.(*http.Transport).TLSClientConfig
	t.Cleanup(transport.CloseIdleConnections)
	h := newHTTP(t, sms.HTTPConfig{URL: g.URL(), Secret: canaryKey, Success: "ok", Transport: transport, Timeout: time.Minute})
	send := func(id string) {
		if _, err := h.Send(t.Context(), smstest.Message(t, id, canaryMobile, canaryCode)); err != nil {
			t.Error(err)
		}
	}
	for i := range messages {
		send(fmt.Sprint("alone-", i))
		<-g.Arrived
	}
	if n := g.Connections(); n > 1+stalls {
		t.Errorf("%d connections for %d messages one after the other, want 1", n, messages)
	}

	// Each sender's first message is answered once all have come: so many connections there must be, and no more.
	var together sync.WaitGroup
	together.Add(senders)
	g.Misbehave(func(w http.ResponseWriter, _ *http.Request) {
		together.Done()
		together.Wait()
		io.WriteString(w, "ok")
	})
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() { send(fmt.Sprint("first-", i)) })
	}
	all.Wait()
	g.Misbehave(nil)
	for i := range senders {
		all.Go(func() {
			for j := range messages / senders {
				send(fmt.Sprint("together-", i, "-", j))
				<-g.Arrived
			}
		})
	}
	all.Wait()
	if n := g.Connections(); n > senders+2*stalls {
		t.Errorf("%d connections for %d senders", n, senders)
	}
}

// TestT31_AnswersThatCantBeReadAreUnknown: a message that may have been taken is not said to be refused.
func TestT31_AnswersThatCantBeReadAreUnknown(t *testing.T) {
	t.Parallel()
	var zipped strings.Builder
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, `{"status":"ok"}`)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	const envoy = "upstream connect error or disconnect/reset before headers. "
	for _, c := range []struct {
		name     string
		status   int
		encoding string
		body     string
		want     sms.Outcome
	}{
		{"compressed, though nobody asked for it", 200, "gzip", zipped.String(), sms.Unknown},
		{"as it is", 200, "identity", `{"status":"ok"}`, sms.Sent},
		{"behind a byte order mark", 200, "", "\ufeff" + `{"status":"ok"}`, sms.Sent},
		{"a byte order mark alone", 200, "", "\ufeff", sms.Unknown},
		{"empty", 200, "", "", sms.Unknown},
		{"a line's end", 200, "", "\r\n", sms.Unknown},
		{"no content", 204, "", "", sms.Unknown},
		{"a refusal", 200, "", `{"status":"error"}`, sms.RejectedNumber},
		{"a compressed refusal with a status of its own", 400, "gzip", zipped.String(), sms.RejectedNumber},

		{"Envoy, whose server closed the connection", 503, "", envoy + "reset reason: connection termination", sms.Unknown},
		{"Envoy, whose server reset the stream", 503, "", envoy + "reset reason: remote reset", sms.Unknown},
		{"Envoy, which had tried before", 503, "", envoy + "retried and the latest reset reason: connection failure", sms.Unknown},
		{"Envoy, whose server is not there", 503, "", envoy + "reset reason: connection failure", sms.Unavailable},
		{"a newer Envoy, whose server is not there", 503, "", envoy + "reset reason: remote connection failure, transport failure reason: delayed connect error: 111", sms.Unavailable},
		{"Envoy, which lets no more through", 503, "", envoy + "reset reason: overflow", sms.Unavailable},
		{"Varnish", 503, "", "<title>503 Backend fetch failed</title><h3>Guru Meditation:</h3>", sms.Unknown},
		{"Fastly", 503, "", "<h1>Error 503 first byte timeout</h1>", sms.Unknown},
		{"the server itself", 503, "", "down for maintenance", sms.Unavailable},
		{"Envoy's words with another status", 429, "", envoy, sms.Throttled},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := smstest.NewGateway(t, false, smstest.Signed([]byte(canaryKey)), "")
			g.Misbehave(func(w http.ResponseWriter, _ *http.Request) {
				if c.encoding != "" {
					w.Header().Set("Content-Encoding", c.encoding)
				}
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			})
			h := newHTTP(t, sms.HTTPConfig{URL: g.URL(), Secret: canaryKey, Success: `^\{"status":"ok"\}$`})
			_, err := h.Send(t.Context(), smstest.Message(t, "m1", canaryMobile, canaryCode))
			if got := sms.OutcomeOf(err); got != c.want {
				t.Errorf("%v (%v), want %v", got, err, c.want)
			}
		})
	}
}

// BenchmarkHTTPProvider sends signed messages over TLS from eight goroutines a core. handshakes/op near 0 says that the
// connections are kept.
func BenchmarkHTTPProvider(b *testing.B) {
	g := smstest.NewGateway(b, true, smstest.Signed([]byte(canaryKey)), "ok")
	go func() {
		for range g.Arrived {
		}
	}()
	transport := sms.NewTransport()
	transport.TLSClientConfig = g.Server().Client().Transport.(*http.Transport).TLSClientConfig
	h := newHTTP(b, sms.HTTPConfig{URL: g.URL(), Secret: canaryKey, Success: "ok", Transport: transport})
	ids := make(chan string, 1024)
	go func() {
		for i := 0; ; i++ {
			select {
			case ids <- fmt.Sprint("id-", i):
			case <-b.Context().Done():
				return
			}
		}
	}()
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := h.Send(b.Context(), smstest.Message(b, <-ids, canaryMobile, canaryCode)); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(g.Connections())/float64(b.N), "handshakes/op")
}
