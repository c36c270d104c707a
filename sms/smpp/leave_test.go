package smpp_test

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rekey/sms/smpp"
	"rekey/sms/smpp/smpptest"
)

// TestAnUnbindIsAnsweredAfterTheWindow: an SMSC that is about to restart still answers what it was given before. What is
// sent meanwhile goes over the next link.
func TestAnUnbindIsAnsweredAfterTheWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		smsc, client := open(t, smpptest.Config{Submit: func(l *smpptest.Link, s smpptest.Submission) {
			if string(s.Text) == "before" {
				time.AfterFunc(500*time.Millisecond, func() { l.Accept(s) })
				return
			}
			l.Accept(s)
		}}, nil)
		var sending sync.WaitGroup
		for range 5 {
			sending.Go(func() {
				if _, err := submit(t, client, "before", time.Minute); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		l := smsc.Links()[0]
		n := l.Request(6, nil)
		l.Request(6, nil) // again, and it is the same one
		for range 20 {    // more than the window has places
			sending.Go(func() {
				if _, err := submit(t, client, "after", time.Minute); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if got := len(l.Responses); got != 0 {
			t.Errorf("%d answers while messages had none", got)
		}
		sending.Wait()
		answered(t, l, 0x80000006, 0, n, "")
		if got := smsc.Accepted(); len(got) != 25 || smsc.Binds() != 2 {
			t.Errorf("%d accepted after %d binds", len(got), smsc.Binds())
		}
	})
}

func TestAnUnbindIsAnsweredInASecondWhateverIsMissing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		smsc, client := open(t, smpptest.Config{Submit: func(*smpptest.Link, smpptest.Submission) {}}, nil)
		failed := make(chan error)
		go func() {
			_, err := submit(t, client, canaryText, time.Minute)
			failed <- err
		}()
		synctest.Wait()
		l := smsc.Links()[0]
		n := l.Request(6, nil)
		start := time.Now()
		check(t, <-failed, smpp.Unanswered, 0)
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
		answered(t, l, 0x80000006, 0, n, "")
	})
}

// TestAllRefusalsOfAnSMSCThatHasForgottenTheBindAreHeard: each says that its message was not taken.
func TestAllRefusalsOfAnSMSCThatHasForgottenTheBindAreHeard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		smsc, client := open(t, smpptest.Config{Submit: func(l *smpptest.Link, s smpptest.Submission) {
			time.AfterFunc(time.Duration(s.Sequence)*time.Millisecond, func() { l.Refuse(s, 4) })
		}}, nil)
		var sending sync.WaitGroup
		for range 10 {
			sending.Go(func() {
				_, err := submit(t, client, canaryText, time.Minute)
				check(t, err, smpp.Refused, smpp.StatusInvalidBind)
			})
		}
		sending.Wait()
		if err := client.Bound(t.Context()); err != nil || smsc.Binds() != 2 {
			t.Errorf("%v, after %d binds", err, smsc.Binds())
		}
	})
}

func TestCloseDoesNotWaitForThePauseOfAThrottledClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		smsc, client := open(t, smpptest.Config{Submit: func(l *smpptest.Link, s smpptest.Submission) { l.Refuse(s, 0x58) }}, nil)
		_, err := submit(t, client, canaryText, time.Minute)
		check(t, err, smpp.Refused, smpp.StatusThrottled)
		failed := make(chan error)
		go func() {
			_, err := submit(t, client, canaryText, time.Minute)
			failed <- err
		}()
		synctest.Wait()
		start := time.Now()
		go client.Close()
		check(t, <-failed, smpp.NotSent, 0)
		if err := client.Close(); err != nil || !smsc.Links()[0].Unbound() {
			t.Errorf("%v; unbound: %v", err, smsc.Links()[0].Unbound())
		}
		if took := time.Since(start); took > 0 {
			t.Errorf("took %v", took)
		}
	})
}

func TestCloseSendsBackWhoWaitsForTheWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		smsc, client := open(t, smpptest.Config{Submit: func(l *smpptest.Link, s smpptest.Submission) {
			time.AfterFunc(3*time.Second, func() { l.Accept(s) })
		}}, func(c *smpp.Config) { c.Window = 1 })
		var sending sync.WaitGroup
		sending.Go(func() {
			if _, err := submit(t, client, "first", time.Minute); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		for range 20 {
			sending.Go(func() {
				start := time.Now()
				_, err := submit(t, client, canaryText, time.Minute)
				check(t, err, smpp.NotSent, 0)
				if waited := time.Since(start); waited > 0 {
					t.Errorf("waited %v", waited)
				}
			})
		}
		synctest.Wait()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		sending.Wait()
		if n := len(smsc.Accepted()); n != 1 {
			t.Errorf("%d accepted", n)
		}
	})
}

// TestABindWithoutAnAnswerIsGivenUpAndItsConnectionClosed has a far side that takes the bind and says nothing.
func TestABindWithoutAnAnswerIsGivenUpAndItsConnectionClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var open, dials atomic.Int32
		client := smpp.NewClient(smpp.Config{Dial: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			dials.Add(1)
			open.Add(1)
			go func() {
				io.Copy(io.Discard, far) // until the other side closes
				open.Add(-1)
			}()
			return near, nil
		}})
		client.Open()
		time.Sleep(10*time.Second - time.Millisecond)
		if dials.Load() != 1 || open.Load() != 1 {
			t.Errorf("%d connections made, %d open, before the time of a bind was over", dials.Load(), open.Load())
		}
		time.Sleep(time.Second)
		if dials.Load() != 2 || open.Load() != 1 {
			t.Errorf("%d connections made, %d open, after it", dials.Load(), open.Load())
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if open.Load() != 0 {
			t.Error("a connection is open after Close")
		}
	})
}
