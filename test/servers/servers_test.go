package servers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// role is the environment's name for what a child of this binary does instead of running its tests.
const role = "REKEY_SERVERS_ROLE"

const (
	bare   = "bare"   // runs the tests without Run
	holder = "holder" // starts all servers, names them on stdout and waits to be killed
)

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case bare:
		os.Exit(m.Run())
	case holder:
		os.Exit(hold())
	}
	os.Exit(Run(m))
}

// hold is the child that TestNothingOutlivesATestBinaryThatIsKilled kills.
func hold() int {
	f := newFleet()
	for _, start := range []func() (*Server, error){f.postgresql, f.mariadb} {
		s, err := start()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 3
		}
		fmt.Println(s.process.cmd.Process.Pid, s.home.folder)
	}
	redis, err := f.redis()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	cluster, err := f.lend()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	for _, s := range append(cluster.Nodes, redis) {
		fmt.Println(s.process.cmd.Process.Pid, s.group.home.folder)
	}
	select {}
}

func TestWithoutRunInTestMainASharedServerIsRefused(t *testing.T) {
	t.Parallel()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^(TestTheDSNIsThatOfTheDatabase|TestTheURLIsThatOf.*)$")
	child.Env = append(os.Environ(), role+"="+bare)
	out, err := child.CombinedOutput()
	if err == nil || strings.Count(string(out), "os.Exit(servers.Run(m))") != 4 {
		t.Errorf("%v\n%s", err, out)
	}
}

// verdict is a test that notes how it was ended.
type verdict struct {
	testing.TB
	skipped, failed any
}

func (v *verdict) Helper() {}

func (v *verdict) Skip(reason ...any) {
	v.skipped = reason[0]
	runtime.Goexit()
}

func (v *verdict) Fatal(reason ...any) {
	v.failed = reason[0]
	runtime.Goexit()
}

func TestAMissingProgramSkipsTheTestAndFailsItInCI(t *testing.T) {
	missing := &notInstalled{"PostgreSQL", "postgresql"}
	if !strings.Contains(missing.Error(), "apt-get install postgresql") {
		t.Errorf("%v does not tell how to get it", missing)
	}
	broken := errors.New("another fault")
	for _, c := range []struct {
		ci              string
		err             error
		skipped, failed any
	}{
		{"", missing, missing, nil}, {"true", missing, nil, missing},
		{"", fmt.Errorf("wrapped: %w", broken), nil, broken}, {"true", broken, nil, broken}, {"", nil, nil, nil},
	} {
		t.Setenv("CI", c.ci)
		v := &verdict{}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			require(v, c.err)
		}()
		<-ended
		if !sameError(v.skipped, c.skipped) || !sameError(v.failed, c.failed) {
			t.Errorf("CI=%q, %v: skipped for %v, failed for %v", c.ci, c.err, v.skipped, v.failed)
		}
	}
}

func sameError(got, want any) bool {
	if got == nil || want == nil {
		return got == want
	}
	return errors.Is(got.(error), want.(error))
}

// eachEngine runs a test with both.
func eachEngine(t *testing.T, test func(t *testing.T, c engineCase)) {
	t.Parallel()
	for _, c := range []engineCase{
		{"PostgreSQL", PostgreSQL, StartPostgreSQL}, {"MariaDB", MariaDB, StartMariaDB},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

type engineCase struct {
	name     string
	database func(testing.TB) Database
	start    func(testing.TB) *Server
}

func must(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func ask[T any](t *testing.T, db *sql.DB, question string) (answer T) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), question).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", question, err)
	}
	return answer
}

