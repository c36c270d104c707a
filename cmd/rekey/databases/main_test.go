package databases

import (
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"

	"rekey/test/servers"
)

func TestMain(m *testing.M) { os.Exit(servers.Run(m)) }

// families are the servers that every test of both families runs on.
var families = map[Kind]func(testing.TB) servers.Database{PostgreSQL: servers.PostgreSQL, MySQL: servers.MariaDB}

// onBoth runs a test on a database of each family.
func onBoth(t *testing.T, test func(t *testing.T, kind Kind, d servers.Database)) {
	t.Helper()
	for kind, database := range families {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			test(t, kind, database(t))
		})
	}
}

// source is the data source of d with other parameters, as name=value with & between, and what else change does to it.
func source(t *testing.T, d servers.Database, params string, change ...func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(d.DSN)
	if err != nil {
		t.Fatal(err)
	}
	u.RawQuery = params
	for _, c := range change {
		c(u)
	}
	return u.String()
}

// at moves a data source to another host and port.
func at(address string) func(*url.URL) { return func(u *url.URL) { u.Host = address } }

// patient is a data source that a slow machine may take a minute to be let in by; what it says of times itself stays.
func patient(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	for _, parameter := range []struct{ name, value string }{{"connect_timeout", "60"}, {"step_timeout", "1m"}} {
		if u.Query().Has(parameter.name) {
			continue
		}
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += parameter.name + "=" + parameter.value
	}
	return u.String()
}

// open opens a data source as the program does, but patiently; it is closed when the test ends.
func open(t *testing.T, dsn string) *DB {
	t.Helper()
	var s Set
	db, err := s.Open(t.Context(), "users.dsn", patient(t, dsn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// refused opens, patiently, what can't be opened and looks at what an operator is told, in which the password never is.
func refused(t *testing.T, d servers.Database, dsn, want string) error {
	t.Helper()
	return refusedInTime(t, d, patient(t, dsn), want)
}

// refusedInTime is refused with the times that the data source says, or else has.
func refusedInTime(t *testing.T, d servers.Database, dsn, want string) error {
	t.Helper()
	var s Set
	db, err := s.Open(t.Context(), "users.dsn", dsn)
	if err == nil {
		t.Fatalf("%v was opened (%v)", dsn, errorOf(s.Close()))
	}
	if db != nil {
		t.Errorf("with the error comes %v", db)
	}
	text := err.Error()
	if !strings.HasPrefix(text, "users.dsn: "+string(d.Kind)+"://") || !strings.Contains(text, want) || strings.Contains(text, "\n") {
		t.Errorf("an operator is told: %s\nbut should be: users.dsn: … %s …", text, want)
	}
	for _, secret := range []string{d.Password, url.QueryEscape(d.Password), url.PathEscape(d.Password), url.UserPassword("", d.Password).String()[1:], d.Password[6:]} {
		if strings.Contains(text, secret) {
			t.Errorf("T36: the password is in %q", text)
		}
	}
	return err
}

func errorOf(err error) string {
	if err == nil {
		return "no error"
	}
	return err.Error()
}

func one[T any](t *testing.T, db *sql.DB, query string, args ...any) T {
	t.Helper()
	var v T
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func run(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
