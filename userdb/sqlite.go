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

// SQLite is the dialect of SQLite 3.
func SQLite() Dialect {
	return Dialect{
		// Not the standard's double quotes: in them SQLite takes a name that is not there for a string
		// (sqlite.org/quirks.html, section 8), so that a misspelled column would read as a text instead of failing.
		quote: func(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" },
		param: func(int) string { return "?" },
		text:  func(expression string) string { return expression },
		// As bytes, whatever the column's collation and affinity, and whether it was written as text, blob or integer.
		exact: func(expression string) string { return "CAST(" + expression + " AS BLOB)" },
		now: func(_ column, utc bool) string {
			if utc {
				return "CURRENT_TIMESTAMP"
			}
			return "datetime('now', 'localtime')"
		},
		truth: func(expression string, _ column) string { return expression },

		folds: true, prepares: true,
		key: "INTEGER PRIMARY KEY AUTOINCREMENT", instant: "TIMESTAMP",
		returning: true,
		epoch:     func(expression string) string { return "unixepoch(" + expression + ")" },
		columns:   sqliteColumns,
		rollsBack: func(context.Context, querier, string) error { return nil },
		transact:  sqliteTransact,
		alone:     sqliteTransact, // its write lock is the file's
		inspect:   sqliteInspector(),
	}
}

// sqliteColumns reads the declared types, which say how values compare (sqlite.org/datatype3.html, section 3) and else
// bind nobody.
func sqliteColumns(ctx context.Context, db querier, name string) ([]column, error) {
	schema, table := splitName(name)
	query, args := "SELECT name, type, `notnull`, NULL FROM pragma_table_info(?)", []any{table}
	if schema != "" {
		query, args = "SELECT name, type, `notnull`, NULL FROM pragma_table_info(?, ?)", append(args, schema)
	}
	rows, err := db.QueryContext(ctx, query, args...)
	return scanColumns(rows, err, func(c *column, _ sql.NullInt64) {
		has := func(part string) bool { return strings.Contains(c.kind, part) }
		switch {
		case has("bool"), c.kind == "tinyint(1)":
			c.class = classBoolean
		case has("date"), has("time"):
			c.class = classTime
		case has("char"), has("clob"), has("text"), has("string"), has("uuid"), has("binary"):
			c.class = classText
		case has("blob"):
			c.class, c.raw = classText, true
		case c.kind == "", c.kind == "any":
			c.class, c.raw = classAny, true
		case has("int"), has("numeric"), has("decimal"):
			c.class = classInteger
		case has("real"), has("floa"), has("doub"):
			c.class = classNumber
		}
	})
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
			return fmt.Errorf("%w: %w", ctx.Err(), err) // the operator should know what was waited for
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
