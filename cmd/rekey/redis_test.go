package main

import (
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"rekey/test/servers"
	"rekey/userdb"
)

// patiently is the URL of a Redis or another server for a machine of any speed.
func patiently(text string) string {
	separator := "?"
	if strings.Contains(text, "?") {
		separator = "&"
	}
	return text + separator + "step_timeout=60s&connect_timeout=60"
}

// altered is a URL with a change.
func altered(t *testing.T, text string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	change(u)
	return u.String()
}

// overTLS is the URL of a place that is reached by TLS.
func overTLS(k servers.Keyspace) string { return k.URL + "?sslrootcert=" + k.CA }

// TestGrantsLeadToAUserOfRedisWhoCanServeAndDoNothingElse goes an operator's way: a user without rights, what grants prints
// executed on every server, a doctor who finds nothing to mend, and a service through which a password is changed.
func TestGrantsLeadToAUserOfRedisWhoCanServeAndDoNothingElse(t *testing.T) {
	t.Parallel()
	type place struct {
		keys                servers.Keyspace
		url                 func(servers.Keyspace) string
		servers, sentinels  []*servers.RedisServer
		settings            []string
		granted, notGranted string
	}
	plain := func(k servers.Keyspace) string { return k.URL }
	for name, start := range map[string]func(t *testing.T) place{
		"one server": func(t *testing.T) place {
			s := servers.StartRedis(t)
			return place{keys: s.Keyspace, url: plain, servers: []*servers.RedisServer{s}, granted: "+eval", notGranted: "+select"}
		},
		"a database over TLS": func(t *testing.T) place {
			s := servers.StartRedis(t)
			return place{keys: s.TLS, servers: []*servers.RedisServer{s}, granted: "+select", notGranted: "+cluster", url: func(k servers.Keyspace) string {
				return strings.Replace(overTLS(k), "/0?", "/3?", 1)
			}}
		},
		"sentinels": func(t *testing.T) place {
			s := servers.StartSentinel(t)
			return place{keys: s.Keyspace, url: plain, servers: s.Servers, sentinels: s.Sentinels, settings: []string{"REKEY_CODES_WAIT=1"}, granted: "+wait", notGranted: "+cluster"}
		},
		"a cluster": func(t *testing.T) place {
			c := servers.StartRedisCluster(t, "cluster-node-timeout 60000") // on a slow machine too no master is replaced
			return place{keys: c.Keyspace, url: plain, servers: c.Nodes, granted: "+cluster|slots", notGranted: "+wait"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const mobile = "13800000001"
			at := start(t)
			role := at.keys.Role(t)
			g := newGatewayServer(t)
			settings := append(through(g), append(at.settings, "REKEY_CODES_STORE="+patiently(at.url(role)))...)

			p := newPatient(t, "sqlite")
			d, _ := diagnosed(t, p.env(settings...))
			if missing := d.of("codes.rights"); len(missing) == 0 || missing[0].Severity != userdb.Mend || !strings.HasPrefix(missing[0].Remedy, "ACL SETUSER "+role.User+" +") {
				t.Errorf("without rights, doctor finds %+v", d.Findings)
			}
			grants := printed(t, settings, "--for", "codes")
			if !strings.Contains(grants, at.granted) || strings.Contains(grants, at.notGranted) || strings.Contains(grants, role.Password) {
				t.Errorf("printed is\n%s", grants)
			}
			execute(t, grants, at.servers, at.sentinels)

			d, _ = diagnosed(t, p.env(settings...))
			for _, f := range d.Findings {
				if strings.HasPrefix(f.ID, "codes.") && f.Severity == userdb.Mend {
					t.Errorf("with the rights, doctor finds %+v", f)
				}
			}
			if len(d.of("codes.ready")) != 1 || len(d.of("codes.server")) != 1 {
				t.Errorf("with the rights, doctor finds %+v", d.Findings)
			}
			dir := t.TempDir()
			s := serve(t, dir, []string{mobile}, settings...)
			recovers(t, s, g, mobile)
			if out, exit := runCommand(t, dir, s.env, "", "unlock", mobile); exit != exitOK {
				t.Errorf("unlock: %d %s", exit, out)
			}
			guest := role.Client(t)
			for _, command := range [][]any{{"set", "other", "1"}, {"config", "get", "maxmemory"}, {"flushall"}, {"keys", "*"}, {"acl", "list"}, {"get", "other"}} {
				if err := guest.Do(t.Context(), command...).Err(); !redis.HasErrorPrefix(err, "NOPERM") {
					t.Errorf("%v answers %v, want NOPERM", command, err)
				}
			}
		})
	}
}

