package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"rekey"
	"rekey/cmd/rekey/databases"
	"rekey/userdb"
)

type userCommand struct {
	Add    userAddCommand    `cmd:"" help:"Add a person."`
	List   userListCommand   `cmd:"" help:"List everybody."`
	Import userImportCommand `cmd:"" help:"Add the people of a CSV file."`
}

func (*userCommand) Help() string {
	return `The embedded users table, for whoever has none yet. Example:

    rekey user add --mobile 13800000001`
}

// withUsers opens the embedded users table for one command; create says whether a missing file is made.
func (c *configured) withUsers(t *terminal, create bool, do func(l *loaded, users *userdb.Embedded) error) error {
	l, err := c.load(t, false)
	if err != nil {
		return err
	}
	opened := databases.Set{Create: create}
	users, err := openEmbedded(t.ctx, &l.config, &opened, nil)
	if err == nil {
		err = do(l, users)
	}
	return errors.Join(err, opened.Close())
}

type userAddCommand struct {
	configured
	Mobile        string `required:"" placeholder:"M" help:"The mobile number, as people type it."`
	PasswordStdin bool   `help:"Read the password from standard input; else it is asked for."`
}

func (*userAddCommand) Help() string {
	return `Adds a person to the embedded users table. The password never stands on the command line, where others could read it.

Example:

    rekey user add --mobile 13800000001 --password-stdin < password.txt`
}

func (c *userAddCommand) Run(t *terminal) error {
	return c.withUsers(t, true, func(l *loaded, users *userdb.Embedded) error {
		n, err := parseOperators(newPlan(l.Numbers.Plan, l.Numbers.Allow), l.Numbers.Allow, c.Mobile)
		if err != nil {
			return err
		}
		password, err := t.password(c.PasswordStdin)
		if err != nil {
			return err
		}
		check, err := passwordCheck(&l.config)
		if err != nil {
			return err
		}
		if err := check(n, password); err != nil {
			return err
		}
		id, err := users.Add(t.ctx, userdb.NewUser{Number: n, Password: password})
		if errors.Is(err, userdb.ErrDuplicate) {
			return errors.New("somebody is registered under this number already; see rekey user list")
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(t.stdout, "Added %v as user %s.\n", n, id)
		return err
	})
}

// passwordCheck is the policy of the configuration as a sentence an operator can act on.
func passwordCheck(c *config) (func(rekey.Number, string) error, error) {
	policy, err := rekey.NewPolicy(c.Password.Policy, c.Password.Blocklist)
	if err != nil {
		return nil, err
	}
	return func(n rekey.Number, password string) error {
		switch policy.Check(n, password) {
		case "":
			return nil
		case rekey.RuleForm:
			return errors.New("the password must be 6 to 20 ASCII letters and digits")
		case rekey.RuleLength:
			return errors.New("the password must be 8 to 128 characters long")
		case rekey.RuleCommon:
			return errors.New("the password is one of the most common ones; choose another")
		case rekey.RuleNumber:
			return errors.New("the password is the mobile number; choose another")
		}
		return errors.New("the password breaks the policy; choose another")
	}, nil
}

// maxPassword bounds what is read of a password, in bytes: 128 characters of UTF-8 and a line break (T22).
const maxPassword = 128*4 + 2

// password reads one line from standard input, or asks for the password on a terminal without showing it.
func (t *terminal) password(fromStdin bool) (string, error) {
	if fromStdin {
		line, err := bufio.NewReader(io.LimitReader(t.stdin, maxPassword)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("the password can't be read: %w", err)
		}
		return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
	}
	file, ok := t.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return "", fmt.Errorf("there is no terminal to ask for the password; use --password-stdin (%w)", errUsage)
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(t.stderr, prompt)
		typed, err := readHidden(t.ctx, int(file.Fd()))
		fmt.Fprintln(t.stderr)
		return typed, err
	}
	first, err := ask("Password: ")
	if err != nil {
		return "", fmt.Errorf("the password can't be read: %w", err)
	}
	second, err := ask("Once more: ")
	if err != nil {
		return "", fmt.Errorf("the password can't be read: %w", err)
	}
	if first != second {
		return "", errors.New("the two passwords differ; try again")
	}
	return first, nil
}

