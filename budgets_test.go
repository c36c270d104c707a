package rekey_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rekey"
)

// limited expects a refusal by one budget, and returns when to try again.
func (h *house) limited(err error, budget string) time.Duration {
	h.Helper()
	refusal, ok := errors.AsType[*rekey.Error](err)
	if !ok || refusal.Kind != rekey.Limited || refusal.Budget != budget || refusal.RetryAfter <= 0 {
		h.Fatalf("got %#v, want limited by %s", err, budget)
	}
	return refusal.RetryAfter
}

// crowd registers people with consecutive numbers, 10,000 to a prefix.
func (h *house) crowd(n int, mobile func(i int) string) {
	for i := range n {
		h.people.add(fmt.Sprint("crowd ", i), mobile(i), oldPassword)
	}
}

func onePrefix(i int) string  { return fmt.Sprintf("1390000%04d", i) }
func manyPrefix(i int) string { return fmt.Sprintf("139%04d0001", i) }

func TestAnAddressMaySendFiveInTenMinutes(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.crowd(40, manyPrefix)
		for i := range 5 {
			h.send(from(1), manyPrefix(i))
		}
		var wait time.Duration
		h.never(func() {
			_, err := h.Send(h.Context(), from(1), manyPrefix(5))
			wait = h.limited(err, "address_sends_10m")
		})
		h.send(from(2), manyPrefix(5)) // the refused number was not charged
		time.Sleep(wait)
		h.send(from(1), manyPrefix(6))
		sent := 6
		for i := 7; i < 40; i++ {
			time.Sleep(2 * minute)
			if _, err := h.Send(h.Context(), from(1), manyPrefix(i)); err != nil {
				h.limited(err, "address_sends_day")
				break
			}
			sent++
		}
		if sent < 20 || sent > 22 { // a rate of 20 a day refills one in 72 min
			h.Errorf("%d sends an address", sent)
		}
	})
}

func TestT32_OneIPv6NetworkIsOneAddress(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.crowd(60, manyPrefix)
		in := func(network, host int) rekey.Client {
			return rekey.Client{Address: netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::%x", network, host))}
		}
		for i := range 5 {
			h.send(in(1, i+1), manyPrefix(i))
		}
		_, err := h.Send(h.Context(), in(1, 999), manyPrefix(5))
		h.limited(err, "address_sends_10m")
		// Whoever owns the /48 has ten times as much, not 65,536 times.
		sent := 5
		for i := 5; i < 60; i++ {
			if _, err := h.Send(h.Context(), in(i, 1), manyPrefix(i)); err == nil {
				sent++
			}
		}
		if sent != 50 {
			h.Errorf("%d sends a /48", sent)
		}
		mapped := rekey.Client{Address: netip.MustParseAddr("::ffff:192.0.2.77")}
		plain := rekey.Client{Address: netip.MustParseAddr("192.0.2.77")}
		for i := range 5 {
			_, err := h.Send(h.Context(), []rekey.Client{mapped, plain}[i%2], nobody)
			h.want(err, rekey.NotRegistered)
		}
		_, err = h.Send(h.Context(), mapped, nobody)
		h.limited(err, "address_sends_10m")
	})
}

func TestOneAddressMaySendToOneNumberFourTimesADay(t *testing.T) {
	inHouse(t, func(o *rekey.Options) { o.Limits.AddressSends10m, o.Limits.AddressSendsDay = 0, 0 }, func(h *house) {
		for i := range 4 {
			h.send(from(1), ann)
			for range 20 { // asking too soon is not counted against it
				_, err := h.Send(h.Context(), from(1), ann)
				if kind := rekey.KindOf(err); kind != rekey.TooSoon && !(i == 3 && kind == rekey.Limited) {
					h.Fatal(err)
				}
			}
			time.Sleep(11 * minute)
		}
		_, err := h.Send(h.Context(), from(1), ann)
		h.limited(err, "address_number_day")
	})
}

