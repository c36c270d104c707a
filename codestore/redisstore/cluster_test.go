package redisstore_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rekey"
	"rekey/codestore/redisstore"
	"rekey/test/servers"
)

// numberKey is where a store with the usual prefix keeps a number.
func numberKey(number rekey.Name) string {
	return redisstore.DefaultPrefix + "n:{" + string(number) + "}"
}

// unhurried is for a Cluster none of whose masters shall be replaced, on a slow machine either, but whom the test kills:
// allowSilence tells the others then that they need not wait for so long.
const unhurried = "cluster-node-timeout 60000"

// allowSilence tells the nodes that run how long another may be silent until it counts as failed.
func allowSilence(t *testing.T, c *servers.Cluster, silence time.Duration) {
	t.Helper()
	for _, node := range c.Nodes {
		if !node.Running() {
			continue
		}
		if err := node.Client(t).ConfigSet(t.Context(), "cluster-node-timeout", fmt.Sprint(silence.Milliseconds())).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestT17_SlotsThatMoveUnderLoadCostNobodyAStep: the keys of a slot that moves are on one of two masters, one after the
// other; who asks is sent from one to the other (MOVED, ASK), and nobody is told.
func TestT17_SlotsThatMoveUnderLoadCostNobodyAStep(t *testing.T) {
	t.Parallel()
	for _, wait := range []int{0, 1} {
		t.Run(fmt.Sprintf("wait %d", wait), func(t *testing.T) {
			t.Parallel()
			c := servers.StartRedisCluster(t, unhurried)
			_, client := connect(t, with(t, c.URL, "step_timeout", "1m"))
			masters := c.Masters(t)
			bucket := redisstore.DefaultPrefix + "b:{once}"
			l := under(t, redisstore.New(client, redisstore.Options{StepTime: patience, Wait: wait}), func(l *load) {
				for i := range 12 {
					from := c.MasterOf(t, numberKey(keeper(i)))
					move := c.MoveSlot(t, numberKey(keeper(i)), masters[(slices.Index(masters, from)+1)%len(masters)])
					l.goOn(t)
					move.MoveKey(t, numberKey(keeper(i)))
					l.wrong(t, keeper(i), 1) // which is remembered, wherever it is
					l.goOn(t)
					move.Finish(t)
				}
				// A bucket has marks, which are keys of their own. Of a slot that moves a Cluster takes no script on several keys
				// some of which are not there (TRYAGAIN).
				for range 3 {
					from := c.MasterOf(t, bucket)
					move := c.MoveSlot(t, bucket, masters[(slices.Index(masters, from)+1)%len(masters)])
					l.goOn(t)
					move.Finish(t)
				}
			})
			l.forgetsNothing(t)
			l.failsNobody(t)
		})
	}
}

// TestT17_AFailoverThatIsAskedForUnderLoadForgetsNothing: the master waits until its replica has everything.
func TestT17_AFailoverThatIsAskedForUnderLoadForgetsNothing(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, "cluster-replica-no-failover yes") // unasked, however slow the machine
	_, client := connect(t, with(t, c.URL, "step_timeout", "900ms"))
	l := under(t, redisstore.New(client, redisstore.Options{}), func(l *load) {
		for range 2 { // and back
			masters := c.Masters(t)
			for _, node := range c.Nodes {
				if slices.Contains(masters, node) {
					continue
				}
				// The master gives its replica five seconds; on a slow machine it takes another try.
				var asked time.Time
				for deadline := time.Now().Add(2 * patience); !slices.Contains(c.Masters(t), node); {
					if time.Now().After(deadline) {
						t.Fatal("a replica does not become master")
					}
					if time.Since(asked) < 6*time.Second {
						continue
					}
					asked = time.Now()
					if err := node.Client(t).ClusterFailover(t.Context()).Err(); err != nil {
						t.Logf("%s becomes no master yet, or is one just now: %v", node.Address, err)
					}
				}
				l.goOn(t)
			}
		}
	})
	l.forgetsNothing(t)
}

// TestT05_T17_AMasterKilledUnderLoad: without Wait a failover may forget what was written last, and the Cluster serves
// again by itself. With Wait no guess that was told of is forgotten, and no code; where each master has but one replica,
// its slots are served again once the killed one is back.
func TestT05_T17_AMasterKilledUnderLoad(t *testing.T) {
	t.Parallel()
	for _, wait := range []int{0, 1} {
		t.Run(fmt.Sprintf("wait %d", wait), func(t *testing.T) {
			t.Parallel()
			c := servers.StartRedisCluster(t)
			_, client := connect(t, with(t, c.URL, "step_timeout", "900ms"))
			l := under(t, redisstore.New(client, redisstore.Options{Wait: wait}), func(*load) {
				master := c.MasterOf(t, numberKey(keeper(0)))
				master.Kill(t)
				c.WaitHealthy(t)
				if wait > 0 {
					master.Start(t)
					c.WaitHealthy(t)
				}
			})
			if wait > 0 {
				l.forgetsNothing(t)
			}
			t.Logf("%d answers tell that something was forgotten: %q", len(l.strange), l.strange)
			if l.failed.Load() == 0 {
				t.Error("nobody noticed: the master that was killed was asked by nobody")
			}
		})
	}
}

// TestT05_WhatAFailoverForgets has a failover to a replica that has heard nothing for a while. Without Wait a guess that was
// told of is forgotten, and compared again; with it nobody is told of a guess that the replica has not heard of.
func TestT05_WhatAFailoverForgets(t *testing.T) {
	t.Parallel()
	for _, wait := range []int{0, 1} {
		t.Run(fmt.Sprintf("wait %d", wait), func(t *testing.T) {
			t.Parallel()
			c := servers.StartRedisCluster(t, unhurried)
			_, client := connect(t, with(t, c.URL, "step_timeout", "900ms"))
			number := keeper(0)
			// The code and a first guess are on the replica before it hears no more: by a store that waits for that.
			l := &load{store: redisstore.New(client, redisstore.Options{Wait: 1}), errors: map[string]int{}}
			l.issue(t, number)
			l.wrong(t, number, 1)

			s := redisstore.New(client, redisstore.Options{Wait: wait})
			master := c.MasterOf(t, numberKey(number))
			deafen(t, replicaOf(t, c, master))
			told := 0
			for n := 2; n <= 7; n++ {
				check := rekey.Name("a wrong check")
				if n == 7 {
					check = right
				}
				v, err := s.Guess(t.Context(), guess(number, check, rekey.Name(fmt.Sprint("guess ", n))))
				if err == nil && (v.Outcome == rekey.GuessWrong || v.Outcome == rekey.GuessMatch) {
					told++
				}
			}
			master.Kill(t)
			allowSilence(t, c, 2*time.Second)
			c.WaitHealthy(t)
			master.Start(t)
			c.WaitHealthy(t)
			again := 0
			l.store = s
			for n := 2; n <= 8; n++ {
				if v := l.guess(t, number, "a wrong check", rekey.Name(fmt.Sprint("guess ", n, " again"))); v.Outcome == rekey.GuessWrong {
					again++
				}
			}
			t.Logf("with wait %d: %d guesses were told of that the replica had not heard of, and %d were compared after it had become master", wait, told, again)
			if wait == 0 && told+again <= 4 {
				t.Error("the failover forgot nothing: the replica had heard of it all")
			}
			if wait > 0 && (told != 0 || again != 4) {
				t.Error("with Wait a guess is told of that a failover forgets")
			}
		})
	}
}

// replicaOf is the node that follows a master.
func replicaOf(t *testing.T, c *servers.Cluster, master *servers.RedisServer) *servers.RedisServer {
	t.Helper()
	_, port, _ := strings.Cut(master.TLS.Address, ":")
	for _, node := range c.Nodes {
		info, err := node.Client(t).Info(t.Context(), "replication").Result()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(info, "role:slave\r\n") && strings.Contains(info, "master_port:"+port+"\r\n") {
			return node
		}
	}
	t.Fatal("a master without a replica")
	return nil
}

// deafen has a replica hear no more of its master, and not know that it could.
func deafen(t *testing.T, replica *servers.RedisServer) {
	t.Helper()
	client := replica.Client(t)
	for _, command := range [][]any{{"config", "set", "masterauth", "another"}, {"client", "kill", "type", "master"}} {
		if err := client.Do(t.Context(), command...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, func() bool {
		info, err := client.Info(t.Context(), "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:down\r\n")
	})
}

// TestT16_AClusterNodeThatHangs: those whose keys it has get an error within a step's time, the others are served, and all
// are again when it goes on.
func TestT16_AClusterNodeThatHangs(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, "cluster-node-timeout 600000") // no replica takes its place
	target, client := connect(t, with(t, c.URL, "step_timeout", "900ms"))
	s := redisstore.New(client, redisstore.Options{StepTime: target.StepTime()})
	l := under(t, s, func(l *load) {
		hung := c.MasterOf(t, numberKey(keeper(0)))
		mine := map[bool][]rekey.Name{}
		for i := range keepers {
			there := c.MasterOf(t, numberKey(keeper(i))) == hung
			mine[there] = append(mine[there], keeper(i))
		}
		hung.Freeze(t)
		for there, numbers := range mine {
			for _, number := range numbers[:3] {
				begun := time.Now()
				v, err := s.Guess(context.Background(), guess(number, "a wrong check", "guess 1"))
				if took := time.Since(begun); took > 20*time.Second { // it should be one, and on a machine of any speed some more
					t.Errorf("it took %v", took)
				}
				if there && err == nil {
					t.Errorf("of a node that hangs comes %+v", v)
				}
				if !there && err != nil {
					t.Logf("beside a node that hangs: %v", err)
				}
			}
		}
		hung.Thaw(t)
	})
	l.forgetsNothing(t)
}
