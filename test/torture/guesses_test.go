package torture_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rekey"
	"rekey/test/embedded"
)

const (
	// siegeSize is how many guesses at one number are made at once, and siegesAtOnce how many numbers are attacked at once:
	// enough to have the replicas' stores busy, and few enough that a slow one answers within its bound.
	siegeSize    = 160
	siegesAtOnce = 2
	// every so many guesses one goes through the whole service, which takes longer.
	throughService = 50
)

// TestT01_T02_T03_NoGuessOverItsBudget: of any number of guesses at once, over three replicas, no more are compared than
// the budgets say, of a code in its flow, of a code without it, and of a number in a day; and none is charged twice.
func TestT01_T02_T03_NoGuessOverItsBudget(t *testing.T) {
	t.Parallel()
	all, found := setting(t, "REKEY_TEST_GUESSES", 20_000), newTable("codes in", "guesses", "a second", "codes", "compared", "matched", "through the service", "a second", "overruns")
	guesses, overruns := 0, 0
	for i, s := range stores() {
		t.Run(s.name, func(t *testing.T) {
			w := newTown(t, embedded.Options{Codes: s.open(t)}, nil)
			quota := share(all, len(stores()), i)
			began := time.Now()
			sum := w.besiege(w.codes(), quota-quota/throughService)
			bare := rate(sum.asked, began)
			if sum.untold > 0 {
				t.Errorf("%d guesses were charged twice", sum.untold)
			}
			began = time.Now()
			served, over := w.besiegePeople(quota / throughService)
			if over += sum.overruns; over > 0 {
				t.Errorf("%d guesses were compared over a budget", over)
			}
			found.add(s.name, sum.asked, bare, sum.codes, sum.compared, sum.matches, served, rate(served, began), over)
			guesses, overruns = guesses+sum.asked+served, overruns+over
		})
	}
	found.print(t, "%d overruns in %d concurrent guesses", overruns, guesses)
}

type sum struct{ asked, codes, compared, matches, overruns, untold int }

// besiege attacks numbers with guesses at stores, at least n of them in all.
func (w *town) besiege(stores []rekey.Codes, n int) (total sum) {
	var mu sync.Mutex
	var workers sync.WaitGroup
	var made atomic.Int64
	for range siegesAtOnce {
		workers.Go(func() {
			for {
				i := made.Add(1) - 1
				if i*siegeSize >= int64(n) {
					return
				}
				s := newSiege(w, stores, rekey.Name(fmt.Sprint("number ", i)), i%4 == 3)
				s.run(siegeSize)
				mu.Lock()
				total.asked, total.matches = total.asked+s.asked, total.matches+s.matches
				total.overruns, total.untold = total.overruns+s.overruns(), total.untold+s.untold()
				for flow, c := range s.own {
					total.codes, total.compared = total.codes+s.made[flow], total.compared+c.sum()
				}
				total.compared += s.pool.sum()
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return total
}

// besiegePeople attacks people through the whole service: their code in its flow, without it and in a stranger's, each body
// on two replicas. Nobody is left with a code that can be guessed, nor with another password.
func (w *town) besiegePeople(n int) (asked, overruns int) {
	const bodies = 40
	for asked < n {
		p, err := w.admit()
		if err != nil {
			w.Fatal(err)
		}
		var own, pool atomic.Int64
		var all sync.WaitGroup
		for i, wrong := range embedded.Wrong(p.code, bodies) {
			guess, compared := p.guessing(wrong, []string{p.flow, p.flow, "", "AAAAAAAAAAAAAAAAAAAAAA"}[i%4]), &own
			if guess.flow != p.flow {
				compared = &pool
			}
			var body sync.Once
			for copy := range 2 {
				all.Go(func() {
					switch err := w.settled(i+copy, guess, newPassword); rekey.KindOf(err) {
					case rekey.WrongCode:
						body.Do(func() { compared.Add(1) })
					case rekey.TooManyWrong:
					default:
						w.Errorf("a wrong code: %v", err)
					}
				})
			}
		}
		all.Wait()
		asked += 2 * bodies
		overruns += max(0, int(own.Load())-ownGuesses) + max(0, int(pool.Load())-poolGuesses)
		if own.Load() != ownGuesses || pool.Load() != poolGuesses {
			w.Errorf("%d guesses in the flow and %d without it were compared", own.Load(), pool.Load())
		}
		if err := w.settled(asked, p, newPassword); rekey.KindOf(err) != rekey.TooManyWrong {
			w.Errorf("the right code after them: %v", err)
		}
		if ok, err := w.accepts(p, embedded.OldPassword); !ok || err != nil {
			w.Errorf("the password is another: %v", err)
		}
	}
	return asked, overruns
}

// TestAForgottenChargeIsAnOverrun: one charge of fifty that a store forgets is seen.
func TestAForgottenChargeIsAnOverrun(t *testing.T) {
	t.Parallel()
	w := newTown(t, embedded.Options{}, nil)
	if sum := w.besiege([]rekey.Codes{&forgetful{Codes: w.house(0).Codes, db: w.house(0).Write, every: 50}}, 2000); sum.overruns == 0 {
		t.Errorf("%+v", sum)
	}
}

// forgetful is a store that forgets one of so many charges after it has told of it, as a failover can.
type forgetful struct {
	rekey.Codes
	db      *sql.DB
	every   int64
	guesses atomic.Int64
}

func (f *forgetful) Guess(ctx context.Context, g rekey.Guess) (rekey.Verdict, error) {
	if f.guesses.Add(1)%f.every != 0 {
		return f.Codes.Guess(ctx, g)
	}
	var before string
	if err := f.db.QueryRowContext(ctx, "SELECT state FROM rekey_numbers WHERE name = ?", g.Number).Scan(&before); err != nil {
		return rekey.Verdict{}, err
	}
	v, err := f.Codes.Guess(ctx, g)
	if err == nil && v.Outcome == rekey.GuessWrong {
		_, err = f.db.ExecContext(ctx, "UPDATE rekey_numbers SET state = ? WHERE name = ?", before, g.Number)
	}
	return v, err
}
