package codestore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rekey"
	"rekey/codestore"
	"rekey/codestore/codestoretest"
)

func guess(r rekey.IssueRequest, check, request rekey.Name) rekey.Guess {
	return rekey.Guess{
		Number: r.Number, Flow: r.NewFlow, Checks: []rekey.Keyed{{Key: r.Key, Value: check}}, Request: request,
		Account: r.Account, Fingerprints: r.Fingerprints,
		Guesses: 5, PoolGuesses: 3, Grace: 150 * time.Second,
		Restriction: rekey.Restriction{DayWrong: 20, RowWrong: 100},
	}
}

// stillThere checks that the code of r is live with all its guesses.
func stillThere(t *testing.T, s *codestore.Store, r rekey.IssueRequest) {
	t.Helper()
	v, err := s.Guess(t.Context(), guess(r, r.Check, "right"))
	if err != nil || v.Outcome != rekey.GuessMatch {
		t.Fatalf("the code that was live is gone: %+v, %v", v, err)
	}
	v, err = s.Guess(t.Context(), guess(r, "wrong", "wrong"))
	if err != nil || v.Outcome != rekey.GuessWrong || v.AttemptsLeft != 4 {
		t.Fatalf("its guesses changed: %+v, %v", v, err)
	}
}

func TestT42_AFullDatabaseIsAnErrorAndNothingIsHalfWritten(t *testing.T) {
	t.Parallel()
	db, s := openSQLite(t, filepath.Join(t.TempDir(), "codes.db"))
	if _, err := s.Issue(t.Context(), issueRequest(0)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA max_page_count = 1"); err != nil { // SQLite takes the least that holds what is there
		t.Fatal(err)
	}
	var refused error
	made := 1
	for ; refused == nil && made < 10_000; made++ {
		_, refused = s.Issue(t.Context(), issueRequest(int64(made)))
	}
	if refused == nil || !strings.Contains(refused.Error(), "full") {
		t.Fatalf("%d codes made, then %v", made, refused)
	}
	var rows int
	if err := db.QueryRow("SELECT count(*) FROM rekey_numbers").Scan(&rows); err != nil || rows != made-1 {
		t.Fatalf("%d rows of %d codes, %v", rows, made-1, err)
	}
	if _, err := db.Exec("PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	stillThere(t, s, issueRequest(0))
	if _, err := s.Issue(t.Context(), issueRequest(int64(made))); err != nil {
		t.Fatalf("with room again: %v", err)
	}
}

func TestT42_AReadOnlyDatabaseIsAnError(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "codes.db")
	_, s := openSQLite(t, file)
	if _, err := s.Issue(t.Context(), issueRequest(0)); err != nil {
		t.Fatal(err)
	}
	readOnly := writer(t, file, "&_pragma=query_only(1)")
	other, err := codestore.NewSQL(t.Context(), readOnly, codestore.SQLite(), stepTime)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Issue(t.Context(), issueRequest(1)); err == nil || !strings.Contains(err.Error(), "readonly") {
		t.Fatalf("Issue: %v", err)
	}
	if v, err := other.Guess(t.Context(), guess(issueRequest(0), "wrong", "r")); err == nil {
		t.Fatalf("a guess that can't be counted was compared: %+v", v)
	}
	stillThere(t, s, issueRequest(0))
}

func TestT42_ALockedDatabaseIsAnErrorAndPasses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "codes.db")
	_, s := openSQLite(t, file)
	if _, err := s.Issue(t.Context(), issueRequest(0)); err != nil {
		t.Fatal(err)
	}
	tx, err := writer(t, file, "").Begin() // _txlock=immediate: the write lock is held from here
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Issue(ctx, issueRequest(1)); err == nil {
		t.Fatal("passed a held lock")
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	stillThere(t, s, issueRequest(0))
	// Nobody waited any more for the one that failed: it was not done behind the caller's back.
	if issued, err := s.Issue(t.Context(), issueRequest(1)); err != nil || issued.Outcome != rekey.IssueMade {
		t.Fatalf("%+v, %v", issued, err)
	}
}

func TestARowThatIsNotOursIsAnErrorForItsNumberOnly(t *testing.T) {
	t.Parallel()
	db, s := openSQLite(t, filepath.Join(t.TempDir(), "codes.db"))
	bad := issueRequest(1)
	if _, err := db.Exec("INSERT INTO rekey_numbers VALUES (?, ?, ?)", string(bad.Number), "[1, 2]", time.Now().Add(time.Hour).UnixMicro()); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for range 40 {
		go func() {
			_, err := s.Issue(t.Context(), bad)
			done <- err
		}()
	}
	for i := range int64(40) {
		if _, err := s.Issue(t.Context(), issueRequest(100+i)); err != nil {
			t.Errorf("another number: %v", err)
		}
	}
	for range 40 {
		if err := <-done; err == nil {
			t.Error("a row that can't be read passed")
		}
	}
}

