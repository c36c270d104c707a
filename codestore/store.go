// Package codestore keeps codes and budgets: it stands behind the doors rekey.Codes and rekey.Limiter.
//
// The steps of the protocol are pure functions on two kinds of document: what is known of a number (number.go) and what
// is left of a budget (budget.go). An engine loads documents, runs a step on them and stores what the step changed, as
// one atomic act on its own clock; memory.go and sql.go are the engines. So every back-end runs the same steps, and a
// back-end is right if it is atomic.
//
// What is stored are keyed hashes, counters and instants. A dump says no number, code or password (T11).
package codestore

import (
	"context"
	"time"

	"rekey"
)

// engine keeps documents of one kind by name. Implementations are safe for concurrent use.
type engine[D any] interface {
	// update loads the documents under names (nil stands for one that is absent or expired), and runs step on the
	// engine's clock. If step reports a change, docs are stored as step left them, all of them or none. The outcome of
	// any number of concurrent updates is as if they came one after the other. step must be quick, must not fail, and
	// must leave docs alone if it reports no change. An error means that nothing may be believed that step found.
	update(ctx context.Context, names []rekey.Name, step func(now instant, docs []*D) bool) error
	// sweep removes expired documents and returns how many.
	sweep(ctx context.Context) (int64, error)
}

// Store implements rekey.Codes and rekey.Limiter on an engine. It is safe for concurrent use.
type Store struct {
	numbers engine[number]
	budgets engine[budget]
	close   func() error
}

var (
	_ rekey.Codes   = (*Store)(nil)
	_ rekey.Limiter = (*Store)(nil)
)

// Issue implements rekey.Codes.
func (s *Store) Issue(ctx context.Context, r rekey.IssueRequest) (rekey.Issued, error) {
	return outcome(func(found *rekey.Issued) error {
		return s.number(ctx, r.Number, func(now instant, n *number) (changed bool) {
			*found, changed = n.issue(now, r)
			return changed
		})
	})
}

// Withdraw implements rekey.Codes.
func (s *Store) Withdraw(ctx context.Context, t rekey.Ticket) error {
	return s.number(ctx, t.Number, func(_ instant, n *number) bool { return n.withdraw(t) })
}

// Guess implements rekey.Codes. The charge and the comparison are the same step: no verdict leaves before its charge
// is stored (T01).
func (s *Store) Guess(ctx context.Context, g rekey.Guess) (rekey.Verdict, error) {
	return outcome(func(found *rekey.Verdict) error {
		return s.number(ctx, g.Number, func(now instant, n *number) (changed bool) {
			*found, changed = n.guess(now, g)
			return changed
		})
	})
}

// Finish implements rekey.Codes.
func (s *Store) Finish(ctx context.Context, r rekey.Redemption) error {
	return s.number(ctx, r.Number, func(now instant, n *number) bool { return n.finish(now, r) })
}

// Unlock clears the wrong guesses counted against a number, and reports whether there were any. The guesses of a code
// that is out stay counted: no code is ever compared more often than its budget says.
func (s *Store) Unlock(ctx context.Context, name rekey.Name) (cleared bool, err error) {
	return outcome(func(found *bool) error {
		return s.number(ctx, name, func(_ instant, n *number) bool {
			*found = n.unlock()
			return *found
		})
	})
}

// outcome is what a step found, and nothing after an error: then the step may still be running.
func outcome[T any](run func(found *T) error) (T, error) {
	found := new(T)
	if err := run(found); err != nil {
		var nothing T
		return nothing, err
	}
	return *found, nil
}

func (s *Store) number(ctx context.Context, name rekey.Name, step func(instant, *number) bool) error {
	return s.numbers.update(ctx, []rekey.Name{name}, func(now instant, docs []*number) bool {
		n := docs[0]
		if n == nil {
			n = &number{}
		}
		n.prune(now)
		if !step(now, n) {
			return false
		}
		docs[0] = n
		return true
	})
}

// Take implements rekey.Limiter.
func (s *Store) Take(ctx context.Context, charges ...rekey.Charge) (rekey.Decision, error) {
	if len(charges) == 0 {
		return rekey.Decision{Refused: -1}, nil
	}
	names, place := bucketNames(charges)
	return outcome(func(found *rekey.Decision) error {
		return s.budgets.update(ctx, names, func(now instant, docs []*budget) (changed bool) {
			*found, changed = take(now, charges, place, docs)
			return changed
		})
	})
}

// Clock is the time on the store's clock, read as a step reads it.
func (s *Store) Clock(ctx context.Context) (time.Time, error) {
	return outcome(func(found *time.Time) error {
		return s.budgets.update(ctx, []rekey.Name{"clock"}, func(now instant, _ []*budget) bool {
			*found = now.time()
			return false
		})
	})
}

// Sweep removes what has expired and returns how many documents that were. Nothing depends on it but the space: an
// expired document counts as absent.
func (s *Store) Sweep(ctx context.Context) (int64, error) {
	numbers, err := s.numbers.sweep(ctx)
	if err != nil {
		return numbers, err
	}
	budgets, err := s.budgets.sweep(ctx)
	return numbers + budgets, err
}

// Close ends the store; steps after it fail. It does not close the database it was given.
func (s *Store) Close() error { return s.close() }

// instant is a time on the store's clock, in microseconds since the Unix epoch.
type instant int64

func instantOf(t time.Time) instant { return instant(t.UnixMicro()) }

// time is the instant as the doors speak of it; the zero instant is the zero Time.
func (i instant) time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(i))
}

func (i instant) add(d time.Duration) instant { return i + instant(d.Microseconds()) }

// sub is the time from j to i.
func (i instant) sub(j instant) time.Duration { return time.Duration(i-j) * time.Microsecond }
