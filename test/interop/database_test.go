package interop_test

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"rekey/test/servers"
)

// database is a new and empty one.
type database struct {
	engine                           string // sqlite, postgres or mysql
	dsn                              string // as rekey.toml has it
	name, host, port, user, password string // name is the file for SQLite
}

// newDatabase makes one that is gone after the test.
func newDatabase(t *testing.T, engine string) database {
	t.Helper()
	switch engine {
	case "sqlite":
		file := filepath.Join(t.TempDir(), "app.db")
		return database{engine: engine, dsn: "sqlite:" + file, name: file}
	case "postgres":
		d := servers.PostgreSQL(t)
		return database{engine, d.DSN, d.Name, d.Host, fmt.Sprint(d.Port), d.User, d.Password}
	case "mysql":
		d := servers.MariaDB(t)
		return database{engine, d.DSN, d.Name, d.Host, fmt.Sprint(d.Port), d.User, d.Password}
	}
	t.Fatalf("there is no engine %q", engine)
	return database{}
}

// open is the test's own view of the database.
func (d database) open(t *testing.T) *sql.DB {
	t.Helper()
	driver, source := "sqlite", "file:"+d.name+"?_pragma=busy_timeout(30000)"
	switch d.engine {
	case "postgres":
		driver, source = "pgx", d.dsn
	case "mysql":
		c := mysql.NewConfig()
		c.Net, c.Addr, c.User, c.Passwd, c.DBName = "tcp", net.JoinHostPort(d.host, d.port), d.user, d.password, d.name
		driver, source = "mysql", c.FormatDSN()
	}
	db, err := sql.Open(driver, source)
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

// exact is an expression for the value of a column with nothing lost: its type in SQLite, where each value has its own,
// and instants to the last digit. The text protocol of MySQL hands out every value as it would print it.
func (d database) exact(column string) string {
	switch d.engine {
	case "sqlite":
		return `quote("` + column + `")`
	case "postgres":
		return `"` + column + `"::text`
	}
	return "`" + column + "`"
}

// state is what tables hold: a value by its place, which is table[key].column.
type state map[string]string

// place is where a value stands.
func place(table, key, column string) string { return table + "[" + key + "]." + column }

// state reads whole tables, given with the name of their primary key.
func (d database) state(t *testing.T, db *sql.DB, tables map[string]string) state {
	t.Helper()
	s := state{}
	for table, key := range tables {
		d.rows(t, db, table, key, func(id string, columns, values []string) {
			for i, column := range columns {
				s[place(table, id, column)] = values[i]
			}
		})
	}
	return s
}

// changes are the places whose values differ, sorted.
func (s state) changes(now state) []string {
	var all []string
	for at, value := range s {
		if other, found := now[at]; !found || other != value {
			all = append(all, at)
		}
	}
	for at := range now {
		if _, found := s[at]; !found {
			all = append(all, at)
		}
	}
	slices.Sort(all)
	return all
}

// digest is one of all rows of a table but that with the key except.
func (d database) digest(t *testing.T, db *sql.DB, table, key, except string) (sum string, rows int) {
	t.Helper()
	h := sha256.New()
	d.rows(t, db, table, key, func(id string, _, values []string) {
		if id == except {
			return
		}
		rows++
		for _, v := range values {
			fmt.Fprintf(h, "%d:%s", len(v), v)
		}
	})
	return hex.EncodeToString(h.Sum(nil)), rows
}

// rows hands every row of a table to each, in the order of the key, which is given as it prints. values are NULL or
// behind a "=", and valid for the call alone.
func (d database) rows(t *testing.T, db *sql.DB, table, key string, each func(id string, columns, values []string)) {
	t.Helper()
	columns := d.columns(t, db, table)
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = d.exact(c)
	}
	// The key once more, as it prints.
	query := "SELECT " + key + ", " + strings.Join(list, ", ") + " FROM " + table + " ORDER BY " + key
	found, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	var id string
	raw, values := make([]sql.NullString, len(columns)), make([]string, len(columns))
	into := []any{&id}
	for i := range raw {
		into = append(into, &raw[i])
	}
	for found.Next() {
		if err := found.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for i, v := range raw {
			values[i] = "NULL"
			if v.Valid {
				values[i] = "=" + v.String
			}
		}
		each(id, columns, values)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
}

// columns are those of a table.
func (d database) columns(t *testing.T, db *sql.DB, table string) []string {
	t.Helper()
	none, err := db.QueryContext(t.Context(), "SELECT * FROM "+table+" WHERE 1 = 0")
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	columns, err := none.Columns()
	if err != nil {
		t.Fatal(err)
	}
	return columns
}
