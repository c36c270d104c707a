package userdb_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"rekey"
	"rekey/cmd/rekey/databases"
	"rekey/passhash"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// Digests that nobody should have stored, of the password "lètmein".
const (
	saltedMD5    = "md5$seasalt$3f86d0d3d465b7b458c231bf3555c0e3"
	saltedSHA1   = "sha1$seasalt$cff36ea83f5706ce9aa7454e63e431fc726b2dc8"
	unsaltedMD5  = "88a434c88cca4e900f7874cd98123f43"
	unsaltedSHA1 = "6d138ca3ae545631b3abd71a4f076ce759c5700b"
)

// The formats have the same say on every engine, so that one does.
func TestARowIsRecoveredIfItsApplicationReadsItsHash(t *testing.T) {
	t.Parallel()
	const dear = "lètmein"
	d := sqliteFile(t, newFile(t))
	d.exec(t, "CREATE TABLE accounts (id {id}, mobile VARCHAR(20), password VARCHAR(255))")
	bcrypt, argon := userdbtest.Hash(t, "bcrypt$2y$04", dear), userdbtest.Hash(t, "argon2id$m=64,t=1,p=1", dear)
	argoni := userdbtest.Hash(t, "argon2i$m=64,t=1,p=1", dear)
	django, aspnet := userdbtest.Hash(t, "pbkdf2_sha256$1000", dear), userdbtest.Hash(t, "aspnet_sha256$1000", dear)
	djangoI := "argon2" + argoni
	for _, c := range []struct {
		preset, hash string
		stored       string
		becomes      string // the recipe, or the beginning of it; empty: the row is not found
	}{
		{"rekey", "", argon, "argon2id$m=64,t=1,p=1"},
		{"rekey", "", bcrypt, "bcrypt$2y$04"},
		{"rekey", "", saltedMD5, ""},
		{"rekey", "argon2id", saltedMD5, "argon2id$"},
		{"rekey", userdbtest.Cheap, "plain text", userdbtest.Cheap},
		{"django", "", django, "pbkdf2_sha256$1000"},
		{"django", "", djangoI, "django_argon2$"},
		{"django", "", saltedMD5, "pbkdf2_sha256$600000"},
		{"django", "pbkdf2_sha256$1000", saltedSHA1, "pbkdf2_sha256$1000"},
		{"django", "pbkdf2_sha256$1000", unsaltedMD5, "pbkdf2_sha256$1000"},
		{"django", "pbkdf2_sha256$1000", unsaltedSHA1, "pbkdf2_sha256$1000"},
		{"django", "django_argon2", saltedMD5, "django_argon2$"},
		{"django", "django_argon2", django, "pbkdf2_sha256$1000"},
		{"django", "", bcrypt, ""}, // without Django's own prefix
		{"django", "pbkdf2_sha256$1000", bcrypt, "pbkdf2_sha256$1000"},
		{"django", "", "plain text", ""},
		{"laravel", "", bcrypt, "bcrypt$2y$04"},
		{"laravel", "", argon, "argon2id$m=64,t=1,p=1"},
		{"laravel", "", argoni, "argon2i$m=64,t=1,p=1"},
		{"laravel", "", unsaltedMD5, ""},
		{"laravel", "bcrypt$2y$05", unsaltedMD5, "bcrypt$2y$05"},
		{"laravel", "", django, ""},
		{"laravel", "argon2id$m=64,t=1,p=1", django, "argon2id$m=64,t=1,p=1"},
		{"devise", "", bcrypt, "bcrypt$2y$04"},
		{"devise", "", argon, ""},
		{"spring", "", "{bcrypt}" + bcrypt, "{bcrypt}$2y$04"},
		{"spring", "", bcrypt, "bcrypt$2y$04"},
		{"spring", "", "{noop}" + dear, "{bcrypt}$2a$10"},
		{"spring", "", unsaltedMD5, ""},
		{"ruoyi", "", bcrypt, "bcrypt$2y$04"},
		{"ruoyi", "", argon, ""},
		{"ruoyi", "bcrypt$2a$05", argon, "bcrypt$2a$05"},
		{"gin-vue-admin", "", bcrypt, "bcrypt$2y$04"},
		{"gin-vue-admin", "", unsaltedMD5, ""}, // of its first versions, which the later do not read
		{"custom", "", bcrypt, "bcrypt$2y$04"},
		{"custom", "", aspnet, "aspnet_sha256$1000"},
		{"custom", "", saltedMD5, ""},
		{"custom", "werkzeug_pbkdf2_sha512$1000", saltedMD5, "werkzeug_pbkdf2_sha512$1000"},
		{"custom", "bcrypt", "", ""},
	} {
		what := fmt.Sprintf("%s, hash %q: %.16s…", c.preset, c.hash, c.stored)
		floor := c.becomes // so that what is kept is cheap
		if strings.HasSuffix(floor, "$") {
			floor = ""
		}
		s := userdb.Settings{Preset: c.preset, Table: "accounts", ID: "id", Mobile: "mobile", Password: "password", Active: "none", Hash: c.hash, HashFloor: floor}
		d.exec(t, "DELETE FROM accounts")
		d.exec(t, "INSERT INTO accounts VALUES (1, ?, ?)", somebody, c.stored)
		table := d.table(t, s)
		found, err := table.Find(t.Context(), number(t, somebody))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if c.becomes == "" {
			a := rekey.Account{ID: "1", Number: number(t, somebody), Hash: c.stored}
			if err := table.SetPassword(t.Context(), a, newOne); len(found) != 0 || err == nil || errors.Is(err, rekey.ErrStale) {
				t.Errorf("%s: %d accounts, and set with %v", what, len(found), err)
			}
			if value[string](t, d, "SELECT password FROM accounts") != c.stored {
				t.Errorf("%s: it was replaced", what)
			}
			continue
		}
		if len(found) != 1 {
			t.Errorf("%s: %d accounts", what, len(found))
			continue
		}
		if c.stored != "plain text" {
			if right, err := found[0].Verify(t.Context(), dear); err != nil || !right {
				t.Errorf("%s: the password that it was made of is not the right one: %v", what, err)
			}
		}
		if right, err := found[0].Verify(t.Context(), dear+"x"); err != nil || right {
			t.Errorf("%s: another is: %v", what, err)
		}
		if err := table.SetPassword(t.Context(), found[0], newOne); err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		hash, err := passhash.Parse(value[string](t, d, "SELECT password FROM accounts"))
		if err != nil || !strings.HasPrefix(hash.Recipe().String(), c.becomes) || !hash.Verify(newOne) {
			t.Errorf("%s: became %v, %v, want %s", what, hash, err, c.becomes)
		}
	}
}

