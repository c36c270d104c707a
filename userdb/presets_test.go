package userdb_test

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rekey"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// application is the tables of one, as full as they come. The account with the id 7 is reset, 8 is somebody else.
type application struct {
	preset string
	hash   string   // a recipe of few costs, of the passwords ?
	tables []string // statements
	rows   []string // statements, with somebody's number and hash as {mobile} and {hash}

	// What is written, by the name of a table and its column. Everything else stays as it is, byte for byte.
	writes  []string
	deletes []string // rows, as table and first column
}

func applications() []application {
	const bcrypt = "bcrypt$2a$04"
	return []application{
		{
			preset: "rekey", hash: userdbtest.Cheap,
			tables: []string{"CREATE TABLE users (id {id}, mobile VARCHAR(20), password VARCHAR(255), is_active BOOLEAN, created_at {time}, password_changed_at {time}, totp VARCHAR(40))"},
			rows: []string{"INSERT INTO users VALUES (7, '{mobile}', '{hash}', TRUE, '2001-02-03 04:05:06', '2001-02-03 04:05:06', 'secret')",
				"INSERT INTO users VALUES (8, '13900000002', '{hash}', TRUE, '2001-02-03 04:05:06', '2001-02-03 04:05:06', 'secret')"},
			writes: []string{"users.password", "users.password_changed_at"},
		},
		{
			preset: "django", hash: "pbkdf2_sha256$1000",
			tables: []string{`CREATE TABLE auth_user (id {id}, password VARCHAR(128), last_login {instant}, is_superuser BOOLEAN, username VARCHAR(150), email VARCHAR(254),
				is_staff BOOLEAN, is_active BOOLEAN, date_joined {instant}, mobile VARCHAR(20))`,
				"CREATE TABLE django_session (session_key VARCHAR(40), session_data TEXT, expire_date {instant})"},
			rows: []string{"INSERT INTO auth_user VALUES (7, '{hash}', '2001-02-03 04:05:06', TRUE, '张三', 'a@b', TRUE, TRUE, '2001-02-03 04:05:06', '{mobile}')",
				"INSERT INTO auth_user VALUES (8, '{hash}', NULL, TRUE, 'other', '', TRUE, TRUE, NULL, '13900000002')",
				"INSERT INTO django_session VALUES ('7', 'data', NULL)"},
			writes: []string{"auth_user.password"},
		},
		{
			preset: "laravel", hash: bcrypt,
			tables: []string{`CREATE TABLE users (id {id}, name VARCHAR(255), mobile VARCHAR(20), email_verified_at {instant}, password VARCHAR(255),
				two_factor_secret TEXT, remember_token VARCHAR(100), created_at {instant}, updated_at {instant}, deleted_at {instant})`,
				"CREATE TABLE sessions (id VARCHAR(255), user_id BIGINT, payload TEXT, last_activity INTEGER)"},
			rows: []string{"INSERT INTO users VALUES (7, 'a', '{mobile}', '2001-02-03 04:05:06', '{hash}', 'totp', 'old token', NULL, '2001-02-03 04:05:06', NULL)",
				"INSERT INTO users VALUES (8, 'b', '13900000002', NULL, '{hash}', 'totp', 'old token', NULL, NULL, NULL)",
				"INSERT INTO sessions VALUES ('a', 7, '', 1)", "INSERT INTO sessions VALUES ('b', 8, '', 1)",
				"INSERT INTO sessions VALUES ('c', NULL, '', 1)", "INSERT INTO sessions VALUES ('d', 7, '', 2)", "INSERT INTO sessions VALUES ('e', 77, '', 2)"},
			writes:  []string{"users.password", "users.remember_token", "users.updated_at"},
			deletes: []string{"sessions a", "sessions d"},
		},
		{
			preset: "devise", hash: bcrypt,
			tables: []string{`CREATE TABLE users (id {id}, mobile VARCHAR(20), encrypted_password VARCHAR(255) NOT NULL, reset_password_token VARCHAR(255),
				reset_password_sent_at {time}, remember_created_at {time}, remember_token VARCHAR(255), sign_in_count INTEGER, current_sign_in_ip VARCHAR(40),
				failed_attempts INTEGER, unlock_token VARCHAR(40), locked_at {time}, otp_secret VARCHAR(40), created_at {time}, updated_at {time}, deleted_at {time})`},
			rows: []string{`INSERT INTO users VALUES (7, '{mobile}', '{hash}', 'sent', '2001-02-03 04:05:06', '2001-02-03 04:05:06', 'remembered', 9, '127.0.0.1', 3, 'unlock',
				'2001-02-03 04:05:06', 'totp', '2001-02-03 04:05:06', '2001-02-03 04:05:06', NULL)`,
				`INSERT INTO users VALUES (8, '13900000002', '{hash}', 'sent', NULL, NULL, 'remembered', 9, '127.0.0.1', 3, 'unlock', NULL, 'totp', NULL, NULL, NULL)`},
			writes: []string{"users.encrypted_password", "users.remember_token", "users.reset_password_sent_at", "users.reset_password_token", "users.updated_at"},
		},
		{
			preset: "spring", hash: "{bcrypt}$2a$04",
			tables: []string{"CREATE TABLE users (id {id}, mobile VARCHAR(20), password VARCHAR(500), enabled BOOLEAN, username VARCHAR(50), password_changed_at {time})",
				"CREATE TABLE authorities (username VARCHAR(50), authority VARCHAR(50))"},
			rows: []string{"INSERT INTO users VALUES (7, '{mobile}', '{hash}', TRUE, 'a', NULL)", "INSERT INTO users VALUES (8, '13900000002', '{hash}', TRUE, 'b', NULL)",
				"INSERT INTO authorities VALUES ('a', 'ROLE_ADMIN')"},
			writes: []string{"users.password", "users.password_changed_at"},
		},
		{
			preset: "wordpress", hash: "bcrypt$2y$04",
			tables: []string{`CREATE TABLE wp_users ("ID" {id}, user_login VARCHAR(60), user_pass VARCHAR(255) NOT NULL, user_activation_key VARCHAR(255) NOT NULL, user_status INTEGER)`,
				"CREATE TABLE wp_usermeta (umeta_id {id}, user_id BIGINT, meta_key VARCHAR(255), meta_value TEXT)"},
			rows: []string{"INSERT INTO wp_users VALUES (7, 'a', '{hash}', '1700000000:$P$B', 0)", "INSERT INTO wp_users VALUES (8, 'b', '{hash}', 'key', 0)",
				"INSERT INTO wp_usermeta VALUES (1, 7, 'mobile', '{mobile}')", "INSERT INTO wp_usermeta VALUES (2, 8, 'mobile', '13900000002')",
				"INSERT INTO wp_usermeta VALUES (3, 7, 'session_tokens', 'a:1:{}')", "INSERT INTO wp_usermeta VALUES (4, 8, 'session_tokens', 'a:1:{}')",
				"INSERT INTO wp_usermeta VALUES (5, 7, 'wp_capabilities', 'a:1:{}')", "INSERT INTO wp_usermeta VALUES (6, 8, 'fax', '{mobile}')",
				"INSERT INTO wp_usermeta VALUES (7, 70, 'session_tokens', 'a:1:{}')"},
			writes:  []string{"wp_users.user_activation_key", "wp_users.user_pass"},
			deletes: []string{"wp_usermeta 3"},
		},
		{
			preset: "ruoyi", hash: bcrypt,
			tables: []string{`CREATE TABLE sys_user (user_id {id}, user_name VARCHAR(30), user_type VARCHAR(2), phonenumber VARCHAR(11), password VARCHAR(100), status CHAR(1), del_flag CHAR(1),
				login_ip VARCHAR(128), login_date {time}, pwd_update_date {time}, create_by VARCHAR(64), create_time {time}, update_by VARCHAR(64), update_time {time}, remark VARCHAR(500))`},
			rows: []string{"INSERT INTO sys_user VALUES (7, 'a', '00', '{mobile}', '{hash}', '0', '0', '127.0.0.1', NULL, NULL, 'admin', NULL, '', NULL, NULL)",
				"INSERT INTO sys_user VALUES (8, 'b', '00', '13900000002', '{hash}', '0', '0', '127.0.0.1', NULL, NULL, 'admin', NULL, '', NULL, NULL)"},
			writes: []string{"sys_user.password", "sys_user.pwd_update_date", "sys_user.update_time"},
		},
		{
			preset: "gin-vue-admin", hash: bcrypt,
			tables: []string{`CREATE TABLE sys_users (id {id}, created_at {instant}, updated_at {instant}, deleted_at {instant}, uuid VARCHAR(191), username VARCHAR(191), password VARCHAR(191),
				authority_id BIGINT, phone VARCHAR(191), enable BIGINT, password_updated_at {instant}, must_change_password BOOLEAN)`},
			rows: []string{"INSERT INTO sys_users VALUES (7, NULL, NULL, NULL, 'x', 'a', '{hash}', 888, '{mobile}', 1, NULL, TRUE)",
				"INSERT INTO sys_users VALUES (8, NULL, NULL, NULL, 'y', 'b', '{hash}', 888, '13900000002', 1, NULL, TRUE)"},
			writes: []string{"sys_users.must_change_password", "sys_users.password", "sys_users.password_updated_at", "sys_users.updated_at"},
		},
	}
}

