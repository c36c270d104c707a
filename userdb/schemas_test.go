package userdb_test

import (
	"testing"

	"rekey/cmd/rekey/databases"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// Two applications may have a schema each, and users with the same ids.
func TestSessionsThatAPresetKnowsAreOfTheUsersTablesSchema(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		schema := "app"
		switch d.Kind {
		case databases.SQLite: // whose schemas are files, of which a connection begins with one
			return
		case databases.MySQL:
			schema = "app_" + d.server.Name
			admin := d.server.Admin().Open(t)
			exec(t, admin, "CREATE DATABASE "+schema)
			exec(t, admin, "GRANT ALL ON "+schema+".* TO '"+d.server.User+"'")
		default:
			d.exec(t, "CREATE SCHEMA "+schema)
		}
		d.exec(t, "CREATE TABLE "+schema+".users (id {id}, mobile VARCHAR(20), password VARCHAR(255))")
		d.exec(t, "INSERT INTO "+schema+".users (id, mobile, password) VALUES (1, ?, ?)", somebody, userdbtest.Hash(t, "bcrypt$2y$04", oldOne))
		d.exec(t, "CREATE TABLE sessions (id VARCHAR(40), user_id BIGINT)")
		d.exec(t, "INSERT INTO sessions VALUES ('of another application', 1)")
		s := userdb.Settings{Preset: "laravel", Table: schema + ".users", HashFloor: "bcrypt$2y$04"}
		others := func() int { return value[int](t, d, "SELECT COUNT(*) FROM sessions") }

		table := d.table(t, s) // without a table of its own
		if err := table.SetPassword(t.Context(), account(t, table, somebody), newOne); err != nil || others() != 1 {
			t.Errorf("%v; %d sessions of the other application are left, want 1", err, others())
		}
		d.exec(t, "CREATE TABLE "+schema+".sessions (id VARCHAR(40), user_id BIGINT)")
		d.exec(t, "INSERT INTO "+schema+".sessions VALUES ('old', 1)")
		table = d.table(t, s)
		if err := table.SetPassword(t.Context(), account(t, table, somebody), oldOne); err != nil || others() != 1 {
			t.Errorf("%v; %d sessions of the other application are left, want 1", err, others())
		}
		if n := value[int](t, d, "SELECT COUNT(*) FROM "+schema+".sessions"); n != 0 {
			t.Errorf("%d of the application's own sessions are left", n)
		}
	})
}