func TestWhoeverMayHaveNoPasswordNeedsAHashThatIsNamed(t *testing.T) {
	t.Parallel()
	s := userdb.Settings{Preset: "custom", Table: "t", ID: "a", Mobile: "b", Password: "c", RecoverUnusable: true}
	if err := s.Validate(); keys(t, err) != "hash" || !strings.Contains(err.Error(), "recover_unusable") {
		t.Errorf("without one: %v", err)
	}
	s.Hash = "aspnet_sha512"
	if err := s.Validate(); err != nil {
		t.Errorf("with one: %v", err)
	}
	for preset, hash := range map[string]string{"laravel": "pbkdf2_sha256", "devise": "argon2id", "ruoyi": "{bcrypt}", "django": "bcrypt", "wordpress": "argon2id"} {
		if err := (userdb.Settings{Preset: preset, Hash: hash}).Validate(); keys(t, err) != "hash" || !strings.Contains(err.Error(), "write one of") {
			t.Errorf("%s can't read %s: %v", preset, hash, err)
		}
	}
}

// TestT41_AHashThatDoesNotFitTheColumnIsNeverCut: as many characters as the old one has are too few where it is raised.
func TestT41_AHashThatDoesNotFitTheColumnIsNeverCut(t *testing.T) {
	t.Parallel()
	stored := userdbtest.Hash(t, userdbtest.Cheap, oldOne)
	for _, e := range engines()[1:] { // of SQLite's columns none has a length
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			d := e.open(t)
			d.exec(t, fmt.Sprintf("CREATE TABLE users (id {id}, mobile VARCHAR(20), password VARCHAR(%d), is_active BOOLEAN)", len(stored)))
			d.exec(t, "INSERT INTO users VALUES (1, ?, ?, ?)", somebody, stored, true)
			lenient := d.server.Open(t)
			lenient.SetMaxOpenConns(1)
			o := d.options(userdb.Settings{})
			for range 2 {
				table, err := userdb.New(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				err = table.SetPassword(t.Context(), account(t, table, somebody), newOne)
				plain(t, "SetPassword", err)
				if err != nil && (!strings.Contains(err.Error(), "column password") || !strings.Contains(err.Error(), "wider")) {
					t.Errorf("%v, want that the column be made wider", err)
				}
				if value[string](t, d, "SELECT password FROM users") != stored {
					t.Error("something was written")
				}
				if e.name == "MariaDB" { // which then cuts what is too long
					exec(t, lenient, "SET SESSION sql_mode = ''")
				}
				o.Read, o.Write = lenient, lenient
			}
			d.exec(t, "DROP TABLE users")
			d.exec(t, "CREATE TABLE users (id {id}, mobile VARCHAR(20), password VARCHAR(128), is_active BOOLEAN)")
			d.exec(t, "INSERT INTO users VALUES (1, ?, ?, ?)", somebody, stored, true)
			table := d.table(t, userdb.Settings{})
			if err := table.SetPassword(t.Context(), account(t, table, somebody), newOne); err != nil || !has(t, table, somebody, newOne) {
				t.Errorf("in a wider one: %v", err)
			}
		})
	}
}

func TestATokenThatDoesNotFitItsColumnIsAFault(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		d.exec(t, "CREATE TABLE users (id {id}, mobile VARCHAR(20), password VARCHAR(255), remember_token VARCHAR(59))")
		_, err := userdb.New(t.Context(), d.options(userdb.Settings{Preset: "laravel"}))
		if d.Kind == databases.SQLite {
			if err != nil {
				t.Error(err)
			}
		} else if keys(t, err) != "table" || !strings.Contains(err.Error(), "remember_token") {
			t.Errorf("%v, want that remember_token be made wider", err)
		}
	})
}
