package codestoretest

import (
	"fmt"
	"time"

	"rekey"
)

var guessTests = []test{
	{"T01 five wrong guesses in the flow, then none is compared", func(f *fixture) {
		f.code("n", "flow")
		for left := 4; left >= 0; left-- {
			v := f.mustGuess(guessRequest("n", "flow", "wrong", rekey.Name(fmt.Sprint(left))), rekey.GuessWrong)
			if v.AttemptsLeft != left || v.WrongInRow != 5-left || v.Remembered {
				f.Errorf("%+v, want %d left", v, left)
			}
		}
		f.mustGuess(guessRequest("n", "flow", right, "right"), rekey.GuessExhausted)
		f.mustGuess(guessRequest("n", "flow", "wrong", "another"), rekey.GuessExhausted)
	}},
	{"a number or flow without a code has none to guess", func(f *fixture) {
		f.mustGuess(guessRequest("n", "flow", right, "r"), rekey.GuessExpired)
		f.code("other", "flow")
		f.mustGuess(guessRequest("n", "flow", right, "r"), rekey.GuessExpired) // T07: B's code does nothing for A
	}},
	{"a match is not charged and says what the code is bound to", func(f *fixture) {
		issued := f.code("n", "flow")
		f.wrong("n", "flow", 4, rekey.GuessWrong)
		for i := range 20 {
			v := f.mustGuess(guessRequest("n", "flow", right, rekey.Name(fmt.Sprint("right ", i))), rekey.GuessMatch)
			if v.Flow != "flow" || v.Nonce != issued.Ticket.Nonce || v.Account != account || v.Fingerprint != keyed(hash1)[0] {
				f.Fatalf("%+v", v)
			}
		}
		if v := f.mustGuess(guessRequest("n", "flow", "wrong", "last"), rekey.GuessWrong); v.AttemptsLeft != 0 {
			f.Errorf("%d left", v.AttemptsLeft)
		}
	}},
	{"the same request has the same verdict and is charged once", func(f *fixture) {
		f.code("n", "flow")
		for i := range 3 {
			v := f.mustGuess(guessRequest("n", "flow", "wrong", "same"), rekey.GuessWrong)
			if v.AttemptsLeft != 4 || v.Remembered != (i > 0) {
				f.Errorf("try %d: %+v", i, v)
			}
		}
		f.wrong("n", "flow", 4, rekey.GuessWrong)
		f.mustGuess(guessRequest("n", "flow", "wrong", "same"), rekey.GuessWrong) // remembered, though the guesses are used up
		f.code("n", "flow")
		if v := f.mustGuess(guessRequest("n", "flow", right, "r"), rekey.GuessMatch); v.Remembered {
			f.Error("a first match is remembered")
		}
		if v := f.mustGuess(guessRequest("n", "flow", right, "r"), rekey.GuessMatch); !v.Remembered {
			f.Error("a second match is not remembered")
		}
	}},
	{"a first match, and only it, moves the expiry to 150 s from now", func(f *fixture) {
		f.code("n", "flow")
		f.Advance(5*time.Minute - 30*time.Second)
		f.mustGuess(guessRequest("n", "flow", right, "1"), rekey.GuessMatch)
		f.Advance(120 * time.Second)
		f.mustGuess(guessRequest("n", "flow", right, "2"), rekey.GuessMatch)
		f.Advance(30*time.Second + time.Millisecond)
		f.mustGuess(guessRequest("n", "flow", right, "1"), rekey.GuessExpired)
	}},
	{"T45 a match of another account or another password is told and leaves no trace", func(f *fixture) {
		issued := f.code("n", "flow")
		for range 3 {
			for _, change := range []func(*rekey.Guess){
				func(g *rekey.Guess) { g.Fingerprints = keyed(hash2) },
				func(g *rekey.Guess) { g.Fingerprints = []rekey.Keyed{{Key: key2, Value: hash1}} },
				func(g *rekey.Guess) { g.Account = "another account" },
				func(g *rekey.Guess) { g.Account, g.Fingerprints = "", nil },
			} {
				g := guessRequest("n", "flow", right, "r")
				change(&g)
				if v := f.mustGuess(g, rekey.GuessMatch); v.Remembered || v.Nonce != issued.Ticket.Nonce || v.Fingerprint != keyed(hash1)[0] {
					f.Fatalf("%+v", v)
				}
			}
		}
		if v := f.mustGuess(guessRequest("n", "flow", right, "r"), rekey.GuessMatch); v.Remembered {
			f.Error("what matched nothing that is there now is remembered")
		}
		later := guessRequest("n", "flow", right, "r")
		later.Fingerprints = keyed(hash2)
		if v := f.mustGuess(later, rekey.GuessMatch); !v.Remembered {
			f.Error("a match from before the change is not remembered")
		}
	}},
	{"T45 a match of another password does not move the expiry", func(f *fixture) {
		f.code("n", "flow")
		f.Advance(5*time.Minute - 30*time.Second)
		g := guessRequest("n", "flow", right, "r")
		g.Fingerprints = keyed(hash2)
		f.mustGuess(g, rekey.GuessMatch)
		f.Advance(30*time.Second + time.Millisecond)
		f.mustGuess(g, rekey.GuessExpired)
	}},
	{"a first match never shortens a life", func(f *fixture) {
		f.code("n", "flow")
		f.mustGuess(guessRequest("n", "flow", right, "1"), rekey.GuessMatch)
		f.Advance(4 * time.Minute)
		f.mustGuess(guessRequest("n", "flow", right, "2"), rekey.GuessMatch)
	}},
	{"T13 a stranger without the flow has three guesses, the owner keeps all", func(f *fixture) {
		f.code("n", "owner")
		f.wrong("n", "", 3, rekey.GuessWrong)
		f.wrong("n", "", 500, rekey.GuessExhausted)
		f.wrong("n", "no such flow", 497, rekey.GuessExhausted)
		f.mustGuess(guessRequest("n", "", right, "stranger"), rekey.GuessExhausted)
		f.wrong("n", "owner", 4, rekey.GuessWrong)
		f.mustGuess(guessRequest("n", "owner", right, "owner"), rekey.GuessMatch)
	}},
	{"T07 a client without the flow redeems from the pool, the newest code only", func(f *fixture) {
		first := f.code("n", "first")
		f.Advance(time.Minute)
		second := f.issueRequest("n", "second")
		second.Intervals, second.Check = nil, "the second check"
		f.mustIssue(second, rekey.IssueMade)
		f.mustGuess(guessRequest("n", "", right, "old"), rekey.GuessWrong)
		v := f.mustGuess(guessRequest("n", "", "the second check", "new"), rekey.GuessMatch)
		if v.Flow != "second" || v.Nonce == first.Ticket.Nonce {
			f.Errorf("%+v", v)
		}
		f.wrong("n", "first", 4, rekey.GuessWrong) // its own guesses are all there
	}},
	{"without a pool the flow is required", func(f *fixture) {
		f.code("n", "flow")
		g := guessRequest("n", "", right, "r")
		g.PoolGuesses = 0
		f.mustGuess(g, rekey.GuessExpired)
		g.Flow = "flow"
		f.mustGuess(g, rekey.GuessMatch)
	}},
	{"T02 after twenty wrong guesses in a day only a code's first guess in its flow is free", func(f *fixture) {
		for i := range 4 {
			flow := rekey.Name(fmt.Sprint("flow ", i))
			f.code("n", flow)
			f.wrong("n", flow, 5, rekey.GuessWrong)
		}
		f.code("n", "flow")
		f.wrong("n", "", 1, rekey.GuessRestricted)
		f.wrong("n", "flow", 1, rekey.GuessWrong)
		f.mustGuess(guessRequest("n", "flow", right, "right"), rekey.GuessRestricted)
		f.wrong("n", "flow", 10, rekey.GuessRestricted)
		proven := guessRequest("n", "flow", right, "proven")
		proven.Proven = true
		f.mustGuess(proven, rekey.GuessMatch)
		f.code("n", "another")
		f.mustGuess(guessRequest("n", "another", right, "first"), rekey.GuessMatch)
		f.Advance(24*time.Hour + time.Second)
		f.code("n", "next day")
		f.wrong("n", "next day", 5, rekey.GuessWrong)
	}},
	{"T02 after a hundred wrong guesses in a row a proof does not help", func(f *fixture) {
		guess := func(flow, check rekey.Name) rekey.Verdict {
			f.made++
			g := guessRequest("n", flow, check, rekey.Name(fmt.Sprint("request ", f.made)))
			g.DayWrong, g.Proven = 0, true
			return f.guess(g)
		}
		for i := range 20 {
			flow := rekey.Name(fmt.Sprint("flow ", i))
			f.code("n", flow)
			for range 5 {
				if v := guess(flow, "wrong"); v.Outcome != rekey.GuessWrong {
					f.Fatalf("%+v", v)
				}
			}
		}
		issued := f.code("n", "flow")
		if v := guess("flow", "wrong"); v.Outcome != rekey.GuessWrong || v.WrongInRow != 101 {
			f.Fatalf("the first guess in its flow: %+v", v)
		}
		if v := guess("flow", right); v.Outcome != rekey.GuessRestricted {
			f.Fatalf("the second guess in its flow: %+v", v)
		}
		f.Advance(30 * 24 * time.Hour) // a row does not end with the day
		f.code("n", "later")
		if guess("later", "wrong"); guess("later", "wrong").Outcome != rekey.GuessRestricted {
			f.Fatal("the row was forgotten")
		}
		f.finish(rekey.Redemption{Number: "n", Flow: "flow", Nonce: issued.Ticket.Nonce, Request: "r", Account: account})
		f.code("n", "after")
		if guess("after", "wrong"); guess("after", "wrong").Outcome != rekey.GuessWrong {
			f.Fatal("a success did not end the row")
		}
	}},
	{"a strict guess is treated as if the day's cap were reached", func(f *fixture) {
		f.code("n", "flow")
		g := guessRequest("n", "", right, "1")
		g.Strict = true
		f.mustGuess(g, rekey.GuessRestricted)
		g.Flow = "flow"
		f.mustGuess(g, rekey.GuessMatch)
	}},
	{"T46 a guess at a code of a key that the caller has not is neither compared nor charged", func(f *fixture) {
		f.code("n", "flow")
		g := guessRequest("n", "flow", right, "1")
		g.Checks = []rekey.Keyed{{Key: key2, Value: right}}
		for range 10 {
			f.mustGuess(g, rekey.GuessUnknownKey)
		}
		g.Checks = append(g.Checks, keyed(right)...)
		f.mustGuess(g, rekey.GuessMatch)
	}},
}

