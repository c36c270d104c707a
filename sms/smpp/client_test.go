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

const (
	canaryNumber = "8613987654321"
	canaryText   = "873201 is your code"
)

// message is a short message with this text.
func message(text string) smpp.Message {
	return smpp.Message{
		Source: smpp.Address{TON: 5, Digits: "REKEY"}, Destination: smpp.Address{TON: 1, NPI: 1, Digits: canaryNumber}, Text: []byte(text),
	}
}

// open makes an SMSC and a client that is bound to it in this process.
func open(t *testing.T, c smpptest.Config, set func(*smpp.Config)) (*smpptest.SMSC, *smpp.Client) {
	t.Helper()
	smsc := smpptest.New(t, c)
	config := smpp.Config{
		Address: "smsc.test:2775", SystemID: smpptest.SystemID, Password: smpptest.Password, Window: 10, Dial: smsc.Dial,
	}
	if set != nil {
		set(&config)
	}
	client := smpp.NewClient(config)
	t.Cleanup(func() { client.Close() })
	client.Open()
	return smsc, client
}

// submit submits within a time.
func submit(t *testing.T, c *smpp.Client, text string, within time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return c.Submit(ctx, message(text))
}

// check reports it unless err is of this stage and status, and holds nothing of a message or an account (T36).
func check(t *testing.T, err error, stage smpp.Stage, status smpp.Status) {
	t.Helper()
	e, ok := errors.AsType[*smpp.Error](err)
	if !ok || e.Stage != stage || e.Status != status {
		t.Errorf("got %v, want stage %d with status %v", err, stage, status)
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		for _, secret := range []string{canaryNumber, canaryText, smpptest.Password, smpptest.SystemID} {
			if said := fmt.Sprintf(verb, err); strings.Contains(said, secret) {
				t.Errorf("the error holds %q: %s", secret, said)
			}
		}
	}
}

func TestARefusedAccountIsToldAtOnceAndNotTriedAgainSoon(t *testing.T) {
	t.Parallel()
	for _, status := range []smpp.Status{smpp.StatusBindFailed, smpp.StatusInvalidPassword, smpp.StatusInvalidSystemID} {
		synctest.Test(t, func(t *testing.T) {
			var known atomic.Bool
			smsc, client := open(t, smpptest.Config{Bind: func(int) uint32 {
				if known.Load() {
					return 0
				}
				return uint32(status)
			}}, nil)
			start := time.Now()
			for range 100 {
				_, err := submit(t, client, canaryText, time.Minute)
				check(t, err, smpp.NotBound, status)
			}
			if waited := time.Since(start); waited > 0 {
				t.Errorf("the senders waited %v", waited)
			}
			time.Sleep(10 * time.Minute)
			if n := smsc.Binds(); n < 3 || n > 8 {
				t.Errorf("%d binds in ten minutes", n)
			}
			known.Store(true)
			time.Sleep(5 * time.Minute)
			if _, err := submit(t, client, canaryText, time.Minute); err != nil {
				t.Errorf("once the account is accepted: %v", err)
			}
		})
	}
}

func TestAWrongPasswordIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, client := open(t, smpptest.Config{}, func(c *smpp.Config) { c.Password = "wrong" })
		_, err := submit(t, client, canaryText, time.Minute)
		check(t, err, smpp.NotBound, smpp.StatusInvalidPassword)
	})
}

func TestAnSMSCThatIsBusyAtBindIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		smsc, client := open(t, smpptest.Config{Bind: func(n int) uint32 {
			if n < 3 {
				return 0x08
			}
			return 0
		}}, nil)
		if _, err := submit(t, client, canaryText, time.Minute); err != nil || smsc.Binds() != 3 {
			t.Errorf("after %d binds: %v", smsc.Binds(), err)
		}
	})
}

