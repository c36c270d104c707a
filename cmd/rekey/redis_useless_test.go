package main

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"rekey/test/servers"
	"rekey/userdb"
)

// TestDoctorAndServeSayWhyARedisCanNotKeepCodes: serve refuses to start, in a line for each thing that must be mended.
func TestDoctorAndServeSayWhyARedisCanNotKeepCodes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		start    func(t *testing.T) string // its URL
		id, says string
		settings []string
	}{
		"eviction": {start: func(t *testing.T) string {
			return servers.StartRedis(t, "maxmemory 100mb", "maxmemory-policy allkeys-lru").URL
		}, id: "codes.eviction", says: "maxmemory-policy is allkeys-lru"},
		"no rights": {start: func(t *testing.T) string { return servers.Redis(t).Role(t, "+info", "+select").URL },
			id: "codes.rights", says: "the user has no right to run time, set, get, pexpire, del, evalsha and eval"},
		"rights to other keys": {start: func(t *testing.T) string { return servers.Redis(t).Role(t, "+@all", "~app:*").URL },
			id: "codes.rights", says: "the user has no right to keys that begin with rekey:"},
		"wrong password": {start: func(t *testing.T) string {
			return altered(t, servers.Redis(t).URL, func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "another") })
		}, id: "codes.unreachable", says: "the server refuses user or password"},
		"nobody there": {start: func(t *testing.T) string {
			s := servers.StartRedis(t)
			s.Kill(t)
			return s.URL
		}, id: "codes.unreachable", says: "nobody listens at 127.0.0.1:"},
		"a certificate of an unknown authority": {start: func(t *testing.T) string { return servers.StartRedis(t).TLS.URL },
			id: "codes.unreachable", says: "the server's certificate is signed by nobody who is trusted"},
		"a node of a cluster as if it were alone": {start: func(t *testing.T) string {
			k := servers.RedisCluster(t)
			return altered(t, k.URL, func(u *url.URL) {
				u.Scheme = "redis"
				u.Host, _, _ = strings.Cut(k.Address, ",")
			})
		}, id: "codes.layout", says: "the server is a node of a cluster; begin codes.store with redis+cluster://"},
		"a replica": {start: func(t *testing.T) string {
			s := servers.StartRedis(t)
			if err := s.Client(t).SlaveOf(t.Context(), "127.0.0.1", "1").Err(); err != nil {
				t.Fatal(err)
			}
			return s.URL
		}, id: "codes.layout", says: "the server is a replica, which takes no writes"},
		"one server as if it were a cluster": {start: func(t *testing.T) string {
			return altered(t, servers.StartRedis(t).URL, func(u *url.URL) { u.Scheme = "redis+cluster" })
		}, id: "codes.unreachable", says: "the server is no node of a cluster; begin codes.store with redis://"},
		"fewer replicas than must confirm": {start: func(t *testing.T) string { return servers.Redis(t).URL }, settings: []string{"REKEY_CODES_WAIT=1"},
			id: "codes.replicas", says: "codes.wait is 1"},
		"a cluster with missing slots": {start: func(t *testing.T) string {
			c := servers.StartRedisCluster(t, "cluster-node-timeout 60000") // on a slow machine too no master is replaced
			for _, n := range c.Nodes {
				// Each forgets it by itself.
				if err := n.Client(t).ClusterDelSlots(t.Context(), 42).Err(); err != nil {
					t.Fatal(err)
				}
			}
			return c.URL
		}, id: "codes.slots", says: "1 of the cluster's 16384 slots are served by nobody"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := append(c.settings, "REKEY_CODES_STORE="+patiently(c.start(t)))
			d, exit := diagnosed(t, newPatient(t, "sqlite").env(settings...))
			if exit != exitFault || !slices.ContainsFunc(d.of(c.id), func(f userdb.Finding) bool {
				return f.Severity == userdb.Mend && f.About == "codes.store" && strings.Contains(strings.ToLower(f.Text), strings.ToLower(c.says))
			}) {
				t.Errorf("exit %d, and no %s with %q", exit, c.id, c.says)
			}
			if len(d.of("codes.ready")) > 0 {
				t.Error("doctor finds it ready")
			}
			env := append(settings, "REKEY_KEYS="+goodKey, "REKEY_LISTEN=127.0.0.1:0", "REKEY_ADMIN_LISTEN=127.0.0.1:0")
			s := start(t, command(t, t.TempDir(), env, "serve"))
			if exit := s.wait(); exit != exitFault || !strings.Contains(s.printed(), c.says) {
				t.Errorf("exit %d, and serve does not say %q:\n%s", exit, c.says, s.printed())
			}
			for line := range strings.Lines(s.printed()) {
				if !strings.HasPrefix(line, "rekey: codes.store: ") && !strings.HasPrefix(line, "{") { // a record of the log
					t.Errorf("a line of it is %s", line)
				}
			}
		})
	}
}