var finishTests = []test{
	{"T05 a used code is expired, but for the request that matched", func(f *fixture) {
		issued := f.code("n", "flow")
		f.mustGuess(guessRequest("n", "flow", right, "winner"), rekey.GuessMatch)
		for range 2 {
			f.finish(rekey.Redemption{Number: "n", Flow: "flow", Nonce: issued.Ticket.Nonce, Request: "winner", Account: account, Fingerprints: keyed(hash1)})
		}
		f.mustGuess(guessRequest("n", "flow", right, "another"), rekey.GuessExpired)
		f.mustGuess(guessRequest("n", "", right, "another"), rekey.GuessExpired)
		if v := f.mustGuess(guessRequest("n", "flow", right, "winner"), rekey.GuessMatch); !v.Remembered {
			f.Error("not remembered")
		}
		f.Advance(5*time.Minute + time.Millisecond)
		f.mustGuess(guessRequest("n", "flow", right, "winner"), rekey.GuessExpired)
	}},
	{"T19 a redemption that is sent twice ends the row once", func(f *fixture) {
		issued := f.code("n", "flow")
		f.code("n", "other")
		f.wrong("n", "flow", 2, rekey.GuessWrong)
		r := rekey.Redemption{Number: "n", Flow: "flow", Nonce: issued.Ticket.Nonce, Request: "winner", Account: account, Fingerprints: keyed(hash2)}
		for row := 1; row <= 3; row++ {
			f.finish(r)
			v := f.mustGuess(guessRequest("n", "other", "wrong", rekey.Name(fmt.Sprint("wrong ", row))), rekey.GuessWrong)
			if v.WrongInRow != row {
				f.Errorf("after redemption %d: %+v, want %d in a row", row, v, row)
			}
		}
	}},
	{"T05 a used code does not tell an earlier wrong guess's verdict", func(f *fixture) {
		issued := f.code("n", "flow")
		f.mustGuess(guessRequest("n", "flow", "wrong", "wrong"), rekey.GuessWrong)
		f.finish(rekey.Redemption{Number: "n", Flow: "flow", Nonce: issued.Ticket.Nonce, Request: "winner", Account: account, Fingerprints: keyed(hash1)})
		f.mustGuess(guessRequest("n", "flow", "wrong", "wrong"), rekey.GuessExpired)
		if v := f.mustGuess(guessRequest("n", "flow", right, "winner"), rekey.GuessMatch); !v.Used {
			f.Error("not told that it was used")
		}
	}},
	{"a redemption leaves another account's codes alone", func(f *fixture) {
		other := f.issueRequest("n", "other")
		other.Intervals, other.Account = nil, "another account"
		f.mustIssue(other, rekey.IssueMade)
		issued := f.code("n", "flow")
		f.finish(rekey.Redemption{Number: "n", Flow: "flow", Nonce: issued.Ticket.Nonce, Request: "r", Account: account, Fingerprints: keyed(hash1)})
		f.mustGuess(guessRequest("n", "other", right, "r2"), rekey.GuessMatch)
	}},
	{"as many requests are remembered as there are guesses", func(f *fixture) {
		f.code("n", "flow")
		guess := func(i int) rekey.Verdict {
			g := guessRequest("n", "flow", "wrong", rekey.Name(fmt.Sprint(i)))
			g.Guesses, g.PoolGuesses = 10, 10
			return f.guess(g)
		}
		for i := range 9 {
			guess(i)
		}
		if v := guess(0); v.Outcome != rekey.GuessWrong || !v.Remembered || v.AttemptsLeft != 9 {
			f.Fatalf("%+v", v)
		}
	}},
	{"the winner is remembered however many matched beside it", func(f *fixture) {
		issued := f.code("n", "flow")
		f.mustGuess(guessRequest("n", "flow", right, "winner"), rekey.GuessMatch)
		for i := range 20 {
			f.mustGuess(guessRequest("n", "flow", right, rekey.Name(fmt.Sprint("loser ", i))), rekey.GuessMatch)
		}
		f.finish(rekey.Redemption{Number: "n", Flow: "flow", Nonce: issued.Ticket.Nonce, Request: "winner", Account: account, Fingerprints: keyed(hash1)})
		f.mustGuess(guessRequest("n", "flow", right, "winner"), rekey.GuessMatch)
	}},
	{"a redemption ends the number's codes of the same password, not younger ones", func(f *fixture) {
		f.code("n", "other")
		younger := f.issueRequest("n", "younger")
		younger.Intervals, younger.Fingerprints = nil, keyed(hash2)
		f.mustIssue(younger, rekey.IssueMade)
		issued := f.code("n", "flow")
		f.finish(rekey.Redemption{Number: "n", Flow: "flow", Nonce: issued.Ticket.Nonce, Request: "r", Account: account, Fingerprints: keyed(hash1)})
		f.mustGuess(guessRequest("n", "younger", right, "r2"), rekey.GuessMatch)
		g := guessRequest("n", "other", right, "r3")
		g.PoolGuesses = 0
		f.mustGuess(g, rekey.GuessExpired)
	}},
	{"a redemption of a code that has been replaced leaves its successor alone", func(f *fixture) {
		first := f.code("n", "flow")
		f.wrong("n", "flow", 5, rekey.GuessWrong)
		f.code("n", "flow")
		f.finish(rekey.Redemption{Number: "n", Flow: "flow", Nonce: first.Ticket.Nonce, Request: "r", Account: account, Fingerprints: keyed(hash1)})
		f.mustGuess(guessRequest("n", "flow", right, "r2"), rekey.GuessMatch)
	}},
}
