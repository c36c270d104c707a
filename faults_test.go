package rekey_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rekey"
)

func TestTwoOfTheSameBodyAtOnceBothSucceed(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		flow, code := h.send(from(1), ann)
		h.people.before = func() { // the second overtakes the first between its match and its set
			h.people.before = nil
			h.ok(h.reset(flow, ann, code, newPassword))
		}
		h.ok(h.reset(flow, ann, code, newPassword))
		if h.people.sets != 1 {
			h.Fatalf("%d changes", h.people.sets)
		}
	})
}

func TestT43_WhoHangsUpChangesNothingOfWhatFollows(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		ctx, hangUp := context.WithCancel(h.Context())
		h.phone.before, h.phone.fail = hangUp, rekey.ErrRejected
		_, err := h.Send(ctx, from(1), ann)
		h.want(err, rekey.NotDelivered)
		h.phone.before, h.phone.fail = nil, nil
		if h.diary.has(rekey.EventWithdraw, "store_down", "") {
			h.Error("the code that nobody got was not taken back")
		}
		flow, code := h.send(from(1), ann)

		ctx, hangUp = context.WithCancel(h.Context())
		h.people.before = hangUp
		c := from(1)
		c.Flow = flow
		_, err = h.Reset(ctx, c, rekey.ResetRequest{Mobile: ann, Code: code, Password: newPassword})
		h.ok(err)
		if h.diary.has(rekey.EventFinish, "store_down", "") {
			h.Error("FINISH ended with the request")
		}
	})
}

func TestT29_HungUpSendsToUnregisteredNumbersCostNobodyElse(t *testing.T) {
	inHouse(t, func(o *rekey.Options) { o.Limits.ServiceSendsDay, o.Limits.ServiceLookupsDay = 5, 0 }, func(h *house) {
		for i := range 200 {
			ctx, hangUp := context.WithCancel(h.Context())
			hangUp()
			if _, err := h.Send(ctx, from(i), nobody); rekey.KindOf(err) != rekey.NotRegistered {
				h.Fatal(err)
			}
		}
		h.send(from(300), ann)
	})
}

func TestT15_AFailingUsersDatabaseCostsNothing(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		flow, code := h.send(from(1), ann)
		h.people.down = true
		for range 20 {
			h.want(h.reset(flow, ann, code, newPassword), rekey.UsersDown)
		}
		_, err := h.Check(h.Context(), from(1), ann)
		h.want(err, rekey.UsersDown)
		time.Sleep(4 * minute)
		h.people.down, h.people.busy = false, true
		h.want(h.reset(flow, ann, code, newPassword), rekey.Busy)
		h.people.busy = false
		h.ok(h.reset(flow, ann, code, newPassword))
	})
}

func TestT15_AHangingUsersDatabaseBurnsNobodysBudgets(t *testing.T) {
	inHouse(t, func(o *rekey.Options) { o.Limits.ServiceSendsDay = 5 }, func(h *house) {
		h.people.hangs = true
		for range 20 {
			began := time.Now()
			_, err := h.Send(h.Context(), from(1), ann)
			h.want(err, rekey.UsersDown)
			if took := time.Since(began); took > 6*time.Second {
				h.Fatalf("told after %v", took)
			}
		}
		h.people.hangs = false
		h.send(from(1), ann)
	})
}

func TestT15_AHangingUsersDatabaseIsToldOfInTheTimeThatItHas(t *testing.T) {
	inHouse(t, func(o *rekey.Options) { o.FindTime = 900 * time.Millisecond }, func(h *house) {
		flow, code := h.send(from(1), ann)
		h.people.hangs = true
		for name, ask := range map[string]func() error{
			"check": func() error { _, err := h.Check(h.Context(), from(2), ann); return err },
			"send":  func() error { _, err := h.Send(h.Context(), from(2), ann); return err },
			"reset": func() error { return h.reset(flow, ann, code, newPassword) },
		} {
			began := time.Now()
			h.want(ask(), rekey.UsersDown)
			if took := time.Since(began); took > time.Second {
				h.Errorf("%s: told after %v", name, took)
			}
		}
		h.people.hangs = false
		h.ok(h.reset(flow, ann, code, newPassword))
	})
}

