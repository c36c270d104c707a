package databases

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"rekey/test/servers"
)

// TestStatementsWorkThroughPgBouncer has more clients than the bouncer has servers, which it changes at every transaction.
func TestStatementsWorkThroughPgBouncer(t *testing.T) {
	t.Parallel()
	bouncer := servers.PgBouncer(t, servers.PostgreSQL(t))
	db := open(t, source(t, bouncer, "pool_max=50&connect_timeout=60")).Write
	run(t, db, "CREATE TABLE people (id INTEGER PRIMARY KEY, password TEXT NOT NULL)")
	for id := range 50 {
		run(t, db, "INSERT INTO people VALUES ($1, $2)", id, "0")
	}
	ctx := t.Context()
	step := func(id int, old, new string) error {
		var found string
		if err := db.QueryRowContext(ctx, "SELECT password FROM people WHERE id IN ($1, $2)", id, -1).Scan(&found); err != nil || found != old {
			return fmt.Errorf("person %d has %q, not %q: %w", id, found, old, err)
		}
		tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			return err
		}
		defer tx.Rollback()
		result, err := tx.ExecContext(ctx, "UPDATE people SET password = $1 WHERE id = $2 AND password = $3", new, id, old)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n != 1 {
			return fmt.Errorf("%d rows of person %d changed: %w", n, id, err)
		}
		return tx.Commit()
	}
	var all sync.WaitGroup
	for id := range 50 {
		all.Go(func() {
			for i := range 20 {
				if err := step(id, fmt.Sprint(i), fmt.Sprint(i+1)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if n := one[int](t, db, "SELECT COUNT(*) FROM people WHERE password = $1", "20"); n != 50 {
		t.Errorf("%d people came to the end, want 50", n)
	}
}

func TestSearchPathIsPostgreSQLsAndNotPgBouncers(t *testing.T) {
	t.Parallel()
	d := servers.PostgreSQL(t)
	admin := d.Open(t)
	run(t, admin, "CREATE SCHEMA auth")
	run(t, admin, "CREATE TABLE auth.people (id INTEGER)")
	db := open(t, source(t, d, "sslmode=disable&search_path=auth,public")).Read
	if n := one[int](t, db, "SELECT COUNT(*) FROM people"); n != 0 {
		t.Errorf("%d people", n)
	}
	bouncer := servers.PgBouncer(t, d)
	refused(t, bouncer, source(t, bouncer, "search_path=auth"), "remove that parameter and write the schema before the table's name")
	if n := one[int](t, open(t, bouncer.DSN).Read, "SELECT COUNT(*) FROM auth.people"); n != 0 {
		t.Errorf("%d people", n)
	}
}

// TestTheDataSourceAloneDecides sets what PostgreSQL's own library, and pgx, take from the environment.
func TestTheDataSourceAloneDecides(t *testing.T) {
	d := servers.PostgreSQL(t)
	for name, value := range map[string]string{
		"PGHOST": "elsewhere.invalid", "PGPORT": "1", "PGDATABASE": "elsewhere", "PGUSER": "somebody", "PGPASSWORD": "guess",
		"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/nowhere.pem", "PGSSLCERT": "/nowhere.pem", "PGSSLKEY": "/nowhere.pem",
		"PGOPTIONS": "-c search_path=elsewhere", "PGAPPNAME": "other", "PGTZ": "Asia/Shanghai", "PGCONNECT_TIMEOUT": "0",
		"PGTARGETSESSIONATTRS": "standby", "PGMINPROTOCOLVERSION": "3.2", "PGPASSFILE": "/nowhere", "PGSERVICEFILE": "/nowhere",
	} {
		t.Setenv(name, value)
	}
	db := open(t, d.DSN).Read
	for query, want := range map[string]string{
		"SHOW application_name": "rekey", "SHOW client_encoding": "UTF8", "SHOW search_path": `"$user", public`,
		"SELECT current_database()": d.Name, "SELECT current_user": d.User,
	} {
		if got := one[string](t, db, query); got != want {
			t.Errorf("%s is %s, want %s", query, got, want)
		}
	}
	db = open(t, source(t, d, "application_name=reset")).Read
	if got := one[string](t, db, "SHOW application_name"); got != "reset" {
		t.Errorf("application_name is %s", got)
	}
	// One that is missing is no reason to look for it elsewhere.
	refused(t, d, source(t, d, "", func(u *url.URL) { u.User = url.User(d.User) }), "the server refuses user or password")
	t.Setenv("PGSERVICE", "elsewhere")
	var s Set
	if _, err := s.Open(t.Context(), "users.dsn", d.DSN); err == nil || !strings.Contains(err.Error(), "unset PGSERVICE") {
		t.Errorf("with PGSERVICE: %v", err)
	}
}

// TestAConnectionThatBecameReadOnlyIsNotUsedAgain plays a failover: the server is demoted while connections are open.
func TestAConnectionThatBecameReadOnlyIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	d := servers.PostgreSQL(t)
	db := open(t, source(t, d, "pool_max=1")).Write
	run(t, db, "CREATE TABLE marks (n INTEGER)")
	run(t, db, "SET default_transaction_read_only = on")
	_, err := db.ExecContext(t.Context(), "INSERT INTO marks VALUES (1)")
	if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "25006" {
		t.Fatalf("the error is %v", err)
	}
	run(t, db, "INSERT INTO marks VALUES (2)")
}

func TestOfSeveralHostsTheOneThatCanBeWrittenToIsTaken(t *testing.T) {
	t.Parallel()
	d, standby := servers.PostgreSQL(t), servers.StartPostgreSQL(t)
	// The same name, user and password, on a server that can only be read.
	admin := standby.NewDatabase(t).Admin().Open(t)
	run(t, admin, fmt.Sprintf(`CREATE ROLE "%s" LOGIN PASSWORD '%s'`, d.User, d.Password))
	run(t, admin, fmt.Sprintf(`CREATE DATABASE "%s" OWNER "%s"`, d.Name, d.User))
	run(t, admin, fmt.Sprintf(`ALTER DATABASE "%s" SET default_transaction_read_only = on`, d.Name))
	reader := fmt.Sprintf("127.0.0.1:%d", standby.Port)
	nobody := servers.NewProxy(t, d.Address())
	nobody.Refuse(t, true)

	db := open(t, source(t, d, "", at(nobody.Address+","+reader+","+d.Address()))).Write
	run(t, db, "CREATE TABLE marks (n INTEGER)")
	db = open(t, source(t, d, "target_session_attrs=any", at(reader+","+d.Address()))).Write
	if readOnly := one[string](t, db, "SHOW transaction_read_only"); readOnly != "on" {
		t.Errorf("any takes another than the first: %s", readOnly)
	}
	refused(t, d, source(t, d, "target_session_attrs=read-write", at(reader)), "the server can only be read from; name the primary too")
}

// TestThePasswordGoesInClearOnlyToAVerifiedServer has a server ask for it so, as one in the server's place would.
func TestThePasswordGoesInClearOnlyToAVerifiedServer(t *testing.T) {
	t.Parallel()
	server := servers.StartPostgreSQL(t)
	d := server.NewDatabase(t)
	admin := d.Admin()
	db := admin.Open(t)
	// The server's own pg_hba.conf, of which the first line that fits decides.
	file := one[string](t, db, "SHOW hba_file")
	run(t, db, fmt.Sprintf("COPY (VALUES ('host all %s all scram-sha-256'), ('host all all all password')) TO '%s'", admin.User, file))
	server.Stop(t)
	server.Start(t)
	for _, mode := range []string{"disable", "prefer", "require"} {
		refused(t, d, source(t, d, "sslmode="+mode), "if it asks for the password in clear, it must be one that sslmode=verify-full verifies")
	}
	open(t, source(t, d, "sslmode=verify-full&sslrootcert="+d.CA))
}
