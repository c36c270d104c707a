package sms

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"rekey"
)

const (
	// DefaultBudget is how long a message may take over all its providers.
	DefaultBudget = 8 * time.Second

	// leastTry is what each provider of a route is left of the budget, so that one which hangs doesn't cost the next ones
	// their turn.
	leastTry = time.Second

	// mostTexts is how many texts a person may get of one message: a second one after an unknown outcome, since two with one
	// code are better than none; more would be a nuisance, and cost.
	mostTexts = 2

	// noteTime bounds what is noted about receipts beside a message: a store that is slower has no say in its way.
	noteTime = 500 * time.Millisecond
)

// Entry is a provider in its place in the configuration.
type Entry struct {
	// Sender is most often a Provider, whose Size says what a message is billed as; any other is billed as one segment.
	Sender  rekey.Sender
	Prices  Prices        // of one segment
	Weight  int           // in a rank that it shares: the share of the messages that begin with it; see FailoverConfig.Order
	Timeout time.Duration // of one attempt; 0: DefaultTimeout
	// Vendor names the far side, such as "aliyun" or the host of a gateway. After an unknown outcome no other provider of
	// the same vendor is tried: whatever swallowed the first answer is likely to meet the second. Empty: it is like no other.
	Vendor string
	// Receipts says that the vendor sends receipts, so that one can be missing.
	Receipts bool
}

// FailoverConfig says which providers there are and in which order they are tried.
type FailoverConfig struct {
	Providers map[string]Entry // by configured name
	// Order is the providers' names in turn. An element may be several with | between, such as "aliyun|tencent": they
	// share the messages by their weights, and stand in for each other.
	Order  []string
	Routes map[string][]string // as Order, in its place for numbers that begin so: E.164 without plus, such as "852" or "1787"; the longest counts
	Budget time.Duration       // for a message over all its providers; 0: DefaultBudget

	// Awaiting, if set, remembers whose receipts are missing: a number's next message goes to another provider first.
	Awaiting *Awaiting

	// Observe, if set, is told of every attempt, the successful ones included, before Send returns; Change, when a
	// provider is set aside or back, or refuses our account while it is aside. Both must be safe for concurrent use.
	Observe func(ctx context.Context, a Attempt)
	Change  func(ctx context.Context, c Change)
	// Log is told when the store of Awaiting fails, which costs no message anything; nil: nobody is.
	Log *slog.Logger
}

// Attempt is one provider's part in the delivery of one message.
type Attempt struct {
	Message  string // the message's id
	To       rekey.Number
	Provider string // its configured name
	Outcome  Outcome
	Code     string // the vendor's own, if it gave one
	Receipt  string // the vendor's id of the message, if it gave one
	Price    int64  // what it may have cost, in millionths
	Elapsed  time.Duration
	Err      error // nil: taken
}

// Change says that a provider was set aside, or is back; or that one which was set aside for another reason refuses our
// account by now.
type Change struct {
	Provider string
	Aside    bool // its messages go to others first; else it is back in its place
	// Outcome is the latest: RejectedAccount needs an operator, whatever the vendor's Code says; Sent, with which it is
	// back; or what it failed with too often.
	Outcome Outcome
	Code    string
	Err     error // the latest attempt's, which says what to mend; nil with Sent
}

// Failover is a rekey.Sender over several providers. It is safe for concurrent use.
//
// They are tried in their order, none twice, until one takes the message. One that refused or failed for certain is
// followed by the next at once. One that left it unknown is followed by one more that may leave it so, of another vendor,
// with the same code. Providers that fail too often, or refuse our account, are asked last; so is, with Awaiting, one that
// owes this person's receipt.
type Failover struct {
	c        FailoverConfig
	order    route
	routes   map[string]route
	breakers map[string]*breaker
	tallies  map[string]*tally
}

