package servers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	clusterMasters = 3
	clusterNodes   = 2 * clusterMasters // each master has a replica
	clusterSlots   = 16384              // redis.io/docs, Redis cluster specification
)

// Cluster is a Redis Cluster of six nodes on loopback, three masters with a replica each. Its methods and those of its
// nodes are called by one goroutine at a time.
type Cluster struct {
	Keyspace
	TLS   Keyspace // the same over TLS
	Nodes []*RedisServer
}

// StartRedisCluster starts a Redis Cluster for this test alone. A master that is silent for two seconds is replaced by its
// replica, so that a failover takes three to five; where a machine is slow that may happen to one that is well. Nodes keep
// no keys through their own end, unless settings say so, which are lines of each node's redis.conf: a master that comes back
// before it was replaced is empty, and soon its replica too. The Cluster is ended and its files are removed when the test
// ends.
func StartRedisCluster(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	c, err := newCluster(2*time.Second, settings...)
	require(t, err)
	c.group.closeAfter(t)
	return c
}

// newCluster starts a Cluster that takes a node for failed when it was silent for some time.
func newCluster(silence time.Duration, settings ...string) (*Cluster, error) {
	g, err := newRedisGroup()
	if err != nil {
		return nil, err
	}
	c := &Cluster{}
	if err := c.form(g, silence, settings); err != nil {
		return nil, errors.Join(fmt.Errorf("Redis Cluster: %w", err), g.close())
	}
	return c, nil
}

func (c *Cluster) form(g *redisGroup, silence time.Duration, settings []string) error {
	var plain, encrypted []string
	for i := range clusterNodes {
		s, err := g.add(fmt.Sprintf("node %d", i), g.credentials)
		if err != nil {
			return err
		}
		bus, err := s.reserve()
		if err != nil {
			return err
		}
		common := slices.Concat(keeping(), replicating(s), []string{
			"databases 1", "cluster-enabled yes", "cluster-port " + strconv.Itoa(bus), "cluster-config-file nodes.conf",
			"tls-cluster yes", "tls-replication yes", "cluster-node-timeout " + strconv.FormatInt(silence.Milliseconds(), 10),
			// A replica takes over however long it has heard nothing, and none moves to another master of its own accord.
			"cluster-replica-validity-factor 0", "cluster-allow-replica-migration no",
		})
		if err := s.configure(append(common, settings...)...); err != nil {
			return err
		}
		c.Nodes = append(c.Nodes, s)
		plain, encrypted = append(plain, s.Address), append(encrypted, s.TLS.Address)
	}
	c.Keyspace = Keyspace{topology: cluster, User: g.user, Password: g.password, group: g}.Via(strings.Join(plain, ","))
	c.TLS = c.Keyspace
	c.TLS.CA = g.authority
	c.TLS = c.TLS.Via(strings.Join(encrypted, ","))
	if err := g.start(c.Nodes...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.introduce(ctx); err != nil {
		return err
	}
	return c.healthy(ctx)
}

// introduce makes a Cluster of nodes that know nothing of each other: what redis-cli --cluster create does, by the commands
// that it does it by.
func (c *Cluster) introduce(ctx context.Context) error {
	for i, s := range c.Nodes {
		var err error
		if s.id, err = s.client.ClusterMyID(ctx).Result(); err != nil {
			return err
		}
		// With an epoch each, nobody has to settle whose word counts.
		if err := s.client.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			return err
		}
	}
	for i, s := range c.Nodes[:clusterMasters] {
		from, until := i*clusterSlots/clusterMasters, (i+1)*clusterSlots/clusterMasters
		if err := s.client.ClusterAddSlotsRange(ctx, from, until-1).Err(); err != nil {
			return err
		}
	}
	known := func() error {
		for _, s := range c.Nodes[1:] {
			// The ports are those that the bus itself goes by: that for TLS, and the bus's own. Nodes give up getting to know each
			// other after their silence, and do not try again by themselves; asked meanwhile, they go on.
			if err := c.Nodes[0].client.Do(ctx, "cluster", "count-failure-reports", s.id).Err(); err == nil {
				continue
			}
			if err := c.Nodes[0].client.Do(ctx, "cluster", "meet", loopback, s.ports[1].number, s.ports[2].number).Err(); err != nil {
				return err
			}
		}
		for _, s := range c.Nodes {
			for _, other := range c.Nodes {
				if err := s.client.Do(ctx, "cluster", "count-failure-reports", other.id).Err(); err != nil {
					return fmt.Errorf("%s: %w", s.name, err) // it knows none of that name
				}
			}
		}
		return nil
	}
	if err := eventually(ctx, known); err != nil {
		return err
	}
	for i, replica := range c.Nodes[clusterMasters:] {
		if err := replica.client.ClusterReplicate(ctx, c.Nodes[i].id).Err(); err != nil {
			return err
		}
	}
	return nil
}

// WaitHealthy waits until all nodes that run agree on who serves which slots, every slot is served by one that runs, and
// every other one that runs is a replica that has all that its master had. After a master was killed or frozen that is so
// once it has been replaced.
func (c *Cluster) WaitHealthy(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.healthy(ctx); err != nil {
		t.Fatalf("Redis Cluster: %v", err)
	}
}

