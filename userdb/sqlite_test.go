package userdb_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"modernc.org/sqlite"

	"rekey"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// spy stands between database/sql and the driver: it writes down what is executed and lets a statement fail, before
// or after it had its effect.
type spy struct {
	dsn string

	mu         sync.Mutex
	statements []string
	opened     int
	before     func(statement string) error
	after      func(statement string) error
}

func (s *spy) Driver() driver.Driver { return &sqlite.Driver{} }

func (s *spy) Connect(context.Context) (driver.Conn, error) {
	conn, err := s.Driver().Open(s.dsn)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	return spiedConn{conn, s}, nil
}

// run is exec with the spy's word before and after it.
func (s *spy) run(statement string, exec func() error) error {
	s.mu.Lock()
	s.statements = append(s.statements, statement)
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil {
		if err := before(statement); err != nil {
			return err
		}
	}
	if err := exec(); err != nil {
		return err
	}
	if after != nil {
		return after(statement)
	}
	return nil
}

// set sets what fails from now on, and forgets the statements so far.
func (s *spy) set(before, after func(string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statements, s.before, s.after = nil, before, after
}

func (s *spy) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.statements)
}

type spiedConn struct {
	driver.Conn
	spy *spy
}

func (c spiedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (result driver.Result, err error) {
	err = c.spy.run(query, func() (err error) {
		result, err = c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
		return err
	})
	return result, err
}

func (c spiedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (rows driver.Rows, err error) {
	err = c.spy.run(query, func() (err error) {
		rows, err = c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
		return err
	})
	return rows, err
}

func (c spiedConn) PrepareContext(ctx context.Context, query string) (statement driver.Stmt, err error) {
	err = c.spy.run(query, func() (err error) {
		statement, err = c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
		return err
	})
	return statement, err
}

// spied is an embedded table with one user, whose writer is watched.
func spied(t *testing.T) (*userdb.Embedded, userdb.Options, *spy, rekey.Account) {
	t.Helper()
	file := newFile(t)
	s := &spy{dsn: address(file) + pragmas}
	write := sql.OpenDB(s)
	write.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := write.Close(); err != nil {
			t.Error(err)
		}
	})
	o := userdb.Options{Read: connect(t, file, pragmas), Write: write, Dialect: userdb.SQLite(),
		Settings: userdb.Settings{Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap}}
	e := embedded(t, o)
	add(t, e, "13800000001")
	return e, o, s, account(t, e, "13800000001")
}

func TestAResetIsOnDiskAndTheSharedWriterIsAsItWas(t *testing.T) {
	t.Parallel()
	e, o, s, a := spied(t)
	s.set(nil, nil)
	if err := e.SetPassword(t.Context(), a, "New456"); err != nil {
		t.Fatal(err)
	}
	changes := slices.DeleteFunc(s.seen(), func(statement string) bool { // PRAGMA without a value only looks
		return strings.HasPrefix(statement, "PRAGMA") && !strings.Contains(statement, "=")
	})
	if len(changes) != 7 {
		t.Fatalf("statements: %q", changes)
	}
	changes[3], _, _ = strings.Cut(changes[3], " ")
	want := []string{"PRAGMA synchronous = 2", "PRAGMA busy_timeout = 50", "BEGIN IMMEDIATE", "UPDATE", "COMMIT",
		"PRAGMA synchronous = 1", "PRAGMA busy_timeout = 5000"}
	if !slices.Equal(changes, want) {
		t.Errorf("statements: %q, want %q", changes, want)
	}
	checkWriter(t, o.Write)
	if s.opened != 1 {
		t.Errorf("%d connections were opened", s.opened)
	}
}

// checkWriter fails unless the writer's connection is as it was opened, and outside of a transaction.
func checkWriter(t *testing.T, write *sql.DB) {
	t.Helper()
	for pragma, want := range map[string]int{"synchronous": 1, "busy_timeout": 5000} {
		var got int
		if err := write.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %d, want %d (%v)", pragma, got, want, err)
		}
	}
	tx, err := write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatalf("a transaction is open: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
}

