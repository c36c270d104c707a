package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"rekey"
)

const (
	mainland  = "CN" // the region whose rule is rekey.ChinaMobile
	anyRegion = "*"
)

// plan takes the region codes that there are numbering plans for (ISO 3166-1, as libphonenumber knows them), and "*".
func plan(s string) error {
	if s == mainland || s == anyRegion || phonenumbers.GetSupportedRegions()[s] {
		return nil
	}
	return errors.New(`must be a country's code in capitals, such as "CN" or "HK", or "*" for any`)
}

// newPlan makes the numbering plan of a region, or of every allowed one. Plans are strict: one person has one Number
// (T25), and nothing but ASCII digits and, under "*", one leading + is taken.
//
//   - CN: the contract's rule, rekey.ChinaMobile. libphonenumber has no say in +86, where it refuses ranges in use.
//   - another region: the digits of a valid mobile number of just that region, as dialled within it: with its trunk
//     prefix (07700 900123 in Britain) or without.
//   - "*": E.164 with its +, for the regions of allow; +86 by the rule of CN.
func newPlan(region string, allow []string) rekey.Plan {
	switch region {
	case mainland:
		return rekey.ChinaMobile
	case anyRegion:
		return func(mobile string) (rekey.Number, error) { return parseE164(mobile, allow) }
	}
	return func(mobile string) (rekey.Number, error) { return parseNational(mobile, region) }
}

func parseNational(mobile, region string) (rekey.Number, error) {
	if len(mobile) > 17 || strings.Trim(mobile, "0123456789") != "" { // 15 digits (E.164) and a trunk prefix
		return rekey.Number{}, rekey.ErrNumberForm
	}
	n, err := parseMobile(mobile, region)
	if err != nil {
		return rekey.Number{}, err
	}
	// libphonenumber also strips international prefixes and calling codes, which would be more spellings.
	before, ok := strings.CutSuffix(mobile, n.National())
	if !ok || n.Region() != region || before != "" && before != phonenumbers.GetNddPrefixForRegion(region, true) {
		return rekey.Number{}, rekey.ErrNumberForm
	}
	return n, nil
}

func parseE164(mobile string, allow []string) (rekey.Number, error) {
	digits, ok := strings.CutPrefix(mobile, "+")
	if !ok || len(digits) > 15 || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return rekey.Number{}, rekey.ErrNumberForm
	}
	var n rekey.Number
	var err error
	if national, ok := strings.CutPrefix(digits, "86"); ok {
		n, err = rekey.ChinaMobile(national)
	} else {
		n, err = parseMobile(mobile, "")
	}
	if err != nil {
		return rekey.Number{}, err
	}
	if n.E164() != mobile || !slices.Contains(allow, n.Region()) && !slices.Contains(allow, anyRegion) {
		return rekey.Number{}, rekey.ErrNumberForm
	}
	return n, nil
}

// parseMobile asks libphonenumber. Numbers of no country (satellites, "+800") are refused: they cost the most and belong
// to no allow list.
func parseMobile(mobile, region string) (rekey.Number, error) {
	p, err := phonenumbers.Parse(mobile, region)
	if err != nil || !phonenumbers.IsValidNumber(p) {
		return rekey.Number{}, rekey.ErrNumberForm
	}
	switch phonenumbers.GetNumberType(p) {
	case phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE: // the latter where the digits don't tell, as in +1
	default:
		return rekey.Number{}, rekey.ErrNumberForm
	}
	of := phonenumbers.GetRegionCodeForNumber(p)
	if !phonenumbers.GetSupportedRegions()[of] {
		return rekey.Number{}, rekey.ErrNumberForm
	}
	return rekey.NewNumber(of, strconv.Itoa(int(p.GetCountryCode())), phonenumbers.GetNationalSignificantNumber(p))
}

// parseOperators reads a number that an operator typed: as the plan has it, or in E.164.
func parseOperators(p rekey.Plan, allow []string, mobile string) (rekey.Number, error) {
	if n, err := p(mobile); err == nil {
		return n, nil
	}
	if n, err := parseE164(mobile, allow); err == nil {
		return n, nil
	}
	if n, err := parseMobile(mobile, ""); err == nil && !slices.Contains(allow, n.Region()) {
		return rekey.Number{}, fmt.Errorf("the number is one of %s, which numbers.allow does not have; add it there to serve this country", n.Region())
	}
	return rekey.Number{}, errors.New("the number is not a mobile number of the configured plan; write it without spaces, as people there do, or with + and its calling code")
}
