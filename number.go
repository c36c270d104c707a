package rekey

import (
	"errors"
	"fmt"
	"log/slog"
	"unique"
)

// Number is a mobile number after parsing: one spelling a person (T25), held as E.164 (ITU-T E.164: at most 15 digits
// with the country calling code). The zero value is no number.
//
// Its String, LogValue, JSON and fmt forms are masked (T36); only E164, National, Spaced and Prefix say the digits.
type Number struct {
	region, calling string
	national        hidden
}

// Plan parses the spelling that a request carries into a Number. A plan is strict: it takes exactly the spellings that
// the contract allows and refuses all others, and numbers of countries that the service does not serve, with
// ErrNumberForm. Plans are safe for concurrent use.
type Plan func(mobile string) (Number, error)

// ErrNumberForm says that a string is not a mobile number in the plan's form.
var ErrNumberForm = errors.New("not a mobile number of the configured numbering plan")

// NewNumber makes the number with the national digits under a country calling code; region is the ISO 3166 code, such
// as "CN". It fails with ErrNumberForm unless both are ASCII digits within the bounds of E.164.
func NewNumber(region, calling, national string) (Number, error) {
	if !asciiDigits(calling) || !asciiDigits(national) || calling == "" || calling[0] == '0' ||
		len(national) < 5 || len(calling) > 3 || len(calling)+len(national) > 15 {
		return Number{}, ErrNumberForm
	}
	return Number{region: region, calling: calling, national: hide(national)}, nil
}

// ChinaMobile is the default numbering plan: exactly 1, a digit from 3 to 9, and nine more ASCII digits. It is the
// contract's rule, by hand, since libphonenumber refuses valid ranges under +86 (146, 148, 149).
func ChinaMobile(mobile string) (Number, error) {
	if len(mobile) != 11 || !asciiDigits(mobile) || mobile[0] != '1' || mobile[1] < '3' {
		return Number{}, ErrNumberForm
	}
	return Number{region: "CN", calling: "86", national: hide(mobile)}, nil
}

// IsZero reports whether n is no number.
func (n Number) IsZero() bool { return n.national == hidden{} }

// E164 is the number in full, such as +8613800000001.
func (n Number) E164() string {
	if n.IsZero() {
		return ""
	}
	return "+" + n.calling + n.National()
}

// National is the number as it is dialled within its country, without a trunk prefix.
func (n Number) National() string { return n.national.reveal() }

// Spaced is the number as people read it: in groups of three, four and four digits, as it is written in mainland China,
// else with its calling code apart.
func (n Number) Spaced() string {
	switch d := n.National(); {
	case n.IsZero():
		return ""
	case n.calling == "86" && len(d) == 11:
		return d[:3] + " " + d[3:7] + " " + d[7:]
	default:
		return "+" + n.calling + " " + d
	}
}

// CallingCode is the country calling code, such as "86".
func (n Number) CallingCode() string { return n.calling }

// Region is the ISO 3166 code of the country, such as "CN".
func (n Number) Region() string { return n.region }

// Prefix is the number in E.164 less its last four digits: the block that pumping fraud walks through (T29).
func (n Number) Prefix() string {
	s := n.E164()
	return s[:max(0, len(s)-4)]
}

// String is the masked form: the calling code, at most three digits, and the last two.
func (n Number) String() string {
	if n.IsZero() {
		return "(no number)"
	}
	national := n.National()
	shown := min(3, len(national)-4)
	return fmt.Sprintf("+%s %s****%s", n.calling, national[:shown], national[len(national)-2:])
}

// Format writes the masked form whatever the verb, so that no %v of a struct that holds a Number can show it (T36).
func (n Number) Format(f fmt.State, _ rune) { fmt.Fprint(f, n.String()) }

// LogValue is the masked form.
func (n Number) LogValue() slog.Value { return slog.StringValue(n.String()) }

// MarshalText is the masked form.
func (n Number) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// hidden is a string that fmt can't show. fmt calls no methods on the unexported fields of a struct, nor after a wrong
// verb, so that a Format method alone does not keep a secret (T36); of a handle to a string it writes the address. Two are
// equal if their strings are; the zero value is "".
type hidden struct{ handle unique.Handle[string] }

func hide(s string) hidden {
	if s == "" {
		return hidden{}
	}
	return hidden{unique.Make(s)}
}

func (h hidden) reveal() string {
	if h == (hidden{}) {
		return ""
	}
	return h.handle.Value()
}

func asciiDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
