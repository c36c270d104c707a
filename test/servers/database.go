package servers

import (
	"database/sql"
	"net"
	"net/url"
	"strconv"
	"testing"
)

const loopback = "127.0.0.1"

// Database is a database and the role under which it is used.
type Database struct {
	Kind     string // Postgres or MySQL
	DSN      string // as rekey takes it: postgres://user:password@host:port/name?sslmode=disable or mysql://…/name
	Host     string
	Port     int
	User     string // owns the database, unless another role was asked for
	Password string
	Name     string
	CA       string // file with the certificate of the authority that signed the server's own, for localhost and 127.0.0.1

	server *Server
}

// dsn is the data source that the other fields make.
func (d Database) dsn() string {
	u := url.URL{Scheme: d.Kind, User: url.UserPassword(d.User, d.Password), Host: d.Address(), Path: "/" + d.Name}
	if d.Kind == Postgres {
		u.RawQuery = "sslmode=disable"
	}
	return u.String()
}

// Address is host:port.
func (d Database) Address() string { return net.JoinHostPort(d.Host, strconv.Itoa(d.Port)) }

// as is the same database under another role.
func (d Database) as(user, password string) Database {
	d.User, d.Password = user, password
	d.DSN = d.dsn()
	return d
}

// Admin is the same database under the server's superuser.
func (d Database) Admin() Database { return d.as(d.server.root.User, d.server.root.Password) }

// Role makes another role, with no rights, and returns the database under it. Its full name, the field User, begins with
// that of the database, since roles belong to the server: a name of letters, digits and underscores does for each
// database. MariaDB lets a role into the database only once it was granted something there.
func (d Database) Role(t testing.TB, name string) Database {
	t.Helper()
	r := d.as(d.Name+"_"+name, newPassword())
	if err := d.server.execute(d.server.engine.role(r.User, r.Password)); err != nil {
		t.Fatalf("%s: making a role: %v", d.server.engine.name(), err)
	}
	return r
}

// Via is the same database at another address, that of a Proxy.
func (d Database) Via(t testing.TB, address string) Database {
	t.Helper()
	host, number, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	if d.Port, err = strconv.Atoi(number); err != nil {
		t.Fatal(err)
	}
	d.Host = host
	d.DSN = d.dsn()
	return d
}

// Open opens the database for what the test itself does to it: tables, people, a look at the rows. One Exec without
// arguments may hold several statements. The pool is closed when the test ends.
func (d Database) Open(t testing.TB) *sql.DB {
	t.Helper()
	db, err := d.server.engine.open(d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
