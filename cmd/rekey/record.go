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
	add("provider", e.Provider)
	add("receipt", e.Receipt)
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
	}
	switch e.Outcome {
	case rekey.Internal.String(), rekey.UsersDown.String(), rekey.StoreDown.String(), rekey.NotDelivered.String():
		return slog.LevelError
	case rekey.Busy.String():
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// observe tells the log of a provider's failed attempt: where another provider took the message, nothing else does.
func (h *house) observe(ctx context.Context, a sms.Attempt) {
	if a.Err != nil {
		h.log.WarnContext(ctx, "a provider failed", "provider", a.Provider, "message", a.Message, elapsed(a.Elapsed), "cause", a.Err)
	}
}

// elapsed is a duration in the log: whoever reads a number wants its unit beside it.
func elapsed(d time.Duration) slog.Attr {
	return slog.Float64("elapsed_ms", float64(d.Microseconds())/1000)
}
