package rekey_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"rekey"
)

func TestARecovery(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		count, err := h.Check(h.Context(), from(1), ann)
		if h.ok(err); count != 1 {
			h.Fatalf("count %d", count)
		}
		sent, err := h.Send(h.Context(), from(1), ann)
		if h.ok(err); sent.RetryAfter != minute || sent.ExpiresIn != 5*minute || len(sent.Flow) != 22 {
			h.Fatalf("%+v", sent)
		}
		h.ok(h.reset(sent.Flow, ann, h.phone.code(h.T), newPassword))
		if !h.people.accepts("1", newPassword) || !h.people.accepts("2", oldPassword) {
			h.Fatal("not the new password, or not hers alone")
		}
		if m := h.phone.messages[0]; m.To.National() != ann || m.ExpiresIn != 5*minute || m.Language != "zh-CN" || m.ID == "" {
			h.Errorf("%+v", m)
		}
	})
}

func TestTheSameBodyTwiceIsOneChange(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		flow, code := h.send(from(1), ann)
		for range 3 {
			h.ok(h.reset(flow, ann, code, newPassword))
		}
		if h.people.sets != 1 {
			h.Fatalf("%d changes", h.people.sets)
		}
		h.want(h.reset(flow, ann, code, "another9"), rekey.Expired)
	})
}

func TestNothingIsChargedBeforeTheGuess(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		flow, code := h.send(from(1), ann)
		for range 20 {
			h.want(h.reset(flow, "1380000000", code, newPassword), rekey.InvalidNumber)
			h.want(h.reset(flow, ann, code, "short"), rekey.InvalidPassword)
			h.want(h.reset(flow, ann, code+"0", newPassword), rekey.InvalidCode)
			h.want(h.reset(flow, ann, "１２３４５６", newPassword), rekey.InvalidCode)
		}
		h.ok(h.reset(flow, ann, code, newPassword))
	})
}

func TestT01_ABudgetOfGuessesAndNoHash(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		flow, code := h.send(from(1), ann)
		replicas := []*rekey.Service{h.Service, h.replica(nil), h.replica(nil)}
		kinds := map[rekey.Kind]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i, guess := range wrongs(code, 2000) {
			wg.Go(func() {
				c := from(i)
				c.Flow = flow
				_, err := replicas[i%3].Reset(h.Context(), c, rekey.ResetRequest{Mobile: ann, Code: guess, Password: newPassword})
				mu.Lock()
				defer mu.Unlock()
				kinds[rekey.KindOf(err)]++
			})
		}
		wg.Wait()
		if kinds[rekey.WrongCode] != 5 || kinds[rekey.TooManyWrong] != 1995 || h.people.hashes != 0 {
			h.Fatalf("%v, %d hashes", kinds, h.people.hashes)
		}
		h.want(h.reset(flow, ann, code, newPassword), rekey.TooManyWrong)
	})
}

func TestT02_ANewFlowAndAddressForEveryGuess(t *testing.T) {
	inHouse(t, func(o *rekey.Options) {
		o.Limits.NumberSendsHour, o.Limits.NumberSendsDay, o.Limits.NumberReserved, o.Limits.LiveFlows = 0, 0, 0, 0
		o.Limits.PrefixSendsHour, o.Limits.PrefixSendsDay, o.Limits.ConversionFloor = 0, 0, 0
	}, func(h *house) {
		compared := 0
		for i := range 40 {
			flow, code := h.send(from(i), ann)
			for _, guess := range wrongs(code, 8) {
				if rekey.KindOf(h.reset(flow, ann, guess, newPassword)) == rekey.WrongCode {
					compared++
				}
			}
			time.Sleep(10 * minute)
		}
		// 20, and each of the other 36 codes' first guess in its own flow.
		if compared != 20+36 {
			h.Fatalf("%d guesses compared", compared)
		}
	})
}

func TestT03_AResendCarriesTheGuessesOver(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		flow, code := h.send(from(1), ann)
		for _, guess := range wrongs(code, 3) {
			h.want(h.reset(flow, ann, guess, newPassword), rekey.WrongCode)
		}
		time.Sleep(minute)
		c := from(1)
		c.Flow = flow
		again, same := h.send(c, ann)
		if again != flow || same != code {
			h.Fatal("a resend in the same flow did not repeat the code")
		}
		err := h.reset(flow, ann, wrongs(code, 4)[3], newPassword)
		if refusal, ok := errors.AsType[*rekey.Error](err); !ok || refusal.AttemptsLeft != 1 {
			h.Fatalf("%v: the resend brought guesses back", err)
		}
	})
}

