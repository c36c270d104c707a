package redisstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"rekey/internal/dsn"
)

const (
	oldestMajor = 6 // Redis 6.0 is the first with users

	clusterSlots = 16384 // redis.io/docs, Redis cluster specification

	// clockSlack is how far the clocks of a cluster may be apart: codes live for minutes.
	clockSlack = 2 * time.Second

	// probeLife is how long a key of ours lives that could not be removed.
	probeLife = 10 * time.Second

	// probeTries is how many names of keys are tried for one that a node serves. Of 16384 slots, a node that serves but one
	// is missed in one case of ten million.
	probeTries = 1 << 18
)

// probe does what the store's scripts do.
const probe = `redis.call('TIME')
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local kept = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
return kept`

// Inspect says what keeps the Redis that client talks to, which is one of Target.Client's, from keeping codes as they must
// be kept, and what could be better. wait is that of Options. It looks at every node of a cluster, else at the one server
// or the master; what is amiss at a replica is advice until it takes its master's place. It writes a key under the prefix
// on every master, and removes it. A question takes no longer than a step, and than a few where sentinels are asked as well;
// what was not answered when ctx ends is told as unreachable.
func (t Target) Inspect(ctx context.Context, client redis.UniversalClient, wait int) []Finding {
	i := &inspection{target: t, wait: wait}
	c, ok := client.(*redis.ClusterClient)
	if !ok {
		i.nodes = []*node{{client: client, key: t.prefix + "probe:{" + rand.Text() + "}"}}
	} else if err := i.survey(ctx, c); err != nil {
		i.failed(&node{}, "cluster|slots", err)
		return i.findings()
	}
	if len(i.nodes) == 0 { // none of those that were asked knows of a node with slots
		i.find("codes.slots", Mend, &node{}, "the cluster has no slots yet, so that no number gets a code; make it with redis-cli --cluster create", "")
		return i.findings()
	}
	var all sync.WaitGroup
	for _, n := range i.nodes {
		all.Go(func() { i.look(ctx, n) })
	}
	all.Wait()
	i.clocks()
	i.sound()
	return i.findings()
}

// inspection collects what is found, by several goroutines.
type inspection struct {
	target Target
	wait   int
	nodes  []*node

	mu    sync.Mutex
	found []found
}

// node is a server that is looked at.
type node struct {
	client  redis.UniversalClient
	name    string // host:port; "" where there is but one
	replica bool
	key     string // that it serves
	info    map[string]string
	ahead   time.Duration // its clock, of this machine's
	unsure  time.Duration // by how much that may be wrong
	timed   bool
}

// survey finds the nodes of a cluster.
func (i *inspection) survey(ctx context.Context, c *redis.ClusterClient) error {
	var mu sync.Mutex
	collect := func(replica bool) func(context.Context, *redis.Client) error {
		return func(_ context.Context, client *redis.Client) error {
			mu.Lock()
			defer mu.Unlock()
			i.nodes = append(i.nodes, &node{client: client, name: client.Options().Addr, replica: replica, key: i.target.prefix + "probe:{" + rand.Text() + "}"})
			return nil
		}
	}
	if err := c.ForEachMaster(ctx, collect(false)); err != nil {
		return err
	}
	masters := slices.Clone(i.nodes)
	if err := c.ForEachSlave(ctx, collect(true)); err != nil {
		return err
	}
	for range probeTries {
		if len(masters) == 0 || ctx.Err() != nil {
			break
		}
		key := i.target.prefix + "probe:{" + rand.Text() + "}"
		client, err := c.MasterForKey(ctx, key)
		if err != nil {
			return err
		}
		masters = slices.DeleteFunc(masters, func(n *node) bool {
			if n.client != redis.UniversalClient(client) {
				return false
			}
			n.key = key
			return true
		})
	}
	return nil
}

// failed tells why a node can't be asked a command.
func (i *inspection) failed(n *node, command string, err error) {
	if right := missing(command, err); right != "" {
		i.denied(n, []string{right}, false)
		return
	}
	i.find("codes.unreachable", Mend, n, i.target.explain(err), "")
}

// missing is the right to a command that a server says is missing; "" if it says something else. It may be another than the
// one that was asked for: a new connection chooses its database first, and a sentinel is asked who the master is.
func missing(command string, err error) string {
	answer, ok := errors.AsType[redis.Error](err)
	if !ok || !strings.HasPrefix(answer.Error(), "NOPERM") || !strings.Contains(answer.Error(), " command") {
		return ""
	}
	_, name, _ := strings.Cut(answer.Error(), "'")
	name, _, _ = strings.Cut(name, "'")
	if name == "" || strings.HasPrefix(command, name+"|") { // Redis 6 names no subcommand
		return command
	}
	return strings.ToLower(dsn.OneLine(name))
}

