package codestore_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rekey"
	"rekey/codestore"
	"rekey/codestore/codestoretest"
	"rekey/codestore/redisstore"
	"rekey/test/servers"
)

// stores runs a benchmark on every kind of store.
func stores(b *testing.B, run func(b *testing.B, s codestoretest.Store)) {
	b.Run("memory", func(b *testing.B) {
		s := codestore.NewMemory()
		defer s.Close()
		run(b, s)
	})
	b.Run("sqlite", func(b *testing.B) {
		_, s := openSQLite(b, filepath.Join(b.TempDir(), "codes.db"))
		run(b, s)
	})
	for name, start := range map[string]func(testing.TB) server{
		"postgresql": func(b testing.TB) server { return server{servers.PostgreSQL(b), codestore.PostgreSQL()} },
		"mariadb":    func(b testing.TB) server { return server{servers.MariaDB(b), codestore.MySQL()} },
	} {
		b.Run(name, func(b *testing.B) {
			_, s := start(b).open(b)
			run(b, s)
		})
	}
	for name, start := range map[string]func(testing.TB) servers.Keyspace{"redis": servers.Redis, "redis-cluster": servers.RedisCluster} {
		b.Run(name, func(b *testing.B) {
			s := redisstore.New(start(b).Client(b), redisstore.Options{StepTime: time.Minute})
			defer s.Close()
			run(b, s)
		})
	}
}

// issueRequest asks for the code of the i-th number, with names of the length that they really have.
func issueRequest(i int64) rekey.IssueRequest {
	name := func() rekey.Name { return rekey.Name(fmt.Sprintf("number-%015d", i)) } // each of its own, as HMACs are
	return rekey.IssueRequest{
		Number: name(), NewFlow: name(), Account: name(), Fingerprints: []rekey.Keyed{{Key: "00000001", Value: name()}},
		Key: "00000001", Nonce: string(name()), Check: name(), Lifetime: 5 * time.Minute, MaxAge: 10 * time.Minute,
		Intervals: []time.Duration{time.Minute}, HourSends: 5, DaySends: 10, LiveFlows: 3, Guesses: 5,
	}
}

func BenchmarkIssue(b *testing.B) {
	stores(b, func(b *testing.B, s codestoretest.Store) {
		var i atomic.Int64
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if issued, err := s.Issue(b.Context(), issueRequest(i.Add(1))); err != nil || issued.Outcome != rekey.IssueMade {
					b.Errorf("%+v, %v", issued, err)
				}
			}
		})
	})
}

// BenchmarkGuess counts a wrong guess at a code that has had none, and at another one each time.
func BenchmarkGuess(b *testing.B) {
	stores(b, func(b *testing.B, s codestoretest.Store) {
		guesses := make([]rekey.Guess, b.N)
		var all sync.WaitGroup
		for worker := range 16 {
			all.Go(func() {
				for i := worker; i < b.N; i += 16 {
					r := issueRequest(int64(i))
					if issued, err := s.Issue(b.Context(), r); err != nil || issued.Outcome != rekey.IssueMade {
						b.Errorf("%+v, %v", issued, err)
					}
					guesses[i] = guess(r, "wrong", "request")
				}
			})
		}
		all.Wait()
		var i atomic.Int64
		b.ResetTimer()
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if v, err := s.Guess(b.Context(), guesses[i.Add(1)-1]); err != nil || v.Outcome != rekey.GuessWrong {
					b.Errorf("%+v, %v", v, err)
				}
			}
		})
	})
}

func BenchmarkTake(b *testing.B) {
	stores(b, func(b *testing.B, s codestoretest.Store) {
		var i atomic.Int64
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				n := i.Add(1)
				charge := func(name string) rekey.Charge {
					return rekey.Charge{Name: rekey.Name(name), Kind: rekey.Rate, Limit: 1 << 30, Window: 24 * time.Hour, Cost: 1}
				}
				_, err := s.Take(b.Context(), charge(fmt.Sprintf("address %d", n%1000)), charge(fmt.Sprintf("day %d", n%1000)),
					charge(fmt.Sprintf("prefix %d", n%100)), charge("service"))
				if err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkMemoryPerCode reports the bytes that a live code takes in the memory store.
func BenchmarkMemoryPerCode(b *testing.B) {
	const codes = 100_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := codestore.NewMemory()
		for i := range int64(codes) {
			if _, err := s.Issue(b.Context(), issueRequest(i)); err != nil {
				b.Fatal(err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/codes, "B/code")
		s.Close()
	}
}

// BenchmarkRefusalByAServerThatHangs reports how long a step takes that finds its server silent, with the time that a
// step has by default; a thousand wait at a time.
func BenchmarkRefusalByAServerThatHangs(b *testing.B) {
	for name, of := range map[string]func(testing.TB) server{
		"postgresql": func(b testing.TB) server { return server{servers.PostgreSQL(b), codestore.PostgreSQL()} },
		"mariadb":    func(b testing.TB) server { return server{servers.MariaDB(b), codestore.MySQL()} },
	} {
		b.Run(name, func(b *testing.B) {
			direct := of(b)
			proxy := servers.NewProxy(b, direct.Address())
			_, s := direct.through(b, proxy.Address).open(b, "pool_max=10")
			proxy.Freeze(true)
			for b.Loop() {
				var all sync.WaitGroup
				for range 1000 {
					all.Go(func() {
						if _, err := s.Take(b.Context(), bucket("b")); err == nil {
							b.Error("a budget that can't be known passed")
						}
					})
				}
				all.Wait()
			}
		})
	}
}
