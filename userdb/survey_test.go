package userdb_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rekey"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// surveyed is what a survey finds. It logs all of it, so that a test that fails says why.
func surveyed(t *testing.T, o userdb.Options) *userdb.Report {
	t.Helper()
	r, err := userdb.Survey(t.Context(), o, rekey.ChinaMobile, 10*time.Minute)
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

func TestSurvey_CountsEveryRowByItsHashItsNumberAndItsAccount(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		s := djangoTable(t, d)
		good := userdbtest.Hash(t, djangoFloor, "Abc123")
		for _, p := range []struct {
			mobile   any
			password string
			inactive bool
		}{
			{mobile: "13800000001", password: good},
			{mobile: "13800000002", password: good, inactive: true},
			{mobile: "+8613800000003", password: good},
			{mobile: "008613800000004", password: good},
			// One number of several accounts, in one spelling and in two.
			{mobile: "13800000005", password: good},
			{mobile: "13800000005", password: good},
			{mobile: "13800000006", password: good},
			{mobile: "8613800000006", password: good},
			{mobile: "13800000007", password: good},
			{mobile: "13800000007", password: good, inactive: true}, // who does not count
			{mobile: "13800000007", password: "!canary"},            // nor does who has no password
			// Spellings that nobody asks for; the second is somebody's who has another account.
			{mobile: "138 0000 0008", password: good},
			{mobile: "138-0000-0001", password: good},
			{mobile: "１３８０００００００９", password: good},
			{mobile: "\t13800000010", password: good},
			{mobile: "1380000001", password: good},
			{mobile: "12800000011", password: good},
			{mobile: "canary@example.com", password: good},
			{mobile: "", password: good},
			{mobile: nil, password: good},
			{mobile: "13800000012", password: ""},
			{mobile: "13800000013", password: "*"},
			{mobile: "13800000014", password: "sha1$canary$" + strings.Repeat("0a", 20)},
			{mobile: "13800000015", password: "pbkdf2_sha256$canary"},
			{mobile: "13800000016", password: "pbkdf2_sha256$4000000000$canarysalt$" + strings.Repeat("A", 43) + "="},
			{mobile: "13800000017", password: "no hash at all, but a canary"},
			{mobile: "13800000018", password: userdbtest.Hash(t, "{bcrypt}$2a$04", "Abc123")},
		} {
			person(t, d, p.mobile, p.password, !p.inactive)
		}
		before := dump(t, d, "auth_user")
		r := surveyed(t, d.options(s))
		if want := (userdb.NumberCounts{AsSet: 15, Other: 3, Hidden: 4, Foreign: 3, Empty: 2, Shared: 2, Twins: 1, SharedWhole: true}); r.Numbers != want {
			t.Errorf("numbers are\n%+v, want\n%+v", r.Numbers, want)
		}
		if want := (userdb.AccountCounts{Recoverable: 9, Inactive: 2, Unusable: 3, Unreadable: 4, Unreachable: 9}); r.Accounts != want {
			t.Errorf("accounts are\n%+v, want\n%+v", r.Accounts, want)
		}
		want := []userdb.HashCount{
			{Format: "pbkdf2_sha256", Rows: 19, Becomes: djangoFloor}, {Format: "unusable", Rows: 3},
			{Format: "malformed", Rows: 1}, {Format: "out_of_bounds", Rows: 1},
			{Format: "sha1", Rows: 1, Becomes: "pbkdf2_sha256$600000"}, {Format: "unknown", Rows: 1}, {Format: "{bcrypt}", Rows: 1},
		}
		if !slices.Equal(r.Hashes, want) {
			t.Errorf("hashes are\n%+v, want\n%+v", r.Hashes, want)
		}
		for _, id := range []string{"numbers.other", "numbers.hidden", "numbers.foreign", "numbers.shared", "numbers.twins", "accounts.unusable",
			"hashes.unknown", "hashes.malformed", "hashes.bounds", "hashes.foreign"} {
			found(t, r, id, userdb.Advice)
		}
		for _, id := range []string{"numbers.as_set", "numbers.empty", "accounts.recoverable", "accounts.inactive", "reset.rehearsed"} {
			found(t, r, id, userdb.Fine)
		}
		if after := dump(t, d, "auth_user"); after != before {
			t.Errorf("the table was\n%s and is\n%s", before, after)
		}
	})
}

// TestT36 looks at all that a survey of a table tells, to whom everything in it is a secret.
func TestT36_ASurveyTellsNoNumberHashOrPassword(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		s := djangoTable(t, d)
		good := userdbtest.Hash(t, djangoFloor, "Abc123")
		secrets := []string{good, "canary"}
		for _, mobile := range []string{"13857913571", "+8613857913572", "138 5791 3573", "1385-7913574", "2385791357", "canary@example.com", "Canary-13857913576",
			"１３８５７９１３５７９", "7913", "13857913571"} {
			person(t, d, mobile, good, true)
			secrets = append(secrets, mobile)
		}
		person(t, d, "13857913577", "canary$79135791", true)
		person(t, d, "13857913578", "pbkdf2_sha256$canary$79135791", true)
		for i := range 9 { // so that most are as they should be, and the others are told of one by one
			person(t, d, fmt.Sprintf("1385791358%d", i), good, true)
		}
		r := surveyed(t, d.options(s))
		all := strings.ToLower(fmt.Sprintf("%+v", *r))
		for _, secret := range append(secrets, "7913", "５７９", "5791") {
			if strings.Contains(all, strings.ToLower(secret)) {
				t.Errorf("it tells %q", secret)
			}
		}
		for _, masked := range []string{`138 **** **73`, `138*-*****74`, `238*****57`, `xxxxxx@xxxxxxx.xxx`} {
			if !strings.Contains(all, masked) {
				t.Errorf("no example is %q", masked)
			}
		}
	})
}

// A pooler gives every transaction another session.
func TestSurvey_WorksThroughAPooler(t *testing.T) {
	t.Parallel()
	d := pgBouncer().open(t)
	s := djangoTable(t, d)
	person(t, d, "13800000001", userdbtest.Hash(t, djangoFloor, "Abc123"), true)
	r := surveyed(t, d.options(s))
	if got := troubles(r); got != nil {
		t.Errorf("there are troubles: %q", got)
	}
	found(t, r, "index.number", userdb.Fine)
	found(t, r, "reset.rehearsed", userdb.Fine)
}
