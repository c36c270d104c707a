package interop_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// site is a framework's project on a database, with rekey beside it.
type site struct {
	framework
	database
	peer  *peer
	rekey *service
	db    *sql.DB
	next  int // how many numbers were given out
}

// newSite makes a project on a database of its own.
func newSite(t *testing.T, f framework, engine, policy string) *site {
	t.Helper()
	return newSiteOn(t, f, newDatabase(t, engine), policy)
}

// newSiteOn makes the project's schema and then starts rekey on it.
func newSiteOn(t *testing.T, f framework, db database, policy string) *site {
	t.Helper()
	s := &site{framework: f, database: db, peer: f.start(t, db), db: db.open(t)}
	s.rekey = serve(t, db, settings{users: f.users(db), policy: policy})
	return s
}

// mobile is a number that nobody has.
func (s *site) mobile() string {
	s.next++
	return fmt.Sprintf("138%08d", s.next)
}

// What people have for passwords.
const (
	oldPassword = "oldPass77"
	newPassword = "quiteNew7" // of the classic policy
)

// hostile is a password that a careless way would change, and what it would become.
type hostile struct {
	name, password string
	near           []string
}

func hostiles() []hostile {
	const text = `it's "q" \' %s {0} $1 &amp; <b> 密码 🔑`
	long := strings.Repeat("0123456789abcdef", 8) // as many characters as the policy takes
	return []hostile{
		{"quotes, spaces and emoji", "  " + text + "  ", []string{text, "  " + strings.ReplaceAll(text, `\`, "") + "  "}},
		{"128 bytes", long, []string{long[:127], long[:72]}},
	}
}

// testFramework is what must hold for every framework. On each database: a user with a hash of its formats is recovered,
// and so is one under each spelling of a number. With hostile passwords, whose encoding no database sees, and with the
// classic policy, on the first of them.
func testFramework(t *testing.T, f framework) {
	f.need(t)
	for i, engine := range f.databases {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, f, engine, "nist")
			s.peer.add(t, s.mobile(), oldPassword, f.usual()) // a bystander from the beginning
			for _, form := range f.formatsOn(i) {
				t.Run(form.name, func(t *testing.T) { s.recovers(t, form, newPassword) })
			}
			t.Run("numbers", s.numbers)
			t.Run("who can't be recovered", s.unrecoverable)
			for name, show := range f.also {
				t.Run(name, func(t *testing.T) { show(s, t) })
			}
		})
	}
	t.Run("hostile passwords", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, f, f.databases[0], "nist")
		for i, form := range f.formats {
			// What rekey makes in one form is encoded in one way.
			if slices.ContainsFunc(f.formats[:i], func(other format) bool { return other.made == form.made }) {
				continue
			}
			t.Run(form.name, func(t *testing.T) {
				for _, h := range hostiles() {
					if form.longest > 0 && len(h.password) > form.longest {
						s.refuses(t, form, h.password)
					} else {
						s.recovers(t, form, h.password, h.near...)
					}
				}
			})
		}
	})
	t.Run("classic policy", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, f, f.databases[0], "classic")
		s.recovers(t, f.formats[0], newPassword)
	})
}

// recovers has the framework make a user and a session, rekey reset the password, and then asks the framework. None of
// near is taken for the new password.
func (s *site) recovers(t *testing.T, form format, password string, near ...string) {
	mobile := s.mobile()
	id := s.peer.add(t, mobile, oldPassword, form.name)
	session := s.peer.login(t, mobile, oldPassword)
	if session == "" || s.peer.whose(t, session) != id {
		t.Fatal("the framework refuses the user that it made; nothing can be shown")
	}

	before := s.state(t, s.db, s.tables)
	if a := s.rekey.reset(t, mobile, password); a.Status != http.StatusOK || a.Errno != "0" {
		t.Fatalf("the reset answers %+v", a)
	}
	after := s.state(t, s.db, s.tables)
	s.onlyWrites(t, before, after, id)
	if err := form.check(s.hashIn(before, id), s.hashIn(after, id)); err != nil {
		t.Error(err)
	}

	if who := s.peer.whose(t, session); who != "" {
		t.Error("the session from before lives on")
	}
	for _, wrong := range append(near, oldPassword) {
		if s.peer.login(t, mobile, wrong) != "" {
			t.Errorf("the framework accepts %q", wrong)
		}
	}
	if session = s.peer.login(t, mobile, password); session == "" {
		t.Fatal("the framework refuses the new password")
	}
	if who := s.peer.whose(t, session); who != id {
		t.Errorf("the new session is of %q, want %q", who, id)
	}
}

// refuses shows that a password which the row's format can't hold is refused in words, that nothing is changed by it, and
// that the code is still good for the longest that it can.
func (s *site) refuses(t *testing.T, form format, password string) {
	mobile := s.mobile()
	id := s.peer.add(t, mobile, oldPassword, form.name)
	before := s.state(t, s.db, s.tables)
	sent := s.rekey.send(t, mobile)
	body := map[string]string{
		"mobile": mobile, "sms_code": s.rekey.code(t, mobile), "new_password": password, "flow": sent.Data.Flow,
	}
	a := s.rekey.ask(t, http.MethodPost, "", body)
	if a.Status != http.StatusForbidden || a.Errno != "4103" || a.Errmsg == "" || strings.Contains(a.Errmsg, "验证码") {
		t.Errorf("a password that %s can't hold answers %+v", form.name, a)
	}
	if changed := before.changes(s.state(t, s.db, s.tables)); len(changed) > 0 {
		t.Errorf("changed: %q", changed)
	}

	held := newPassword
	if form.longest > 0 {
		held = password[:form.longest]
	}
	body["new_password"] = held
	if a := s.rekey.ask(t, http.MethodPost, "", body); a.Errno != "0" {
		t.Fatalf("the same code with a password that %s holds answers %+v", form.name, a)
	}
	s.onlyWrites(t, before, s.state(t, s.db, s.tables), id)
	if s.peer.login(t, mobile, held[:len(held)-1]) != "" || s.peer.login(t, mobile, held) == "" {
		t.Error("the framework takes another password than the new one")
	}
}

// onlyWrites fails the test unless the hash of the user has changed, and nothing else but what the preset writes.
func (s *site) onlyWrites(t *testing.T, before, after state, id string) {
	t.Helper()
	changed := before.changes(after)
	hash := place(s.table, id, s.framework.hash)
	if !slices.Contains(changed, hash) {
		t.Error("the hash is as it was")
	}
	for _, at := range changed {
		written := slices.ContainsFunc(s.writes, func(column string) bool { return at == place(s.table, id, column) })
		if at != hash && !written {
			t.Errorf("%s has changed", at)
		}
	}
}

// hashIn is the password column of a user.
func (s *site) hashIn(now state, id string) string {
	return strings.Trim(now[place(s.table, id, s.framework.hash)], "'") // no format has quotes of its own
}

// numbers shows which spellings of a number are found, and that two of them are two accounts.
func (s *site) numbers(t *testing.T) {
	form := s.usual()
	for _, prefix := range []string{"", "+86", "86", "0086"} {
		mobile := s.mobile()
		id := s.peer.add(t, prefix+mobile, oldPassword, form)
		before := s.state(t, s.db, s.tables)
		if a := s.rekey.reset(t, mobile, newPassword); a.Errno != "0" {
			t.Errorf("spelled with %q: the reset answers %+v", prefix, a)
			continue
		}
		s.onlyWrites(t, before, s.state(t, s.db, s.tables), id)
		if s.peer.login(t, prefix+mobile, newPassword) == "" {
			t.Errorf("spelled with %q: the framework refuses the new password", prefix)
		}
	}

	for _, spelling := range []string{"%.3s %s", "%.3s-%s", "+86 %.3s%s"} {
		mobile := s.mobile()
		s.peer.add(t, fmt.Sprintf(spelling, mobile, mobile[3:]), oldPassword, form)
		if n := s.rekey.count(t, mobile); n != 0 {
			t.Errorf("spelled as %s: found %d accounts, want none", spelling, n)
		}
	}

	twice := s.mobile()
	s.peer.add(t, twice, oldPassword, form)
	s.peer.add(t, "+86"+twice, oldPassword, form)
	before := s.state(t, s.db, s.tables)
	if n := s.rekey.count(t, twice); n != 2 {
		t.Errorf("a number in two spellings counts %d accounts, want 2", n)
	}
	if a := s.rekey.send(t, twice); a.Status != http.StatusOK || a.Errno != "4004" {
		t.Errorf("a code for a number of two accounts: %+v", a)
	}
	if s.rekey.code(t, twice) != "" {
		t.Error("a message was sent to a number of two accounts")
	}
	if changed := before.changes(s.state(t, s.db, s.tables)); len(changed) > 0 {
		t.Errorf("changed: %q", changed)
	}
}

// unrecoverable shows that neither an inactive user nor one without a password is counted or gets a message.
func (s *site) unrecoverable(t *testing.T) {
	nobody := func(why, mobile string) {
		if n := s.rekey.count(t, mobile); n != 0 {
			t.Errorf("%s: counted %d times, want 0", why, n)
		}
		if a := s.rekey.send(t, mobile); a.Errno != "4002" || s.rekey.code(t, mobile) != "" {
			t.Errorf("%s: a code: %+v", why, a)
		}
	}
	before := s.state(t, s.db, s.tables)
	if s.inactive {
		mobile := s.mobile()
		s.peer.ask(t, command{"do": "add", "mobile": mobile, "password": oldPassword, "format": s.usual(), "active": false})
		nobody("an inactive user", mobile)
	}
	if s.unusable != "" {
		mobile := s.mobile()
		s.peer.add(t, mobile, "", s.unusable)
		nobody("a user without a password", mobile)
	}
	now := s.state(t, s.db, s.tables)
	for _, at := range before.changes(now) {
		if _, was := before[at]; was {
			t.Errorf("%s has changed", at)
		}
	}
}
