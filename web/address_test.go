package web

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// proxies are trusted in these tests.
var proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}

func from(peer string, forwarded ...string) *http.Request {
	return &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": forwarded}}
}

func TestT32_OnlyTrustedHopsAreBelieved(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		peer      string
		forwarded []string
		want      string
	}{
		{"no proxy", "192.0.2.1:1234", nil, "192.0.2.1"},
		{"forged by an untrusted peer", "192.0.2.1:1234", []string{"198.51.100.7"}, "192.0.2.1"},
		{"one proxy", "10.0.0.1:1234", []string{"198.51.100.7"}, "198.51.100.7"},
		{"a trusted proxy that says nothing", "10.0.0.1:1234", nil, "10.0.0.1"},
		{"forged to the left", "10.0.0.1:1234", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		{"forged as one of our proxies", "10.0.0.1:1234", []string{"10.0.0.9, 198.51.100.7"}, "198.51.100.7"},
		{"a chain of proxies", "10.0.0.1:1234", []string{"198.51.100.7, 10.1.1.1,10.2.2.2"}, "198.51.100.7"},
		{"a chain over several lines", "10.0.0.1:1234", []string{"203.0.113.9", "198.51.100.7", " 10.1.1.1 ,\t10.2.2.2"}, "198.51.100.7"},
		{"trusted all the way", "10.0.0.1:1234", []string{"10.3.3.3, 10.2.2.2"}, "10.3.3.3"},
		{"IPv6", "[2001:db8:1::1]:1234", []string{"2001:db8:9::7"}, "2001:db8:9::7"},
		{"IPv4-mapped peer", "[::ffff:10.0.0.1]:1234", []string{"198.51.100.7"}, "198.51.100.7"},
		{"IPv4-mapped client", "10.0.0.1:1234", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"IPv4-mapped hop", "10.0.0.1:1234", []string{"198.51.100.7, ::ffff:10.1.1.1"}, "198.51.100.7"},
		{"IPv4-mapped, untrusted peer", "[::ffff:192.0.2.1]:1234", nil, "192.0.2.1"},
		{"a zone", "[fe80::1%eth0]:1234", nil, "fe80::1"},
		{"a zone in the header", "10.0.0.1:1234", []string{"fe80::1%25eth0"}, "fe80::1"},
		{"a port", "10.0.0.1:1234", []string{"198.51.100.7:4711"}, "198.51.100.7"},
		{"a port, IPv6", "10.0.0.1:1234", []string{"[2001:db8:9::7]:4711"}, "2001:db8:9::7"},

		{"junk", "10.0.0.1:1234", []string{"unknown"}, "10.0.0.1"},
		{"junk behind a hop", "10.0.0.1:1234", []string{"198.51.100.7, _hidden, 10.1.1.1"}, "10.1.1.1"},
		{"an empty entry", "10.0.0.1:1234", []string{"198.51.100.7,"}, "10.0.0.1"},
		{"an empty line", "10.0.0.1:1234", []string{"198.51.100.7", ""}, "10.0.0.1"},
		{"octal", "10.0.0.1:1234", []string{"0198.051.100.007"}, "10.0.0.1"},
		{"a number", "10.0.0.1:1234", []string{"3325256711"}, "10.0.0.1"},
		{"a CIDR", "10.0.0.1:1234", []string{"198.51.100.0/24"}, "10.0.0.1"},
		{"a name", "10.0.0.1:1234", []string{"localhost"}, "10.0.0.1"},
		{"quotes", "10.0.0.1:1234", []string{`"198.51.100.7"`}, "10.0.0.1"},
		{"a newline", "10.0.0.1:1234", []string{"198.51.100.7\n"}, "10.0.0.1"},

		{"a Unix socket", "@", []string{"198.51.100.7"}, "::"},
		{"no peer", "", nil, "::"},
	} {
		got := clientAddress(from(c.peer, c.forwarded...), proxies)
		if got.client != netip.MustParseAddr(c.want) {
			t.Errorf("%s: %v, want %s", c.name, got.client, c.want)
		}
		if ignored := len(c.forwarded) > 0 && !got.trusted; got.ignored != ignored {
			t.Errorf("%s: ignored is %v", c.name, got.ignored)
		}
	}
}

func TestT32_OtherHeadersAreNotLookedAt(t *testing.T) {
	t.Parallel()
	r := from("10.0.0.1:1234")
	for _, name := range []string{"Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP"} {
		r.Header.Set(name, "198.51.100.7")
	}
	r.Header.Set("Forwarded", "for=198.51.100.7")
	if got := clientAddress(r, proxies); got.client != netip.MustParseAddr("10.0.0.1") {
		t.Errorf("the client is %v", got.client)
	}
}

func TestTrustedProxiesAreNormalised(t *testing.T) {
	t.Parallel()
	got, err := normalPrefixes([]netip.Prefix{netip.MustParsePrefix("10.1.2.3/8"),
		netip.PrefixFrom(netip.MustParseAddr("::ffff:192.0.2.0"), 120)})
	if err != nil || fmt.Sprint(got) != "[10.0.0.0/8 192.0.2.0/24]" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := normalPrefixes([]netip.Prefix{{}}); err == nil {
		t.Error("the zero prefix was taken")
	}
}

// FuzzClientAddress: whatever the header says, the client is the peer or stands in the header, in its plain spelling;
// nothing untrusted to the right of it was skipped.
func FuzzClientAddress(f *testing.F) {
	f.Add("10.0.0.1:80", "198.51.100.7, 10.1.1.1", "10.2.2.2")
	f.Add("10.0.0.1:80", "::ffff:198.51.100.7", "")
	f.Add("192.0.2.1:80", "198.51.100.7", "unknown")
	f.Add("[fe80::1%eth0]:80", ",,,", "[2001:db8::1]:80")
	f.Add("@", "\x00", "fe80::1%zone")
	f.Fuzz(func(t *testing.T, peer, one, two string) {
		got := clientAddress(from(peer, one, two), proxies)
		if !got.client.IsValid() || got.client.Is4In6() || got.client.Zone() != "" {
			t.Fatalf("%q is no plain address", got.client)
		}
		if got.trusted == got.ignored {
			t.Fatal("a header is either believed or ignored")
		}
		// The same walk, said another way: the entries that are believed, from the right.
		believed := []netip.Addr{netip.IPv6Unspecified()}
		if p, err := netip.ParseAddrPort(peer); err == nil {
			believed[0] = plain(p.Addr())
		}
		entries := strings.Split(one+","+two, ",")
		for i := len(entries) - 1; i >= 0 && contains(proxies, believed[len(believed)-1]); i-- {
			hop, ok := parseHop(strings.Trim(entries[i], " \t"))
			if !ok {
				break
			}
			believed = append(believed, hop)
		}
		if last := believed[len(believed)-1]; got.client != last {
			t.Fatalf("%v, want %v", got.client, last)
		}
	})
}

func BenchmarkClientAddress(b *testing.B) {
	r := from("10.0.0.1:1234", strings.Repeat("10.1.1.1, ", 400)+"10.2.2.2")
	b.ReportAllocs()
	for b.Loop() {
		clientAddress(r, proxies)
	}
}
