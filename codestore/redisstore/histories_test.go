package redisstore_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"rekey"
	"rekey/codestore"
	"rekey/codestore/codestoretest"
	"rekey/codestore/redisstore"
	"rekey/test/servers"
)

// store is what both stores of a history offer.
type store interface {
	rekey.Codes
	rekey.Limiter
	Unlock(context.Context, rekey.Name) (bool, error)
}

// history is a sequence of steps that bytes choose, put to two stores.
type history struct {
	t       *testing.T
	stores  [2]store
	advance [2]func(time.Duration)
	tickets [2][]rekey.Ticket
	changed [2]uint64 // the version that the latest IssueChanged told
	latest  rekey.IssueRequest
	choices []byte
	step    int
}

// choose is a number from 0 up to but not n.
func (h *history) choose(n int) int {
	if len(h.choices) == 0 {
		return 0
	}
	c := h.choices[0]
	h.choices = h.choices[1:]
	return int(c) % n
}

func (h *history) name(kind string, n int) rekey.Name {
	return rekey.Name(fmt.Sprint(kind, " ", h.choose(n)))
}

// flow is one of three, or none.
func (h *history) flow() rekey.Name {
	if c := h.choose(4); c > 0 {
		return rekey.Name(fmt.Sprint("flow ", c))
	}
	return ""
}

func (h *history) restriction() rekey.Restriction {
	return rekey.Restriction{DayWrong: []int{0, 3, 20}[h.choose(3)], RowWrong: []int{0, 6, 100}[h.choose(3)], Proven: h.choose(2) == 1, Strict: h.choose(8) == 7}
}

// keyed is a value made with one key or with two.
func (h *history) keyed(value rekey.Name) []rekey.Keyed {
	all := []rekey.Keyed{{Key: "1", Value: value}, {Key: "2", Value: value + " by 2"}}
	return all[h.choose(2) : 1+h.choose(2)]
}

func (h *history) issue() rekey.IssueRequest {
	r := rekey.IssueRequest{
		Number: h.name("number", 2), Flow: h.flow(), NewFlow: rekey.Name(fmt.Sprint("flow ", 1+h.choose(3))), Account: h.name("account", 2),
		Nonce: fmt.Sprint("nonce ", h.step), Check: h.name("check", 2),
		Lifetime: 5 * time.Minute, MaxAge: 10 * time.Minute,
		HourSends: []int{0, 3, 5}[h.choose(3)], DaySends: []int{0, 4, 10}[h.choose(3)], LiveFlows: h.choose(3), Guesses: 1 + h.choose(5),
		Restriction: h.restriction(),
	}
	if h.choose(2) == 0 {
		r.Intervals = []time.Duration{time.Minute, 2 * time.Minute}[:1+h.choose(2)]
	}
	if r.Fingerprints = h.keyed(h.name("fingerprint", 2)); len(r.Fingerprints) == 0 {
		r.Fingerprints = []rekey.Keyed{{Key: "1", Value: "fingerprint"}}
	}
	r.Key = r.Fingerprints[0].Key
	return r
}

func (h *history) charges() []rekey.Charge {
	all := make([]rekey.Charge, 1+h.choose(4))
	daily, back := map[rekey.Name]bool{}, h.choose(4) == 0
	for i := range all {
		c := rekey.Charge{Name: h.name("bucket", 3), Kind: rekey.ChargeKind(1 + h.choose(4)), Limit: int64(1 + h.choose(5)), Cost: int64(h.choose(3))}
		if c.Kind == rekey.Daily && daily[c.Name] {
			c.Kind = rekey.Rate // two daily ones may not share a bucket
		}
		daily[c.Name] = daily[c.Name] || c.Kind == rekey.Daily
		switch c.Kind {
		case rekey.Rate:
			c.Window = time.Hour * time.Duration(1+h.choose(2))
		case rekey.Conversion, rekey.Redeemed:
			c.Window, c.Floor = time.Hour, 0.3
		}
		if back && c.Kind != rekey.Redeemed {
			c.Cost = -1 - c.Cost
		}
		if h.choose(3) == 0 {
			c.Once, c.OnceFor = c.Name+" "+h.name("mark", 2), 10*time.Minute
		}
		all[i] = c
	}
	return all
}

// roughly is a duration in steps of ten seconds: all that a history waits for and compares are multiples of that, less what
// the test itself takes.
func roughly(d time.Duration) time.Duration {
	return (d + 10*time.Second - 1).Truncate(10 * time.Second)
}

