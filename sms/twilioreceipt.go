package sms

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Pushed reads a delivery receipt (https://www.twilio.com/docs/messaging/guides/track-outbound-message-status). Its
// signature is checked against the address that the vendor was told, and not against what the request says, which proxies
// change on its way.
func (t *Twilio) Pushed(_ context.Context, r *http.Request, body []byte) (Push, error) {
	if t.receipt == "" {
		return Push{}, fmt.Errorf("%w: no receipts were asked for", ErrForged)
	}
	if r.Method != http.MethodPost {
		return Push{}, errors.New("receipts of Twilio come by POST")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return Push{}, errors.New("not a form as Twilio pushes it") // the cause quotes the body (T36)
	}
	address := t.receipt
	if r.URL.RawQuery != "" {
		address += "?" + r.URL.RawQuery
	}
	if !t.signed(r.Header.Get("X-Twilio-Signature"), address, form) {
		return Push{}, ErrForged
	}
	report := Report{ID: form.Get("MessageSid"), To: reportE164(form.Get("To")), Code: VendorCode(form.Get("ErrorCode"))}
	if !isTwilioMessage(report.ID) {
		return Push{}, errors.New("a receipt without MessageSid, or with one that is none")
	}
	if id := r.URL.Query().Get("m"); vendorID(id) {
		report.Message = id
	}
	switch form.Get("MessageStatus") {
	case "accepted", "scheduled", "queued", "sending", "sent", "partially_delivered":
		report.State = Pending
	case "delivered", "read":
		report.State = Delivered
	case "undelivered", "failed", "canceled":
		report.State = Undelivered
	default:
		return Push{}, errors.New("a receipt whose MessageStatus is not one of an outgoing message")
	}
	return Push{Reports: []Report{report}}, nil
}

// signed says whether the signature is the vendor's over address and form. The vendor is not consistent in whether it names
// the scheme's own port there, so that its own libraries try both (github.com/twilio/twilio-go, client/request_validator.go).
func (t *Twilio) signed(signature, address string, form url.Values) bool {
	valid := false
	for _, a := range []string{address, otherPort(address)} {
		if hmac.Equal([]byte(signature), []byte(twilioSignature(t.authToken, a, form))) {
			valid = true
		}
	}
	return valid
}

// twilioSignature is the vendor's signature over an address and the fields of a form: its HMAC-SHA-1 over the address and
// all names and values, by name (https://www.twilio.com/docs/usage/webhooks/webhooks-security). SHA-1's weakness against
// collisions is none in an HMAC (RFC 6194, section 3.3).
func twilioSignature(token, address string, form url.Values) string {
	mac := hmac.New(sha1.New, []byte(token))
	io.WriteString(mac, address)
	for _, name := range slices.Sorted(maps.Keys(form)) {
		values := slices.Clone(form[name])
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			io.WriteString(mac, name+value)
		}
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// otherPort is the address with the port of its scheme, or without a port if it names one.
func otherPort(address string) string {
	scheme, rest, _ := strings.Cut(address, "://")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	host, after := rest[:end], rest[end:]
	if colon := strings.LastIndexByte(host, ':'); colon > strings.LastIndexByte(host, ']') { // not within an IPv6 address
		return scheme + "://" + host[:colon] + after
	}
	port := ":443"
	if scheme == "http" {
		port = ":80"
	}
	return scheme + "://" + host + port + after
}
