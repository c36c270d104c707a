package userdb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// GrantOptions are the parts of LeastGrants. All but DB are required.
type GrantOptions struct {
	// DB is a handle of the database under whatever user, who need not have the rights; nil: the database can't be asked.
	DB       *sql.DB
	Dialect  Dialect
	Grantee  Grantee // of the same dialect
	Database string  // its name
	Settings Settings
}

// Grants are rights, as SQL for whoever owns the tables. Each statement ends in a semicolon.
type Grants struct {
	Create string   // makes the grantee; what stands in <> there is to be filled in
	Needed []string // the rights without which a reset does not work
	// Perhaps are rights on what only some tables have, where it could not be seen whether these do. Each is needed if
	// there is what it is on.
	Perhaps []string
	Unseen  error // why there is something in Perhaps
}

// LeastGrants are the rights that a Table with the settings needs for New, Ping, Find, SetPassword and Rehearse, or the
// Embedded for all that it does. There are no others: whoever comes by the grantee's password can neither read nor write
// more than that.
//
// A column that no such table may lack, and that is missing from the one that is there, is a *SettingError.
func LeastGrants(ctx context.Context, o GrantOptions) (Grants, error) {
	l, err := o.Settings.layout()
	if err != nil {
		return Grants{}, err
	}
	embedded := cmp.Or(o.Settings.Preset, "rekey") == "rekey"
	g := Grants{Create: o.Grantee.create}
	var schemas, on []string
	var blind error // why nothing can be seen
	if o.DB == nil {
		blind = errors.New("the database can't be asked")
	}
	for _, t := range l.rights() {
		schema, name := splitName(t.name)
		if schema == "" {
			if schema, err = o.Grantee.schema(ctx, o.DB, o.Database, o.Dialect.quote(name)); err != nil {
				return Grants{}, fmt.Errorf("looking for the table %s: %w", name, err)
			}
		}
		place := o.Dialect.quote(schema) + "." + o.Dialect.quote(name)
		if embedded && t.name == l.table {
			versions := o.Dialect.quote(schema) + "." + o.Dialect.quote(versions)
			schemas, on = append(schemas, schema), append(on, o.Grantee.own(schema, place, versions)...)
			continue
		}
		seen, unseen := tableColumns{}, blind
		if blind == nil {
			seen, unseen = o.look(ctx, t)
		}
		if t.name == l.table && len(seen.all) == 0 { // that others are not seen says nothing then
			blind = unseen
		}
		needed, perhaps, err := t.decide(seen, unseen == nil)
		if err != nil {
			return Grants{}, err
		}
		if len(needed) > 0 {
			schemas, on = append(schemas, schema), append(on, o.grant(place, needed)...)
		}
		for _, r := range perhaps {
			g.Perhaps = append(g.Perhaps, o.grant(place, []right{r})...)
			g.Unseen = cmp.Or(g.Unseen, unseen)
		}
	}
	slices.Sort(schemas)
	g.Needed = append(o.Grantee.enter(o.Database, slices.Compact(schemas)), on...)
	return g, nil
}

// look returns the columns of a table; an error says why it may have others.
func (o GrantOptions) look(ctx context.Context, t tableRights) (tableColumns, error) {
	seen, err := columnsOf(ctx, o.DB, o.Dialect, t.name)
	switch {
	case err != nil:
		return seen, err
	case len(seen.all) == 0 && !t.optional():
		return seen, fmt.Errorf("the database has no table %s that this user may see", t.name)
	}
	return seen, o.Grantee.whole(ctx, o.DB, o.Dialect.quoteTable(t.name))
}

// grant is the SQL of rights on one table, a statement for each privilege.
func (o GrantOptions) grant(place string, rights []right) []string {
	var all []string
	for _, privilege := range []string{"SELECT", "UPDATE", "DELETE"} {
		var columns []string
		for _, r := range rights {
			if r.privilege == privilege {
				columns = append(columns, o.Dialect.quote(r.column))
			}
		}
		if columns == nil {
			continue
		}
		if privilege != "DELETE" {
			privilege += " (" + strings.Join(columns, ", ") + ")"
		}
		all = append(all, "GRANT "+privilege+" ON "+place+" TO "+o.Grantee.name+";")
	}
	return all
}

// tableRights are the rights on one table.
type tableRights struct {
	name   string
	rights []right
}

// right is a privilege on a column. DELETE is on the whole table, and the column is what shows that it is the table meant.
type right struct {
	key               string // the setting behind it
	privilege, column string
	optional          bool              // only where the column is there
	fits              func(column) bool // and of a type that serves; nil: each does
}

