package redisstore

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	usualPatience = 3 * time.Second
	mostPatience  = 60 // seconds

	leastStep = 50 * time.Millisecond // a round trip around the world is 300, one within a region 1
	mostStep  = time.Minute

	// usualPool is how many connections one process takes to one node at the most. A step holds one for well under a
	// millisecond, and for the time that replicas take where codes.wait is set.
	usualPool = 10
	mostPool  = 1000

	mostPrefix = 64

	mostDatabase = 65535 // there are 16 unless redis.conf says otherwise
)

// form is one of the ways in which a URL is written.
type form struct {
	layout layout
	secure bool
}

var forms = []form{{single, false}, {single, true}, {sentinel, false}, {sentinel, true}, {cluster, false}, {cluster, true}}

func (f form) scheme() string {
	if f.secure {
		return strings.Replace(string(f.layout), "redis", "rediss", 1) + "://"
	}
	return string(f.layout) + "://"
}

// port is where those listen whom the URL names.
func (f form) port() uint16 {
	if f.layout == sentinel {
		return 26379
	}
	return 6379
}

func (f form) params() []string {
	all := []string{"connect_timeout", "step_timeout", "pool_max", "prefix"}
	switch {
	case f.layout == sentinel:
		all = append(all, "db", "sentinel_user", "sentinel_password")
	case f.layout == single && !f.secure:
		all = append(all, "socket")
	}
	if f.secure {
		all = append(all, "sslmode", "sslrootcert", "sslcert", "sslkey")
	}
	return all
}

func (f form) example() string {
	begin := `"` + f.scheme() + "rekey:PASSWORD@"
	switch f.layout {
	case sentinel:
		return begin + `s1.example.com,s2.example.com,s3.example.com/MASTERNAME"`
	case cluster:
		return begin + `r1.example.com,r2.example.com,r3.example.com"`
	}
	if f.secure {
		return begin + `redis.example.com/0"`
	}
	return begin + `redis.example.com/0", or with a socket "redis://rekey:PASSWORD@/0?socket=/run/redis/redis.sock"`
}

// Parse takes a URL apart, without connecting to anything:
//
//	redis://USER:PASSWORD@HOST:6379/DATABASE            one server, or what stands for several as one
//	redis://USER:PASSWORD@/DATABASE?socket=/run/redis/redis.sock
//	redis+sentinel://USER:PASSWORD@S1:26379,S2,S3/MASTERNAME?db=DATABASE&sentinel_user=U&sentinel_password=P
//	redis+cluster://USER:PASSWORD@HOST:6379,HOST,HOST
//
// With rediss in the place of redis, all connections go by TLS. User, password, ports and the database, which is a number,
// may be missing; a password without a user is written with its colon, redis://:PASSWORD@HOST. These parameters can stand
// behind each:
//
//   - sslmode: verify-full, which is what it is without, verify-ca or require, in the words of PostgreSQL; sslrootcert,
//     sslcert, sslkey: files in PEM (with rediss alone). Whether a certificate is for the right host is told by the
//     address that is connected to, or by any host of the URL: sentinels and clusters name their nodes by addresses that
//     the certificate may not have.
//   - connect_timeout: how long a connection may take to come about, in whole seconds from 1 to 60; 3 without. It never
//     takes longer than a step.
//   - step_timeout: how long a step may take, such as 900ms, which is what it is without; from 50ms to 1m.
//   - pool_max: the most connections to one node, from 1 to 1000; 10 without.
//   - prefix: what the name of every key begins with; "rekey:" without.
//
// Others are refused. An error is the end of a sentence that begins with the setting, and says what to write instead. It
// repeats nothing of the URL: where that is malformed, any part of it may be one of the password (T36).
func Parse(url string) (Target, error) {
	for _, f := range forms {
		if rest, ok := strings.CutPrefix(url, f.scheme()); ok {
			return f.parse(rest)
		}
	}
	return Target{}, errors.New(`must begin with "redis://", "redis+sentinel://" or "redis+cluster://", or with rediss instead of redis for TLS`)
}

