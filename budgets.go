package rekey

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	day = 24 * time.Hour

	// hardTier is how many times a soft budget is refused outright, with a proof of work or without.
	hardTier = 10
	// network48 is how many /64 budgets an IPv6 /48 has together (T32: one customer may own all of its /64).
	network48 = 10
	// deviceSends is what a known device has on top of a number's caps (T27).
	deviceSends = 2
	// deviceAge is how long a device stays known after a success.
	deviceAge = 180 * day

	// A conversion rate means something only once this many codes were sent within conversionWindow.
	prefixConversions  = 20
	countryConversions = 200
	conversionWindow   = time.Hour

	// askedFor is how long an address may ask for a number again at no cost.
	askedFor = 10 * time.Minute

	// warnAt is the share of a service budget at which operators are told.
	warnAt = 0.8

	downTime = 5 * time.Second // when to try again after a fault; most pass within it
	busyTime = 2 * time.Second // when to try again after a full hashing queue: its own bound
)

// intervals are the times from a number's first send to its second, and so on, while nothing is redeemed.
func (s *Service) intervals() []time.Duration {
	return []time.Duration{s.o.Code.Interval, max(2*time.Minute, s.o.Code.Interval), max(5*time.Minute, s.o.Code.Interval), max(10*time.Minute, s.o.Code.Interval)}
}

// numberSends are the number's caps for this client: part of the day's is kept for requests with a proof of work, and a
// known device has some on top.
func (s *Service) numberSends(c Client, n Number) (hour, day int) {
	hour, day = s.o.Limits.NumberSendsHour, s.o.Limits.NumberSendsDay
	if day > 0 && s.o.Proof == ProofAuto {
		day = max(1, day-s.o.Limits.NumberReserved)
	}
	if s.knownDevice(c.Device, n) {
		if hour > 0 {
			hour += deviceSends
		}
		if day > 0 {
			day += deviceSends
		}
	}
	return hour, day
}

// deviceToken is what a client keeps after a success: sealed, bound to the number, and dated.
func (s *Service) deviceToken(n Number) string {
	return s.o.Keys.Seal("device", string(s.o.Keys.NumberName(n))+" "+strconv.FormatInt(time.Now().Unix(), 10))
}

func (s *Service) knownDevice(device string, n Number) bool {
	plain, ok := s.o.Keys.Open("device", device)
	if !ok {
		return false
	}
	name, made, _ := strings.Cut(plain, " ")
	at, err := strconv.ParseInt(made, 10, 64)
	return err == nil && Name(name) == s.o.Keys.NumberName(n) && time.Since(time.Unix(at, 0)) < deviceAge
}

// budgetList gathers the charges to one bucket after the other; a limit of 0 is a budget switched off.
type budgetList struct {
	keys    *Keyring
	bucket  Name
	charges []Charge
}

// of turns to a bucket: what is charged, such as "sends of an address", and to whom. What is charged together shares a
// bucket, since each costs the store a document.
func (l *budgetList) of(what string, whom ...string) {
	l.bucket = l.keys.Name("budget", append([]string{what}, whom...)...)
}

func (l *budgetList) add(c Charge) {
	if c.Limit > 0 {
		c.Name, c.made = l.bucket, time.Now()
		l.charges = append(l.charges, c)
	}
}

// soft is the limit of a budget over which a proof of work is asked for: where none is ever asked for, only the hard
// tier refuses.
func (s *Service) soft(limit int) int64 {
	if s.o.Proof == ProofOff {
		return hardTier * int64(limit)
	}
	return int64(limit)
}

// sendBudgets are what a send is charged: to its address, which stays charged whatever comes of it, and to what it
// shares with others, which is given back if nothing is sent.
func (s *Service) sendBudgets(c Client, n Number) (address, shared []Charge) {
	l := s.o.Limits
	own := &budgetList{keys: s.o.Keys}
	for _, network := range networks(c.Address) {
		own.of("sends of an address", network.name)
		own.add(Charge{Budget: "address_sends_10m", Kind: Rate, Limit: network.times * s.soft(l.AddressSends10m), Window: 10 * time.Minute, Cost: 1})
		own.add(Charge{Budget: "address_sends_day", Kind: Rate, Limit: network.times * s.soft(l.AddressSendsDay), Window: day, Cost: 1})
	}
	all := &budgetList{keys: s.o.Keys}
	if c.Address.IsValid() {
		all.of("sends of an address to a number", networks(c.Address)[0].name, n.E164())
		all.add(Charge{Budget: "address_number_day", Kind: Rate, Limit: int64(l.AddressNumberDay), Window: day, Cost: 1})
	}
	all.of("sends to a prefix", n.Prefix())
	all.add(Charge{Budget: "prefix_sends_hour", Kind: Rate, Limit: s.soft(l.PrefixSendsHour), Window: time.Hour, Cost: 1})
	all.add(Charge{Budget: "prefix_sends_day", Kind: Rate, Limit: s.soft(l.PrefixSendsDay), Window: day, Cost: 1})
	all.charges = append(all.charges, s.conversions(n, Conversion)...)
	all.of("sends of the service")
	all.add(Charge{Budget: "service_sends_day", Kind: Daily, Limit: int64(l.ServiceSendsDay), Cost: 1})
	all.of("spend of the service")
	all.add(Charge{Budget: "service_spend_day", Kind: Daily, Limit: l.ServiceSpendDay, Cost: s.o.MaxPrice(n, c.Language)})
	return own.charges, all.charges
}

