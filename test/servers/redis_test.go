package servers

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// put sets a key, and fetch reads it: "" if there is none.
func put(t *testing.T, c redis.UniversalClient, key, value string) {
	t.Helper()
	if err := c.Set(t.Context(), key, value, 0).Err(); err != nil {
		t.Fatalf("SET %s: %v", key, err)
	}
}

func fetch(t *testing.T, c redis.UniversalClient, key string) string {
	t.Helper()
	value, err := c.Get(t.Context(), key).Result()
	if err != nil && err != redis.Nil {
		t.Fatalf("GET %s: %v", key, err)
	}
	return value
}

func TestEachRedisIsEmptyAndSeesNoOther(t *testing.T) {
	t.Parallel()
	first, second := Redis(t), Redis(t)
	if first.Address != second.Address || first.URL == second.URL {
		t.Fatalf("%s and %s", first.Address, second.Address)
	}
	one, other := first.Client(t), second.Client(t)
	put(t, one, "n", "1")
	if value := fetch(t, other, "n"); value != "" {
		t.Errorf("%q of another database", value)
	}
	if n := other.DBSize(t.Context()).Val(); n != 0 {
		t.Errorf("%d keys", n)
	}
}

func TestWhatATestPutIntoRedisIsGoneWhenItEnds(t *testing.T) {
	t.Parallel()
	for name, place := range map[string]func(testing.TB) Keyspace{"Redis": Redis, "Cluster": RedisCluster} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var gone Keyspace
			t.Run("leaving", func(t *testing.T) {
				gone = place(t)
				put(t, gone.Client(t), "n", "1")
			})
			if value := fetch(t, gone.Client(t), "n"); value != "" {
				t.Errorf("%q is still there", value)
			}
		})
	}
}

func TestTheURLIsThatOfTheDatabase(t *testing.T) {
	t.Parallel()
	k := Redis(t)
	o, err := redis.ParseURL(k.URL)
	if err != nil {
		t.Fatal(err)
	}
	if o.Addr != k.Address || o.Username != k.User || o.Password != k.Password || o.DB != k.database || o.DB == 0 || o.TLSConfig != nil {
		t.Errorf("the URL of database %d is another's", k.database)
	}
}

func TestNobodyGetsIntoRedisWithoutThePassword(t *testing.T) {
	t.Parallel()
	k := Redis(t)
	for _, user := range []string{k.User, "default", ""} {
		for _, password := range []string{"", "wrong"} {
			stranger := k
			stranger.User, stranger.Password = user, password
			if err := stranger.Client(t).Get(t.Context(), "n").Err(); err == nil || err == redis.Nil {
				t.Errorf("%q is let in with %q", user, password)
			}
		}
	}
}

func TestARoleOfRedisHasItsRightsAndNoOtherAndKeepsThem(t *testing.T) {
	t.Parallel()
	s := StartRedis(t)
	reader := s.Role(t, "~mine", "+get")
	for range 2 {
		c := reader.Client(t)
		if value := fetch(t, c, "mine"); value != "" {
			t.Errorf("%q", value)
		}
		for _, err := range []error{c.Get(t.Context(), "other").Err(), c.Set(t.Context(), "mine", "1", 0).Err()} {
			if err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
				t.Errorf("more than it was granted: %v", err)
			}
		}
		s.Stop(t)
		s.Start(t)
	}
}

func TestRedisKeepsWhatItAcknowledgedWhenItIsToldTo(t *testing.T) {
	t.Parallel()
	s := StartRedis(t, "appendonly yes", "appendfsync always")
	for _, end := range []func(testing.TB){s.Stop, s.Kill, s.Kill, s.Stop} {
		before := s.Client(t)
		if err := before.Incr(t.Context(), "n").Err(); err != nil {
			t.Fatal(err)
		}
		want := fetch(t, before, "n")
		end(t)
		if connection, err := net.Dial("tcp", s.Address); err == nil {
			connection.Close()
			t.Fatal("the port takes connections")
		}
		s.Start(t)
		if value := fetch(t, s.Client(t), "n"); value != want {
			t.Fatalf("%q instead of %q", value, want)
		}
	}
}

func TestRedisKeepsNothingWhenItIsNotToldTo(t *testing.T) {
	t.Parallel()
	s := StartRedis(t)
	put(t, s.Client(t), "n", "1")
	s.Stop(t)
	s.Start(t)
	if value := fetch(t, s.Client(t), "n"); value != "" {
		t.Errorf("%q", value)
	}
}

func TestAFrozenRedisTakesWhatItIsSentAndAnswersWhenItThaws(t *testing.T) {
	t.Parallel()
	s := StartRedis(t)
	c := s.Client(t)
	put(t, c, "n", "before")
	s.Freeze(t)
	c2 := dial(t, s.Address)
	say(t, c2, "PING\r\n")
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Get(short, "n").Err(); err == nil {
		t.Error("it answers")
	}
	s.Thaw(t)
	hear(t, c2, "-NOAUTH Authentication required.\r\n")
	if value := fetch(t, c, "n"); value != "before" {
		t.Errorf("%q", value)
	}
	s.Freeze(t)
	s.Kill(t)
	s.Start(t)
	put(t, c, "n", "after")
}

func TestRedisOverTLSIsVerifiedByItsOwnAuthority(t *testing.T) {
	t.Parallel()
	s, stranger := StartRedis(t), StartRedis(t)
	put(t, s.TLS.Client(t), "n", "1")
	if value := fetch(t, s.Client(t), "n"); value != "1" {
		t.Errorf("%q: another server", value)
	}
	if !strings.HasPrefix(s.TLS.URL, "rediss://") {
		t.Error("its URL is one without TLS")
	}
	deceived := s.TLS
	deceived.CA = stranger.TLS.CA
	if err := deceived.Client(t).Ping(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("with another authority: %v", err)
	}
}
