// Package browser_test drives the page in Chromium: the whole recovery as people go through it, with and without
// scripts, against the real handler, recovery, store and inbox on a loopback listener.
package browser_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rekey"
	"rekey/codestore"
	"rekey/sms"
	"rekey/web"
)

const (
	alice       = "13800138000" // has an account
	twins       = "13800000002" // is the number of two accounts
	nobody      = "13900000002" // is registered nowhere
	oldPassword = "Old1password"
	newPassword = "Correct7Horse"
	base        = "/forget_pwd/"
)

// site is an installation of its own, with people in it.
type site struct {
	*httptest.Server
	people *people
	inbox  http.Handler

	// What may go wrong between browser and handler.
	delay atomic.Pointer[chan struct{}] // while set, posts wait for it to be closed
	lose  atomic.Bool                   // the next post is handled, and its answer lost
	posts atomic.Int64
}

// setting changes how a site is built.
type setting func(*rekey.Options, *web.Options)

var classic = sync.OnceValues(func() (*rekey.Policy, error) { return rekey.NewPolicy("classic", true) })

func newSite(t *testing.T, settings ...setting) *site {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	keys, err := rekey.NewKeyring([][]byte{bytes.Repeat([]byte("k"), rekey.MinKeyBytes)}, nil)
	must(err)
	policy, err := classic()
	must(err)
	texts, err := sms.NewTexts(sms.TextConfig{Languages: []string{"zh-CN", "en"}, Sign: "示例网"})
	must(err)
	inbox, store := sms.NewInbox(texts), codestore.NewMemory()
	s := &site{people: newPeople(), inbox: inbox.Handler(nil)}

	core := rekey.Options{Directory: s.people, Codes: store, Limiter: store, Sender: inbox, Keys: keys, Policy: policy,
		Disclosure: true, Code: rekey.DefaultCodeSettings(), Limits: rekey.DefaultLimits()}
	front := web.Options{Keys: keys,
		Page: web.PageOptions{Title: "示例网", Support: "https://support.example/", DoneURL: "/login"}}
	for _, set := range settings {
		set(&core, &front)
	}
	front.Service, err = rekey.New(core)
	must(err)
	handler, err := web.New(front)
	must(err)
	s.Server = httptest.NewServer(s.faulty(handler))
	t.Cleanup(func() {
		s.Close()
		if err := front.Service.Drain(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// faulty is the way from the browser to the handler.
func (s *site) faulty(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			fmt.Fprint(w, "<!doctype html><html lang=en><title>Login</title><h1>Login</h1>")
			return
		}
		if r.Method == http.MethodPost {
			s.posts.Add(1)
			if gate := s.delay.Load(); gate != nil {
				select {
				case <-*gate:
				case <-r.Context().Done():
				}
			}
			if s.lose.CompareAndSwap(true, false) {
				h.ServeHTTP(httptest.NewRecorder(), r)
				// Chromium asks again by itself if a connection is cut before the first byte.
				w.Header().Set("Content-Length", "1000")
				fmt.Fprint(w, "<!doctype html>")
				if err := http.NewResponseController(w).Flush(); err != nil {
					panic(err)
				}
				panic(http.ErrAbortHandler)
			}
		}
		h.ServeHTTP(w, r)
	})
}

// message is one of the inbox.
type message struct{ Mobile, Text, Code, Language string }

func (s *site) messages(t *testing.T) []message {
	t.Helper()
	w := httptest.NewRecorder()
	s.inbox.ServeHTTP(w, httptest.NewRequest("GET", "/inbox/messages", nil))
	var all []message
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// newest is the newest message, of which there must be n in all.
func (s *site) newest(t *testing.T, n int) message {
	t.Helper()
	all := s.messages(t)
	if len(all) != n {
		t.Fatalf("%d messages were sent, want %d", len(all), n)
	}
	return all[0]
}

// wrong is a code that is not the newest one.
func (s *site) wrong(t *testing.T) string {
	t.Helper()
	if s.messages(t)[0].Code == "000000" {
		return "000001"
	}
	return "000000"
}

// often lets codes be asked for at once, again and again.
func often(core *rekey.Options, _ *web.Options) { core.Code.Interval = time.Nanosecond }

func noDisclosure(core *rekey.Options, _ *web.Options) { core.Disclosure = false }

// people is a users table in memory. A password column holds "v<version>:<password>", so that no value comes back.
type people struct {
	mu      sync.Mutex
	rows    map[string][]*person // by E.164
	version int
	writes  int
	down    bool
}

type person struct{ id, hash string }

func newPeople() *people {
	p := &people{rows: map[string][]*person{
		"+86" + alice: {{id: "1", hash: "v0:" + oldPassword}},
		"+86" + twins: {{id: "2", hash: "v0:" + oldPassword}, {id: "3", hash: "v0:" + oldPassword}},
	}}
	return p
}

// password is alice's, and how often it has been changed.
func (p *people) password() (string, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, password, _ := strings.Cut(p.rows["+86"+alice][0].hash, ":")
	return password, p.writes
}

func (p *people) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

func (p *people) Find(_ context.Context, n rekey.Number) ([]rekey.Account, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return nil, fmt.Errorf("the users table is down")
	}
	var found []rekey.Account
	for _, row := range p.rows[n.E164()] {
		hash := row.hash
		found = append(found, rekey.Account{ID: row.id, Number: n, Hash: hash,
			Verify: func(_ context.Context, password string) (bool, error) {
				_, stored, _ := strings.Cut(hash, ":")
				return stored == password, nil
			}})
	}
	return found, nil
}

func (p *people) SetPassword(_ context.Context, a rekey.Account, password string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, row := range p.rows[a.Number.E164()] {
		if row.id == a.ID && row.hash == a.Hash {
			p.version++
			p.writes++
			row.hash = fmt.Sprintf("v%d:%s", p.version, password)
			return nil
		}
	}
	return rekey.ErrStale
}
