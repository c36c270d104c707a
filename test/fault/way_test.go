package fault_test

import (
	"os"
	"testing"
	"time"

	"rekey/test/embedded"
	"rekey/test/servers"
)

// way is a database of the service behind a proxy; the other one is a file. The parameters are for its data source. past is
// the way past the proxy, without them.
type way struct {
	name string
	sql  bool
	open func(t *testing.T, parameters string) (o, past embedded.Options, p *servers.Proxy)
}

func ways() []way {
	sqlWay := func(start func(testing.TB) servers.Database, codes bool) func(*testing.T, string) (o, past embedded.Options, p *servers.Proxy) {
		return func(t *testing.T, parameters string) (o, past embedded.Options, p *servers.Proxy) {
			db := start(t)
			p = servers.NewProxy(t, db.Address())
			dsn := db.Via(t, p.Address).DSN
			if db.Kind == servers.MySQL {
				dsn += "?sslmode=disable" // PostgreSQL's has it
			}
			if codes {
				o.Codes, past.Codes = dsn+"&"+parameters, db.DSN
			} else {
				o.People, past.People = dsn+"&"+parameters, db.DSN
			}
			return o, past, p
		}
	}
	return []way{
		{"codes in PostgreSQL", true, sqlWay(servers.PostgreSQL, true)},
		{"codes in MariaDB", true, sqlWay(servers.MariaDB, true)},
		{"codes in Redis", false, func(t *testing.T, parameters string) (o, past embedded.Options, p *servers.Proxy) {
			k := servers.Redis(t)
			p = servers.NewRedisProxy(t, k.Address)
			return embedded.Options{Codes: k.Via(p.Address).URL + "?" + parameters}, embedded.Options{Codes: k.URL}, p
		}},
		{"people in PostgreSQL", true, sqlWay(servers.PostgreSQL, false)},
		{"people in MariaDB", true, sqlWay(servers.MariaDB, false)},
	}
}

// onTheWay is what happens to a way. Where nothing is lost nobody notices, however slow the machine.
type onTheWay struct {
	name   string
	slow   func(p *servers.Proxy)                         // from the beginning to the end
	breaks func(t *testing.T, c *crowd, p *servers.Proxy) // again and again
	sql    bool                                           // happens to SQL alone
}

func faults() []onTheWay {
	anything := func([]byte) bool { return true }
	lost := func(c *crowd, p *servers.Proxy, cut <-chan struct{}) {
		select {
		case <-cut:
		case <-c.done:
			p.CutAnswerTo(func([]byte) bool { return false }) // what comes now is the test's own
		}
	}
	n := 0
	return []onTheWay{
		{name: "latency", slow: func(p *servers.Proxy) { p.Delay(30 * time.Millisecond) }},
		{name: "slow bytes", slow: func(p *servers.Proxy) { p.Drip(64, time.Millisecond) }},
		{name: "cut", breaks: func(_ *testing.T, c *crowd, p *servers.Proxy) {
			p.Cut()
			c.await(&c.answered, 3)
		}},
		{name: "refused", breaks: func(t *testing.T, c *crowd, p *servers.Proxy) {
			p.Refuse(t, true)
			p.Cut()
			c.await(&c.failed, 3)
			p.Refuse(t, false)
			c.await(&c.through, 3)
		}},
		{name: "half-open", breaks: func(_ *testing.T, c *crowd, p *servers.Proxy) {
			p.Freeze(true)
			c.await(&c.failed, 1)
			p.Freeze(false) // what was held is passed on, though its sender has given up
			c.await(&c.through, 8)
		}},
		{name: "half-open and cut", breaks: func(_ *testing.T, c *crowd, p *servers.Proxy) {
			p.Freeze(true)
			c.await(&c.failed, 1)
			p.Cut()
			p.Freeze(false)
			c.await(&c.through, 8)
		}},
		{name: "reset within an answer", breaks: func(_ *testing.T, c *crowd, p *servers.Proxy) {
			n++
			lost(c, p, p.ResetAnswerTo(anything, n%5))
			c.await(&c.answered, 2)
		}},
		// T18, on whichever side.
		{name: "the COMMIT's answer lost", sql: true, breaks: func(_ *testing.T, c *crowd, p *servers.Proxy) {
			lost(c, p, p.CutAnswerTo(commits))
			c.await(&c.answered, 2)
		}},
	}
}

// commits matches a COMMIT, and no level of isolation.
func commits(request []byte) bool {
	return servers.Says("commit")(request) && !servers.Says("committed")(request)
}

// TestT15_T18_T19_FaultsOfTheWay: whatever happens between the service and a database, an answer is the right one or a 503,
// and whoever asks again gets through. Every other pair is tried, or all of them with embedded.AllVariable.
func TestT15_T18_T19_FaultsOfTheWay(t *testing.T) {
	t.Parallel()
	for i, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			for j, f := range faults() {
				if f.sql && !w.sql || os.Getenv(embedded.AllVariable) != "1" && (i+j)%2 == 1 {
					continue
				}
				t.Run(f.name, func(t *testing.T) {
					if f.slow != nil {
						o, past, p := w.open(t, "step_timeout=1m&connect_timeout=60")
						c := newCrowd(t, o, past, 12)
						f.slow(p)
						c.under(t, func() { <-c.done })
						if n := c.failed.Load(); n > 0 {
							t.Errorf("%d requests failed", n)
						}
						return
					}
					o, past, p := w.open(t, "step_timeout=2s&connect_timeout=2")
					c := newCrowd(t, o, past, 24)
					c.under(t, func() { f.breaks(t, c, p) })
				})
			}
		})
	}
}
