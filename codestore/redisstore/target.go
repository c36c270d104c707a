package redisstore

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"rekey/internal/dsn"
)

// layout is how the Redis that a URL names is made up.
type layout string

const (
	single   layout = "redis"          // one server, or what stands in front of several and speaks as one
	sentinel layout = "redis+sentinel" // a master and its replicas, watched by sentinels that say which is the master
	cluster  layout = "redis+cluster"  // several masters that each keep a part of the keys
)

// Target is a Redis that a URL names, taken apart. However it is printed, its passwords are hidden (T36).
//
// Its user needs these rights and no more, here for the default prefix; Inspect tries them:
//
//	ACL SETUSER rekey on >PASSWORD resetkeys ~rekey:* resetchannels -@all +eval +evalsha +get +set +del +pexpire +time +info
//
// and beside them +select where the URL names a database other than 0, +wait where codes.wait is set, and on every node
// of a cluster, its replicas too,
//
//	+cluster|slots +cluster|info +asking
//
// Sentinels that have users of their own want for sentinel_user:
//
//	ACL SETUSER rekey on >PASSWORD resetchannels &+switch-master &+replica-reconf-done -@all
//	            +sentinel|get-master-addr-by-name +sentinel|sentinels +subscribe +ping
//
// Redis 6.0 knows no rights to channels: there resetchannels and what begins with & are left out.
type Target struct {
	layout layout
	secure bool // by TLS

	user, password string    // "" for the user that Redis calls default
	hosts          dsn.Hosts // of a single server one; of sentinels and clusters those that are asked first
	socket         string    // its path; then there is no host
	database       int       // 0 in a cluster

	master                         string // the name that sentinels know it by
	sentinelUser, sentinelPassword string

	tls      dsn.TLS
	patience time.Duration // how long a connection may take to come about
	step     time.Duration
	pool     int // the most connections to one node
	prefix   string
	given    url.Values // the parameters as written
}

func (t Target) scheme() string { return form{t.layout, t.secure}.scheme() }

// String is the URL as it may be shown.
func (t Target) String() string {
	var b strings.Builder
	b.WriteString(t.scheme())
	if t.password != "" {
		b.WriteString(url.User(t.user).String() + ":" + dsn.Hidden + "@")
	}
	b.WriteString(t.hosts.String())
	switch t.layout {
	case single:
		b.WriteString("/" + strconv.Itoa(t.database))
	case sentinel:
		b.WriteString("/" + t.master)
	case cluster:
	}
	if len(t.given) > 0 {
		shown := make(url.Values, len(t.given))
		for name, values := range t.given {
			if name == "sentinel_password" {
				values = []string{dsn.Hidden}
			}
			shown[name] = values
		}
		b.WriteString("?" + strings.NewReplacer("%2F", "/", "%3A", ":", "%28", "(", "%29", ")").Replace(shown.Encode())) // as people write them
	}
	return b.String()
}

// Format keeps every verb of package fmt from telling what String hides.
func (t Target) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// User is who connects; "" is the user that Redis calls default.
func (t Target) User() string { return t.user }

// Prefix is what the name of every key begins with, for Options.
func (t Target) Prefix() string { return t.prefix }

// StepTime is how long a step may take, for Options.
func (t Target) StepTime() time.Duration { return t.step }

// Exposed reports whether somebody on the network could read what passes between here and the servers, or answer in their
// place: one is on another machine, as far as its name tells, and its certificate is not verified.
func (t Target) Exposed() bool {
	return !(t.secure && t.tls.Verifies()) && t.hosts.Remote()
}

// Named reports whether a setting names a Redis, well or badly, rather than another kind of store.
func Named(store string) bool {
	return slices.ContainsFunc(forms, func(f form) bool { return strings.HasPrefix(store, f.scheme()) })
}

// Mask is a URL as it may be shown, and reports whether it holds a password. Where Parse refuses it, any part of it may be
// one of the password, and only its scheme is shown (T36).
func Mask(url string) (masked string, secret bool) {
	if t, err := Parse(url); err == nil {
		return t.String(), t.password != "" || t.sentinelPassword != ""
	}
	if url == "" {
		return "", false
	}
	for _, f := range forms {
		if strings.HasPrefix(url, f.scheme()) {
			return f.scheme() + dsn.Hidden, true
		}
	}
	return dsn.Hidden, true
}
