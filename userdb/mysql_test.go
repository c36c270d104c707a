package userdb_test

import (
	"database/sql"
	"strings"
	"testing"

	"rekey/cmd/rekey/databases"
	"rekey/test/servers"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

func mariaDB(t testing.TB) *database {
	t.Helper()
	d := servers.MariaDB(t)
	return serve(t, d, d.DSN)
}

// TestT20_ChangedRowsAndMatchedRowsAreTheSame runs what tells stale from set on handles of both kinds.
func TestT20_ChangedRowsAndMatchedRowsAreTheSame(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]func(*testing.T, *database) *sql.DB{
		"matched": func(_ *testing.T, d *database) *sql.DB { return d.Write },
		"changed": func(t *testing.T, d *database) *sql.DB {
			db := d.server.Open(t)
			db.SetMaxOpenConns(10)
			return db
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := mariaDB(t)
			db := handle(t, d)
			d.exec(t, "CREATE TABLE probe (one INTEGER)")
			d.exec(t, "INSERT INTO probe VALUES (1)")
			rows, err := exec(t, db, "UPDATE probe SET one = 1").RowsAffected()
			if want := map[string]int64{"matched": 1, "changed": 0}[name]; err != nil || rows != want {
				t.Fatalf("the handle tells %d rows, %v, want %d", rows, err, want)
			}
			d.DB = &databases.DB{Kind: databases.MySQL, Read: db, Write: db}
			harness := d.strangers(t, lax(d.Kind))
			userdbtest.RunMatching(t, harness)
			userdbtest.RunRacing(t, harness)
		})
	}
}

func TestATableThatCannotRollBackIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		broken, engine, setting string
	}{
		{"users", "MyISAM", "table"}, {"users", "Aria", "table"}, {"sessions", "MyISAM", "sessions"},
	} {
		d := mariaDB(t)
		d.populate(t)
		d.exec(t, "ALTER TABLE "+c.broken+" ENGINE="+c.engine)
		_, err := userdb.New(t.Context(), d.options(cheap()))
		if keys(t, err) != c.setting {
			t.Fatalf("%+v: %v", c, err)
		}
		_, mend, ok := strings.Cut(err.Error(), "roll back: ")
		if !ok || !strings.Contains(err.Error(), c.engine) {
			t.Fatalf("%+v: %v does not say what to do", c, err)
		}
		exec(t, d.server.Open(t), mend) // as it stands there
		d.table(t, cheap())
	}
	// WordPress keeps the numbers in one of its own.
	d := mariaDB(t)
	d.wordpress(t)
	d.exec(t, "ALTER TABLE wp_usermeta ENGINE=MyISAM")
	if _, err := userdb.New(t.Context(), d.options(userdb.Settings{Preset: "wordpress"})); err == nil || !strings.Contains(err.Error(), "ALTER TABLE `wp_usermeta` ENGINE=InnoDB") {
		t.Errorf("%v, want that wp_usermeta be changed", err)
	}
}
