package userdb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"rekey"
)

// Report is what Survey found. Nothing in it tells a number, a hash or a password (T36). Its JSON form is a part of what
// rekey doctor prints, and stable.
type Report struct {
	Database string `json:"database"`
	Table    string `json:"table"`
	Rows     int64  `json:"rows"`
	// About: Rows is the database's own estimate, or the least that there are.
	About  bool  `json:"rows_estimated"`
	Looked int64 `json:"rows_looked_at"`
	// Whole: every row was looked at; else counts are of a sample.
	Whole bool `json:"whole"`

	Hashes   []HashCount   `json:"hashes"` // the most frequent first
	Accounts AccountCounts `json:"accounts"`
	Numbers  NumberCounts  `json:"numbers"`

	Writes  []string `json:"writes"`  // the columns that a reset writes
	Deletes []string `json:"deletes"` // "table.column" of the account's id, in whose rows a reset deletes

	Findings []Finding `json:"-"`
}

// HashCount is how many rows have a hash of one format.
type HashCount struct {
	// Format is its name in package passhash, or one of "unusable", "unknown", "malformed" and "out_of_bounds".
	Format string `json:"format"`
	Rows   int64  `json:"rows"`
	// Becomes is the recipe of what most of them are replaced by at a reset; empty: these rows can't be recovered.
	Becomes string `json:"becomes"`
}

// AccountCounts are rows by whether a reset reaches them. Each row is counted once.
type AccountCounts struct {
	Recoverable int64 `json:"recoverable"`
	Inactive    int64 `json:"inactive"`
	Unusable    int64 `json:"unusable"`    // active, without a password
	Unreadable  int64 `json:"unreadable"`  // active, with a hash that is neither verified nor replaced
	Unreachable int64 `json:"unreachable"` // active, without a number that a lookup finds
}

// NumberCounts are rows by how their number reads. Each row is counted once, but for Shared and Twins.
type NumberCounts struct {
	AsSet   int64 `json:"as_set"`  // spelled as mobile_format says
	Other   int64 `json:"other"`   // spelled otherwise, and found
	Hidden  int64 `json:"hidden"`  // a mobile number in a spelling that is not found
	Foreign int64 `json:"foreign"` // no mobile number of the plan
	Empty   int64 `json:"empty"`   // there is none

	Shared int64 `json:"shared"` // numbers that several recoverable accounts have
	Twins  int64 `json:"twins"`  // numbers that several would have, were all of them spelled alike
	// SharedWhole: Shared counts the whole table, or of one that was sampled all who have a number in one spelling; else
	// there may be more.
	SharedWhole bool `json:"shared_whole"`
}

// Severity says whether a Finding must be acted on.
type Severity string

const (
	Mend   Severity = "mend"   // resets can't work, or not safely
	Advice Severity = "advice" // some can't, or it could be better
	Fine   Severity = "fine"
)

// Finding is one thing that was looked at.
type Finding struct {
	ID       string   `json:"id"` // "group.name", stable
	Severity Severity `json:"severity"`
	About    string   `json:"about"`            // a setting, or a column as table.column
	Text     string   `json:"text"`             // sentences for people
	Remedy   string   `json:"remedy,omitempty"` // SQL, a setting or a command; empty: the text says it
}

// Survey looks at a users table for whatever keeps resets from working, or from working for some. What can't be told is
// a Finding too; the error is ctx's alone. plan is that of the service.
//
// It is made for a live system. It reads with one connection at a time in short statements, each a transaction of its
// own, so that no old versions of rows are kept for it; of a large table it reads a sample, through the primary key. It
// takes no longer than within, however large the table is; half a minute is plenty. One row is locked for the moments in
// which a whole reset is rehearsed on it and rolled back. Nothing is changed.
func Survey(ctx context.Context, o Options, plan rekey.Plan, within time.Duration) (*Report, error) {
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()

	s := &survey{plan: plan, step: within / 6, own: cmp.Or(o.Settings.Preset, "rekey") == "rekey", report: &Report{
		Database: o.Dialect.inspect.name, Table: o.Settings.Table,
		Hashes: []HashCount{}, Writes: []string{}, Deletes: []string{},
	}}
	o.Log = nil
	t, err := New(ctx, o)
	if err != nil {
		if l, err := o.Settings.layout(); err == nil {
			s.report.Table = l.table
		}
		s.faults(err)
		return s.report, outer.Err()
	}
	s.table, s.shape, s.dialect, s.db = t, t.shape, t.dialect, t.read
	s.describe()
	for _, step := range []struct {
		group string
		run   func(context.Context) error
		steps time.Duration // that it may take
	}{
		{"rights", s.missingRights, 1}, // first, since without that to read nothing else can be told
		{"users", s.size, 1},
		{"rights", s.excessRights, 1},
		{"index", s.indexes, 1},
		{"server", s.server, 1},
		{"clock", s.clock, 1},
		{"users", s.rows, 2},
		{"hashes", s.hashes, 1},
		{"numbers", s.numbers, 1},
		{"accounts", s.accounts, 1},
		{"reset", s.rehearse, 1},
		{"numbers", s.shared, 3},
	} {
		bounded, done := context.WithTimeout(ctx, step.steps*s.step)
		err := step.run(bounded)
		done()
		switch {
		case outer.Err() != nil:
			return s.report, outer.Err()
		case errors.Is(err, errBarred):
			return s.report, nil
		case err != nil:
			s.find(Finding{ID: step.group + ".untold", Severity: Advice, About: s.report.Table,
				Text: "A part of this could not be told: " + harmless(err) + "."})
		}
	}
	return s.report, nil
}

