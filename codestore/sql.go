package codestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
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
	// Load reads name and state of the documents whose names stand in a JSON array, so that nobody else can change or
	// make them before this transaction ends. The names are sorted: rows are to be locked in that order.
	Load string
	// Save stores the documents in a JSON array of objects: name, state, and expires in microseconds since the Unix epoch.
	Save string
	// Drop removes the documents whose names stand in a JSON array.
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
		Now:  `SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)`,
		Load: `SELECT name, state FROM %s WHERE name IN (SELECT value FROM json_each(?))`,
		Save: `INSERT INTO %s (name, state, expires_at)
			SELECT value ->> 'name', value ->> 'state', value ->> 'expires' FROM json_each(?) WHERE true
			ON CONFLICT (name) DO UPDATE SET state = excluded.state, expires_at = excluded.expires_at`,
		Drop:  `DELETE FROM %s WHERE name IN (SELECT value FROM json_each(?))`,
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

// transact runs the steps of a batch, one after the other, in one transaction: it reads all documents of the batch,
// and stores all that have changed, in one statement each.
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
	docs, err := t.read(ctx, tx, batch)
	if err != nil {
		return err
	}
	changed := make(map[rekey.Name]bool)
	for _, j := range batch {
		if j.fault = j.ctx.Err(); j.fault != nil {
			continue
		}
		theirs := make([]*D, len(j.names))
		for i, name := range j.names {
			d := docs[name]
			if d.unreadable != nil {
				j.fault = d.unreadable
			} else if d.doc != nil && P(d.doc).expiry() > now {
				theirs[i] = d.doc
			}
		}
		if j.fault == nil && j.step(now, theirs) {
			for i, name := range j.names {
				docs[name] = stored[D]{doc: theirs[i]}
				changed[name] = true
			}
		}
	}
	if err := t.write(ctx, tx, docs, changed, now); err != nil {
		return err
	}
	return tx.Commit()
}

// stored is a document as the table has it: nil for none.
type stored[D any] struct {
	doc        *D
	unreadable error
}

// errUnreadable says that a row is not of our making. It is an error, never a pass: what it counted is not known.
var errUnreadable = errors.New("a row of the code store can't be read")

func (t *table[D, P]) read(ctx context.Context, tx *sql.Tx, batch []*job[D]) (map[rekey.Name]stored[D], error) {
	docs := make(map[rekey.Name]stored[D])
	var names []rekey.Name
	for _, j := range batch {
		for _, name := range j.names {
			if _, known := docs[name]; !known {
				docs[name] = stored[D]{}
				names = append(names, name)
			}
		}
	}
	slices.Sort(names) // where reading locks rows, everybody locks them in one order, or two could wait for each other
	list, err := json.Marshal(names)
	if err != nil {
		return nil, err
	}
	rows, err := tx.StmtContext(ctx, t.load).QueryContext(ctx, string(list))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, state string
		if err := rows.Scan(&name, &state); err != nil {
			return nil, err
		}
		d := stored[D]{doc: new(D)}
		if err := json.Unmarshal([]byte(state), d.doc); err != nil {
			d.unreadable = fmt.Errorf("%w: %w", errUnreadable, err)
		}
		docs[rekey.Name(name)] = d
	}
	return docs, rows.Err()
}

func (t *table[D, P]) write(ctx context.Context, tx *sql.Tx, docs map[rekey.Name]stored[D], changed map[rekey.Name]bool, now instant) error {
	type row struct {
		Name    rekey.Name `json:"name"`
		State   *D         `json:"state"`
		Expires instant    `json:"expires"`
	}
	var saved []row
	var dropped []rekey.Name
	for _, name := range slices.Sorted(maps.Keys(changed)) {
		if d := docs[name].doc; d != nil && P(d).expiry() > now {
			saved = append(saved, row{name, d, P(d).expiry()})
		} else {
			dropped = append(dropped, name)
		}
	}
	if len(saved) > 0 {
		if err := t.exec(ctx, tx, t.save, saved); err != nil {
			return err
		}
	}
	if len(dropped) > 0 {
		return t.exec(ctx, tx, t.drop, dropped)
	}
	return nil
}

func (t *table[D, P]) exec(ctx context.Context, tx *sql.Tx, statement *sql.Stmt, argument any) error {
	text, err := json.Marshal(argument)
	if err != nil {
		return err
	}
	_, err = tx.StmtContext(ctx, statement).ExecContext(ctx, string(text))
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
