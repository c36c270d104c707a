package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rekey/cmd/rekey/databases"
	"rekey/codestore"
	"rekey/userdb"
)

// codesTime bounds what is asked of the code store.
const codesTime = 5 * time.Second

func (d *diagnosis) codes(ctx context.Context, l *loaded, opened *databases.Set) error {
	source, err := databases.ParseCodes(l.Codes.Store)
	switch {
	case err != nil:
		return err // its rule has passed it
	case source.SQL == nil:
		d.find("codes.memory", userdb.Advice, "codes.store", "Codes and budgets are in memory: a restart forgets them all, and only one process can serve.")
		return nil
	case source.Exposed():
		d.Findings = append(d.Findings, userdb.Finding{ID: "codes.exposed", Severity: userdb.Advice, About: "codes.store",
			Text: "Whoever is on the network between this machine and the code store could answer in its place, and let guesses pass " +
				"uncounted, since no certificate is verified. Add to codes.store:",
			Remedy: "sslmode=verify-full"})
	}
	if notThere(*source.SQL) {
		d.find("codes.new", userdb.Advice, "codes.store", "The code store is not there yet; rekey serve makes it. If it should be there, run in the service's folder.")
		return nil
	}
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, codesTime)
	defer cancel()
	text, err := d.tryCodes(ctx, l, opened)
	switch {
	case outer.Err() != nil:
		return context.Cause(outer)
	case err != nil:
		d.find("codes.unreachable", userdb.Mend, "codes.store", "The code store can't be used: "+err.Error())
	default:
		d.find("codes.ready", userdb.Fine, "codes.store", text)
	}
	return nil
}

// tryCodes says how the code store is, and changes nothing in it: tables that are missing are made and rolled back, where
// the database can do that.
func (d *diagnosis) tryCodes(ctx context.Context, l *loaded, opened *databases.Set) (text string, err error) {
	db, err := opened.Open(ctx, "codes.store", l.Codes.Store)
	if err != nil {
		return "", err
	}
	dialect := db.Kind.CodeDialect()
	codes, missing := codestore.NewSQL(ctx, db.Write, dialect, db.StepTime)
	switch {
	case missing == nil:
	case db.Kind == databases.MySQL: // a CREATE TABLE can't be rolled back
		return "The code store's tables are not there yet; rekey serve makes them if it has the right to, and rekey migrate --print prints them.", nil
	default:
		if err := rehearse(ctx, db, codestore.Schema(dialect)); err != nil {
			return "", fmt.Errorf("its tables are not there and can't be made: %w; have them made with what rekey migrate --print prints", err)
		}
		return "The code store's tables are not there yet, and can be made; rekey serve does.", nil
	}
	defer func() { err = errors.Join(err, codes.Close()) }()
	if !l.has("keys") && !l.has("index_key") {
		keys, err := keyring(l.Keys, l.IndexKey)
		if err != nil {
			return "", fmt.Errorf("keys: %w", err)
		}
		if err := (&house{codes: codes, keys: keys}).codesReady(ctx); err != nil {
			return "", err
		}
	}
	if db.Kind == databases.SQLite {
		return "The code store answers. Its clock is this machine's.", nil
	}
	asked := time.Now()
	theirs, err := codes.Clock(ctx)
	if err != nil {
		return "", err
	}
	// Codes live on the store's clock alone, so that a difference does no harm.
	ahead := theirs.Sub(asked.Add(time.Since(asked) / 2)).Round(100 * time.Millisecond)
	return fmt.Sprintf("The code store answers. Its clock, which decides how long codes live, is %v ahead of this machine's.", ahead), nil
}

// rehearse runs statements and rolls them back.
func rehearse(ctx context.Context, db *databases.DB, statements []string) error {
	tx, err := db.Write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Rollback()
}
