package userdb_test

import (
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rekey/cmd/rekey/databases"
	"rekey/test/servers"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// grantServer is a kind of server on which rights are tried.
type grantServer struct {
	name     string
	database func(testing.TB) servers.Database
	dialect  userdb.Dialect
	grantee  func(role string) userdb.Grantee
	quote    string
}

func grantServers() []grantServer {
	return []grantServer{
		{"PostgreSQL", servers.PostgreSQL, userdb.PostgreSQL(), userdb.PostgreSQLRole, `"`},
		{"MariaDB", servers.MariaDB, userdb.MySQL(), func(role string) userdb.Grantee { return userdb.MySQLUser(role, "%") }, "`"},
	}
}

// granted is the number in the shapes.
const granted = "13800000001"

// stage is a shape on a server, and a role without any right on it.
type stage struct {
	shape
	server  grantServer
	admin   *sql.DB
	role    servers.Database
	options userdb.GrantOptions // as the superuser sees it
}

func newStage(t *testing.T, server grantServer, s shape) *stage {
	t.Helper()
	d := server.database(t)
	g := &stage{shape: s, server: server, admin: d.Admin().Open(t), role: d.Role(t, "rekey")}
	if server.name == "PostgreSQL" { // as hardened as an installation can be
		g.exec(t, "REVOKE ALL ON DATABASE "+d.Name+" FROM PUBLIC", "REVOKE ALL ON SCHEMA public FROM PUBLIC", "CREATE SCHEMA shop")
	}
	g.settings.Table, g.settings.Sessions = g.located(g.settings.Table), g.located(g.settings.Sessions)
	g.exec(t, s.tables...)
	g.options = userdb.GrantOptions{
		DB: g.admin, Dialect: server.dialect, Grantee: server.grantee(g.role.User), Database: d.Name, Settings: g.settings,
	}
	return g
}

// located puts what is in the schema shop where this server has it: a database of MariaDB is a schema.
func (g *stage) located(s string) string {
	if g.server.name == "MariaDB" {
		return strings.ReplaceAll(s, "shop.", g.role.Name+".")
	}
	return s
}

var quoted = regexp.MustCompile("`([^`]|``)*`")

// exec executes statements of a shape as the superuser.
func (g *stage) exec(t *testing.T, statements ...string) {
	t.Helper()
	for _, s := range statements {
		exec(t, g.admin, g.spelled(s))
	}
}

// spelled is a statement of a shape in the server's own quotes.
func (g *stage) spelled(s string) string {
	return quoted.ReplaceAllStringFunc(g.located(s), func(name string) string {
		name = strings.ReplaceAll(name[1:len(name)-1], "``", "`")
		return g.server.quote + strings.ReplaceAll(name, g.server.quote, g.server.quote+g.server.quote) + g.server.quote
	})
}

// try does all that rekey does to the tables, under the role. An error says what did not work.
func (g *stage) try(t *testing.T) (err error) {
	t.Helper()
	ctx := t.Context()
	hash := userdbtest.Hash(t, g.hash, "the old one")
	for _, s := range g.people {
		g.exec(t, strings.ReplaceAll(s, "{hash}", hash))
	}
	var opened databases.Set
	defer func() { err = errors.Join(err, opened.Close()) }()
	db, err := opened.Open(ctx, "users.dsn", patiently(g.role.DSN))
	if err != nil {
		return err
	}
	table, err := g.table(t, userdb.Options{Read: db.Read, Write: db.Write, Dialect: g.server.dialect, Settings: g.settings})
	if err != nil {
		return err
	}
	if err := errors.Join(table.Ping(ctx), table.Rehearse(ctx)); err != nil {
		return err
	}
	accounts, err := table.Find(ctx, userdbtest.Number(t, granted))
	if err != nil {
		return err
	}
	if len(accounts) != 1 || accounts[0].ID != "1" {
		return fmt.Errorf("%d accounts were found", len(accounts))
	}
	if err := table.SetPassword(ctx, accounts[0], "theNewOne1"); err != nil {
		return err
	}
	var done bool
	if err := g.admin.QueryRowContext(ctx, g.spelled("SELECT "+g.done)).Scan(&done); err != nil || !done {
		return errors.Join(errors.New("the reset left something out"), err)
	}
	return nil
}

// table is the one under test. The embedded table makes itself, and the person.
func (g *stage) table(t *testing.T, o userdb.Options) (*userdb.Table, error) {
	t.Helper()
	if g.settings.Preset != "" {
		return userdb.New(t.Context(), o)
	}
	e, err := userdb.NewEmbedded(t.Context(), o)
	if err != nil {
		return nil, err
	}
	if _, err := e.Add(t.Context(), userdb.NewUser{Number: userdbtest.Number(t, granted), Password: "theOldOne1"}); err != nil {
		return nil, err
	}
	for _, err := range e.List(t.Context()) {
		if err != nil {
			return nil, err
		}
	}
	return e.Table, nil
}

// single takes a statement apart into those of one privilege on one column.
func single(t *testing.T, grant string) []string {
	t.Helper()
	m := regexp.MustCompile(`^GRANT (\w+) \((.+)\)( ON .+ TO .+;)$`).FindStringSubmatch(grant)
	if m == nil {
		if m = regexp.MustCompile(`^GRANT()([A-Z, ]+)( ON .+ TO .+;)$`).FindStringSubmatch(grant); m == nil {
			t.Fatalf("no statement that can be taken apart: %s", grant)
		}
	}
	var all []string
	for part := range strings.SplitSeq(m[2], ", ") {
		if m[1] != "" {
			part = m[1] + " (" + part + ")"
		}
		all = append(all, "GRANT "+strings.TrimSpace(part)+m[3])
	}
	return all
}

// revoking is the statement that takes a grant back.
func revoking(grant string) string {
	i := strings.LastIndex(grant, " TO ")
	return "REVOKE " + strings.TrimPrefix(grant[:i], "GRANT ") + " FROM " + grant[i+len(" TO "):]
}

// TestGrantsAreEnoughAndNoneIsTooMany lets a role do its work with the rights that are told, and then without each of them.
func TestGrantsAreEnoughAndNoneIsTooMany(t *testing.T) {
	t.Parallel()
	for name, s := range shapes() {
		for _, server := range grantServers() {
			t.Run(name+" on "+server.name, func(t *testing.T) {
				t.Parallel()
				g := newStage(t, server, s)
				grants, err := userdb.LeastGrants(t.Context(), g.options)
				if err != nil {
					t.Fatal(err)
				}
				if len(grants.Perhaps) != 0 || grants.Unseen != nil {
					t.Errorf("what the superuser sees is not certain: %q, %v", grants.Perhaps, grants.Unseen)
				}
				if err := g.try(t); err == nil {
					t.Fatal("it works without any right")
				}
				for _, grant := range grants.Needed {
					exec(t, g.admin, grant)
				}
				if err := g.try(t); err != nil {
					t.Fatalf("it does not work with the rights: %v\n%s", err, strings.Join(grants.Needed, "\n"))
				}
				for _, grant := range grants.Needed {
					for _, one := range single(t, grant) {
						exec(t, g.admin, revoking(one))
						if err := g.try(t); err == nil {
							t.Errorf("it works without this: %s", one)
						}
						exec(t, g.admin, one)
					}
				}
				if err := g.try(t); err != nil {
					t.Errorf("it does not work with the rights given back: %v", err)
				}
			})
		}
	}
}

// TestGrantsTellWhatCouldNotBeSeen asks somebody who has no rights, then somebody who has the certain ones, and nobody.
func TestGrantsTellWhatCouldNotBeSeen(t *testing.T) {
	t.Parallel()
	for _, server := range grantServers() {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			g := newStage(t, server, shapes()["laravel"])
			o := g.options
			o.DB = nil
			blind, err := userdb.LeastGrants(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			want := []string{
				"SELECT (deleted_at) ON users", "UPDATE (password_changed_at) ON users", "UPDATE (updated_at) ON users",
				"UPDATE (remember_token) ON users", "SELECT (user_id) ON sessions", "DELETE ON sessions",
			}
			if got := bare(g, blind.Perhaps); !slices.Equal(got, want) || blind.Unseen == nil {
				t.Errorf("nobody was asked: %q, %v, want %q", got, blind.Unseen, want)
			}
			// The role itself, with the certain rights: PostgreSQL tells it all, MariaDB what it has rights on.
			for _, grant := range blind.Needed {
				exec(t, g.admin, grant)
			}
			o.DB = g.role.Open(t)
			some, err := userdb.LeastGrants(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if server.name == "PostgreSQL" {
				want = nil
			}
			if got := bare(g, some.Perhaps); !slices.Equal(got, want) || (some.Unseen == nil) != (want == nil) {
				t.Errorf("with the certain rights: %q, %v, want %q", got, some.Unseen, want)
			}
			// With all rights it sees them all again.
			all, err := userdb.LeastGrants(t.Context(), g.options)
			if err != nil {
				t.Fatal(err)
			}
			for _, grant := range all.Needed {
				exec(t, g.admin, grant)
			}
			if err := g.try(t); err != nil {
				t.Error(err)
			}
			if some, err = userdb.LeastGrants(t.Context(), o); err != nil || !slices.Equal(bare(g, some.Needed), bare(g, all.Needed)) {
				t.Errorf("with all rights: %q, %v, want %q", some.Needed, err, all.Needed)
			}
		})
	}
}

// bare are grants without names of schemas and roles, and without quotes.
func bare(g *stage, grants []string) []string {
	var all []string
	for _, grant := range grants {
		grant = strings.NewReplacer(`"`, "", "`", "").Replace(grant)
		grant = strings.NewReplacer("public.", "", g.role.Name+".", "").Replace(grant)
		grant, _, _ = strings.Cut(strings.TrimPrefix(grant, "GRANT "), " TO ")
		all = append(all, grant)
	}
	return all
}

func TestGrantsOnAColumnThatIsNotThereAreRefused(t *testing.T) {
	t.Parallel()
	for _, server := range grantServers() {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			g := newStage(t, server, shapes()["django"])
			g.options.Settings.Mobile = "phone"
			_, err := userdb.LeastGrants(t.Context(), g.options)
			fault, ok := errors.AsType[*userdb.SettingError](err)
			if !ok || fault.Key != "mobile" || !strings.Contains(err.Error(), "has no column phone; it has id, mobile, password") {
				t.Errorf("%v", err)
			}
			// Of the wrong type, it is left alone by resets, and so no right on it is needed.
			g.exec(t, "ALTER TABLE auth_user DROP COLUMN updated_at", "ALTER TABLE auth_user ADD updated_at INTEGER")
			g.options.Settings.Mobile = "mobile"
			grants, err := userdb.LeastGrants(t.Context(), g.options)
			if err != nil || strings.Contains(strings.Join(grants.Needed, "\n"), "updated_at") {
				t.Errorf("%q, %v", grants.Needed, err)
			}
		})
	}
}

// TestT26_GrantsQuoteEveryName: whoever is given the SQL may be sure that it says nothing else.
func TestT26_GrantsQuoteEveryName(t *testing.T) {
	t.Parallel()
	settings := userdb.Settings{Preset: "django", Table: "a\"`b.c;--'\"`", Mobile: "d\"`; DROP TABLE x; --"}
	for want, o := range map[string]userdb.GrantOptions{
		`GRANT SELECT ("id", "d""` + "`" + `; DROP TABLE x; --", "password", "is_active") ON "a""` + "`" + `b"."c;--'""` + "`" + `" TO "e""f";`: {
			Dialect: userdb.PostgreSQL(), Grantee: userdb.PostgreSQLRole(`e"f`), Database: "g",
		},
		"GRANT SELECT (`id`, `d\"``; DROP TABLE x; --`, `password`, `is_active`) ON `a\"``b`.`c;--'\"``` TO 'e''f'@'\\\\''';": {
			Dialect: userdb.MySQL(), Grantee: userdb.MySQLUser("e'f", `\'`), Database: "g",
		},
	} {
		o.Settings = settings
		grants, err := userdb.LeastGrants(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(grants.Needed, want) {
			t.Errorf("%q\nis not in %q", want, grants.Needed)
		}
	}
}
