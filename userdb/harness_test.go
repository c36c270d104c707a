package userdb_test

import (
	"database/sql"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// pragmas are how the program opens SQLite; the code store shares the writer and wants synchronous=NORMAL.
const pragmas = "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"

// open opens a new database: a pool of readers and one writer.
func open(t testing.TB, file string) (read, write *sql.DB) {
	t.Helper()
	return connect(t, file, pragmas), writer(t, file, pragmas)
}

func writer(t testing.TB, file, pragmas string) *sql.DB {
	t.Helper()
	db := connect(t, file, pragmas)
	db.SetMaxOpenConns(1)
	return db
}

func connect(t testing.TB, file, pragmas string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", address(file)+pragmas)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// address is a file as a URI: names of tests have "#" in them, where a URI's path would end.
func address(file string) string { return "file:" + (&url.URL{Path: file}).EscapedPath() }

func newFile(t testing.TB) string { return filepath.Join(t.TempDir(), "users.db") }

// options are those of a new database.
func options(t testing.TB, s userdb.Settings) userdb.Options {
	read, write := open(t, newFile(t))
	return userdb.Options{Read: read, Write: write, Dialect: userdb.SQLite(), Settings: s}
}

// embedded is a new embedded table, migrated.
func embedded(t testing.TB, o userdb.Options) *userdb.Embedded {
	t.Helper()
	e, err := userdb.NewEmbedded(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func exec(t testing.TB, db *sql.DB, query string, args ...any) sql.Result {
	t.Helper()
	result, err := db.ExecContext(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return result
}

// hands are the application's own on a SQLite table whose names are the settings'.
func hands(o userdb.Options) userdbtest.Table {
	s := o.Settings
	q := func(name, otherwise string) string {
		if name == "" {
			name = otherwise
		}
		return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	table, id, mobile, password, active := q(s.Table, "users"), q(s.ID, "id"), q(s.Mobile, "mobile"),
		q(s.Password, "password"), q(s.Active, "is_active")
	const layout = "2006-01-02 15:04:05"
	return userdbtest.Table{
		Insert: func(t *testing.T, r userdbtest.Row) string {
			t.Helper()
			var key string
			err := o.Write.QueryRow("INSERT INTO "+table+" ("+mobile+", "+password+", "+active+", note, password_changed_at) VALUES (?, ?, ?, ?, ?) RETURNING "+id,
				r.Mobile, r.Password, !r.Inactive, r.Note, r.Changed.Format(layout)).Scan(&key)
			if err != nil {
				t.Fatal(err)
			}
			return key
		},
		Update: func(t *testing.T, key string, r userdbtest.Row) {
			t.Helper()
			exec(t, o.Write, "UPDATE "+table+" SET "+mobile+" = ?, "+password+" = ?, "+active+" = ? WHERE "+id+" = ?",
				r.Mobile, r.Password, !r.Inactive, key)
		},
		Delete: func(t *testing.T, key string) {
			t.Helper()
			exec(t, o.Write, "DELETE FROM "+table+" WHERE "+id+" = ?", key)
		},
		Read: func(t *testing.T, key string) (r userdbtest.Row) {
			t.Helper()
			var isActive bool
			err := o.Read.QueryRow("SELECT "+mobile+", "+password+", "+active+", note, password_changed_at FROM "+table+" WHERE "+id+" = ?", key).
				Scan(&r.Mobile, &r.Password, &isActive, &r.Note, &r.Changed)
			if err != nil {
				t.Fatal(err)
			}
			r.Inactive = !isActive
			return r
		},
	}
}

func TestConformanceOfTheEmbeddedTable(t *testing.T) {
	t.Parallel()
	userdbtest.Run(t, func(t *testing.T, s userdb.Settings) userdbtest.Table {
		o := options(t, s)
		table := hands(o)
		if s.ID != "" { // names that the embedded table would not take
			table.Directory = strangersTable(t, o)
			return table
		}
		e := embedded(t, o)
		exec(t, o.Write, "ALTER TABLE users ADD COLUMN note BLOB")
		table.Directory = e
		return table
	})
}

// A table made by somebody else, whose columns compare without regard to case or trailing spaces, as the lax collations
// of other databases do.
func TestConformanceOfAStrangersTable(t *testing.T) {
	t.Parallel()
	userdbtest.Run(t, func(t *testing.T, s userdb.Settings) userdbtest.Table {
		o := options(t, s)
		table := hands(o)
		table.Directory = strangersTable(t, o)
		return table
	})
}

func strangersTable(t *testing.T, o userdb.Options) *userdb.Table {
	t.Helper()
	s := o.Settings
	q := func(name, otherwise string) string {
		if name == "" {
			name = otherwise
		}
		return "`" + strings.ReplaceAll(name, "`", "``") + "`"
	}
	exec(t, o.Write, "CREATE TABLE "+q(s.Table, "users")+" ("+q(s.ID, "id")+" INTEGER PRIMARY KEY, note BLOB, "+
		q(s.Mobile, "mobile")+" TEXT COLLATE RTRIM, "+q(s.Password, "password")+" TEXT COLLATE NOCASE, "+
		q(s.Active, "is_active")+" BOOLEAN, password_changed_at TIMESTAMP)")
	table, err := userdb.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	return table
}
