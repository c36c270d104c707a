package userdb_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rekey"
	"rekey/cmd/rekey/databases"
	"rekey/passhash"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

func TestSettingsTellEveryFault(t *testing.T) {
	t.Parallel()
	bad := userdb.Settings{
		Table: "users\x00", ID: strings.Repeat("x", 65), Mobile: "mob\nile", Password: "\xff", Active: "a,,b",
		MobileFormat: "local", Hash: "rot13", HashFloor: "argon2id$m=1", HashMemory: -1,
	}
	if got, want := keys(t, bad.Validate()), "table id mobile password active mobile_format hash_memory hash hash_floor"; got != want {
		t.Errorf("faults in %s, want %s", got, want)
	}
	for setting, s := range map[string]userdb.Settings{
		"preset": {Preset: "myspace"},
		"table":  {Table: "schema."},
		"active": {Active: "=1"},
		"hash":   {Hash: "argon2id$m=4194304,t=1,p=1"},
	} {
		if got := keys(t, s.Validate()); got != setting {
			t.Errorf("faults in %q, want %s", got, setting)
		}
	}
	for _, s := range []userdb.Settings{
		{}, {Preset: "rekey", MobileFormat: "e164", Hash: "auto"}, {Table: "main.users", Active: "status=0, del_flag=0"},
		{Hash: "pbkdf2_sha256$700000", HashFloor: "argon2id"},
	} {
		if err := s.Validate(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	// A hash that would never find the memory is a fault at the start, not at the first reset.
	if _, err := userdb.New(t.Context(), options(t, userdb.Settings{HashMemory: 1 << 20})); keys(t, err) != "hash" {
		t.Errorf("too little memory: %v", err)
	}
	o := options(t, userdb.Settings{Preset: "custom", Table: "a.b", ID: "id", Active: "x"})
	if _, err := userdb.NewEmbedded(t.Context(), o); keys(t, err) != "preset table id active" {
		t.Errorf("the embedded table: %v", err)
	}
}

// keys are the settings that a joined error finds fault with.
func keys(t *testing.T, err error) string {
	t.Helper()
	var all []string
	each := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		each = joined.Unwrap()
	}
	for _, err := range each {
		if fault, ok := errors.AsType[*userdb.SettingError](err); ok {
			all = append(all, fault.Key)
		} else if err != nil {
			t.Errorf("not a fault of a setting: %v", err)
		}
	}
	return strings.Join(all, " ")
}

func TestMigrateMaySafelyRunAgainAndAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		o := d.options(userdb.Settings{Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, err := userdb.NewEmbedded(t.Context(), o); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		add(t, embedded(t, o), "13800000001")
		e := embedded(t, o)
		if err := errors.Join(e.Ping(t.Context()), e.Rehearse(t.Context())); err != nil {
			t.Error(err)
		}
		if len(list(t, e)) != 1 {
			t.Error("migrating again lost a user")
		}
		// Two embedded tables may live in one database.
		o.Settings.Table = "customers"
		add(t, embedded(t, o), "13800000001")
		if len(list(t, e)) != 1 {
			t.Error("a second table is not a table of its own")
		}
	})
}

// What changes MySQL's schema stays, so that a migration may be found half done.
func TestT17_AMigrationThatWasCutIsDoneAgain(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		d.exec(t, "CREATE TABLE rekey_users_schema (name VARCHAR(64) NOT NULL PRIMARY KEY, version INTEGER NOT NULL)")
		e := embedded(t, d.options(userdb.Settings{Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap}))
		add(t, e, "13800000001")
		if d.Kind != databases.MySQL {
			return // it is a transaction
		}
		d.exec(t, "UPDATE rekey_users_schema SET version = 0")
		e = embedded(t, d.options(userdb.Settings{Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap}))
		if len(list(t, e)) != 1 || value[int](t, d, "SELECT COUNT(*) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND COLUMN_NAME = 'mobile'") != 1 {
			t.Error("the table is not as it was")
		}
	})
}

func TestMigrateRefusesAStrangersTableAndALaterVersion(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		d.exec(t, "CREATE TABLE users (uid INTEGER PRIMARY KEY, mobile VARCHAR(20))")
		if _, err := userdb.NewEmbedded(t.Context(), d.options(userdb.Settings{})); err == nil || !strings.Contains(err.Error(), "users.preset") {
			t.Errorf("a stranger's table: %v", err)
		}
		if _, err := d.Read.ExecContext(t.Context(), "SELECT * FROM rekey_users_schema"); err == nil {
			t.Error("a stranger's database was written to")
		}

		d.exec(t, "DROP TABLE users")
		o := d.options(userdb.Settings{})
		embedded(t, o)
		d.exec(t, "UPDATE rekey_users_schema SET version = 99")
		if _, err := userdb.NewEmbedded(t.Context(), o); err == nil || !strings.Contains(err.Error(), "version 99") {
			t.Errorf("a later version: %v", err)
		}
	})
}

