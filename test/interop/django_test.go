package interop_test

import (
	"fmt"
	"net/http"
	"testing"
)

// django is a project of Django whose AUTH_USER_MODEL is model, on the table of that name.
func django(model, table string) framework {
	const (
		pbkdf2 = `^pbkdf2_sha256\$(\d+)\$[A-Za-z0-9]{22}\$[A-Za-z0-9+/]{43}=$`
		argon2 = `^argon2\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$[A-Za-z0-9+/]{30}\$[A-Za-z0-9+/]{43}$`
		bcrypt = `\$2b\$(\d\d)\$[./A-Za-z0-9]{53}$`
		scrypt = `^scrypt\$(\d+)\$[A-Za-z0-9]{22}\$(\d+)\$(\d+)\$[A-Za-z0-9+/]{86}==$`
	)
	// Those of the OWASP Password Storage Cheat Sheet; a row's own costs are more where Django's defaults are.
	owasp := []int{600_000}
	return framework{
		folder:  "django",
		peer:    []string{"/usr/bin/python3", "-B", "peer.py"},
		env:     []string{"USER_MODEL=" + model},
		probe:   []string{"/usr/bin/python3", "-c", "import django, argon2, bcrypt, psycopg2, MySQLdb"},
		install: "apt-get install python3-django python3-argon2 python3-bcrypt python3-psycopg2 python3-mysqldb",

		databases: []string{"sqlite", "postgres", "mysql"},
		tables:    map[string]string{table: "id"},
		table:     table,
		hash:      "password",

		formats: []format{
			{name: "pbkdf2_sha256", made: pbkdf2, least: owasp},
			{name: "pbkdf2_sha256 of 1,000,000", made: pbkdf2, least: []int{1_000_000}},
			{name: "pbkdf2_sha256 of 36,000", made: pbkdf2, least: owasp},
			{name: "pbkdf2_sha1", made: pbkdf2, least: owasp},
			{name: "argon2", made: argon2, least: []int{102400, 2, 8}},
			{name: "argon2 of 512 KiB", made: argon2, least: []int{19456, 2, 2}},
			{name: "bcrypt_sha256", made: `^bcrypt_sha256\$` + bcrypt, least: []int{12}},
			{name: "bcrypt", made: `^bcrypt\$` + bcrypt, least: []int{12}, longest: 72},
			{name: "scrypt", made: scrypt, least: []int{1 << 14, 8, 5}},
			{name: "sha1", made: pbkdf2, least: owasp},
			{name: "md5", made: pbkdf2, least: owasp},
			{name: "unsalted_sha1", made: pbkdf2, least: owasp},
			{name: "unsalted_md5", made: pbkdf2, least: owasp},
		},
		unusable: "unusable",
		inactive: true,
	}
}

func TestDjangoReadsWhatRekeyWrote(t *testing.T) {
	t.Parallel()
	f := django("auth.User", "auth_user")
	f.users = func(database) string { return "preset = \"django\"\nmobile = \"username\"" }
	f.also = map[string]func(*site, *testing.T){
		"who can be recovered is Django's own decision": (*site).agreesWithDjango,
		"a first password": (*site).setsFirstPassword,
	}
	testFramework(t, f)
}