// execute runs what grants printed: what stands before the line that names the sentinels on every server, the rest on
// every sentinel.
func execute(t *testing.T, grants string, keepers, sentinels []*servers.RedisServer) {
	t.Helper()
	on := keepers
	for line := range strings.Lines(grants) {
		if strings.HasPrefix(line, "# And on every sentinel") {
			on = sentinels
		}
		if !strings.HasPrefix(line, "ACL ") {
			continue
		}
		var command []any
		for word := range strings.FieldsSeq(line) {
			command = append(command, word)
		}
		for _, s := range on {
			if err := s.Client(t).Do(t.Context(), command...).Err(); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
	}
}

// recovers changes a password through the service, with a wrong code on the way.
func recovers(t *testing.T, s *served, g *gateway, mobile string) {
	t.Helper()
	sent := s.send(mobile)
	if sent.Errno != "0" {
		t.Fatalf("send answers %+v", sent)
	}
	flow := sent.Data["flow"].(string)
	if a := resets(s, mobile, other(g.code(t)), "After2nd", flow); a.Status != http.StatusForbidden || a.Data["attempts_left"] != 4.0 {
		t.Errorf("a wrong code answers %+v", a)
	}
	if a := resets(s, mobile, g.code(t), "After2nd", flow); a.Errno != "0" {
		t.Errorf("the right code answers %+v", a)
	}
	if a := resets(s, mobile, g.code(t), "Third3rd", flow); a.Errno != "4103" {
		t.Errorf("a used code answers %+v", a)
	}
}

// resets asks for a reset again while a slow machine answers 503, as the contract says clients may.
func resets(s *served, mobile, code, password, flow string) (a answer) {
	for range 50 {
		if a = s.reset(mobile, code, password, flow); a.Status != http.StatusServiceUnavailable {
			break
		}
	}
	return a
}

// other is a code that is not this one.
func other(code string) string {
	if code == "271828" {
		return "271829"
	}
	return "271828"
}

// TestT36_T11 takes the service and the commands through success and failure on a Redis, and looks for what is secret in
// all that they say and in all that Redis keeps.
func TestT36_T11_WithCodesInRedisNothingSecretIsLeftAnywhere(t *testing.T) {
	t.Parallel()
	const served1, served2, stolen = "13872640915", "13872640926", "Stolen7canary"
	server := servers.StartRedis(t)
	k := server.Keyspace
	g := newGatewayServer(t)
	dir := t.TempDir()
	s := serve(t, dir, []string{served1, served2}, append(through(g), "REKEY_CODES_STORE="+patiently(k.URL))...)
	for _, mobile := range []string{served1, served2} {
		sent := s.send(mobile)
		if sent.Errno != "0" {
			t.Fatalf("send answers %+v", sent)
		}
		s.reset(mobile, other(g.code(t)), stolen, sent.Data["flow"].(string))
	}
	kept := ""
	c := k.Client(t)
	keys, err := c.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) == 0 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	for _, key := range keys {
		value, err := c.Get(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		kept += key + " " + value + "\n"
		if life := c.PTTL(t.Context(), key).Val(); life <= 0 {
			t.Errorf("a key never expires")
		}
	}
	var printed strings.Builder
	tell := func(store string) {
		env := append(slices.Clone(s.env), "REKEY_USERS_DSN=sqlite:"+filepath.Join(dir, "users.db"), "REKEY_CODES_STORE="+store)
		for _, args := range [][]string{{"config"}, {"unlock", served1}, {"migrate", "--print"}, {"grants"}} {
			run(t.Context(), args, env, strings.NewReader(""), &printed, &printed)
		}
		env = append(env, "REKEY_USERS_MOBILE_FORMAT=none") // a fault, so that the users table is not looked at, which takes long
		for _, form := range []string{"--json=false", "--json"} {
			run(t.Context(), []string{"doctor", form}, env, strings.NewReader(""), &printed, &printed)
		}
	}
	tell(k.URL)
	for _, change := range []func(*url.URL){
		func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "canary/canary") },
		func(u *url.URL) { u.RawQuery = url.Values{"canary": {k.Password}}.Encode() },
		func(u *url.URL) {
			u.Scheme, u.Path, u.RawQuery = "redis+sentinel", "main", "sentinel_user=u&sentinel_password=canary"
		},
		func(u *url.URL) { u.Scheme = "redis+cluster" },
	} {
		tell(altered(t, k.URL, change))
	}
	server.Kill(t)
	if a := s.send(served1); a.Status != http.StatusServiceUnavailable {
		t.Errorf("without Redis, send answers %+v", a)
	}
	tell(k.URL)
	s.stop(syscall.SIGTERM)
	s.wait()
	var codes, wrong []string
	for _, m := range g.taken() {
		codes, wrong = append(codes, m.Code), append(wrong, other(m.Code))
	}
	secrets := []string{served1, served2, served1[2:], stolen, goodKey, k.Password, url.QueryEscape(k.Password), url.UserPassword("", k.Password).String()[1:]}
	expectNone(t, "what Redis keeps", kept, secrets, slices.Concat(codes, wrong))
	expectNone(t, "the output of serve", s.printed(), secrets, codes)
	expectNone(t, "the output of the commands", printed.String(), append(secrets, "canary"), codes)
	for _, kind := range []string{"store_down", "wrong_code"} {
		if !strings.Contains(s.printed(), kind) {
			t.Errorf("the log has no %s: that path was not taken", kind)
		}
	}
}