func TestT17_WhereverAResetIsCutTheTableIsWholeAndTheWriterWorks(t *testing.T) {
	t.Parallel()
	lost := errors.New("the answer is lost")
	for _, c := range []struct {
		statement string
		after     bool // the statement has its effect, only its answer is lost
		set       bool // the password
		succeeds  bool
	}{
		{statement: "PRAGMA synchronous"},
		{statement: "PRAGMA synchronous = 2"},
		{statement: "PRAGMA synchronous = 2", after: true},
		{statement: "PRAGMA busy_timeout = 50", after: true},
		{statement: "BEGIN IMMEDIATE"},
		{statement: "BEGIN IMMEDIATE", after: true},
		{statement: "UPDATE"},
		{statement: "UPDATE", after: true},
		{statement: "COMMIT"},
		{statement: "COMMIT", after: true, set: true}, // told as a failure: the next Find tells
		{statement: "PRAGMA synchronous = 1", set: true, succeeds: true},
		{statement: "PRAGMA busy_timeout = 5000", set: true, succeeds: true},
	} {
		t.Run(fmt.Sprintf("%s/%v", c.statement, c.after), func(t *testing.T) {
			t.Parallel()
			e, o, s, a := spied(t)
			fail := func(statement string) error {
				if statement == c.statement || c.statement == "UPDATE" && strings.HasPrefix(statement, "UPDATE") {
					return lost
				}
				return nil
			}
			if c.after {
				s.set(nil, fail)
			} else {
				s.set(fail, nil)
			}
			err := e.SetPassword(t.Context(), a, "New456")
			s.set(nil, nil)
			switch {
			case c.succeeds && err != nil:
				t.Errorf("the reset is committed, and told as %v", err)
			case !c.succeeds && (!errors.Is(err, lost) || errors.Is(err, rekey.ErrStale)):
				t.Errorf("%v, want the plain cause", err)
			}
			if has(t, e, "13800000001", "New456") != c.set || has(t, e, "13800000001", "Abc123") == c.set {
				t.Error("the password is not what it must be")
			}
			checkWriter(t, o.Write)
			if err := e.SetPassword(t.Context(), account(t, e, "13800000001"), "Again789"); err != nil {
				t.Errorf("the next reset: %v", err)
			}
		})
	}
}

func TestAContextEndsTheWaitForALock(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	// An hour's patience: if the context had no say, this test would not end.
	const patient = "?_pragma=busy_timeout(3600000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"
	o := userdb.Options{Read: connect(t, file, patient), Write: writer(t, file, patient), Dialect: userdb.SQLite(),
		Settings: userdb.Settings{Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap}}
	e := embedded(t, o)
	add(t, e, "13800000001")
	a := account(t, e, "13800000001")
	unlock := lock(t, file)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := e.SetPassword(ctx, a, "New456"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the context's end", err)
	}
	// Whoever reads does not wait.
	if !has(t, e, "13800000001", "Abc123") {
		t.Error("the password changed")
	}
	unlock()
	if err := e.SetPassword(t.Context(), a, "New456"); err != nil {
		t.Errorf("after the lock: %v", err)
	}
}

