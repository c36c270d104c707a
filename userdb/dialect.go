package userdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
)

// Dialect is what differs between databases.
type Dialect struct {
	quote func(name string) string // a table or column name
	param func(n int) string       // the placeholder of the n-th value, from 1
	// text is an expression as text, as a scan should see it.
	text func(expression string) string
	// exact is an expression whose comparison with another is byte for byte, whatever the column's collation and type.
	exact func(expression string) string
	// now is the present time for a column of this type; utc: unless the type has a zone, as the time in UTC, else as
	// that of the session's zone.
	now func(c column, utc bool) string
	// truth is a condition: the column is true.
	truth func(expression string, c column) string

	folds    bool // names of columns are the same in any case
	booleans bool // true and false are values of their own, not the integers 1 and 0
	prepares bool // a statement prepared ahead is worth its while and survives a pooler

	// Of the embedded table.
	key       string                         // the type of an integer primary key that numbers itself
	instant   string                         // the type of a moment, which CURRENT_TIMESTAMP is
	epoch     func(expression string) string // an instant as seconds since 1970 began in UTC
	returning bool                           // INSERT … RETURNING tells the new row's id; else LastInsertId does
	hasty     bool                           // what changes the schema is a transaction of its own

	// columns are those of a table, in its order; none: no such table, or none that may be seen. Without a schema before
	// its name it is in the session's own.
	columns func(ctx context.Context, db querier, table string) ([]column, error)
	// rollsBack fails unless what is written to the table can be rolled back.
	rollsBack func(ctx context.Context, db querier, table string) error
	// transact runs work in one transaction of db and commits it, so that it is on disk when transact returns nil. If
	// work fails, everything is rolled back and its error returned; it must fail where one of its statements does. If the
	// commit fails, its outcome may be unknown.
	transact func(ctx context.Context, db *sql.DB, work func(querier) error) error
	// alone is transact, with nobody else's alone at the same time. What changes the schema may stay done where work fails.
	alone func(ctx context.Context, db *sql.DB, work func(querier) error) error

	inspect inspector // what a Survey asks
}

// querier is a handle, or a transaction at work.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// quoteTable quotes a table's name and the schema before it, if there is one.
func (d Dialect) quoteTable(name string) string {
	if schema, table := splitName(name); schema != "" {
		return d.quote(schema) + "." + d.quote(table)
	}
	return d.quote(name)
}

// splitName is the schema, or "", and the table of a name in the configuration.
func splitName(name string) (schema, table string) {
	if schema, table, ok := strings.Cut(name, "."); ok {
		return schema, table
	}
	return "", name
}

// class is what a column's type is good for.
type class int

const (
	classOther class = iota
	classText
	classInteger
	classNumber // that need not be whole
	classBoolean
	classTime
	classAny // SQLite's columns without a type, which hold whatever is put there
)

// column is a column as the database describes it.
type column struct {
	name   string
	kind   string // the type's own name, in small letters
	class  class
	filled bool  // never NULL
	zoned  bool  // of classTime: the type keeps an instant, not what a clock showed
	raw    bool  // what it holds may be bytes, to which a text is never equal
	length int64 // of classText: the characters that it holds; 0: no bound to speak of
	most   int64 // of classInteger: the largest; 0: larger than any number
}

// alive is a connection of a server's pool on which greet has just worked, which must do no harm if it is done again. A
// connection that died while it lay in the pool, by a restart of the server or a timeout on the way, would fail at its
// first statement, when it may be too late to tell what the server did (T19). Those leave the pool as they are met.
func alive(ctx context.Context, db *sql.DB, greet func(*sql.Conn) error) (*sql.Conn, error) {
	// All that lie there now may be dead. One that is new and does not answer is a pooler's, without a server behind it.
	for dead := db.Stats().OpenConnections; ; dead-- {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		if err = greet(conn); err == nil {
			return conn, nil
		}
		discard(conn)
		_ = conn.Close() // it is closed already
		switch {
		case ctx.Err() != nil: // whatever the driver makes of it
			return nil, ctx.Err()
		case dead == 0:
			return nil, fmt.Errorf("the database takes connections and answers nothing: %w", err)
		}
	}
}

// ping is a greeting.
func ping(ctx context.Context) func(*sql.Conn) error {
	return func(conn *sql.Conn) error { return conn.PingContext(ctx) }
}

// serverTransact is Dialect.transact for a server; the statements begin a transaction. Nothing after them is done twice:
// what follows a lost connection is for the caller's next look at the row to tell (T18, T19).
func serverTransact(begin ...string) func(context.Context, *sql.DB, func(querier) error) error {
	return func(ctx context.Context, db *sql.DB, work func(querier) error) error {
		conn, err := alive(ctx, db, func(conn *sql.Conn) error { return execAll(ctx, conn, begin) })
		if err != nil {
			return err
		}
		defer conn.Close()
		return finish(ctx, conn, work(conn))
	}
}

// finish ends the transaction of a connection after work with this error: afterwards there is none, or no connection. The
// statements are its own, since sql.Tx and the driver of MySQL know no context for them: they would wait for a server
// that says nothing long after ctx has ended.
func finish(ctx context.Context, conn *sql.Conn, err error) error {
	if err == nil {
		if _, err = conn.ExecContext(ctx, "COMMIT"); err == nil {
			return nil
		}
	}
	if _, failed := conn.ExecContext(ctx, "ROLLBACK"); failed != nil {
		discard(conn) // and the server rolls back
	}
	if errors.Is(err, driver.ErrBadConn) { // as the driver of MySQL calls a refusal to write, too
		return fmt.Errorf("the connection was lost, or the server is read-only: %w", err)
	}
	return err
}

func execAll(ctx context.Context, db querier, statements []string) error {
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// scanColumns reads rows of name, type, whether it is NOT NULL, and length, and has describe classify each.
func scanColumns(rows *sql.Rows, err error, describe func(c *column, size sql.NullInt64)) ([]column, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []column
	for rows.Next() {
		var c column
		var size sql.NullInt64
		if err := rows.Scan(&c.name, &c.kind, &c.filled, &size); err != nil {
			return nil, err
		}
		c.kind = strings.ToLower(c.kind)
		describe(&c, size)
		all = append(all, c)
	}
	return all, rows.Err()
}