func TestWhatCouldBeBetterOfARedisIsInTheLog(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), nil, append(through(newGatewayServer(t)), "REKEY_CODES_STORE="+patiently(servers.Redis(t).URL))...)
	s.line(func(line string) bool {
		return strings.Contains(line, `"level":"WARN"`) && strings.Contains(line, "codes.store: the server has neither an append-only file nor a replica")
	})
}

// A Redis that answers may be of no use all the same: while every write is refused, or too few replicas confirm one, people
// are refused, and so /readyz says that the part is down.
func TestT16_ARedisThatAnswersButTakesNoStepsIsTold(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) (settings []string, begin, end func()){
		"its memory is full": func(t *testing.T) ([]string, func(), func()) {
			server := servers.StartRedis(t)
			c := server.Client(t)
			limit := func(bytes string) {
				t.Helper()
				if err := c.ConfigSet(t.Context(), "maxmemory", bytes).Err(); err != nil {
					t.Fatal(err)
				}
			}
			return []string{"REKEY_CODES_STORE=" + patiently(server.URL)}, func() { limit("1") }, func() { limit("0") }
		},
		"no replica follows": func(t *testing.T) ([]string, func(), func()) {
			group := servers.StartSentinel(t)
			master := group.Master(t)
			replicas := slices.DeleteFunc(slices.Clone(group.Servers), func(s *servers.RedisServer) bool { return s == master })
			store := "REKEY_CODES_STORE=" + strings.Replace(patiently(group.URL), "step_timeout=60s", "step_timeout=2s", 1)
			return []string{store, "REKEY_CODES_WAIT=1"}, func() {
					for _, replica := range replicas {
						replica.Stop(t)
					}
				}, func() {
					for _, replica := range replicas {
						replica.Start(t)
					}
				}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const mobile = "13800000001"
			settings, begin, end := start(t)
			g := newGatewayServer(t)
			// Who asks once it is over is somebody else: what too few replicas have confirmed may count all the same. On a slow machine
			// a step may take its time once more.
			others := []string{"13800000002", "13800000003", "13800000004"}
			s := serve(t, t.TempDir(), append(others, mobile), append(through(g), settings...)...)
			s.expectReady(t, "")
			begin()
			s.expectReady(t, "codes")
			if a := s.send(mobile); a.Status != http.StatusServiceUnavailable || a.Errno != "4500" {
				t.Errorf("send answers %+v", a)
			}
			if n := len(g.taken()); n != 0 {
				t.Errorf("%d messages were sent", n)
			}
			end()
			s.expectReady(t, "")
			var a answer
			for _, mobile := range others {
				if a = s.send(mobile); a.Status != http.StatusServiceUnavailable {
					break
				}
			}
			if a.Errno != "0" {
				t.Errorf("with all as before, send answers %+v", a)
			}
		})
	}
}

