package codestore

import (
	"crypto/subtle"
	"slices"
	"time"

	"rekey"
)

const (
	day = 24 * time.Hour
	// remembered is how many requests a record remembers with their verdicts, at the least: as many as there are guesses,
	// so that no wrong one is forgotten, and charged again, while the record can still be guessed.
	remembered = 8
	// rowMemory is how long wrong guesses in a row are held against a number that nobody asks about any more.
	rowMemory = 365 * day
)

// number is what the store knows of one number: its counters, and its codes, one a flow.
type number struct {
	Sends    []send    `json:"sends,omitempty"`    // of the last 24 h, oldest first
	Wrong    []instant `json:"wrong,omitempty"`    // wrong guesses of the last 24 h, oldest first, no more than the cap needs
	Row      int       `json:"row,omitempty"`      // wrong guesses since the last success
	RowAt    instant   `json:"row_at,omitempty"`   // the latest of them
	Redeemed instant   `json:"redeemed,omitempty"` // the last success
	Version  uint64    `json:"version"`            // of the latest issue
	Records  []record  `json:"records,omitempty"`  // unexpired, in the order of their latest new code
}

type send struct {
	At      instant `json:"at"`
	Version uint64  `json:"version"`
}

// record is the code of one flow.
type record struct {
	Flow        rekey.Name  `json:"flow"`
	Version     uint64      `json:"version"`
	Key         rekey.KeyID `json:"key"`
	Nonce       string      `json:"nonce"`
	Check       rekey.Name  `json:"check"`
	Account     rekey.Name  `json:"account"`
	Fingerprint rekey.Name  `json:"fingerprint"`
	First       instant     `json:"first"` // first issue of this code
	Expires     instant     `json:"expires"`
	Own         int         `json:"own,omitempty"`  // wrong guesses in its flow
	Pool        int         `json:"pool,omitempty"` // wrong guesses without it
	Matched     bool        `json:"matched,omitempty"`
	Used        bool        `json:"used,omitempty"`
	Requests    []request   `json:"requests,omitempty"` // the latest, oldest first
	Renewal     *renewal    `json:"renewal,omitempty"`  // the latest; nil: its first issue is the only one
}

// renewal is what the issue of a record that was there has to tell again if its request is sent twice.
type renewal struct {
	Nonce   string  `json:"nonce"`   // of the request; the record kept its own
	Expires instant `json:"expires"` // as it was before
	Version uint64  `json:"version"` // as it was before
}

// request is a remembered request: Left is what it was told of the attempts left, or matched.
type request struct {
	Name rekey.Name `json:"name"`
	Left int        `json:"left"`
}

const matched = -1

// expiry is when the whole document may be forgotten: every document has one.
func (n *number) expiry() instant {
	var last instant
	if len(n.Sends) > 0 {
		last = n.Sends[len(n.Sends)-1].At.add(day)
	}
	if len(n.Wrong) > 0 {
		last = max(last, n.Wrong[len(n.Wrong)-1].add(day))
	}
	if n.Row > 0 {
		last = max(last, n.RowAt.add(rowMemory))
	}
	for i := range n.Records {
		last = max(last, n.Records[i].Expires)
	}
	return last
}

// prune forgets what has expired.
func (n *number) prune(now instant) {
	n.Sends = slices.DeleteFunc(n.Sends, func(s send) bool { return s.At.add(day) <= now })
	n.Wrong = slices.DeleteFunc(n.Wrong, func(at instant) bool { return at.add(day) <= now })
	n.Records = slices.DeleteFunc(n.Records, func(r record) bool { return r.Expires <= now })
}

func (n *number) record(flow rekey.Name) *record {
	for i := range n.Records {
		if flow != "" && n.Records[i].Flow == flow {
			return &n.Records[i]
		}
	}
	return nil
}

// wait is how long the number's interval and caps still forbid a send, and which of them does.
func (n *number) wait(now instant, r rekey.IssueRequest) (time.Duration, rekey.IssueOutcome) {
	if len(n.Sends) == 0 {
		return 0, 0
	}
	var wait time.Duration
	var outcome rekey.IssueOutcome
	until := func(t instant, o rekey.IssueOutcome) {
		if d := t.sub(now); d > wait {
			wait, outcome = d, o
		}
	}
	if len(r.Intervals) > 0 {
		unredeemed := 0
		for _, s := range n.Sends {
			if s.At > n.Redeemed {
				unredeemed++
			}
		}
		interval := r.Intervals[min(max(unredeemed, 1), len(r.Intervals))-1]
		until(n.Sends[len(n.Sends)-1].At.add(interval), rekey.IssueTooSoon)
	}
	// A cap of k in a window is free again when the k-th latest send leaves the window: an exact sliding window.
	if k := r.HourSends; k > 0 && len(n.Sends) >= k {
		until(n.Sends[len(n.Sends)-k].At.add(time.Hour), rekey.IssueLimited)
	}
	if k := r.DaySends; k > 0 && len(n.Sends) >= k {
		until(n.Sends[len(n.Sends)-k].At.add(day), rekey.IssueLimited)
	}
	return wait, outcome
}

