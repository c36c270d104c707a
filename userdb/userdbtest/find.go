package userdbtest

import (
	"slices"
	"strings"
	"testing"

	"rekey"
	"rekey/userdb"
)

func findTellsNoneAndOne(t *testing.T, harness Harness) {
	table := harness(t, cheap())
	hash := Hash(t, Cheap, secret)
	id := table.Insert(t, Row{Mobile: mobile, Password: hash})
	table.Insert(t, Row{Mobile: "13800000003", Password: hash})
	if accounts := find(t, table, other); len(accounts) != 0 {
		t.Errorf("%d accounts, want none", len(accounts))
	}
	a := one(t, table, mobile)
	if a.ID != id || a.Hash != hash || a.Number != Number(t, mobile) {
		t.Errorf("found row %s of %v with a hash that fits: %v", a.ID, a.Number, a.Hash == hash)
	}
	if accounts, err := table.Directory.Find(t.Context(), rekey.Number{}); err != nil || len(accounts) != 0 {
		t.Errorf("no number finds %d accounts, %v", len(accounts), err)
	}
}

// unrecoverable are password columns by what is the matter with them.
func unrecoverable(t *testing.T) map[string]string {
	return map[string]string{
		"empty":     "",
		"locked":    "!" + Hash(t, Cheap, secret),
		"unknown":   "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
		"malformed": Hash(t, Cheap, secret) + "$",
		"huge":      "$argon2id$v=19$m=4194304,t=9,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"unbounded": "pbkdf2_sha256$2000000000$abcdefghijkl$nUQpPi5BlJCg8gAuBnkhiOl9TStDv8xLzwh44RXE7iY=",
	}
}

func findLeavesOutWhatCannotBeRecovered(t *testing.T, harness Harness) {
	table := harness(t, cheap())
	for what, password := range unrecoverable(t) {
		id := table.Insert(t, Row{Mobile: mobile, Password: password})
		if accounts := find(t, table, mobile); len(accounts) != 0 {
			t.Errorf("a row whose password is %s is found", what)
		}
		table.Delete(t, id)
	}
	table.Insert(t, Row{Mobile: mobile, Password: Hash(t, Cheap, secret), Inactive: true})
	if accounts := find(t, table, mobile); len(accounts) != 0 {
		t.Error("an inactive row is found")
	}
	id := table.Insert(t, Row{Mobile: mobile, Password: Hash(t, Cheap, secret)})
	if a := one(t, table, mobile); a.ID != id {
		t.Error("the row that can be recovered is not the one found")
	}
}

func findLetsInWhatTheSettingsLetIn(t *testing.T, harness Harness) {
	for _, c := range []struct {
		name     string
		settings userdb.Settings
		lets     string
	}{
		{"a named hash", userdb.Settings{Hash: Cheap, HashFloor: Cheap}, "unknown malformed"},
		{"recover_unusable", userdb.Settings{HashFloor: Cheap, RecoverUnusable: true}, "empty locked"},
	} {
		table := harness(t, c.settings)
		for what, password := range unrecoverable(t) {
			id := table.Insert(t, Row{Mobile: mobile, Password: password})
			accounts := find(t, table, mobile)
			if want := strings.Contains(c.lets, what); (len(accounts) == 1) != want {
				t.Errorf("%s: %d accounts whose password is %s", c.name, len(accounts), what)
			}
			for _, a := range accounts {
				if right, err := a.Verify(t.Context(), secret); right || err != nil {
					t.Errorf("%s: a password that is %s verifies: %v, %v", c.name, what, right, err)
				}
				if err := table.Directory.SetPassword(t.Context(), a, another); err != nil {
					t.Errorf("%s: replacing a password that is %s: %v", c.name, what, err)
				}
				if stored := table.Read(t, id).Password; !verifies(t, stored, another) {
					t.Errorf("%s: the new password does not verify where it was %s", c.name, what)
				}
			}
			table.Delete(t, id)
		}
	}
}

func findTellsEveryAccount(t *testing.T, harness Harness) {
	table := harness(t, cheap())
	first, second := Hash(t, Cheap, secret), Hash(t, Cheap, secret)
	ids := map[string]string{
		table.Insert(t, Row{Mobile: mobile, Password: first}):  first,
		table.Insert(t, Row{Mobile: mobile, Password: second}): second,
	}
	accounts := find(t, table, mobile)
	if len(accounts) != 2 {
		t.Fatalf("%d accounts, want 2", len(accounts))
	}
	for _, a := range accounts {
		if ids[a.ID] != a.Hash {
			t.Errorf("row %s has another row's hash", a.ID)
		}
	}
	// Whatever the caller makes of several accounts, setting one's password leaves the other's alone.
	if err := table.Directory.SetPassword(t.Context(), accounts[0], another); err != nil {
		t.Fatal(err)
	}
	if table.Read(t, accounts[1].ID).Password != accounts[1].Hash {
		t.Error("the other account's password changed")
	}
}

