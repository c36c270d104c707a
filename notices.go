package rekey

import (
	"context"
	"maps"
	"sync"
	"time"
)

// notice names what operators are told of once a day. Anybody can make the same thing happen with every request, and who
// is told a thousand times reads none of it; each request has an event of its own besides.
type notice struct {
	kind            EventKind
	outcome, budget string
	of              Name // which bucket, or which number
}

// notices is what this replica has told operators of lately. The zero value is ready; it is safe for concurrent use.
type notices struct {
	mu    sync.Mutex
	until map[notice]time.Time // when it is to be told again; what is over goes with the next that is new
}

// first reports whether operators have yet to be told, and notes that they are until then.
func (told *notices) first(n notice, until time.Time) bool {
	told.mu.Lock()
	defer told.mu.Unlock()
	now := time.Now()
	if now.Before(told.until[n]) {
		return false
	}
	maps.DeleteFunc(told.until, func(_ notice, end time.Time) bool { return !now.Before(end) })
	if told.until == nil {
		told.until = map[notice]time.Time{}
	}
	told.until[n] = until
	return true
}

// notify records an event for operators, of a bucket or a number, unless they were told of the same and it is not until
// yet.
func (s *Service) notify(ctx context.Context, c Client, n Number, e Event, of Name, until time.Time) {
	if s.told.first(notice{e.Kind, e.Outcome, e.Budget, of}, until) {
		s.record(ctx, c, n, e)
	}
}

// overBudget raises the alarm for a charge that was refused, if it is of a budget that an operator should look at: once a
// day and bucket. The whole service's day is over when the store says so: by our clock, if that is ahead, the alarm of a
// new day could be spent on the old one.
func (s *Service) overBudget(ctx context.Context, c Client, n Number, refused Charge, wait time.Duration) {
	alarm := Event{Kind: EventAlarm, Outcome: Limited.String(), Budget: refused.Budget}
	switch refused.Kind {
	case Daily:
		s.notify(ctx, c, n, alarm, refused.Name, time.Now().Add(wait))
	case Conversion:
		s.notify(ctx, c, n, alarm, refused.Name, midnight())
	}
}

// severalAccounts raises the alarm for a number that belongs to several accounts (T09), once a day and number.
func (s *Service) severalAccounts(ctx context.Context, c Client, n Number) {
	s.notify(ctx, c, n, Event{Kind: EventAlarm, Outcome: SeveralAccounts.String()}, s.o.Keys.NumberName(n), midnight())
}

// midnight is when today ends, in UTC.
func midnight() time.Time { return time.Now().Truncate(day).Add(day) }
