package userdb

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"rekey"
	"rekey/passhash"
)

// Import says how a file of users is read.
type Import struct {
	// Plan parses the mobile numbers. Required.
	Plan rekey.Plan
	// Hashed: the password column holds hashes of formats that package passhash knows, and they are stored as they are.
	Hashed bool
	// SkipBad imports the good lines of a file that has bad ones.
	SkipBad bool
	// Check, if set, refuses a password before it is hashed. Its error becomes the cause of a bad line and must not
	// hold the password. It is not asked about hashes.
	Check func(n rekey.Number, password string) error
	// Progress, if set, is told of every progressStep rows of a stage and of its end, from one goroutine at a time.
	Progress func(stage Stage, done int)
}

// Stage is a part of an import's work.
type Stage string

// The stages, in order.
const (
	StageRead  Stage = "read"  // lines read and checked
	StageHash  Stage = "hash"  // passwords hashed; none with Hashed
	StageStore Stage = "store" // rows written
)

// progressStep is how many rows go by between two calls of Progress.
const progressStep = 1000

// Imported is what an import came to.
type Imported struct {
	Rows  int       // lines with a user, good and bad
	Added int       // rows added
	Bad   []BadLine // by line
}

// BadLine is a line that was not imported.
type BadLine struct {
	Line  int // from 1
	Cause error
}

// ErrBadLines: nothing was imported, because the file has bad lines.
var ErrBadLines = errors.New("nothing was imported: some lines are bad")

// maxLine is the longest line, in bytes: a number, the longest hash or password, and some columns of no concern.
const maxLine = 4096

// importRow is a good line.
type importRow struct {
	line     int
	number   rekey.Number
	password string // or, once hashed, its hash
}

// Import adds the users of a CSV file (RFC 4180, UTF-8): all of them or, if a line is bad, none and ErrBadLines; with
// SkipBad the good ones. Imported.Bad names every bad line either way. One transaction adds the rows.
//
// A first line with the cells "mobile" and "password" (of any case) names the columns, and others beside them are passed
// over; without one, every line is MOBILE,PASSWORD. A cell with commas, as hashes of argon2id have them, stands in
// quotes and can't go over several lines. A byte order mark, CRLF and empty lines are fine. A number that stands in the
// file twice, or in the table, makes a bad line of the later one.
//
// The rows are held in memory, about 300 bytes each: 30 MB for 100,000. Passwords are hashed on all cores but one
// before the transaction begins; that takes about 30 ms each.
func (e *Embedded) Import(ctx context.Context, file io.Reader, how Import) (Imported, error) {
	r := importer{table: e, how: how, first: make(map[string]int), quoted: bufio.NewReaderSize(nil, maxLine)}
	if err := r.read(ctx, file); err != nil {
		return r.result(), fmt.Errorf("reading the file: %w", err)
	}
	refused := len(r.bad) > 0 && !how.SkipBad
	if refused || !how.Hashed {
		// The table is asked now, so that one run tells every bad line, and tells before the long work of hashing.
		// Otherwise store finds out at no cost.
		if err := r.lookUp(ctx); err != nil {
			return r.result(), err
		}
		refused = len(r.bad) > 0 && !how.SkipBad
	}
	if refused {
		return r.result(), r.refusal()
	}
	if !how.Hashed {
		if err := r.hash(ctx); err != nil {
			return r.result(), err
		}
	}
	err := r.store(ctx)
	return r.result(), err
}

type importer struct {
	table *Embedded
	how   Import

	rows  int
	good  []importRow
	bad   []BadLine
	first map[string]int // by number as stored: the line that has it
	added int

	quoted *bufio.Reader // a line with quotes
}

func (r *importer) result() Imported {
	slices.SortFunc(r.bad, func(a, b BadLine) int { return a.Line - b.Line })
	return Imported{Rows: r.rows, Added: r.added, Bad: r.bad}
}

func (r *importer) refusal() error {
	return fmt.Errorf("%w (%d of %d)", ErrBadLines, len(r.bad), r.rows)
}

func (r *importer) progress(stage Stage, done int, end bool) {
	if r.how.Progress != nil && (end || done%progressStep == 0) {
		r.how.Progress(stage, done)
	}
}

// read fills good and bad. It fails only if reading does.
func (r *importer) read(ctx context.Context, file io.Reader) error {
	lines := bufio.NewReaderSize(file, maxLine)
	columns := columns{mobile: 0, password: 1, cells: 2}
	for number := 1; ; number++ {
		line, long, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			r.progress(StageRead, r.rows, true)
			return nil
		}
		if err != nil {
			return err
		}
		if number == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if len(line) == 0 && !long {
			continue
		}
		cells, err := r.split(line, long)
		if number == 1 && err == nil {
			if named, ok := header(cells); ok {
				columns = named
				continue
			}
		}
		if r.rows%progressStep == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.rows++
		var row importRow
		if err == nil {
			row, err = r.check(columns, cells)
		}
		if err == nil {
			spelling := r.table.shape.spell(row.number)[0]
			if first, twice := r.first[spelling]; twice {
				err = fmt.Errorf("the same number as in line %d", first)
			} else {
				r.first[spelling] = number
			}
		}
		if err != nil {
			r.bad = append(r.bad, BadLine{Line: number, Cause: err})
		} else {
			row.line = number
			r.good = append(r.good, row)
		}
		r.progress(StageRead, r.rows, false)
	}
}

// columns says where a line has what.
type columns struct {
	mobile, password int
	cells            int // how many a line has: with any other number, a cell is cut at a comma of its own
}

