// Package userdb is rekey.Directory over database/sql: the users table of an application, or the embedded one.
//
// It drives whichever database the handles are of through a Dialect, and knows a table by its Settings: a preset, which
// is data, and the names that differ from it. The step that decides a reset is one UPDATE under the condition that the
// row's id, number and password still are those that Find read; there are no locks and nothing is held between calls.
//
// Everything here is safe for concurrent use. No error holds a password or a hash, and none holds a number in clear
// (T36).
package userdb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"rekey"
	"rekey/passhash"
)

// Options are the parts of a Table. Read, Write and Dialect are required.
type Options struct {
	// Read and Write are handles of the same database. For SQLite, Read is a pool and Write has one connection, which
	// others may share; for a server both are the same pool.
	Read, Write *sql.DB
	Dialect     Dialect
	Settings    Settings
	Log         *slog.Logger // told of rows that can't be recovered because of their hash; nil: nobody is
}

// Table is a users table. It implements rekey.Directory.
type Table struct {
	read, write *sql.DB
	dialect     Dialect
	layout      layout
	log         *slog.Logger

	pool  *passhash.Pool
	fresh passhash.Recipe // for rows whose own hash gives no example
	floor passhash.Recipe // nil: the least of each format

	find, update, probe string
	finding             atomic.Pointer[sql.Stmt] // find, once prepared: it is what most requests are
}

var _ rekey.Directory = (*Table)(nil)

// New makes a Table. It touches no database; Ping does. Its error joins a *SettingError for every fault.
func New(o Options) (*Table, error) {
	l, err := o.Settings.layout()
	if err != nil {
		return nil, err
	}
	t := &Table{
		read: o.Read, write: o.Write, dialect: o.Dialect, layout: l, pool: passhash.NewPool(o.Settings.HashMemory),
		fresh: l.hash, floor: l.floor, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)),
	}
	t.fresh = t.raise(t.fresh)
	if err := t.pool.Fits(t.fresh); err != nil {
		return nil, &SettingError{Key: "hash", Err: err}
	}
	t.prepare()
	return t, nil
}

// prepare writes the statements. Names are quoted and values are bound, without exception (T26).
func (t *Table) prepare() {
	q, l := t.dialect.quote, t.layout
	table := t.dialect.quoteTable(l.table)
	columns := q(l.id) + ", " + q(l.mobile) + ", " + q(l.password)

	// The number is compared as the column compares, so that its index serves; what a lax collation matches besides is
	// dropped by Find.
	t.find = "SELECT " + columns + " FROM " + table + " WHERE " + q(l.mobile) + " = " + t.dialect.param(1) +
		l.activeSQL(t.dialect, 2)

	// A password that is NULL reads as the empty one.
	t.update = "UPDATE " + table + " SET " + q(l.password) + " = " + t.dialect.param(1)
	for _, column := range l.changed {
		t.update += ", " + q(column) + " = CURRENT_TIMESTAMP"
	}
	t.update += " WHERE " + q(l.id) + " = " + t.dialect.param(2) +
		" AND " + t.dialect.same(q(l.mobile), t.dialect.param(3)) +
		" AND " + t.dialect.same("COALESCE("+q(l.password)+", '')", t.dialect.param(4)) + l.activeSQL(t.dialect, 5)

	for _, column := range l.changed {
		columns += ", " + q(column)
	}
	t.probe = "SELECT " + columns + " FROM " + table + " WHERE 1 = 0" + l.activeSQL(t.dialect, 1)
}

// Ping fails unless the database answers and has the table with every column that is needed. It is as cheap as Find.
func (t *Table) Ping(ctx context.Context) error {
	rows, err := t.read.QueryContext(ctx, t.probe, t.layout.activeValues()...)
	if err != nil {
		return fmt.Errorf("users table %s: %w", t.layout.table, err)
	}
	defer rows.Close()
	rows.Next()
	if err := rows.Err(); err != nil {
		return fmt.Errorf("users table %s: %w", t.layout.table, err)
	}
	return nil
}

// Find implements rekey.Directory. A row whose hash is of no known format, is malformed, or costs more than is allowed
// (T41) is not among the accounts, and the log says so; the settings Hash and RecoverUnusable let rows in whose hash
// can be replaced.
func (t *Table) Find(ctx context.Context, n rekey.Number) ([]rekey.Account, error) {
	if n.IsZero() {
		return nil, nil
	}
	spelling := t.layout.spell(n)
	statement, err := t.findStatement(ctx)
	if err != nil {
		return nil, fmt.Errorf("finding an account: %w", err)
	}
	rows, err := statement.QueryContext(ctx, append([]any{spelling}, t.layout.activeValues()...)...)
	if err != nil {
		return nil, fmt.Errorf("finding an account: %w", err)
	}
	defer rows.Close()
	var accounts []rekey.Account
	for rows.Next() {
		var id, mobile string
		var stored sql.NullString
		if err := rows.Scan(&id, &mobile, &stored); err != nil {
			return nil, fmt.Errorf("finding an account: %w", err)
		}
		if mobile != spelling { // the same to the column's collation only, such as full-width digits (T25)
			continue
		}
		verify, err := t.verifier(stored.String)
		if err != nil {
			if !errors.Is(err, passhash.ErrUnusable) {
				t.log.WarnContext(ctx, "the account can't be recovered", "user", id, "cause", err)
			}
			continue
		}
		accounts = append(accounts, rekey.Account{ID: id, Number: n, Hash: stored.String, Verify: verify})
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("finding an account: %w", err)
	}
	return accounts, nil
}

