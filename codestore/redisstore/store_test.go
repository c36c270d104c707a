package redisstore_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"rekey/codestore/codestoretest"
	"rekey/codestore/redisstore"
	"rekey/test/servers"
)

// patience is the bound of a step on a machine of any speed.
const patience = time.Minute

// open makes a store whose keys are its own, and what the test itself needs of it.
func open(t testing.TB, k servers.Keyspace) (redis.UniversalClient, redisstore.Options) {
	t.Helper()
	return k.Client(t), redisstore.Options{StepTime: patience, Prefix: "rekey:" + rand.Text() + ":"}
}

func conform(t *testing.T, k servers.Keyspace, wait int) {
	t.Helper()
	codestoretest.Run(t, codestoretest.Harness{
		Open: func(t *testing.T) codestoretest.Instance {
			client, o := open(t, k)
			o.Wait = wait
			s := redisstore.New(client, o)
			return codestoretest.Instance{
				Store:   s,
				Advance: func(d time.Duration) { codestoretest.AgeRedis(t, client, o.Prefix, d) },
				Reopen:  func() codestoretest.Store { return redisstore.New(k.Client(t), o) },
				Close:   func() { s.Close() },
			}
		},
	})
}

func TestRedisConforms(t *testing.T) {
	t.Parallel()
	conform(t, servers.Redis(t), 0)
}
