// Package codestoretest is the conformance suite of code stores: every back-end behind rekey.Codes and rekey.Limiter
// passes all of it, concurrency included, with no opt-out.
//
//	func TestSQLite(t *testing.T) {
//		codestoretest.Run(t, codestoretest.Harness{…})
//	}
package codestoretest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"rekey"
)

// Store is what a back-end offers.
type Store interface {
	rekey.Codes
	rekey.Limiter
}

// Harness makes stores for the suite and moves their time.
type Harness struct {
	// Open makes an empty store for one case, gone when the case ends.
	Open func(t *testing.T) Instance
	// Case runs one case; nil: as it is. A store that lives on the process's clock wraps it with synctest.Test.
	Case func(t *testing.T, run func(t *testing.T))
}

// Instance is one store with its levers.
type Instance struct {
	Store Store
	// Advance lets d pass on the store's clock, or ages what is stored by d.
	Advance func(d time.Duration)
	// Reopen is a second view of the same data: another replica, or this one after a restart.
	Reopen func() Store
	// Close ends Store; its steps fail from then on.
	Close func()
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for _, group := range [][]test{issueTests, guessTests, finishTests, limiterTests, concurrencyTests} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				took := func() time.Duration { return 0 }
				run := func(t *testing.T) { c.run(&fixture{T: t, Instance: h.Open(t), took: took}) }
				if h.Case != nil {
					h.Case(t, run)
				} else {
					t.Parallel()
					begun := time.Now()
					took = func() time.Duration { return time.Since(begun) + time.Second } // which stores may round by
					run(t)
				}
			})
		}
	}
}

type test struct {
	name string
	run  func(f *fixture)
}

// fixture is one case's store, and requests with the settings that the service is meant to run with.
type fixture struct {
	*testing.T
	Instance
	took func() time.Duration // the most that has passed on the store's clock beside what Advance let pass
	made int
}

// about reports whether a store that was asked some steps after it began to wait for so long still waits for that.
func (f *fixture) about(left, whole time.Duration) bool {
	return left <= whole && left >= whole-f.took()
}

// withinADay has a case begin where two minutes are left of the day in UTC: with the next one daily budgets begin anew.
func (f *fixture) withinADay() {
	const least, day = 2 * time.Minute, 24 * time.Hour
	now := time.Now()
	if left := now.Truncate(day).Add(day).Sub(now); left < least { // Truncate counts in UTC
		f.Logf("waiting for the next day, which begins in %v", left)
		time.Sleep(left + time.Second)
	}
}

const (
	key1, key2 = rekey.KeyID("00000001"), rekey.KeyID("00000002")
	right      = rekey.Name("the check of the right code")
	account    = rekey.Name("account")
	hash1      = rekey.Name("fingerprint of the first password")
	hash2      = rekey.Name("fingerprint of the second password")
)

func keyed(v rekey.Name) []rekey.Keyed { return []rekey.Keyed{{Key: key1, Value: v}} }

// issueRequest asks for a code of number in flow; each has a nonce of its own.
func (f *fixture) issueRequest(number, flow rekey.Name) rekey.IssueRequest {
	f.made++
	return rekey.IssueRequest{
		Number: number, Flow: flow, NewFlow: flow, Account: account, Fingerprints: keyed(hash1),
		Key: key1, Nonce: fmt.Sprintf("nonce %d", f.made), Check: right,
		Lifetime: 5 * time.Minute, MaxAge: 10 * time.Minute,
		Intervals: []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute},
		HourSends: 5, DaySends: 10, LiveFlows: 3, Guesses: 5,
		Restriction: rekey.Restriction{DayWrong: 20, RowWrong: 100},
	}
}

func guessRequest(number, flow, check, request rekey.Name) rekey.Guess {
	return rekey.Guess{
		Number: number, Flow: flow, Checks: keyed(check), Request: request, Account: account, Fingerprints: keyed(hash1),
		Guesses: 5, PoolGuesses: 3, Grace: 150 * time.Second,
		Restriction: rekey.Restriction{DayWrong: 20, RowWrong: 100},
	}
}

func (f *fixture) issue(r rekey.IssueRequest) rekey.Issued {
	f.Helper()
	issued, err := f.Store.Issue(f.Context(), r)
	if err != nil {
		f.Fatal(err)
	}
	return issued
}

// mustIssue issues and expects an outcome.
func (f *fixture) mustIssue(r rekey.IssueRequest, want rekey.IssueOutcome) rekey.Issued {
	f.Helper()
	issued := f.issue(r)
	if issued.Outcome != want {
		f.Fatalf("Issue: outcome %d, want %d (%+v)", issued.Outcome, want, issued)
	}
	return issued
}

// code makes a code for number in flow, whatever interval and caps say.
func (f *fixture) code(number, flow rekey.Name) rekey.Issued {
	f.Helper()
	r := f.issueRequest(number, flow)
	r.Intervals, r.HourSends, r.DaySends, r.LiveFlows = nil, 0, 0, 0
	issued := f.issue(r)
	if issued.Outcome != rekey.IssueMade && issued.Outcome != rekey.IssueRenewed {
		f.Fatalf("Issue: %+v", issued)
	}
	return issued
}

func (f *fixture) guess(g rekey.Guess) rekey.Verdict {
	f.Helper()
	verdict, err := f.Store.Guess(f.Context(), g)
	if err != nil {
		f.Fatal(err)
	}
	return verdict
}

func (f *fixture) mustGuess(g rekey.Guess, want rekey.GuessOutcome) rekey.Verdict {
	f.Helper()
	verdict := f.guess(g)
	if verdict.Outcome != want {
		f.Fatalf("Guess: outcome %d, want %d (%+v)", verdict.Outcome, want, verdict)
	}
	return verdict
}

// wrong makes n wrong guesses, each a request of its own, and expects the outcome of each.
func (f *fixture) wrong(number, flow rekey.Name, n int, want rekey.GuessOutcome) {
	f.Helper()
	for range n {
		f.made++
		f.mustGuess(guessRequest(number, flow, "wrong", rekey.Name(fmt.Sprintf("request %d", f.made))), want)
	}
}

func (f *fixture) take(charges ...rekey.Charge) rekey.Decision {
	f.Helper()
	d, err := f.Store.Take(f.Context(), charges...)
	if err != nil {
		f.Fatal(err)
	}
	return d
}

func (f *fixture) finish(r rekey.Redemption) {
	f.Helper()
	if err := f.Store.Finish(f.Context(), r); err != nil {
		f.Fatal(err)
	}
}

// together runs do n times at once and counts the outcomes.
func together[O comparable](f *fixture, n int, do func(i int) (O, error)) map[O]int {
	f.Helper()
	outcomes := make(map[O]int)
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			o, err := do(i)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				f.Error(err)
				return
			}
			outcomes[o]++
		})
	}
	close(start)
	wg.Wait()
	return outcomes
}
