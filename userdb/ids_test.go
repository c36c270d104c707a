package userdb_test

import (
	"errors"
	"testing"

	"rekey"
	"rekey/cmd/rekey/databases"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// Ids that are the same to a collation or to a floating point number are not the same account.
func TestAnIDIsComparedByteForByte(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		text := map[databases.Kind]string{databases.SQLite: "VARCHAR(60) COLLATE NOCASE", databases.PostgreSQL: "VARCHAR(60) COLLATE lax",
			databases.MySQL: "VARCHAR(60) COLLATE utf8mb4_general_ci"}[d.Kind]
		if d.Kind == databases.PostgreSQL {
			d.exec(t, "CREATE COLLATION lax (provider = icu, locale = 'und-u-ks-level1', deterministic = false)")
		}
		for i, c := range []struct {
			kind   string
			id     any
			others []string
		}{
			{"BIGINT", int64(9223372036854775807), []string{"9223372036854775806", "9.223372036854775807e18", "09223372036854775807", "9223372036854775807 ", "+9223372036854775807", "' OR '1'='1"}},
			{"BIGINT", int64(9007199254740993), []string{"9007199254740992", "9007199254740994", "9007199254740993.0", "1"}},
			{"BIGINT", int64(-1), []string{"1", "-1.0", "18446744073709551615", "--1"}},
			{"INTEGER", int64(0), []string{"", "x", "-0", "null", "0x0", "false"}},
			{text, "Bob", []string{"bob", "BOB", "Bob ", " Bob", "Bób", "Ｂob", "Bob\x00", ""}},
			{text, "' OR ''='", []string{"'", "' OR ''=''", "x"}},
			{text, "a\\'b\"c`d$1?", []string{"a'b\"c`d$1?", "a\\\\'b\"c`d$1?"}},
			{"CHAR(36)", "0192F0C1-2345-7abc-8def-0123456789ab", []string{"0192f0c1-2345-7abc-8def-0123456789ab", "0192F0C123457abc8def0123456789ab"}},
		} {
			table := []string{"users_a", "users_b", "users_c", "users_d", "users_e", "users_f", "users_g", "users_h"}[i]
			d.exec(t, "CREATE TABLE "+table+" (id "+c.kind+" PRIMARY KEY, mobile VARCHAR(20), password VARCHAR(255), is_active BOOLEAN)")
			d.exec(t, "CREATE TABLE sessions_of_"+table+" (user_id "+c.kind+")")
			d.exec(t, "INSERT INTO "+table+" VALUES (?, ?, ?, ?)", c.id, somebody, userdbtest.Hash(t, userdbtest.Cheap, oldOne), true)
			d.exec(t, "INSERT INTO sessions_of_"+table+" VALUES (?)", c.id)
			s := cheap()
			s.Table, s.Sessions = table, "sessions_of_"+table+".user_id"
			users := d.table(t, s)
			found := account(t, users, somebody)
			for _, other := range c.others {
				a := found
				a.ID = other
				// A database may refuse the value, which is as good.
				if err := users.SetPassword(t.Context(), a, newOne); err == nil {
					t.Errorf("%s: the id %q is %v", c.kind, other, c.id)
				}
			}
			if n := value[int](t, d, "SELECT COUNT(*) FROM sessions_of_"+table); n != 1 || account(t, users, somebody).Hash != found.Hash {
				t.Errorf("%s: another id changed the row of %v, or ended its session", c.kind, c.id)
			}
			if err := users.SetPassword(t.Context(), found, newOne); err != nil || !has(t, users, somebody, newOne) {
				t.Errorf("%s: %v: %v", c.kind, c.id, err)
			}
			if n := value[int](t, d, "SELECT COUNT(*) FROM sessions_of_"+table); n != 0 {
				t.Errorf("%s: the session of %v is left", c.kind, c.id)
			}
		}
	})
}