// look asks a node all there is to ask.
func (i *inspection) look(ctx context.Context, n *node) {
	text, err := n.client.Info(ctx).Result()
	if err != nil {
		i.failed(n, "info", err)
		if missing("info", err) != "info" {
			return
		}
	}
	n.info = infoOf(text)
	if !i.right(n) {
		return // what else is found comes of that
	}
	i.memory(n)
	i.replicas(n)
	if i.target.layout == cluster {
		i.slots(ctx, n)
	}
	i.rights(ctx, n)
	if n.name != "" {
		i.clock(ctx, n)
	}
}

// infoOf reads the answer to INFO.
func infoOf(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && !strings.HasPrefix(name, "#") {
			info[name] = value
		}
	}
	return info
}

// version is what a server calls itself.
func (n *node) version() string {
	for _, product := range []struct{ field, name string }{{"valkey_version", "Valkey"}, {"dragonfly_version", "Dragonfly"}, {"redis_version", "Redis"}} {
		if v := n.info[product.field]; v != "" {
			return product.name + " " + dsn.OneLine(v)
		}
	}
	return "a Redis that does not tell its version"
}

// right reports whether a node is a server of the kind that the URL says, and of a version that can do what is needed.
func (i *inspection) right(n *node) bool {
	// Valkey tells the version of Redis that it is compatible with, and so does whatever else speaks its protocol.
	major, _, _ := strings.Cut(n.info["redis_version"], ".")
	if v, err := strconv.Atoi(major); err == nil && v < oldestMajor {
		i.find("codes.version", Mend, n, fmt.Sprintf("the server is %s, and must be Redis %d.0 or newer, or Valkey; upgrade it", n.version(), oldestMajor), "")
		return false
	}
	t := i.target
	to := func(l layout) string { return form{l, t.secure}.scheme() }
	switch {
	case n.info["redis_mode"] == "sentinel":
		i.find("codes.layout", Mend, n, "what answers is a sentinel, not the server that it watches over; begin codes.store with "+to(sentinel), "")
		return false
	case n.info["cluster_enabled"] == "1" && t.layout != cluster:
		i.find("codes.layout", Mend, n, "the server is a node of a cluster; begin codes.store with "+to(cluster), "")
		return false
	case n.info["cluster_enabled"] == "0" && t.layout == cluster:
		i.find("codes.layout", Mend, n, "the server is no node of a cluster; begin codes.store with "+to(single), "")
		return false
	case n.info["role"] == "slave" && !n.replica:
		i.find("codes.layout", Mend, n, "the server is a replica, which takes no writes; name its master, or begin codes.store with "+to(sentinel)+" if sentinels watch over them", "")
		return false
	}
	return true
}

// memory looks at what the server does when its memory is full. A guess whose count is evicted is a guess more (T01).
func (i *inspection) memory(n *node) {
	policy := n.info["maxmemory_policy"]
	switch {
	case n.info["cache_mode"] == "cache": // Dragonfly, before it had a policy
		i.find("codes.eviction", Mend, n, "the server is a cache, which removes keys before their time when its memory is full, and with them the "+
			"guesses that were counted; start it without cache_mode", "")
	case policy == "noeviction":
	case policy != "":
		i.find("codes.eviction", Mend, n, fmt.Sprintf("the maxmemory-policy is %s: when the memory is full, keys are removed before their time, and with them the "+
			"guesses that were counted; set it to noeviction, in redis.conf too", dsn.OneLine(policy)), "CONFIG SET maxmemory-policy noeviction")
	case len(n.info) > 0: // else the right to ask is missing
		i.find("codes.eviction", Advice, n, "the server does not tell its maxmemory-policy; make sure that it is noeviction: another one removes the guesses "+
			"that were counted when the memory is full", "")
	}
}

// replicas looks at what is left when the server stops.
func (i *inspection) replicas(n *node) {
	if n.replica || n.info["role"] == "" {
		return
	}
	online := 0
	for name, value := range n.info {
		if strings.HasPrefix(name, "slave") && strings.Contains(value, "state=online") {
			online++
		}
	}
	switch {
	case i.wait > online:
		i.find("codes.replicas", Mend, n, fmt.Sprintf("the replicas that follow are %d, but codes.wait is %d, so that no code could be issued; add replicas, or lower codes.wait", online, i.wait), "")
	case online > 0:
	case i.target.layout != single:
		i.find("codes.replicas", Advice, n, "no replica follows, which could take the place of a server that fails; add one", "")
	case n.info["aof_enabled"] == "0":
		i.find("codes.durability", Advice, n, "the server has neither an append-only file nor a replica: a restart forgets the codes and counts since its last "+
			"snapshot, or all of them; set appendonly, in redis.conf too", "CONFIG SET appendonly yes")
	}
}

