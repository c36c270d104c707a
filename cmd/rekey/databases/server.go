package databases

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"time"

	"rekey/internal/dsn"
)

const (
	// openTime is how long Open waits for a server beyond what each of its hosts may take: two seconds for the network's
	// names and the first statement.
	openTime = 2 * time.Second

	// idleTime gives back connections that a busy hour took. Those of MySQL must go before the server ends them (silence):
	// database/sql looks once in that time.
	idleTime      = 5 * time.Minute
	idleTimeMySQL = 25 * time.Second

	// lifetime ends connections so that they are made anew: to servers that a load balancer or a name has come to point to
	// meanwhile, with certificates that hold now. Firewalls that drop old connections without a word do so after an hour
	// or more.
	lifetime = 30 * time.Minute
)

// dialer connects to servers. One that is gone without a word is noticed half a minute after it was last asked; if it is
// one of several, within a part of a step's time, of which the hosts that do not answer leave two thirds to the one that
// does.
func (s Source) dialer() *net.Dialer {
	d := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}
	if others := len(s.hosts) - 1; others > 0 {
		if s.tls.Mode == dsn.Prefer {
			others *= 2 // each is tried with TLS and without
		}
		d.Timeout = s.limits.Step / 3 / time.Duration(others)
	}
	return d
}

// openServer opens a pool of connections and makes the first, so that what is wrong is told at once.
func openServer(ctx context.Context, s Source) (*DB, error) {
	connector, err := s.Connector()
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(s.limits.Pool)
	pool.SetMaxIdleConns(s.limits.Pool)
	pool.SetConnMaxIdleTime(idleTime)
	if s.Kind == MySQL {
		pool.SetConnMaxIdleTime(idleTimeMySQL)
	}
	pool.SetConnMaxLifetime(lifetime)
	db := &DB{Kind: s.Kind, Read: pool, Write: pool}

	bounded, cancel := context.WithTimeout(ctx, openTime+time.Duration(max(1, len(s.hosts)))*s.limits.Patience)
	defer cancel()
	if err := pool.PingContext(bounded); err != nil {
		if ctx.Err() != nil {
			return nil, errors.Join(ctx.Err(), db.close())
		}
		return nil, errors.Join(s.explain(err), db.close())
	}
	return db, nil
}
