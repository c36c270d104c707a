package sms_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rekey"
	"rekey/sms"
	"rekey/sms/smstest"
)

// pair is two providers, of which the first fails as a test wants, on synctest's clock.
type pair struct {
	*testing.T
	*sms.Failover
	fail    error         // of the first provider; nil: it takes messages
	second  error         // of the second
	hold    time.Duration // before it answers
	tried   int           // messages that the first was handed
	changes []sms.Change
}

func withPair(t *testing.T, f func(p *pair)) {
	synctest.Test(t, func(t *testing.T) {
		p := &pair{T: t}
		p.Failover = newFailover(t, sms.FailoverConfig{
			Providers: map[string]sms.Entry{
				"first": {Sender: sender(func(context.Context, rekey.Message) (rekey.Receipt, error) {
					p.tried++
					err := p.fail
					time.Sleep(p.hold)
					return rekey.Receipt{}, err
				})},
				"second": {Sender: sender(func(context.Context, rekey.Message) (rekey.Receipt, error) {
					return rekey.Receipt{}, p.second
				})},
			},
			Order:  []string{"first", "second"},
			Change: func(_ context.Context, c sms.Change) { p.changes = append(p.changes, c) },
		})
		f(p)
	})
}

// send sends one message and checks whether the first provider was asked and who took it.
func (p *pair) send(asked bool, taker string) {
	p.Helper()
	before := p.tried
	got, err := p.Send(p.Context(), smstest.Message(p, "m", canaryMobile, canaryCode))
	if err != nil || got.Provider != taker || (p.tried > before) != asked {
		p.Errorf("taken by %q, %v, the first was asked: %v; want %q, %v", got.Provider, err, p.tried > before, taker, asked)
	}
}

func (p *pair) changed(want ...sms.Change) {
	p.Helper()
	if !slices.Equal(p.changes, want) {
		p.Errorf("told of %v, want %v", p.changes, want)
	}
	p.changes = nil
}

func refusal(o sms.Outcome, code string) error { return &sms.Refusal{Outcome: o, Code: code} }

func TestARefusedAccountSetsAProviderAsideAtOnce(t *testing.T) {
	withPair(t, func(p *pair) {
		p.fail = refusal(sms.RejectedAccount, "isv.OUT_OF_SERVICE")
		p.send(true, "second")
		p.changed(sms.Change{Provider: "first", Aside: true, Outcome: sms.RejectedAccount, Code: "isv.OUT_OF_SERVICE", Err: p.fail})
		for range 20 {
			p.send(false, "second")
		}
		// One probe after each pause, which doubles up to five minutes; nobody is told again.
		for _, pause := range []time.Duration{30, 60, 120, 240, 300, 300} {
			time.Sleep(pause*time.Second - time.Nanosecond)
			p.send(false, "second")
			time.Sleep(time.Nanosecond)
			p.send(true, "second")
			p.send(false, "second")
		}
		p.changed()
		p.fail = nil
		time.Sleep(300 * time.Second)
		p.send(true, "first")
		p.send(true, "first")
		p.changed(sms.Change{Provider: "first", Outcome: sms.Sent})
		p.fail = refusal(sms.RejectedAccount, "")
		p.send(true, "second")
		p.fail = nil
		time.Sleep(30 * time.Second) // the pause has begun anew
		p.send(true, "first")
	})
}

func TestAProviderThatFailsTooOftenIsSetAside(t *testing.T) {
	for _, o := range []sms.Outcome{sms.Unavailable, sms.Throttled, sms.Unknown} {
		t.Run(o.String(), func(t *testing.T) {
			withPair(t, func(p *pair) {
				for range 6 {
					p.send(true, "first")
				}
				p.fail = refusal(o, "")
				for range 6 { // until they are half of all
					p.send(true, "second")
				}
				p.changed(sms.Change{Provider: "first", Aside: true, Outcome: o, Err: p.fail})
				p.send(false, "second")
			})
		})
	}
}

