package smstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Accept reads a message out of a request, and says what about the request is wrong if it isn't exactly as it must be.
type Accept func(r *http.Request, body []byte) (Taken, error)

// Gateway is an SMS gateway on loopback. It fails its test when a request isn't as its Accept wants it, and when a
// message comes twice.
type Gateway struct {
	server *httptest.Server
	t      testing.TB
	accept Accept
	answer string

	// Arrived gets the id of each message when its request has been read, before it is answered; that of a malformed one is
	// empty, so that nobody waits for it in vain.
	Arrived chan string

	mu          sync.Mutex
	misbehave   http.HandlerFunc // nil: takes messages
	taken       []Taken
	seen        map[string]bool
	requests    int
	connections int
}

// NewGateway starts a gateway, over TLS if secure, that answers answer to a message that it takes.
func NewGateway(t testing.TB, secure bool, accept Accept, answer string) *Gateway {
	g := &Gateway{t: t, accept: accept, answer: answer, Arrived: make(chan string, 4096), seen: map[string]bool{}}
	g.server = httptest.NewUnstartedServer(http.HandlerFunc(g.serve))
	g.server.Config.ErrorLog = log.New(io.Discard, "", 0) // misbehaving is what it is for
	g.server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			g.mu.Lock()
			g.connections++
			g.mu.Unlock()
		}
	}
	if secure {
		g.server.StartTLS()
	} else {
		g.server.Start()
	}
	t.Cleanup(g.server.Close)
	return g
}

// URL is the address of the gateway, without a path.
func (g *Gateway) URL() string { return g.server.URL }

// Close ends the gateway before its test does: nobody listens any more.
func (g *Gateway) Close() { g.server.Close() }

// Server is the server itself, for its certificate.
func (g *Gateway) Server() *httptest.Server { return g.server }

// Taken is what the gateway took, in the order of arrival.
func (g *Gateway) Taken() []Taken {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.taken)
}

// Requests is how many requests came, those not taken included.
func (g *Gateway) Requests() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.requests
}

// Connections is how many connections were opened.
func (g *Gateway) Connections() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.connections
}

// Misbehave lets h answer well-formed requests from now on, whose messages are not taken; nil ends that.
func (g *Gateway) Misbehave(h http.HandlerFunc) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.misbehave = h
}

func (g *Gateway) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		g.t.Errorf("gateway: the request could not be read: %v", err)
		return
	}
	taken, err := g.accept(r, body)
	g.mu.Lock()
	g.requests++
	misbehave, doubled := g.misbehave, g.seen[taken.ID]
	g.seen[taken.ID] = true
	if err == nil && !doubled && misbehave == nil {
		g.taken = append(g.taken, taken)
	}
	g.mu.Unlock()
	g.Arrived <- taken.ID
	switch {
	case err != nil:
		g.t.Errorf("gateway: %v", err)
		http.Error(w, "malformed", http.StatusBadRequest)
		return
	case doubled:
		g.t.Errorf("gateway: message %q came twice", taken.ID)
	}
	if misbehave != nil {
		misbehave(w, r)
		return
	}
	io.WriteString(w, g.answer)
}

// Signed accepts what the provider "http" posts by default, signed with key in the way of Standard Webhooks 1.0.0.
func Signed(key []byte) Accept {
	return func(r *http.Request, body []byte) (Taken, error) {
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			return Taken{}, fmt.Errorf("%s with type %q", r.Method, r.Header.Get("Content-Type"))
		}
		id, stamp := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.Header.Get("webhook-signature") != want {
			return Taken{}, errors.New("the signature is wrong")
		}
		seconds, err := strconv.ParseInt(stamp, 10, 64)
		if age := time.Since(time.Unix(seconds, 0)); err != nil || age.Abs() > 5*time.Minute {
			return Taken{}, fmt.Errorf("the timestamp %q is not the present", stamp)
		}

		var got map[string]any
		if err := json.Unmarshal(body, &got); err != nil {
			return Taken{}, err
		}
		field := func(name string) string {
			s, _ := got[name].(string)
			return s
		}
		expires, _ := got["expires_in"].(float64)
		mobile, code := field("mobile"), field("code")
		switch {
		case len(got) != 7:
			return Taken{}, fmt.Errorf("%d fields, want 7", len(got))
		case field("id") != id || id == "":
			return Taken{}, errors.New("the id is not that of the header")
		case mobile == "" || field("e164") != "+86"+mobile:
			return Taken{}, errors.New("mobile and e164 disagree")
		case len(code) != 6 || !strings.Contains(field("text"), code):
			return Taken{}, errors.New("the text does not hold the code")
		case field("language") != "zh-CN":
			return Taken{}, fmt.Errorf("language %q", field("language"))
		case expires <= 0 || expires > 600 || expires != float64(int(expires)):
			return Taken{}, fmt.Errorf("expires_in %v", got["expires_in"])
		}
		return Taken{ID: id, Mobile: mobile, Code: code}, nil
	}
}
