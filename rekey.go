package rekey

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"
)

// This file is the recovery, from top to bottom: Check, Send, Reset. Nothing else decides what happens to a code.

const (
	// operationTime bounds a Check, Send or Reset and all that it asks for: findTime a look into the users table, where the
	// options don't, deliverTime a delivery over all providers. settleTime is what giving back and finishing have each on
	// top: whatever used the operation's time up must not keep them from it.
	operationTime = 12 * time.Second
	findTime      = 5 * time.Second
	deliverTime   = 10 * time.Second
	settleTime    = 4 * time.Second
	// mostFinds is how many looks into the users table may be under way: far more than a database has at a time that
	// answers. While it hangs, whoever comes after them is told so at once.
	mostFinds = 1024
	// answerGrid is what answers wait for where nobody may know who has an account: they leave at whole multiples of it
	// after the request came. That a row was found costs microseconds more than that none was; both take one step of the
	// grid (T39).
	answerGrid = 5 * time.Millisecond
	// answerTime is left to an answer before the work begins that differs for a known number, or its load on the machine
	// would show in the answer's time; and that work begins at any time within spreadTime, so that nobody can place a
	// request where it would have to wait for it (T39).
	answerTime = 10 * time.Millisecond
	spreadTime = 128 * time.Millisecond
	// rereads is how often a row may change under a request before it gives up: each time somebody else's password
	// change won, which nobody can do for long.
	rereads = 4
)

// Check tells how many accounts that can be recovered are registered under a number. Without disclosure it says 1 of
// every number, after the same work (T39).
func (s *Service) Check(ctx context.Context, c Client, mobile string) (count int, err error) {
	began := time.Now()
	ctx, end := toTheEnd(ctx)
	defer end()
	n, err := s.o.Plan(mobile)
	if err != nil {
		return 0, &Error{Kind: InvalidNumber}
	}
	defer func() { s.tell(ctx, c, n, EventCheck, began, err) }()
	defer s.level(began)
	if err := s.take(ctx, c, n, s.lookupBudgets(c, n)); err != nil {
		return 0, err
	}
	accounts, err := s.find(ctx, n)
	if err != nil {
		return 0, err
	}
	if !s.o.Disclosure {
		return 1, nil
	}
	return len(accounts), nil
}

// Send sends a code to the person whose account is registered under a number, and to nobody else (T30).
func (s *Service) Send(ctx context.Context, c Client, mobile string) (sent Sent, err error) {
	began := time.Now()
	ctx, end := toTheEnd(ctx)
	defer end()

	// 1. What can be said without the users table: the form of the number, the budgets of the address and of all.
	n, err := s.o.Plan(mobile)
	if err != nil {
		return Sent{}, &Error{Kind: InvalidNumber}
	}
	defer func() { s.tell(ctx, c, n, EventSend, began, err) }()
	defer s.level(began)
	address, shared := s.sendBudgets(c, n)
	if s.o.Disclosure {
		address = append(address, s.lookupLooks(c, n)...)
	}
	all := append(address, shared...)
	if err := s.take(ctx, c, n, all); err != nil {
		return Sent{}, err
	}

	// 2. and 3. The account, and its code.
	flow := token()
	issued, real, err := s.issue(ctx, c, n, flow)
	if err != nil {
		switch KindOf(err) {
		case UsersDown: // which costs nobody anything (T15)
			s.giveBack(ctx, c, n, all)
		case StoreDown: // nor does this, as far as it can; the answer does not wait for it again
			s.inBackground(ctx, c, n, func(ctx context.Context) { s.giveBack(ctx, c, n, all) })
		case NotRegistered, SeveralAccounts:
			s.giveBack(ctx, c, n, shared)
			// Whoever is told so has asked whether anybody has the number (T40).
			if limited := s.takeLookup(ctx, c, n); limited != nil {
				return Sent{}, limited
			}
		default:
			s.giveBack(ctx, c, n, shared)
		}
		return Sent{}, err
	}
	if validFlow(c.Flow) && s.flowName(c.Flow) == issued.Ticket.Flow {
		flow = c.Flow
	}
	sent = Sent{Flow: flow, RetryAfter: issued.RetryAfter, ExpiresIn: issued.ExpiresIn}

	// 4. The message. Without disclosure the answer does not wait for it: it would tell who has an account (T39).
	switch {
	case !real:
		s.inBackground(ctx, c, n, func(ctx context.Context) {
			afterTheAnswer()
			s.giveBack(ctx, c, n, unsent(shared))
		})
		return sent, nil
	case !s.o.Disclosure:
		s.inBackground(ctx, c, n, func(ctx context.Context) {
			afterTheAnswer()
			// A refusal by every provider is recorded, and changes no answer.
			_ = s.deliver(ctx, c, n, issued, shared)
		})
		return sent, nil
	}
	if err := s.deliver(ctx, c, n, issued, shared); err != nil {
		return Sent{}, err
	}
	return sent, nil
}