func (c *Cluster) healthy(ctx context.Context) error {
	return eventually(ctx, func() error {
		_, err := c.owners(ctx)
		return err
	})
}

// owners are the masters and the slots that each serves, if the Cluster is healthy.
func (c *Cluster) owners(ctx context.Context) (map[*RedisServer][]redis.ClusterSlot, error) {
	var agreed map[*RedisServer][]redis.ClusterSlot
	var replicas int
	for _, s := range c.Nodes {
		if !s.Running() {
			continue
		}
		info, err := s.client.ClusterInfo(ctx).Result()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		if !strings.Contains(info, "cluster_state:ok\r\n") || !strings.Contains(info, fmt.Sprintf("cluster_slots_ok:%d\r\n", clusterSlots)) {
			return nil, fmt.Errorf("%s says:\n%s", s.name, info)
		}
		owners, err := c.ownersBy(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		if agreed == nil {
			agreed = owners
		} else if !maps.EqualFunc(agreed, owners, sameSlots) {
			return nil, fmt.Errorf("%s does not agree with the others on who serves which slots", s.name)
		}
	}
	for _, s := range c.Nodes {
		if _, master := agreed[s]; master || !s.Running() {
			continue
		}
		replicas++
		if err := s.following(ctx); err != nil {
			return nil, err
		}
	}
	var followed int
	for master := range agreed {
		n, err := master.followers(ctx)
		if err != nil {
			return nil, err
		}
		followed += n
	}
	if followed < replicas {
		return nil, fmt.Errorf("the masters count %d replicas of %d", followed, replicas)
	}
	return agreed, nil
}

// ownersBy are the masters and their slots as one node tells clients.
func (c *Cluster) ownersBy(ctx context.Context, s *RedisServer) (map[*RedisServer][]redis.ClusterSlot, error) {
	all, err := s.slots(ctx)
	if err != nil {
		return nil, err
	}
	owners := map[*RedisServer][]redis.ClusterSlot{}
	for _, slots := range all {
		if len(slots.Nodes) == 0 {
			return nil, fmt.Errorf("nobody serves the slots from %d", slots.Start)
		}
		var servers []*RedisServer // the master and its replicas
		for _, told := range slots.Nodes {
			i := slices.IndexFunc(c.Nodes, func(s *RedisServer) bool { return s.id == told.ID })
			if i < 0 {
				return nil, fmt.Errorf("%s has slots from %d and is none of the nodes", told.Addr, slots.Start)
			}
			// Nodes get to know each other by their ports for TLS, and tell them to clients without it until each has heard
			// of the other one.
			if told.Addr != c.Nodes[i].announced {
				return nil, fmt.Errorf("%s is said to be at %s", c.Nodes[i].name, told.Addr)
			}
			servers = append(servers, c.Nodes[i])
		}
		owner := servers[0]
		if !owner.Running() {
			return nil, fmt.Errorf("the slots from %d are those of %s, which does not run", slots.Start, owner.name)
		}
		owners[owner] = append(owners[owner], slots)
	}
	return owners, nil
}

// slots is who serves what as clients are told, who ask by the same command.
func (s *RedisServer) slots(ctx context.Context) ([]redis.ClusterSlot, error) {
	c := redis.NewClusterSlotsCmd(ctx, "cluster", "slots")
	_ = s.client.Process(ctx, c) // its error is the command's
	return c.Result()
}

func sameSlots(a, b []redis.ClusterSlot) bool {
	return slices.EqualFunc(a, b, func(a, b redis.ClusterSlot) bool { return a.Start == b.Start && a.End == b.End })
}

// MasterOf is the node that serves a key, once the Cluster is healthy.
func (c *Cluster) MasterOf(t testing.TB, key string) *RedisServer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var master *RedisServer
	err := eventually(ctx, func() error {
		owners, err := c.owners(ctx)
		if err != nil {
			return err
		}
		for owner, all := range owners {
			slot, err := owner.client.ClusterKeySlot(ctx, key).Result()
			if err != nil {
				return err
			}
			if slices.ContainsFunc(all, func(s redis.ClusterSlot) bool { return s.Start <= int(slot) && int(slot) <= s.End }) {
				master = owner
				return nil
			}
		}
		return fmt.Errorf("nobody serves %q", key)
	})
	if err != nil {
		t.Fatalf("Redis Cluster: %v", err)
	}
	return master
}

// Masters are the nodes that serve slots, once the Cluster is healthy, in the order of Nodes.
func (c *Cluster) Masters(t testing.TB) []*RedisServer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var owners map[*RedisServer][]redis.ClusterSlot
	err := eventually(ctx, func() (err error) {
		owners, err = c.owners(ctx)
		return err
	})
	if err != nil {
		t.Fatalf("Redis Cluster: %v", err)
	}
	return slices.DeleteFunc(slices.Clone(c.Nodes), func(s *RedisServer) bool { return owners[s] == nil })
}
