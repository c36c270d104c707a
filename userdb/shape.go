package userdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// tableColumns are the columns of a table as the dialect describes them.
type tableColumns struct {
	all   []column
	folds bool
}

func (t tableColumns) find(name string) (column, bool) {
	i := slices.IndexFunc(t.all, func(c column) bool { return c.name == name || t.folds && strings.EqualFold(c.name, name) })
	if i < 0 {
		return column{}, false
	}
	return t.all[i], true
}

func (t tableColumns) String() string {
	var names []string
	for _, c := range t.all {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

// shape is a layout that fits the tables that are there, and the columns that it names.
type shape struct {
	layout
	idColumn, mobileColumn, passwordColumn column
	activeColumns                          []column // by layout.active
	writeColumns                           []column // by layout.writes
}

// examine looks at the tables that a layout names. It returns every fault as a *SettingError, joined, and leaves out what
// is optional and missing.
func examine(ctx context.Context, db querier, d Dialect, l layout) (shape, error) {
	s := shape{layout: l}
	users, err := columnsOf(ctx, db, d, l.table)
	if err != nil {
		return s, err
	}
	if len(users.all) == 0 {
		return s, &SettingError{Key: "table", Err: fmt.Errorf("the database has no table %s that this user may see; "+
			"name the users table, or grant the rights that rekey grants prints", l.table)}
	}
	var faults []error
	fault := func(key, format string, args ...any) {
		faults = append(faults, &SettingError{Key: key, Err: fmt.Errorf(format, args...)})
	}
	find := func(key string, in tableColumns, table, name, use string) column {
		c, ok := in.find(name)
		if !ok {
			fault(key, "the table %s has no column %s, %s; it has %s", table, name, use, in)
		}
		return c
	}
	s.idColumn = find("id", users, l.table, l.id, "which should be its primary key")
	if c := s.idColumn; c.raw {
		fault("id", "the column %s is of the type %q, in which an id can't be looked up as a text; name another that is unique, "+
			"such as a generated one with the same in hexadecimal", c.name, c.kind)
	}
	s.passwordColumn = find("password", users, l.table, l.password, "which should hold the password's hash")
	if c := s.passwordColumn; c.name != "" && !c.holds(classText) {
		fault("password", "the column %s is of the type %s, which can't hold a hash; name the one that does", c.name, c.kind)
	}
	holder, table, name := users, l.table, l.mobile
	if m := l.preset.meta; m != nil {
		table, name = l.metaTable(), m.value
		if holder, err = columnsOf(ctx, db, d, table); err != nil {
			return s, err
		}
		find("table", holder, table, m.user, "which should be the user's id")
		find("table", holder, table, m.key, "which should be the key of a value")
	}
	s.mobileColumn = find("mobile", holder, table, name, "which should hold the mobile number")
	if c := s.mobileColumn; c.name != "" && !c.holds(classText, classInteger) {
		fault("mobile", "the column %s is of the type %s, which can't hold a number; name the one that does, of text or integers", c.name, c.kind)
	}
	for _, c := range l.active {
		found := find("active", users, l.table, c.column, "which should tell whether an account is active; write none if every one is")
		if found.name != "" {
			if err := c.fits(found, d); err != nil {
				fault("active", "the column %s %w", found.name, err)
			}
		}
		s.activeColumns = append(s.activeColumns, found)
	}
	for _, c := range l.alive {
		if found, ok := users.find(c.column); ok {
			s.active, s.activeColumns = append(s.active[:len(s.active):len(s.active)], c), append(s.activeColumns, found)
		}
	}
	s.writes = nil
	for _, w := range l.writes {
		found, ok := users.find(w.column)
		if !ok || !w.fits(found) {
			continue
		}
		if w.to == toRandom && found.length > 0 && found.length < randomLength {
			fault("table", "the column %s holds %d characters, and a reset writes %d: make it wider", found.name, found.length, randomLength)
		}
		if w.to == toNull && found.filled {
			fault("table", "the column %s is NOT NULL, and a reset sets it to NULL: let it be NULL", found.name)
		}
		s.writes, s.writeColumns = append(s.writes, w), append(s.writeColumns, found)
	}
	if err := d.rollsBack(ctx, db, l.table); err != nil {
		fault("table", "%w", err)
	}
	s.sessions = nil
	for _, o := range l.sessions {
		in, err := columnsOf(ctx, db, d, o.table)
		if err != nil {
			return s, err
		}
		found, ok := in.find(o.column)
		if !ok {
			if !o.optional {
				fault("sessions", "there is no column %s in a table %s that this user may see; write table.column, or grant the rights that "+
					"rekey grants prints", o.column, o.table)
			}
			continue
		}
		if s.idColumn.kind == "uuid" && found.class == classInteger {
			// Another table of that name, or of a time before the ids were such: PostgreSQL fails to compare them.
			if !o.optional {
				fault("sessions", "the column %s of %s is of integers, and the users' ids are UUIDs; name the column that has them", found.name, o.table)
			}
			continue
		}
		if found.raw {
			fault("sessions", "the column %s of %s is of the type %q, in which an id can't be looked up as a text; name another", found.name, o.table, found.kind)
		}
		if err := d.rollsBack(ctx, db, o.table); err != nil {
			fault("sessions", "%w", err)
		}
		s.sessions = append(s.sessions, o)
	}
	return s, errors.Join(faults...)
}

func columnsOf(ctx context.Context, db querier, d Dialect, name string) (tableColumns, error) {
	all, err := d.columns(ctx, db, name)
	if err != nil {
		return tableColumns{}, fmt.Errorf("looking at the table %s: %w", name, err)
	}
	return tableColumns{all: all, folds: d.folds}, nil
}

// holds reports whether the column is of one of the classes, or of no type at all.
func (c column) holds(classes ...class) bool {
	return c.class == classAny || slices.Contains(classes, c.class)
}

// fits fails unless the column can be compared as the condition says.
func (c condition) fits(of column, d Dialect) error {
	switch {
	case c.null:
		return nil
	case c.value != nil:
		_, err := c.bound(of, d)
		return err
	case !of.holds(classBoolean, classInteger):
		return fmt.Errorf("is of the type %s and neither true nor false; write %s=VALUE", of.kind, c.column)
	}
	return nil
}

// bound is the condition's value as the column has it. A text that is no number, compared with a column of numbers, counts
// as 0 in MySQL: every row might be active.
func (c condition) bound(of column, d Dialect) (value any, err error) {
	switch {
	case of.class == classBoolean && d.booleans:
		if value, err = strconv.ParseBool(*c.value); err != nil {
			return nil, fmt.Errorf("is true or false, which %q is not", *c.value)
		}
	case of.class == classInteger, of.class == classBoolean:
		if value, err = strconv.ParseInt(*c.value, 10, 64); err != nil {
			return nil, fmt.Errorf("has whole numbers, which %q is not", *c.value)
		}
	case of.class == classNumber:
		if value, err = strconv.ParseFloat(*c.value, 64); err != nil {
			return nil, fmt.Errorf("has numbers, which %q is not", *c.value)
		}
	default:
		value = *c.value
	}
	return value, nil
}

// fits reports whether the column can be set so. A time kept as a number is left alone: nobody says in which unit.
func (w write) fits(c column) bool {
	switch w.to {
	case toNow, toDefault:
		return c.holds(classTime)
	case toRandom, toEmpty:
		return c.holds(classText)
	case toFalse:
		return c.holds(classBoolean, classInteger)
	default:
		return true
	}
}

// roomy fails unless the columns have room for a number, where it is known how long one is, and for any hash at all.
func (s shape) roomy() error {
	var faults []error
	if c := s.mobileColumn; c.most > 0 && s.calling == chinese && c.most < 13_000_000_000 {
		faults = append(faults, &SettingError{Key: "mobile", Err: fmt.Errorf("the column %s is of the type %s, which has no room for a mobile "+
			"number of eleven digits; rekey doctor says how to widen it", c.name, c.kind)})
	}
	if c, least := s.passwordColumn, cmp.Or(s.preset.least, shortestHash); c.length > 0 && c.length < least {
		faults = append(faults, &SettingError{Key: "password", Err: fmt.Errorf("the column %s holds %d characters, and a hash has %d or more; "+
			"rekey doctor says how to widen it", c.name, c.length, least)})
	}
	return errors.Join(faults...)
}
