package smpp

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// Receipt is an SMSC's delivery receipt for one short message.
type Receipt struct {
	ID    string // as Submit gave it, if the SMSC is consistent; some write it in hexadecimal there and in decimal here
	To    string // the number that the message went to, as the SMSC writes it: most as it was submitted. For no log (T36)
	State State
	// Code is the state's word, and after a colon the network's error code if there is one other than zero, such as
	// "UNDELIV:011". What the error codes mean is up to each SMSC.
	Code string
}

// State is a message_state (§5.2.28).
type State int

// The states. Scheduled and Skipped came with SMPP 5.0, which SMSCs of this version borrow from.
const (
	Scheduled State = iota
	Enroute
	Delivered
	Expired
	Deleted
	Undeliverable
	Accepted
	UnknownState
	Rejected
	Skipped
)

// stateWords are the words of appendix B for the states, by their number.
var stateWords = [...]string{"SCHEDULED", "ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD", "SKIPPED"}

// stateOf is the state that a word says. SMSCs write the words of appendix B, those of §5.2.28 or a part of them: the
// first five letters tell all states apart.
func stateOf(word string) (State, bool) {
	if len(word) < 5 || len(word) > 13 {
		return 0, false
	}
	for i, w := range stateWords {
		if strings.EqualFold(w[:5], word[:5]) {
			return State(i), true
		}
	}
	return 0, false
}

// Types of message in an esm_class (§5.2.12).
const (
	classType         = 0x3C
	classReceipt      = 0x04 // an SMSC's delivery receipt
	classIntermediate = 0x20 // an intermediate delivery notification
)

// readReceipt finds the receipt in a deliver_sm: in its optional parameters, which go first, or in its text. ok is false
// for whatever else is delivered, such as a message that a person sent, even one that reads like a receipt.
func readReceipt(d delivery) (r Receipt, ok bool) {
	if kind := d.class & classType; kind != classReceipt && kind != classIntermediate && d.receiptID == "" {
		return Receipt{}, false
	}
	id, stat, code := readReceiptText(receiptText(d))
	if d.receiptID != "" {
		id = d.receiptID
	}
	if id == "" || len(id) > 64 || !printable(id) {
		return Receipt{}, false
	}
	r.ID, r.To = id, d.source
	if d.state >= 0 && d.state < len(stateWords) {
		r.State = State(d.state)
	} else if r.State, ok = stateOf(stat); !ok {
		return Receipt{}, false
	}
	r.Code = stateWords[r.State]
	if d.network != nil && code == "" {
		code = fmt.Sprintf("%03d", binary.BigEndian.Uint16(d.network[1:]))
	}
	if strings.Trim(code, "0") != "" && len(code) <= 8 && printable(code) {
		r.Code += ":" + code
	}
	return r, true
}

// receiptText is the text of a receipt. With data_coding 8 it is in UCS-2, or still in ASCII, where the SMSC says of the
// receipt what was said of the message (github.com/farhadi/node-smpp/issues/68); its first letter tells which.
func receiptText(d delivery) string {
	if d.dataCoding != 8 || len(d.text) < 2 || d.text[0] != 0 {
		return string(d.text)
	}
	units := make([]uint16, len(d.text)/2)
	for i := range units {
		units[i] = binary.BigEndian.Uint16(d.text[2*i:])
	}
	return string(utf16.Decode(units))
}

// readReceiptText reads the fields id, stat and err of the text that appendix B proposes:
//
//	id:IIIIIIIIII sub:SSS dlvrd:DDD submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:DDDDDDD err:E Text: …
//
// Any of them may be missing, in another order or another case, or have a space after its colon. The first of each counts,
// and nothing after Text, where the SMSC repeats what the person was sent.
func readReceiptText(text string) (id, stat, code string) {
	words := strings.Fields(text)
	for i, word := range words {
		name, value, ok := strings.Cut(word, ":")
		if !ok {
			continue
		}
		if value == "" && i+1 < len(words) && !strings.Contains(words[i+1], ":") {
			value = words[i+1]
		}
		switch strings.ToLower(name) {
		case "text":
			return id, stat, code
		case "id":
			id = first(id, value)
		case "stat":
			stat = first(stat, value)
		case "err":
			code = first(code, value)
		}
	}
	return id, stat, code
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
