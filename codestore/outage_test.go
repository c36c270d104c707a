package codestore_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rekey"
	"rekey/codestore"
	"rekey/test/servers"
)

const (
	// shortStep is long enough for a step on a machine that stands still for seconds, and short beside all other bounds: a
	// connection may take a minute to come about, the driver of MySQL waits a minute for an answer, that of PostgreSQL for
	// ever.
	shortStep = "step_timeout=6s"
	shortTime = 6 * time.Second
	longTime  = 30 * time.Second
)

// through is the server behind another address, such as that of a proxy, which can read what is said.
func (s server) through(t testing.TB, address string) server {
	t.Helper()
	if !strings.Contains(s.DSN, s.Address()) {
		t.Fatal("the data source has another address")
	}
	s.DSN = strings.Replace(s.DSN, s.Address(), address, 1)
	if s.Kind == servers.MySQL {
		s.DSN += "?sslmode=disable"
	}
	return s
}

// eachReached runs a test on a database of each server, without the pooler: behind one, that is what hangs.
func eachReached(t *testing.T, run func(t *testing.T, of server)) {
	for name, start := range map[string]func(testing.TB) server{
		"PostgreSQL": func(t testing.TB) server { return server{servers.PostgreSQL(t), codestore.PostgreSQL()} },
		"MariaDB":    func(t testing.TB) server { return server{servers.MariaDB(t), codestore.MySQL()} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, start(t))
		})
	}
}

func bucket(name rekey.Name) rekey.Charge {
	return rekey.Charge{Name: name, Kind: rekey.Daily, Limit: 1 << 30, Cost: 1}
}

// TestT16_AServerThatHangsIsDownInAStepsTimeAndUpAtOnce: it takes connections and bytes, and says nothing.
func TestT16_AServerThatHangsIsDownInAStepsTimeAndUpAtOnce(t *testing.T) {
	t.Parallel()
	eachReached(t, func(t *testing.T, of server) {
		proxy := servers.NewProxy(t, of.Address())
		db, store := of.through(t, proxy.Address).open(t, shortStep)
		r := issueRequest(0)
		if _, err := store.Issue(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Take(t.Context(), bucket("b")); err != nil {
			t.Fatal(err)
		}

		proxy.Freeze(true)
		// Twice, since each may meet connections in another state: one from the pool, and then new ones.
		used := 0
		for range 2 {
			began := time.Now()
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() {
					if v, err := store.Guess(t.Context(), guess(r, "wrong", "r")); err == nil {
						t.Errorf("a guess that can't be counted was compared: %+v", v)
					}
				})
				all.Go(func() {
					if d, err := store.Take(t.Context(), bucket("b")); err == nil {
						t.Errorf("a budget that can't be known passed: %+v", d)
					}
				})
			}
			all.Go(func() {
				if _, err := store.Sweep(t.Context()); err == nil {
					t.Error("a sweep got through")
				}
			})
			refused := make(chan struct{})
			go func() {
				all.Wait()
				close(refused)
			}()
			for waiting := true; waiting; {
				select {
				case <-refused:
					waiting = false
				case <-time.After(10 * time.Millisecond):
					used = max(used, db.Stats().InUse)
				}
			}
			took := time.Since(began)
			if took > longTime {
				t.Errorf("refused after %v", took)
			}
			t.Logf("with a step's time of %v all were refused after %v", shortTime, took)
		}
		if used < 1 || used > 3 {
			t.Errorf("%d connections were in use: steps of one kind share one, and the sweep has one", used)
		}

		proxy.Freeze(false)
		// A step may still meet what the outage left, and no two do.
		if _, err := store.Take(t.Context(), bucket("b")); err != nil {
			if _, err := store.Take(t.Context(), bucket("b")); err != nil {
				t.Errorf("two steps refused once the server answered: %v", err)
			}
		}
		stillThere(t, store, r)
	})
}

// TestT16_StepsDontPileUpBehindAServerThatHangs: those that are too many are refused before their time.
func TestT16_StepsDontPileUpBehindAServerThatHangs(t *testing.T) {
	t.Parallel()
	eachReached(t, func(t *testing.T, of server) {
		proxy := servers.NewProxy(t, of.Address())
		_, store := of.through(t, proxy.Address).open(t, "step_timeout=1m")
		proxy.Freeze(true)
		// Those within the bound wait for as long as the test likes.
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		const more = 500
		refused := make(chan error, codestore.WaitingSteps+more)
		for range codestore.WaitingSteps + more {
			go func() {
				_, err := store.Take(ctx, bucket("b"))
				refused <- err
			}()
		}
		for range more {
			if err := <-refused; err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("a step beyond the bound: %v", err)
			}
		}
		leave()
		for range codestore.WaitingSteps {
			if err := <-refused; !errors.Is(err, context.Canceled) {
				t.Fatalf("a step within the bound: %v", err)
			}
		}
		proxy.Freeze(false)
		if _, err := store.Take(t.Context(), bucket("b")); err != nil {
			t.Errorf("once the server answers: %v", err)
		}
	})
}

// junction passes connections on to wherever it points when they come.
type junction struct {
	address string
	to      atomic.Value // string
}

func newJunction(t *testing.T, to string) *junction {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	j := &junction{address: listener.Addr().String()}
	j.to.Store(to)
	var all sync.WaitGroup
	ctx, end := context.WithCancel(context.Background())
	t.Cleanup(func() {
		listener.Close()
		end()
		all.Wait()
	})
	all.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", j.to.Load().(string))
			if err != nil {
				from.Close()
				continue
			}
			both := func() { from.Close(); to.Close() }
			stop := context.AfterFunc(ctx, both)
			for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
				all.Go(func() {
					_, _ = io.Copy(way[1], way[0])
					both()
					stop()
				})
			}
		}
	})
	return j
}

