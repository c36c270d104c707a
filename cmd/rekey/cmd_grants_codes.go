package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"

	"rekey/cmd/rekey/databases"
	"rekey/codestore"
	"rekey/codestore/redisstore"
)

// codes is the rights on the code store. known: the user is the one of users.dsn, who has been spoken of.
func (c *grantsCommand) codes(ctx context.Context, config *config, opened *databases.Set, store databases.CodeSource, known bool) (string, error) {
	switch {
	case store.Redis != nil:
		return c.keyRights(*store.Redis, config.Codes.Wait), nil
	case store.SQL == nil:
		return "-- codes.store: in memory, where there are no rights.\n", nil
	case store.SQL.Kind == databases.SQLite:
		return fileRights("codes.store", store.SQL.Database()), nil
	}
	return c.tableRights(ctx, config.Codes.Store, opened, *store.SQL, known)
}

// keyRights is the rights on rekey's keys in Redis.
func (c *grantsCommand) keyRights(t redisstore.Target, wait int) string {
	var b strings.Builder
	fmt.Fprint(&b, `# codes.store: the rights that rekey needs on its keys in Redis, and no others. Run what begins with ACL on every server,
# replicas too, and keep it there by ACL SAVE or, without an aclfile, CONFIG REWRITE.
`)
	// Whatever else uses that Redis may do so as the user called default, who must not lose rights.
	user := cmp.Or(c.To, t.User(), "rekey")
	if c.To == "" && t.User() == "" {
		fmt.Fprintf(&b, "# codes.store names no user: write %s and its password into it.\n", user)
	}
	setUser := func(name, rules string) {
		if strings.ContainsFunc(name, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.@", r)
		}) {
			name = strconv.Quote(name)
		}
		fmt.Fprintf(&b, "# ACL SETUSER %s ><its password>\nACL SETUSER %s on %s\n", name, name, rules)
	}
	setUser(user, t.Rights(wait))
	if name, rules := t.SentinelRights(); name != "" {
		fmt.Fprint(&b, "# And on every sentinel:\n")
		setUser(name, rules)
	}
	return b.String()
}

// tableRights is the rights on rekey's own tables. Unless these are seen to be there, they are made first, by whoever runs
// what is printed: rekey needs no right to make any.
func (c *grantsCommand) tableRights(ctx context.Context, dsn string, opened *databases.Set, source databases.Source, known bool) (string, error) {
	look, speak := lookInPostgreSQL, c.postgreSQL
	if source.Kind == databases.MySQL {
		look, speak = lookInMySQL, c.mySQL
	}
	place := ourTables{database: source.Database()}
	db, unreached := opened.Open(ctx, "codes.store", dsn)
	if unreached == nil {
		unreached = look(ctx, db.Read, &place)
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	sql := speak(c.name(source), place)

	var b strings.Builder
	fmt.Fprintf(&b, "-- codes.store: the rights that rekey needs on its own tables in the database %s, and no others.\n", place.database)
	if unreached != nil {
		fmt.Fprintf(&b, "-- It could not be asked what is there: %s.\n", oneLine(unreached.Error()))
	}
	if !known {
		fmt.Fprintf(&b, "-- %s\n", sql.create)
	}
	for _, statement := range sql.enter {
		fmt.Fprintln(&b, statement)
	}
	if !place.there {
		fmt.Fprintln(&b, sql.use)
		for _, statement := range codestore.Schema(source.Kind.CodeDialect()) {
			fmt.Fprintf(&b, "%s;\n", statement)
		}
	}
	for _, table := range []string{"rekey_numbers", "rekey_budgets"} {
		fmt.Fprintf(&b, "GRANT SELECT, INSERT, UPDATE, DELETE ON %s.%s TO %s;\n", sql.schema, table, sql.grantee)
	}
	return b.String(), nil
}

// ourTables is what can be seen of rekey's own tables.
type ourTables struct {
	database string
	schema   string // of PostgreSQL, where they are or would be made
	there    bool   // both of them
}

func lookInPostgreSQL(ctx context.Context, db *sql.DB, o *ourTables) error {
	return db.QueryRowContext(ctx, `SELECT COUNT(DISTINCT c.relname) = 2, COALESCE(MIN(n.nspname::text), current_schema()::text, '')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid IN (pg_catalog.to_regclass('rekey_numbers'), pg_catalog.to_regclass('rekey_budgets'))`).Scan(&o.there, &o.schema)
}

func lookInMySQL(ctx context.Context, db *sql.DB, o *ourTables) error {
	return db.QueryRowContext(ctx, `SELECT COUNT(*) = 2 FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_name IN ('rekey_numbers', 'rekey_budgets')`).Scan(&o.there)
}

// tableSQL is how a database speaks of rights. Statements end in a semicolon.
type tableSQL struct {
	grantee string   // as GRANT takes it
	create  string   // makes the grantee; what stands in <> there is to be filled in
	enter   []string // the rights without which those on tables come to nothing
	use     string   // what is made after it is made in the schema
	schema  string   // as GRANT takes it
}

func (c *grantsCommand) postgreSQL(name string, o ourTables) tableSQL {
	quote := func(name string) string { return pgx.Identifier{name}.Sanitize() }
	role, schema := quote(name), quote(cmp.Or(o.schema, "public")) // the usual one
	return tableSQL{
		grantee: role, create: "CREATE ROLE " + role + " LOGIN PASSWORD <its password, in quotes>;",
		enter: []string{
			"GRANT CONNECT ON DATABASE " + quote(o.database) + " TO " + role + ";",
			"GRANT USAGE ON SCHEMA " + schema + " TO " + role + ";",
		},
		use: "SET search_path TO " + schema + ";", schema: schema,
	}
}

func (c *grantsCommand) mySQL(name string, o ourTables) tableSQL {
	text := strings.NewReplacer(`'`, `''`, `\`, `\\`)
	user := "'" + text.Replace(name) + "'@'" + text.Replace(c.host()) + "'"
	schema := "`" + strings.ReplaceAll(o.database, "`", "``") + "`"
	return tableSQL{
		grantee: user, create: "CREATE USER " + user + " IDENTIFIED BY <its password, in quotes>;",
		use: "USE " + schema + ";", schema: schema,
	}
}