// NewFailover makes a Failover. Its error joins all faults (errors.Join), each a sentence that begins with the setting's
// name.
func NewFailover(c FailoverConfig) (*Failover, error) {
	c.Budget = cmp.Or(c.Budget, DefaultBudget)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	f := &Failover{c: c, routes: map[string]route{}, breakers: map[string]*breaker{}, tallies: map[string]*tally{}}
	var faults, found []error
	f.order, found = parseRoute("sms.order", c.Order, c.Providers)
	faults = append(faults, found...)
	for _, prefix := range slices.Sorted(maps.Keys(c.Routes)) {
		setting := fmt.Sprintf("sms.routes.%q", prefix)
		if !isPrefix(prefix) {
			faults = append(faults, fmt.Errorf("%s: write how numbers begin, calling code and digits, such as \"852\"", setting))
		}
		f.routes[prefix], found = parseRoute(setting, c.Routes[prefix], c.Providers)
		faults = append(faults, found...)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Providers)) {
		e := c.Providers[name]
		faults = append(faults, e.Prices.faults("sms.providers."+name+".price")...)
		if e.Timeout < 0 {
			faults = append(faults, fmt.Errorf("sms.providers.%s.timeout: must not be negative", name))
		}
		if e.Weight < 0 {
			faults = append(faults, fmt.Errorf("sms.providers.%s.weight: must not be negative", name))
		}
		f.breakers[name], f.tallies[name] = &breaker{}, &tally{}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return f, nil
}

func (f *Failover) route(n rekey.Number) route {
	if r, ok := longest(f.routes, digitsOf(n)); ok {
		return r
	}
	return f.order
}

// Route is the names of the providers for n, as they stand in the configuration.
func (f *Failover) Route(n rekey.Number) []string { return f.route(n).names() }

// Price is what m costs by a provider, in millionths.
func (f *Failover) Price(provider string, m rekey.Message) int64 {
	e := f.c.Providers[provider]
	segments := 1
	if billed, ok := e.Sender.(interface{ Size(rekey.Message) Size }); ok {
		segments = billed.Size(m).Segments
	}
	return int64(segments) * e.Prices.For(m.To)
}

// MaxPrice is the most that one message in a language to a number can cost, in millionths: the two costliest providers of
// its route took it, one of them without a clear answer. No receipt's price is higher (T29).
func (f *Failover) MaxPrice(to rekey.Number, language string) int64 {
	code, _ := rekey.ParseCode("000000") // any six digits are as long
	m := rekey.Message{To: to, Code: code, Language: language, ExpiresIn: rekey.MaxLifetime}
	var prices []int64
	for _, name := range f.Route(to) {
		prices = append(prices, f.Price(name, m))
	}
	slices.Sort(prices)
	var sum int64
	for _, price := range prices[max(0, len(prices)-mostTexts):] {
		sum += price
	}
	return sum
}

// Send delivers m through the first provider that takes it. The receipt names that provider; its price includes that of an
// earlier provider which may have taken the message as well (T29). The error is a *Failure; if that is rekey.ErrUnknown the
// receipt says what the message may have cost.
func (f *Failover) Send(ctx context.Context, m rekey.Message) (rekey.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, f.c.Budget)
	defer cancel()
	deadline, _ := ctx.Deadline() // the budget's, or the caller's if that is earlier

	left := f.lastWhoOwe(ctx, m.To, f.route(m.To).shuffled(f.c.Providers))
	var aside []string // set aside by their breakers: they come when all others have had their turn
	var attempts []Attempt
	var spent int64
	texts := 0
	for len(left)+len(aside) > 0 && texts < mostTexts {
		remaining := time.Until(deadline)
		if remaining <= 0 || ctx.Err() != nil {
			break
		}
		lastResort := len(left) == 0
		if lastResort {
			left, aside = aside, nil
		}
		name := left[0]
		left = left[1:]
		entered := !lastResort && f.breakers[name].enter(time.Now())
		if !entered && !lastResort {
			aside = append(aside, name)
			continue
		}
		behind := time.Duration(len(left) + len(aside))
		receipt, a := f.attempt(ctx, m, name, max(remaining-behind*leastTry, leastTry))
		if f.breakers[name].settle(a.Outcome, entered, time.Now()) && f.c.Change != nil {
			f.c.Change(ctx, Change{Provider: name, Aside: a.Outcome != Sent, Outcome: a.Outcome, Code: a.Code, Err: a.Err})
		}
		if a.Err == nil {
			receipt.Provider, receipt.Price = name, spent+a.Price
			return receipt, nil
		}
		attempts = append(attempts, a)
		if a.Outcome == Unknown {
			spent += a.Price
			texts++
			left, aside = f.ofOthers(left, name), f.ofOthers(aside, name)
		}
	}
	return rekey.Receipt{Price: spent}, newFailure(attempts)
}

