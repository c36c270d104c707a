package userdb_test

import (
	"strings"
	"testing"

	"rekey/cmd/rekey/databases"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// TestSurvey_SQLThatMendsSomethingMendsIt does what the survey says, and looks again.
func TestSurvey_SQLThatMendsSomethingMendsIt(t *testing.T) {
	t.Parallel()
	const people = " INSERT INTO people VALUES (1, '13800000001', '{hash}'), (2, '138 0000-0002', '{hash}')"
	custom := userdb.Settings{Preset: "custom", Table: "people", ID: "id", Mobile: "mobile", Password: "secret", Active: "none"}
	for _, c := range []struct {
		what, id string
		severity userdb.Severity
		settings userdb.Settings
		sql      string
		about    string
		not      databases.Kind // the engine that has no such trouble
	}{
		{what: "no index on the number", id: "index.number", severity: userdb.Mend, about: "people.mobile",
			sql: "CREATE TABLE people (id {id}, mobile VARCHAR(20), secret VARCHAR(255));" + people},
		{what: "a number in a text without bound", id: "index.number", severity: userdb.Mend, about: "people.mobile",
			sql: "CREATE TABLE people (id {id}, mobile TEXT, secret TEXT);" + people},
		{what: "an index that begins with another column", id: "index.number", severity: userdb.Mend, about: "people.mobile",
			sql: "CREATE TABLE people (id {id}, mobile VARCHAR(20), secret VARCHAR(255)); CREATE INDEX twice ON people (id, mobile);" + people},
		{what: "an id that nothing makes unique", id: "index.id", severity: userdb.Mend, about: "people.id",
			sql: "CREATE TABLE people (id INTEGER, mobile VARCHAR(20), secret VARCHAR(255)); CREATE INDEX people_mobile ON people (mobile);" + people},
		{what: "an id that is unique with another column", id: "index.id", severity: userdb.Mend, about: "people.id",
			sql: "CREATE TABLE people (id INTEGER, mobile VARCHAR(20), secret VARCHAR(255), PRIMARY KEY (id, mobile));" + people},
		{what: "a column too short for a hash", id: "hashes.length", severity: userdb.Mend, about: "people.secret", not: databases.SQLite,
			sql:      "CREATE TABLE people (id {id}, mobile VARCHAR(20), secret VARCHAR(96) NOT NULL);" + people,
			settings: userdb.Settings{HashFloor: "argon2id$m=19456,t=2,p=1"}},
		{what: "integers without room for a number", id: "numbers.narrow", severity: userdb.Mend, about: "people.mobile", not: databases.SQLite,
			sql: "CREATE TABLE people (id {id}, mobile INTEGER, secret VARCHAR(255)); INSERT INTO people VALUES (1, 12345, '{hash}')"},
		{what: "numbers with blanks and dashes", id: "numbers.hidden", severity: userdb.Advice, about: "people.mobile",
			sql: "CREATE TABLE people (id {id}, mobile VARCHAR(20), secret VARCHAR(255)); CREATE INDEX people_mobile ON people (mobile);" + people},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, d *database) {
				if d.Kind == c.not {
					t.Skip("it has no such trouble")
				}
				s := custom
				s.HashFloor = userdbtest.Cheap
				if c.settings.HashFloor != "" {
					s.HashFloor = c.settings.HashFloor
				}
				for statement := range strings.SplitSeq(strings.ReplaceAll(c.sql, "{hash}", userdbtest.Hash(t, userdbtest.Cheap, "Abc123")), ";") {
					d.exec(t, statement)
				}
				f := found(t, surveyed(t, d.options(s)), c.id, c.severity)
				if f.About != c.about || f.Remedy == "" {
					t.Fatalf("%+v", f)
				}
				d.remedy(t, f.Remedy)
				r := surveyed(t, d.options(s))
				for _, f := range r.Findings {
					if f.ID == c.id && f.Severity == c.severity {
						t.Errorf("it is still there: %+v", f)
					}
				}
			})
		})
	}
}

// remedy executes what a survey has written, in the names' own quotes.
func (d *database) remedy(t *testing.T, sql string) {
	t.Helper()
	if d.Kind == databases.MySQL {
		exec(t, d.own, "SET SESSION sql_mode = 'STRICT_ALL_TABLES'")
		defer exec(t, d.own, "SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES'")
	}
	exec(t, d.own, sql)
}

