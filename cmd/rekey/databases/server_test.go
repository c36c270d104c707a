package databases

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"rekey/test/servers"
)

func TestAServerIsOnePoolForAllSettingsThatNameIt(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, kind Kind, d servers.Database) {
		var s Set
		users, err := s.Open(t.Context(), "users.dsn", patient(t, d.DSN))
		if err != nil {
			t.Fatal(err)
		}
		codes, err := s.Open(t.Context(), "codes.store", patient(t, d.DSN))
		if err != nil {
			t.Fatal(err)
		}
		if users != codes || users.Read != users.Write || users.Kind != kind {
			t.Errorf("%+v and %+v", users, codes)
		}
		if most := users.Write.Stats().MaxOpenConnections; most != 10 {
			t.Errorf("at most %d connections, want 10", most)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := users.Write.PingContext(t.Context()); err == nil {
			t.Error("the pool is still open")
		}
	})
}

func TestPoolMaxBoundsTheConnections(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, _ Kind, d servers.Database) {
		db := open(t, source(t, d, "sslmode=disable&pool_max=2")).Write
		run(t, db, "CREATE TABLE marks (n INTEGER)")
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := db.ExecContext(t.Context(), "INSERT INTO marks (n) SELECT 1"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := one[int](t, db, "SELECT COUNT(*) FROM marks"); n != 20 {
			t.Errorf("%d statements were run, want 20", n)
		}
		if stats := db.Stats(); stats.OpenConnections > 2 {
			t.Errorf("%d connections are open", stats.OpenConnections)
		}
	})
}

func TestT36_WhyAServerRefusesIsToldWithoutThePassword(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, kind Kind, d servers.Database) {
		stranger := d
		stranger.Password = "another-" + d.Password
		refused(t, stranger, source(t, d, "", func(u *url.URL) { u.User = url.UserPassword(d.User, stranger.Password) }),
			"can't be opened: the server refuses user or password; correct them")
		refused(t, d, source(t, d, "", func(u *url.URL) { u.User = url.UserPassword("nobody", d.Password) }),
			"the server refuses user or password")
		refused(t, d, source(t, d, "", func(u *url.URL) { u.Path = "/elsewhere" }), "there is no database of this name")

		role := d.Role(t, "guest")
		right, wrong := "REVOKE CONNECT ON DATABASE "+d.Name+" FROM PUBLIC", "the user may not connect to this database"
		limit := `ALTER ROLE "` + d.User + `" CONNECTION LIMIT 1`
		if kind == MySQL {
			right, wrong = "DO 0", "or the user has no right in it"
			limit = "GRANT USAGE ON *.* TO '" + d.User + "'@'%' WITH MAX_USER_CONNECTIONS 1"
		}
		admin := d.Admin().Open(t)
		run(t, admin, right)
		refused(t, role, role.DSN, wrong)

		run(t, admin, limit)
		open(t, d.DSN)
		refused(t, d, d.DSN, "the server has no connection left")
	})
}

func TestT36_WhyAServerIsNotReachedIsTold(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, kind Kind, d servers.Database) {
		proxy := servers.NewProxy(t, d.Address())
		proxy.Refuse(t, true)
		refused(t, d, source(t, d, "", at(proxy.Address)), "nobody listens at this host and port; start the server")
		// The top-level domain is reserved for names that there are not (RFC 6761, section 6.4).
		unknown := "there is no host of this name"
		if _, err := net.DefaultResolver.LookupHost(t.Context(), "rekey.invalid"); err == nil || !isNotFound(err) {
			unknown = "the host's name can't be looked up now" // where there is no name server
		}
		refused(t, d, source(t, d, "", at("rekey.invalid")), unknown)

		socket := "/host-that-there-is-not"
		param := map[Kind]string{PostgreSQL: "host=", MySQL: "socket="}[kind]
		refused(t, d, source(t, d, param+socket, at("")), "there is no such socket")
	})
}

func isNotFound(err error) bool {
	e, ok := errors.AsType[*net.DNSError](err)
	return ok && e.IsNotFound
}

func TestAServerThatSaysNothingIsGivenUpInTime(t *testing.T) {
	t.Parallel()
	// Connections are taken by the system and never looked at.
	silent, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	for _, c := range []struct{ params, want string }{
		{"connect_timeout=1&sslmode=disable", "it does not answer within 1s"},
		{"connect_timeout=1&sslmode=prefer", "it does not answer within 1s"},
		{"connect_timeout=1&sslmode=verify-full", "it does not answer within 1s"},
		{"", "it does not answer within 3s"},
	} {
		for kind := range families {
			t.Run(string(kind)+" "+c.params, func(t *testing.T) {
				t.Parallel()
				start := time.Now()
				d := nobodys(kind, silent)
				refusedInTime(t, d, source(t, d, c.params), c.want)
				if took := time.Since(start); took < time.Second || took > time.Minute {
					t.Errorf("it took %v", took)
				}
			})
		}
	}
}

// TestAConnectionComesAboutInTimeOrNotAtAll asks for one as the pool does on its own, with no time of the caller's.
func TestAConnectionComesAboutInTimeOrNotAtAll(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for kind := range families {
		s, err := Parse(source(t, nobodys(kind, silent), "connect_timeout=1"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Connector()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Connect(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: the error is %v", kind, err)
		}
	}
}

// nobodys is a database that there is not, at a listener of the test.
func nobodys(kind Kind, l net.Listener) servers.Database {
	const password = "canary-password"
	return servers.Database{Kind: string(kind), Password: password, DSN: string(kind) + "://rekey:" + password + "@" + l.Addr().String() + "/app"}
}

func TestWhatIsNoDatabaseServerIsTold(t *testing.T) {
	t.Parallel()
	web, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { web.Close() })
	go func() {
		for {
			c, err := web.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = c.Close()
		}
	}()
	for kind := range families {
		d := nobodys(kind, web)
		for _, mode := range []string{"disable", "prefer", "require"} {
			refused(t, d, source(t, d, "sslmode="+mode), map[Kind]string{
				PostgreSQL: "can't be opened: 127.0.0.1:", MySQL: "see whether it is a MySQL that answers there",
			}[kind])
		}
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for kind := range families {
		silent, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			c, err := silent.Accept()
			if err == nil {
				defer c.Close()
			}
			cancel()
			<-t.Context().Done()
		}()
		var s Set
		_, err = s.Open(ctx, "users.dsn", string(kind)+"://rekey:p@"+silent.Addr().String()+"/app?connect_timeout=60")
		if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "does not answer") {
			t.Errorf("%s: the error is %v", kind, err)
		}
	}
}

func TestAStatementEndsWithItsContext(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, kind Kind, d servers.Database) {
		db := open(t, d.DSN).Write
		wait := map[Kind]string{PostgreSQL: "SELECT pg_sleep($1)", MySQL: "SELECT SLEEP(?)"}[kind]
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := db.ExecContext(ctx, wait, 3600)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is %v", err)
		}
		if n := one[int](t, db, "SELECT 1"); n != 1 {
			t.Errorf("the pool answers %d", n)
		}
	})
}

func TestTextsKeepEveryCharacter(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, kind Kind, d servers.Database) {
		db := open(t, d.DSN).Write
		param := map[Kind]string{PostgreSQL: "CAST($1 AS text)", MySQL: "?"}[kind]
		for _, text := range []string{"密码 😀 é", `a'b"c\d%_;--`, "\u2028", strings.Repeat("x", 100_000)} {
			if got := one[string](t, db, "SELECT "+param, text); got != text {
				t.Errorf("%q comes back as %q", text, got)
			}
		}
	})
}
