package sms

import (
	"sync"
	"time"
)

const (
	// A breaker judges by the last recentAttempts outcomes that are not older than recentTime, and opens once failures are
	// at least half of them and at least leastFailures: a person loses at most so many times what a hanging provider takes,
	// and a service that sends once a minute is protected too.
	recentAttempts = 20
	recentTime     = 5 * time.Minute
	leastFailures  = 5
	// An open breaker lets one message through after shortPause, as a probe, and after a failed probe it waits twice as
	// long, up to longPause: a repaired account must not wait much longer for its operator than it takes to look.
	shortPause = 30 * time.Second
	longPause  = 5 * time.Minute
)

// breaker sets a provider aside that fails (M. Nygard, Release It!, "Circuit Breaker"): its messages go to the next
// provider without waiting for it. It opens at once when the vendor refuses our account, which every message would meet,
// and by rate otherwise. It decides who is asked first, never whether a message is sent: where all others have refused,
// a provider that was set aside is asked all the same.
//
// Each replica has breakers of its own. They need not agree: each learns within a few messages.
type breaker struct {
	mu      sync.Mutex
	recent  [recentAttempts]attempted // a ring
	next    int
	open    bool
	until   time.Time // open: no probe before
	pause   time.Duration
	probing bool
	account bool // open: our account was refused, and somebody told so
}

type attempted struct {
	at     time.Time
	failed bool
}

// enter reports whether a message may go to the provider in its turn. Where the breaker is open and its pause is over,
// one message at a time may, as a probe. Whoever enters, settles.
func (b *breaker) enter(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !b.open:
		return true
	case b.probing || now.Before(b.until):
		return false
	}
	b.probing = true
	return true
}

// settle takes an outcome into account, also of a message that came without entering, which ends no probe. changed says
// that the breaker has just opened or closed; or that the account of a provider which was set aside for something else is
// refused now, since nobody but an operator ends that, and a breaker that stays open would tell nobody.
func (b *breaker) settle(o Outcome, entered bool, now time.Time) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = b.probing && !entered
	refused := b.open && !b.account && o == RejectedAccount
	b.account = b.account || refused
	if b.open && now.Before(b.until) { // of a message that had left before, or of one that nobody else took
		return refused
	}
	if o == RejectedNumber { // says nothing of the provider, and whoever enters bad numbers must not be able to open it
		return false
	}
	failed := o != Sent
	switch {
	case b.open && !failed:
		b.open, b.recent = false, [recentAttempts]attempted{}
		return true
	case b.open:
		b.pause = min(2*b.pause, longPause)
		b.until = now.Add(b.pause)
		return refused
	}
	b.recent[b.next] = attempted{now, failed}
	b.next = (b.next + 1) % recentAttempts
	if o == RejectedAccount || b.failing(now) {
		b.open, b.pause, b.account = true, shortPause, o == RejectedAccount
		b.until = now.Add(b.pause)
		return true
	}
	return false
}

// failing reports whether too many of the recent attempts failed.
func (b *breaker) failing(now time.Time) bool {
	failures, all := 0, 0
	for _, a := range b.recent {
		if a.at.IsZero() || now.Sub(a.at) > recentTime {
			continue
		}
		all++
		if a.failed {
			failures++
		}
	}
	return failures >= leastFailures && 2*failures >= all
}

// state is the breaker's word for operators: "closed" in service, "open" set aside, "half-open" when the next message is
// a probe; and until when it is open.
func (b *breaker) state(now time.Time) (string, time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !b.open:
		return "closed", time.Time{}
	case now.Before(b.until):
		return "open", b.until
	}
	return "half-open", b.until
}
