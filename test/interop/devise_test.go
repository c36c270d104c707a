package interop_test

import (
	"slices"
	"testing"
)

// devise is a site of Rails and Devise whose people sign in with their mobile number. token tells that its users table
// has the column remember_token.
func devise(token bool) framework {
	bcrypt := `^\$2a\$(\d\d)\$[./A-Za-z0-9]{53}$`
	f := framework{
		folder:  "devise",
		peer:    []string{"ruby", "peer.rb"},
		probe:   []string{"ruby", "-e", `%w[active_record/railtie action_controller/railtie action_mailer/railtie devise rack/test sqlite3 pg mysql2].each { |library| require library }`},
		install: "apt-get install ruby-activerecord ruby-actionmailer ruby-devise ruby-rack-test ruby-sqlite3 ruby-pg ruby-mysql2",

		databases: []string{"sqlite", "postgres", "mysql"},
		users:     func(database) string { return `preset = "devise"` },
		tables:    map[string]string{"users": "id"},
		table:     "users",
		hash:      "encrypted_password",
		writes:    []string{"updated_at", "password_changed_at", "reset_password_token", "reset_password_sent_at"},

		// Devise makes bcrypt alone; its cost is config.stretches.
		formats: []format{
			{name: "bcrypt", made: bcrypt, least: []int{12}, longest: 72},
			{name: "bcrypt 11", made: bcrypt, least: []int{11}, longest: 72},
			{name: "bcrypt 4", made: bcrypt, least: []int{10}, longest: 72},
		},
		quick:    "bcrypt 4",
		unusable: "none",
		inactive: true,
		also: map[string]func(*site, *testing.T){
			"remembered":               (*site).forgetsWhomDeviseRemembers,
			"a link to a new password": (*site).voidsWhatDeviseMailed,
		},
	}
	if token {
		f.env = []string{"REMEMBER_TOKEN=1"}
		f.writes = append(f.writes, "remember_token")
	}
	return f
}

func TestDeviseReadsWhatRekeyWrote(t *testing.T) {
	t.Parallel()
	testFramework(t, devise(true))
}

// Without the column Devise remembers people by the salt of their hash.
func TestDeviseForgetsWhomItRememberedByTheHash(t *testing.T) {
	t.Parallel()
	f := devise(false)
	f.need(t)
	newSite(t, f, "sqlite", "nist").forgetsWhomDeviseRemembers(t)
}

// forgetsWhomDeviseRemembers shows that "remember me" ends with the password that it was asked with. Devise's own reset lets it
// live where there is a remember_token.
func (s *site) forgetsWhomDeviseRemembers(t *testing.T) {
	mobile := s.mobile()
	id := s.peer.add(t, mobile, oldPassword, s.usual())
	remembered := s.peer.ask(t, command{"do": "remember", "mobile": mobile, "password": oldPassword}).Session
	if who := s.peer.whose(t, remembered); who != id {
		t.Fatalf("who asked to be remembered is taken for %q, want %q; nothing can be shown", who, id)
	}
	if a := s.rekey.reset(t, mobile, newPassword); a.Errno != "0" {
		t.Fatalf("the reset answers %+v", a)
	}
	if s.peer.whose(t, remembered) != "" {
		t.Error("who was remembered with the old password still is")
	}
	remembered = s.peer.ask(t, command{"do": "remember", "mobile": mobile, "password": newPassword}).Session
	if who := s.peer.whose(t, remembered); who != id {
		t.Errorf("who asks to be remembered with the new password is taken for %q, want %q", who, id)
	}
}

// voidsWhatDeviseMailed shows that a link to a new password which Devise mailed before a reset is void after it, and that a
// counted wrong password stays counted.
func (s *site) voidsWhatDeviseMailed(t *testing.T) {
	mobile := s.mobile()
	id := s.peer.add(t, mobile, oldPassword, s.usual())
	link := s.peer.ask(t, command{"do": "link", "id": id}).Session
	if s.peer.login(t, mobile, "wrongPass7") != "" {
		t.Fatal("Devise accepts any password")
	}
	before := s.state(t, s.db, s.tables)
	if counted := before[place("users", id, "failed_attempts")]; counted != "1" && counted != "'1'" {
		t.Fatalf("Devise has counted %s wrong passwords, want 1", counted)
	}
	if a := s.rekey.reset(t, mobile, newPassword); a.Errno != "0" {
		t.Fatalf("the reset answers %+v", a)
	}
	after := s.state(t, s.db, s.tables)
	s.onlyWrites(t, before, after, id)
	for _, column := range []string{"reset_password_token", "reset_password_sent_at"} {
		if !slices.Contains(before.changes(after), place("users", id, column)) {
			t.Errorf("%s is as it was", column)
		}
	}
	if s.peer.ask(t, command{"do": "follow", "token": link, "password": "strangers7"}).Accepted {
		t.Error("the link from before still sets a password")
	}
	if s.peer.login(t, mobile, newPassword) == "" {
		t.Error("Devise refuses the new password")
	}
}

// Active Record keeps UTC, whatever the zone of the database is.
func TestDeviseIsToldTheTimeInUTC(t *testing.T) {
	t.Parallel()
	f := devise(true)
	f.need(t)
	for _, engine := range f.databases {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newSiteOn(t, f, inShanghai(t, engine), "nist")
			mobile := s.mobile()
			id := s.peer.add(t, mobile, oldPassword, f.usual())
			if a := s.rekey.reset(t, mobile, newPassword); a.Errno != "0" {
				t.Fatalf("the reset answers %+v", a)
			}
			// The zone of Shanghai is eight hours off.
			if age := s.peer.ask(t, command{"do": "age", "id": id}).Count; age < -3600 || age > 3600 {
				t.Errorf("Active Record takes the reset to have been %d seconds ago", age)
			}
		})
	}
}