func TestT04_ManyRightCodesAtOnceAreOneChange(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		flow, code := h.send(from(1), ann)
		var won []string
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 500 {
			wg.Go(func() {
				password := fmt.Sprintf("race%dWinner", i)
				if err := h.reset(flow, ann, code, password); err == nil {
					mu.Lock()
					defer mu.Unlock()
					won = append(won, password)
				} else if kind := rekey.KindOf(err); kind != rekey.Expired {
					h.Errorf("%v", err)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 || h.people.sets != 1 || !h.people.accepts("1", won[0]) {
			h.Fatalf("%d won, %d changes", len(won), h.people.sets)
		}
	})
}

func TestT05_AReplayIsRefusedEvenByAStoreThatForgot(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		flow, code := h.send(from(1), ann)
		h.store.noEnd = true // the code stays live in the store, as after a failover that lost the last writes
		h.ok(h.reset(flow, ann, code, newPassword))
		h.never(func() { h.want(h.reset(flow, ann, code, "another9"), rekey.Expired) })
		if !h.people.accepts("1", newPassword) {
			h.Fatal("the row changed")
		}
		if !h.diary.has(rekey.EventFinish, "store_down", "") {
			h.Error("nobody was told that FINISH failed")
		}
	})
}

func TestT06_ACodeEndsWithItsLifetime(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		flow, code := h.send(from(1), ann)
		time.Sleep(5*minute + time.Millisecond)
		h.never(func() { h.want(h.reset(flow, ann, code, newPassword), rekey.Expired) })
	})
}

func TestT07_ACodeServesItsNumberOnly(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		flow, code := h.send(from(1), ann)
		_, other := h.send(from(2), bob)
		if other == code {
			h.Fatal("two numbers with one code; run again with other keys")
		}
		h.never(func() { h.want(h.reset(flow, bob, code, newPassword), rekey.WrongCode) })
		// Without its flow a code is tried from the pool, and the owner's guesses are all there.
		h.want(h.reset("", ann, not(code), newPassword), rekey.WrongCode)
		err := h.reset(flow, ann, not(code), newPassword)
		if refusal, ok := errors.AsType[*rekey.Error](err); !ok || refusal.AttemptsLeft != 4 {
			h.Fatalf("%v", err)
		}
		h.ok(h.reset("", ann, code, newPassword))
	})
}

func TestT08_ACodeIsVoidOnceNumberOrPasswordMoved(t *testing.T) {
	other, _ := rekey.ChinaMobile(nobody)
	for name, c := range map[string]struct {
		change func(h *house)
		want   rekey.Kind
	}{
		"the password changed":           {func(h *house) { h.people.change("1", func(p *person) { p.hash = "77$" + oldPassword }) }, rekey.Expired},
		"the number moved away":          {func(h *house) { h.people.change("1", func(p *person) { p.number = other }) }, rekey.NoAccount},
		"the account became inactive":    {func(h *house) { h.people.change("1", func(p *person) { p.inactive = true }) }, rekey.NoAccount},
		"the number has another account": {func(h *house) { h.people.rows = map[string]*person{}; h.people.add("3", ann, oldPassword) }, rekey.NoAccount},
		"the number has two accounts":    {func(h *house) { h.people.add("3", ann, oldPassword) }, rekey.NoAccount},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, nil, func(h *house) {
				flow, code := h.send(from(1), ann)
				c.change(h)
				h.never(func() { h.want(h.reset(flow, ann, code, newPassword), c.want) })
			})
		})
	}
}

func TestT08_ARowThatChangesUnderTheResetIsNotOverwritten(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		flow, code := h.send(from(1), ann)
		h.people.before = func() { h.people.change("1", func(p *person) { p.hash = "77$changedElsewhere" }) }
		h.want(h.reset(flow, ann, code, newPassword), rekey.Expired)
		if !h.people.accepts("1", "changedElsewhere") {
			h.Fatal("somebody else's change was overwritten")
		}
	})
}

func TestT08_ASendThatReadAnOlderRowLeavesTheYoungerCode(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		n, _ := rekey.ChinaMobile(ann)
		before, err := h.people.Find(h.Context(), n)
		h.ok(err)
		h.people.change("1", func(p *person) { p.hash = "77$changedElsewhere" })
		flow, code := h.send(from(1), ann)
		time.Sleep(minute)
		h.people.stale = &before[0]
		c := from(1)
		c.Flow = flow
		again, same := h.send(c, ann)
		if again != flow || same != code {
			h.Fatal("a send that had read the row before the change replaced the code made after it")
		}
		h.ok(h.reset(flow, ann, code, newPassword))
	})
}

func TestT08_ASendAfterAChangeReplacesTheVoidCode(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		flow, void := h.send(from(1), ann)
		h.people.change("1", func(p *person) { p.hash = "77$changedElsewhere" })
		time.Sleep(minute)
		c := from(1)
		c.Flow = flow
		again, code := h.send(c, ann)
		if again != flow || code == void {
			h.Fatal("the void code was sent again")
		}
		h.ok(h.reset(flow, ann, code, newPassword))
	})
}

func TestT09_SeveralAccountsGetNothing(t *testing.T) {
	for _, disclosure := range []bool{true, false} {
		t.Run(fmt.Sprintf("disclosure %v", disclosure), func(t *testing.T) {
			inHouse(t, func(o *rekey.Options) { o.Disclosure = disclosure }, func(h *house) {
				h.people.add("3", ann, oldPassword)
				h.never(func() {
					_, err := h.Send(h.Context(), from(1), ann)
					if disclosure {
						h.want(err, rekey.SeveralAccounts)
					} else {
						h.ok(err)
					}
				})
				if !h.diary.has(rekey.EventAlarm, "several_accounts", "") {
					h.Error("nobody was told")
				}
			})
		})
	}
}