// issue finds the account and makes or renews its code. real is false where the number has no account and nobody may
// know: then the code is a decoy's, which counts like any other and matches nothing.
func (s *Service) issue(ctx context.Context, c Client, n Number, flow string) (issued Issued, real bool, err error) {
	request := IssueRequest{
		Number: s.o.Keys.NumberName(n), NewFlow: s.flowName(flow),
		Lifetime: s.o.Code.Lifetime, MaxAge: MaxLifetime, Intervals: s.intervals(),
		LiveFlows: s.o.Limits.LiveFlows, Guesses: s.o.Code.Guesses,
	}
	if validFlow(c.Flow) {
		request.Flow = s.flowName(c.Flow)
	}
	request.Restriction = s.restriction()
	request.HourSends, request.DaySends = s.numberSends(c, n)
	request.Key, request.Nonce = s.o.Keys.Newest(), token()
	code, ok := s.o.Keys.drawCode(request.Key, n, request.Nonce)
	if !ok {
		return Issued{}, false, &Error{Kind: Internal, Cause: errors.New("the newest key draws no code")}
	}
	for range rereads {
		accounts, err := s.find(ctx, n)
		if err != nil {
			return Issued{}, false, err
		}
		if len(accounts) > 1 {
			s.severalAccounts(ctx, c, n)
		}
		real = len(accounts) == 1
		switch {
		case real:
			request.Account, request.Fingerprints = s.accountName(accounts[0].ID), s.o.Keys.fingerprints(accounts[0])
			request.Check = s.o.Keys.check(request.Key, n, code, codePurpose)
		case s.o.Disclosure && len(accounts) == 0:
			return Issued{}, false, &Error{Kind: NotRegistered}
		case s.o.Disclosure:
			return Issued{}, false, &Error{Kind: SeveralAccounts}
		default:
			request.Account, request.Fingerprints = s.o.Keys.Name("decoy", n.E164()), s.o.Keys.fingerprints(Account{ID: n.E164()})
			request.Check = s.o.Keys.check(request.Key, n, code, decoyPurpose)
		}
		issued, err = s.o.Codes.Issue(ctx, request)
		switch {
		case err != nil:
			return Issued{}, false, &Error{Kind: StoreDown, RetryAfter: downTime, Cause: err}
		case issued.Outcome == IssueChanged:
			// Our row or the record's may be the older one. We look again; only what still differs is replaced.
			request.Replace = issued.Ticket.Version
			continue
		}
		return issued, real, issueRefusal(issued)
	}
	return Issued{}, false, &Error{Kind: UsersDown, RetryAfter: downTime, Cause: errors.New("the password kept changing while a code was being made for it")}
}

