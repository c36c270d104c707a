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
		if err := d.messages(t.ctx, l); err != nil {
			return err
		}
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

// surveyTime bounds the look at the users table, so that with all else a doctor stays under a minute.
const surveyTime = 45 * time.Second

// notThere reports whether a data source is a file that nobody has made yet.
func notThere(source databases.Source) bool {
	if source.Kind != databases.SQLite {
		return false
	}
	_, err := os.Stat(source.Database())
	return errors.Is(err, fs.ErrNotExist)
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
