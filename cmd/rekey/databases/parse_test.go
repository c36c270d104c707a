package databases

import (
	"reflect"
	"testing"
	"time"

	"rekey/internal/dsn"
	"rekey/internal/dsn/dsntest"
)

var reader = dsntest.Reader[Source]{Parse: Parse, Mask: Mask}

func TestParseTakesWhatOperatorsWrite(t *testing.T) {
	t.Parallel()
	// usual is what every server has that says nothing else.
	usual := Source{user: "rekey", database: "app", tls: dsn.TLS{Mode: dsn.Prefer}, limits: dsn.Limits{Patience: 3 * time.Second, Step: 900 * time.Millisecond, Pool: 10}, program: "rekey"}
	postgres := func(change func(*Source)) Source {
		s := usual
		s.Kind, s.port, s.password = PostgreSQL, 5432, "secret"
		s.hosts = dsn.Hosts{{Name: "db", Port: 5432}}
		change(&s)
		return s
	}
	mysql := func(change func(*Source)) Source {
		s := usual
		s.Kind, s.port, s.password = MySQL, 3306, "secret"
		s.hosts = dsn.Hosts{{Name: "db", Port: 3306}}
		change(&s)
		return s
	}
	for source, c := range map[string]struct {
		want  Source
		shown string // "" is source
	}{
		"sqlite:rekey.db":                   {Source{Kind: SQLite, file: "rekey.db"}, ""},
		"sqlite:/var/lib/a b%.db":           {Source{Kind: SQLite, file: "/var/lib/a b%.db"}, ""},
		"postgres://rekey:secret@db/app":    {postgres(func(*Source) {}), "postgres://rekey:(hidden)@db:5432/app"},
		"postgresql://rekey:secret@db/app?": {postgres(func(*Source) {}), "postgres://rekey:(hidden)@db:5432/app"},
		"postgres://rekey@db:6432/app": {postgres(func(s *Source) {
			s.password, s.hosts = "", dsn.Hosts{{Name: "db", Port: 6432}}
		}), ""},
		"postgres://rekey:secret@127.0.0.1,[::1]:5433,db-2.example.com/app": {postgres(func(s *Source) {
			s.hosts, s.target = dsn.Hosts{{Name: "127.0.0.1", Port: 5432}, {Name: "::1", Port: 5433}, {Name: "db-2.example.com", Port: 5432}}, "read-write"
		}), "postgres://rekey:(hidden)@127.0.0.1:5432,[::1]:5433,db-2.example.com:5432/app"},
		"postgres://rekey:secret@a,b/app?target_session_attrs=any": {postgres(func(s *Source) {
			s.hosts, s.target = dsn.Hosts{{Name: "a", Port: 5432}, {Name: "b", Port: 5432}}, "any"
		}), "postgres://rekey:(hidden)@a:5432,b:5432/app?target_session_attrs=any"},
		"postgres://rekey:secret@/app?host=/run/postgresql": {postgres(func(s *Source) {
			s.hosts, s.socket = nil, "/run/postgresql"
		}), "postgres://rekey:(hidden)@/app?host=/run/postgresql"},
		"postgres://rekey@/app?host=/run/postgresql&port=5433": {postgres(func(s *Source) {
			s.hosts, s.socket, s.port, s.password = nil, "/run/postgresql", 5433, ""
		}), ""},
		"postgres://rekey:secret@db/app?sslmode=verify-full&sslrootcert=/etc/ca.pem&sslcert=/c.pem&sslkey=/k.pem": {postgres(func(s *Source) {
			s.tls = dsn.TLS{Mode: dsn.VerifyFull, Roots: "/etc/ca.pem", Cert: "/c.pem", Key: "/k.pem"}
		}), "postgres://rekey:(hidden)@db:5432/app?sslcert=/c.pem&sslkey=/k.pem&sslmode=verify-full&sslrootcert=/etc/ca.pem"},
		"postgres://rekey:secret@db/app?connect_timeout=10&pool_max=1000&search_path=auth,public&application_name=reset": {postgres(func(s *Source) {
			s.limits.Patience, s.limits.Pool, s.schemas, s.program = 10*time.Second, 1000, "auth,public", "reset"
		}), "postgres://rekey:(hidden)@db:5432/app?application_name=reset&connect_timeout=10&pool_max=1000&search_path=auth%2Cpublic"},
		// Every sign that parts a URL, in the places where people have it.
		"postgres://r%40x:p%3A%40%2F%3F%23%25%20%2B+%26=&;'\"!$*()密@db/a%2Fb%40": {postgres(func(s *Source) {
			s.user, s.password, s.database = "r@x", "p:@/?#% ++&=&;'\"!$*()密", "a/b@"
		}), "postgres://r%40x:(hidden)@db:5432/a%2Fb%40"},
		"mysql://rekey:p@ss:w@rd@db/app": {mysql(func(s *Source) { s.password = "p@ss:w@rd" }), "mysql://rekey:(hidden)@db:3306/app"},
		"mysql://rekey:secret@db/app":    {mysql(func(*Source) {}), "mysql://rekey:(hidden)@db:3306/app"},
		"mariadb://rekey:secret@[2001:db8::1]:3307/app?sslmode=verify-full&sslrootcert=system": {mysql(func(s *Source) {
			s.hosts, s.tls = dsn.Hosts{{Name: "2001:db8::1", Port: 3307}}, dsn.TLS{Mode: dsn.VerifyFull, Roots: "system"}
		}), "mysql://rekey:(hidden)@[2001:db8::1]:3307/app?sslmode=verify-full&sslrootcert=system"},
		"mysql://rekey:secret@/app?socket=/run/mysqld/mysqld.sock": {mysql(func(s *Source) {
			s.hosts, s.socket = nil, "/run/mysqld/mysqld.sock"
		}), "mysql://rekey:(hidden)@/app?socket=/run/mysqld/mysqld.sock"},
	} {
		if c.shown == "" {
			c.shown = source
		}
		got := reader.Takes(t, source, c.shown)
		got.given = nil
		if !reflect.DeepEqual(got, c.want) {
			type bare Source // without its methods
			t.Errorf("%s is\n%+v, want\n%+v", source, bare(got), bare(c.want))
		}
	}
}

