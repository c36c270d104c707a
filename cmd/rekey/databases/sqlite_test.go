package databases

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOneFileOfUsersAndCodesIsOnePool(t *testing.T) {
	t.Parallel()
	s := Set{Create: true}
	path := filepath.Join(t.TempDir(), "a b%.db")
	users, err := s.Open(t.Context(), "users.dsn", "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	codes, err := s.Open(t.Context(), "codes.store", "sqlite:"+filepath.Join(filepath.Dir(path), ".", "x", "..", "a b%.db"))
	if err != nil {
		t.Fatal(err)
	}
	if users != codes {
		t.Error("one file was opened twice")
	}
	for query, want := range map[string]string{
		"PRAGMA journal_mode": "wal", "PRAGMA synchronous": "1", "PRAGMA busy_timeout": "5000", "PRAGMA query_only": "0",
	} {
		var got string
		if err := users.Write.QueryRowContext(t.Context(), query).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, %v, want %s", query, got, err, want)
		}
	}
	if _, err := users.Read.ExecContext(t.Context(), "CREATE TABLE t (x)"); err == nil {
		t.Error("the pool of readers writes")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestTheFileOfAnApplicationStaysAsItIs(t *testing.T) {
	t.Parallel()
	var s Set
	path := filepath.Join(t.TempDir(), "app.sqlite3")
	if _, err := s.OpenTheirs(t.Context(), "users.dsn", "sqlite:"+path); err == nil {
		t.Fatal("a file that is not there was made")
	}
	for _, journal := range []string{"delete", "wal"} {
		theirs, err := sql.Open("sqlite", sqliteAddress(path))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := theirs.ExecContext(t.Context(), "PRAGMA journal_mode = "+journal+"; CREATE TABLE IF NOT EXISTS t (x)"); err != nil {
			t.Fatal(err)
		}
		db, err := s.OpenTheirs(t.Context(), "users.dsn", "sqlite:"+path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Write.ExecContext(t.Context(), "INSERT INTO t VALUES (1)"); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		var got string
		if err := theirs.QueryRowContext(t.Context(), "PRAGMA journal_mode").Scan(&got); err != nil || got != journal {
			t.Errorf("its journal is %s, %v, want %s as before", got, err, journal)
		}
		if err := theirs.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestAFileThatTakesNoWritesIsNotOpened has a link to nowhere in place of the journal, which SQLite does not follow: the
// tests may run as root, whom no right keeps from writing to a folder.
func TestAFileThatTakesNoWritesIsNotOpened(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.sqlite3")
	theirs, err := sql.Open("sqlite", sqliteAddress(path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.ExecContext(t.Context(), "CREATE TABLE t (x)"); err != nil {
		t.Fatal(err)
	}
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	opens := func() error {
		t.Helper()
		var s Set
		_, err := s.OpenTheirs(t.Context(), "users.dsn", "sqlite:"+path)
		if closed := s.Close(); closed != nil {
			t.Error(closed)
		}
		return err
	}
	if err := os.Symlink("nowhere", path+"-journal"); err != nil {
		t.Fatal(err)
	}
	if err := opens(); err == nil || !strings.HasPrefix(err.Error(), "users.dsn: "+path+" can't be written to: ") || !strings.Contains(err.Error(), "the folder too") {
		t.Errorf("it says %v", err)
	}
	if err := os.Remove(path + "-journal"); err != nil {
		t.Fatal(err)
	}
	if err := opens(); err != nil {
		t.Error(err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("opening it changed the file, %v", err)
	}
}
