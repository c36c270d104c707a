package userdb

import (
	"slices"
	"strings"
	"unicode"

	"rekey"
)

// reading is how the number of a row reads.
type reading int

const (
	readAsSet   reading = iota // as mobile_format has it
	readOther                  // in another spelling that a lookup asks for
	readHidden                 // a mobile number in one that no lookup asks for
	readForeign                // no mobile number of the plan
	readEmpty                  // there is none
)

// read is whose number a column holds, and how it is spelled there.
func (s shape) read(plan rekey.Plan, stored string) (rekey.Number, reading) {
	if strings.TrimSpace(stored) == "" {
		return rekey.Number{}, readEmpty
	}
	n, ok := s.meant(plan, stored)
	if !ok {
		if n, ok = s.meant(plan, plain(stored)); !ok {
			return n, readForeign
		}
	}
	switch slices.Index(s.spelled(n), stored) {
	case -1:
		return n, readHidden
	case 0:
		return n, readAsSet
	default:
		return n, readOther
	}
}

// meant is the number that digits stand for, with or without a calling code before them. A plan takes one spelling, so
// that each is tried; the one under which a lookup finds the digits goes before others.
func (s shape) meant(plan rekey.Plan, digits string) (meant rekey.Number, ok bool) {
	var tries []string
	international, whole := strings.CutPrefix(digits, "+")
	if !whole {
		international, whole = strings.CutPrefix(digits, "00")
	}
	tries = append(tries, digits, "+"+international)
	if !whole {
		tries = append(tries, "+"+s.calling+digits)
	}
	if national, ok := strings.CutPrefix(international, s.calling); ok {
		tries = append(tries, national)
	}
	for _, try := range tries {
		n, err := plan(try)
		if err != nil {
			continue
		}
		if slices.Contains(s.spelled(n), digits) {
			return n, true
		}
		if !ok {
			meant, ok = n, true
		}
	}
	return meant, ok
}

// plain is a number without what people put between its digits, and with the digits of other scripts as ASCII has them.
func plain(stored string) string {
	const fullWidth, arabicIndic, extended = '０', '\u0660', '\u06f0'
	return strings.Map(func(r rune) rune {
		for _, zero := range []rune{fullWidth, arabicIndic, extended} {
			if r >= zero && r < zero+10 {
				return '0' + r - zero
			}
		}
		switch {
		case r == '＋':
			return '+'
		case unicode.IsSpace(r), unicode.In(r, unicode.Pd, unicode.Ps, unicode.Pe, unicode.Cc, unicode.Cf), strings.ContainsRune("./·'\"", r):
			return -1
		}
		return r
	}, stored)
}

// mask is what may be shown of a column that should hold a number (T36): of its digits as many as Number.String shows,
// the first three and the last two; of letters none, since it may be a name or an address; and all that stands in
// between, which is what the example is for.
func mask(stored string) string {
	const longest = 24
	all := []rune(strings.ToValidUTF8(stored, "?"))
	known := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) }
	count, at := 0, 0
	for _, r := range all {
		if known(r) {
			count++
		}
	}
	first, last := max(0, min(3, count-4)), 0
	if count > 4 {
		last = 2
	}
	var b strings.Builder
	for i, r := range all {
		if i == longest {
			b.WriteString("…")
			break
		}
		switch {
		case !known(r) && (unicode.IsPrint(r) || r == '\u3000'):
			b.WriteRune(r)
		case !known(r):
			b.WriteByte('?')
		case unicode.IsDigit(r) && (at < first || at >= count-last):
			b.WriteRune(r)
		case unicode.IsDigit(r):
			b.WriteByte('*')
		default:
			b.WriteByte('x')
		}
		if known(r) {
			at++
		}
	}
	return b.String()
}
