package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// databases are the open SQLite files, one each however many settings name it: SQLite lets one connection write, and two
// that want to would wait for each other.
type databases struct {
	create bool // makes a file that is not there; else that is an error: a command that reads was started in a wrong folder
	files  map[string]*sqliteFile
}

// sqliteFile is an open SQLite file.
type sqliteFile struct {
	read  *sql.DB // a pool that can't write
	write *sql.DB // one connection
}

// busyTimeout is how long a statement waits for another process that writes, in milliseconds: rekey user import holds
// the lock while it stores, a second or two for 100,000 rows.
const busyTimeout = 5000

// open opens the file of a data source; key is the setting that names it.
//
// The file is made for its owner alone, since it will hold password hashes; SQLite gives its companions (-wal, -shm) the
// same rights. The log is a WAL, so that readers never wait, at synchronous=NORMAL: a power cut may forget the last
// second of codes. The users table asks for more where it writes (package userdb).
func (d *databases) open(ctx context.Context, key, dsn string) (*sqliteFile, error) {
	path, err := sqlitePath(dsn)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if f := d.files[path]; f != nil {
		return f, nil
	}
	flags := os.O_RDWR
	if d.create {
		flags |= os.O_CREATE
	}
	found, err := os.OpenFile(path, flags, 0o600)
	if !d.create && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %s is not there; run in the service's folder or give --config", key, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s can't be opened for writing: %s; give this user the right to it, or name another file", key, path, reason(err))
	}
	if err := found.Close(); err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}

	address := "file:" + (&url.URL{Path: path}).EscapedPath() + fmt.Sprintf("?_pragma=busy_timeout(%d)", busyTimeout)
	f := &sqliteFile{}
	if f.write, err = sql.Open("sqlite", address+"&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_txlock=immediate"); err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	f.write.SetMaxOpenConns(1)
	if f.read, err = sql.Open("sqlite", address+"&_pragma=query_only(1)"); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", key, err), f.write.Close())
	}
	readers := max(4, runtime.NumCPU())
	f.read.SetMaxOpenConns(readers)
	f.read.SetMaxIdleConns(readers)

	var mode string
	if err := f.write.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %s can't be used as a SQLite file: %w", key, path, err), f.close())
	}
	if d.files == nil {
		d.files = map[string]*sqliteFile{}
	}
	d.files[path] = f
	return f, nil
}

func (f *sqliteFile) close() error { return errors.Join(f.read.Close(), f.write.Close()) }

// close closes all files. The last connection of a file moves its WAL into it.
func (d *databases) close() error {
	var failed []error
	for _, f := range d.files {
		failed = append(failed, f.close())
	}
	d.files = nil
	return errors.Join(failed...)
}
