package userdb_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"unicode"

	"rekey/cmd/rekey/databases"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

func TestConformanceOfTheEmbeddedTable(t *testing.T) {
	t.Parallel()
	for _, e := range append(engines(), pgBouncer()) {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			d := e.open(t)
			strangers := d.strangers(t, lax(d.Kind))
			var tables atomic.Int64
			userdbtest.Run(t, func(t *testing.T, s userdb.Settings) userdbtest.Table {
				if s.ID != "" { // names that the embedded table would not take
					return strangers(t, s)
				}
				unnamed(&s, "own", tables.Add(1))
				hands := d.hands(s)
				hands.Directory = embedded(t, d.options(s))
				exec(t, d.own, d.sql("ALTER TABLE {} ADD COLUMN note {bytes}", s.Table))
				return hands
			})
		})
	}
}

// A table made by somebody else, whose columns take for equal what is not.
func TestConformanceOfAStrangersTable(t *testing.T) {
	t.Parallel()
	for _, e := range append(engines(), pgBouncer()) {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			d := e.open(t)
			userdbtest.Run(t, d.strangers(t, lax(d.Kind)))
		})
	}
}

// types are those of the columns of a stranger's table.
type types struct {
	name                 string
	first                string // a statement that makes one of them
	id, mobile, password string
	rest                 string // of CREATE TABLE
	holds                func(mobile string) bool
}

// lax are types that compare without regard to case, accents or spaces at the end.
func lax(kind databases.Kind) types {
	switch kind {
	case databases.PostgreSQL: // by the primary weights alone: a digit of any script is the same
		return types{
			first: "CREATE COLLATION lax (provider = icu, locale = 'und-u-ks-level1', deterministic = false)",
			id:    "{id}", mobile: "VARCHAR(40) COLLATE lax", password: "VARCHAR(255) COLLATE lax",
		}
	case databases.MySQL:
		return types{id: "{id}", mobile: "VARCHAR(40)", password: "VARCHAR(255)", rest: "COLLATE utf8mb4_general_ci"}
	default:
		return types{id: "{id}", mobile: "TEXT COLLATE RTRIM", password: "TEXT COLLATE NOCASE"}
	}
}

func TestConformanceWhateverTheTypes(t *testing.T) {
	t.Parallel()
	ascii := func(s string) bool {
		return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
	}
	gbk := func(s string) bool {
		return !strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Arabic, r) })
	}
	integer := func(s string) bool { return strings.Trim(s, "0123456789") == "" && s[0] != '0' }
	for _, e := range engines() {
		for _, c := range map[string][]types{
			"SQLite": {
				{name: "integer", id: "{id}", mobile: "INTEGER", password: "VARCHAR(255)", holds: integer},
				{name: "untyped", id: "{id}", mobile: "", password: ""},
				{name: "text ids", id: "TEXT PRIMARY KEY DEFAULT (hex(randomblob(16)))", mobile: "VARCHAR(40)", password: "VARCHAR(255)"},
			},
			"PostgreSQL": {
				{name: "citext", first: "CREATE EXTENSION citext", id: "{id}", mobile: "CITEXT", password: "CITEXT"},
				{name: "char", id: "{id}", mobile: "CHAR(40)", password: "CHAR(200)"},
				{name: "bigint", id: "INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY", mobile: "BIGINT", password: "TEXT", holds: integer},
				{name: "numeric", id: "{id}", mobile: "NUMERIC(15,0)", password: "TEXT", holds: integer},
				{name: "domain", first: "CREATE DOMAIN phone AS VARCHAR(40)", id: "{id}", mobile: "phone", password: "TEXT"},
				{name: "uuid", id: "UUID PRIMARY KEY DEFAULT gen_random_uuid()", mobile: "TEXT", password: "TEXT"},
			},
			"MariaDB": {
				{name: "unicode", id: "{id}", mobile: "VARCHAR(40)", password: "VARCHAR(255)", rest: "COLLATE utf8mb4_unicode_520_ci"},
				{name: "utf8mb3", id: "{id}", mobile: "VARCHAR(40)", password: "VARCHAR(255)", rest: "CHARACTER SET utf8mb3"},
				{name: "latin1", id: "{id}", mobile: "VARCHAR(40)", password: "VARCHAR(255)", rest: "CHARACTER SET latin1", holds: ascii},
				{name: "gbk", id: "{id}", mobile: "VARCHAR(40)", password: "VARCHAR(255)", rest: "CHARACTER SET gbk", holds: gbk},
				{name: "char", id: "{id}", mobile: "CHAR(40)", password: "CHAR(200)"},
				{name: "bytes", id: "{id}", mobile: "VARBINARY(40)", password: "VARBINARY(255)"},
				{name: "bigint", id: "INT UNSIGNED AUTO_INCREMENT PRIMARY KEY", mobile: "BIGINT UNSIGNED", password: "TEXT", holds: integer},
				{name: "decimal", id: "{id}", mobile: "DECIMAL(15,0)", password: "TEXT", holds: integer},
				{name: "uuid", id: "UUID PRIMARY KEY DEFAULT uuid()", mobile: "VARCHAR(40)", password: "VARCHAR(255)"},
				{name: "uuid as text", id: "CHAR(36) PRIMARY KEY DEFAULT uuid()", mobile: "VARCHAR(40)", password: "VARCHAR(255)"},
			},
		}[e.name] {
			t.Run(e.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				d := e.open(t)
				userdbtest.RunMatching(t, d.strangers(t, c))
			})
		}
	}
}

// strangers makes tables of these types.
func (d *database) strangers(t *testing.T, c types) userdbtest.Harness {
	t.Helper()
	if c.first != "" {
		d.exec(t, c.first)
	}
	var tables atomic.Int64
	return func(t *testing.T, s userdb.Settings) userdbtest.Table {
		t.Helper()
		unnamed(&s, "strangers", tables.Add(1))
		table := d.hands(s)
		exec(t, d.own, d.sql("CREATE TABLE {} ({} "+c.id+", note {bytes}, {} "+c.mobile+", {} "+c.password+
			", {} BOOLEAN, password_changed_at {time}) "+c.rest, d.names(s)...))
		table.Directory = d.table(t, s)
		table.Holds = c.holds
		return table
	}
}