// TestT19_HalfOpenConnectionsCostOneStepTogether: the way to the server has changed, and what went the old one is lost
// without a word, while new connections pass.
func TestT19_HalfOpenConnectionsCostOneStepTogether(t *testing.T) {
	t.Parallel()
	eachReached(t, func(t *testing.T, of server) {
		old, way := servers.NewProxy(t, of.Address()), servers.NewProxy(t, of.Address())
		j := newJunction(t, old.Address)
		db, store := of.through(t, j.address).open(t, shortStep)
		if _, err := store.Take(t.Context(), bucket("b")); err != nil {
			t.Fatal(err)
		}
		lie := func() { // in the pool, as many as it takes
			var taken []*sql.Conn
			for range db.Stats().MaxOpenConnections {
				c, err := db.Conn(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				taken = append(taken, c)
			}
			for _, c := range taken {
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
		lie()
		if idle := db.Stats().Idle; idle < 5 {
			t.Fatalf("%d connections lie in the pool", idle)
		}

		j.to.Store(way.Address)
		old.Freeze(true)
		refused := 0
		for done := 0; done < 10; done++ {
			if _, err := store.Take(t.Context(), bucket("b")); err != nil {
				refused++
				t.Logf("refused: %v", err)
			}
		}
		if refused > 1 {
			t.Errorf("%d steps were refused", refused)
		}
		// The others in the pool are not met either, by whoever shares it.
		ctx, cancel := context.WithTimeout(t.Context(), longTime)
		defer cancel()
		var all sync.WaitGroup
		for range db.Stats().MaxOpenConnections {
			all.Go(func() {
				if _, err := db.ExecContext(ctx, "SELECT 1"); err != nil {
					t.Errorf("beside the store: %v", err)
				}
			})
		}
		all.Wait()
	})
}

// TestT19_AStepWhoseCommitWasLostMayBeSentAgain: whether or not the database did it, it is done once.
func TestT19_AStepWhoseCommitWasLostMayBeSentAgain(t *testing.T) {
	t.Parallel()
	eachReached(t, func(t *testing.T, of server) {
		proxy := servers.NewProxy(t, of.Address())
		_, store := of.through(t, proxy.Address).open(t)
		lost := func(step string, do func() error) {
			t.Helper()
			cut := proxy.CutAnswerTo(func(said []byte) bool { // and not of the isolation level READ COMMITTED
				return servers.Says("commit")(said) && !servers.Says("committed")(said)
			})
			if err := do(); err == nil {
				t.Errorf("%s: its COMMIT got no answer, and it passed", step)
			}
			<-cut
		}
		r := issueRequest(0)
		lost("Issue", func() error { _, err := store.Issue(t.Context(), r); return err })
		issued, err := store.Issue(t.Context(), r)
		if err != nil || issued.Outcome != rekey.IssueMade || issued.Ticket.Nonce != r.Nonce {
			t.Fatalf("the same Issue again: %+v, %v", issued, err)
		}
		wrong := guess(r, "wrong", "wrong")
		lost("Guess", func() error { _, err := store.Guess(t.Context(), wrong); return err })
		if v, err := store.Guess(t.Context(), wrong); err != nil || v.Outcome != rekey.GuessWrong || !v.Remembered || v.AttemptsLeft != 4 {
			t.Errorf("the same wrong guess again: %+v, %v", v, err)
		}
		right := guess(r, r.Check, "right")
		lost("Guess", func() error { _, err := store.Guess(t.Context(), right); return err })
		if v, err := store.Guess(t.Context(), right); err != nil || v.Outcome != rekey.GuessMatch || !v.Remembered {
			t.Errorf("the same right guess again: %+v, %v", v, err)
		}
		redeemed := rekey.Redemption{Number: r.Number, Flow: r.NewFlow, Nonce: r.Nonce, Request: "right", Account: r.Account, Fingerprints: r.Fingerprints}
		lost("Finish", func() error { return store.Finish(t.Context(), redeemed) })
		if err := store.Finish(t.Context(), redeemed); err != nil {
			t.Fatal(err)
		}
		if v, err := store.Guess(t.Context(), right); err != nil || v.Outcome != rekey.GuessMatch || !v.Used {
			t.Errorf("after both: %+v, %v", v, err)
		}
		lost("Withdraw", func() error { return store.Withdraw(t.Context(), issued.Ticket) })
	})
}

// TestT16_TheLocksOfAReplicaThatIsGoneAreNotKept: what everybody charges would else be locked for hours.
func TestT16_TheLocksOfAReplicaThatIsGoneAreNotKept(t *testing.T) {
	t.Parallel()
	eachReached(t, func(t *testing.T, of server) {
		_, gone := of.open(t, "step_timeout=500ms")
		_, store := of.open(t)
		ctx, cancel := context.WithTimeout(t.Context(), longTime)
		defer cancel()
		tx, err := codestore.LockBudgets(ctx, gone, "b")
		for err != nil && ctx.Err() == nil { // between its begin and its lock the machine stood still
			tx, err = codestore.LockBudgets(ctx, gone, "b")
		}
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback() // which finds the connection closed
		began := time.Now()
		d, err := store.Take(t.Context(), bucket("b"))
		if err != nil || d.Used[0] != 1 {
			t.Errorf("%+v, %v", d, err)
		}
		t.Logf("its locks were kept for %v", time.Since(began))
	})
}
