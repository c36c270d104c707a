package databases

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"

	"modernc.org/sqlite"
)

// busyTimeout is how long a statement waits for another process that writes, in milliseconds: rekey user import holds
// the lock while it stores, a second or two for 100,000 rows.
const busyTimeout = 5000

// fileName judges what stands behind sqlite:, as Parse does.
func fileName(path string) error {
	switch {
	case path == "" || strings.HasSuffix(path, "/"):
		return errors.New(`must be sqlite: and a file, such as "sqlite:rekey.db"`)
	case strings.HasPrefix(path, ":") || strings.HasPrefix(path, "//") || strings.ContainsRune(path, '?'):
		return errors.New(`must be sqlite: and the path of a file, without options, such as "sqlite:/var/lib/rekey/rekey.db"`)
	case strings.ContainsFunc(path, unicode.IsControl):
		return errors.New("has a control character in its path; remove it")
	}
	return nil
}

// resolved is the file, with one spelling for each.
func (s Source) resolved() (string, error) {
	path, err := filepath.Abs(s.file)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path, nil
}

func sqliteWriter(path string) (driver.Connector, error) {
	return sqlite.NewConnector(sqliteAddress(path) + "&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_txlock=immediate")
}

func sqliteReader(path string) (driver.Connector, error) {
	return sqlite.NewConnector(sqliteAddress(path) + "&_pragma=query_only(1)")
}

func sqliteAddress(path string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + fmt.Sprintf("?_pragma=busy_timeout(%d)", busyTimeout)
}

// openFile opens a SQLite file, and makes it where create says so.
//
// The file is made for its owner alone, since it will hold password hashes; SQLite gives its companions (-wal, -shm) the
// same rights. The log is a WAL, so that readers never wait, at synchronous=NORMAL: a power cut may forget the last
// second of codes. The users table asks for more where it writes (package userdb).
func openFile(ctx context.Context, path string, create bool) (*DB, error) {
	if err := writable(path, create); err != nil {
		return nil, err
	}
	writer, err := sqliteWriter(path)
	if err != nil {
		return nil, err
	}
	return openPools(ctx, path, writer)
}

// openTheirFile opens the SQLite file of an application. How its journal is kept is a property of the file, and the
// application's to choose.
func openTheirFile(ctx context.Context, path string) (*DB, error) {
	if err := writable(path, false); err != nil {
		return nil, err
	}
	writer, err := sqlite.NewConnector(sqliteAddress(path) + "&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	db, err := openPools(ctx, path, writer)
	if err != nil {
		return nil, err
	}
	if err := takesWrites(ctx, db.Write); err != nil {
		remedy := "give this user the right to write to the folder too, where SQLite keeps a journal beside the file"
		if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code()&0xff == busy {
			remedy = "see which other process has been writing to it for so long"
		}
		return nil, errors.Join(fmt.Errorf("%s can't be written to: %w; %s", path, err, remedy), db.close())
	}
	return db, nil
}

// busy is SQLITE_BUSY, the lowest byte of its extended codes (sqlite.org/rescode.html).
const busy = 5

// takesWrites fails unless a transaction can begin to write: with the journal that SQLite has by default, each makes a
// file of its own in the folder, which nobody asks for before. What it writes is what stands there, and is rolled back.
func takesWrites(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	var version int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version)); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Rollback()
}

// writable fails unless the file can be written to; create makes it.
func writable(path string, create bool) error {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	found, err := os.OpenFile(path, flags, 0o600)
	if !create && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is not there; run in the service's folder or give --config", path)
	}
	if err != nil {
		return fmt.Errorf("%s can't be opened for writing: %w; give this user the right to it, or name another file", path, bare(err))
	}
	return found.Close()
}

// openPools opens the two pools of a file.
func openPools(ctx context.Context, path string, writer driver.Connector) (*DB, error) {
	reader, err := sqliteReader(path)
	if err != nil {
		return nil, err
	}
	db := &DB{Kind: SQLite, Read: sql.OpenDB(reader), Write: sql.OpenDB(writer)}
	db.Write.SetMaxOpenConns(1)
	readers := max(4, runtime.NumCPU())
	db.Read.SetMaxOpenConns(readers)
	db.Read.SetMaxIdleConns(readers)

	var mode string
	if err := db.Write.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return nil, errors.Join(fmt.Errorf("%s can't be used as a SQLite file: %w; see whether it is one, or name another", path, err), db.close())
	}
	return db, nil
}

// bare is why a file can't be opened, without its path, which stands beside it already.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
