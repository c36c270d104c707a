package userdb_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rekey"
	"rekey/cmd/rekey/databases"
	"rekey/test/servers"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// TestOnAServerOfItsOwn is what no other test may be disturbed by.
func TestOnAServerOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) *servers.Server{"PostgreSQL": servers.StartPostgreSQL, "MariaDB": servers.StartMariaDB} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			if server.Kind == servers.MySQL { // whose zone is the server's; PostgreSQL's may be a role's
				t.Run("TimesAreThoseThatTheApplicationReads", func(t *testing.T) { zoned(t, server) })
			}
			for _, test := range []struct {
				name string
				run  func(*testing.T, *servers.Server)
			}{
				{"ACommitThatHangsEndsAtTheDeadline", hangingCommit},
				{"AServerThatTakesNoWritesSaysSoWhenItIsRehearsed", readOnly},
				{"T19_ConnectionsFromBeforeARestartTroubleNobody", staleConnections},
				{"T19_AServerThatIsKilledUnderLoadKeepsNobodyWaiting", killedUnderLoad},
			} {
				t.Run(test.name, func(t *testing.T) { test.run(t, server) })
			}
		})
	}
}

func staleConnections(t *testing.T, server *servers.Server) {
	source := server.NewDatabase(t)
	d := serve(t, source, source.DSN)
	d.populate(t)
	table := d.table(t, cheap())
	a := account(t, table, somebody)

	d.pooled(t, 8)
	server.Stop(t)
	server.Start(t)
	if found, err := table.Find(t.Context(), a.Number); err != nil || len(found) != 1 {
		t.Errorf("Find: %d accounts, %v", len(found), err)
	}
	if err := table.SetPassword(t.Context(), a, newOne); err != nil {
		t.Errorf("SetPassword: %v", err)
	}

	a = account(t, table, somebody)
	d.pooled(t, 8)
	server.Kill(t)
	server.Start(t)
	if err := table.SetPassword(t.Context(), a, "Again789"); err != nil {
		t.Errorf("SetPassword: %v", err)
	}
	if err := errors.Join(table.Ping(t.Context()), table.Rehearse(t.Context())); err != nil {
		t.Errorf("Ping and Rehearse: %v", err)
	}
	if !has(t, table, somebody, "Again789") {
		t.Error("the password was not set")
	}
}

// killedUnderLoad resets one password after the other of several people until the server is gone.
func killedUnderLoad(t *testing.T, server *servers.Server) {
	source := server.NewDatabase(t)
	d := serve(t, source, source.DSN)
	d.populate(t)
	table := d.table(t, cheap())
	type person struct{ mobile, told, asked string } // of a new password: that it is set, that it be
	people := make([]person, 8)
	var resets atomic.Int64
	var load sync.WaitGroup
	for i := range people {
		p := &people[i]
		p.mobile = fmt.Sprintf("1380000010%d", i)
		d.exec(t, "INSERT INTO users (id, mobile, password, is_active) VALUES (?, ?, ?, ?)", 100+i, p.mobile, userdbtest.Hash(t, userdbtest.Cheap, oldOne), true)
		load.Go(func() {
			p.told, p.asked = oldOne, oldOne
			for n := 0; ; n++ {
				err := bounded(t, "a reset", generous, func(ctx context.Context) error {
					accounts, err := table.Find(ctx, number(t, p.mobile))
					if err != nil || len(accounts) != 1 {
						return errors.Join(err, fmt.Errorf("%d accounts", len(accounts)))
					}
					p.asked = fmt.Sprintf("password%dof%d", n, i)
					return table.SetPassword(ctx, accounts[0], p.asked)
				})
				if errors.Is(err, rekey.ErrBusy) {
					continue // the others hashed for two seconds: nothing was asked of the database
				}
				if err != nil {
					if plain(t, p.mobile, err); errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%s waited for the deadline", p.mobile)
					}
					return
				}
				p.told = p.asked
				resets.Add(1)
			}
		})
	}
	waitFor(t, "resets", func() bool { return resets.Load() > 100 })
	server.Kill(t)
	load.Wait()
	server.Start(t)
	for _, p := range people {
		if !has(t, table, p.mobile, p.told) && !has(t, table, p.mobile, p.asked) {
			t.Errorf("%s has neither the password that was set nor the one that was being set", p.mobile)
		}
		if err := table.SetPassword(t.Context(), account(t, table, p.mobile), newOne); err != nil || !has(t, table, p.mobile, newOne) {
			t.Errorf("%s afterwards: %v", p.mobile, err)
		}
	}
}

