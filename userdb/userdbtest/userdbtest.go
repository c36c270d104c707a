// Package userdbtest is the conformance suite of rekey.Directory over package userdb: every dialect and every preset
// passes the same tests, concurrency included.
package userdbtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rekey"
	"rekey/passhash"
	"rekey/userdb"
)

// Table is a users table under test, with no rows in the beginning.
type Table struct {
	Directory rekey.Directory

	// The application's own hands on the table, going past the Directory.
	Insert func(t *testing.T, r Row) (id string)
	Update func(t *testing.T, id string, r Row)
	Delete func(t *testing.T, id string)
	Read   func(t *testing.T, id string) Row
}

// Row is what the suite knows of a row.
type Row struct {
	Mobile, Password string // as stored
	Inactive         bool
	Note             []byte    // a column that is none of rekey's concern
	Changed          time.Time // when the password was set; zero if the table does not tell
}

// Harness makes an empty table of the shape that the settings name and a Directory over it. The settings come without
// a preset; the harness sets its own. Where they name a table or columns, those names must be used.
type Harness func(t *testing.T, s userdb.Settings) Table

// Cheap is the floor that the suite runs with, so that concurrency is not throttled by honest work.
const Cheap = "argon2id$m=64,t=1,p=1"

const (
	mobile  = "13800000001"
	other   = "13900000002"
	secret  = "Abc123canary"
	another = "Xyz789canary"

	// The same number in digits that are not ASCII.
	fullWidth   = "\uff11\uff13\uff18\uff10\uff10\uff10\uff10\uff10\uff10\uff10\uff11"
	arabicIndic = "\u0661\u0663\u0668\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0661"
)

var past = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)

// Run runs the suite.
func Run(t *testing.T, harness Harness) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Harness)
	}{
		{"Find_TellsNoneAndOne", findTellsNoneAndOne},
		{"Find_LeavesOutWhatCannotBeRecovered", findLeavesOutWhatCannotBeRecovered},
		{"Find_LetsInWhatTheSettingsLetIn", findLetsInWhatTheSettingsLetIn},
		{"T09_FindTellsEveryAccountOfANumber", findTellsEveryAccount},
		{"T25_OneSpellingAPerson", oneSpellingAPerson},
		{"T26_NamesAreQuotedAndValuesBound", namesAreQuotedAndValuesBound},
		{"Verify_TellsTheRightPassword", verifyTellsTheRightPassword},
		{"SetPassword_ChangesThePasswordAndNothingElse", setPasswordChangesNothingElse},
		{"T41_NewHashesAreNeverWeaker", newHashesAreNeverWeaker},
		{"T41_HugeCostsAreNeverWorkedOn", hugeCostsAreNeverWorkedOn},
		{"T04_OneOfManyAtOnceWins", oneOfManyWins},
		{"T08_AChangedRowIsStale", changedRowIsStale},
		{"T08_TheApplicationsOwnChangeIsNeverOverwritten", ownChangeIsNeverOverwritten},
		{"SetPassword_TellsAFaultFromAStaleRow", faultIsNotStale},
		{"Context_EndsEverything", contextEndsEverything},
		{"T36_ErrorsSayNoPasswordHashOrNumber", errorsSayNoSecrets},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, harness)
		})
	}
}

