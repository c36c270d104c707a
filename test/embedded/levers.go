package embedded

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"rekey/codestore/codestoretest"
)

// levers are what a test does to a code store past the service.
type levers interface {
	age(t testing.TB, d time.Duration)
	forget(t testing.TB)
	remember(t testing.TB) (recall func())
}

// Advance lets d pass for the code store, whichever it is: what it holds is aged.
func (h *House) Advance(t testing.TB, d time.Duration) {
	t.Helper()
	h.levers.age(t, d)
}

// Forget empties the code store, as a failover to an empty one does.
func (h *House) Forget(t testing.TB) {
	t.Helper()
	h.levers.forget(t)
}

// Remember keeps what the code store holds now, and returns what brings it back: a failover that lost what was written
// since. One memory is kept at a time.
func (h *House) Remember(t testing.TB) (recall func()) {
	t.Helper()
	return h.levers.remember(t)
}

// sqlLevers are those of a store in SQL.
type sqlLevers struct{ db *sql.DB }

func (l sqlLevers) age(t testing.TB, d time.Duration) {
	t.Helper()
	codestoretest.Age(t, l.db, d)
}

func (l sqlLevers) forget(t testing.TB) {
	t.Helper()
	l.each(t, "DELETE FROM %s")
}

func (l sqlLevers) remember(t testing.TB) func() {
	t.Helper()
	l.each(t, "DROP TABLE IF EXISTS %s_then", "CREATE TABLE %[1]s_then AS SELECT * FROM %[1]s")
	return func() {
		t.Helper()
		l.each(t, "DELETE FROM %s", "INSERT INTO %[1]s SELECT * FROM %[1]s_then")
	}
}

// each executes statements on each table of the store.
func (l sqlLevers) each(t testing.TB, statements ...string) {
	t.Helper()
	for _, table := range []string{"rekey_numbers", "rekey_budgets"} {
		for _, statement := range statements {
			if _, err := l.db.ExecContext(t.Context(), fmt.Sprintf(statement, table)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// redisLevers are those of a store in Redis, whose keys begin with prefix.
type redisLevers struct {
	client redis.UniversalClient
	prefix string
}

func (l redisLevers) age(t testing.TB, d time.Duration) {
	t.Helper()
	codestoretest.AgeRedis(t, l.client, l.prefix, d)
}

func (l redisLevers) forget(t testing.TB) {
	t.Helper()
	for _, key := range l.keys(t) {
		if err := l.client.Del(t.Context(), key).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func (l redisLevers) remember(t testing.TB) func() {
	t.Helper()
	type value struct {
		dump string // as DUMP has it
		end  int64  // in milliseconds since the Unix epoch
	}
	then := map[string]value{}
	for _, key := range l.keys(t) {
		dump, err := l.client.Dump(t.Context(), key).Result()
		if err == redis.Nil {
			continue // it has expired meanwhile
		}
		if err != nil {
			t.Fatal(err)
		}
		end, err := l.client.PExpireTime(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		then[key] = value{dump, end.Milliseconds()}
	}
	return func() {
		t.Helper()
		l.forget(t)
		for key, v := range then {
			if err := l.client.Do(t.Context(), "restore", key, v.end, v.dump, "absttl").Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// keys are all of the store, on whichever nodes.
func (l redisLevers) keys(t testing.TB) (all []string) {
	t.Helper()
	var mu sync.Mutex
	scan := func(ctx context.Context, node *redis.Client) error {
		found := node.Scan(ctx, 0, l.prefix+"*", 1000).Iterator()
		for found.Next(ctx) {
			mu.Lock()
			all = append(all, found.Val())
			mu.Unlock()
		}
		return found.Err()
	}
	var err error
	if cluster, ok := l.client.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(t.Context(), scan)
	} else {
		err = scan(t.Context(), l.client.(*redis.Client))
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}
