package rekey_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"rekey"
)

// otherPrefix are numbers that are neither onePrefix's nor manyPrefix's.
func otherPrefix(i int) string { return fmt.Sprintf("1370000%04d", i) }

// flood is how often a request that raises an alarm is made on each day.
const flood = 30

// Whoever can have a request refused can do so a thousand times: the operator reads of it once a day, and each request has
// its own event all the same.
func TestT29_OneAlarmADayHoweverManyAreRefused(t *testing.T) {
	const price = 50_000
	sends := func(h *house, today, n int) {
		for i := range n {
			h.send(from(i), manyPrefix(100*today+i))
		}
	}
	refused := func(h *house, today int, mobile func(int) string) error {
		_, err := h.Send(h.Context(), from(200), mobile(100*today+99))
		return err
	}
	for name, c := range map[string]struct {
		change  func(*rekey.Options)
		use     func(h *house, today int)          // uses the day's budget up
		request func(h *house, today, i int) error // is over it
		kind    rekey.EventKind                    // of its own event
		outcome string                             // in that
		alarm   string
		budget  string
	}{
		"messages": {
			change:  func(o *rekey.Options) { o.Limits.ServiceSendsDay = 3 },
			use:     func(h *house, today int) { sends(h, today, 3) },
			request: func(h *house, today, _ int) error { return refused(h, today, manyPrefix) },
			kind:    rekey.EventSend, outcome: "limited", alarm: "limited", budget: "service_sends_day",
		},
		"money": {
			change: func(o *rekey.Options) {
				o.Limits.ServiceSpendDay, o.MaxPrice = 3*price, func(rekey.Number, string) int64 { return price }
			},
			use:     func(h *house, today int) { sends(h, today, 3) },
			request: func(h *house, today, _ int) error { return refused(h, today, manyPrefix) },
			kind:    rekey.EventSend, outcome: "limited", alarm: "limited", budget: "service_spend_day",
		},
		"lookups": {
			change: func(o *rekey.Options) { o.Limits.ServiceLookupsDay = 3 },
			use: func(h *house, today int) {
				for i := range 3 {
					_, err := h.Check(h.Context(), from(i), manyPrefix(100*today+i))
					h.ok(err)
				}
			},
			request: func(h *house, today, i int) error {
				_, err := h.Check(h.Context(), from(10+i), manyPrefix(100*today+10+i))
				return err
			},
			kind: rekey.EventCheck, outcome: "limited", alarm: "limited", budget: "service_lookups_day",
		},
		"wrong guesses": {
			change: func(o *rekey.Options) { o.Limits.ServiceWrongDay = 1 },
			use: func(h *house, today int) {
				flow, code := h.send(from(201), ann)
				h.want(h.reset(flow, ann, not(code), newPassword), rekey.WrongCode)
			},
			request: func(h *house, today, i int) error { // each code's first guess stays free, and is counted
				flow, code := h.send(from(i), manyPrefix(100*today+i))
				return h.reset(flow, manyPrefix(100*today+i), not(code), newPassword)
			},
			kind: rekey.EventReset, outcome: "wrong_code", alarm: "limited", budget: "service_wrong_day",
		},
		"a prefix that redeems nothing": {
			change: func(o *rekey.Options) {
				o.Limits.ConversionFloor, o.Limits.PrefixSendsHour, o.Limits.PrefixSendsDay = 0.3, 0, 0
			},
			use: func(h *house, today int) {
				for i := range 20 {
					h.send(from(i), otherPrefix(100*today+i))
				}
			},
			request: func(h *house, today, _ int) error { return refused(h, today, otherPrefix) },
			kind:    rekey.EventSend, outcome: "limited", alarm: "limited", budget: "conversion_floor",
		},
		"a number of several accounts": {
			use: func(h *house, today int) {
				if today == 0 {
					h.people.add("a second", ann, oldPassword)
				}
			},
			request: func(h *house, _, i int) error {
				_, err := h.Send(h.Context(), from(i), ann)
				return err
			},
			kind: rekey.EventSend, outcome: "several_accounts", alarm: "several_accounts",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(o *rekey.Options) {
				o.Limits.ConversionFloor, o.Limits.AddressSends10m, o.Limits.AddressSendsDay, o.Limits.AddressNumberDay = 0, 0, 0, 0
				if c.change != nil {
					c.change(o)
				}
			}, func(h *house) {
				h.crowd(400, func(i int) string {
					if i < 200 {
						return manyPrefix(i)
					}
					return otherPrefix(i - 200)
				})
				h.phone.price = price
				for today := range 2 {
					c.use(h, today)
					for i := range flood {
						err := c.request(h, today, i)
						if kind := rekey.KindOf(err); err == nil || kind.String() != c.outcome {
							h.Fatalf("request %d of day %d: %v", i, today, err)
						}
					}
					if got := h.diary.count(rekey.EventAlarm, c.alarm, c.budget); got != today+1 {
						h.Errorf("%d alarms after day %d, want one a day", got, today)
					}
					if got := h.diary.count(c.kind, c.outcome, ""); got < flood*(today+1) {
						h.Errorf("%d events of %d requests", got, flood*(today+1))
					}
					time.Sleep(24 * time.Hour)
				}
			})
		})
	}
}

