package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"rekey/cmd/rekey/databases"
	"rekey/userdb"
)

type grantsCommand struct {
	configured
	To   string `placeholder:"NAME" help:"Who gets the rights; else the user in users.dsn."`
	Host string `placeholder:"HOST" help:"From where a user of MySQL connects; else from anywhere (%)."`
}

func (*grantsCommand) Help() string {
	return `Prints the SQL that gives the user of users.dsn the rights on the users table that a reset needs, and no others.
It changes nothing itself: have it run by whoever owns the tables.

Which columns are there is seen in the database. Where this user sees nothing yet, what depends on them is commented
out; the tables' owner sees it all:

    REKEY_USERS_DSN=postgres://owner:PASSWORD@127.0.0.1/app rekey grants --to rekey

Example:

    rekey grants --config /etc/rekey/rekey.toml > grants.sql`
}

func (c *grantsCommand) Run(t *terminal) error {
	l, err := c.load(t, false)
	if err != nil {
		return err
	}
	source, err := databases.Parse(l.Users.DSN)
	if err != nil {
		return fmt.Errorf("users.dsn: %w", err)
	}
	grantee, err := c.grantee(source)
	if err != nil {
		return err
	}
	if source.Kind == databases.SQLite {
		return sayFileRights(t.stdout, source.Database())
	}
	o := userdb.GrantOptions{Dialect: userDialect(source.Kind), Grantee: grantee, Database: source.Database(), Settings: l.userSettings()}
	return c.grant(t, &l.config, o)
}

// grantee is who gets the rights. A name that runs over lines would end the comment that it stands in.
func (c *grantsCommand) grantee(source databases.Source) (userdb.Grantee, error) {
	name, host := c.To, c.Host
	switch {
	case strings.ContainsFunc(name+host, unicode.IsControl):
		return userdb.Grantee{}, fmt.Errorf("a name has no control characters; %w", errUsage)
	case host != "" && source.Kind != databases.MySQL:
		return userdb.Grantee{}, fmt.Errorf("only users of MySQL have a host, and users.dsn is none of it; %w", errUsage)
	}
	if name == "" {
		name = source.User()
	}
	if host == "" {
		host = "%"
	}
	if source.Kind == databases.MySQL {
		return userdb.MySQLUser(name, host), nil
	}
	return userdb.PostgreSQLRole(name), nil
}

// sayFileRights tells what SQLite needs.
func sayFileRights(w io.Writer, file string) error {
	_, err := fmt.Fprintf(w, `-- SQLite has no rights to grant: whoever may write the file may do everything in it.
-- The system's user that runs rekey needs to read and write the file, and to make files in its folder, where SQLite keeps
-- two more beside it: %s and its -wal and -shm. The application's user needs the same.
`, file)
	return err
}

// grant prints the rights on a server.
func (c *grantsCommand) grant(t *terminal, config *config, o userdb.GrantOptions) (err error) {
	var opened databases.Set
	defer func() { err = errors.Join(err, opened.Close()) }()
	db, unreached := opened.Open(t.ctx, "users.dsn", config.Users.DSN)
	if t.ctx.Err() != nil {
		return context.Cause(t.ctx)
	}
	if unreached == nil {
		o.DB = db.Read
	}
	grants, err := userdb.LeastGrants(t.ctx, o)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "-- The rights that rekey needs in the database %s, and no others. For whoever owns the tables.\n", o.Database)
	if unreached != nil {
		fmt.Fprintf(&b, "-- It could not be asked what is there: %s.\n", oneLine(unreached.Error()))
	} else if grants.Unseen != nil {
		fmt.Fprintf(&b, "-- Not all that may be there could be seen: %s.\n", oneLine(grants.Unseen.Error()))
	}
	if config.embedded() {
		fmt.Fprint(&b, "-- rekey makes the users table itself, when it first starts, and so needs the right to make one.\n")
	}
	fmt.Fprintf(&b, "-- %s\n", grants.Create)
	for _, statement := range grants.Needed {
		fmt.Fprintln(&b, statement)
	}
	if len(grants.Perhaps) > 0 {
		fmt.Fprint(&b, "\n-- Needed as well, each where its table and column are there; rekey grants --help tells how to have that seen:\n")
		for _, statement := range grants.Perhaps {
			fmt.Fprintf(&b, "-- %s\n", statement)
		}
	}
	_, err = io.WriteString(t.stdout, b.String())
	return err
}
