package databases

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"rekey"
	"rekey/test/servers"
)

func TestParseCodesTellsTheKindsOfStoresApart(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]struct {
		shown              string
		redis, sql, danger bool
	}{
		"memory:":                              {shown: "memory:"},
		"sqlite:a.db":                          {shown: "sqlite:a.db", sql: true},
		"mariadb://u:canary@127.0.0.1/app":     {shown: "mysql://u:(hidden)@127.0.0.1:3306/app", sql: true},
		"postgres://u:canary@db/app":           {shown: "postgres://u:(hidden)@db:5432/app", sql: true, danger: true},
		"redis://127.0.0.1":                    {shown: "redis://127.0.0.1:6379/0", redis: true},
		"redis://u:canary@r/3":                 {shown: "redis://u:(hidden)@r:6379/3", redis: true, danger: true},
		"rediss+sentinel://:canary@s1,s2/main": {shown: "rediss+sentinel://:(hidden)@s1:26379,s2:26379/main", redis: true},
		"redis+cluster://r1,r2":                {shown: "redis+cluster://r1:6379,r2:6379", redis: true, danger: true},
	} {
		c, err := ParseCodes(dsn)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		if (c.Redis != nil) != want.redis || (c.SQL != nil) != want.sql || c.Exposed() != want.danger || c.String() != want.shown {
			t.Errorf("%s is %v, exposed %v", dsn, c, c.Exposed())
		}
		masked, secret := MaskCodes(dsn)
		if masked != want.shown && dsn != "memory:" || secret != strings.Contains(dsn, "canary") {
			t.Errorf("%s is masked as %s, secret %v", dsn, masked, secret)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if shown := fmt.Sprintf(verb, c); strings.Contains(shown, "canary") {
				t.Errorf("T36: %s of %s is %s", verb, dsn, shown)
			}
		}
	}
	for dsn, says := range map[string]string{
		"":                        `must begin with "memory:", "sqlite:"`,
		"rekey.db":                `must begin with "memory:", "sqlite:"`,
		"redis:canary":            `must begin with "memory:", "sqlite:"`,
		"memory:canary":           "with nothing behind it",
		"redis://u:canary@r/main": "must have the number of a database",
		"postgres://u:canary@db":  "names no database",
	} {
		if _, err := ParseCodes(dsn); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v, want … %s …", dsn, err, says)
		}
	}
}

// openCodes opens a code store as the program does, with what a slow machine needs.
func openCodes(t *testing.T, s *Set, dsn string) (Codes, error) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("step_timeout", "60s")
	u.RawQuery = q.Encode()
	return s.Codes(t.Context(), "codes.store", u.String())
}

func TestAStoreInRedisIsInspectedUsedAndClosed(t *testing.T) {
	t.Parallel()
	k := servers.Redis(t)
	var log strings.Builder
	s := Set{Log: slog.New(slog.NewJSONHandler(&log, nil))}
	codes, err := openCodes(t, &s, k.URL)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), `"level":"WARN","msg":"codes.store: the server has neither an append-only file nor a replica`) {
		t.Errorf("the log is %s", log.String())
	}
	charge := rekey.Charge{Budget: "test", Name: "test", Kind: rekey.Daily, Limit: 2, Cost: 1}
	for range 2 {
		if d, err := codes.Take(t.Context(), charge); err != nil || d.Refused >= 0 {
			t.Fatalf("%+v, %v", d, err)
		}
	}
	if d, err := codes.Take(t.Context(), charge); err != nil || d.Refused != 0 {
		t.Errorf("a third is answered %+v, %v", d, err)
	}
	if err := codes.Close(); err != nil {
		t.Error(err)
	}
	if _, err := codes.Clock(t.Context()); err == nil {
		t.Error("a closed store tells the time")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if left := connections(t, k); len(left) != 1 {
		t.Errorf("connections are left: %v", left)
	}
}

// connections lists the connections to the database of k, one of which is that which asks.
func connections(t *testing.T, k servers.Keyspace) []string {
	t.Helper()
	c := k.Client(t)
	db := ""
	mine := c.Do(t.Context(), "client", "info").Val().(string)
	for field := range strings.FieldsSeq(mine) {
		if strings.HasPrefix(field, "db=") {
			db = field
		}
	}
	var all []string
	for line := range strings.Lines(c.ClientList(t.Context()).Val()) {
		if strings.Contains(line, " "+db+" ") {
			all = append(all, line)
		}
	}
	return all
}

// A setting that asks for replicas reaches the store: without one no code is issued, nor even tried to be.
func TestReplicasThatMustConfirmAreAskedForAtTheStart(t *testing.T) {
	t.Parallel()
	k := servers.Redis(t)
	s := Set{Wait: 1}
	codes, err := openCodes(t, &s, k.URL)
	if err == nil || codes != nil || !strings.HasPrefix(err.Error(), "codes.store: ") || !strings.Contains(err.Error(), "codes.wait is 1") {
		t.Errorf("%v, %v", codes, err)
	}

	watched := servers.StartSentinel(t)
	codes, err = openCodes(t, &s, watched.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := codes.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := codes.Unlock(t.Context(), "somebody"); err != nil {
		t.Errorf("with two replicas: %v", err)
	}
	stats, err := watched.Master(t).Client(t).Info(t.Context(), "commandstats").Result()
	if err != nil || !strings.Contains(stats, "cmdstat_wait:") {
		t.Errorf("no replica was waited for: %v", err)
	}
}

// Everything that must be mended is a line of the error, and the client does not stay behind.
func TestEachThingThatKeepsRedisFromKeepingCodesIsALine(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t, "maxmemory-policy volatile-lru")
	role := server.Role(t, "~rekey:*", "+@all", "-eval")
	var s Set
	codes, err := openCodes(t, &s, role.URL)
	if err == nil || codes != nil {
		t.Fatalf("%v was opened", codes)
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "maxmemory-policy is volatile-lru") || !strings.HasPrefix(lines[1], "codes.store: the user has no right to run eval") {
		t.Errorf("the error is\n%v", err)
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "codes.store: ") || strings.HasSuffix(line, ".") || strings.Contains(line, role.Password) {
			t.Errorf("a line of it is %s", line)
		}
	}
	list := server.Client(t).ClientList(t.Context()).Val()
	if strings.Contains(list, "user="+role.User) {
		t.Errorf("connections are left:\n%s", list)
	}
}
