package redisstore_test

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"rekey"
	"rekey/codestore/redisstore"
	"rekey/test/servers"
)

// load is people who ask for codes and guess, on numbers of their own that lie all over a Cluster, while something happens
// to the Redis that they are kept in. Whoever gets an error asks the same again, as people do. What a store that forgets
// nothing must tell them is known to the word.
type load struct {
	store *redisstore.Store

	lives, steps, failed atomic.Int64
	charged              atomic.Int64 // known to have been

	mu      sync.Mutex
	errors  map[string]int // by their text
	strange []string       // answers that are not what they must be
}

// addresses are what makes the errors of one kind differ.
var addresses = regexp.MustCompile(`[0-9.]+:[0-9]+`)

func lastLine(text string) string { return text[strings.LastIndex(text, "\n")+1:] }

// until repeats a step until it is answered.
func until[T any](t *testing.T, l *load, step func(ctx context.Context) (T, error)) T {
	deadline := time.Now().Add(2 * patience)
	for {
		l.steps.Add(1)
		v, err := step(context.Background()) // the store has a bound of its own
		if err == nil {
			return v
		}
		l.failed.Add(1)
		l.mu.Lock()
		l.errors[addresses.ReplaceAllString(lastLine(err.Error()), "…")]++
		l.mu.Unlock()
		if time.Now().After(deadline) {
			t.Errorf("it does not work again by itself: %v", err)
			return v
		}
		time.Sleep(5 * time.Millisecond) // so that a dead server is not all that the machine is busy with
	}
}

func (l *load) issue(t *testing.T, number rekey.Name) {
	r := issueRequest(number)
	r.Lifetime = r.MaxAge // which no trouble outlasts
	issued := until(t, l, func(ctx context.Context) (rekey.Issued, error) { return l.store.Issue(ctx, r) })
	if issued.Outcome != rekey.IssueMade || issued.Ticket.Nonce != r.Nonce {
		l.found("a first issue is told %+v", issued)
	}
}

func (l *load) guess(t *testing.T, number, check, request rekey.Name) rekey.Verdict {
	return until(t, l, func(ctx context.Context) (rekey.Verdict, error) {
		return l.store.Guess(ctx, guess(number, check, request))
	})
}

// wrong makes the n-th wrong guess on a number: five are compared.
func (l *load) wrong(t *testing.T, number rekey.Name, n int) {
	v := l.guess(t, number, "a wrong check", rekey.Name(fmt.Sprint("guess ", n)))
	if n <= 5 && (v.Outcome != rekey.GuessWrong || v.AttemptsLeft != 5-n) || n > 5 && v.Outcome != rekey.GuessExhausted {
		l.found("wrong guess %d is told %+v", n, v)
	}
}

// redeem guesses right and finishes.
func (l *load) redeem(t *testing.T, number rekey.Name) {
	v := l.guess(t, number, right, "the owner's")
	if v.Outcome != rekey.GuessMatch || v.Used {
		l.found("a right guess is told %+v", v)
		return
	}
	until(t, l, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, l.store.Finish(ctx, rekey.Redemption{Number: number, Flow: v.Flow, Nonce: v.Nonce, Request: "the owner's", Account: v.Account})
	})
	if v := l.guess(t, number, right, "another's"); v.Outcome != rekey.GuessExpired {
		l.found("a used code is told %+v", v)
	}
}

// daily is a budget that nobody uses up.
func daily(name rekey.Name, cost int64) rekey.Charge {
	return rekey.Charge{Name: name, Kind: rekey.Daily, Limit: 1 << 40, Cost: cost}
}

// charge takes from a budget that all share, and from one that is counted once.
func (l *load) charge(t *testing.T, number rekey.Name) {
	once := daily("once", 1)
	once.Once, once.OnceFor = number, time.Hour
	until(t, l, func(ctx context.Context) (rekey.Decision, error) {
		d, err := l.store.Take(ctx, daily("shared", 1), once)
		if err == nil {
			l.charged.Add(1)
		}
		return d, err
	})
}

// live is one person after the other, of whom every second one is under attack.
func (l *load) live(t *testing.T, who int, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		number := rekey.Name(fmt.Sprintf("number %d of %d", n, who))
		l.charge(t, number)
		l.issue(t, number)
		attacks := 1 + n%2*6
		for i := range attacks {
			l.wrong(t, number, i+1)
		}
		if attacks < 5 {
			l.redeem(t, number)
		}
		l.lives.Add(1)
		time.Sleep(10 * time.Millisecond) // there are others on this machine
	}
}

func (l *load) found(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.strange = append(l.strange, fmt.Sprintf(format, args...))
}

// keeper is the i-th of those whose codes lie there while it happens, with one wrong guess each.
func keeper(i int) rekey.Name { return rekey.Name(fmt.Sprint("keeper ", i)) }

const keepers = 40

// under has trouble happen to a store under load, and returns once everybody has been served again afterwards.
func under(t *testing.T, s *redisstore.Store, trouble func(l *load)) *load {
	t.Helper()
	l := &load{store: s, errors: map[string]int{}}
	for i := range keepers {
		l.issue(t, keeper(i))
		l.wrong(t, keeper(i), 1)
	}
	if l.failed.Load() > 0 {
		t.Logf("before anything happened: %v", l.errors)
	}
	stop := make(chan struct{})
	var people sync.WaitGroup
	for who := range 8 {
		people.Go(func() { l.live(t, who, stop) })
	}
	end := sync.OnceFunc(func() { close(stop); people.Wait() })
	defer end() // also where the trouble ends the test
	l.goOn(t)
	begun := time.Now()
	trouble(l)
	took := time.Since(begun)
	l.goOn(t)
	again := time.Since(begun) - took
	end()
	for i := range keepers {
		l.wrong(t, keeper(i), 2)
		l.redeem(t, keeper(i))
	}
	d := until(t, l, func(ctx context.Context) (rekey.Decision, error) {
		return s.Take(ctx, daily("shared", 0))
	})
	t.Logf("%d people in %d steps, of which %d failed: %v; %d charges are counted of %d; the trouble took %v, and everybody was served %v later",
		l.lives.Load(), l.steps.Load(), l.failed.Load(), l.errors, d.Used[0], l.charged.Load(), took.Round(time.Millisecond), again.Round(time.Millisecond))
	return l
}

