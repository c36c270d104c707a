package codestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rekey"
)

const (
	numbersTable = "rekey_numbers"
	budgetsTable = "rekey_budgets"

	// batchSize bounds how many updates share a transaction: enough to spread the cost of a commit, few enough that
	// nobody waits long for the others.
	batchSize = 64
	// waitingSteps is how many steps may be under way: far more than a database does in a second, so that they only come
	// together while it hangs.
	waitingSteps = 4096
	// sweepSize is how many expired rows go at a time, so that a sweep never holds up the requests for long.
	sweepSize = 500
	// beginTries is how many connections are tried that a restart of the server killed, or of the servers behind a pooler.
	beginTries = 3
)

// NewSQL makes a store in db, which Migrate has prepared. It stays the caller's to close, after the store. For SQLite db
// is the one connection that writes, and may be shared with others that write to the same file.
//
// A step fails that is not done within stepTime, those before it included: requests don't pile up behind a database that
// hangs, and are told in time that it is down (T16). It must be well over the time that the database itself waits for a
// lock, where it has such a time, so that the operator is told what was waited for.
func NewSQL(ctx context.Context, db *sql.DB, d Dialect, stepTime time.Duration) (*Store, error) {
	numbers, err := newTable[number](ctx, db, d, numbersTable, stepTime)
	if err != nil {
		return nil, err
	}
	budgets, err := newTable[budget](ctx, db, d, budgetsTable, stepTime)
	if err != nil {
		return nil, errors.Join(err, numbers.end())
	}
	return &Store{numbers: numbers, budgets: budgets, close: func() error {
		return errors.Join(numbers.end(), budgets.end())
	}}, nil
}

// Migrate makes the store's tables where they are missing. Several processes may do it at once.
func Migrate(ctx context.Context, db *sql.DB, d Dialect) error {
	for _, statement := range Schema(d) {
		_, err := db.ExecContext(ctx, statement)
		if err != nil { // of two that make the same table at once PostgreSQL refuses one, which then finds it there
			_, err = db.ExecContext(ctx, statement)
		}
		if err != nil {
			return fmt.Errorf("making the code store's tables: %w", err)
		}
	}
	return nil
}

// Schema lists the statements that Migrate runs.
func Schema(d Dialect) []string {
	var all []string
	for _, table := range []string{numbersTable, budgetsTable} {
		for _, statement := range d.tables {
			all = append(all, strings.ReplaceAll(statement, "{table}", table))
		}
	}
	return all
}

// table is an engine on a SQL table with a row a document. Updates that wait at the same time share one transaction,
// which locks all its documents before it reads. One goroutine runs the transactions; database connections that write
// gain nothing from being many on SQLite, and little elsewhere for rows that everybody wants.
type table[D any, P document[D]] struct {
	db                                     *sql.DB
	isolation                              *sql.TxOptions
	stepTime                               time.Duration
	waiting                                atomic.Int64 // steps under way
	lock, load, save, drop, expired, purge statement
	jobs                                   chan *job[D]
	stop                                   chan struct{}
	stopped                                sync.WaitGroup
	once                                   sync.Once
}

// statement is SQL, prepared where the dialect says so.
type statement struct {
	text     string
	prepared *sql.Stmt
}

func (s statement) query(ctx context.Context, tx *sql.Tx, args ...any) (*sql.Rows, error) {
	if s.prepared != nil {
		return tx.StmtContext(ctx, s.prepared).QueryContext(ctx, args...)
	}
	return tx.QueryContext(ctx, s.text, args...)
}

// exec runs the statement with one argument in JSON.
func (s statement) exec(ctx context.Context, tx *sql.Tx, argument any) error {
	text, err := json.Marshal(argument)
	if err != nil {
		return err
	}
	if s.prepared != nil {
		_, err = tx.StmtContext(ctx, s.prepared).ExecContext(ctx, string(text))
	} else {
		_, err = tx.ExecContext(ctx, s.text, string(text))
	}
	return err
}

type job[D any] struct {
	ctx   context.Context // the caller's: nothing is done for one who has given up
	names []rekey.Name
	step  func(instant, []*D) bool
	fault error // its own, such as a row that can't be read; the rest of the batch goes on
	done  chan error
}

func newTable[D any, P document[D]](ctx context.Context, db *sql.DB, d Dialect, name string, stepTime time.Duration) (*table[D, P], error) {
	t := &table[D, P]{db: db, isolation: d.isolation, stepTime: stepTime, jobs: make(chan *job[D]), stop: make(chan struct{})}
	var there int
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+name+" WHERE 1 = 0").Scan(&there); err != nil {
		return nil, fmt.Errorf("the code store's tables: %w", err)
	}
	values := strings.NewReplacer("{table}", name, "{idle}", strconv.FormatInt((2*stepTime).Milliseconds(), 10))
	for _, s := range []struct {
		into *statement
		text string
	}{
		{&t.lock, d.lock}, {&t.load, d.load}, {&t.save, d.save}, {&t.drop, d.drop}, {&t.expired, d.expired}, {&t.purge, d.purge},
	} {
		if s.text == "" {
			continue
		}
		s.into.text = values.Replace(s.text)
		if !d.prepares {
			continue
		}
		var err error
		if s.into.prepared, err = db.PrepareContext(ctx, s.into.text); err != nil {
			return nil, errors.Join(fmt.Errorf("preparing the code store's statements: %w", err), t.closeStatements())
		}
	}
	t.stopped.Add(1)
	go t.run()
	return t, nil
}

