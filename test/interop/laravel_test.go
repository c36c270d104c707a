package interop_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// laravel is a project of Laravel 8 as its installer makes it, with a mobile number added to its users table.
func laravel(env ...string) framework {
	const (
		bcrypt = `^\$2y\$(\d\d)\$[./A-Za-z0-9]{53}$`
		argon2 = `\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`
	)
	return framework{
		folder: "laravel",
		peer:   []string{"php", "peer.php"},
		env:    env,
		probe: []string{"php", "-r", `require 'Illuminate/autoload.php';
			exit(array_diff(['pdo_sqlite', 'pdo_pgsql', 'pdo_mysql'], get_loaded_extensions()) ? 1 : 0);`},
		install: "apt-get install php-cli php-laravel-framework php-mbstring php-mysql php-pgsql php-sqlite3 php-xml",

		databases: []string{"sqlite", "postgres", "mysql"},
		users:     func(database) string { return `preset = "laravel"` },
		tables:    map[string]string{"users": "id"},
		table:     "users",
		hash:      "password",
		writes:    []string{"remember_token", "updated_at"},

		formats: []format{
			{name: "bcrypt", made: bcrypt, least: []int{10}, longest: 72},
			{name: "bcrypt-12", made: bcrypt, least: []int{12}, longest: 72},
			{name: "argon", made: `^\$argon2i` + argon2, least: []int{65536, 4, 1}},
			{name: "argon2id", made: `^\$argon2id` + argon2, least: []int{65536, 4, 1}},
			{name: "argon2id-1024", made: `^\$argon2id` + argon2, least: []int{19456, 2, 2}},
		},
		unusable: "none",
	}
}

// TestLaravelReadsWhatRekeyWrote is a project whose users are deleted softly and whose sessions are in its database.
func TestLaravelReadsWhatRekeyWrote(t *testing.T) {
	t.Parallel()
	f := laravel("SOFT_DELETES=1", `AUTH_MODEL=App\Models\SoftDeletedUser`)
	f.inactive = true
	f.also = map[string]func(*site, *testing.T){
		"whoever was signed in no longer is":          (*site).signsOutOfLaravel,
		"a first password":                            (*site).givesFirstPassword,
		"the row is as Laravel's own reset leaves it": (*site).writesWhatLaravelWrites,
	}
	testFramework(t, f)
}

// TestLaravelWithoutSoftDeletes is a table without deleted_at.
func TestLaravelWithoutSoftDeletes(t *testing.T) {
	t.Parallel()
	f := laravel()
	f.need(t)
	for _, engine := range f.databases {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, f, engine, "nist")
			s.recovers(t, f.formats[0], newPassword)
		})
	}
}

// TestLaravelHasherThatTakesItsOwnAlone has 'verify' in config/hashing.php, which is the default since Laravel 11: a hash of
// another algorithm than the driver's is an error at login, not a refusal.
func TestLaravelHasherThatTakesItsOwnAlone(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"bcrypt", "argon", "argon2id"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			f := laravel("HASH_DRIVER="+driver, "HASH_VERIFY=true")
			f.need(t)
			i := slices.IndexFunc(f.formats, func(form format) bool { return form.name == driver })
			newSite(t, f, "sqlite", "nist").recovers(t, f.formats[i], newPassword)
		})
	}
}

// TestLaravelSessionsInFiles has no table of sessions. Those of routes behind the middleware AuthenticateSession die by the
// hash; the others live on, which docs/laravel.md says.
func TestLaravelSessionsInFiles(t *testing.T) {
	t.Parallel()
	for name, lives := range map[string]bool{"true": false, "false": true} {
		t.Run("AuthenticateSession "+name, func(t *testing.T) {
			t.Parallel()
			f := laravel("SESSION_DRIVER=file", "SESSION_AUTHENTICATE="+name)
			f.need(t)
			s := newSite(t, f, "sqlite", "nist")
			mobile := s.mobile()
			id := s.peer.add(t, mobile, oldPassword, "bcrypt")
			session, remembered := s.peer.login(t, mobile, oldPassword), s.remembered(t, mobile)
			for _, cookies := range []string{session, remembered} {
				if s.peer.whose(t, cookies) != id {
					t.Fatal("no session to begin with")
				}
			}
			if a := s.rekey.reset(t, mobile, newPassword); a.Errno != "0" {
				t.Fatalf("the reset answers %+v", a)
			}
			if s.peer.whose(t, remembered) != "" {
				t.Error("the cookie that remembers lives on")
			}
			if who := s.peer.whose(t, session); (who == id) != lives {
				t.Errorf("the session from before is of %q", who)
			}
			if session := s.peer.login(t, mobile, newPassword); s.peer.whose(t, session) != id {
				t.Error("the new password gives no session")
			}
		})
	}
}

// TestLaravelIsToldTheTimeInUTC has the time zone that a new project has, beside a database in another one.
func TestLaravelIsToldTheTimeInUTC(t *testing.T) {
	t.Parallel()
	f := laravel()
	f.need(t)
	for _, engine := range f.databases {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			db := inShanghai(t, engine)
			s := &site{framework: f, database: db, peer: f.start(t, db), db: db.open(t)}
			s.rekey = serve(t, db, settings{users: f.users(db)})
			mobile := s.mobile()
			s.peer.add(t, mobile, oldPassword, f.formats[0].name)
			if a := s.rekey.reset(t, mobile, newPassword); a.Errno != "0" {
				t.Fatalf("the reset answers %+v", a)
			}
			// The zone of Shanghai is eight hours off.
			if age := s.peer.ask(t, command{"do": "age", "mobile": mobile}).Count; age < -3600 || age > 3600 {
				t.Errorf("Eloquent takes the reset to have been %d seconds ago", age)
			}
		})
	}
}