// install makes the tables and their rows.
func (a application) install(t testing.TB, d *database) {
	t.Helper()
	for _, statement := range slices.Concat(a.tables, a.rows) {
		statement = strings.ReplaceAll(strings.ReplaceAll(statement, "{mobile}", somebody), "{hash}", userdbtest.Hash(t, a.hash, oldOne))
		if !strings.Contains(statement, "INSERT") {
			statement = d.sql(statement)
		}
		exec(t, d.own, statement)
	}
}

func (a application) settings() userdb.Settings {
	return userdb.Settings{Preset: a.preset, HashFloor: a.hash}
}

// contents is everything in the tables of an application, by table, first column and column.
func (a application) contents(t testing.TB, d *database) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, statement := range a.tables {
		name := strings.Fields(statement)[2]
		rows, err := d.own.QueryContext(t.Context(), "SELECT * FROM "+name)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values, places := make([]sql.NullString, len(columns)), make([]any, len(columns))
			for i := range values {
				places[i] = &values[i]
			}
			if err := rows.Scan(places...); err != nil {
				t.Fatal(err)
			}
			for i, column := range columns {
				all[name+" "+values[0].String+" "+column] = fmt.Sprint(values[i])
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestAResetWritesWhatThePresetSaysAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, e := range engines() {
		for _, a := range applications() {
			t.Run(e.name+"/"+a.preset, func(t *testing.T) {
				t.Parallel()
				d := e.open(t)
				a.install(t, d)
				table := d.table(t, a.settings())
				found := account(t, table, somebody)
				before := a.contents(t, d)

				// A stale account changes nothing, and nobody's sessions end.
				stale := found
				stale.Hash = userdbtest.Hash(t, a.hash, "another")
				if err := table.SetPassword(t.Context(), stale, newOne); !errors.Is(err, rekey.ErrStale) || !maps.Equal(a.contents(t, d), before) {
					t.Errorf("a stale account: %v", err)
				}

				if err := table.SetPassword(t.Context(), found, newOne); err != nil {
					t.Fatal(err)
				}
				after := a.contents(t, d)
				var writes, deletes []string
				for key, value := range before {
					row, column := key[:strings.LastIndex(key, " ")], key[strings.LastIndex(key, " ")+1:]
					name, id, _ := strings.Cut(row, " ")
					if now, there := after[key]; !there {
						deletes = append(deletes, row)
					} else if now != value {
						writes = append(writes, name+"."+column)
						if id != "7" {
							t.Errorf("the row %s was written", row)
						}
					}
				}
				slices.Sort(writes)
				slices.Sort(deletes)
				if deletes = slices.Compact(deletes); !slices.Equal(writes, a.writes) || !slices.Equal(deletes, a.deletes) {
					t.Errorf("writes %v and deletes %v, want %v and %v", writes, deletes, a.writes, a.deletes)
				}
				if !has(t, table, somebody, newOne) || has(t, table, somebody, oldOne) || !has(t, table, "13900000002", oldOne) {
					t.Error("the passwords are not those that they should be")
				}
			})
		}
	}
}

func TestTheRememberTokenIsRandomAndNewEachTime(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile("^[0-9A-Za-z]{60}$")
	each(t, func(t *testing.T, d *database) {
		laravel := application{preset: "laravel", hash: "bcrypt$2a$04",
			tables: []string{"CREATE TABLE users (id {id}, mobile VARCHAR(20), password VARCHAR(255), remember_token VARCHAR(60))"},
			rows:   []string{"INSERT INTO users VALUES (7, '{mobile}', '{hash}', NULL)"}}
		laravel.install(t, d)
		table := d.table(t, laravel.settings())
		seen := map[string]bool{}
		for range 3 {
			if err := table.SetPassword(t.Context(), account(t, table, somebody), newOne); err != nil {
				t.Fatal(err)
			}
			token := value[string](t, d, "SELECT remember_token FROM users")
			if !form.MatchString(token) || seen[token] {
				t.Errorf("%q is no new token of 60 letters and digits", token)
			}
			seen[token] = true
		}
		if len(seen) != 3 {
			t.Errorf("%d tokens", len(seen))
		}
	})
}
