package databases

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"slices"
	"syscall"
	"testing"
	"time"

	"rekey/test/servers"
)

// hold takes connections from the pool and tells which they are, as the server knows them.
func hold(t *testing.T, kind Kind, db *sql.DB, n int) (held []*sql.Conn, ids []int64) {
	t.Helper()
	for range n {
		c, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
		ids = append(ids, idOf(t, kind, c))
	}
	return held, ids
}

func idOf(t *testing.T, kind Kind, c *sql.Conn) (id int64) {
	t.Helper()
	query := map[Kind]string{PostgreSQL: "SELECT pg_backend_pid()", MySQL: "SELECT CONNECTION_ID()"}[kind]
	if err := c.QueryRowContext(t.Context(), query).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

func release(t *testing.T, held ...*sql.Conn) {
	t.Helper()
	for _, c := range held {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// snap breaks a connection: its server does not answer until nobody waits any more. A statement that is given up before the
// server has it would break nothing, so that is waited for.
func snap(t *testing.T, kind Kind, db *sql.DB, c *sql.Conn) {
	t.Helper()
	id, sleeping := idOf(t, kind, c), map[Kind]string{
		PostgreSQL: "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND query = 'SELECT pg_sleep(3600)'",
		MySQL:      "SELECT count(*) FROM information_schema.processlist WHERE id = ? AND info = 'SELECT SLEEP(3600)'",
	}[kind]
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	ended := make(chan error, 1)
	go func() {
		_, err := c.ExecContext(ctx, map[Kind]string{PostgreSQL: "SELECT pg_sleep(3600)", MySQL: "SELECT SLEEP(3600)"}[kind])
		ended <- err
	}()
	for deadline := time.Now().Add(time.Minute); one[int](t, db, sleeping, id) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the server does not begin to sleep")
		}
	}
	giveUp()
	if err := <-ended; err == nil {
		t.Fatal("it slept for an hour")
	}
	_ = c.Close() // which tells that it is closed already, or not
}

func TestT19_AConnectionThatBreaksCondemnsThoseMadeBeforeIt(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, kind Kind, d servers.Database) {
		db := open(t, d.DSN).Write
		held, old := hold(t, kind, db, 5)
		release(t, held[2:]...)
		snap(t, kind, db, held[0])
		young, ids := hold(t, kind, db, 4)
		for _, id := range ids {
			if slices.Contains(old, id) {
				t.Error("a connection of the same time is used")
			}
		}
		release(t, young...)
		snap(t, kind, db, held[1]) // it was made before the others, and is no news of them
		again, ids2 := hold(t, kind, db, 4)
		for _, id := range ids2 {
			if !slices.Contains(ids, id) {
				t.Error("an older one condemned a younger")
			}
		}
		release(t, again...)
	})
}

func TestT19_AConnectionThatHasLainMustAnswerBeforeItIsUsed(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, kind Kind, d servers.Database) {
		proxy := servers.NewProxy(t, d.Address())
		db := open(t, source(t, d, "sslmode=disable&connect_timeout=60&step_timeout=300ms", at(proxy.Address))).Write
		held, _ := hold(t, kind, db, 1)
		if err := held[0].Raw(func(c any) error {
			c.(*conn).used = time.Now().Add(-time.Hour)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		release(t, held...)
		proxy.Freeze(true)
		// New ones are refused at once: what else takes time is the wait for the one in the pool.
		proxy.Refuse(t, true)
		began := time.Now()
		if _, err := db.ExecContext(t.Context(), "SELECT 1"); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is %v", err)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("it was waited for for %v", took)
		}
	})
}

// TestATransactionEndsWithItsContext though the server says nothing to its COMMIT.
func TestATransactionEndsWithItsContext(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, _ Kind, d servers.Database) {
		proxy := servers.NewProxy(t, d.Address())
		db := open(t, source(t, d, "sslmode=disable&connect_timeout=60", at(proxy.Address))).Write
		for name, end := range map[string]func(*sql.Tx) error{"COMMIT": (*sql.Tx).Commit, "ROLLBACK": (*sql.Tx).Rollback} {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			proxy.Freeze(true)
			began := time.Now()
			if err := end(tx); err == nil {
				t.Errorf("%s: no error", name)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("%s: given up after %v", name, took)
			}
			cancel()
			proxy.Freeze(false)
			if n := one[int](t, db, "SELECT 1"); n != 1 {
				t.Errorf("%s: afterwards the pool answers %d", name, n)
			}
		}
	})
}

// silentHost is an address whose system does not even answer who wants to connect.
func silentHost(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}).String()
	for range 10 { // the few that it takes, which nobody accepts
		c, err := net.DialTimeout("tcp4", address, time.Second)
		if err != nil {
			return address
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("this system's queue of connections has no end")
	return ""
}

// TestOfSeveralHostsOneThatIsGoneLeavesAStepTime: connections are made to the next one within a part of a step's time.
func TestOfSeveralHostsOneThatIsGoneLeavesAStepTime(t *testing.T) {
	t.Parallel()
	d, gone := servers.PostgreSQL(t), silentHost(t)
	for _, mode := range []string{"disable", "prefer"} {
		db := open(t, source(t, d, "sslmode="+mode+"&connect_timeout=60&step_timeout=9s", func(u *url.URL) { u.Host = gone + "," + u.Host })).Write
		began := time.Now()
		held, _ := hold(t, PostgreSQL, db, 2) // one is there already
		release(t, held...)
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s: connected after %v", mode, took)
		}
	}
}
