package userdb

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"rekey"
)

// inspector is what only a Survey asks of a database. A field that is nil or empty has no meaning there.
type inspector struct {
	name   string
	narrow []string // types of integers without room for eleven digits
	clock  string   // selects the present time

	view func(ctx context.Context, db querier, table string) (bool, error) // the table is one
	// about tells roughly how many rows a table has, and 0 if nobody knows.
	about func(ctx context.Context, db querier, table string) (int64, error)
	// indexes are those of a table, its primary key among them.
	indexes func(ctx context.Context, db querier, table string) ([]index, error)
	// searches reports whether a lookup goes to the rows of a number by an index that begins with the number.
	searches func(ctx context.Context, db *sql.DB, s shape, have []index) (bool, error)
	// excess lists what the user may do to the users table beyond what is needed, as ends of a sentence.
	excess func(ctx context.Context, db querier, s shape) ([]string, error)
	// server lists what the server's own settings do to a reset.
	server func(ctx context.Context, db querier) ([]Finding, error)
	// triggers are the names of those that run when the password is written.
	triggers func(ctx context.Context, db querier, s shape) ([]string, error)
	// closed reports whether transactions are read-only, whatever rights there are.
	closed func(ctx context.Context, db querier) (bool, error)
	// remains fails if triggers could leave something behind of what is rolled back.
	remains func(ctx context.Context, db querier) error

	// bounded is a query that the server itself ends after some time.
	bounded func(query string, after time.Duration) string
	// makeIndex is SQL that makes an index, of the kind INDEX or UNIQUE INDEX, on a column.
	makeIndex func(ctx context.Context, db querier, kind, table string, c column) (string, error)
	// makeMetaIndex is SQL that makes one that leads to a value of the number's key.
	makeMetaIndex func(s shape) string
	// retype is SQL that changes a column's type and nothing else of it.
	retype func(ctx context.Context, db querier, table string, c column, to string) (string, error)
}

// index is an index as the catalogue has it.
type index struct {
	name    string
	columns []string // in their order; "" is an expression
	unique  bool
	where   string // which rows it has, if not all, in the database's words
	idle    string // why it serves no search, as the end of a sentence; empty: nothing speaks against it
}

// whole reports whether every row can be found by it.
func (i index) whole() bool { return i.where == "" && i.idle == "" }

// metaIndexed reports whether one of the indexes of the table beside leads to a value of the number's key.
func (s shape) metaIndexed(have []index) bool {
	m := s.preset.meta
	return slices.ContainsFunc(have, func(i index) bool {
		first := i.columns[:min(2, len(i.columns))]
		switch {
		case i.idle != "":
			return false
		case i.where != "" && !(strings.Contains(i.where, m.key) && strings.Contains(i.where, literal(s.mobile))):
			return false
		}
		return first[0] == m.value || slices.Contains(first, m.key) && slices.Contains(first, m.value)
	})
}

// scanIndexes reads rows of index, whether it is unique, which rows it has, why it is idle, and column.
func scanIndexes(rows *sql.Rows, err error) ([]index, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []index
	for rows.Next() {
		var i index
		var column string
		if err := rows.Scan(&i.name, &i.unique, &i.where, &i.idle, &column); err != nil {
			return nil, err
		}
		if len(all) == 0 || all[len(all)-1].name != i.name {
			all = append(all, i)
		}
		last := &all[len(all)-1]
		last.columns = append(last.columns, column)
	}
	return all, rows.Err()
}

// texts reads rows of one text.
func texts(rows *sql.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, rows.Err()
}

// anybody is a number to ask with how a database would look for one.
func anybody() rekey.Number {
	n, err := rekey.ChinaMobile("13800000000")
	if err != nil {
		panic("userdb: " + err.Error())
	}
	return n
}

