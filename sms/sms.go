// Package sms delivers codes as text messages: the texts (Texts), the providers (Inbox, HTTP) and the order in which
// providers are tried (Failover).
//
// Every provider is a rekey.Sender that says of each message whether it was taken, refused for certain
// (rekey.ErrRejected, rekey.ErrUnavailable), or whether nobody can know (rekey.ErrUnknown). The recovery takes a code
// back only if it was refused for certain, so a provider that is in doubt says unknown.
package sms

import (
	"context"
	"time"

	"rekey"
)

// Provider is one way of delivering messages, with what an operator needs to try it out. Providers know neither their
// configured name nor their price: Failover puts both into the receipts.
type Provider interface {
	rekey.Sender

	// Preview is what Send would hand over, for the eyes of an operator: the text, the number and the code are in it,
	// the secrets of the configuration are masked. Nothing is sent.
	Preview(m rekey.Message) (string, error)

	// Try is Send that also gives the provider's own answer, word for word except for unprintable characters (T37),
	// and as far as one came. The answer may repeat the number and the code: it is for the terminal of an operator
	// who sends a test message, never for a log or a client (T36).
	Try(ctx context.Context, m rekey.Message) (answer string, err error)

	// Size is what m comes to and is billed as. Where the vendor fills a registered template, its text is not known here:
	// such a provider says one segment, which is what the templates of docs/sms-vendors.md come to, of no encoding.
	Size(m rekey.Message) Size
}

// DefaultTimeout is how long one provider may take for one message. Gateways answer within a second; a person who
// waits is served better by the next provider than by the fourth second of this one.
const DefaultTimeout = 5 * time.Second
