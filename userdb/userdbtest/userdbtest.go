// Package userdbtest is the conformance suite of rekey.Directory over package userdb: every dialect and every preset
// passes the same tests, concurrency included.
package userdbtest

import (
	"slices"
	"testing"
	"time"

	"rekey"
	"rekey/passhash"
	"rekey/userdb"
)

// Table is a users table under test, with no rows in the beginning.
type Table struct {
	Directory rekey.Directory

	// The application's own hands on the table, going past the Directory.
	Insert func(t *testing.T, r Row) (id string)
	Update func(t *testing.T, id string, r Row)
	Delete func(t *testing.T, id string)
	Read   func(t *testing.T, id string) Row

	// Holds reports whether the column of the number can hold a text as it is; nil: it holds every text.
	Holds func(mobile string) bool
}

func (t Table) holds(mobile string) bool { return t.Holds == nil || t.Holds(mobile) }

// Row is what the suite knows of a row. What a column makes of it, such as one that drops blanks at the end, Read tells.
type Row struct {
	Mobile, Password string // as stored
	Inactive         bool
	Note             []byte    // a column that is none of rekey's concern
	Changed          time.Time // when the password was set; zero if the table does not tell
}

// Harness makes an empty table of the shape that the settings name and a Directory over it. The settings come without
// a preset; the harness sets its own. Where they name a table or columns, those names must be used.
type Harness func(t *testing.T, s userdb.Settings) Table

// Cheap is the floor that the suite runs with, so that concurrency is not throttled by honest work.
const Cheap = "argon2id$m=64,t=1,p=1"

const (
	mobile  = "13800000001"
	other   = "13900000002"
	secret  = "Abc123canary"
	another = "Xyz789canary"

	// The same number in digits that are not ASCII.
	fullWidth   = "\uff11\uff13\uff18\uff10\uff10\uff10\uff10\uff10\uff10\uff10\uff11"
	arabicIndic = "\u0661\u0663\u0668\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0661"
)

var past = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)

// test is one of the suite.
type test struct {
	name string
	run  func(*testing.T, Harness)
}

// matching are the tests in which the types and collations of the columns have a say.
func matching() []test {
	return []test{
		{"Find_TellsNoneAndOne", findTellsNoneAndOne},
		{"Find_LeavesOutWhatCannotBeRecovered", findLeavesOutWhatCannotBeRecovered},
		{"T09_FindTellsEveryAccountOfANumber", findTellsEveryAccount},
		{"T25_OneSpellingAPerson", oneSpellingAPerson},
		{"SetPassword_ChangesThePasswordAndNothingElse", setPasswordChangesNothingElse},
		{"T08_AChangedRowIsStale", changedRowIsStale},
	}
}

// racing are those in which the database's isolation of transactions has one.
func racing() []test {
	return []test{
		{"T04_OneOfManyAtOnceWins", oneOfManyWins},
		{"T08_TheApplicationsOwnChangeIsNeverOverwritten", ownChangeIsNeverOverwritten},
	}
}

// Run runs the suite.
func Run(t *testing.T, harness Harness) {
	run(t, harness, matching(), racing(), []test{
		{"Find_LetsInWhatTheSettingsLetIn", findLetsInWhatTheSettingsLetIn},
		{"T26_NamesAreQuotedAndValuesBound", namesAreQuotedAndValuesBound},
		{"Verify_TellsTheRightPassword", verifyTellsTheRightPassword},
		{"T41_NewHashesAreNeverWeaker", newHashesAreNeverWeaker},
		{"T41_HugeCostsAreNeverWorkedOn", hugeCostsAreNeverWorkedOn},
		{"SetPassword_TellsAFaultFromAStaleRow", faultIsNotStale},
		{"Context_EndsEverything", contextEndsEverything},
		{"T36_ErrorsSayNoPasswordHashOrNumber", errorsSayNoSecrets},
	})
}

// RunMatching runs the part of the suite in which types and collations have a say, for tables that differ from one that
// passes all of it by those alone.
func RunMatching(t *testing.T, harness Harness) { run(t, harness, matching()) }

// RunRacing runs the part of the suite in which the isolation of transactions has a say, for databases that differ from
// one that passes all of it by that alone.
func RunRacing(t *testing.T, harness Harness) { run(t, harness, racing()) }

func run(t *testing.T, harness Harness, suite ...[]test) {
	for _, test := range slices.Concat(suite...) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, harness)
		})
	}
}

func cheap() userdb.Settings { return userdb.Settings{HashFloor: Cheap} }

// Number is a number of the default plan.
func Number(t testing.TB, mobile string) rekey.Number {
	t.Helper()
	n, err := rekey.ChinaMobile(mobile)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Hash is a hash of password made with the recipe.
func Hash(t testing.TB, recipe, password string) string {
	t.Helper()
	r, err := passhash.ParseRecipe(recipe)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := r.Make(password)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func find(t *testing.T, table Table, mobile string) []rekey.Account {
	t.Helper()
	accounts, err := table.Directory.Find(t.Context(), Number(t, mobile))
	if err != nil {
		t.Fatal(err)
	}
	return accounts
}

func one(t *testing.T, table Table, mobile string) rekey.Account {
	t.Helper()
	accounts := find(t, table, mobile)
	if len(accounts) != 1 {
		t.Fatalf("%d accounts, want one", len(accounts))
	}
	return accounts[0]
}

func verifies(t *testing.T, stored, password string) bool {
	t.Helper()
	hash, err := passhash.Parse(stored)
	if err != nil {
		t.Fatalf("the password column does not hold a hash: %v", err)
	}
	return hash.Verify(password)
}