func oneSpellingAPerson(t *testing.T, harness Harness) {
	spellings := []string{mobile, "+86" + mobile, "86" + mobile, "0086" + mobile, " " + mobile, mobile + " ", mobile + "\n",
		"138 0000 0001", "138-0000-0001", fullWidth, arabicIndic, mobile + "0", "3800000001", "+1" + mobile}
	for format, theirs := range map[string][]string{
		"national": {mobile, "+86" + mobile, "86" + mobile, "0086" + mobile}, "e164": {"+86" + mobile, "86" + mobile, "0086" + mobile},
	} {
		table := harness(t, userdb.Settings{MobileFormat: format, HashFloor: Cheap})
		want := map[string]bool{}
		for _, spelling := range spellings {
			if !table.holds(spelling) {
				continue
			}
			id := table.Insert(t, Row{Mobile: spelling, Password: Hash(t, Cheap, secret)})
			if slices.Contains(theirs, table.Read(t, id).Mobile) {
				want[id] = true
			}
		}
		if len(want) == 0 {
			t.Fatalf("%s: the table holds no spelling of the number", format)
		}
		// Whoever is in the table in several spellings is there several times.
		accounts := find(t, table, mobile)
		for _, a := range accounts {
			if !want[a.ID] {
				t.Errorf("%s: found as %q", format, table.Read(t, a.ID).Mobile)
			}
		}
		if len(accounts) != len(want) {
			t.Errorf("%s: %d rows found, want %d", format, len(accounts), len(want))
		}
		// A reset finds its row in whichever spelling it is.
		for _, a := range accounts {
			before := table.Read(t, a.ID)
			if err := table.Directory.SetPassword(t.Context(), a, another); err != nil {
				t.Errorf("%s: %q: %v", format, before.Mobile, err)
			}
			if table.Read(t, a.ID).Mobile != before.Mobile {
				t.Errorf("%s: %q is spelled otherwise now", format, before.Mobile)
			}
		}
		// The same national digits under another calling code are another person: in China +1 380 000 0001 would be
		// a number itself without its plus.
		for _, digits := range []string{mobile, mobile[1:]} {
			foreign, err := rekey.NewNumber("US", "1", digits)
			if err != nil {
				t.Fatal(err)
			}
			accounts, err := table.Directory.Find(t.Context(), foreign)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range accounts {
				if spelled := table.Read(t, a.ID).Mobile; strings.TrimLeft(spelled, "+0") != "1"+digits || format == "national" && spelled == mobile {
					t.Errorf("%s: a number of another country finds %q", format, spelled)
				}
			}
		}
	}
}

func namesAreQuotedAndValuesBound(t *testing.T, harness Harness) {
	for _, s := range []userdb.Settings{
		{},
		{Table: `people"; DROP TABLE users; --`, ID: "select", Mobile: "手机号", Password: "pass`word", Active: "is 'active'"},
		{Table: "用户", ID: `"id"`, Mobile: "mo[bi]le", Password: "pass?word", Active: "$1"},
	} {
		s.HashFloor = Cheap
		table := harness(t, s)
		row := Row{Mobile: mobile, Password: Hash(t, Cheap, secret)}
		id := table.Insert(t, row)
		a := one(t, table, mobile)
		for _, hostile := range []string{"' OR '1'='1", "1 OR 1=1", `" OR ""="`, "1; DROP TABLE users", "?", "$1", "\x00"} {
			b := a
			b.ID = hostile
			if err := table.Directory.SetPassword(t.Context(), b, another); err == nil {
				t.Errorf("table %q: the id %q fits a row", s.Table, hostile)
			}
		}
		if table.Read(t, id).Password != row.Password {
			t.Errorf("table %q: a hostile value changed the row", s.Table)
		}
		if err := table.Directory.SetPassword(t.Context(), a, "'; DROP TABLE users; --"); err != nil {
			t.Errorf("table %q: %v", s.Table, err)
		}
		if !verifies(t, table.Read(t, id).Password, "'; DROP TABLE users; --") {
			t.Errorf("table %q: the new password does not verify", s.Table)
		}
	}
}

func verifyTellsTheRightPassword(t *testing.T, harness Harness) {
	table := harness(t, cheap())
	for n, recipe := range map[string]string{mobile: Cheap, other: "pbkdf2_sha256$1000"} {
		table.Insert(t, Row{Mobile: n, Password: Hash(t, recipe, secret)})
		a := one(t, table, n)
		for password, want := range map[string]bool{secret: true, another: false, "": false, secret + " ": false} {
			if right, err := a.Verify(t.Context(), password); err != nil || right != want {
				t.Errorf("%s: %v, %v, want %v", recipe, right, err, want)
			}
		}
	}
}
