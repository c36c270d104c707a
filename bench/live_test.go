package bench_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"rekey"
	"rekey/cmd/rekey/databases"
	"rekey/codestore/redisstore"
	"rekey/test/embedded"
	"rekey/test/servers"
)

// The numbers of live codes that are compared, each with the budgets of the address that asked for it.
const fewCodes, manyCodes = 1_000, 1_000_000

// liveName is the i-th name of something, as long as names are. Multiplying by an odd number scatters them as a keyed hash
// does, which the pages of an index must bear.
func liveName(what byte, i int) rekey.Name {
	return rekey.Name(fmt.Sprintf("%c%020x=", what, uint64(i)*0x9E3779B97F4A7C15))
}

// liveIssue asks for the code of the i-th number, as the service does but for a lifetime that outlasts the benchmark.
func liveIssue(i int) rekey.IssueRequest {
	return rekey.IssueRequest{
		Number: liveName('n', i), NewFlow: liveName('f', i), Account: liveName('a', i),
		Fingerprints: []rekey.Keyed{{Key: "00000001", Value: liveName('p', i)}},
		Key:          "00000001", Nonce: string(liveName('o', i)), Check: liveName('c', i),
		Lifetime: 24 * time.Hour, MaxAge: 24 * time.Hour, Intervals: []time.Duration{time.Minute},
		HourSends: 5, DaySends: 10, LiveFlows: 3, Guesses: 10,
	}
}

// liveGuess is a wrong guess at the i-th number's code; each is a request of its own.
func liveGuess(i, request int) rekey.Guess {
	return rekey.Guess{
		Number: liveName('n', i), Flow: liveName('f', i), Checks: []rekey.Keyed{{Key: "00000001", Value: liveName('w', i)}},
		Request: liveName('r', request), Guesses: 10, PoolGuesses: 3, Grace: 150 * time.Second,
	}
}

// liveCharges are those of a send to its address, under limits that nobody reaches.
func liveCharges(i int) []rekey.Charge {
	charge := func(window time.Duration) rekey.Charge {
		return rekey.Charge{Name: liveName('b', i), Kind: rekey.Rate, Limit: 1 << 20, Window: window, Cost: 1}
	}
	return []rekey.Charge{charge(10 * time.Minute), charge(24 * time.Hour)}
}

// filled is a store with so many live codes.
type filled struct {
	databases.Codes
	codes int
	next  int // a number that has none
	took  map[string][]float64
}

// BenchmarkByLiveCodes measures Issue, Guess and Take on a store with 1,000 and on one with 1,000,000 live codes and as many
// budgets, in turn, over one connection, two hundred times each in every round, and reports the medians and how they compare.
// Filling takes some minutes for all.
//
//	go test -run '^$' -bench ByLiveCodes -benchtime 20x ./bench/
func BenchmarkByLiveCodes(b *testing.B) {
	for name, open := range map[string]func(b *testing.B, codes int) databases.Codes{
		"Redis": filledRedis,
		"SQLite": func(b *testing.B, codes int) databases.Codes {
			return filledSQL(b, "sqlite:"+embedded.File(b.TempDir()), codes)
		},
		"PostgreSQL": func(b *testing.B, codes int) databases.Codes {
			return filledSQL(b, servers.PostgreSQL(b).DSN, codes)
		},
		"MariaDB": func(b *testing.B, codes int) databases.Codes {
			d := servers.MariaDB(b)
			// As much as a server for such a table would keep in memory; the default is 128 MiB.
			run(b, d.Admin().Open(b), "SET GLOBAL innodb_buffer_pool_size = 4294967296")
			return filledSQL(b, d.DSN, codes)
		},
	} {
		b.Run(name, func(b *testing.B) {
			var stores []*filled
			for _, codes := range []int{fewCodes, manyCodes} {
				s := &filled{Codes: open(b, codes), codes: codes, next: codes}
				stores = append(stores, s)
				s.measure(b, 1000) // once through, so that none begins cold
				s.took = map[string][]float64{}
			}
			for turn := 0; b.Loop(); turn++ {
				for i := range stores { // none is always the first
					stores[(i+turn)%len(stores)].measure(b, 200)
				}
			}
			for _, step := range []string{"Issue", "Guess", "Take"} {
				small, large := stores[0].took[step], stores[1].took[step]
				b.ReportMetric(median(large), step+"-µs")
				b.ReportMetric(median(ratios(large, small)), step+"-ratio")
			}
			b.ReportMetric(0, "ns/op") // of a round it says nothing
		})
	}
}

// some is a number at random among a thousand that lie apart from each other: in both stores each is met as often, and has
// as much behind it.
func (s *filled) some() int { return rand.IntN(fewCodes) * (s.codes / fewCodes) }