func TestT15_RequestsDontPileUpBehindAUsersDatabaseThatHangs(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		const asking, most = 3000, 1024
		h.people.hangs = true
		began := time.Now()
		var all sync.WaitGroup
		var waited atomic.Int64
		for i := range asking {
			all.Go(func() {
				_, err := h.Check(h.Context(), from(i), ann)
				h.want(err, rekey.UsersDown)
				if time.Since(began) > 0 { // time passes for those alone who wait
					waited.Add(1)
				}
			})
		}
		all.Wait()
		if n := waited.Load(); n != most {
			h.Errorf("%d waited, want %d", n, most)
		}
		if took := time.Since(began); took > 6*time.Second {
			h.Errorf("the last was told after %v", took)
		}
		h.people.hangs = false
		if _, err := h.Check(h.Context(), from(0), ann); err != nil {
			h.Errorf("once it answers: %v", err)
		}
	})
}

func TestT16_NobodyWaitsTwiceForAStoreThatHangs(t *testing.T) {
	inHouse(t, func(o *rekey.Options) { o.Limits.ServiceSendsDay = 1 }, func(h *house) {
		const step = 900 * time.Millisecond
		h.store.hangs = step
		h.store.before = func() { h.store.fail(true) } // the budgets are charged, and can't be given back
		began := time.Now()
		_, err := h.Send(h.Context(), from(1), ann)
		h.want(err, rekey.StoreDown)
		if took := time.Since(began); took != step {
			h.Errorf("told after %v, want %v", took, step)
		}
		time.Sleep(time.Minute) // they are tried to be given back meanwhile
		h.store.before = nil
		h.store.fail(false)
		_, err = h.Send(h.Context(), from(2), bob)
		h.want(err, rekey.Limited) // what can't be given back stays charged, on the safe side
	})
}

func TestWhatFollowsAnOperationHasTimeOfItsOwn(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.phone.before = func() { time.Sleep(30 * time.Second) } // a provider that heeds no deadline, and then refuses
		h.phone.fail = rekey.ErrRejected
		_, err := h.Send(h.Context(), from(1), ann)
		h.want(err, rekey.NotDelivered)
		h.phone.before, h.phone.fail = nil, nil
		flow, code := h.send(from(1), ann) // the interval was given back

		h.people.before = func() { time.Sleep(30 * time.Second) }
		h.ok(h.reset(flow, ann, code, newPassword))
		if h.diary.has(rekey.EventFinish, "store_down", "") || h.diary.has(rekey.EventWithdraw, "store_down", "") {
			h.Error("what followed had no time left")
		}
	})
}

func TestAPasswordThatTheRowCannotHoldCostsNothing(t *testing.T) {
	policy, err := rekey.NewPolicy("nist", false)
	if err != nil {
		t.Fatal(err)
	}
	inHouse(t, func(o *rekey.Options) { o.Policy = policy }, func(h *house) {
		flow, code := h.send(from(1), ann)
		err := h.reset(flow, ann, code, strings.Repeat("long ", 20))
		if refusal, ok := errors.AsType[*rekey.Error](err); !ok || refusal.Kind != rekey.InvalidPassword || refusal.Rule != rekey.RuleHash {
			h.Fatal(err)
		}
		h.ok(h.reset(flow, ann, code, "one that fits"))
	})
}

func TestT16_WithoutTheStoreNothingHappens(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		flow, code := h.send(from(1), ann)
		h.store.down = true
		h.never(func() {
			_, err := h.Check(h.Context(), from(1), ann)
			h.want(err, rekey.StoreDown)
			_, err = h.Send(h.Context(), from(1), bob)
			h.want(err, rekey.StoreDown)
			h.want(h.reset(flow, ann, code, newPassword), rekey.StoreDown)
		})
		if h.people.hashes != 0 {
			h.Error("a password was hashed")
		}
		h.store.down = false
		h.ok(h.reset(flow, ann, code, newPassword))
	})
}

