package redisstore_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"

	"rekey"
	"rekey/codestore/redisstore"
	"rekey/test/servers"
)

// TestT19_AChargeWhoseAnswerIsLostIsNotSentAgain: nothing could tell the second from another's. go-redis repeats what a
// Cluster has not answered, unless it is told not to.
func TestT19_AChargeWhoseAnswerIsLostIsNotSentAgain(t *testing.T) {
	t.Parallel()
	server, cluster := servers.StartRedis(t), servers.StartRedisCluster(t, unhurried)
	proxy := servers.NewRedisProxy(t, server.Address)
	proxied, nodes := cluster.Proxied(t)
	for name, place := range map[string]struct {
		through servers.Keyspace
		ways    []*servers.Proxy
	}{
		"one server": {server.Via(proxy.Address), []*servers.Proxy{proxy}},
		"Cluster":    {proxied, nodes},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, client := connect(t, place.through.URL)
			s := redisstore.New(client, redisstore.Options{StepTime: patience})
			bucket := func(i int) rekey.Name { return rekey.Name(fmt.Sprint("bucket ", i)) }
			var all []rekey.Charge
			for i := range 12 { // on every node some
				all = append(all, daily(bucket(i), 1))
			}
			if _, err := s.Take(t.Context(), all...); err != nil { // from now on the servers know the script
				t.Fatal(err)
			}
			for i := range 3 {
				var lost []<-chan struct{}
				for _, way := range place.ways {
					lost = append(lost, way.CutAnswerTo(func(request []byte) bool { return bytes.Contains(request, []byte("b:{"+bucket(i)+"}")) }))
				}
				_, err := s.Take(t.Context(), all[i])
				waitFor(t, func() bool {
					return slices.ContainsFunc(lost, func(done <-chan struct{}) bool {
						select {
						case <-done:
							return true
						default:
							return false
						}
					})
				})
				if err == nil {
					t.Error("a charge whose answer was lost is believed to have been made once")
				}
				for _, way := range place.ways {
					way.CutAnswerTo(func([]byte) bool { return false })
				}
				d, err := s.Take(t.Context(), daily(bucket(i), 0))
				if err != nil || d.Used[0] != 2 {
					t.Errorf("charged %+v, %v; want once before the answer was lost, and once then", d, err)
				}
			}
		})
	}
}

// TestAKeyThatMovesToANodeThatHasNothingYetIsFollowed: by its map a Cluster's client knows those alone that serve slots.
// Until a new node has its first, all keys on their way to it are with one whom the map does not name.
func TestAKeyThatMovesToANodeThatHasNothingYetIsFollowed(t *testing.T) {
	t.Parallel()
	// Else the master that has no slot left would become a replica.
	c := servers.StartRedisCluster(t, "cluster-allow-replica-migration no", unhurried)
	from := c.MasterOf(t, numberKey("moving"))
	masters := c.Masters(t)
	to := masters[(slices.Index(masters, from)+1)%len(masters)]
	do := func(on *servers.RedisServer, command ...any) any {
		t.Helper()
		answer, err := on.Client(t).Do(t.Context(), command...).Result()
		if err != nil {
			t.Fatalf("%v: %v", command, err)
		}
		return answer
	}
	fromID, toID := do(from, "cluster", "myid"), do(to, "cluster", "myid")
	do(from, "cluster", "bumpepoch") // so that all believe it
	all, err := to.Client(t).ClusterSlots(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range all {
		if part.Nodes[0].ID != toID {
			continue
		}
		for _, on := range []*servers.RedisServer{to, from} {
			commands := on.Client(t).Pipeline()
			for slot := part.Start; slot <= part.End; slot++ {
				commands.Do(t.Context(), "cluster", "setslot", slot, "node", fromID)
			}
			if _, err := commands.Exec(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, node := range c.Nodes {
		waitFor(t, func() bool {
			all, err := node.Client(t).ClusterSlots(t.Context()).Result()
			return err == nil && !slices.ContainsFunc(all, func(part redis.ClusterSlot) bool { return part.Nodes[0].ID == toID })
		})
	}
	slot := do(from, "cluster", "keyslot", numberKey("moving"))
	do(to, "cluster", "setslot", slot, "importing", fromID)
	do(from, "cluster", "setslot", slot, "migrating", toID)
	for _, wait := range []int{0, 1} {
		_, client := connect(t, c.URL)
		s := redisstore.New(client, redisstore.Options{StepTime: patience, Wait: wait})
		r := issueRequest("moving")
		r.NewFlow, r.Nonce, r.Intervals = rekey.Name(fmt.Sprint("flow ", wait)), fmt.Sprint("nonce ", wait), nil
		if issued, err := s.Issue(t.Context(), r); err != nil || issued.Outcome != rekey.IssueMade {
			t.Errorf("wait %d: %+v, %v", wait, issued, err)
		}
	}
}
