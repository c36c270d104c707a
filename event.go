package rekey

import (
	"net/netip"
	"time"
)

// EventKind names what happened.
type EventKind string

// The kinds of events. That a budget of the whole service is used up or nearly so, that nobody redeems the codes of a prefix
// or a country, and that a number has several accounts, would be so with every further request: as EventAlarm or EventWarning
// a replica tells each of them once a day (UTC), and each request has an event of its own.
const (
	EventCheck     EventKind = "check"     // somebody asked whether a number is registered
	EventSend      EventKind = "send"      // somebody asked for a code
	EventDeliver   EventKind = "deliver"   // what became of a message: a provider took it, none did, or nobody knows. One a message
	EventAttempt   EventKind = "attempt"   // one provider's part in that; a Sender that knows several tells of each
	EventProvider  EventKind = "provider"  // a provider was set aside ("aside") since it failed too often, or is back ("back")
	EventReceipt   EventKind = "receipt"   // a provider's later word on what became of a message; most are not signed
	EventReset     EventKind = "reset"     // somebody tried a code with a new password
	EventRefused   EventKind = "refused"   // a request did not get as far as the recovery: cross-site, malformed
	EventForwarded EventKind = "forwarded" // a peer that is no trusted proxy sends X-Forwarded-For, which is ignored; told once a peer
	EventWarning   EventKind = "warning"   // a budget of the whole service is nearly used up; or charges could not be settled, the store being down
	EventAlarm     EventKind = "alarm"     // an operator should look: several accounts, attack on a number, spend stopped, a provider refuses our account
	EventFinish    EventKind = "finish"    // the step after a successful reset failed; the reset stands
	EventWithdraw  EventKind = "withdraw"  // an undelivered code was taken back, or could not be
)

// Event is one thing that happened. It carries no code, password or secret, and its Number is masked wherever it is
// written (T36).
type Event struct {
	Kind     EventKind
	At       time.Time
	Request  string     // the request's id
	Number   Number     // zero: none was given, or it did not parse
	Name     Name       // the number's keyed name: what a history is found by
	Address  netip.Addr // the client's
	Outcome  string     // "ok", or the Kind of the error, such as "wrong_code"
	Budget   string     // the setting that refused or is nearly used up
	Message  string     // our id of the message
	Provider string
	Receipt  string // the provider's id of the message
	Code     string // the provider's own code for what it answered
	Price    int64  // of the message, in millionths; of one that nobody knows of, the most that it may have cost
	Elapsed  time.Duration
	Err      error // the cause, for operators
}
