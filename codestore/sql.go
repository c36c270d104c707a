package codestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"rekey"
)

// Dialect is what the store must know of a database. The statements are all there are; $1, $2 … or ? as the database
// has it.
type Dialect struct {
	Name string
	// Tables makes the store's tables; each statement does nothing where it has been run before. %s is the table.
	Tables []string
	// Now reads the database's clock in microseconds since the Unix epoch.
	Now string
	// Load reads the state of one document by name, so that nobody else can change it before this transaction ends.
	Load string
	// Save stores a document: name, state, expiry in microseconds since the Unix epoch.
	Save string
	// Drop removes a document by name.
	Drop string
	// Sweep removes at most so many documents with an expiry up to an instant: instant, count.
	Sweep string
}

// SQLite is the dialect of SQLite 3.42 and later (unixepoch with subsec). A transaction must begin with the write lock
// (modernc.org/sqlite: _txlock=immediate), which also covers documents that are not there yet. With WAL and
// synchronous=NORMAL a power cut may forget the last codes and counts, never a reset: that is decided in the users
// table.
func SQLite() Dialect {
	return Dialect{
		Name: "sqlite",
		Tables: []string{
			`CREATE TABLE IF NOT EXISTS %s (
				name       TEXT PRIMARY KEY,
				state      TEXT NOT NULL,
				expires_at INTEGER NOT NULL
			) WITHOUT ROWID`,
			`CREATE INDEX IF NOT EXISTS %[1]s_expires_at ON %[1]s (expires_at)`,
		},
		Now:   `SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)`,
		Load:  `SELECT state FROM %s WHERE name = ?`,
		Save:  `INSERT INTO %s (name, state, expires_at) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET state = excluded.state, expires_at = excluded.expires_at`,
		Drop:  `DELETE FROM %s WHERE name = ?`,
		Sweep: `DELETE FROM %[1]s WHERE name IN (SELECT name FROM %[1]s WHERE expires_at <= ? LIMIT ?)`,
	}
}

const (
	numbersTable = "rekey_numbers"
	budgetsTable = "rekey_budgets"

	// batchSize bounds how many updates share a transaction: enough to spread the cost of a commit, few enough that
	// nobody waits long for the others.
	batchSize = 64
	// batchTime bounds a transaction, the wait for the database's locks included.
	batchTime = 5 * time.Second
	// stepTime bounds what a caller waits for a step, those before it included, so that requests don't pile up behind a
	// database that hangs.
	stepTime = 6 * time.Second
	// sweepSize is how many expired rows go at a time, so that a sweep never holds up the requests for long.
	sweepSize = 500
)

// NewSQL makes a store in db, which Migrate has prepared. It stays the caller's to close, after the store. For SQLite db
// is the one connection that writes, and may be shared with others that write to the same file.
func NewSQL(ctx context.Context, db *sql.DB, d Dialect) (*Store, error) {
	numbers, err := newTable[number](ctx, db, d, numbersTable)
	if err != nil {
		return nil, err
	}
	budgets, err := newTable[budget](ctx, db, d, budgetsTable)
	if err != nil {
		return nil, errors.Join(err, numbers.end())
	}
	return &Store{numbers: numbers, budgets: budgets, close: func() error {
		return errors.Join(numbers.end(), budgets.end())
	}}, nil
}

// Migrate makes the store's tables where they are missing.
func Migrate(ctx context.Context, db *sql.DB, d Dialect) error {
	for _, statement := range Schema(d) {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("making the code store's tables: %w", err)
		}
	}
	return nil
}

// Schema lists the statements that Migrate runs.
func Schema(d Dialect) []string {
	var all []string
	for _, table := range []string{numbersTable, budgetsTable} {
		for _, statement := range d.Tables {
			all = append(all, fmt.Sprintf(statement, table))
		}
	}
	return all
}

// table is an engine on a SQL table with a row a document. Updates that wait at the same time share one transaction,
// which takes the database's locks before it reads: what no lock of the database could order, such as two replicas on
// one file, waits for the other's commit. One goroutine runs the transactions; database connections that write gain
// nothing from being many on SQLite, and little elsewhere for rows that everybody wants.
type table[D any, P document[D]] struct {
	db                           *sql.DB
	now, load, save, drop, purge *sql.Stmt
	jobs                         chan *job[D]
	stop                         chan struct{}
	stopped                      sync.WaitGroup
	once                         sync.Once
}

type job[D any] struct {
	ctx   context.Context // the caller's: nothing is done for one who has given up
	names []rekey.Name
	step  func(instant, []*D) bool
	fault error // its own, such as a row that can't be read; the rest of the batch goes on
	done  chan error
}

