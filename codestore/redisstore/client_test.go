package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"rekey/test/servers"
)

// crowd sends a command on so many connections at once, and returns what failed.
func crowd(ctx context.Context, client redis.UniversalClient, connections int, key string) error {
	var all sync.WaitGroup
	failed := make([]error, connections)
	for i := range connections {
		all.Go(func() { failed[i] = client.Set(ctx, key, "value", time.Minute).Err() })
	}
	all.Wait()
	return errors.Join(failed...)
}

// TestT19_ARestartOfRedisCostsNoCommand: connections that lie in the pool are dead then, those of TLS too.
func TestT19_ARestartOfRedisCostsNoCommand(t *testing.T) {
	t.Parallel()
	s := servers.StartRedis(t)
	for name, url := range map[string]string{"plain": s.URL, "TLS": with(t, s.TLS.URL, "sslrootcert", s.TLS.CA)} {
		_, client := connect(t, url)
		for range 20 {
			if err := crowd(t.Context(), client, 1, "key"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if stats := client.PoolStats(); stats.Misses != 1 || stats.StaleConns != 0 {
			t.Errorf("%s: commands one after the other made %d connections, and left %d", name, stats.Misses, stats.StaleConns)
		}
		for range 3 {
			if err := crowd(t.Context(), client, 8, "key"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			s.Stop(t)
			s.Start(t)
		}
		if err := crowd(t.Context(), client, 8, "key"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASocketIsConnectedTo(t *testing.T) {
	t.Parallel()
	folder, err := os.MkdirTemp("", "rekey") // a short path, of which a socket's may have a hundred characters
	if err == nil {
		err = os.Chmod(folder, 0o777) // the server runs as another user, where the test is root
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	socket := filepath.Join(folder, "redis.sock")
	s := servers.StartRedis(t, "unixsocket "+socket, "unixsocketperm 777", "appendonly yes")
	target := with(t, strings.Replace(s.URL, s.Address, "", 1), "socket", socket)
	expect(t, target, inspect(t, target, 0), "fine server Redis 7")
	s.Stop(t)
	expect(t, target, inspect(t, target, 0), "mend unreachable socket; start the server")
}

// TestT16_AServerThatHangsIsNotWaitedForLongerThanAStep whether or not the context says so, and nothing is left over when it
// goes on.
func TestT16_AServerThatHangsIsNotWaitedForLongerThanAStep(t *testing.T) {
	t.Parallel()
	s := servers.StartRedis(t)
	_, client := connect(t, with(t, s.URL, "step_timeout", "500ms", "pool_max", "4"))
	waitFor(t, func() bool { return crowd(t.Context(), client, 4, "key") == nil })
	s.Freeze(t)
	begun := time.Now()
	if err := crowd(context.Background(), client, 16, "key"); err == nil {
		t.Error("a frozen server answers")
	}
	if took := time.Since(begun); took > 20*time.Second { // it should be one, and on a machine of any speed some more
		t.Errorf("it took %v", took)
	}
	s.Thaw(t)
	waitFor(t, func() bool { return crowd(t.Context(), client, 4, "key") == nil })
	stats := client.PoolStats()
	if stats.TotalConns > 4 || stats.PipelineStats != nil {
		t.Errorf("%d connections, of 4, and for pipelines %v", stats.TotalConns, stats.PipelineStats)
	}
}

// TestAClusterIsFollowedWhereItsKeysGo under the least rights: to another master while a slot moves and after it, and to the
// replica of a master that was killed, long before the map is of age.
func TestAClusterIsFollowedWhereItsKeysGo(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, unhurried)
	role := c.Role(t, rights("+cluster|slots", "+cluster|info", "+asking")...)
	_, client := connect(t, role.URL)
	key := "rekey:{moving}"
	from := c.MasterOf(t, key)
	to := c.Masters(t)[slices.IndexFunc(c.Masters(t), func(n *servers.RedisServer) bool { return n != from })]
	set := func(value string) error { return client.Set(t.Context(), key, value, time.Minute).Err() }
	if err := set("1"); err != nil {
		t.Fatal(err)
	}
	move := c.MoveSlot(t, key, to)
	move.MoveKey(t, key)
	if err := set("2"); err != nil {
		t.Errorf("while its slot moves: %v", err)
	}
	without := c.Role(t, rights("+cluster|slots", "+cluster|info")...)
	_, less := connect(t, without.URL)
	if err := less.Get(t.Context(), key).Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("without the right to ASKING: %v", err)
	}
	move.Finish(t)
	if got, err := client.Get(t.Context(), key).Result(); err != nil || got != "2" {
		t.Errorf("after its slot has moved: %q, %v", got, err)
	}
	if refused := denied(t, role.User, c.Nodes...); len(refused) > 0 {
		t.Errorf("refused were %q", refused)
	}

	_, fresh := connect(t, role.URL)
	const mapAge = 10 * time.Second // that of Client
	begun := time.Now()
	if err := fresh.Set(t.Context(), key, "3", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	to.Kill(t)
	allowSilence(t, c, 500*time.Millisecond)
	c.WaitHealthy(t)
	allowSilence(t, c, time.Minute)
	failovers := time.Since(begun)
	tries := 0
	waitFor(t, func() bool {
		tries++
		return fresh.Set(t.Context(), key, "4", time.Minute).Err() == nil
	})
	// A try that fails takes half a second, with those of the client within it: there are ten in five seconds, and few where
	// the machine stood still.
	if took := time.Since(begun); took > mapAge && failovers < mapAge/2 && tries > 6 {
		t.Errorf("the replica has been master for %v until it was asked", took-failovers)
	}
}

func TestSentinelsAreFollowedToTheNewMaster(t *testing.T) {
	t.Parallel()
	s := servers.StartSentinel(t)
	_, client := connect(t, with(t, s.URL, "step_timeout", "500ms"))
	works := func() bool { return crowd(t.Context(), client, 4, "key") == nil }
	waitFor(t, works)
	s.Master(t).Kill(t)
	waitFor(t, works)
}

// TestASentinelThatHangsIsLeftForAnother, when new connections are needed.
func TestASentinelThatHangsIsLeftForAnother(t *testing.T) {
	t.Parallel()
	s := servers.StartSentinel(t)
	_, client := connect(t, with(t, s.URL, "step_timeout", "300ms"))
	works := func() bool { return crowd(t.Context(), client, 4, "key") == nil }
	waitFor(t, works)
	admin := s.Servers[0].Client(t)
	for awake := range 2 { // so that the second time the one that is in use hangs, whichever was at first
		for i, sentinel := range s.Sentinels {
			if i != awake {
				sentinel.Freeze(t)
			}
		}
		if err := admin.Do(t.Context(), "client", "kill", "type", "normal", "skipme", "yes").Err(); err != nil {
			t.Fatal(fmt.Errorf("ending the connections: %w", err))
		}
		waitFor(t, works)
		for i, sentinel := range s.Sentinels {
			if i != awake {
				sentinel.Thaw(t)
			}
		}
	}
}
