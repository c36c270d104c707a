package userdb_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"rekey"
	"rekey/cmd/rekey/databases"
	"rekey/test/servers"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// generous is how long what must come may take, on whatever machine. What takes longer hangs.
const generous = 45 * time.Second

// reachable is a users table with one person, on a server that is reached through a proxy.
type reachable struct {
	*database
	table *userdb.Table
	proxy *servers.Proxy
}

const (
	somebody = "13800000001"
	oldOne   = "Abc123"
	newOne   = "New456"
)

// cheap are settings of a table with the names of the preset rekey, under which hashing is no work.
func cheap() userdb.Settings {
	return userdb.Settings{Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap, Sessions: "sessions.user_id"}
}

// eachProxied runs a test on each kind of server.
func eachProxied(t *testing.T, test func(t *testing.T, d *reachable)) {
	t.Helper()
	for _, server := range []struct {
		name     string
		database func(testing.TB) servers.Database
	}{{"PostgreSQL", servers.PostgreSQL}, {"MariaDB", servers.MariaDB}} {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			direct := server.database(t)
			proxy := servers.NewProxy(t, direct.Address())
			dsn := direct.Via(t, proxy.Address).DSN
			if direct.Kind == servers.MySQL {
				dsn += "?sslmode=disable" // as for PostgreSQL: the proxy reads what is said
			}
			d := &reachable{database: serve(t, direct, dsn), proxy: proxy}
			d.populate(t)
			d.table = d.database.table(t, cheap())
			test(t, d)
		})
	}
}

// populate makes the tables of cheap, and a person with a session.
func (d *database) populate(t testing.TB) {
	t.Helper()
	d.exec(t, "CREATE TABLE users (id {id}, mobile VARCHAR(20), password VARCHAR(255), is_active BOOLEAN)")
	d.exec(t, "CREATE TABLE sessions (token VARCHAR(20), user_id BIGINT)")
	d.exec(t, "INSERT INTO users (id, mobile, password, is_active) VALUES (1, ?, ?, ?)", somebody, userdbtest.Hash(t, userdbtest.Cheap, oldOne), true)
	d.exec(t, "INSERT INTO sessions VALUES ('a', 1)")
}

// restored puts the old password back, past the table, and returns the account.
func (d *reachable) restored(t testing.TB) rekey.Account {
	t.Helper()
	d.exec(t, "UPDATE users SET password = ? WHERE id = 1", userdbtest.Hash(t, userdbtest.Cheap, oldOne))
	return account(t, d.table, somebody)
}

// plain fails unless err is one that says nothing of the row.
func plain(t testing.TB, what string, err error) {
	t.Helper()
	if err == nil || errors.Is(err, rekey.ErrStale) || errors.Is(err, rekey.ErrBusy) || errors.Is(err, rekey.ErrPassword) {
		t.Errorf("%s: %v, want a plain error", what, err)
	}
}

// bounded runs work with a deadline, and fails unless the work ends by it.
func bounded(t testing.TB, what string, deadline time.Duration, work func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	done := make(chan error, 1)
	start := time.Now()
	go func() { done <- work(ctx) }()
	select {
	case err := <-done:
		return err
	case <-time.After(deadline + generous):
		t.Fatalf("%s: still at work %v after its deadline", what, time.Since(start)-deadline)
		return nil
	}
}

// saying matches requests that contain a text, from the n-th on, counting from 0.
func saying(text string, n int) func([]byte) bool {
	says := servers.Says(text)
	return func(request []byte) bool {
		if says(request) {
			n--
		}
		return n < 0 && says(request)
	}
}

