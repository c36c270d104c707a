package databases

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// rested is how long a connection may lie in the pool and be taken for alive without asking.
const rested = time.Second

// connector makes connections that share their fate. A server that is gone, or a way to it, takes all that lie in the pool
// with it, and without a word they look alive: each would cost a request its time. So the first that breaks condemns those
// made before it, which are closed instead of used; and one that has lain for a while must answer in a third of a step's
// time, which leaves the step time for a new one (T19).
type connector struct {
	driver.Connector
	broken func(driver.Conn) bool
	answer time.Duration // how long a connection may take to show that it is alive
	era    atomic.Int64  // goes up when a connection of the present one breaks
}

// share wraps a connector of a driver. broken says of one of its own connections that it can't be used any more.
func (s Source) share(c driver.Connector, broken func(driver.Conn) bool) *connector {
	return &connector{Connector: c, broken: broken, answer: s.limits.Step / 3}
}

// Connect implements driver.Connector.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	era := c.era.Load()
	opened, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	able, ok := opened.(capable)
	if !ok {
		return nil, errors.Join(fmt.Errorf("a %T can't do what is asked of a connection", opened), opened.Close())
	}
	return &conn{capable: able, of: c, era: era, used: time.Now()}, nil
}

// capable is what the connections of both drivers can do: package database/sql does without what one can't.
type capable interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
}

// conn is a connection of a connector. One goroutine uses it at a time.
type conn struct {
	capable
	of   *connector
	era  int64     // that it was made in
	used time.Time // when it was last taken from the pool
}

// ResetSession implements driver.SessionResetter: package database/sql asks when it takes the connection from the pool, and
// closes it after an error.
func (c *conn) ResetSession(ctx context.Context) error {
	if c.era != c.of.era.Load() {
		return driver.ErrBadConn
	}
	if err := c.capable.ResetSession(ctx); err != nil {
		return err
	}
	lain := time.Since(c.used)
	c.used = time.Now()
	if lain < rested {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.of.answer)
	defer cancel()
	if c.Ping(ctx) != nil {
		return driver.ErrBadConn // and not what ended the wait, which database/sql takes for an answer
	}
	return nil
}

// IsValid implements driver.Validator: a connection that isn't does not go back to the pool.
func (c *conn) IsValid() bool { return !c.of.broken(c.capable) }

// Close implements driver.Conn.
func (c *conn) Close() error {
	if c.of.broken(c.capable) {
		c.of.era.CompareAndSwap(c.era, c.era+1) // once for all that break together, and never for those made since
	}
	return c.capable.Close()
}
