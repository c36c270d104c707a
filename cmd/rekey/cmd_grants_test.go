package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"rekey/cmd/rekey/databases"
	"rekey/test/servers"
)

// TestGrantsLeadFromNoRoleToAServiceThatStarts goes an operator's way: the role may not even connect at first, then it is
// given what is certain, and then what it sees to be there.
func TestGrantsLeadFromNoRoleToAServiceThatStarts(t *testing.T) {
	t.Parallel()
	database := servers.StartPostgreSQL(t).NewDatabase(t)
	admin := database.Admin().Open(t)
	run := func(sql string) {
		t.Helper()
		if _, err := admin.Exec(sql); err != nil {
			t.Fatalf("%s\n%v", sql, err)
		}
	}
	run(`REVOKE ALL ON SCHEMA public FROM PUBLIC;
		REVOKE ALL ON DATABASE ` + database.Name + ` FROM PUBLIC;
		CREATE TABLE users (id BIGINT PRIMARY KEY, mobile TEXT, password TEXT, remember_token TEXT, deleted_at TIMESTAMP);
		CREATE TABLE sessions (id TEXT, user_id BIGINT)`)
	role := database.Role(t, "rekey")

	starts := func() (err error) {
		var opened databases.Set
		defer func() { err = errors.Join(err, opened.Close()) }()
		l := load("", usersIn(role))
		if len(l.faults) > 0 {
			t.Fatal(l.faults)
		}
		_, err = openUsers(t.Context(), &l.config, &opened, slog.New(slog.DiscardHandler))
		return err
	}
	step := func(what, says string, works bool) {
		t.Helper()
		grants := printed(t, usersIn(role))
		if !strings.Contains(grants, says) {
			t.Errorf("%s: %q is not in\n%s", what, says, grants)
		}
		run(grants)
		err := starts()
		if (err == nil) != works {
			t.Fatalf("%s: %v, after\n%s", what, err, grants)
		}
		if err != nil && !strings.HasSuffix(err.Error(), "; grant what rekey grants prints") {
			t.Errorf("%s: it says %v", what, err)
		}
	}
	step("with no rights", "\n-- GRANT UPDATE (\"remember_token\") ON \"public\".\"users\" TO ", false)
	step("with those that are certain", "\nGRANT UPDATE (\"password\", \"remember_token\") ON \"public\".\"users\" TO ", true)

	theirs, owners := printed(t, usersIn(role)), printed(t, usersIn(database), "--to", role.User)
	if theirs != owners || strings.Contains(owners, "could not") {
		t.Errorf("the owner is told\n%s\nand the role\n%s", owners, theirs)
	}
}

// usersIn is an environment whose users are Laravel's, in the database.
func usersIn(d servers.Database) []string {
	return []string{"REKEY_USERS_PRESET=laravel", "REKEY_USERS_DSN=" + d.DSN + "&connect_timeout=60&step_timeout=1m"}
}

// printed is what rekey grants prints.
func printed(t *testing.T, env []string, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	if exit := run(t.Context(), append([]string{"grants"}, args...), env, io.MultiReader(), &stdout, &stderr); exit != exitOK {
		t.Fatalf("exit %d: %s", exit, &stderr)
	}
	return stdout.String()
}

// TestGrantsForCodesAreEnoughForTheCodeStore executes what is printed, on a database without rights for anybody, and uses
// the code store as the role that got them.
func TestGrantsForCodesAreEnoughForTheCodeStoreAndNoMore(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]struct {
		start   func(testing.TB) *servers.Server
		revoke  string
		also    string // parameters
		refused string // a statement that the rights don't reach
	}{
		"PostgreSQL": {servers.StartPostgreSQL, "REVOKE ALL ON SCHEMA public FROM PUBLIC; REVOKE ALL ON DATABASE %s FROM PUBLIC", "&connect_timeout=60&step_timeout=1m", "CREATE TABLE other (n INTEGER)"},
		"MariaDB":    {servers.StartMariaDB, "", "?connect_timeout=60&step_timeout=1m", "DROP TABLE rekey_numbers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := server.start(t).NewDatabase(t)
			admin := database.Admin().Open(t)
			if server.revoke != "" {
				if _, err := admin.Exec(fmt.Sprintf(server.revoke, database.Name)); err != nil {
					t.Fatal(err)
				}
			}
			role := database.Role(t, "codes")
			of := func(d servers.Database) []string { return []string{"REKEY_CODES_STORE=" + d.DSN + server.also} }
			// The role may not even connect, and the owner sees that all is there.
			for _, seen := range []struct {
				by     servers.Database
				tables bool // must be made
			}{{role, true}, {database.Admin(), false}} {
				grants := printed(t, of(seen.by), "--for", "codes", "--to", role.User)
				if strings.Contains(grants, "CREATE TABLE") != seen.tables || strings.Contains(grants, "users.dsn") {
					t.Errorf("printed is\n%s", grants)
				}
				if _, err := admin.Exec(grants); err != nil {
					t.Fatalf("%s\n%v", grants, err)
				}
			}
			s := serve(t, t.TempDir(), []string{"13800000001"}, append(through(newGatewayServer(t)), of(role)...)...)
			if a := s.send("13800000001"); a.Errno != "0" {
				t.Errorf("send answers %+v", a)
			}
			if _, err := role.Open(t).Exec(server.refused); err == nil {
				t.Errorf("the role may %s", server.refused)
			}
		})
	}
}
