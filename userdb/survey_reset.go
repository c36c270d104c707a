package userdb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"rekey"
)

// server tells what server and table do on their own when a password is written.
func (s *survey) server(ctx context.Context) error {
	if ask := s.dialect.inspect.server; ask != nil {
		findings, err := ask(ctx, s.db)
		if err != nil {
			return err
		}
		s.report.Findings = append(s.report.Findings, findings...)
	}
	triggers, err := s.dialect.inspect.triggers(ctx, s.db, s.shape)
	if err != nil {
		return err
	}
	if len(triggers) > 0 {
		s.find(Finding{ID: "server.triggers", Severity: Advice, About: s.column(s.shape.passwordColumn), Text: "Writing a password runs " +
			series(triggers) + " in the same transaction. See that it neither fails nor changes what the application reads."})
	}
	return nil
}

const (
	// clockNoted is from where a difference of clocks is told: clocks that NTP keeps are within some milliseconds.
	clockNoted = time.Second
	// clockAllowed is the most by which the database's clock may be wrong where a reset writes its time. A token that the
	// application issued up to that long before a reset counts as issued after it, and stays good.
	clockAllowed = 30 * time.Second
)

// clock compares the database's with this machine's. The time that is asked for lies within the question's own, whose
// half is the error; the fastest of three tells.
func (s *survey) clock(ctx context.Context) error {
	if s.dialect.inspect.clock == "" {
		return nil
	}
	var ahead time.Duration
	for least, tries := time.Duration(1<<63-1), 3; tries > 0; tries-- {
		var theirs time.Time
		asked := time.Now()
		if err := s.db.QueryRowContext(ctx, s.dialect.inspect.clock).Scan(&theirs); err != nil {
			return err
		}
		if took := time.Since(asked); took < least {
			least, ahead = took, theirs.Sub(asked.Add(took/2))
		}
	}
	writesTime := slices.ContainsFunc(s.shape.writes, func(w write) bool { return w.to == toNow || w.to == toDefault })
	s.find(clockFinding(ahead, writesTime))
	return nil
}

func clockFinding(ahead time.Duration, writesTime bool) Finding {
	f := Finding{ID: "clock.users", Severity: Fine, About: "users.dsn"}
	off, way := ahead.Abs().Round(100*time.Millisecond), "ahead of"
	if ahead < 0 {
		way = "behind"
	}
	switch {
	case off <= clockNoted:
		f.Text = "The database's clock and this machine's agree within a second."
		return f
	case off > clockAllowed && writesTime:
		f.Severity = Mend
	default:
		f.Severity = Advice
	}
	f.Text = fmt.Sprintf("The database's clock is %v %s this machine's.", off, way)
	if writesTime {
		f.Text += " A reset writes its time, by which applications refuse older tokens: some that are older stay good, or new ones are refused."
	}
	f.Text += " Have both kept by NTP."
	return f
}

// rehearse does a whole reset of one account and rolls it back.
func (s *survey) rehearse(ctx context.Context) error {
	f := Finding{ID: "reset.rehearsed", Severity: Fine, About: s.report.Table}
	triggers, err := s.dialect.inspect.triggers(ctx, s.db, s.shape)
	if err != nil {
		return err
	}
	if remains := s.dialect.inspect.remains; remains != nil && len(triggers) > 0 {
		if err := remains(ctx, s.db); err != nil {
			f.ID, f.Severity = "reset.skipped", Advice
			f.Text = "No reset was rehearsed: " + harmless(err) + "."
			s.find(f)
			return nil
		}
	}
	for _, n := range s.tally.subjects {
		accounts, err := s.table.lookUp(ctx, n, s.shape.spelled(n))
		if err != nil {
			return err
		}
		if len(accounts) != 1 { // shared, or changed since it was read
			continue
		}
		switch err := s.rehearseOn(ctx, accounts[0]); {
		case errors.Is(err, rekey.ErrStale): // its owner was faster
			continue
		case ctx.Err() != nil:
			return fmt.Errorf("a reset was rehearsed and took too long: %w", err)
		case err != nil:
			f.ID, f.Severity = "reset.failed", Mend
			f.Text = "A reset was rehearsed on one account and failed: " + harmless(err) + "."
		default:
			f.Text = "A whole reset of one account wrote one row, and was rolled back."
		}
		s.find(f)
		return nil
	}
	if s.tally.rows > 0 {
		f.ID, f.Severity = "reset.skipped", Advice
		f.Text = "No reset was rehearsed, for want of an account that can be recovered and has its number alone."
		s.find(f)
	}
	return nil
}

// rehearseOn fails with rekey.ErrStale if the account is not as it was read.
func (s *survey) rehearseOn(ctx context.Context, a rekey.Account) error {
	recipe, err := s.table.recipe(a.Hash)
	if err != nil {
		return err
	}
	hash, err := s.table.make(ctx, recipe, madeUp())
	if err != nil {
		return err
	}
	v := &values{id: a.ID, was: a.Hash, hash: hash, spelled: s.shape.spelled(a.Number)}
	err = s.dialect.transact(ctx, s.table.write, func(tx querier) error {
		if err := s.table.reset(ctx, tx, v); err != nil {
			return err
		}
		return errRehearsed
	})
	if !errors.Is(err, errRehearsed) {
		return err
	}
	now, err := s.table.lookUp(ctx, a.Number, v.spelled)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(now, func(now rekey.Account) bool { return now.Hash == hash }) {
		return errors.New("what it wrote could not be rolled back; the account has a password that nobody knows")
	}
	return nil
}

// madeUp is a password that every login form takes and nobody knows.
func madeUp() string { return rand.Text()[:16] }
