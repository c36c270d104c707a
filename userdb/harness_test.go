package userdb_test

import (
	"cmp"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"rekey"
	"rekey/cmd/rekey/databases"
	"rekey/test/servers"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// engine is a kind of database, or a way to one, on which tests run.
type engine struct {
	name string
	open func(t testing.TB) *database
}

// engines are all of them but PgBouncer, behind which is one of these.
func engines() []engine {
	return []engine{
		{"SQLite", func(t testing.TB) *database { return sqliteFile(t, newFile(t)) }},
		{"PostgreSQL", func(t testing.TB) *database { d := servers.PostgreSQL(t); return serve(t, d, d.DSN) }},
		{"MariaDB", func(t testing.TB) *database { d := servers.MariaDB(t); return serve(t, d, d.DSN) }},
	}
}

func pgBouncer() engine {
	return engine{"PgBouncer", func(t testing.TB) *database {
		d := servers.PostgreSQL(t)
		return serve(t, d, servers.PgBouncer(t, d).DSN)
	}}
}

// each runs a test on an empty database of each engine.
func each(t *testing.T, test func(t *testing.T, d *database)) {
	t.Helper()
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			test(t, e.open(t))
		})
	}
}

// database is opened twice: as rekey opens it, and by the application whose users table is in it.
type database struct {
	*databases.DB
	dialect userdb.Dialect
	server  servers.Database // unless it is a file

	// own is the application's: one connection, for which names stand in double quotes on every engine.
	own *sql.DB
}

func sqliteFile(t testing.TB, file string) *database {
	t.Helper()
	d := &database{DB: opened(t, "sqlite:"+file), dialect: userdb.SQLite(), own: connect(t, file, "?_pragma=busy_timeout(60000)&_pragma=synchronous(OFF)")}
	d.own.SetMaxOpenConns(1)
	return d
}

// patiently is a server's data source on a machine of any speed.
func patiently(dsn string) string {
	separator := "?"
	if strings.Contains(dsn, separator) {
		separator = "&"
	}
	return dsn + separator + "connect_timeout=60&step_timeout=1m"
}

// serve opens a server's database. dsn is the way by which rekey reaches it.
func serve(t testing.TB, server servers.Database, dsn string) *database {
	t.Helper()
	d := &database{DB: opened(t, patiently(dsn)), dialect: userdb.PostgreSQL(), server: server, own: server.Open(t)}
	d.own.SetMaxOpenConns(1)
	if d.Kind == databases.MySQL {
		d.dialect = userdb.MySQL()
		exec(t, d.own, "SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES'")
	}
	return d
}

// opened is a database as the program opens it.
func opened(t testing.TB, dsn string) *databases.DB {
	t.Helper()
	all := databases.Set{Create: true}
	t.Cleanup(func() {
		if err := all.Close(); err != nil {
			t.Error(err)
		}
	})
	db, err := all.Open(t.Context(), "users.dsn", dsn)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func (d *database) options(s userdb.Settings) userdb.Options {
	return userdb.Options{Read: d.Read, Write: d.Write, Dialect: d.dialect, Settings: s}
}

// table is a users table that is there, in every respect ready to be reset.
func (d *database) table(t testing.TB, s userdb.Settings) *userdb.Table {
	t.Helper()
	table, err := userdb.New(t.Context(), d.options(s))
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := table.Rehearse(t.Context()); err != nil {
		t.Fatal(err)
	}
	return table
}

// sql is a statement of the application: {id} is the type of a primary key that numbers itself, {time} one of times
// without a zone, {instant} one of times with, {bytes} one of bytes; ? is the place of a value and {} that of the next
// name.
func (d *database) sql(statement string, names ...string) string {
	types := map[databases.Kind][]string{
		databases.SQLite:     {"{id}", "INTEGER PRIMARY KEY", "{time}", "DATETIME", "{instant}", "TIMESTAMP", "{bytes}", "BLOB"},
		databases.PostgreSQL: {"{id}", "BIGSERIAL PRIMARY KEY", "{time}", "TIMESTAMP", "{instant}", "TIMESTAMPTZ", "{bytes}", "BYTEA"},
		databases.MySQL:      {"{id}", "BIGINT AUTO_INCREMENT PRIMARY KEY", "{time}", "DATETIME", "{instant}", "TIMESTAMP NULL", "{bytes}", "BLOB"},
	}
	statement = strings.NewReplacer(types[d.Kind]...).Replace(statement)
	var b strings.Builder
	for values, names := 0, names; statement != ""; {
		i := strings.IndexAny(statement, "?{")
		switch {
		case i < 0:
			b.WriteString(statement)
			return b.String()
		case statement[i] == '{':
			b.WriteString(statement[:i] + quote(names[0]))
			statement, names = statement[i+2:], names[1:]
			continue
		case d.Kind == databases.PostgreSQL:
			values++
			b.WriteString(statement[:i] + "$" + strconv.Itoa(values))
		default:
			b.WriteString(statement[:i+1])
		}
		statement = statement[i+1:]
	}
	return b.String()
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// exec executes a statement of the application.
func (d *database) exec(t testing.TB, statement string, values ...any) {
	t.Helper()
	exec(t, d.own, d.sql(statement), values...)
}

// value is the only value that a query of the application finds.
func value[T any](t testing.TB, d *database, query string, values ...any) (found T) {
	t.Helper()
	if err := d.own.QueryRowContext(t.Context(), d.sql(query), values...).Scan(&found); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return found
}

// pragmas are how the program opens SQLite; the code store shares the writer and wants synchronous=NORMAL.
const pragmas = "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"

// open opens a new SQLite file: a pool of readers and one writer.
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

// options are those of a new SQLite file, for tests in which the engine has no say.
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

func add(t testing.TB, e *userdb.Embedded, mobile string) {
	t.Helper()
	if _, err := e.Add(t.Context(), userdb.NewUser{Number: number(t, mobile), Password: "Abc123"}); err != nil {
		t.Fatal(err)
	}
}

func list(t testing.TB, e *userdb.Embedded) []userdb.User {
	t.Helper()
	var users []userdb.User
	for u, err := range e.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, u)
	}
	return users
}

