package smpp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rekey/sms/smpp"
	"rekey/sms/smpp/smpptest"
)

func TestAnswersOutOfOrderReachTheirOwnMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var held []smpptest.Submission
		_, client := open(t, smpptest.Config{Window: 10, Submit: func(l *smpptest.Link, s smpptest.Submission) {
			if held = append(held, s); len(held) < 10 {
				return
			}
			for _, s := range slices.Backward(held) {
				l.Answer(s, 0, "id-of-"+string(s.Text)+"\x00")
			}
			held = nil
		}}, nil)
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				text := fmt.Sprint(i)
				if id, err := submit(t, client, text, time.Minute); err != nil || id != "id-of-"+text {
					t.Errorf("message %s: id %q, %v", text, id, err)
				}
			})
		}
		wg.Wait()
	})
}

func TestTheWindowIsNeverExceeded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		smsc, client := open(t, smpptest.Config{Window: 10, Submit: func(l *smpptest.Link, s smpptest.Submission) {
			time.AfterFunc(time.Duration(s.Sequence%7)*time.Millisecond, func() { l.Accept(s) })
		}}, nil)
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				if _, err := submit(t, client, fmt.Sprint(i), time.Minute); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := len(smsc.Accepted()); n != 1000 {
			t.Errorf("%d messages accepted", n)
		}
	})
}

func TestALinkCutBeforeTheAnswerLeavesItUnknownAndNothingIsRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var came atomic.Int32
		smsc, client := open(t, smpptest.Config{Submit: func(l *smpptest.Link, s smpptest.Submission) {
			if came.Add(1) == 1 {
				l.Cut()
				return
			}
			l.Accept(s)
		}}, nil)
		_, err := submit(t, client, canaryText, time.Minute)
		check(t, err, smpp.Unanswered, 0)
		if _, err := submit(t, client, "another", time.Minute); err != nil {
			t.Errorf("on the next link: %v", err)
		}
		if n, all := came.Load(), smsc.Accepted(); n != 2 || len(all) != 1 || string(all[0].Text) != "another" {
			t.Errorf("%d submissions, %d accepted", n, len(all))
		}
	})
}

// brokenWriter is a connection that fails when a submit_sm is written, after a part of it.
type brokenWriter struct {
	net.Conn
	part int
}

func (b brokenWriter) Write(p []byte) (int, error) {
	if len(p) < 16 || p[7] != 4 {
		return b.Conn.Write(p)
	}
	n, err := b.Conn.Write(p[:min(b.part, len(p))])
	if err == nil {
		err = errors.New("the line broke")
	}
	return n, err
}

func TestWhatDidNotLeaveInFullGoesOverTheNextLink(t *testing.T) {
	t.Parallel()
	for _, part := range []int{0, 20, 40} {
		synctest.Test(t, func(t *testing.T) {
			var dials atomic.Int32
			smsc, client := open(t, smpptest.Config{}, func(c *smpp.Config) {
				dial := c.Dial
				c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					conn, err := dial(ctx, network, address)
					if dials.Add(1) == 1 && err == nil {
						conn = brokenWriter{conn, part}
					}
					return conn, err
				}
			})
			if _, err := submit(t, client, canaryText, time.Minute); err != nil {
				t.Error(err)
			}
			if n := len(smsc.Accepted()); n != 1 || dials.Load() != 2 {
				t.Errorf("%d accepted over %d links", n, dials.Load())
			}
		})
	}
}

func TestWhatLeftInFullIsUnknownEvenIfTheLineBroke(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var came atomic.Int32
		_, client := open(t, smpptest.Config{Submit: func(*smpptest.Link, smpptest.Submission) { came.Add(1) }}, func(c *smpp.Config) {
			dial := c.Dial
			c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dial(ctx, network, address)
				return brokenWriter{conn, 1000}, err
			}
		})
		_, err := submit(t, client, canaryText, time.Minute)
		check(t, err, smpp.Unanswered, 0)
		time.Sleep(time.Minute)
		if n := came.Load(); n != 1 {
			t.Errorf("%d submissions", n)
		}
	})
}

// stuckWriter is a connection that takes nothing of a submit_sm until it is closed.
type stuckWriter struct {
	net.Conn
	stuck, closed chan struct{}
}

func (s stuckWriter) Write(p []byte) (int, error) {
	if len(p) < 16 || p[7] != 4 {
		return s.Conn.Write(p)
	}
	close(s.stuck)
	<-s.closed
	return 0, net.ErrClosed
}

func (s stuckWriter) Close() error {
	defer close(s.closed)
	return s.Conn.Close()
}

