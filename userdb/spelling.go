package userdb

import (
	"slices"
	"strconv"
	"strings"

	"rekey"
)

// spellings is how many ways a column may spell one number.
const spellings = 4

// chinese is the calling code of mainland China.
const chinese = "86"

// spell lists the ways in which a column may hold the number, the one that it should have first. Spellings with blanks
// or dashes are not among them: nothing but a look at every row would find those.
//
// No two people share a spelling (T25). A calling code without + or 00 before it is told from national digits only where
// none of these are: in a column of E.164, or under the code 86, whose mobile numbers have eleven digits and begin with 1.
// Else +1 380 000 0001, in America, would be 13800000001, in China.
func (l layout) spell(n rekey.Number) []string {
	international := strings.TrimPrefix(n.E164(), "+")
	plus, zeros := "+"+international, "00"+international
	home := n.CallingCode() == l.calling
	switch {
	case l.e164:
		return []string{plus, international, zeros}
	case home && l.calling == chinese:
		return []string{n.National(), plus, international, zeros}
	case home:
		return []string{n.National(), plus, zeros}
	default:
		return []string{plus, zeros}
	}
}

// asIntegers are the spellings that a column of integers up to most can hold; 0: of any size. It has neither + nor zeros,
// so that what stood behind them would read like a number without. One that is too large must not even be asked for: the
// database's answer would quote it (T36).
func asIntegers(spelled []string, most int64) []string {
	return slices.DeleteFunc(spelled, func(s string) bool {
		return s[0] == '+' || s[0] == '0' || most > 0 && asInteger(s) > most
	})
}

// asInteger is a spelling that asIntegers has left.
func asInteger(spelled string) int64 {
	n, err := strconv.ParseInt(spelled, 10, 64)
	if err != nil { // E.164 has at most 15 digits, which package rekey has seen to
		panic("userdb: a spelling is no integer")
	}
	return n
}
