package codestore

import (
	"math"
	"slices"
	"time"

	"rekey"
)

// budget is what the store knows of one bucket. Which fields count depends on the kinds of the charges made to it.
type budget struct {
	Rates []rate  `json:"rates,omitempty"` // Rate, one a window
	Day   int64   `json:"day,omitempty"`   // Daily: which day Count is of, in days since the Unix epoch
	Count int64   `json:"count,omitempty"` // Daily
	Slots []slot  `json:"slots,omitempty"` // Conversion, oldest first
	Mark  instant `json:"mark,omitempty"`  // Once: until when the mark stands
	Until instant `json:"until"`           // after this nothing above counts any more
}

// rate is the state of a GCRA.
type rate struct {
	Window int64   `json:"window"` // which of the bucket's rates it is, in microseconds
	TAT    instant `json:"tat"`    // theoretical arrival time
}

// slot is a twelfth of a Conversion's window.
type slot struct {
	Start    instant `json:"start"`
	Sent     int64   `json:"sent"`
	Redeemed int64   `json:"redeemed"`
}

const slotsPerWindow = 12

func (b *budget) expiry() instant { return b.Until }

// places says where the documents of a charge stand among those loaded.
type places struct{ bucket, mark int }

// bucketNames lists each document that charges need once, and where each charge finds its own.
func bucketNames(charges []rekey.Charge) ([]rekey.Name, []places) {
	var names []rekey.Name
	at := func(n rekey.Name) int {
		if i := slices.Index(names, n); i >= 0 {
			return i
		}
		names = append(names, n)
		return len(names) - 1
	}
	place := make([]places, len(charges))
	for i, c := range charges {
		place[i] = places{bucket: at(c.Name), mark: -1}
		if c.Once != "" {
			place[i].mark = at(c.Once)
		}
	}
	return names, place
}

// take makes all charges or none: it works on copies and puts them in place once every charge has passed.
func take(now instant, charges []rekey.Charge, place []places, docs []*budget) (rekey.Decision, bool) {
	after := make([]budget, len(docs))
	for i, d := range docs {
		if d != nil {
			after[i] = *d
			after[i].Rates, after[i].Slots = slices.Clone(d.Rates), slices.Clone(d.Slots)
		}
	}
	decision := rekey.Decision{Refused: -1, Used: make([]int64, len(charges))}
	changed := false
	marks := make(map[int]instant)
	for i, c := range charges {
		mark := place[i].mark
		if mark >= 0 {
			if after[mark].Mark > now {
				continue
			}
			if c.Cost > 0 {
				marks[mark] = now.add(c.OnceFor)
			}
		}
		used, wait := after[place[i].bucket].charge(now, c)
		decision.Used[i] = used
		if wait > 0 {
			decision.Refused, decision.RetryAfter = i, wait
			return decision, false
		}
		changed = changed || c.Cost != 0
	}
	if !changed {
		return decision, false
	}
	for i, until := range marks {
		after[i].Mark = until
		after[i].Until = max(after[i].Until, until)
	}
	for i, a := range after {
		if docs[i] == nil {
			docs[i] = &budget{} // one of its own: a shared array would live as long as its longest-lived document
		}
		*docs[i] = a
	}
	return decision, true
}

// charge makes one charge; a wait over zero is a refusal.
func (b *budget) charge(now instant, c rekey.Charge) (used int64, wait time.Duration) {
	switch c.Kind {
	case rekey.Rate:
		return b.charged(now, c)
	case rekey.Daily:
		return b.daily(now, c)
	default:
		return b.conversion(now, c)
	}
}

// charged is the generic cell rate algorithm (ITU-T I.371, annex A, virtual scheduling): each unit moves the theoretical
// arrival time on by Window/Limit, and may not move it further than Window ahead of now.
func (b *budget) charged(now instant, c rekey.Charge) (used int64, wait time.Duration) {
	emission := max(c.Window/time.Duration(max(c.Limit, 1)), time.Microsecond)
	state := b.rateOf(c.Window)
	tat := max(state.TAT, now)
	next := tat.add(time.Duration(c.Cost) * emission)
	// To look (a cost of 0) is to ask whether one more would pass.
	if ahead := tat.add(time.Duration(max(c.Cost, 1)) * emission).sub(now); c.Cost >= 0 && ahead > c.Window {
		return int64(math.Ceil(float64(tat.sub(now)) / float64(emission))), ahead - c.Window
	}
	state.TAT = max(next, now)
	b.Until = max(b.Until, state.TAT)
	return int64(math.Ceil(float64(state.TAT.sub(now)) / float64(emission))), 0
}

// rateOf is the state of the bucket's rate over a window.
func (b *budget) rateOf(window time.Duration) *rate {
	at := slices.IndexFunc(b.Rates, func(r rate) bool { return r.Window == window.Microseconds() })
	if at < 0 {
		b.Rates = append(b.Rates, rate{Window: window.Microseconds()})
		at = len(b.Rates) - 1
	}
	return &b.Rates[at]
}

// daily counts within a calendar day, in UTC.
func (b *budget) daily(now instant, c rekey.Charge) (used int64, wait time.Duration) {
	length := instant(day.Microseconds())
	today := int64(now / length)
	if b.Day != today {
		b.Day, b.Count = today, 0
	}
	tomorrow := instant(today+1) * length
	if c.Cost >= 0 && b.Count+max(c.Cost, 1) > c.Limit {
		return b.Count, tomorrow.sub(now)
	}
	b.Count = max(0, b.Count+c.Cost)
	b.Until = max(b.Until, tomorrow)
	return b.Count, 0
}

// conversion counts what was sent and redeemed within Window, in twelfths of it, and refuses further sends while too
// little comes back.
func (b *budget) conversion(now instant, c rekey.Charge) (used int64, wait time.Duration) {
	width := instant(max(c.Window/slotsPerWindow, time.Microsecond).Microseconds())
	b.Slots = slices.DeleteFunc(b.Slots, func(s slot) bool { return s.Start.add(c.Window) <= now })
	var sent, redeemed int64
	for _, s := range b.Slots {
		sent += s.Sent
		redeemed += s.Redeemed
	}
	if c.Kind == rekey.Conversion && c.Cost >= 0 && sent >= c.Limit && float64(redeemed) < c.Floor*float64(sent) {
		return sent, b.Slots[0].Start.add(c.Window).sub(now)
	}
	start := now / width * width
	if len(b.Slots) == 0 || b.Slots[len(b.Slots)-1].Start < start {
		b.Slots = append(b.Slots, slot{Start: start})
	}
	latest := &b.Slots[len(b.Slots)-1]
	if c.Kind == rekey.Redeemed {
		latest.Redeemed += c.Cost
	} else {
		latest.Sent = max(0, latest.Sent+c.Cost) // what is given back may have been charged to an earlier slot
		sent += c.Cost
	}
	b.Until = max(b.Until, latest.Start.add(c.Window))
	return sent, 0
}
