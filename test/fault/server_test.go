package fault_test

import (
	"database/sql/driver"
	"fmt"
	"sync"
	"testing"

	"modernc.org/sqlite"

	"rekey"
	"rekey/test/embedded"
	"rekey/test/servers"
)

// admit makes people with a code each.
func admit(t *testing.T, h *embedded.House, round, many int) []person {
	t.Helper()
	all := make([]person, many)
	for i := range all {
		p := person{mobile: fmt.Sprintf("139%02d%02d0001", round, i)} // each in a prefix of its own, which has a budget
		h.Add(t, p.mobile)
		sent, err := h.Service.Send(t.Context(), rekey.Client{}, p.mobile)
		if err != nil {
			t.Fatal(err)
		}
		p.flow, p.code = sent.Flow, h.Messages(t)[0].Code
		all[i] = p
	}
	return all
}

// TestT17_TheServerKilledUnderResets kills the database itself, every process of it, while ten resets are on their way,
// each at another step. Once it is back the same service holds the crash table, and what was told to have been done is.
func TestT17_TheServerKilledUnderResets(t *testing.T) {
	t.Parallel()
	const many = 10
	for name, start := range map[string]func(testing.TB) *servers.Server{"PostgreSQL": servers.StartPostgreSQL, "MariaDB": servers.StartMariaDB} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			tripped, killed := make(chan struct{}), make(chan struct{})
			wire := tripwire{trip: func() { tripped <- struct{}{}; <-killed }}
			h := embedded.Open(t, t.TempDir(), embedded.Options{
				People: server.NewDatabase(t).DSN,
				Wrap: func(c driver.Connector) driver.Connector {
					if _, codes := c.Driver().(*sqlite.Driver); codes {
						return c
					}
					return wire.wrap(c)
				},
			})
			committed, open := 0, 0
			for round, step := range []int64{3, 12, 21, 30, 39} { // of fifty, or some more
				people := admit(t, h, round, many)
				wire.arm(step, []moment{before, after}[round%2])
				told := make([]error, many)
				var under sync.WaitGroup
				for i, p := range people {
					under.Go(func() { told[i] = p.reset(t, h, p.code, newPassword) })
				}
				through := make(chan struct{})
				go func() { under.Wait(); close(through) }()
				select {
				case <-tripped:
				case <-through:
					t.Fatalf("%d resets have not even %d steps: the tripwire is not in the way", many, step)
				}
				server.Kill(t)
				killed <- struct{}{}
				<-through
				server.Start(t)
				for i, p := range people {
					if kind := rekey.KindOf(told[i]); told[i] != nil && kind != rekey.UsersDown && kind != rekey.Busy {
						t.Errorf("under the server's end: %v", told[i])
					}
					if p.recovers(t, h) {
						committed++
						continue
					}
					open++
					if told[i] == nil {
						t.Error("a reset that was told to have been done is lost")
					}
				}
			}
			if committed == 0 || open == 0 {
				t.Errorf("%d resets were committed and %d were not: not both were met", committed, open)
			}
		})
	}
}
