package sms

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"rekey"
)

const (
	// paramID is the parameter of a receipt's address that has our id of the message.
	paramID = "id"
	// groupID is the group of the success pattern that matches the gateway's id of the message.
	groupID = "id"
)

// The words that statuses are judged by unless the operator writes others: those of SMPP (3.4, appendix B, "stat"), which
// many gateways hand on, and what vendors write in their place. Neither has a number, since 1 is delivered for one gateway
// and failed for another.
const (
	wordsOfDelivery = `(?i)delivrd|deliver(ed|y_?success|y_?ok)|delivered[_ ]to[_ ]handset|success(ful)?`
	wordsOfFailure  = `(?i)undeliv(erable|ered)?|not[_ ]?delivered|expired|deleted|rejectd|rejected|fail(ed|ure)?|delivery[_ ]?fail(ed|ure)`
)

// receiptForm is how a gateway writes its receipts.
type receiptForm struct {
	id, status, mobile string // names of fields; mobile may be empty
	delivered, failed  *regexp.Regexp
	vendorIDs          bool // the field id has the gateway's own id, which its answers give; else ours
}

// newReceiptForm is the form that c asks for. pattern compiles the expression of a setting, and reports what is wrong
// with it.
func newReceiptForm(c HTTPConfig, pattern func(setting, text string) *regexp.Regexp) receiptForm {
	whole := func(setting, text string) *regexp.Regexp {
		if pattern(setting, text) == nil {
			return nil
		}
		return pattern(setting, "^(?:"+text+")$")
	}
	return receiptForm{
		id:        cmp.Or(c.ReceiptID, paramID),
		status:    cmp.Or(c.ReceiptStatus, "status"),
		mobile:    c.ReceiptMobile,
		delivered: whole("receipt_delivered", cmp.Or(c.ReceiptDelivered, wordsOfDelivery)),
		failed:    whole("receipt_failed", cmp.Or(c.ReceiptFailed, wordsOfFailure)),
	}
}

// Pushed reads the receipts of a gateway. There is no common form of them, so it takes what most do: a GET with the fields
// in its query, a form, a JSON object, or an array of such objects; nested values are passed over. Each must have a status.
//
// Which message it is says the parameter id of the address, as {{.ReceiptURL}} gives it to the gateway. Without that, as
// where one address is written down at the gateway for all messages, and for each of several objects, it is the field
// ReceiptID: our id where it was handed over as {{.ID}}, or the gateway's own where Success finds that in its answers.
//
// A status that ReceiptFailed matches in whole is Undelivered, else one that ReceiptDelivered matches in whole Delivered;
// any other is Pending. A receipt in an array that is not of this form is passed over; if none is of it, that is an error.
func (h *HTTP) Pushed(_ context.Context, r *http.Request, body []byte) (Push, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return Push{}, errors.New("the query is malformed")
	}
	objects, err := receiptObjects(body)
	if err != nil {
		return Push{}, err
	}
	var message string
	if ids := query[paramID]; len(ids) > 0 {
		// A second id in the query is the gateway's, which appended its fields to our address.
		query[paramID] = ids[1:]
		if len(objects) == 1 { // else it can't be that of each
			message = ids[0]
		}
	}
	return readEach(Push{Answer: "OK"}, objects, func(object map[string]string) (Report, error) {
		if object == nil {
			return Report{}, errors.New("it is not a JSON object")
		}
		return h.receipt.read(message, func(name string) string {
			return cmp.Or(object[name], query.Get(name))
		})
	})
}

// read is the receipt with these fields; message is our id of it, if the address says so.
func (f *receiptForm) read(message string, field func(name string) string) (Report, error) {
	status := field(f.status)
	if status == "" {
		return Report{}, errors.New("there is no status; receipt_status names its field")
	}
	r := Report{State: Pending, Code: VendorCode(status), Message: plainID(message)}
	switch {
	case f.failed.MatchString(status):
		r.State = Undelivered
	case f.delivered.MatchString(status):
		r.State = Delivered
	}
	if id := plainID(field(f.id)); f.vendorIDs {
		r.ID = id
	} else if message == "" {
		r.Message = id
	}
	if r.Message == "" && r.ID == "" {
		return Report{}, errors.New("there is no id of a message; receipt_id names its field")
	}
	if mobile := field(f.mobile); f.mobile != "" && mobile != "" {
		if r.To = reportedNumber(mobile); r.To.IsZero() {
			return Report{}, errors.New("the number is not in E.164; receipt_mobile names its field")
		}
		r.ID, r.Message = withoutNumber(r.ID, r.To), withoutNumber(r.Message, r.To)
	}
	return r, nil
}

// receiptObjects is the fields of each receipt in a body; nil for one in an array that is no object. JSON is told by its
// first character and not by the content type, which gateways are careless with. An empty body is one receipt without
// fields: they are in the query.
func receiptObjects(body []byte) ([]map[string]string, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte(byteOrderMark)))
	switch {
	case len(body) == 0:
		return []map[string]string{{}}, nil
	case body[0] == '[':
		all, err := splitReceipts(body)
		if err != nil {
			return nil, err
		}
		objects := make([]map[string]string, len(all))
		for i, receipt := range all {
			var o map[string]any
			if decodeNumbers(receipt, &o) && o != nil {
				objects[i] = scalars(o)
			}
		}
		return objects, nil
	case body[0] == '{':
		var o map[string]any
		if !decodeNumbers(body, &o) {
			return nil, errors.New("the body is not a JSON object")
		}
		return []map[string]string{scalars(o)}, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errors.New("the body is neither JSON nor a form")
	}
	object := map[string]string{}
	for name := range form {
		object[name] = form.Get(name)
	}
	return []map[string]string{object}, nil
}

// decodeNumbers decodes JSON with its numbers as they are written: an id may have more digits than a float64 keeps.
func decodeNumbers(body []byte, v any) bool {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return d.Decode(v) == nil && d.InputOffset() == int64(len(body))
}

// scalars is the strings, numbers and truth values of a JSON object, as text.
func scalars(object map[string]any) map[string]string {
	all := map[string]string{}
	for name, value := range object {
		switch v := value.(type) {
		case string:
			all[name] = v
		case json.Number:
			all[name] = v.String()
		case bool:
			all[name] = strconv.FormatBool(v)
		}
	}
	return all
}

// maxID bounds the ids of messages. Ours have 22 characters; those of vendors up to some 64.
const maxID = 128

// plainID is an id that may be kept and logged: printable ASCII without spaces (T37). Any other is "".
func plainID(id string) string {
	if len(id) > maxID || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return id
}

// withoutNumber is an id that may be logged: "" in the place of one that says the number, as some gateways make theirs (T36).
func withoutNumber(id string, to rekey.Number) string {
	if strings.Contains(id, to.National()) {
		return ""
	}
	return id
}

// reportedNumber is a number as a receipt repeats it: in E.164, or, as {{.Mobile}} has it, eleven digits of mainland China.
// Those may also be read as a number of North America without its plus; this service sends more of the former, and a
// receipt decides nothing.
func reportedNumber(s string) rekey.Number {
	if n, err := rekey.ChinaMobile(s); err == nil {
		return n
	}
	return reportE164(s)
}
