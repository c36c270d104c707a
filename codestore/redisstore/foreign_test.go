package redisstore_test

import (
	"context"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"rekey"
	"rekey/codestore/redisstore"
	"rekey/test/servers"
)

// TestAKeyThatIsNotOfOurMakingIsNamed where it is read, on each layout: Redis alone would say that an operation was of the
// wrong kind, or which line of a script failed.
func TestAKeyThatIsNotOfOurMakingIsNamed(t *testing.T) {
	t.Parallel()
	for layout, wait := range map[string]int{"a server": 0, "a cluster": 0, "a cluster whose replicas are waited for": 1} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			at := servers.Redis
			if layout != "a server" {
				at = servers.RedisCluster
			}
			client, o := open(t, at(t))
			o.Wait = wait
			s := redisstore.New(client, o)
			t.Cleanup(func() { s.Close() })
			number, bucket := o.Prefix+"n:{ann}", o.Prefix+"b:{sends}"
			for content, store := range map[string]func(key string) error{
				"a list": func(key string) error { return client.RPush(t.Context(), key, "theirs").Err() },
				"a text": func(key string) error { return client.Set(t.Context(), key, "theirs", 0).Err() },
				"of another version": func(key string) error {
					return client.Set(t.Context(), key, "\x91\xcd\x7f\xff", 0).Err() // MessagePack: [32767]
				},
			} {
				for _, key := range []string{number, bucket} {
					if err := client.Del(t.Context(), key).Err(); err != nil {
						t.Fatal(err)
					}
					if err := store(key); err != nil {
						t.Fatal(err)
					}
				}
				once := rekey.Charge{Name: "sends", Kind: rekey.Daily, Limit: 2, Cost: 1, Once: "mark", OnceFor: patience}
				for step, c := range map[string]struct {
					do   func(ctx context.Context) error
					says string
				}{
					"unlock": {func(ctx context.Context) error { _, err := s.Unlock(ctx, "ann"); return err }, "the key " + number + ", which is for a number,"},
					"guess":  {func(ctx context.Context) error { _, err := s.Guess(ctx, rekey.Guess{Number: "ann"}); return err }, "the key " + number + ", which is for a number,"},
					"take": {func(ctx context.Context) error {
						_, err := s.Take(ctx, rekey.Charge{Name: "sends", Kind: rekey.Daily, Limit: 2, Cost: 1})
						return err
					}, "the key " + bucket + ", which is for a budget,"},
					"take with a mark": {func(ctx context.Context) error { _, err := s.Take(ctx, once); return err }, "the key " + bucket + ", or one that begins so, which is for a budget,"},
				} {
					err := c.do(t.Context())
					if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "WRONGTYPE") || strings.Contains(err.Error(), "script") {
						t.Errorf("%s, with %s there: %v", step, content, err)
					}
				}
			}
		})
	}
}

// answering is a hook that has every command fail as a server would say it.
type answering struct{ text string }

// DialHook implements redis.Hook.
func (answering) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook implements redis.Hook.
func (answering) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook implements redis.Hook.
func (a answering) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, command redis.Cmder) error {
		command.SetErr(said(a.text))
		return said(a.text)
	}
}

// said is a redis.Error.
type said string

func (s said) Error() string { return string(s) }
func (said) RedisError()     {}

// Servers before 7.0 tell what a command answers amid what they say of the script (src/scripting.c, evalGenericCommand);
// an error of any other kind is left as it is.
func TestAKeyThatIsNotOfOurMakingIsNamedByOlderServersToo(t *testing.T) {
	t.Parallel()
	for text, named := range map[string]bool{
		"ERR Error running script (call to f_6b1bf4): @user_script:57: WRONGTYPE Operation against a key holding the wrong kind of value":       true,
		"ERR Error running script (call to f_6b1bf4): @user_script:62: user_script:62: a key of the code store does not hold what rekey stores": true,
		"ERR Error running script (call to f_6b1bf4): @user_script:62: user_script:62: attempt to index a nil value":                            false,
		"OOM command not allowed when used memory > 'maxmemory'.":                                                                               false,
	} {
		client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
		client.AddHook(answering{text})
		s := redisstore.New(client, redisstore.Options{})
		_, err := s.Unlock(t.Context(), "ann")
		if err == nil || strings.HasPrefix(err.Error(), "in Redis the key rekey:n:{ann}, ") != named || !named && err.Error() != text {
			t.Errorf("%s is told as %v", text, err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}
