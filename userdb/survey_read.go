package userdb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"math/big"
	"strconv"
)

const (
	// wholeTable is the most rows of which every one is read: about a second.
	wholeTable = 100_000
	// pageRows is how many rows a statement reads that goes through the table, some milliseconds.
	pageRows = 2_000

	// Of a larger table the sample is the rows with the least and the greatest ids, which are the oldest and the newest
	// where ids count or begin with a time, and short runs at random places in between.
	endRows   = 10_000
	places    = 400
	placeRows = 100
)

// record is a row as the table has it.
type record struct {
	id, mobile, stored sql.NullString
	active             bool
}

// rows reads the table, or a sample of it, into the tally. What was read when its time is over is the sample.
func (s *survey) rows(ctx context.Context) error {
	err := s.sample(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		s.report.Whole, err = false, nil
	}
	s.report.Looked = s.tally.rows
	if s.report.Whole {
		s.report.Rows = s.tally.rows
	}
	return err
}

func (s *survey) sample(ctx context.Context) error {
	switch {
	case !s.ordered && !s.view: // each page of a table in no order would read all of it
		last, err := s.page(ctx, cut{limit: wholeTable, unordered: true})
		s.report.Whole = last.rows < wholeTable
		return err
	case !s.report.About:
		_, err := s.run(ctx, cut{}, 2*wholeTable) // it may grow meanwhile
		s.report.Whole = err == nil
		return err
	}
	low, err := s.run(ctx, cut{}, endRows)
	if err != nil {
		return err
	}
	high, err := s.run(ctx, cut{down: true}, endRows)
	if err != nil || s.shape.idColumn.class != classInteger {
		return err
	}
	// Between the two ends, so that a lonely 1 before ids of eighteen digits does not draw all places to it.
	from, fromOK := new(big.Int).SetString(low.id, 10)
	to, toOK := new(big.Int).SetString(high.id, 10)
	if !fromOK || !toOK || from.Cmp(to) >= 0 {
		return nil
	}
	span := new(big.Int).Sub(to, from)
	for range places {
		at, err := rand.Int(rand.Reader, span)
		if err != nil {
			return err
		}
		if _, err := s.page(ctx, cut{beyond: at.Add(at, from).String(), limit: placeRows}); err != nil {
			return err
		}
	}
	return nil
}

// run reads page after page, about so many rows.
func (s *survey) run(ctx context.Context, c cut, most int64) (last end, err error) {
	c.limit = pageRows
	for read := int64(0); read < most; read += last.rows {
		if last, err = s.page(ctx, c); err != nil || last.rows < pageRows {
			return last, err
		}
		c.beyond = last.id
	}
	return last, nil
}

// end is what a page came to: its rows, and the id of the last.
type end struct {
	rows int64
	id   string
}

// page reads one cut of the table into the tally. No row is tallied twice.
func (s *survey) page(ctx context.Context, c cut) (last end, err error) {
	statement := s.shape.cut(s.dialect, c)
	rows, err := s.db.QueryContext(ctx, statement.text, statement.with(&values{})...)
	if err != nil {
		return last, err
	}
	defer rows.Close()
	for rows.Next() {
		var r record
		if err := rows.Scan(&r.id, &r.mobile, &r.stored, &r.active); err != nil {
			return last, err
		}
		last.rows, last.id = last.rows+1, r.id.String
		s.tally.add(s, r)
	}
	return last, rows.Err()
}

// cut is a piece of a table in the order of its ids.
type cut struct {
	beyond    string // an id; empty: from the end of the table
	down      bool   // towards lesser ids
	limit     int64
	unordered bool // whichever rows come first
}

// cut selects id, number and password, and whether the row is active, of every account, those without a number too.
func (s shape) cut(d Dialect, c cut) statement {
	q, w := d.quote, writer{dialect: d}
	id := "u." + q(s.id)
	w.say("SELECT ", d.text(id), ", ", d.text(s.number(d)), ", ", d.text("u."+q(s.password)), ", CASE WHEN 1 = 1")
	s.whereActive(&w)
	w.say(" THEN 1 ELSE 0 END FROM ", d.quoteTable(s.table), " AS u")
	if m := s.preset.meta; m != nil {
		w.say(" LEFT JOIN ", d.quoteTable(s.metaTable()), " AS m ON m.", q(m.user), " = ", id, " AND m.", q(m.key), " = ")
		w.bind(fixed(s.mobile))
	}
	towards, order := " > ", " ORDER BY "+id
	if c.down {
		towards, order = " < ", order+" DESC"
	}
	if c.beyond == "" {
		w.say(" WHERE ", id, " IS NOT NULL")
	} else {
		w.say(" WHERE ", id, towards)
		w.bind(fixed(c.beyond))
	}
	if c.unordered {
		order = ""
	}
	w.say(order, " LIMIT ", strconv.FormatInt(c.limit, 10))
	return w.statement
}
