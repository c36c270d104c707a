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
	codes, err := databases.ParseCodes(l.Codes.Store)
	if err != nil {
		return fmt.Errorf("codes.store: %w", err)
	}
	if c.Print {
		return printTables(t.stdout, &l.config, codes)
	}
	opened := databases.Set{Create: true}
	defer func() { err = errors.Join(err, opened.Close()) }()
	if l.embedded() {
		if _, err := openEmbedded(t.ctx, &l.config, &opened, nil); err != nil {
			return err
		}
	}
	if codes.SQL != nil {
		store, err := opened.Codes(t.ctx, "codes.store", l.Codes.Store)
		if err != nil {
			return err
		}
		if err := store.Close(); err != nil {
			return err
		}
	}
	said := "All tables are there.\n"
	if codes.SQL == nil {
		said = tableless(codes) + "\n"
		if l.embedded() {
			said += "The users table is there.\n"
		}
	}
	_, err = io.WriteString(t.stdout, said)
	return err
}

// tableless says where codes are that are in no tables.
func tableless(codes databases.CodeSource) string {
	if codes.Redis != nil {
		return "codes.store is in Redis and has no tables."
	}
	return "codes.store is in memory and has no tables."
}

// printTables writes what Run would run.
func printTables(w io.Writer, c *config, codes databases.CodeSource) error {
	var b strings.Builder
	say := func(setting string, source databases.Source, statements []string) {
		fmt.Fprintf(&b, "-- %s: %v\n", setting, source)
		for _, statement := range statements {
			fmt.Fprintf(&b, "%s;\n", statement)
		}
	}
	if c.embedded() {
		source, err := databases.Parse(c.Users.DSN)
		if err != nil {
			return fmt.Errorf("users.dsn: %w", err)
		}
		say("users.dsn", source, userdb.EmbeddedSchema(userDialect(source.Kind), c.userSettings()))
	}
	if codes.SQL != nil {
		say("codes.store", *codes.SQL, codestore.Schema(codes.SQL.Kind.CodeDialect()))
	} else {
		fmt.Fprintf(&b, "-- %s\n", tableless(codes))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
