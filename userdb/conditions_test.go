package userdb_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"rekey/cmd/rekey/databases"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// Rows that are active in a column of some type, and such that are not.
func TestOfTheRowsThatAreThereTheActiveOnesAreFound(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		cases := []struct {
			columns, active string
			in, out         []string // SQL
		}{
			{"a BOOLEAN", "a", []string{"TRUE"}, []string{"FALSE", "NULL"}},
			{"a BOOLEAN", "a=0", []string{"FALSE"}, []string{"TRUE", "NULL"}},
			{"a BOOLEAN", "a=null", []string{"NULL"}, []string{"TRUE", "FALSE"}},
			{"a SMALLINT", "a", []string{"1", "2", "-1"}, []string{"0", "NULL"}},
			{"a INTEGER", "a=0", []string{"0"}, []string{"1", "NULL"}},
			{"a NUMERIC(3,0)", "a=-7", []string{"-7"}, []string{"7", "0", "NULL"}},
			{"a DOUBLE PRECISION", "a=0.5", []string{"0.5"}, []string{"0", "NULL"}},
			{"a CHAR(1), b CHAR(1)", "a=0, b=0", []string{"'0', '0'"}, []string{"'0', '2'", "'1', '0'", "'', '0'", "NULL, '0'"}},
			{"a INTEGER, b VARCHAR(9)", "a=0,b=in use", []string{"0, 'in use'"}, []string{"0, ''", "1, 'in use'", "0, 'x'", "0, NULL"}},
			{"a {time}", "a=null", []string{"NULL"}, []string{"CURRENT_TIMESTAMP"}},
			{"a DATE, b BOOLEAN", "b , a=NULL", []string{"NULL, TRUE"}, []string{"'2026-01-01', TRUE", "NULL, FALSE"}},
			{"a VARCHAR(40)", "a='; DROP TABLE users; --", []string{"'''; DROP TABLE users; --'"}, []string{"''"}},
			{"a INTEGER", "none", []string{"0", "1", "NULL"}, nil},
		}
		if d.Kind == databases.MySQL {
			cases = append(cases, []struct {
				columns, active string
				in, out         []string
			}{
				{"a BIT(1)", "a", []string{"b'1'"}, []string{"b'0'", "NULL"}},
				{"a BIT(1)", "a=1", []string{"b'1'"}, []string{"b'0'", "NULL"}},
				{"a TINYINT(1) UNSIGNED", "a=1", []string{"1"}, []string{"0", "2", "NULL"}},
				{"a ENUM('on', 'off', '0')", "a=on", []string{"'on'"}, []string{"'off'", "'0'", "NULL"}},
				{"a ENUM('on', '0')", "a=0", []string{"'0'"}, []string{"'on'", "NULL"}},
				{"a TIMESTAMP NULL", "a=null", []string{"NULL"}, []string{"CURRENT_TIMESTAMP"}},
			}...)
		}
		if d.Kind == databases.PostgreSQL {
			d.exec(t, "CREATE TYPE state AS ENUM ('on', 'off')")
			cases = append(cases, []struct {
				columns, active string
				in, out         []string
			}{
				{"a state", "a=on", []string{"'on'"}, []string{"'off'", "NULL"}},
				{"a BOOLEAN", "a=t", []string{"TRUE"}, []string{"FALSE", "NULL"}},
				{"a BIT(1)", "a=1", []string{"B'1'"}, []string{"B'0'", "NULL"}},
				{"a TIMESTAMPTZ", "a=null", []string{"NULL"}, []string{"CURRENT_TIMESTAMP"}},
			}...)
		}
		for i, c := range cases {
			name := fmt.Sprintf("users_%d", i) // a driver remembers the types of a statement
			what := c.columns + ", active = " + c.active
			d.exec(t, "CREATE TABLE "+name+" (id {id}, mobile VARCHAR(20), password VARCHAR(255), "+c.columns+")")
			table := d.table(t, userdb.Settings{Preset: "custom", Table: name, ID: "id", Mobile: "mobile", Password: "password",
				Active: c.active, HashFloor: userdbtest.Cheap})
			hash := userdbtest.Hash(t, userdbtest.Cheap, oldOne)
			for _, row := range slices.Concat(c.in, c.out) {
				d.exec(t, "DELETE FROM "+name)
				exec(t, d.own, d.sql("INSERT INTO "+name+" VALUES (1, ?, ?, ")+row+")", somebody, hash)
				found, err := table.Find(t.Context(), number(t, somebody))
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				if in := slices.Contains(c.in, row); (len(found) == 1) != in {
					t.Errorf("%s: %s is found: %v", what, row, !in)
				} else if in {
					if err := table.SetPassword(t.Context(), found[0], newOne); err != nil {
						t.Errorf("%s: %s: %v", what, row, err)
					}
				}
			}
		}
	})
}

func TestAConditionThatAColumnCanNeverMeetIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		d.exec(t, `CREATE TABLE users (id {id}, mobile VARCHAR(20), password VARCHAR(255), is_active BOOLEAN, status INTEGER,
			kind CHAR(1), score DOUBLE PRECISION, gone {time})`)
		for _, active := range []string{
			"status=active", "status=", "status=0x1", "status=1.5", "status=99999999999999999999", "status= 1 OR 1", "score=many",
			"is_active=banana", "kind", "gone", "score", "missing", "missing=null", "kind=0,missing",
		} {
			_, err := userdb.New(t.Context(), d.options(userdb.Settings{Active: active}))
			if keys(t, err) != "active" {
				t.Errorf("%s: %v", active, err)
			} else if column, _, _ := strings.Cut(active, "="); !strings.Contains(err.Error(), strings.TrimPrefix(column, "kind=0,")) && column != "kind" {
				t.Errorf("%s: the error does not name the column: %v", active, err)
			}
		}
		if d.Kind != databases.PostgreSQL {
			return
		}
		// What only the database can tell is told when the service is made ready.
		d.exec(t, "CREATE TYPE state AS ENUM ('on', 'off')")
		d.exec(t, "ALTER TABLE users ADD COLUMN state state")
		table, err := userdb.New(t.Context(), d.options(userdb.Settings{Active: "state=of"}))
		if err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{"Ping": table.Ping(t.Context()), "Rehearse": table.Rehearse(t.Context())} {
			if err == nil || !strings.Contains(err.Error(), "state") {
				t.Errorf("%s: %v, want that there is no such state", what, err)
			}
		}
	})
}