func TestT18_ALostAnswerToCommit(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		flow, code := h.send(from(1), ann)
		h.people.lostAnswer = true
		h.want(h.reset(flow, ann, code, newPassword), rekey.UsersDown)
		h.want(h.reset(flow, ann, code, "another9"), rekey.Expired)
		h.ok(h.reset(flow, ann, code, newPassword))
		h.ok(h.reset(flow, ann, code, newPassword))
		if h.people.sets != 1 || !h.people.accepts("1", newPassword) {
			h.Fatalf("%d changes", h.people.sets)
		}
	})
}

func TestT31_OnlyACertainFailureTakesTheCodeBack(t *testing.T) {
	for name, c := range map[string]struct {
		fail      error
		withdrawn bool
	}{
		"rejected":               {fmt.Errorf("first: %w", rekey.ErrRejected), true},
		"unavailable":            {rekey.ErrUnavailable, true},
		"unknown":                {rekey.ErrUnknown, false},
		"rejected, then unknown": {errors.Join(rekey.ErrRejected, rekey.ErrUnknown), false},
		"any other error":        {errors.New("what is this"), false},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, nil, func(h *house) {
				h.phone.fail = c.fail
				_, err := h.Send(h.Context(), from(1), ann)
				h.phone.fail = nil
				if !c.withdrawn {
					h.ok(err)
					_, err = h.Send(h.Context(), from(1), ann)
					h.want(err, rekey.TooSoon)
					return
				}
				h.want(err, rekey.NotDelivered)
				flow, code := h.send(from(1), ann) // at once
				h.ok(h.reset(flow, ann, code, newPassword))
			})
		})
	}
}

// TestT31_ASenderThatPanicsHasLeftTheMessageUnknown: the person may have the code, so it stays, and its event tells.
func TestT31_ASenderThatPanicsHasLeftTheMessageUnknown(t *testing.T) {
	for name, disclosure := range map[string]bool{"answer after delivery": true, "answer before delivery": false} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(o *rekey.Options) { o.Disclosure = disclosure }, func(h *house) {
				h.phone.before = func() { panic("13800000001 and a code") }
				_, err := h.Send(h.Context(), from(1), ann)
				h.ok(err)
				h.ok(h.Drain(h.Context()))
				var told []rekey.Event
				for _, e := range h.diary.events {
					if e.Kind == rekey.EventDeliver {
						told = append(told, e)
					}
				}
				if len(told) != 1 || told[0].Outcome != "unknown" || told[0].Message == "" || !errors.Is(told[0].Err, rekey.ErrUnknown) {
					h.Fatalf("told of %+v", told)
				}
				if strings.Contains(told[0].Err.Error(), ann) {
					h.Errorf("T36: the error repeats what the panic said: %v", told[0].Err)
				}
				h.phone.before = nil
				_, err = h.Send(h.Context(), from(1), ann)
				h.want(err, rekey.TooSoon)
			})
		})
	}
}

// hanging is a Sender that answers nobody before their time is up.
type hanging struct{}

func (hanging) Send(ctx context.Context, _ rekey.Message) (rekey.Receipt, error) {
	<-ctx.Done()
	return rekey.Receipt{}, ctx.Err()
}

func TestT31_ASenderThatHangsIsGivenTenSeconds(t *testing.T) {
	for name, disclosure := range map[string]bool{"answer after delivery": true, "answer before delivery": false} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(o *rekey.Options) { o.Disclosure, o.Sender = disclosure, hanging{} }, func(h *house) {
				_, err := h.Send(h.Context(), from(1), ann)
				h.ok(err)
				h.ok(h.Drain(h.Context()))
				last := h.diary.events[len(h.diary.events)-1]
				if disclosure { // the answer comes after it
					last = h.diary.events[len(h.diary.events)-2]
				}
				if last.Kind != rekey.EventDeliver || last.Outcome != "unknown" || last.Elapsed != 10*time.Second {
					h.Errorf("told of %+v", last)
				}
			})
		})
	}
}
