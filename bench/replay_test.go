package bench_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
)

// listener is a redis.Hook that keeps what is sent, trip by trip: a script alone or a pipeline of them. What else is sent is
// what a new connection begins with.
type listener struct {
	mu    sync.Mutex
	trips [][]redis.Cmder
}

func (l *listener) hear(commands ...redis.Cmder) {
	if name := commands[0].Name(); name != "evalsha" && name != "eval" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trips = append(l.trips, commands)
}

// DialHook implements redis.Hook.
func (l *listener) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (l *listener) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		l.hear(command)
		return next(ctx, command)
	}
}

// ProcessPipelineHook implements redis.Hook.
func (l *listener) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		l.hear(commands...)
		return next(ctx, commands)
	}
}

// take returns the trips that were heard since.
func (l *listener) take() [][]redis.Cmder {
	l.mu.Lock()
	defer l.mu.Unlock()
	trips := l.trips
	l.trips = nil
	return trips
}

// visitor is who asks, as far as keys differ by it.
type visitor struct{ mobile, prefix, address string }

func visitorOf(mobile, address string) visitor {
	return visitor{mobile, mobile[:len(mobile)-4], address}
}

// part is a piece of a key. Those that differ from visitor to visitor are made by putting him at their end, which costs next
// to nothing and gives each the length that it has.
type part struct {
	text string
	of   func(visitor) string // nil: the same for all
}

func (p part) write(v visitor) string {
	if p.of == nil {
		return p.text
	}
	s := p.of(v)
	return p.text[:len(p.text)-len(s)] + s
}

// replay is a command that rekey has sent, for any visitor: everything but the names in its keys is as it was.
type replay struct {
	args  []any
	keys  [][]part // of args from the fourth on
	reply func(any) error
}

// firstKey is where a script's keys begin: EVALSHA, hash, number of keys.
const firstKey = 3

func (r replay) command(ctx context.Context, v visitor) *redis.Cmd {
	args := slices.Clone(r.args)
	for i, key := range r.keys {
		text := ""
		for _, p := range key {
			text += p.write(v)
		}
		args[firstKey+i] = text
	}
	return redis.NewCmd(ctx, args...)
}

// learn makes a replay of a command that four visitors have sent: the second has another number than the first, the third
// another prefix too, and the fourth another address too.
func learn(b *testing.B, sent [4]redis.Cmder, reply func(any) error) replay {
	b.Helper()
	r := replay{args: sent[0].Args(), reply: reply}
	if r.args[0] != "evalsha" {
		b.Fatalf("rekey sent %v", r.args[0])
	}
	for i := range r.args[2].(int) {
		var parts [4][]string
		for n, command := range sent {
			tag, mark, marked := strings.Cut(command.Args()[firstKey+i].(string), "}:")
			if parts[n] = []string{tag, "}:" + mark}; !marked {
				parts[n] = []string{strings.TrimSuffix(tag, "}"), "}"}
			}
		}
		var key []part
		for at, text := range parts[0] {
			p := part{text: text}
			switch {
			case parts[1][at] != text:
				p.of = func(v visitor) string { return v.mobile }
			case parts[2][at] != text:
				p.of = func(v visitor) string { return v.prefix }
			case parts[3][at] != text:
				p.of = func(v visitor) string { return v.address }
			}
			key = append(key, p)
		}
		r.keys = append(r.keys, key)
	}
	return r
}

// learnTrip is learn for all commands of a trip. shape is what it must be: the number of commands is told by the first.
func learnTrip(b *testing.B, what string, sent [4][]redis.Cmder, reply func(any) error) []replay {
	b.Helper()
	var all []replay
	for i := range sent[0] {
		var same [4]redis.Cmder
		for n, commands := range sent {
			if len(commands) != len(sent[0]) {
				b.Fatalf("%s sends %d commands to one and %d to another", what, len(sent[0]), len(commands))
			}
			same[n] = commands[i]
		}
		all = append(all, learn(b, same, reply))
	}
	return all
}

// play sends commands for a visitor as rekey did, in one trip, and fails unless each is answered as it is to be.
func play(ctx context.Context, client redis.UniversalClient, all []replay, v visitor) error {
	if len(all) == 1 {
		command := all[0].command(ctx, v)
		if err := client.Process(ctx, command); err != nil {
			return err
		}
		return all[0].reply(command.Val())
	}
	pipeline := client.Pipeline()
	commands := make([]*redis.Cmd, len(all))
	for i, r := range all {
		commands[i] = r.command(ctx, v)
		if err := pipeline.Process(ctx, commands[i]); err != nil {
			return err
		}
	}
	if _, err := pipeline.Exec(ctx); err != nil {
		return err
	}
	for i, r := range all {
		if err := r.reply(commands[i].Val()); err != nil {
			return err
		}
	}
	return nil
}

// begins fails unless a script answered with this number, alone or at the head of a list.
func begins(want int64) func(any) error {
	return func(reply any) error {
		if list, ok := reply.([]any); ok && len(list) > 0 {
			reply = list[0]
		}
		if reply != want {
			return fmt.Errorf("a script answered %v, not %d", reply, want)
		}
		return nil
	}
}
