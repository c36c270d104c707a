package torture_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"rekey"
)

// scene is a way in which histories are made. No interval ends and nothing expires in it.
type scene struct {
	name      string
	passwords int  // of the account, one after the other and back, so that codes are found to be of another
	withdraws bool // deliveries fail
	once      bool // the interval never ends
	hourSends int
	liveFlows int
	rekey.Restriction
	cut   bool // connections are cut, and clients give up
	steps int  // that each client does with each number
}

func scenes() []scene {
	return []scene{
		{name: "codes are sent, guessed and redeemed", passwords: 1, liveFlows: 2, steps: 10},
		{name: "the password changes meanwhile", passwords: 2, steps: 10},
		{name: "deliveries fail", passwords: 1, withdraws: true, steps: 10},
		{name: "deliveries fail and the interval holds", passwords: 1, withdraws: true, once: true, steps: 10},
		{name: "the number's caps hold", passwords: 1, hourSends: 6, Restriction: rekey.Restriction{DayWrong: 6}, steps: 10},
		{name: "the number's row holds", passwords: 1, Restriction: rekey.Restriction{RowWrong: 5}, steps: 10},
		{name: "connections are cut", passwords: 1, withdraws: true, cut: true, steps: 6},
	}
}

// In a history several clients do some steps each with each of some numbers: few enough that the checker, which tries
// orders, is done in milliseconds. Each answer that was lost makes more orders.
const (
	historyNumbers = 3
	historyClients = 4
)

// board is what the clients of one number tell each other, so that they get in each other's way.
type board struct {
	number  rekey.Name
	mu      sync.Mutex
	made    int
	nonces  []string
	sent    map[send]bool // of the tickets that there ever were
	issues  []rekey.IssueRequest
	tickets []rekey.Ticket
	guesses []rekey.Guess
	matches []rekey.Redemption
	changed map[rekey.Name]uint64 // versions that an issue was told of, by flow
}

type send struct {
	nonce   string
	version uint64
}

// play makes a history on the stores of replicas. resent says that they send a step again whose connection was cut.
func (c scene) play(replicas []rekey.Codes, number rekey.Name, cut func(), resent bool) *history {
	h := &history{began: time.Now()}
	var begun atomic.Int64
	moment, reached := int64(1+below(historyNumbers*historyClients*c.steps)), make(chan struct{})
	var from, to time.Duration // when connections were cut
	var all sync.WaitGroup
	for n := range historyNumbers {
		b := &board{number: number + rekey.Name(fmt.Sprint(" ", n)), changed: make(map[rekey.Name]uint64), sent: make(map[send]bool)}
		for client := range historyClients {
			all.Go(func() {
				for i := range c.steps {
					if begun.Add(1) == moment {
						close(reached)
					}
					s := c.choose(b)
					for again := range 2 { // where the answer is lost, the same is asked again
						from := time.Since(h.began)
						t := c.do(replicas[(client+i+again)%len(replicas)], s)
						h.add(n*historyClients+client, s, t, from, time.Since(h.began))
						if b.learn(s, t); !t.lost {
							break
						}
					}
				}
			})
		}
	}
	if c.cut {
		all.Go(func() {
			<-reached
			from = time.Since(h.began)
			cut()
			to = time.Since(h.began)
		})
	}
	all.Wait()
	if c.cut && resent {
		h.resent(from, to)
	}
	return h
}

// choose makes up a step. Everybody's first is to ask for a code.
func (c scene) choose(b *board) step {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.made++
	flow := rekey.Name(fmt.Sprint("flow ", below(3)))
	switch kind := below(20); {
	case len(b.nonces) == 0 || kind < 5:
		r := c.request(b, flow)
		b.issues = append(b.issues, *r)
		return step{number: b.number, issue: r}
	case kind == 5:
		r := b.issues[len(b.issues)-1] // the same request again, if it is still the latest
		return step{number: b.number, issue: &r}
	case kind < 8 && c.withdraws && len(b.tickets) > 0:
		t := oneOf(b.tickets) // some of them again
		return step{number: b.number, withdraw: &t}
	case kind < 10 && len(b.matches) > 0:
		r := oneOf(b.matches)
		return step{number: b.number, finish: &r}
	case kind < 13 && len(b.guesses) > 0:
		g := oneOf(b.guesses) // the same request again
		return step{number: b.number, guess: &g}
	case kind == 13:
		flow = "" // a stranger
	}
	check := rekey.Name("check of a wrong code")
	if below(4) == 0 {
		check = checkOf(oneOf(b.nonces))
	}
	g := rekey.Guess{
		Number: b.number, Flow: flow, Checks: keyed(check), Request: rekey.Name(fmt.Sprint("request ", b.made)),
		Account: account, Fingerprints: keyed(rekey.Name(fmt.Sprint("fingerprint of password ", below(c.passwords)))),
		Guesses: ownGuesses, PoolGuesses: poolGuesses, Grace: time.Minute, Restriction: c.Restriction,
	}
	b.guesses = append(b.guesses, g)
	return step{number: b.number, guess: &g}
}

func checkOf(nonce string) rekey.Name { return rekey.Name("check of " + nonce) }

func (c scene) request(b *board, flow rekey.Name) *rekey.IssueRequest {
	nonce := fmt.Sprint("nonce ", b.made)
	r := &rekey.IssueRequest{
		Number: b.number, Flow: flow, NewFlow: flow, Account: account,
		Fingerprints: keyed(rekey.Name(fmt.Sprint("fingerprint of password ", below(c.passwords)))),
		Key:          key, Nonce: nonce, Check: checkOf(nonce),
		Lifetime: time.Hour, MaxAge: time.Hour, HourSends: c.hourSends, LiveFlows: c.liveFlows, Guesses: ownGuesses,
		Restriction: c.Restriction, Replace: b.changed[flow],
	}
	if c.once {
		r.Intervals = []time.Duration{time.Hour}
	}
	return r
}

// do asks a store. Where connections are cut, one in twenty clients gives up within milliseconds.
func (c scene) do(store rekey.Codes, s step) (t told) {
	ctx := context.Background()
	if c.cut && below(20) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(below(3000))*time.Microsecond)
		defer cancel()
	}
	var err error
	switch {
	case s.issue != nil:
		t.issued, err = store.Issue(ctx, *s.issue)
	case s.withdraw != nil:
		err = store.Withdraw(ctx, *s.withdraw)
	case s.guess != nil:
		t.verdict, err = store.Guess(ctx, *s.guess)
	case s.finish != nil:
		err = store.Finish(ctx, *s.finish)
	}
	if err != nil {
		return told{lost: true}
	}
	return t
}

// learn tells the others what a client was told.
func (b *board) learn(s step, t told) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case t.lost:
	case t.issued.Outcome == rekey.IssueChanged:
		b.changed[s.issue.Flow] = t.issued.Ticket.Version
	case t.issued.Outcome == rekey.IssueMade || t.issued.Outcome == rekey.IssueRenewed:
		ticket := t.issued.Ticket
		b.nonces = append(b.nonces, ticket.Nonce)
		if sent := (send{ticket.Nonce, ticket.Version}); !b.sent[sent] {
			b.sent[sent] = true
			b.tickets = append(b.tickets, ticket)
		}
	case t.verdict.Outcome == rekey.GuessMatch:
		v := t.verdict
		b.matches = append(b.matches, rekey.Redemption{Number: b.number, Flow: v.Flow, Nonce: v.Nonce, Request: s.guess.Request,
			Account: v.Account, Fingerprints: []rekey.Keyed{v.Fingerprint}})
	}
}
