package torture_test

import (
	"hash/maphash"
	"slices"

	"rekey"
)

// This file is the code store as the protocol has it, for one number whose steps come one after the other: what concurrent
// steps on any store must be explained by. It is written from the protocol's text, knows no store, and has no clock: the
// settings of the histories are such that nothing expires and no interval ends.

// remembered is how many requests a code remembers with their verdicts.
const remembered = 8

// known is what is known of a number. A value is never changed once it was returned.
type known struct {
	issues int // sends so far, those taken back among them: the order of codes
	sends  int // those that count
	wrong  int // wrong guesses of the day
	row    int // wrong guesses since the last success
	codes  []code
}

// code is the record of one flow.
type code struct {
	flow, account, check, hash rekey.Name
	nonce                      string
	sent                       []sent // how often it was sent, the first time first
	own, pool                  int    // wrong guesses in its flow, and without it
	matched, used              bool
	requests                   []answered // the latest, oldest first
}

// sent is one send: its place among those of the number, the nonce that its request brought, and the version that it gave
// the record; 0 as long as nobody was told.
type sent struct {
	order   int
	nonce   string
	version uint64
}

// answered is a request and what it was told of the attempts left; whether it matched.
type answered struct {
	request rekey.Name
	match   bool
	left    int
}

func (c *code) latest() sent { return c.sent[len(c.sent)-1] }

// copy is the same, to be changed.
func (k known) copy() known {
	k.codes = slices.Clone(k.codes)
	for i := range k.codes {
		k.codes[i].sent = slices.Clone(k.codes[i].sent)
		k.codes[i].requests = slices.Clone(k.codes[i].requests)
	}
	return k
}

func (k known) equal(other known) bool {
	return k.issues == other.issues && k.sends == other.sends && k.wrong == other.wrong && k.row == other.row &&
		slices.EqualFunc(k.codes, other.codes, func(a, b code) bool {
			return a.flow == b.flow && a.account == b.account && a.check == b.check && a.hash == b.hash && a.nonce == b.nonce &&
				slices.Equal(a.sent, b.sent) && a.own == b.own && a.pool == b.pool && a.matched == b.matched && a.used == b.used &&
				slices.Equal(a.requests, b.requests)
		})
}

// digest is the same for what is equal, and hardly ever for what is not.
func (k known) digest(seed maphash.Seed) uint64 {
	d := maphash.Comparable(seed, [4]int{k.issues, k.sends, k.wrong, k.row})
	for _, c := range k.codes {
		d = d*31 + maphash.Comparable(seed, struct {
			nonce         string
			own, pool     int
			matched, used bool
		}{c.nonce, c.own, c.pool, c.matched, c.used})
		for _, s := range c.sent {
			d = d*31 + maphash.Comparable(seed, s)
		}
		for _, a := range c.requests {
			d = d*31 + maphash.Comparable(seed, a)
		}
	}
	return d
}

// of is the code of a flow, and nil if there is none.
func (k *known) of(flow rekey.Name) *code {
	for i := range k.codes {
		if flow != "" && k.codes[i].flow == flow {
			return &k.codes[i]
		}
	}
	return nil
}

// newest is the code that was sent last.
func (k *known) newest() (newest *code) {
	for i := range k.codes {
		if c := &k.codes[i]; newest == nil || c.latest().order > newest.latest().order {
			newest = c
		}
	}
	return newest
}

// restricted reports whether only first guesses are free.
func (k *known) restricted(r rekey.Restriction) bool {
	return r.RowWrong > 0 && k.row >= r.RowWrong || r.DayWrong > 0 && k.wrong >= r.DayWrong && !r.Proven
}

// issue makes or renews a code; version is the one that the store told, or 0.
func (k *known) issue(r rekey.IssueRequest, version uint64) rekey.Issued {
	if c := k.newest(); c != nil && c.latest().order == k.issues && c.latest().nonce == r.Nonce {
		// The latest request again: it is told the same.
		if c.latest().version == 0 {
			c.sent[len(c.sent)-1].version = version
		}
		return c.issued()
	}
	if len(r.Intervals) > 0 && k.sends > 0 {
		return rekey.Issued{Outcome: rekey.IssueTooSoon}
	}
	if r.HourSends > 0 && k.sends >= r.HourSends {
		return rekey.Issued{Outcome: rekey.IssueLimited}
	}
	flow, old := r.Flow, k.of(r.Flow)
	if old == nil {
		flow = r.NewFlow
	}
	// The same code goes out again only while it can still be redeemed, by the same account with the same password.
	good := old != nil && !old.used && old.own < r.Guesses && !(old.own > 0 && k.restricted(r.Restriction)) && old.account == r.Account
	renew := good && old.hash == r.Fingerprints[0].Value
	if good && !renew && r.Replace != old.latest().version {
		return rekey.Issued{Outcome: rekey.IssueChanged, Ticket: rekey.Ticket{Version: old.latest().version}}
	}
	if old == nil || old.used {
		live := 0
		for _, c := range k.codes {
			if c.flow != flow && !c.used {
				live++
			}
		}
		if r.LiveFlows > 0 && live >= r.LiveFlows {
			return rekey.Issued{Outcome: rekey.IssueFlows}
		}
	}
	if version != 0 && k.has(version) {
		return rekey.Issued{} // each send has a version of its own
	}
	k.issues, k.sends = k.issues+1, k.sends+1
	now := sent{order: k.issues, nonce: r.Nonce, version: version}
	if renew {
		old.sent = append(old.sent, now)
		return old.issued()
	}
	k.codes = slices.DeleteFunc(k.codes, func(c code) bool { return c.flow == flow })
	made := code{flow: flow, account: r.Account, check: r.Check, hash: r.Fingerprints[0].Value, nonce: r.Nonce, sent: []sent{now}}
	k.codes = append(k.codes, made)
	return made.issued()
}

