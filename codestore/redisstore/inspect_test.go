package redisstore_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"rekey"
	"rekey/codestore/redisstore"
	"rekey/test/servers"
)

// inspect opens what a URL names, as the program does, and looks at it.
func inspect(t *testing.T, target string, wait int) []redisstore.Finding {
	t.Helper()
	parsed, client := connect(t, target)
	return parsed.Inspect(t.Context(), client, wait)
}

// connect makes a client as the program does, for a machine of any speed unless the URL says otherwise.
func connect(t *testing.T, target string) (redisstore.Target, redis.UniversalClient) {
	t.Helper()
	if !strings.Contains(target, "step_timeout") {
		target = with(t, target, "step_timeout", "1m", "connect_timeout", "60")
	}
	parsed, err := redisstore.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	client, err := parsed.Client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return parsed, client
}

// with is a URL with parameters, of which pairs are names and values.
func with(t *testing.T, target string, pairs ...string) string {
	t.Helper()
	rest, query, _ := strings.Cut(target, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	for pair := range slices.Chunk(pairs, 2) {
		values.Set(pair[0], pair[1])
	}
	return rest + "?" + values.Encode()
}

// expect compares findings by severity and name, and looks for a part of each text. Each of want is "severity name text".
func expect(t *testing.T, what string, got []redisstore.Finding, want ...string) {
	t.Helper()
	good := len(got) == len(want)
	for i := range got {
		if i >= len(want) {
			break
		}
		part := strings.SplitN(want[i], " ", 3)
		good = good && string(got[i].Severity) == part[0] && got[i].ID == "codes."+part[1] && strings.Contains(got[i].String(), part[2])
	}
	if !good {
		t.Errorf("%s: found\n%s\nwant\n%s", what, listed(got), strings.Join(want, "\n"))
	}
}

func listed(all []redisstore.Finding) string {
	var b strings.Builder
	for _, f := range all {
		fmt.Fprintf(&b, "%s %s: %s\n", f.Severity, strings.TrimPrefix(f.ID, "codes."), f)
	}
	return b.String()
}

// steps takes a step of every kind.
func steps(t *testing.T, s *redisstore.Store) error {
	t.Helper()
	ctx := t.Context()
	number := rekey.Name("number" + rekey.Name(fmt.Sprint(time.Now().UnixNano())))
	key := rekey.KeyID("k")
	r := rekey.IssueRequest{
		Number: number, NewFlow: "flow", Account: "account", Fingerprints: []rekey.Keyed{{Key: key, Value: "fingerprint"}},
		Key: key, Nonce: "nonce", Check: "check", Lifetime: time.Minute, MaxAge: time.Minute, Intervals: []time.Duration{time.Second}, Guesses: 5,
	}
	issued, err := s.Issue(ctx, r)
	if err != nil {
		return err
	}
	if err := s.Withdraw(ctx, issued.Ticket); err != nil {
		return err
	}
	if _, err = s.Issue(ctx, r); err != nil {
		return err
	}
	guess := rekey.Guess{Number: number, Flow: "flow", Checks: []rekey.Keyed{{Key: key, Value: "check"}}, Request: "request", Account: r.Account, Fingerprints: r.Fingerprints, Guesses: 5, PoolGuesses: 3, Grace: time.Minute}
	verdict, err := s.Guess(ctx, guess)
	if err == nil && verdict.Outcome != rekey.GuessMatch {
		err = fmt.Errorf("the right code is judged %v", verdict.Outcome)
	}
	if err != nil {
		return err
	}
	if err := s.Finish(ctx, rekey.Redemption{Number: number, Flow: "flow", Nonce: "nonce", Request: "request", Account: "account", Fingerprints: r.Fingerprints}); err != nil {
		return err
	}
	for _, limit := range []int64{1, 1} { // the second one refuses, and the first is given back
		_, err := s.Take(ctx, rekey.Charge{Name: number, Kind: rekey.Daily, Limit: 10, Cost: 1}, rekey.Charge{Name: number + "2", Kind: rekey.Daily, Limit: limit, Cost: 1})
		if err != nil {
			return err
		}
	}
	if _, err := s.Unlock(ctx, number); err != nil {
		return err
	}
	if _, err := s.Clock(ctx); err != nil {
		return err
	}
	return s.Close()
}

// rights are those that Target documents.
func rights(more ...string) []string {
	return append([]string{"resetkeys", "~rekey:*", "resetchannels", "-@all", "+eval", "+evalsha", "+get", "+set", "+del", "+pexpire", "+time", "+info"}, more...)
}

// denied are the commands that servers refused the user, by their logs.
func denied(t *testing.T, user string, nodes ...*servers.RedisServer) []string {
	t.Helper()
	var all []string
	for _, n := range nodes {
		entries, err := n.Client(t).ACLLog(t.Context(), 1000).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Username == user {
				all = append(all, fmt.Sprint(e.Object, " by ", e.Context))
			}
		}
	}
	return all
}