// errBarred ends a survey of a table that can't be read.
var errBarred = errors.New("the users table can't be read")

// survey is a Survey at work. It is for one goroutine.
type survey struct {
	plan   rekey.Plan
	step   time.Duration // what most steps may take
	report *Report

	table   *Table
	shape   shape
	dialect Dialect
	db      *sql.DB // for reading

	own      bool    // rekey made the table, and must own it to bring it up to date
	view     bool    // the table is one
	have     []index // of the table that has the numbers
	ordered  bool    // an index has the table in the order of the id
	searched bool    // an index serves the lookup
	tally    tally
}

func (s *survey) find(f Finding) { s.report.Findings = append(s.report.Findings, f) }

// faults takes what New refused.
func (s *survey) faults(err error) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			s.faults(e)
		}
		return
	}
	f := Finding{ID: "users.unreachable", Severity: Mend, About: "users.dsn", Text: harmless(err)}
	if fault, ok := errors.AsType[*SettingError](err); ok {
		f.ID, f.About = "users.setting", "users."+fault.Key
		if s.own && fault.Key == "table" {
			f.Text = "users.table: the table is not there yet; rekey serve makes it, or rekey user add"
		}
	}
	s.find(f)
}

// describe says what the table is and what a reset does to it.
func (s *survey) describe() {
	r := s.report
	r.Table = s.shape.table
	r.Writes = []string{s.shape.passwordColumn.name}
	for _, c := range s.shape.writeColumns {
		r.Writes = append(r.Writes, c.name)
	}
	for _, o := range s.shape.sessions {
		r.Deletes = append(r.Deletes, o.table+"."+o.column)
	}
	does := "The table has every column that is needed. A reset writes " + series(r.Writes)
	if len(r.Deletes) > 0 {
		does += " and deletes the account's rows by " + series(r.Deletes)
	}
	s.find(Finding{ID: "users.columns", Severity: Fine, About: r.Table, Text: does + "."})
}

// size tells how many rows there are.
func (s *survey) size(ctx context.Context) error {
	var err error
	if s.view, err = s.dialect.inspect.view(ctx, s.db, s.shape.table); err != nil {
		return err
	}
	query := fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1 AS a FROM %s LIMIT %d) AS counted", s.dialect.quoteTable(s.shape.table), wholeTable+1)
	if err := s.db.QueryRowContext(ctx, query).Scan(&s.report.Rows); err != nil {
		return err
	}
	if s.report.Rows <= wholeTable {
		return nil
	}
	s.report.About = true
	about, err := s.dialect.inspect.about(ctx, s.db, s.shape.table)
	s.report.Rows = max(about, s.report.Rows)
	return late(ctx, err)
}

// column is a column of the users table for Finding.About.
func (s *survey) column(c column) string { return s.shape.table + "." + c.name }

// numberColumn is the column of the numbers for Finding.About.
func (s *survey) numberColumn() string {
	if s.shape.preset.meta != nil {
		return s.shape.metaTable() + "." + s.shape.mobileColumn.name
	}
	return s.column(s.shape.mobileColumn)
}

// digits are enough of them to be somebody's number. Drivers quote values that they can't send.
var digits = regexp.MustCompile(`[0-9]{7,}`)

// harmless is an error as it may be shown.
func harmless(err error) string {
	return shown(strings.ReplaceAll(err.Error(), "\n", "; "))
}

// shown is a text of the database's on one line, without a number (T36).
func shown(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	return digits.ReplaceAllString(text, "…")
}

// series is "a, b and c".
func series(all []string) string {
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}

// amount is a count with its noun, such as "1 row" and "12,000 rows".
func amount(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s + " " + noun + "s"
}

// looked is a count of rows in a sentence, with what it is of where that is a sample.
func (s *survey) looked(n int64) string {
	if s.report.Whole {
		return amount(n, "row")
	}
	return amount(n, "row") + " of the " + strings.TrimSuffix(amount(s.report.Looked, "row"), " rows") + " looked at"
}
