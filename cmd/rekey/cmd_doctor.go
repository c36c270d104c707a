package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"rekey/cmd/rekey/databases"
	"rekey/codestore"
	"rekey/sms"
	"rekey/userdb"
)

type doctorCommand struct {
	configured
	JSON bool `name:"json" help:"Print it as JSON; docs/doctor.md describes the form."`
}

func (*doctorCommand) Help() string {
	return `Looks at the configuration, the users table, the code store and the providers, and says of each finding what to do
about it: "mend" is what keeps resets from working, "advice" what keeps some from working or could be better. The exit
code is 1 if anything must be mended.

It is made for a live system: nothing is changed or sent, large tables are sampled, and it takes less than a minute. A
whole reset of one account is rehearsed and rolled back.

Example:

    rekey doctor --config /etc/rekey/rekey.toml`
}

func (c *doctorCommand) Run(t *terminal) error {
	l := load(c.Config, t.env)
	l.requireKeys()
	d := &diagnosis{Findings: []userdb.Finding{}}
	d.configuration(l)
	if !l.unread { // else everything would be the defaults, which nobody means
		if err := d.stores(t.ctx, l); err != nil {
			return err
		}
		d.messages(l)
	}
	mend := 0
	for _, f := range d.Findings {
		if f.Severity == userdb.Mend {
			mend++
		}
	}
	d.Sound = mend == 0
	if err := d.print(t, c.JSON); err != nil {
		return err
	}
	switch mend {
	case 0:
		return nil
	case 1:
		return errors.New("1 finding must be mended")
	}
	return fmt.Errorf("%d findings must be mended", mend)
}

// diagnosis is what doctor finds. Its JSON form is a contract, which docs/doctor.md describes.
type diagnosis struct {
	Sound    bool             `json:"sound"` // nothing must be mended
	Findings []userdb.Finding `json:"findings"`
	Users    *userdb.Report   `json:"users"` // nil: the table was not looked at
}

func (d *diagnosis) find(id string, severity userdb.Severity, about, text string) {
	d.Findings = append(d.Findings, userdb.Finding{ID: id, Severity: severity, About: about, Text: oneLine(text)})
}

func (d *diagnosis) configuration(l *loaded) {
	for _, f := range l.faults {
		d.find("config.fault", userdb.Mend, f.key, f.String())
	}
	if len(l.faults) == 0 {
		from := l.file
		if from == "" {
			from = "without a file"
		}
		d.find("config.sound", userdb.Fine, "", "The configuration is sound ("+from+").")
	}
}

// stores looks at the databases. Its error is that the command was ended, or that they could not be closed.
func (d *diagnosis) stores(ctx context.Context, l *loaded) (err error) {
	var opened databases.Set
	defer func() { err = errors.Join(err, opened.Close()) }()
	if faultyUsers(l) {
		d.find("users.skipped", userdb.Advice, "users.dsn", "The users table was not looked at, because of the faults in the settings.")
	} else if err := d.users(ctx, l, &opened); err != nil {
		return err
	}
	if l.has("codes.store") {
		d.find("codes.skipped", userdb.Advice, "codes.store", "The code store was not looked at, because of the fault in the setting.")
		return nil
	}
	return d.codes(ctx, l, &opened)
}

// faultyUsers reports whether a setting that says what the users table is can't be believed.
func faultyUsers(l *loaded) bool {
	for _, f := range l.faults {
		if strings.HasPrefix(f.key, "users.") || strings.HasPrefix(f.key, "numbers.") {
			return true
		}
	}
	return false
}

func (d *diagnosis) users(ctx context.Context, l *loaded, opened *databases.Set) error {
	source, err := databases.Parse(l.Users.DSN)
	if err != nil {
		return err // its rule has passed it
	}
	if source.Exposed() {
		d.Findings = append(d.Findings, userdb.Finding{ID: "users.exposed", Severity: userdb.Advice, About: "users.dsn",
			Text: "What passes between this machine and the database can be read on the way, or answered by another, since no " +
				"certificate is verified. Add to users.dsn:",
			Remedy: "sslmode=verify-full"})
	}
	o, err := userOptions(ctx, &l.config, opened, nil)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		text := err.Error()
		if l.embedded() && notThere(source) {
			text += ", or add the first person with rekey user add, which makes it"
		}
		d.find("users.unreachable", userdb.Mend, "users.dsn", text)
		return nil
	}
	d.Users, err = userdb.Survey(ctx, o, newPlan(l.Numbers.Plan, l.Numbers.Allow), surveyTime)
	if err != nil {
		return err
	}
	d.Findings = append(d.Findings, d.Users.Findings...)
	return nil
}

// notThere reports whether a data source is a file that nobody has made yet.
func notThere(source databases.Source) bool {
	if source.Kind != databases.SQLite {
		return false
	}
	_, err := os.Stat(source.Database())
	return errors.Is(err, fs.ErrNotExist)
}

const (
	// surveyTime bounds the look at the users table, so that with all else a doctor stays under a minute.
	surveyTime = 45 * time.Second
	// codesTime bounds what is asked of the code store.
	codesTime = 5 * time.Second
)

func (d *diagnosis) codes(ctx context.Context, l *loaded, opened *databases.Set) error {
	if strings.HasPrefix(l.Codes.Store, "memory:") {
		d.find("codes.memory", userdb.Advice, "codes.store", "Codes and budgets are in memory: a restart forgets them all, and only one process can serve.")
		return nil
	}
	source, err := databases.Parse(l.Codes.Store)
	if err != nil {
		return err // its rule has passed it
	}
	if notThere(source) {
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
	codes, missing := codestore.NewSQL(ctx, db.Write, dialect)
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

// messages tells by whom messages go. Whether the providers can be made is a matter of the configuration.
func (d *diagnosis) messages(l *loaded) {
	delivery, err := newDelivery(&l.config, nil)
	if err != nil {
		return // the configuration's faults say so
	}
	for _, name := range l.used() {
		if _, inbox := delivery.providers[name].(*sms.Inbox); inbox {
			d.find("messages.inbox", userdb.Advice, "sms.order", "Messages by "+name+" go to an inbox, which is for trying out: they reach no phone.")
		}
	}
	d.find("messages.providers", userdb.Fine, "sms.order", "Messages go by "+strings.Join(l.SMS.Order, ", then ")+". To try one: rekey sms send --to M.")
}

func (d *diagnosis) print(t *terminal, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(t.stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(d)
	}
	_, err := fmt.Fprint(t.stdout, d)
	return err
}