// TestTheRightsThatAreDocumentedAreEnoughAndNoneIsTooMany: with them every step and Inspect succeed, and nothing is refused
// on the side; without any one of them Inspect asks for just that.
func TestTheRightsThatAreDocumentedAreEnoughAndNoneIsTooMany(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) (k servers.Keyspace, nodes []*servers.RedisServer, more []string){
		"single": func(t *testing.T) (servers.Keyspace, []*servers.RedisServer, []string) {
			s := servers.StartRedis(t, "appendonly yes")
			return s.Keyspace, []*servers.RedisServer{s}, nil
		},
		"cluster": func(t *testing.T) (servers.Keyspace, []*servers.RedisServer, []string) {
			c := servers.StartRedisCluster(t, unhurried)
			return c.Keyspace, c.Nodes, []string{"+cluster|slots", "+cluster|info", "+wait"}
		},
		"sentinel": func(t *testing.T) (servers.Keyspace, []*servers.RedisServer, []string) {
			s := servers.StartSentinel(t)
			return s.Keyspace, s.Servers, []string{"+wait"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, nodes, more := start(t)
			wait := 0
			if slices.Contains(more, "+wait") {
				wait = 1
			}
			all := rights(more...)
			role := k.Role(t, all...)
			target, client := connect(t, role.URL)
			if err := steps(t, redisstore.New(client, redisstore.Options{Wait: wait, StepTime: target.StepTime()})); err != nil {
				t.Error(err)
			}
			expect(t, "all rights", target.Inspect(t.Context(), client, wait), "fine server Redis ")
			if refused := denied(t, role.User, nodes...); len(refused) > 0 {
				t.Errorf("refused were %q", refused)
			}
			for i, right := range all {
				if !strings.HasPrefix(right, "+") && !strings.HasPrefix(right, "~") {
					continue
				}
				role := k.Role(t, slices.Delete(slices.Clone(all), i, i+1)...)
				found := inspect(t, role.URL, wait)
				want := "ACL SETUSER " + role.User + " " + right
				found = slices.DeleteFunc(found, func(f redisstore.Finding) bool { return f.Severity == redisstore.Advice }) // of replicas
				if len(found) != 1 || found[0].ID != "codes.rights" || found[0].Severity != redisstore.Mend || found[0].Remedy != want {
					t.Errorf("without %s: found\n%s", right, listed(found))
				}
			}
		})
	}
}

func TestADatabaseTakesTheRightToSelectIt(t *testing.T) {
	t.Parallel()
	k := servers.Redis(t) // of a number other than 0
	role := k.Role(t, rights("+select")...)
	_, client := connect(t, role.URL)
	if err := steps(t, redisstore.New(client, redisstore.Options{StepTime: patience})); err != nil {
		t.Error(err)
	}
	role = k.Role(t, rights()...)
	expect(t, "without", inspect(t, role.URL, 0), "mend rights The user has no right to run select; give it the right on every server, and keep it "+
		"with ACL SAVE or in redis.conf: ACL SETUSER "+role.User+" +select")
}

