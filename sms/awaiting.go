package sms

import (
	"context"
	"slices"
	"time"

	"rekey"
)

// Awaiting remembers for a while which providers a number was sent a message through whose receipt has not come, so that
// the next message to that person goes by another one. It keeps this in the budgets' store, where every replica sees it:
// receipts arrive at any of them. What it knows moves messages between providers and decides nothing else, since most
// receipts are not signed. It is safe for concurrent use.
type Awaiting struct {
	limiter rekey.Limiter
	keys    *rekey.Keyring
	wait    time.Duration
}

// awaitingTime is how long a missing receipt counts: longer than a code lives, so that it counts for every resend.
const awaitingTime = 2 * rekey.MaxLifetime

// awaitingUnits are what a bucket holds, and so how finely it tells time: a 5th of a second.
const awaitingUnits = int64(awaitingTime / (200 * time.Millisecond))

// NewAwaiting makes an Awaiting in which a receipt is missing after wait.
func NewAwaiting(limiter rekey.Limiter, keys *rekey.Keyring, wait time.Duration) *Awaiting {
	return &Awaiting{limiter: limiter, keys: keys, wait: wait}
}

// charge is the bucket of a number at a provider. A message fills it, and it empties evenly over awaitingTime, so that
// what is left in it tells on the store's clock how old the message is.
func (a *Awaiting) charge(to rekey.Number, provider string, cost int64) rekey.Charge {
	return rekey.Charge{
		Budget: "receipt_wait", Name: a.keys.Name("awaiting a receipt", provider, to.E164()),
		Kind: rekey.Rate, Limit: awaitingUnits, Window: awaitingTime, Cost: cost,
	}
}

// notedAtOnce bounds how many messages are noted in one step of the store, which others wait for.
const notedAtOnce = 100

// note charges the buckets of these numbers at a provider.
func (a *Awaiting) note(ctx context.Context, provider string, cost int64, to []rekey.Number) error {
	for some := range slices.Chunk(to, notedAtOnce) {
		charges := make([]rekey.Charge, len(some))
		for i, n := range some {
			charges[i] = a.charge(n, provider, cost)
		}
		if _, err := a.limiter.Take(ctx, charges...); err != nil {
			return err
		}
	}
	return nil
}

// sent notes that a message is about to be handed to a provider: before, since a receipt may come before the answer. While
// an older message is noted already it stays so.
func (a *Awaiting) sent(ctx context.Context, provider string, to ...rekey.Number) error {
	return a.note(ctx, provider, awaitingUnits, to)
}

// settled notes that nothing is awaited of a provider any more: the messages have arrived, or were not taken.
func (a *Awaiting) settled(ctx context.Context, provider string, to ...rekey.Number) error {
	return a.note(ctx, provider, -awaitingUnits, to)
}

// missing says which of the providers owe a receipt for longer than the wait.
func (a *Awaiting) missing(ctx context.Context, to rekey.Number, providers []string) (map[string]bool, error) {
	looks := make([]rekey.Charge, len(providers))
	for i, name := range providers {
		looks[i] = a.charge(to, name, 0)
	}
	d, err := a.limiter.Take(ctx, looks...)
	if err != nil {
		return nil, err
	}
	owing := map[string]bool{}
	for i, name := range providers {
		age := time.Duration(awaitingUnits-d.Used[i]) * (awaitingTime / time.Duration(awaitingUnits))
		owing[name] = d.Used[i] > 0 && age >= a.wait
	}
	return owing, nil
}