// issueRefusal is the error of an outcome that made no code, or nil.
func issueRefusal(issued Issued) error {
	switch issued.Outcome {
	case IssueMade, IssueRenewed:
		return nil
	case IssueTooSoon:
		return &Error{Kind: TooSoon, RetryAfter: issued.RetryAfter}
	case IssueLimited:
		return &Error{Kind: Limited, RetryAfter: issued.RetryAfter, Budget: "number_sends"}
	case IssueFlows:
		return &Error{Kind: Limited, RetryAfter: issued.RetryAfter, Budget: "live_flows"}
	case IssueUnknownKey:
		return unknownKey()
	}
	return &Error{Kind: Internal, Cause: fmt.Errorf("the code store answered with outcome %d", issued.Outcome)}
}

// unknownKey is the answer of a replica that was not given the key of a live code: nothing is charged and nothing
// replaced, another replica or a later try serves (T46).
func unknownKey() error {
	return &Error{Kind: StoreDown, RetryAfter: downTime, Cause: errors.New("a live code was made with a key that this replica does not have: add new keys last on all replicas before one moves first")}
}

// deliver hands the code to the providers. It is taken back only if it certainly was not sent; after an unknown outcome
// it may be on its way and stays good (T31). Where nobody may know who has an account it is never taken back: the code
// of a number that nobody has isn't either, and the next answers must be the same (T39).
func (s *Service) deliver(ctx context.Context, c Client, n Number, issued Issued, shared []Charge) error {
	code, ok := s.o.Keys.drawCode(issued.Ticket.Key, n, issued.Ticket.Nonce)
	if !ok {
		return unknownKey()
	}
	sending, cancel := context.WithTimeout(ctx, deliverTime)
	defer cancel()
	began := time.Now()
	message := Message{ID: token(), To: n, Code: code, Language: c.Language, ExpiresIn: issued.ExpiresIn}
	receipt, err := s.handOver(sending, message)
	event := Event{
		Kind: EventDeliver, Message: message.ID, Provider: receipt.Provider, Receipt: receipt.ID, Price: receipt.Price,
		Elapsed: time.Since(began), Err: err,
	}
	certain := !errors.Is(err, ErrUnknown) && (errors.Is(err, ErrRejected) || errors.Is(err, ErrUnavailable))
	switch {
	case err == nil:
		event.Outcome = "ok"
	case certain:
		event.Outcome = NotDelivered.String()
	default:
		event.Outcome = "unknown"
	}
	s.record(ctx, c, n, event)
	switch {
	case err == nil:
		s.giveBack(ctx, c, n, overpaid(shared, receipt.Price))
		return nil
	case !certain:
		if receipt.Price > 0 { // else all that was taken stays: nobody knows what it cost (T29)
			s.giveBack(ctx, c, n, overpaid(shared, receipt.Price))
		}
		return nil
	}
	if !s.o.Disclosure {
		s.giveBack(ctx, c, n, unsent(shared))
		return &Error{Kind: NotDelivered, Cause: err}
	}
	withdraw := Event{Kind: EventWithdraw, Outcome: "ok"}
	settling, end := toSettle(ctx)
	defer end()
	if withdraw.Err = s.o.Codes.Withdraw(settling, issued.Ticket); withdraw.Err != nil {
		// The code that nobody got stays until it expires, and so does the interval.
		withdraw.Outcome = StoreDown.String()
	}
	s.record(ctx, c, n, withdraw)
	s.giveBack(ctx, c, n, shared)
	return &Error{Kind: NotDelivered, Cause: err}
}

// handOver is the Sender's Send. One that panics may have sent the message; the value of the panic may hold anything, and
// only its type is told (T36).
func (s *Service) handOver(ctx context.Context, m Message) (receipt Receipt, err error) {
	defer func() {
		if p := recover(); p != nil {
			receipt, err = Receipt{}, fmt.Errorf("%w: the Sender ended in a panic of type %T", ErrUnknown, p)
		}
	}()
	return s.o.Sender.Send(ctx, m)
}