func TestWhatIsBeingWrittenWhenTheFarSideHangsUpGoesOverTheNextLink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int32
		stuck := make(chan struct{})
		smsc, client := open(t, smpptest.Config{}, func(c *smpp.Config) {
			dial := c.Dial
			c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dial(ctx, network, address)
				if dials.Add(1) == 1 && err == nil {
					conn = stuckWriter{conn, stuck, make(chan struct{})}
				}
				return conn, err
			}
		})
		go func() {
			<-stuck
			smsc.Links()[0].Cut()
		}()
		if _, err := submit(t, client, canaryText, time.Minute); err != nil {
			t.Error(err)
		}
		if n := len(smsc.Accepted()); n != 1 || dials.Load() != 2 {
			t.Errorf("%d accepted over %d links", n, dials.Load())
		}
	})
}

func TestWhatIsGivenUpBeforeItLeavesIsNeverSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var together []smpptest.Submission
		smsc, client := open(t, smpptest.Config{Submit: func(l *smpptest.Link, s smpptest.Submission) {
			switch string(s.Text) {
			case "together":
				if together = append(together, s); len(together) < 3 {
					return
				}
				l.Accept(together[0])
				l.Accept(together[1])
			case "slow":
				time.Sleep(3 * time.Second) // nothing is read from the link meanwhile
			}
			l.Accept(s)
		}}, func(c *smpp.Config) { c.Window = 3 })
		synctest.Wait()
		var wg sync.WaitGroup
		for _, text := range []string{"slow", "behind"} {
			wg.Go(func() {
				if _, err := submit(t, client, text, time.Minute); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		for range 5 { // more than the window has places
			_, err := submit(t, client, canaryText, 100*time.Millisecond)
			check(t, err, smpp.NotSent, 0)
		}
		wg.Wait()
		for range 3 { // the whole window is there again
			wg.Go(func() {
				if _, err := submit(t, client, "together", time.Minute); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, s := range smsc.Accepted() {
			if string(s.Text) == canaryText {
				t.Error("a message was sent after its sender had been told that it was not")
			}
		}
	})
}

func TestALateAnswerIsNobodyElses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var late func()
		_, client := open(t, smpptest.Config{Window: 1, Submit: func(l *smpptest.Link, s smpptest.Submission) {
			if string(s.Text) == "first" {
				mu.Lock()
				late = func() { l.Answer(s, 0, "id-of-first\x00") }
				mu.Unlock()
				return
			}
			l.Answer(s, 0, "id-of-"+string(s.Text)+"\x00")
		}}, func(c *smpp.Config) { c.Window = 1 })

		_, err := submit(t, client, "first", 5*time.Second)
		check(t, err, smpp.Unanswered, 0)
		_, err = submit(t, client, "second", 5*time.Second)
		check(t, err, smpp.NotSent, 0) // the window is still full

		time.AfterFunc(5*time.Second, func() {
			mu.Lock()
			defer mu.Unlock()
			late()
		})
		start := time.Now()
		if id, err := submit(t, client, "third", time.Minute); err != nil || id != "id-of-third" {
			t.Errorf("id %q, %v", id, err)
		}
		if waited := time.Since(start); waited != 5*time.Second {
			t.Errorf("the place in the window was free after %v", waited)
		}
	})
}

func TestAMessageThatIsNeverAnsweredDoesNotHoldTheWindowForever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		smsc, client := open(t, smpptest.Config{Submit: func(l *smpptest.Link, s smpptest.Submission) {
			if string(s.Text) != "first" {
				l.Accept(s)
			}
		}}, func(c *smpp.Config) { c.Window = 1 })
		_, err := submit(t, client, "first", 5*time.Second)
		check(t, err, smpp.Unanswered, 0)
		if _, err := submit(t, client, "second", 2*time.Minute); err != nil || len(smsc.Links()) != 2 {
			t.Errorf("%v, over %d links", err, len(smsc.Links()))
		}
	})
}

