// Package databases opens the SQL databases that settings name, with all that rekey depends on in how they are opened.
// It is a package of its own so that tests across the parts open them exactly as the program does.
package databases

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
)

// Set is the open databases, one each however many settings name it: SQLite lets one connection write, and two that want
// to would wait for each other. The zero Set opens what is there. It is for one goroutine; its databases are for many.
type Set struct {
	Create bool // makes a file that is not there; else that is an error: a command that reads was started in a wrong folder
	open   map[string]*DB
}

// DB is an open database.
type DB struct {
	Kind  Kind
	Read  *sql.DB // of SQLite, a pool that can't write
	Write *sql.DB // of SQLite, one connection
}

// Open opens a data source; key is the setting that names it, with which errors begin. The Set keeps what it opens and
// closes it.
func (s *Set) Open(ctx context.Context, key, dsn string) (*DB, error) {
	source, err := Parse(dsn)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	path, err := filepath.Abs(source.file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if db := s.open[path]; db != nil {
		return db, nil
	}
	db, err := openFile(ctx, path, s.Create)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if s.open == nil {
		s.open = map[string]*DB{}
	}
	s.open[path] = db
	return db, nil
}

func (db *DB) close() error { return errors.Join(db.Read.Close(), db.Write.Close()) }

// Close closes all databases. The last connection of a SQLite file moves its WAL into it.
func (s *Set) Close() error {
	var failed []error
	for _, db := range s.open {
		failed = append(failed, db.close())
	}
	s.open = nil
	return errors.Join(failed...)
}