// conversions are the conversion rates that a number counts in, as sent or as redeemed. A rate has no hard tier: where
// no proof of work is ever asked for, none is kept.
func (s *Service) conversions(n Number, kind ChargeKind) []Charge {
	floor := s.o.Limits.ConversionFloor
	if floor == 0 || s.o.Proof == ProofOff {
		return nil
	}
	l := &budgetList{keys: s.o.Keys}
	l.of("sends to a prefix", n.Prefix())
	l.add(Charge{Budget: "conversion_floor", Kind: kind, Limit: prefixConversions, Window: conversionWindow, Floor: floor, Cost: 1})
	l.of("sends to a country", n.CallingCode())
	l.add(Charge{Budget: "conversion_floor", Kind: kind, Limit: countryConversions, Window: conversionWindow, Floor: floor, Cost: 1})
	return l.charges
}

// lookupBudgets are what it costs to learn whether a number is registered. The same address asking for the same number
// again learns nothing new and pays nothing (T40).
func (s *Service) lookupBudgets(c Client, n Number) []Charge {
	l := &budgetList{keys: s.o.Keys}
	var once Name
	if c.Address.IsValid() {
		address := networks(c.Address)[0].name
		once = s.o.Keys.Name("asked", address, n.E164())
		l.of("lookups of an address", address)
		if s.o.Proof == ProofAuto {
			l.add(Charge{Budget: "address_lookups", Kind: Rate, Limit: int64(s.o.Limits.AddressLookups), Window: 10 * time.Minute, Cost: 1, Once: once, OnceFor: askedFor})
		}
		l.add(Charge{Budget: "address_lookups_day", Kind: Rate, Limit: int64(s.o.Limits.AddressLookupsDay), Window: day, Cost: 1, Once: once, OnceFor: askedFor})
	}
	l.of("lookups of the service")
	l.add(Charge{Budget: "service_lookups_day", Kind: Daily, Limit: int64(s.o.Limits.ServiceLookupsDay), Cost: 1, Once: once, OnceFor: askedFor})
	return l.charges
}

// takeLookup charges a lookup that a send was. Where the whole service's day is used up the address is charged all the
// same: it learns something from being refused where a registered number is not.
func (s *Service) takeLookup(ctx context.Context, c Client, n Number) error {
	charges := s.lookupBudgets(c, n)
	err := s.take(ctx, c, n, charges)
	if refusal, ok := errors.AsType[*Error](err); ok && refusal.Budget == "service_lookups_day" {
		own := slices.DeleteFunc(charges, func(c Charge) bool { return c.Budget == refusal.Budget })
		if err := s.take(ctx, c, n, own); err != nil {
			return err
		}
	}
	return err
}

// lookupLooks refuse an address that may not look numbers up any more, at no cost, before a send could tell it whether
// one is registered (T40). The whole service's budget of lookups is not among them: whoever used it up would stop
// everybody's sends.
func (s *Service) lookupLooks(c Client, n Number) []Charge {
	var looks []Charge
	for _, charge := range s.lookupBudgets(c, n) {
		if charge.Kind == Rate {
			charge.Cost = 0
			looks = append(looks, charge)
		}
	}
	return looks
}

// restriction is how a number with many wrong guesses is treated. Nobody can hand in a proof of work yet; where none is
// ever asked for, only the row restricts.
func (s *Service) restriction() Restriction {
	return Restriction{
		DayWrong: s.o.Limits.NumberWrongDay, RowWrong: s.o.Limits.NumberWrongRow,
		Proven: s.o.Proof == ProofOff, Strict: time.Now().UnixNano() < s.wrongUntil.Load(),
	}
}

// network is one of the blocks that an address counts in.
type network struct {
	name  string
	times int64 // how many single addresses' budgets it has
}

