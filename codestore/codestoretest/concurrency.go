package codestoretest

import (
	"fmt"

	"rekey"
)

var concurrencyTests = []test{
	{"T01 of 2,000 wrong guesses at once five are compared", func(f *fixture) {
		f.code("n", "flow")
		other := f.Reopen()
		outcomes := together(f, 2000, func(i int) (rekey.GuessOutcome, error) {
			store := f.Store
			if i%2 == 1 {
				store = other
			}
			v, err := store.Guess(f.Context(), guessRequest("n", "flow", "wrong", rekey.Name(fmt.Sprint(i))))
			return v.Outcome, err
		})
		if outcomes[rekey.GuessWrong] != 5 || outcomes[rekey.GuessExhausted] != 1995 {
			f.Fatalf("%v", outcomes)
		}
	}},
	{"T02 over all flows at once twenty are compared, and each code's first", func(f *fixture) {
		const flows = 12
		for i := range flows {
			f.code("n", rekey.Name(fmt.Sprint("flow ", i)))
		}
		outcomes := together(f, 1200, func(i int) (rekey.GuessOutcome, error) {
			v, err := f.Store.Guess(f.Context(), guessRequest("n", rekey.Name(fmt.Sprint("flow ", i%flows)), "wrong", rekey.Name(fmt.Sprint(i))))
			return v.Outcome, err
		})
		if wrong := outcomes[rekey.GuessWrong]; wrong < 20 || wrong > 20+flows {
			f.Fatalf("%v", outcomes)
		}
	}},
	{"T19 the same wrong request at once is charged once", func(f *fixture) {
		f.code("n", "flow")
		outcomes := together(f, 200, func(int) (rekey.Verdict, error) {
			return f.Store.Guess(f.Context(), guessRequest("n", "flow", "wrong", "same"))
		})
		charged := 0
		for v, n := range outcomes {
			if v.Outcome != rekey.GuessWrong || v.AttemptsLeft != 4 {
				f.Errorf("%+v", v)
			}
			if !v.Remembered {
				charged += n
			}
		}
		if charged != 1 {
			f.Fatalf("charged %d times", charged)
		}
	}},
	{"T28 of 200 sends at once one is made", func(f *fixture) {
		other := f.Reopen()
		requests := make([]rekey.IssueRequest, 200)
		for i := range requests {
			requests[i] = f.issueRequest("n", rekey.Name(fmt.Sprint("flow ", i%4)))
		}
		outcomes := together(f, len(requests), func(i int) (rekey.IssueOutcome, error) {
			store := f.Store
			if i%2 == 1 {
				store = other
			}
			issued, err := store.Issue(f.Context(), requests[i])
			return issued.Outcome, err
		})
		if outcomes[rekey.IssueMade] != 1 || outcomes[rekey.IssueTooSoon] != 199 {
			f.Fatalf("%v", outcomes)
		}
	}},
	{"T19 the same send at once is made once", func(f *fixture) {
		other, r := f.Reopen(), f.issueRequest("n", "flow")
		outcomes := together(f, 200, func(i int) (rekey.Ticket, error) {
			store := f.Store
			if i%2 == 1 {
				store = other
			}
			issued, err := store.Issue(f.Context(), r)
			return issued.Ticket, err
		})
		for ticket, n := range outcomes {
			if n != 200 || ticket.Nonce != r.Nonce {
				f.Errorf("%d were told of %+v", n, ticket)
			}
		}
	}},
	{"T04 right and wrong guesses at once: no match is charged, no guess is free", func(f *fixture) {
		f.code("n", "flow")
		outcomes := together(f, 600, func(i int) (rekey.GuessOutcome, error) {
			check := right
			if i%3 == 0 {
				check = "wrong"
			}
			v, err := f.Store.Guess(f.Context(), guessRequest("n", "flow", check, rekey.Name(fmt.Sprint(i))))
			return v.Outcome, err
		})
		if outcomes[rekey.GuessWrong] > 5 || outcomes[rekey.GuessMatch]+outcomes[rekey.GuessWrong]+outcomes[rekey.GuessExhausted] != 600 {
			f.Fatalf("%v", outcomes)
		}
	}},
}
