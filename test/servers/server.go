package servers

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Kinds of servers, by the scheme of their data sources.
const (
	Postgres = "postgres"
	MySQL    = "mysql" // MariaDB, which speaks its protocol
)

// engine is what PostgreSQL and MariaDB do differently.
type engine interface {
	name() string
	kind() string
	user() string // of the system, where the test runs as root
	// install makes the data directory, with a superuser of that name and password. Both hold neither quotes nor
	// backslashes, here and below.
	install(h *home, superuser, password string) error
	// command is the program that serves, with its arguments. hasty trades durability for speed.
	command(s *Server, hasty bool) (program string, arguments []string)
	// stopSignal ends the server at once but in order; endSignal ends it when its data are no longer wanted, and leaves
	// nothing of it in the system.
	stopSignal() syscall.Signal
	endSignal() syscall.Signal
	open(d Database) (*sql.DB, error)
	// create and drop are statements that make and remove a database and the role that owns it; role makes another.
	create(d Database) []string
	drop(d Database) []string
	role(name, password string) []string
	// crashed removes what a killed server leaves in the system.
	crashed(h *home) error
}

// Server is a PostgreSQL or MariaDB server on loopback. Start, Stop and Kill are called by the test's goroutine, one at a
// time.
type Server struct {
	Kind string // Postgres or MySQL
	Port int    // on 127.0.0.1, the same as long as the test runs
	CA   string // file with the certificate of the authority that signed the server's own, for localhost and 127.0.0.1

	engine  engine
	hasty   bool
	home    *home
	port    *port
	process *process // nil while it is down
	root    Database // of the superuser
	made    atomic.Int64
}

// superuser is the role that makes databases and roles.
const superuser = "admin"

// newServer starts a server with the programs that find finds.
func newServer(find func() (engine, error), hasty bool) (*Server, error) {
	e, err := find()
	if err != nil {
		return nil, err
	}
	s := &Server{Kind: e.kind(), engine: e, hasty: hasty}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", e.name(), err), s.close())
	}
	return s, nil
}

func (s *Server) prepare() (err error) {
	if s.home, err = newHome(s.engine.user()); err != nil {
		return err
	}
	if s.port, err = reservePort(); err != nil {
		return err
	}
	s.Port = s.port.number
	if s.CA, err = certify(s.home); err != nil {
		return err
	}
	s.root = Database{Kind: s.Kind, Host: loopback, Port: s.Port, User: superuser, Password: newPassword(), Name: s.Kind, CA: s.CA, server: s}
	s.root.DSN = s.root.dsn()
	if err := s.engine.install(s.home, s.root.User, s.root.Password); err != nil {
		return err
	}
	return s.start()
}

// newPassword draws a password. Its signs must be escaped in a URL, so that no test passes because a data source was put
// together without; what shells, SQL and configuration files need escaped is not among them.
func newPassword() string { return "p:@/%+" + rand.Text() }

// start starts the server and waits until it answers.
func (s *Server) start() error {
	program, arguments := s.engine.command(s, s.hasty)
	p, err := s.home.start(s.engine.endSignal(), program, arguments...)
	if err != nil {
		return err
	}
	s.process = p
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	db, err := s.engine.open(s.root)
	if err != nil {
		return err
	}
	defer db.Close()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			s.process = nil
			return fmt.Errorf("it did not start: %v\n%s", p.cmd.ProcessState, s.home.said())
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w\n%s", err, s.home.said())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Start starts the server again, on its port and its data, and waits until it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if s.process != nil {
		t.Fatalf("%s is running already", s.engine.name())
	}
	if err := s.start(); err != nil {
		t.Fatalf("%s: %v", s.engine.name(), err)
	}
}

// Stop ends the server in order, as an operator who restarts it: open connections are closed, what was committed is
// written. Its port refuses connections until it is started again.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.running(t)
	if err := s.process.end(s.engine.stopSignal()); err != nil {
		t.Fatalf("%s: %v", s.engine.name(), err)
	}
	s.process = nil
}

// Kill ends every process of the server by SIGKILL, as a crash of its machine would but for what the operating system had
// still to write. It returns when none of them runs any more.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.running(t)
	if err := s.process.kill(); err != nil {
		t.Fatalf("%s: %v", s.engine.name(), err)
	}
	s.process = nil
	if err := s.engine.crashed(s.home); err != nil {
		t.Fatalf("%s: %v", s.engine.name(), err)
	}
}

func (s *Server) running(t testing.TB) {
	t.Helper()
	if s.process == nil {
		t.Fatalf("%s is not running", s.engine.name())
	}
}

// Address is where the server listens, host:port.
func (s *Server) Address() string { return s.root.Address() }

// NewDatabase makes an empty database, owned by a role of its own that has no rights elsewhere. The server must be
// running. It may be called by several goroutines at once.
func (s *Server) NewDatabase(t testing.TB) Database {
	t.Helper()
	name := fmt.Sprintf("db%d", s.made.Add(1))
	d := s.root.as(name, newPassword())
	d.Name = name
	d.DSN = d.dsn()
	if err := s.execute(s.engine.create(d)); err != nil {
		t.Fatalf("%s: making a database: %v", s.engine.name(), err)
	}
	return d
}

func (s *Server) drop(d Database) error { return s.execute(s.engine.drop(d)) }

// execute executes statements, one after the other, as the superuser. It makes a connection of its own: one that was kept
// could be from before a restart.
func (s *Server) execute(statements []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	db, err := s.engine.open(s.root)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // so that what one statement sets holds for the next
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// close ends the server and removes its files. It may be called whatever of it was made.
func (s *Server) close() error {
	var failed []error
	if s.process != nil {
		failed = append(failed, s.process.end(s.engine.endSignal()))
		s.process = nil
	}
	if s.port != nil {
		failed = append(failed, s.port.close())
	}
	if s.home != nil {
		failed = append(failed, s.home.remove())
	}
	return errors.Join(failed...)
}
