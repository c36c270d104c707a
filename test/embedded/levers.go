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
	stored(t testing.TB) map[string]string
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

// Stored is all that the code store holds, document by document under their names, as a dump shows it.
func (h *House) Stored(t testing.TB) map[string]string {
	t.Helper()
	return h.levers.stored(t)
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

func (l sqlLevers) stored(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, table := range tables() {
		rows, err := l.db.QueryContext(t.Context(), "SELECT name, state FROM "+table)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var name, state string
			if err := rows.Scan(&name, &state); err != nil {
				t.Fatal(err)
			}
			all[table+" "+name] = state
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// tables are those of a store in SQL.
func tables() []string { return []string{"rekey_numbers", "rekey_budgets"} }

// each executes statements on each table of the store.
func (l sqlLevers) each(t testing.TB, statements ...string) {
	t.Helper()
	for _, table := range tables() {
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

func (l redisLevers) stored(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, key := range l.keys(t) {
		value, err := l.client.Get(t.Context(), key).Result()
		if err == redis.Nil {
			continue // it has expired meanwhile
		}
		if err != nil {
			t.Fatal(err)
		}
		all[key] = value
	}
	return all
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
