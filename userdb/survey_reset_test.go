package userdb_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rekey/cmd/rekey/databases"
	"rekey/test/servers"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// TestSurvey_ARehearsalRunsTheWholeResetAndLeavesNothing shows by triggers that a rehearsal comes to real rows, and by the
// tables that they stay.
func TestSurvey_ARehearsalRunsTheWholeResetAndLeavesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		s := djangoTable(t, d)
		s.Sessions = "tokens.owner"
		d.exec(t, "CREATE TABLE tokens (token {id}, owner BIGINT NOT NULL)")
		person(t, d, "13800000001", userdbtest.Hash(t, djangoFloor, "Abc123"), true)
		id := value[string](t, d, "SELECT id FROM auth_user")
		d.exec(t, "INSERT INTO tokens (owner) VALUES (?), (?)", id, id)
		before := dump(t, d, "auth_user") + dump(t, d, "tokens")

		r := surveyed(t, d.options(s))
		found(t, r, "reset.rehearsed", userdb.Fine)
		if len(r.Deletes) != 1 || r.Deletes[0] != "tokens.owner" {
			t.Errorf("%+v", r)
		}
		if after := dump(t, d, "auth_user") + dump(t, d, "tokens"); after != before {
			t.Errorf("the tables were\n%s and are\n%s", before, after)
		}

		// It is one of a row that is there: what refuses the update, or the deletion of a session, refuses the rehearsal.
		for table, event := range map[string]string{"auth_user": "UPDATE", "tokens": "DELETE"} {
			refuse(t, d, table, event)
			r = surveyed(t, d.options(s))
			if f := found(t, r, "reset.failed", userdb.Mend); !strings.Contains(f.Text, "not here") {
				t.Errorf("%s is refused, and it says %q", event, f.Text)
			}
			if event == "UPDATE" {
				if f := found(t, r, "server.triggers", userdb.Advice); !strings.Contains(f.Text, "refuse_auth_user") {
					t.Errorf("it says %q", f.Text)
				}
			}
			if after := dump(t, d, "auth_user") + dump(t, d, "tokens"); after != before {
				t.Errorf("the tables were\n%s and are\n%s", before, after)
			}
			if d.Kind == databases.PostgreSQL {
				d.exec(t, "DROP TRIGGER refuse_"+table+" ON "+table)
			} else {
				d.exec(t, "DROP TRIGGER refuse_"+table)
			}
		}
	})
}

// refuse makes a trigger that lets nothing happen to a table.
func refuse(t *testing.T, d *database, table, event string) {
	t.Helper()
	switch d.Kind {
	case databases.SQLite:
		d.exec(t, "CREATE TRIGGER refuse_"+table+" BEFORE "+event+" ON "+table+" BEGIN SELECT RAISE(ABORT, 'not here'); END")
	case databases.PostgreSQL:
		d.exec(t, "CREATE FUNCTION refuse_"+table+"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not here'; END $$")
		d.exec(t, "CREATE TRIGGER refuse_"+table+" BEFORE "+event+" ON "+table+" FOR EACH ROW EXECUTE FUNCTION refuse_"+table+"()")
	case databases.MySQL:
		d.exec(t, "CREATE TRIGGER refuse_"+table+" BEFORE "+event+" ON "+table+" FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not here'")
	}
}

// TestSurvey_NeverRehearsesWhatCannotBeRolledBack has a table of an engine without transactions, then sessions, then one
// that a trigger writes to.
func TestSurvey_NeverRehearsesWhatCannotBeRolledBack(t *testing.T) {
	t.Parallel()
	d := engines()[2].open(t)
	s := djangoTable(t, d)
	person(t, d, "13800000001", userdbtest.Hash(t, djangoFloor, "Abc123"), true)
	d.exec(t, "CREATE TABLE tokens (token {id}, owner BIGINT NOT NULL) ENGINE=MyISAM")
	d.exec(t, "INSERT INTO tokens (owner) SELECT id FROM auth_user")
	before := dump(t, d, "auth_user") + dump(t, d, "tokens")
	unchanged := func() {
		t.Helper()
		if after := dump(t, d, "auth_user") + dump(t, d, "tokens"); after != before {
			t.Errorf("the tables were\n%s and are\n%s", before, after)
		}
	}

	d.exec(t, "ALTER TABLE auth_user ENGINE=Aria TRANSACTIONAL=0")
	if f := found(t, surveyed(t, d.options(s)), "users.setting", userdb.Mend); f.About != "users.table" || !strings.Contains(f.Text, "ENGINE=InnoDB") {
		t.Errorf("%+v", f)
	}
	unchanged()
	d.exec(t, "ALTER TABLE auth_user ENGINE=InnoDB")

	with := s
	with.Sessions = "tokens.owner"
	if f := found(t, surveyed(t, d.options(with)), "users.setting", userdb.Mend); f.About != "users.sessions" || !strings.Contains(f.Text, "MyISAM") {
		t.Errorf("%+v", f)
	}
	unchanged()

	found(t, surveyed(t, d.options(s)), "reset.rehearsed", userdb.Fine)
	d.exec(t, "CREATE TRIGGER noted AFTER UPDATE ON auth_user FOR EACH ROW INSERT INTO tokens (owner) VALUES (NEW.id)")
	r := surveyed(t, d.options(s))
	if f := found(t, r, "reset.skipped", userdb.Advice); !strings.Contains(f.Text, "tokens") {
		t.Errorf("it says %q", f.Text)
	}
	unchanged()
}

