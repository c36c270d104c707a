package userdb_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"rekey"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// wordpress makes the tables of a site, whose users 7 and 8 have the password oldOne.
func (d *database) wordpress(t testing.TB) *userdb.Table {
	t.Helper()
	for _, a := range applications() {
		if a.preset == "wordpress" {
			a.install(t, d)
			d.exec(t, "DELETE FROM wp_usermeta WHERE meta_key = 'mobile'")
			return d.table(t, a.settings())
		}
	}
	t.Fatal("no WordPress")
	return nil
}

func (d *database) meta(t testing.TB, user int, key, content string) {
	t.Helper()
	next := 1 + value[int](t, d, "SELECT MAX(umeta_id) FROM wp_usermeta")
	d.exec(t, "INSERT INTO wp_usermeta VALUES (?, ?, ?, ?)", next, user, key, content)
}

func TestANumberBesideTheTableIsItsUsers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		table := d.wordpress(t)
		find := func(want string) []rekey.Account {
			t.Helper()
			accounts, err := table.Find(t.Context(), number(t, somebody))
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, a := range accounts {
				ids = append(ids, a.ID)
			}
			slices.Sort(ids)
			if got := strings.Join(ids, " "); got != want {
				t.Errorf("found %q, want %q", got, want)
			}
			return accounts
		}
		find("")
		d.meta(t, 7, "phone", somebody) // under another key
		d.meta(t, 99, "mobile", somebody)
		find("")
		d.meta(t, 7, "mobile", somebody)
		find("7")
		d.meta(t, 7, "mobile", somebody) // twice the same number is one account
		find("7")
		d.meta(t, 7, "mobile", "+86"+somebody)
		found := find("7")
		d.meta(t, 8, "mobile", somebody) // two people with one number are two
		find("7 8")
		if err := table.SetPassword(t.Context(), found[0], newOne); err != nil { // whoever asks for it
			t.Error(err)
		}
		d.exec(t, "DELETE FROM wp_usermeta WHERE user_id = 7 AND meta_key = 'mobile' AND meta_value = ?", somebody)
		d.exec(t, "DELETE FROM wp_usermeta WHERE user_id = 8")
		if a := find("7"); len(a) == 1 {
			if err := table.SetPassword(t.Context(), a[0], "Again789"); err != nil || !has(t, table, somebody, "Again789") {
				t.Errorf("in another spelling: %v", err)
			}
		}
	})
}

func TestT08_ANumberBesideTheTableThatMovedIsStale(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		table := d.wordpress(t)
		for what, move := range map[string]string{
			"to another user":         "UPDATE wp_usermeta SET user_id = 8 WHERE meta_key = 'mobile'",
			"to another key":          "UPDATE wp_usermeta SET meta_key = 'old_mobile' WHERE meta_key = 'mobile'",
			"away":                    "DELETE FROM wp_usermeta WHERE meta_key = 'mobile'",
			"to another number":       "UPDATE wp_usermeta SET meta_value = '13900000002' WHERE meta_key = 'mobile'",
			"behind a space":          "UPDATE wp_usermeta SET meta_value = ' 13800000001' WHERE meta_key = 'mobile'",
			"into the next one's row": "UPDATE wp_usermeta SET meta_value = '138000000011' WHERE meta_key = 'mobile'",
		} {
			d.exec(t, "DELETE FROM wp_usermeta WHERE meta_key LIKE '%mobile'")
			d.meta(t, 7, "mobile", somebody)
			a := account(t, table, somebody)
			d.exec(t, move)
			if err := table.SetPassword(t.Context(), a, newOne); !errors.Is(err, rekey.ErrStale) {
				t.Errorf("%s: %v, want ErrStale", what, err)
			}
			if value[int](t, d, "SELECT COUNT(*) FROM wp_usermeta WHERE meta_key = 'session_tokens'") != 3 ||
				value[string](t, d, `SELECT user_pass FROM wp_users WHERE "ID" = 7`) != a.Hash {
				t.Errorf("%s: something was written", what)
			}
		}
	})
}

// The race of many resets with a table that is only looked at, and from which sessions are deleted.
func TestT04_OfManyResetsOfANumberBesideTheTableOneWins(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		d.wordpress(t)
		d.exec(t, "UPDATE wp_users SET user_pass = ?", userdbtest.Hash(t, userdbtest.Cheap, oldOne))
		d.meta(t, 7, "mobile", somebody)
		table := d.table(t, userdb.Settings{Preset: "wordpress", HashFloor: "bcrypt$2a$04", Hash: "bcrypt$2a$04"})
		a := account(t, table, somebody)
		wins := make(chan string, 100)
		race(100, func(i int) {
			password := fmt.Sprintf("password%d", i)
			switch err := table.SetPassword(t.Context(), a, password); {
			case err == nil:
				wins <- password
			case !errors.Is(err, rekey.ErrStale) && !errors.Is(err, rekey.ErrBusy):
				t.Error(err)
			}
		})
		if close(wins); len(wins) != 1 || !has(t, table, somebody, <-wins) {
			t.Errorf("%d set the password", len(wins))
		}
	})
}

func TestTheTableOfNumbersIsBesideThatOfUsers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		d.wordpress(t)
		for _, c := range []struct {
			s    userdb.Settings
			keys string
		}{
			{userdb.Settings{Table: "wp_user"}, "table"},                   // in which no usermeta is
			{userdb.Settings{Mobile: ""}, ""},                              // the preset's
			{userdb.Settings{Mobile: "billing_phone"}, ""},                 // any key will do
			{userdb.Settings{Sessions: "wp_usermeta.user"}, "sessions"},    // not there
			{userdb.Settings{Sessions: "wp_usermeta.umeta_id"}, ""},        // beside the tokens
			{userdb.Settings{Table: "wp_2_users"}, "table"},                // not there
			{userdb.Settings{Table: "wp_users", ID: "user_id"}, "id"},      // not there
			{userdb.Settings{Table: "wp_users", Active: "gone"}, "active"}, // not there
		} {
			c.s.Preset = "wordpress"
			if _, err := userdb.New(t.Context(), d.options(c.s)); keys(t, err) != c.keys {
				t.Errorf("%+v: %v, want a fault in %q", c.s, err, c.keys)
			}
		}
		d.exec(t, "DROP TABLE wp_usermeta")
		if _, err := userdb.New(t.Context(), d.options(userdb.Settings{Preset: "wordpress"})); err == nil || !strings.Contains(err.Error(), "wp_usermeta") {
			t.Errorf("%v, want that there is no wp_usermeta", err)
		}
	})
}
