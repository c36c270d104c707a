package bench_test

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"rekey"
	"rekey/cmd/rekey/databases"
	"rekey/test/servers"
	"rekey/userdb"
)

func TestMain(m *testing.M) { os.Exit(servers.Run(m)) }

// The sizes that are compared, in rows of a table as Django makes it.
const few, many = 100_000, 5_000_000

// fill makes a users table of rows people and an index on the number, as a model with a unique mobile has it. The hashes
// are not real: a check looks at their form only.
const fill = `CREATE TABLE %[1]s (
	id BIGINT NOT NULL PRIMARY KEY, password VARCHAR(128) NOT NULL, mobile VARCHAR(11) NOT NULL,
	is_active BOOLEAN NOT NULL, name VARCHAR(150) NOT NULL);
INSERT INTO %[1]s SELECT n, CONCAT('pbkdf2_sha256$600000$c2FsdHNhbHQ', n, '$kRSRa0pS5cNGKNSVYbzMM4N05mg1rvUsvJUsB2hQxhE='),
	CONCAT('1', 3000000000 + n * 7), TRUE, CONCAT('user ', n) FROM %[2]s;
CREATE UNIQUE INDEX %[1]s_mobile ON %[1]s (mobile);
ANALYZE %[3]s %[1]s`

// BenchmarkFindByRows measures the select behind a check at 100,000 and at 5,000,000 rows in turn, over one connection, a
// thousand times each in every round, and reports how the medians compare. Filling the larger table takes a minute or two.
//
//	go test -run '^$' -bench FindByRows -benchtime 20x ./bench/
func BenchmarkFindByRows(b *testing.B) {
	for name, start := range map[string]func(testing.TB) servers.Database{
		"PostgreSQL": servers.PostgreSQL, "MariaDB": servers.MariaDB,
	} {
		b.Run(name, func(b *testing.B) {
			database := start(b)
			admin, series, analyze := database.Admin().Open(b), "generate_series(1, %d) AS n", ""
			dialect := userdb.PostgreSQL()
			if database.Kind == servers.MySQL {
				dialect, series, analyze = userdb.MySQL(), "(SELECT seq AS n FROM seq_1_to_%d) AS numbers", "TABLE"
				// As much of the index as a server for such a table would keep in memory; the default is 128 MiB.
				run(b, admin, "SET GLOBAL innodb_buffer_pool_size = 2147483648")
			}
			owner := database.Open(b)
			tables := map[int]*userdb.Table{}
			var opened databases.Set
			b.Cleanup(func() {
				if err := opened.Close(); err != nil {
					b.Error(err)
				}
			})
			for _, rows := range []int{few, many} {
				table := fmt.Sprintf("users_%d", rows)
				run(b, owner, fmt.Sprintf(fill, table, fmt.Sprintf(series, rows), analyze))
				tables[rows] = open(b, &opened, database, dialect, table)
			}
			for _, rows := range []int{many, few} { // once through each, so that none begins cold
				measure(b, tables[rows], rows, 20_000)
			}
			var medians [2][]float64
			for b.Loop() {
				medians[0] = append(medians[0], measure(b, tables[few], few, 1000))
				medians[1] = append(medians[1], measure(b, tables[many], many, 1000))
			}
			of := func(all []float64) float64 { slices.Sort(all); return all[len(all)/2] }
			b.ReportMetric(of(medians[0]), "µs/100k")
			b.ReportMetric(of(medians[1]), "µs/5M")
			b.ReportMetric(of(medians[1])/of(medians[0]), "ratio")
		})
	}
}

func run(b *testing.B, db *sql.DB, query string) {
	b.Helper()
	if _, err := db.ExecContext(b.Context(), query); err != nil {
		b.Fatal(err)
	}
}

func open(b *testing.B, opened *databases.Set, database servers.Database, dialect userdb.Dialect, table string) *userdb.Table {
	b.Helper()
	db, err := opened.Open(b.Context(), "users.dsn", database.DSN)
	if err != nil {
		b.Fatal(err)
	}
	users, err := userdb.New(b.Context(), userdb.Options{
		Read: db.Read, Write: db.Write, Dialect: dialect, Settings: userdb.Settings{Preset: "django", Table: table},
	})
	if err != nil {
		b.Fatal(err)
	}
	return users
}

// measure finds people at random and returns the median in microseconds.
func measure(b *testing.B, users *userdb.Table, rows, times int) float64 {
	b.Helper()
	took := make([]float64, times)
	for i := range took {
		n, err := rekey.ChinaMobile(fmt.Sprintf("1%d", 3_000_000_000+(rand.IntN(rows)+1)*7))
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		found, err := users.Find(context.Background(), n)
		took[i] = float64(time.Since(start)) / float64(time.Microsecond)
		if err != nil || len(found) != 1 {
			b.Fatalf("%d accounts, %v", len(found), err)
		}
	}
	slices.Sort(took)
	return math.Round(took[times/2]*10) / 10
}