// TestSentinelsTakeTheRightsThatAreDocumented of a user of their own.
func TestSentinelsTakeTheRightsThatAreDocumented(t *testing.T) {
	t.Parallel()
	s := servers.StartSentinel(t)
	user := func(name string, rules ...string) string {
		for _, sentinel := range s.Sentinels {
			arguments := []any{"acl", "setuser", name, "on", ">secret"}
			for _, r := range rules {
				arguments = append(arguments, r)
			}
			if err := sentinel.Client(t).Do(t.Context(), arguments...).Err(); err != nil {
				t.Fatal(err)
			}
		}
		return with(t, s.URL, "sentinel_user", name, "sentinel_password", "secret")
	}
	least := []string{"resetchannels", "&+switch-master", "&+replica-reconf-done", "-@all", "+sentinel|get-master-addr-by-name", "+sentinel|sentinels", "+subscribe", "+ping"}
	expect(t, "all rights", inspect(t, user("least", least...), 2), "fine server Redis ")
	if refused := denied(t, "least", s.Sentinels...); len(refused) > 0 {
		t.Errorf("refused were %q", refused)
	}
	less := slices.DeleteFunc(slices.Clone(least), func(r string) bool { return r == "+sentinel|get-master-addr-by-name" })
	expect(t, "less", inspect(t, user("less", less...), 0), "mend rights give it the right on every sentinel, and keep it with ACL SAVE or in redis.conf: "+
		"ACL SETUSER less +sentinel|get-master-addr-by-name")
}

// TestWhatKeepsARedisFromKeepingCodesIsTold on a server whose settings change.
func TestWhatKeepsARedisFromKeepingCodesIsTold(t *testing.T) {
	t.Parallel()
	s := servers.StartRedis(t)
	admin := s.Client(t)
	set := func(name, value string) {
		t.Helper()
		if err := admin.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "by its defaults", inspect(t, s.URL, 0),
		"advice durability The server has neither an append-only file nor a replica: a restart forgets", "fine server The code store is Redis 7")
	set("appendonly", "yes")
	expect(t, "with an append-only file", inspect(t, s.URL, 0), "fine server Redis 7")

	for _, policy := range []string{"allkeys-lru", "volatile-ttl", "volatile-lfu", "allkeys-random"} {
		set("maxmemory-policy", policy)
		expect(t, policy, inspect(t, s.URL, 0), "mend eviction The maxmemory-policy is "+policy+": when the memory is full, keys are removed before their time, "+
			"and with them the guesses that were counted; set it to noeviction, in redis.conf too: CONFIG SET maxmemory-policy noeviction")
	}
	set("maxmemory-policy", "noeviction")

	expect(t, "waiting for replicas that there are not", inspect(t, s.URL, 2), "mend replicas The replicas that follow are 0, but codes.wait is 2, so that no code could be issued; add replicas, or lower codes.wait")

	set("maxmemory", "1")
	expect(t, "full", inspect(t, s.URL, 0), "mend steps the server's memory is full; raise its maxmemory")
	set("maxmemory", "0")

	set("min-replicas-to-write", "1")
	expect(t, "too few replicas", inspect(t, s.URL, 0), "mend steps without its replicas (min-replicas-to-write); start them")
	set("min-replicas-to-write", "0")

	expect(t, "another's keys", inspect(t, s.Role(t, "resetkeys", "~app:*", "+@all").URL, 0), "mend rights The user has no right to keys that begin with rekey:; ")
	expect(t, "its own prefix", inspect(t, with(t, s.Role(t, "resetkeys", "~app:*", "+@all").URL, "prefix", "app:"), 0), "fine server Redis 7")
	role := s.Role(t, rights("-get", "-set", "resetkeys")...)
	expect(t, "several", inspect(t, role.URL, 0), "mend rights The user has no right to run set and get and none to keys that begin with rekey:; give it the right on "+
		"every server, and keep it with ACL SAVE or in redis.conf: ACL SETUSER "+role.User+" +set +get ~rekey:*")
	expect(t, "no such database", inspect(t, strings.TrimSuffix(s.URL, "/0")+"/10000", 0), "mend unreachable There is no database of this number")
	expect(t, "no cluster", inspect(t, strings.Replace(strings.TrimSuffix(s.URL, "/0"), "redis://", "redis+cluster://", 1), 0),
		"mend unreachable The server is no node of a cluster; begin codes.store with redis:// or rediss://")

	if err := admin.Do(t.Context(), "replicaof", "127.0.0.1", "1").Err(); err != nil {
		t.Fatal(err)
	}
	expect(t, "a replica", inspect(t, s.URL, 0), "mend layout The server is a replica, which takes no writes; name its master, or begin codes.store with redis+sentinel://")
	if keys, err := admin.Keys(t.Context(), "*").Result(); err != nil || len(keys) > 0 {
		t.Errorf("%q are left, %v", keys, err)
	}
}