// A provider that was away and comes back with our account closed needs an operator, who has not been told of that yet.
func TestAnAccountRefusedByAProviderThatIsAsideIsToldOnce(t *testing.T) {
	withPair(t, func(p *pair) {
		aside := func(o sms.Outcome) {
			p.Helper()
			p.changed(sms.Change{Provider: "first", Aside: true, Outcome: o, Err: p.fail})
		}
		for range 2 {
			p.fail = refusal(sms.Unavailable, "")
			for range 5 {
				p.send(true, "second")
			}
			aside(sms.Unavailable)
			p.fail = refusal(sms.RejectedAccount, "")
			time.Sleep(30 * time.Second)
			p.send(true, "second") // the probe
			aside(sms.RejectedAccount)
			time.Sleep(60 * time.Second)
			p.send(true, "second")
			p.changed() // it was told
			p.fail = nil
			time.Sleep(2 * time.Minute)
			p.send(true, "first")
			p.changed(sms.Change{Provider: "first", Outcome: sms.Sent})
		}
		// The last resort's refusal counts too, though no probe is due.
		p.fail = refusal(sms.Throttled, "")
		for range 5 {
			p.send(true, "second")
		}
		aside(sms.Throttled)
		p.fail, p.second = refusal(sms.RejectedAccount, ""), refusal(sms.Unavailable, "")
		for range 2 {
			if _, err := p.Send(p.Context(), smstest.Message(p, "m", canaryMobile, canaryCode)); err == nil {
				p.Error("both have refused, and it was sent")
			}
		}
		aside(sms.RejectedAccount)
	})
}

func TestFewOrOldFailuresSetNobodyAside(t *testing.T) {
	withPair(t, func(p *pair) {
		for range 10 {
			p.fail = nil
			for range 5 {
				p.send(true, "first")
			}
			p.fail = refusal(sms.Unavailable, "")
			for range 3 {
				p.send(true, "second")
			}
		}
		time.Sleep(5 * time.Minute)
		for range 20 { // one a while
			time.Sleep(5*time.Minute/4 + 1)
			p.send(true, "second")
		}
		p.changed()
	})
}

// A stranger can ask for codes for numbers that a vendor refuses: that must not decide which vendor is used.
func TestT29_RefusedNumbersSetNobodyAside(t *testing.T) {
	withPair(t, func(p *pair) {
		p.fail = refusal(sms.RejectedNumber, "isv.MOBILE_NUMBER_ILLEGAL")
		for range 100 {
			p.send(true, "second")
		}
		p.changed()
	})
}

func TestOneProbeAtATime(t *testing.T) {
	withPair(t, func(p *pair) {
		p.fail = refusal(sms.RejectedAccount, "")
		p.send(true, "second")
		time.Sleep(30 * time.Second)
		p.hold, p.fail = 3*time.Second, nil
		before := p.tried
		for range 50 {
			go p.Send(p.Context(), smstest.Message(p, "m", canaryMobile, canaryCode))
		}
		synctest.Wait()
		if n := p.tried - before; n != 1 {
			p.Errorf("%d messages went to a provider that is on probation", n)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		p.hold = 0
		p.send(true, "first")
	})
}

// Where the other one refuses, messages come to the first all the same; they are no probes, and end none.
func TestTheLastResortEndsNoProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tried int
		hold, fail := time.Duration(0), refusal(sms.RejectedAccount, "")
		f := newFailover(t, sms.FailoverConfig{
			Providers: map[string]sms.Entry{
				"first": {Sender: sender(func(context.Context, rekey.Message) (rekey.Receipt, error) {
					tried++
					wait, err := hold, fail
					time.Sleep(wait)
					return rekey.Receipt{}, err
				})},
				"second": {Sender: sender(func(_ context.Context, m rekey.Message) (rekey.Receipt, error) {
					if m.ID == "refused" {
						return rekey.Receipt{}, refusal(sms.RejectedNumber, "")
					}
					return rekey.Receipt{}, nil
				})},
			},
			Order: []string{"first", "second"},
		})
		send := func(id string) { f.Send(t.Context(), smstest.Message(t, id, canaryMobile, canaryCode)) }
		send("opens")
		time.Sleep(30 * time.Second)
		hold = 4 * time.Second
		go send("probe")
		synctest.Wait()
		hold, fail = 0, refusal(sms.RejectedNumber, "")
		send("refused") // the first refuses the number too
		before := tried
		send("third")
		if tried != before {
			t.Error("a second probe began before the first had ended")
		}
		synctest.Wait()
		time.Sleep(4 * time.Second)
	})
}