// slots looks at whether every key has a node.
func (i *inspection) slots(ctx context.Context, n *node) {
	text, err := n.client.ClusterInfo(ctx).Result()
	if err != nil {
		i.failed(n, "cluster|info", err)
		return
	}
	info := infoOf(text)
	const repair = "see redis-cli --cluster check, and mend it with redis-cli --cluster fix or by starting what is down"
	served, err := strconv.Atoi(info["cluster_slots_ok"])
	switch {
	case err == nil && served < clusterSlots:
		i.find("codes.slots", Mend, n, fmt.Sprintf("%d of the cluster's %d slots are served by nobody, so that some numbers get no codes; %s", clusterSlots-served, clusterSlots, repair), "")
	case info["cluster_state"] != "ok":
		i.find("codes.slots", Mend, n, "the cluster is down; "+repair, "")
	}
}

// rights tries what the store does. A server tells that a right is missing before it says that a key is elsewhere, so
// that replicas can be asked as well.
func (i *inspection) rights(ctx context.Context, n *node) {
	life := probeLife.Milliseconds()
	tries := [][]any{
		{"time"}, {"set", n.key, "probe", "px", life}, {"get", n.key}, {"pexpire", n.key, life}, {"del", n.key},
		{"evalsha", strings.Repeat("0", 40), 1, n.key}, {"eval", probe, 1, n.key, "probe", life},
	}
	if i.wait > 0 {
		tries = append(tries, []any{"wait", 0, 1})
	}
	var commands []string
	keys := false
	for _, try := range tries {
		err := n.client.Do(ctx, try...).Err()
		right := missing(try[0].(string), err)
		switch {
		case err == nil, errors.Is(err, redis.Nil), redis.HasErrorPrefix(err, "NOSCRIPT"), redis.HasErrorPrefix(err, "MOVED"), redis.HasErrorPrefix(err, "ASK"):
		case right != "":
			commands = append(commands, right)
		case redis.HasErrorPrefix(err, "NOPERM"):
			keys = true
		case n.replica: // which does no steps
		case try[0] == "eval" && (keys || len(commands) > 0): // it says in other words what has been found
		default:
			i.find("codes.steps", Mend, n, "a step as the store takes it fails: "+i.target.explain(err), "")
			return
		}
	}
	if keys || len(commands) > 0 {
		i.denied(n, commands, keys)
	}
}

// denied says which rights to give.
func (i *inspection) denied(n *node, commands []string, keys bool) {
	user, where := cmp.Or(i.target.user, "default"), "server"
	if len(commands) > 0 && strings.HasPrefix(commands[0], "sentinel|") {
		user, where = cmp.Or(i.target.sentinelUser, "default"), "sentinel"
	}
	remedy := "ACL SETUSER " + user
	var what []string
	if len(commands) > 0 {
		what = append(what, "to run "+enumerate(commands))
		remedy += " +" + strings.Join(commands, " +")
	}
	if keys {
		what = append(what, "to keys that begin with "+i.target.prefix)
		remedy += " ~" + i.target.prefix + "*"
	}
	i.find("codes.rights", Mend, n, "the user has no right "+strings.Join(what, " and none ")+"; give it the right on every "+where+", and keep it with ACL SAVE or in redis.conf", remedy)
}

// clock reads a node's clock.
func (i *inspection) clock(ctx context.Context, n *node) {
	asked := time.Now()
	theirs, err := n.client.Time(ctx).Result()
	if err != nil {
		return // rights has told why
	}
	n.unsure = time.Since(asked) / 2
	n.ahead = theirs.Sub(asked.Add(n.unsure))
	n.timed = true
}

// clocks compares them: a code lives on the clock of the node that keeps it, which is another one after a failover.
func (i *inspection) clocks() {
	var first, last *node
	for _, n := range i.nodes {
		if !n.timed {
			continue
		}
		if first == nil || n.ahead < first.ahead {
			first = n
		}
		if last == nil || n.ahead > last.ahead {
			last = n
		}
	}
	if first == nil {
		return
	}
	if apart := last.ahead - first.ahead; apart > clockSlack+first.unsure+last.unsure {
		i.find("codes.clock", Advice, &node{}, fmt.Sprintf("the clock of %s is %v ahead of that of %s: a failover makes codes live longer, or shorter, by that; "+
			"set the clocks by NTP", last.name, apart.Round(100*time.Millisecond), first.name), "")
	}
}

// sound says what was looked at, if nothing must be mended.
func (i *inspection) sound() {
	if len(i.nodes) == 0 || slices.ContainsFunc(i.found, func(f found) bool { return f.Severity == Mend }) {
		return
	}
	text := "the code store is " + i.nodes[0].version()
	if i.target.layout == cluster {
		masters := 0
		for _, n := range i.nodes {
			if !n.replica {
				masters++
			}
		}
		text += fmt.Sprintf(", a cluster of %d masters", masters)
	}
	i.find("codes.server", Fine, &node{}, text, "")
}
