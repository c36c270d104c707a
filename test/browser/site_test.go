// Package browser_test drives the page in Chromium: the whole recovery as people go through it, with and without
// scripts, against the real handler, recovery, store and inbox on a loopback listener.
package browser_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"rekey"
	"rekey/test/embedded"
	"rekey/userdb"
	"rekey/web"
)

const (
	alice       = "13800138000" // has an account
	twins       = "13800000002" // is the number of two accounts
	nobody      = "13900000002" // is registered nowhere
	newPassword = "Correct7Horse"
	base        = "/forget_pwd/"
)

// site is an installation of its own, with people in it: the embedded default, on SQLite.
type site struct {
	*httptest.Server
	house  *embedded.House
	people *people

	// What may go wrong between browser and handler.
	delay atomic.Pointer[chan struct{}] // while set, posts wait for it to be closed
	lose  atomic.Bool                   // the next post is handled, and its answer lost
	posts atomic.Int64
}

// setting changes how a site is built.
type setting func(*rekey.Options, *web.Options)

func newSite(t *testing.T, settings ...setting) *site {
	t.Helper()
	s := &site{people: &people{}}
	s.house = embedded.Open(t, t.TempDir(), embedded.Options{
		Service: func(o *rekey.Options) {
			s.people.Directory, o.Directory = o.Directory, s.people
			for _, set := range settings {
				set(o, &web.Options{})
			}
		},
		Web: func(o *web.Options) {
			o.Page = web.PageOptions{Title: "示例网", Support: "https://support.example/", DoneURL: "/login"}
			for _, set := range settings {
				set(&rekey.Options{}, o)
			}
		},
	})
	s.house.Add(t, alice, twins)
	again := userdb.NewUser{Number: embedded.Number(t, twins), Password: embedded.OldPassword, Duplicate: true}
	if _, err := s.house.Users.Add(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(s.faulty(s.house.Handler))
	t.Cleanup(s.Close)
	return s
}

// changedOnce fails unless alice's password is newPassword after exactly one change, which is counted once it can be seen.
func (s *site) changedOnce(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(patience); s.people.writes.Load() == 0 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if writes := s.people.writes.Load(); writes != 1 {
		t.Errorf("the password was changed %d times", writes)
	}
	if !s.house.Accepts(t, alice, newPassword) {
		t.Error("the new password is not accepted")
	}
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

// newest is the newest message, of which there must be n in all. The last may still be on its way: of two clicks, the answer
// to the second is shown, which may come before that to the first.
func (s *site) newest(t *testing.T, n int) embedded.Message {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		switch all := s.house.Messages(t); {
		case len(all) == n:
			return all[0]
		case len(all) > n || time.Now().After(deadline):
			t.Fatalf("%d messages were sent, want %d", len(all), n)
		}
	}
}

// wrong is a code that is not the newest one.
func (s *site) wrong(t *testing.T) string {
	t.Helper()
	if s.house.Messages(t)[0].Code == "000000" {
		return "000001"
	}
	return "000000"
}

// often lets codes be asked for at once, again and again.
func often(core *rekey.Options, _ *web.Options) { core.Code.Interval = time.Nanosecond }

func noDisclosure(core *rekey.Options, _ *web.Options) { core.Disclosure = false }

// people is the users table behind a switch, which counts its changes.
type people struct {
	rekey.Directory
	down   atomic.Bool
	writes atomic.Int64
}

func (p *people) Find(ctx context.Context, n rekey.Number) ([]rekey.Account, error) {
	if p.down.Load() {
		return nil, errors.New("the users table is down")
	}
	return p.Directory.Find(ctx, n)
}

func (p *people) SetPassword(ctx context.Context, a rekey.Account, password string) error {
	err := p.Directory.SetPassword(ctx, a, password)
	if err == nil {
		p.writes.Add(1)
	}
	return err
}
