// Package redisstore keeps codes and budgets in Redis, from version 6.0 on, or Valkey: a single server, one behind
// Sentinels, or a Cluster. It stands behind the doors rekey.Codes and rekey.Limiter as package codestore does.
//
// Every step of the protocol is one script on keys of one hash tag, on the server's own clock: it reads, decides and writes
// before anything else runs there. The scripts are the steps of package codestore in Lua; that both decide alike is held by
// the conformance suite that both pass, and by random histories that are put to both.
//
// A Redis that evicts keys forgets guesses that it was to count, so it must not (maxmemory-policy noeviction); one that
// restarts without persistence forgets everything, and one that fails over forgets its last writes unless Options.Wait asks
// for replicas. Nobody's password changes twice by that: the users table decides it.
//
// What is stored are keyed hashes, counters and instants. A dump says no number, code or password (T11).
package redisstore

import (
	"cmp"
	"context"
	_ "embed" // the scripts
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"rekey"
)

// DefaultStepTime is the bound of one step where Options has none. Redis takes well under a millisecond; who waits longer
// than this has a Redis that is down, and is told so within a second (T16).
const DefaultStepTime = 900 * time.Millisecond

// DefaultPrefix is what the store's keys begin with where Options has nothing else.
const DefaultPrefix = "rekey:"

// Options say how a Store uses its Redis.
type Options struct {
	// Wait is how many replicas must have a step on a number before it is believed (WAIT): then a failover to one of them
	// forgets no guess and no code. A step that they don't confirm in time fails; it may have happened, as after every
	// error. Budgets don't wait: what a failover forgets of them are some charges.
	Wait     int
	StepTime time.Duration // bound of one step, the wait for a connection and all tries included; 0: DefaultStepTime
	Prefix   string        // what all keys begin with, without braces; empty: DefaultPrefix
}

// Store implements rekey.Codes and rekey.Limiter on Redis. It is safe for concurrent use, by any number of processes.
type Store struct {
	client   redis.UniversalClient
	wait     int
	stepTime time.Duration
	prefix   string
	refused  refusals
	closed   atomic.Bool
	settling sync.WaitGroup // what Take gives back behind a failure
}

var (
	_ rekey.Codes   = (*Store)(nil)
	_ rekey.Limiter = (*Store)(nil)
)

// New makes a store on a client, which stays the caller's to close, after the store. The client must send
// no command twice that may have been carried out (T19), and must keep to the deadlines of its callers; Target.Client makes
// such ones. New asks nothing of the server; Inspect says whether it will do.
func New(client redis.UniversalClient, o Options) *Store {
	return &Store{
		client: client, wait: o.Wait,
		stepTime: cmp.Or(o.StepTime, DefaultStepTime), prefix: cmp.Or(o.Prefix, DefaultPrefix),
	}
}

var (
	//go:embed number.lua
	numberSource string
	//go:embed issue.lua
	issueSource string
	//go:embed withdraw.lua
	withdrawSource string
	//go:embed guess.lua
	guessSource string
	//go:embed finish.lua
	finishSource string
	//go:embed unlock.lua
	unlockSource string
	//go:embed take.lua
	takeSource string

	issueScript    = newScript(numberSource + issueSource)
	withdrawScript = newScript(numberSource + withdrawSource)
	guessScript    = newScript(numberSource + guessSource)
	finishScript   = newScript(numberSource + finishSource)
	unlockScript   = newScript(numberSource + unlockSource)
	takeScript     = newScript(takeSource)
	clockScript    = newScript(numberSource + "return now")
)

