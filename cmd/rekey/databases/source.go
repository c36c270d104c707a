package databases

import (
	"database/sql/driver"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is a family of databases that are asked alike.
type Kind string

const (
	SQLite     Kind = "sqlite"   // a file of this machine
	PostgreSQL Kind = "postgres" // and what speaks its protocol, poolers too
	MySQL      Kind = "mysql"    // and MariaDB
)

// Source is a data source taken apart. However it is printed, its password is hidden (T36).
type Source struct {
	Kind Kind

	file string // of SQLite, as written

	// Of a server:
	user, password, database string
	hosts                    []host        // in the order in which they are tried; none: there is a socket
	socket                   string        // its path; of PostgreSQL, that of its folder
	port                     uint16        // of PostgreSQL's socket, a part of its name
	tls                      encryption    // of connections to hosts
	patience                 time.Duration // how long a connection to one host may take to come about
	step                     time.Duration // how long a step of a code store kept there may take
	pool                     int           // the most connections at once
	target, schemas, program string        // of PostgreSQL: which server will do, search_path, application_name
	given                    url.Values    // the parameters as written
}

// host is where a server listens.
type host struct {
	name string // or its address, IPv6 without brackets
	port uint16
}

func (h host) String() string { return net.JoinHostPort(h.name, strconv.Itoa(int(h.port))) }

// local reports whether the name is one of this machine's own.
func (h host) local() bool {
	a, err := netip.ParseAddr(h.name)
	return h.name == "localhost" || err == nil && a.Unmap().IsLoopback()
}

const hidden = "(hidden)"

// String is the data source as it may be shown.
func (s Source) String() string {
	if s.Kind == SQLite {
		return "sqlite:" + s.file
	}
	var b strings.Builder
	b.WriteString(string(s.Kind) + "://" + url.User(s.user).String())
	if s.password != "" {
		b.WriteString(":" + hidden)
	}
	b.WriteByte('@')
	for i, h := range s.hosts {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(h.String())
	}
	b.WriteString("/" + strings.ReplaceAll(url.QueryEscape(s.database), "+", "%20"))
	if len(s.given) > 0 {
		b.WriteString("?" + strings.ReplaceAll(s.given.Encode(), "%2F", "/")) // as people write paths
	}
	return b.String()
}

// Format keeps every verb of package fmt from telling what String hides.
func (s Source) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// User is who connects to a server; "" to a file.
func (s Source) User() string { return s.user }

// Database is the name of a server's database, or a file as written.
func (s Source) Database() string {
	if s.Kind == SQLite {
		return s.file
	}
	return s.database
}

// StepTime is how long a look for an account may take, or one step of a code store that is kept there, waiting for a
// connection and for locks included. A server that takes longer is down to people, who are told within a second; a SQLite
// file is waited for two seconds longer than for its lock, so that a slow machine too tells what was waited for.
func (s Source) StepTime() time.Duration {
	if s.Kind == SQLite {
		return (busyTimeout + 2000) * time.Millisecond
	}
	return s.step
}

// Exposed reports whether somebody on the network could read what passes between here and the server, or answer in its
// place: it is on another machine, as far as its name tells, and its certificate is not verified.
func (s Source) Exposed() bool {
	return !s.tls.verifies() && slices.ContainsFunc(s.hosts, func(h host) bool { return !h.local() })
}

// Connector makes connections to the data source with every option that rekey depends on, as those of a DB are made. Those
// to a SQLite file read and write; one of them at a time should. It reads the files of certificates that the data source
// names, and connects to nothing yet.
func (s Source) Connector() (driver.Connector, error) {
	switch s.Kind {
	case PostgreSQL:
		return s.postgres()
	case MySQL:
		return s.mysql()
	}
	path, err := s.resolved()
	if err != nil {
		return nil, err
	}
	return sqliteWriter(path)
}

// Mask is a data source as it may be shown, and reports whether it holds a password. Where Parse refuses it, any part of
// it may be one of the password, and only its scheme is shown (T36).
func Mask(dsn string) (masked string, secret bool) {
	if s, err := Parse(dsn); err == nil {
		return s.String(), s.password != ""
	}
	if dsn == "" || strings.HasPrefix(dsn, "sqlite:") || strings.HasPrefix(dsn, "memory:") {
		return dsn, false
	}
	for _, f := range forms {
		for _, scheme := range f.schemes {
			if strings.HasPrefix(dsn, scheme) {
				return scheme + hidden, true
			}
		}
	}
	return hidden, true
}
