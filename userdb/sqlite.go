package userdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Dialect is what differs between databases.
type Dialect struct {
	quote func(name string) string // a table or column name
	param func(n int) string       // the placeholder of the n-th value, from 1
	same  func(a, b string) string // a condition: equal byte for byte, whatever the column's collation
	key   string                   // the type of an integer primary key that numbers itself

	// transact runs work in one transaction of db and commits it, so that it is on disk when transact returns nil. If
	// work fails, everything is rolled back and its error returned. If the commit fails, its outcome may be unknown.
	transact func(ctx context.Context, db *sql.DB, work func(querier) error) error
}

// querier is a transaction at work.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// quoteTable quotes a table's name and the schema before it, if there is one.
func (d Dialect) quoteTable(name string) string {
	if schema, table, ok := strings.Cut(name, "."); ok {
		return d.quote(schema) + "." + d.quote(table)
	}
	return d.quote(name)
}

// SQLite is the dialect of SQLite 3.
func SQLite() Dialect {
	return Dialect{
		// Not the standard's double quotes: in them SQLite takes a name that is not there for a string
		// (sqlite.org/quirks.html, section 8), so that a misspelled column would read as a text instead of failing.
		quote: func(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" },
		param: func(int) string { return "?" },
		// As bytes, whatever the column's collation and affinity, and whether it was written as text, blob or integer.
		same:     func(a, b string) string { return "CAST(" + a + " AS BLOB) = CAST(" + b + " AS BLOB)" },
		key:      "INTEGER PRIMARY KEY AUTOINCREMENT",
		transact: sqliteTransact,
	}
}

const (
	// sqliteFull is PRAGMA synchronous=FULL: in WAL mode, too, a commit is on disk before it returns
	// (sqlite.org/pragma.html#pragma_synchronous).
	sqliteFull = 2

	// sqliteBusy is the primary result code SQLITE_BUSY: another connection has the lock.
	sqliteBusy = 5

	// sqlitePatience is how long one attempt to get the write lock waits. SQLite's own wait (busy_timeout) can't be
	// interrupted, so a context would otherwise be deaf for seconds.
	sqlitePatience = 50 * time.Millisecond
)

// sqliteTransact takes the write lock at once (BEGIN IMMEDIATE). The connection may be shared with others who run it at
// synchronous=NORMAL; since that can't change inside a transaction, it is FULL from before the beginning until after
// the end. A connection whose settings can't be put back is thrown away, and so is one that is still in a transaction,
// whatever went wrong: SQLite sets synchronous in none.
func sqliteTransact(ctx context.Context, db *sql.DB, work func(querier) error) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()

	synchronous, err := sqliteInt(ctx, conn, "synchronous")
	if err != nil {
		return err
	}
	patience, err := sqliteInt(ctx, conn, "busy_timeout")
	if err != nil {
		return err
	}
	// What follows must end in a connection as it was, also when ctx ends in between.
	always := context.WithoutCancel(ctx)
	defer func() {
		restored := errors.Join(
			sqliteSet(always, conn, "synchronous", synchronous), sqliteSet(always, conn, "busy_timeout", patience))
		if restored != nil {
			discard(conn)
		}
	}()
	if err := sqliteSet(ctx, conn, "synchronous", max(synchronous, sqliteFull)); err != nil {
		return err
	}
	if err := sqliteSet(ctx, conn, "busy_timeout", int(sqlitePatience.Milliseconds())); err != nil {
		return err
	}

	if err := sqliteBegin(ctx, conn, time.Duration(patience)*time.Millisecond); err != nil {
		return err
	}
	if err = work(conn); err == nil {
		if _, err = conn.ExecContext(ctx, "COMMIT"); err == nil {
			return nil
		}
	}
	// It fails where SQLite has rolled back by itself, or the COMMIT was done and its answer lost: no harm.
	_, _ = conn.ExecContext(always, "ROLLBACK")
	return err
}

// sqliteBegin tries for as long as the connection would have waited by itself, or until ctx ends.
func sqliteBegin(ctx context.Context, conn *sql.Conn, patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; {
		_, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE")
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		coded, ok := errors.AsType[interface {
			error
			Code() int
		}](err)
		if !ok || coded.Code()&0xff != sqliteBusy || time.Now().After(deadline) {
			return err
		}
	}
}

// sqliteInt reads a setting of the connection. Names of settings can't be bound; they are constants.
func sqliteInt(ctx context.Context, conn *sql.Conn, pragma string) (value int, err error) {
	err = conn.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(&value)
	return value, err
}

// sqliteSet sets a setting of the connection, and fails unless it took: SQLite ignores what it can't set.
func sqliteSet(ctx context.Context, conn *sql.Conn, pragma string, value int) error {
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA %s = %d", pragma, value)); err != nil {
		return err
	}
	switch now, err := sqliteInt(ctx, conn, pragma); {
	case err != nil:
		return err
	case now != value:
		return fmt.Errorf("SQLite keeps %s at %d", pragma, now)
	}
	return nil
}

// discard takes a connection out of its pool: database/sql closes one whose Raw says that it is bad.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
}
