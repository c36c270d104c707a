package main

import (
	"context"
	"log/slog"
	"time"

	"rekey"
	"rekey/sms"
)

// recorder writes every event as one record of the log. Numbers are masked by their type, and events hold no code,
// password or secret (T36); the handler escapes whatever a client or a provider has sent, so that it stays one record
// (T37).
type recorder struct{ log *slog.Logger }

// Record writes to the log, which is as slow as standard error is: the operator's business.
func (r recorder) Record(ctx context.Context, e rekey.Event) {
	attributes := []slog.Attr{slog.String("event", string(e.Kind))}
	add := func(name, v string) {
		if v != "" {
			attributes = append(attributes, slog.String(name, v))
		}
	}
	add("outcome", e.Outcome)
	add("request", e.Request)
	if !e.Number.IsZero() {
		attributes = append(attributes, slog.Any("mobile", e.Number))
	}
	if e.Address.IsValid() {
		add("address", e.Address.String())
	}
	add("budget", e.Budget)
	add("message", e.Message)
	add("provider", e.Provider)
	add("receipt", e.Receipt)
	add("vendor_code", e.Code)
	if e.Price != 0 {
		attributes = append(attributes, slog.Int64("price_millionths", e.Price))
	}
	if e.Elapsed != 0 {
		attributes = append(attributes, elapsed(e.Elapsed))
	}
	if e.Err != nil {
		attributes = append(attributes, slog.Any("cause", e.Err))
	}
	r.log.LogAttrs(ctx, level(e), "event", attributes...)
}

// level is how much an event matters to whoever runs the service: what people do wrong is information.
func level(e rekey.Event) slog.Level {
	switch e.Kind {
	case rekey.EventAlarm:
		return slog.LevelError
	case rekey.EventWarning, rekey.EventFinish, rekey.EventWithdraw:
		if e.Err != nil || e.Kind == rekey.EventWarning {
			return slog.LevelWarn
		}
	case rekey.EventDeliver:
		if e.Err != nil {
			return slog.LevelWarn
		}
	case rekey.EventAttempt:
		if e.Err == nil {
			return slog.LevelDebug // what became of the message says it all
		}
		return slog.LevelWarn
	case rekey.EventProvider:
		if e.Outcome == providerAside {
			return slog.LevelWarn
		}
	}
	switch e.Outcome {
	case rekey.Internal.String(), rekey.UsersDown.String(), rekey.StoreDown.String(), rekey.NotDelivered.String():
		return slog.LevelError
	case rekey.Busy.String():
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// The outcomes of rekey.EventProvider.
const (
	providerAside = "aside"
	providerBack  = "back"
)

// observe records a provider's part in the delivery of a message.
func (h *house) observe(ctx context.Context, a sms.Attempt) {
	recorder{h.log}.Record(ctx, rekey.Event{
		Kind: rekey.EventAttempt, At: time.Now(), Message: a.Message, Number: a.To, Name: h.keys.NumberName(a.To),
		Provider: a.Provider, Outcome: a.Outcome.String(), Code: a.Code, Receipt: a.Receipt, Price: a.Price, Elapsed: a.Elapsed, Err: a.Err,
	})
}

// changed records that a provider was set aside or is back. One that refuses our account needs an operator.
func (h *house) changed(ctx context.Context, c sms.Change) {
	e := rekey.Event{Kind: rekey.EventProvider, At: time.Now(), Provider: c.Provider, Outcome: providerBack, Code: c.Code, Err: c.Err}
	switch {
	case c.Aside && c.Outcome == sms.RejectedAccount:
		e.Kind, e.Outcome = rekey.EventAlarm, c.Outcome.String()
	case c.Aside:
		e.Outcome = providerAside
	}
	recorder{h.log}.Record(ctx, e)
}

// reported records receipts, and lets the choice of providers learn from them. They have no say in anything else: most
// vendors sign none.
func (h *house) reported(ctx context.Context, provider string, reports []sms.Report) {
	for _, r := range reports {
		e := rekey.Event{
			Kind: rekey.EventReceipt, At: time.Now(), Message: r.Message, Provider: provider, Receipt: r.ID,
			Outcome: r.State.String(), Code: r.Code,
		}
		if !r.To.IsZero() {
			e.Number, e.Name = r.To, h.keys.NumberName(r.To)
		}
		recorder{h.log}.Record(ctx, e)
	}
	h.delivery.failover.Report(ctx, provider, reports...)
}

// elapsed is a duration in the log: whoever reads a number wants its unit beside it.
func elapsed(d time.Duration) slog.Attr {
	return slog.Float64("elapsed_ms", float64(d.Microseconds())/1000)
}
