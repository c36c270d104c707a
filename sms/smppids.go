package sms

import (
	"math/big"
	"strings"
)

// ReceiptIDs says how an SMSC's receipts write the ids that its answers gave: SMPP 3.4 leaves an id's form to the SMSC, and
// not a few write the same number in one base here and in the other there (Kannel's msg-id-type is for them). The
// provider's ids are then those of the receipts, a number without zeros before it and in lower case.
type ReceiptIDs int

// The forms of ids in receipts.
const (
	SameIDs    ReceiptIDs = iota // as in the answers
	DecimalIDs                   // in decimal, and in hexadecimal in the answers
	HexIDs                       // in hexadecimal, and in decimal in the answers
)

// answered is the id that receipts have, of the one in an answer.
func (f ReceiptIDs) answered(id string) string {
	switch f {
	case DecimalIDs:
		return inBase(id, 16, 10)
	case HexIDs:
		return inBase(id, 10, 16)
	}
	return id
}

// receipted is the id of a receipt in the same form.
func (f ReceiptIDs) receipted(id string) string {
	switch f {
	case DecimalIDs:
		return inBase(id, 10, 10)
	case HexIDs:
		return inBase(id, 16, 16)
	}
	return id
}

// inBase writes a number of any length in another base. What is none stays as it is.
func inBase(id string, from, to int) string {
	const digits = "0123456789abcdef"
	if id == "" || strings.Trim(strings.ToLower(id), digits[:from]) != "" {
		return id
	}
	n, ok := new(big.Int).SetString(id, from)
	if !ok {
		return id
	}
	return n.Text(to)
}
