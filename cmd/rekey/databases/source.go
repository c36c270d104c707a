package databases

import (
	"database/sql/driver"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"rekey/internal/dsn"
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
	hosts                    dsn.Hosts // in the order in which they are tried; none: there is a socket
	socket                   string    // its path; of PostgreSQL, that of its folder
	port                     uint16    // of PostgreSQL's socket, a part of its name
	tls                      dsn.TLS   // of connections to hosts
	limits                   dsn.Limits
	target, schemas, program string     // of PostgreSQL: which server will do, search_path, application_name
	given                    url.Values // the parameters as written
}

// String is the data source as it may be shown.
func (s Source) String() string {
	if s.Kind == SQLite {
		return "sqlite:" + s.file
	}
	var b strings.Builder
	b.WriteString(string(s.Kind) + "://" + url.User(s.user).String())
	if s.password != "" {
		b.WriteString(":" + dsn.Hidden)
	}
	b.WriteByte('@')
	b.WriteString(s.hosts.String() + "/" + strings.ReplaceAll(url.QueryEscape(s.database), "+", "%20"))
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
	return s.limits.Step
}

// Exposed reports whether somebody on the network could read what passes between here and the server, or answer in its
// place: it is on another machine, as far as its name tells, and its certificate is not verified.
func (s Source) Exposed() bool {
	return !s.tls.Verifies() && s.hosts.Remote()
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
func Mask(source string) (masked string, secret bool) {
	if s, err := Parse(source); err == nil {
		return s.String(), s.password != ""
	}
	if source == "" || strings.HasPrefix(source, "sqlite:") || strings.HasPrefix(source, "memory:") {
		return source, false
	}
	for _, f := range forms {
		for _, scheme := range f.schemes {
			if strings.HasPrefix(source, scheme) {
				return scheme + dsn.Hidden, true
			}
		}
	}
	return dsn.Hidden, true
}
