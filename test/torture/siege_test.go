package torture_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"rekey"
)

// Budgets of a code and of a number, as the service is meant to run with.
const (
	ownGuesses  = 5
	poolGuesses = 3
	dayWrong    = 20
)

const (
	key     = rekey.KeyID("00000001")
	account = rekey.Name("account")
	hash    = rekey.Name("fingerprint of the password")
	right   = rekey.Name("check of the right code")
)

func keyed(v rekey.Name) []rekey.Keyed { return []rekey.Keyed{{Key: key, Value: v}} }

// siege is an attack on one number: guesses in its flows and without, right ones among them, the same ones again, and codes
// asked for again, all at once over the replicas' stores. It counts what they were told.
type siege struct {
	testing.TB
	replicas []rekey.Codes
	number   rekey.Name
	flows    []rekey.Name
	capped   bool // with the number's budget of wrong guesses a day; else only with those of its codes

	mu      sync.Mutex
	asked   int                    // guesses
	made    map[rekey.Name]int     // codes, by flow
	own     map[rekey.Name]charges // wrong guesses in a flow
	pool    charges                // and without
	matches int
	unsure  bool // an answer was lost: a code may have been made, or a guess charged that was forgotten when it was asked about again
}

// charges are how many wrong guesses were compared, by the attempts that they were told were left: each code has each
// number of them left once.
type charges map[int]int

// over is how many more were compared than codes allow that bear so many each.
func (c charges) over(codes, budget int) (over int) {
	for left, n := range c {
		if left < 0 || left >= budget {
			over += n
		} else {
			over += max(0, n-codes)
		}
	}
	return over
}

func (c charges) sum() (n int) {
	for _, m := range c {
		n += m
	}
	return n
}

func newSiege(t testing.TB, replicas []rekey.Codes, number rekey.Name, capped bool) *siege {
	s := &siege{TB: t, replicas: replicas, number: number, capped: capped, made: make(map[rekey.Name]int),
		own: make(map[rekey.Name]charges), pool: make(charges)}
	for i := range 3 {
		flow := number + rekey.Name(fmt.Sprint(" flow ", i))
		s.flows, s.own[flow] = append(s.flows, flow), make(charges)
	}
	return s
}

func (s *siege) store(i int) rekey.Codes { return s.replicas[i%len(s.replicas)] }

func (s *siege) restriction() rekey.Restriction {
	if s.capped {
		return rekey.Restriction{DayWrong: dayWrong}
	}
	return rekey.Restriction{}
}

// issue asks for a code: the live one again as long as it can be guessed at, then a new one.
func (s *siege) issue(i int, flow rekey.Name) {
	issued, err := s.store(i).Issue(context.Background(), rekey.IssueRequest{
		Number: s.number, Flow: flow, NewFlow: flow, Account: account, Fingerprints: keyed(hash),
		Key: key, Nonce: fmt.Sprint(s.number, " ", flow, " ", i), Check: right,
		Lifetime: 10 * time.Minute, MaxAge: 10 * time.Minute, Guesses: ownGuesses, Restriction: s.restriction(),
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.made[flow]++
		s.unsure = true
	case issued.Outcome == rekey.IssueMade:
		s.made[flow]++
	case issued.Outcome != rekey.IssueRenewed:
		s.Errorf("a code asked for again: outcome %d", issued.Outcome)
	}
}

// guess makes one guess, again where it is not known what became of it, and counts it.
func (s *siege) guess(i int, flow, check, request rekey.Name) rekey.GuessOutcome {
	g := rekey.Guess{
		Number: s.number, Flow: flow, Checks: keyed(check), Request: s.number + " " + request, Account: account, Fingerprints: keyed(hash),
		Guesses: ownGuesses, PoolGuesses: poolGuesses, Grace: 150 * time.Second, Restriction: s.restriction(),
	}
	var v rekey.Verdict
	lost, err := again(func() (err error) {
		if v, err = s.store(i).Guess(context.Background(), g); err != nil {
			return &rekey.Error{Kind: rekey.StoreDown, Cause: err}
		}
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.Error(err)
	}
	s.asked++
	s.unsure = s.unsure || lost > 0
	switch {
	case v.Outcome == rekey.GuessMatch:
		s.matches++
	case v.Outcome != rekey.GuessWrong || v.Remembered && lost == 0: // of that one another has told
	case flow == "":
		s.pool[v.AttemptsLeft]++
	default:
		s.own[flow][v.AttemptsLeft]++
	}
	return v.Outcome
}

// run attacks with about n guesses at once and then, one by one, until no code can be guessed at any more.
func (s *siege) run(n int) {
	for i, flow := range s.flows {
		s.issue(i, flow)
	}
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		theirs := s.flows[i%len(s.flows)]
		if i%10 == 0 {
			all.Go(func() { <-begin; s.issue(len(s.flows)+i, theirs) })
		}
		flow, check, request := theirs, rekey.Name("check of a wrong code"), rekey.Name(fmt.Sprint(i))
		switch i % 16 {
		case 1, 6, 11:
			flow = "" // a stranger
		case 3:
			check = right
		case 4, 9:
			request = rekey.Name(fmt.Sprint("again ", i/64)) // on all replicas
		}
		all.Go(func() { <-begin; s.guess(i, flow, check, request) })
	}
	close(begin)
	all.Wait()
	for _, flow := range s.flows {
		for i := 0; s.guess(i, flow, "check of a wrong code", flow+rekey.Name(fmt.Sprint(" last ", i))) == rekey.GuessWrong; i++ {
			if i > ownGuesses {
				s.Fatal("a code bears guesses without an end")
			}
		}
	}
}

// overruns are the guesses that were compared over a budget.
func (s *siege) overruns() (over int) {
	codes, firsts, wrong := 0, 0, s.pool.sum()
	for flow, c := range s.own {
		over += c.over(s.made[flow], ownGuesses)
		codes += s.made[flow]
		firsts += c[ownGuesses-1]
		wrong += c.sum()
	}
	over += s.pool.over(codes, poolGuesses)
	if s.capped { // only a code's first guess in its flow is free then
		over += max(0, wrong-firsts-dayWrong, wrong-codes-dayWrong)
	}
	return over
}

// untold are the guesses in its flows that a code lost without anybody being told: charged twice.
func (s *siege) untold() (n int) {
	if s.capped || s.unsure {
		return 0 // not every code was guessed at to its end, or it is not known what was done
	}
	for flow, c := range s.own {
		n += max(0, s.made[flow]*ownGuesses-c.sum())
	}
	return n
}
