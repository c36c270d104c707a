package redisstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"rekey"
)

// Take implements rekey.Limiter. The buckets of a request lie on different servers of a Cluster, so that there is one
// script a bucket, which makes all of its charges or none, and one pipeline for all buckets. If one refuses, the others are
// given back; until they are, a bucket may seem fuller to others by what is on its way.
func (s *Store) Take(ctx context.Context, charges ...rekey.Charge) (rekey.Decision, error) {
	if len(charges) == 0 {
		return rekey.Decision{Refused: -1}, nil
	}
	if s.closed.Load() {
		return rekey.Decision{}, errClosed
	}
	ctx, cancel := context.WithTimeout(ctx, s.stepTime)
	defer cancel()
	buckets := s.bucketsOf(charges)
	// Who keeps asking though a bucket refuses would keep the others full for a moment each time, and others out. So where
	// one has just refused all are looked at first (T29).
	if s.refused.among(buckets) {
		if d, err := s.run(ctx, len(charges), buckets, looking); err != nil || d.Refused >= 0 {
			s.refused.note(buckets)
			return d, err
		}
	}
	d, err := s.run(ctx, len(charges), buckets, taking)
	switch {
	case err != nil:
		// What was taken is given back behind the answer: an outage must not use up what people have.
		s.settling.Go(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.stepTime)
			defer cancel()
			_ = s.giveBack(ctx, buckets) // if it fails the charges stay, on the safe side; the caller has an error already
		})
		return rekey.Decision{}, err
	case d.Refused >= 0:
		s.refused.note(buckets)
		if err := s.giveBack(ctx, buckets); err != nil {
			return rekey.Decision{}, err
		}
	}
	return d, nil
}

// bucket is the charges of a request to one bucket.
type bucket struct {
	keys    []string // its own, then those of marks
	charges []charge
	places  []int  // of its charges among the request's
	made    []bool // by charge, once the script has answered without a refusal
	refuses bool
}

// charge is a rekey.Charge as the script reads it.
type charge struct {
	Kind     rekey.ChargeKind `json:"kind"`
	Cost     int64            `json:"cost"`
	Limit    int64            `json:"limit"`
	Window   int64            `json:"window"`
	Emission int64            `json:"emission"` // of a rate: the time between two units, in nanoseconds
	Step     int64            `json:"step"`     // what the charge moves the theoretical arrival time on by
	Ask      int64            `json:"ask"`      // what must fit into the window
	Slot     int64            `json:"slot"`     // of a conversion: the length of a slot
	Floor    float64          `json:"floor"`
	Mark     int              `json:"mark"` // which of the keys, counted from 1; 0: none
	OnceFor  int64            `json:"once_for"`
}

const slotsPerWindow = 12

func (s *Store) bucketsOf(charges []rekey.Charge) []*bucket {
	var all []*bucket
	for i, c := range charges {
		key := s.prefix + "b:{" + string(c.Name) + "}"
		at := slices.IndexFunc(all, func(b *bucket) bool { return b.keys[0] == key })
		if at < 0 {
			at = len(all)
			all = append(all, &bucket{keys: []string{key}})
		}
		b := all[at]
		emission := max(c.Window/time.Duration(max(c.Limit, 1)), time.Microsecond)
		made := charge{
			Kind: c.Kind, Cost: c.Cost, Limit: c.Limit, Window: c.Window.Microseconds(), Floor: c.Floor,
			Emission: emission.Nanoseconds(),
			Step:     (time.Duration(c.Cost) * emission).Microseconds(),
			Ask:      (time.Duration(max(c.Cost, 1)) * emission).Microseconds(),
			Slot:     max(c.Window/slotsPerWindow, time.Microsecond).Microseconds(),
			OnceFor:  c.OnceFor.Microseconds(),
		}
		if c.Once != "" {
			mark := key + ":" + string(c.Once)
			if made.Mark = slices.Index(b.keys, mark) + 1; made.Mark == 0 {
				b.keys = append(b.keys, mark)
				made.Mark = len(b.keys)
			}
		}
		b.charges, b.places = append(b.charges, made), append(b.places, i)
	}
	return all
}

// unmark does without the marks: while a slot moves a Cluster takes no script on several keys of it unless all of them have
// moved, and a mark that is not there never does. What would have been free is charged then.
func (b *bucket) unmark() {
	b.keys = b.keys[:1]
	for i := range b.charges {
		b.charges[i].Mark = 0
	}
}

// mode is what a script does with the charges.
type mode struct{ look, back bool }

var taking, looking, givingBack = mode{}, mode{look: true}, mode{back: true}

