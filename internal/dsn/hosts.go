package dsn

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Host is where a server listens.
type Host struct {
	Name string // or its address, IPv6 without brackets
	Port uint16
}

func (h Host) String() string { return net.JoinHostPort(h.Name, strconv.Itoa(int(h.Port))) }

// local reports whether the name is one of this machine's own.
func (h Host) local() bool {
	a, err := netip.ParseAddr(h.Name)
	return h.Name == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// Hosts are those of a URL, in its order.
type Hosts []Host

// ParseHosts reads hosts with commas between. One without a port has the usual one. example is a URL as it should be
// written, for the error.
func ParseHosts(list string, usual uint16, example string) (Hosts, error) {
	if list == "" {
		return nil, fmt.Errorf("names no host; write it as in %s", example)
	}
	var all Hosts
	for part := range strings.SplitSeq(list, ",") {
		h, ok := parseHost(part, usual)
		if !ok {
			return nil, fmt.Errorf("has a host that is neither a name nor an address, or a port that is not from 1 to 65535; write them as in %s; "+
				"in user and password write the characters / ? # @ : as %%2F %%3F %%23 %%40 %%3A", example)
		}
		all = append(all, h)
	}
	return all, nil
}

func parseHost(text string, usual uint16) (Host, bool) {
	h := Host{Port: usual}
	rest := ""
	if inner, ok := strings.CutPrefix(text, "["); ok {
		if h.Name, rest, ok = strings.Cut(inner, "]"); !ok {
			return Host{}, false
		}
		if a, err := netip.ParseAddr(h.Name); err != nil || !a.Is6() || a.Zone() != "" {
			return Host{}, false
		}
	} else {
		i := strings.IndexByte(text, ':')
		if i < 0 {
			i = len(text)
		}
		h.Name, rest = text[:i], text[i:]
		if h.Name == "" || strings.Trim(strings.ToLower(h.Name), "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
			return Host{}, false
		}
	}
	if rest == "" {
		return h, true
	}
	port, err := strconv.ParseUint(strings.TrimPrefix(rest, ":"), 10, 16)
	h.Port = uint16(port)
	return h, rest[0] == ':' && err == nil && port > 0
}

// String is the hosts as ParseHosts reads them.
func (hs Hosts) String() string {
	var b strings.Builder
	for i, h := range hs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(h.String())
	}
	return b.String()
}

// Remote reports whether one of them is on another machine, as far as its name tells.
func (hs Hosts) Remote() bool {
	return slices.ContainsFunc(hs, func(h Host) bool { return !h.local() })
}
