package attack_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"rekey"
	"rekey/test/embedded"
	"rekey/test/servers"
)

// outOfReach are the two ways in which a store is lost, and what brings it back.
type outOfReach struct{ kill, start, freeze, thaw func() }

// storesOfTheirOwn start code stores for a test that ends them, on servers that keep what they acknowledged, with people
// that are elsewhere.
func storesOfTheirOwn() map[embedded.Place]func(t *testing.T) (dsn string, levers outOfReach) {
	sql := func(start func(testing.TB) *servers.Server) func(t *testing.T) (string, outOfReach) {
		return func(t *testing.T) (string, outOfReach) {
			server := start(t)
			database := server.NewDatabase(t)
			proxy := servers.NewProxy(t, database.Address())
			return inClear(database.Via(t, proxy.Address)), outOfReach{
				func() { server.Kill(t) }, func() { server.Start(t) },
				func() { proxy.Freeze(true) }, func() { proxy.Freeze(false) },
			}
		}
	}
	return map[embedded.Place]func(t *testing.T) (string, outOfReach){
		{Store: embedded.PostgreSQL, People: embedded.PostgreSQL}: sql(servers.StartPostgreSQL),
		{Store: embedded.MariaDB, People: embedded.MariaDB}:       sql(servers.StartMariaDB),
		{Store: embedded.Redis, People: embedded.MariaDB}: func(t *testing.T) (string, outOfReach) {
			server := servers.StartRedis(t, durable()...)
			return server.URL, outOfReach{
				func() { server.Kill(t) }, func() { server.Start(t) },
				func() { server.Freeze(t) }, func() { server.Thaw(t) },
			}
		},
		{Store: embedded.Cluster, People: embedded.PostgreSQL}: func(t *testing.T) (string, outOfReach) {
			cluster := servers.StartRedisCluster(t, append(durable(), noFailover)...)
			all := func(do func(*servers.RedisServer, testing.TB)) func() {
				return func() {
					for _, node := range cluster.Nodes {
						do(node, t)
					}
				}
			}
			kill, start, thaw := all((*servers.RedisServer).Kill), all((*servers.RedisServer).Start), all((*servers.RedisServer).Thaw)
			return cluster.URL, outOfReach{
				func() { cluster.WaitHealthy(t); kill() }, func() { start(); cluster.WaitHealthy(t) },
				all((*servers.RedisServer).Freeze), func() { thaw(); cluster.WaitHealthy(t) },
			}
		},
	}
}

// durable are the settings of a Redis that keeps what it acknowledged, however it ends: without the second one it may tell of
// a write that it has not handed to the system yet.
func durable() []string { return []string{"appendonly yes", "appendfsync always"} }

// noFailover is the setting of a Cluster whose masters are not replaced while they are ended, or on a slow machine: a replica
// may have heard less than the clients.
const noFailover = "cluster-node-timeout 600000"

// TestT16_WithoutItsCodeStoreNothingPasses kills and freezes the code store under three replicas: each request is a 503, no
// message leaves, nothing is compared and nothing written. Once the store is back the code is what it was.
func TestT16_WithoutItsCodeStoreNothingPasses(t *testing.T) {
	t.Parallel()
	for p, start := range storesOfTheirOwn() {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			_, people := embedded.Place{Store: p.People, People: p.People}.Databases(t)
			dsn, store := start(t)
			// Not the 900 ms that a step has by default: what must succeed here does so on a slow machine too.
			separator := "?"
			if strings.Contains(dsn, separator) {
				separator = "&"
			}
			told := &causes{}
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the operator was told:\n%s", told.log.String())
				}
			})
			w := newTownOf(t, embedded.Options{Codes: dsn + separator + "step_timeout=3s", People: people.DSN, Service: func(o *rekey.Options) { o.Recorder = told }})
			w.withoutStore(ann, store.kill, store.start)
			w.withoutStore(bob, store.freeze, store.thaw)
		})
	}
}

// TestT16_TheStoreClosedUnderIt: what holds for a store on a server holds for one that a replica has lost by itself.
func TestT16_TheStoreClosedUnderIt(t *testing.T) {
	everywhere(t, nil, func(w *town) {
		w.withoutStore(ann, func() {
			for _, h := range w.houses {
				if err := h.Codes.Close(); err != nil {
					w.Fatal(err)
				}
			}
		}, w.restart)
	})
}

// withoutStore has everybody ask everything while the code store is out, and mobile's owner again when it is back.
func (w *town) withoutStore(mobile string, begin, end func()) {
	w.Helper()
	flow, code := w.codeSoon(mobile)
	people, messages := w.people(), len(w.messages())
	guess := embedded.Wrong(code, 1)[0]
	begin()
	var all sync.WaitGroup
	for replica := range w.houses {
		v := visitor{flow: flow, replica: replica}
		for name, ask := range map[string]func() answer{
			"a send":        func() answer { return w.send(visitor{replica: replica}, other(mobile)) },
			"a resend":      func() answer { return w.send(v, mobile) },
			"a wrong guess": func() answer { return w.reset(v, mobile, guess, newPassword) },
			"a right guess": func() answer { return w.reset(v, mobile, code, newPassword) },
			"a check":       func() answer { return w.check(replica, mobile) },
		} {
			all.Go(func() {
				began := time.Now()
				if a := ask(); a.Status != http.StatusServiceUnavailable || a.Errno != "4500" || a.RetryAfterHeader == "" {
					w.Errorf("%s without the store: %+v", name, a)
				}
				// A step has 3 s here, and a request ends with the first that fails. The rest is for a slow machine.
				if took := time.Since(began); took > 20*time.Second {
					w.Errorf("%s was told after %v", name, took)
				}
			})
		}
	}
	all.Wait()
	if w.people() != people || len(w.messages()) != messages {
		w.Error("a row changed, or a message left")
	}
	end()
	if a := soon(func() answer { return w.reset(visitor{flow: flow, replica: 1}, mobile, guess, newPassword) }); a.Errmsg != wrong || a.Data.AttemptsLeft != 4 {
		w.Errorf("once it is back, a wrong guess: %+v", a)
	}
	if a := soon(func() answer { return w.reset(visitor{flow: flow, replica: 2}, mobile, code, newPassword) }); a.Errno != "0" || !w.houses[0].Accepts(w, mobile, newPassword) {
		w.Errorf("once it is back, the right code: %+v", a)
	}
}

// soon asks once; on a machine that is too slow for a step's time twice more.
func soon(ask func() answer) (a answer) {
	for range 3 {
		if a = ask(); a.Status != http.StatusServiceUnavailable {
			break
		}
	}
	return a
}

// other is the one of ann and bob that mobile is not.
func other(mobile string) string {
	if mobile == ann {
		return bob
	}
	return ann
}
