package userdb_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"rekey"
	"rekey/cmd/rekey/databases"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// signedIn makes the tables of cheap and one more of sessions, in which an id is a text that is compared loosely.
func (d *database) signedIn(t testing.TB) {
	t.Helper()
	d.populate(t)
	d.exec(t, "INSERT INTO users (id, mobile, password, is_active) VALUES (11, '13900000002', '', ?)", true)
	lax := map[databases.Kind]string{databases.SQLite: " COLLATE RTRIM", databases.MySQL: " COLLATE utf8mb4_general_ci", databases.PostgreSQL: " COLLATE lax"}[d.Kind]
	if d.Kind == databases.PostgreSQL {
		d.exec(t, "CREATE COLLATION lax (provider = icu, locale = 'und-u-ks-level1', deterministic = false)")
	}
	d.exec(t, "CREATE TABLE devices (name VARCHAR(20), owner VARCHAR(20)"+lax+")")
	d.exec(t, "DELETE FROM sessions")
	d.exec(t, "INSERT INTO sessions VALUES ('a', 1), ('b', 11), ('c', NULL), ('d', 1), ('e', -1)")
	d.exec(t, "INSERT INTO devices VALUES ('f', '1'), ('g', '11'), ('h', NULL), ('i', '1 '), ('j', '01'), ('k', ?), ('l', '1')", "\uff11")
}

const everySession = "a b c d e f g h i j k l"

// sessions are the names of those that are there.
func (d *database) sessions(t testing.TB) string {
	t.Helper()
	rows, err := d.own.QueryContext(t.Context(), "SELECT token FROM sessions UNION SELECT name FROM devices")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		all = append(all, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func inBoth() userdb.Settings {
	s := cheap()
	s.Sessions = "sessions.user_id , devices.owner"
	return s
}

func TestAResetEndsTheSessionsOfItsAccountAndNoOthers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		d.signedIn(t)
		table := d.table(t, inBoth())
		if got := d.sessions(t); got != everySession {
			t.Errorf("a rehearsal left the sessions %s", got)
		}
		a := account(t, table, somebody)
		stale := a
		stale.Hash = userdbtest.Hash(t, userdbtest.Cheap, "another")
		if err := table.SetPassword(t.Context(), stale, newOne); !errors.Is(err, rekey.ErrStale) {
			t.Errorf("%v, want ErrStale", err)
		}
		if got := d.sessions(t); got != everySession {
			t.Errorf("a stale account left the sessions %s", got)
		}
		if err := table.SetPassword(t.Context(), a, newOne); err != nil {
			t.Fatal(err)
		}
		if got := d.sessions(t); got != "b c e g h i j k" {
			t.Errorf("the sessions %s are left", got)
		}
	})
}

func TestAResetThatCannotEndTheSessionsSetsNoPassword(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		d.signedIn(t)
		table := d.table(t, inBoth())
		switch d.Kind {
		case databases.SQLite:
			d.exec(t, "CREATE TRIGGER keep BEFORE DELETE ON devices BEGIN SELECT RAISE(ABORT, 'kept'); END")
		case databases.MySQL:
			d.exec(t, "CREATE TRIGGER keep BEFORE DELETE ON devices FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'kept'")
		default:
			exec(t, d.own, "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'kept'; END $$")
			d.exec(t, "CREATE TRIGGER keep BEFORE DELETE ON devices FOR EACH ROW EXECUTE FUNCTION keep()")
		}
		a := account(t, table, somebody)
		unchanged := func(what string) {
			t.Helper()
			err := table.SetPassword(t.Context(), a, newOne)
			plain(t, what, err)
			if err != nil && !strings.Contains(err.Error(), "kept") {
				t.Errorf("%s: %v does not say why", what, err)
			}
			if got := d.sessions(t); got != everySession || !has(t, table, somebody, oldOne) {
				t.Errorf("%s: a part was done; the sessions %s are left", what, got)
			}
		}
		unchanged("a delete that fails")
		if d.Kind != databases.PostgreSQL {
			return
		}
		d.exec(t, "DROP TRIGGER keep ON devices")
		d.exec(t, "CREATE CONSTRAINT TRIGGER keep AFTER DELETE ON devices DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keep()")
		unchanged("a commit that fails")
	})
}

func TestSessionsThatAreNamedMustBeThere(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		d.signedIn(t)
		for _, sessions := range []string{"missing.user_id", "sessions.owner", "sessions.user_id,devices.missing", "sessions", ".user_id", "sessions.", "sessions.user_id,",
			"sessions.user_id;DROP TABLE users"} {
			s := cheap()
			s.Sessions = sessions
			if _, err := userdb.New(t.Context(), d.options(s)); keys(t, err) != "sessions" {
				t.Errorf("%q: %v", sessions, err)
			}
		}
		// Those that a preset knows need not be, or may be somebody else's.
		d.exec(t, "DROP TABLE sessions")
		s := userdb.Settings{Preset: "laravel", HashFloor: "bcrypt$2a$04"}
		for _, statement := range []string{"", "CREATE TABLE sessions (id VARCHAR(40), account BIGINT)"} {
			if statement != "" {
				d.exec(t, statement)
			}
			d.exec(t, "UPDATE users SET password = ? WHERE id = 1", userdbtest.Hash(t, s.HashFloor, oldOne))
			table := d.table(t, s)
			if err := table.SetPassword(t.Context(), account(t, table, somebody), newOne); err != nil || !has(t, table, somebody, newOne) {
				t.Errorf("after %q: %v", statement, err)
			}
		}
	})
}
