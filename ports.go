package rekey

import (
	"context"
	"time"
)

// The doors of the house. A back-end is a type behind one of them and passes that door's conformance suite. Every
// implementation is safe for concurrent use, honours the context's deadline, and keeps numbers, codes, passwords and
// secrets out of its errors (T36).

// Directory is the application's users table.
type Directory interface {
	// Find returns the accounts registered under n that can be recovered: none, one or several. An inactive account,
	// or one without a usable password, is not among them. No account is no error; an error means that the database
	// failed.
	Find(ctx context.Context, n Number) ([]Account, error)

	// SetPassword stores a hash of password, in the table's own format, if the row's id, number and password still
	// are what a says: one compare-and-set in one transaction. ErrStale: they are not, and nothing was written.
	// ErrBusy: no place in the hashing pool. ErrPassword: the application can't take this password. Any other error: not
	// written, or not known to be written; the next Find tells.
	SetPassword(ctx context.Context, a Account, password string) error
}

// Account is a row of the users table as Find read it.
type Account struct {
	ID     string // the primary key as text
	Number Number // the number it was found under
	Hash   string // the password column as stored; never logged
	// Verify reports whether password is the one that Hash was made from. It waits for a place in the hashing pool
	// and fails with ErrBusy if there is none.
	Verify func(ctx context.Context, password string) (bool, error)
}

// Name is what a store keys things by: a keyed hash (Keyring.Name), so that a dump of the store says no number (T11).
type Name string

// Keyed is a value made with one of the configured keys.
type Keyed struct {
	Key   KeyID
	Value Name
}

// Codes keeps what the protocol calls records: per number its counters, per (number, flow) one code. Every method is
// one atomic step on the store's own clock: with any number of callers on any number of machines the outcome is as if
// they came one after the other. An error means that the step may or may not have happened; repeating it is safe.
type Codes interface {
	// Issue applies interval and caps, then makes the record of (Number, Flow) or renews the live one. The request that
	// made the number's latest issue, told by its Nonce, gets its answer again and changes nothing.
	Issue(ctx context.Context, r IssueRequest) (Issued, error)
	// Withdraw takes back an Issue whose message was certainly not delivered: the earlier expiry (or no record, after
	// a first issue) and the interval. It does nothing if the record has been issued again or matched since.
	Withdraw(ctx context.Context, t Ticket) error
	// Guess counts and compares at once.
	Guess(ctx context.Context, g Guess) (Verdict, error)
	// Finish marks a redeemed record as used and starts the number's wrong guesses in a row anew. It does nothing to
	// a record that is no longer of that nonce, and nothing at all if the record is used already.
	Finish(ctx context.Context, r Redemption) error
}

// IssueRequest is one Codes.Issue. The settings travel with the request, so that a store keeps none.
type IssueRequest struct {
	Number       Name
	Flow         Name    // the client's; empty: none; one without a record for this number counts as none
	NewFlow      Name    // what a record is made under if Flow counts as none: nobody can choose another's flow
	Account      Name    // the account's keyed id
	Fingerprints []Keyed // of the password column as read, one a configured key; never empty

	// What a new record gets. A renewed one keeps its own.
	Key   KeyID
	Nonce string // new with each request that is not the same one again
	Check Name

	Lifetime  time.Duration   // from now, at each issue
	MaxAge    time.Duration   // no renewal lives longer than this after the record's first issue
	Intervals []time.Duration // to the next send, by the sends since the last redemption; the last one repeats
	HourSends int             // sends in any hour; 0: no cap
	DaySends  int             // sends in any 24 hours; 0: no cap
	LiveFlows int             // live records of this number in other flows; 0: no cap
	Guesses   int             // own wrong guesses after which a record is not renewed but replaced

	// Restriction is that of a Guess: where it would refuse the record's next guess in its flow, the record is replaced
	// too. A person who is told to ask for a new code gets one that can be redeemed.
	Restriction

	// Replace is the version that an earlier Issue's IssueChanged told: a record of this version whose fingerprint
	// differs is replaced. 0: such a record is left alone and told of.
	Replace uint64
}

// IssueOutcome is what Codes.Issue did.
type IssueOutcome int

// The outcomes. Only IssueMade and IssueRenewed change anything.
const (
	IssueMade       IssueOutcome = iota + 1 // a new record
	IssueRenewed                            // the live record again: the same code, lifetime from now
	IssueTooSoon                            // within the interval
	IssueLimited                            // the hour's or the day's cap
	IssueFlows                              // too many live flows
	IssueChanged                            // the record's fingerprint differs; Issued.Ticket.Version says which record
	IssueUnknownKey                         // the live record was made with a key that this caller does not have
)

// Issued is the outcome of Codes.Issue.
type Issued struct {
	Outcome    IssueOutcome
	Ticket     Ticket        // with IssueMade and IssueRenewed
	RetryAfter time.Duration // until the next send may succeed, for IssueMade and IssueRenewed too
	ExpiresIn  time.Duration // with IssueMade and IssueRenewed
}

// Ticket names one issue of one record.
type Ticket struct {
	Number, Flow Name
	Version      uint64 // of the record; every issue gives a new one, unique to the number while the store remembers it
	Key          KeyID  // with Nonce: what the code is drawn from
	Nonce        string
	PriorExpiry  time.Time // on the store's clock; zero after a first issue
	PriorVersion uint64
}

