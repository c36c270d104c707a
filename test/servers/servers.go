// Package servers starts real PostgreSQL, MariaDB and Redis servers for tests, on loopback, with files of their own.
//
// A package whose tests need a database hands its TestMain to Run and then asks for one where it needs it:
//
//	func TestMain(m *testing.M) { os.Exit(servers.Run(m)) }
//
//	func TestSomething(t *testing.T) {
//		t.Parallel()
//		db := servers.PostgreSQL(t)
//		…
//	}
//
// PostgreSQL and MariaDB give each caller an empty database on a server that the whole test binary shares; it starts when
// the first test asks for it, in a second or two. A test that stops or kills its server starts one of its own, by
// StartPostgreSQL or StartMariaDB. PgBouncer and Proxy stand between rekey and a server.
//
// Redis and RedisCluster give each caller an empty place for keys, of servers that the binary shares; StartRedis,
// StartSentinel and StartRedisCluster start servers that a test ends, freezes and replaces as it likes.
//
// StartProgram runs any other program beside a test, such as the far side of a protocol, on a port by ReservePort.
//
// Nothing outlives the test binary: its servers die with it, however it ends, and what files a binary that was killed
// left behind is removed by the next one. A program that is not installed skips the test, and fails it where CI is set.
package servers

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long a server may take for what must come (its start, its end, a statement), on a machine of any speed.
const patience = 2 * time.Minute

// fleet is the servers that the tests of one binary share. Each starts once, and a start that failed fails everybody.
type fleet struct {
	postgresql, mariadb func() (*Server, error)
	redis               func() (*RedisServer, error)

	mu      sync.Mutex
	started []interface{ close() error }
	idle    []*Cluster // of those that were started
}

func newFleet() *fleet {
	f := &fleet{}
	f.postgresql = sync.OnceValues(func() (*Server, error) { return f.start(findPostgreSQL) })
	f.mariadb = sync.OnceValues(func() (*Server, error) { return f.start(findMariaDB) })
	f.redis = sync.OnceValues(func() (*RedisServer, error) {
		s, err := newRedis()
		if err != nil {
			return nil, err
		}
		f.keep(s.group)
		return s, nil
	})
	return f
}

func (f *fleet) start(find func() (engine, error)) (*Server, error) {
	s, err := newServer(find, true)
	if err != nil {
		return nil, err
	}
	f.keep(s)
	return s, nil
}

// lend gives out an empty Cluster that nobody else has.
func (f *fleet) lend() (*Cluster, error) {
	f.mu.Lock()
	if last := len(f.idle) - 1; last >= 0 {
		defer f.mu.Unlock()
		c := f.idle[last]
		f.idle = f.idle[:last]
		return c, nil
	}
	f.mu.Unlock()
	// No test of a shared Cluster waits for a failover, and on a slow machine none shall happen.
	c, err := newCluster(time.Minute)
	if err != nil {
		return nil, err
	}
	f.keep(c.group)
	return c, nil
}

// giveBack takes a Cluster back that is empty again.
func (f *fleet) giveBack(c *Cluster) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, c)
}

// keep notes what is to be closed at the end.
func (f *fleet) keep(started interface{ close() error }) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started = append(f.started, started)
}

// close ends the servers without grace, since their files go with them.
func (f *fleet) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var failed []error
	for _, s := range f.started {
		failed = append(failed, s.close())
	}
	return errors.Join(failed...)
}

// shared is the fleet while Run is at work. It is a variable of the package, which the house does without elsewhere,
// because testing gives a binary no other place for what outlives a test; Run alone sets it, and clears it.
var shared atomic.Pointer[fleet]

// Run runs the tests of a binary and then ends the servers that they shared and removes their files. It returns the exit
// code for os.Exit: that of the tests, or 1 if they passed and the servers could not be removed.
func Run(m *testing.M) int {
	f := newFleet()
	if !shared.CompareAndSwap(nil, f) {
		panic("servers.Run is called once, by TestMain")
	}
	code := m.Run()
	shared.Store(nil)
	if err := f.close(); err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
		code = max(code, 1)
	}
	return code
}

