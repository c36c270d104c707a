package rekey

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strconv"
)

// codeDigits is the length of a code.
const codeDigits = 6

// codePurpose binds a code to what it may do: one drawn for another purpose never checks here (T07).
const codePurpose = "reset-password"

// decoyPurpose makes the check of a decoy record, which no guess can match.
const decoyPurpose = "decoy"

// Code is a six-digit code. Only Reveal says the digits; printed, logged or encoded it is masked (T36).
type Code struct{ digits hidden }

// ParseCode takes exactly six ASCII digits (T25).
func ParseCode(s string) (Code, bool) {
	if len(s) != codeDigits || !asciiDigits(s) {
		return Code{}, false
	}
	return Code{digits: hide(s)}, true
}

// Reveal is the digits, for the message to the person and nothing else.
func (c Code) Reveal() string { return c.digits.reveal() }

// Format hides the digits whatever the verb.
func (c Code) Format(f fmt.State, _ rune) { fmt.Fprint(f, "******") }

// LogValue hides the digits.
func (c Code) LogValue() slog.Value { return slog.StringValue("******") }

// MarshalText hides the digits.
func (c Code) MarshalText() ([]byte, error) { return []byte("******"), nil }

// drawCode draws the code of a record: six digits, uniform, from HMAC(key, "code", purpose, number, nonce). It is not
// stored anywhere, and a resend can repeat it. The MAC is read as 32-bit words; words at or above the largest multiple
// of 10⁶ are dropped, so that every code is equally likely (T10). The next MAC serves the one draw in 10²⁹ in which all
// eight words are dropped.
func (r *Keyring) drawCode(id KeyID, n Number, nonce string) (Code, bool) {
	k, ok := r.find(id)
	if !ok {
		return Code{}, false
	}
	const codes = 1_000_000
	const bound = (1 << 32) / codes * codes
	for round := 0; ; round++ {
		sum := mac(k.secret, "code", codePurpose, n.E164(), nonce, strconv.Itoa(round))
		for i := 0; i < len(sum); i += 4 {
			if word := uint64(binary.BigEndian.Uint32(sum[i:])); word < bound {
				return Code{digits: hide(fmt.Sprintf("%06d", word%codes))}, true
			}
		}
	}
}

// checks are what a guessed code would be stored as, one a configured key: the store compares and counts in one step
// and never sees a code.
func (r *Keyring) checks(n Number, c Code) []Keyed {
	return r.each("check", codePurpose, n.E164(), c.Reveal())
}

// check is what a record stores of its code. That of a decoy is made for a purpose that no guess has.
func (r *Keyring) check(id KeyID, n Number, c Code, purpose string) Name {
	k, ok := r.find(id)
	if !ok {
		return ""
	}
	return shortName(mac(k.secret, "check", purpose, n.E164(), c.Reveal()))
}

// fingerprints bind a code to the password that it replaces: HMAC(key, "fingerprint", account id, password column as
// stored), one a configured key. Every hash has a new salt, so a password that has changed never fits again (T08).
func (r *Keyring) fingerprints(a Account) []Keyed {
	return r.each("fingerprint", a.ID, a.Hash)
}

// validFlow reports whether s has the form of a flow: 22 base64url characters of 128 bits. The bytes are counted because
// the decoder skips line breaks.
func validFlow(s string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(s) == 22 && len(raw) == 16
}
