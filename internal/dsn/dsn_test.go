package dsn_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"rekey/internal/dsn"
)

const canary = "canary9f1c"

func TestSplitTakesWhatOperatorsWrite(t *testing.T) {
	t.Parallel()
	for rest, want := range map[string]dsn.URL{
		"":                   {},
		"h":                  {Hosts: "h"},
		"@h":                 {Credentials: true, Hosts: "h"},
		"u@h/":               {User: "u", Credentials: true, Hosts: "h"},
		"u:p@/app?a=/run":    {User: "u", Password: "p", Credentials: true, Path: "app", RawPath: "app", Query: "a=/run"},
		":p@h:1,[::1]:2?a?b": {Password: "p", Credentials: true, Hosts: "h:1,[::1]:2", Query: "a?b"},
		"u:p@ss:w@rd@h/a/b":  {User: "u", Password: "p@ss:w@rd", Credentials: true, Hosts: "h", Path: "a/b", RawPath: "a/b"},
		// Every sign that parts a URL, in the places where people have it.
		"u%40x:p%3A%40%2F%3F%23%25%20%2B+%26=&;'\"!$*()密%0A@h/a%2Fb%40": {User: "u@x", Password: "p:@/?#% ++&=&;'\"!$*()密\n", Credentials: true,
			Hosts: "h", Path: "a/b@", RawPath: "a%2Fb%40"},
	} {
		if got, err := dsn.Split(rest); err != nil || got != want {
			t.Errorf("%q is %+v, %v, want %+v", rest, got, err, want)
		}
	}
}

func TestSplitSaysWhatToWriteInstead(t *testing.T) {
	t.Parallel()
	for rest, want := range map[string]string{
		"u:1/canary9f1c@h":        "parts a URL",
		"u:1?canary9f1c@h":        "parts a URL",
		"u:1#canary9f1c@h":        "parts a URL",
		"u:1#canary9f1c":          "parts a URL",
		"u:canary9f1c@h/a?b=c@d":  "parts a URL",
		"u:canary 9f1c@h":         "has a space or a control character; remove it, or write it with its percent sign, such as %20",
		"u:canary9f1c@h\n":        "has a space or a control character",
		"u:canary9f1c%zz@h":       "has a percent sign that no two hexadecimal digits follow; write it as %25",
		"canary9f1c%2:p@h":        "percent sign",
		"u:canary9f1c@h/%":        "percent sign",
		"u:canary9f1c%00@h":       "has a control character; remove it",
		"u%0a:canary9f1c@h":       "has a control character; remove it",
		"u:canary9f1c@h/app%7f/a": "has a control character; remove it",
	} {
		got, err := dsn.Split(rest)
		if err == nil || !strings.Contains(err.Error(), want) || got != (dsn.URL{}) {
			t.Errorf("%q is %+v, %v, want %q", rest, got, err, want)
		}
		if errors.Is(err, dsn.ErrMisplaced) != (want == "parts a URL") {
			t.Errorf("%q: who opens it is to add to %v", rest, err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("T36: %q is told as %v", rest, err)
		}
	}
}

func TestHostsAreNamesOrAddressesWithPorts(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]dsn.Hosts{
		"h":                                   {{Name: "h", Port: 5432}},
		"H-1_x.example.com:1":                 {{Name: "H-1_x.example.com", Port: 1}},
		"127.0.0.1,[::1]:65535,[2001:db8::1]": {{Name: "127.0.0.1", Port: 5432}, {Name: "::1", Port: 65535}, {Name: "2001:db8::1", Port: 5432}},
	} {
		got, err := dsn.ParseHosts(list, 5432, "x://h")
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is %v, %v, want %v", list, got, err, want)
		}
		if again, err := dsn.ParseHosts(got.String(), 1, ""); err != nil || !slices.Equal(again, want) {
			t.Errorf("%s is shown as %v, which is read as %v, %v", list, got, again, err)
		}
	}
	const neither = "has a host that is neither a name nor an address, or a port that is not from 1 to 65535; write them as in x://h; "
	for list, want := range map[string]string{
		"":        "names no host; write it as in x://h",
		"h:65536": neither, "h:0": neither, "h:": neither, "h:+1": neither, "h:canary9f1c": neither, "a,,b": neither, "a,": neither, "::1": neither, "[::1": neither,
		"[h]": neither, "[127.0.0.1]": neither, "[::1%25eth0]": neither, "[::1]5432": neither, "h%62": neither, "tcp(h:3306)": neither, "密": neither,
	} {
		got, err := dsn.ParseHosts(list, 5432, "x://h")
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), canary) || got != nil {
			t.Errorf("%q is %v, %v, want %s", list, got, err, want)
		}
	}
}

func TestHostsAreRemoteIfOneIsNotThisMachine(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]bool{
		"localhost": false, "127.0.0.1": false, "127.0.0.2:1": false, "[::1]": false, "[::ffff:127.0.0.1]": false, "localhost,[::1]": false,
		"h": true, "10.0.0.1": true, "localhost.example.com": true, "127.0.0.1.example.com": true, "127.0.0.1,h": true, "[2001:db8::1]": true,
	} {
		hosts, err := dsn.ParseHosts(list, 1, "")
		if err != nil || hosts.Remote() != want {
			t.Errorf("%s: %v, %v, want %v", list, hosts.Remote(), err, want)
		}
	}
}