func TestTheWaitBeforeBindingAgainGrowsAndDiffers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var dials []time.Time
		down := errors.New("nobody is there")
		_, client := open(t, smpptest.Config{}, func(c *smpp.Config) {
			c.Dial = func(context.Context, string, string) (net.Conn, error) {
				mu.Lock()
				defer mu.Unlock()
				dials = append(dials, time.Now())
				return nil, down
			}
		})
		attempts := func() []time.Time {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(dials)
		}
		// Who would have to wait for more than a second is told at once: others may take the message.
		for len(attempts()) < 5 { // four to eight seconds before the next
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		start := time.Now()
		_, err := submit(t, client, canaryText, time.Minute)
		check(t, err, smpp.NotBound, 0)
		if waited := time.Since(start); waited > 0 {
			t.Errorf("waited %v for a link that is not made again soon", waited)
		}
		time.Sleep(time.Hour)
		got := attempts()
		distinct := map[time.Duration]bool{}
		for i := 1; i < len(got); i++ {
			wait := got[i].Sub(got[i-1])
			full := min(500*time.Millisecond<<min(i-1, 10), 30*time.Second)
			if wait < full/2 || wait > full {
				t.Errorf("wait %d was %v, want from %v to %v", i, wait, full/2, full)
			}
			distinct[wait] = true
		}
		if len(got) < 120 || len(distinct) < len(got)/2 {
			t.Errorf("%d attempts in an hour, with %d different waits", len(got), len(distinct))
		}

		// Who can't be served in time is told at once.
		for len(attempts()) == len(got) { // fifteen seconds or more before the next
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		start = time.Now()
		_, err = submit(t, client, canaryText, 50*time.Millisecond)
		check(t, err, smpp.NotBound, 0)
		if !errors.Is(err, down) {
			t.Errorf("%v does not say why", err)
		}
		if waited := time.Since(start); waited > 0 {
			t.Errorf("waited %v in vain", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		check(t, client.Bound(ctx), smpp.NotBound, 0)
		if waited := time.Since(start); waited > 0 {
			t.Errorf("Bound waited %v for an attempt that comes too late", waited)
		}
	})
}

// TestAnAttemptThatHangsIsNotWaitedForTwice has an SMSC that nothing comes back from: an attempt lasts for ten seconds, which
// is longer than a message has.
func TestAnAttemptThatHangsIsNotWaitedForTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var there atomic.Bool
		_, client := open(t, smpptest.Config{}, func(c *smpp.Config) {
			dial := c.Dial
			c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if there.Load() {
					time.Sleep(500 * time.Millisecond)
					return dial(ctx, network, address)
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})
		time.Sleep(11 * time.Second) // the second attempt hangs
		start := time.Now()
		_, err := submit(t, client, canaryText, 5*time.Second)
		check(t, err, smpp.NotBound, 0)
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("waited %v for an attempt like one that had failed", waited)
		}
		time.Sleep(9 * time.Second) // the third comes within a second
		there.Store(true)
		for {
			if _, err := submit(t, client, canaryText, 5*time.Second); err == nil {
				break
			}
			if time.Since(start) > time.Minute {
				t.Fatal("no message is sent once the SMSC is there again")
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

func TestALinkThatLastedIsMadeAgainSoon(t *testing.T) {
	t.Parallel()
	for lasted, soon := range map[time.Duration]bool{time.Second: false, time.Minute: true} {
		synctest.Test(t, func(t *testing.T) {
			smsc, client := open(t, smpptest.Config{Bind: func(n int) uint32 {
				if n <= 8 {
					return 0x08
				}
				return 0
			}}, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			if err := client.Bound(ctx); err != nil {
				t.Fatal(err)
			}
			time.Sleep(lasted)
			links := smsc.Links()
			links[len(links)-1].Cut()
			start := time.Now()
			synctest.Wait() // the cut is noticed
			if err := client.Bound(ctx); err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(start); soon != (waited <= 500*time.Millisecond) {
				t.Errorf("a link that lasted %v was made again after %v", lasted, waited)
			}
		})
	}
}

func TestADeadLinkIsFoundAndMadeAnew(t *testing.T) {
	t.Parallel()
	t.Run("in silence", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var deaf atomic.Bool
			smsc, client := open(t, smpptest.Config{Deaf: deaf.Load}, nil)
			time.Sleep(time.Hour)
			if n := len(smsc.Links()); n != 1 {
				t.Fatalf("%d links while the SMSC answers", n)
			}
			deaf.Store(true)
			time.Sleep(45 * time.Second)
			if n := len(smsc.Links()); n != 2 {
				t.Errorf("%d links after 45 seconds", n)
			}
			deaf.Store(false)
			if _, err := submit(t, client, canaryText, time.Minute); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("sooner, when a message got no answer", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var deaf atomic.Bool
			deaf.Store(true)
			smsc, client := open(t, smpptest.Config{Deaf: deaf.Load, Submit: func(l *smpptest.Link, s smpptest.Submission) {
				if !deaf.Load() {
					l.Accept(s)
				}
			}}, nil)
			_, err := submit(t, client, canaryText, time.Second)
			check(t, err, smpp.Unanswered, 0)
			time.Sleep(11 * time.Second)
			deaf.Store(false)
			if _, err := submit(t, client, "another", time.Second); err != nil || len(smsc.Links()) != 2 {
				t.Errorf("%v, over %d links", err, len(smsc.Links()))
			}
		})
	})
}

func TestASilentLinkIsAskedAfterHalfAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Time
		_, client := open(t, smpptest.Config{Deaf: func() bool {
			asked = append(asked, time.Now())
			return false
		}}, nil)
		time.Sleep(time.Second) // so that the silence does not begin with the link
		if _, err := submit(t, client, canaryText, time.Minute); err != nil {
			t.Fatal(err)
		}
		since := time.Now()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if len(asked) != 4 {
			t.Fatalf("asked %d times in two minutes", len(asked))
		}
		for i, at := range asked {
			if got, want := at.Sub(since), time.Duration(i+1)*30*time.Second; got != want {
				t.Errorf("asked after %v, want %v", got, want)
			}
		}
	})
}