func TestAThrottledClientSlowsDownForAMoment(t *testing.T) {
	t.Parallel()
	for _, status := range []smpp.Status{smpp.StatusThrottled, smpp.StatusQueueFull} {
		synctest.Test(t, func(t *testing.T) {
			var refuse atomic.Int32
			var window []smpptest.Submission
			_, client := open(t, smpptest.Config{Submit: func(l *smpptest.Link, s smpptest.Submission) {
				if window = append(window, s); len(window) < 10 {
					return
				} else if len(window) == 10 {
					for _, s := range window {
						l.Refuse(s, uint32(status))
					}
				} else if refuse.Add(-1) >= 0 {
					l.Refuse(s, uint32(status))
				} else {
					l.Accept(s)
				}
			}}, nil)
			var wg sync.WaitGroup
			for range 10 { // a whole window of refusals counts once
				wg.Go(func() {
					_, err := submit(t, client, canaryText, time.Minute)
					check(t, err, smpp.Refused, status)
				})
			}
			wg.Wait()
			after := func(want time.Duration) {
				t.Helper()
				start := time.Now()
				_, err := submit(t, client, canaryText, time.Minute)
				if refuse.Load() >= 0 {
					check(t, err, smpp.Refused, status)
				} else if err != nil {
					t.Error(err)
				}
				if waited := time.Since(start); waited != want {
					t.Errorf("waited %v, want %v", waited, want)
				}
			}
			start := time.Now()
			for range 20 { // more than the window has places
				_, err := submit(t, client, canaryText, 900*time.Millisecond)
				check(t, err, smpp.NotSent, smpp.StatusThrottled)
			}
			if waited := time.Since(start); waited > 0 {
				t.Errorf("waited %v in vain", waited)
			}
			refuse.Store(4)
			after(time.Second)
			after(2 * time.Second)
			after(4 * time.Second)
			after(8 * time.Second)
			after(8 * time.Second) // is accepted
			refuse.Store(1)
			after(0)
			after(time.Second)
			after(0)
		})
	}
}

func TestRefusalsComeWithAndWithoutABody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers := map[string]func(*smpptest.Link, smpptest.Submission){
			"header only":    func(l *smpptest.Link, s smpptest.Submission) { l.Refuse(s, 0x0B) },
			"an empty id":    func(l *smpptest.Link, s smpptest.Submission) { l.Answer(s, 0x0B, "\x00") },
			"garbage behind": func(l *smpptest.Link, s smpptest.Submission) { l.Answer(s, 0x0B, "\x00\xff\xff\xff") },
			"a nack": func(l *smpptest.Link, s smpptest.Submission) {
				l.Send(smpptest.PDU{Command: 0x80000000, Status: 0x0B, Sequence: s.Sequence})
			},
			"after responses to nothing": func(l *smpptest.Link, s smpptest.Submission) {
				l.Send(smpptest.PDU{Command: 0x80000004, Sequence: s.Sequence + 1000, Body: []byte("not-it\x00")})
				l.Send(smpptest.PDU{Command: 0x80000015, Sequence: s.Sequence}) // another command's
				l.Send(smpptest.PDU{Command: 0x80000005, Sequence: s.Sequence})
				l.Send(smpptest.PDU{Command: 0x80000000, Status: 3})
				l.Refuse(s, 0x0B)
				l.Answer(s, 0, "twice\x00")
			},
		}
		_, client := open(t, smpptest.Config{Submit: func(l *smpptest.Link, s smpptest.Submission) { answers[string(s.Text)](l, s) }}, nil)
		for text := range answers {
			_, err := submit(t, client, text, time.Minute)
			check(t, err, smpp.Refused, 0x0B)
		}
	})
}

func TestAnAcceptedMessageMayHaveNoID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bodies := map[string]string{"none": "", "empty": "\x00", "endless": strings.Repeat("x", 100), "a terminal's": "\x1b[2J\x00"}
		_, client := open(t, smpptest.Config{Submit: func(l *smpptest.Link, s smpptest.Submission) { l.Answer(s, 0, bodies[string(s.Text)]) }}, nil)
		for text := range bodies {
			if id, err := submit(t, client, text, time.Minute); err != nil || id != "" {
				t.Errorf("%s: id %q, %v", text, id, err)
			}
		}
	})
}

func TestAContextThatHasEndedSubmitsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		smsc, client := open(t, smpptest.Config{}, nil)
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := client.Submit(ctx, message(canaryText))
		check(t, err, smpp.NotBound, 0)
		if n := len(smsc.Accepted()); n != 0 {
			t.Errorf("%d accepted", n)
		}
	})
}

func TestMessagesOutOfBoundsAreNotSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, client := open(t, smpptest.Config{}, nil)
		for _, spoil := range []func(*smpp.Message){
			func(m *smpp.Message) { m.Text = make([]byte, 255) },
			func(m *smpp.Message) { m.Destination.Digits = strings.Repeat("1", 21) },
			func(m *smpp.Message) { m.Source.Digits = "A\x00B" },
		} {
			m := message(canaryText)
			spoil(&m)
			_, err := client.Submit(t.Context(), m)
			check(t, err, smpp.NotSent, 0)
		}
	})
}

func TestANackRefusesEvenWithStatusZero(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, client := open(t, smpptest.Config{Submit: func(l *smpptest.Link, s smpptest.Submission) {
			l.Send(smpptest.PDU{Command: 0x80000000, Sequence: s.Sequence})
		}}, nil)
		_, err := submit(t, client, canaryText, time.Minute)
		check(t, err, smpp.Refused, smpp.StatusInvalidCommand)
	})
}
