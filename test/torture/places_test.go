package torture_test

import (
	"testing"
	"time"

	"rekey/test/embedded"
	"rekey/test/servers"
)

// fault is something that happens to a store or a users database. strike begins it, and what that returns ends it.
type fault struct {
	name   string
	strike func() (relent func())
}

// part is a store or a users database that faults happen to. It keeps what it has acknowledged, whatever happens.
type part struct {
	dsn    string
	faults []fault
}

// machines are the servers of a test, one of a kind: they start when they are first used, and no fault of one place happens
// to another, since places come one after the other.
type machines struct {
	testing.TB
	sql     map[string]*servers.Server
	redis   *servers.RedisServer
	cluster *servers.Cluster
}

// part makes an empty part of a kind.
func (m *machines) part(kind string) part {
	m.Helper()
	switch kind {
	case embedded.PostgreSQL:
		return m.database(kind, servers.StartPostgreSQL)
	case embedded.MariaDB:
		return m.database(kind, servers.StartMariaDB)
	case embedded.Redis:
		if m.redis == nil {
			m.redis = servers.StartRedis(m, "appendonly yes", "appendfsync always")
		}
		proxy := servers.NewProxy(m, m.redis.Address)
		return part{m.redis.Via(proxy.Address).URL, append(m.network(proxy), m.ends(m.redis)...)}
	case embedded.Cluster:
		if m.cluster == nil {
			// No replica takes over, however slow the machine: it may have heard less than the clients.
			m.cluster = servers.StartRedisCluster(m, "appendonly yes", "appendfsync always", "cluster-node-timeout 600000")
		}
		return part{m.cluster.URL, m.nodes()}
	}
	return part{} // a file has no connections and no server
}

func (m *machines) database(kind string, start func(testing.TB) *servers.Server) part {
	m.Helper()
	s := m.sql[kind]
	if s == nil {
		s = start(m)
		if m.sql == nil {
			m.sql = make(map[string]*servers.Server)
		}
		m.sql[kind] = s
	}
	d := s.NewDatabase(m)
	proxy := servers.NewProxy(m, d.Address())
	return part{through(m, d, proxy), append(m.network(proxy), m.ends(s)...)}
}

func nothing() {}

// network is what happens on the way to a server.
func (m *machines) network(p *servers.Proxy) []fault {
	return []fault{
		{"connections are cut", func() func() { p.Cut(); return nothing }},
		{"nobody is there", func() func() {
			p.Refuse(m, true)
			p.Cut()
			return func() { p.Refuse(m, false) }
		}},
		{"no answer comes", func() func() {
			p.Freeze(true)
			return func() { p.Freeze(false) }
		}},
		{"an answer is lost", func() func() {
			n := below(12)
			p.CutAnswerTo(func([]byte) bool { n--; return n < 0 })
			return func() { p.CutAnswerTo(func([]byte) bool { return false }) }
		}},
	}
}

// ends is what happens to a server itself.
func (m *machines) ends(s interface {
	Stop(testing.TB)
	Kill(testing.TB)
	Start(testing.TB)
}) []fault {
	again := func() { s.Start(m) }
	return []fault{
		{"the server is killed", func() func() { s.Kill(m); return again }},
		{"the server is restarted", func() func() { s.Stop(m); return again }},
	}
}

// nodes is what happens to a Cluster: to the node of any key.
func (m *machines) nodes() []fault {
	cut := disconnect(m, m.cluster.Keyspace)
	return []fault{
		{"connections are cut", func() func() { cut(); return nothing }},
		{"a node is killed", func() func() {
			node := oneOf(m.cluster.Masters(m))
			node.Kill(m)
			node.Start(m)
			return func() { m.cluster.WaitHealthy(m) }
		}},
		{"a node hangs", func() func() {
			node := oneOf(m.cluster.Masters(m))
			node.Freeze(m)
			time.Sleep(time.Duration(below(300)) * time.Millisecond)
			node.Thaw(m)
			return func() { m.cluster.WaitHealthy(m) }
		}},
	}
}

// locked is what happens to a file: somebody else writes for longer than a step may take.
func locked(w *town) fault {
	return fault{"the file is locked", func() func() {
		db := w.house(0).Write
		tx, err := db.Begin() // takes SQLite's lock, and of the first replica the only connection
		if err != nil {
			w.Error(err)
			return nothing
		}
		return func() {
			if err := tx.Rollback(); err != nil {
				w.Error(err)
			}
		}
	}}
}

// replaced is what happens to a replica: its store ends under what it is asked for, and another comes in its place.
func replaced(w *town) fault {
	return fault{"a replica ends", func() func() {
		i := below(replicas)
		old := w.house(i)
		if err := old.Codes.Close(); err != nil {
			w.Error(err)
		}
		return func() {
			w.houses[i].Store(w.open())
			w.ended = append(w.ended, old)
		}
	}}
}