func number(t testing.TB, mobile string) rekey.Number {
	t.Helper()
	n, err := rekey.ChinaMobile(mobile)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// account is the only one that is found under the number.
func account(t testing.TB, d rekey.Directory, mobile string) rekey.Account {
	t.Helper()
	accounts, err := d.Find(t.Context(), number(t, mobile))
	if err != nil || len(accounts) != 1 {
		t.Fatalf("%d accounts, %v", len(accounts), err)
	}
	return accounts[0]
}

// has reports whether password is the account's now.
func has(t testing.TB, d rekey.Directory, mobile, password string) bool {
	t.Helper()
	right, err := account(t, d, mobile).Verify(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	return right
}

// names are those of a table and of its columns of id, number, password and activity, where the settings leave them out
// those of the preset rekey.
func (d *database) names(s userdb.Settings) []string {
	return []string{s.Table, cmp.Or(s.ID, "id"), cmp.Or(s.Mobile, "mobile"), cmp.Or(s.Password, "password"), cmp.Or(s.Active, "is_active")}
}

// hands are the application's own on a table that has the column note too.
func (d *database) hands(s userdb.Settings) userdbtest.Table {
	all := d.names(s)
	table, id, mobile, password, active := all[0], all[1], all[2], all[3], all[4]
	insert := d.sql("INSERT INTO {} ({}, {}, {}, note, password_changed_at) VALUES (?, ?, ?, ?, ?) RETURNING {}", table, mobile, password, active, id)
	update := d.sql("UPDATE {} SET {} = ?, {} = ?, {} = ? WHERE {} = ?", table, mobile, password, active, id)
	remove := d.sql("DELETE FROM {} WHERE {} = ?", table, id)
	texts := "SELECT {}, {}"
	if d.Kind == databases.PostgreSQL { // a CHAR(n) without what it is padded with, as MySQL gives it
		texts = "SELECT CAST({} AS text), CAST({} AS text)"
	}
	read := d.sql(texts+", {}, note, password_changed_at FROM {} WHERE {} = ?", mobile, password, active, table, id)
	return userdbtest.Table{
		Insert: func(t *testing.T, r userdbtest.Row) (key string) {
			t.Helper()
			changed := cmp.Or(r.Changed, time.Unix(1e9, 0)).UTC().Format(time.DateTime)
			err := d.own.QueryRow(insert, r.Mobile, r.Password, !r.Inactive, r.Note, changed).Scan(&key)
			if err != nil {
				t.Fatal(err)
			}
			return key
		},
		Update: func(t *testing.T, key string, r userdbtest.Row) {
			t.Helper()
			exec(t, d.own, update, r.Mobile, r.Password, !r.Inactive, key)
		},
		Delete: func(t *testing.T, key string) {
			t.Helper()
			exec(t, d.own, remove, key)
		},
		Read: func(t *testing.T, key string) (r userdbtest.Row) {
			t.Helper()
			var isActive bool
			if err := d.own.QueryRow(read, key).Scan(&r.Mobile, &r.Password, &isActive, &r.Note, &r.Changed); err != nil {
				t.Fatal(err)
			}
			r.Inactive = !isActive
			return r
		},
	}
}

// unnamed gives a table without a name one that no other table of the database has.
func unnamed(s *userdb.Settings, whose string, count int64) {
	s.Table = cmp.Or(s.Table, fmt.Sprintf("%s_%d", whose, count))
}

// race runs work n times at once.
func race(n int, work func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { work(i) })
	}
	all.Wait()
}
