package userdb_test

import (
	"slices"
	"strings"
	"testing"

	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// TestSurvey_WithTheLeastRightsTellsAllAndNoneIsMissingOrTooWide surveys the tables of every preset as a user who has
// what rekey grants prints, then as one who lacks one of these, then as one who has more.
func TestSurvey_WithTheLeastRightsTellsAllAndNoneIsMissingOrTooWide(t *testing.T) {
	t.Parallel()
	for name, s := range shapes() {
		if s.settings.Preset == "" {
			continue // rekey owns the embedded table
		}
		for _, server := range grantServers() {
			t.Run(name+" on "+server.name, func(t *testing.T) {
				t.Parallel()
				g := newStage(t, server, s)
				hash := userdbtest.Hash(t, g.hash, "the old one")
				for _, statement := range s.people {
					g.exec(t, strings.ReplaceAll(statement, "{hash}", hash))
				}
				grants, err := userdb.LeastGrants(t.Context(), g.options)
				if err != nil {
					t.Fatal(err)
				}
				for _, grant := range grants.Needed {
					exec(t, g.admin, grant)
				}
				o := g.surveyable(t)

				r := surveyed(t, o)
				for _, id := range []string{"rights.enough", "rights.least", "index.id", "reset.rehearsed", "accounts.recoverable", "clock.users"} {
					found(t, r, id, userdb.Fine)
				}
				found(t, r, "index.number", userdb.Mend)
				if r.Accounts.Recoverable != 1 {
					t.Errorf("%+v", r.Accounts)
				}
				for _, f := range r.Findings {
					if strings.HasSuffix(f.ID, ".untold") {
						t.Errorf("it could not tell: %+v", f)
					}
				}

				lacks := func(privilege, id string) {
					t.Helper()
					i := slices.IndexFunc(grants.Needed, func(grant string) bool { return strings.HasPrefix(grant, "GRANT "+privilege) })
					if i < 0 {
						return
					}
					exec(t, g.admin, revoking(grants.Needed[i]))
					defer exec(t, g.admin, grants.Needed[i])
					if f := found(t, surveyed(t, o), id, userdb.Mend); f.Remedy != "rekey grants" {
						t.Errorf("%+v", f)
					}
				}
				lacks("DELETE", "rights.sessions")
				lacks("UPDATE", "rights.write")
				if server.name == "PostgreSQL" { // without any right to read, MariaDB tells nobody that there is a table
					lacks("SELECT", "rights.read")
				}

				exec(t, g.admin, g.spelled("GRANT INSERT, DELETE, UPDATE ON "+g.located(r.Table)+" TO ")+grantee(g))
				f := found(t, surveyed(t, o), "rights.wide", userdb.Advice)
				for _, says := range []string{"INSERT", "DELETE", "UPDATE"} {
					if !strings.Contains(f.Text, says) {
						t.Errorf("it does not say %s: %s", says, f.Text)
					}
				}
			})
		}
	}
}

// surveyable is the stage as its role sees it, with cheap hashes.
func (g *stage) surveyable(t *testing.T) userdb.Options {
	t.Helper()
	db, s := opened(t, patiently(g.role.DSN)), g.settings
	s.Hash = g.hash
	return userdb.Options{Read: db.Read, Write: db.Write, Dialect: g.server.dialect, Settings: s}
}

// grantee is the stage's role as GRANT takes it.
func grantee(g *stage) string {
	if g.server.name == "MariaDB" {
		return "'" + g.role.User + "'@'%'"
	}
	return quote(g.role.User)
}

func TestSurvey_TellsUsersWhoMayDoEverything(t *testing.T) {
	t.Parallel()
	for _, server := range grantServers() {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			d := server.database(t)
			app := serve(t, d, d.DSN)
			s := djangoTable(t, app)
			says := map[string][2]string{
				"PostgreSQL": {"it owns auth_user", "it is a superuser"},
				"MariaDB":    {"in the whole database", "in every database of the server"},
			}[server.name]
			for i, dsn := range []string{d.DSN, d.Admin().DSN} {
				db := opened(t, patiently(dsn))
				o := userdb.Options{Read: db.Read, Write: db.Write, Dialect: server.dialect, Settings: s}
				if f := found(t, surveyed(t, o), "rights.wide", userdb.Advice); !strings.Contains(f.Text, says[i]) || f.Remedy != "rekey grants" {
					t.Errorf("it says %q", f.Text)
				}
			}
		})
	}
}

// TestSurvey_WithoutATableOrAColumnNamesEveryFault has the wrong names in three settings at once.
func TestSurvey_WithoutATableOrAColumnNamesEveryFault(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		s := djangoTable(t, d)
		s.Mobile, s.Password, s.Sessions = "tel", "updated_at", "auth_user.owner"
		r := surveyed(t, d.options(s))
		var about []string
		for _, f := range r.Findings {
			if f.ID != "users.setting" || f.Severity != userdb.Mend {
				t.Errorf("%+v", f)
			}
			about = append(about, f.About)
		}
		slices.Sort(about)
		if want := []string{"users.mobile", "users.password", "users.sessions"}; !slices.Equal(about, want) {
			t.Errorf("the faults are of %q", about)
		}
		s = userdb.Settings{Preset: "django", Table: "people"}
		if f := found(t, surveyed(t, d.options(s)), "users.setting", userdb.Mend); f.About != "users.table" {
			t.Errorf("%+v", f)
		}
		if r := surveyed(t, d.options(userdb.Settings{Preset: "laravel"})); r.Table != "users" {
			t.Errorf("the table that is not there is %q", r.Table)
		}
	})
}

func TestSurvey_OfADatabaseThatIsGoneIsAFinding(t *testing.T) {
	t.Parallel()
	for _, e := range engines()[1:] {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			d := e.open(t)
			s := djangoTable(t, d)
			if err := d.Read.Close(); err != nil {
				t.Fatal(err)
			}
			found(t, surveyed(t, d.options(s)), "users.unreachable", userdb.Mend)
		})
	}
}

// A table that is a view of another, as some are that show rekey no more than it needs.
func TestSurvey_OfAViewSaysWhatItCannotTell(t *testing.T) {
	t.Parallel()
	for _, e := range engines()[1:] {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			d := e.open(t)
			s := djangoTable(t, d)
			s.Table = "people"
			person(t, d, "13800000001", userdbtest.Hash(t, djangoFloor, "Abc123"), true)
			d.exec(t, "CREATE VIEW people AS SELECT id, mobile, password, is_active FROM auth_user")
			r := surveyed(t, d.options(s))
			found(t, r, "index.id", userdb.Advice)
			found(t, r, "reset.rehearsed", userdb.Fine)
			if r.Accounts.Recoverable != 1 {
				t.Errorf("%+v", r.Accounts)
			}
			found(t, r, "index.number", userdb.Advice)
		})
	}
}