func TestAnSMSCThatHasForgottenTheBindGetsANewOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		smsc, client := open(t, smpptest.Config{Submit: func(l *smpptest.Link, s smpptest.Submission) {
			if string(s.Text) == "first" {
				l.Refuse(s, 4)
				return
			}
			l.Accept(s)
		}}, nil)
		_, err := submit(t, client, "first", time.Minute)
		check(t, err, smpp.Refused, smpp.StatusInvalidBind)
		if _, err := submit(t, client, "second", time.Minute); err != nil || smsc.Binds() != 2 {
			t.Errorf("%v, after %d binds", err, smsc.Binds())
		}
	})
}

func TestCloseWaitsForAnswersAndUnbinds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		smsc, client := open(t, smpptest.Config{Submit: func(l *smpptest.Link, s smpptest.Submission) {
			time.AfterFunc(3*time.Second, func() { l.Accept(s) })
		}}, nil)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := submit(t, client, canaryText, time.Minute); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if !smsc.Links()[0].Unbound() {
			t.Error("the link was not unbound")
		}
		_, err := submit(t, client, canaryText, time.Minute)
		check(t, err, smpp.NotBound, 0)
		client.Open() // too late: nothing runs any more
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseIsBounded(t *testing.T) {
	t.Parallel()
	t.Run("by answers that do not come", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			_, client := open(t, smpptest.Config{Submit: func(*smpptest.Link, smpptest.Submission) {}}, nil)
			failed := make(chan error, 3)
			for range cap(failed) {
				go func() {
					_, err := submit(t, client, canaryText, time.Minute)
					failed <- err
				}()
			}
			synctest.Wait()
			start := time.Now()
			if err := client.Close(); err == nil || !strings.Contains(err.Error(), "3 messages") {
				t.Errorf("got %v, want that 3 messages had no answer", err)
			}
			if took := time.Since(start); took != 5*time.Second {
				t.Errorf("took %v", took)
			}
			for range cap(failed) {
				check(t, <-failed, smpp.Unanswered, 0)
			}
		})
	})
	t.Run("while binding", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			_, client := open(t, smpptest.Config{}, func(c *smpp.Config) {
				c.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				}
			})
			failed := make(chan error, 1)
			go func() {
				_, err := submit(t, client, canaryText, time.Minute)
				failed <- err
			}()
			synctest.Wait()
			start := time.Now()
			client.Close()
			check(t, <-failed, smpp.NotBound, 0)
			if took := time.Since(start); took > 0 {
				t.Errorf("took %v", took)
			}
		})
	})
	t.Run("never opened", func(t *testing.T) {
		t.Parallel()
		if err := smpp.NewClient(smpp.Config{}).Close(); err != nil {
			t.Error(err)
		}
	})
}