// readHidden reads a line from a terminal that does not show it. A read from a terminal can't be interrupted: when ctx
// ends, the terminal is put back as it was and the read is left behind, for the process to end with it.
func readHidden(ctx context.Context, fd int) (string, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type line struct {
		typed []byte
		err   error
	}
	read := make(chan line, 1)
	go func() {
		typed, err := term.ReadPassword(fd)
		read <- line{typed, err}
	}()
	select {
	case l := <-read:
		return string(l.typed), l.err
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}

type userListCommand struct{ configured }

func (*userListCommand) Help() string {
	return `Lists the embedded users table: id, number, active or not, how the password is hashed, when the person was added and
when the password was last set (UTC).

Example:

    rekey user list`
}

func (c *userListCommand) Run(t *terminal) error {
	return c.withUsers(t, false, func(_ *loaded, users *userdb.Embedded) error {
		w := tabwriter.NewWriter(t.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tMOBILE\tACTIVE\tHASH\tADDED\tPASSWORD SET")
		for u, err := range users.List(t.ctx) {
			if err != nil {
				return err
			}
			active := "yes"
			if !u.Active {
				active = "no"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", u.ID, u.Mobile, active, u.Hash,
				u.Created.UTC().Format(time.DateTime), u.Changed.UTC().Format(time.DateTime))
		}
		return w.Flush()
	})
}

type userImportCommand struct {
	configured
	File    string `arg:"" placeholder:"FILE.csv" help:"MOBILE,PASSWORD on each line, or any columns under a first line that names mobile and password; - for standard input."`
	Hashed  bool   `help:"The passwords are hashes already, as Django or an argon2 library makes them."`
	SkipBad bool   `help:"Import the good lines of a file that has bad ones."`
}

func (*userImportCommand) Help() string {
	return `Adds the people of a CSV file to the embedded users table. Every bad line is told with its number; then nothing is
imported, unless --skip-bad is given. Passwords in clear are hashed first, about 30 a second for each core but one.

Example:

    rekey user import people.csv --hashed`
}

func (c *userImportCommand) Run(t *terminal) error {
	return c.withUsers(t, true, func(l *loaded, users *userdb.Embedded) (err error) {
		check, err := passwordCheck(&l.config)
		if err != nil {
			return err
		}
		in := t.stdin
		if c.File != "-" {
			file, err := os.Open(c.File)
			if err != nil {
				return fmt.Errorf("%s can't be read: %s; name a readable CSV file", c.File, reason(err))
			}
			defer file.Close() // it was only read
			in = file
		}
		show, finish := t.progress()
		result, err := users.Import(t.ctx, in, userdb.Import{
			Plan: newPlan(l.Numbers.Plan, l.Numbers.Allow), Hashed: c.Hashed, SkipBad: c.SkipBad, Check: check, Progress: show,
		})
		finish()
		for _, bad := range result.Bad {
			fmt.Fprintf(t.stderr, "line %d: %v\n", bad.Line, bad.Cause)
		}
		if errors.Is(err, userdb.ErrBadLines) {
			return fmt.Errorf("nothing was imported: %d of %d lines are bad; mend them, or leave them out with --skip-bad", len(result.Bad), result.Rows)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(t.stdout, "Added %d people, left out %d bad lines.\n", result.Added, len(result.Bad))
		return err
	})
}

// progress shows how far an import is where stderr is a terminal; elsewhere show is nil.
func (t *terminal) progress() (show func(userdb.Stage, int), finish func()) {
	if file, ok := t.stderr.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		return nil, func() {}
	}
	return showProgress(t.stderr)
}

// showProgress writes one line for each stage of an import, over and over; finish ends the last one.
func showProgress(w io.Writer) (show func(userdb.Stage, int), finish func()) {
	doing := map[userdb.Stage]string{
		userdb.StageRead: "lines read", userdb.StageHash: "passwords hashed", userdb.StageStore: "people stored",
	}
	var current userdb.Stage
	finish = func() {
		if current != "" {
			fmt.Fprintln(w)
		}
	}
	return func(stage userdb.Stage, done int) {
		if stage != current {
			finish()
		}
		current = stage
		fmt.Fprintf(w, "\r%d %s", done, doing[stage])
	}, finish
}
