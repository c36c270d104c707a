package passhash_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rekey/passhash"
)

// job is a recipe whose work is to wait for release, so that a test knows who is in the pool.
type job struct {
	passhash.Recipe
	memory  int64
	cores   int
	running *atomic.Int64
	release chan struct{}
}

func (j job) Cost() passhash.Cost { return passhash.Cost{Memory: j.memory, Cores: j.cores} }
func (j job) String() string      { return "job" }
func (j job) Make(string) (string, error) {
	j.running.Add(1)
	defer j.running.Add(-1)
	<-j.release
	return "made", nil
}

func TestT21_ThePoolRunsCoresLessOneAndRefusesAfterTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := passhash.NewPool(0)
		var running, made, busy atomic.Int64
		release := make(chan struct{})
		var all sync.WaitGroup
		start := time.Now()
		for range 100 {
			all.Go(func() {
				switch _, err := pool.Make(t.Context(), job{running: &running, release: release}, "x"); {
				case err == nil:
					made.Add(1)
				case errors.Is(err, passhash.ErrBusy):
					busy.Add(1)
					if waited := time.Since(start); waited != passhash.MaxWait {
						t.Errorf("refused after %v", waited)
					}
				default:
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		places := int64(max(1, runtime.GOMAXPROCS(0)-1))
		if got := running.Load(); got != places || int64(pool.Places()) != places {
			t.Errorf("%d at work in %d places, want %d", got, pool.Places(), places)
		}
		time.Sleep(passhash.MaxWait)
		synctest.Wait()
		if got := busy.Load(); got != 100-places {
			t.Errorf("%d were refused after %v, want %d", got, passhash.MaxWait, 100-places)
		}
		close(release)
		all.Wait()
		if made.Load() != places {
			t.Errorf("%d were made, want %d", made.Load(), places)
		}
		if _, err := pool.Make(t.Context(), job{running: &running, release: release}, "x"); err != nil {
			t.Errorf("the pool is not free again: %v", err)
		}
	})
}

func TestT21_ThePoolKeepsToItsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(9)) // eight places
		pool := passhash.NewPool(100)
		var running atomic.Int64
		release := make(chan struct{})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { _, _ = pool.Make(t.Context(), job{memory: 40, running: &running, release: release}, "x") })
		}
		synctest.Wait()
		if got := running.Load(); got != 2 {
			t.Errorf("%d jobs of 40 are at work with 100", got)
		}
		// One that takes no memory does not queue behind those that wait for some.
		all.Go(func() { _, _ = pool.Make(t.Context(), job{running: &running, release: release}, "x") })
		synctest.Wait()
		if got := running.Load(); got != 3 {
			t.Errorf("%d jobs are at work, want 3", got)
		}
		close(release)
		all.Wait()
	})
}

func TestT21_AHashOnSeveralCoresTakesAsManyPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(9)) // eight places
		pool := passhash.NewPool(0)
		var running atomic.Int64
		release := make(chan struct{})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { _, _ = pool.Make(t.Context(), job{cores: 4, running: &running, release: release}, "x") })
		}
		synctest.Wait()
		if got := running.Load(); got != 2 {
			t.Errorf("%d jobs of 4 cores are at work in 8 places", got)
		}
		close(release)
		all.Wait()
		// One that would like more cores than there are takes them all.
		if _, err := pool.Make(t.Context(), job{cores: 32, running: &running, release: release}, "x"); err != nil {
			t.Error(err)
		}
	})
}

func TestThePoolGivesUpWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := passhash.NewPool(100)
		var running atomic.Int64
		release := make(chan struct{})
		var all sync.WaitGroup
		for range pool.Places() {
			all.Go(func() { _, _ = pool.Make(t.Context(), job{running: &running, release: release}, "x") })
		}
		synctest.Wait()
		gone := errors.New("gone")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, gone)
		defer cancel()
		if _, err := pool.Make(ctx, job{memory: 100, running: &running, release: release}, "x"); !errors.Is(err, gone) {
			t.Errorf("%v, want the context's cause", err)
		}
		if _, err := pool.Verify(ctx, stored(t), "x"); !errors.Is(err, gone) {
			t.Errorf("%v, want the context's cause", err)
		}
		close(release)
		all.Wait()
		if _, err := pool.Make(t.Context(), job{memory: 100, running: &running, release: release}, "x"); err != nil {
			t.Errorf("memory was not given back: %v", err)
		}
	})
}

func TestT41_AHashThatTakesMoreThanTheBudgetIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	pool := passhash.NewPool(1 << 20)
	r := recipe(t, "argon2id")
	if _, err := pool.Make(t.Context(), r, "x"); !errors.Is(err, passhash.ErrBounds) {
		t.Errorf("%v, want ErrBounds", err)
	}
	if err := passhash.NewPool(0).Fits(r); err != nil {
		t.Error(err)
	}
}

func TestThePoolVerifies(t *testing.T) {
	t.Parallel()
	pool := passhash.NewPool(0)
	for password, want := range map[string]bool{"letmein7": true, "letmein8": false} {
		if got, err := pool.Verify(t.Context(), stored(t), password); err != nil || got != want {
			t.Errorf("%s: %v, %v", password, got, err)
		}
	}
}

func stored(t *testing.T) passhash.Hash {
	t.Helper()
	h, err := passhash.Parse("pbkdf2_sha256$1$abcdefghijkl$nUQpPi5BlJCg8gAuBnkhiOl9TStDv8xLzwh44RXE7iY=")
	if err != nil {
		t.Fatal(err)
	}
	return h
}