// header reads the first line as names of columns; ok is false if it is not.
func header(cells []string) (columns, bool) {
	find := func(name string) int {
		return slices.IndexFunc(cells, func(cell string) bool { return strings.EqualFold(strings.TrimSpace(cell), name) })
	}
	c := columns{mobile: find("mobile"), password: find("password"), cells: len(cells)}
	return c, c.mobile >= 0 && c.password >= 0
}

// readLine is one line without its end; long says that it went on beyond maxLine, which is skipped.
func readLine(r *bufio.Reader) (line []byte, long bool, err error) {
	line, long, err = r.ReadLine()
	if !long {
		return line, false, err
	}
	for more := true; more && err == nil; {
		_, more, err = r.ReadLine()
	}
	if errors.Is(err, io.EOF) { // it was the last line
		err = nil
	}
	return nil, true, err
}

// split is the cells of one line. The reason why a line is not CSV is told in our own words, for that of the reader
// may quote the line.
func (r *importer) split(line []byte, long bool) ([]string, error) {
	switch {
	case long:
		return nil, fmt.Errorf("longer than %d bytes", maxLine)
	case !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0:
		return nil, errors.New("not UTF-8 text: save the file as CSV in UTF-8")
	case bytes.IndexByte(line, '"') < 0:
		return strings.Split(string(line), ","), nil
	}
	r.quoted.Reset(bytes.NewReader(line))
	reader := csv.NewReader(r.quoted) // which takes the buffer as its own instead of making one for every line
	reader.FieldsPerRecord = -1
	cells, err := reader.Read()
	if err != nil {
		return nil, errors.New("quotes are not as in CSV")
	}
	return cells, nil
}

// check is a line as a user.
func (r *importer) check(c columns, cells []string) (importRow, error) {
	if len(cells) != c.cells {
		return importRow{}, fmt.Errorf("%d cells instead of %d: a cell with commas stands in quotes", len(cells), c.cells)
	}
	n, err := r.how.Plan(cells[c.mobile])
	if err != nil {
		return importRow{}, rekey.ErrNumberForm
	}
	password := cells[c.password]
	switch {
	case password == "":
		err = errors.New("the password is empty")
	case r.how.Hashed:
		// Verifying must be possible later, so the hash must also fit into the memory for hashing.
		var hash passhash.Hash
		if hash, err = passhash.Parse(password); err == nil {
			err = r.table.pool.Fits(hash.Recipe())
		}
	case r.how.Check != nil:
		err = r.how.Check(n, password)
	}
	return importRow{number: n, password: password}, err
}

// lookUp moves the good lines whose number is in the table to the bad ones.
func (r *importer) lookUp(ctx context.Context) error {
	d, l := r.table.dialect, r.table.shape
	query := "SELECT COUNT(*) FROM " + d.quote(l.table) + " WHERE mobile = " + d.param(1)
	ask := func(ctx context.Context, mobile string) *sql.Row {
		return r.table.read.QueryRowContext(ctx, query, mobile)
	}
	if d.prepares {
		statement, err := r.table.read.PrepareContext(ctx, query)
		if err != nil {
			return fmt.Errorf("looking for duplicates: %w", err)
		}
		defer statement.Close()
		ask = func(ctx context.Context, mobile string) *sql.Row { return statement.QueryRowContext(ctx, mobile) }
	}
	good := r.good[:0]
	for _, row := range r.good {
		var rows int
		if err := ask(ctx, l.spell(row.number)[0]).Scan(&rows); err != nil {
			return fmt.Errorf("looking for duplicates: %w", err)
		}
		if rows > 0 {
			r.bad = append(r.bad, BadLine{Line: row.line, Cause: ErrDuplicate})
			continue
		}
		good = append(good, row)
	}
	r.good = good
	return nil
}

// hash turns the passwords of the good lines into hashes. The workers are as many as can ever be at work in the pool,
// so none waits for long; ErrBusy means that the rest of the program keeps the pool busy, and the worker asks again.
func (r *importer) hash(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex // guards next and done, and the calls of Progress
	next, done := 0, 0
	var workers sync.WaitGroup
	for range r.table.pool.Places() {
		workers.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(r.good) || ctx.Err() != nil {
					return
				}
				hash, err := r.table.make(ctx, r.table.fresh, r.good[i].password)
				for errors.Is(err, rekey.ErrBusy) && ctx.Err() == nil {
					hash, err = r.table.make(ctx, r.table.fresh, r.good[i].password)
				}
				if err != nil {
					cancel(fmt.Errorf("line %d: %w", r.good[i].line, err))
					return
				}
				r.good[i].password = hash
				mu.Lock()
				done++
				r.progress(StageHash, done, done == len(r.good))
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// store adds the good lines in one transaction. A number that has come into the table since is a bad line still.
func (r *importer) store(ctx context.Context) error {
	added := 0
	err := r.table.dialect.alone(ctx, r.table.write, func(tx querier) error {
		insert, err := r.table.insertion(ctx, tx, false)
		if err != nil {
			return err
		}
		defer insert.close()
		for i, row := range r.good {
			switch _, err := insert.row(ctx, r.table.shape.spell(row.number)[0], row.password); {
			case errors.Is(err, ErrDuplicate):
				r.bad = append(r.bad, BadLine{Line: row.line, Cause: ErrDuplicate})
			case err != nil:
				return err
			default:
				added++
			}
			r.progress(StageStore, i+1, i+1 == len(r.good))
		}
		if len(r.bad) > 0 && !r.how.SkipBad {
			return r.refusal()
		}
		return nil
	})
	if err != nil {
		if errors.Is(err, ErrBadLines) {
			return err
		}
		return fmt.Errorf("storing the users: %w", err)
	}
	r.added = added
	return nil
}
