package userdb

import (
	"cmp"
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

// NewEmbedded brings the schema up to date and makes the embedded table, whose preset must be "rekey" and whose names
// must be the preset's but for that of the table. Several processes may do it at once. It refuses a table that somebody
// else made and one that a later version has migrated.
func NewEmbedded(ctx context.Context, o Options) (*Embedded, error) {
	if faults := o.Settings.embeddedFaults(); faults != nil {
		return nil, errors.Join(faults...)
	}
	l, err := o.Settings.layout()
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, o, l.table); err != nil {
		return nil, fmt.Errorf("migrating the users table: %w", err)
	}
	t, err := New(ctx, o)
	if err != nil {
		return nil, err
	}
	return &Embedded{t}, nil
}

// embeddedFaults are the settings that only a table of somebody else's can have.
func (s Settings) embeddedFaults() []error {
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
			faults = append(faults, &SettingError{Key: name.key, Err: errors.New("the embedded table names its columns itself; " +
				"leave it out, or name the preset of your own table")})
		}
	}
	return faults
}

// versions is the table that holds the schema's version by the name of the users table. The file may be shared with
// others, so that PRAGMA user_version is not ours to use.
const (
	versions      = "rekey_users_schema"
	versionsTable = "CREATE TABLE IF NOT EXISTS " + versions + " (name VARCHAR(64) NOT NULL PRIMARY KEY, version INTEGER NOT NULL)"
)

// migrations take the schema from one version to the next; the version is how many were applied. They are only ever
// added to. Mobile is not unique: an application may have let two accounts share a number, and rekey must tell (T09).
// A hash has at most 255 characters (package passhash), a number at most 16 (E.164 with its plus).
//
// Where each is a transaction of its own, what was done before a crash stays done, so that each must be such that it can
// be done again. An index can't: there it comes with its table.
func migrations(d Dialect, name string) []string {
	table, index := d.quote(name), d.quote(name+"_mobile")
	columns := `
	id ` + d.key + `,
	mobile VARCHAR(20) NOT NULL,
	password VARCHAR(255) NOT NULL,
	is_active BOOLEAN NOT NULL DEFAULT TRUE,
	created_at ` + d.instant + ` NOT NULL DEFAULT CURRENT_TIMESTAMP,
	password_changed_at ` + d.instant + ` NOT NULL DEFAULT CURRENT_TIMESTAMP`
	if d.hasty {
		return []string{`CREATE TABLE IF NOT EXISTS ` + table + ` (` + columns + `, INDEX ` + index + ` (mobile))`}
	}
	return []string{
		`CREATE TABLE IF NOT EXISTS ` + table + ` (` + columns + "\n)",
		`CREATE INDEX ` + index + ` ON ` + table + ` (mobile)`,
	}
}

// EmbeddedSchema lists the statements that make the embedded table where it is not there yet, for whoever makes it in
// NewEmbedded's place.
func EmbeddedSchema(d Dialect, s Settings) []string {
	table := cmp.Or(s.Table, presets()["rekey"].table)
	all := migrations(d, table)
	made := fmt.Sprintf("INSERT INTO %s (name, version) VALUES ('%s', %d)", versions, strings.ReplaceAll(table, "'", "''"), len(all))
	return append(append([]string{versionsTable}, all...), made)
}

// migrate brings the schema up to date; it does nothing, and writes nothing, if it is.
func migrate(ctx context.Context, o Options, table string) error {
	d := o.Dialect
	all := migrations(d, table)
	if version, err := version(ctx, o.Read, d, table); err == nil && version == len(all) {
		return nil
	}
	return d.alone(ctx, o.Write, func(tx querier) error {
		done, err := begun(ctx, tx, d, table)
		if err != nil {
			return err
		}
		if done > len(all) {
			return fmt.Errorf("the table %s is of version %d and this program knows %d: use the newer program", table, done, len(all))
		}
		for i, migration := range all[done:] {
			if _, err := tx.ExecContext(ctx, migration); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "UPDATE "+versions+" SET version = "+d.param(1)+" WHERE name = "+d.param(2),
				done+i+1, table); err != nil {
				return err
			}
		}
		return nil
	})
}

// begun is the version of the table's schema, which has one from now on.
func begun(ctx context.Context, tx querier, d Dialect, table string) (int, error) {
	kept, err := d.columns(ctx, tx, versions)
	if err != nil {
		return 0, err
	}
	if len(kept) > 0 {
		if done, err := version(ctx, tx, d, table); !errors.Is(err, sql.ErrNoRows) {
			return done, err
		}
	}
	there, err := d.columns(ctx, tx, table)
	if err != nil {
		return 0, err
	}
	if len(there) > 0 {
		return 0, fmt.Errorf("the table %s is there already and was not made by rekey: name another one in "+
			"users.table, or name the preset that fits it in users.preset", table)
	}
	if _, err := tx.ExecContext(ctx, versionsTable); err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO "+versions+" (name, version) VALUES ("+d.param(1)+", 0)", table)
	return 0, err
}

// version is that of the table's schema; sql.ErrNoRows: it has none.
func version(ctx context.Context, db querier, d Dialect, table string) (version int, err error) {
	err = db.QueryRowContext(ctx, "SELECT version FROM "+versions+" WHERE name = "+d.param(1), table).Scan(&version)
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
	err = e.dialect.alone(ctx, e.write, func(tx querier) error {
		insert, err := e.insertion(ctx, tx, u.Duplicate)
		if err != nil {
			return err
		}
		defer insert.close()
		row, err := insert.row(ctx, e.shape.spell(u.Number)[0], hash)
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
	returning bool // the statement tells the new row's id
}

func (e *Embedded) insertion(ctx context.Context, tx querier, duplicates bool) (insertion, error) {
	q, w := e.dialect.quote, writer{dialect: e.dialect}
	table := q(e.shape.table)
	w.say("INSERT INTO ", table, " (mobile, password) SELECT ", w.place(nil), ", ", w.place(nil))
	if !duplicates { // MySQL wants a table before WHERE
		w.say(" FROM (SELECT 1 AS one) AS one WHERE NOT EXISTS (SELECT 1 FROM ", table, " WHERE mobile = ", w.place(nil), ")")
	}
	if e.dialect.returning {
		w.say(" RETURNING id")
	}
	statement, err := tx.PrepareContext(ctx, w.text)
	return insertion{statement: statement, guarded: !duplicates, returning: e.dialect.returning}, err
}

// row adds one and returns its id, or ErrDuplicate.
func (i insertion) row(ctx context.Context, mobile, hash string) (id int64, err error) {
	args := []any{mobile, hash}
	if i.guarded {
		args = append(args, mobile)
	}
	if i.returning {
		err := i.statement.QueryRowContext(ctx, args...).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			err = ErrDuplicate
		}
		return id, err
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
		rows, err := e.read.QueryContext(ctx, "SELECT id, mobile, password, is_active, "+e.dialect.epoch("created_at")+", "+
			e.dialect.epoch("password_changed_at")+" FROM "+e.dialect.quote(e.shape.table)+" ORDER BY id")
		if err != nil {
			yield(User{}, fmt.Errorf("listing users: %w", err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var u User
			var stored string
			var created, changed int64
			if err := rows.Scan(&u.ID, &u.Mobile, &stored, &u.Active, &created, &changed); err != nil {
				yield(User{}, fmt.Errorf("listing users: %w", err))
				return
			}
			u.Hash, u.Created, u.Changed = describe(stored), time.Unix(created, 0).UTC(), time.Unix(changed, 0).UTC()
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
