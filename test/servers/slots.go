package servers

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
)

// SlotMove is the slot of a key on its way from one master of a Cluster to another. Meanwhile the old one answers ASK for
// a key that it does not have (any more), and TRYAGAIN is the answer, from either, to a command on several keys of which
// it has some (redis.io/docs, Redis cluster specification, "Cluster live reconfiguration").
type SlotMove struct {
	From, To *RedisServer
	Slot     int

	cluster *Cluster
}

// MoveSlot begins to move the slot of a key to a master. No key has moved yet; MoveKey moves one, Finish what is left and
// the slot with it.
func (c *Cluster) MoveSlot(t testing.TB, key string, to *RedisServer) *SlotMove {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m := &SlotMove{From: c.MasterOf(t, key), To: to, cluster: c}
	if m.From == to {
		t.Fatalf("Redis Cluster: %q is on %s already", key, to.name)
	}
	slot, err := to.client.ClusterKeySlot(ctx, key).Result()
	if err != nil {
		t.Fatalf("%s: %v", to.name, err)
	}
	m.Slot = int(slot)
	// In this order, or clients would be sent to a node that sends them back.
	m.set(ctx, t, to, "importing", m.From.id)
	m.set(ctx, t, m.From, "migrating", to.id)
	return m
}

func (m *SlotMove) set(ctx context.Context, t testing.TB, on *RedisServer, state, node string) {
	t.Helper()
	if err := on.client.Do(ctx, "cluster", "setslot", m.Slot, state, node).Err(); err != nil {
		t.Fatalf("Redis Cluster: slot %d, %s on %s: %v", m.Slot, state, on.name, err)
	}
}

// MoveKey moves a key, with what it holds and how long it lives, and leaves the slot where it was. The key must be there.
func (m *SlotMove) MoveKey(t testing.TB, key string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if answer := m.move(ctx, t, key); answer != "OK" {
		t.Fatalf("Redis Cluster: moving %q: %s", key, answer)
	}
}

// move moves keys; NOKEY is the answer if none of them is there.
func (m *SlotMove) move(ctx context.Context, t testing.TB, keys ...string) string {
	t.Helper()
	// Nodes speak TLS with each other.
	arguments := []any{"migrate", loopback, m.To.TLS.port(), "", 0, patience.Milliseconds(), "auth2", m.To.User, m.To.Password, "keys"}
	for _, key := range keys {
		arguments = append(arguments, key)
	}
	answer, err := m.From.client.Do(ctx, arguments...).Text()
	if err != nil {
		t.Fatalf("Redis Cluster: moving keys: %v", err)
	}
	return answer
}

// Finish moves the keys that are left and gives the slot to its new master. It returns once all nodes know.
func (m *SlotMove) Finish(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		keys, err := m.From.client.ClusterGetKeysInSlot(ctx, m.Slot, 100).Result()
		if err != nil {
			t.Fatalf("%s: %v", m.From.name, err)
		}
		if len(keys) == 0 {
			break
		}
		m.move(ctx, t, keys...)
	}
	// The new master first: if it ended now, the old one would not have forgotten the slot before anybody else has it.
	for _, node := range []*RedisServer{m.To, m.From} {
		m.set(ctx, t, node, "node", m.To.id)
	}
	err := eventually(ctx, func() error {
		owners, err := m.cluster.owners(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(owners[m.To], func(s redis.ClusterSlot) bool { return s.Start <= m.Slot && m.Slot <= s.End }) {
			return fmt.Errorf("slot %d is not that of %s", m.Slot, m.To.name)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("Redis Cluster: %v", err)
	}
}
