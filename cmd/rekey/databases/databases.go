// Package databases opens the SQL databases that settings name, with every option that rekey depends on. It is a package of
// its own so that tests across the parts open them exactly as the program does.
package databases

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Set is the open databases, one each however many settings name it: SQLite lets one connection write, and two that want
// to would wait for each other; of a server, a pool twice is twice its connections. The zero Set opens what is there. It
// is for one goroutine; the databases in it are for many.
type Set struct {
	Create bool // makes a SQLite file that is not there; else that is an error: a command that reads was started in a wrong folder
	Wait   int  // how many replicas of a Redis that keeps codes must have a step before it is believed (redisstore.Options)
	// Log is told what of a store in Redis could be better; nil: nobody is.
	Log  *slog.Logger
	open map[string]*DB
}

// DB is an open database. Package userdb and others take its two pools.
type DB struct {
	Kind     Kind
	Read     *sql.DB       // of SQLite, a pool that can't write; of a server, the same as Write
	Write    *sql.DB       // of SQLite, one connection
	StepTime time.Duration // how long one step of a code store may take (Source.StepTime)
}

// Open opens a data source and makes sure, within some seconds, that it can be used. key is the setting that names it,
// with which errors begin; they say what to do, and never hold its password (T36). The Set keeps what it opens and closes
// it.
//
// A process takes at most ten connections to a server, or pool_max of them: N replicas take N times as many at their
// busiest. One that is idle is given up after some minutes, each after half an hour.
func (s *Set) Open(ctx context.Context, key, dsn string) (*DB, error) {
	return s.get(ctx, key, dsn, func(ctx context.Context, path string) (*DB, error) { return openFile(ctx, path, s.Create) })
}

// OpenTheirs is Open for the database of an application: a SQLite file is never made, and keeps the journal that it has.
func (s *Set) OpenTheirs(ctx context.Context, key, dsn string) (*DB, error) {
	return s.get(ctx, key, dsn, openTheirFile)
}

func (s *Set) get(ctx context.Context, key, dsn string, file func(context.Context, string) (*DB, error)) (*DB, error) {
	source, err := Parse(dsn)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	name := dsn
	if source.Kind == SQLite {
		if name, err = source.resolved(); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	if db := s.open[name]; db != nil {
		return db, nil
	}
	var db *DB
	if source.Kind == SQLite {
		db, err = file(ctx, name)
	} else {
		db, err = openServer(ctx, source)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	db.StepTime = source.StepTime()
	if s.open == nil {
		s.open = map[string]*DB{}
	}
	s.open[name] = db
	return db, nil
}

func (db *DB) close() error {
	if db.Read == db.Write {
		return db.Write.Close()
	}
	return errors.Join(db.Read.Close(), db.Write.Close())
}

// Close closes all databases. The last connection of a SQLite file moves its WAL into it.
func (s *Set) Close() error {
	var failed []error
	for _, db := range s.open {
		failed = append(failed, db.close())
	}
	s.open = nil
	return errors.Join(failed...)
}