// issued is what the latest send of a code was told.
func (c *code) issued() rekey.Issued {
	outcome := rekey.IssueMade
	if len(c.sent) > 1 {
		outcome = rekey.IssueRenewed
	}
	return rekey.Issued{Outcome: outcome, Ticket: rekey.Ticket{Flow: c.flow, Nonce: c.nonce, Version: c.latest().version}}
}

// has reports whether a send of a code that is there gave this version.
func (k *known) has(version uint64) bool {
	return slices.ContainsFunc(k.codes, func(c code) bool {
		return slices.ContainsFunc(c.sent, func(s sent) bool { return s.version == version })
	})
}

// withdraw takes a send back, if the code was not sent again since and nobody had it right.
func (k *known) withdraw(t rekey.Ticket) {
	c := k.of(t.Flow)
	if c == nil || c.nonce != t.Nonce || c.latest().version != t.Version || c.matched {
		return
	}
	k.sends--
	if c.sent = c.sent[:len(c.sent)-1]; len(c.sent) == 0 {
		k.codes = slices.DeleteFunc(k.codes, func(o code) bool { return o.flow == t.Flow })
	}
}

// guess counts and compares.
func (k *known) guess(g rekey.Guess) rekey.Verdict {
	c := k.of(g.Flow)
	own := c != nil
	if !own {
		c = k.newest()
	}
	if c == nil || !own && g.PoolGuesses == 0 {
		return rekey.Verdict{Outcome: rekey.GuessExpired}
	}
	match := rekey.Verdict{Outcome: rekey.GuessMatch, Used: c.used, Flow: c.flow, Nonce: c.nonce, Account: c.account,
		Fingerprint: rekey.Keyed{Key: key, Value: c.hash}}
	for _, before := range c.requests {
		if before.request == g.Request && before.match {
			match.Remembered = true
			return match
		}
	}
	if c.used {
		return rekey.Verdict{Outcome: rekey.GuessExpired}
	}
	for _, before := range c.requests {
		if before.request == g.Request {
			return rekey.Verdict{Outcome: rekey.GuessWrong, Remembered: true, AttemptsLeft: before.left}
		}
	}
	wrong, budget := &c.own, g.Guesses
	if !own {
		wrong, budget = &c.pool, g.PoolGuesses
	}
	switch {
	case *wrong >= budget:
		return rekey.Verdict{Outcome: rekey.GuessExhausted}
	case k.restricted(g.Restriction) && (!own || c.own > 0):
		return rekey.Verdict{Outcome: rekey.GuessRestricted}
	case g.Checks[0].Value == c.check && (g.Account != c.account || g.Fingerprints[0].Value != c.hash):
		return match // the password is another by now: nothing to remember
	case g.Checks[0].Value == c.check:
		c.matched = true
		c.remember(answered{request: g.Request, match: true})
		return match
	}
	*wrong++
	k.wrong, k.row = k.wrong+1, k.row+1
	left := budget - *wrong
	c.remember(answered{request: g.Request, left: left})
	return rekey.Verdict{Outcome: rekey.GuessWrong, AttemptsLeft: left, WrongInRow: k.row}
}

func (c *code) remember(a answered) {
	c.requests = slices.DeleteFunc(c.requests, func(b answered) bool { return b.request == a.request })
	c.requests = append(c.requests, a)
	c.requests = c.requests[max(0, len(c.requests)-remembered):]
}

// finish marks a redeemed code, once, and removes the other ones of the password that was replaced.
func (k *known) finish(r rekey.Redemption) {
	if c := k.of(r.Flow); c != nil && c.nonce == r.Nonce {
		if c.used {
			return
		}
		c.used = true
		c.remember(answered{request: r.Request, match: true})
	}
	k.codes = slices.DeleteFunc(k.codes, func(c code) bool {
		return c.flow != r.Flow && c.account == r.Account && c.hash == r.Fingerprints[0].Value
	})
	k.row = 0
}