func TestT13_StrangerCannotBurnCode(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		flow, code := h.send(from(1), ann)
		for i, guess := range wrongs(code, 1000) {
			stranger := ""
			if i%2 == 0 {
				stranger = strings.Repeat("A", 22)
			}
			if err := h.reset(stranger, ann, guess, newPassword); rekey.KindOf(err) != rekey.WrongCode && rekey.KindOf(err) != rekey.TooManyWrong {
				h.Fatal(err)
			}
		}
		h.ok(h.reset(flow, ann, code, newPassword))
	})
}

func TestT14_AStrangersSendsLeaveTheOwnersCodeAlone(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		flow, code := h.send(from(1), ann)
		for i := range 60 {
			_, err := h.Send(h.Context(), from(2+i), ann)
			if err != nil && rekey.KindOf(err) != rekey.TooSoon && rekey.KindOf(err) != rekey.Limited {
				h.Fatal(err)
			}
			time.Sleep(4 * time.Second)
		}
		if h.phone.count() < 3 {
			h.Fatal("no stranger's send went through")
		}
		h.ok(h.reset(flow, ann, code, newPassword))
	})
}

func TestT28_TwoHundredSendsAtOnceAreOneMessage(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				if _, err := h.Send(h.Context(), from(i), ann); err != nil && rekey.KindOf(err) != rekey.TooSoon && rekey.KindOf(err) != rekey.Limited {
					h.Error(err)
				}
			})
		}
		wg.Wait()
		if n := h.phone.count(); n != 1 {
			h.Fatalf("%d messages", n)
		}
	})
}

func TestT45_AUsedCodeIsNoOracleForPasswords(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		flow, code := h.send(from(1), ann)
		h.ok(h.reset(flow, ann, code, newPassword))
		hashes := h.people.hashes
		// The owner changes the password again; then nobody can learn from the dead code whether a guess of it is right.
		h.people.change("1", func(p *person) { p.hash = "88$theirOwn1" })
		h.want(h.reset(flow, ann, code, "theirOwn1"), rekey.Expired)
		if h.people.hashes != hashes {
			h.Error("a password was verified for a body that never matched")
		}
		h.want(h.reset(flow, ann, code, newPassword), rekey.Expired) // matched once, and is no longer the password
	})
}

// TestT45_ACodeThatAPasswordChangeVoidedIsNoOracle: also not for one who asks twice, or many times at once: no such request
// matched before the change.
func TestT45_ACodeThatAPasswordChangeVoidedIsNoOracle(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		flow, code := h.send(from(1), ann)
		h.people.change("1", func(p *person) { p.hash = "88$theirOwn1" })
		hashes := h.people.hashes
		for range 3 {
			h.want(h.reset(flow, ann, code, "theirOwn1"), rekey.Expired)
		}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { h.want(h.reset(flow, ann, code, "theirOwn1"), rekey.Expired) })
		}
		all.Wait()
		if h.people.hashes != hashes {
			h.Error("a password was verified for a body that did not match before the change")
		}
	})
}

func TestT46_KeysRotateUnderLiveCodes(t *testing.T) {
	inHouse(t, func(o *rekey.Options) { o.Keys = mustKeys(t, []byte("index key, 32 bytes or more: yes"), testKey(1)) }, func(h *house) {
		index := []byte("index key, 32 bytes or more: yes")
		flow, code := h.send(from(1), ann)
		h.want(h.reset(flow, ann, not(code), newPassword), rekey.WrongCode)

		both := h.replica(func(o *rekey.Options) { o.Keys = mustKeys(h.T, index, testKey(2), testKey(1)) })
		ahead := h.replica(func(o *rekey.Options) { o.Keys = mustKeys(h.T, index, testKey(2)) })
		try := func(s *rekey.Service, code string) error {
			c := from(1)
			c.Flow = flow
			_, err := s.Reset(h.Context(), c, rekey.ResetRequest{Mobile: ann, Code: code, Password: newPassword})
			return err
		}
		for range 10 {
			h.want(try(ahead, code), rekey.StoreDown) // has not the key: neither compared nor charged
		}
		err := try(both, wrongs(code, 1)[0])
		if refusal, ok := errors.AsType[*rekey.Error](err); !ok || refusal.Kind != rekey.WrongCode || refusal.AttemptsLeft != 3 {
			h.Fatalf("%v: rotation changed the budget", err)
		}
		time.Sleep(minute)
		c := from(1)
		c.Flow = flow
		if _, err := both.Send(h.Context(), c, ann); err != nil {
			h.Fatal(err)
		}
		if h.phone.code(h.T) != code {
			h.Error("the resend of an older key's code is another code")
		}
		_, err = ahead.Send(h.Context(), c, bob) // its own new code
		h.ok(err)
		h.ok(try(both, code))
	})
}

func mustKeys(t *testing.T, index []byte, keys ...[]byte) *rekey.Keyring {
	t.Helper()
	ring, err := rekey.NewKeyring(keys, index)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}
