package smpp

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"
)

const (
	firstWait   = 500 * time.Millisecond // before a link is made again
	longestWait = 30 * time.Second
	// patience is for how long messages wait for a link to be made again: longer than firstWait, so that a link that breaks
	// once costs no message its provider.
	patience = time.Second
	// An account that is refused is tried again far less often.
	firstRefusedWait   = 30 * time.Second
	longestRefusedWait = 5 * time.Minute
	// steady is how long a link must have lasted for the next one to be made soon.
	steady = 30 * time.Second
)

// backoff gives the pauses between attempts to bind: exponential, with half of each drawn at random, so that the replicas
// of a service do not come back all at once. The zero value is ready.
type backoff struct {
	wait    time.Duration
	refused bool
}

// next is the next pause.
func (b *backoff) next(refused bool) time.Duration {
	first, longest := firstWait, longestWait
	if refused {
		first, longest = firstRefusedWait, longestRefusedWait
	}
	if b.wait == 0 || b.refused != refused {
		b.wait = first
	} else {
		b.wait = min(2*b.wait, longest)
	}
	b.refused = refused
	var random [8]byte
	rand.Read(random[:]) // never fails: it ends the process rather
	return b.wait/2 + time.Duration(binary.BigEndian.Uint64(random[:])%uint64(b.wait/2))
}

// Bounds of the pause after a throttling answer. Vendors count by the second.
const (
	firstPause   = time.Second
	longestPause = 8 * time.Second
)

// throttle holds submissions back for a moment after the SMSC has said that there are too many. The zero value holds back
// nothing.
type throttle struct {
	mu    sync.Mutex
	pause time.Duration
	until time.Time
}

// slowDown begins a pause after a message that was submitted at start was throttled. A pause that follows on another one is
// twice as long; the messages that were in the window together count once.
func (t *throttle) slowDown(start time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if start.Before(t.until) {
		return
	}
	t.pause = min(max(2*t.pause, firstPause), longestPause)
	t.until = time.Now().Add(t.pause)
}

// goOn is told that a message that was submitted at start was accepted.
func (t *throttle) goOn(start time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !start.Before(t.until) {
		t.pause = 0
	}
}

// wait waits for the end of a pause. It fails at once if the pause is longer than ctx lasts.
func (t *throttle) wait(ctx, closing context.Context) error {
	for {
		t.mu.Lock()
		left := time.Until(t.until)
		t.mu.Unlock()
		if left <= 0 {
			return nil
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < left {
			return &Error{Stage: NotSent, Status: StatusThrottled}
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-closing.Done():
			timer.Stop()
			return &Error{Stage: NotSent, Cause: errClosed}
		case <-ctx.Done():
			timer.Stop()
			return &Error{Stage: NotSent, Status: StatusThrottled}
		}
	}
}
