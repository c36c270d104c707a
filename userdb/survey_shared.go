package userdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rekey"
)

// shared tells which numbers several accounts have: those are not recovered (T09).
func (s *survey) shared(ctx context.Context) error {
	var shared, twins []rekey.Number
	for n, o := range s.tally.owners {
		switch {
		case o.found > 1:
			shared = append(shared, n)
		case o.found+o.hidden > 1:
			twins = append(twins, n)
		}
	}
	whole := s.report.Whole
	var err error
	if !whole && s.searched {
		shared, whole, err = s.lookForShared(ctx, shared)
	}
	r := &s.report.Numbers
	r.Shared, r.Twins, r.SharedWhole = int64(len(shared)), int64(len(twins)), whole
	least := ""
	if !whole {
		least = "At least "
	}
	if len(shared) > 0 {
		s.find(Finding{ID: "numbers.shared", Severity: Advice, About: s.numberColumn(), Text: least + amount(r.Shared, "number") + have(r.Shared) +
			"several accounts" + masked(shared) + ". Who asks for a code there is told to turn to support; let each number have one account."})
	}
	if len(twins) > 0 {
		s.find(Finding{ID: "numbers.twins", Severity: Advice, About: s.numberColumn(), Text: least + amount(r.Twins, "number") + " would have several accounts, were " +
			"all of them spelled alike" + masked(twins) + "."})
	}
	if len(shared)+len(twins) == 0 && s.tally.rows > 0 {
		text := "No number has several accounts."
		switch {
		case !whole:
			text = "No number that was looked at has several accounts."
		case !s.report.Whole:
			text = "No number has several accounts in one spelling."
		}
		s.find(Finding{ID: "numbers.shared", Severity: Fine, About: s.numberColumn(), Text: text})
	}
	return err
}

// masked are examples of numbers in parentheses.
func masked(all []rekey.Number) string {
	var examples []string
	for _, n := range all[:min(len(all), maxExamples)] {
		examples = append(examples, n.String())
	}
	return " (such as " + series(examples) + ")"
}

const (
	// lookups is how many numbers of a sample are looked up for other accounts of theirs, each by the service's own
	// statement.
	lookups = 1_000
	// maxRepeated is how many numbers that stand in several rows are looked up.
	maxRepeated = 1_000
)

// lookForShared looks for numbers of several accounts in a table of which only a sample was read: in the index for
// numbers that it has twice, and of the sample for such as are spelled in two ways, beside those that are known. It
// reports whether there can't be others in one spelling.
func (s *survey) lookForShared(ctx context.Context, known []rekey.Number) (shared []rekey.Number, whole bool, err error) {
	repeated, whole, err := s.repeated(ctx)
	asked := map[rekey.Number]bool{}
	for _, n := range slices.Concat(known, repeated) {
		asked[n] = true
	}
	most := len(asked) + lookups
	for n := range s.tally.owners {
		if len(asked) == most {
			break
		}
		asked[n] = true
	}
	for n := range asked {
		accounts, failed := s.table.lookUp(ctx, n, s.shape.spelled(n))
		if failed != nil {
			return shared, false, failed
		}
		if len(accounts) > 1 {
			shared = append(shared, n)
		}
	}
	return shared, whole, err
}

// repeated are the numbers that stand in several rows in the same spelling, as an index tells that has them in order. It
// reports whether these are all.
func (s *survey) repeated(ctx context.Context) (all []rekey.Number, whole bool, err error) {
	leads := func(i index) bool { return i.whole() && i.columns[0] == s.shape.mobileColumn.name }
	if slices.ContainsFunc(s.have, func(i index) bool { return leads(i) && i.unique && len(i.columns) == 1 }) {
		return nil, true, nil
	}
	if s.shape.preset.meta != nil || !slices.ContainsFunc(s.have, leads) {
		return nil, false, nil
	}
	column := s.dialect.quote(s.shape.mobileColumn.name)
	query := fmt.Sprintf("SELECT %s FROM %s GROUP BY %s HAVING COUNT(*) > 1 LIMIT %d", s.dialect.text(column),
		s.dialect.quoteTable(s.shape.table), column, maxRepeated+1)
	bounded, cancel := context.WithTimeout(ctx, 2*s.step)
	defer cancel()
	if f := s.dialect.inspect.bounded; f != nil {
		query = f(query, 2*s.step+time.Second)
	}
	rows, err := s.db.QueryContext(bounded, query)
	if err != nil {
		return nil, false, late(bounded, err)
	}
	defer rows.Close()
	count := 0
	for ; rows.Next(); count++ {
		var stored *string
		if err := rows.Scan(&stored); err != nil {
			return all, false, err
		}
		if stored == nil {
			continue
		}
		if n, as := s.shape.read(s.plan, *stored); as == readAsSet || as == readOther {
			all = append(all, n)
		}
	}
	if err := rows.Err(); err != nil {
		return all, false, late(bounded, err)
	}
	return all, count <= maxRepeated, nil
}

// late is err unless it is that of a time that is over.
func late(bounded context.Context, err error) error {
	if errors.Is(bounded.Err(), context.DeadlineExceeded) {
		return nil
	}
	return err
}