func TestParseSaysWhatToWriteInstead(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"":                                   "must begin with",
		"rekey.db":                           "must begin with",
		"rekey:canary9f1c@tcp(db:3306)/app":  "must begin with",
		"host=db password=canary9f1c":        "must begin with",
		"POSTGRES://rekey:canary9f1c@db/app": "must begin with",
		"postgres:rekey:canary9f1c@db/app":   "must begin with",
		"oracle://rekey:canary9f1c@db/app":   "must begin with",
		"sqlite:":                            "must be sqlite: and a file",
		"sqlite:/var/":                       "must be sqlite: and a file",
		"sqlite::memory:":                    "without options",
		"sqlite://rekey.db":                  "without options",
		"sqlite:rekey.db?mode=ro":            "without options",
		"sqlite:a\x00b":                      "control character",

		"postgres://":                                 "names no user",
		"postgres://db/app":                           "names no user",
		"postgres://:canary9f1c@db/app":               "names no user",
		"postgres://rekey:canary9f1c@db":              "names no database",
		"postgres://rekey:canary9f1c@db/":             "names no database",
		"postgres://rekey:canary9f1c@/app":            "names no host",
		"mysql://rekey:canary9f1c@/app":               "socket=/run/mysqld/mysqld.sock",
		"postgres://rekey:canary9f1c@db/app/more":     "more than a database",
		"mysql://rekey:canary9f1c@tcp(db:3306)/app":   "neither a name nor an address",
		"mysql://rekey:canary9f1c@a,b/app":            "several hosts",
		"postgres://rekey:canary 9f1c@db/app":         "space",
		"postgres://rekey:1/canary9f1c@db/app":        "parts a URL; in user, password and names write them as %2F %3F %23 %40",
		"postgres://rekey:canary9f1c@db/app?a=b@c":    "parts a URL",
		"postgres://rekey:canary9f1c":                 "names no user", // it stands where a port does
		"postgres://rekey:canary9f1c/app":             "names no user",
		"postgres://rekey:p@db/app?password=canary":   "a parameter that there is not",
		"postgres://rekey:p@db/app?options=-ctz=0":    "a parameter that there is not",
		"mysql://rekey:p@db/app?tls=true":             "sslmode, sslrootcert",
		"mysql://rekey:p@db/app?allowAllFiles=true":   "a parameter that there is not",
		"mysql://rekey:p@db/app?host=/run/postgresql": "a parameter that there is not",
		"postgres://rekey:p@db/app?a=%zz":             "can't be read",

		"postgres://rekey:p@db/app?sslmode=allow":                       "disable, prefer, require, verify-ca, verify-full",
		"postgres://rekey:p@db/app?sslrootcert=/ca.pem":                 "add sslmode=verify-full",
		"postgres://rekey:p@db/app?sslmode=require&sslrootcert=/ca.pem": "add sslmode=verify-full",
		"postgres://rekey:p@db/app?sslmode=verify-ca":                   "your own roots",
		"mysql://rekey:p@db/app?sslmode=verify-ca&sslrootcert=system":   "your own roots",
		"mysql://rekey:p@db/app?sslcert=/c.pem":                         "both sslcert and sslkey",
		"mysql://rekey:p@db/app?sslkey=/k.pem":                          "both sslcert and sslkey",
		"mysql://rekey:p@db/app?sslmode=disable&sslcert=/c&sslkey=/k":   "sslmode=disable; remove one",
		"postgres://rekey:p@/app?host=/run&sslmode=require":             "a socket, which has no TLS",
		"postgres://rekey:p@/app?host=db":                               "path of a socket",
		"postgres://rekey:p@db/app?host=/run":                           "both a host and a socket",
		"postgres://rekey:p@db/app?port=5433":                           "write the port of a host behind it",
		"postgres://rekey:p@/app?host=/run&port=x":                      "from 1 to 65535",
		"mysql://rekey:p@db/app?socket=/run/s":                          "both a host and a socket",
		"mysql://rekey:p@/app?socket=s":                                 "path of a socket",
		"mysql://rekey:p@db/app?pool_max=1001":                          "from 1 to 1000",
		"postgres://rekey:p@db/app?target_session_attrs=standby":        "any, read-write, primary",
	} {
		reader.Refuses(t, source, want)
	}
}

