package userdb_test

import (
	"strings"
	"testing"

	"rekey/cmd/rekey/databases"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

func TestT26_ATableMayStandInAnotherSchema(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		schema := "main"
		if d.Kind != databases.SQLite { // which has others for a connection's time only
			schema = `sh"op; --`
			admin := d.server.Admin().Open(t)
			if d.Kind == databases.MySQL {
				schema = d.server.Name + schema
				exec(t, admin, "CREATE DATABASE `"+schema+"`")
				t.Cleanup(func() {
					if _, err := admin.Exec("DROP DATABASE `" + schema + "`"); err != nil {
						t.Error(err)
					}
				})
				exec(t, admin, "GRANT ALL ON `"+schema+"`.* TO '"+d.server.User+"'@'%'")
			} else {
				exec(t, admin, "CREATE SCHEMA "+quote(schema)+" AUTHORIZATION "+quote(d.server.User))
			}
		}
		in := func(table string) string { return quote(schema) + "." + quote(table) }
		for _, table := range []string{"users", `用户`, "wp_users"} {
			d.exec(t, "CREATE TABLE "+in(table)+` ("ID" {id}, mobile VARCHAR(20), user_pass VARCHAR(255))`)
			exec(t, d.own, d.sql("INSERT INTO {}.{} VALUES (1, ?, ?)", schema, table), somebody, userdbtest.Hash(t, "bcrypt$2y$04", oldOne))
		}
		d.exec(t, "CREATE TABLE "+in("wp_usermeta")+" (user_id BIGINT, meta_key VARCHAR(40), meta_value VARCHAR(40))")
		d.exec(t, "INSERT INTO "+in("wp_usermeta")+" VALUES (1, 'mobile', ?), (1, 'session_tokens', 'x')", somebody)
		d.exec(t, "CREATE TABLE "+in("log ins")+" (who BIGINT)")
		d.exec(t, "INSERT INTO "+in("log ins")+" VALUES (1), (2), (1)")
		if schema != "main" { // one of the same name must not be taken for it
			d.exec(t, `CREATE TABLE users ("ID" {id}, mobile VARCHAR(20), user_pass VARCHAR(255))`)
			d.exec(t, "CREATE TABLE wp_usermeta (user_id BIGINT, meta_key VARCHAR(40), meta_value VARCHAR(40))")
		}
		for _, s := range []userdb.Settings{
			{Preset: "custom", Table: schema + ".users", ID: "ID", Mobile: "mobile", Password: "user_pass", Sessions: schema + ".log ins.who"},
			{Preset: "custom", Table: schema + ".用户", ID: "ID", Mobile: "mobile", Password: "user_pass"},
			{Preset: "wordpress", Table: schema + ".wp_users"},
		} {
			s.HashFloor = "bcrypt$2a$04"
			table := d.table(t, s)
			if err := table.SetPassword(t.Context(), account(t, table, somebody), newOne); err != nil || !has(t, table, somebody, newOne) {
				t.Errorf("%s: %v", s.Table, err)
			}
		}
		if n := value[int](t, d, "SELECT COUNT(*) FROM "+in("log ins")); n != 1 {
			t.Errorf("%d sessions are left", n)
		}
		if n := value[int](t, d, "SELECT COUNT(*) FROM "+in("wp_usermeta")); n != 1 {
			t.Errorf("%d metas are left", n)
		}
		for _, missing := range []string{schema + ".nobody", "nowhere.users"} {
			s := userdb.Settings{Preset: "custom", Table: missing, ID: "id", Mobile: "mobile", Password: "password"}
			if _, err := userdb.New(t.Context(), d.options(s)); err == nil || !strings.Contains(err.Error(), "nobody") && !strings.Contains(err.Error(), "nowhere") {
				t.Errorf("%s: %v", missing, err)
			}
		}
	})
}

func TestT26_AMisspelledNameIsAFaultAndNotAText(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		embedded(t, d.options(userdb.Settings{}))
		for fault, s := range map[string]userdb.Settings{
			"table": {Table: "user"}, "id": {ID: "uid"}, "mobile": {Mobile: "phone"}, "password": {Password: "passwd"},
			"active": {Active: "is_active,deleted=0"}, "sessions": {Sessions: "sessions.user_id"},
		} {
			if _, err := userdb.New(t.Context(), d.options(s)); keys(t, err) != fault {
				t.Errorf("%+v: %v, want a fault in %s", s, err, fault)
			}
		}
		if d.Kind == databases.PostgreSQL { // to which case matters
			if _, err := userdb.New(t.Context(), d.options(userdb.Settings{ID: "ID"})); keys(t, err) != "id" {
				t.Errorf("the column ID: %v", err)
			}
		}
		// What was there when the service started may go.
		table := d.table(t, userdb.Settings{})
		d.exec(t, "ALTER TABLE users RENAME COLUMN mobile TO phone")
		if err := table.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "mobile") {
			t.Errorf("a column that is gone: %v", err)
		}
		d.exec(t, "ALTER TABLE users RENAME COLUMN phone TO mobile")
		d.exec(t, "ALTER TABLE users RENAME COLUMN password_changed_at TO changed")
		if err := table.Rehearse(t.Context()); err == nil || !strings.Contains(err.Error(), "password_changed_at") {
			t.Errorf("a column that was written is gone: %v", err)
		}
	})
}

func TestAColumnThatCannotHoldWhatItShouldIsAFault(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		d.exec(t, "CREATE TABLE users (id {id}, number DOUBLE PRECISION, since {time}, flag BOOLEAN, mobile VARCHAR(20), password VARCHAR(255), is_active BOOLEAN)")
		for setting, all := range map[string][]userdb.Settings{
			"mobile":   {{Mobile: "number"}, {Mobile: "since"}},
			"password": {{Password: "number"}, {Password: "since"}, {Password: "id"}},
		} {
			for _, s := range all {
				if _, err := userdb.New(t.Context(), d.options(s)); keys(t, err) != setting {
					t.Errorf("%+v: %v", s, err)
				}
			}
		}
		// All faults at once.
		s := userdb.Settings{ID: "a", Mobile: "since", Password: "b", Active: "c", Sessions: "d.e,users.f"}
		if _, err := userdb.New(t.Context(), d.options(s)); keys(t, err) != "id password mobile active sessions sessions" {
			t.Errorf("%v", err)
		}
	})
}
