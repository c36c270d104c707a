package sms

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"rekey"
)

// TwilioConfig describes an account at Twilio. Its printed form hides everything.
type TwilioConfig struct {
	AccountSID string // required: AC and 32 hexadecimal digits
	AuthToken  string // required: the account's primary token, with which Twilio signs receipts too
	// From is the sender: a number in E.164, a short code, or an alphanumeric sender ID of at most 11 characters.
	// MessagingService is the SID of a messaging service, which chooses among its senders. One of the two is required.
	From, MessagingService string
	// ReceiptURL is the full public address of this provider's receipts, without a query. Each message tells it to the vendor,
	// so that nothing is to be set in its console. Empty: there are no receipts.
	ReceiptURL string
	Endpoint   string        // scheme and host; empty: https://api.twilio.com
	Timeout    time.Duration // for one message; 0: DefaultTimeout

	Texts     *Texts            // required
	Transport http.RoundTripper // shared between providers; nil: one of its own, as NewTransport makes it
}

// Format hides the configuration whatever the verb (T36).
func (TwilioConfig) Format(f fmt.State, _ rune) { io.WriteString(f, "(Twilio provider)") }

// Twilio is the provider "twilio": the resource Messages of Twilio's Programmable Messaging (2010-04-01). The person reads
// our text.
//
// The vendor does not recognize a message that is sent twice, so each is handed over once. 201 with the message's sid says
// that it was taken; a refusal has a status of 4xx and a number in code. In an answer of 2xx whose status is failed,
// undelivered or canceled, error_code has such a number. † marks what other people's programs tell of and no page of the
// vendor's was found for:
//
//	rejected_number   21211 21214† 21217 21265 21408 21610 21612 21614 21635
//	                  30003 30004† 30005† 30006 30007† 30008 30450 60410 60605
//	rejected_account  10001 20003 20005 20008† 20010 20403 20404† 30002 70051 90010
//	                  21212 21601 21603† 21606 21659 21660† 21661 21701 21703† 21705 30034† 30042
//	                  21608 21609 21617 63038 572002 572005
//	throttled         14107† 20429 21611 30001 60728 63017
//	unavailable       20503 21730
//	unknown           20500 20504
//
// Sources: the dictionary of errors, https://www.twilio.com/docs/api/errors, with a page for each as in
// https://www.twilio.com/docs/api/errors/21211, and the list of failures that cost nothing,
// https://support.twilio.com/hc/en-us/articles/27502337507483. A country that is not permitted is not the account's failure
// here, since whoever owns such a number could else keep all others from their codes. 21606 and 21659 are also said of a
// short code and a number of another country: leave such numbers to another provider by a route. Other codes are decided by
// the HTTP status. 21610 can't be mended by us: the person must text START.
type Twilio struct {
	caller
	endpoint                        url.URL
	accountSID, authToken           string
	from, messagingService, receipt string
	texts                           *Texts
}

