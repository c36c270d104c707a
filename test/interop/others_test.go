package interop_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"rekey/test/servers"
)

// Some frameworks can't be had here. Their peer is a users table with their own columns, people whose hashes come from
// libraries that have nothing to do with rekey, and the rules of their own sources for who may sign in.

// tableOf is a framework whose peer is such a table.
func tableOf(kind string) framework {
	return framework{
		folder:  "tables",
		peer:    []string{"/usr/bin/python3", "-B", "peer.py"},
		env:     []string{"KIND=" + kind},
		probe:   []string{"/usr/bin/python3", "-c", "import argon2, bcrypt, werkzeug, psycopg2, MySQLdb"},
		install: "apt-get install python3-argon2 python3-bcrypt python3-werkzeug python3-psycopg2 python3-mysqldb",
		users:   func(database) string { return fmt.Sprintf("preset = %q", kind) },
		hash:    "password",
	}
}

// ruoyi is RuoYi-Vue, which has a table for MySQL alone.
func ruoyi() framework {
	f := tableOf("ruoyi")
	f.databases = []string{"mysql"}
	f.table, f.tables = "sys_user", map[string]string{"sys_user": "user_id"}
	f.writes = []string{"update_time", "pwd_update_date"}
	f.formats = bcrypts()
	return f
}

// ginVueAdmin is gin-vue-admin.
func ginVueAdmin() framework {
	f := tableOf("gin-vue-admin")
	f.databases = []string{"sqlite", "postgres", "mysql"}
	f.table, f.tables = "sys_users", map[string]string{"sys_users": "id"}
	f.writes = []string{"updated_at", "password_updated_at", "must_change_password"}
	f.formats = bcrypts()
	return f
}

// bcrypts are bcrypt as BCryptPasswordEncoder of Spring and golang.org/x/crypto/bcrypt make it, and at a higher cost.
func bcrypts() []format {
	made := `^\$2a\$(\d\d)\$[./A-Za-z0-9]{53}$`
	return []format{
		{name: "bcrypt", made: made, least: []int{10}},
		{name: "bcrypt 12", made: made, least: []int{12}},
	}
}

func TestRuoYiReadsWhatRekeyWrote(t *testing.T) {
	t.Parallel()
	testTable(t, ruoyi())
}

func TestGinVueAdminReadsWhatRekeyWrote(t *testing.T) {
	t.Parallel()
	testTable(t, ginVueAdmin())
}

// testTable is what must hold for a framework whose sessions outlive the password (its page in docs says so): its own
// rules let in whoever has the new password, no one with the old, and nothing else in the table has changed; and rekey
// sends nothing to whom they don't let in anyway. The policy is classic, since RuoYi takes no password of more than 20
// characters.
func testTable(t *testing.T, f framework) {
	f.need(t)
	for i, engine := range f.databases {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, f, engine, "classic")
			for _, form := range f.formatsOn(i) {
				t.Run(form.name, func(t *testing.T) { s.resets(t, form) })
			}
			for _, who := range []string{"stopped", "deleted", "none"} {
				t.Run("who is "+who, func(t *testing.T) { s.leaves(t, who) })
			}
		})
	}
}

// resets is recovers for a framework whose sessions are not in its tables.
func (s *site) resets(t *testing.T, form format) {
	mobile, bystander := s.mobile(), s.mobile()
	id := s.peer.add(t, mobile, oldPassword, form.name)
	s.peer.add(t, bystander, oldPassword, form.name)
	if !s.accepts(t, mobile, oldPassword) {
		t.Fatal("the framework refuses the user that was made; nothing can be shown")
	}
	before := s.state(t, s.db, s.tables)
	if a := s.rekey.reset(t, mobile, newPassword); a.Status != http.StatusOK || a.Errno != "0" {
		t.Fatalf("the reset answers %+v", a)
	}
	after := s.state(t, s.db, s.tables)
	s.onlyWrites(t, before, after, id)
	for _, column := range s.writes {
		if at := place(s.table, id, column); before[at] == after[at] {
			t.Errorf("%s is as it was", at)
		}
	}
	hash := s.hashIn(after, id)
	if err := form.check(s.hashIn(before, id), hash); err != nil {
		t.Error(err)
	}
	if s.accepts(t, mobile, oldPassword) {
		t.Error("the framework accepts the old password")
	}
	if !s.accepts(t, mobile, newPassword) {
		t.Error("the framework refuses the new password")
	}
	// This very function is gin-vue-admin's utils.BcryptCheck.
	if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(newPassword)); err != nil {
		t.Errorf("Go's bcrypt: %v", err)
	}
}