// agreesWithDjango compares what rekey counts with the users whom Django's own PasswordResetForm would mail a link to.
// Django finds them by their address, so a number's users share one.
func (s *site) agreesWithDjango(t *testing.T) {
	add := func(spelling, mobile, format string, active bool) {
		s.peer.ask(t, command{"do": "add", "mobile": spelling, "password": oldPassword, "format": format, "active": active,
			"email": mobile + "@example.com"})
	}
	theirs := func(mobile string) int {
		return s.peer.ask(t, command{"do": "recoverable", "email": mobile + "@example.com"}).Count
	}
	compare := func(who, mobile string, want int) {
		theirs, ours := theirs(mobile), s.rekey.count(t, mobile)
		if theirs != want || ours != want {
			t.Errorf("%s: Django counts %d, rekey %d, want %d", who, theirs, ours, want)
		}
	}
	compare("nobody", s.mobile(), 0)
	for _, form := range []string{"pbkdf2_sha256", "argon2 of 512 KiB", "md5", s.unusable} {
		for _, active := range []bool{true, false} {
			mobile, want := s.mobile(), 0
			if active && form != s.unusable {
				want = 1
			}
			add(mobile, mobile, form, active)
			compare(fmt.Sprintf("%s, active: %t", form, active), mobile, want)
		}
	}
	mobile := s.mobile()
	add(mobile, mobile, s.formats[0].name, true)
	add("+86"+mobile, mobile, s.formats[0].name, true)
	compare("two users", mobile, 2)
	mobile = s.mobile()
	add(mobile, mobile, s.formats[0].name, true)
	add("+86"+mobile, mobile, s.formats[0].name, false)
	add("86"+mobile, mobile, s.unusable, true)
	compare("a user beside an inactive one and one without a password", mobile, 1)

	// Here they differ: to Django an empty column is a usable password that nobody can type.
	mobile = s.mobile()
	add(mobile, mobile, "empty", true)
	if theirs, ours := theirs(mobile), s.rekey.count(t, mobile); theirs != 1 || ours != 0 {
		t.Errorf("an empty password: Django counts %d, want 1; rekey %d, want 0", theirs, ours)
	}
}

// setsFirstPassword is rekey with recover_unusable, for people who only ever signed in by SMS.
func (s *site) setsFirstPassword(t *testing.T) {
	r := serve(t, s.database, settings{users: s.users(s.database) + "\nrecover_unusable = true"})
	for _, none := range []string{s.unusable, "empty"} {
		mobile := s.mobile()
		id := s.peer.add(t, mobile, "", none)
		before := s.state(t, s.db, s.tables)
		if a := r.reset(t, mobile, newPassword); a.Errno != "0" {
			t.Fatalf("%s: the reset answers %+v", none, a)
		}
		after := s.state(t, s.db, s.tables)
		s.onlyWrites(t, before, after, id)
		if err := s.formats[0].check("", s.hashIn(after, id)); err != nil {
			t.Errorf("%s: %v", none, err)
		}
		if session := s.peer.login(t, mobile, newPassword); session == "" || s.peer.whose(t, session) != id {
			t.Errorf("%s: the framework refuses the first password", none)
		}

		gone := s.mobile()
		s.peer.ask(t, command{"do": "add", "mobile": gone, "password": "", "format": none, "active": false})
		if n := r.count(t, gone); n != 0 {
			t.Errorf("%s: an inactive user counts %d, want 0", none, n)
		}
	}
}