// ofOthers are the names without those of the same vendor as one.
func (f *Failover) ofOthers(names []string, one string) []string {
	vendor := f.c.Providers[one].Vendor
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return vendor != "" && f.c.Providers[name].Vendor == vendor
	})
}

// attempt tries one provider for at most its own timeout and share, its part of the budget.
func (f *Failover) attempt(ctx context.Context, m rekey.Message, name string, share time.Duration) (rekey.Receipt, Attempt) {
	e := f.c.Providers[name]
	f.note(ctx, name, (*Awaiting).sent, m.To)
	start := time.Now()
	tryCtx, cancel := context.WithTimeout(ctx, min(cmp.Or(e.Timeout, DefaultTimeout), share))
	defer cancel()
	receipt, err := handOver(tryCtx, e.Sender, m)
	a := Attempt{
		Message: m.ID, To: m.To, Provider: name, Outcome: OutcomeOf(err), Code: codeOf(err), Receipt: receipt.ID,
		Elapsed: time.Since(start), Err: err,
	}
	if a.Outcome == Sent || a.Outcome == Unknown {
		a.Price = f.Price(name, m)
	} else {
		f.note(ctx, name, (*Awaiting).settled, m.To)
	}
	f.tallies[name].attempt(a.Outcome)
	if f.c.Observe != nil {
		f.c.Observe(ctx, a)
	}
	return receipt, a
}

// handOver is Send of a provider, whose panic is an outcome of its own: others are still to be asked, and its breaker waits
// for one. The value of the panic may hold anything: only its type and its place are told (T36).
func handOver(ctx context.Context, s rekey.Sender, m rekey.Message) (receipt rekey.Receipt, err error) {
	defer func() {
		if p := recover(); p != nil {
			receipt, err = rekey.Receipt{}, &Refusal{Outcome: Unknown, Detail: fmt.Sprintf("the provider ended in a panic of type %T in %s", p, panicPlace())}
		}
	}()
	return s.Send(ctx, m)
}

// panicPlace is the function and the line that a panic came from, for a function that has recovered it.
func panicPlace() string {
	var stack [16]uintptr
	frames := runtime.CallersFrames(stack[:runtime.Callers(3, stack[:])])
	for {
		f, more := frames.Next()
		if !more || !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf("%s, line %d", f.Function, f.Line)
		}
	}
}

// lastWhoOwe puts the providers that owe this person a receipt behind the others.
func (f *Failover) lastWhoOwe(ctx context.Context, to rekey.Number, names []string) []string {
	if f.c.Awaiting == nil || len(names) < 2 {
		return names
	}
	ctx, cancel := context.WithTimeout(ctx, noteTime)
	defer cancel()
	owing, err := f.c.Awaiting.missing(ctx, to, names)
	if err != nil {
		f.c.Log.WarnContext(ctx, "it is not known whose receipts are missing; the message goes the usual way", "cause", err)
	}
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Compare(rank(owing[a]), rank(owing[b]))
	})
	return names
}

func rank(last bool) int {
	if last {
		return 1
	}
	return 0
}

// note tells Awaiting of a provider that has receipts.
func (f *Failover) note(ctx context.Context, name string, what func(*Awaiting, context.Context, string, ...rekey.Number) error, to ...rekey.Number) {
	if f.c.Awaiting == nil || !f.c.Providers[name].Receipts {
		return
	}
	// What is noted outlives the message's own time: else an attempt that took all of it would leave a wrong note.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	if err := what(f.c.Awaiting, ctx, name, to...); err != nil {
		f.c.Log.WarnContext(ctx, "whether a receipt is awaited could not be noted", "provider", name, "cause", err)
	}
}

// Report takes receipts of one of the providers into account. It takes half a second at the most, however many they are.
func (f *Failover) Report(ctx context.Context, provider string, reports ...Report) {
	t, ok := f.tallies[provider]
	if !ok {
		return
	}
	var arrived []rekey.Number
	for _, r := range reports {
		t.report(r)
		if r.State == Delivered && !r.To.IsZero() {
			arrived = append(arrived, r.To)
		}
	}
	if len(arrived) > 0 {
		f.note(ctx, provider, (*Awaiting).settled, arrived...)
	}
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
		switch a.Outcome {
		case Unknown:
			f.Kind = rekey.ErrUnknown
			return f
		case RejectedNumber:
			rejected++
		}
	}
	if rejected > 0 && rejected == len(attempts) {
		f.Kind = rekey.ErrRejected
	}
	return f
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
