// Package dsn reads the URLs by which settings name servers, and tells operators why such a server is not reached:
//
//	scheme://USER:PASSWORD@HOST:PORT,HOST:PORT/PATH?PARAMETER=VALUE&PARAMETER=VALUE
//
// It has what PostgreSQL, MySQL and Redis have alike: how a URL is parted, its hosts, the parameters of TLS, times and
// connections, and the faults of networks and certificates. Schemes, what a path names, which parameters there are besides
// and what a server answers are the matter of who opens one: cmd/rekey/databases and codestore/redisstore.
//
// An error is the end of a sentence that begins with the setting, and says what to write instead. It repeats nothing of a
// URL but the files that its parameters name: where it is malformed, any part of it may be one of the password (T36).
package dsn

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
)

// Hidden is what is shown in the place of a password (T36).
const Hidden = "(hidden)"

// ErrMisplaced is the beginning of an error, to which who opens the URL adds where such signs may stand in it.
var ErrMisplaced = errors.New("has one of / ? # @ where it parts a URL")

// URL is what follows the scheme, taken apart. Its password is in clear: it must not be printed.
type URL struct {
	User, Password string // "" if missing
	Credentials    bool   // whether there is an @, before which they stand
	Hosts          string // as written, for ParseHosts
	Path           string // without the slash that it begins with
	RawPath        string // the same as written
	Query          string // as written, for ParseParams
}

// Split takes apart what follows a scheme. Package net/url does not know several hosts.
func Split(rest string) (URL, error) {
	if strings.ContainsFunc(rest, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return URL{}, errors.New("has a space or a control character; remove it, or write it with its percent sign, such as %20")
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	authority, tail := rest[:end], rest[end:]
	if strings.ContainsAny(tail, "@#") {
		return URL{}, ErrMisplaced
	}
	path, query, _ := strings.Cut(tail, "?")
	at := strings.LastIndexByte(authority, '@')
	user, password, _ := strings.Cut(authority[:max(at, 0)], ":")

	u := URL{Credentials: at >= 0, Hosts: authority[at+1:], RawPath: strings.TrimPrefix(path, "/"), Query: query}
	for _, part := range []struct {
		to   *string
		text string
	}{{&u.User, user}, {&u.Password, password}, {&u.Path, u.RawPath}} {
		decoded, err := url.PathUnescape(part.text)
		switch {
		case err != nil:
			return URL{}, errors.New("has a percent sign that no two hexadecimal digits follow; write it as %25")
		case part.to != &u.Password && strings.ContainsFunc(decoded, unicode.IsControl), strings.ContainsRune(decoded, 0):
			return URL{}, errors.New("has a control character; remove it")
		}
		*part.to = decoded
	}
	return u, nil
}
