package servers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	sentinelMaster = "codes" // what the sentinels call the master
	sentinelUser   = "watcher"
	sentinelKin    = 3 // as many servers, and as many sentinels, of which two are a majority
)

// Sentinel is a Redis master with two replicas, and three sentinels that replace it, all on loopback. Its methods and
// those of its servers are called by one goroutine at a time.
type Sentinel struct {
	Keyspace                 // at the sentinels
	Servers   []*RedisServer // that hold keys; the first one is master at the beginning
	Sentinels []*RedisServer // have a user of their own
}

// StartSentinel starts servers and sentinels for this test alone. A master that is silent for two seconds is replaced by a
// replica, which takes some four to six; where a machine is slow that may happen to one that is well. A master that was and
// that comes back goes on as such for some ten, until the sentinels make it a replica: those who ask them do not find it,
// those who kept a connection to it do. The servers keep no keys through their own end, unless settings say so, which are
// lines of each server's redis.conf. All are ended and their files are removed when the test ends.
func StartSentinel(t testing.TB, settings ...string) *Sentinel {
	t.Helper()
	return startSentinel(t, false, settings)
}

// StartSentinelTLS is StartSentinel with TLS alone, on all ways: a sentinel names one port of a server.
func StartSentinelTLS(t testing.TB, settings ...string) *Sentinel {
	t.Helper()
	return startSentinel(t, true, settings)
}

func startSentinel(t testing.TB, encrypted bool, settings []string) *Sentinel {
	t.Helper()
	g, err := newRedisGroup()
	require(t, err)
	g.closeAfter(t)
	s := &Sentinel{}
	if err := s.form(g, encrypted, settings); err != nil {
		t.Fatalf("Redis Sentinel: %v", err)
	}
	return s
}

func (s *Sentinel) form(g *redisGroup, encrypted bool, settings []string) error {
	over := "tls-replication no"
	if encrypted {
		over = "tls-replication yes"
	}
	for i := range sentinelKin {
		server, err := g.add(fmt.Sprintf("server %d", i), g.credentials)
		if err != nil {
			return err
		}
		s.Servers = append(s.Servers, server)
		own := slices.Concat(keeping(), replicating(server), []string{over})
		if i > 0 {
			own = append(own, "replicaof "+loopback+" "+s.Servers[0].among(encrypted).port())
		}
		if err := server.configure(append(own, settings...)...); err != nil {
			return err
		}
	}
	watch := credentials{sentinelUser, newPassword()}
	var addresses []string
	for i := range sentinelKin {
		sentinel, err := g.add(fmt.Sprintf("sentinel %d", i), watch)
		if err != nil {
			return err
		}
		sentinel.sentinel = true
		s.Sentinels = append(s.Sentinels, sentinel)
		addresses = append(addresses, sentinel.among(encrypted).Address)
		err = sentinel.configure(over,
			fmt.Sprintf("sentinel monitor %s %s %s 2", sentinelMaster, loopback, s.Servers[0].among(encrypted).port()),
			"sentinel auth-user "+sentinelMaster+" "+g.user, "sentinel auth-pass "+sentinelMaster+" "+g.password,
			"sentinel sentinel-user "+watch.user, "sentinel sentinel-pass "+watch.password,
			"sentinel down-after-milliseconds "+sentinelMaster+" 2000",
			// One that failed is tried again after twice that; Redis' own is three minutes.
			"sentinel failover-timeout "+sentinelMaster+" 5000", "sentinel parallel-syncs "+sentinelMaster+" 2")
		if err != nil {
			return err
		}
	}
	s.Keyspace = Keyspace{topology: sentinels, master: sentinelMaster, User: g.user, Password: g.password, watch: watch, group: g}
	if encrypted {
		s.CA = g.authority
	}
	s.Keyspace = s.Via(strings.Join(addresses, ","))
	// Sentinels look at a master every ten seconds only: what there is to see is there when they begin.
	if err := g.start(s.Servers...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := eventually(ctx, func() error { return s.followed(ctx, s.Servers[0]) }); err != nil {
		return err
	}
	if err := g.start(s.Sentinels...); err != nil {
		return err
	}
	return s.healthy(ctx)
}

// among is how a server is reached by those that it belongs with.
func (s *RedisServer) among(encrypted bool) Keyspace {
	if encrypted {
		return s.TLS
	}
	return s.Keyspace
}

// Master is the server that the sentinels have made master, once all is well.
func (s *Sentinel) Master(t testing.TB) *RedisServer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var master *RedisServer
	err := eventually(ctx, func() (err error) {
		master, err = s.look(ctx)
		return err
	})
	if err != nil {
		t.Fatalf("Redis Sentinel: %v", err)
	}
	return master
}

// WaitHealthy waits until all sentinels that run know each other and name one master that runs, and every other server
// that runs is a replica that has all that it had. After a master was killed or frozen that is so once it has been replaced.
func (s *Sentinel) WaitHealthy(t testing.TB) {
	t.Helper()
	s.Master(t)
}

func (s *Sentinel) healthy(ctx context.Context) error {
	return eventually(ctx, func() error {
		_, err := s.look(ctx)
		return err
	})
}

// look is the master, if all is well.
func (s *Sentinel) look(ctx context.Context) (*RedisServer, error) {
	var master *RedisServer
	for _, sentinel := range s.Sentinels {
		if !sentinel.Running() {
			continue
		}
		named, err := s.masterBy(ctx, sentinel)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", sentinel.name, err)
		}
		if master != nil && named != master {
			return nil, fmt.Errorf("%s is not the master for all sentinels", named.name)
		}
		master = named
	}
	if master == nil {
		return nil, errors.New("no sentinel runs")
	}
	return master, s.followed(ctx, master)
}

// masterBy is the master that a sentinel names and knows to be well.
func (s *Sentinel) masterBy(ctx context.Context, sentinel *RedisServer) (*RedisServer, error) {
	answer, err := sentinel.client.Do(ctx, "sentinel", "master", sentinelMaster).StringSlice()
	if err != nil {
		return nil, err
	}
	known := map[string]string{}
	for pair := range slices.Chunk(answer, 2) {
		known[pair[0]] = pair[len(pair)-1]
	}
	address := known["ip"] + ":" + known["port"]
	i := slices.IndexFunc(s.Servers, func(server *RedisServer) bool { return server.among(s.CA != "").Address == address })
	if i < 0 || !s.Servers[i].Running() {
		return nil, fmt.Errorf("the master at %s does not run", address)
	}
	if known["flags"] != "master" || known["num-slaves"] != strconv.Itoa(len(s.Servers)-1) ||
		known["num-other-sentinels"] != strconv.Itoa(len(s.Sentinels)-1) {
		return nil, fmt.Errorf("it has still to learn: %v", known)
	}
	return s.Servers[i], nil
}

// followed says why it is not so that a server is master and each other that runs its replica.
func (s *Sentinel) followed(ctx context.Context, master *RedisServer) error {
	want := 0
	for _, server := range s.Servers {
		if server == master || !server.Running() {
			continue
		}
		if err := server.following(ctx); err != nil {
			return err
		}
		want++
	}
	got, err := master.followers(ctx)
	if err == nil && got < want {
		err = fmt.Errorf("%s counts %d replicas of %d", master.name, got, want)
	}
	return err
}