// rights are what the statements of a reset need. On sessions they need SELECT too, for the columns that are compared.
func (l layout) rights() []tableRights {
	var all []tableRights
	need := func(table string, r right) {
		i := slices.IndexFunc(all, func(t tableRights) bool { return t.name == table })
		if i < 0 {
			i, all = len(all), append(all, tableRights{name: table})
		}
		same := func(other right) bool { return other.privilege == r.privilege && other.column == r.column }
		if !slices.ContainsFunc(all[i].rights, same) {
			all[i].rights = append(all[i].rights, r)
		}
	}
	read := func(key, table, column string) { need(table, right{key: key, privilege: "SELECT", column: column}) }

	read("id", l.table, l.id)
	if l.preset.meta == nil {
		read("mobile", l.table, l.mobile)
	}
	read("password", l.table, l.password)
	for _, c := range l.active {
		read("active", l.table, c.column)
	}
	for _, c := range l.alive {
		need(l.table, right{privilege: "SELECT", column: c.column, optional: true})
	}
	need(l.table, right{key: "password", privilege: "UPDATE", column: l.password})
	for _, w := range l.writes {
		need(l.table, right{privilege: "UPDATE", column: w.column, optional: true, fits: w.fits})
	}
	if m := l.preset.meta; m != nil {
		for _, column := range []string{m.user, m.key, m.value} {
			read("table", l.metaTable(), column)
		}
	}
	for _, o := range l.sessions {
		need(o.table, right{key: "sessions", privilege: "SELECT", column: o.column, optional: o.optional})
		if o.key != "" {
			need(o.table, right{key: "sessions", privilege: "SELECT", column: o.keyColumn, optional: o.optional})
		}
		need(o.table, right{key: "sessions", privilege: "DELETE", column: o.column, optional: o.optional})
	}
	return all
}

// optional reports whether a reset does without the table.
func (t tableRights) optional() bool {
	return !slices.ContainsFunc(t.rights, func(r right) bool { return !r.optional })
}

// decide tells the rights that are needed on a table with these columns from those that would be with others; whole: it
// has no others.
func (t tableRights) decide(seen tableColumns, whole bool) (needed, perhaps []right, err error) {
	for _, r := range t.rights {
		found, ok := seen.find(r.column)
		switch {
		case ok && (r.fits == nil || r.fits(found)):
			needed = append(needed, r)
		case ok: // it is left alone
		case whole && !r.optional:
			return nil, nil, &SettingError{Key: r.key, Err: fmt.Errorf("the table %s has no column %s; it has %s", t.name, r.column, seen)}
		case !r.optional:
			needed = append(needed, r)
		case !whole:
			perhaps = append(perhaps, r)
		}
	}
	return needed, perhaps, nil
}

// Grantee is who gets rights, and how its database speaks of them.
type Grantee struct {
	name   string // as GRANT takes it
	create string // Grants.Create

	// schema is that of a table named without one, as far as db can tell, which may be nil.
	schema func(ctx context.Context, db *sql.DB, database, quoted string) (string, error)
	// whole fails unless the columns that the dialect finds are all that there are.
	whole func(ctx context.Context, db *sql.DB, quoted string) error
	// enter are the rights without which those on tables come to nothing.
	enter func(database string, schemas []string) []string
	// own are the rights to make the embedded table and that of its version, and to use them.
	own func(schema, table, versions string) []string
}

// PostgreSQLRole is a role of PostgreSQL.
func PostgreSQLRole(name string) Grantee {
	role := postgresQuote(name)
	return Grantee{
		name: role, create: "CREATE ROLE " + role + " LOGIN PASSWORD <its password, in quotes>;",
		schema: func(ctx context.Context, db *sql.DB, _, quoted string) (schema string, err error) {
			const usual = "public"
			if db == nil {
				return usual, nil
			}
			err = db.QueryRowContext(ctx, `SELECT COALESCE((SELECT n.nspname::text FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = pg_catalog.to_regclass($1)), current_schema()::text, $2::text)`,
				quoted, usual).Scan(&schema)
			return schema, err
		},
		whole: func(context.Context, *sql.DB, string) error { return nil }, // the catalogue tells everybody
		enter: func(database string, schemas []string) []string {
			all := []string{"GRANT CONNECT ON DATABASE " + postgresQuote(database) + " TO " + role + ";"}
			for _, schema := range schemas {
				all = append(all, "GRANT USAGE ON SCHEMA "+postgresQuote(schema)+" TO "+role+";")
			}
			return all
		},
		own: func(schema, _, _ string) []string { // the rest comes with being the tables' owner
			return []string{"GRANT CREATE ON SCHEMA " + postgresQuote(schema) + " TO " + role + ";"}
		},
	}
}

// MySQLUser is a user of MySQL or MariaDB who connects from a host; "%": from any.
func MySQLUser(name, host string) Grantee {
	quote := strings.NewReplacer(`'`, `''`, `\`, `\\`)
	user := "'" + quote.Replace(name) + "'@'" + quote.Replace(host) + "'"
	return Grantee{
		name: user, create: "CREATE USER " + user + " IDENTIFIED BY <its password, in quotes>;",
		schema: func(_ context.Context, _ *sql.DB, database, _ string) (string, error) { return database, nil },
		// It shows the columns alone that a user has a right on, and this asks for a right on all of them.
		whole: func(ctx context.Context, db *sql.DB, quoted string) error {
			rows, err := db.QueryContext(ctx, "SELECT * FROM "+quoted+" WHERE 1 = 0")
			if err != nil {
				return err
			}
			return errors.Join(rows.Err(), rows.Close())
		},
		enter: func(string, []string) []string { return nil },
		own: func(_, table, versions string) []string {
			return []string{
				"GRANT SELECT, INSERT, UPDATE, CREATE ON " + table + " TO " + user + ";",
				"GRANT SELECT, INSERT, UPDATE, CREATE ON " + versions + " TO " + user + ";",
			}
		},
	}
}
