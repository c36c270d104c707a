package dsn

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
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

// written is a name, or an address with IPv6 in brackets, and perhaps a port.
var written = regexp.MustCompile(`^(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z._-]+))(?::([0-9]+))?$`)

func parseHost(text string, usual uint16) (Host, bool) {
	part := written.FindStringSubmatch(text)
	if part == nil {
		return Host{}, false
	}
	if a, err := netip.ParseAddr(part[1]); part[1] != "" && (err != nil || !a.Is6()) {
		return Host{}, false
	}
	h := Host{part[1] + part[2], usual}
	if part[3] == "" {
		return h, true
	}
	port, err := strconv.ParseUint(part[3], 10, 16)
	h.Port = uint16(port)
	return h, err == nil && port > 0
}

// String is the hosts as ParseHosts reads them.
func (hs Hosts) String() string {
	var all []string
	for _, h := range hs {
		all = append(all, h.String())
	}
	return strings.Join(all, ",")
}

// Remote reports whether one of them is on another machine, as far as its name tells.
func (hs Hosts) Remote() bool {
	return slices.ContainsFunc(hs, func(h Host) bool { return !h.local() })
}