// remembered signs in and returns the cookie alone that signs in again once the session has ended.
func (s *site) remembered(t *testing.T, mobile string) string {
	t.Helper()
	r := s.peer.ask(t, command{"do": "login", "mobile": mobile, "password": oldPassword, "remember": true})
	if !r.Accepted || r.Session == "" {
		t.Fatal("the framework remembers nobody; nothing can be shown")
	}
	return r.Session
}

// givesFirstPassword is rekey with recover_unusable, for people who only ever signed in by SMS.
func (s *site) givesFirstPassword(t *testing.T) {
	r := serve(t, s.database, settings{users: s.users(s.database) + "\nrecover_unusable = true"})
	mobile := s.mobile()
	id := s.peer.add(t, mobile, "", s.unusable)
	before := s.state(t, s.db, s.tables)
	if a := r.reset(t, mobile, newPassword); a.Errno != "0" {
		t.Fatalf("the reset answers %+v", a)
	}
	s.onlyWrites(t, before, s.state(t, s.db, s.tables), id)
	if session := s.peer.login(t, mobile, newPassword); session == "" || s.peer.whose(t, session) != id {
		t.Error("the framework refuses the first password")
	}
}

// signsOutOfLaravel has two people with two browsers each, one of which remembers them.
func (s *site) signsOutOfLaravel(t *testing.T) {
	mobile, bystander := s.mobile(), s.mobile()
	ids := map[string]string{}
	cookies := map[string][]string{}
	for _, m := range []string{mobile, bystander} {
		ids[m] = s.peer.add(t, m, oldPassword, "bcrypt")
		cookies[m] = []string{s.peer.login(t, m, oldPassword), s.peer.login(t, m, oldPassword), s.remembered(t, m)}
		for _, c := range cookies[m] {
			if s.peer.whose(t, c) != ids[m] {
				t.Fatal("no session to begin with")
			}
		}
	}
	if a := s.rekey.reset(t, mobile, newPassword); a.Errno != "0" {
		t.Fatalf("the reset answers %+v", a)
	}
	for _, c := range cookies[mobile] {
		if s.peer.whose(t, c) != "" {
			t.Error("a session from before lives on")
		}
	}
	for _, c := range cookies[bystander] {
		if s.peer.whose(t, c) != ids[bystander] {
			t.Error("somebody else was signed out")
		}
	}
	if n := s.sessionsOf(t, ids[mobile]); n != 0 {
		t.Errorf("%d rows of sessions are left", n)
	}
	if n := s.sessionsOf(t, ids[bystander]); n == 0 {
		t.Error("the rows of somebody else's sessions are gone")
	}
}

// sessionsOf counts the rows of the table of sessions that are a user's.
func (s *site) sessionsOf(t *testing.T, id string) (n int) {
	t.Helper()
	if err := s.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM sessions WHERE user_id = "+id).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// writesWhatLaravelWrites compares two rows, one reset by Laravel and one by rekey: the same columns have changed, and to
// values that Laravel reads the same.
func (s *site) writesWhatLaravelWrites(t *testing.T) {
	token := regexp.MustCompile(`^=?'?([A-Za-z0-9]{60})'?$`)
	changed := map[string][]string{}
	for who, reset := range map[string]func(mobile string){
		"Laravel": func(mobile string) {
			s.peer.ask(t, command{"do": "reset", "mobile": mobile, "password": newPassword})
		},
		"rekey": func(mobile string) {
			if a := s.rekey.reset(t, mobile, newPassword); a.Errno != "0" {
				t.Fatalf("the reset answers %+v", a)
			}
		},
	} {
		mobile := s.mobile()
		id := s.peer.add(t, mobile, oldPassword, "bcrypt")
		s.remembered(t, mobile)
		if _, err := s.db.ExecContext(t.Context(), "UPDATE users SET updated_at = '2020-02-02 02:02:02' WHERE id = "+id); err != nil {
			t.Fatal(err)
		}
		before := s.state(t, s.db, s.tables)
		reset(mobile)
		after := s.state(t, s.db, s.tables)
		for _, at := range before.changes(after) {
			column, ok := strings.CutPrefix(at, place("users", id, ""))
			if !ok {
				t.Errorf("%s changed %s", who, at)
			}
			changed[who] = append(changed[who], column)
		}
		if at := place("users", id, "remember_token"); !token.MatchString(after[at]) {
			t.Errorf("%s: the token is not 60 letters and digits", who)
		}
		if age := s.peer.ask(t, command{"do": "age", "mobile": mobile}).Count; age < -60 || age > 600 {
			t.Errorf("%s: updated_at is %d s ago", who, age)
		}
	}
	want := []string{"password", "remember_token", "updated_at"}
	for who, columns := range changed {
		if !slices.Equal(columns, want) {
			t.Errorf("%s changes %q, want %q", who, columns, want)
		}
	}
}