// PostgreSQL makes an empty database on the PostgreSQL server that the binary's tests share, which does without fsync. It
// is dropped when the test ends.
func PostgreSQL(t testing.TB) Database {
	t.Helper()
	return sharedDatabase(t, func(f *fleet) (*Server, error) { return f.postgresql() })
}

// MariaDB makes an empty database on the MariaDB server that the binary's tests share, which flushes its log once a second
// only. It is dropped when the test ends.
func MariaDB(t testing.TB) Database {
	t.Helper()
	return sharedDatabase(t, func(f *fleet) (*Server, error) { return f.mariadb() })
}

// sharedFleet is the fleet, without which a test that asks for it fails.
func sharedFleet(t testing.TB) *fleet {
	t.Helper()
	f := shared.Load()
	if f == nil {
		t.Fatal("the shared servers need a TestMain in this package that ends them: " +
			"func TestMain(m *testing.M) { os.Exit(servers.Run(m)) }")
	}
	return f
}

func sharedDatabase(t testing.TB, server func(*fleet) (*Server, error)) Database {
	t.Helper()
	s, err := server(sharedFleet(t))
	require(t, err)
	d := s.NewDatabase(t)
	t.Cleanup(func() {
		if err := s.drop(d); err != nil {
			t.Errorf("dropping the test's database: %v", err)
		}
	})
	return d
}

// Redis makes an empty database on the Redis server that the binary's tests share, one by its number, which keeps nothing on
// disk. It is emptied when the test ends. What belongs to the server as a whole is everybody's: its settings, and the cache
// of scripts; a test that changes them has a server of its own, by StartRedis.
func Redis(t testing.TB) Keyspace {
	t.Helper()
	s, err := sharedFleet(t).redis()
	require(t, err)
	k, err := s.next()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.clear(); err != nil {
			t.Errorf("emptying the test's Redis: %v", err)
		}
	})
	return k
}

// RedisCluster lends an empty Redis Cluster of six nodes, three masters with a replica each, until the test ends. Nobody
// else has it meanwhile: a Cluster has one database, and tests use the same keys. So the binary has as many of them as tests
// hold at once: it is asked for after t.Parallel, by the test that uses it and not by one that waits for its parallel
// subtests. A new one takes two seconds, one that was used before nothing. Its nodes go on running, and keep their
// settings; a test that wants it otherwise has a Cluster of its own, by StartRedisCluster.
func RedisCluster(t testing.TB) Keyspace {
	t.Helper()
	f := sharedFleet(t)
	c, err := f.lend()
	require(t, err)
	t.Cleanup(func() {
		if err := c.clear(); err != nil {
			t.Errorf("emptying the test's Redis Cluster: %v", err)
			return // nobody shall have it any more
		}
		f.giveBack(c)
	})
	return c.Keyspace
}

// StartPostgreSQL starts a PostgreSQL server for this test alone, as durable as PostgreSQL is by default. It is ended and
// its files are removed when the test ends.
func StartPostgreSQL(t testing.TB) *Server {
	t.Helper()
	return startFor(t, findPostgreSQL)
}

// StartMariaDB is StartPostgreSQL with MariaDB.
func StartMariaDB(t testing.TB) *Server {
	t.Helper()
	return startFor(t, findMariaDB)
}

func startFor(t testing.TB, find func() (engine, error)) *Server {
	t.Helper()
	s, err := newServer(find, false)
	require(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s said last:\n%s", s.engine.name(), s.home.said())
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// notInstalled is a program that a test needs.
type notInstalled struct{ program, debian string }

func (n *notInstalled) Error() string {
	return fmt.Sprintf("%s is not installed: apt-get install %s, or make tools", n.program, n.debian)
}

// require ends a test at an error. A program that is not installed skips it, and is a failure where CI is set.
func require(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if _, ok := errors.AsType[*notInstalled](err); ok && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	t.Fatal(err)
}