func TestT18_WhenTheAnswerToTheCommitIsLostTheNextLookTells(t *testing.T) {
	t.Parallel()
	eachProxied(t, func(t *testing.T, d *reachable) {
		writes := d.countWrites(t)
		a := account(t, d.table, somebody)
		begins, commits := servers.Says("read committed"), servers.Says("commit")
		cut := d.proxy.CutAnswerTo(func(request []byte) bool { return commits(request) && !begins(request) })
		plain(t, "SetPassword", d.table.SetPassword(t.Context(), a, newOne))
		<-cut
		if n := writes(); n != 1 {
			t.Errorf("the row was written %d times", n)
		}
		if err := d.table.SetPassword(t.Context(), a, "Other789"); !errors.Is(err, rekey.ErrStale) {
			t.Errorf("the same account again: %v, want ErrStale", err)
		}
		if !has(t, d.table, somebody, newOne) || has(t, d.table, somebody, "Other789") {
			t.Error("the password is not the one that was set")
		}
		if n := value[int](t, d.database, "SELECT COUNT(*) FROM sessions"); n != 0 {
			t.Error("the session outlived the password")
		}
	})
}

func TestT17_WhereverTheConnectionIsCutTheRowIsWhole(t *testing.T) {
	t.Parallel()
	eachProxied(t, func(t *testing.T, d *reachable) {
		writes := d.countWrites(t)
		for _, statement := range []string{"update ", "delete from"} {
			for n := range 2 { // PostgreSQL is told of a statement that is new to a connection before it is executed
				a := d.restored(t)
				before := writes()
				cut := d.proxy.CutAnswerTo(saying(statement, n))
				err := d.table.SetPassword(t.Context(), a, newOne)
				if err == nil && n > 0 {
					continue // it was said once only
				}
				plain(t, statement, err)
				<-cut
				if value[string](t, d.database, "SELECT password FROM users") != a.Hash {
					t.Errorf("%s: the password changed", statement)
				}
				if n := writes() - before; n > 1 {
					t.Errorf("%s: the row was written %d times", statement, n)
				}
				if err := d.table.SetPassword(t.Context(), a, newOne); err != nil {
					t.Errorf("%s: the next reset: %v", statement, err)
				}
			}
		}
		// Nothing is lost with a connection that nothing has been done on.
		begins := map[databases.Kind]string{databases.PostgreSQL: "begin", databases.MySQL: "start transaction"}[d.Kind]
		a := d.restored(t)
		before := writes()
		cut := d.proxy.CutAnswerTo(servers.Says(begins))
		if err := d.table.SetPassword(t.Context(), a, newOne); err != nil {
			t.Errorf("%s: %v", begins, err)
		}
		<-cut
		if n := writes() - before; n != 1 || !has(t, d.table, somebody, newOne) {
			t.Errorf("%s: the row was written %d times", begins, n)
		}
	})
}

// countWrites has the database count how often a statement writes a user's row, also where that is rolled back.
func (d *database) countWrites(t testing.TB) func() int {
	t.Helper()
	if d.Kind == databases.PostgreSQL {
		d.exec(t, "CREATE SEQUENCE writes") // which no rollback touches
		exec(t, d.own, "CREATE FUNCTION count_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('writes'); RETURN NEW; END $$")
		d.exec(t, "CREATE TRIGGER writes BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION count_write()")
	} else {
		d.exec(t, "CREATE TABLE writes (one INTEGER) ENGINE=MyISAM") // which nothing rolls back
		d.exec(t, "CREATE TRIGGER writes BEFORE UPDATE ON users FOR EACH ROW INSERT INTO writes VALUES (1)")
	}
	return func() int {
		t.Helper()
		if d.Kind == databases.PostgreSQL {
			return value[int](t, d, "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM writes")
		}
		return value[int](t, d, "SELECT COUNT(*) FROM writes")
	}
}

