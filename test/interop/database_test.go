package interop_test

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"rekey/test/servers"
)

// database is a new and empty one.
type database struct {
	engine string   // sqlite, postgres or mysql
	dsn    string   // as rekey.toml has it
	name   string   // for SQLite, the file
	env    []string // tells a peer where it is
	open   func(*testing.T) *sql.DB
}

// newDatabase makes one that is gone after the test.
func newDatabase(t *testing.T, engine string) database {
	t.Helper()
	var d servers.Database
	switch engine {
	case "sqlite":
		return newSQLite(t)
	case "postgres":
		d = servers.PostgreSQL(t)
	case "mysql":
		d = servers.MariaDB(t)
	default:
		t.Fatalf("there is no engine %q", engine)
	}
	return database{
		engine: engine, dsn: d.DSN, name: d.Name, open: func(t *testing.T) *sql.DB { return d.Open(t) },
		env: []string{"DB_ENGINE=" + engine, "DB_NAME=" + d.Name, "DB_HOST=" + d.Host, "DB_PORT=" + strconv.Itoa(d.Port),
			"DB_USER=" + d.User, "DB_PASSWORD=" + d.Password},
	}
}

func newSQLite(t *testing.T) database {
	t.Helper()
	file := filepath.Join(t.TempDir(), "app.db")
	open := func(t *testing.T) *sql.DB {
		t.Helper()
		db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(30000)")
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
	return database{engine: "sqlite", dsn: "sqlite:" + file, name: file, open: open, env: []string{"DB_ENGINE=sqlite", "DB_NAME=" + file}}
}

// exact is an expression for the value of a column with nothing lost, as a literal of the database would have it:
// instants are whole, and in SQLite, where each value has a type of its own, that type is seen.
func (d database) exact(column string) string {
	if d.engine == "postgres" {
		return `quote_nullable("` + column + `"::text)`
	}
	return "QUOTE(`" + column + "`)"
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

// digest is one of all rows of a table but that of one user, whose row is given in full.
func (d database) digest(t *testing.T, db *sql.DB, table, key, user string) (others string, count int, row state) {
	t.Helper()
	h, row := sha256.New(), state{}
	d.rows(t, db, table, key, func(id string, columns, values []string) {
		if id == user {
			for i, column := range columns {
				row[place(table, id, column)] = values[i]
			}
			return
		}
		count++
		for _, v := range values {
			fmt.Fprintf(h, "%d:%s", len(v), v)
		}
	})
	return hex.EncodeToString(h.Sum(nil)), count, row
}

// rows hands every row of a table to each, in the order of the key, which is given as it prints. values are valid for the
// call alone.
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
	values := make([]string, len(columns))
	into := []any{&id}
	for i := range values {
		into = append(into, &values[i])
	}
	for found.Next() {
		if err := found.Scan(into...); err != nil {
			t.Fatal(err)
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