// beyond lists the rights on the users table that no reset needs, as ends of a sentence: of those on the whole table,
// and of those on each column, which may follow from the former.
func (s shape) beyond(whole []string, columns func(privilege string) ([]string, error)) ([]string, error) {
	needed := func(privilege, column string) bool {
		return slices.ContainsFunc(s.rights(), func(t tableRights) bool {
			return t.name == s.table && slices.ContainsFunc(t.rights, func(r right) bool {
				return r.privilege == privilege && strings.EqualFold(r.column, column)
			})
		})
	}
	var all, rest []string
	for _, privilege := range whole {
		switch privilege {
		case "SELECT", "UPDATE":
			all = append(all, "may "+privilege+" every column of "+s.table)
		default:
			rest = append(rest, privilege)
		}
	}
	if len(rest) > 0 {
		all = append(all, "may "+some(rest)+" on "+s.table)
	}
	for _, privilege := range []string{"SELECT", "INSERT", "UPDATE"} {
		if slices.Contains(whole, privilege) {
			continue
		}
		granted, err := columns(privilege)
		if err != nil {
			return nil, err
		}
		granted = slices.DeleteFunc(granted, func(column string) bool { return needed(privilege, column) })
		if len(granted) > 0 {
			all = append(all, "may "+privilege+" "+some(granted)+" of "+s.table)
		}
	}
	return all, nil
}

// some are the first of many names, and how many there are besides.
func some(names []string) string {
	const shown = 4
	if len(names) <= shown+1 {
		return series(names)
	}
	return strings.Join(names[:shown], ", ") + " and " + strconv.Itoa(len(names)-shown) + " more"
}

// missingRights runs each statement of a reset on no row, and rolls back.
func (s *survey) missingRights(ctx context.Context) error {
	const remedy = "rekey grants"
	sound := true
	refused := func(id, about, does string, err error) {
		sound = false
		s.find(Finding{ID: id, Severity: Mend, About: about, Text: does + ": " + harmless(err), Remedy: remedy})
	}
	if err := s.table.Ping(ctx); err != nil {
		refused("rights.read", s.report.Table, "Accounts can't be looked for", err)
		return errBarred
	}
	try := func(statement statement) error {
		err := s.dialect.transact(ctx, s.table.write, func(tx querier) error {
			if _, err := tx.ExecContext(ctx, statement.text, statement.with(nil)...); err != nil {
				return err
			}
			return errRehearsed
		})
		if errors.Is(err, errRehearsed) {
			return nil
		}
		return err
	}
	if err := try(s.table.statements.update); err != nil {
		closed, unknown := false, error(nil)
		if ask := s.dialect.inspect.closed; ask != nil {
			closed, unknown = ask(ctx, s.db)
		}
		if closed {
			s.find(Finding{ID: "rights.write", Severity: Mend, About: "users.dsn", Text: "The server takes no writes from this user: " + harmless(err) +
				". Name the server that does, or end the read-only mode of this one or of the user."})
			return nil
		}
		refused("rights.write", s.report.Table, "A new password can't be written", err)
		if unknown != nil {
			return unknown
		}
	}
	for i, o := range s.shape.sessions {
		if err := try(s.table.statements.deletes[i]); err != nil {
			refused("rights.sessions", o.table+"."+o.column, "Sessions can't be deleted, so that a reset fails", err)
		}
	}
	if sound {
		s.find(Finding{ID: "rights.enough", Severity: Fine, About: s.report.Table, Text: "The user may do all that a reset does."})
	}
	return nil
}

// excessRights tells what else the user may do: whoever comes by its password can do that.
func (s *survey) excessRights(ctx context.Context) error {
	if s.dialect.inspect.excess == nil || s.own {
		return nil
	}
	excess, err := s.dialect.inspect.excess(ctx, s.db, s.shape)
	if err != nil {
		return err
	}
	f := Finding{ID: "rights.least", Severity: Fine, About: s.report.Table, Text: "The user may do nothing else to the table."}
	if len(excess) > 0 {
		f.ID, f.Severity, f.Remedy = "rights.wide", Advice, "rekey grants"
		f.Text = "The user may do more than rekey needs: it " + strings.Join(excess, "; it ") + ". Make one with the least rights for users.dsn:"
	}
	s.find(f)
	return nil
}

