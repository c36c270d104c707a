package userdb_test

import (
	"fmt"
	"testing"

	"rekey/cmd/rekey/databases"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// A number that is too large for its column must not even be asked for: PostgreSQL's refusal would quote it.
func TestT36_ANumberThatIsTooLargeForItsColumnIsNotFoundAndNotQuoted(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		if d.Kind == databases.SQLite { // whose integers have eight bytes whatever they are called
			return
		}
		for _, kind := range []string{"SMALLINT", "INTEGER"} {
			d.exec(t, d.sql("CREATE TABLE users (id {id}, mobile "+kind+", password VARCHAR(255), is_active BOOLEAN)"))
			table, err := userdb.New(t.Context(), d.options(userdb.Settings{}))
			if err != nil {
				t.Fatal(err)
			}
			if accounts, err := table.Find(t.Context(), userdbtest.Number(t, "13800000001")); err != nil || len(accounts) > 0 {
				t.Errorf("%s: %d accounts, %v", kind, len(accounts), err)
			}
			if err := table.Rehearse(t.Context()); keys(t, err) != "mobile" {
				t.Errorf("%s: a rehearsal says %v, want a fault of mobile", kind, err)
			}
			d.exec(t, "DROP TABLE users")
		}
	})
}

func TestAColumnWithoutRoomForAnyHashIsAFaultOfARehearsal(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		if d.Kind == databases.SQLite { // which bounds no text
			return
		}
		for preset, shortest := range map[string]int{"laravel": 60, "django": 67} {
			for length, want := range map[int]string{shortest - 1: "password", shortest: ""} {
				d.exec(t, d.sql(fmt.Sprintf("CREATE TABLE users (id {id}, mobile VARCHAR(20), password VARCHAR(%d), is_active BOOLEAN)", length)))
				table, err := userdb.New(t.Context(), d.options(userdb.Settings{Preset: preset, Table: "users"}))
				if err != nil {
					t.Fatal(err)
				}
				if err := table.Rehearse(t.Context()); keys(t, err) != want {
					t.Errorf("%s in %d characters: a rehearsal says %v, want a fault of %q", preset, length, err, want)
				}
				d.exec(t, "DROP TABLE users")
			}
		}
	})
}

// What pads its integers with zeros compares otherwise than it reads: every reset would be taken for stale.
func TestPaddedIntegersAreRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		if d.Kind != databases.MySQL {
			return
		}
		d.exec(t, "CREATE TABLE users (id INT(10) ZEROFILL PRIMARY KEY, mobile BIGINT(13) ZEROFILL, password VARCHAR(255), is_active BOOLEAN)")
		if _, err := userdb.New(t.Context(), d.options(userdb.Settings{})); keys(t, err) != "id mobile" {
			t.Errorf("%v, want faults in id and mobile", err)
		}
	})
}

// A table of sessions whose ids can't be those of the people is not theirs: an older one that was left there.
func TestSessionsOfOtherIDsAreLeftAlone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		if d.Kind != databases.PostgreSQL {
			return
		}
		const id = "6f1f7a3c-0000-4000-8000-000000000001"
		d.exec(t, "CREATE TABLE users (id UUID PRIMARY KEY, mobile TEXT, password TEXT)")
		d.exec(t, "CREATE TABLE sessions (id TEXT, user_id BIGINT)")
		d.exec(t, "INSERT INTO users VALUES ('"+id+"', '13800000001', '"+userdbtest.Hash(t, "bcrypt$2y$10", "Abc123")+"')")
		d.exec(t, "INSERT INTO sessions VALUES ('s', 1)")
		table := d.table(t, userdb.Settings{Preset: "laravel"})
		if err := table.SetPassword(t.Context(), account(t, table, "13800000001"), "New456"); err != nil {
			t.Error(err)
		}
		if left := value[int](t, d, "SELECT COUNT(*) FROM sessions"); left != 1 {
			t.Errorf("%d sessions are left, want 1", left)
		}
		if _, err := userdb.New(t.Context(), d.options(userdb.Settings{Preset: "laravel", Sessions: "sessions.user_id"})); keys(t, err) != "sessions" {
			t.Errorf("named, they are no fault: %v", err)
		}
	})
}

// A column that is never NULL can't be emptied: every reset would fail.
func TestAColumnThatCannotBeEmptiedIsAFault(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		for token, want := range map[string]string{"VARCHAR(255) NOT NULL": "table", "VARCHAR(255)": ""} {
			d.exec(t, d.sql("CREATE TABLE users (id {id}, mobile VARCHAR(20), encrypted_password VARCHAR(255), remember_token "+token+")"))
			if _, err := userdb.New(t.Context(), d.options(userdb.Settings{Preset: "devise"})); keys(t, err) != want {
				t.Errorf("remember_token %s: %v, want a fault of %q", token, err, want)
			}
			d.exec(t, "DROP TABLE users")
		}
	})
}