// What is no text would be looked up in vain, or by luck.
func TestAnIDOfBytesIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		kinds := map[databases.Kind][]string{databases.SQLite: {"BLOB", ""}, databases.MySQL: {"BINARY(16)", "VARBINARY(16)"}}[d.Kind]
		for i, kind := range kinds {
			name := []string{"users_a", "users_b"}[i]
			d.exec(t, "CREATE TABLE "+name+" (id "+kind+", mobile VARCHAR(20), password VARCHAR(255), is_active BOOLEAN, id_text VARCHAR(40))")
			s := userdb.Settings{Table: name, Sessions: name + ".id"}
			if _, err := userdb.New(t.Context(), d.options(s)); keys(t, err) != "id sessions" {
				t.Errorf("%s: %v", kind, err)
			}
			s.ID, s.Sessions = "id_text", ""
			d.table(t, s)
		}
		if d.Kind == databases.PostgreSQL { // whose bytes have a text of their own
			d.exec(t, "CREATE TABLE users (id BYTEA PRIMARY KEY, mobile VARCHAR(20), password VARCHAR(255), is_active BOOLEAN)")
			d.exec(t, "CREATE TABLE sessions (user_id BYTEA)")
			d.exec(t, `INSERT INTO users VALUES ('\xff00', ?, ?, TRUE)`, somebody, userdbtest.Hash(t, userdbtest.Cheap, oldOne))
			d.exec(t, `INSERT INTO sessions VALUES ('\xff00'), ('\xff')`)
			table := d.table(t, cheap())
			if err := table.SetPassword(t.Context(), account(t, table, somebody), newOne); err != nil || !has(t, table, somebody, newOne) {
				t.Error(err)
			}
			if n := value[int](t, d, "SELECT COUNT(*) FROM sessions"); n != 1 {
				t.Errorf("%d sessions are left", n)
			}
		}
	})
}

func TestAnIDThatIsNotUniqueChangesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		d.exec(t, "CREATE TABLE users (id VARCHAR(20), mobile VARCHAR(20), password VARCHAR(255), is_active BOOLEAN)")
		d.exec(t, "CREATE TABLE sessions (user_id VARCHAR(20))")
		table := d.table(t, cheap())
		hash := userdbtest.Hash(t, userdbtest.Cheap, oldOne)
		d.exec(t, "INSERT INTO users VALUES ('1', ?, ?, ?), ('1', ?, ?, ?)", somebody, hash, true, somebody, hash, true)
		d.exec(t, "INSERT INTO sessions VALUES ('1')")
		a := rekey.Account{ID: "1", Number: number(t, somebody), Hash: hash}
		plain(t, "SetPassword", table.SetPassword(t.Context(), a, newOne))
		if n := value[int](t, d, "SELECT COUNT(*) FROM users WHERE password = ?", hash); n != 2 {
			t.Errorf("%d rows are unchanged, want both", n)
		}
		if n := value[int](t, d, "SELECT COUNT(*) FROM sessions"); n != 1 {
			t.Error("a session ended")
		}
	})
}

// A column of integers has no + and no zeros before a number, so that what stands there without them is somebody's own.
func TestT25_AForeignNumberNeverMeetsAHomeOneAmongIntegers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		d.exec(t, "CREATE TABLE users (id {id}, mobile BIGINT, password VARCHAR(255), is_active BOOLEAN)")
		d.exec(t, "CREATE TABLE sessions (user_id BIGINT)")
		hash := userdbtest.Hash(t, userdbtest.Cheap, oldOne)
		for i, mobile := range []int64{13800000001, 8613900000002, 3800000001, 13800000001000} {
			d.exec(t, "INSERT INTO users VALUES (?, ?, ?, ?)", i+1, mobile, hash, true)
		}
		foreign, err := rekey.NewNumber("US", "1", "3800000001") // in E.164 the digits of a Chinese one
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			format, calling string
			n               rekey.Number
			id              string
		}{
			{"national", "", number(t, "13800000001"), "1"},
			{"national", "", number(t, "13900000002"), "2"},
			{"national", "", number(t, "13700000003"), ""},
			{"national", "", foreign, ""},
			{"national", "1", foreign, "3"},
			{"national", "1", number(t, "13800000001"), ""}, // +86 among Americans
			{"e164", "", number(t, "13900000002"), "2"},
			{"e164", "", number(t, "13800000001"), ""},
			{"e164", "", foreign, "1"}, // where every number has its code, that is what 13800000001 is
		} {
			s := cheap()
			s.MobileFormat, s.CallingCode = c.format, c.calling
			table := d.table(t, s)
			found, err := table.Find(t.Context(), c.n)
			if err != nil {
				t.Fatal(err)
			}
			if c.id == "" {
				if len(found) != 0 {
					t.Errorf("%+v: found %s", c, found[0].ID)
				}
				a := rekey.Account{ID: "1", Number: c.n, Hash: hash}
				if err := table.SetPassword(t.Context(), a, newOne); !errors.Is(err, rekey.ErrStale) {
					t.Errorf("%+v: %v, want ErrStale", c, err)
				}
			} else if len(found) != 1 || found[0].ID != c.id {
				t.Errorf("%+v: found %d accounts", c, len(found))
			}
		}
	})
}
