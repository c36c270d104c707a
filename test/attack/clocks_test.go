package attack_test

import (
	"testing"
	"testing/synctest"
	"time"

	"rekey"
	"rekey/test/embedded"
)

func TestT06_ACodeEndsOnTheStoresClock(t *testing.T) {
	everywhere(t, nil, func(w *town) {
		flow, code := w.code(visitor{}, ann)
		w.advance(5*time.Minute + time.Millisecond)
		for replica := range w.houses {
			if a := w.reset(visitor{flow: flow, replica: replica}, ann, code, newPassword); a.Errno != "4103" || a.Errmsg != expired {
				w.Fatalf("%+v", a)
			}
		}
		if !w.houses[0].Accepts(w, ann, embedded.OldPassword) {
			w.Error("the password changed")
		}
	})
}

// TestT06_AReplicasOwnClockChangesNothing runs a replica in a bubble whose clock stands in the year 2000 and moves by
// itself, while the store's, and another replica's, is that of the machine.
func TestT06_AReplicasOwnClockChangesNothing(t *testing.T) {
	t.Parallel()
	embedded.EachPlace(t, func(t *testing.T, p embedded.Place) {
		dir, o := t.TempDir(), p.Options(t)
		outside := embedded.Open(t, dir, o)
		outside.Add(t, ann, bob)
		first, err := outside.Service.Send(t.Context(), rekey.Client{}, bob)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			// Once all is closed: a client of a Cluster sleeps for a moment after it has asked for the map.
			t.Cleanup(func() { time.Sleep(time.Minute) })
			h := embedded.Open(t, dir, o)
			sent, err := h.Service.Send(t.Context(), rekey.Client{}, ann)
			if err != nil || sent.ExpiresIn != 5*time.Minute || sent.RetryAfter != time.Minute {
				t.Fatalf("%+v, %v", sent, err)
			}
			time.Sleep(time.Hour) // for this replica alone
			for _, known := range []struct{ flow, mobile string }{{sent.Flow, ann}, {first.Flow, bob}} {
				if _, err := h.Service.Send(t.Context(), rekey.Client{Flow: known.flow}, known.mobile); rekey.KindOf(err) != rekey.TooSoon {
					t.Fatalf("the interval went by the replica's clock: %v", err)
				}
			}
			reset := rekey.ResetRequest{Mobile: ann, Code: h.Messages(t)[0].Code, Password: newPassword}
			if _, err := h.Service.Reset(t.Context(), rekey.Client{Flow: sent.Flow}, reset); err != nil {
				t.Fatalf("the lifetime went by the replica's clock: %v", err)
			}
		})
		reset := rekey.ResetRequest{Mobile: bob, Code: outside.Messages(t)[0].Code, Password: newPassword}
		if _, err := outside.Service.Reset(t.Context(), rekey.Client{Flow: first.Flow}, reset); err != nil {
			t.Fatalf("a lifetime was changed by another replica's clock: %v", err)
		}
	})
}
