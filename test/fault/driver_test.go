package fault_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"os"
	"sync/atomic"
	"syscall"

	"modernc.org/sqlite"
)

// killer is SQLite's driver in a process that dies by SIGKILL at its n-th step: a statement, the begin of a
// transaction, or a commit, before or after the database did it. Nothing of it is in the software under test.
type killer struct {
	driver.Driver
	left  atomic.Int64 // steps to go; under 0: disarmed
	after atomic.Bool
}

// arm sets after how many steps from now the process dies.
func (k *killer) arm(steps int64, after bool) {
	k.after.Store(after)
	k.left.Store(steps)
}

// step is called around each step.
func (k *killer) step(done bool) {
	if done != k.after.Load() {
		return
	}
	if k.left.Add(-1) == 0 {
		die()
	}
}

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal is on its way
}

func newKiller(name string) *killer {
	k := &killer{Driver: &sqlite.Driver{}}
	k.left.Store(-1)
	sql.Register(name, k)
	return k
}

func (k *killer) Open(name string) (driver.Conn, error) {
	c, err := k.Driver.Open(name)
	if err != nil {
		return nil, err
	}
	return &killerConn{fullConn: c.(fullConn), k: k}, nil
}

// fullConn is what modernc.org/sqlite's connections can do, and database/sql makes use of.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type killerConn struct {
	fullConn
	k *killer
}

func around[T any](k *killer, do func() (T, error)) (T, error) {
	k.step(false)
	v, err := do()
	k.step(true)
	return v, err
}

func (c *killerConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := around(c.k, func() (driver.Tx, error) { return c.fullConn.BeginTx(ctx, o) })
	if err != nil {
		return nil, err
	}
	return &killerTx{Tx: tx, k: c.k}, nil
}

func (c *killerConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return around(c.k, func() (driver.Result, error) { return c.fullConn.ExecContext(ctx, query, args) })
}

func (c *killerConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return around(c.k, func() (driver.Rows, error) { return c.fullConn.QueryContext(ctx, query, args) })
}

func (c *killerConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &killerStmt{fullStmt: s.(fullStmt), k: c.k}, nil
}

type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type killerStmt struct {
	fullStmt
	k *killer
}

func (s *killerStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return around(s.k, func() (driver.Result, error) { return s.fullStmt.ExecContext(ctx, args) })
}

func (s *killerStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return around(s.k, func() (driver.Rows, error) { return s.fullStmt.QueryContext(ctx, args) })
}

type killerTx struct {
	driver.Tx
	k *killer
}

func (t *killerTx) Commit() error {
	_, err := around(t.k, func() (struct{}, error) { return struct{}{}, t.Tx.Commit() })
	return err
}