// hangingCommit lets the server take every statement of a reset but the last.
func hangingCommit(t *testing.T, server *servers.Server) {
	source := server.NewDatabase(t)
	d := serve(t, source.Admin(), source.DSN)
	d.populate(t)
	d.exec(t, "DELETE FROM sessions")
	grant(t, d, source)
	table := d.table(t, cheap())
	a := account(t, table, somebody)
	release := d.holdCommits(t)
	err := bounded(t, "SetPassword", 300*time.Millisecond, func(ctx context.Context) error { return table.SetPassword(ctx, a, newOne) })
	release()
	plain(t, "SetPassword", err)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want that the deadline has passed", err)
	}
	// Whatever becomes of the commit, a look tells, unless that was before it.
	waitFor(t, "reset afterwards", func() bool {
		err := table.SetPassword(t.Context(), account(t, table, somebody), "Again789")
		if err != nil && !errors.Is(err, rekey.ErrStale) {
			t.Fatalf("afterwards: %v", err)
		}
		return err == nil
	})
	if !has(t, table, somebody, "Again789") {
		t.Error("afterwards the password is another")
	}
}

// grant gives the database's owner the tables that the superuser made.
func grant(t testing.TB, d *database, owner servers.Database) {
	t.Helper()
	if d.Kind == databases.PostgreSQL {
		d.exec(t, `GRANT ALL ON ALL TABLES IN SCHEMA public TO "`+owner.User+`"`)
	}
}

// holdCommits makes every commit that wrote to users wait for release.
func (d *database) holdCommits(t testing.TB) (release func()) {
	t.Helper()
	if d.Kind == databases.MySQL {
		d.exec(t, "BACKUP STAGE START")
		d.exec(t, "BACKUP STAGE BLOCK_COMMIT")
		return func() { d.exec(t, "BACKUP STAGE END") }
	}
	exec(t, d.own, `CREATE FUNCTION wait_to_commit() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$`)
	d.exec(t, "CREATE CONSTRAINT TRIGGER waits AFTER UPDATE ON users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_to_commit()")
	d.exec(t, "SELECT pg_advisory_lock(1)")
	return func() { d.exec(t, "SELECT pg_advisory_unlock(1)") }
}

// readOnly is a server that became a replica, say.
func readOnly(t *testing.T, server *servers.Server) {
	source := server.NewDatabase(t)
	d := serve(t, source, source.DSN)
	d.populate(t)
	on, off := "SET GLOBAL read_only = ON", "SET GLOBAL read_only = OFF"
	if d.Kind == databases.PostgreSQL {
		on, off = "ALTER SYSTEM SET default_transaction_read_only = on", "ALTER SYSTEM RESET default_transaction_read_only"
	}
	admin := source.Admin().Open(t)
	set := func(statement string) *userdb.Table {
		t.Helper()
		exec(t, admin, statement)
		if d.Kind == databases.PostgreSQL {
			exec(t, admin, "SELECT pg_reload_conf()")
		}
		fresh := serve(t, source, source.DSN)
		table, err := userdb.New(t.Context(), fresh.options(cheap()))
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	table := set(on)
	waitFor(t, "refusal", func() bool { return table.Rehearse(t.Context()) != nil })
	a := account(t, table, somebody) // reading works
	for what, err := range map[string]error{"Rehearse": table.Rehearse(t.Context()), "SetPassword": table.SetPassword(t.Context(), a, newOne)} {
		plain(t, what, err)
		if err != nil && !strings.Contains(strings.ReplaceAll(err.Error(), "-", " "), "read only") {
			t.Errorf("%s: %v does not say that it can only be read", what, err)
		}
	}
	if err := table.Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	table = set(off)
	waitFor(t, "consent", func() bool { return table.Rehearse(t.Context()) == nil })
	if err := table.SetPassword(t.Context(), a, newOne); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// zoned is TestTimesAreThoseThatTheApplicationReads where the zone is everybody's.
func zoned(t *testing.T, server *servers.Server) {
	source := server.NewDatabase(t)
	admin := source.Admin().Open(t)
	exec(t, admin, "SET GLOBAL time_zone = '+08:00'")
	writesTimes(t, serve(t, source, source.DSN))
	exec(t, admin, "SET GLOBAL time_zone = 'SYSTEM'")
}

// waitFor waits for what must come.
func waitFor(t testing.TB, what string, come func() bool) {
	t.Helper()
	for deadline := time.Now().Add(generous); !come(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s", what)
		}
	}
}