// findStatement prepares find at the first use; the statement lives as long as the handle. Nobody waits for another's
// preparation, whose context may be longer than his own.
func (t *Table) findStatement(ctx context.Context) (*sql.Stmt, error) {
	if statement := t.finding.Load(); statement != nil {
		return statement, nil
	}
	statement, err := t.read.PrepareContext(ctx, t.find)
	if err != nil {
		return nil, err
	}
	if !t.finding.CompareAndSwap(nil, statement) {
		_ = statement.Close() // another was first; nothing is lost with this one
	}
	return t.finding.Load(), nil
}

// SetPassword implements rekey.Directory. The hash is made before the transaction begins, in the format of a.Hash; the
// transaction is on disk when SetPassword returns nil.
func (t *Table) SetPassword(ctx context.Context, a rekey.Account, password string) error {
	recipe, err := t.recipe(a.Hash)
	if err != nil {
		return fmt.Errorf("hashing the new password: %w", err)
	}
	hash, err := t.make(ctx, recipe, password)
	if err != nil {
		return err
	}
	args := append([]any{hash, a.ID, t.layout.spell(a.Number), a.Hash}, t.layout.activeValues()...)
	err = t.dialect.transact(ctx, t.write, func(tx querier) error {
		result, err := tx.ExecContext(ctx, t.update, args...)
		if err != nil {
			return err
		}
		switch rows, err := result.RowsAffected(); {
		case err != nil:
			return err
		case rows == 0:
			return rekey.ErrStale
		case rows > 1:
			return fmt.Errorf("%d rows of %s have the same %s, which must be unique", rows, t.layout.table, t.layout.id)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("setting a password: %w", err)
	}
	return nil
}

// verifier is Account.Verify for a row whose password can be replaced, and an error for any other.
func (t *Table) verifier(stored string) (func(context.Context, string) (bool, error), error) {
	if _, err := t.recipe(stored); err != nil {
		return nil, err
	}
	return func(ctx context.Context, password string) (bool, error) {
		hash, err := passhash.Parse(stored)
		if err != nil { // the row may be recovered all the same; it has no password that could be verified
			return false, nil
		}
		right, err := t.pool.Verify(ctx, hash, password)
		if errors.Is(err, passhash.ErrBusy) {
			err = rekey.ErrBusy
		}
		return right, err
	}, nil
}

// recipe is what replaces a stored hash: its own, raised to the floor. A hash without an example to follow gets the
// recipe of the setting, if the settings allow that it is replaced; one that costs too much never does, since nothing
// here could be as strong (T41).
func (t *Table) recipe(stored string) (passhash.Recipe, error) {
	hash, err := passhash.Parse(stored)
	switch {
	case err == nil:
		recipe := t.raise(hash.Recipe())
		return recipe, t.pool.Fits(recipe)
	case errors.Is(err, passhash.ErrUnusable) && t.layout.recoverUnusable,
		errors.Is(err, passhash.ErrUnknown) && t.layout.hashNamed,
		errors.Is(err, passhash.ErrMalformed) && t.layout.hashNamed:
		return t.fresh, nil
	default:
		return nil, err
	}
}

// raise is r with at least the costs of the floor that is set for its format, else of the least for that format.
func (t *Table) raise(r passhash.Recipe) passhash.Recipe {
	floor := t.floor
	if floor == nil || floor.Name() != r.Name() {
		// Every recipe is of a format that has a least; without one, AtLeast leaves the recipe as it is.
		floor, _ = passhash.Least(r.Name())
	}
	return r.AtLeast(floor)
}

// make hashes in the pool.
func (t *Table) make(ctx context.Context, r passhash.Recipe, password string) (string, error) {
	hash, err := t.pool.Make(ctx, r, password)
	switch {
	case errors.Is(err, passhash.ErrBusy):
		return "", rekey.ErrBusy
	case errors.Is(err, passhash.ErrPassword):
		return "", fmt.Errorf("%w: %w", rekey.ErrPassword, err)
	case err != nil:
		return "", fmt.Errorf("hashing the new password: %w", err)
	}
	return hash, nil
}

// activeSQL is " AND …" for the conditions that make a row active, its first value being the parameter number next.
func (l layout) activeSQL(d Dialect, next int) string {
	var b strings.Builder
	for _, c := range l.active {
		b.WriteString(" AND " + d.quote(c.column))
		if c.value != nil {
			b.WriteString(" = " + d.param(next))
			next++
		}
	}
	return b.String()
}

func (l layout) activeValues() []any {
	var values []any
	for _, c := range l.active {
		if c.value != nil {
			values = append(values, *c.value)
		}
	}
	return values
}
