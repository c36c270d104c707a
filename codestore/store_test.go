package codestore_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	_ "modernc.org/sqlite"

	"rekey/codestore"
	"rekey/codestore/codestoretest"
	"rekey/test/servers"
)

func TestMemoryConforms(t *testing.T) {
	t.Parallel()
	codestoretest.Run(t, codestoretest.Harness{
		Case: synctest.Test,
		Open: func(t *testing.T) codestoretest.Instance {
			s := codestore.NewMemory()
			return codestoretest.Instance{
				Store:   s,
				Advance: time.Sleep,
				Reopen:  func() codestoretest.Store { return s },
				Close:   func() { s.Close() },
			}
		},
	})
}

func TestSQLiteConforms(t *testing.T) {
	t.Parallel()
	codestoretest.Run(t, codestoretest.Harness{
		Open: func(t *testing.T) codestoretest.Instance {
			file := filepath.Join(t.TempDir(), "codes.db")
			db, s := openSQLite(t, file)
			return codestoretest.Instance{
				Store:   s,
				Advance: func(d time.Duration) { codestoretest.Age(t, db, d) },
				Reopen: func() codestoretest.Store {
					_, again := openSQLite(t, file)
					return again
				},
				Close: func() { s.Close() },
			}
		},
	})
}

func TestMain(m *testing.M) { os.Exit(servers.Run(m)) }

// stepTime is the bound of a step on a machine of any speed, over that which SQLite waits for its lock.
const stepTime = time.Minute

func writer(t testing.TB, file, pragmas string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_txlock=immediate&_pragma=busy_timeout(50000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"+pragmas)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func openSQLite(t testing.TB, file string) (*sql.DB, *codestore.Store) {
	t.Helper()
	db := writer(t, file, "")
	ctx := context.Background()
	if err := codestore.Migrate(ctx, db, codestore.SQLite()); err != nil {
		t.Fatal(err)
	}
	s, err := codestore.NewSQL(ctx, db, codestore.SQLite(), stepTime)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return db, s
}