// indexes looks for those of the number and of the id.
func (s *survey) indexes(ctx context.Context) error {
	ofUsers, err := s.dialect.inspect.indexes(ctx, s.db, s.shape.table)
	if err != nil {
		return err
	}
	s.have = ofUsers
	if s.shape.preset.meta != nil {
		if s.have, err = s.dialect.inspect.indexes(ctx, s.db, s.shape.metaTable()); err != nil {
			return err
		}
	}
	if err := s.uniqueID(ctx, ofUsers); err != nil {
		return err
	}
	if slices.Contains(s.dialect.inspect.narrow, s.shape.mobileColumn.kind) {
		return nil // it can't even be asked for
	}
	if s.searched, err = s.dialect.inspect.searches(ctx, s.db, s.shape, s.have); err != nil {
		return err
	}
	f := Finding{ID: "index.number", Severity: Fine, About: s.numberColumn(), Text: "An index leads from a number to its account."}
	if !s.searched {
		f.Severity = Mend
		if s.shape.preset.meta != nil {
			f.Remedy = s.dialect.inspect.makeMetaIndex(s.shape)
		} else if f.Remedy, err = s.dialect.inspect.makeIndex(ctx, s.db, "INDEX", s.shape.table, s.shape.mobileColumn); err != nil {
			return err
		}
		f.Text = "No index leads from a number to its account: each request reads the whole table."
		for _, i := range s.have {
			if i.columns[0] == s.shape.mobileColumn.name {
				why := "its collation, type or order of columns is not that of the question"
				if i.idle != "" {
					why = i.idle
				} else if i.where != "" {
					why = "it has only rows with " + shown(i.where)
				}
				f.Text += " There is " + i.name + ", which does not serve: " + why + "."
			}
		}
		if s.view {
			f.Severity, f.Remedy = Advice, ""
			f.Text = "This is a view, and it could not be told whether an index leads from a number to its account; look at the tables behind it."
		}
	}
	s.find(f)
	for _, o := range s.shape.sessions {
		if err := s.sessionIndex(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// sessionIndex looks whether a reset finds an account's sessions by an index.
func (s *survey) sessionIndex(ctx context.Context, o owned) error {
	have, err := s.dialect.inspect.indexes(ctx, s.db, o.table)
	if err != nil {
		return err
	}
	in, err := columnsOf(ctx, s.db, s.dialect, o.table)
	if err != nil {
		return err
	}
	c, ok := in.find(o.column)
	if !ok || slices.ContainsFunc(have, func(i index) bool { return i.whole() && i.columns[0] == c.name }) {
		return nil
	}
	f := Finding{ID: "index.sessions", Severity: Advice, About: o.table + "." + c.name, Text: "No index leads from an account to its sessions: a reset " +
		"reads the whole table, and may wait for others or keep them waiting."}
	f.Remedy, err = s.dialect.inspect.makeIndex(ctx, s.db, "INDEX", o.table, c)
	s.find(f)
	return err
}

// uniqueID looks whether the id is one account's alone. A reset that met several rows would fail.
func (s *survey) uniqueID(ctx context.Context, have []index) (err error) {
	id := s.shape.idColumn.name
	leads := func(i index) bool { return i.whole() && i.columns[0] == id }
	s.ordered = slices.ContainsFunc(have, leads)
	f := Finding{ID: "index.id", Severity: Fine, About: s.column(s.shape.idColumn), Text: "The column " + id + " is unique."}
	switch {
	case slices.ContainsFunc(have, func(i index) bool { return leads(i) && i.unique && len(i.columns) == 1 }):
	case s.view:
		f.Severity = Advice
		f.Text = "This is a view, and it could not be told whether " + id + " is unique; look at the tables behind it."
	default:
		f.Severity = Mend
		f.Remedy, err = s.dialect.inspect.makeIndex(ctx, s.db, "UNIQUE INDEX", s.shape.table, s.shape.idColumn)
		f.Text = "No primary key or unique index makes the column " + id + " unique: a reset may find several rows and fail, and reads the whole table."
	}
	s.find(f)
	return err
}