// networks are the blocks of an address: an IPv4 address is its own, mapped into IPv6 or not; of IPv6 it is the /64,
// which is what a single customer gets at the least (RFC 6177), and the /48 above it (T32).
func networks(a netip.Addr) []network {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return nil
	}
	if a.Is4() {
		return []network{{a.String(), 1}}
	}
	return []network{
		{netip.PrefixFrom(a, 64).Masked().String(), 1},
		{netip.PrefixFrom(a, 48).Masked().String(), network48},
	}
}

// take makes charges; its error is a refusal, or that the store can't say, which refuses too.
func (s *Service) take(ctx context.Context, c Client, n Number, charges []Charge) error {
	if len(charges) == 0 {
		return nil
	}
	d, err := s.o.Limiter.Take(ctx, charges...)
	if err != nil {
		return &Error{Kind: StoreDown, RetryAfter: downTime, Cause: err}
	}
	if d.Refused >= 0 {
		refused := charges[d.Refused]
		s.overBudget(ctx, c, n, refused, d.RetryAfter)
		return &Error{Kind: Limited, RetryAfter: d.RetryAfter, Budget: refused.Budget}
	}
	for i, charge := range charges {
		// What is given back passes the mark again, with every request that sends nothing.
		mark := int64(warnAt * float64(charge.Limit))
		if charge.Kind == Daily && d.Used[i] >= mark && d.Used[i]-charge.Cost < mark {
			s.notify(ctx, c, n, Event{Kind: EventWarning, Budget: charge.Budget, Outcome: "80%"}, charge.Name, midnight())
		}
	}
	return nil
}

// giveBack returns charges. If it fails they stay, on the safe side. What was taken from a calendar day that is over went
// with it: given back to the new day, it would let through more than that day's budget (T29).
func (s *Service) giveBack(ctx context.Context, c Client, n Number, charges []Charge) {
	back := make([]Charge, 0, len(charges))
	for _, charge := range charges {
		if charge.Cost != 0 && !(charge.Kind == Daily && daysSinceEpoch(charge.made) != daysSinceEpoch(time.Now())) {
			charge.Cost = -charge.Cost
			back = append(back, charge)
		}
	}
	if len(back) == 0 {
		return
	}
	settling, end := toSettle(ctx)
	defer end()
	if _, err := s.o.Limiter.Take(settling, back...); err != nil {
		s.record(ctx, c, n, Event{Kind: EventWarning, Outcome: StoreDown.String(), Err: err})
	}
}

// daysSinceEpoch numbers the calendar days in UTC, which Daily charges count in. The store's clock decides when one ends;
// ours is close enough for what is told and given back around midnight.
func daysSinceEpoch(t time.Time) int64 { return t.Unix() / int64(day/time.Second) }

// unsent picks the charges of a decoy that are for messages really sent. What is counted by what was asked for stays,
// so that a number nobody has meets the same limits as any other (T39).
func unsent(shared []Charge) []Charge {
	var back []Charge
	for _, c := range shared {
		if c.Kind == Daily || c.Kind == Conversion {
			back = append(back, c)
		}
	}
	return back
}

// overpaid is what the day's spend was charged beyond the price.
func overpaid(shared []Charge, price int64) []Charge {
	for _, c := range shared {
		if c.Budget == "service_spend_day" && c.Cost > price {
			c.Cost -= price
			return []Charge{c}
		}
	}
	return nil
}

// redeemed counts a success in the conversion rates.
func (s *Service) redeemed(ctx context.Context, c Client, n Number) {
	charges := s.conversions(n, Redeemed)
	if len(charges) == 0 {
		return
	}
	settling, end := toSettle(ctx)
	defer end()
	if _, err := s.o.Limiter.Take(settling, charges...); err != nil {
		s.record(ctx, c, n, Event{Kind: EventWarning, Outcome: StoreDown.String(), Err: err})
	}
}

// countWrong charges a wrong guess to the service's day, and raises the alarm for a number under attack. Once the day's
// budget is used up only a code's first guess in its flow is compared, until the day ends.
func (s *Service) countWrong(ctx context.Context, c Client, n Number, v Verdict) error {
	if l := s.o.Limits.NumberWrongRow; l > 0 && v.WrongInRow == l {
		s.record(ctx, c, n, Event{Kind: EventAlarm, Outcome: TooManyWrong.String(), Budget: "number_wrong_row"})
	}
	l := &budgetList{keys: s.o.Keys}
	l.of("wrong guesses of the service")
	l.add(Charge{Budget: "service_wrong_day", Kind: Daily, Limit: int64(s.o.Limits.ServiceWrongDay), Cost: 1})
	err := s.take(ctx, c, n, l.charges)
	if refusal, ok := errors.AsType[*Error](err); ok && refusal.Kind == Limited {
		s.wrongUntil.Store(time.Now().Add(refusal.RetryAfter).UnixNano())
		return nil
	}
	return err
}
