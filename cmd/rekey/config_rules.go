package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"rekey/cmd/rekey/databases"
	"rekey/web"
)

// The rules of the settings. Each says what is wrong and how to mend it, as the end of a sentence that begins with the
// key.

// errLater is the objection to what a later version brings.
func errLater(instead string) error {
	return fmt.Errorf("is not in this version yet; %s", instead)
}

// later objects to any value of a setting that does nothing yet.
func later(s string) error {
	if s != "" {
		return errLater("remove the setting")
	}
	return nil
}

func laterTrue(b bool) error {
	if b {
		return errLater("set it to false")
	}
	return nil
}

// oneOf takes the listed values.
func oneOf(all ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(all, s) {
			return errors.New("must be " + alternatives(all))
		}
		return nil
	}
}

// known takes the values of this version and tells those of later ones from mistakes.
func known(now []string, soon ...string) func(string) error {
	return func(s string) error {
		if slices.Contains(soon, s) {
			return fmt.Errorf("%q is not in this version yet; use %s", s, alternatives(now))
		}
		return oneOf(now...)(s)
	}
}

func alternatives(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = strconv.Quote(s)
	}
	return strings.Join(quoted, " or ")
}

// optional lets the empty string pass.
func optional(rule func(string) error) func(string) error {
	return func(s string) error {
		if s == "" {
			return nil
		}
		return rule(s)
	}
}

func present(s string) error {
	if s == "" {
		return errors.New("must not be empty; remove the setting for its default")
	}
	return nil
}

func filled(l []string) error {
	if len(l) == 0 {
		return errors.New("must not be empty; list at least one, or remove the setting for its default")
	}
	return nil
}

// between takes what lies between two bounds, both included.
func between[T cmp.Ordered](least, most T, spell func(T) string) func(T) error {
	return func(v T) error {
		if !(v >= least && v <= most) { // so that NaN is refused
			return fmt.Errorf("must be from %s to %s", spell(least), spell(most))
		}
		return nil
	}
}

func decimal(n int) string      { return strconv.Itoa(n) }
func shortest(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// budget is a count of the limits, 0 switching it off. The upper bound is far beyond any service; it catches slips.
func budget(p *int) value { return whole(p, between(0, 1_000_000_000, decimal)) }

func hostPort(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errForm("an address and a port", `"127.0.0.1:8000"`)
	}
	return nil
}

// sameAddress reports whether a program that listens at a can't listen at b: the ports are the same, and one host takes in
// the other. As package net has it (Listen), localhost is 127.0.0.1 where it has addresses of both families, and no host,
// 0.0.0.0 and [::] are all addresses of this machine. Port 0 is a different one each time.
func sameAddress(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil {
		return false
	}
	m, errA := strconv.ParseUint(portA, 10, 16)
	n, errB := strconv.ParseUint(portB, 10, 16)
	if errA != nil || errB != nil || m != n || m == 0 {
		return false
	}
	addressA, errA := listenAddress(hostA)
	addressB, errB := listenAddress(hostB)
	if errA != nil || errB != nil {
		return hostA == hostB
	}
	return addressA == addressB || addressA.IsUnspecified() || addressB.IsUnspecified()
}

func listenAddress(host string) (netip.Addr, error) {
	switch host {
	case "":
		return netip.IPv6Unspecified(), nil
	case "localhost":
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	a, err := netip.ParseAddr(host)
	return a.Unmap(), err
}

// loopback reports whether only this machine can reach a listener at s.
func loopback(s string) bool {
	host, _, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// webOrigin takes the origins that package web takes, as browsers write them.
func webOrigin(s string) error { return askWeb(s, web.Options{PublicOrigin: s}) }

// nextOrigin takes the origins that package web lets people go back to.
func nextOrigin(s string) error {
	return askWeb(s, web.Options{Page: web.PageOptions{NextOrigins: []string{s}}})
}

func askWeb(origin string, o web.Options) error {
	if origin == "" {
		return errForm("scheme and host", `"https://www.example.com"`)
	}
	if origin != strings.ToLower(origin) {
		return errors.New("must be in small letters, as browsers write it, such as \"https://www.example.com\"")
	}
	return judgedByWeb(o)
}

func cidr(s string) error {
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		if a, err := netip.ParseAddr(s); err == nil {
			return fmt.Errorf("has no length; write %s/%d", s, a.BitLen())
		}
		return fmt.Errorf("must be a network in CIDR notation, such as %q", "10.0.0.0/8")
	case p.Masked() != p:
		return fmt.Errorf("has address bits beyond its length; write %s", p.Masked())
	case p.Bits() == 0:
		return errors.New("believes everybody's X-Forwarded-For; name the proxies' own network")
	}
	return nil
}

func printable(s string) error {
	if len([]rune(s)) > 200 || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return errors.New("must be one line of at most 200 printable characters")
	}
	return nil
}

// longToken asks of the token of the admin pages what nobody guesses.
func longToken(s string) error {
	if len(s) < 20 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= unicode.MaxASCII }) {
		return errors.New("must be at least 20 ASCII characters without spaces; make one with: openssl rand -hex 16")
	}
	return nil
}

// dataSource takes those of SQL databases.
func dataSource(s string) error {
	_, err := databases.Parse(s)
	return err
}

// codeStore takes where codes can be kept.
func codeStore(s string) error {
	_, err := databases.ParseCodes(s)
	return err
}

// databaseOf takes data sources of those schemes.
func databaseOf(schemes ...string) func(string) error {
	return func(s string) error {
		if slices.ContainsFunc(schemes, func(scheme string) bool { return strings.HasPrefix(s, scheme) }) {
			return dataSource(s)
		}
		return errors.New("must begin with " + alternatives(schemes) + `, such as "sqlite:rekey.db"`)
	}
}
