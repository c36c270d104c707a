package userdb

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// numbers tells how they are spelled.
func (s *survey) numbers(ctx context.Context) error {
	s.report.Numbers = s.tally.numbers
	n, about, c := s.tally.numbers, s.numberColumn(), s.shape.mobileColumn
	format, other := "national", "e164"
	if s.shape.e164 {
		format, other = other, format
	}
	if slices.Contains(s.dialect.inspect.narrow, c.kind) {
		f := Finding{ID: "numbers.narrow", Severity: Mend, About: about, Text: fmt.Sprintf("The column %s is of the type %s, which has no room for a "+
			"mobile number of eleven digits, and looking for one may fail.", c.name, c.kind)}
		var err error
		f.Remedy, err = s.dialect.inspect.retype(ctx, s.db, s.shape.numberTable(), c, "bigint")
		s.find(f)
		if err != nil {
			return err
		}
	}
	found, all := n.AsSet+n.Other, n.AsSet+n.Other+n.Hidden+n.Foreign
	switch {
	case all == 0 && s.tally.rows > 0:
		s.find(Finding{ID: "numbers.none", Severity: Mend, About: about, Text: "No row that was looked at has a number; name the column that does.",
			Remedy: `users.mobile = "…"`})
	case 2*found < all && s.tally.turned > found:
		s.find(Finding{ID: "numbers.format", Severity: Mend, About: "users.mobile_format", Text: fmt.Sprintf("%sa number that is not spelled as "+
			"users.mobile_format = %q has it, and is not found.", s.looked(n.Hidden)+have(n.Hidden), format),
			Remedy: "users.mobile_format = " + strconv.Quote(other)})
	case 2*found < all:
		s.find(Finding{ID: "numbers.column", Severity: Mend, About: about, Text: fmt.Sprintf("Only %sa mobile number of the configured plan that is "+
			"found. Look whether users.mobile is the right column and numbers.plan the right plan%s.", s.looked(found)+have(found),
			s.such(readForeign, readHidden))})
	default:
		s.spellings(n, format)
	}
	if n.Empty > 0 && all > 0 {
		s.find(Finding{ID: "numbers.empty", Severity: Fine, About: about, Text: s.looked(n.Empty) + have(n.Empty) + "no number: nobody asks for these."})
	}
	return nil
}

// spellings tells of those that are not as the settings have it, where most are.
func (s *survey) spellings(n NumberCounts, format string) {
	about := s.numberColumn()
	if n.AsSet > 0 {
		s.find(Finding{ID: "numbers.as_set", Severity: Fine, About: about, Text: s.looked(n.AsSet) + have(n.AsSet) + "a number as users.mobile_format says, " +
			format + "."})
	}
	if n.Other > 0 {
		s.find(Finding{ID: "numbers.other", Severity: Advice, About: about, Text: s.looked(n.Other) + have(n.Other) + "a number that is spelled otherwise" +
			s.such(readOther) + ". They are found, but one number in two spellings is two accounts, of which neither is recovered: have them spelled alike."})
	}
	if n.Hidden > 0 {
		f := Finding{ID: "numbers.hidden", Severity: Advice, About: about, Text: s.looked(n.Hidden) + have(n.Hidden) + "a number in a spelling that is not found" +
			s.such(readHidden) + ". Have them spelled as the others"}
		if s.tally.blanks > 0 {
			f.Text += "; what takes blanks and dashes out"
			f.Remedy = s.strip()
		}
		f.Text += "."
		s.find(f)
	}
	if n.Foreign > 0 {
		s.find(Finding{ID: "numbers.foreign", Severity: Advice, About: about, Text: s.looked(n.Foreign) + have(n.Foreign) +
			"something that is no mobile number of the configured plan" + s.such(readForeign) + ". These accounts aren't recovered."})
	}
}

// such are examples in parentheses.
func (s *survey) such(readings ...reading) string {
	var all []string
	for _, r := range readings {
		for _, example := range s.tally.examples[r] {
			all = append(all, strconv.QuoteToGraphic(example))
		}
	}
	if all == nil {
		return ""
	}
	return " (such as " + series(all[:min(len(all), maxExamples)]) + ")"
}

// strip is SQL that takes blanks and dashes out of numbers.
func (s *survey) strip() string {
	column, where := s.dialect.quote(s.shape.mobileColumn.name), ""
	if m := s.shape.preset.meta; m != nil {
		where = s.dialect.quote(m.key) + " = " + literal(s.shape.mobile) + " AND "
	}
	return fmt.Sprintf("UPDATE %s SET %[2]s = REPLACE(REPLACE(%[2]s, ' ', ''), '-', '') WHERE %[3]s(%[2]s LIKE '%% %%' OR %[2]s LIKE '%%-%%');",
		s.dialect.quoteTable(s.shape.numberTable()), column, where)
}

// literal is a text in SQL that people run, never in what is run here.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// numberTable is the table that holds the numbers.
func (s shape) numberTable() string {
	if s.preset.meta != nil {
		return s.metaTable()
	}
	return s.table
}