// NewTwilio makes the provider. Its error joins all faults (errors.Join), each a sentence that begins with the setting's
// name within sms.providers.NAME.
func NewTwilio(c TwilioConfig) (*Twilio, error) {
	t := &Twilio{
		caller: newCaller(c.Transport, c.Timeout), accountSID: c.AccountSID, authToken: c.AuthToken,
		from: c.From, messagingService: c.MessagingService, receipt: c.ReceiptURL, texts: c.Texts,
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !isTwilioSID(c.AccountSID, "AC") {
		fault("account_sid: write AC and the 32 hexadecimal digits of the account, as the vendor's console shows them")
	}
	if c.AuthToken == "" {
		fault("auth_token: is required; it stands beside the account SID in the vendor's console")
	} else if strings.ContainsFunc(c.AuthToken, notInKey) {
		fault("auth_token: there are no spaces and commas in the vendor's tokens; copy it anew")
	}
	switch {
	case (c.From == "") == (c.MessagingService == ""):
		fault("from: write either it or messaging_service")
	case c.MessagingService != "" && !isTwilioSID(c.MessagingService, "MG"):
		fault("messaging_service: write MG and 32 hexadecimal digits, as the vendor's console shows them")
	case c.From != "" && !twilioSender(c.From):
		fault("from: write a number such as +12025550123, a short code, or a name of at most 11 letters, digits and spaces")
	}
	if c.ReceiptURL != "" {
		if u, err := url.Parse(c.ReceiptURL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" ||
			u.User != nil || strings.ContainsAny(c.ReceiptURL, "?#") {
			// The address has a secret part, so that the cause, which quotes it, is left out.
			fault("receipts: the address of receipts is to be absolute and without a query; check public_origin")
		}
	}
	var err error
	if t.endpoint, err = vendorEndpoint(c.Endpoint, "https://api.twilio.com"); err != nil {
		faults = append(faults, err)
	}
	t.endpoint.Path = "/2010-04-01/Accounts/" + c.AccountSID + "/Messages.json"
	if c.Timeout < 0 {
		fault("timeout: must not be negative")
	}
	if c.Texts == nil {
		fault("text: a Twilio provider needs Texts")
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return t, nil
}

// isTwilioSID says whether s is an identifier of the vendor's with the prefix (https://www.twilio.com/docs/glossary/what-is-a-sid).
func isTwilioSID(s, prefix string) bool {
	digits, ok := strings.CutPrefix(s, prefix)
	return ok && len(digits) == 32 && strings.Trim(digits, "0123456789abcdefABCDEF") == ""
}

// The senders that Twilio knows: a number in E.164, a short code, an alphanumeric sender ID, which has a letter
// (https://www.twilio.com/docs/glossary/what-alphanumeric-sender-id).
var (
	twilioNumber = regexp.MustCompile(`^(\+[1-9][0-9]{6,14}|[0-9]{3,8})$`)
	twilioName   = regexp.MustCompile(`^[A-Za-z0-9 #&+_-]{0,10}[A-Za-z][A-Za-z0-9 #&+_-]{0,10}$`)
)

func twilioSender(from string) bool {
	return twilioNumber.MatchString(from) || len(from) <= 11 && twilioName.MatchString(from)
}

// Format hides the provider's configuration whatever the verb (T36).
func (t *Twilio) Format(f fmt.State, _ rune) { io.WriteString(f, "(Twilio provider)") }

// Size is that of the text.
func (t *Twilio) Size(m rekey.Message) Size { return Measure(t.texts.Text(m)) }

// form is what is posted for m. The vendor keeps what it can't send at once for ten hours, if it is let
// (https://www.twilio.com/docs/api/errors/90007): a message whose code has expired by then would cost money and confuse.
func (t *Twilio) form(m rekey.Message) url.Values {
	form := url.Values{
		"To": {m.To.E164()}, "Body": {t.texts.Text(m)}, "ValidityPeriod": {strconv.Itoa(max(1, int(m.ExpiresIn/time.Second)))},
	}
	if t.messagingService != "" {
		form.Set("MessagingServiceSid", t.messagingService)
	} else {
		form.Set("From", t.from)
	}
	if t.receipt != "" {
		form.Set("StatusCallback", t.receipt+"?m="+url.QueryEscape(m.ID))
	}
	return form
}

// Send hands m to the vendor. The receipt's ID is the SID of its message.
func (t *Twilio) Send(ctx context.Context, m rekey.Message) (rekey.Receipt, error) {
	_, r, err := t.deliver(ctx, m)
	return r, err
}

// Try is Send with the vendor's answer.
func (t *Twilio) Try(ctx context.Context, m rekey.Message) (string, error) {
	answer, _, err := t.deliver(ctx, m)
	return answer.tried(), err
}

func (t *Twilio) deliver(ctx context.Context, m rekey.Message) (answer, rekey.Receipt, error) {
	a, err := t.call(ctx, request{
		method: http.MethodPost, url: &t.endpoint, body: []byte(t.form(m).Encode()), header: http.Header{
			"Accept":        {"application/json"},
			"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(t.accountSID+":"+t.authToken))},
			"Content-Type":  {"application/x-www-form-urlencoded"},
			"User-Agent":    {"rekey"},
		},
	})
	if err != nil {
		return a, rekey.Receipt{}, err
	}
	id, err := a.twilio()
	return a, rekey.Receipt{ID: id}, err
}

// Preview is the request that Send would make, unescaped: with the sender, which is to be checked; the account is masked,
// and the secret part of the address of receipts.
func (t *Twilio) Preview(m rekey.Message) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "POST %s\nAccept: application/json\nAuthorization: Basic %s\nContent-Type: application/x-www-form-urlencoded\nUser-Agent: rekey\n\n",
		strings.ReplaceAll(t.endpoint.String(), t.accountSID, masked), masked)
	form := t.form(m)
	separator := ""
	for _, name := range []string{"To", "From", "MessagingServiceSid", "StatusCallback", "ValidityPeriod", "Body"} {
		value := form.Get(name)
		if value == "" {
			continue
		}
		if name == "StatusCallback" {
			path, query, _ := strings.Cut(value, "?")
			value = path[:strings.LastIndexByte(path, '/')+1] + masked + "?" + query
		}
		b.WriteString(separator + name + "=" + value)
		separator = "&"
	}
	return b.String() + "\n", nil
}
