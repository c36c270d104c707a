package rekey_test

import (
	"errors"
	"fmt"
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
	inHouse(t, func(o *rekey.Options) { o.Disclosure = false }, func(h *house) {
		h.phone.fail = rekey.ErrRejected
		for _, mobile := range []string{ann, nobody} {
			sent, err := h.Send(h.Context(), from(1), mobile)
			if h.ok(err); sent.RetryAfter != minute || sent.ExpiresIn != 5*minute {
				h.Fatalf("%+v", sent)
			}
		}
		synctest.Wait()
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