// Issue implements rekey.Codes.
func (s *Store) Issue(ctx context.Context, r rekey.IssueRequest) (rekey.Issued, error) {
	intervals := make([]int64, len(r.Intervals))
	for i, d := range r.Intervals {
		intervals[i] = d.Microseconds()
	}
	found, err := s.step(ctx, r.Number, issueScript, struct {
		restriction
		Flow         rekey.Name                 `json:"flow"`
		NewFlow      rekey.Name                 `json:"new_flow"`
		Account      rekey.Name                 `json:"account"`
		Fingerprints map[rekey.KeyID]rekey.Name `json:"fingerprints"`
		Key          rekey.KeyID                `json:"key"`
		Nonce        string                     `json:"nonce"`
		Check        rekey.Name                 `json:"check"`
		Lifetime     int64                      `json:"lifetime"`
		MaxAge       int64                      `json:"max_age"`
		Intervals    []int64                    `json:"intervals"`
		HourSends    int                        `json:"hour_sends"`
		DaySends     int                        `json:"day_sends"`
		LiveFlows    int                        `json:"live_flows"`
		Guesses      int                        `json:"guesses"`
		Replace      uint64                     `json:"replace"`
	}{
		restrictionOf(r.Restriction), r.Flow, r.NewFlow, r.Account, byKey(r.Fingerprints), r.Key, r.Nonce, r.Check,
		r.Lifetime.Microseconds(), r.MaxAge.Microseconds(), intervals, r.HourSends, r.DaySends, r.LiveFlows, r.Guesses, r.Replace,
	})
	if err != nil {
		return rekey.Issued{}, err
	}
	issued := rekey.Issued{Outcome: rekey.IssueOutcome(found.number()), RetryAfter: found.duration()}
	switch issued.Outcome {
	case rekey.IssueMade, rekey.IssueRenewed:
		issued.ExpiresIn = found.duration()
		issued.Ticket = rekey.Ticket{
			Number: r.Number, Flow: found.name(), Version: uint64(found.number()), Key: rekey.KeyID(found.name()), Nonce: string(found.name()),
			PriorExpiry: found.instant(), PriorVersion: uint64(found.number()),
		}
	case rekey.IssueChanged:
		found.duration()
		found.name()
		issued.Ticket.Version = uint64(found.number())
	}
	return issued, found.fault
}

// Withdraw implements rekey.Codes.
func (s *Store) Withdraw(ctx context.Context, t rekey.Ticket) error {
	var prior int64
	if !t.PriorExpiry.IsZero() {
		prior = t.PriorExpiry.UnixMicro()
	}
	_, err := s.step(ctx, t.Number, withdrawScript, struct {
		Flow         rekey.Name `json:"flow"`
		Version      uint64     `json:"version"`
		Nonce        string     `json:"nonce"`
		PriorExpiry  int64      `json:"prior_expiry"`
		PriorVersion uint64     `json:"prior_version"`
	}{t.Flow, t.Version, t.Nonce, prior, t.PriorVersion})
	return err
}

// Guess implements rekey.Codes.
func (s *Store) Guess(ctx context.Context, g rekey.Guess) (rekey.Verdict, error) {
	found, err := s.step(ctx, g.Number, guessScript, struct {
		restriction
		Flow         rekey.Name                 `json:"flow"`
		Checks       map[rekey.KeyID]rekey.Name `json:"checks"`
		Request      rekey.Name                 `json:"request"`
		Account      rekey.Name                 `json:"account"`
		Fingerprints map[rekey.KeyID]rekey.Name `json:"fingerprints"`
		Guesses      int                        `json:"guesses"`
		PoolGuesses  int                        `json:"pool_guesses"`
		Grace        int64                      `json:"grace"`
	}{
		restrictionOf(g.Restriction), g.Flow, byKey(g.Checks), g.Request, g.Account, byKey(g.Fingerprints), g.Guesses, g.PoolGuesses, g.Grace.Microseconds(),
	})
	if err != nil {
		return rekey.Verdict{}, err
	}
	v := rekey.Verdict{Outcome: rekey.GuessOutcome(found.number())}
	switch v.Outcome {
	case rekey.GuessWrong:
		v.Remembered, v.AttemptsLeft, v.WrongInRow = found.number() == 1, int(found.number()), int(found.number())
	case rekey.GuessMatch:
		v.Remembered, v.Used = found.number() == 1, found.number() == 1
		v.Flow, v.Nonce, v.Account = found.name(), string(found.name()), found.name()
		v.Fingerprint = rekey.Keyed{Key: rekey.KeyID(found.name()), Value: found.name()}
	}
	return v, found.fault
}