func TestExposedIsWhatSomebodyBetweenCouldRead(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]bool{
		"sqlite:rekey.db":                                      false,
		"postgres://u:p@db/app":                                true,
		"postgres://u:p@db/app?sslmode=require":                true,
		"postgres://u:p@db/app?sslmode=disable":                true,
		"postgres://u:p@db/app?sslmode=verify-full":            false,
		"mysql://u:p@db/app?sslmode=verify-ca&sslrootcert=/ca": false,
		"mysql://u:p@127.0.0.1/app":                            false,
		"mysql://u:p@localhost/app?sslmode=disable":            false,
		"postgres://u:p@127.0.0.1,db/app":                      true,
		"postgres://u:p@/app?host=/run/postgresql":             false,
		"mysql://u:p@/app?socket=/run/mysqld/mysqld.sock":      false,
	} {
		s, err := Parse(source)
		if err != nil || s.Exposed() != want {
			t.Errorf("%s: exposed is %v, %v, want %v", source, s.Exposed(), err, want)
		}
	}
}

func FuzzT36_ParseNeverTellsThePassword(f *testing.F) {
	reader.FuzzT36(f, []string{"postgres://", "mysql://"},
		[]string{"db/app", "[::1]:5432/app?sslmode=require", "/app?host=/run", "a,b/app", "", "x@y/z?w@v", "db:x/%zz?;#"})
}