func TestWhatKeepsAClusterFromKeepingCodesIsTold(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, unhurried)
	expect(t, "sound", inspect(t, c.URL, 1), "fine server a cluster of 3 masters")
	expect(t, "over TLS", inspect(t, with(t, c.TLS.URL, "sslrootcert", c.TLS.CA), 1), "fine server a cluster of 3 masters")
	first := c.Nodes[0]
	for _, url := range []string{first.URL, with(t, first.TLS.URL, "sslrootcert", c.TLS.CA)} {
		expect(t, "as a single server", inspect(t, url, 0), "mend layout The server is a node of a cluster; begin codes.store with "+url[:strings.Index(url, ":")]+"+cluster://")
	}
	expect(t, "waiting for too many", inspect(t, c.URL, 2), "mend replicas  the replicas that follow are 1, but codes.wait is 2, so that no code could be issued")

	masters := c.Masters(t)
	if err := masters[0].Client(t).ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err(); err != nil {
		t.Fatal(err)
	}
	expect(t, "one that evicts", inspect(t, c.URL, 0), "mend eviction At "+masters[0].Address+" the maxmemory-policy is allkeys-lru")
	if err := masters[0].Client(t).ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err(); err != nil {
		t.Fatal(err)
	}

	// A slot that nobody serves: each node forgets it.
	for _, n := range c.Nodes {
		if err := n.Client(t).ClusterDelSlots(t.Context(), 7).Err(); err != nil && !strings.Contains(err.Error(), "unassigned") {
			t.Fatal(err)
		}
	}
	found := inspect(t, c.URL, 0)
	if len(found) == 0 || found[0].Severity != redisstore.Mend || !slices.ContainsFunc(found, func(f redisstore.Finding) bool {
		return f.ID == "codes.slots" && strings.Contains(f.Text, "1 of the cluster's 16384 slots are served by nobody")
	}) {
		t.Errorf("without a slot: found\n%s", listed(found))
	}

	// A node that is of no cluster yet knows of no slots at all.
	alone := c.Nodes[slices.IndexFunc(c.Nodes, func(n *servers.RedisServer) bool { return !slices.Contains(masters, n) })]
	if err := alone.Client(t).ClusterResetHard(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	expect(t, "of no cluster yet", inspect(t, strings.Replace(alone.URL, "redis://", "redis+cluster://", 1), 0), "mend slots The cluster has no slots yet")
}

func TestANodeThatIsDownIsTold(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, unhurried)
	masters := c.Masters(t)
	replica := c.Nodes[slices.IndexFunc(c.Nodes, func(n *servers.RedisServer) bool { return !slices.Contains(masters, n) })]
	replica.Stop(t)
	waitFor(t, func() bool {
		return strings.Contains(listed(inspect(t, c.URL, 0)), "no replica follows, which could take the place of a server that fails; add one")
	})
	replica.Start(t)
	c.WaitHealthy(t)
	masters[0].Freeze(t)
	found := inspect(t, with(t, c.URL, "step_timeout", "5s"), 0)
	if !slices.ContainsFunc(found, func(f redisstore.Finding) bool {
		return f.ID == "codes.unreachable" && strings.Contains(f.Text, "At "+masters[0].Address+" the server does not answer within 5s")
	}) {
		t.Errorf("found\n%s", listed(found))
	}
	masters[0].Kill(t)
}

