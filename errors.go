package rekey

import (
	"errors"
	"time"
)

// Kind is the closed set of ways in which the recovery says no. A front end has one table from Kind to its answers.
type Kind int

// The kinds, in the order in which contract and protocol meet them.
const (
	Internal        Kind = iota // a fault of ours
	InvalidNumber               // the mobile number is not of the plan's form
	InvalidPassword             // the new password breaks the policy; Error.Rule says which rule
	InvalidCode                 // the code is not six ASCII digits
	NotRegistered               // nobody is registered under the number (only with disclosure)
	SeveralAccounts             // the number belongs to several accounts (only with disclosure)
	TooSoon                     // a code was sent to this number within the interval
	Limited                     // a budget is used up
	Expired                     // no code is live: none sent, expired, used, or void since the password changed
	WrongCode                   // a wrong guess; Error.AttemptsLeft says how many remain
	TooManyWrong                // the code's guesses are used up
	NoAccount                   // the account is gone, inactive, or its number moved since the code was sent
	NotDelivered                // every provider refused or failed for certain
	UsersDown                   // the users database failed; nothing that the person had is lost
	StoreDown                   // the code store failed; nothing that the person had is lost
	Busy                        // the hashing queue is full; nothing was charged
)

var kindNames = [...]string{"internal", "invalid_number", "invalid_password", "invalid_code", "not_registered",
	"several_accounts", "too_soon", "limited", "expired", "wrong_code", "too_many_wrong", "no_account",
	"not_delivered", "users_down", "store_down", "busy"}

// String is the kind's name in logs and metrics, such as "too_soon".
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return "unknown"
	}
	return kindNames[k]
}

// Error is what Check, Send and Reset return when the answer is no. Error() is for operators; people get the text of
// the Kind from the front end, never the cause.
type Error struct {
	Kind         Kind
	RetryAfter   time.Duration // when trying again makes sense; 0: not known
	AttemptsLeft int           // with WrongCode
	Rule         PolicyRule    // with InvalidPassword
	Budget       string        // with Limited and TooManyWrong: the setting that refuses, for operators
	Cause        error         // for the log; holds no number, code, password or secret (T36)
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Kind.String() + ": " + e.Cause.Error()
	}
	return e.Kind.String()
}

func (e *Error) Unwrap() error { return e.Cause }

// KindOf is the Kind of an error of this package, and Internal for any other error.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Errors that the doors return; callers wrap them with the cause.
var (
	// ErrStale: the row is no longer what the Account says (Directory.SetPassword).
	ErrStale = errors.New("the row has changed since it was read")
	// ErrPassword: the application can't take this password, as bcrypt can't hold more than 72 bytes
	// (Directory.SetPassword).
	ErrPassword = errors.New("the application can't take this password")
	// ErrBusy: no place in the hashing pool within its bound (Directory.SetPassword, Account.Verify).
	ErrBusy = errors.New("the password hashing queue is full")

	// ErrRejected: the provider said for certain that it did not take the message, because of this number or message.
	ErrRejected = errors.New("the provider refused the message")
	// ErrUnavailable: for certain not taken, because of the provider or the way to it.
	ErrUnavailable = errors.New("the provider is not available")
	// ErrUnknown: the request left and no clear answer came; the message may be on its way.
	ErrUnknown = errors.New("the provider's answer is unknown")
)