// accepts is peer.login for a framework whose sessions are not in its tables.
func (s *site) accepts(t *testing.T, mobile, password string) bool {
	t.Helper()
	return s.peer.ask(t, command{"do": "login", "mobile": mobile, "password": password}).Accepted
}

// leaves shows that somebody of this kind, whom the framework does not let in, is not counted and gets no message.
func (s *site) leaves(t *testing.T, who string) {
	mobile := s.mobile()
	s.peer.add(t, mobile, oldPassword, who)
	if s.accepts(t, mobile, oldPassword) {
		t.Fatal("the framework lets in whom it should not; nothing can be shown")
	}
	if n := s.rekey.count(t, mobile); n != 0 {
		t.Errorf("counted %d times, want 0", n)
	}
	if a := s.rekey.send(t, mobile); a.Errno != "4002" || s.rekey.code(t, mobile) != "" {
		t.Errorf("a code: %+v", a)
	}
}

// RuoYi and gin-vue-admin on MySQL keep the local time, by which they tell when a password was changed.
func TestLocalTimesStayLocal(t *testing.T) {
	t.Parallel()
	for f, columns := range map[*framework][]string{
		new(ruoyi()):       {"update_time", "pwd_update_date"},
		new(ginVueAdmin()): {"updated_at", "password_updated_at"},
	} {
		f.need(t)
		t.Run(f.table, func(t *testing.T) {
			t.Parallel()
			s := newSiteOn(t, *f, inShanghai(t, "mysql"), "classic")
			mobile := s.mobile()
			id := s.peer.add(t, mobile, oldPassword, f.formats[0].name)
			if a := s.rekey.reset(t, mobile, newPassword); a.Errno != "0" {
				t.Fatalf("the reset answers %+v", a)
			}
			for _, column := range columns {
				var age sql.NullInt64
				query := fmt.Sprintf("SELECT TIMESTAMPDIFF(SECOND, %s, NOW()) FROM %s WHERE %s = ?", column, f.table, f.tables[f.table])
				if err := s.db.QueryRowContext(t.Context(), query, id).Scan(&age); err != nil {
					t.Fatal(err)
				}
				// Shanghai is eight hours from UTC.
				if !age.Valid || age.Int64 < -3600 || age.Int64 > 3600 {
					t.Errorf("%s is %d seconds ago on the clock of the database", column, age.Int64)
				}
			}
		})
	}
}

// spring is Spring Security over its own JDBC schema, where the user's name is the key and the column of the number is
// the application's. bare is one whose only encoder is a BCryptPasswordEncoder.
func spring(bare bool) framework {
	f := tableOf("spring")
	f.databases = []string{"sqlite", "postgres", "mysql"}
	f.users = func(db database) string {
		sessions := "SPRING_SESSION.PRINCIPAL_NAME, persistent_logins.username"
		if db.engine == "postgres" { // keeps names in small letters
			sessions = strings.ToLower(sessions)
		}
		return fmt.Sprintf("preset = \"spring\"\nid = \"username\"\nsessions = %q", sessions)
	}
	f.table, f.tables = "users", map[string]string{"users": "username", "authorities": "username"}
	f.unusable, f.inactive = "none", true

	const hashed = `[./A-Za-z0-9]{53}$`
	if bare {
		f.env = append(f.env, "BARE=1")
		f.formats = []format{{name: "bcrypt", made: `^\$2a\$(\d\d)\$` + hashed, least: []int{10}, longest: 72}}
		return f
	}
	argon2 := `\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`
	owasp := []int{19456, 2, 1} // of the OWASP Password Storage Cheat Sheet, for argon2id
	f.formats = []format{
		{name: "bcrypt", made: `^\{bcrypt\}\$2a\$(\d\d)\$` + hashed, least: []int{10}, longest: 72},
		{name: "argon2", made: `^\{argon2\}` + argon2, least: owasp},
		{name: "argon2@SpringSecurity_v5_8", made: `^\{argon2@SpringSecurity_v5_8\}` + argon2, least: owasp},
		{name: "scrypt", made: `^\{scrypt\}\$e0[0-9a-f]{3}\$[A-Za-z0-9+/]{86}==\$[A-Za-z0-9+/]{43}=$`},
		{name: "scrypt@SpringSecurity_v5_8", made: `^\{scrypt@SpringSecurity_v5_8\}\$100[0-9a-f]{3}\$[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=$`},
		{name: "pbkdf2", made: `^\{pbkdf2\}[0-9a-f]{80}$`},
		{name: "pbkdf2@SpringSecurity_v5_8", made: `^\{pbkdf2@SpringSecurity_v5_8\}[0-9a-f]{96}$`},
		{name: "noop", made: `^\{bcrypt\}\$2a\$(\d\d)\$` + hashed, least: []int{10}, longest: 72},
	}
	return f
}

