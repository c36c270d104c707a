package torture_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"rekey"
	"rekey/test/embedded"
)

// checkTime bounds the check of one history. Most take milliseconds; one with many lost answers may have more orders than
// can be tried.
const checkTime = 10 * time.Second

// TestHistoriesAreThoseOfTheProtocol: what clients are told who ask three replicas at once, for the same numbers, is what
// they would have been told one after the other, in an order in which nothing that was over comes after what had not begun.
func TestHistoriesAreThoseOfTheProtocol(t *testing.T) {
	t.Parallel()
	all, found := setting(t, "REKEY_TEST_HISTORIES", 120), newTable("codes in", "histories", "steps", "answers lost", "undecided", "of no order")
	histories, strange := 0, 0
	for i, s := range stores() {
		t.Run(s.name, func(t *testing.T) {
			dsn, cut := s.cuttable(t)
			w := newTown(t, embedded.Options{Codes: dsn}, nil)
			n, steps, lost, undecided, illegal := share(all, len(stores()), i), 0, 0, 0, 0
			for j := range n {
				c := scenes()[j%len(scenes())]
				h := c.play(w.codes(), rekey.Name(fmt.Sprint("number ", j)), cut, s.resends)
				steps, lost = steps+len(h.steps), lost+h.lost
				switch porcupine.CheckOperationsTimeout(model(), h.steps, checkTime) {
				case porcupine.Unknown:
					undecided++
				case porcupine.Illegal:
					illegal++
					t.Errorf("%s: no order of these explains what was told:\n%s", c.name, h.strange())
				}
			}
			if undecided > n/10 {
				t.Errorf("%d of %d histories took too long to check", undecided, n)
			}
			found.add(s.name, n, steps, lost, undecided, illegal)
			histories, strange = histories+n, strange+illegal
		})
	}
	found.print(t, "%d of %d histories are not the protocol's", strange, histories)
}

// strange is the steps of the first number that has no order, by their beginnings.
func (h *history) strange() string {
	for _, part := range model().Partition(h.steps) {
		if porcupine.CheckOperationsTimeout(model(), part, checkTime) != porcupine.Illegal {
			continue
		}
		slices.SortFunc(part, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
		var lines []string
		for _, o := range part {
			lines = append(lines, fmt.Sprintf("%v to %v, client %d: %s", time.Duration(o.Call), time.Duration(o.Return), o.ClientId,
				o.Input.(step).describe(o.Output.(told))))
		}
		return strings.Join(lines, "\n")
	}
	return ""
}

// TestAStrangeHistoryIsFound: of a store that forgets one of fifty charges, and of replicas that have a store each.
func TestAStrangeHistoryIsFound(t *testing.T) {
	t.Parallel()
	for name, replicas := range map[string]func(w *town) []rekey.Codes{
		"a store that forgets": func(w *town) []rekey.Codes {
			return []rekey.Codes{&forgetful{Codes: w.houses[0].Codes, db: w.houses[0].Write, every: 50}}
		},
		"replicas with a store each": func(w *town) []rekey.Codes {
			return []rekey.Codes{w.houses[0].Codes, embedded.Open(t, t.TempDir(), embedded.Options{}).Codes}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stores := replicas(newTown(t, embedded.Options{}, nil))
			for j := range 200 {
				h := scenes()[0].play(stores, rekey.Name(fmt.Sprint("number ", j)), func() {}, false)
				if porcupine.CheckOperationsTimeout(model(), h.steps, checkTime) == porcupine.Illegal {
					return
				}
			}
			t.Error("none was found in 200 histories")
		})
	}
}