// measure takes each step so many times and keeps the medians in microseconds.
func (s *filled) measure(b *testing.B, times int) {
	b.Helper()
	ctx := context.Background()
	for step, take := range map[string]func() error{
		"Issue": func() error {
			s.next++
			issued, err := s.Issue(ctx, liveIssue(s.next))
			if err == nil && issued.Outcome != rekey.IssueMade {
				err = fmt.Errorf("%+v", issued)
			}
			return err
		},
		"Guess": func() error {
			v, err := s.Guess(ctx, liveGuess(s.some(), rand.Int()))
			if err == nil && v.Outcome != rekey.GuessWrong && v.Outcome != rekey.GuessExhausted {
				err = fmt.Errorf("%+v", v)
			}
			return err
		},
		"Take": func() error {
			_, err := s.Take(ctx, liveCharges(s.some())...)
			return err
		},
	} {
		took := make([]float64, times)
		for i := range took {
			began := time.Now()
			err := take()
			took[i] = float64(time.Since(began)) / float64(time.Microsecond)
			if err != nil {
				b.Fatal(step, err)
			}
		}
		if s.took == nil {
			s.took = map[string][]float64{}
		}
		s.took[step] = append(s.took[step], median(took))
	}
}

// renamed makes the documents of the i-th number or budget of those of the first, which a store has written: all that differs
// is names.
func renamed(i int) *strings.Replacer {
	var pairs []string
	for _, what := range []byte("nfapocb") {
		pairs = append(pairs, string(liveName(what, 0)), string(liveName(what, i)))
	}
	return strings.NewReplacer(pairs...)
}

// begin puts the first code and budget into a store.
func begin(b *testing.B, s databases.Codes) {
	b.Helper()
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	if issued, err := s.Issue(b.Context(), liveIssue(0)); err != nil || issued.Outcome != rekey.IssueMade {
		b.Fatal(issued, err)
	}
	if d, err := s.Take(b.Context(), liveCharges(0)...); err != nil || d.Refused >= 0 {
		b.Fatal(d, err)
	}
}

// filledSQL is a store in a database, with so many codes.
func filledSQL(b *testing.B, dsn string, codes int) databases.Codes {
	b.Helper()
	opened := databases.Set{Create: true}
	b.Cleanup(func() {
		if err := opened.Close(); err != nil {
			b.Error(err)
		}
	})
	s, err := opened.Codes(b.Context(), "codes.store", dsn)
	if err != nil {
		b.Fatal(err)
	}
	begin(b, s)
	db, err := opened.Open(b.Context(), "codes.store", dsn) // the same
	if err != nil {
		b.Fatal(err)
	}
	for _, table := range []string{"rekey_numbers", "rekey_budgets"} {
		var name, state string
		var expires int64
		if err := db.Write.QueryRowContext(b.Context(), "SELECT name, state, expires_at FROM "+table).Scan(&name, &state, &expires); err != nil {
			b.Fatal(err)
		}
		row := fmt.Sprintf("('%s', '%s', %d)", name, state, expires)
		insertRows(b, db.Write, table, row, codes)
		analyze := map[databases.Kind]string{databases.PostgreSQL: "VACUUM ANALYZE ", databases.MySQL: "ANALYZE TABLE "}[db.Kind]
		if analyze != "" {
			run(b, db.Write, analyze+table)
		}
	}
	return s
}

// insertRows inserts the rows after the first.
func insertRows(b *testing.B, db *sql.DB, table, row string, rows int) {
	b.Helper()
	const atOnce = 500
	tx, err := db.BeginTx(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	for i := 1; i < rows; i += atOnce {
		var text strings.Builder
		text.WriteString("INSERT INTO " + table + " (name, state, expires_at) VALUES ")
		for n := i; n < min(i+atOnce, rows); n++ {
			if n > i {
				text.WriteByte(',')
			}
			text.WriteString(renamed(n).Replace(row))
		}
		if _, err := tx.ExecContext(b.Context(), text.String()); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

// filledRedis is a store on a server of its own, with so many codes.
func filledRedis(b *testing.B, codes int) databases.Codes {
	b.Helper()
	client := servers.StartRedis(b).Client(b)
	s := redisstore.New(client, redisstore.Options{StepTime: time.Minute})
	begin(b, s)
	keys, err := client.Keys(b.Context(), "*").Result()
	if err != nil || len(keys) != 2 {
		b.Fatal(keys, err)
	}
	for _, key := range keys {
		value, err := client.Get(b.Context(), key).Result()
		if err != nil {
			b.Fatal(err)
		}
		const atOnce = 1000
		for i := 1; i < codes; i += atOnce {
			_, err := client.Pipelined(b.Context(), func(p redis.Pipeliner) error {
				for n := i; n < min(i+atOnce, codes); n++ {
					r := renamed(n)
					p.Set(b.Context(), r.Replace(key), r.Replace(value), 24*time.Hour)
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	return s
}

// BenchmarkTableBytes reports what a live code takes on a database server, and what a budget does, indexes included: the
// tables' size over 100,000 of each.
//
//	go test -run '^$' -bench TableBytes -benchtime 1x ./bench/
func BenchmarkTableBytes(b *testing.B) {
	const codes = 100_000
	for _, server := range []struct {
		start func(testing.TB) servers.Database
		size  string
	}{
		{servers.PostgreSQL, "SELECT pg_total_relation_size('%s')"},
		{servers.MariaDB, "SELECT data_length + index_length FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '%s'"},
	} {
		d := server.start(b)
		b.Run(d.Kind, func(b *testing.B) {
			filledSQL(b, d.DSN, codes)
			for b.Loop() {
				for what, table := range map[string]string{"code": "rekey_numbers", "budget": "rekey_budgets"} {
					var bytes float64
					if err := d.Open(b).QueryRowContext(b.Context(), fmt.Sprintf(server.size, table)).Scan(&bytes); err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(bytes/codes, "B/"+what)
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
