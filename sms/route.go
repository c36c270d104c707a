package sms

import (
	"crypto/rand"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"rekey"
)

// Prices are what one short message costs, in millionths of the operator's unit, by how numbers begin: prefixes of E.164
// without its plus, such as "86" or "1787". The longest that fits counts; "" fits any number. A number that none fits
// costs nothing.
type Prices map[string]int64

// maxPrice bounds a price, so that no sum of them overflows.
const maxPrice = 1_000_000_000_000_000

// For is the price of a segment to a number.
func (p Prices) For(to rekey.Number) int64 { return p.ForPrefix(digitsOf(to)) }

// ForPrefix is the price of a segment to a number that begins so, in E.164 without its plus, as far as these digits tell.
func (p Prices) ForPrefix(digits string) int64 {
	price, _ := longest(p, digits)
	return price
}

// digitsOf are those of a number in E.164.
func digitsOf(n rekey.Number) string { return strings.TrimPrefix(n.E164(), "+") }

// longest is the entry whose key is the longest that digits begin with.
func longest[T any](byPrefix map[string]T, digits string) (v T, ok bool) {
	for n := len(digits); n >= 0; n-- {
		if v, ok = byPrefix[digits[:n]]; ok {
			return v, true
		}
	}
	return v, false
}

// isPrefix reports whether s can begin a number: 1 to 15 digits, no country calling code begins with 0 (ITU-T E.164).
func isPrefix(s string) bool {
	return s != "" && len(s) <= 15 && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}

func (p Prices) faults(setting string) (faults []error) {
	for _, prefix := range slices.Sorted(maps.Keys(p)) {
		if prefix != "" && !isPrefix(prefix) {
			faults = append(faults, fmt.Errorf("%s: %q begins no number; write calling code and digits, such as \"86\" or \"1787\"", setting, prefix))
		}
		if p[prefix] < 0 || p[prefix] > maxPrice {
			faults = append(faults, fmt.Errorf("%s: must not be negative, nor over 1000000000", setting))
		}
	}
	return faults
}

// route is the providers for a message in ranks: those of one rank share the messages by weight, and the next rank comes
// when a rank has not taken a message.
type route [][]string

// parseRoute reads the elements of an order: names, or several with | between.
func parseRoute(setting string, elements []string, providers map[string]Entry) (r route, faults []error) {
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf(setting+": "+format, args...))
	}
	if len(elements) == 0 {
		fault("name at least one provider")
	}
	seen := map[string]bool{}
	for _, element := range elements {
		rank := strings.Split(element, "|")
		for i, name := range rank {
			name = strings.TrimSpace(name)
			rank[i] = name
			if name == "" {
				fault("a name is empty; write the providers' names, with one | between those that share the messages")
				continue
			}
			if _, ok := providers[name]; !ok {
				fault("there is no provider %q; configured are %s", name, strings.Join(slices.Sorted(maps.Keys(providers)), ", "))
			} else if seen[name] {
				fault("%q stands twice, but no provider is tried twice", name)
			}
			seen[name] = true
		}
		r = append(r, rank)
	}
	return r, faults
}

// names are the providers of a route, without regard to weights.
func (r route) names() []string { return slices.Concat(r...) }

// shuffled are the providers of a route in the order in which a message tries them: each rank drawn by weight, so that a
// provider of twice the weight is twice as often the first. Those of weight 0 come last in their rank.
func (r route) shuffled(providers map[string]Entry) []string {
	var order []string
	for _, rank := range r {
		left := slices.Clone(rank)
		for len(left) > 0 {
			i := draw(left, providers)
			order = append(order, left[i])
			left = slices.Delete(left, i, i+1)
		}
	}
	return order
}

// draw is the index of one of the names, drawn by weight; without any weight it is the first.
func draw(names []string, providers map[string]Entry) int {
	var total int64
	for _, name := range names {
		total += int64(providers[name].Weight)
	}
	if len(names) == 1 || total == 0 {
		return 0
	}
	n, err := rand.Int(rand.Reader, big.NewInt(total))
	if err != nil { // crypto/rand ends the program before it fails
		return 0
	}
	at := n.Int64()
	for i, name := range names {
		if at -= int64(providers[name].Weight); at < 0 {
			return i
		}
	}
	return 0
}
