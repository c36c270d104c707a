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
	"slices"
	"sync/atomic"
	"unicode/utf16"

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
	shape       shape
	statements  statements
	log         *slog.Logger

	pool  *passhash.Pool
	fresh passhash.Recipe // for rows whose own hash gives no example; nil: there is none
	floor passhash.Recipe // nil: the least of each format

	finding atomic.Pointer[sql.Stmt] // find, once prepared: it is what most requests are
}

var _ rekey.Directory = (*Table)(nil)

// New makes a Table. It looks at the database for the tables and columns that the settings name, and uses those that the
// preset knows besides if they are there; changes of the schema need a new Table. Its error joins a *SettingError for
// every fault.
func New(ctx context.Context, o Options) (*Table, error) {
	l, err := o.Settings.layout()
	if err != nil {
		return nil, err
	}
	t := &Table{
		read: o.Read, write: o.Write, dialect: o.Dialect, pool: passhash.NewPool(o.Settings.HashMemory),
		floor: l.floor, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)),
	}
	if l.hash != nil {
		t.fresh = t.raise(l.hash)
		if err := t.pool.Fits(t.fresh); err != nil {
			return nil, &SettingError{Key: "hash", Err: err}
		}
	}
	err = t.twice(ctx, func() error {
		t.shape, err = examine(ctx, o.Read, o.Dialect, l)
		return err
	})
	if err != nil {
		return nil, err
	}
	t.statements = t.shape.statements(o.Dialect)
	return t, nil
}

