package sms

import (
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"time"
)

// Health is how a provider has done in this process.
type Health struct {
	Provider string           `json:"provider"`
	Breaker  string           `json:"breaker"` // closed: in service; open: set aside; half-open: the next message is a probe
	Until    *time.Time       `json:"until,omitempty"`
	Attempts map[string]int64 `json:"attempts"` // by outcome, since the start
	// Delivered and Undelivered are the final receipts among the latest, each message once; Rate is the share that was
	// delivered, and nil without any.
	Delivered   int      `json:"delivered"`
	Undelivered int      `json:"undelivered"`
	Rate        *float64 `json:"delivery_rate"`
}

// Health is that of every provider, by name.
func (f *Failover) Health() []Health {
	now := time.Now()
	all := make([]Health, 0, len(f.breakers))
	for _, name := range slices.Sorted(maps.Keys(f.breakers)) {
		h := f.tallies[name].health()
		h.Provider = name
		var until time.Time
		if h.Breaker, until = f.breakers[name].state(now); !until.IsZero() {
			h.Until = &until
		}
		all = append(all, h)
	}
	return all
}

// ratedReceipts is how many of the latest final receipts the delivery rate is measured over: enough for a steady figure, few
// enough to show today's trouble.
const ratedReceipts = 500

// tally counts a provider's attempts and receipts.
type tally struct {
	mu       sync.Mutex
	attempts map[string]int64
	latest   []rated // a ring of ratedReceipts, once full
	next     int
	index    map[uint64]int // place in the ring by key
	seed     maphash.Seed
}

// rated is a final receipt. Vendors push again what they think was not heard: the key tells the same message.
type rated struct {
	key       uint64
	delivered bool
}

func (t *tally) attempt(o Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.attempts == nil {
		t.attempts = map[string]int64{}
	}
	t.attempts[o.String()]++
}

func (t *tally) report(r Report) {
	if r.State != Delivered && r.State != Undelivered || r.ID == "" && r.Message == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.index == nil {
		t.index, t.seed = map[uint64]int{}, maphash.MakeSeed()
	}
	key := maphash.String(t.seed, r.ID+" "+r.Message)
	now := rated{key, r.State == Delivered}
	if i, again := t.index[key]; again {
		t.latest[i] = now
		return
	}
	if len(t.latest) < ratedReceipts {
		t.latest = append(t.latest, now)
	} else {
		delete(t.index, t.latest[t.next].key)
		t.latest[t.next] = now
	}
	t.index[key] = t.next
	t.next = (t.next + 1) % ratedReceipts
}

func (t *tally) health() Health {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := Health{Attempts: maps.Clone(t.attempts)}
	if h.Attempts == nil {
		h.Attempts = map[string]int64{}
	}
	for _, r := range t.latest {
		if r.delivered {
			h.Delivered++
		} else {
			h.Undelivered++
		}
	}
	if all := h.Delivered + h.Undelivered; all > 0 {
		rate := float64(h.Delivered) / float64(all)
		h.Rate = &rate
	}
	return h
}
