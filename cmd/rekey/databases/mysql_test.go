package databases

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"rekey/test/servers"
)

// fails runs a statement that must fail with an error of the server's.
func fails(t *testing.T, db *DB, number uint16, statement string, args ...any) {
	t.Helper()
	_, err := db.Write.ExecContext(t.Context(), statement, args...)
	if e, ok := errors.AsType[*mysql.MySQLError](err); !ok || e.Number != number {
		t.Errorf("%s: %v, want the error %d", statement, err, number)
	}
}

// TestAnUpdateTellsTheRowsThatItMatched writes what the row has already: MySQL by itself would count no row (T20).
func TestAnUpdateTellsTheRowsThatItMatched(t *testing.T) {
	t.Parallel()
	db := open(t, servers.MariaDB(t).DSN).Write
	run(t, db, "CREATE TABLE people (id INTEGER PRIMARY KEY, password VARCHAR(20))")
	run(t, db, "INSERT INTO people VALUES (1, 'same')")
	for id, want := range map[int]int64{1: 1, 2: 0} {
		result, err := db.ExecContext(t.Context(), "UPDATE people SET password = ? WHERE id = ?", "same", id)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := result.RowsAffected(); err != nil || n != want {
			t.Errorf("row %d: %d matched, %v, want %d", id, n, err, want)
		}
	}
}

// TestTheServersOwnSettingsDecideNothing has a server as lax and strange as one can be set up: what is too long for its column
// is refused all the same, and texts are what they are.
func TestTheServersOwnSettingsDecideNothing(t *testing.T) {
	t.Parallel()
	server := servers.StartMariaDB(t)
	d := server.NewDatabase(t)
	admin := d.Admin().Open(t)
	run(t, admin, "SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PIPES_AS_CONCAT,PAD_CHAR_TO_FULL_LENGTH'")
	run(t, admin, "SET GLOBAL init_connect = 'SET NAMES gbk'")
	db := open(t, d.DSN)
	if got := one[string](t, db.Read, "SELECT @@sql_mode"); got != "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION" {
		t.Errorf("the mode is %s", got)
	}
	for _, engine := range []string{"InnoDB", "MyISAM"} {
		run(t, db.Write, "CREATE TABLE people"+engine+" (password VARCHAR(8)) ENGINE="+engine)
		fails(t, db, 1406, "INSERT INTO people"+engine+" VALUES (?)", "123456789") // ER_DATA_TOO_LONG
	}
	const text = `a\'b" 密码😀`
	if got := one[string](t, db.Read, "SELECT ?", text); got != text {
		t.Errorf("%s comes back as %s", text, got)
	}
	if n := one[int](t, db.Read, "SELECT CHAR_LENGTH(?)", text); n != 9 {
		t.Errorf("%s has %d characters", text, n)
	}
}

// TestValuesSurviveAServerThatTakesBackslashesAsTheyAre: the driver puts values into the statement, and is told by the
// server how.
func TestValuesSurviveAServerThatTakesBackslashesAsTheyAre(t *testing.T) {
	t.Parallel()
	db := open(t, source(t, servers.MariaDB(t), "pool_max=1")).Write
	run(t, db, "SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES'")
	const evil = `\' OR 1=1 -- \"`
	if got := one[string](t, db, "SELECT ?", evil); got != evil {
		t.Errorf("%s comes back as %s", evil, got)
	}
}

func TestTheServerGetsNoFileAndOneStatementAtATime(t *testing.T) {
	t.Parallel()
	db := open(t, servers.MariaDB(t).DSN)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("canary\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, db.Write, "CREATE TABLE loot (line VARCHAR(100))")
	_, err := db.Write.ExecContext(t.Context(), fmt.Sprintf("LOAD DATA LOCAL INFILE '%s' INTO TABLE loot", file))
	if err == nil {
		t.Error("a file of this machine was loaded")
	}
	if n := one[int](t, db.Read, "SELECT COUNT(*) FROM loot"); n != 0 {
		t.Errorf("%d lines were loaded", n)
	}
	fails(t, db, 1064, "INSERT INTO loot VALUES ('a'); DROP TABLE loot") // ER_PARSE_ERROR
	if _, err := db.Write.ExecContext(t.Context(), "INSERT INTO loot VALUES ('"+strings.Repeat("x", largestStatement)+"')"); !errors.Is(err, mysql.ErrPktTooLarge) {
		t.Errorf("a statement of %d bytes: %v", largestStatement, err)
	}
}

func TestTimesAreReadAsTheSessionShowsThem(t *testing.T) {
	t.Parallel()
	db := open(t, servers.MariaDB(t).DSN).Write
	if got, want := one[string](t, db, "SELECT @@session.time_zone"), one[string](t, db, "SELECT @@global.time_zone"); got != want {
		t.Errorf("the session's zone is %s and the server's %s", got, want)
	}
	want := time.Date(2026, 7, 1, 12, 30, 0, 0, time.UTC)
	if got := one[time.Time](t, db, "SELECT CAST(? AS DATETIME)", want); !got.Equal(want) {
		t.Errorf("%v comes back as %v", want, got)
	}
	if got := one[time.Time](t, db, "SELECT TIMESTAMP('2026-07-01 12:30:00')"); !got.Equal(want) {
		t.Errorf("12:30 is read as %v", got)
	}
}

// TestAServerThatBecameReadOnlyLosesItsConnections plays a failover, after which the next connection is to a server that can
// be written to.
func TestAServerThatBecameReadOnlyLosesItsConnections(t *testing.T) {
	t.Parallel()
	db := open(t, source(t, servers.MariaDB(t), "pool_max=1")).Write
	run(t, db, "CREATE TABLE marks (n INTEGER)")
	demoted := one[int64](t, db, "SELECT CONNECTION_ID()")
	run(t, db, "SET SESSION TRANSACTION READ ONLY")
	run(t, db, "INSERT INTO marks VALUES (1)")
	if n := one[int](t, db, "SELECT COUNT(*) FROM marks"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
	if one[int64](t, db, "SELECT CONNECTION_ID()") == demoted {
		t.Error("the connection is the same")
	}
}

// A server may be set to leave the end of each transaction to its clients. A connection that reads outside one would then
// read for ever what it read first.
func TestAReadSeesWhatOthersWroteWhateverAutocommitIs(t *testing.T) {
	t.Parallel()
	s := servers.StartMariaDB(t)
	d := s.NewDatabase(t)
	own := d.Admin().Open(t)
	for _, statement := range []string{"SET GLOBAL autocommit = 0", "CREATE TABLE t (x INT) ENGINE=InnoDB", "INSERT INTO t VALUES (1)", "COMMIT"} {
		if _, err := own.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	var all Set
	defer all.Close()
	db, err := all.Open(t.Context(), "users.dsn", d.DSN+"?connect_timeout=60&pool_max=1")
	if err != nil {
		t.Fatal(err)
	}
	for want := 1; want <= 3; want++ {
		var x int
		if err := db.Read.QueryRowContext(t.Context(), "SELECT x FROM t").Scan(&x); err != nil || x != want {
			t.Fatalf("read %d, %v, want %d", x, err, want)
		}
		for _, statement := range []string{"UPDATE t SET x = x + 1", "COMMIT"} {
			if _, err := own.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
}
