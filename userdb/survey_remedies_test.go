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
		{what: "sessions without an index", id: "index.sessions", severity: userdb.Advice, about: "tokens.owner",
			sql: "CREATE TABLE people (id {id}, mobile VARCHAR(20), secret VARCHAR(255)); CREATE INDEX people_mobile ON people (mobile);" +
				" CREATE TABLE tokens (token {id}, owner VARCHAR(40));" + people,
			settings: userdb.Settings{Sessions: "tokens.owner"}},
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
				s.Sessions = c.settings.Sessions
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
		engine            int
	}{
		{"of another collation", "CREATE INDEX idle ON auth_user (mobile COLLATE RTRIM)", "its collation, type or order of columns", 0},
		{"of some rows on SQLite", "CREATE INDEX idle ON auth_user (mobile) WHERE email IS NOT NULL", "it has only rows with email IS NOT NULL.", 0},
		{"of some rows on PostgreSQL", "CREATE INDEX idle ON auth_user (mobile) WHERE email IS NOT NULL", "it has only rows with (email IS NOT NULL).", 1},
		{"of a way to compare on PostgreSQL", `CREATE INDEX idle ON auth_user (mobile COLLATE "POSIX")`, "its collation, type or order of columns", 1},
		{"of words", "CREATE FULLTEXT INDEX idle ON auth_user (mobile)", "it is of another kind", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := engines()[c.engine].open(t)
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
		})
	}
}

// PostgreSQL makes no index of a partitioned table CONCURRENTLY, and searches by those of the partitions.
func TestSurvey_WhatItSaysToRunServesAPartitionedTable(t *testing.T) {
	t.Parallel()
	d := engines()[1].open(t)
	d.exec(t, "CREATE TABLE people (id BIGINT, mobile TEXT, secret TEXT) PARTITION BY RANGE (id)")
	d.exec(t, "CREATE TABLE people_first PARTITION OF people FOR VALUES FROM (0) TO (1000)")
	s := userdb.Settings{Preset: "custom", Table: "people", ID: "id", Mobile: "mobile", Password: "secret", Active: "none", HashFloor: userdbtest.Cheap}
	r := surveyed(t, d.options(s))
	for _, id := range []string{"index.number", "index.id"} {
		d.remedy(t, found(t, r, id, userdb.Mend).Remedy)
	}
	r = surveyed(t, d.options(s))
	found(t, r, "index.number", userdb.Fine)
	found(t, r, "index.id", userdb.Fine)
}

// A partial index serves where the rows that it has are those that can be recovered.
func TestSurvey_AnIndexOfThoseWhoAreThereServes(t *testing.T) {
	t.Parallel()
	d := engines()[1].open(t)
	d.exec(t, "CREATE TABLE users (id {id}, mobile TEXT, password TEXT, deleted_at {time})")
	d.exec(t, "CREATE INDEX users_mobile ON users (mobile) WHERE deleted_at IS NULL")
	found(t, surveyed(t, d.options(userdb.Settings{Preset: "laravel"})), "index.number", userdb.Fine)
}

// TestSurvey_SettingsThatDoNotFitTheTableAreToldApart has people in a table as one setting has it, and another setting.
func TestSurvey_SettingsThatDoNotFitTheTableAreToldApart(t *testing.T) {
	t.Parallel()
	const hash = "{hash}"
	type row struct {
		mobile   any
		password string
	}
	for _, c := range []struct {
		what     string
		settings userdb.Settings
		rows     []row
		id       string
		remedy   string
	}{
		{what: "national, in a table of E.164", rows: []row{{"+8613800000001", hash}, {"+8613800000002", hash}}, id: "accounts.recoverable"},
		{what: "e164, in a table of national numbers", settings: userdb.Settings{MobileFormat: "e164"},
			rows: []row{{"13800000001", hash}, {"13800000002", hash}, {"+8613800000003", hash}}, id: "numbers.format", remedy: `users.mobile_format = "national"`},
		{what: "a column of something else", rows: []row{{"ann", hash}, {"bob", hash}, {"13800000001", hash}}, id: "numbers.column"},
		{what: "a column of nothing", rows: []row{{nil, hash}, {"", hash}, {" ", hash}}, id: "numbers.none", remedy: `users.mobile = "…"`},
		{what: "nobody with a password", rows: []row{{"13800000001", "!"}, {"13800000002", "!"}}, id: "accounts.none"},
		{what: "most with hashes that nobody knows", rows: []row{{"13800000001", "$9$"}, {"13800000002", "$9$"}, {"13800000003", hash}}, id: "hashes.unknown",
			remedy: `users.hash = "pbkdf2_sha256"`},
		{what: "most with hashes that were cut off", rows: []row{{"13800000001", "pbkdf2_sha256$1000$salt$AAAA"}, {"13800000002", "pbkdf2_sha256$1000$salt$AAAA"},
			{"13800000003", "pbkdf2_sha256$1000$salt$AAAA"}}, id: "hashes.malformed", remedy: `users.hash = "pbkdf2_sha256"`},
		{what: "most with hashes of another framework", rows: []row{{"13800000001", "{other}"}, {"13800000002", "{other}"}, {"13800000003", hash}},
			id: "hashes.foreign", remedy: `users.hash = "pbkdf2_sha256"`},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			d := engines()[0].open(t)
			s := djangoTable(t, d)
			s.MobileFormat = c.settings.MobileFormat
			hashes := strings.NewReplacer("{hash}", userdbtest.Hash(t, djangoFloor, "Abc123"), "{other}", userdbtest.Hash(t, "bcrypt$2a$04", "Abc123"))
			for _, r := range c.rows {
				person(t, d, r.mobile, hashes.Replace(r.password), true)
			}
			severity := userdb.Mend
			if c.id == "accounts.recoverable" { // for they are found all the same
				severity = userdb.Fine
			}
			if f := found(t, surveyed(t, d.options(s)), c.id, severity); f.Remedy != c.remedy {
				t.Errorf("%+v", f)
			}
		})
	}
}

// A column of integers has neither signs nor zeros, and no blanks.
func TestSurvey_OfIntegersReadsThemAsNumbers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		d.exec(t, "CREATE TABLE people (id {id}, mobile BIGINT, secret VARCHAR(255))")
		d.exec(t, "CREATE INDEX people_mobile ON people (mobile)")
		hash := userdbtest.Hash(t, userdbtest.Cheap, "Abc123")
		d.exec(t, "INSERT INTO people VALUES (1, 13800000001, ?), (2, 8613800000002, ?), (3, 138, ?), (4, NULL, ?)", hash, hash, hash, hash)
		s := userdb.Settings{Preset: "custom", Table: "people", ID: "id", Mobile: "mobile", Password: "secret", Active: "none", HashFloor: userdbtest.Cheap}
		r := surveyed(t, d.options(s))
		found(t, r, "index.number", userdb.Fine)
		found(t, r, "reset.rehearsed", userdb.Fine)
		if want := (userdb.NumberCounts{AsSet: 1, Other: 1, Foreign: 1, Empty: 1, SharedWhole: true}); r.Numbers != want {
			t.Errorf("%+v", r.Numbers)
		}
	})
}
