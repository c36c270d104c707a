package sms_test

import (
	"fmt"
	"io"
	"net/http"
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