func TestEachDatabaseIsEmptyAndItsRoleSeesNoOther(t *testing.T) {
	eachEngine(t, func(t *testing.T, c engineCase) {
		first, second := c.database(t), c.database(t)
		if first.Port != second.Port || first.Name == second.Name || first.User == second.User || first.Password == second.Password {
			t.Fatalf("%s and %s", first.Address(), second.Address())
		}
		one, other := first.Open(t), second.Open(t)
		must(t, one, "CREATE TABLE people (id int); INSERT INTO people VALUES (1)")
		must(t, other, "CREATE TABLE people (id int)")
		if n := ask[int](t, other, "SELECT count(*) FROM people"); n != 0 {
			t.Errorf("%d rows of another database", n)
		}
		elsewhere := first.as(second.User, second.Password).Open(t)
		if _, err := elsewhere.ExecContext(t.Context(), "INSERT INTO people VALUES (2)"); err == nil {
			t.Error("the owner of one database writes to another")
		}
		if n := ask[int](t, first.Admin().Open(t), "SELECT count(*) FROM people"); n != 1 {
			t.Errorf("the superuser sees %d rows", n)
		}
	})
}

func TestTheDSNIsThatOfTheDatabase(t *testing.T) {
	eachEngine(t, func(t *testing.T, c engineCase) {
		d := c.database(t)
		u, err := url.Parse(d.DSN)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		if u.Scheme != d.Kind || u.Host != d.Address() || u.Host != "127.0.0.1:"+strconv.Itoa(d.Port) || u.Path != "/"+d.Name ||
			u.User.Username() != d.User || password != d.Password {
			t.Errorf("the DSN of %+v is another's", d.Name)
		}
	})
}

func TestADatabaseIsGoneWhenItsTestEndsThoughATransactionIsOpen(t *testing.T) {
	eachEngine(t, func(t *testing.T, c engineCase) {
		var gone Database
		t.Run("leaving", func(t *testing.T) {
			gone = c.database(t)
			db, err := gone.server.engine.open(gone) // nobody closes it before the database is dropped
			if err != nil {
				t.Fatal(err)
			}
			must(t, db, "CREATE TABLE people (id int)")
			tx, err := db.Begin()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec("INSERT INTO people VALUES (1)"); err != nil {
				t.Fatal(err)
			}
		})
		db := c.database(t).Admin().Open(t)
		question := "SELECT count(*) FROM pg_database WHERE datname = '" + gone.Name + "'"
		if gone.Kind == MySQL {
			question = "SELECT count(*) FROM information_schema.schemata WHERE schema_name = '" + gone.Name + "'"
		}
		if n := ask[int](t, db, question); n != 0 {
			t.Error("it is still there")
		}
	})
}

func TestARoleHasNoRightsUntilItIsGrantedThem(t *testing.T) {
	eachEngine(t, func(t *testing.T, c engineCase) {
		d := c.database(t)
		db := d.Open(t)
		must(t, db, "CREATE TABLE people (id int, secret int); INSERT INTO people VALUES (7, 8)")
		reader := d.Role(t, "reader")
		as := reader.Open(t)
		if _, err := as.ExecContext(t.Context(), "SELECT id FROM people"); err == nil {
			t.Error("it reads at once")
		}
		grantee := `"` + reader.User + `"`
		if d.Kind == MySQL {
			grantee = "'" + reader.User + "'@'%'"
		}
		must(t, d.Admin().Open(t), "GRANT SELECT (id) ON people TO "+grantee)
		if id := ask[int](t, as, "SELECT id FROM people"); id != 7 {
			t.Errorf("it reads %d", id)
		}
		if _, err := as.ExecContext(t.Context(), "SELECT secret FROM people"); err == nil {
			t.Error("it reads more than it was granted")
		}
	})
}

func TestNobodyGetsInWithoutThePassword(t *testing.T) {
	eachEngine(t, func(t *testing.T, c engineCase) {
		d := c.database(t)
		for _, user := range []string{d.User, superuser, "root", "postgres", ""} {
			for _, password := range []string{"", "wrong"} {
				if err := d.as(user, password).Open(t).PingContext(t.Context()); err == nil {
					t.Errorf("%q is let in with %q", user, password)
				}
			}
		}
	})
}

