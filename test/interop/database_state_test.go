package interop_test

import (
	"slices"
	"testing"
)

// TestStateSeesTheLeastChange holds the instrument to its word: what it does not see, no test here would.
func TestStateSeesTheLeastChange(t *testing.T) {
	t.Parallel()
	types := map[string]string{
		"sqlite":   "words TEXT, bytes BLOB, instant DATETIME, amount DECIMAL(12, 4)",
		"postgres": "words TEXT, bytes BYTEA, instant TIMESTAMPTZ, amount NUMERIC(12, 4)",
		"mysql":    "words VARCHAR(20), bytes VARBINARY(20), instant DATETIME(6), amount DECIMAL(12, 4)",
	}
	bytes := map[string]string{"sqlite": "X'00FF'", "postgres": "'\\x00ff'", "mysql": "X'00FF'"}
	for engine, columns := range types {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t, engine)
			db := d.open(t)
			exec := func(statement string) {
				t.Helper()
				if _, err := db.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			exec("CREATE TABLE people (id INTEGER PRIMARY KEY, " + columns + ")")
			exec("INSERT INTO people VALUES (1, 'a', " + bytes[engine] + ", '2026-01-02 03:04:05.000006', 1.5), (2, NULL, NULL, NULL, NULL)")
			tables := map[string]string{"people": "id"}
			for _, change := range []struct{ statement, place string }{
				{"UPDATE people SET words = 'a ' WHERE id = 1", "people[1].words"},
				{"UPDATE people SET words = 'A ' WHERE id = 1", "people[1].words"},
				{"UPDATE people SET words = '' WHERE id = 2", "people[2].words"},
				{"UPDATE people SET words = 'NULL' WHERE id = 2", "people[2].words"},
				{"UPDATE people SET bytes = '' WHERE id = 1", "people[1].bytes"},
				{"UPDATE people SET instant = '2026-01-02 03:04:05.000007' WHERE id = 1", "people[1].instant"},
				{"UPDATE people SET amount = 1.5001 WHERE id = 1", "people[1].amount"},
			} {
				before := d.state(t, db, tables)
				others, count, row := d.digest(t, db, "people", "id", "2")
				exec(change.statement)
				if got := before.changes(d.state(t, db, tables)); !slices.Equal(got, []string{change.place}) {
					t.Errorf("%s: changed %q", change.statement, got)
				}
				othersNow, countNow, rowNow := d.digest(t, db, "people", "id", "2")
				one := change.place[:len("people[1]")] == "people[1]"
				if (others != othersNow) != one || (len(row.changes(rowNow)) > 0) == one || count != 1 || countNow != 1 {
					t.Errorf("%s: the digest of the other rows and the row itself: changed %t, %q", change.statement,
						others != othersNow, row.changes(rowNow))
				}
			}
			before := d.state(t, db, tables)
			exec("DELETE FROM people WHERE id = 1")
			gone := before.changes(d.state(t, db, tables))
			exec("INSERT INTO people (id) VALUES (3)")
			if now := before.changes(d.state(t, db, tables)); len(gone) != 5 || len(now) != 10 {
				t.Errorf("a row gone: %q; and another come: %q", gone, now)
			}
		})
	}
}