// TestDjangoCustomUserModelAmongMany is a user model from nothing, on a table of its own name in a schema of its own, with
// 2,000 people in it, and 100,000 where everything is asked for: Django takes half a minute for so many. The database is
// in another zone than Django, which keeps UTC.
func TestDjangoCustomUserModelAmongMany(t *testing.T) {
	t.Parallel()
	const first, one, neighbour = 15_000_000_000, "15000001321", "15000001322"
	many := 2_000
	if everything() {
		many = 100_000
	}
	for _, engine := range []string{"sqlite", "postgres", "mysql"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			table := map[string]string{"sqlite": "customer", "postgres": "shop.customer", "mysql": "customer"}[engine]
			f := django("accounts.User", table)
			f.env = append(f.env, "DB_SCHEMA=shop")
			f.users = func(db database) string {
				schema := map[string]string{"sqlite": "main", "postgres": "shop", "mysql": db.name}[engine]
				return fmt.Sprintf("preset = %q\ntable = %q\nmobile = %q", "django", schema+".customer", "mobile")
			}
			f.writes = []string{"password_changed_at"}
			f.need(t)
			s := newSiteOn(t, f, inShanghai(t, engine), "nist")
			s.recovers(t, s.formats[0], newPassword)

			s.peer.ask(t, command{"do": "bulk", "first": first, "count": many, "password": oldPassword})
			var id string
			if err := s.db.QueryRowContext(t.Context(), "SELECT id FROM "+table+" WHERE mobile = '"+one+"'").Scan(&id); err != nil {
				t.Fatal(err)
			}
			session := s.peer.login(t, one, oldPassword)
			if s.peer.whose(t, session) != id {
				t.Fatal("the framework refuses one of those that it made; nothing can be shown")
			}
			others, count, before := s.digest(t, s.db, table, "id", id)
			if count < many-1 {
				t.Fatalf("%d rows, want at least %d", count, many-1)
			}
			if a := s.rekey.reset(t, one, newPassword); a.Errno != "0" {
				t.Fatalf("the reset answers %+v", a)
			}
			othersNow, countNow, after := s.digest(t, s.db, table, "id", id)
			if others != othersNow || count != countNow {
				t.Errorf("other rows have changed: %d rows with digest %s were %d with %s", countNow, othersNow, count, others)
			}
			s.onlyWrites(t, before, after, id)
			if at := place(table, id, "password_changed_at"); before[at] != "NULL" || after[at] == "NULL" {
				t.Errorf("password_changed_at was %s and is %s, want it set", before[at], after[at])
			} else if age := s.peer.ask(t, command{"do": "age", "id": id}).Count; age < -600 || age > 600 {
				t.Errorf("Django takes the password to have been changed %d s ago", age)
			}
			if s.peer.whose(t, session) != "" {
				t.Error("the session from before lives on")
			}
			if s.peer.login(t, one, oldPassword) != "" || s.peer.login(t, one, newPassword) == "" {
				t.Error("the framework takes another password than the new one")
			}
			if s.peer.login(t, neighbour, newPassword) != "" || s.peer.login(t, neighbour, oldPassword) == "" {
				t.Error("the password of somebody else has changed")
			}
		})
	}
}

// TestDjangoNumberAsAnInteger is a BigIntegerField, which is not unique either.
func TestDjangoNumberAsAnInteger(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres", "mysql"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			f := django("numeric.User", "numeric_user")
			f.users = func(database) string { return "preset = \"django\"\ntable = \"numeric_user\"\nmobile = \"mobile\"" }
			f.need(t)
			s := newSite(t, f, engine, "nist")
			s.recovers(t, s.formats[0], newPassword)

			withCode := s.mobile()
			id := s.peer.add(t, "86"+withCode, oldPassword, s.formats[0].name)
			before := s.state(t, s.db, s.tables)
			if a := s.rekey.reset(t, withCode, newPassword); a.Errno != "0" {
				t.Fatalf("of a number with 86, the reset answers %+v", a)
			}
			s.onlyWrites(t, before, s.state(t, s.db, s.tables), id)
			if s.peer.login(t, "86"+withCode, newPassword) == "" {
				t.Error("the framework refuses the new password")
			}

			twice := s.mobile()
			ids := []string{
				s.peer.add(t, twice, oldPassword, s.formats[0].name), s.peer.add(t, twice, oldPassword, s.formats[0].name),
			}
			if ids[0] == ids[1] {
				t.Fatal("two users have one id")
			}
			before = s.state(t, s.db, s.tables)
			if n := s.rekey.count(t, twice); n != 2 {
				t.Errorf("two users with one number count %d, want 2", n)
			}
			if a := s.rekey.send(t, twice); a.Status != http.StatusOK || a.Errno != "4004" || s.rekey.code(t, twice) != "" {
				t.Errorf("a code for a number of two users: %+v", a)
			}
			if changed := before.changes(s.state(t, s.db, s.tables)); len(changed) > 0 {
				t.Errorf("changed: %q", changed)
			}
		})
	}
}
