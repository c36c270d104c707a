package torture_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rekey"
	"rekey/test/embedded"
)

const (
	// contenders is how many passwords race for one code; each is asked for on two replicas, as by a double click.
	contenders  = 4
	racesAtOnce = 2
)

// TestT04_OneSuccessARace: of many right codes at once with different passwords, over three replicas, one succeeds, and
// exactly that password works; whoever sends a body again is told the same.
func TestT04_OneSuccessARace(t *testing.T) {
	t.Parallel()
	all, found := setting(t, "REKEY_TEST_RACES", 200), newTable("codes in", "people in", "races", "resets", "resets a second", "double successes")
	races, doubles := 0, 0
	for i, p := range embedded.Places() {
		t.Run(p.String(), func(t *testing.T) {
			w := newTown(t, p.Options(t), nil)
			n, began := share(all, len(embedded.Places()), i), time.Now()
			double, err := w.races(n)
			if err != nil {
				t.Error(err)
			}
			if double > 0 {
				t.Errorf("%d races with more than one success", double)
			}
			found.add(p.Store, p.People, n, n*contenders*2, rate(n*contenders*2, began), double)
			races, doubles = races+n, doubles+double
		})
	}
	found.print(t, "%d double successes in %d races", doubles, races)
}

// races runs n races, counts those with more than one success, and says what else was wrong.
func (w *town) races(n int) (doubles int, err error) {
	var begun atomic.Int64
	var mu sync.Mutex
	var all sync.WaitGroup
	for range racesAtOnce {
		all.Go(func() {
			for begun.Add(1) <= int64(n) {
				won, wrong := w.race()
				mu.Lock()
				if won > 1 {
					doubles++
				}
				err = errors.Join(err, wrong)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return doubles, err
}

// race has passwords race for one code, counts those that succeeded, and says what else was wrong.
func (w *town) race() (won int, wrong error) {
	p, err := w.admit()
	if err != nil {
		return 0, err
	}
	var told [contenders][2]error
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range told {
		for copy := range told[i] {
			all.Go(func() {
				<-begin
				told[i][copy] = w.settled(i+copy, p, password(i))
			})
		}
	}
	close(begin)
	all.Wait()
	for i, answers := range told {
		success := answers[0] == nil || answers[1] == nil
		for _, err := range answers {
			if err != nil && rekey.KindOf(err) != rekey.Expired {
				wrong = errors.Join(wrong, fmt.Errorf("a right code: %w", err))
			}
		}
		// One body at once on two replicas is one request: both are told the same, and it is told so again.
		if err := w.settled(i, p, password(i)); (answers[0] == nil) != (answers[1] == nil) || success != (err == nil) || !success && rekey.KindOf(err) != rekey.Expired {
			wrong = errors.Join(wrong, fmt.Errorf("a body that was told %v and %v is told %v", answers[0], answers[1], err))
		}
		if !success {
			continue
		}
		won++
		ok, err := w.accepts(p, password(i))
		if !ok {
			won++ // somebody else's password is there, and so has succeeded
		}
		wrong = errors.Join(wrong, err)
	}
	if won == 0 {
		wrong = errors.Join(wrong, errors.New("nobody won"))
	}
	return won, wrong
}

func password(i int) string { return fmt.Sprintf("quiteNew%d", i) }

// TestACarelessTableHasTwoSuccesses: a users table that sets what has changed since it was read is seen.
func TestACarelessTableHasTwoSuccesses(t *testing.T) {
	t.Parallel()
	w := newTown(t, embedded.Options{}, func(o *rekey.Options) { o.Directory = careless{o.Directory} })
	for range 50 {
		if double, _ := w.races(1); double > 0 { // what else is wrong with it is no matter here
			return
		}
	}
	t.Error("no race of 50 had two successes")
}

// careless is a users table whose last step is no compare-and-set.
type careless struct{ rekey.Directory }

func (c careless) SetPassword(ctx context.Context, a rekey.Account, password string) error {
	err := c.Directory.SetPassword(ctx, a, password)
	for errors.Is(err, rekey.ErrStale) {
		accounts, failed := c.Find(ctx, a.Number)
		if failed != nil || len(accounts) != 1 {
			return errors.Join(failed, rekey.ErrStale)
		}
		err = c.Directory.SetPassword(ctx, accounts[0], password)
	}
	return err
}