func TestT15_ADatabaseThatIsDownIsToldAtOnceAndThenWorksAgain(t *testing.T) {
	t.Parallel()
	eachProxied(t, func(t *testing.T, d *reachable) {
		a := account(t, d.table, somebody)
		d.pooled(t, 5)
		d.proxy.Refuse(t, true)
		d.proxy.Cut()
		ctx, cancel := context.WithTimeout(t.Context(), generous)
		defer cancel()
		_, finding := d.table.Find(ctx, a.Number)
		for what, err := range map[string]error{
			"Find": finding, "SetPassword": d.table.SetPassword(ctx, a, newOne), "Ping": d.table.Ping(ctx), "Rehearse": d.table.Rehearse(ctx),
		} {
			plain(t, what, err)
			if ctx.Err() != nil {
				t.Fatalf("%s waited for its deadline", what)
			}
		}
		d.proxy.Refuse(t, false)
		if err := d.table.SetPassword(t.Context(), account(t, d.table, somebody), newOne); err != nil || !has(t, d.table, somebody, newOne) {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestT15_AServerThatAnswersNothingIsLeftAtTheDeadline(t *testing.T) {
	t.Parallel()
	eachProxied(t, func(t *testing.T, d *reachable) {
		a := account(t, d.table, somebody)
		for what, work := range map[string]func(context.Context) error{
			"Find": func(ctx context.Context) error {
				_, err := d.table.Find(ctx, a.Number)
				return err
			},
			"SetPassword": func(ctx context.Context) error { return d.table.SetPassword(ctx, a, newOne) },
			"Ping":        d.table.Ping,
			"Rehearse":    d.table.Rehearse,
		} {
			d.pooled(t, 3)
			d.proxy.Freeze(true)
			err := bounded(t, what, 200*time.Millisecond, work)
			d.proxy.Freeze(false)
			plain(t, what, err)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v, want that the deadline has passed", what, err)
			}
		}
		if err := d.table.SetPassword(t.Context(), account(t, d.table, somebody), newOne); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// pooled leaves n connections in the pool that have been used.
func (d *database) pooled(t testing.TB, n int) {
	t.Helper()
	for range n {
		conn, err := d.Write.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}()
		if _, err := conn.ExecContext(t.Context(), "SELECT 1"); err != nil {
			t.Fatal(err)
		}
	}
}

// A deadline ends also what waits within the database.
func TestAResetThatWaitsForALockEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		d.populate(t)
		table := d.table(t, cheap())
		a := account(t, table, somebody)
		tx, err := d.own.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("UPDATE users SET mobile = mobile WHERE id = 1"); err != nil {
			t.Fatal(err)
		}
		err = bounded(t, "SetPassword", 200*time.Millisecond, func(ctx context.Context) error { return table.SetPassword(ctx, a, newOne) })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want that the deadline has passed", err)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		if err := table.SetPassword(t.Context(), account(t, table, somebody), newOne); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestT19_AReadWhoseAnswerIsLostIsTriedAgain(t *testing.T) {
	t.Parallel()
	eachProxied(t, func(t *testing.T, d *reachable) {
		for range 2 {
			cut := d.proxy.CutAnswerTo(servers.Says("password"))
			account(t, d.table, somebody)
			<-cut
			cut = d.proxy.CutAnswerTo(servers.Says("password"))
			if err := d.table.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			<-cut
		}
	})
}

// A pooler takes connections also where it has no server to give them to.
func TestT15_APoolerWithoutItsServerKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	direct := servers.PostgreSQL(t)
	proxy := servers.NewProxy(t, direct.Address())
	d := serve(t, direct, servers.PgBouncer(t, direct.Via(t, proxy.Address)).DSN)
	d.populate(t)
	table := d.table(t, cheap())
	a := account(t, table, somebody)
	d.pooled(t, 3)
	proxy.Refuse(t, true)
	proxy.Cut()
	for what, work := range map[string]func(context.Context) error{
		"Find": func(ctx context.Context) error {
			_, err := table.Find(ctx, a.Number)
			return err
		},
		"SetPassword": func(ctx context.Context) error { return table.SetPassword(ctx, a, newOne) },
		"Ping":        table.Ping,
		"Rehearse":    table.Rehearse,
	} {
		plain(t, what, bounded(t, what, time.Second, work))
	}
	if value[string](t, d, "SELECT password FROM users") != a.Hash {
		t.Error("the password changed")
	}
}
