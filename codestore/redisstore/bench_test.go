package redisstore_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"rekey"
	"rekey/codestore/redisstore"
	"rekey/test/servers"
)

// nameOf is the i-th name of something, as long as names are.
func nameOf(what byte, i int) rekey.Name { return rekey.Name(fmt.Sprintf("%c%021d", what, i)) }

// codeOf asks for the code of the i-th number as the service does.
func codeOf(i int) rekey.IssueRequest {
	return rekey.IssueRequest{
		Number: nameOf('n', i), NewFlow: nameOf('f', i), Account: nameOf('a', i),
		Fingerprints: []rekey.Keyed{{Key: "00000001", Value: nameOf('p', i)}},
		Key:          "00000001", Nonce: string(nameOf('o', i)), Check: nameOf('c', i),
		Lifetime: 5 * time.Minute, MaxAge: 10 * time.Minute, Intervals: []time.Duration{time.Minute},
		HourSends: 5, DaySends: 7, LiveFlows: 3, Guesses: 5,
	}
}

// chargesOf are those of a send to what nobody else is charged for: its address, that address and the number, and a prefix.
func chargesOf(i int) []rekey.Charge {
	rate := func(what byte, window time.Duration) rekey.Charge {
		return rekey.Charge{Name: nameOf(what, i), Kind: rekey.Rate, Limit: 10, Window: window, Cost: 1}
	}
	return []rekey.Charge{
		rate('s', 10*time.Minute), rate('s', 24*time.Hour), rate('t', 24*time.Hour),
		rate('x', time.Hour), rate('x', 24*time.Hour),
		{Name: nameOf('x', i), Kind: rekey.Conversion, Limit: 20, Window: time.Hour, Floor: 0.3, Cost: 1},
	}
}

// BenchmarkMemoryPerCode reports the bytes of Redis that a live code takes, and those that the budgets of its send take
// beside it: the growth of used_memory over 100,000 of each, and what MEMORY USAGE says of one key, which counts what was
// allocated for it and not its place in the tables of keys and of expiries.
//
//	go test -run '^$' -bench MemoryPerCode -benchtime 1x ./codestore/redisstore/
func BenchmarkMemoryPerCode(b *testing.B) {
	const codes = 100_000
	for b.Loop() {
		client := servers.StartRedis(b).Client(b).(*redis.Client) // of one server
		s := redisstore.New(client, redisstore.Options{StepTime: patience})
		each := func(what string, step func(i int) error) {
			b.Helper()
			if err := step(0); err != nil { // the script and the connections
				b.Fatal(err)
			}
			before := usedMemory(b, client)
			for i := range codes {
				if err := step(i + 1); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(usedMemory(b, client)-before)/codes, "B/"+what)
		}
		each("code", func(i int) error {
			issued, err := s.Issue(b.Context(), codeOf(i))
			if err == nil && issued.Outcome != rekey.IssueMade {
				err = fmt.Errorf("%+v", issued)
			}
			return err
		})
		each("budgets", func(i int) error {
			d, err := s.Take(b.Context(), chargesOf(i)...)
			if err == nil && d.Refused >= 0 {
				err = fmt.Errorf("%+v", d)
			}
			return err
		})
		report := func(what, key string) {
			bytes, err := client.MemoryUsage(b.Context(), key).Result()
			if err != nil {
				b.Fatal(err)
			}
			value, err := client.Get(b.Context(), key).Bytes()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(bytes), "B/key-"+what)
			b.ReportMetric(float64(len(value)), "B/value-"+what)
		}
		report("code", "rekey:n:{"+string(nameOf('n', 1))+"}")
		report("address", "rekey:b:{"+string(nameOf('s', 1))+"}")
		report("pair", "rekey:b:{"+string(nameOf('t', 1))+"}")
		report("prefix", "rekey:b:{"+string(nameOf('x', 1))+"}")
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}
}

// usedMemory is all that the server has allocated. Its connections are there before and after.
func usedMemory(b *testing.B, client *redis.Client) int64 {
	b.Helper()
	info, err := client.Info(context.Background(), "memory").Result()
	if err != nil {
		b.Fatal(err)
	}
	fields := map[string]string{}
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	used, err := strconv.ParseInt(fields["used_memory"], 10, 64)
	if err != nil {
		b.Fatalf("%v of %v", err, slices.Sorted(maps.Keys(fields)))
	}
	return used
}
