package interop_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// wordpress is WordPress 6.1 with the number in usermeta, and everything of a user beside it but the login tokens.
func wordpress(env ...string) framework {
	const bcrypt = `^\$2y\$(\d\d)\$[./A-Za-z0-9]{53}$`
	return framework{
		folder: "wordpress",
		peer:   []string{"php", "peer.php"},
		env:    env,
		probe: []string{"php", "-r",
			`exit(is_file('/usr/share/wordpress/wp-login.php') && extension_loaded('mysqli') ? 0 : 1);`},
		install: "apt-get install php-cli php-mysql wordpress",

		databases: []string{"mysql"},
		users:     func(database) string { return `preset = "wordpress"` },
		tables: map[string]string{
			"wp_users": "ID",
			"(SELECT * FROM wp_usermeta WHERE meta_key <> 'session_tokens') AS m": "umeta_id",
		},
		table:  "wp_users",
		hash:   "user_pass",
		writes: []string{"user_activation_key"},

		formats: []format{
			{name: "phpass", made: bcrypt, least: []int{10}, longest: 72},
			{name: "md5", made: bcrypt, least: []int{10}, longest: 72},
			{name: "bcrypt", made: bcrypt, least: []int{10}, longest: 72},
		},
		unusable: "none",
	}
}

// testWordPress is testFramework for a framework that drops spaces at both ends of a password: none of what is near to one
// differs from it by these.
func testWordPress(t *testing.T, f framework) {
	t.Parallel()
	f.need(t)
	s := newSite(t, f, "mysql", "nist")
	for _, form := range f.formats {
		t.Run(form.name, func(t *testing.T) { s.recovers(t, form, newPassword) })
		// A login may have replaced the hash that this is about.
		t.Run(form.name+" before any login", func(t *testing.T) {
			mobile := s.mobile()
			id := s.peer.add(t, mobile, oldPassword, form.name)
			before := s.state(t, s.db, s.tables)
			if a := s.rekey.reset(t, mobile, newPassword); a.Errno != "0" {
				t.Fatalf("the reset answers %+v", a)
			}
			after := s.state(t, s.db, s.tables)
			s.onlyWrites(t, before, after, id)
			if err := form.check(s.hashIn(before, id), s.hashIn(after, id)); err != nil {
				t.Error(err)
			}
			if s.peer.login(t, mobile, oldPassword) != "" || s.peer.login(t, mobile, newPassword) == "" {
				t.Error("the framework takes another password than the new one")
			}
		})
	}
	for _, h := range hostiles() {
		t.Run(h.name, func(t *testing.T) {
			form := f.formats[0] // what is made does not depend on what it replaces
			if form.longest > 0 && len(h.password) > form.longest {
				s.refuses(t, form, h.password)
				return
			}
			s.recovers(t, form, h.password, slices.DeleteFunc(h.near, func(near string) bool {
				return strings.TrimSpace(near) == strings.TrimSpace(h.password)
			})...)
		})
	}
	t.Run("nothing but spaces", func(t *testing.T) {
		form := f.formats[0]
		form.longest = 0 // it is not too long
		s.refuses(t, form, strings.Repeat(" ", 10))
	})
	for name, show := range f.also {
		t.Run(name, func(t *testing.T) { show(s, t) })
	}
}

func TestWordPressReadsWhatRekeyWrote(t *testing.T) {
	f := wordpress()
	f.also = map[string]func(*site, *testing.T){
		"numbers":                                  (*site).numbers,
		"who can't be recovered":                   (*site).unrecoverable,
		"whoever was signed in no longer is":       (*site).signsOutOfWordPress,
		"a link mailed before is void":             (*site).voidsTheLink,
		"a number is read under its key":           (*site).readsItsKey,
		"a first password":                         (*site).givesFirstPassword,
		"a number under one key twice is one user": (*site).readsAKeyTwice,
	}
	testWordPress(t, f)
}

// TestWordPressWithPasswordsOf68ReadsWhatRekeyWrote has the hashes of WordPress 6.8, which upgrades others at login.
func TestWordPressWithPasswordsOf68ReadsWhatRekeyWrote(t *testing.T) {
	f := wordpress("PLUGINS=passwords-of-6.8.php")
	own := `^\$wp\$2y\$(\d\d)\$[./A-Za-z0-9]{53}$`
	for i := range f.formats {
		// The user signs in first, or is reset while the hash still is the old one.
		f.formats[i].made = `^(?:\$wp)?\$2y\$(\d\d)\$[./A-Za-z0-9]{53}$`
		f.formats[i].longest = 0
	}
	f.formats = append([]format{{name: "wordpress", made: own, least: []int{10}}}, f.formats...)
	testWordPress(t, f)
}

// TestWordPressWithAnotherPrefix has the tables of a second site in one database.
func TestWordPressWithAnotherPrefix(t *testing.T) {
	t.Parallel()
	f := wordpress("TABLE_PREFIX=shop_2_")
	f.users = func(database) string { return "preset = \"wordpress\"\ntable = \"shop_2_users\"" }
	f.table, f.tables = "shop_2_users", map[string]string{"shop_2_users": "ID"}
	f.need(t)
	newSite(t, f, "mysql", "nist").recovers(t, f.formats[0], newPassword)
}

