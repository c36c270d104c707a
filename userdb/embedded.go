package userdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"rekey"
	"rekey/passhash"
)

// Embedded is the users table that rekey brings itself, of preset "rekey": whoever has no users table yet starts with
// it. It owns its schema, which Migrate makes. Columns that somebody adds to it are left alone.
type Embedded struct{ *Table }

// ErrDuplicate: somebody is registered under the number.
var ErrDuplicate = errors.New("the number is registered already")

// NewEmbedded makes the embedded table, whose preset must be "rekey" and whose names must be the preset's but for that
// of the table.
func NewEmbedded(o Options) (*Embedded, error) {
	s := o.Settings
	var faults []error
	if s.Preset != "" && s.Preset != "rekey" {
		faults = append(faults, &SettingError{Key: "preset", Err: errors.New("only the embedded table, rekey, can be filled here")})
	}
	if strings.Contains(s.Table, ".") {
		faults = append(faults, &SettingError{Key: "table", Err: errors.New("the embedded table takes no schema")})
	}
	for _, name := range []struct{ key, value string }{
		{"id", s.ID}, {"mobile", s.Mobile}, {"password", s.Password}, {"active", s.Active},
	} {
		if name.value != "" {
			faults = append(faults, &SettingError{Key: name.key, Err: errors.New("the embedded table names its columns itself; leave it out")})
		}
	}
	if faults != nil {
		return nil, errors.Join(faults...)
	}
	t, err := New(o)
	if err != nil {
		return nil, err
	}
	return &Embedded{t}, nil
}

// versions is the table that holds the schema's version by the name of the users table. The file may be shared with
// others, so that PRAGMA user_version is not ours to use.
const versions = "rekey_users_schema"

// migrations take the schema from one version to the next; the version is how many were applied. They are only ever
// added to. Mobile is not unique: an application may have let two accounts share a number, and rekey must tell (T09).
// A hash has at most 255 characters (package passhash), a number at most 16 (E.164 with its plus).
func (e *Embedded) migrations() []string {
	q := e.dialect.quote
	table := q(e.layout.table)
	return []string{
		`CREATE TABLE ` + table + ` (
	id ` + e.dialect.key + `,
	mobile VARCHAR(20) NOT NULL,
	password VARCHAR(255) NOT NULL,
	is_active BOOLEAN NOT NULL DEFAULT TRUE,
	created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
	password_changed_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
)`,
		`CREATE INDEX ` + q(e.layout.table+"_mobile") + ` ON ` + table + ` (mobile)`,
	}
}

// Migrate brings the schema up to date; it does nothing, and writes nothing, if it is. It refuses a table that somebody
// else made and one that a later version has migrated. Several processes may do it at once.
func (e *Embedded) Migrate(ctx context.Context) error {
	migrations := e.migrations()
	if version, err := e.version(ctx, e.read); err == nil && version == len(migrations) {
		return nil
	}
	err := e.dialect.transact(ctx, e.write, func(tx querier) error {
		q, param := e.dialect.quote, e.dialect.param
		if _, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+versions+
			" (name VARCHAR(64) NOT NULL PRIMARY KEY, version INTEGER NOT NULL)"); err != nil {
			return err
		}
		version, err := e.version(ctx, tx)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			var rows int
			if tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+q(e.layout.table)+" WHERE 1 = 0").Scan(&rows) == nil {
				return fmt.Errorf("the table %s is there already and was not made by rekey: name another one in "+
					"users.table, or name the preset that fits it in users.preset", e.layout.table)
			}
			_, err = tx.ExecContext(ctx, "INSERT INTO "+versions+" (name, version) VALUES ("+param(1)+", 0)", e.layout.table)
			if err != nil {
				return err
			}
		case err != nil:
			return err
		case version > len(migrations):
			return fmt.Errorf("the table %s is of version %d and this program knows %d: use the newer program",
				e.layout.table, version, len(migrations))
		}
		for _, migration := range migrations[version:] {
			if _, err := tx.ExecContext(ctx, migration); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, "UPDATE "+versions+" SET version = "+param(1)+" WHERE name = "+param(2),
			len(migrations), e.layout.table)
		return err
	})
	if err != nil {
		return fmt.Errorf("migrating the users table: %w", err)
	}
	return nil
}

