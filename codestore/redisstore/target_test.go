package redisstore

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"rekey/internal/dsn"
	"rekey/internal/dsn/dsntest"
)

var reader = dsntest.Reader[Target]{Parse: Parse, Mask: Mask}

func TestParseTakesWhatOperatorsWrite(t *testing.T) {
	t.Parallel()
	// usual is what every Redis has that says nothing else.
	usual := Target{layout: single, hosts: dsn.Hosts{{Name: "r", Port: 6379}}, patience: 3 * time.Second, step: DefaultStepTime, pool: 10, prefix: "rekey:"}
	like := func(change func(*Target)) Target {
		u := usual
		change(&u)
		return u
	}
	for url, c := range map[string]struct {
		want  Target
		shown string // "" is url
	}{
		"redis://r":                      {usual, "redis://r:6379/0"},
		"redis://r:6379/0":               {usual, ""},
		"redis://r/":                     {usual, "redis://r:6379/0"},
		"redis://[2001:db8::1]:6380/15?": {like(func(u *Target) { u.hosts, u.database = dsn.Hosts{{Name: "2001:db8::1", Port: 6380}}, 15 }), "redis://[2001:db8::1]:6380/15"},
		"redis://:secret@r":              {like(func(u *Target) { u.password = "secret" }), "redis://:(hidden)@r:6379/0"},
		"redis://rekey:secret@r/2":       {like(func(u *Target) { u.user, u.password, u.database = "rekey", "secret", 2 }), "redis://rekey:(hidden)@r:6379/2"},
		"redis://r%40x:p%3A%40%2F%3F%23%25%20+&=;%22!$*()%E5%AF%86@r": {like(func(u *Target) {
			u.user, u.password = "r@x", "p:@/?#% +&=;\"!$*()密"
		}), "redis://r%40x:(hidden)@r:6379/0"},
		"redis://rekey:p@ss:w@rd@r": {like(func(u *Target) { u.user, u.password = "rekey", "p@ss:w@rd" }), "redis://rekey:(hidden)@r:6379/0"},
		"redis:///?socket=/run/redis/redis.sock": {like(func(u *Target) {
			u.hosts, u.socket = nil, "/run/redis/redis.sock"
		}), "redis:///0?socket=/run/redis/redis.sock"},
		"redis://:secret@/3?socket=/run/redis.sock": {like(func(u *Target) {
			u.hosts, u.password, u.socket, u.database = nil, "secret", "/run/redis.sock", 3
		}), "redis://:(hidden)@/3?socket=/run/redis.sock"},
		"redis://r:6379/0?connect_timeout=1&pool_max=50&prefix=app-1:rekey_&step_timeout=1.5s": {like(func(u *Target) {
			u.patience, u.pool, u.prefix, u.step = time.Second, 50, "app-1:rekey_", 1500*time.Millisecond
		}), ""},
		"rediss://r": {like(func(u *Target) { u.secure, u.tls = true, dsn.TLS{Mode: dsn.VerifyFull} }), "rediss://r:6379/0"},
		"rediss://r:6379/0?sslcert=/c&sslkey=/k&sslmode=verify-ca&sslrootcert=/ca": {like(func(u *Target) {
			u.secure, u.tls = true, dsn.TLS{Mode: dsn.VerifyCA, Roots: "/ca", Cert: "/c", Key: "/k"}
		}), ""},
		"rediss://r:6379/0?sslmode=require": {like(func(u *Target) { u.secure, u.tls = true, dsn.TLS{Mode: dsn.Require} }), ""},
		"redis+sentinel://s1,s2:26380,[::1]/my.master-1": {like(func(u *Target) {
			u.layout, u.hosts, u.master = sentinel, dsn.Hosts{{Name: "s1", Port: 26379}, {Name: "s2", Port: 26380}, {Name: "::1", Port: 26379}}, "my.master-1"
		}), "redis+sentinel://s1:26379,s2:26380,[::1]:26379/my.master-1"},
		"rediss+sentinel://rekey:secret@s1:1/m?db=0&sentinel_password=p%40ss&sentinel_user=watcher": {like(func(u *Target) {
			u.layout, u.secure, u.tls, u.hosts, u.master = sentinel, true, dsn.TLS{Mode: dsn.VerifyFull}, dsn.Hosts{{Name: "s1", Port: 1}}, "m"
			u.user, u.password, u.sentinelUser, u.sentinelPassword = "rekey", "secret", "watcher", "p@ss"
		}), "rediss+sentinel://rekey:(hidden)@s1:1/m?db=0&sentinel_password=(hidden)&sentinel_user=watcher"},
		"redis+sentinel://s1:1/m?db=7&sentinel_password=p": {like(func(u *Target) {
			u.layout, u.hosts, u.master, u.database, u.sentinelPassword = sentinel, dsn.Hosts{{Name: "s1", Port: 1}}, "m", 7, "p"
		}), "redis+sentinel://s1:1/m?db=7&sentinel_password=(hidden)"},
		"redis+cluster://r1,r2:7001": {like(func(u *Target) {
			u.layout, u.hosts = cluster, dsn.Hosts{{Name: "r1", Port: 6379}, {Name: "r2", Port: 7001}}
		}), "redis+cluster://r1:6379,r2:7001"},
		"redis+cluster://r1/0": {like(func(u *Target) { u.layout, u.hosts = cluster, dsn.Hosts{{Name: "r1", Port: 6379}} }), "redis+cluster://r1:6379"},
		"rediss+cluster://:s@r1?sslrootcert=system": {like(func(u *Target) {
			u.layout, u.secure, u.password, u.hosts, u.tls = cluster, true, "s", dsn.Hosts{{Name: "r1", Port: 6379}}, dsn.TLS{Mode: dsn.VerifyFull, Roots: "system"}
		}), "rediss+cluster://:(hidden)@r1:6379?sslrootcert=system"},
	} {
		if c.shown == "" {
			c.shown = url
		}
		got := reader.Takes(t, url, c.shown)
		if !Named(url) {
			t.Errorf("%s is not named a Redis", url)
		}
		got.given = nil
		if !reflect.DeepEqual(got, c.want) {
			type bare Target // without its methods
			t.Errorf("%s is\n%+v, want\n%+v", url, bare(got), bare(c.want))
		}
	}
}