// Reset redeems a code for a new password.
func (s *Service) Reset(ctx context.Context, c Client, r ResetRequest) (done Done, err error) {
	began := time.Now()
	ctx, end := toTheEnd(ctx)
	defer end()

	// 1. What needs no store. Nothing is charged.
	n, err := s.o.Plan(r.Mobile)
	if err != nil {
		return Done{}, &Error{Kind: InvalidNumber}
	}
	defer func() { s.tell(ctx, c, n, EventReset, began, err) }()
	if rule := s.o.Policy.Check(n, r.Password); rule != "" {
		return Done{}, &Error{Kind: InvalidPassword, Rule: rule}
	}
	code, ok := ParseCode(r.Code)
	if !ok {
		return Done{}, &Error{Kind: InvalidCode}
	}

	// 2. GUESS: the store counts and compares at once. The account is read before, so that the store can tell a request that
	// matched before its password changed from one that comes after (T45). It is so whatever the code: the answer's time
	// must not tell whether there is an account (T39).
	defer s.level(began)
	request := s.o.Keys.Name("request", n.E164(), c.Flow, code.Reveal(), r.Password)
	accounts, err := s.find(ctx, n)
	if err != nil {
		return Done{}, err
	}
	verdict, err := s.guess(ctx, c, n, code, request, accounts)
	if err != nil {
		return Done{}, err
	}

	matchedBefore := verdict.Remembered
	for try := range rereads {
		// 3. The account: exactly the one that the code was made for, with the password that it replaces.
		if try > 0 {
			if accounts, err = s.find(ctx, n); err != nil {
				return Done{}, err
			}
		}
		if len(accounts) > 1 {
			s.severalAccounts(ctx, c, n)
		}
		if len(accounts) != 1 || s.accountName(accounts[0].ID) != verdict.Account {
			return Done{}, &Error{Kind: NoAccount}
		}
		account := accounts[0]
		fingerprints := s.o.Keys.fingerprints(account)
		if !slices.Contains(fingerprints, verdict.Fingerprint) {
			// The password has changed since the send. If this very request matched before the change, it may be what
			// changed it, and is told so; everybody else learns nothing of the password now there (T18, T45).
			if !matchedBefore {
				return Done{}, &Error{Kind: Expired}
			}
			ours, err := account.Verify(ctx, r.Password)
			if err != nil {
				return Done{}, usersError(err)
			}
			if !ours {
				return Done{}, &Error{Kind: Expired}
			}
			return s.finish(ctx, c, n, verdict, request, []Keyed{verdict.Fingerprint}), nil
		}

		// 4. and 5. Hash, and set if the row still is as read. Whoever sets first wins (T04).
		err = s.o.Directory.SetPassword(ctx, account, r.Password)
		switch {
		case err == nil:
			// 6. Committed: success, whatever becomes of FINISH.
			done := s.finish(ctx, c, n, verdict, request, fingerprints)
			s.inBackground(ctx, c, n, func(ctx context.Context) { s.redeemed(ctx, c, n) })
			return done, nil
		case errors.Is(err, ErrStale):
			matchedBefore = true // it came before whatever changed the row, since it has read what was there
		default:
			return Done{}, usersError(err)
		}
	}
	return Done{}, &Error{Kind: UsersDown, RetryAfter: downTime, Cause: errors.New("the row kept changing while its password was being set")}
}