// goOn waits until as many people have been served as can be under way, and more: those that began before are through.
func (l *load) goOn(t *testing.T) {
	t.Helper()
	wanted := l.lives.Load() + 32
	for deadline := time.Now().Add(2 * patience); l.lives.Load() < wanted; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody is served")
		}
	}
}

// forgetsNothing holds that every answer was the one that it must be.
func (l *load) forgetsNothing(t *testing.T) {
	t.Helper()
	for _, s := range l.strange {
		t.Error(s)
	}
}

// failsNobody holds that nobody even noticed.
func (l *load) failsNobody(t *testing.T) {
	t.Helper()
	for _, text := range slices.Sorted(maps.Keys(l.errors)) {
		t.Errorf("%d steps failed: %s", l.errors[text], text)
	}
}

// TestScriptsThatAreForgottenCostNobodyAStep: SCRIPT FLUSH is what a restart and a failover do to them as well.
func TestScriptsThatAreForgottenCostNobodyAStep(t *testing.T) {
	t.Parallel()
	for name, keyspace := range map[string]func(testing.TB) servers.Keyspace{
		"one server": func(t testing.TB) servers.Keyspace { return servers.StartRedis(t).Keyspace }, // the scripts of the shared one are everybody's
		"Cluster":    servers.RedisCluster,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := keyspace(t)
			client := k.Client(t)
			l := under(t, redisstore.New(k.Client(t), redisstore.Options{StepTime: patience}), func(l *load) {
				for range 100 {
					if err := onMasters(t, client, func(ctx context.Context, node *redis.Client) error { return node.ScriptFlush(ctx).Err() }); err != nil {
						t.Fatal(err)
					}
					for steps := l.steps.Load(); l.steps.Load() < steps+10; time.Sleep(time.Millisecond) {
					}
				}
			})
			l.forgetsNothing(t)
			l.failsNobody(t)
		})
	}
}

// onMasters does something to each server that keys are written to.
func onMasters(t *testing.T, client redis.UniversalClient, do func(context.Context, *redis.Client) error) error {
	switch c := client.(type) {
	case *redis.ClusterClient:
		return c.ForEachMaster(t.Context(), do)
	case *redis.Client:
		return do(t.Context(), c)
	}
	t.Fatalf("a %T has no servers", client)
	return nil
}

// TestT17_RedisKilledUnderLoadForgetsNothingThatItAcknowledged, where it writes before it answers.
func TestT17_RedisKilledUnderLoadForgetsNothingThatItAcknowledged(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t, "appendonly yes", "appendfsync always")
	_, client := connect(t, with(t, server.URL, "step_timeout", "900ms"))
	l := under(t, redisstore.New(client, redisstore.Options{}), func(l *load) {
		for i := range 4 {
			end := server.Kill
			if i == 3 {
				end = server.Stop
			}
			end(t)
			for failed := l.failed.Load(); l.failed.Load() < failed+8; time.Sleep(time.Millisecond) {
			}
			server.Start(t)
			l.goOn(t)
		}
	})
	l.forgetsNothing(t)
}

// TestT16_ARedisThatIsDownIsAnErrorWithinAStepsTime for everybody who asks, however many they are, and it works as soon as
// the server does. Nothing is charged twice by what a frozen server executes when it goes on.
func TestT16_ARedisThatIsDownIsAnErrorWithinAStepsTime(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]struct {
		begin, end func(*servers.RedisServer, testing.TB)
	}{
		"dead":   {(*servers.RedisServer).Kill, (*servers.RedisServer).Start},
		"frozen": {(*servers.RedisServer).Freeze, (*servers.RedisServer).Thaw},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const many = 200
			server := servers.StartRedis(t, "appendonly yes", "appendfsync always") // or it may forget what it has acknowledged
			target, client := connect(t, with(t, server.URL, "step_timeout", "900ms"))
			s := redisstore.New(client, redisstore.Options{StepTime: target.StepTime()})
			l := under(t, s, func(l *load) {
				trouble.begin(server, t)
				var all sync.WaitGroup
				took := make([]time.Duration, many)
				for i := range many {
					all.Go(func() {
						begun := time.Now()
						var err error
						if i%2 == 0 {
							_, err = s.Guess(context.Background(), guess(keeper(i%keepers), "a wrong check", "guess 2"))
						} else {
							_, err = s.Take(context.Background(), daily("another", 1))
						}
						took[i] = time.Since(begun)
						if err == nil {
							t.Error("a step is believed to have been taken")
						}
					})
				}
				all.Wait()
				slices.Sort(took)
				t.Logf("%d steps failed within %v, half of them within %v", many, took[many-1], took[many/2])
				if took[many-1] > 20*time.Second { // it should be one, and on a machine of any speed some more
					t.Errorf("a step took %v to fail", took[many-1])
				}
				trouble.end(server, t)
				begun := time.Now()
				until(t, l, func(ctx context.Context) (time.Time, error) { return s.Clock(ctx) })
				t.Logf("it works %v after the server does", time.Since(begun))
			})
			l.forgetsNothing(t)
			if stats := client.PoolStats(); stats.TotalConns > 64 {
				t.Errorf("%d connections", stats.TotalConns)
			}
		})
	}
}