func (t *table[D, P]) update(ctx context.Context, names []rekey.Name, step func(instant, []*D) bool) error {
	defer t.waiting.Add(-1)
	if t.waiting.Add(1) > waitingSteps {
		return errCrowded
	}
	ctx, cancel := t.bounded(ctx)
	defer cancel()
	j := &job[D]{ctx: ctx, names: names, step: step, done: make(chan error, 1)}
	select {
	case t.jobs <- j:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.stop:
		return errClosed
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx) // the step may still happen; nobody reads what it finds
	}
}

// errCrowded says that a step was not even tried.
var errCrowded = errors.New("the code store's database is so slow that too many steps wait for it")

// bounded is a context that ends with the time of a step.
func (t *table[D, P]) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, t.stepTime,
		fmt.Errorf("the code store's database did not answer within %v: %w", t.stepTime, context.DeadlineExceeded))
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

// begin begins a transaction. A connection to a server that died in the pool, by a restart, is told by its BEGIN, which
// changes nothing and is said again on another; nothing else is (T19). SQLite's has waited for its lock as long as it may.
func (t *table[D, P]) begin(ctx context.Context) (tx *sql.Tx, err error) {
	for range beginTries {
		if tx, err = t.db.BeginTx(ctx, t.isolation); err == nil || ctx.Err() != nil || t.lock.text == "" {
			return tx, err
		}
	}
	return tx, err
}

// transact runs the steps of a batch, one after the other, in one transaction: it reads all documents of the batch,
// and stores all that have changed, in one statement each.
func (t *table[D, P]) transact(batch []*job[D]) (err error) {
	// A tenth less than those wait who are in it: they are told what was waited for.
	ctx, cancel := context.WithTimeout(context.Background(), t.stepTime*9/10)
	defer cancel()
	tx, err := t.begin(ctx)
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
	docs, now, err := t.read(ctx, tx, batch)
	if err != nil {
		return err
	}
	changed := make(map[rekey.Name]bool)
	for _, j := range batch {
		if j.fault = context.Cause(j.ctx); j.fault != nil {
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

// read locks the documents of a batch and returns them with the time on the database's clock, which is read once they
// are locked.
func (t *table[D, P]) read(ctx context.Context, tx *sql.Tx, batch []*job[D]) (docs map[rekey.Name]stored[D], now instant, err error) {
	docs = make(map[rekey.Name]stored[D])
	var names []rekey.Name
	for _, j := range batch {
		for _, name := range j.names {
			if _, known := docs[name]; !known {
				docs[name] = stored[D]{}
				names = append(names, name)
			}
		}
	}
	slices.Sort(names) // everybody locks in one order, or two could wait for each other
	if t.lock.text != "" {
		if err := t.lock.exec(ctx, tx, names); err != nil {
			return nil, 0, err
		}
	}
	list, err := json.Marshal(names)
	if err != nil {
		return nil, 0, err
	}
	rows, err := t.load.query(ctx, tx, string(list))
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var state sql.NullString
		if err := rows.Scan(&name, &state, &now); err != nil {
			return nil, 0, err
		}
		if state.String == "" {
			continue
		}
		d := stored[D]{doc: new(D)}
		if err := json.Unmarshal([]byte(state.String), d.doc); err != nil {
			d.unreadable = fmt.Errorf("%w: %w", errUnreadable, err)
		}
		docs[rekey.Name(name)] = d
	}
	if err := rows.Err(); err != nil {
		return nil, 0, err
	}
	if now == 0 { // a row for each name tells it
		return nil, 0, errors.New("the database tells no time")
	}
	return docs, now, nil
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
		if err := t.save.exec(ctx, tx, saved); err != nil {
			return err
		}
	}
	if len(dropped) > 0 {
		return t.drop.exec(ctx, tx, dropped)
	}
	return nil
}

// sweep looks for expired documents without locking any and then removes those that still are, in a transaction that
// locks as every other does.
func (t *table[D, P]) sweep(ctx context.Context) (removed int64, err error) {
	for {
		n, err := t.sweepSome(ctx)
		removed += n
		if err != nil || n < sweepSize {
			return removed, err
		}
	}
}

func (t *table[D, P]) sweepSome(ctx context.Context) (removed int64, err error) {
	ctx, cancel := t.bounded(ctx)
	defer cancel()
	tx, err := t.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback() // where it fails the connection is gone, and with it the transaction
		}
	}()
	rows, err := t.expired.query(ctx, tx, sweepSize)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return 0, err
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	slices.Sort(names)
	if len(names) > 0 {
		if t.lock.text != "" {
			if err := t.lock.exec(ctx, tx, names); err != nil {
				return 0, err
			}
		}
		if err := t.purge.exec(ctx, tx, names); err != nil {
			return 0, err
		}
	}
	return int64(len(names)), tx.Commit()
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
	for _, s := range []statement{t.lock, t.load, t.save, t.drop, t.expired, t.purge} {
		if s.prepared != nil {
			all = append(all, s.prepared.Close())
		}
	}
	return errors.Join(all...)
}