func TestSurvey_OfServersThatForgetOrDoNotWriteSaysSo(t *testing.T) {
	t.Parallel()
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		d := engines()[1].open(t)
		s := djangoTable(t, d)
		f := found(t, surveyed(t, d.options(s)), "server.durability", userdb.Advice)
		admin := d.server.Admin().Open(t)
		exec(t, admin, f.Remedy)
		again := serve(t, d.server, d.server.DSN) // the setting is for new sessions
		for _, f := range surveyed(t, again.options(s)).Findings {
			if f.ID == "server.durability" {
				t.Errorf("%+v", f)
			}
		}
		exec(t, admin, "ALTER ROLE "+quote(d.server.User)+" SET default_transaction_read_only = on")
		again = serve(t, d.server, d.server.DSN)
		if f := found(t, surveyed(t, again.options(s)), "rights.write", userdb.Mend); !strings.Contains(f.Text, "takes no writes") || f.Remedy != "" {
			t.Errorf("%+v", f)
		}
	})
	t.Run("a standby", func(t *testing.T) {
		t.Parallel()
		server := servers.StartPostgreSQL(t)
		d := server.NewDatabase(t)
		app := serve(t, d, d.DSN)
		s := djangoTable(t, app)
		person(t, app, "13800000001", userdbtest.Hash(t, djangoFloor, "Abc123"), true)
		var data string
		if err := d.Admin().Open(t).QueryRow("SHOW data_directory").Scan(&data); err != nil {
			t.Fatal(err)
		}
		server.Stop(t)
		if err := os.WriteFile(filepath.Join(data, "standby.signal"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		server.Start(t)
		r := surveyed(t, serve(t, d, d.DSN).options(s))
		found(t, r, "server.standby", userdb.Mend)
		found(t, r, "rights.write", userdb.Mend)
		if r.Accounts.Recoverable != 1 {
			t.Errorf("%+v", r.Accounts)
		}
	})
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		server := servers.StartMariaDB(t)
		d := server.NewDatabase(t)
		app := serve(t, d, d.DSN)
		s := djangoTable(t, app)
		for _, f := range surveyed(t, app.options(s)).Findings {
			if f.ID == "server.durability" {
				t.Errorf("%+v", f)
			}
		}
		admin := d.Admin().Open(t)
		exec(t, admin, "SET GLOBAL innodb_flush_log_at_trx_commit = 2")
		f := found(t, surveyed(t, app.options(s)), "server.durability", userdb.Advice)
		exec(t, admin, f.Remedy)
		for _, f := range surveyed(t, app.options(s)).Findings {
			if f.ID == "server.durability" {
				t.Errorf("%+v", f)
			}
		}
		exec(t, admin, "SET GLOBAL read_only = 1")
		if f := found(t, surveyed(t, app.options(s)), "rights.write", userdb.Mend); !strings.Contains(f.Text, "takes no writes") || f.Remedy != "" {
			t.Errorf("%+v", f)
		}
		exec(t, admin, "SET GLOBAL read_only = 0")
		// A clock that is an hour late, as sessions of this server have it. It matters most where a reset writes a time.
		exec(t, admin, "SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP() - 3600'")
		late := serve(t, d, d.DSN)
		if f := found(t, surveyed(t, late.options(s)), "clock.users", userdb.Mend); !strings.Contains(f.Text, "1h0m") || !strings.Contains(f.Text, "behind") {
			t.Errorf("it says %q", f.Text)
		}
		late.exec(t, "ALTER TABLE auth_user DROP COLUMN updated_at")
		found(t, surveyed(t, late.options(s)), "clock.users", userdb.Advice)
	})
}