func TestSpringSecurityReadsWhatRekeyWrote(t *testing.T) {
	t.Parallel()
	testFramework(t, spring(false))
}

func TestBCryptPasswordEncoderAloneReadsWhatRekeyWrote(t *testing.T) {
	t.Parallel()
	testFramework(t, spring(true))
}

// ownTable is an application with a table of its own, which has sessions beside it and no framework's names. more is what
// else its [users] says.
func ownTable(more string) framework {
	const (
		sum    = `\$[A-Za-z0-9]{16}\$[0-9a-f]`
		bcrypt = `^\$2b\$(\d\d)\$[./A-Za-z0-9]{53}$`
	)
	f := tableOf("custom")
	f.users = func(database) string {
		return `preset = "custom"
table = "member"
id = "uid"
mobile = "tel"
password = "pwd"
active = "state=1,deleted_at=null"
sessions = "member_session.uid"
` + more
	}
	f.databases = []string{"sqlite", "postgres", "mysql"}
	f.table, f.tables, f.hash = "member", map[string]string{"member": "uid"}, "pwd"
	f.writes = []string{"password_changed_at", "updated_at"}
	f.unusable, f.inactive = "none", true
	// The least costs are those of the OWASP Password Storage Cheat Sheet. ASP.NET writes them in base64: CSfA and A1tg are
	// the low bytes of 600,000 and 220,000.
	f.formats = []format{
		{name: "bcrypt", made: bcrypt, least: []int{10}, longest: 72},
		{name: "werkzeug scrypt", made: `^scrypt:(\d+):(\d+):(\d+)` + sum + `{128}$`, least: []int{1 << 15, 8, 3}},
		{name: "werkzeug pbkdf2", made: `^pbkdf2:sha256:(\d+)` + sum + `{64}$`, least: []int{600_000}},
		{name: "werkzeug pbkdf2 sha512", made: `^pbkdf2:sha512:(\d+)` + sum + `{128}$`, least: []int{220_000}},
		{name: "werkzeug pbkdf2 sha1", made: `^pbkdf2:sha256:(\d+)` + sum + `{64}$`, least: []int{600_000}},
		{name: "aspnet", made: `^AQAAAAIAA1tgAAAAE[A-Za-z0-9+/]{65}==$`},
		{name: "aspnet before .NET 7", made: `^AQAAAAEACSfAAAAAE[A-Za-z0-9+/]{65}==$`},
	}
	return f
}

func TestATableOfItsOwnReadsWhatRekeyWrote(t *testing.T) {
	t.Parallel()
	testFramework(t, ownTable(""))
}

// TestATableOfItsOwnWithHashesOfItsOwn has an application whose old hashes rekey does not know, with hash named: these
// rows are recovered and get it. Without, nobody is registered there.
func TestATableOfItsOwnWithHashesOfItsOwn(t *testing.T) {
	t.Parallel()
	f := ownTable(`hash = "werkzeug_pbkdf2_sha256"`)
	f.need(t)
	made := f.formats[2]
	made.name = "salted md5"
	for _, engine := range f.databases {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, f, engine, "nist")
			s.recovers(t, made, newPassword)

			mobile := s.mobile()
			s.peer.add(t, mobile, oldPassword, made.name)
			auto := serve(t, s.database, settings{users: ownTable("").users(s.database)})
			if n := auto.count(t, mobile); n != 0 {
				t.Errorf("without a named hash, counted %d times, want 0", n)
			}
		})
	}
}

// inShanghai is newDatabase whose clock shows the time of Shanghai, eight hours ahead of UTC. SQLite has no clock of its
// own.
func inShanghai(t *testing.T, engine string) database {
	t.Helper()
	if engine != "mysql" {
		db := newDatabase(t, engine)
		if engine == "postgres" {
			execute(t, db.open(t), `ALTER DATABASE "`+db.name+`" SET timezone = 'Asia/Shanghai'`)
		}
		return db
	}
	// MariaDB has one zone for all its databases, and knows zones by their names only where somebody taught it.
	d := servers.StartMariaDB(t).NewDatabase(t)
	execute(t, d.Admin().Open(t), "SET GLOBAL time_zone = '+08:00'")
	return database{
		engine: engine, dsn: d.DSN, name: d.Name, open: func(t *testing.T) *sql.DB { return d.Open(t) },
		env: []string{"DB_ENGINE=" + engine, "DB_NAME=" + d.Name, "DB_HOST=" + d.Host, "DB_PORT=" + strconv.Itoa(d.Port),
			"DB_USER=" + d.User, "DB_PASSWORD=" + d.Password},
	}
}

func execute(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