func (e *Embedded) version(ctx context.Context, db interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}) (version int, err error) {
	err = db.QueryRowContext(ctx, "SELECT version FROM "+versions+" WHERE name = "+e.dialect.param(1),
		e.layout.table).Scan(&version)
	return version, err
}

// NewUser is a person to be added.
type NewUser struct {
	Number    rekey.Number
	Password  string
	Duplicate bool // add the person even if somebody is registered under the number
}

// Add adds a person and returns the row's id. It fails with ErrDuplicate, and with rekey.ErrBusy.
func (e *Embedded) Add(ctx context.Context, u NewUser) (id string, err error) {
	if u.Number.IsZero() {
		return "", rekey.ErrNumberForm
	}
	hash, err := e.make(ctx, e.fresh, u.Password)
	if err != nil {
		return "", err
	}
	err = e.dialect.transact(ctx, e.write, func(tx querier) error {
		insert, err := e.insertion(ctx, tx, u.Duplicate)
		if err != nil {
			return err
		}
		defer insert.close()
		row, err := insert.row(ctx, e.layout.spell(u.Number), hash)
		id = strconv.FormatInt(row, 10)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("adding a user: %w", err)
	}
	return id, nil
}

// insertion adds rows in a transaction.
type insertion struct {
	statement *sql.Stmt
	guarded   bool // by the statement's own look at the table
}

func (e *Embedded) insertion(ctx context.Context, tx querier, duplicates bool) (insertion, error) {
	q, param := e.dialect.quote, e.dialect.param
	table := q(e.layout.table)
	text := "INSERT INTO " + table + " (mobile, password) SELECT " + param(1) + ", " + param(2)
	if !duplicates {
		text += " WHERE NOT EXISTS (SELECT 1 FROM " + table + " WHERE mobile = " + param(3) + ")"
	}
	statement, err := tx.PrepareContext(ctx, text)
	return insertion{statement: statement, guarded: !duplicates}, err
}

// row adds one and returns its id, or ErrDuplicate.
func (i insertion) row(ctx context.Context, mobile, hash string) (id int64, err error) {
	args := []any{mobile, hash}
	if i.guarded {
		args = append(args, mobile)
	}
	result, err := i.statement.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	switch rows, err := result.RowsAffected(); {
	case err != nil:
		return 0, err
	case rows == 0:
		return 0, ErrDuplicate
	}
	return result.LastInsertId()
}

func (i insertion) close() { _ = i.statement.Close() } // nothing is lost with a statement that fails to close

// User is a row of the embedded table, as an operator sees it.
type User struct {
	ID      string
	Mobile  string // as stored and in clear: for the operator's own eyes, never for a log
	Active  bool
	Hash    string // the recipe of the password's hash, such as "argon2id$m=19456,t=2,p=1"; "none" or "unknown" without one
	Created time.Time
	Changed time.Time // when the password was set
}

// List goes through all users by id. It reads as it goes, in constant memory; an error ends it.
func (e *Embedded) List(ctx context.Context) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		rows, err := e.read.QueryContext(ctx, "SELECT id, mobile, password, is_active, created_at, password_changed_at FROM "+
			e.dialect.quote(e.layout.table)+" ORDER BY id")
		if err != nil {
			yield(User{}, fmt.Errorf("listing users: %w", err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var u User
			var stored string
			if err := rows.Scan(&u.ID, &u.Mobile, &stored, &u.Active, &u.Created, &u.Changed); err != nil {
				yield(User{}, fmt.Errorf("listing users: %w", err))
				return
			}
			u.Hash = describe(stored)
			if !yield(u, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(User{}, fmt.Errorf("listing users: %w", err))
		}
	}
}

// describe is User.Hash.
func describe(stored string) string {
	hash, err := passhash.Parse(stored)
	switch {
	case err == nil:
		return hash.Recipe().String()
	case errors.Is(err, passhash.ErrUnusable):
		return "none"
	default:
		return "unknown"
	}
}