func TestParseSaysWhatToWriteInstead(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                                                "must begin with",
		"sqlite:rekey.db":                                 "must begin with",
		"localhost:6379":                                  "must begin with",
		"REDIS://:canary9f1c@r":                           "must begin with",
		"redis:canary9f1c@r":                              "must begin with",
		"unix://:canary9f1c@/run/r":                       "must begin with",
		"redis+tls://:canary9f1c@r":                       "must begin with",
		"redis://":                                        "names no host",
		"redis://:canary9f1c@/0":                          `socket=/run/redis/redis.sock"`,
		"redis+cluster://:canary9f1c@":                    "names no host",
		"redis://canary9f1c@r":                            "no password before its @",
		"redis://rekey:@r":                                "no password before its @",
		"redis://@r":                                      "redis://:PASSWORD@",
		"redis://:canary9f1c@r/app":                       "number of a database",
		"redis://:canary9f1c@r/-1":                        "number of a database",
		"redis://:canary9f1c@r/65536":                     "number of a database",
		"redis://:canary9f1c@r/0/1":                       "number of a database",
		"redis://:canary9f1c@r1,r2":                       "write redis+cluster:// or redis+sentinel://",
		"rediss://:canary9f1c@r1,r2":                      "write rediss+cluster:// or rediss+sentinel://",
		"redis+cluster://:canary@a,,b":                    "neither a name nor an address",
		"redis://:canary 9f1c@r":                          "space",
		"redis://:1/canary9f1c@r":                         "parts a URL; in user, password and parameters write them as %2F %3F %23 %40",
		"redis://rekey:canary9f1c":                        "from 1 to 65535", // it stands where a port does
		"redis://r?password=canary9f1c":                   "a parameter that there is not",
		"redis://r?skip_verify=true":                      "connect_timeout, step_timeout, pool_max, prefix",
		"redis+cluster://r?socket=/run":                   "a parameter that there is not",
		"rediss://r?socket=/run":                          "a parameter that there is not",
		"redis+cluster://r?db=1":                          "a parameter that there is not",
		"redis://r?prefix=a?pool_max=3":                   "second question mark",
		"redis://r?a=%zz":                                 "can't be read",
		"redis://r?prefix={a}":                            "letters, digits",
		"redis://r?prefix=a%20b":                          "letters, digits",
		"redis://r?prefix=" + strings.Repeat("a", 65):     "at most 64",
		"redis://r?step_timeout=900":                      "from 50ms to 1m in the parameter step_timeout",
		"redis://r?pool_max=1001":                         "from 1 to 1000",
		"redis://r/0?socket=/run/r.sock":                  "both a host and a socket",
		"redis:///0?socket=r.sock":                        "beginning with a slash",
		"redis://r?sslmode=require":                       "write rediss://",
		"redis+cluster://r?sslrootcert=/ca":               "write rediss+cluster://",
		"rediss://r?sslmode=disable":                      "to do without TLS write redis://",
		"rediss+sentinel://s/m?sslmode=prefer":            "to do without TLS write redis+sentinel://",
		"rediss://r?sslmode=require&sslrootcert=/ca":      "that nothing is verified by",
		"rediss://r?sslmode=verify-ca":                    "anybody can buy",
		"rediss://r?sslmode=verify-ca&sslrootcert=system": "anybody can buy",
		"rediss://r?sslcert=/c":                           "both sslcert and sslkey",
		"rediss://r?sslkey=/k":                            "both sslcert and sslkey",
		"redis+sentinel://:canary9f1c@s1,s2":              "sentinels know the master by",
		"redis+sentinel://:canary9f1c@s1/a/b":             "sentinels know the master by",
		"redis+sentinel://:canary9f1c@s1/a%20b":           "sentinels know the master by",
		"redis+sentinel://s1/m?sentinel_user=u":           "without sentinel_password",
		"redis+sentinel://s1/m?db=65536":                  "from 0 to 65535",
		"redis+sentinel://s1/m?sentinel_password=can@ary": "parts a URL",
		"redis+cluster://:canary9f1c@r1/1":                "a cluster has none",
	} {
		reader.Refuses(t, url, want)
	}
}

