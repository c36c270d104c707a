package sms

import (
	"context"
	"errors"
	"net/http"

	"rekey"
)

// Report is a vendor's delivery receipt: its later word on what became of a message that it took. Most vendors sign
// none, so that anybody who has learnt the address could send one: a Report is information, and no part of the recovery
// may hang on it.
type Report struct {
	ID      string        // the vendor's own id of the message, as rekey.Receipt had it
	Message string        // our id of the message, where the vendor hands it back; else empty
	To      rekey.Number  // the zero Number where the vendor does not say
	State   DeliveryState // what became of the message
	Code    string        // the vendor's own code, as far as VendorCode lets it pass
}

// DeliveryState is what became of a message.
type DeliveryState int

// The states. Only Delivered and Undelivered are final.
const (
	Pending     DeliveryState = iota + 1 // on its way: with an operator, or waiting for the phone to be reached
	Delivered                            // the phone has it
	Undelivered                          // given up
)

var deliveryStateNames = [...]string{"", "pending", "delivered", "undelivered"}

// String is the state's name in logs and metrics, such as "delivered".
func (s DeliveryState) String() string {
	if s <= 0 || int(s) >= len(deliveryStateNames) {
		return "invalid"
	}
	return deliveryStateNames[s]
}

// Pusher is a Provider whose vendor pushes its receipts to us over HTTP.
type Pusher interface {
	// Pushed reads one request of the vendor's, whose body has been read within a limit already. The request's address has
	// its secret part checked before. An error that wraps ErrForged says that the vendor signs and this signature is not
	// its own; any other error, that the request is not of the vendor's form. Errors hold nothing of the request (T36).
	// Pushed is safe for concurrent use.
	Pushed(ctx context.Context, r *http.Request, body []byte) (Push, error)
}

// Push is what a vendor pushed, and the answer that it wants: another one, and it pushes again.
type Push struct {
	Reports     []Report
	ContentType string // of Answer; empty: text/plain
	Answer      string // the body of the answer, with status 200; empty: 204
}

// ErrForged says that a request was not signed by the vendor.
var ErrForged = errors.New("the signature is not the vendor's")