// Ping runs Find's statement on no number: it fails unless the database answers and lets the table be read.
func (t *Table) Ping(ctx context.Context) error {
	err := t.twice(ctx, func() error {
		rows, err := t.read.QueryContext(ctx, t.statements.find.text, t.statements.find.with(nil)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		rows.Next()
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("users table %s: %w", t.shape.table, err)
	}
	return nil
}

// Rehearse runs every statement of a reset on no row and rolls back: it fails if a reset could not work, for want of a
// right, of a column, of room for a number or a hash, or of a database that takes writes.
func (t *Table) Rehearse(ctx context.Context) error {
	if err := t.shape.roomy(); err != nil {
		return err
	}
	err := t.dialect.transact(ctx, t.write, func(tx querier) error {
		for _, s := range append([]statement{t.statements.update}, t.statements.deletes...) {
			if _, err := tx.ExecContext(ctx, s.text, s.with(nil)...); err != nil {
				return err
			}
		}
		return errRehearsed
	})
	if !errors.Is(err, errRehearsed) {
		return fmt.Errorf("a reset could not be written to the users table %s: %w", t.shape.table, err)
	}
	return nil
}

// errRehearsed undoes a transaction that was not meant.
var errRehearsed = errors.New("rehearsed")

// twice runs work, which must only read, and runs it again if it failed: the connection may have died in the pool, by a
// restart of the server. The second time there is one that has just answered (T19).
func (t *Table) twice(ctx context.Context, work func() error) error {
	err := work()
	if _, misconfigured := errors.AsType[*SettingError](err); err == nil || misconfigured || ctx.Err() != nil {
		return err
	}
	conn, dead := alive(ctx, t.read, ping(ctx))
	if dead != nil {
		return err
	}
	_ = conn.Close() // back to the pool, as its newest
	return work()
}

// Find implements rekey.Directory. A row whose hash is of no known format, is malformed, or costs more than is allowed
// (T41) is not among the accounts, and the log says so; the settings Hash and RecoverUnusable let rows in whose hash
// can be replaced. Rows in two spellings of the number are two accounts.
func (t *Table) Find(ctx context.Context, n rekey.Number) ([]rekey.Account, error) {
	if n.IsZero() {
		return nil, nil
	}
	spelled := t.shape.spelled(n)
	if len(spelled) == 0 { // the column can't hold this number
		return nil, nil
	}
	var accounts []rekey.Account
	err := t.twice(ctx, func() (err error) {
		accounts, err = t.lookUp(ctx, n, spelled)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("finding an account: %w", err)
	}
	return accounts, nil
}

// lookUp is one attempt at Find.
func (t *Table) lookUp(ctx context.Context, n rekey.Number, spelled []string) ([]rekey.Account, error) {
	query, err := t.finder(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := query(ctx, t.statements.find.with(&values{spelled: spelled})...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var accounts []rekey.Account
	for rows.Next() {
		var id, mobile string
		var stored sql.NullString
		if err := rows.Scan(&id, &mobile, &stored); err != nil {
			return nil, err
		}
		// The same to the column's collation only, such as full-width digits (T25); or one account that has its number
		// twice beside the table.
		if !slices.Contains(spelled, mobile) || slices.ContainsFunc(accounts, func(a rekey.Account) bool { return a.ID == id }) {
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
	return accounts, rows.Err()
}

// finder runs find. It is prepared at the first use, where that is worth its while; the statement lives as long as the
// handle. Nobody waits for another's preparation, whose context may be longer than his own.
func (t *Table) finder(ctx context.Context) (func(context.Context, ...any) (*sql.Rows, error), error) {
	if !t.dialect.prepares {
		return func(ctx context.Context, args ...any) (*sql.Rows, error) {
			return t.read.QueryContext(ctx, t.statements.find.text, args...)
		}, nil
	}
	if statement := t.finding.Load(); statement != nil {
		return statement.QueryContext, nil
	}
	statement, err := t.read.PrepareContext(ctx, t.statements.find.text)
	if err != nil {
		return nil, err
	}
	if !t.finding.CompareAndSwap(nil, statement) {
		_ = statement.Close() // another was first; nothing is lost with this one
	}
	return t.finding.Load().QueryContext, nil
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
	spelled := t.shape.spelled(a.Number)
	if len(spelled) == 0 { // no row of this table has such a number
		return rekey.ErrStale
	}
	// The database would refuse it too, unless its mode is a lax one: half a hash is nobody's password.
	if c := t.shape.passwordColumn; c.length > 0 && int64(len(hash)) > c.length {
		return fmt.Errorf("setting a password: the column %s of %s holds %d characters and the new hash has %d: make it wider",
			c.name, t.shape.table, c.length, len(hash))
	}
	v := &values{id: a.ID, was: a.Hash, hash: hash, spelled: spelled}
	err = t.dialect.transact(ctx, t.write, func(tx querier) error { return t.reset(ctx, tx, v) })
	if err != nil {
		return fmt.Errorf("setting a password: %w", err)
	}
	return nil
}

// reset is the transaction of SetPassword: the compare-and-set, and the sessions that die with the old password.
func (t *Table) reset(ctx context.Context, tx querier, v *values) error {
	result, err := tx.ExecContext(ctx, t.statements.update.text, t.statements.update.with(v)...)
	if err != nil {
		return err
	}
	switch rows, err := result.RowsAffected(); {
	case err != nil:
		return err
	case rows == 0:
		return rekey.ErrStale
	case rows > 1:
		return fmt.Errorf("%d rows of %s have the same %s, which must be unique", rows, t.shape.table, t.shape.id)
	}
	for _, s := range t.statements.deletes {
		if _, err := tx.ExecContext(ctx, s.text, s.with(v)...); err != nil {
			return fmt.Errorf("deleting sessions: %w", err)
		}
	}
	return nil
}

// verifier is Account.Verify for a row whose password can be replaced, and an error for any other.
func (t *Table) verifier(stored string) (func(context.Context, string) (bool, error), error) {
	if _, err := t.recipe(stored); err != nil {
		return nil, err
	}
	return func(ctx context.Context, password string) (bool, error) {
		password = t.submitted(password)
		hash, err := passhash.Parse(stored)
		if err != nil { // the row may be recovered all the same
			legacy, err := passhash.ParseLegacy(stored)
			return err == nil && legacy.Verify(password), nil
		}
		right, err := t.pool.Verify(ctx, hash, password)
		if errors.Is(err, passhash.ErrBusy) {
			err = rekey.ErrBusy
		}
		return right, err
	}, nil
}

// submitted is the password as the application gets it from its own login form.
func (t *Table) submitted(password string) string {
	if f := t.shape.preset.submitted; f != nil {
		return f(password)
	}
	return password
}

// recipe is what replaces a stored hash: its own, raised to the floor. A hash without an example to follow gets the
// recipe of the preset or the setting, if they allow that it is replaced; one that costs too much never does, since
// nothing here could be as strong (T41).
func (t *Table) recipe(stored string) (passhash.Recipe, error) {
	hash, err := passhash.Parse(stored)
	if err == nil && !t.shape.reads(hash.Name()) {
		err = fmt.Errorf("%w: %s, which the preset's application does not read", passhash.ErrUnknown, hash.Name())
	}
	switch {
	case err == nil:
		recipe := t.raise(hash.Recipe())
		return recipe, t.pool.Fits(recipe)
	case t.fresh == nil:
		return nil, err
	case errors.Is(err, passhash.ErrUnusable) && t.shape.recoverUnusable,
		errors.Is(err, passhash.ErrUnknown) && t.shape.hashNamed,
		errors.Is(err, passhash.ErrMalformed) && t.shape.hashNamed,
		errors.Is(err, passhash.ErrLegacy) && t.shape.upgrades(stored):
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
	if most := t.shape.preset.longest; most > 0 && len(utf16.Encode([]rune(password))) > most {
		return "", fmt.Errorf("%w: its login takes at most %d characters", rekey.ErrPassword, most)
	}
	submitted := t.submitted(password)
	if submitted == "" { // blanks alone, of which the login form leaves nothing, and which it then refuses
		return "", fmt.Errorf("%w: nothing is left of it without the blanks at its ends", rekey.ErrPassword)
	}
	hash, err := t.pool.Make(ctx, r, submitted)
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