// waitFor waits until what must come has come, on a machine of any speed.
func waitFor(t *testing.T, come func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * patience) // sentinels whose own time stood still for two seconds do nothing for thirty
	for !come() {
		if time.Now().After(deadline) {
			t.Fatal("it has not come")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestWhyARedisCantBeReachedIsTold(t *testing.T) {
	t.Parallel()
	s := servers.StartRedis(t)
	free := servers.StartRedis(t)
	free.Stop(t)
	for _, c := range []struct{ url, want string }{
		{"redis://:wrong%20canary@" + s.Address, "The server refuses user or password; correct them"},
		{"redis://nobody:canary@" + s.Address, "The server refuses user or password; correct them"},
		{"redis://" + s.Address, "The server asks for a password; write it in codes.store"},
		{free.URL, "Nobody listens at " + free.Address + "; start the server, or correct host and port"},
		{"redis+cluster://:canary@" + free.Address, "Nobody listens at " + free.Address},
		{"redis+sentinel://:canary@" + free.Address + "/m", "Nobody listens at " + free.Address},
		{"redis://:canary@rekey.invalid", "There is no host of this name; correct it"},
		{"redis://:canary@/0?socket=/nowhere/redis.sock", "There is no such socket; start the server, or correct its path"},
		{strings.Replace(s.URL, s.Address, s.TLS.Address, 1), "whether it wants TLS, which is rediss instead of redis"},
		{with(t, strings.Replace(s.TLS.URL, s.TLS.Address, s.Address, 1), "step_timeout", "2s"), "What listens there does not speak TLS; correct host and port, or write redis instead of rediss"},
		{s.TLS.URL, "The server's certificate is signed by nobody who is trusted; name the file of its authority with sslrootcert"},
		{with(t, s.TLS.URL, "sslrootcert", free.TLS.CA), "The server's certificate is signed by nobody who is trusted"},
		{with(t, s.TLS.URL, "sslrootcert", free.TLS.CA, "sslmode", "verify-ca"), "The server's certificate is signed by nobody who is trusted"},
		// The certificate is for localhost too, and not for 0.0.0.0, by which Linux also reaches this machine.
		{strings.Replace(with(t, s.TLS.URL, "sslrootcert", s.TLS.CA), "127.0.0.1", "0.0.0.0", 1), "The server's certificate is for another host; name the host that it has, or write sslmode=verify-ca with sslrootcert"},
	} {
		found := inspect(t, c.url, 0)
		expect(t, c.url, found, "mend unreachable "+c.want)
		for _, f := range found {
			for _, secret := range []string{"canary", s.Password, url.QueryEscape(s.Password)} {
				if strings.Contains(f.String(), secret) {
					t.Errorf("%s: %s", c.url, f)
				}
			}
		}
	}
	for _, url := range []string{
		with(t, s.TLS.URL, "sslrootcert", s.TLS.CA),
		strings.Replace(with(t, s.TLS.URL, "sslrootcert", s.TLS.CA), "127.0.0.1", "localhost", 1),
		strings.Replace(with(t, s.TLS.URL, "sslrootcert", s.TLS.CA, "sslmode", "verify-ca"), "127.0.0.1", "0.0.0.0", 1),
		strings.Replace(with(t, s.TLS.URL, "sslmode", "require"), "127.0.0.1", "0.0.0.0", 1),
	} {
		expect(t, url, inspect(t, url, 0), "advice durability append-only", "fine server Redis 7")
	}
	s.Freeze(t)
	expect(t, "frozen", inspect(t, with(t, s.URL, "step_timeout", "300ms"), 0), "mend unreachable The server does not answer within 300ms; see whether it runs and no "+
		"firewall is between, or raise step_timeout")
	s.Kill(t)
}

func TestWhySentinelsCantBeAskedIsTold(t *testing.T) {
	t.Parallel()
	s := servers.StartSentinelTLS(t)
	sound := with(t, s.URL, "sslrootcert", s.CA)
	expect(t, "sound", inspect(t, sound, 2), "fine server Redis 7")
	expect(t, "another name", inspect(t, strings.Replace(sound, "/codes", "/other", 1), 0), "mend unreachable The sentinels know no master of this name; correct what stands behind the hosts")
	expect(t, "another password", inspect(t, with(t, sound, "sentinel_password", "canary"), 0), "mend unreachable A sentinel, or the master, refuses user or password; correct sentinel_user")
	expect(t, "as a server", inspect(t, strings.Replace(with(t, s.Sentinels[0].TLS.URL, "sslrootcert", s.CA), "/0", "", 1), 0), "mend layout What answers is a sentinel, "+
		"not the server that it watches over; begin codes.store with rediss+sentinel://")
	s.Sentinels[0].Stop(t)
	expect(t, "two sentinels", inspect(t, sound, 0), "fine server Redis 7")
	s.Master(t).Kill(t)
	s.WaitHealthy(t)
	expect(t, "after a failover", inspect(t, sound, 1), "fine server Redis 7")
}

func TestInspectEndsWithItsContext(t *testing.T) {
	t.Parallel()
	target, client := connect(t, servers.Redis(t).URL)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if found := target.Inspect(ctx, client, 0); len(found) != 1 || found[0].ID != "codes.unreachable" {
		t.Errorf("found\n%s", listed(found))
	}
}
