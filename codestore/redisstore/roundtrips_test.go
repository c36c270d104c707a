package redisstore_test

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"rekey"
	"rekey/test/embedded"
	"rekey/test/servers"
)

// trips is a redis.Hook that keeps what is sent in one trip: "script", or "pipeline" for several. What a new connection
// begins with is no request's.
type trips struct {
	mu   sync.Mutex
	made []string
}

func (l *trips) note(what string, commands ...redis.Cmder) {
	if name := commands[0].Name(); name != "evalsha" && name != "eval" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made = append(l.made, what)
}

func (l *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (l *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		l.note("script", command)
		return next(ctx, command)
	}
}

func (l *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		l.note("pipeline", commands...)
		return next(ctx, commands)
	}
}

func (l *trips) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	made := l.made
	l.made = nil
	return made
}

// TestARequestMakesFewRoundTrips: a send makes one for all its budgets and one for the number's step, a check one, a wrong
// code one and one for what it is charged, a right one two, and one more behind the answer for what counts it as redeemed.
func TestARequestMakesFewRoundTrips(t *testing.T) {
	t.Parallel()
	const ann, bob = "13800000001", "13900000002"
	o := embedded.Options{Codes: servers.Redis(t).URL}
	counted := &trips{}
	var strict bool // Redis learns the scripts from the first replica, by trips that no other makes
	check := func(what string, want ...string) {
		t.Helper()
		if made := counted.take(); strict && !slices.Equal(made, want) {
			t.Errorf("%s makes the round trips %q, want %q", what, made, want)
		}
	}
	serve := func(h *embedded.House, address, mobile string) {
		t.Helper()
		h.Add(t, mobile)
		client := rekey.Client{Address: netip.MustParseAddr(address)}
		if n, err := h.Service.Check(t.Context(), client, mobile); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		check("a check", "pipeline")
		sent, err := h.Service.Send(t.Context(), client, mobile)
		if err != nil {
			t.Fatal(err)
		}
		check("a send", "pipeline", "script")
		client.Flow = sent.Flow
		code := h.Messages(t)[0].Code
		request := rekey.ResetRequest{Mobile: mobile, Code: embedded.Wrong(code, 1)[0], Password: "newPass88"}
		if _, err := h.Service.Reset(t.Context(), client, request); rekey.KindOf(err) != rekey.WrongCode {
			t.Fatal(err)
		}
		check("a wrong code", "script", "pipeline")
		request.Code = code
		if _, err := h.Service.Reset(t.Context(), client, request); err != nil {
			t.Fatal(err)
		}
		h.Close() // waits for what is behind the answer
		check("a reset", "script", "script", "pipeline")
	}
	o.Hook = counted
	serve(embedded.Open(t, t.TempDir(), o), "192.0.2.1", ann)
	strict = true
	serve(embedded.Open(t, t.TempDir(), o), "192.0.2.2", bob)
}
