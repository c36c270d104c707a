package databases

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	// usualPatience lets a command tell within five seconds that a server does not answer (openTime).
	usualPatience = 3 * time.Second

	// usualPool is how many connections one process takes at the most. A reset holds one for milliseconds, so that ten do
	// for some thousand a second; PostgreSQL allows 100 for everybody, MySQL 151.
	usualPool = 10

	// usualStep leaves a tenth of the second in which people are answered for all else.
	usualStep = 900 * time.Millisecond

	mostPatience = 60
	mostPool     = 1000
	leastStep    = 50 * time.Millisecond
	mostStep     = time.Minute
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
// A password or port may be missing. Parameters that are not known are refused: a driver would hand them on to the server,
// which fails late and, through a pooler, obscurely.
//
// An error is the end of a sentence that begins with the setting, and says what to write instead. It repeats nothing of
// the data source: where that is malformed, any part of it may be one of the password (T36).
func Parse(dsn string) (Source, error) {
	if file, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		if err := fileName(file); err != nil {
			return Source{}, err
		}
		return Source{Kind: SQLite, file: file}, nil
	}
	for _, f := range forms {
		for _, scheme := range f.schemes {
			if rest, ok := strings.CutPrefix(dsn, scheme); ok {
				return f.parse(rest)
			}
		}
	}
	return Source{}, errors.New(`must begin with "sqlite:" or "postgres://" or "mysql://", such as "sqlite:rekey.db"`)
}

// parse takes apart what follows the scheme. Package net/url does not know several hosts.
func (f form) parse(rest string) (Source, error) {
	if strings.ContainsFunc(rest, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return Source{}, errors.New("has a space or a control character; remove it, or write it with its percent sign, such as %20")
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	authority, tail := rest[:end], rest[end:]
	if strings.ContainsAny(tail, "@#") {
		return Source{}, errors.New("has one of / ? # @ where it parts a URL; in user, password and names write them as %2F %3F %23 %40")
	}
	path, query, _ := strings.Cut(tail, "?")
	at := strings.LastIndexByte(authority, '@')
	user, password, _ := strings.Cut(authority[:max(at, 0)], ":")

	s := Source{Kind: f.kind, patience: usualPatience, step: usualStep, pool: usualPool, program: "rekey"}
	for _, part := range []struct {
		to   *string
		text string
		what string
	}{
		{&s.user, user, "user"}, {&s.password, password, ""}, {&s.database, strings.TrimPrefix(path, "/"), "database"},
	} {
		decoded, err := url.PathUnescape(part.text)
		switch {
		case err != nil:
			return Source{}, errors.New("has a percent sign that no two hexadecimal digits follow; write it as %25")
		case part.what == "" && strings.ContainsRune(decoded, 0), part.what != "" && strings.ContainsFunc(decoded, unicode.IsControl):
			return Source{}, errors.New("has a control character; remove it")
		case part.what != "" && decoded == "":
			return Source{}, fmt.Errorf("names no %s; write it as in %s", part.what, f.example)
		case strings.Contains(part.text, "/"): // only the database's can
			return Source{}, errors.New("names more than a database behind the host; write a slash within its name as %2F")
		}
		*part.to = decoded
	}
	if err := s.parameters(query, f); err != nil {
		return Source{}, err
	}
	if err := s.address(authority[at+1:], f); err != nil {
		return Source{}, err
	}
	if err := s.judgeTLS(); err != nil {
		return Source{}, err
	}
	return s, nil
}

// address reads the hosts, unless there is a socket.
func (s *Source) address(list string, f form) error {
	if s.socket != "" {
		if list != "" {
			return fmt.Errorf("names both a host and a socket; remove the host, or the parameter %s", f.socket)
		}
		return nil
	}
	if list == "" {
		return fmt.Errorf("names no host; write it as in %s", f.example)
	}
	if s.given.Has("port") {
		return errors.New("has the port of a socket, but none of those; write the port of a host behind it, as in db.example.com:5432")
	}
	for part := range strings.SplitSeq(list, ",") {
		h, ok := parseHost(part, f.port)
		if !ok {
			return fmt.Errorf("has a host that is neither a name nor an address, or a port that is not from 1 to 65535; write them as in %s; "+
				"in user and password write the characters / ? # @ : as %%2F %%3F %%23 %%40 %%3A", f.example)
		}
		s.hosts = append(s.hosts, h)
	}
	if len(s.hosts) > 1 {
		if s.Kind == MySQL {
			return errors.New("names several hosts, which only PostgreSQL can have; name one, or the proxy in front of them")
		}
		if s.target == "" {
			s.target = "read-write" // a standby that is asked first can't be written to
		}
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

// parameters reads what stands behind the question mark.
func (s *Source) parameters(query string, f form) error {
	given, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("has a parameter that can't be read; write % as %25 and ; as %3B in its value")
	}
	s.given = given
	for name, values := range given {
		switch {
		case !slices.Contains(f.params, name):
			return fmt.Errorf("has a parameter that there is not; remove all but these: %s", strings.Join(f.params, ", "))
		case len(values) > 1:
			return fmt.Errorf("has the parameter %s twice; remove one", name)
		case values[0] == "" || strings.ContainsFunc(values[0], unicode.IsControl):
			return fmt.Errorf("has nothing in the parameter %s, or a control character; give it a value or remove it", name)
		}
	}
	s.socket = given.Get(f.socket)
	if s.socket != "" && !strings.HasPrefix(s.socket, "/") {
		return fmt.Errorf("must have in the parameter %s the path of a socket, beginning with a slash; a host stands before the database, as in %s", f.socket, f.example)
	}
	s.port = f.port
	s.tls = encryption{mode: given.Get("sslmode"), roots: given.Get("sslrootcert"), cert: given.Get("sslcert"), key: given.Get("sslkey")}
	s.schemas = given.Get("search_path")
	if given.Has("application_name") {
		s.program = given.Get("application_name")
	}
	s.target = given.Get("target_session_attrs")
	if s.target != "" && !slices.Contains(targets, s.target) {
		return fmt.Errorf("must have one of %s in the parameter target_session_attrs: a reset writes", strings.Join(targets, ", "))
	}
	if given.Has("step_timeout") {
		if s.step, err = time.ParseDuration(given.Get("step_timeout")); err != nil || s.step < leastStep || s.step > mostStep {
			return fmt.Errorf("must have a time from %v to 1m in the parameter step_timeout, such as %v", leastStep, usualStep)
		}
	}
	for _, number := range []struct {
		name string
		most uint64
		take func(int)
	}{
		{"port", 65535, func(n int) { s.port = uint16(n) }},
		{"connect_timeout", mostPatience, func(n int) { s.patience = time.Duration(n) * time.Second }},
		{"pool_max", mostPool, func(n int) { s.pool = n }},
	} {
		if !given.Has(number.name) {
			continue
		}
		n, err := strconv.ParseUint(given.Get(number.name), 10, 16)
		if err != nil || n < 1 || n > number.most {
			return fmt.Errorf("must have a whole number from 1 to %d in the parameter %s", number.most, number.name)
		}
		number.take(int(n))
	}
	return nil
}
