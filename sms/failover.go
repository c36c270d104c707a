package sms

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rekey"
)

// DefaultBudget is how long a message may take over all its providers.
const DefaultBudget = 8 * time.Second

// leastTry is what each provider of a route is left of the budget, so that one which hangs doesn't cost the next ones
// their turn.
const leastTry = time.Second

// Entry is a provider in its place in the configuration.
type Entry struct {
	Sender  rekey.Sender
	Price   int64         // of one message, in millionths of the operator's unit
	Timeout time.Duration // of one attempt; 0: DefaultTimeout
}

// FailoverConfig says which providers there are and in which order they are tried.
type FailoverConfig struct {
	Providers map[string]Entry    // by configured name
	Order     []string            // of names
	Routes    map[string][]string // by country calling code, such as "852", in place of Order
	Budget    time.Duration       // for a message over all its providers; 0: DefaultBudget

	// Observe, if set, is told of every attempt, the successful ones included, before Send returns. It must be safe for
	// concurrent use.
	Observe func(ctx context.Context, a Attempt)
}

// Attempt is one provider's part in the delivery of one message.
type Attempt struct {
	Message  string // the message's id
	Provider string // its configured name
	Elapsed  time.Duration
	Err      error // nil: taken
}

// Failover is a rekey.Sender over several providers. It is safe for concurrent use.
//
// They are tried in their order, none twice, until one takes the message. A provider that refused or failed for certain
// is followed by the next at once. One that left it unknown is followed too, with the same code: two messages with one
// code are better than none.
type Failover struct {
	c FailoverConfig
}

// NewFailover makes a Failover. Its error joins all faults (errors.Join), each a sentence that begins with the setting's
// name.
func NewFailover(c FailoverConfig) (*Failover, error) {
	if c.Budget == 0 {
		c.Budget = DefaultBudget
	}
	var faults []error
	check := func(setting string, names []string) {
		if len(names) == 0 {
			faults = append(faults, fmt.Errorf("%s: name at least one provider", setting))
		}
		for i, name := range names {
			if _, ok := c.Providers[name]; !ok {
				faults = append(faults, fmt.Errorf("%s: there is no provider %q; configured are %s", setting, name,
					strings.Join(slices.Sorted(maps.Keys(c.Providers)), ", ")))
			} else if slices.Contains(names[:i], name) {
				faults = append(faults, fmt.Errorf("%s: %q stands twice, but no provider is tried twice", setting, name))
			}
		}
	}
	check("sms.order", c.Order)
	for _, calling := range slices.Sorted(maps.Keys(c.Routes)) {
		if calling == "" || len(calling) > 3 || calling[0] == '0' || strings.Trim(calling, "0123456789") != "" {
			faults = append(faults, fmt.Errorf("sms.routes.%q: write a country calling code, such as \"852\"", calling))
		}
		check(fmt.Sprintf("sms.routes.%q", calling), c.Routes[calling])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Providers)) {
		if e := c.Providers[name]; e.Price < 0 || e.Timeout < 0 {
			faults = append(faults, fmt.Errorf("sms.providers.%s: price and timeout must not be negative", name))
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return &Failover{c: c}, nil
}

// Route is the names of the providers for n, in the order in which they are tried.
func (f *Failover) Route(n rekey.Number) []string {
	if route, ok := f.c.Routes[n.CallingCode()]; ok {
		return route
	}
	return f.c.Order
}

// MaxPrice is the most that one message can cost, in millionths: every provider of the costliest route took it, all but
// one without a clear answer. No receipt's price is higher.
func (f *Failover) MaxPrice() int64 {
	price := func(route []string) (sum int64) {
		for _, name := range route {
			sum += f.c.Providers[name].Price
		}
		return sum
	}
	most := price(f.c.Order)
	for _, route := range f.c.Routes {
		most = max(most, price(route))
	}
	return most
}

// Send delivers m through the first provider that takes it. The receipt names that provider; its price includes that of
// the earlier providers which may have taken the message as well (T29). The error is a *Failure.
func (f *Failover) Send(ctx context.Context, m rekey.Message) (rekey.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, f.c.Budget)
	defer cancel()
	deadline, _ := ctx.Deadline() // the budget's, or the caller's if that is earlier

	route := f.Route(m.To)
	var attempts []Attempt
	var spent int64
	for i, name := range route {
		left := time.Until(deadline)
		if left <= 0 || ctx.Err() != nil {
			break
		}
		e := f.c.Providers[name]
		behind := len(route) - i - 1
		receipt, a := f.attempt(ctx, m, name, e, max(left-time.Duration(behind)*leastTry, leastTry))
		if a.Err == nil {
			receipt.Provider, receipt.Price = name, spent+e.Price
			return receipt, nil
		}
		if !certain(a.Err) {
			spent += e.Price
		}
		attempts = append(attempts, a)
	}
	return rekey.Receipt{}, newFailure(attempts)
}

// attempt tries one provider for at most its own timeout and share, its part of the budget.
func (f *Failover) attempt(ctx context.Context, m rekey.Message, name string, e Entry, share time.Duration) (rekey.Receipt, Attempt) {
	timeout := e.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	start := time.Now()
	tryCtx, cancel := context.WithTimeout(ctx, min(timeout, share))
	defer cancel()
	receipt, err := e.Sender.Send(tryCtx, m)
	a := Attempt{Message: m.ID, Provider: name, Elapsed: time.Since(start), Err: err}
	if f.c.Observe != nil {
		f.c.Observe(ctx, a)
	}
	return receipt, a
}

// Failure is the error of a message that no provider took. It wraps one of rekey's three errors: ErrUnknown if any
// provider may have taken the message; else ErrRejected if all refused it; else ErrUnavailable. It does not wrap the
// errors of the attempts, which would contradict that.
type Failure struct {
	Kind     error
	Attempts []Attempt // in their order; empty: time was up before the first
}

func newFailure(attempts []Attempt) *Failure {
	f := &Failure{Kind: rekey.ErrUnavailable, Attempts: attempts}
	rejected := 0
	for _, a := range attempts {
		switch {
		case !certain(a.Err):
			f.Kind = rekey.ErrUnknown
			return f
		case errors.Is(a.Err, rekey.ErrRejected):
			rejected++
		}
	}
	if rejected > 0 && rejected == len(attempts) {
		f.Kind = rekey.ErrRejected
	}
	return f
}

// certain reports whether err says that the message was not taken.
func certain(err error) bool {
	return !errors.Is(err, rekey.ErrUnknown) && (errors.Is(err, rekey.ErrRejected) || errors.Is(err, rekey.ErrUnavailable))
}

// Error names each provider with its cause.
func (f *Failure) Error() string {
	if len(f.Attempts) == 0 {
		return f.Kind.Error() + ": time was up before a provider was tried"
	}
	causes := make([]string, len(f.Attempts))
	for i, a := range f.Attempts {
		causes[i] = a.Provider + ": " + a.Err.Error()
	}
	return strings.Join(causes, "; ")
}

func (f *Failure) Unwrap() error { return f.Kind }