func TestT27_ANumberIsSentSevenADayAndNineToAKnownDevice(t *testing.T) {
	// Three of the ten are kept for requests with a proof of work.
	for _, known := range []bool{false, true} {
		t.Run(fmt.Sprint("known device ", known), func(t *testing.T) {
			inHouse(t, nil, func(h *house) {
				device, want := "", 7
				if known {
					flow, code := h.send(from(1), ann)
					c := from(1)
					c.Flow = flow
					done, err := h.Reset(h.Context(), c, rekey.ResetRequest{Mobile: ann, Code: code, Password: newPassword})
					h.ok(err)
					device, want = done.Device, 9
					_, err = h.Send(h.Context(), rekey.Client{Address: from(1).Address, Device: device + "x"}, ann)
					h.want(err, rekey.TooSoon)
				}
				last, began := time.Time{}, time.Now()
				for i := 0; time.Since(began) < 23*time.Hour; i++ {
					c := from(i)
					c.Device = device
					if _, err := h.Send(h.Context(), c, ann); err == nil {
						if !last.IsZero() && time.Since(last) < minute {
							h.Fatal("two messages within a minute")
						}
						last = time.Now()
					}
					time.Sleep(30 * time.Second)
				}
				if n := h.phone.count(); n != want {
					h.Fatalf("%d messages, want %d", n, want)
				}
			})
		})
	}
}

func TestT29_APrefixIsCappedAndTheBrakeTold(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.crowd(40, onePrefix)
		for i := range 10 {
			h.send(from(i), onePrefix(i))
		}
		_, err := h.Send(h.Context(), from(11), onePrefix(11))
		h.limited(err, "prefix_sends_hour")
		_, err = h.Check(h.Context(), from(11), onePrefix(11))
		h.ok(err)
	})
	inHouse(t, func(o *rekey.Options) { o.Limits.PrefixSendsHour = 0 }, func(h *house) {
		h.crowd(40, onePrefix)
		for i := range 20 {
			h.send(from(i), onePrefix(i))
		}
		_, err := h.Send(h.Context(), from(21), onePrefix(21))
		h.limited(err, "conversion_floor")
		if !h.diary.has(rekey.EventAlarm, "limited", "conversion_floor") {
			h.Error("nobody was told")
		}
	})
	inHouse(t, func(o *rekey.Options) { o.Limits.PrefixSendsHour = 0 }, func(h *house) {
		h.crowd(40, onePrefix)
		for i := range 40 { // who redeems is not braked
			flow, code := h.send(from(i), onePrefix(i))
			h.ok(h.reset(flow, onePrefix(i), code, newPassword))
			synctest.Wait()
		}
	})
}

func TestT40_AScanIsSlowedAndStopped(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		check := func(i int) error {
			_, err := h.Check(h.Context(), from(1), onePrefix(i))
			return err
		}
		for i := range 30 {
			for range 3 {
				h.ok(check(i)) // the same number again is no lookup
			}
		}
		h.limited(check(30), "address_lookups")
		// Sends that are answered "not registered" count with them.
		_, err := h.Send(h.Context(), from(1), onePrefix(31))
		h.limited(err, "address_lookups")
		learned := 30
		for i := 40; i < 2000; i++ {
			if err := check(i); err == nil {
				learned++
			} else if rekey.KindOf(err) != rekey.Limited {
				h.Fatal(err)
			}
			time.Sleep(30 * time.Second)
		}
		if learned > 2*200 { // a rate of 200 a day lets through at most twice that in the first day
			h.Errorf("%d numbers learned in %v", learned, 2000*30*time.Second)
		}
	})
}

func TestNumbersAskedForByAllAreCappedADay(t *testing.T) {
	inHouse(t, func(o *rekey.Options) { o.Limits.ServiceLookupsDay = 50 }, func(h *house) {
		for i := range 50 {
			_, err := h.Check(h.Context(), from(i), onePrefix(i))
			h.ok(err)
		}
		_, err := h.Check(h.Context(), from(60), onePrefix(60))
		h.limited(err, "service_lookups_day")
	})
}

