package rekey

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Client is who asks: what the front end knows of a request beyond its parameters.
type Client struct {
	Address   netip.Addr // after trusted proxies; the zero Addr skips the budgets of the address: for embedders who have none
	Flow      string     // handed back from an earlier Sent; empty or malformed: none
	Device    string     // handed back from an earlier Done; empty or unknown: none
	Language  string     // of the message, BCP 47
	RequestID string     // for events
}

// Sent is the answer to a send.
type Sent struct {
	Flow       string        // to be handed back with the reset; the client's own if it brought one that has a code
	RetryAfter time.Duration // until the next code may be asked for
	ExpiresIn  time.Duration // of the code
}

// ResetRequest is what a person types to reset a password.
type ResetRequest struct {
	Mobile, Code, Password string
}

// Format hides what was typed whatever the verb (T36).
func (r ResetRequest) Format(f fmt.State, _ rune) { fmt.Fprint(f, "(reset request)") }

// Done is the answer to a successful reset.
type Done struct {
	Device string // to be handed back with later sends for this number: a known device has two more
}

// Options are the parts and settings of a Service. Directory, Codes, Limiter, Sender and Keys are required.
type Options struct {
	Directory Directory
	Codes     Codes
	Limiter   Limiter
	Sender    Sender
	Recorder  Recorder // nil: nobody is told
	Keys      *Keyring

	// FindTime bounds a look into the users table: one that takes longer is down (T15). 0: 5 s.
	FindTime time.Duration

	Plan       Plan    // nil: ChinaMobile
	Policy     *Policy // nil: classic, with the blocklist
	Disclosure bool    // tell whether a number is registered
	Code       CodeSettings
	Limits     Limits
	Proof      ProofMode
	// MaxPrice is the most that one message in a language to a number can cost, in millionths: what a send takes from
	// ServiceSpendDay until its Receipt says less. nil: nothing is taken.
	MaxPrice func(to Number, language string) int64
}

// Service is the recovery. It is safe for concurrent use.
type Service struct {
	o          Options
	background sync.WaitGroup
	finding    atomic.Int64 // looks into the users table that are under way
	// wrongUntil is when the day ends whose budget of wrong guesses this replica saw used up, in Unix nanoseconds. A
	// hint that saves a question to the store for each guess: a replica that has not seen it yet learns it from its
	// next wrong guess.
	wrongUntil atomic.Int64
	told       notices // to operators
}

// New makes a Service, or says all that is wrong with its options.
func New(o Options) (*Service, error) {
	var faults []error
	require := func(ok bool, fault string) {
		if !ok {
			faults = append(faults, errors.New("rekey: "+fault))
		}
	}
	require(o.Directory != nil, "a Directory is required")
	require(o.Codes != nil, "a Codes is required")
	require(o.Limiter != nil, "a Limiter is required")
	require(o.Sender != nil, "a Sender is required")
	require(o.Keys != nil, "Keys are required")
	require(o.Code.Lifetime > 0 && o.Code.Lifetime <= MaxLifetime, fmt.Sprintf("a code's lifetime must be over 0 and at most %v", MaxLifetime))
	require(o.Code.Interval > 0, "the interval between two codes must be over 0")
	require(o.Code.Guesses > 0 && o.Code.Guesses <= 10, "a code must bear from 1 to 10 wrong guesses")
	require(o.Code.PoolGuesses >= 0 && o.Code.PoolGuesses <= 10, "a code must bear from 0 to 10 wrong guesses without its flow")
	require(o.Limits.NumberReserved <= o.Limits.NumberSendsDay || o.Limits.NumberSendsDay == 0, "a number's reserved sends must be among its sends of the day")
	require(o.Limits.valid(), "no limit may be under 0 or over 10⁹ (spend: 10¹⁵ millionths), and the conversion floor must be from 0 to 1")
	require(o.FindTime >= 0, "the time of a look into the users table may not be under 0")
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if o.MaxPrice == nil {
		o.MaxPrice = func(Number, string) int64 { return 0 }
	}
	if o.Plan == nil {
		o.Plan = ChinaMobile
	}
	if o.Policy == nil {
		policy, err := NewPolicy("classic", true)
		if err != nil {
			return nil, err
		}
		o.Policy = policy
	}
	return &Service{o: o}, nil
}

// What a front end states of the recovery is asked here rather than told twice: the two could differ. All four are fixed
// by New.

// Plan is how a number is read.
func (s *Service) Plan() Plan { return s.o.Plan }

// Policy is what passwords are held to. It is never nil.
func (s *Service) Policy() *Policy { return s.o.Policy }

// Code is how long codes live and how many wrong guesses they bear.
func (s *Service) Code() CodeSettings { return s.o.Code }

// Disclosure reports whether answers tell that a number is registered. Where they don't, no text may either (T39).
func (s *Service) Disclosure() bool { return s.o.Disclosure }

// Drain waits until what Send and Reset left to the background is done, or ctx ends. No call may come after it has
// begun.
func (s *Service) Drain(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		s.background.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// inBackground runs f after the answer. The request may be over by then: f gets a context that keeps its values, not
// its end.
func (s *Service) inBackground(ctx context.Context, c Client, n Number, f func(context.Context)) {
	s.background.Go(func() {
		ctx, done := toTheEnd(ctx)
		defer done()
		defer func() {
			// Nobody else would catch it, and the process serves others. The value may hold anything: only its type is told (T36).
			if p := recover(); p != nil {
				s.record(ctx, c, n, Event{Kind: EventAlarm, Outcome: "panic", Err: fmt.Errorf("a panic of type %T in the background", p)})
			}
		}()
		f(ctx)
	})
}

// record tells the Recorder what happened.
func (s *Service) record(ctx context.Context, c Client, n Number, e Event) {
	if s.o.Recorder == nil {
		return
	}
	e.At, e.Request, e.Address = time.Now(), c.RequestID, c.Address
	if !n.IsZero() {
		e.Number, e.Name = n, s.o.Keys.NumberName(n)
	}
	s.o.Recorder.Record(ctx, e)
}

// tell records the outcome of a request.
func (s *Service) tell(ctx context.Context, c Client, n Number, kind EventKind, began time.Time, err error) {
	e := Event{Kind: kind, Outcome: "ok", Elapsed: time.Since(began)}
	if err != nil {
		e.Outcome = KindOf(err).String()
		var refusal *Error
		if errors.As(err, &refusal) {
			e.Budget, e.Err = refusal.Budget, refusal.Cause
		} else {
			e.Err = err
		}
	}
	s.record(ctx, c, n, e)
}
