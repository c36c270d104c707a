// Package smstest is the conformance suite of the door rekey.Sender, and an SMS gateway on loopback that takes messages
// strictly and misbehaves on request.
package smstest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"rekey"
)

// Canaries: a number and a code that appear nowhere else, so that finding one in an error means that it leaked (T36).
const (
	canaryNumber = "13987654321"
	canaryCode   = "873201"
)

// Taken is a message as the far side of a provider took it.
type Taken struct {
	ID, Mobile, Code string // Mobile as dialled in its country
}

// Subject is a Sender with its far side.
type Subject struct {
	Sender rekey.Sender
	Taken  func() []Taken // what the far side has taken so far
}

// Message is a message to a number in mainland China.
func Message(t testing.TB, id, mobile, code string) rekey.Message {
	t.Helper()
	to, err := rekey.ChinaMobile(mobile)
	if err != nil {
		t.Fatal(err)
	}
	c, ok := rekey.ParseCode(code)
	if !ok {
		t.Fatalf("%q is no code", code)
	}
	return rekey.Message{ID: id, To: to, Code: c, Language: "zh-CN", ExpiresIn: 5 * time.Minute}
}

// Run checks what holds for every Sender. open makes a fresh one whose far side has taken nothing.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	t.Run("a message arrives once, with its code and number", func(t *testing.T) {
		s := open(t)
		if _, err := s.Sender.Send(t.Context(), Message(t, "one", canaryNumber, "000042")); err != nil {
			t.Fatal(err)
		}
		if got := s.Taken(); len(got) != 1 || got[0] != (Taken{"one", canaryNumber, "000042"}) {
			t.Errorf("taken: %v", got)
		}
	})

	t.Run("messages sent at once arrive once each, none with another's code", func(t *testing.T) {
		const senders, each = 32, 6 // 192 messages: no more than an inbox keeps
		s := open(t)
		want := map[Taken]bool{}
		var all [senders][]rekey.Message
		for i := range senders {
			for j := range each {
				n := i*each + j
				taken := Taken{fmt.Sprintf("id-%d", n), fmt.Sprintf("138%08d", n), fmt.Sprintf("%06d", n*7)}
				want[taken] = true
				all[i] = append(all[i], Message(t, taken.ID, taken.Mobile, taken.Code))
			}
		}
		var wg sync.WaitGroup
		for _, messages := range all {
			wg.Go(func() {
				for _, m := range messages {
					if _, err := s.Sender.Send(t.Context(), m); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		got := s.Taken()
		if len(got) != len(want) {
			t.Errorf("%d messages taken, want %d", len(got), len(want))
		}
		for _, taken := range got {
			if !want[taken] {
				t.Errorf("taken, but never sent so: %v", taken)
			}
			delete(want, taken)
		}
	})

	t.Run("once its context has ended nothing is handed over, for certain", func(t *testing.T) {
		s := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Sender.Send(ctx, Message(t, "late", canaryNumber, canaryCode))
		CheckError(t, err, rekey.ErrUnavailable)
		if got := s.Taken(); len(got) != 0 {
			t.Errorf("taken: %v", got)
		}
	})
}

// CheckError reports it unless err wraps want, and neither of rekey's other two errors of a Sender, and holds neither the
// suite's canaries nor any of secrets, however it is printed (T36).
func CheckError(t testing.TB, err, want error, secrets ...string) {
	t.Helper()
	for _, kind := range []error{rekey.ErrRejected, rekey.ErrUnavailable, rekey.ErrUnknown} {
		if errors.Is(err, kind) != (kind == want) {
			t.Errorf("got %v, want one that wraps %q alone", err, want)
		}
	}
	CheckSilent(t, err, append(secrets, canaryNumber, canaryCode)...)
}

// CheckSilent reports it if err, or any error that it wraps, says one of the secrets, however it is printed.
func CheckSilent(t testing.TB, err error, secrets ...string) {
	t.Helper()
	if err == nil {
		return
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%q"} {
		for _, secret := range secrets {
			if text := fmt.Sprintf(verb, err); strings.Contains(text, secret) {
				t.Errorf("printed with %s, the error holds %q: %s", verb, secret, text)
			}
		}
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		CheckSilent(t, e.Unwrap(), secrets...)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			CheckSilent(t, inner, secrets...)
		}
	}
}
