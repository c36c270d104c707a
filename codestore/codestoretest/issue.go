package codestoretest

import (
	"context"
	"fmt"
	"time"

	"rekey"
)

var issueTests = []test{
	{"a first issue makes a code that lives its lifetime", func(f *fixture) {
		r := f.issueRequest("n", "flow")
		issued := f.mustIssue(r, rekey.IssueMade)
		if issued.ExpiresIn != 5*time.Minute || issued.RetryAfter != time.Minute {
			f.Errorf("expires in %v, retry after %v", issued.ExpiresIn, issued.RetryAfter)
		}
		if t := issued.Ticket; t.Nonce != r.Nonce || t.Key != key1 || t.Flow != "flow" || t.Version == 0 || !t.PriorExpiry.IsZero() {
			f.Errorf("ticket %+v", t)
		}
		f.mustGuess(guessRequest("n", "flow", right, "request"), rekey.GuessMatch)
	}},
	{"T06 a code is gone a millisecond after its lifetime", func(f *fixture) {
		f.code("n", "flow")
		f.Advance(5*time.Minute - 30*time.Second)
		f.wrong("n", "flow", 1, rekey.GuessWrong)
		f.Advance(30*time.Second + time.Millisecond)
		f.mustGuess(guessRequest("n", "flow", right, "request"), rekey.GuessExpired)
	}},
	{"T27 T28 the interval grows while nothing is redeemed", func(f *fixture) {
		for i, interval := range []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 10 * time.Minute} {
			r := f.issueRequest("n", "flow")
			r.HourSends = 0
			issued := f.issue(r)
			if issued.RetryAfter != interval {
				f.Fatalf("after send %d the next may come after %v, want %v", i+1, issued.RetryAfter, interval)
			}
			const before = 30 * time.Second
			f.Advance(interval - before)
			r = f.issueRequest("n", "flow")
			r.HourSends = 0
			if early := f.mustIssue(r, rekey.IssueTooSoon); !f.about(early.RetryAfter, before) {
				f.Fatalf("%v before its time: retry after %v", before, early.RetryAfter)
			}
			f.Advance(before)
		}
	}},
	{"a redemption brings the first interval back", func(f *fixture) {
		f.mustIssue(f.issueRequest("n", "flow"), rekey.IssueMade)
		f.Advance(time.Minute)
		issued := f.mustIssue(f.issueRequest("n", "flow"), rekey.IssueRenewed)
		f.finish(rekey.Redemption{Number: "n", Flow: "flow", Nonce: issued.Ticket.Nonce, Request: "request", Account: account, Fingerprints: keyed(hash1)})
		f.mustIssue(f.issueRequest("n", "flow"), rekey.IssueTooSoon)
		f.Advance(time.Minute)
		r := f.issueRequest("n", "flow")
		r.Fingerprints = keyed(hash2)
		if issued := f.mustIssue(r, rekey.IssueMade); issued.RetryAfter != time.Minute {
			f.Errorf("retry after %v", issued.RetryAfter)
		}
	}},
	{"T27 five sends in any hour, ten in any day", func(f *fixture) {
		ask := func(flow rekey.Name) rekey.Issued {
			r := f.issueRequest("n", flow)
			r.Intervals = []time.Duration{time.Minute}
			return f.issue(r)
		}
		sent := 0
		var refused time.Duration
		for range 26 * 60 {
			switch issued := ask("flow"); issued.Outcome {
			case rekey.IssueMade, rekey.IssueRenewed:
				sent++
			case rekey.IssueLimited:
				refused = issued.RetryAfter
			default:
				f.Fatalf("%+v", issued)
			}
			if f.Advance(time.Minute); sent == 10 && refused > 20*time.Hour {
				break
			}
		}
		if sent != 10 {
			f.Fatalf("%d sends, want 10", sent)
		}
		// The sixth waited for the first to leave the hour, so the day's cap is exact to the minute.
		if ask("other").Outcome != rekey.IssueLimited {
			f.Error("another flow got past the number's cap")
		}
	}},
	{"T03 a renewed code keeps nonce and guesses", func(f *fixture) {
		first := f.code("n", "flow")
		f.wrong("n", "flow", 4, rekey.GuessWrong)
		f.Advance(time.Minute)
		again := f.code("n", "flow")
		if again.Outcome != rekey.IssueRenewed || again.Ticket.Nonce != first.Ticket.Nonce || again.Ticket.Version == first.Ticket.Version {
			f.Fatalf("%+v then %+v", first, again)
		}
		if again.ExpiresIn != 5*time.Minute {
			f.Errorf("expires in %v", again.ExpiresIn)
		}
		f.wrong("n", "flow", 1, rekey.GuessWrong)
		f.mustGuess(guessRequest("n", "flow", right, "right"), rekey.GuessExhausted)
	}},
	{"a renewed code never lives past ten minutes after its first issue", func(f *fixture) {
		f.code("n", "flow")
		f.Advance(4 * time.Minute)
		f.code("n", "flow")
		f.Advance(4 * time.Minute)
		issued := f.code("n", "flow")
		if issued.Outcome != rekey.IssueRenewed || !f.about(issued.ExpiresIn, 2*time.Minute) {
			f.Fatalf("%+v", issued)
		}
	}},
	{"T03 a code without guesses left is replaced by a new one", func(f *fixture) {
		first := f.code("n", "flow")
		f.wrong("n", "flow", 5, rekey.GuessWrong)
		again := f.code("n", "flow")
		if again.Outcome != rekey.IssueMade || again.Ticket.Nonce == first.Ticket.Nonce {
			f.Fatalf("%+v", again)
		}
		f.mustGuess(guessRequest("n", "flow", right, "right"), rekey.GuessMatch)
	}},
	{"T08 a code of another account is replaced", func(f *fixture) {
		f.code("n", "flow")
		r := f.issueRequest("n", "flow")
		r.Intervals, r.Account = nil, "another account"
		f.mustIssue(r, rekey.IssueMade)
		if v := f.mustGuess(guessRequest("n", "flow", right, "right"), rekey.GuessMatch); v.Account != "another account" {
			f.Errorf("%+v", v)
		}
	}},
	{"T08 a send that read an older row does not overwrite a younger code", func(f *fixture) {
		first := f.code("n", "flow")
		r := f.issueRequest("n", "flow")
		r.Intervals, r.Fingerprints = nil, keyed(hash2)
		told := f.mustIssue(r, rekey.IssueChanged)
		if told.Ticket.Version != first.Ticket.Version {
			f.Errorf("told of version %d, want %d", told.Ticket.Version, first.Ticket.Version)
		}
		if v := f.mustGuess(guessRequest("n", "flow", right, "right"), rekey.GuessMatch); v.Fingerprint != keyed(hash1)[0] {
			f.Errorf("the record changed: %+v", v)
		}
		r.Replace = told.Ticket.Version + 1
		f.mustIssue(r, rekey.IssueChanged)
		r.Replace = told.Ticket.Version
		f.mustIssue(r, rekey.IssueMade)
		if v := f.mustGuess(guessRequest("n", "flow", right, "right again"), rekey.GuessMatch); v.Fingerprint != keyed(hash2)[0] {
			f.Errorf("the record did not change: %+v", v)
		}
	}},
	{"T14 another flow's code is never touched", func(f *fixture) {
		f.code("n", "owner")
		f.Advance(time.Minute)
		f.code("n", "stranger")
		f.Advance(time.Minute)
		f.wrong("n", "stranger", 5, rekey.GuessWrong)
		f.code("n", "stranger")
		f.mustGuess(guessRequest("n", "owner", right, "right"), rekey.GuessMatch)
	}},
	{"a flow that has no code for this number counts as none", func(f *fixture) {
		r := f.issueRequest("n", "chosen by somebody")
		r.NewFlow = "minted"
		if issued := f.mustIssue(r, rekey.IssueMade); issued.Ticket.Flow != "minted" {
			f.Errorf("%+v", issued)
		}
		f.Advance(time.Minute)
		r = f.issueRequest("n", "minted")
		r.NewFlow = "minted again"
		if issued := f.mustIssue(r, rekey.IssueRenewed); issued.Ticket.Flow != "minted" {
			f.Errorf("%+v", issued)
		}
	}},
	{"three live flows a number, the next waits for one to end", func(f *fixture) {
		ask := func(flow rekey.Name) rekey.Issued {
			r := f.issueRequest("n", flow)
			r.Intervals, r.HourSends = nil, 0
			return f.issue(r)
		}
		for _, flow := range []rekey.Name{"a", "b", "c"} {
			ask(flow)
			f.Advance(time.Minute)
		}
		full := ask("d")
		if full.Outcome != rekey.IssueFlows || !f.about(full.RetryAfter, 2*time.Minute) {
			f.Fatalf("%+v", full)
		}
		if again := ask("b"); again.Outcome != rekey.IssueRenewed {
			f.Errorf("a live flow's own resend: %+v", again)
		}
		f.Advance(2 * time.Minute)
		if fourth := ask("d"); fourth.Outcome != rekey.IssueMade {
			f.Errorf("after the first expired: %+v", fourth)
		}
	}},
	{"T46 a code of a key that the caller has not is left alone", func(f *fixture) {
		f.code("n", "flow")
		r := f.issueRequest("n", "flow")
		r.Intervals, r.Key, r.Fingerprints = nil, key2, []rekey.Keyed{{Key: key2, Value: hash1}}
		f.mustIssue(r, rekey.IssueUnknownKey)
		r.Fingerprints = append(r.Fingerprints, keyed(hash1)...)
		f.mustIssue(r, rekey.IssueRenewed)
		f.mustGuess(guessRequest("n", "flow", right, "right"), rekey.GuessMatch)
	}},
	{"a withdrawn first issue leaves nothing behind", func(f *fixture) {
		issued := f.mustIssue(f.issueRequest("n", "flow"), rekey.IssueMade)
		for range 2 {
			if err := f.Store.Withdraw(f.Context(), issued.Ticket); err != nil {
				f.Fatal(err)
			}
		}
		f.mustGuess(guessRequest("n", "flow", right, "right"), rekey.GuessExpired)
		if issued := f.mustIssue(f.issueRequest("n", "flow"), rekey.IssueMade); issued.RetryAfter != time.Minute {
			f.Errorf("the withdrawn send still counts: retry after %v", issued.RetryAfter)
		}
	}},
	{"a withdrawn renewal gives the earlier expiry back", func(f *fixture) {
		f.code("n", "flow")
		f.Advance(4 * time.Minute)
		again := f.code("n", "flow")
		for range 2 {
			if err := f.Store.Withdraw(f.Context(), again.Ticket); err != nil {
				f.Fatal(err)
			}
		}
		f.Advance(30 * time.Second)
		f.wrong("n", "flow", 1, rekey.GuessWrong)
		f.Advance(30*time.Second + time.Millisecond)
		f.mustGuess(guessRequest("n", "flow", right, "right"), rekey.GuessExpired)
	}},
	{"T31 a withdrawal after a match does nothing", func(f *fixture) {
		issued := f.code("n", "flow")
		f.mustGuess(guessRequest("n", "flow", right, "right"), rekey.GuessMatch)
		if err := f.Store.Withdraw(f.Context(), issued.Ticket); err != nil {
			f.Fatal(err)
		}
		f.mustGuess(guessRequest("n", "flow", right, "right"), rekey.GuessMatch)
	}},
	{"T19 an issue that is sent twice is made once and answered twice", func(f *fixture) {
		first := f.issueRequest("n", "flow")
		f.twice(first, rekey.IssueMade)
		f.mustIssue(f.issueRequest("n", "flow"), rekey.IssueTooSoon)
		f.Advance(time.Minute)
		second := f.issueRequest("n", "flow")
		renewed := f.twice(second, rekey.IssueRenewed)
		if renewed.RetryAfter > 2*time.Minute || renewed.RetryAfter < time.Minute {
			f.Errorf("after two sends the next may come after %v", renewed.RetryAfter)
		}
		f.mustIssue(first, rekey.IssueTooSoon) // it is not the latest any more
		f.Advance(2 * time.Minute)
		other := f.issueRequest("n", "other")
		other.NewFlow = "minted"
		if issued := f.twice(other, rekey.IssueMade); issued.Ticket.Flow != "minted" {
			f.Errorf("%+v", issued)
		}
	}},
	{"T19 what is withdrawn is not answered again", func(f *fixture) {
		f.code("n", "flow")
		r := f.issueRequest("n", "flow")
		r.Intervals = nil
		for range 2 {
			again := f.twice(r, rekey.IssueRenewed)
			if err := f.Store.Withdraw(f.Context(), again.Ticket); err != nil {
				f.Fatal(err)
			}
		}
		f.Advance(5*time.Minute + time.Millisecond)
		f.mustGuess(guessRequest("n", "flow", right, "right"), rekey.GuessExpired)
	}},
	{"T19 a withdrawal that is sent twice leaves a younger code alone", func(f *fixture) {
		old := f.code("n", "flow")
		for range 2 { // after the first nothing is left of the number, and its versions begin anew
			if err := f.Store.Withdraw(f.Context(), old.Ticket); err != nil {
				f.Fatal(err)
			}
			f.code("n", "flow")
		}
		f.mustGuess(guessRequest("n", "flow", right, "right"), rekey.GuessMatch)
		if err := f.Store.Withdraw(f.Context(), old.Ticket); err != nil {
			f.Fatal(err)
		}
		f.mustGuess(guessRequest("n", "flow", right, "right"), rekey.GuessMatch)
	}},
	{"withdrawing the renewal and then the first issue leaves nothing", func(f *fixture) {
		first := f.code("n", "flow")
		second := f.code("n", "flow")
		for _, t := range []rekey.Ticket{second.Ticket, first.Ticket} {
			if err := f.Store.Withdraw(f.Context(), t); err != nil {
				f.Fatal(err)
			}
		}
		f.mustGuess(guessRequest("n", "flow", right, "right"), rekey.GuessExpired)
	}},
	{"used codes are no live flows", func(f *fixture) {
		for _, flow := range []rekey.Name{"a", "b", "c"} {
			issued := f.code("n", flow)
			f.finish(rekey.Redemption{Number: "n", Flow: flow, Nonce: issued.Ticket.Nonce, Request: "r", Account: account, Fingerprints: keyed(hash2)})
		}
		r := f.issueRequest("n", "d")
		r.Intervals, r.HourSends = nil, 0
		f.mustIssue(r, rekey.IssueMade)
	}},
	{"T02 a restricted number's resend is a new code, whose first guess is free", func(f *fixture) {
		for i := range 4 {
			flow := rekey.Name(fmt.Sprint("stranger ", i))
			f.code("n", flow)
			f.wrong("n", flow, 5, rekey.GuessWrong)
		}
		first := f.code("n", "owner")
		f.wrong("n", "owner", 1, rekey.GuessWrong)
		f.mustGuess(guessRequest("n", "owner", right, "right"), rekey.GuessRestricted)
		again := f.code("n", "owner")
		if again.Outcome != rekey.IssueMade || again.Ticket.Nonce == first.Ticket.Nonce {
			f.Fatalf("%+v", again)
		}
		f.mustGuess(guessRequest("n", "owner", right, "right again"), rekey.GuessMatch)
	}},
	{"a withdrawal after a later issue does nothing", func(f *fixture) {
		first := f.code("n", "flow")
		second := f.code("n", "flow")
		if err := f.Store.Withdraw(f.Context(), first.Ticket); err != nil {
			f.Fatal(err)
		}
		f.mustGuess(guessRequest("n", "flow", right, "right"), rekey.GuessMatch)
		if err := f.Store.Withdraw(f.Context(), second.Ticket); err != nil {
			f.Fatal(err)
		}
		f.mustGuess(guessRequest("n", "flow", right, "another"), rekey.GuessMatch)
	}},
	{"T05 what was stored is there for another replica", func(f *fixture) {
		issued := f.code("n", "flow")
		f.wrong("n", "flow", 3, rekey.GuessWrong)
		other := f.Reopen()
		verdict, err := other.Guess(f.Context(), guessRequest("n", "flow", "wrong", "on the other"))
		if err != nil || verdict.Outcome != rekey.GuessWrong || verdict.AttemptsLeft != 1 {
			f.Fatalf("%+v, %v", verdict, err)
		}
		if err := other.Finish(f.Context(), rekey.Redemption{Number: "n", Flow: "flow", Nonce: issued.Ticket.Nonce, Request: "r", Account: account, Fingerprints: keyed(hash1)}); err != nil {
			f.Fatal(err)
		}
		f.mustGuess(guessRequest("n", "flow", right, "right"), rekey.GuessExpired)
	}},
	{"T16 a closed store fails every step", func(f *fixture) {
		issued := f.code("n", "flow")
		f.Close()
		ctx := f.Context()
		if _, err := f.Store.Issue(ctx, f.issueRequest("n", "flow")); err == nil {
			f.Error("Issue passed")
		}
		if _, err := f.Store.Guess(ctx, guessRequest("n", "flow", right, "right")); err == nil {
			f.Error("Guess passed")
		}
		if f.Store.Withdraw(ctx, issued.Ticket) == nil || f.Store.Finish(ctx, rekey.Redemption{Number: "n"}) == nil {
			f.Error("Withdraw or Finish passed")
		}
		if _, err := f.Store.Take(ctx, rate("b", 1, time.Minute)); err == nil {
			f.Error("Take passed")
		}
	}},
	{"a request that has ended fails", func(f *fixture) {
		ctx, cancel := context.WithCancel(f.Context())
		cancel()
		if _, err := f.Store.Issue(ctx, f.issueRequest("n", "flow")); err == nil {
			f.Error("Issue passed")
		}
		if _, err := f.Store.Take(ctx, rate("b", 1, time.Minute)); err == nil {
			f.Error("Take passed")
		}
	}},
}

// twice sends a request twice, as a client library does that lost the answer, and expects that both get the same.
func (f *fixture) twice(r rekey.IssueRequest, want rekey.IssueOutcome) rekey.Issued {
	f.Helper()
	first, again := f.mustIssue(r, want), f.mustIssue(r, want)
	if !again.Ticket.PriorExpiry.Equal(first.Ticket.PriorExpiry) {
		f.Errorf("prior expiry %v, then %v", first.Ticket.PriorExpiry, again.Ticket.PriorExpiry)
	}
	again.Ticket.PriorExpiry = first.Ticket.PriorExpiry
	if again.Ticket != first.Ticket || again.ExpiresIn > first.ExpiresIn || again.RetryAfter > first.RetryAfter ||
		again.ExpiresIn <= 0 || again.RetryAfter < 0 {
		f.Errorf("%+v, and then %+v", first, again)
	}
	return again
}