// TestWordPressNetwork is a network of sites, whose users can be marked as spam. Nobody signs in who is.
func TestWordPressNetwork(t *testing.T) {
	t.Parallel()
	f := wordpress("NETWORK=1")
	f.inactive = true
	f.need(t)
	s := newSite(t, f, "mysql", "nist")
	s.recovers(t, f.formats[0], newPassword)
	s.unrecoverable(t)
}

// TestWordPressWithAnObjectCache is what docs/wordpress.md says of caches that keep rows of users from one request to the
// next: WordPress goes on reading them, unless a plugin keeps users out.
func TestWordPressWithAnObjectCache(t *testing.T) {
	t.Parallel()
	t.Run("without users", func(t *testing.T) {
		t.Parallel()
		f := wordpress("OBJECT_CACHE=1", "PLUGINS=users-are-not-cached.php")
		f.need(t)
		newSite(t, f, "mysql", "nist").recovers(t, f.formats[0], newPassword)
	})
	t.Run("with users", func(t *testing.T) {
		t.Parallel()
		f := wordpress("OBJECT_CACHE=1")
		f.need(t)
		s := newSite(t, f, "mysql", "nist")
		mobile := s.mobile()
		s.peer.add(t, mobile, oldPassword, "phpass")
		s.peer.login(t, mobile, oldPassword)
		if a := s.rekey.reset(t, mobile, newPassword); a.Errno != "0" {
			t.Fatalf("the reset answers %+v", a)
		}
		if s.peer.login(t, mobile, oldPassword) == "" {
			t.Error("the cache keeps nothing: the test beside this one shows nothing")
		}
	})
}

// signsOutOfWordPress has two people with two browsers each.
func (s *site) signsOutOfWordPress(t *testing.T) {
	mobile, bystander := s.mobile(), s.mobile()
	tokens := func(id string) (n int) {
		query := "SELECT COUNT(*) FROM wp_usermeta WHERE meta_key = 'session_tokens' AND user_id = " + id
		if err := s.db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	ids, cookies := map[string]string{}, map[string][]string{}
	for _, m := range []string{mobile, bystander} {
		ids[m] = s.peer.add(t, m, oldPassword, "phpass")
		cookies[m] = []string{s.peer.login(t, m, oldPassword), s.remembered(t, m)}
		for _, c := range cookies[m] {
			if s.peer.whose(t, c) != ids[m] {
				t.Fatal("no session to begin with")
			}
		}
	}
	if a := s.rekey.reset(t, mobile, newPassword); a.Errno != "0" {
		t.Fatalf("the reset answers %+v", a)
	}
	if tokens(ids[mobile]) != 0 || tokens(ids[bystander]) != 1 {
		t.Error("other login tokens are gone than the user's own")
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
}

// voidsTheLink has a link of WordPress' own "Lost your password?" under way.
func (s *site) voidsTheLink(t *testing.T) {
	mobile := s.mobile()
	s.peer.add(t, mobile, oldPassword, "phpass")
	link := s.peer.ask(t, command{"do": "link", "mobile": mobile}).Session
	follow := command{"do": "follow", "mobile": mobile, "session": link}
	if !s.peer.ask(t, follow).Accepted {
		t.Fatal("no link to begin with")
	}
	if a := s.rekey.reset(t, mobile, newPassword); a.Errno != "0" {
		t.Fatalf("the reset answers %+v", a)
	}
	if s.peer.ask(t, follow).Accepted {
		t.Error("the link from before still sets a password")
	}
}

func (s *site) meta(t *testing.T, id, key, value string) {
	t.Helper()
	s.peer.ask(t, command{"do": "meta", "id": id, "key": key, "value": value})
}

// readsItsKey has a number under the key of another purpose, and people who share theirs.
func (s *site) readsItsKey(t *testing.T) {
	billing, shared := s.mobile(), s.mobile()
	id := s.peer.add(t, s.mobile(), oldPassword, "phpass")
	s.meta(t, id, "billing_phone", billing)
	if n := s.rekey.count(t, billing); n != 0 {
		t.Errorf("a number under another key counts %d, want 0", n)
	}
	other := serve(t, s.database, settings{users: s.users(s.database) + "\nmobile = \"billing_phone\""})
	if a := other.reset(t, billing, newPassword); a.Errno != "0" {
		t.Errorf("under the key that is set, the reset answers %+v", a)
	}

	s.peer.add(t, shared, oldPassword, "phpass")
	s.meta(t, id, "mobile", shared)
	if n := s.rekey.count(t, shared); n != 2 {
		t.Errorf("a number of two users counts %d, want 2", n)
	}
	if a := s.rekey.send(t, shared); a.Status != http.StatusOK || a.Errno != "4004" || s.rekey.code(t, shared) != "" {
		t.Errorf("a code for a number of two users: %+v", a)
	}
}

// readsAKeyTwice has one user with a number in two rows, as add_user_meta leaves them where update_user_meta was meant.
func (s *site) readsAKeyTwice(t *testing.T) {
	for _, spelling := range []string{"%s", "+86%s"} {
		mobile := s.mobile()
		id := s.peer.add(t, mobile, oldPassword, "phpass")
		s.meta(t, id, "mobile", fmt.Sprintf(spelling, mobile))
		before := s.state(t, s.db, s.tables)
		if a := s.rekey.reset(t, mobile, newPassword); a.Errno != "0" {
			t.Fatalf("the reset answers %+v", a)
		}
		s.onlyWrites(t, before, s.state(t, s.db, s.tables), id)
		if s.peer.login(t, mobile, newPassword) == "" {
			t.Error("the framework refuses the new password")
		}
	}
}
