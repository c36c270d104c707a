package databases

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"rekey/internal/dsn"
)

// form is how the data sources of one kind of server are written.
type form struct {
	kind    Kind
	schemes []string
	port    uint16
	socket  string   // the parameter that names a socket
	params  []string // those that there are
	example string
}

var forms = []form{
	{
		kind: PostgreSQL, schemes: []string{"postgres://", "postgresql://"}, port: 5432, socket: "host",
		params: []string{"sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "step_timeout", "pool_max", "host", "port",
			"target_session_attrs", "search_path", "application_name"},
		example: `"postgres://rekey:PASSWORD@db.example.com/app?sslmode=verify-full", or with a socket "postgres://rekey:PASSWORD@/app?host=/run/postgresql"`,
	},
	{
		kind: MySQL, schemes: []string{"mysql://", "mariadb://"}, port: 3306, socket: "socket",
		params:  []string{"sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "step_timeout", "pool_max", "socket"},
		example: `"mysql://rekey:PASSWORD@db.example.com/app?sslmode=verify-full", or with a socket "mysql://rekey:PASSWORD@/app?socket=/run/mysqld/mysqld.sock"`,
	},
}

// Parse takes a data source apart, without touching the file or the server:
//
//	sqlite:FILE
//	postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=…     or postgresql://; several hosts with commas between
//	postgres://USER:PASSWORD@/DATABASE?host=/run/postgresql   by its socket
//	mysql://USER:PASSWORD@HOST:3306/DATABASE?sslmode=…        or mariadb://
//	mysql://USER:PASSWORD@/DATABASE?socket=/run/mysqld/mysqld.sock
//
// A password or port may be missing. Parameters that are not known are refused.
//
// An error is the end of a sentence that begins with the setting, and says what to write instead. It repeats nothing of
// the data source: where that is malformed, any part of it may be one of the password (T36).
func Parse(source string) (Source, error) {
	if file, ok := strings.CutPrefix(source, "sqlite:"); ok {
		if err := fileName(file); err != nil {
			return Source{}, err
		}
		return Source{Kind: SQLite, file: file}, nil
	}
	for _, f := range forms {
		for _, scheme := range f.schemes {
			if rest, ok := strings.CutPrefix(source, scheme); ok {
				return f.parse(rest)
			}
		}
	}
	return Source{}, errors.New(`must begin with "sqlite:" or "postgres://" or "mysql://", such as "sqlite:rekey.db"`)
}

// parse takes apart what follows the scheme.
func (f form) parse(rest string) (Source, error) {
	u, err := dsn.Split(rest)
	switch {
	case errors.Is(err, dsn.ErrMisplaced):
		return Source{}, fmt.Errorf("%w; in user, password and names write them as %%2F %%3F %%23 %%40", err)
	case err != nil:
		return Source{}, err
	case u.User == "":
		return Source{}, fmt.Errorf("names no user; write it as in %s", f.example)
	case u.Path == "":
		return Source{}, fmt.Errorf("names no database; write it as in %s", f.example)
	case strings.Contains(u.RawPath, "/"):
		return Source{}, errors.New("names more than a database behind the host; write a slash within its name as %2F")
	}
	s := Source{Kind: f.kind, user: u.User, password: u.Password, database: u.Path, program: "rekey"}
	if err := s.parameters(u.Query, f); err != nil {
		return Source{}, err
	}
	if err := s.address(u.Hosts, f); err != nil {
		return Source{}, err
	}
	if err := s.judgeTLS(); err != nil {
		return Source{}, err
	}
	return s, nil
}

// address reads the hosts, unless there is a socket.
func (s *Source) address(list string, f form) (err error) {
	switch {
	case s.socket != "" && list != "":
		return fmt.Errorf("names both a host and a socket; remove the host, or the parameter %s", f.socket)
	case s.socket != "":
		return nil
	}
	if s.hosts, err = dsn.ParseHosts(list, f.port, f.example); err != nil {
		return err
	}
	switch {
	case s.given.Has("port"):
		return errors.New("has the port of a socket, but none of those; write the port of a host behind it, as in db.example.com:5432")
	case len(s.hosts) > 1 && s.Kind == MySQL:
		return errors.New("names several hosts, which only PostgreSQL can have; name one, or the proxy in front of them")
	case len(s.hosts) > 1 && s.target == "":
		s.target = "read-write" // a standby that is asked first can't be written to
	}
	return nil
}

// parameters reads what stands behind the question mark.
func (s *Source) parameters(query string, f form) (err error) {
	if s.given, err = dsn.ParseParams(query); err != nil {
		return err
	}
	if err := dsn.CheckParams(s.given, f.params); err != nil {
		return err
	}
	s.socket = s.given.Get(f.socket)
	if s.socket != "" && !strings.HasPrefix(s.socket, "/") {
		return fmt.Errorf("must have in the parameter %s the path of a socket, beginning with a slash; a host stands before the database, as in %s", f.socket, f.example)
	}
	s.tls = dsn.ParseTLS(s.given)
	s.schemas = s.given.Get("search_path")
	if s.given.Has("application_name") {
		s.program = s.given.Get("application_name")
	}
	s.target = s.given.Get("target_session_attrs")
	if s.target != "" && !slices.Contains(targets, s.target) {
		return fmt.Errorf("must have one of %s in the parameter target_session_attrs: a reset writes", strings.Join(targets, ", "))
	}
	if s.limits, err = dsn.ParseLimits(s.given); err != nil {
		return err
	}
	port, err := dsn.ParseNumber(s.given, "port", int(f.port), 1, 65535)
	s.port = uint16(port)
	return err
}