// One attack's alarm is not kept back by another's.
func TestT29_EachPrefixThatRedeemsNothingHasItsAlarm(t *testing.T) {
	inHouse(t, func(o *rekey.Options) { o.Limits.PrefixSendsHour = 0 }, func(h *house) {
		h.crowd(80, func(i int) string {
			if i < 40 {
				return onePrefix(i)
			}
			return otherPrefix(i)
		})
		for i, mobile := range []func(int) string{onePrefix, func(i int) string { return otherPrefix(40 + i) }} {
			for j := range 20 {
				h.send(from(40*i+j), mobile(j))
			}
			for j := range 5 {
				_, err := h.Send(h.Context(), from(40*i+30+j), mobile(30+j))
				h.limited(err, "conversion_floor")
			}
			if got := h.diary.count(rekey.EventAlarm, "limited", "conversion_floor"); got != i+1 {
				h.Errorf("%d alarms of %d prefixes", got, i+1)
			}
		}
	})
}

// behind is a Limiter whose messages of the day are used up, on a clock that is late by lag.
type behind struct {
	*store
	lag time.Duration
}

func (b behind) Take(ctx context.Context, charges ...rekey.Charge) (rekey.Decision, error) {
	for i, c := range charges {
		if c.Budget == "service_sends_day" {
			now := time.Now().Add(-b.lag)
			return rekey.Decision{Refused: i, RetryAfter: now.Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(now), Used: make([]int64, len(charges))}, nil
		}
	}
	return b.store.Take(ctx, charges...)
}

// A replica whose clock is ahead must not tell of the old day what it then keeps back on the new one.
func TestT06_TheAlarmOfADayIsToldOnTheStoresDay(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		s := h.replica(func(o *rekey.Options) { o.Limiter = behind{h.store, 5 * time.Minute} })
		today := time.Now().Truncate(24 * time.Hour)
		for _, step := range []struct {
			at   time.Duration
			want int
		}{{23 * time.Hour, 1}, {24*time.Hour + time.Minute, 1}, {24*time.Hour + 6*time.Minute, 2}, {47 * time.Hour, 2}} {
			time.Sleep(time.Until(today.Add(step.at)))
			_, err := s.Send(h.Context(), from(1), ann)
			h.limited(err, "service_sends_day")
			if got := h.diary.count(rekey.EventAlarm, "limited", "service_sends_day"); got != step.want {
				h.Errorf("%d alarms after %v, want %d", got, step.at, step.want)
			}
		}
	})
}