func TestAfterTooManyWrongGuessesInADayACodesFirstGuessStaysFree(t *testing.T) {
	inHouse(t, func(o *rekey.Options) { o.Limits.ServiceWrongDay, o.Limits.ConversionFloor = 10, 0 }, func(h *house) {
		h.crowd(40, manyPrefix)
		for i := range 11 {
			flow, code := h.send(from(i), manyPrefix(i))
			h.want(h.reset(flow, manyPrefix(i), not(code), newPassword), rekey.WrongCode)
		}
		if !h.diary.has(rekey.EventAlarm, "limited", "service_wrong_day") {
			h.Error("nobody was told")
		}
		flow, code := h.send(from(20), ann)
		h.want(h.reset("", ann, code, newPassword), rekey.TooManyWrong)
		h.ok(h.reset(flow, ann, code, newPassword))
	})
}

func TestWithProofOffOnlyTheHardTierRefuses(t *testing.T) {
	inHouse(t, func(o *rekey.Options) { o.Proof = rekey.ProofOff }, func(h *house) {
		h.crowd(60, onePrefix)
		for i := range 50 {
			h.send(from(1), onePrefix(i))
		}
		_, err := h.Send(h.Context(), from(1), onePrefix(50))
		h.limited(err, "address_sends_10m")
	})
}

func TestLimitsOfZeroAreOff(t *testing.T) {
	inHouse(t, func(o *rekey.Options) { o.Limits = rekey.Limits{} }, func(h *house) {
		h.crowd(300, onePrefix)
		for i := range 300 {
			_, err := h.Check(h.Context(), from(1), onePrefix(i))
			h.ok(err)
			h.send(from(1), onePrefix(i))
		}
	})
}

func TestNewSaysAllThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := rekey.New(rekey.Options{Code: rekey.CodeSettings{Lifetime: time.Hour}, Limits: rekey.Limits{LiveFlows: -1}})
	if err == nil {
		t.Fatal("made")
	}
	for _, word := range []string{"Directory", "Codes", "Limiter", "Sender", "Keys", "lifetime", "interval", "guesses", "limit"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not speak of %s", err, word)
		}
	}
}

func TestT36_EventsAndErrorsSayNoSecret(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		const password = "canaryPass9"
		flow, code := h.send(from(1), ann)
		var said []string
		for _, err := range []error{
			h.reset(flow, ann, not(code), password), h.reset("", ann, not(code), password), h.reset(flow, ann, code+"1", password),
		} {
			said = append(said, fmt.Sprintf("%v %+v %#v", err, err, err))
		}
		h.people.down = true
		said = append(said, fmt.Sprint(h.reset(flow, ann, code, password)))
		h.people.down = false
		h.ok(h.reset(flow, ann, code, password))
		synctest.Wait()
		for _, e := range h.diary.events {
			said = append(said, fmt.Sprintf("%v %+v %#v", e, e, e))
		}
		for _, text := range said {
			for name, canary := range map[string]string{"number": ann, "code": code, "password": password, "flow": flow, "E.164": "+86" + ann} {
				if strings.Contains(text, canary) {
					h.Errorf("the %s stands in %q", name, text)
				}
			}
		}
	})
}

func TestT43_DrainWaitsForMessages(t *testing.T) {
	inHouse(t, func(o *rekey.Options) {
		o.Disclosure = false
		sender := o.Sender
		o.Sender = slow{sender}
	}, func(h *house) {
		ctx, cancel := context.WithCancel(h.Context())
		if _, err := h.Send(ctx, from(1), ann); err != nil {
			h.Fatal(err)
		}
		cancel() // the person's connection is gone; the message is not
		short, stop := context.WithTimeout(h.Context(), time.Second)
		defer stop()
		if h.Drain(short) == nil {
			h.Error("drained before the message left")
		}
		h.ok(h.Drain(h.Context()))
		if h.phone.count() != 1 {
			h.Error("the message was lost")
		}
	})
}

type slow struct{ rekey.Sender }

func (s slow) Send(ctx context.Context, m rekey.Message) (rekey.Receipt, error) {
	select {
	case <-time.After(3 * time.Second):
		return s.Sender.Send(ctx, m)
	case <-ctx.Done():
		return rekey.Receipt{}, errors.Join(rekey.ErrUnknown, ctx.Err())
	}
}

func TestAWrongGuessIsCountedToTheServiceOnce(t *testing.T) {
	inHouse(t, func(o *rekey.Options) { o.Limits.ServiceWrongDay = 2 }, func(h *house) {
		flow, code := h.send(from(1), ann)
		for range 20 {
			h.want(h.reset(flow, ann, not(code), newPassword), rekey.WrongCode)
		}
		if h.diary.has(rekey.EventAlarm, "limited", "service_wrong_day") {
			h.Error("the same body was counted again")
		}
	})
}