func TestWhatWasCommittedOutlivesStopAndKill(t *testing.T) {
	eachEngine(t, func(t *testing.T, c engineCase) {
		s := c.start(t)
		d := s.NewDatabase(t)
		must(t, d.Open(t), "CREATE TABLE people (id int)")
		for i, end := range []func(testing.TB){s.Stop, s.Kill, s.Kill, s.Stop} {
			before := d.Open(t)
			must(t, before, "INSERT INTO people VALUES (1)")
			tx, err := before.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec("INSERT INTO people VALUES (2)"); err != nil {
				t.Fatal(err)
			}
			end(t)
			if err := tx.Commit(); err == nil {
				t.Fatal("a transaction was committed on a server that has ended")
			}
			if connection, err := net.Dial("tcp", d.Address()); err == nil {
				connection.Close()
				t.Fatal("the port takes connections")
			}
			s.Start(t)
			after := d.Open(t)
			if sum := ask[int](t, after, "SELECT sum(id) FROM people"); sum != i+1 {
				t.Fatalf("%d of %d rows", sum, i+1)
			}
		}
	})
}

func TestTLSIsVerifiedByTheServersOwnAuthority(t *testing.T) {
	t.Parallel()
	h, err := newHome(postgresqlUser)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.remove(); err != nil {
			t.Error(err)
		}
	})
	stranger, err := certify(h)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", loopback} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			t.Run("PostgreSQL", func(t *testing.T) {
				t.Parallel()
				d := PostgreSQL(t)
				d.Host = host
				open := func(authority string) *sql.DB {
					config, err := pgx.ParseConfig(strings.Replace(d.dsn(), "sslmode=disable", "sslmode=verify-full&sslrootcert="+authority, 1))
					if err != nil {
						t.Fatal(err)
					}
					return stdlib.OpenDB(*config)
				}
				encrypted(t, open(d.CA), open(stranger), "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
			})
			t.Run("MariaDB", func(t *testing.T) {
				t.Parallel()
				d := MariaDB(t)
				open := func(authority string) *sql.DB {
					content, err := os.ReadFile(authority)
					if err != nil {
						t.Fatal(err)
					}
					roots := x509.NewCertPool()
					if !roots.AppendCertsFromPEM(content) {
						t.Fatal("no certificate in " + authority)
					}
					config := mysql.NewConfig()
					config.Net, config.Addr = "tcp", net.JoinHostPort(host, strconv.Itoa(d.Port))
					config.User, config.Passwd, config.DBName = d.User, d.Password, d.Name
					config.TLS = &tls.Config{RootCAs: roots, ServerName: host}
					connector, err := mysql.NewConnector(config)
					if err != nil {
						t.Fatal(err)
					}
					return sql.OpenDB(connector)
				}
				encrypted(t, open(d.CA), open(stranger),
					"SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'ssl_version'")
			})
		})
	}
}

// encrypted checks that a connection is over TLS, and that one which trusts another authority is refused for that.
func encrypted(t *testing.T, trusted, distrusted *sql.DB, version string) {
	t.Helper()
	defer trusted.Close()
	defer distrusted.Close()
	if v := ask[string](t, trusted, version); !strings.HasPrefix(v, "TLSv1.") {
		t.Errorf("encrypted by %q", v)
	}
	if err := distrusted.PingContext(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("with another authority: %v", err)
	}
}

func TestPgBouncerPoolsTransactions(t *testing.T) {
	t.Parallel()
	direct := PostgreSQL(t)
	d := PgBouncer(t, direct)
	if d.Port == direct.Port || d.User != direct.User || d.Name != direct.Name {
		t.Fatalf("%s instead of %s", d.Address(), direct.Address())
	}
	config, err := pgx.ParseConfig(d.DSN)
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	db := stdlib.OpenDB(*config)
	defer db.Close()

	// Four transactions at once take the bouncer's four connections, which it gives out in turn from then on.
	var open []*sql.Tx
	for range 4 {
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(t.Context(), "SELECT 1"); err != nil {
			t.Fatal(err)
		}
		open = append(open, tx)
	}
	for _, tx := range open {
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	client, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	backends := map[int]bool{}
	for range 8 {
		var pid int
		if err := client.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
			t.Fatal(err)
		}
		backends[pid] = true
	}
	if len(backends) < 2 {
		t.Error("one client keeps one connection to the server: that is no transaction pooling")
	}

	wrong := d.as(d.User, "wrong")
	if c, err := pgx.Connect(context.Background(), wrong.DSN); err == nil {
		c.Close(context.Background())
		t.Error("the bouncer asks for no password")
	}
}