// next takes one step on both stores and says what each answered, as far as it must be the same.
func (h *history) next() (said [2]string) {
	h.step++
	kind := h.choose(10)
	ctx := h.t.Context()
	var issue rekey.IssueRequest
	var guess rekey.Guess
	var charges []rekey.Charge
	var which int
	var number rekey.Name
	var by time.Duration
	switch kind {
	case 0, 1, 2:
		issue = h.issue()
		if h.choose(6) == 0 && h.latest.Nonce != "" {
			issue = h.latest // sent again
		}
		h.latest = issue
		which = h.choose(2)
	case 3, 4, 5:
		guess = rekey.Guess{
			Number: h.name("number", 2), Flow: h.flow(), Checks: h.keyed(h.name("check", 2)), Request: h.name("request", 12),
			Account: h.name("account", 2), Fingerprints: h.keyed(h.name("fingerprint", 2)),
			Guesses: 1 + h.choose(5), PoolGuesses: h.choose(4), Grace: 150 * time.Second, Restriction: h.restriction(),
		}
	case 6:
		by = 30 * time.Second // SQLite's clock goes by milliseconds: the next step comes later on both
		which, number = h.choose(256), h.name("fingerprint", 2)
	case 7:
		number = h.name("number", 2)
	case 8:
		charges = h.charges()
	case 9:
		by = []time.Duration{30 * time.Second, time.Minute, 5 * time.Minute, time.Hour, 24 * time.Hour}[h.choose(5)]
	}
	for i, s := range h.stores {
		var err error
		switch kind {
		case 0, 1, 2:
			r := issue
			if which == 1 {
				r.Replace = h.changed[i]
			}
			var issued rekey.Issued
			issued, err = s.Issue(ctx, r)
			if issued.Outcome == rekey.IssueMade || issued.Outcome == rekey.IssueRenewed {
				h.tickets[i] = append(h.tickets[i], issued.Ticket)
			}
			if issued.Outcome == rekey.IssueChanged {
				h.changed[i] = issued.Ticket.Version
			}
			renewed := !issued.Ticket.PriorExpiry.IsZero()
			issued.Ticket.PriorExpiry = time.Time{}
			issued.RetryAfter, issued.ExpiresIn = roughly(issued.RetryAfter), roughly(issued.ExpiresIn)
			said[i] = fmt.Sprintf("Issue: %+v, renewed %v", issued, renewed)
		case 3, 4, 5:
			var v rekey.Verdict
			v, err = s.Guess(ctx, guess)
			said[i] = fmt.Sprintf("Guess %+v: %+v", guess, v)
		case 6:
			if len(h.tickets[i]) == 0 {
				continue
			}
			t := h.tickets[i][which%len(h.tickets[i])]
			if which < 128 {
				err = s.Withdraw(ctx, t)
			} else {
				err = s.Finish(ctx, rekey.Redemption{Number: t.Number, Flow: t.Flow, Nonce: t.Nonce, Request: "winner", Account: "account 0", Fingerprints: []rekey.Keyed{{Key: "1", Value: number}}})
			}
			h.advance[i](by)
		case 7:
			var cleared bool
			cleared, err = s.Unlock(ctx, number)
			said[i] = fmt.Sprint("Unlock: ", cleared)
		case 8:
			var d rekey.Decision
			d, err = s.Take(ctx, charges...)
			retry := roughly(d.RetryAfter)
			if d.Refused >= 0 {
				if k := charges[d.Refused].Kind; k != rekey.Rate {
					retry = 0 // ends with the day or with a slot of the clock
				}
				d.Used = d.Used[d.Refused : d.Refused+1] // one store asks those behind it too
			}
			said[i] = fmt.Sprintf("Take %+v: %d, %v, %v", charges, d.Refused, retry, d.Used)
		case 9:
			h.advance[i](by)
		}
		if err != nil {
			h.t.Fatalf("step %d: %v", h.step, err)
		}
	}
	return said
}

// TestHistories: what a script decides is what the same step decides in Go, after any history.
func TestHistories(t *testing.T) {
	t.Parallel()
	histories := 60
	if os.Getenv("REKEY_TEST_ALL") != "" {
		histories = 500
	}
	k := servers.Redis(t)
	for range histories {
		choices := make([]byte, 900)
		rand.Read(choices)
		client, o := open(t, k)
		db, err := sql.Open("sqlite", "file::memory:?_txlock=immediate")
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		if err := codestore.Migrate(t.Context(), db, codestore.SQLite()); err != nil {
			t.Fatal(err)
		}
		other, err := codestore.NewSQL(t.Context(), db, codestore.SQLite(), patience)
		if err != nil {
			t.Fatal(err)
		}
		h := &history{
			t: t, choices: choices, stores: [2]store{redisstore.New(client, o), other},
			advance: [2]func(time.Duration){
				func(d time.Duration) { codestoretest.AgeRedis(t, client, o.Prefix, d) },
				func(d time.Duration) { codestoretest.Age(t, db, d) },
			},
		}
		for began := time.Now(); len(h.choices) > 0; {
			before := time.Now()
			said := h.next()
			// Days and slots begin at whole minutes of the clock. One store may have seen one begin and the other not; and on a
			// slow machine what the steps themselves take adds up. Either way the rest of the history says nothing.
			if after := time.Now(); after.Unix()/30 != before.Unix()/30 || after.Sub(began) > 5*time.Second {
				break
			}
			if said[0] != said[1] {
				t.Fatalf("step %d of the history %x: in Redis\n%s\nin Go\n%s", h.step, choices, said[0], said[1])
			}
		}
		if err := errors.Join(other.Close(), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
