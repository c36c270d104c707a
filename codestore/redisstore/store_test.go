package redisstore_test

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"rekey"
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

func TestRedisClusterConforms(t *testing.T) {
	t.Parallel()
	conform(t, servers.RedisCluster(t), 0)
}

// TestWaitingForAReplicaConforms: what a step decides is the same where it waits for a replica of its Cluster.
func TestWaitingForAReplicaConforms(t *testing.T) {
	t.Parallel()
	conform(t, servers.RedisCluster(t), 1)
}

const right = rekey.Name("the check of the right code")

func issueRequest(number rekey.Name) rekey.IssueRequest {
	return rekey.IssueRequest{
		Number: number, NewFlow: "flow", Account: "account", Fingerprints: []rekey.Keyed{{Key: "1", Value: "fingerprint"}},
		Key: "1", Nonce: "nonce of " + string(number), Check: right, Lifetime: 5 * time.Minute, MaxAge: 10 * time.Minute,
		Intervals: []time.Duration{time.Minute}, HourSends: 5, DaySends: 10, LiveFlows: 3, Guesses: 5,
	}
}

func guess(number, check, request rekey.Name) rekey.Guess {
	return rekey.Guess{
		Number: number, Flow: "flow", Checks: []rekey.Keyed{{Key: "1", Value: check}}, Request: request,
		Account: "account", Fingerprints: []rekey.Keyed{{Key: "1", Value: "fingerprint"}},
		Guesses: 5, PoolGuesses: 3, Grace: 150 * time.Second, Restriction: rekey.Restriction{DayWrong: 20, RowWrong: 100},
	}
}

var charge = rekey.Charge{Name: "bucket", Kind: rekey.Rate, Limit: 5, Window: time.Hour, Cost: 1, Once: "mark", OnceFor: time.Minute}

// TestAForeignKeyIsAnErrorAndStaysAsItIs: whatever stands where the store keeps a number or a budget, nothing passes it.
func TestAForeignKeyIsAnErrorAndStaysAsItIs(t *testing.T) {
	t.Parallel()
	client, o := open(t, servers.Redis(t))
	s := redisstore.New(client, o)
	for name, put := range map[string]func(key string) error{
		"list": func(key string) error { return client.RPush(t.Context(), key, "a", "b").Err() },
		"hash": func(key string) error { return client.HSet(t.Context(), key, "a", "b").Err() },
		"set":  func(key string) error { return client.SAdd(t.Context(), key, "a").Err() },
		"stream": func(key string) error {
			return client.XAdd(t.Context(), &redis.XAddArgs{Stream: key, Values: []string{"a", "b"}}).Err()
		},
		"text":      func(key string) error { return client.Set(t.Context(), key, "hello", 0).Err() },
		"empty":     func(key string) error { return client.Set(t.Context(), key, "", 0).Err() },
		"number":    func(key string) error { return client.Set(t.Context(), key, "\x01", 0).Err() },
		"format":    func(key string) error { return client.Set(t.Context(), key, "\x91\x02", 0).Err() },     // [2]
		"cut":       func(key string) error { return client.Set(t.Context(), key, "\x99\x01\x01", 0).Err() }, // an array of nine, of which two are there
		"too short": func(key string) error { return client.Set(t.Context(), key, "\x92\x01\x01", 0).Err() }, // [1, 1]
		"nothing":   func(key string) error { return client.Set(t.Context(), key, "\x91\x01", 0).Err() },     // [1]
		"otherwise": func(key string) error {
			return client.Set(t.Context(), key, "\x97\x01\xa1a\xa1a\xa1a\xa1a\xa1a\xa1a", 0).Err()
		}, // texts where numbers are
	} {
		number, bucket := rekey.Name("number "+name), charge
		bucket.Name = rekey.Name("bucket " + name)
		keys := []string{o.Prefix + "n:{" + string(number) + "}", o.Prefix + "b:{" + string(bucket.Name) + "}"}
		var before []string
		for _, key := range keys {
			if err := put(key); err != nil {
				t.Fatal(err)
			}
			before = append(before, client.Dump(t.Context(), key).Val())
		}
		issued, err := s.Issue(t.Context(), issueRequest(number))
		if err == nil {
			t.Errorf("%s: a code was made: %+v", name, issued)
		}
		if v, err := s.Guess(t.Context(), guess(number, "wrong", "r")); err == nil {
			t.Errorf("%s: a guess that can't be counted was compared: %+v", name, v)
		}
		if err := s.Withdraw(t.Context(), rekey.Ticket{Number: number, Flow: "flow", Version: 1}); err == nil {
			t.Errorf("%s: Withdraw passed", name)
		}
		if err := s.Finish(t.Context(), rekey.Redemption{Number: number, Flow: "flow"}); err == nil {
			t.Errorf("%s: Finish passed", name)
		}
		if cleared, err := s.Unlock(t.Context(), number); err == nil {
			t.Errorf("%s: unlocked: %v", name, cleared)
		}
		if d, err := s.Take(t.Context(), bucket); err == nil {
			t.Errorf("%s: a budget that can't be known passed: %+v", name, d)
		}
		for i, key := range keys {
			if client.Dump(t.Context(), key).Val() != before[i] {
				t.Errorf("%s: %s was changed", name, key)
			}
		}
	}
	if d, err := s.Take(t.Context(), charge); err != nil || d.Used[0] != 1 {
		t.Errorf("beside them: %+v, %v", d, err)
	}
}