// Guess is one Codes.Guess.
type Guess struct {
	Number  Name
	Flow    Name    // empty: none; one without a record for this number counts as none
	Checks  []Keyed // of the guessed code, one a configured key
	Request Name    // the same request has the same name

	// The account as the caller read it just before, by its keyed id, and the fingerprint of its password column, one a
	// configured key; empty: there is none. The match of a code that was made for another account or another password is
	// told and not remembered: only a request that matched before the change may learn of its own success (T45).
	Account      Name
	Fingerprints []Keyed

	Guesses     int           // wrong guesses a record bears in its own flow
	PoolGuesses int           // wrong guesses it bears from callers without its flow; 0: the flow is required
	Grace       time.Duration // a first match moves the expiry to at least this from now
	Restriction
}

// Restriction is how a number is treated that bears many wrong guesses: only a record's first guess in its flow is free.
type Restriction struct {
	DayWrong int  // wrong guesses in 24 h after which it begins; 0: no cap
	RowWrong int  // wrong guesses in a row since the last success after which a proof does not help; 0: no cap
	Proven   bool // the request carries a proof of work, which frees it until RowWrong
	Strict   bool // treat the number as if DayWrong were reached
}

// GuessOutcome is what Codes.Guess found.
type GuessOutcome int

// The outcomes. GuessWrong is charged, once for each Request name; no other is.
const (
	GuessExpired    GuessOutcome = iota + 1 // no live record, or used
	GuessWrong                              // compared and wrong
	GuessMatch                              // compared and right
	GuessExhausted                          // the record's guesses are used up: not compared
	GuessRestricted                         // the number bears too many wrong guesses and no proof came: not compared
	GuessUnknownKey                         // made with a key that this caller does not have: not compared
)

// Verdict is the outcome of Codes.Guess.
type Verdict struct {
	Outcome      GuessOutcome
	Remembered   bool // this very request had its verdict before
	Used         bool // with GuessMatch: the record was redeemed before
	AttemptsLeft int  // with GuessWrong
	WrongInRow   int  // with a charged GuessWrong: the number's wrong guesses since its last success

	// With GuessMatch: the record.
	Flow        Name
	Nonce       string
	Account     Name
	Fingerprint Keyed
}

// Redemption is one Codes.Finish.
type Redemption struct {
	Number, Flow Name
	Nonce        string
	Request      Name    // remembered as a match for as long as the record stands
	Account      Name    // with Fingerprints: the number's other records that died with this password
	Fingerprints []Keyed // of the password that was replaced, one a configured key
}

// Limiter takes from soft budgets on the store's clock.
type Limiter interface {
	// Take makes all charges or, if one refuses, none; each is exact under concurrency. An error means that the
	// budgets can't be known: the caller refuses.
	Take(ctx context.Context, charges ...Charge) (Decision, error)
}

// ChargeKind says how a Charge is counted.
type ChargeKind int

// The kinds.
const (
	// Rate is a generic cell rate algorithm (ITU-T I.371, annex A): Limit at once, refilled evenly over Window.
	Rate ChargeKind = iota + 1
	// Daily counts up to Limit in a calendar day, in UTC.
	Daily
	// Conversion counts Cost as sent; it refuses when Limit or more were sent within Window and less than Floor of
	// them were redeemed.
	Conversion
	// Redeemed counts Cost as redeemed for the Conversion of the same name. It never refuses.
	Redeemed
)

// Charge is one charge against one budget.
type Charge struct {
	Budget string // the setting's name, such as "address_sends_10m": for events and people, not part of the identity
	Name   Name   // which bucket; charges of several windows and kinds, but for two Daily ones, may share one, at the cost of one
	Kind   ChargeKind
	Limit  int64
	Window time.Duration // Rate and Conversion
	Floor  float64       // Conversion
	Cost   int64         // 0: only look; negative: give back, which never refuses; such stand in a call of their own

	// Once, if set, names what is counted at most once within OnceFor, such as an address asking for a number: while
	// that mark stands the charge costs and refuses nothing. Whether another bucket sees the mark is up to the store.
	Once    Name
	OnceFor time.Duration

	// made is when the recovery drew the charge up: what was taken on a day can't be given back on the next.
	made time.Time
}

// Decision is the outcome of Limiter.Take.
type Decision struct {
	Refused    int           // index of the first charge that refuses; -1: all were taken
	RetryAfter time.Duration // with a refusal: until that charge would pass
	Used       []int64       // by charge: what is used of Limit after the call
}

// Sender delivers one message.
type Sender interface {
	// Send hands m to a provider. Its error wraps ErrRejected, ErrUnavailable or ErrUnknown; any other error counts
	// as ErrUnknown. With ErrUnknown the Receipt may say a price: the most that the message may have cost.
	Send(ctx context.Context, m Message) (Receipt, error)
}

// Message is one text to one person.
type Message struct {
	ID        string // unique to the message; a provider that can uses it against doubles
	To        Number
	Code      Code
	Language  string        // BCP 47, such as "zh-CN"
	ExpiresIn time.Duration // of the code, at the time of sending
}

// Receipt is a provider's word that it took a message.
type Receipt struct {
	Provider string // the configured name
	ID       string // the provider's own id of the message, if it gives one
	Price    int64  // in millionths of the unit that the operator configured
}

// Recorder is told what happened; one Event feeds audit, log, metrics and webhooks alike. Record must not block on
// anything slow and has no say in the recovery.
type Recorder interface {
	Record(ctx context.Context, e Event)
}
