package userdb_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"rekey"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// surveyed is what a survey finds. It logs all of it, so that a test that fails says why.
func surveyed(t *testing.T, o userdb.Options) *userdb.Report {
	t.Helper()
	r, err := userdb.Survey(t.Context(), o, rekey.ChinaMobile)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		t.Logf("%-6s %s (%s): %s %s", f.Severity, f.ID, f.About, f.Text, f.Remedy)
	}
	counts, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", counts)
	return r
}

// found is the finding of that name and severity, of which there must be one.
func found(t *testing.T, r *userdb.Report, id string, severity userdb.Severity) userdb.Finding {
	t.Helper()
	var all []userdb.Finding
	for _, f := range r.Findings {
		if f.ID == id && f.Severity == severity {
			all = append(all, f)
		}
	}
	if len(all) != 1 {
		t.Errorf("there are %d findings %s of severity %s", len(all), id, severity)
		return userdb.Finding{}
	}
	return all[0]
}

// troubles are the findings that are not fine, but for those that the tests' own servers have: for their haste, and for
// users who own the database.
func troubles(r *userdb.Report) []string {
	var all []string
	for _, f := range r.Findings {
		if f.Severity != userdb.Fine && f.ID != "server.durability" && f.ID != "rights.wide" {
			all = append(all, f.ID)
		}
	}
	return all
}

// djangoTable is a table of users with an index on the number, whose passwords are of the least cost.
func djangoTable(t *testing.T, d *database) userdb.Settings {
	t.Helper()
	d.exec(t, `CREATE TABLE auth_user (id {id}, mobile VARCHAR(20), password VARCHAR(128) NOT NULL, is_active BOOLEAN NOT NULL,
		email VARCHAR(100), updated_at {time} NULL)`)
	d.exec(t, "CREATE INDEX auth_user_mobile ON auth_user (mobile)")
	return userdb.Settings{Preset: "django", HashFloor: djangoFloor}
}

const djangoFloor = "pbkdf2_sha256$1000"

// person adds somebody to djangoTable.
func person(t *testing.T, d *database, mobile any, password string, active bool) {
	t.Helper()
	d.exec(t, "INSERT INTO auth_user (mobile, password, is_active, email) VALUES (?, ?, ?, 'a@example.com')", mobile, password, active)
}

func TestSurvey_ASoundTableHasNothingToMendAndStaysAsItIs(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		s := djangoTable(t, d)
		for i := range 9 {
			person(t, d, fmt.Sprintf("1380000000%d", i), userdbtest.Hash(t, djangoFloor, "Abc123"), true)
		}
		before := dump(t, d, "auth_user")
		r := surveyed(t, d.options(s))
		if got := troubles(r); got != nil {
			t.Errorf("there are troubles: %q", got)
		}
		for _, id := range []string{"users.columns", "rights.enough", "index.number", "index.id", "hashes.known", "hashes.length", "numbers.as_set",
			"numbers.shared", "accounts.recoverable", "reset.rehearsed"} {
			found(t, r, id, userdb.Fine)
		}
		if r.Rows != 9 || r.Looked != 9 || !r.Whole || r.About || r.Accounts.Recoverable != 9 || r.Numbers.AsSet != 9 || !r.Numbers.SharedWhole {
			t.Errorf("%+v", r)
		}
		if want := []userdb.HashCount{{Format: "pbkdf2_sha256", Rows: 9, Becomes: djangoFloor}}; !slices.Equal(r.Hashes, want) {
			t.Errorf("hashes are %+v", r.Hashes)
		}
		if want := []string{"password", "updated_at"}; !slices.Equal(r.Writes, want) {
			t.Errorf("a reset writes %q", r.Writes)
		}
		if after := dump(t, d, "auth_user"); after != before {
			t.Errorf("the table was\n%s and is\n%s", before, after)
		}
	})
}

// dump is every value of a table.
func dump(t *testing.T, d *database, table string) string {
	t.Helper()
	rows, err := d.own.QueryContext(t.Context(), d.sql("SELECT * FROM {} ORDER BY 1", table))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for rows.Next() {
		values, places := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			places[i] = &values[i]
		}
		if err := rows.Scan(places...); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%q\n", values)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
