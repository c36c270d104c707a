package embedded

import (
	"fmt"
	"os"
	"testing"
	"time"

	"rekey"
	"rekey/test/servers"
)

func TestMain(m *testing.M) { os.Exit(servers.Run(m)) }

const ann = "13800000001"

// TestEveryPlaceHasItsLevers: what a test does to a store reaches the store that two replicas share.
func TestEveryPlaceHasItsLevers(t *testing.T) {
	t.Parallel()
	for _, p := range Places() {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			dir, o := t.TempDir(), p.Options(t)
			h, other := Open(t, dir, o), Open(t, dir, o)
			h.Add(t, ann)
			sent, err := h.Service.Send(t.Context(), rekey.Client{}, ann)
			if err != nil {
				t.Fatal(err)
			}
			again := func() error {
				_, err := other.Service.Send(t.Context(), rekey.Client{Flow: sent.Flow}, ann)
				return err
			}
			refused := func() {
				t.Helper()
				if err := again(); rekey.KindOf(err) != rekey.TooSoon {
					t.Fatalf("within the interval: %v", err)
				}
			}
			served := func() {
				t.Helper()
				if err := again(); err != nil {
					t.Fatal(err)
				}
			}
			refused()
			recall := h.Remember(t)
			h.Forget(t)
			served()
			h.Forget(t)
			recall()
			refused()
			h.Advance(t, 30*time.Second) // half of the interval: the other half is what a slow machine may take
			refused()
			h.Advance(t, 30*time.Second)
			served()
		})
	}
}

// TestTheChoiceOfPlacesMeetsThemAll: a hundred tests meet each place many times, and each pair that a test can meet.
func TestTheChoiceOfPlacesMeetsThemAll(t *testing.T) {
	met, pairs := map[Place]int{}, map[string]int{}
	for i := range 100 {
		places := choice(fmt.Sprintf("TestT%02d_SomethingHolds", i), Places())
		for _, p := range places {
			met[p]++
		}
		pairs[fmt.Sprint(places)]++
	}
	for _, p := range Places() {
		if met[p] < 20 {
			t.Errorf("%s is met by %d tests of a hundred", p, met[p])
		}
	}
	for pair, n := range pairs {
		if n < 3 {
			t.Errorf("%s is met by %d tests of a hundred", pair, n)
		}
	}
}