// A provider's panic is its own failure: the next one takes over, and the breaker is not left waiting for its probe.
func TestT31_AProviderThatPanicsHasLeftTheMessageUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		panics := true
		var attempts []sms.Attempt
		f := newFailover(t, sms.FailoverConfig{
			Providers: map[string]sms.Entry{
				"first": {Sender: sender(func(context.Context, rekey.Message) (rekey.Receipt, error) {
					if panics {
						panic("a number and a code: " + canaryMobile + canaryCode)
					}
					return rekey.Receipt{}, nil
				}), Prices: sms.Prices{"": 1}},
				"second": {Sender: taking("")},
			},
			Order:   []string{"first", "second"},
			Observe: func(_ context.Context, a sms.Attempt) { attempts = append(attempts, a) },
		})
		send := func(taker string) {
			t.Helper()
			got, err := f.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
			if err != nil || got.Provider != taker {
				t.Errorf("taken by %q, %v; want %q", got.Provider, err, taker)
			}
		}
		for range 5 {
			send("second")
		}
		if a := attempts[0]; a.Outcome != sms.Unknown || a.Price != 1 {
			t.Errorf("told of %+v", a)
		} else {
			smstest.CheckError(t, a.Err, rekey.ErrUnknown, canaryMobile, canaryCode)
			if !strings.Contains(a.Err.Error(), "TestT31_AProviderThatPanics") {
				t.Errorf("nothing is said of where it was: %v", a.Err)
			}
		}
		time.Sleep(30 * time.Second)
		send("second") // the probe panics too
		panics = false
		time.Sleep(60 * time.Second)
		send("first")
	})
}

// What was set aside is asked last, but by the same rules: not after an unknown outcome at its own vendor, and with a second
// left for it.
func TestT31_TheLastResortIsOfAnotherVendorAndHasItsTime(t *testing.T) {
	for vendor, taken := range map[string]bool{"one": false, "another": true} {
		t.Run(vendor, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tried, fail := 0, refusal(sms.RejectedAccount, "")
				hang := false
				f := newFailover(t, sms.FailoverConfig{
					Providers: map[string]sms.Entry{
						"first": {Vendor: "one", Sender: sender(func(context.Context, rekey.Message) (rekey.Receipt, error) {
							tried++
							return rekey.Receipt{}, fail
						})},
						"second": {Vendor: vendor, Timeout: sms.DefaultBudget, Sender: sender(func(ctx context.Context, _ rekey.Message) (rekey.Receipt, error) {
							if hang {
								<-ctx.Done()
								return rekey.Receipt{}, refusal(sms.Unknown, "")
							}
							return rekey.Receipt{}, nil
						})},
					},
					Order: []string{"first", "second"},
				})
				if _, err := f.Send(t.Context(), smstest.Message(t, "opens", canaryMobile, canaryCode)); err != nil || tried != 1 {
					t.Fatalf("%v, the first was tried %d times", err, tried)
				}
				fail, hang = nil, true
				got, err := f.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
				if (tried == 2) != taken || (got.Provider == "first") != taken || (err == nil) != taken {
					t.Errorf("taken by %q, %v; the first was tried %d times", got.Provider, err, tried)
				}
			})
		})
	}
}

