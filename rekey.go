package rekey

import (
	"context"
	"net/netip"
	"time"
)

// Client is who asks: what the front end knows of a request beyond its parameters.
type Client struct {
	Address   netip.Addr // after trusted proxies; the zero Addr skips the budgets of the address: for embedders who have none
	Flow      string     // handed back from an earlier Sent; empty or malformed: none
	Device    string     // handed back from an earlier Done; empty or unknown: none
	Language  string     // of the message, BCP 47
	RequestID string     // for events
}

// Sent is the answer to a send.
type Sent struct {
	Flow       string        // to be handed back with the reset; the client's own if it brought one
	RetryAfter time.Duration // until the next code may be asked for
	ExpiresIn  time.Duration // of the code
}

// ResetRequest is what a person types to reset a password.
type ResetRequest struct {
	Mobile, Code, Password string
}

// Done is the answer to a successful reset.
type Done struct {
	Device string // to be handed back with later sends for this number: a known device has two more
}

// Options are the parts and settings of a Service. Directory, Codes, Limiter, Sender and Keys are required.
type Options struct {
	Directory Directory
	Codes     Codes
	Limiter   Limiter
	Sender    Sender
	Recorder  Recorder // nil: nobody is told
	Keys      *Keyring

	Plan       Plan    // nil: ChinaMobile
	Policy     *Policy // nil: classic, with the blocklist
	Disclosure bool    // tell whether a number is registered
	Code       CodeSettings
	Limits     Limits
	Proof      ProofMode
	MaxPrice   int64 // of one message, in millionths: what a send takes from ServiceSpendDay until its Receipt says less
}

// Service is the recovery. It is safe for concurrent use.
type Service struct {
	o Options
}

// New makes a Service.
func New(o Options) (*Service, error) { panic("being written") }

// Check tells how many accounts that can be recovered are registered under a number.
func (s *Service) Check(ctx context.Context, c Client, mobile string) (int, error) {
	panic("being written")
}

// Send sends a code.
func (s *Service) Send(ctx context.Context, c Client, mobile string) (Sent, error) {
	panic("being written")
}

// Reset redeems a code for a new password.
func (s *Service) Reset(ctx context.Context, c Client, r ResetRequest) (Done, error) {
	panic("being written")
}

// Drain waits until the messages that Send has left to the background are delivered or ctx ends.
func (s *Service) Drain(ctx context.Context) error { panic("being written") }
