package rekey_test

import (
	"testing"
	"time"

	"rekey"
)

// The tests of this file are about what the whole service may send and spend on a day.

func TestT29_MoneyStaysUnderTheDaysBudget(t *testing.T) {
	const price = 50_000 // 0.05
	inHouse(t, func(o *rekey.Options) {
		o.Limits.ServiceSpendDay, o.Limits.ConversionFloor = 10*price, 0
		o.MaxPrice = func(rekey.Number, string) int64 { return 2 * price }
	}, func(h *house) {
		h.crowd(40, manyPrefix)
		h.phone.price = price
		for i := range 9 { // each takes the dearest price until its receipt says less
			h.send(from(i), manyPrefix(i))
		}
		if !h.diary.has(rekey.EventWarning, "80%", "service_spend_day") {
			h.Error("nobody was warned at 80 %")
		}
		h.never(func() {
			_, err := h.Send(h.Context(), from(20), manyPrefix(20))
			h.limited(err, "service_spend_day")
		})
	})
}

// What a request takes and is given back passes the mark again and again; the operator reads of it once a day.
func TestT29_OneWarningADayWhateverIsGivenBack(t *testing.T) {
	const price = 50_000
	inHouse(t, func(o *rekey.Options) {
		o.Limits.ServiceSpendDay, o.Limits.ConversionFloor = 10*price, 0
		o.Limits.AddressSends10m, o.Limits.AddressSendsDay = 0, 0
		o.MaxPrice = func(rekey.Number, string) int64 { return 2 * price }
	}, func(h *house) {
		h.crowd(20, manyPrefix)
		h.phone.price = price
		for today := range 2 {
			for i := range 7 {
				h.send(from(i), manyPrefix(10*today+i))
			}
			for range 50 { // takes 20 % more, sends nothing, and is given it back
				_, err := h.Send(h.Context(), from(9), manyPrefix(10*today))
				h.want(err, rekey.TooSoon)
			}
			if got := h.diary.count(rekey.EventWarning, "80%", "service_spend_day"); got != today+1 {
				h.Errorf("%d warnings after day %d, want one a day", got, today+1)
			}
			time.Sleep(24 * time.Hour)
		}
	})
}

func TestT29_AMessageThatNobodyKnowsOfCostsTheMostThatItMay(t *testing.T) {
	const most = 50_000
	for name, c := range map[string]struct {
		told int64 // the price in the receipt; 0: it says none
		sent int   // messages that a budget of ten times the most is enough for
	}{"a price was told": {most / 5, 46}, "none was": {0, 10}} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(o *rekey.Options) {
				o.Limits.ServiceSpendDay, o.Limits.ConversionFloor = 10*most, 0
				o.MaxPrice = func(rekey.Number, string) int64 { return most }
			}, func(h *house) {
				h.crowd(60, manyPrefix)
				h.phone.fail, h.phone.price = rekey.ErrUnknown, c.told
				for i := range c.sent {
					h.send(from(i), manyPrefix(i))
				}
				_, err := h.Send(h.Context(), from(c.sent), manyPrefix(c.sent))
				h.limited(err, "service_spend_day")
			})
		})
	}
}

func TestTheWholeServiceIsCappedADay(t *testing.T) {
	inHouse(t, func(o *rekey.Options) { o.Limits.ServiceSendsDay, o.Limits.ConversionFloor = 10, 0 }, func(h *house) {
		h.crowd(40, manyPrefix)
		for i := range 10 {
			_, err := h.Send(h.Context(), from(i), nobody)
			h.want(err, rekey.NotRegistered) // and is not counted
			h.send(from(i), manyPrefix(i))
			if i == 9 {
				break
			}
			_, err = h.Send(h.Context(), from(i), manyPrefix(i))
			h.want(err, rekey.TooSoon) // nor is this
		}
		_, err := h.Send(h.Context(), from(20), manyPrefix(20))
		wait := h.limited(err, "service_sends_day")
		if !h.diary.has(rekey.EventWarning, "80%", "service_sends_day") || !h.diary.has(rekey.EventAlarm, "limited", "service_sends_day") {
			h.Error("nobody was told")
		}
		time.Sleep(wait)
		h.send(from(20), manyPrefix(20))
	})
}

func TestAnUndeliveredMessageIsNotCounted(t *testing.T) {
	inHouse(t, func(o *rekey.Options) {
		o.Limits.ServiceSendsDay, o.Limits.AddressSends10m, o.Limits.AddressSendsDay = 2, 0, 0
	}, func(h *house) {
		h.send(from(1), bob)
		h.phone.fail = rekey.ErrUnavailable
		for range 30 {
			_, err := h.Send(h.Context(), from(1), ann)
			h.want(err, rekey.NotDelivered)
		}
		h.phone.fail = nil
		h.send(from(1), ann)
		h.crowd(1, onePrefix)
		_, err := h.Send(h.Context(), from(1), onePrefix(0)) // what was given back is one message each, not those of others
		h.limited(err, "service_sends_day")
	})
}

// A message that fails after midnight was taken from the day before: the new day's budget is not given what it never had.
func TestT29_WhatADayTookIsNotGivenToTheNext(t *testing.T) {
	const price = 50_000
	for name, c := range map[string]struct {
		change func(*rekey.Limits)
		budget string
	}{
		"messages": {func(l *rekey.Limits) { l.ServiceSendsDay = 2 }, "service_sends_day"},
		"money":    {func(l *rekey.Limits) { l.ServiceSpendDay = 2 * price }, "service_spend_day"},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(o *rekey.Options) {
				c.change(&o.Limits)
				o.MaxPrice = func(rekey.Number, string) int64 { return price }
			}, func(h *house) {
				h.phone.price = price
				h.crowd(2, manyPrefix)
				late := h.replica(func(o *rekey.Options) {
					o.Sender = &phone{fail: rekey.ErrUnavailable, before: func() { time.Sleep(4 * time.Second) }}
				})
				time.Sleep(time.Until(time.Now().UTC().Truncate(24 * time.Hour).Add(24*time.Hour - 2*time.Second)))
				failed := make(chan error)
				go func() {
					_, err := late.Send(h.Context(), from(1), ann)
					failed <- err
				}()
				time.Sleep(3 * time.Second) // it is the next day
				h.send(from(2), manyPrefix(0))
				h.want(<-failed, rekey.NotDelivered)
				h.send(from(1), ann) // which may be tried again at once
				_, err := h.Send(h.Context(), from(3), manyPrefix(1))
				h.limited(err, c.budget)
			})
		})
	}
}
