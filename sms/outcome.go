package sms

import (
	"errors"
	"strings"

	"rekey"
)

// Outcome is what became of one attempt to hand a message to one provider. Every provider turns its vendor's answers into
// one of these; what the recovery makes of them is decided by the error that each wraps.
type Outcome int

// The outcomes. What is done about them is in Failover.
const (
	Sent            Outcome = iota + 1 // the provider took the message
	RejectedNumber                     // refused, because of this number or message: another one may pass
	RejectedAccount                    // refused, because of our account: credentials, balance, signature or template. No message passes until an operator acts
	Throttled                          // refused, because too much was sent: by us altogether, not to this number
	Unavailable                        // certainly not taken, because of the provider or the way to it
	Unknown                            // the request left and no clear answer came: the message may be on its way
)

var outcomeNames = [...]string{"", "sent", "rejected_number", "rejected_account", "throttled", "unavailable", "unknown"}

// String is the outcome's name in logs and metrics, such as "rejected_account".
func (o Outcome) String() string {
	if o <= 0 || int(o) >= len(outcomeNames) {
		return "invalid"
	}
	return outcomeNames[o]
}

// kind is the error of package rekey that an outcome other than Sent comes to.
func (o Outcome) kind() error {
	switch o {
	case RejectedNumber:
		return rekey.ErrRejected
	case RejectedAccount, Throttled, Unavailable:
		return rekey.ErrUnavailable
	}
	return rekey.ErrUnknown
}

// Refusal is the error of a provider that did not take a message, or may have. It wraps rekey.ErrRejected (RejectedNumber),
// rekey.ErrUnavailable (RejectedAccount, Throttled, Unavailable) or rekey.ErrUnknown.
type Refusal struct {
	Outcome Outcome
	// Code is the vendor's own code, such as "isv.BUSINESS_LIMIT_CONTROL", as far as VendorCode lets it pass; empty: it
	// gave none.
	Code string
	// Detail says in our words what happened or what an operator should do. It holds nothing of the request and no text of
	// the vendor's, which may repeat number, code and credentials (T36).
	Detail string
}

func (r *Refusal) Error() string {
	s := r.Outcome.kind().Error()
	if r.Outcome == RejectedAccount {
		s = "the provider refuses our account"
	} else if r.Outcome == Throttled {
		s = "the provider throttles us"
	}
	if r.Code != "" {
		s += ": " + r.Code
	}
	if r.Detail != "" {
		s += ": " + r.Detail
	}
	return s
}

func (r *Refusal) Unwrap() error { return r.Outcome.kind() }

// OutcomeOf is the outcome that the error of a Sender says: that of its Refusal, or, from a Sender that gives none, what
// it wraps. An error that wraps none of rekey's three is Unknown.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return Sent
	}
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Outcome
	}
	switch {
	case errors.Is(err, rekey.ErrUnknown):
		return Unknown
	case errors.Is(err, rekey.ErrRejected):
		return RejectedNumber
	case errors.Is(err, rekey.ErrUnavailable):
		return Unavailable
	}
	return Unknown
}

// codeOf is the vendor's code in the error of a Sender, or "".
func codeOf(err error) string {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Code
	}
	return ""
}

// maxVendorCode bounds a vendor's code. The longest known is some 60 characters
// ("FailedOperation.SignatureIncorrectOrUnapproved" has 46).
const maxVendorCode = 80

// VendorCode is a vendor's code as it may be kept and logged: letters, digits and . _ : - only, so that it steers no
// terminal (T37); no run of six digits or more, which might be a number or a code; and no word of sixteen characters or
// more that mixes letters and digits, which might be a credential and is no code of any vendor's (T36). Anything else is
// "(unreadable)".
func VendorCode(s string) string {
	if len(s) > maxVendorCode {
		return unreadable
	}
	digits, letters, mixed := 0, 0, 0 // the run of digits; the letters and the digits of the word
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits++
			mixed++
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
			digits = 0
			letters++
		case strings.IndexByte("._:-", c) >= 0:
			digits, letters, mixed = 0, 0, 0
		default:
			return unreadable
		}
		if digits >= 6 || letters > 0 && mixed > 0 && letters+mixed >= 16 {
			return unreadable
		}
	}
	return s
}

const unreadable = "(unreadable)"
