package userdb_test

import (
	"os"
	osexec "os/exec"
	"testing"
	"time"

	"rekey/cmd/rekey/databases"
	"rekey/test/servers"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// inChina is a zone as TZ has it, without a database of zones, and what its clocks are ahead of UTC.
const (
	inChina = "UTC-8"
	ahead   = 8 * 3600
)

// TestTimesAreThoseThatTheApplicationReads writes times where the clocks of databases are ahead of UTC: in columns without
// a zone some frameworks keep UTC, others what the clock shows.
func TestTimesAreThoseThatTheApplicationReads(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		if os.Getenv("TZ") != inChina { // which a process has from its start
			child := osexec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestTimesAreThoseThatTheApplicationReads$/^SQLite$")
			child.Env = append(os.Environ(), "TZ="+inChina)
			if out, err := child.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			return
		}
		writesTimes(t, sqliteFile(t, newFile(t)))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		source := servers.PostgreSQL(t)
		exec(t, source.Open(t), `ALTER ROLE "`+source.User+`" SET timezone = '`+inChina+`'`)
		writesTimes(t, serve(t, source, source.DSN))
	})
}

// sinceNow asks by how many seconds a column is ahead of now as its application reads it, which takes what is printed of a
// time without a zone for one in UTC.
func (d *database) sinceNow(t testing.TB, column string, zoned bool) int64 {
	t.Helper()
	var ask string
	switch {
	case d.Kind == databases.SQLite:
		ask = "unixepoch(" + column + ") - unixepoch('now')"
	case d.Kind == databases.MySQL:
		ask = "TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP, " + column + ")"
	case zoned:
		ask = "CAST(EXTRACT(EPOCH FROM " + column + " - CURRENT_TIMESTAMP) AS bigint)"
	default:
		ask = "CAST(EXTRACT(EPOCH FROM " + column + " AT TIME ZONE 'UTC' - CURRENT_TIMESTAMP) AS bigint)"
	}
	return value[int64](t, d, "SELECT "+ask+" FROM users")
}

func writesTimes(t *testing.T, d *database) {
	t.Helper()
	d.exec(t, "CREATE TABLE users (id {id}, mobile VARCHAR(20), password VARCHAR(255), updated_at {time}, password_changed_at {instant})")
	d.exec(t, "INSERT INTO users (id, mobile, password) VALUES (1, ?, '')", somebody)
	for preset, local := range map[string]int64{"django": 0, "laravel": 0, "devise": 0, "spring": ahead, "ruoyi": ahead, "gin-vue-admin": ahead, "custom": ahead} {
		s := userdb.Settings{Preset: preset, Table: "users", ID: "id", Mobile: "mobile", Password: "password", Active: "none", Hash: "bcrypt$2a$04", HashFloor: "bcrypt$2a$04"}
		stored := userdbtest.Hash(t, s.Hash, oldOne)
		if preset == "django" {
			s.Hash, s.HashFloor = "pbkdf2_sha256$1000", "pbkdf2_sha256$1000"
			stored = userdbtest.Hash(t, s.Hash, oldOne)
		}
		d.exec(t, "UPDATE users SET password = ?, updated_at = NULL, password_changed_at = NULL", stored)
		table := d.table(t, s)
		if err := table.SetPassword(t.Context(), account(t, table, somebody), newOne); err != nil {
			t.Fatalf("%s: %v", preset, err)
		}
		instant := local
		if d.Kind == databases.PostgreSQL { // which prints such a time with its zone
			instant = 0
		}
		for column, want := range map[string]int64{"updated_at": local, "password_changed_at": instant} {
			if got := d.sinceNow(t, column, column == "password_changed_at"); got-want > 600 || want-got > 600 {
				t.Errorf("%s: %s is %d seconds from now in UTC, want about %d", preset, column, got, want)
			}
		}
	}
	d.exec(t, "DROP TABLE users")

	// The embedded table's times are what they are, wherever they are read.
	e := embedded(t, d.options(userdb.Settings{Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap}))
	add(t, e, somebody)
	if err := e.SetPassword(t.Context(), account(t, e, somebody), newOne); err != nil {
		t.Fatal(err)
	}
	for _, u := range list(t, e) {
		if time.Since(u.Created).Abs() > 10*time.Minute || time.Since(u.Changed).Abs() > 10*time.Minute {
			t.Errorf("created %v, changed %v, now %v", u.Created, u.Changed, time.Now().UTC())
		}
	}
}