// parse takes apart what follows the scheme. Package net/url does not know several hosts.
func (f form) parse(rest string) (Target, error) {
	if strings.ContainsFunc(rest, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return Target{}, errors.New("has a space or a control character; remove it, or write it with its percent sign, such as %20")
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	authority, tail := rest[:end], rest[end:]
	if strings.ContainsAny(tail, "@#") {
		return Target{}, errors.New("has one of / ? # @ where it parts a URL; in user, password and parameters write them as %2F %3F %23 %40")
	}
	path, query, _ := strings.Cut(tail, "?")
	if strings.Contains(query, "?") {
		return Target{}, errors.New("has a second question mark; write & between parameters, and %3F for one within a value")
	}
	at := strings.LastIndexByte(authority, '@')
	user, password, _ := strings.Cut(authority[:max(at, 0)], ":")

	t := Target{layout: f.layout, secure: f.secure, patience: usualPatience, step: DefaultStepTime, pool: usualPool, prefix: DefaultPrefix}
	path = strings.TrimPrefix(path, "/")
	for _, part := range []struct {
		to   *string
		text string
	}{{&t.user, user}, {&t.password, password}, {&path, path}} {
		decoded, err := url.PathUnescape(part.text)
		switch {
		case err != nil:
			return Target{}, errors.New("has a percent sign that no two hexadecimal digits follow; write it as %25")
		case part.to != &t.password && strings.ContainsFunc(decoded, unicode.IsControl), strings.ContainsRune(decoded, 0):
			return Target{}, errors.New("has a control character; remove it")
		}
		*part.to = decoded
	}
	if at >= 0 && t.password == "" {
		return Target{}, fmt.Errorf("has no password before its @; write it as in %s, and a password alone with its colon, as in %s:PASSWORD@…", f.example(), f.scheme())
	}
	for _, read := range []func() error{
		func() error { return t.parameters(query, f) },
		func() error { return t.address(authority[at+1:], f) },
		func() error { return t.place(path, f) },
		t.judgeTLS,
	} {
		if err := read(); err != nil {
			return Target{}, err
		}
	}
	return t, nil
}

// address reads the hosts, unless there is a socket.
func (t *Target) address(list string, f form) error {
	switch {
	case t.socket != "" && list != "":
		return errors.New("names both a host and a socket; remove the host, or the parameter socket")
	case t.socket != "":
		return nil
	case list == "":
		return fmt.Errorf("names no host; write it as in %s", f.example())
	}
	for part := range strings.SplitSeq(list, ",") {
		h, ok := parseHost(part, f.port())
		if !ok {
			return fmt.Errorf("has a host that is neither a name nor an address, or a port that is not from 1 to 65535; write them as in %s; "+
				"in user and password write the characters / ? # @ : as %%2F %%3F %%23 %%40 %%3A", f.example())
		}
		t.hosts = append(t.hosts, h)
	}
	if len(t.hosts) > 1 && f.layout == single {
		return fmt.Errorf("names several hosts; name one, or write %s or %s", form{cluster, f.secure}.scheme(), form{sentinel, f.secure}.scheme())
	}
	return nil
}

func parseHost(text string, usual uint16) (host, bool) {
	h := host{port: usual}
	rest := ""
	if inner, ok := strings.CutPrefix(text, "["); ok {
		if h.name, rest, ok = strings.Cut(inner, "]"); !ok {
			return host{}, false
		}
		if a, err := netip.ParseAddr(h.name); err != nil || !a.Is6() || a.Zone() != "" {
			return host{}, false
		}
	} else {
		i := strings.IndexByte(text, ':')
		if i < 0 {
			i = len(text)
		}
		h.name, rest = text[:i], text[i:]
		if h.name == "" || strings.Trim(strings.ToLower(h.name), "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
			return host{}, false
		}
	}
	if rest == "" {
		return h, true
	}
	port, err := strconv.ParseUint(strings.TrimPrefix(rest, ":"), 10, 16)
	h.port = uint16(port)
	return h, rest[0] == ':' && err == nil && port > 0
}

// place reads what stands behind the hosts.
func (t *Target) place(path string, f form) error {
	switch f.layout {
	case sentinel:
		// The characters are those that sentinel.conf allows.
		if path == "" || strings.Trim(strings.ToLower(path), "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
			return fmt.Errorf("must have the name behind its hosts that the sentinels know the master by, of letters, digits and . - _, as in %s", f.example())
		}
		t.master = path
	case cluster:
		if path != "" && path != "0" {
			return errors.New("names a database, of which a cluster has none but 0; remove what stands behind the hosts")
		}
	default:
		if path == "" {
			return nil
		}
		n, err := strconv.ParseUint(path, 10, 16)
		if err != nil {
			return fmt.Errorf("must have the number of a database behind its host, from 0 to %d, or nothing, as in %s", mostDatabase, f.example())
		}
		t.database = int(n)
	}
	return nil
}

// parameters reads what stands behind the question mark.
func (t *Target) parameters(query string, f form) error {
	given, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("has a parameter that can't be read; write % as %25 and ; as %3B in its value")
	}
	t.given = given
	known := f.params()
	for _, name := range slices.Sorted(maps.Keys(given)) {
		values := given[name]
		switch {
		case strings.HasPrefix(name, "ssl") && !f.secure:
			return fmt.Errorf("has parameters of TLS, but goes without; write %s, or remove those that begin with ssl", form{f.layout, true}.scheme())
		case !slices.Contains(known, name):
			return fmt.Errorf("has a parameter that there is not; remove all but these: %s", strings.Join(known, ", "))
		case len(values) > 1:
			return fmt.Errorf("has the parameter %s twice; remove one", name)
		case values[0] == "" || strings.ContainsFunc(values[0], unicode.IsControl):
			return fmt.Errorf("has nothing in the parameter %s, or a control character; give it a value or remove it", name)
		}
	}
	t.tls = encryption{mode: given.Get("sslmode"), roots: given.Get("sslrootcert"), cert: given.Get("sslcert"), key: given.Get("sslkey")}
	t.socket, t.sentinelUser, t.sentinelPassword = given.Get("socket"), given.Get("sentinel_user"), given.Get("sentinel_password")
	if t.socket != "" && !strings.HasPrefix(t.socket, "/") {
		return errors.New("must have in the parameter socket the path of a socket, beginning with a slash")
	}
	if t.sentinelUser != "" && t.sentinelPassword == "" {
		return errors.New("has sentinel_user without sentinel_password; add it, or remove the user")
	}
	if given.Has("prefix") {
		t.prefix = given.Get("prefix")
		// Braces would change which part of a key decides where it is kept.
		if len(t.prefix) > mostPrefix || strings.Trim(strings.ToLower(t.prefix), "abcdefghijklmnopqrstuvwxyz0123456789-_.:") != "" {
			return fmt.Errorf("must have at most %d letters, digits and - _ . : in the parameter prefix", mostPrefix)
		}
	}
	if given.Has("step_timeout") {
		if t.step, err = time.ParseDuration(given.Get("step_timeout")); err != nil || t.step < leastStep || t.step > mostStep {
			return fmt.Errorf("must have a time from %v to 1m in the parameter step_timeout, such as %v", leastStep, DefaultStepTime)
		}
	}
	for _, number := range []struct {
		name        string
		least, most uint64
		take        func(int)
	}{
		{"connect_timeout", 1, mostPatience, func(n int) { t.patience = time.Duration(n) * time.Second }},
		{"pool_max", 1, mostPool, func(n int) { t.pool = n }},
		{"db", 0, mostDatabase, func(n int) { t.database = n }},
	} {
		if !given.Has(number.name) {
			continue
		}
		n, err := strconv.ParseUint(given.Get(number.name), 10, 16)
		if err != nil || n < number.least || n > number.most {
			return fmt.Errorf("must have a whole number from %d to %d in the parameter %s", number.least, number.most, number.name)
		}
		number.take(int(n))
	}
	return nil
}