// issue makes or renews the record of a flow (protocol, send, step 3).
func (n *number) issue(now instant, r rekey.IssueRequest) (rekey.Issued, bool) {
	if o := n.newest(); o != nil && o.Version == n.Version && o.issuer() == r.Nonce {
		return n.issued(now, r, o), false // sent twice, by a client library or after a lost answer: made once (T19)
	}
	if wait, outcome := n.wait(now, r); outcome != 0 {
		return rekey.Issued{Outcome: outcome, RetryAfter: wait}, false
	}
	flow, old := r.Flow, n.record(r.Flow)
	if old == nil {
		flow = r.NewFlow
	}
	renew := false
	if old != nil && !old.Used && old.Own < r.Guesses && !n.restricted(old, r.Restriction) && old.Account == r.Account {
		fingerprint, known := valueOf(r.Fingerprints, old.Key)
		switch {
		case !known:
			return rekey.Issued{Outcome: rekey.IssueUnknownKey, RetryAfter: old.Expires.sub(now)}, false
		case fingerprint == old.Fingerprint:
			renew = true
		case r.Replace != old.Version:
			// The row that the caller read may be older than the one this code was made for: it looks again.
			return rekey.Issued{Outcome: rekey.IssueChanged, Ticket: rekey.Ticket{Version: old.Version}}, false
		}
	}
	if old == nil || old.Used {
		if wait, full := n.flowsFull(now, flow, r.LiveFlows); full {
			return rekey.Issued{Outcome: rekey.IssueFlows, RetryAfter: wait}, false
		}
	}

	n.Version++
	if renew {
		old.Renewal = &renewal{Nonce: r.Nonce, Expires: old.Expires, Version: old.Version}
		old.Version = n.Version
		old.Expires = max(old.Expires, min(now.add(r.Lifetime), old.First.add(r.MaxAge)))
	} else {
		n.Records = slices.DeleteFunc(n.Records, func(o record) bool { return o.Flow == flow })
		fingerprint, _ := valueOf(r.Fingerprints, r.Key)
		n.Records = append(n.Records, record{
			Flow: flow, Version: n.Version, Key: r.Key, Nonce: r.Nonce, Check: r.Check,
			Account: r.Account, Fingerprint: fingerprint,
			First: now, Expires: now.add(r.Lifetime),
		})
		old = &n.Records[len(n.Records)-1]
	}
	n.Sends = append(n.Sends, send{At: now, Version: n.Version})
	return n.issued(now, r, old), true
}

// issuer is the nonce of the request that issued a record last.
func (r *record) issuer() string {
	if r.Renewal != nil {
		return r.Renewal.Nonce
	}
	return r.Nonce
}

// issued is the answer to the request that issued a record last.
func (n *number) issued(now instant, r rekey.IssueRequest, o *record) rekey.Issued {
	next, _ := n.wait(now, r)
	issued := rekey.Issued{
		Outcome:    rekey.IssueMade,
		Ticket:     rekey.Ticket{Number: r.Number, Flow: o.Flow, Version: o.Version, Key: o.Key, Nonce: o.Nonce},
		RetryAfter: next, ExpiresIn: o.Expires.sub(now),
	}
	if o.Renewal != nil {
		issued.Outcome = rekey.IssueRenewed
		issued.Ticket.PriorExpiry, issued.Ticket.PriorVersion = o.Renewal.Expires.time(), o.Renewal.Version
	}
	return issued
}

// flowsFull reports whether as many other flows as may be have a live code, and how long the next one must wait.
func (n *number) flowsFull(now instant, flow rekey.Name, most int) (time.Duration, bool) {
	live, wait := 0, time.Duration(0)
	for i := range n.Records {
		if o := &n.Records[i]; o.Flow != flow && !o.Used {
			if left := o.Expires.sub(now); live == 0 || left < wait {
				wait = left
			}
			live++
		}
	}
	return wait, most > 0 && live >= most
}

// withdraw takes an undelivered issue back.
func (n *number) withdraw(t rekey.Ticket) bool {
	r := n.record(t.Flow)
	// Versions begin anew in a number of which nothing was left: a ticket that is sent twice must not hit a younger code (T19).
	if r == nil || r.Version != t.Version || r.Nonce != t.Nonce || r.Matched {
		return false
	}
	n.Sends = slices.DeleteFunc(n.Sends, func(s send) bool { return s.Version == t.Version })
	if t.PriorExpiry.IsZero() {
		n.Records = slices.DeleteFunc(n.Records, func(o record) bool { return o.Flow == t.Flow })
		return true
	}
	r.Version = t.PriorVersion // a second Withdraw of the ticket finds another version and does nothing
	r.Expires = instantOf(t.PriorExpiry)
	return true
}