// A key of somebody else's where ours should be is an error and never a code, a budget or a pass. The log and rekey unlock
// say in one sentence which key it is, by our hash and not the number (T36), and what to do.
func TestAForeignKeyUnderOurPrefixIs503WithItsCauseInTheLog(t *testing.T) {
	t.Parallel()
	for name, foreign := range map[string]func(ctx context.Context, c redis.UniversalClient, key string) error{
		"a list": func(ctx context.Context, c redis.UniversalClient, key string) error {
			return c.RPush(ctx, key, "theirs").Err()
		},
		"a text": func(ctx context.Context, c redis.UniversalClient, key string) error {
			return c.Set(ctx, key, "theirs", 0).Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const mobile = "13800000001"
			k := servers.Redis(t)
			c := k.Client(t)
			replace := func(pattern string) (restore func()) {
				t.Helper()
				keys, err := c.Keys(t.Context(), pattern).Result()
				if err != nil || len(keys) == 0 {
					t.Fatalf("%d keys %s, %v", len(keys), pattern, err)
				}
				kept := map[string]string{}
				for _, key := range keys {
					if kept[key], err = c.Dump(t.Context(), key).Result(); err != nil {
						t.Fatal(err)
					}
					if err := c.Del(t.Context(), key).Err(); err != nil {
						t.Fatal(err)
					}
					if err := foreign(t.Context(), c, key); err != nil {
						t.Fatal(err)
					}
				}
				return func() {
					t.Helper()
					for key, value := range kept {
						if err := c.RestoreReplace(t.Context(), key, 0, value).Err(); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			g := newGatewayServer(t)
			s := serve(t, t.TempDir(), []string{mobile, "13800000002"}, append(through(g), "REKEY_CODES_STORE="+patiently(k.URL))...)
			sent := s.send(mobile)
			if sent.Errno != "0" {
				t.Fatalf("send answers %+v", sent)
			}
			flow := sent.Data["flow"].(string)

			restore := replace("rekey:n:*")
			for what, a := range map[string]answer{
				"send": s.send(mobile), "the right code": s.reset(mobile, g.code(t), "After2nd", flow), "a wrong code": s.reset(mobile, other(g.code(t)), "After2nd", flow),
			} {
				if a.Status != http.StatusServiceUnavailable || a.Errno != "4500" {
					t.Errorf("with the number's key foreign, %s answers %+v", what, a)
				}
			}
			inTheLog := func(begins string) {
				t.Helper()
				s.line(func(line string) bool {
					return strings.Contains(line, "store_down") && strings.Contains(line, `"cause":"in Redis the key `+begins) &&
						strings.Contains(line, "has written; delete it if nobody needs it, else give rekey a prefix of its own (?prefix= in codes.store)")
				})
			}
			inTheLog("rekey:n:{")
			keys, err := c.Keys(t.Context(), "rekey:n:*").Result()
			if err != nil || len(keys) != 1 {
				t.Fatalf("%d keys of numbers, %v", len(keys), err)
			}
			said, exit := runCommand(t, t.TempDir(), s.env, "", "unlock", mobile)
			if exit != exitFault || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "rekey: in Redis the key "+keys[0]+", which is for a number, holds what ") {
				t.Errorf("unlock says %d %s", exit, said)
			}
			restore()
			restore = replace("rekey:b:*")
			if a := s.send("13800000002"); a.Status != http.StatusServiceUnavailable || a.Errno != "4500" {
				t.Errorf("with budgets' keys foreign, send answers %+v", a)
			}
			inTheLog("rekey:b:{")
			if told := said + s.printed(); strings.Contains(told, mobile) || strings.Contains(told, "WRONGTYPE") || strings.Contains(told, "script") {
				t.Errorf("T36: what is said repeats the number, or Redis:\n%s", told)
			}
			if n := len(g.taken()); n != 1 {
				t.Errorf("%d messages were sent, want 1", n)
			}
			restore()
			if a := resets(s, mobile, g.code(t), "After2nd", flow); a.Errno != "0" {
				t.Errorf("with all restored, the right code answers %+v", a)
			}
		})
	}
}
