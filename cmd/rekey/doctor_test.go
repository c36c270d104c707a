package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rekey/cmd/rekey/databases"
	"rekey/passhash"
	"rekey/test/servers"
	"rekey/userdb"
)

// patient is an application's database with a users table of Django's kind, and the settings under which rekey finds it.
type patient struct {
	dsn string
	run func(t *testing.T, sql string, args ...any)
}

func newPatient(t *testing.T, kind databases.Kind) patient {
	t.Helper()
	var p patient
	switch kind {
	case databases.SQLite:
		p.dsn = "sqlite:" + filepath.Join(t.TempDir(), "app.db")
	case databases.PostgreSQL:
		p.dsn = patiently(servers.PostgreSQL(t).DSN)
	case databases.MySQL:
		p.dsn = patiently(servers.MariaDB(t).DSN)
	}
	open := databases.Set{Create: true}
	t.Cleanup(func() {
		if err := open.Close(); err != nil {
			t.Error(err)
		}
	})
	db, err := open.Open(t.Context(), "users.dsn", p.dsn)
	if err != nil {
		t.Fatal(err)
	}
	p.run = func(t *testing.T, sql string, args ...any) {
		t.Helper()
		if kind == databases.PostgreSQL {
			for i := range args {
				sql = strings.Replace(sql, "?", fmt.Sprintf("$%d", i+1), 1)
			}
		}
		if _, err := db.Write.ExecContext(t.Context(), sql, args...); err != nil {
			t.Fatalf("%s\n%v", sql, err)
		}
	}
	p.run(t, "CREATE TABLE auth_user (id INTEGER PRIMARY KEY, mobile VARCHAR(20), password VARCHAR(128), is_active BOOLEAN)")
	return p
}

// env is the environment of a rekey for the patient.
func (p patient) env(more ...string) []string {
	return append([]string{"REKEY_USERS_PRESET=django", "REKEY_USERS_DSN=" + p.dsn, "REKEY_USERS_HASH_FLOOR=pbkdf2_sha256$1000",
		"REKEY_CODES_STORE=memory:", "REKEY_KEYS=" + goodKey}, more...)
}

// person adds somebody whose password is "the old one", and returns the hash.
func (p patient) person(t *testing.T, id int, mobile string) string {
	t.Helper()
	recipe, err := passhash.ParseRecipe("pbkdf2_sha256$1000")
	if err != nil {
		t.Fatal(err)
	}
	hash, err := recipe.Make("the old one")
	if err != nil {
		t.Fatal(err)
	}
	p.run(t, "INSERT INTO auth_user VALUES (?, ?, ?, ?)", id, mobile, hash, true)
	return hash
}

// diagnosed is what doctor says as JSON, and its exit code. What it had no time to tell, on a slow machine, it is asked again.
func diagnosed(t *testing.T, env []string) (d diagnosis, exit int) {
	t.Helper()
	for range 3 {
		var stdout, stderr bytes.Buffer
		exit = run(t.Context(), []string{"doctor", "--json"}, env, strings.NewReader(""), &stdout, &stderr)
		t.Logf("exit %d\n%s%s", exit, stdout.String(), stderr.String())
		decoder := json.NewDecoder(&stdout)
		decoder.DisallowUnknownFields()
		d = diagnosis{}
		if err := decoder.Decode(&d); err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(d.Findings, func(f userdb.Finding) bool { return strings.HasSuffix(f.ID, ".untold") }) {
			break
		}
	}
	return d, exit
}

func (d diagnosis) of(id string) []userdb.Finding {
	var all []userdb.Finding
	for _, f := range d.Findings {
		if f.ID == id {
			all = append(all, f)
		}
	}
	return all
}

func TestDoctorLeadsToATableThatIsSound(t *testing.T) {
	t.Parallel()
	for _, kind := range []databases.Kind{databases.SQLite, databases.PostgreSQL, databases.MySQL} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p := newPatient(t, kind)
			for i := range 4 {
				p.person(t, i, fmt.Sprintf("1380000000%d", i))
			}
			d, exit := diagnosed(t, p.env())
			missing := d.of("index.number")
			if exit != exitFault || d.Sound || len(missing) != 1 || missing[0].Severity != userdb.Mend || missing[0].About != "auth_user.mobile" {
				t.Fatalf("exit %d, %+v", exit, missing)
			}
			p.run(t, missing[0].Remedy)
			d, exit = diagnosed(t, p.env())
			if exit != exitOK || !d.Sound || d.Users.Table != "auth_user" || d.Users.Accounts.Recoverable != 4 || len(d.of("reset.rehearsed")) != 1 {
				t.Errorf("exit %d, %+v", exit, d)
			}
		})
	}
}

