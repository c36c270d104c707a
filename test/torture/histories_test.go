package torture_test

import (
	"fmt"
	"testing"

	"github.com/anishathalye/porcupine"

	"rekey"
	"rekey/test/embedded"
)

// TestHistoriesAreThoseOfTheProtocol: what clients are told who ask three replicas at once, for the same numbers, is what
// they would have been told one after the other, in an order in which nothing that was over comes after what had not begun.
func TestHistoriesAreThoseOfTheProtocol(t *testing.T) {
	t.Parallel()
	all, found := setting(t, "REKEY_TEST_HISTORIES", 70), newTable("codes in", "histories", "steps", "answers lost", "undecided", "of no order")
	histories, strange := 0, 0
	for i, s := range stores() {
		t.Run(s.name, func(t *testing.T) {
			dsn, cut := s.cuttable(t)
			w := newTown(t, embedded.Options{Codes: dsn}, nil)
			n, steps, lost, undecided, illegal := share(all, len(stores()), i), 0, 0, 0, 0
			for j := range n {
				c := scenes()[j%len(scenes())]
				h := c.play(w.codes(), rekey.Name(fmt.Sprint("number ", j)), cut, s.resends)
				steps, lost = steps+len(h.told)+len(h.lost), lost+len(h.lost)
				switch h.explained() {
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

// TestAStrangeHistoryIsFound: of a store that forgets one of fifty charges, and of replicas that have a store each.
func TestAStrangeHistoryIsFound(t *testing.T) {
	t.Parallel()
	for name, replicas := range map[string]func(w *town) []rekey.Codes{
		"a store that forgets": func(w *town) []rekey.Codes {
			return []rekey.Codes{&forgetful{Codes: w.house(0).Codes, db: w.house(0).Write, every: 50}}
		},
		"replicas with a store each": func(w *town) []rekey.Codes {
			return []rekey.Codes{w.house(0).Codes, embedded.Open(t, t.TempDir(), embedded.Options{}).Codes}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stores := replicas(newTown(t, embedded.Options{}, nil))
			for j := range 200 {
				h := scenes()[0].play(stores, rekey.Name(fmt.Sprint("number ", j)), func() {}, false)
				if h.explained() == porcupine.Illegal {
					return
				}
			}
			t.Error("none was found in 200 histories")
		})
	}
}
