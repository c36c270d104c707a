package main

import (
	"errors"
	"fmt"
	"strings"

	"rekey/cmd/rekey/databases"
)

type unlockCommand struct {
	configured
	Mobile string `arg:"" name:"mobile" placeholder:"M" help:"The mobile number, as people type it."`
}

func (*unlockCommand) Help() string {
	return `Clears the wrong guesses counted against a number, of the last 24 hours and in a row. What a code that is out has
borne stays counted: no code is ever compared more often than its budget says.

Example:

    rekey unlock 13800000001`
}

func (c *unlockCommand) Run(t *terminal) (err error) {
	l, err := c.load(t, true)
	if err != nil {
		return err
	}
	if strings.HasPrefix(l.Codes.Store, "memory:") {
		return errors.New("codes.store is in memory, which only the running service can reach; restart it, or keep codes elsewhere")
	}
	n, err := parseOperators(newPlan(l.Numbers.Plan, l.Numbers.Allow), l.Numbers.Allow, c.Mobile)
	if err != nil {
		return err
	}
	keys, err := keyring(l.Keys, l.IndexKey)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	opened := databases.Set{Wait: l.Codes.Wait}
	defer func() { err = errors.Join(err, opened.Close()) }()
	codes, err := opened.Codes(t.ctx, "codes.store", l.Codes.Store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, codes.Close()) }()
	cleared, err := codes.Unlock(t.ctx, keys.NumberName(n))
	if err != nil {
		return err
	}
	if cleared {
		_, err = fmt.Fprintf(t.stdout, "Cleared the wrong guesses of %v.\n", n)
	} else {
		_, err = fmt.Fprintf(t.stdout, "No wrong guesses were counted against %v.\n", n)
	}
	return err
}
