package redisstore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"rekey/internal/dsn"
)

const (
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

// parse takes apart what follows the scheme.
func (f form) parse(rest string) (Target, error) {
	u, err := dsn.Split(rest)
	switch {
	case errors.Is(err, dsn.ErrMisplaced):
		return Target{}, fmt.Errorf("%w; in user, password and parameters write them as %%2F %%3F %%23 %%40", err)
	case err != nil:
		return Target{}, err
	case strings.Contains(u.Query, "?"):
		return Target{}, errors.New("has a second question mark; write & between parameters, and %3F for one within a value")
	case u.Credentials && u.Password == "":
		return Target{}, fmt.Errorf("has no password before its @; write it as in %s, and a password alone with its colon, as in %s:PASSWORD@…", f.example(), f.scheme())
	}
	t := Target{layout: f.layout, secure: f.secure, user: u.User, password: u.Password, prefix: DefaultPrefix}
	for _, read := range []func() error{
		func() error { return t.parameters(u.Query, f) },
		func() error { return t.address(u.Hosts, f) },
		func() error { return t.place(u.Path, f) },
		t.judgeTLS,
	} {
		if err := read(); err != nil {
			return Target{}, err
		}
	}
	return t, nil
}

// address reads the hosts, unless there is a socket.
func (t *Target) address(list string, f form) (err error) {
	switch {
	case t.socket != "" && list != "":
		return errors.New("names both a host and a socket; remove the host, or the parameter socket")
	case t.socket != "":
		return nil
	}
	if t.hosts, err = dsn.ParseHosts(list, f.port(), f.example()); err != nil {
		return err
	}
	if len(t.hosts) > 1 && f.layout == single {
		return fmt.Errorf("names several hosts; name one, or write %s or %s", form{cluster, f.secure}.scheme(), form{sentinel, f.secure}.scheme())
	}
	return nil
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
func (t *Target) parameters(query string, f form) (err error) {
	if t.given, err = dsn.ParseParams(query); err != nil {
		return err
	}
	for name := range t.given {
		if strings.HasPrefix(name, "ssl") && !f.secure {
			return fmt.Errorf("has parameters of TLS, but goes without; write %s, or remove those that begin with ssl", form{f.layout, true}.scheme())
		}
	}
	if err := dsn.CheckParams(t.given, f.params()); err != nil {
		return err
	}
	t.tls = dsn.ParseTLS(t.given)
	t.socket, t.sentinelUser, t.sentinelPassword = t.given.Get("socket"), t.given.Get("sentinel_user"), t.given.Get("sentinel_password")
	if t.socket != "" && !strings.HasPrefix(t.socket, "/") {
		return errors.New("must have in the parameter socket the path of a socket, beginning with a slash")
	}
	if t.sentinelUser != "" && t.sentinelPassword == "" {
		return errors.New("has sentinel_user without sentinel_password; add it, or remove the user")
	}
	if t.given.Has("prefix") {
		t.prefix = t.given.Get("prefix")
		// Braces would change which part of a key decides where it is kept.
		if len(t.prefix) > mostPrefix || strings.Trim(strings.ToLower(t.prefix), "abcdefghijklmnopqrstuvwxyz0123456789-_.:") != "" {
			return fmt.Errorf("must have at most %d letters, digits and - _ . : in the parameter prefix", mostPrefix)
		}
	}
	limits, err := dsn.ParseLimits(t.given)
	if err != nil {
		return err
	}
	t.patience, t.step, t.pool = limits.Patience, limits.Step, limits.Pool
	t.database, err = dsn.ParseNumber(t.given, "db", 0, 0, mostDatabase)
	return err
}
