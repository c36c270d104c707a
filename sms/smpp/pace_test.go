package smpp

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTheWaitOfARefusedAccountIsOneOfItsOwn(t *testing.T) {
	t.Parallel()
	var b backoff
	for range 10 {
		b.next(false)
	}
	if wait := b.next(true); wait < 15*time.Second || wait > 30*time.Second {
		t.Errorf("the first wait of an account that is refused is %v", wait)
	}
	for range 10 {
		b.next(true)
	}
	if wait := b.next(true); wait < 150*time.Second || wait > 300*time.Second {
		t.Errorf("the longest is %v", wait)
	}
	if wait := b.next(false); wait < 250*time.Millisecond || wait > 500*time.Millisecond {
		t.Errorf("the first wait once the account is not refused any more is %v", wait)
	}
}

func TestAMessageFromBeforeAPauseDoesNotMakeTheNextOneShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var throttle throttle
		before := time.Now()
		throttle.slowDown(before)
		throttle.goOn(before) // it was in the window with the one that was refused
		for _, want := range []time.Duration{time.Second, 2 * time.Second} {
			start := time.Now()
			if err := throttle.wait(t.Context(), t.Context()); err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(start); waited != want {
				t.Errorf("paused for %v, want %v", waited, want)
			}
			throttle.slowDown(time.Now())
		}
	})
}