// guess asks the store for a verdict; its error is the answer to everything but a match.
func (s *Service) guess(ctx context.Context, c Client, n Number, code Code, request Name, accounts []Account) (Verdict, error) {
	guess := Guess{
		Number: s.o.Keys.NumberName(n), Checks: s.o.Keys.checks(n, code), Request: request,
		Guesses: s.o.Code.Guesses, PoolGuesses: s.o.Code.PoolGuesses, Grace: matchGrace,
		Restriction: s.restriction(),
	}
	if validFlow(c.Flow) {
		guess.Flow = s.flowName(c.Flow)
	}
	if len(accounts) == 1 {
		guess.Account, guess.Fingerprints = s.accountName(accounts[0].ID), s.o.Keys.fingerprints(accounts[0])
	}
	verdict, err := s.o.Codes.Guess(ctx, guess)
	if err != nil {
		return Verdict{}, &Error{Kind: StoreDown, RetryAfter: downTime, Cause: err}
	}
	switch verdict.Outcome {
	case GuessMatch:
		return verdict, nil
	case GuessExpired:
		return Verdict{}, &Error{Kind: Expired}
	case GuessExhausted:
		return Verdict{}, &Error{Kind: TooManyWrong}
	case GuessRestricted:
		return Verdict{}, &Error{Kind: TooManyWrong, Budget: "number_wrong_day"}
	case GuessUnknownKey:
		return Verdict{}, unknownKey()
	case GuessWrong:
		if !verdict.Remembered {
			if err := s.countWrong(ctx, c, n, verdict); err != nil {
				return Verdict{}, err
			}
		}
		return Verdict{}, &Error{Kind: WrongCode, AttemptsLeft: verdict.AttemptsLeft}
	}
	return Verdict{}, &Error{Kind: Internal, Cause: fmt.Errorf("the code store answered with verdict %d", verdict.Outcome)}
}

// finish does what follows a reset. The reset stands whatever becomes of it: the fingerprint fits no more.
func (s *Service) finish(ctx context.Context, c Client, n Number, v Verdict, request Name, replaced []Keyed) Done {
	if v.Used {
		return Done{Device: s.deviceToken(n)}
	}
	settling, end := toSettle(ctx)
	defer end()
	err := s.o.Codes.Finish(settling, Redemption{
		Number: s.o.Keys.NumberName(n), Flow: v.Flow, Nonce: v.Nonce, Request: request,
		Account: v.Account, Fingerprints: replaced,
	})
	if err != nil {
		s.record(ctx, c, n, Event{Kind: EventFinish, Outcome: StoreDown.String(), Err: err})
	}
	return Done{Device: s.deviceToken(n)}
}

// toTheEnd lets an operation run to its end though the client has hung up: whoever leaves between a charge and its
// answer must not keep it from being given back, nor a guess from being counted (T01, T29).
func toTheEnd(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), operationTime)
}

// toSettle is time for what must follow an operation, whatever became of the operation's own.
func toSettle(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), settleTime)
}

// find looks a number up in the users table, within bounds: one that hangs is down, and requests don't pile up behind it.
func (s *Service) find(ctx context.Context, n Number) ([]Account, error) {
	defer s.finding.Add(-1)
	if s.finding.Add(1) > mostFinds {
		return nil, &Error{Kind: UsersDown, RetryAfter: downTime, Cause: errors.New("the users database is so slow that too many look-ups wait for it")}
	}
	ctx, end := context.WithTimeout(ctx, cmp.Or(s.o.FindTime, findTime))
	defer end()
	accounts, err := s.o.Directory.Find(ctx, n)
	if err != nil {
		return nil, &Error{Kind: UsersDown, RetryAfter: downTime, Cause: err}
	}
	return accounts, nil
}

// afterTheAnswer waits until the answer is on its way, and a random while longer.
func afterTheAnswer() {
	var b [1]byte
	rand.Read(b[:])
	time.Sleep(answerTime + spreadTime*time.Duration(b[0])/256)
}

// level holds an answer back until the next step of the grid, where nobody may know who has an account.
func (s *Service) level(began time.Time) {
	if !s.o.Disclosure {
		time.Sleep(answerGrid - time.Since(began)%answerGrid)
	}
}

// usersError is the answer to a failure of the users table or of the hashing before it.
func usersError(err error) error {
	if errors.Is(err, ErrBusy) {
		return &Error{Kind: Busy, RetryAfter: busyTime, Cause: err}
	}
	if errors.Is(err, ErrPassword) {
		return &Error{Kind: InvalidPassword, Rule: RuleHash, Cause: err} // the code stays good for another one
	}
	return &Error{Kind: UsersDown, RetryAfter: downTime, Cause: err}
}

func (s *Service) flowName(flow string) Name  { return s.o.Keys.Name("flow", flow) }
func (s *Service) accountName(id string) Name { return s.o.Keys.Name("account", id) }