func TestAddAndList(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		e := embedded(t, d.options(userdb.Settings{}))
		n := number(t, "13800000001")
		id, err := e.Add(t.Context(), userdb.NewUser{Number: n, Password: "Abc123"})
		if err != nil {
			t.Fatal(err)
		}
		if a := account(t, e, "13800000001"); a.ID != id || !has(t, e, "13800000001", "Abc123") || has(t, e, "13800000001", "Abc124") {
			t.Error("the user who was added is not the one found")
		}
		if _, err := e.Add(t.Context(), userdb.NewUser{Number: n, Password: "Abc123"}); !errors.Is(err, userdb.ErrDuplicate) {
			t.Errorf("a second time: %v, want ErrDuplicate", err)
		}
		if _, err := e.Add(t.Context(), userdb.NewUser{Number: n, Password: "Abc123", Duplicate: true}); err != nil {
			t.Errorf("a second time on purpose: %v", err)
		}
		if _, err := e.Add(t.Context(), userdb.NewUser{Password: "Abc123"}); !errors.Is(err, rekey.ErrNumberForm) {
			t.Errorf("without a number: %v", err)
		}
		users := list(t, e)
		if len(users) != 2 {
			t.Fatalf("%d users, want 2", len(users))
		}
		u := users[0]
		if u.ID != id || u.Mobile != "13800000001" || !u.Active || u.Hash != "argon2id$m=19456,t=2,p=1" ||
			time.Since(u.Created).Abs() > time.Hour || !u.Changed.Equal(u.Created) {
			t.Errorf("listed as %+v", u)
		}
		for range e.List(t.Context()) {
			break // leaves the connection behind it free
		}
	})
}

func TestAddSpellsTheNumberAsTheColumnDoes(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{"": "13800000001", "national": "13800000001", "e164": "+8613800000001"} {
		e := embedded(t, options(t, userdb.Settings{MobileFormat: format, Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap}))
		add(t, e, "13800000001")
		if got := list(t, e)[0].Mobile; got != want {
			t.Errorf("%q: stored as %s, want %s", format, got, want)
		}
	}
}

func TestAddOfManyAtOnceAddsOne(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		e := embedded(t, d.options(userdb.Settings{Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap}))
		release := d.holdInserts(t)
		var adding sync.WaitGroup
		adding.Go(func() {
			race(50, func(int) {
				err := error(rekey.ErrBusy)
				for errors.Is(err, rekey.ErrBusy) { // those who waited for the others' hashes for too long come again
					_, err = e.Add(t.Context(), userdb.NewUser{Number: number(t, somebody), Password: oldOne})
				}
				if err != nil && !errors.Is(err, userdb.ErrDuplicate) {
					t.Error(err)
				}
			})
		})
		// One hash follows the other, so that they would hardly meet in the database by themselves.
		if d.Kind != databases.SQLite { // which has one writer
			waitFor(t, "crowd", func() bool { return d.Write.Stats().InUse >= 5 })
		}
		release()
		adding.Wait()
		if users := list(t, e); len(users) != 1 {
			t.Errorf("%d users", len(users))
		}
		// Those that nothing has to be hashed for meet in the database.
		const people = 30
		var file strings.Builder
		hash := userdbtest.Hash(t, userdbtest.Cheap, oldOne)
		for i := range people {
			fmt.Fprintf(&file, "139%08d,%q\n", i, hash)
		}
		var added atomic.Int64
		race(8, func(int) {
			done, err := e.Import(t.Context(), strings.NewReader(file.String()), userdb.Import{Plan: rekey.ChinaMobile, Hashed: true, SkipBad: true})
			if err != nil {
				t.Error(err)
			}
			added.Add(int64(done.Added))
		})
		if users := list(t, e); len(users) != 1+people || added.Load() != people {
			t.Errorf("%d users, of whom %d are said to be imported", len(users), added.Load())
		}
	})
}

// holdInserts makes whoever inserts into users wait for release.
func (d *database) holdInserts(t testing.TB) (release func()) {
	t.Helper()
	switch d.Kind {
	case databases.PostgreSQL:
		tx, err := d.own.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("LOCK TABLE users IN SHARE MODE"); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := tx.Commit(); err != nil {
				t.Error(err)
			}
		}
	case databases.MySQL:
		d.exec(t, "LOCK TABLES users READ")
		return func() { d.exec(t, "UNLOCK TABLES") }
	default:
		return func() {}
	}
}

