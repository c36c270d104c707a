package sms

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

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
	Unread      int    // receipts beside Reports that can't be read
	Cause       error  // why the first of them can't; nil if there are none
	ContentType string // of Answer; empty: text/plain
	Answer      string // the body of the answer, with status 200; empty: 204
}

// splitReceipts takes a JSON array of receipts apart without reading them: there may be half a million in a body of a
// stranger who has learnt the address (T22).
func splitReceipts(body []byte) ([]json.RawMessage, error) {
	var receipts []json.RawMessage
	if json.Unmarshal(body, &receipts) != nil || receipts == nil {
		return nil, errors.New("the body is not an array of receipts") // the cause quotes the body (T36)
	}
	if len(receipts) > maxReports {
		return nil, errTooMany
	}
	return receipts, nil
}

// readEach reads the receipts of a push, whose answer is set. One that can't be read is counted and passed over: if it
// cost the push the vendor would send all of them again, with the same end each time, and the others would never count. If
// there are some and none can be read the error is that of the first, since then it is rather the form that is another.
func readEach[T any](push Push, receipts []T, read func(T) (Report, error)) (Push, error) {
	for _, receipt := range receipts {
		report, err := read(receipt)
		if err == nil {
			push.Reports = append(push.Reports, report)
			continue
		}
		if push.Unread++; push.Unread == 1 {
			push.Cause = err
		}
	}
	if push.Unread > 0 && len(push.Reports) == 0 {
		return Push{}, push.Cause
	}
	return push, nil
}

// ErrForged says that a request was not signed by the vendor.
var ErrForged = errors.New("the signature is not the vendor's")

// reportNumber is the number that a receipt says, by its calling code and the digits after it. It is zero where that is
// none: other programs may send by the same account, to what is no mobile number, and the receipt counts all the same.
func reportNumber(calling, national string) rekey.Number {
	n, err := rekey.NewNumber("", calling, national)
	if calling == mainland {
		n, err = rekey.ChinaMobile(national)
	}
	if err != nil {
		return rekey.Number{}
	}
	return n
}

// reportE164 is the number that a receipt says in E.164, with plus, 00 or neither before its calling code; zero as with
// reportNumber.
func reportE164(s string) rekey.Number {
	digits := strings.TrimPrefix(strings.TrimPrefix(s, "+"), "00")
	calling := callingCodeLength(digits)
	if len(digits) <= calling {
		return rekey.Number{}
	}
	return reportNumber(digits[:calling], digits[calling:])
}

// callingCodeLength is how many of the digits of a number in E.164 are its country calling code (ITU-T, "List of
// Recommendation ITU-T E.164 assigned country codes"): one in the zones 1 and 7, two as listed, else three.
func callingCodeLength(digits string) int {
	const two = "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 " +
		"60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98"
	switch {
	case strings.HasPrefix(digits, "1"), strings.HasPrefix(digits, "7"):
		return 1
	case len(digits) >= 2 && slices.Contains(strings.Fields(two), digits[:2]):
		return 2
	}
	return 3
}