// TestT36 asks about everything that is secret, in both forms, of a table and a configuration that are full of faults.
func TestT36_DoctorTellsNoNumberHashPasswordOrKey(t *testing.T) {
	t.Parallel()
	for _, kind := range []databases.Kind{databases.SQLite, databases.PostgreSQL, databases.MySQL} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p := newPatient(t, kind)
			secrets := []string{goodKey, "canary", "7913579"}
			for i, mobile := range []string{"13879135791", "13879135791", "+8613879135792", "138 7913 5793", "1387913579", "canary@example.com"} {
				secrets = append(secrets, mobile, p.person(t, i, mobile))
			}
			p.run(t, "INSERT INTO auth_user VALUES (90, '13879135795', 'canary$7913579', ?)", true)
			p.run(t, "INSERT INTO auth_user VALUES (91, '13879135796', 'pbkdf2_sha256$canary', ?)", true)
			source, err := databases.Parse(p.dsn)
			if err != nil {
				t.Fatal(err)
			}
			env := p.env("REKEY_ADMIN_TOKEN=canary-admin-canary-admin", "REKEY_SMS_ORDER=gateway", "REKEY_SMS_PROVIDERS_GATEWAY_TYPE=http",
				"REKEY_SMS_PROVIDERS_GATEWAY_URL=https://user:canary@sms.example.net/?key=canary", "REKEY_SMS_PROVIDERS_GATEWAY_SECRET=canary")
			wrong := "mysql://someone:canary%2Fcanary@127.0.0.1:1/app"
			for what, env := range map[string][]string{
				"as it is": env, "with a wrong column": append(env, "REKEY_USERS_MOBILE=password"), "with a wrong format": append(env, "REKEY_USERS_MOBILE_FORMAT=e164"),
				"out of reach": append(env, "REKEY_USERS_DSN="+wrong), "with a broken source": append(env, "REKEY_USERS_DSN="+wrong+"?canary"),
			} {
				for _, form := range []string{"--json=false", "--json"} {
					var out strings.Builder
					exit := run(t.Context(), []string{"doctor", form}, env, strings.NewReader(""), &out, &out)
					for _, secret := range secrets {
						if strings.Contains(out.String(), secret) {
							t.Errorf("%s, %s: it tells %q:\n%s", what, form, secret, out.String())
						}
					}
					if password := passwordOf(p.dsn); password != "" && strings.Contains(out.String(), password) {
						t.Errorf("%s, %s: it tells the password of %v", what, form, source)
					}
					if exit != exitFault {
						t.Errorf("%s, %s: exit %d:\n%s", what, form, exit, out.String())
					}
				}
			}
		})
	}
}

// passwordOf is the password in a data source as the tests' servers write it.
func passwordOf(dsn string) string {
	_, rest, ok := strings.Cut(dsn, "://")
	if !ok {
		return ""
	}
	user, _, _ := strings.Cut(rest, "@")
	_, password, _ := strings.Cut(user, ":")
	return password
}

func TestDoctorSaysWhatPassesInTheOpen(t *testing.T) {
	t.Parallel()
	for setting, remedy := range map[string]string{
		"REKEY_USERS_DSN=postgres://u:p@db.invalid/app": "sslmode=verify-full", "REKEY_USERS_DSN=mysql://u:p@db.invalid/app?sslmode=verify-full": "",
		"REKEY_CODES_STORE=mysql://u:p@db.invalid/app": "sslmode=verify-full", "REKEY_CODES_STORE=postgres://u:p@db.invalid/app?sslmode=verify-full": "",
		"REKEY_CODES_STORE=redis+cluster://u:p@r.invalid": "rediss in the place of redis, and not sslmode=require", "REKEY_CODES_STORE=rediss://u:p@r.invalid": "",
	} {
		var out strings.Builder
		run(t.Context(), []string{"doctor"}, []string{"REKEY_KEYS=" + goodKey, "REKEY_CODES_STORE=memory:", "REKEY_USERS_PRESET=django",
			"REKEY_USERS_DSN=postgres://u:p@127.0.0.1:1/app", setting}, strings.NewReader(""), &out, &out)
		if strings.Contains(out.String(), "\n            "+remedy+"\n") != (remedy != "") {
			t.Errorf("of %s it says\n%s", setting, out.String())
		}
	}
}

// TestDoctorsFindingsAreDocumented finds their names in the code.
func TestDoctorsFindingsAreDocumented(t *testing.T) {
	t.Parallel()
	documented, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob("../../userdb/survey*.go")
	if err != nil {
		t.Fatal(err)
	}
	var groups []string
	for _, c := range chapters() {
		groups = append(groups, c.groups...)
	}
	name := regexp.MustCompile(`(?:ID(?:: | = |, f\.Severity[^"]*= )|refused\(|find\()"((?:` + strings.Join(groups, "|") + `)\.[a-z_]+)"`)
	count := 0
	for _, source := range append(sources, "cmd_doctor.go", "doctor_codes.go", "../../codestore/redisstore/inspect.go") {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		code, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range name.FindAllStringSubmatch(string(code), -1) {
			count++
			if !strings.Contains(string(documented), "`"+m[1]+"`") {
				t.Errorf("docs/doctor.md does not have %s, of %s", m[1], source)
			}
		}
		for _, m := range regexp.MustCompile(`ID: "([a-z]+)\.`).FindAllStringSubmatch(string(code), -1) {
			if !slices.Contains(groups, m[1]) {
				t.Errorf("doctor prints no chapter with the findings %s, of %s", m[1], source)
			}
		}
	}
	if count < 40 {
		t.Errorf("only %d findings were found", count)
	}
}

// Numbers of another plan than China's, as libphonenumber knows them.
func TestDoctorReadsNumbersOfTheConfiguredPlan(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env     []string
		mobiles []string
		want    userdb.NumberCounts
	}{
		"HK": {env: []string{"REKEY_NUMBERS_PLAN=HK"}, mobiles: []string{"51234567", "+85251234568", "0085251234569", "5123 4570", "85251234571", "13800000001"},
			want: userdb.NumberCounts{AsSet: 1, Other: 2, Hidden: 2, Foreign: 1, SharedWhole: true}},
		"*": {env: []string{"REKEY_NUMBERS_PLAN=*", "REKEY_NUMBERS_ALLOW=CN,HK"}, mobiles: []string{"13800000001", "+8613800000002", "+85251234567", "51234568", "+1 212 555 0100"},
			want: userdb.NumberCounts{AsSet: 2, Other: 1, Foreign: 2, SharedWhole: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t, databases.SQLite)
			for i, mobile := range c.mobiles {
				p.person(t, i, mobile)
			}
			if d, _ := diagnosed(t, p.env(c.env...)); d.Users.Numbers != c.want {
				t.Errorf("%+v", d.Users.Numbers)
			}
		})
	}
}
