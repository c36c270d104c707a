package attack_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"rekey/test/embedded"
	"rekey/test/servers"
)

// TestT15_AServerThatIsDown ends the server of the people, in order and by force, and starts it again: during it a 503,
// after it the same code, and no guess less. Codes that are in the same database are gone with it, and come back with it: a
// send asks for its budgets first, a reset for the account.
func TestT15_AServerThatIsDown(t *testing.T) {
	t.Parallel()
	embedded.EachPlaceOnServers(t, func(t *testing.T, p embedded.Place) {
		start, down := servers.StartPostgreSQL, errnos{send: "4001", reset: "4001"}
		if p.People == embedded.MariaDB {
			start = servers.StartMariaDB
		}
		server := start(t)
		o := embedded.Options{People: server.NewDatabase(t).DSN}
		if p.Store == p.People {
			o.Codes, down.send = o.People, "4500"
		} else {
			o.Codes, _ = p.Databases(t)
		}
		w := newTownOf(t, o)
		for mobile, end := range map[string]func(testing.TB){ann: server.Stop, bob: server.Kill} {
			w.outage(mobile, down, func() { end(t) }, func() { server.Start(t) })
		}
	})
}

// TestT15_AServerThatSaysNothing freezes the way to the people: connections stand, and no answer comes.
func TestT15_AServerThatSaysNothing(t *testing.T) {
	t.Parallel()
	embedded.EachPlaceOnServers(t, func(t *testing.T, p embedded.Place) {
		w, proxy := newTownBehind(t, p)
		w.outage(ann, errnos{send: "4001", reset: "4001"}, func() { proxy.Freeze(true) }, func() { proxy.Freeze(false) })
	})
}

// TestT15_T16_OneServerForAllThatSaysNothing freezes the way to people and codes in one database.
func TestT15_T16_OneServerForAllThatSaysNothing(t *testing.T) {
	t.Parallel()
	embedded.EachServer(t, func(t *testing.T, people servers.Database) {
		proxy := servers.NewProxy(t, people.Address())
		dsn := inClear(people.Via(t, proxy.Address)) + "&step_timeout=3s"
		w := newTownOf(t, embedded.Options{Codes: dsn, People: dsn})
		w.outage(ann, errnos{send: "4500", reset: "4001"}, func() { proxy.Freeze(true) }, func() { proxy.Freeze(false) })
	})
}

// newTownBehind is a town with its people behind a proxy that reads what is said to them, and its codes not, though they may
// be in the same database.
func newTownBehind(t *testing.T, p embedded.Place) (*town, *servers.Proxy) {
	t.Helper()
	codes, people := p.Databases(t)
	proxy := servers.NewProxy(t, people.Address())
	return newTownOf(t, embedded.Options{Codes: codes, People: inClear(people.Via(t, proxy.Address))}), proxy
}

// inClear is the data source of a database behind a proxy, which can't read TLS.
func inClear(d servers.Database) string {
	if d.Kind == servers.MySQL {
		return d.DSN + "?sslmode=disable" // PostgreSQL's has it
	}
	return d.DSN
}

// errnos say which part is down to somebody who asks for a code, and to somebody who has one.
type errnos struct{ send, reset string }

// outage has people ask all replicas while their database is out, which is answered with errnos, and then again.
func (w *town) outage(mobile string, down errnos, begin, end func()) {
	w.Helper()
	flow, code := w.codeSoon(mobile)
	people, messages := w.people(), len(w.messages())
	begin()
	answers := make([]answer, 2*len(w.houses))
	var all sync.WaitGroup
	for i := range w.houses {
		all.Go(func() { answers[2*i] = w.reset(visitor{flow: flow, replica: i}, mobile, code, newPassword) })
		asker := visitor{address: fmt.Sprintf("192.0.2.%s%d", mobile[len(mobile)-1:], i), replica: i} // each has a budget
		all.Go(func() { answers[2*i+1] = w.send(asker, fmt.Sprintf("1380000001%d", i)) })
	}
	all.Wait()
	for i, a := range answers {
		if want := []string{down.reset, down.send}[i%2]; a.Status != 503 || a.Errno != want {
			w.Errorf("during it, want %s: %+v", want, a)
		}
	}
	end()
	if w.people() != people || len(w.messages()) != messages {
		w.Error("something was done")
	}
	guess := embedded.Wrong(code, 1)[0]
	if a := soon(func() answer { return w.reset(visitor{flow: flow, replica: 1}, mobile, guess, newPassword) }); a.Errmsg != wrong || a.Data.AttemptsLeft != 4 {
		w.Errorf("a right code was charged: %+v", a)
	}
	if a := soon(func() answer { return w.reset(visitor{flow: flow, replica: 2}, mobile, code, newPassword) }); a.Errno != "0" || !w.houses[0].Accepts(w, mobile, newPassword) {
		w.Errorf("afterwards: %+v", a)
	}
}

// lost waits until the proxy has withheld an answer, as it tells just after the client has noticed.
func (w *town) lost(cut <-chan struct{}) {
	w.Helper()
	select {
	case <-cut:
	case <-time.After(time.Minute):
		w.Fatal("the request whose answer was to be lost was never sent")
	}
}

// commits matches a COMMIT, and no level of isolation.
func commits(request []byte) bool {
	return servers.Says("commit")(request) && !servers.Says("committed")(request)
}

// TestT18_TheAnswerToTheCommitIsLost: nobody is told of a success that may be none, and the same body finds out.
func TestT18_TheAnswerToTheCommitIsLost(t *testing.T) {
	t.Parallel()
	embedded.EachPlaceOnServers(t, func(t *testing.T, p embedded.Place) {
		w, proxy := newTownBehind(t, p)
		flow, code := w.code(visitor{}, ann)
		cut := proxy.CutAnswerTo(commits)
		if a := w.reset(visitor{flow: flow}, ann, code, newPassword); a.Status != 503 || a.Errno != "4001" {
			t.Fatalf("with the answer lost: %+v", a)
		}
		w.lost(cut)
		after := w.people()
		if a := w.reset(visitor{flow: flow, replica: 1}, ann, code, "another99"); a.Errno != "4103" || a.Errmsg != expired {
			t.Errorf("another body: %+v", a)
		}
		for replica := range 3 {
			if a := w.reset(visitor{flow: flow, replica: replica}, ann, code, newPassword); a.Errno != "0" {
				t.Errorf("the same body: %+v", a)
			}
		}
		if w.people() != after || !w.houses[0].Accepts(t, ann, newPassword) {
			t.Error("it was more than one change, or none")
		}

		// What is lost before the commit is undone, and the same body does it.
		flow, code = w.code(visitor{}, bob)
		before := w.people()
		cut = proxy.CutAnswerTo(servers.Says("update "))
		if a := w.reset(visitor{flow: flow}, bob, code, newPassword); a.Status != 503 || a.Errno != "4001" || w.people() != before {
			t.Errorf("with the answer to the update lost: %+v", a)
		}
		w.lost(cut)
		if a := w.reset(visitor{flow: flow, replica: 1}, bob, code, newPassword); a.Errno != "0" || !w.houses[0].Accepts(t, bob, newPassword) {
			t.Errorf("the same body: %+v", a)
		}
	})
}
