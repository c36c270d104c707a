package codestore_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"rekey"
	"rekey/cmd/rekey/databases"
	"rekey/codestore"
	"rekey/codestore/codestoretest"
	"rekey/test/servers"
)

// server is a database of a server and the dialect that goes with it.
type server struct {
	servers.Database
	codestore.Dialect
}

func eachServer(t *testing.T, run func(t *testing.T, start func(t testing.TB) server)) {
	for name, s := range map[string]struct {
		start   func(testing.TB) servers.Database
		dialect codestore.Dialect
	}{
		"PostgreSQL": {servers.PostgreSQL, codestore.PostgreSQL()},
		"PgBouncer":  {func(t testing.TB) servers.Database { return servers.PgBouncer(t, servers.PostgreSQL(t)) }, codestore.PostgreSQL()},
		"MariaDB":    {servers.MariaDB, codestore.MySQL()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, func(t testing.TB) server { return server{s.start(t), s.dialect} })
		})
	}
}

func TestServersConform(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, start func(testing.TB) server) {
		codestoretest.Run(t, codestoretest.Harness{
			Open: func(t *testing.T) codestoretest.Instance {
				of := start(t)
				db, s := of.open(t)
				return codestoretest.Instance{
					Store:   s,
					Advance: func(d time.Duration) { codestoretest.Age(t, db, d) },
					Reopen: func() codestoretest.Store {
						_, again := of.open(t)
						return again
					},
					Close: func() { s.Close() },
				}
			},
		})
	})
}

// open opens a store on the server as the program does, with more parameters of the data source.
func (s server) open(t testing.TB, more ...string) (*sql.DB, *codestore.Store) {
	t.Helper()
	var all databases.Set
	t.Cleanup(func() {
		if err := all.Close(); err != nil {
			t.Error(err)
		}
	})
	separator := "?"
	if strings.Contains(s.DSN, separator) {
		separator = "&"
	}
	parameters := []string{"connect_timeout=60", "step_timeout=1m"} // on a machine of any speed
	if len(more) > 0 {
		parameters = append(parameters[:1], more...)
	}
	opened, err := all.Open(t.Context(), "codes.store", s.DSN+separator+strings.Join(parameters, "&"))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if err := codestore.Migrate(ctx, opened.Write, s.Dialect); err != nil {
		t.Fatal(err)
	}
	store, err := codestore.NewSQL(ctx, opened.Write, s.Dialect, opened.StepTime)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return opened.Write, store
}

// counted is a charge to a budget that counts exactly and refuses nobody. It forgets nothing for hours, as one by the day does
// at midnight in UTC.
func counted(name rekey.Name, cost int64) rekey.Charge {
	return rekey.Charge{Name: name, Kind: rekey.Conversion, Limit: 1 << 30, Window: 24 * time.Hour, Cost: cost}
}

// Replicas that want the same documents at once, in any order, while others are made and swept: none waits for another
// that waits for it.
func TestReplicasNeverLockEachOtherOut(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, start func(testing.TB) server) {
		of := start(t)
		var replicas []*codestore.Store
		for range 3 {
			_, s := of.open(t)
			replicas = append(replicas, s)
		}
		var all sync.WaitGroup
		taken := make([]int64, 8)
		var mu sync.Mutex
		for i := range 24 {
			all.Go(func() {
				s := replicas[i%len(replicas)]
				for n := range 25 {
					charge := func(bucket int) rekey.Charge {
						return counted(rekey.Name(fmt.Sprint("bucket ", bucket)), 1)
					}
					a, b, fresh := (i+n)%8, (i*3+n*5+1)%8, rekey.Charge{Name: rekey.Name(fmt.Sprint("fresh ", i, n)), Kind: rekey.Rate, Limit: 1, Window: time.Microsecond, Cost: 1}
					charges := []rekey.Charge{charge(a), fresh}
					if b != a {
						charges = append(charges, charge(b))
					}
					d, err := s.Take(t.Context(), charges...)
					if err != nil || d.Refused >= 0 {
						t.Errorf("%+v, %v", d, err)
						return
					}
					mu.Lock()
					taken[a]++
					if b != a {
						taken[b]++
					}
					mu.Unlock()
					if n%5 == 0 {
						// A sweep may be made to give way: it has removed nothing then, and nobody waits for what it does.
						if _, err := s.Sweep(t.Context()); err != nil && !strings.Contains(err.Error(), "Error 1213 (40001): Deadlock") {
							t.Error(err)
						}
					}
				}
			})
		}
		all.Wait()
		for bucket, want := range taken {
			d, err := replicas[0].Take(t.Context(), counted(rekey.Name(fmt.Sprint("bucket ", bucket)), 0))
			if err != nil || d.Used[0] != want {
				t.Errorf("bucket %d holds %v of %d charges, %v", bucket, d.Used, want, err)
			}
		}
	})
}

// eachOwnServer runs a test on servers that it may stop and kill.
func eachOwnServer(t *testing.T, run func(t *testing.T, s *servers.Server, store *codestore.Store)) {
	for name, start := range map[string]func(testing.TB) *servers.Server{
		"PostgreSQL": servers.StartPostgreSQL, "MariaDB": servers.StartMariaDB,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			of := server{s.NewDatabase(t), codestore.PostgreSQL()}
			if of.Kind == servers.MySQL {
				of.Dialect = codestore.MySQL()
			}
			_, store := of.open(t)
			run(t, s, store)
		})
	}
}

// TestT19_ARestartOfTheServerCostsNoStep: connections that lie in the pool are dead then, and no step is taken twice.
func TestT19_ARestartOfTheServerCostsNoStep(t *testing.T) {
	t.Parallel()
	eachOwnServer(t, func(t *testing.T, s *servers.Server, store *codestore.Store) {
		r := issueRequest(0)
		r.Lifetime = time.Hour // which five restarts don't take on any machine
		if _, err := store.Issue(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		for want := range int64(5) {
			d, err := store.Take(t.Context(), counted("bucket", 1))
			if err != nil || d.Used[0] != want+1 {
				t.Fatalf("charged %v times, %v, want %d", d.Used, err, want+1)
			}
			s.Stop(t)
			s.Start(t)
		}
		stillThere(t, store, r)
	})
}

// TestT16_WithoutItsServerAStoreFailsAndNothingPasses: and it works again as soon as the server is back.
func TestT16_WithoutItsServerAStoreFailsAndNothingPasses(t *testing.T) {
	t.Parallel()
	eachOwnServer(t, func(t *testing.T, s *servers.Server, store *codestore.Store) {
		r := issueRequest(0)
		if _, err := store.Issue(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		s.Kill(t)
		if v, err := store.Guess(t.Context(), guess(r, "wrong", "r")); err == nil {
			t.Errorf("a guess that can't be counted was compared: %+v", v)
		}
		if d, err := store.Take(t.Context(), rekey.Charge{Name: "b", Kind: rekey.Daily, Limit: 1, Cost: 1}); err == nil {
			t.Errorf("a budget that can't be known passed: %+v", d)
		}
		s.Start(t)
		stillThere(t, store, r)
	})
}