// lock holds the database's write lock, as another process would.
func lock(t *testing.T, file string) (unlock func()) {
	t.Helper()
	db := connect(t, file, pragmas+"&_txlock=immediate")
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

func TestT42_ALockedDatabaseIsToldAndNothingIsWritten(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	const impatient = "?_pragma=busy_timeout(20)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"
	o := userdb.Options{Read: connect(t, file, impatient), Write: writer(t, file, impatient), Dialect: userdb.SQLite(),
		Settings: userdb.Settings{Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap}}
	e := embedded(t, o)
	add(t, e, "13800000001")
	unlock := lock(t, file)
	wantFault(t, e, "locked")
	unlock()
	wantWorking(t, e)
}

func TestT42_AReadOnlyDatabaseIsToldAndNothingIsWritten(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	read, write := open(t, file)
	settings := userdb.Settings{Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap}
	add(t, embedded(t, userdb.Options{Read: read, Write: write, Dialect: userdb.SQLite(), Settings: settings}), "13800000001")

	const readOnly = "?mode=ro&_pragma=busy_timeout(5000)"
	o := userdb.Options{Read: connect(t, file, readOnly), Write: writer(t, file, readOnly), Dialect: userdb.SQLite(), Settings: settings}
	wantFault(t, embedded(t, o), "readonly") // a schema that is up to date needs no writing

	o.Write = write
	wantWorking(t, embedded(t, o))
}

func TestT42_AFullDatabaseIsToldAndNothingIsWritten(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	read, write := open(t, file)
	o := userdb.Options{Read: read, Write: write, Dialect: userdb.SQLite(),
		Settings: userdb.Settings{Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap}}
	e := embedded(t, o)
	add(t, e, "13800000001")
	exec(t, o.Write, "ALTER TABLE users ADD COLUMN note BLOB")
	// The page that holds the row is filled up, and the file may not grow: the longer hash has no place.
	exec(t, o.Write, "UPDATE users SET password = 'pbkdf2_sha256$1000$a$' || substr(password, -43) || '='")
	var page int
	if err := o.Write.QueryRowContext(t.Context(), "PRAGMA page_size").Scan(&page); err != nil {
		t.Fatal(err)
	}
	// SQLite keeps a row on its page while it takes at most the page less 35 bytes; a longer one needs another page.
	exec(t, o.Write, "UPDATE users SET note = zeroblob(?)", page-170)
	var pages int
	if err := o.Write.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	// As a pragma of the handle, since a connection that met an error may have been replaced.
	roomy := o.Write
	full := writer(t, file, fmt.Sprintf("%s&_pragma=max_page_count(%d)", pragmas, pages))
	o.Write = full
	e = embedded(t, o)

	before := account(t, e, "13800000001")
	err := e.SetPassword(t.Context(), before, "New456")
	if err == nil || !strings.Contains(err.Error(), "full") || errors.Is(err, rekey.ErrStale) {
		t.Errorf("SetPassword: %v, want that the database is full", err)
	}
	if account(t, e, "13800000001").Hash != before.Hash {
		t.Error("the password changed")
	}
	var users strings.Builder
	for i := range 500 {
		fmt.Fprintf(&users, "139%08d,%s\n", i, djangoHash)
	}
	done, err := e.Import(t.Context(), strings.NewReader(users.String()), userdb.Import{Plan: rekey.ChinaMobile, Hashed: true})
	if err == nil || !strings.Contains(err.Error(), "full") || done.Added != 0 {
		t.Errorf("Import: %d added, %v, want that the database is full", done.Added, err)
	}
	if all := list(t, e); len(all) != 1 {
		t.Errorf("%d users after the import that failed", len(all))
	}
	checkWriter(t, full)

	o.Write = roomy
	e = embedded(t, o)
	if err := e.SetPassword(t.Context(), before, "New456"); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if done, err := e.Import(t.Context(), strings.NewReader(users.String()), userdb.Import{Plan: rekey.ChinaMobile, Hashed: true}); err != nil || done.Added != 500 {
		t.Errorf("with room again: %d added, %v", done.Added, err)
	}
}

// wantFault tries all that writes, on a table with the user 13800000001.
func wantFault(t *testing.T, e *userdb.Embedded, says string) {
	t.Helper()
	a := account(t, e, "13800000001")
	n, err := rekey.ChinaMobile("13900000002")
	if err != nil {
		t.Fatal(err)
	}
	_, adding := e.Add(t.Context(), userdb.NewUser{Number: n, Password: "Abc123"})
	line := fmt.Sprintf("13900000002,%q", userdbtest.Hash(t, userdbtest.Cheap, "Abc123"))
	done, importing := e.Import(t.Context(), strings.NewReader(line), userdb.Import{Plan: rekey.ChinaMobile, Hashed: true})
	if done.Added != 0 {
		t.Errorf("%d rows are said to be imported", done.Added)
	}
	for what, err := range map[string]error{
		"SetPassword": e.SetPassword(t.Context(), a, "New456"), "Add": adding, "Import": importing,
	} {
		if err == nil || !strings.Contains(err.Error(), says) || errors.Is(err, rekey.ErrStale) || errors.Is(err, rekey.ErrBusy) {
			t.Errorf("%s: %v, want that the database is %s", what, err, says)
		}
	}
	if account(t, e, "13800000001").Hash != a.Hash || len(list(t, e)) != 1 {
		t.Error("something was written")
	}
}

// wantWorking is wantFault once the fault is gone.
func wantWorking(t *testing.T, e *userdb.Embedded) {
	t.Helper()
	if err := e.SetPassword(t.Context(), account(t, e, "13800000001"), "New456"); err != nil {
		t.Errorf("SetPassword: %v", err)
	}
	add(t, e, "13900000002")
	if !has(t, e, "13800000001", "New456") || !has(t, e, "13900000002", "Abc123") {
		t.Error("it does not work again")
	}
}

func TestAColumnMayHoldBytesIntegersOrNull(t *testing.T) {
	t.Parallel()
	o := options(t, userdb.Settings{HashFloor: userdbtest.Cheap, Hash: userdbtest.Cheap, RecoverUnusable: true})
	exec(t, o.Write, "CREATE TABLE users (id TEXT PRIMARY KEY, mobile INTEGER, password, is_active, password_changed_at)")
	table, err := userdb.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	hash := userdbtest.Hash(t, userdbtest.Cheap, "Abc123")
	for i, password := range []any{hash, []byte(hash), nil} {
		exec(t, o.Write, "DELETE FROM users")
		exec(t, o.Write, "INSERT INTO users VALUES (?, 13800000001, ?, 1, NULL)", fmt.Sprintf("key %d", i), password)
		if err := table.SetPassword(t.Context(), account(t, table, "13800000001"), "New456"); err != nil {
			t.Errorf("%T: %v", password, err)
		}
		if !has(t, table, "13800000001", "New456") {
			t.Errorf("%T: the new password does not verify", password)
		}
	}
}

func TestT19_AReadIsTriedTwiceAtMost(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	watched := &spy{dsn: address(file) + pragmas}
	read := sql.OpenDB(watched)
	t.Cleanup(func() {
		if err := read.Close(); err != nil {
			t.Error(err)
		}
	})
	d := sqliteFile(t, file)
	d.populate(t)
	o := d.options(cheap())
	o.Read = read
	lost := errors.New("the answer is lost")
	for answers := range 4 {
		for what, work := range map[string]func(*userdb.Table) error{
			"Find": func(table *userdb.Table) error {
				_, err := table.Find(t.Context(), number(t, somebody))
				return err
			},
			"Ping": func(table *userdb.Table) error { return table.Ping(t.Context()) },
		} {
			watched.set(nil, nil)
			table, err := userdb.New(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			left := answers
			watched.set(nil, func(string) error {
				if left--; left >= 0 {
					return lost
				}
				return nil
			})
			err = work(table)
			if n := len(watched.seen()); n != min(answers+1, 2) || errors.Is(err, lost) != (answers >= 2) {
				t.Errorf("%s: with %d answers lost it was asked %d times: %v", what, answers, n, err)
			}
		}
	}
}