// guess counts and compares at once (protocol, reset, step 2). Only a comparison that fails is charged.
func (n *number) guess(now instant, g rekey.Guess) (rekey.Verdict, bool) {
	r := n.record(g.Flow)
	own := r != nil
	if !own {
		r = n.newest()
	}
	if r == nil || (!own && g.PoolGuesses == 0) {
		return rekey.Verdict{Outcome: rekey.GuessExpired}, false
	}
	for _, before := range r.Requests {
		switch {
		case before.Name != g.Request:
		case before.Left == matched:
			return r.match(true), false
		case !r.Used:
			return rekey.Verdict{Outcome: rekey.GuessWrong, Remembered: true, AttemptsLeft: before.Left}, false
		}
	}
	if r.Used {
		return rekey.Verdict{Outcome: rekey.GuessExpired}, false
	}
	wrong, budget := &r.Own, g.Guesses
	if !own {
		wrong, budget = &r.Pool, g.PoolGuesses
	}
	if *wrong >= budget {
		return rekey.Verdict{Outcome: rekey.GuessExhausted}, false
	}
	// A code's first guess in its flow stays free whatever strangers did, or they could lock the owner out. (Over the row
	// it is to need a proof of work, once there is one.)
	if (!own || r.Own > 0) && n.over(g.Restriction) {
		return rekey.Verdict{Outcome: rekey.GuessRestricted}, false
	}
	check, known := valueOf(g.Checks, r.Key)
	if !known {
		return rekey.Verdict{Outcome: rekey.GuessUnknownKey}, false
	}
	if subtle.ConstantTimeCompare([]byte(check), []byte(r.Check)) == 1 {
		if fingerprint, _ := valueOf(g.Fingerprints, r.Key); g.Account != r.Account || fingerprint != r.Fingerprint {
			return r.match(false), false // void, and nothing to remember: this request comes after the change (T45)
		}
		if !r.Matched {
			r.Matched = true
			r.Expires = max(r.Expires, now.add(g.Grace))
		}
		r.remember(g.Request, matched, g.Guesses+g.PoolGuesses)
		return r.match(false), true
	}
	*wrong++
	n.Row++
	n.RowAt = now
	if g.DayWrong > 0 {
		n.Wrong = append(n.Wrong, now)
		n.Wrong = slices.Delete(n.Wrong, 0, max(0, len(n.Wrong)-g.DayWrong))
	}
	left := budget - *wrong
	r.remember(g.Request, left, g.Guesses+g.PoolGuesses)
	return rekey.Verdict{Outcome: rekey.GuessWrong, AttemptsLeft: left, WrongInRow: n.Row}, true
}

// over reports whether the number bears so many wrong guesses that no more than first ones are free.
func (n *number) over(r rekey.Restriction) bool {
	overDay := r.Strict || (r.DayWrong > 0 && len(n.Wrong) >= r.DayWrong)
	overRow := r.RowWrong > 0 && n.Row >= r.RowWrong
	return overRow || (overDay && !r.Proven)
}

// restricted reports whether a record's next guess in its flow would be refused.
func (n *number) restricted(o *record, r rekey.Restriction) bool { return o.Own > 0 && n.over(r) }

// newest is the record that was issued last, used or not.
func (n *number) newest() *record {
	var newest *record
	for i := range n.Records {
		if r := &n.Records[i]; newest == nil || r.Version > newest.Version {
			newest = r
		}
	}
	return newest
}

func (r *record) match(again bool) rekey.Verdict {
	return rekey.Verdict{
		Outcome: rekey.GuessMatch, Remembered: again,
		Used: r.Used, Flow: r.Flow, Nonce: r.Nonce, Account: r.Account,
		Fingerprint: rekey.Keyed{Key: r.Key, Value: r.Fingerprint},
	}
}

func (r *record) remember(name rekey.Name, left, guesses int) {
	r.Requests = slices.DeleteFunc(r.Requests, func(q request) bool { return q.Name == name })
	r.Requests = append(r.Requests, request{Name: name, Left: left})
	r.Requests = slices.Delete(r.Requests, 0, max(0, len(r.Requests)-max(remembered, guesses)))
}

// finish marks a redeemed record (protocol, reset, step 6).
func (n *number) finish(now instant, f rekey.Redemption) bool {
	if r := n.record(f.Flow); r != nil && r.Nonce == f.Nonce {
		if r.Used {
			return false // sent twice: wrong guesses that were made meanwhile stay counted (T19)
		}
		r.Used = true
		r.remember(f.Request, matched, len(r.Requests))
	}
	n.Records = slices.DeleteFunc(n.Records, func(o record) bool {
		replaced, known := valueOf(f.Fingerprints, o.Key)
		return o.Flow != f.Flow && o.Account == f.Account && known && o.Fingerprint == replaced
	})
	n.Row, n.RowAt = 0, 0
	n.Redeemed = now
	return true
}

// unlock clears the number's wrong guesses.
func (n *number) unlock() bool {
	if n.Row == 0 && len(n.Wrong) == 0 {
		return false
	}
	n.Row, n.RowAt, n.Wrong = 0, 0, nil
	return true
}

func valueOf(values []rekey.Keyed, id rekey.KeyID) (rekey.Name, bool) {
	for _, v := range values {
		if v.Key == id {
			return v.Value, true
		}
	}
	return "", false
}
