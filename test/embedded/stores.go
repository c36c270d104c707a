package embedded

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"testing"
	"time"

	"rekey/cmd/rekey/databases"
	"rekey/codestore"
	"rekey/codestore/codestoretest"
	"rekey/userdb"
)

// openPeople makes the users table where the options have it.
func (h *House) openPeople(ctx context.Context, dir string, o Options) error {
	db, err := h.open(ctx, cmp.Or(o.People, "sqlite:"+File(dir)), o)
	if err != nil {
		return err
	}
	h.People = db.Write
	users := userdb.Options{Read: db.Read, Write: db.Write, Settings: userdb.Settings{HashFloor: o.HashFloor}}
	if o.HashFloor == "" {
		users.Settings.Hash, users.Settings.HashFloor = cheap, cheap
	}
	switch db.Kind {
	case databases.PostgreSQL:
		users.Dialect = userdb.PostgreSQL()
	case databases.MySQL:
		users.Dialect = userdb.MySQL()
	default:
		users.Dialect = userdb.SQLite()
	}
	h.Users, err = userdb.NewEmbedded(ctx, users)
	return err
}

// openCodes makes the code store where the options have it.
func (h *House) openCodes(ctx context.Context, dir string, o Options) (err error) {
	h.codes = cmp.Or(o.Codes, "sqlite:"+File(dir))
	if _, err := databases.Parse(h.codes); err != nil { // no SQL
		h.Codes, err = h.opened.Codes(ctx, "codes.store", h.codes)
		return err
	}
	db, err := h.open(ctx, h.codes, o)
	if err != nil {
		return err
	}
	h.Write, h.Read = db.Write, db.Read
	if o.Wrap == nil {
		h.Codes, err = h.opened.Codes(ctx, "codes.store", patient(h.codes))
		return err
	}
	if err := codestore.Migrate(ctx, db.Write, db.Kind.CodeDialect()); err != nil {
		return err
	}
	store, err := codestore.NewSQL(ctx, db.Write, db.Kind.CodeDialect())
	if err != nil {
		return err
	}
	h.Codes = store
	return nil
}

// open opens a SQL database as the program does, with what the options have between. What two ask for is opened once.
func (h *House) open(ctx context.Context, dsn string, o Options) (*databases.DB, error) {
	dsn = patient(dsn)
	if o.Wrap == nil {
		return h.opened.Open(ctx, "the test's database", dsn)
	}
	if db := h.wired[dsn]; db != nil {
		return db, nil
	}
	source, err := databases.Parse(dsn)
	if err != nil {
		return nil, err
	}
	connector, err := source.Connector()
	if err != nil {
		return nil, err
	}
	db := &databases.DB{Kind: source.Kind, Write: sql.OpenDB(o.Wrap(connector))}
	db.Read = db.Write
	if source.Kind == databases.SQLite {
		db.Read = sql.OpenDB(o.Wrap(connector))
		db.Write.SetMaxOpenConns(1)
		db.Read.SetMaxOpenConns(4)
	} else {
		db.Write.SetMaxOpenConns(10)
		db.Write.SetMaxIdleConns(10)
	}
	h.wired[dsn] = db
	return db, nil
}

// patient is a data source of a server that a slow machine may take a minute to let one in; others are as they were.
func patient(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil || u.Host == "" {
		return dsn
	}
	q := u.Query()
	q.Set("connect_timeout", "60")
	u.RawQuery = q.Encode()
	return u.String()
}

// tables are those of a code store in SQL.
func tables() []string { return []string{"rekey_numbers", "rekey_budgets"} }

// Advance lets d pass for the code store, whichever it is: what it holds is aged.
func (h *House) Advance(t testing.TB, d time.Duration) {
	t.Helper()
	codestoretest.Age(t, h.Write, d)
}

// Forget empties the code store, as a failover to an empty one does.
func (h *House) Forget(t testing.TB) {
	t.Helper()
	for _, table := range tables() {
		if _, err := h.Write.ExecContext(t.Context(), "DELETE FROM "+table); err != nil {
			t.Fatal(err)
		}
	}
}

// Remember keeps what the code store holds now, and returns what brings it back: a failover that lost what was written
// since.
func (h *House) Remember(t testing.TB) (recall func()) {
	t.Helper()
	for _, table := range tables() {
		if _, err := h.Write.ExecContext(t.Context(), fmt.Sprintf("CREATE TABLE %[1]s_then AS SELECT * FROM %[1]s", table)); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		t.Helper()
		tx, err := h.Write.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback() // does nothing after the commit
		for _, table := range tables() {
			for _, statement := range []string{"DELETE FROM %[1]s", "INSERT INTO %[1]s SELECT * FROM %[1]s_then"} {
				if _, err := tx.ExecContext(t.Context(), fmt.Sprintf(statement, table)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
}
