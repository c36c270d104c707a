package torture_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"rekey"
	"rekey/test/embedded"
	"rekey/test/servers"
)

// outageTime is how long a fault lasts at the most, beyond what it takes to end it: some steps give up in that time, others
// don't.
const outageTime = 1500 * time.Millisecond

// TestT15_T16_T18_T19_NoFaultLosesACode: whatever happens to store or users database while people guess and redeem, by the
// same body the same code works afterwards, once, and no right one was charged.
func TestT15_T16_T18_T19_NoFaultLosesACode(t *testing.T) {
	t.Parallel()
	all, found := setting(t, "REKEY_TEST_FAULTS", 10), newTable("codes in", "people in", "faults", "codes", "were told that something is down", "lost codes")
	faults, lost, down := 0, 0, 0
	own := &machines{TB: t}
	for i, p := range embedded.Places() {
		t.Run(p.String(), func(t *testing.T) {
			codes, people := own.part(p.Store), own.part(p.People)
			if p.Store == p.People { // on a server, by two ways
				codes.faults, people.faults = append(codes.faults, people.faults...), nil
			}
			w := newTown(t, embedded.Options{Codes: codes.dsn, People: people.dsn}, nil)
			kinds := append(append(codes.faults, people.faults...), replaced(w))
			if p.Store == embedded.SQLite {
				kinds = append(kinds, locked(w))
			}
			calm, err := w.under(fault{"nothing", func() func() { return nothing }}, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			n, sum := share(all, len(embedded.Places()), i), outcome{}
			for range n {
				f := oneOf(kinds)
				o, err := w.under(f, 1+below(calm.points), outageTime)
				if err != nil {
					t.Errorf("%s: %v", f.name, err)
				}
				sum.codes, sum.down, sum.lost = sum.codes+o.codes, sum.down+o.down, sum.lost+o.lost
			}
			found.add(p.Store, p.People, n, sum.codes, sum.down, sum.lost)
			faults, lost, down = faults+n, lost+sum.lost, down+sum.down
		})
	}
	if down == 0 && faults >= 50 {
		t.Error("nobody has noticed a fault")
	}
	found.print(t, "%d lost codes over %d faults", lost, faults)
}

// outcome is what became of people under a fault.
type outcome struct {
	codes, lost int
	down        int // answers under the fault that something is down
	points      int // of the pace
}

// under has people ask at once, has the fault strike when they have come to a point and relent within some time, and looks
// at what they have. Its error is of codes that are lost, or redeemed twice.
func (w *town) under(f fault, stop int, outage time.Duration) (o outcome, err error) {
	cases := []func(person) ask{redeems, redeemsTwice, guessesFirst, racesItself}
	asks := make([]ask, len(cases))
	for i, make := range cases {
		p, err := w.admit()
		if err != nil {
			return o, err
		}
		asks[i] = make(p)
	}
	reached, struck := w.pace.begin(stop, below(2) == 0)
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, a := range asks {
		for i, password := range a.passwords {
			all.Go(func() {
				replica := below(replicas)
				for _, guess := range a.guesses {
					_ = w.reset(replica, guess, password) // the look afterwards is at what became of it
				}
				err := w.reset(replica+i, a.person, password)
				mu.Lock()
				defer mu.Unlock()
				if down(err) {
					o.down++
				}
			})
		}
	}
	through := make(chan struct{})
	go func() { all.Wait(); close(through) }()
	select {
	case <-reached:
	case <-through: // there were fewer points than usual
	}
	relent := f.strike()
	close(struck)
	time.Sleep(time.Duration(below(int(outage) + 1)))
	relent()
	<-through
	o.points = w.pace.count()
	for _, h := range w.ended {
		h.Close() // nobody asks it any more
	}
	w.ended = nil
	for _, a := range asks {
		o.codes++
		if wrong := a.look(w); wrong != nil {
			o.lost++
			err = errors.Join(err, wrong)
		}
	}
	return o, err
}

// ask is what somebody asks for under a fault: first guesses, and then right codes with some passwords at once; and how
// the person is found to have lost nothing.
type ask struct {
	person
	guesses   []person
	passwords []string
	look      func(*town) error
}

func redeems(p person) ask {
	return ask{person: p, passwords: []string{newPassword}, look: func(w *town) error { return w.works(p, newPassword, ownGuesses) }}
}

func redeemsTwice(p person) ask {
	a := redeems(p)
	a.passwords = append(a.passwords, newPassword)
	return a
}

// guessesFirst guesses wrong before.
func guessesFirst(p person) ask {
	a := redeems(p)
	wrong := p.guessing(embedded.Wrong(p.code, 1)[0], p.flow)
	a.guesses = []person{wrong}
	a.look = func(w *town) error {
		// The same guess again, if the code was not redeemed: charged once, whatever became of it.
		switch err := w.settled(0, wrong, newPassword); {
		case rekey.KindOf(err) == rekey.Expired:
			return w.works(p, newPassword, ownGuesses)
		case left(err) != ownGuesses-1:
			return fmt.Errorf("a wrong guess that is asked about again: %w", err)
		}
		return w.works(p, newPassword, ownGuesses-1)
	}
	return a
}

// racesItself asks for two passwords.
func racesItself(p person) ask {
	one, other := password(1), password(2)
	return ask{person: p, passwords: []string{one, other}, look: func(w *town) error {
		first, second := w.settled(0, p, one), w.settled(1, p, other)
		switch {
		case first == nil && rekey.KindOf(second) == rekey.Expired:
			return w.works(p, one, ownGuesses)
		case rekey.KindOf(first) == rekey.Expired && second == nil:
			return w.works(p, other, ownGuesses)
		}
		return fmt.Errorf("of two passwords one was told %v and the other %v", first, second)
	}}
}

// left is how many attempts an answer says are left, and -1 if it is another answer.
func left(err error) int {
	if refusal, ok := errors.AsType[*rekey.Error](err); ok && refusal.Kind == rekey.WrongCode {
		return refusal.AttemptsLeft
	}
	return -1
}

// works holds that the code works with its body, and with no other; and, where it was not redeemed yet, that it has this
// many guesses, so that no right one was charged.
func (w *town) works(p person, password string, guesses int) error {
	redeemed, err := w.accepts(p, password)
	if err != nil {
		return err
	}
	if !redeemed {
		if err := w.settled(0, p.guessing(embedded.Wrong(p.code, 2)[1], p.flow), password); left(err) != guesses-1 {
			return fmt.Errorf("the right code was charged: %w", err)
		}
	}
	if err := w.settled(1, p, password); err != nil {
		return fmt.Errorf("the right code, redeemed before: %v: %w", redeemed, err)
	}
	if err := w.settled(2, p, "another99"); rekey.KindOf(err) != rekey.Expired {
		return fmt.Errorf("another password by a used code: %w", err)
	}
	ok, err := w.accepts(p, password)
	if !ok && err == nil {
		err = errors.New("a success that changed nothing")
	}
	return err
}

// TestALostCodeIsFound: those of a store that keeps nothing through its end.
func TestALostCodeIsFound(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t)
	w := newTown(t, embedded.Options{Codes: server.URL}, nil)
	kill := (&machines{TB: t}).ends(server)[0]
	if o, err := w.under(fault{"nothing", func() func() { return nothing }}, 0, 0); err != nil {
		t.Fatalf("%+v, %v", o, err)
	}
	for range 20 {
		if o, _ := w.under(kill, 1, 0); o.lost > 0 { // how it was lost is no matter here
			return
		}
	}
	t.Error("20 faults have lost no code")
}
