package servers

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEachRedisClusterIsEmptyAndSeesNoOther(t *testing.T) {
	t.Parallel()
	first, second := RedisCluster(t), RedisCluster(t)
	one, other := first.Client(t), second.Client(t)
	for i := range 20 { // on every master
		put(t, one, fmt.Sprint("n", i), "1")
	}
	for i := range 20 {
		if value := fetch(t, other, fmt.Sprint("n", i)); value != "" {
			t.Errorf("%q of another Cluster", value)
		}
	}
}

func TestARedisClusterIsLentAgain(t *testing.T) {
	f := newFleet()
	defer func() {
		if err := f.close(); err != nil {
			t.Error(err)
		}
	}()
	first, err := f.lend()
	require(t, err)
	f.giveBack(first)
	second, err := f.lend()
	if err != nil || second != first {
		t.Errorf("another one, %v", err)
	}
}

func TestTheURLIsThatOfAllNodes(t *testing.T) {
	t.Parallel()
	k := RedisCluster(t)
	u, err := url.Parse(k.URL)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	if u.Scheme != "redis+cluster" || u.Host != k.Address || len(strings.Split(u.Host, ",")) != clusterNodes || u.User.Username() != k.User ||
		password != k.Password || u.Path != "" {
		t.Errorf("the URL of %s is another's", k.Address)
	}
}

// A master that was killed is replaced, keeps being a node when it comes back, and the next one that hangs is replaced too.
func TestAMasterOfAClusterIsReplaced(t *testing.T) {
	t.Parallel()
	c := StartRedisCluster(t)
	put(t, c.TLS.Client(t), "n", "1")
	if n, err := c.MasterOf(t, "n").client.Wait(t.Context(), 1, 0).Result(); n != 1 || err != nil {
		t.Fatalf("%d replicas, %v", n, err)
	}
	first := c.MasterOf(t, "n")
	first.Kill(t)
	c.WaitHealthy(t)
	second := c.MasterOf(t, "n")
	if second == first || len(c.Masters(t)) != clusterMasters {
		t.Fatalf("%s goes on", first.name)
	}
	if value := fetch(t, c.TLS.Client(t), "n"); value != "1" { // a client that had seen the old master may ask it first
		t.Errorf("%q after the failover", value)
	}
	first.Start(t)
	c.WaitHealthy(t)
	third := c.MasterOf(t, "n") // the second, unless the machine was so slow that it was replaced
	third.Freeze(t)
	c.WaitHealthy(t)
	if c.MasterOf(t, "n") == third {
		t.Error("whoever is frozen goes on")
	}
	if value := fetch(t, c.Client(t), "n"); value != "1" {
		t.Errorf("%q after the second failover", value)
	}
	third.Thaw(t)
	c.WaitHealthy(t)
	put(t, c.Client(t), "n", "2")
}

func TestAClusterIsReachedThroughItsProxiesAlone(t *testing.T) {
	t.Parallel()
	c := StartRedisCluster(t, "cluster-node-timeout 60000") // on a slow machine too no master is replaced
	k, proxies := c.Proxied(t)
	client := k.Client(t)
	put(t, client, "n", "1")
	master := c.MasterOf(t, "n")
	through := proxies[slices.Index(c.Nodes, master)]
	through.Freeze(true)
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := client.Get(short, "n").Err(); err == nil {
		t.Error("it answers")
	}
	through.Freeze(false)
	lost := through.CutAnswerTo(Says("incr"))
	if err := client.Do(t.Context(), "incr", "n").Err(); err != nil {
		t.Error(err) // the client sends it again, and it counts twice: that is what its MaxRetries are for
	}
	<-lost
	if value := fetch(t, c.Client(t), "n"); value != "3" {
		t.Errorf("%q", value)
	}
	if c.MasterOf(t, "n") != master {
		t.Error("a master was replaced whose proxy was frozen")
	}
}
