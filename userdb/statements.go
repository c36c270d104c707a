package userdb

import (
	"crypto/rand"
	"strings"

	"rekey"
)

// statement is SQL with values that are filled in at each use. Every name in it is quoted and every value bound, without
// exception (T26).
type statement struct {
	text   string
	values []func(*values) any
}

// values are what differs from one use to the next.
type values struct {
	id, was, hash string
	spelled       []string // spellings of the number: at least one, at most spellings
}

// with are the arguments of one use. Without values, those that differ from use to use are NULL and the statement fits no
// row, but the database sees every other.
func (s statement) with(v *values) []any {
	args := make([]any, len(s.values))
	for i, value := range s.values {
		args[i] = value(v)
	}
	return args
}

func theID(v *values) any {
	if v == nil {
		return nil
	}
	return v.id
}

func theOld(v *values) any {
	if v == nil {
		return nil
	}
	return v.was
}

func theHash(v *values) any {
	if v == nil {
		return nil
	}
	return v.hash
}

func fixed(value any) func(*values) any { return func(*values) any { return value } }

// randomLength is that of Laravel's Str::random(60).
const randomLength = 60

// random is a token as Str::random makes one: letters and digits that nobody can guess.
func random(*values) any { return (rand.Text() + rand.Text() + rand.Text())[:randomLength] }

// spelling is the i-th spelling; there may be fewer than the statement has places for.
func spelling(i int) func(*values) any {
	return func(v *values) any {
		if v == nil {
			return nil
		}
		return v.spelled[min(i, len(v.spelled)-1)]
	}
}

func spellingAsInteger(i int) func(*values) any {
	return func(v *values) any {
		if v == nil {
			return nil
		}
		return asInteger(spelling(i)(v).(string))
	}
}

// statements are all that is said to a users table.
type statements struct {
	find, update statement
	deletes      []statement
}

// writer puts a statement together.
type writer struct {
	dialect Dialect
	statement
}

// say adds SQL as it is.
func (w *writer) say(sql ...string) { w.text += strings.Join(sql, "") }

// bind adds the placeholder of a value. Where placeholders have no numbers their order is that of the text.
func (w *writer) bind(value func(*values) any) { w.say(w.place(value)) }

func (w *writer) place(value func(*values) any) string {
	w.values = append(w.values, value)
	return w.dialect.param(len(w.values))
}

// bindExact adds: the expression is the value, byte for byte.
func (w *writer) bindExact(expression string, value func(*values) any) {
	w.say(w.dialect.exact(expression), " = ", w.dialect.exact(w.place(value)))
}

func (s shape) statements(d Dialect) statements {
	all := statements{find: s.find(d), update: s.update(d)}
	for _, o := range s.sessions {
		w := writer{dialect: d}
		w.say("DELETE FROM ", d.quoteTable(o.table), " WHERE ", d.quote(o.column), " = ")
		w.bind(theID)
		w.say(" AND ")
		w.bindExact(d.quote(o.column), theID)
		if o.key != "" {
			w.say(" AND ", d.quote(o.keyColumn), " = ")
			w.bind(fixed(o.key))
		}
		all.deletes = append(all.deletes, w.statement)
	}
	return all
}

// find selects id, number and password of the rows that are active and whose number has one of the spellings. It compares
// as the column compares, so that the column's index serves; what a lax collation matches besides is dropped by Find.
func (s shape) find(d Dialect) statement {
	q, w := d.quote, writer{dialect: d}
	w.say("SELECT ", d.text("u."+q(s.id)), ", ", d.text(s.number(d)), ", ", d.text("u."+q(s.password)))
	w.say(" FROM ", d.quoteTable(s.table), " AS u")
	if m := s.preset.meta; m != nil {
		w.say(" JOIN ", d.quoteTable(s.metaTable()), " AS m ON m.", q(m.user), " = u.", q(s.id), " AND m.", q(m.key), " = ")
		w.bind(fixed(s.mobile))
	}
	w.say(" WHERE ", s.number(d), " IN (")
	for i := range spellings {
		if i > 0 {
			w.say(", ")
		}
		if s.mobileColumn.class == classInteger {
			w.bind(spellingAsInteger(i))
		} else {
			w.bind(spelling(i))
		}
	}
	w.say(")")
	s.whereActive(&w)
	return w.statement
}

// number is the expression of the number in a statement whose users table is u and whose table of numbers, if there is
// one, is m.
func (s shape) number(d Dialect) string {
	if m := s.preset.meta; m != nil {
		return "m." + d.quote(m.value)
	}
	return "u." + d.quote(s.mobile)
}

// update is the compare-and-set. A password that is NULL reads as the empty one.
func (s shape) update(d Dialect) statement {
	q, w := d.quote, writer{dialect: d}
	w.say("UPDATE ", d.quoteTable(s.table), " AS u SET ", q(s.password), " = ")
	w.bind(theHash)
	for i, write := range s.writes {
		w.say(", ", q(s.writeColumns[i].name), " = ")
		switch write.to {
		case toNow:
			w.say(d.now(s.writeColumns[i], !s.preset.local))
		case toDefault:
			w.say("CURRENT_TIMESTAMP")
		case toRandom:
			w.bind(random)
		case toNull:
			w.say("NULL")
		case toEmpty:
			w.say("''")
		case toFalse:
			w.say(map[bool]string{true: "FALSE", false: "0"}[s.writeColumns[i].class == classBoolean])
		}
	}
	// The first condition is for the index of the primary key, the second for what its collation or type takes as equal.
	w.say(" WHERE u.", q(s.id), " = ")
	w.bind(theID)
	w.say(" AND ")
	w.bindExact("u."+q(s.id), theID)
	w.say(" AND ")
	w.bindExact("COALESCE(u."+q(s.password)+", '')", theOld)
	s.whereActive(&w)
	w.say(" AND ")
	if m := s.preset.meta; m != nil {
		w.say("EXISTS (SELECT 1 FROM ", d.quoteTable(s.metaTable()), " AS m WHERE m.", q(m.user), " = u.", q(s.id), " AND m.", q(m.key), " = ")
		w.bind(fixed(s.mobile))
		w.say(" AND ")
	}
	w.say(d.exact(s.number(d)), " IN (")
	for i := range spellings {
		if i > 0 {
			w.say(", ")
		}
		w.say(d.exact(w.place(spelling(i))))
	}
	w.say(")")
	if s.preset.meta != nil {
		w.say(")")
	}
	return w.statement
}

// whereActive adds the conditions that make a row active.
func (s shape) whereActive(w *writer) {
	for i, c := range s.active {
		of := s.activeColumns[i]
		expression := "u." + w.dialect.quote(of.name)
		w.say(" AND ")
		switch {
		case c.null:
			w.say(expression, " IS NULL")
		case c.value == nil:
			w.say(w.dialect.truth(expression, of))
		default:
			w.say(expression, " = ")
			value, _ := c.bound(of, w.dialect) // examine refused those that can't be
			w.bind(fixed(value))
		}
	}
}

// spelled are the spellings of a number that the column can hold; there may be none.
func (s shape) spelled(n rekey.Number) []string {
	all := s.spell(n)
	if s.mobileColumn.class == classInteger {
		all = asIntegers(all, s.mobileColumn.most)
	}
	return all
}
