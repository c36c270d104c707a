package servers

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// While a slot moves its nodes answer as they do when an operator reshards, and keys keep what they hold.
func TestASlotMovesStepByStep(t *testing.T) {
	t.Parallel()
	c := StartRedisCluster(t, "cluster-node-timeout 60000") // on a slow machine too no master is replaced
	client := c.Client(t)
	for i := range 300 {
		put(t, client, fmt.Sprintf("{n}%d", i), fmt.Sprint(i))
	}
	if err := client.Expire(t.Context(), "{n}0", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	from := c.MasterOf(t, "{n}")
	to := c.Masters(t)[0]
	if to == from {
		to = c.Masters(t)[1]
	}
	m := c.MoveSlot(t, "{n}", to)
	if m.From != from || m.To != to || m.Slot != int(client.ClusterKeySlot(t.Context(), "{n}1").Val()) {
		t.Fatalf("slot %d from %s to %s", m.Slot, m.From.name, m.To.name)
	}
	old, fresh := from.Client(t), to.Client(t)
	redirected := func(err error, how, whereto string) {
		t.Helper()
		if err == nil || err.Error() != strings.TrimSpace(fmt.Sprintf("%s %d %s", how, m.Slot, whereto)) {
			t.Errorf("%v instead of %s", err, how)
		}
	}
	redirected(old.Get(t.Context(), "{n}none").Err(), "ASK", to.Address)
	redirected(fresh.Get(t.Context(), "{n}0").Err(), "MOVED", from.Address)
	if value := fetch(t, old, "{n}0"); value != "0" {
		t.Errorf("%q before its key moved", value)
	}
	m.MoveKey(t, "{n}0")
	redirected(old.Get(t.Context(), "{n}0").Err(), "ASK", to.Address)
	if err := old.MGet(t.Context(), "{n}0", "{n}1").Err(); err == nil || !strings.HasPrefix(err.Error(), "TRYAGAIN") {
		t.Errorf("%v instead of TRYAGAIN", err)
	}
	if value := fetch(t, client, "{n}0"); value != "0" {
		t.Errorf("%q by a client that follows ASK", value)
	}
	put(t, client, "{n}born", "1")
	m.Finish(t)
	if c.MasterOf(t, "{n}") != to {
		t.Error("the slot did not move")
	}
	redirected(old.Get(t.Context(), "{n}1").Err(), "MOVED", to.Address)
	for i := range 300 {
		if value := fetch(t, client, fmt.Sprintf("{n}%d", i)); value != fmt.Sprint(i) {
			t.Fatalf("%q instead of %d", value, i)
		}
	}
	if value := fetch(t, fresh, "{n}born"); value != "1" {
		t.Errorf("%q of what was born meanwhile", value)
	}
	if left := client.TTL(t.Context(), "{n}0").Val(); left < 50*time.Minute || left > time.Hour {
		t.Errorf("it lives %s more", left)
	}
}
