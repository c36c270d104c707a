package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// normalPrefixes checks the trusted proxies and unmaps IPv4 prefixes that are written as IPv6 ones, since addresses are
// unmapped before they are compared.
func normalPrefixes(prefixes []netip.Prefix) ([]netip.Prefix, error) {
	const mapped = 96 // ::ffff:0:0/96, RFC 4291, section 2.5.5.2
	var faults []error
	var normal []netip.Prefix
	for _, p := range prefixes {
		if p.Addr().Is4In6() && p.Bits() >= mapped {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
		}
		if !p.IsValid() {
			faults = append(faults, fmt.Errorf("a trusted proxy is no valid CIDR: %v", p))
			continue
		}
		normal = append(normal, p.Masked())
	}
	return normal, errors.Join(faults...)
}

// origin is where a request comes from.
type origin struct {
	client  netip.Addr // whose budgets it is charged to
	trusted bool       // the peer of the connection is a trusted proxy
	ignored bool       // it carries an X-Forwarded-For that is not believed
}

// clientAddress finds out where a request comes from (T32). It starts from the peer of the connection and walks
// X-Forwarded-For from right to left, as long as the hop that wrote the next entry is a trusted proxy. An entry that is
// no address ends the walk at the hop that wrote it. No other header is looked at: Forwarded and X-Real-IP are not
// written by every proxy, so a client could send them through.
//
// Where the peer has no IP address (a Unix socket), everybody shares one budget, that of the address ::, rather than
// have none.
func clientAddress(r *http.Request, proxies []netip.Prefix) origin {
	lines := r.Header.Values("X-Forwarded-For") // several lines are one list (RFC 9110, section 5.3)
	from := origin{client: netip.IPv6Unspecified()}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		from.client = plain(peer.Addr())
		from.trusted = contains(proxies, from.client)
	}
	if !from.trusted {
		from.ignored = len(lines) > 0
		return from
	}
	for _, line := range slices.Backward(lines) {
		for more := true; more; {
			entry := line
			if comma := strings.LastIndexByte(line, ','); comma >= 0 {
				line, entry = line[:comma], line[comma+1:]
			} else {
				more = false
			}
			hop, ok := parseHop(strings.Trim(entry, " \t"))
			if !ok {
				return from
			}
			from.client = hop
			if !contains(proxies, hop) {
				return from
			}
		}
	}
	return from
}

// parseHop reads one entry: an address, which some gateways write with the client's port.
func parseHop(entry string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(entry); err == nil {
		return plain(a), true
	}
	if ap, err := netip.ParseAddrPort(entry); err == nil {
		return plain(ap.Addr()), true
	}
	return netip.Addr{}, false
}

// plain is the one spelling of an address: IPv4 unmapped, and no zone, which means something on one machine only.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// maxStrangers is how many peers are told of, so that whoever has many addresses fills neither memory nor log. A proxy
// that was forgotten is among the first.
const maxStrangers = 100

// strangers are the peers whose X-Forwarded-For has been told of. It is safe for concurrent use.
type strangers struct {
	mu   sync.Mutex
	seen map[netip.Addr]bool
}

// first reports whether peer is to be told of, which it is once.
func (s *strangers) first(peer netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[peer] || len(s.seen) >= maxStrangers {
		return false
	}
	if s.seen == nil {
		s.seen = map[netip.Addr]bool{}
	}
	s.seen[peer] = true
	return true
}