func newTable[D any, P document[D]](ctx context.Context, db *sql.DB, d Dialect, name string) (*table[D, P], error) {
	t := &table[D, P]{db: db, jobs: make(chan *job[D]), stop: make(chan struct{})}
	for _, s := range []struct {
		into *(*sql.Stmt)
		text string
	}{
		{&t.now, d.Now}, {&t.load, fmt.Sprintf(d.Load, name)}, {&t.save, fmt.Sprintf(d.Save, name)},
		{&t.drop, fmt.Sprintf(d.Drop, name)}, {&t.purge, fmt.Sprintf(d.Sweep, name)},
	} {
		statement, err := db.PrepareContext(ctx, s.text)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("preparing the code store's statements: %w", err), t.closeStatements())
		}
		*s.into = statement
	}
	t.stopped.Add(1)
	go t.run()
	return t, nil
}

func (t *table[D, P]) update(ctx context.Context, names []rekey.Name, step func(instant, []*D) bool) error {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	j := &job[D]{ctx: ctx, names: names, step: step, done: make(chan error, 1)}
	select {
	case t.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-t.stop:
		return errClosed
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return ctx.Err() // the step may still happen; nobody reads what it finds
	}
}

// run serves batches until end.
func (t *table[D, P]) run() {
	defer t.stopped.Done()
	for {
		var batch []*job[D]
		select {
		case j := <-t.jobs:
			batch = append(batch, j)
		case <-t.stop:
			return
		}
	gather:
		for len(batch) < batchSize {
			select {
			case j := <-t.jobs:
				batch = append(batch, j)
			default:
				break gather
			}
		}
		err := t.transact(batch)
		for _, j := range batch {
			j.done <- errors.Join(err, j.fault)
		}
	}
}

// transact runs the steps of a batch, one after the other, in one transaction.
func (t *table[D, P]) transact(batch []*job[D]) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), batchTime)
	defer cancel()
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			if rollback := tx.Rollback(); rollback != nil && !errors.Is(rollback, sql.ErrTxDone) {
				err = errors.Join(err, rollback)
			}
		}
	}()
	var now instant
	if err := tx.StmtContext(ctx, t.now).QueryRowContext(ctx).Scan(&now); err != nil {
		return err
	}
	loaded := make(map[rekey.Name]*D)
	dirty := make(map[rekey.Name]bool)
	for _, j := range batch {
		if j.fault = j.ctx.Err(); j.fault != nil {
			continue
		}
		docs := make([]*D, len(j.names))
		for i, name := range j.names {
			d, known := loaded[name]
			if !known {
				d, err = t.read(ctx, tx, name)
				if errors.Is(err, errUnreadable) {
					j.fault = err
					break
				}
				if err != nil {
					return err
				}
			}
			if d != nil && P(d).expiry() <= now {
				d = nil
			}
			loaded[name], docs[i] = d, d
		}
		if j.fault == nil && j.step(now, docs) {
			for i, name := range j.names {
				loaded[name], dirty[name] = docs[i], true
			}
		}
	}
	for name := range dirty {
		if err := t.write(ctx, tx, name, loaded[name], now); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// errUnreadable says that a row is not of our making. It is an error, never a pass: what it counted is not known.
var errUnreadable = errors.New("a row of the code store can't be read")

func (t *table[D, P]) read(ctx context.Context, tx *sql.Tx, name rekey.Name) (*D, error) {
	var state []byte
	err := tx.StmtContext(ctx, t.load).QueryRowContext(ctx, string(name)).Scan(&state)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	}
	d := new(D)
	if err := json.Unmarshal(state, d); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return d, nil
}

func (t *table[D, P]) write(ctx context.Context, tx *sql.Tx, name rekey.Name, d *D, now instant) error {
	if d == nil || P(d).expiry() <= now {
		_, err := tx.StmtContext(ctx, t.drop).ExecContext(ctx, string(name))
		return err
	}
	state, err := json.Marshal(d)
	if err != nil {
		return err
	}
	_, err = tx.StmtContext(ctx, t.save).ExecContext(ctx, string(name), string(state), int64(P(d).expiry()))
	return err
}

func (t *table[D, P]) sweep(ctx context.Context) (removed int64, err error) {
	var now instant
	if err := t.now.QueryRowContext(ctx).Scan(&now); err != nil {
		return 0, err
	}
	for {
		result, err := t.purge.ExecContext(ctx, int64(now), sweepSize)
		if err != nil {
			return removed, err
		}
		n, err := result.RowsAffected()
		removed += n
		if err != nil || n < sweepSize {
			return removed, err
		}
	}
}

// end stops the goroutine, after the batch under way, and closes the statements.
func (t *table[D, P]) end() (err error) {
	t.once.Do(func() {
		close(t.stop)
		t.stopped.Wait()
		err = t.closeStatements()
	})
	return err
}

func (t *table[D, P]) closeStatements() error {
	var all []error
	for _, s := range []*sql.Stmt{t.now, t.load, t.save, t.drop, t.purge} {
		if s != nil {
			all = append(all, s.Close())
		}
	}
	return errors.Join(all...)
}