func TestSweepRemovesWhatHasExpiredAndNothingElse(t *testing.T) {
	t.Parallel()
	db, s := openSQLite(t, filepath.Join(t.TempDir(), "codes.db"))
	for i := range int64(1200) {
		if _, err := s.Issue(t.Context(), issueRequest(i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Take(t.Context(), rekey.Charge{Name: "b", Kind: rekey.Rate, Limit: 1, Window: time.Minute, Cost: 1}); err != nil {
		t.Fatal(err)
	}
	codestoretest.Age(t, db, 25*time.Hour)
	if _, err := s.Issue(t.Context(), issueRequest(5000)); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(t.Context()); err != nil || n != 1201 {
		t.Fatalf("%d swept, %v", n, err)
	}
	var left int
	if err := db.QueryRow("SELECT count(*) FROM rekey_numbers").Scan(&left); err != nil || left != 1 {
		t.Fatalf("%d left, %v", left, err)
	}
}

func TestEveryRowExpires(t *testing.T) {
	t.Parallel()
	db, s := openSQLite(t, filepath.Join(t.TempDir(), "codes.db"))
	r := issueRequest(1)
	if _, err := s.Issue(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Guess(t.Context(), guess(r, "wrong", "r")); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []rekey.ChargeKind{rekey.Rate, rekey.Daily, rekey.Conversion, rekey.Redeemed} {
		c := rekey.Charge{Name: rekey.Name(fmt.Sprint(kind)), Kind: kind, Limit: 9, Window: time.Hour, Cost: 1, Once: rekey.Name(fmt.Sprint("once ", kind)), OnceFor: time.Hour}
		if _, err := s.Take(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	for table, longest := range map[string]time.Duration{"rekey_numbers": 366 * 24 * time.Hour, "rekey_budgets": 25 * time.Hour} {
		var rows, sound int
		if err := db.QueryRow("SELECT count(*), sum(expires_at > ? AND expires_at < ?) FROM "+table,
			time.Now().UnixMicro(), time.Now().Add(longest).UnixMicro()).Scan(&rows, &sound); err != nil || rows == 0 || rows != sound {
			t.Errorf("%s: %d of %d rows expire in time, %v", table, sound, rows, err)
		}
	}
}

func TestUnlockClearsTheNumbersWrongGuesses(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*codestore.Store{"memory": codestore.NewMemory(), "sqlite": func() *codestore.Store {
		_, s := openSQLite(t, filepath.Join(t.TempDir(), "codes.db"))
		return s
	}()} {
		r := issueRequest(1)
		r.Intervals = nil
		if _, err := s.Issue(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		g := guess(r, "wrong", "1")
		g.DayWrong = 1
		if v, err := s.Guess(t.Context(), g); err != nil || v.Outcome != rekey.GuessWrong {
			t.Fatalf("%s: %+v, %v", name, v, err)
		}
		g.Request = "2"
		if v, err := s.Guess(t.Context(), g); err != nil || v.Outcome != rekey.GuessRestricted {
			t.Fatalf("%s: %+v, %v", name, v, err)
		}
		for _, want := range []bool{true, false} {
			if cleared, err := s.Unlock(t.Context(), r.Number); err != nil || cleared != want {
				t.Fatalf("%s: unlocked %v, %v, want %v", name, cleared, err, want)
			}
		}
		if v, err := s.Guess(t.Context(), g); err != nil || v.Outcome != rekey.GuessWrong || v.AttemptsLeft != 3 {
			t.Fatalf("%s: %+v, %v: the code's own guesses stay counted", name, v, err)
		}
	}
}

func TestMigrateMayRunAtOnce(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, start func(testing.TB) server) {
		of := start(t)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				db := of.Database.Open(t)
				if err := codestore.Migrate(t.Context(), db, of.Dialect); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
}

func TestMigrateMayRunAgainAndSchemaIsWhatItRuns(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "codes.db")
	db := writer(t, file, "")
	if _, err := codestore.NewSQL(t.Context(), db, codestore.SQLite(), stepTime); err == nil {
		t.Fatal("a store without tables was opened")
	}
	for _, statement := range codestore.Schema(codestore.SQLite()) {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := codestore.Migrate(t.Context(), db, codestore.SQLite()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
}
