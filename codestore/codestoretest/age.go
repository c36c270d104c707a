package codestoretest

import (
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// instants are the numbers in a stored state that stand for one: microseconds since the Unix epoch have 16 digits from
// 2001 to 2286, and nothing else in a state comes near.
var instants = regexp.MustCompile(`\b[1-9][0-9]{15}\b`)

// Age moves everything that a SQL code store holds into the past by d: for whoever reads it, d has passed.
func Age(t testing.TB, db *sql.DB, d time.Duration) {
	t.Helper()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() // does nothing after the commit
	for _, table := range []string{"rekey_numbers", "rekey_budgets"} {
		states := make(map[string]string)
		rows, err := tx.Query("SELECT name, state FROM " + table)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var name, state string
			if err := rows.Scan(&name, &state); err != nil {
				t.Fatal(err)
			}
			states[name] = state
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		for name, state := range states {
			aged := instants.ReplaceAllStringFunc(state, func(s string) string {
				at, err := strconv.ParseInt(s, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				return strconv.FormatInt(at-d.Microseconds(), 10)
			})
			if _, err := tx.Exec(fmt.Sprintf("UPDATE %s SET state = %s, expires_at = expires_at - %d WHERE name = %s", table, literal(t, aged),
				d.Microseconds(), literal(t, name))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// literal is a text in SQL: databases differ in how they mark the place of a value, and in what a backslash means.
func literal(t testing.TB, text string) string {
	t.Helper()
	if strings.Contains(text, `\`) {
		t.Fatal("a text with a backslash means different things to databases")
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}