func TestAGuessIsCountedToTheServiceThoughTheClientHungUp(t *testing.T) {
	inHouse(t, func(o *rekey.Options) { o.Limits.ServiceWrongDay = 2 }, func(h *house) {
		flow, code := h.send(from(1), ann)
		for _, guess := range wrongs(code, 4) {
			ctx, hangUp := context.WithCancel(h.Context())
			hangUp()
			c := from(1)
			c.Flow = flow
			_, err := h.Reset(ctx, c, rekey.ResetRequest{Mobile: ann, Code: guess, Password: newPassword})
			if kind := rekey.KindOf(err); kind != rekey.WrongCode && kind != rekey.TooManyWrong {
				h.Fatal(err)
			}
		}
		if !h.diary.has(rekey.EventAlarm, "limited", "service_wrong_day") {
			h.Error("not counted")
		}
	})
}

func TestT02_ANumberUnderAttackRaisesTheAlarm(t *testing.T) {
	inHouse(t, func(o *rekey.Options) { o.Limits.NumberWrongRow = 7 }, func(h *house) {
		for i, n := range []int{5, 2} {
			if h.diary.has(rekey.EventAlarm, "too_many_wrong", "number_wrong_row") {
				h.Error("too early")
			}
			flow, code := h.send(from(i), ann)
			for _, guess := range wrongs(code, n) {
				h.want(h.reset(flow, ann, guess, newPassword), rekey.WrongCode)
			}
			time.Sleep(10 * minute)
		}
		if !h.diary.has(rekey.EventAlarm, "too_many_wrong", "number_wrong_row") {
			h.Error("nobody was told")
		}
	})
}

func TestT27_ADeviceIsKnownForItsNumberAndHalfAYear(t *testing.T) {
	inHouse(t, func(o *rekey.Options) {
		o.Limits.NumberSendsHour, o.Limits.NumberSendsDay, o.Limits.NumberReserved = 1, 0, 0
	}, func(h *house) {
		flow, code := h.send(from(1), ann)
		c := from(1)
		c.Flow = flow
		done, err := h.Reset(h.Context(), c, rekey.ResetRequest{Mobile: ann, Code: code, Password: newPassword})
		h.ok(err)
		again := func(mobile string) error {
			time.Sleep(2 * minute)
			c := from(2)
			c.Device = done.Device
			_, err := h.Send(h.Context(), c, mobile)
			return err
		}
		h.ok(again(ann))
		h.ok(again(bob))
		h.limited(again(bob), "number_sends")
		time.Sleep(180 * 24 * time.Hour)
		h.ok(again(ann))
		h.limited(again(ann), "number_sends")
	})
}

func TestT40_OnceTheServicesLookupsAreUsedUpSendsStillCountAsLookups(t *testing.T) {
	inHouse(t, func(o *rekey.Options) {
		o.Limits.ServiceLookupsDay, o.Limits.AddressLookups, o.Limits.AddressSends10m, o.Limits.AddressSendsDay = 1, 3, 0, 0
	}, func(h *house) {
		_, err := h.Check(h.Context(), from(9), manyPrefix(9))
		h.ok(err)
		for i := range 3 {
			_, err := h.Send(h.Context(), from(1), manyPrefix(i))
			h.limited(err, "service_lookups_day")
		}
		_, err = h.Send(h.Context(), from(1), manyPrefix(5))
		h.limited(err, "address_lookups")
		_, err = h.Send(h.Context(), from(1), ann)
		h.limited(err, "address_lookups")
	})
}

func TestT40_AnAddressThatMayNotLookUpLearnsNothingFromSends(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		for i := range 30 {
			_, err := h.Check(h.Context(), from(1), onePrefix(i))
			h.ok(err)
		}
		for _, mobile := range []string{ann, manyPrefix(1)} {
			_, err := h.Send(h.Context(), from(1), mobile)
			h.limited(err, "address_lookups")
		}
		h.send(from(2), ann)
	})
}