func cheap() userdb.Settings { return userdb.Settings{HashFloor: Cheap} }

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
		"138 0000 0001", "138-0000-0001", fullWidth, arabicIndic, mobile + "0", "3800000001"}
	for format, theirs := range map[string]string{"national": mobile, "e164": "+86" + mobile} {
		table := harness(t, userdb.Settings{MobileFormat: format, HashFloor: Cheap})
		want := ""
		for _, spelling := range spellings {
			if id := table.Insert(t, Row{Mobile: spelling, Password: Hash(t, Cheap, secret)}); spelling == theirs {
				want = id
			}
		}
		if a := one(t, table, mobile); a.ID != want {
			t.Errorf("%s: the row found has another spelling", format)
		}
		// The same national digits under another calling code are another person.
		foreign, err := rekey.NewNumber("US", "1", mobile)
		if err != nil {
			t.Fatal(err)
		}
		if accounts, err := table.Directory.Find(t.Context(), foreign); err != nil || len(accounts) != 0 {
			t.Errorf("%s: a number of another country finds %d accounts, %v", format, len(accounts), err)
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

func setPasswordChangesNothingElse(t *testing.T, harness Harness) {
	table := harness(t, cheap())
	before := Row{Mobile: mobile, Password: Hash(t, Cheap, secret), Note: []byte("\x00\xff'\"; note\r\n"), Changed: past}
	bystander := before
	bystander.Mobile = other
	id, bystanderID := table.Insert(t, before), table.Insert(t, bystander)
	tells := !table.Read(t, id).Changed.IsZero()

	if err := table.Directory.SetPassword(t.Context(), one(t, table, mobile), another); err != nil {
		t.Fatal(err)
	}
	after := table.Read(t, id)
	if after.Mobile != before.Mobile || after.Inactive != before.Inactive || string(after.Note) != string(before.Note) {
		t.Errorf("another column changed: note %q", after.Note)
	}
	if !verifies(t, after.Password, another) || verifies(t, after.Password, secret) {
		t.Error("the row does not have the new password")
	}
	if tells && !after.Changed.After(past.AddDate(1, 0, 0)) {
		t.Errorf("the time of the change is %v", after.Changed)
	}
	if got := table.Read(t, bystanderID); got.Password != bystander.Password || (tells && !got.Changed.Equal(past)) {
		t.Error("another row changed")
	}
	// And what was read before is stale now, whatever the password.
	stale := rekey.Account{ID: id, Number: Number(t, mobile), Hash: before.Password}
	if err := table.Directory.SetPassword(t.Context(), stale, another); !errors.Is(err, rekey.ErrStale) {
		t.Errorf("%v, want ErrStale", err)
	}
}

func newHashesAreNeverWeaker(t *testing.T, harness Harness) {
	table := harness(t, userdb.Settings{HashFloor: "argon2id$m=128,t=2,p=1"})
	for before, want := range map[string]string{
		"argon2id$m=64,t=1,p=1":  "argon2id$m=128,t=2,p=1",
		"argon2id$m=256,t=1,p=1": "argon2id$m=256,t=2,p=1",
		"argon2id$m=256,t=3,p=2": "argon2id$m=256,t=3,p=2",
		"pbkdf2_sha256$1000":     "pbkdf2_sha256$600000",
		"pbkdf2_sha256$600001":   "pbkdf2_sha256$600001",
	} {
		id := table.Insert(t, Row{Mobile: mobile, Password: Hash(t, before, secret)})
		if err := table.Directory.SetPassword(t.Context(), one(t, table, mobile), another); err != nil {
			t.Fatalf("%s: %v", before, err)
		}
		hash, err := passhash.Parse(table.Read(t, id).Password)
		if err != nil {
			t.Fatal(err)
		}
		if got := hash.Recipe().String(); got != want {
			t.Errorf("%s became %s, want %s", before, got, want)
		}
		table.Delete(t, id)
	}
}

func hugeCostsAreNeverWorkedOn(t *testing.T, harness Harness) {
	// Not even where a row without a usable example may be replaced: what replaces it would be weaker.
	table := harness(t, userdb.Settings{Hash: Cheap, HashFloor: Cheap, RecoverUnusable: true})
	for _, what := range []string{"huge", "unbounded"} {
		hash := unrecoverable(t)[what]
		id := table.Insert(t, Row{Mobile: mobile, Password: hash})
		if accounts := find(t, table, mobile); len(accounts) != 0 {
			t.Errorf("%s: found", what)
		}
		a := rekey.Account{ID: id, Number: Number(t, mobile), Hash: hash}
		if err := table.Directory.SetPassword(t.Context(), a, another); !errors.Is(err, passhash.ErrBounds) {
			t.Errorf("%s: %v, want ErrBounds", what, err)
		}
		if table.Read(t, id).Password != hash {
			t.Errorf("%s: replaced", what)
		}
		table.Delete(t, id)
	}
}

func oneOfManyWins(t *testing.T, harness Harness) {
	const many = 500
	table := harness(t, cheap())
	id := table.Insert(t, Row{Mobile: mobile, Password: Hash(t, Cheap, secret)})
	a := one(t, table, mobile)
	var wins atomic.Int64
	var winner atomic.Value
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			password := fmt.Sprintf("password%d", i)
			switch err := table.Directory.SetPassword(t.Context(), a, password); {
			case err == nil:
				wins.Add(1)
				winner.Store(password)
			case !errors.Is(err, rekey.ErrStale) && !errors.Is(err, rekey.ErrBusy):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if wins.Load() != 1 {
		t.Fatalf("%d of %d set the password", wins.Load(), many)
	}
	if !verifies(t, table.Read(t, id).Password, winner.Load().(string)) {
		t.Error("the password of the one that was told so is not set")
	}
}

func changedRowIsStale(t *testing.T, harness Harness) {
	table := harness(t, cheap())
	hash := Hash(t, Cheap, secret)
	last := len(hash) - 2
	for what, change := range map[string]func(r *Row){
		"password changed":              func(r *Row) { r.Password = Hash(t, Cheap, another) },
		"password hashed again":         func(r *Row) { r.Password = Hash(t, Cheap, secret) },
		"password differs in case":      func(r *Row) { r.Password = hash[:last] + swapCase(hash[last:]) },
		"password has a trailing space": func(r *Row) { r.Password = hash + " " },
		"password removed":              func(r *Row) { r.Password = "" },
		"password locked":               func(r *Row) { r.Password = "!" + hash },
		"number moved":                  func(r *Row) { r.Mobile = other },
		"number has a trailing space":   func(r *Row) { r.Mobile = mobile + " " },
		"number in full-width digits":   func(r *Row) { r.Mobile = fullWidth },
		"deactivated":                   func(r *Row) { r.Inactive = true },
	} {
		row := Row{Mobile: mobile, Password: hash, Changed: past}
		id := table.Insert(t, row)
		a := one(t, table, mobile)
		change(&row)
		table.Update(t, id, row)
		if err := table.Directory.SetPassword(t.Context(), a, another); !errors.Is(err, rekey.ErrStale) {
			t.Errorf("%s: %v, want ErrStale", what, err)
		}
		if got := table.Read(t, id); got.Mobile != row.Mobile || got.Password != row.Password || got.Inactive != row.Inactive {
			t.Errorf("%s: the row changed", what)
		}
		table.Delete(t, id)
		if err := table.Directory.SetPassword(t.Context(), a, another); !errors.Is(err, rekey.ErrStale) {
			t.Errorf("%s, then deleted: %v, want ErrStale", what, err)
		}
	}
	// The number went to another account: neither row is touched.
	old := table.Insert(t, Row{Mobile: mobile, Password: hash})
	a := one(t, table, mobile)
	table.Update(t, old, Row{Mobile: other, Password: hash})
	heir := table.Insert(t, Row{Mobile: mobile, Password: hash})
	if err := table.Directory.SetPassword(t.Context(), a, another); !errors.Is(err, rekey.ErrStale) {
		t.Errorf("moved number: %v, want ErrStale", err)
	}
	if table.Read(t, old).Password != hash || table.Read(t, heir).Password != hash {
		t.Error("moved number: a row changed")
	}
}

func ownChangeIsNeverOverwritten(t *testing.T, harness Harness) {
	table := harness(t, cheap())
	for range 30 {
		row := Row{Mobile: mobile, Password: Hash(t, Cheap, secret)}
		id := table.Insert(t, row)
		a := one(t, table, mobile)
		row.Password = Hash(t, Cheap, "the application's")
		var both sync.WaitGroup
		both.Go(func() {
			err := table.Directory.SetPassword(t.Context(), a, another)
			if err != nil && !errors.Is(err, rekey.ErrStale) && !errors.Is(err, rekey.ErrBusy) {
				t.Error(err)
			}
		})
		both.Go(func() { table.Update(t, id, row) })
		both.Wait()
		// Whoever came first: the application's change is unconditional, so it stands at the end.
		if table.Read(t, id).Password != row.Password {
			t.Fatal("the application's own change was overwritten")
		}
		table.Delete(t, id)
	}
}

func faultIsNotStale(t *testing.T, harness Harness) {
	table := harness(t, cheap())
	row := Row{Mobile: mobile, Password: "plain text"}
	id := table.Insert(t, row)
	err := table.Directory.SetPassword(t.Context(), rekey.Account{ID: id, Number: Number(t, mobile), Hash: row.Password}, another)
	if err == nil || errors.Is(err, rekey.ErrStale) || errors.Is(err, rekey.ErrBusy) {
		t.Errorf("%v, want a plain error", err)
	}
	if table.Read(t, id).Password != row.Password {
		t.Error("the row changed")
	}
}

func contextEndsEverything(t *testing.T, harness Harness) {
	table := harness(t, cheap())
	hash := Hash(t, Cheap, secret)
	id := table.Insert(t, Row{Mobile: mobile, Password: hash})
	a := one(t, table, mobile)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := table.Directory.Find(ctx, Number(t, mobile)); !errors.Is(err, context.Canceled) {
		t.Errorf("Find: %v", err)
	}
	if _, err := a.Verify(ctx, secret); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify: %v", err)
	}
	if err := table.Directory.SetPassword(ctx, a, another); !errors.Is(err, context.Canceled) || errors.Is(err, rekey.ErrStale) {
		t.Errorf("SetPassword: %v", err)
	}
	if table.Read(t, id).Password != hash {
		t.Error("the row changed")
	}
	// Cut somewhere in the middle, a hundred times: the password is the old one or the new one, and nothing is stuck.
	for i := range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		password := fmt.Sprintf("password%d", i)
		cut := make(chan struct{})
		go func() {
			defer close(cut)
			for range i * 20 { // a little later each time, on whatever machine
				_ = ctx.Err()
			}
			cancel()
		}()
		a := one(t, table, mobile)
		err := table.Directory.SetPassword(ctx, a, password)
		<-cut
		cancel()
		stored := table.Read(t, id).Password
		if err == nil && !verifies(t, stored, password) {
			t.Fatal("set without an error, but not there")
		}
		if stored != a.Hash && !verifies(t, stored, password) {
			t.Fatal("neither the old password nor the new one")
		}
	}
	if err := table.Directory.SetPassword(t.Context(), one(t, table, mobile), another); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func errorsSayNoSecrets(t *testing.T, harness Harness) {
	table := harness(t, cheap())
	hash := Hash(t, Cheap, secret)
	id := table.Insert(t, Row{Mobile: mobile, Password: hash})
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, ctx := range []context.Context{t.Context(), cancelled} {
		for _, stored := range []string{"", hash + " ", "md5$" + secret, strings.Repeat(hash, 9), unrecoverable(t)["huge"]} {
			a := rekey.Account{ID: id, Number: Number(t, mobile), Hash: stored}
			err := table.Directory.SetPassword(ctx, a, another)
			if err == nil {
				t.Fatal("a stale account was taken")
			}
			for _, canary := range []string{mobile, secret, another, "$v=19$", hash[len(hash)-20:]} {
				if strings.Contains(err.Error(), canary) {
					t.Errorf("an error says a secret: %v", err)
				}
			}
		}
	}
}

// Number is a number of the default plan.
func Number(t *testing.T, mobile string) rekey.Number {
	t.Helper()
	n, err := rekey.ChinaMobile(mobile)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Hash is a hash of password made with the recipe.
func Hash(t *testing.T, recipe, password string) string {
	t.Helper()
	r, err := passhash.ParseRecipe(recipe)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := r.Make(password)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func find(t *testing.T, table Table, mobile string) []rekey.Account {
	t.Helper()
	accounts, err := table.Directory.Find(t.Context(), Number(t, mobile))
	if err != nil {
		t.Fatal(err)
	}
	return accounts
}

func one(t *testing.T, table Table, mobile string) rekey.Account {
	t.Helper()
	accounts := find(t, table, mobile)
	if len(accounts) != 1 {
		t.Fatalf("%d accounts, want one", len(accounts))
	}
	return accounts[0]
}

func verifies(t *testing.T, stored, password string) bool {
	t.Helper()
	hash, err := passhash.Parse(stored)
	if err != nil {
		t.Fatalf("the password column does not hold a hash: %v", err)
	}
	return hash.Verify(password)
}

// swapCase turns letters into those of the other case, and changes something in any case.
func swapCase(s string) string {
	upper := strings.ToUpper(s)
	if upper == s {
		upper = strings.ToLower(s)
	}
	if upper == s {
		return s + "x"
	}
	return upper
}
