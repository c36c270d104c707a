package attack_test

import (
	"testing"

	"rekey/test/embedded"
	"rekey/test/servers"
)

// unreliable is a code store whose connections break.
type unreliable struct {
	dsn string
	cut func() // all connections
	// lose makes the next guess lose its answer after it was carried out; nil: it can't be aimed at.
	lose func() <-chan struct{}
}

// unreliableStores make code stores for a test, with people that are elsewhere.
func unreliableStores() map[embedded.Place]func(t *testing.T) unreliable {
	sql := func(make func(testing.TB) servers.Database) func(t *testing.T) unreliable {
		return func(t *testing.T) unreliable {
			database := make(t)
			proxy := servers.NewProxy(t, database.Address())
			return unreliable{inClear(database.Via(t, proxy.Address)), proxy.Cut, func() <-chan struct{} { return proxy.CutAnswerTo(commitsGuess()) }}
		}
	}
	// The argument of the script that guesses has it, and no other.
	guesses := servers.Says(`"pool_guesses"`)
	return map[embedded.Place]func(t *testing.T) unreliable{
		{Store: embedded.PostgreSQL, People: embedded.PostgreSQL}: sql(servers.PostgreSQL),
		{Store: embedded.MariaDB, People: embedded.MariaDB}:       sql(servers.MariaDB),
		{Store: embedded.Redis, People: embedded.MariaDB}: func(t *testing.T) unreliable {
			k := servers.Redis(t)
			proxy := servers.NewRedisProxy(t, k.Address)
			return unreliable{k.Via(proxy.Address).URL, proxy.Cut, func() <-chan struct{} { return proxy.CutAnswerTo(guesses) }}
		},
		{Store: embedded.Cluster, People: embedded.PostgreSQL}: func(t *testing.T) unreliable {
			k, proxies := servers.StartRedisCluster(t, noFailover).Proxied(t)
			return unreliable{k.URL, func() {
				for _, p := range proxies {
					p.Cut()
				}
			}, func() <-chan struct{} {
				lost := make(chan struct{}, len(proxies))
				for _, p := range proxies {
					one := p.CutAnswerTo(guesses)
					go func() {
						select {
						case <-one:
							lost <- struct{}{}
						case <-t.Context().Done():
						}
					}()
				}
				return lost
			}}
		},
		{Store: "Redis that restarts", People: embedded.PostgreSQL}: func(t *testing.T) unreliable {
			s := servers.StartRedis(t, durable()...)
			return unreliable{s.URL, func() { s.Stop(t); s.Start(t) }, nil}
		},
	}
}

// commitsGuess matches the COMMIT of the transaction of a guess in SQL, if nobody else writes at that time.
func commitsGuess() func([]byte) bool {
	begun := false
	return func(request []byte) bool {
		begun = begun || servers.Says("rekey_numbers")(request)
		return begun && commits(request)
	}
}

// TestT19_AGuessUnderCutsIsChargedOnce: client libraries send again what they got no answer to, and so do people. However
// often a guess comes, after an answer that was lost, over connections that break, by whichever replica, it is charged once.
func TestT19_AGuessUnderCutsIsChargedOnce(t *testing.T) {
	t.Parallel()
	for p, open := range unreliableStores() {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			_, people := embedded.Place{Store: p.People, People: p.People}.Databases(t)
			store := open(t)
			w := newTownOf(t, embedded.Options{Codes: store.dsn, People: people.DSN})
			flow, code := w.code(visitor{}, ann)
			before := w.people()
			replica := 0
			ask := func(digits string) answer {
				replica++
				return w.reset(visitor{flow: flow, replica: replica % 3}, ann, digits, newPassword)
			}
			for i, guess := range embedded.Wrong(code, 4) {
				told := func(a answer, orNot bool) {
					t.Helper()
					if charged := a.Errmsg == wrong && a.Data.AttemptsLeft == 4-i; !charged && !(orNot && a.Status == 503 && a.Errno == "4500") {
						t.Fatalf("guess %d: %+v", i, a)
					}
				}
				if store.lose != nil {
					lost := store.lose()
					told(ask(guess), true)
					w.lost(lost)
					told(ask(guess), false)
				}
				for range 3 {
					answered := make(chan answer)
					go func() { answered <- ask(guess) }()
					store.cut()
					told(<-answered, true)
				}
				told(ask(guess), false)
			}
			if w.people() != before {
				t.Error("a row changed")
			}
			if store.lose != nil {
				lost := store.lose()
				if a := ask(code); a.Errno != "0" && a.Errno != "4500" {
					t.Fatalf("the right code, with the answer lost: %+v", a)
				}
				w.lost(lost)
			}
			if a := ask(code); a.Errno != "0" || !w.houses[0].Accepts(t, ann, newPassword) {
				t.Errorf("the right code, after four wrong guesses: %+v", a)
			}
		})
	}
}
