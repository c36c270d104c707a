package userdb

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"rekey/passhash"
)

// accounts tells who can't be recovered.
func (s *survey) accounts(context.Context) error {
	a := s.tally.accounts
	s.report.Accounts = a
	about := s.report.Table
	switch {
	case s.tally.rows == 0:
		s.find(Finding{ID: "accounts.empty", Severity: Advice, About: about, Text: "The table is empty."})
		return nil
	case a.Recoverable == 0:
		s.find(Finding{ID: "accounts.none", Severity: Mend, About: about, Text: "Not one of the accounts that were looked at can be recovered; the other " +
			"findings say why."})
	default:
		s.find(Finding{ID: "accounts.recoverable", Severity: Fine, About: about, Text: s.looked(a.Recoverable) + " can be recovered."})
	}
	if a.Inactive > 0 {
		var by []string
		for _, c := range s.shape.activeColumns {
			by = append(by, c.name)
		}
		s.find(Finding{ID: "accounts.inactive", Severity: Fine, About: about, Text: s.looked(a.Inactive) + " can't be recovered for being inactive, by " +
			series(by) + "; users.active says what makes an account active."})
	}
	if a.Unusable > 0 {
		s.find(Finding{ID: "accounts.unusable", Severity: Advice, About: s.column(s.shape.passwordColumn), Text: s.looked(a.Unusable) +
			" can't be recovered for having no password, as of people who only ever logged in by SMS. To let these set their first one:",
			Remedy: "users.recover_unusable = true"})
	}
	return nil
}

// hashes tells of the formats that were found, and whether the column holds what replaces them.
func (s *survey) hashes(ctx context.Context) error {
	s.report.Hashes = s.tally.hashes()
	about := s.column(s.shape.passwordColumn)
	sound := true
	for _, h := range s.report.Hashes {
		if h.Becomes != "" || h.Format == hashUnusable {
			continue
		}
		sound = false
		f := Finding{ID: "hashes.unknown", Severity: Advice, About: about}
		switch {
		case h.Format == hashOutOfBounds:
			f.ID = "hashes.bounds"
			f.Text = "a hash that costs more than is ever worked on, and nothing made here would be as strong. " +
				"These accounts aren't recovered; let their owners be helped by the application"
		case h.Format == hashMalformed:
			f.ID = "hashes.malformed"
			f.Text = "a hash of a known format that is not written as that format is, as when it was cut off. " +
				"These accounts aren't recovered; users.hash names what may replace it"
		case h.Format == hashUnknown:
			f.Text = "a hash of no known format. These accounts aren't recovered; unless the application locks accounts so, users.hash names what " +
				"may replace it"
		case s.shape.reads(h.Format):
			f.ID = "hashes.costly"
			f.Text = "a hash of " + h.Format + " that takes more memory than hashing may use. These accounts aren't recovered"
		default:
			f.ID = "hashes.foreign"
			f.Text = "a hash of " + h.Format + ", which the preset's application doesn't read. These accounts aren't recovered; " +
				"look whether users.preset is the right one, or let users.hash name what may replace it"
		}
		if h.Format != hashOutOfBounds && s.shape.hash != nil {
			f.Remedy = "users.hash = " + strconv.Quote(s.shape.hash.Name())
		}
		if 2*h.Rows > s.tally.rows { // a wrong preset, or a column that cuts them off
			f.Severity = Mend
		}
		f.Text = s.looked(h.Rows) + have(h.Rows) + f.Text + "."
		s.find(f)
	}
	if sound && s.tally.rows > 0 {
		s.find(Finding{ID: "hashes.known", Severity: Fine, About: about, Text: "Every password's hash is of a format that can be replaced."})
	}
	return s.lengths(ctx)
}

func have(rows int64) string {
	if rows == 1 {
		return " has "
	}
	return " have "
}

// lengths makes one hash of each kind that a reset would make, and looks whether the column holds it.
func (s *survey) lengths(ctx context.Context) error {
	c := s.shape.passwordColumn
	made := maps.Clone(s.tally.recipes)
	if s.table.fresh != nil {
		put(&made, s.table.fresh.String(), s.table.fresh)
	}
	if len(made) == 0 {
		return nil
	}
	if c.length == 0 {
		s.find(Finding{ID: "hashes.length", Severity: Fine, About: s.column(c), Text: "The column " + c.name + " has no bound that a hash could exceed."})
		return nil
	}
	longest, of := 0, passhash.Recipe(nil)
	for _, name := range slices.Sorted(maps.Keys(made)) {
		hash, err := s.table.make(ctx, made[name], madeUp())
		if err != nil {
			return fmt.Errorf("making a hash of %s: %w", name, err)
		}
		if len(hash) > longest {
			longest, of = len(hash), made[name]
		}
	}
	f := Finding{ID: "hashes.length", Severity: Fine, About: s.column(c)}
	if int64(longest) <= c.length {
		f.Text = fmt.Sprintf("The column %s holds %d characters, and new hashes have at most %d.", c.name, c.length, longest)
		s.find(f)
		return nil
	}
	f.Severity = Mend
	f.Text = fmt.Sprintf("The column %s holds %d characters, but a new hash of %s has %d: a reset fails.", c.name, c.length, of.Name(), longest)
	var err error
	f.Remedy, err = s.dialect.inspect.retype(ctx, s.db, s.shape.table, c, "varchar(255)")
	s.find(f)
	return err
}