func TestSurvey_TheNumbersOfWordPressNeedAnIndexOfTheirOwn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		d.exec(t, `CREATE TABLE wp_users ("ID" {id}, user_pass VARCHAR(255) NOT NULL, user_activation_key VARCHAR(255) NOT NULL)`)
		d.exec(t, "CREATE TABLE wp_usermeta (umeta_id {id}, user_id BIGINT NOT NULL, meta_key VARCHAR(255), meta_value TEXT)")
		// Those that WordPress makes itself (wp-admin/includes/schema.php).
		d.exec(t, "CREATE INDEX wp_usermeta_user_id ON wp_usermeta (user_id)")
		d.exec(t, "CREATE INDEX wp_usermeta_meta_key ON wp_usermeta (meta_key)")
		const floor = "bcrypt$2y$04"
		hash := userdbtest.Hash(t, floor, "Abc123")
		d.exec(t, "INSERT INTO wp_users VALUES (1, ?, ''), (2, ?, ''), (3, ?, '')", hash, hash, hash)
		d.exec(t, `INSERT INTO wp_usermeta VALUES (1, 1, 'mobile', '13800000001'), (2, 2, 'mobile', '+8613800000002'), (3, 2, 'mobile', '13800000002'),
			(4, 1, 'session_tokens', ''), (5, 3, 'nickname', '13800000003')`)
		s := userdb.Settings{Preset: "wordpress", HashFloor: floor}
		r := surveyed(t, d.options(s))
		f := found(t, r, "index.number", userdb.Mend)
		if f.About != "wp_usermeta.meta_value" {
			t.Errorf("%+v", f)
		}
		found(t, r, "reset.rehearsed", userdb.Fine)
		if r.Numbers.AsSet != 2 || r.Numbers.Other != 1 || r.Numbers.Empty != 1 || r.Numbers.Shared != 0 {
			t.Errorf("%+v", r.Numbers)
		}
		// With long values of other keys in the column, as WordPress has them.
		d.exec(t, "INSERT INTO wp_usermeta VALUES (6, 3, 'session_tokens', ?)", strings.Repeat("a token ", 2000))
		d.remedy(t, f.Remedy)
		found(t, surveyed(t, d.options(s)), "index.number", userdb.Fine)
	})
}

// TestSurvey_TellsWhyAnIndexDoesNotServe has one on each column that must have one, of which none is of use.
func TestSurvey_TellsWhyAnIndexDoesNotServe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, index, says string
		kind              databases.Kind
	}{
		{"of another collation", "CREATE INDEX idle ON auth_user (mobile COLLATE RTRIM)", "its collation, type or order of columns", databases.SQLite},
		{"of some rows on SQLite", "CREATE INDEX idle ON auth_user (mobile) WHERE email IS NOT NULL", "it has only rows with email IS NOT NULL.", databases.SQLite},
		{"of some rows on PostgreSQL", "CREATE INDEX idle ON auth_user (mobile) WHERE email IS NOT NULL", "it has only rows with (email IS NOT NULL).", databases.PostgreSQL},
		{"of a way to compare on PostgreSQL", `CREATE INDEX idle ON auth_user (mobile COLLATE "POSIX")`, "its collation, type or order of columns", databases.PostgreSQL},
		{"of words", "CREATE FULLTEXT INDEX idle ON auth_user (mobile)", "it is of another kind", databases.MySQL},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, e := range engines() {
				d := e.open(t)
				if d.Kind != c.kind {
					continue
				}
				s := djangoTable(t, d)
				if d.Kind == databases.MySQL {
					d.exec(t, "DROP INDEX auth_user_mobile ON auth_user")
				} else {
					d.exec(t, "DROP INDEX auth_user_mobile")
				}
				d.exec(t, c.index)
				f := found(t, surveyed(t, d.options(s)), "index.number", userdb.Mend)
				if !strings.Contains(f.Text, "There is idle, which does not serve: "+c.says) {
					t.Errorf("it says %q", f.Text)
				}
			}
		})
	}
}

// A partial index serves where the rows that it has are those that can be recovered.
func TestSurvey_AnIndexOfThoseWhoAreThereServes(t *testing.T) {
	t.Parallel()
	d := engines()[1].open(t)
	d.exec(t, "CREATE TABLE users (id {id}, mobile TEXT, password TEXT, deleted_at {time})")
	d.exec(t, "CREATE INDEX users_mobile ON users (mobile) WHERE deleted_at IS NULL")
	found(t, surveyed(t, d.options(userdb.Settings{Preset: "laravel"})), "index.number", userdb.Fine)
}