// run puts the charges to all buckets in one pipeline. Its error is the first of a bucket that is not known to have
// answered; the others have been asked.
func (s *Store) run(ctx context.Context, charges int, buckets []*bucket, m mode) (rekey.Decision, error) {
	d := rekey.Decision{Refused: -1, Used: make([]int64, charges)}
	for _, b := range buckets {
		b.made, b.refuses = nil, false // what an earlier look found
	}
	open, told := buckets, make(map[*bucket]bool)
	for {
		var failed error // the first: an outage tells every bucket the same
		var again []*bucket
		commands := make([]*redis.Cmd, len(open))
		pipeline := s.client.Pipeline()
		for i, b := range open {
			text, err := json.Marshal(struct {
				Charges []charge `json:"charges"`
				Look    bool     `json:"look"`
				Back    bool     `json:"back"`
			}{b.charges, m.look, m.back})
			if err != nil {
				return rekey.Decision{}, err
			}
			commands[i] = takeScript.command(ctx, !told[b], b.keys, string(text))
			_ = pipeline.Process(ctx, once{commands[i]}) // is queued, which can't fail
		}
		_, _ = pipeline.Exec(ctx) // whose error is that of a command
		var passing error
		for i, b := range open {
			switch err := commands[i].Err(); {
			case err == nil:
				failed = cmp.Or(failed, b.answered(commands[i].Val(), &d))
			case redis.HasErrorPrefix(err, "NOSCRIPT"):
				told[b] = true
				again = append(again, b)
			case redis.IsTryAgainError(err) && len(b.keys) > 1:
				b.unmark()
				again = append(again, b)
			case refused(err):
				passing = err
				again = append(again, b)
			default:
				failed = cmp.Or(failed, foreign(err, "a budget", b.keys...))
			}
		}
		if failed != nil || len(again) == 0 {
			return d, failed
		}
		if passing != nil && !sleep(ctx, pause) {
			return d, passing
		}
		open = again
	}
}

// answered reads a script's answer: which of the bucket's charges refuses, for how long, what is used, what was made.
func (b *bucket) answered(value any, d *rekey.Decision) error {
	all, _ := value.([]any)
	a := &answer{rest: all}
	refused, wait := int(a.number()), a.duration()
	used, made := &answer{rest: next[[]any](a)}, &answer{rest: next[[]any](a)}
	b.made, b.refuses = make([]bool, len(b.charges)), refused > 0
	if a.fault != nil {
		return a.fault
	}
	for i, place := range b.places {
		if refused > 0 && i >= refused {
			break
		}
		d.Used[place] = used.number()
		b.made[i] = made.number() == 1 && refused == 0
	}
	if refused > 0 && refused <= len(b.places) {
		if place := b.places[refused-1]; d.Refused < 0 || place < d.Refused {
			d.Refused, d.RetryAfter = place, wait
		}
	}
	return errors.Join(used.fault, made.fault)
}

// giveBack undoes what run has made in the buckets that are known to have answered, and takes the marks away that it set.
func (s *Store) giveBack(ctx context.Context, buckets []*bucket) error {
	var back []*bucket
	charges := 0
	for _, b := range buckets {
		undo := &bucket{keys: b.keys[:1:1]}
		for i, c := range b.charges {
			if b.made == nil || !b.made[i] || c.Cost <= 0 {
				continue
			}
			if c.Mark > 0 && !slices.Contains(undo.keys, b.keys[c.Mark-1]) {
				undo.keys = append(undo.keys, b.keys[c.Mark-1])
			}
			c.Cost, c.Step, c.Mark = -c.Cost, -c.Step, 0
			undo.charges, undo.places = append(undo.charges, c), append(undo.places, len(undo.places))
		}
		if len(undo.charges) > 0 {
			charges = max(charges, len(undo.charges))
			back = append(back, undo)
		}
	}
	if len(back) == 0 {
		return nil
	}
	_, err := s.run(ctx, charges, back, givingBack)
	return err
}

// refusals are the buckets of this process that have refused lately.
type refusals struct {
	mu     sync.Mutex
	recent map[string]time.Time
}

const (
	// refusedFor is how long a refusal is kept in mind: whoever asks less often than that keeps nobody out.
	refusedFor = time.Second
	// mostRefusals bounds what is kept in mind; all of it is forgotten then.
	mostRefusals = 10_000
)

func (r *refusals) note(buckets []*bucket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range buckets {
		if b.refuses {
			if r.recent == nil || len(r.recent) >= mostRefusals {
				r.recent = make(map[string]time.Time)
			}
			r.recent[b.keys[0]] = time.Now()
		}
	}
}

func (r *refusals) among(buckets []*bucket) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(buckets, func(b *bucket) bool {
		at, there := r.recent[b.keys[0]]
		return there && time.Since(at) < refusedFor
	})
}
