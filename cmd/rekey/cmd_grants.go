package main

import (
	"cmp"
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
	To   string `placeholder:"NAME" help:"Who gets the rights; else the user in users.dsn, and that in codes.store."`
	Host string `placeholder:"HOST" help:"From where a user of MySQL connects; else from anywhere (%)."`
	For  string `enum:"all,users,codes" default:"all" placeholder:"PART" help:"users or codes alone, as where they are on two servers."`
}

func (*grantsCommand) Help() string {
	return `Prints what gives the user of users.dsn the rights on the users table that a reset needs, and the user of
codes.store those on rekey's own tables or, in Redis, keys, and no others: SQL, and ACL of Redis. It changes nothing
itself: have it run by whoever owns the tables.

Which columns are there is seen in the database. Where this user sees nothing yet, what depends on them is commented
out; the tables' owner sees it all:

    REKEY_USERS_DSN=postgres://owner:PASSWORD@127.0.0.1/app rekey grants --to rekey

Example:

    rekey grants --config /etc/rekey/rekey.toml > grants.sql
    rekey grants --config /etc/rekey/rekey.toml --for codes`
}

func (c *grantsCommand) Run(t *terminal) (err error) {
	l, err := c.load(t, false)
	if err != nil {
		return err
	}
	// A name that runs over lines would end the comment that it stands in.
	if strings.ContainsFunc(c.To+c.Host, unicode.IsControl) {
		return fmt.Errorf("a name has no control characters; %w", errUsage)
	}
	users, err := databases.Parse(l.Users.DSN)
	if err != nil {
		return fmt.Errorf("users.dsn: %w", err)
	}
	codes, err := databases.ParseCodes(l.Codes.Store)
	if err != nil {
		return fmt.Errorf("codes.store: %w", err)
	}
	if c.Host != "" && users.Kind != databases.MySQL && (codes.SQL == nil || codes.SQL.Kind != databases.MySQL) {
		return fmt.Errorf("only users of MySQL have a host, and neither users.dsn nor codes.store is of it; %w", errUsage)
	}
	var opened databases.Set
	defer func() { err = errors.Join(err, opened.Close()) }()
	var parts []string
	if c.For != "codes" {
		part, err := c.users(t.ctx, &l.config, &opened, users)
		if err != nil {
			return err
		}
		parts = append(parts, part)
	}
	same := c.For == "all" && codes.SQL != nil && codes.SQL.String() == users.String()
	if c.For != "users" && !(same && users.Kind == databases.SQLite) { // of a file that was said already
		part, err := c.codes(t.ctx, &l.config, &opened, codes, same)
		if err != nil {
			return err
		}
		parts = append(parts, part)
	}
	_, err = io.WriteString(t.stdout, strings.Join(parts, "\n"))
	return err
}

// users is the rights on the users table.
func (c *grantsCommand) users(ctx context.Context, config *config, opened *databases.Set, source databases.Source) (string, error) {
	if source.Kind == databases.SQLite {
		return fileRights("users.dsn", source.Database()), nil
	}
	o := userdb.GrantOptions{
		Dialect: userDialect(source.Kind), Grantee: c.grantee(source), Database: source.Database(), Settings: config.userSettings(),
	}
	db, unreached := opened.Open(ctx, "users.dsn", config.Users.DSN)
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if unreached == nil {
		o.DB = db.Read
	}
	grants, err := userdb.LeastGrants(ctx, o)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "-- users.dsn: the rights that rekey needs in the database %s, and no others. For whoever owns the tables.\n", o.Database)
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
	return b.String(), nil
}

// grantee is who gets the rights.
func (c *grantsCommand) grantee(source databases.Source) userdb.Grantee {
	if source.Kind == databases.MySQL {
		return userdb.MySQLUser(c.name(source), c.host())
	}
	return userdb.PostgreSQLRole(c.name(source))
}

func (c *grantsCommand) name(source databases.Source) string { return cmp.Or(c.To, source.User()) }

func (c *grantsCommand) host() string { return cmp.Or(c.Host, "%") }

// fileRights tells what SQLite needs.
func fileRights(setting, file string) string {
	return fmt.Sprintf(`-- %s: SQLite has no rights to grant: whoever may write the file may do everything in it.
-- The system's user that runs rekey needs to read and write the file, and to make files in its folder, where SQLite keeps
-- two more beside it: %s and its -wal and -shm. The application's user needs the same.
`, setting, file)
}
