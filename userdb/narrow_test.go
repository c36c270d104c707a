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