func TestImportAddsAllOrNothing(t *testing.T) {
	t.Parallel()
	for _, engine := range append(engines(), pgBouncer()) {
		t.Run(engine.name, func(t *testing.T) {
			t.Parallel()
			e := embedded(t, engine.open(t).options(userdb.Settings{Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap}))
			add(t, e, "13800000002")
			const file = "13800000001,Abc123\n13800000002,Abc124\n13800000003,Abc125\n"
			for range 3 { // behind a pooler, the next may meet another server
				done, err := e.Import(t.Context(), strings.NewReader(file), userdb.Import{Plan: rekey.ChinaMobile})
				if !errors.Is(err, userdb.ErrBadLines) || len(done.Bad) != 1 || done.Bad[0].Line != 2 || !errors.Is(done.Bad[0].Cause, userdb.ErrDuplicate) {
					t.Errorf("%v, %v, want that line 2 is bad", err, done.Bad)
				}
			}
			if len(list(t, e)) != 1 {
				t.Error("a part was imported")
			}
			hashed := fmt.Sprintf("13800000002,%[1]q\n13800000004,%[1]q\n", userdbtest.Hash(t, userdbtest.Cheap, "Abc126"))
			for _, c := range []struct {
				file   string
				hashed bool
				adds   int
			}{{file, false, 2}, {file, false, 0}, {hashed, true, 1}, {hashed, true, 0}} {
				done, err := e.Import(t.Context(), strings.NewReader(c.file), userdb.Import{Plan: rekey.ChinaMobile, SkipBad: true, Hashed: c.hashed})
				if err != nil || done.Added != c.adds {
					t.Errorf("%d added, %v, want %d", done.Added, err, c.adds)
				}
			}
			if !has(t, e, "13800000001", "Abc123") || !has(t, e, "13800000002", "Abc123") || !has(t, e, "13800000004", "Abc126") {
				t.Error("the passwords are not those of the files")
			}
		})
	}
}

func TestT36_TheLogTellsWhichRowIsBeyondRecoveryAndNoSecret(t *testing.T) {
	t.Parallel()
	o := options(t, userdb.Settings{})
	var log bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	e := embedded(t, o)
	exec(t, o.Write, "INSERT INTO users (id, mobile, password) VALUES (42, '13800000001', 'md5$canary'), (43, '13800000001', '!canary')")
	if accounts, err := e.Find(t.Context(), userdbtest.Number(t, "13800000001")); err != nil || len(accounts) != 0 {
		t.Fatalf("%d accounts, %v", len(accounts), err)
	}
	said := log.String()
	if !strings.Contains(said, "user=42") || !strings.Contains(said, passhash.ErrUnknown.Error()) {
		t.Errorf("the log does not tell: %s", said)
	}
	if strings.Contains(said, "canary") || strings.Contains(said, "13800000001") || strings.Contains(said, "user=43") {
		t.Errorf("the log tells too much: %s", said)
	}
}

func BenchmarkFind(b *testing.B) {
	o := options(b, userdb.Settings{})
	e := embedded(b, o)
	fill(b, e, 100_000)
	numbers := make([]rekey.Number, 1000)
	for i := range numbers {
		n, err := rekey.ChinaMobile(fmt.Sprintf("138%08d", i*97))
		if err != nil {
			b.Fatal(err)
		}
		numbers[i] = n
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			accounts, err := e.Find(b.Context(), numbers[i%len(numbers)])
			if err != nil || len(accounts) != 1 {
				b.Errorf("%d accounts, %v", len(accounts), err)
				return
			}
		}
	})
}

func BenchmarkImportHashed(b *testing.B) {
	for b.Loop() {
		fill(b, embedded(b, options(b, userdb.Settings{})), 100_000)
	}
}

// fill imports users from 13800000000 on.
func fill(b testing.TB, e *userdb.Embedded, users int) {
	b.Helper()
	var file bytes.Buffer
	for i := range users {
		fmt.Fprintf(&file, "138%08d,\"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRz%04d$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc\"\n", i, i%10_000)
	}
	done, err := e.Import(b.Context(), &file, userdb.Import{Plan: rekey.ChinaMobile, Hashed: true})
	if err != nil || done.Added != users {
		b.Fatalf("%d added, %v, %v", done.Added, err, done.Bad[:min(3, len(done.Bad))])
	}
}

// TestT41_APasswordThatBcryptWouldCutIsRefused: bcrypt reads 72 bytes and no more, so that a longer password would be
// stored as another, shorter one.
func TestT41_APasswordThatBcryptWouldCutIsRefused(t *testing.T) {
	t.Parallel()
	o := options(t, userdb.Settings{HashFloor: "bcrypt$2y$04"})
	e := embedded(t, o)
	n := userdbtest.Number(t, "13800000001")
	const stored = "$2y$04$......................Kd4sNz3dzYYDRIGzoBdVBWSlD5vHQsW" // of nothing that anybody knows
	if _, err := o.Write.Exec("INSERT INTO users (mobile, password) VALUES (?, ?)", n.National(), stored); err != nil {
		t.Fatal(err)
	}
	accounts, err := e.Find(t.Context(), n)
	if err != nil || len(accounts) != 1 {
		t.Fatalf("%d accounts, %v", len(accounts), err)
	}
	if err := e.SetPassword(t.Context(), accounts[0], strings.Repeat("x", 73)); !errors.Is(err, rekey.ErrPassword) {
		t.Fatalf("SetPassword: %v", err)
	}
	if err := e.SetPassword(t.Context(), accounts[0], strings.Repeat("x", 72)); err != nil {
		t.Fatal(err)
	}
	accounts, err = e.Find(t.Context(), n)
	if err != nil || !strings.HasPrefix(accounts[0].Hash, "$2y$") {
		t.Fatalf("the row lost its format: %v", err)
	}
	if right, err := accounts[0].Verify(t.Context(), strings.Repeat("x", 72)); err != nil || !right {
		t.Fatalf("%v, %v", right, err)
	}
}