func TestEveryKeyExpiresAndNoLaterThanItsContent(t *testing.T) {
	t.Parallel()
	client, o := open(t, servers.Redis(t))
	s := redisstore.New(client, o)
	if _, err := s.Issue(t.Context(), issueRequest("n")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Guess(t.Context(), guess("other", "wrong", "r")); err != nil { // which stores nothing
		t.Fatal(err)
	}
	if _, err := s.Take(t.Context(), charge); err != nil {
		t.Fatal(err)
	}
	within := func(when string, most time.Duration) {
		t.Helper()
		keys, err := client.Keys(t.Context(), o.Prefix+"*").Result()
		if err != nil || len(keys) != 3 {
			t.Fatalf("%s: %q, %v, want a number, a bucket and a mark", when, keys, err)
		}
		for _, key := range keys {
			if left := client.PTTL(t.Context(), key).Val(); left <= 0 || left > most {
				t.Errorf("%s: %s is gone in %v, want within %v", when, key, left, most)
			}
		}
	}
	within("after a send", 24*time.Hour)
	if _, err := s.Guess(t.Context(), guess("n", "wrong", "r")); err != nil {
		t.Fatal(err)
	}
	within("after a wrong guess, which is held against the number", 365*24*time.Hour)
}

// TestAServerThatHasForgottenTheScriptsIsToldAgain: SCRIPT FLUSH, a restart and a failover make it forget them.
func TestAServerThatHasForgottenTheScriptsIsToldAgain(t *testing.T) {
	t.Parallel()
	k := servers.StartRedis(t)
	client, o := open(t, k.Keyspace)
	s := redisstore.New(client, o)
	for i := range 5 {
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		number := rekey.Name(fmt.Sprint(i))
		if issued, err := s.Issue(t.Context(), issueRequest(number)); err != nil || issued.Outcome != rekey.IssueMade {
			t.Fatalf("%+v, %v", issued, err)
		}
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		other, again := charge, charge
		other.Name, again.Once = "other", ""
		if d, err := s.Take(t.Context(), other, again); err != nil || d.Refused >= 0 || d.Used[1] != int64(i+1) {
			t.Fatalf("charge %d: %+v, %v", i, d, err)
		}
		v, err := s.Guess(t.Context(), guess(number, "wrong", "r"))
		if err != nil || v.AttemptsLeft != 4 || v.Remembered {
			t.Fatalf("%+v, %v", v, err)
		}
	}
}

// TestTheUserWithTheLeastRightsDoesAllSteps: PTTL and SCAN are for the test, which makes time pass.
func TestTheUserWithTheLeastRightsDoesAllSteps(t *testing.T) {
	t.Parallel()
	k := servers.StartRedis(t)
	conform(t, k.Role(t, "~rekey:*", "resetchannels", "-@all", "+eval", "+evalsha", "+get", "+set", "+del", "+pexpire", "+time", "+pttl", "+scan"), 0)
}
