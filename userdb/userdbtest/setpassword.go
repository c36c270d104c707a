package userdbtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"rekey"
	"rekey/passhash"
	"rekey/userdb"
)

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
	for floor, rows := range map[string]map[string]string{
		"argon2id$m=128,t=2,p=1": {
			"argon2id$m=64,t=1,p=1":  "argon2id$m=128,t=2,p=1",
			"argon2id$m=256,t=1,p=1": "argon2id$m=256,t=2,p=1",
			"argon2id$m=256,t=3,p=2": "argon2id$m=256,t=3,p=2",
		},
		"pbkdf2_sha256$2000": {
			"pbkdf2_sha256$1000":    "pbkdf2_sha256$2000",
			"pbkdf2_sha256$2001":    "pbkdf2_sha256$2001",
			"argon2id$m=64,t=1,p=1": "argon2id$m=19456,t=2,p=1", // the least of a format that has no floor
		},
	} {
		table := harness(t, userdb.Settings{HashFloor: floor})
		for before, want := range rows {
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
		if !table.holds(row.Mobile) {
			table.Delete(t, id)
			continue
		}
		before := table.Read(t, id)
		table.Update(t, id, row)
		row = table.Read(t, id)
		if row.Mobile == before.Mobile && row.Password == before.Password && row.Inactive == before.Inactive {
			if !strings.HasSuffix(what, "a trailing space") {
				t.Errorf("%s: nothing changed", what)
			}
			table.Delete(t, id) // a CHAR(n), which drops blanks at the end
			continue
		}
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
