package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rekey/cmd/rekey/databases"
	"rekey/codestore"
	"rekey/codestore/redisstore"
	"rekey/userdb"
)

const (
	// codesTime bounds what is asked of the code store.
	codesTime = 5 * time.Second
	// redisTime does so where it may be the nodes of a cluster that are asked.
	redisTime = 10 * time.Second
)

func (d *diagnosis) codes(ctx context.Context, l *loaded, opened *databases.Set) error {
	source, err := databases.ParseCodes(l.Codes.Store)
	switch {
	case err != nil:
		return err // its rule has passed it
	case source.Redis == nil && source.SQL == nil:
		d.find("codes.memory", userdb.Advice, "codes.store", "Codes and budgets are in memory: a restart forgets them all, and only one process can serve.")
		return nil
	case source.Exposed():
		d.Findings = append(d.Findings, userdb.Finding{ID: "codes.exposed", Severity: userdb.Advice, About: "codes.store",
			Text: "Whoever is on the network between this machine and the code store could answer in its place, and let guesses pass " +
				"uncounted, since no certificate is verified. Write in codes.store:",
			Remedy: verified(source)})
	}
	if source.Redis != nil {
		return d.redis(ctx, l, *source.Redis)
	}
	if notThere(*source.SQL) {
		d.find("codes.new", userdb.Advice, "codes.store", "The code store is not there yet; rekey serve makes it. If it should be there, run in the service's folder.")
		return nil
	}
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, codesTime)
	defer cancel()
	text, err := d.tryCodes(ctx, l, opened)
	if outer.Err() != nil {
		return context.Cause(outer)
	}
	d.used(text, err)
	return nil
}

// used tells whether the code store can be used.
func (d *diagnosis) used(text string, unusable error) {
	if unusable != nil {
		d.find("codes.unreachable", userdb.Mend, "codes.store", "The code store can't be used: "+unusable.Error())
		return
	}
	d.find("codes.ready", userdb.Fine, "codes.store", text)
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
			return "", fmt.Errorf("its tables are not there and can't be made: %w; have their owner run what rekey grants --for codes prints", err)
		}
		return "The code store's tables are not there yet, and can be made; rekey serve does.", nil
	}
	defer func() { err = errors.Join(err, codes.Close()) }()
	if err := takeStep(ctx, l, codes); err != nil {
		return "", err
	}
	if db.Kind == databases.SQLite {
		return "The code store answers. Its clock is this machine's.", nil
	}
	return clockOf(ctx, codes)
}

// redis tells what keeps codes from being kept in Redis, and what could be better.
func (d *diagnosis) redis(ctx context.Context, l *loaded, t redisstore.Target) (err error) {
	client, err := t.Client()
	if err != nil {
		d.used("", err)
		return nil
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	wait := l.Codes.Wait
	if l.has("codes.wait") {
		wait = 0
	}
	sound := true
	for _, f := range t.Inspect(ctx, client, wait) {
		d.Findings = append(d.Findings, userdb.Finding{ID: f.ID, Severity: userdb.Severity(f.Severity), About: "codes.store", Text: oneLine(f.Text), Remedy: f.Remedy})
		sound = sound && f.Severity != redisstore.Mend
	}
	if outer.Err() != nil {
		return context.Cause(outer)
	}
	if !sound {
		return nil
	}
	codes := redisstore.New(client, redisstore.Options{Wait: wait, StepTime: t.StepTime(), Prefix: t.Prefix()})
	defer func() { err = errors.Join(err, codes.Close()) }()
	text := ""
	unusable := takeStep(ctx, l, codes)
	if unusable == nil {
		text, unusable = clockOf(ctx, codes)
	}
	d.used(text, unusable)
	return nil
}

// takeStep takes a step that changes nothing. Without sound keys there is no name to take it under.
func takeStep(ctx context.Context, l *loaded, codes databases.Codes) error {
	if l.has("keys") || l.has("index_key") {
		return nil
	}
	keys, err := keyring(l.Keys, l.IndexKey)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return probeBudget(ctx, codes, keys, 0)
}

// clockOf says how a store's own clock goes. Codes live on that alone, so that a difference does no harm.
func clockOf(ctx context.Context, codes databases.Codes) (string, error) {
	asked := time.Now()
	theirs, err := codes.Clock(ctx)
	if err != nil {
		return "", err
	}
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