// Finish implements rekey.Codes.
func (s *Store) Finish(ctx context.Context, r rekey.Redemption) error {
	_, err := s.step(ctx, r.Number, finishScript, struct {
		Flow         rekey.Name                 `json:"flow"`
		Nonce        string                     `json:"nonce"`
		Request      rekey.Name                 `json:"request"`
		Account      rekey.Name                 `json:"account"`
		Fingerprints map[rekey.KeyID]rekey.Name `json:"fingerprints"`
	}{r.Flow, r.Nonce, r.Request, r.Account, byKey(r.Fingerprints)})
	return err
}

// Unlock clears the wrong guesses counted against a number, and reports whether there were any. The guesses of a code
// that is out stay counted: no code is ever compared more often than its budget says.
func (s *Store) Unlock(ctx context.Context, name rekey.Name) (cleared bool, err error) {
	found, err := s.step(ctx, name, unlockScript, struct{}{})
	if err != nil {
		return false, err
	}
	cleared = found.number() == 1
	return cleared, found.fault
}

// Clock is the time on the server's clock; of a Cluster, on that of one of its masters.
func (s *Store) Clock(ctx context.Context) (time.Time, error) {
	found, err := s.step(ctx, "clock", clockScript, struct{}{})
	if err != nil {
		return time.Time{}, err
	}
	at := found.instant()
	return at, found.fault
}

// errClosed says that a step came after Close.
var errClosed = errors.New("the code store is closed")

// Close ends the store, once what is being given back is; steps after it fail.
func (s *Store) Close() error {
	s.closed.Store(true)
	s.settling.Wait()
	return nil
}

// restriction is rekey.Restriction as the scripts read it.
type restriction struct {
	DayWrong int  `json:"day_wrong"`
	RowWrong int  `json:"row_wrong"`
	Proven   bool `json:"proven"`
	Strict   bool `json:"strict"`
}

func restrictionOf(r rekey.Restriction) restriction {
	return restriction{r.DayWrong, r.RowWrong, r.Proven, r.Strict}
}

func byKey(all []rekey.Keyed) map[rekey.KeyID]rekey.Name {
	m := make(map[rekey.KeyID]rekey.Name, len(all))
	for _, k := range all {
		if _, there := m[k.Key]; !there { // the first counts
			m[k.Key] = k.Value
		}
	}
	return m
}

// step runs a script on a number.
func (s *Store) step(ctx context.Context, name rekey.Name, script script, request any) (*answer, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	text, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.stepTime)
	defer cancel()
	key := s.prefix + "n:{" + string(name) + "}"
	value, err := s.call(ctx, script, key, string(text))
	if err != nil {
		return nil, foreign(err, "a number", key)
	}
	a := &answer{}
	switch v := value.(type) {
	case []any:
		a.rest = v
	default:
		a.rest = []any{v}
	}
	return a, nil
}

// answer takes apart what a script answers, value by value. One that is not as expected is a fault, and so is no answer.
type answer struct {
	rest  []any
	fault error
}

func next[T any](a *answer) (v T) {
	if len(a.rest) > 0 {
		if v, ok := a.rest[0].(T); ok {
			a.rest = a.rest[1:]
			return v
		}
	}
	a.fault = fmt.Errorf("a script of the code store answered with something else than a %T", v)
	return v
}

func (a *answer) number() int64           { return next[int64](a) }
func (a *answer) name() rekey.Name        { return rekey.Name(next[string](a)) }
func (a *answer) duration() time.Duration { return time.Duration(a.number()) * time.Microsecond }

func (a *answer) instant() time.Time {
	if at := a.number(); at != 0 {
		return time.UnixMicro(at)
	}
	return time.Time{}
}