func TestAProviderThatWasSetAsideIsTheLastResort(t *testing.T) {
	t.Parallel()
	var tried []string
	provider := func(name string, fail *error) sms.Entry {
		return sms.Entry{Sender: sender(func(context.Context, rekey.Message) (rekey.Receipt, error) {
			tried = append(tried, name)
			return rekey.Receipt{}, *fail
		})}
	}
	account, number := refusal(sms.RejectedAccount, ""), refusal(sms.RejectedNumber, "")
	a, b, c := account, account, number
	f := newFailover(t, sms.FailoverConfig{
		Providers: map[string]sms.Entry{"a": provider("a", &a), "b": provider("b", &b), "c": provider("c", &c)},
		Order:     []string{"a", "b", "c"},
	})
	for i, want := range [][]string{{"a", "b", "c"}, {"c", "a", "b"}, {"c", "a"}} {
		if i == 2 {
			a = nil
		}
		tried = nil
		_, err := f.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
		if !slices.Equal(tried, want) || (err == nil) != (i == 2) {
			t.Errorf("send %d: tried %v, %v; want %v", i, tried, err, want)
		}
	}
}

func TestT31_NeverTheSameVendorAfterAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	var tried []string
	provider := func(name, vendor string, err error) sms.Entry {
		return sms.Entry{Vendor: vendor, Sender: sender(func(context.Context, rekey.Message) (rekey.Receipt, error) {
			tried = append(tried, name)
			return rekey.Receipt{}, err
		})}
	}
	for name, c := range map[string]struct {
		first error
		want  []string
	}{
		"after an unknown outcome": {refusal(sms.Unknown, ""), []string{"aliyun", "tencent"}},
		"after a refusal":          {refusal(sms.RejectedNumber, ""), []string{"aliyun", "aliyun-2"}},
	} {
		f := newFailover(t, sms.FailoverConfig{
			Providers: map[string]sms.Entry{
				"aliyun": provider("aliyun", "aliyun", c.first), "aliyun-2": provider("aliyun-2", "aliyun", nil),
				"tencent": provider("tencent", "tencent", nil),
			},
			Order: []string{"aliyun", "aliyun-2", "tencent"},
		})
		tried = nil
		if _, err := f.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode)); err != nil || !slices.Equal(tried, c.want) {
			t.Errorf("%s: tried %v, %v; want %v", name, tried, err, c.want)
		}
	}
}

func TestHealthTellsAttemptsAndReceiptsOnce(t *testing.T) {
	withPair(t, func(p *pair) {
		p.send(true, "first")
		p.fail = refusal(sms.RejectedAccount, "")
		p.send(true, "second")
		for range 3 { // vendors push again
			p.Report(p.Context(), "first", sms.Report{ID: "1", State: sms.Delivered})
		}
		p.Report(p.Context(), "first", sms.Report{ID: "2", State: sms.Pending})
		p.Report(p.Context(), "first", sms.Report{ID: "2", State: sms.Undelivered})
		p.Report(p.Context(), "nobody", sms.Report{ID: "3", State: sms.Delivered})
		all := p.Health()
		first, second := all[0], all[1]
		if first.Provider != "first" || first.Breaker != "open" || first.Until == nil || first.Attempts["sent"] != 1 ||
			first.Attempts["rejected_account"] != 1 || first.Delivered != 1 || first.Undelivered != 1 || *first.Rate != 0.5 {
			p.Errorf("the first: %+v", first)
		}
		if second.Breaker != "closed" || second.Rate != nil || second.Attempts["sent"] != 1 {
			p.Errorf("the second: %+v", second)
		}
		for i := range 2000 { // of which the latest count
			state := sms.Delivered
			if i >= 1600 {
				state = sms.Undelivered
			}
			p.Report(p.Context(), "first", sms.Report{Message: time.Duration(i).String(), State: state})
		}
		if first = p.Health()[0]; first.Delivered != 100 || first.Undelivered != 400 {
			p.Errorf("%d delivered, %d not; want the latest 500", first.Delivered, first.Undelivered)
		}
		// One that is forgotten and pushed again takes the place of the oldest, not of whoever has its own by now.
		p.Report(p.Context(), "first", sms.Report{Message: time.Duration(200).String(), State: sms.Delivered})
		if first = p.Health()[0]; first.Delivered != 100 || first.Undelivered != 400 {
			p.Errorf("%d delivered, %d not; want the latest 500 and one again", first.Delivered, first.Undelivered)
		}
	})
}
