package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"rekey/cmd/rekey/databases"
	"rekey/codestore"
	"rekey/userdb"
)

type migrateCommand struct {
	configured
	Print bool `help:"Print the statements for whoever may run them, and touch nothing."`
}

func (*migrateCommand) Help() string {
	return `Makes rekey's own tables in the databases that the configuration names, where they are missing: those of the code
store and, with the preset "rekey", the embedded users table. rekey serve does the same when it starts, if it has the right
to make tables; with --print somebody else can, and rekey does without that right.

Example:

    rekey migrate --print`
}

func (c *migrateCommand) Run(t *terminal) (err error) {
	l, err := c.load(t, false)
	if err != nil {
		return err
	}
	inMemory := strings.HasPrefix(l.Codes.Store, "memory:")
	if c.Print {
		return printTables(t.stdout, &l.config, inMemory)
	}
	opened := databases.Set{Create: true}
	defer func() { err = errors.Join(err, opened.Close()) }()
	if l.embedded() {
		if _, err := openEmbedded(t.ctx, &l.config, &opened, nil); err != nil {
			return err
		}
	}
	codes, err := opened.Codes(t.ctx, "codes.store", l.Codes.Store)
	if err != nil {
		return err
	}
	if err := codes.Close(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(t.stdout, "All tables are there.")
	return err
}

// printTables writes what Run would run.
func printTables(w io.Writer, c *config, inMemory bool) error {
	var b strings.Builder
	say := func(setting, dsn string, statements func(databases.Kind) []string) error {
		source, err := databases.Parse(dsn)
		if err != nil {
			return err // its rule has passed it
		}
		fmt.Fprintf(&b, "-- %s: %v\n", setting, source)
		for _, statement := range statements(source.Kind) {
			fmt.Fprintf(&b, "%s;\n", statement)
		}
		return nil
	}
	var users, codes error
	if c.embedded() {
		users = say("users.dsn", c.Users.DSN, func(kind databases.Kind) []string {
			return userdb.EmbeddedSchema(userDialect(kind), c.userSettings())
		})
	}
	if inMemory {
		b.WriteString("-- codes.store is in memory and has no tables.\n")
	} else {
		codes = say("codes.store", c.Codes.Store, func(kind databases.Kind) []string { return codestore.Schema(kind.CodeDialect()) })
	}
	if err := errors.Join(users, codes); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}