func TestExposedIsWhatSomebodyBetweenCouldRead(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"redis://r":                                     true,
		"redis://127.0.0.1":                             false,
		"redis://localhost":                             false,
		"redis:///?socket=/run/redis/redis.sock":        false,
		"rediss://r":                                    false,
		"rediss://r?sslmode=require":                    true,
		"rediss://r?sslmode=verify-ca&sslrootcert=/ca":  false,
		"rediss://localhost?sslmode=require":            false,
		"redis+sentinel://127.0.0.1,s2/m":               true,
		"redis+cluster://127.0.0.1,127.0.0.2":           false,
		"rediss+cluster://r1,r2?prefix=x":               false,
		"rediss+cluster://r1,127.0.0.1?sslmode=require": true,
	} {
		target, err := Parse(url)
		if err != nil || target.Exposed() != want {
			t.Errorf("%s: exposed is %v, %v, want %v", url, target.Exposed(), err, want)
		}
	}
}

func TestNamedIsARedisAlone(t *testing.T) {
	t.Parallel()
	for store, want := range map[string]bool{
		"": false, "memory:": false, "sqlite:redis.db": false, "postgres://redis/app": false, "redis": false, "redis.db": false,
		"redis://": true, "rediss://x@y": true, "redis+sentinel://": true, "rediss+cluster://r": true, "redis+other://r": false,
	} {
		if Named(store) != want {
			t.Errorf("%q: %v, want %v", store, !want, want)
		}
	}
}

func FuzzT36_ParseNeverTellsThePassword(f *testing.F) {
	reader.FuzzT36(f, []string{"redis://", "redis+cluster://", "rediss+sentinel://"},
		[]string{"r/0", "[::1]:6380?pool_max=3", "/?socket=/run", "a,b/app", "", "x@y/z?w@v", "r:x/%zz?;#"})
}
