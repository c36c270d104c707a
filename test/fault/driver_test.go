package fault_test

import (
	"context"
	"database/sql/driver"
	"os"
	"sync/atomic"
	"syscall"
)

// moment is when, around a step, the tripwire trips.
type moment int

const (
	before moment = iota
	sent          // Redis alone: the request is on its way, and nothing of the answer was read
	after         // the answer is there
)

func (m moment) String() string { return [...]string{"before it", "once it is sent", "after it"}[m] }

// tripwire lies between the service and its databases, and does something at the n-th step from when it was armed: in SQL a
// statement, the begin of a transaction, or a commit; in Redis whatever is said at once on one connection. Nothing of it is
// in the software under test.
type tripwire struct {
	trip func()
	left atomic.Int64 // steps to go; 0 or less: disarmed
	when atomic.Int64 // a moment
}

// arm sets how many steps from now it trips.
func (w *tripwire) arm(steps int64, when moment) {
	w.when.Store(int64(when))
	w.left.Store(steps)
}

func (w *tripwire) disarm() { w.left.Store(0) }

// step is called at each moment of each step.
func (w *tripwire) step(now moment) {
	if int64(now) == w.when.Load() && w.left.Add(-1) == 0 {
		w.trip()
	}
}

// die ends the process as a kill -9 from outside does.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal is on its way
}

// wrap is for embedded.Options.
func (w *tripwire) wrap(c driver.Connector) driver.Connector { return wiredConnector{c, w} }

type wiredConnector struct {
	driver.Connector
	wire *tripwire
}

func (c wiredConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &wiredConn{fullConn: conn.(fullConn), wire: c.wire}, nil
}

// fullConn is what the connections of all the drivers can do, and database/sql makes use of.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
}

type wiredConn struct {
	fullConn
	wire *tripwire
}

// IsValid and CheckNamedValue are what some of the drivers can do besides.
func (c *wiredConn) IsValid() bool {
	v, ok := c.fullConn.(driver.Validator)
	return !ok || v.IsValid()
}

func (c *wiredConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.fullConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip // database/sql does it itself
}

func around[T any](w *tripwire, do func() (T, error)) (T, error) {
	w.step(before)
	v, err := do()
	w.step(after)
	return v, err
}

func (c *wiredConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := around(c.wire, func() (driver.Tx, error) { return c.fullConn.BeginTx(ctx, o) })
	if err != nil {
		return nil, err
	}
	return &wiredTx{Tx: tx, wire: c.wire}, nil
}

func (c *wiredConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return around(c.wire, func() (driver.Result, error) { return c.fullConn.ExecContext(ctx, query, args) })
}

func (c *wiredConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return around(c.wire, func() (driver.Rows, error) { return c.fullConn.QueryContext(ctx, query, args) })
}

func (c *wiredConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &wiredStmt{fullStmt: s.(fullStmt), conn: c}, nil
}

type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type wiredStmt struct {
	fullStmt
	conn *wiredConn
}

func (s *wiredStmt) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := s.fullStmt.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return s.conn.CheckNamedValue(v)
}

func (s *wiredStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return around(s.conn.wire, func() (driver.Result, error) { return s.fullStmt.ExecContext(ctx, args) })
}

func (s *wiredStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return around(s.conn.wire, func() (driver.Rows, error) { return s.fullStmt.QueryContext(ctx, args) })
}

type wiredTx struct {
	driver.Tx
	wire *tripwire
}

func (t *wiredTx) Commit() error {
	_, err := around(t.wire, func() (struct{}, error) { return struct{}{}, t.Tx.Commit() })
	return err
}
