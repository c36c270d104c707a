package rekey_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rekey"
)

func TestT30_UnregisteredNumbersGetNoMessage(t *testing.T) {
	for _, disclosure := range []bool{true, false} {
		t.Run(fmt.Sprintf("disclosure %v", disclosure), func(t *testing.T) {
			inHouse(t, func(o *rekey.Options) { o.Disclosure = disclosure }, func(h *house) {
				h.never(func() {
					sent, err := h.Send(h.Context(), from(1), nobody)
					if disclosure {
						h.want(err, rekey.NotRegistered)
						return
					}
					h.ok(err)
					_, err = h.Send(h.Context(), from(1), nobody)
					h.want(err, rekey.TooSoon)
					// A decoy counts its guesses as any code does, and no guess is right.
					for i := range 5 {
						err := h.reset(sent.Flow, nobody, fmt.Sprintf("%06d", i), newPassword)
						refusal, ok := errors.AsType[*rekey.Error](err)
						if !ok || refusal.Kind != rekey.WrongCode || refusal.AttemptsLeft != 4-i {
							h.Fatalf("guess %d: %v", i, err)
						}
					}
					h.want(h.reset(sent.Flow, nobody, "999999", newPassword), rekey.TooManyWrong)
					count, err := h.Check(h.Context(), from(1), nobody)
					if h.ok(err); count != 1 {
						h.Fatalf("count %d", count)
					}
				})
			})
		})
	}
}

func TestT39_WithoutDisclosureAFailedDeliveryChangesNoAnswer(t *testing.T) {
	walk := func(mobile string) (answers []string) {
		inHouse(t, func(o *rekey.Options) { o.Disclosure = false }, func(h *house) {
			h.phone.fail = rekey.ErrRejected
			for i := range 12 {
				sent, err := h.Send(h.Context(), from(i/4), mobile)
				synctest.Wait()
				time.Sleep(200 * time.Millisecond) // the delivery has failed by now
				answers = append(answers, fmt.Sprint(err, sent.RetryAfter, sent.ExpiresIn),
					fmt.Sprint(h.reset(sent.Flow, mobile, fmt.Sprintf("%06d", i), newPassword)),
					fmt.Sprint(h.reset("", mobile, fmt.Sprintf("%06d", 99+i), newPassword)))
				time.Sleep(50 * time.Second)
			}
		})
		return answers
	}
	known, unknown := walk(ann), walk(nobody)
	if known[0] != "<nil> 1m0s 5m0s" {
		t.Fatal(known[0])
	}
	for i := range known {
		if known[i] != unknown[i] {
			t.Errorf("answer %d: known %q, unknown %q", i, known[i], unknown[i])
		}
	}
}

// Where every provider fails, nobody may see by the budgets whose messages did: what is counted by what was asked for stays.
func TestT39_AFailedDeliveryIsCountedAsADecoyIs(t *testing.T) {
	walk := func(registered int) (answers []string) {
		inHouse(t, func(o *rekey.Options) { o.Disclosure = false }, func(h *house) {
			h.crowd(registered, onePrefix)
			h.phone.fail = rekey.ErrRejected
			ask := func(c rekey.Client, mobile string) {
				sent, err := h.Send(h.Context(), c, mobile)
				time.Sleep(200 * time.Millisecond) // the delivery has failed by now
				answer := fmt.Sprint(err, sent.RetryAfter)
				if refusal, ok := errors.AsType[*rekey.Error](err); ok {
					answer = fmt.Sprint(refusal.Budget, refusal.RetryAfter)
				}
				answers = append(answers, answer)
			}
			for i := range 11 { // 10 an hour
				ask(from(i), onePrefix(i))
			}
			for range 5 { // 4 a day from one address
				time.Sleep(time.Hour)
				ask(from(20), onePrefix(20))
			}
		})
		return answers
	}
	known, unknown := walk(30), walk(0)
	for i := range known {
		if known[i] != unknown[i] {
			t.Errorf("answer %d: known %q, unknown %q", i, known[i], unknown[i])
		}
	}
	for i, budget := range map[int]string{10: "prefix_sends_hour", 15: "address_number_day"} {
		if !strings.HasPrefix(unknown[i], budget) {
			t.Errorf("answer %d is %q, want one that %s refuses", i, unknown[i], budget)
		}
	}
}

func TestT39_AnswersLeaveOnAGridAndMessagesAfterThem(t *testing.T) {
	inHouse(t, func(o *rekey.Options) { o.Disclosure = false }, func(h *house) {
		for _, mobile := range []string{ann, nobody, "139"} {
			began := time.Now()
			_, err := h.Check(h.Context(), from(1), mobile)
			if took := time.Since(began); took != 5*time.Millisecond && rekey.KindOf(err) != rekey.InvalidNumber {
				h.Errorf("a check answered after %v", took)
			}
		}
		for _, mobile := range []string{ann, nobody} {
			began := time.Now()
			_, err := h.Send(h.Context(), from(1), mobile)
			h.ok(err)
			if took := time.Since(began); took != 5*time.Millisecond {
				h.Errorf("a send answered after %v", took)
			}
			h.ok(h.Drain(h.Context()))
			if mobile == ann && h.phone.at.Sub(began) < 10*time.Millisecond {
				h.Errorf("the message left after %v, when the answer may not have", h.phone.at.Sub(began))
			}
			began = time.Now()
			h.want(h.reset("", mobile, "000000", newPassword), rekey.WrongCode)
			if took := time.Since(began); took != 5*time.Millisecond {
				h.Errorf("a reset answered after %v", took)
			}
		}
	})
}

func TestT39_DecoysUseUpNothingThatIsForMessagesReallySent(t *testing.T) {
	inHouse(t, func(o *rekey.Options) {
		o.Disclosure = false
		o.Limits.ServiceSendsDay, o.Limits.PrefixSendsHour, o.Limits.PrefixSendsDay = 3, 0, 0
	}, func(h *house) {
		for i := range 60 { // all of the prefix of ann's number
			_, err := h.Send(h.Context(), from(i), fmt.Sprintf("1380000%04d", 100+i))
			h.ok(err)
			synctest.Wait()
			time.Sleep(200 * time.Millisecond)
		}
		h.send(from(100), ann)
	})
}

func TestT39_KnownAndUnknownNumbersMeetTheSameLimits(t *testing.T) {
	outcomes := func(mobile string) (all []string) {
		inHouse(t, func(o *rekey.Options) { o.Disclosure = false }, func(h *house) {
			flow := ""
			for i := range 60 {
				c := from(i / 3)
				c.Flow = flow
				sent, err := h.Send(h.Context(), c, mobile)
				if err == nil {
					flow = sent.Flow
				}
				all = append(all, fmt.Sprint(err, sent.RetryAfter, sent.ExpiresIn))
				all = append(all, fmt.Sprint(h.reset(flow, mobile, fmt.Sprintf("%06d", i), newPassword)))
				time.Sleep(50 * time.Second)
			}
		})
		return all
	}
	known, unknown := outcomes("13800000001"), outcomes("13800009999")
	for i := range known {
		if known[i] != unknown[i] {
			t.Fatalf("answer %d: known %q, unknown %q", i, known[i], unknown[i])
		}
	}
}
