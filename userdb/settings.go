package userdb

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"rekey/passhash"
)

// Settings are the section [users] of the configuration. The zero value is the embedded table.
type Settings struct {
	Preset string // the shape of the table; empty: "rekey", the embedded one

	// Names that differ from the preset's; empty: the preset's. Table may have a schema before a dot. Mobile is a column,
	// with preset "wordpress" the meta key.
	Table, ID, Mobile, Password string
	// Active is what makes a row active: "is_active" for a column that is true, "status=0,del_flag=0" for values,
	// "deleted_at=null" for none, and "none" where every row is.
	Active string
	// Sessions are "table.column" of the id of the user, with commas between several: a reset deletes the rows.
	Sessions string

	// MobileFormat is how the column spells numbers: "national" (empty means this) or "e164". In national form,
	// numbers of a calling code other than CallingCode are spelled as E.164, so that no two people share a spelling.
	MobileFormat string
	CallingCode  string // of the numbering plan that needs no code; empty: "86"

	// Hash is "auto" (empty means this): every row keeps its own algorithm, and rows whose hash is not recognised are
	// not recovered. Or it is a recipe (passhash.ParseRecipe): such rows are recovered and get a hash made with it.
	Hash string
	// HashFloor is a recipe, the least cost of new hashes of its format; empty: passhash.Least. An operator's word
	// goes, also below that.
	HashFloor string
	// HashMemory is what hashing may use at once, in bytes; 0: passhash.DefaultMemory.
	HashMemory int64
	// RecoverUnusable lets people set a password who have none, or one that is locked.
	RecoverUnusable bool
}

// SettingError is a fault in one setting.
type SettingError struct {
	Key string // within [users], such as "table"
	Err error
}

func (e *SettingError) Error() string { return "users." + e.Key + ": " + e.Err.Error() }

func (e *SettingError) Unwrap() error { return e.Err }

// Validate returns all faults of the settings, each a *SettingError, joined.
func (s Settings) Validate() error {
	_, err := s.layout()
	if s.Preset == "rekey" {
		err = errors.Join(append(s.embeddedFaults(), err)...)
	}
	return err
}

// layout is what Settings come to. What of it is optional is there once examine has seen the tables.
type layout struct {
	preset               preset
	table                string
	id, mobile, password string
	active               []condition
	alive                []condition // optional
	writes               []write     // optional
	sessions             []owned

	e164    bool
	calling string

	hash            passhash.Recipe // nil: none is named and the preset has none
	hashNamed       bool
	floor           passhash.Recipe
	recoverUnusable bool
}

// condition holds for a row whose column has the value or, without one, is true.
type condition struct {
	column string
	value  *string
	null   bool // the column is NULL
}

// owned are rows of another table that a reset deletes: those whose column has the account's id and, if there is a key,
// whose keyColumn has that.
type owned struct {
	table, column  string
	keyColumn, key string
	optional       bool // where the table is there
}

func (s Settings) layout() (layout, error) {
	var faults []error
	fault := func(key string, err error) {
		if err != nil {
			faults = append(faults, &SettingError{Key: key, Err: err})
		}
	}
	all := presets()
	p, ok := all[cmp.Or(s.Preset, "rekey")]
	if !ok {
		fault("preset", fmt.Errorf("%q is no preset; write one of %s", s.Preset, strings.Join(slices.Sorted(maps.Keys(all)), ", ")))
	}
	l := layout{
		preset: p, table: cmp.Or(s.Table, p.table), id: cmp.Or(s.ID, p.id), mobile: cmp.Or(s.Mobile, p.mobile),
		password: cmp.Or(s.Password, p.password), writes: p.writes,
		calling: cmp.Or(s.CallingCode, chinese), recoverUnusable: s.RecoverUnusable,
	}
	if ok {
		fault("table", checkTable(l.table))
		fault("id", checkName(l.id))
		fault("mobile", checkName(l.mobile))
		fault("password", checkName(l.password))
		var err error
		l.active, err = parseActive(cmp.Or(s.Active, p.active))
		fault("active", err)
		if l.alive, err = parseActive(p.alive); err != nil {
			return l, err // a fault of the preset itself
		}
		fault("table", l.parseMeta())
	}
	fault("sessions", l.parseSessions(s.Sessions))
	switch s.MobileFormat {
	case "", "national":
	case "e164":
		l.e164 = true
	default:
		fault("mobile_format", fmt.Errorf("%q is neither national nor e164", s.MobileFormat))
	}
	if s.HashMemory < 0 {
		fault("hash_memory", errors.New("must not be negative"))
	}
	var err error
	l.hashNamed = s.Hash != "" && s.Hash != "auto"
	if recipe := p.hash; l.hashNamed || recipe != "" {
		if l.hashNamed {
			recipe = s.Hash
		}
		l.hash, err = passhash.ParseRecipe(recipe)
		fault("hash", err)
	} else if ok && s.RecoverUnusable {
		fault("hash", errors.New("must name what is made for people without a password, since recover_unusable is on; "+
			"write the one that the application can read, such as bcrypt"))
	}
	if l.hash != nil && !l.reads(l.hash.Name()) {
		fault("hash", fmt.Errorf("%s is none that the preset's application reads; write one of %s", l.hash.Name(), strings.Join(p.reads, ", ")))
	}
	if s.HashFloor != "" {
		l.floor, err = passhash.ParseRecipe(s.HashFloor)
		fault("hash_floor", err)
	}
	return l, errors.Join(faults...)
}

// reads reports whether the application reads hashes of the format.
func (l layout) reads(format string) bool {
	return len(l.preset.reads) == 0 || slices.Contains(l.preset.reads, format)
}

// upgrades reports whether the application reads a hash of a legacy format, so that a better one may take its place.
func (l layout) upgrades(stored string) bool {
	legacy, err := passhash.ParseLegacy(stored)
	return err == nil && slices.Contains(l.preset.reads, legacy.Name())
}

// metaTable is the table beside the users table that holds the number, of the same schema and prefix.
func (l layout) metaTable() string {
	return strings.TrimSuffix(l.table, l.preset.meta.replaces) + l.preset.meta.table
}

// parseMeta derives what follows from a number that stands beside the table.
func (l *layout) parseMeta() error {
	m := l.preset.meta
	if m == nil {
		return nil
	}
	if _, table := splitName(l.table); !strings.HasSuffix(table, m.replaces) {
		return fmt.Errorf("must end in %q, so that the table of the numbers is known: …%s", m.replaces, m.table)
	}
	for _, key := range m.dies {
		l.sessions = append(l.sessions, owned{table: l.metaTable(), column: m.user, keyColumn: m.key, key: key})
	}
	return nil
}

// parseSessions reads Settings.Sessions; left out, it is what the preset knows, of the users table's schema: a table of
// that name elsewhere is another application's, whose users have the same ids.
func (l *layout) parseSessions(s string) error {
	optional := s == ""
	entries := l.preset.sessions
	if !optional {
		entries = strings.Split(s, ",")
	}
	for _, entry := range entries {
		entry = strings.TrimSpace(entry)
		dot := strings.LastIndexByte(entry, '.')
		if dot < 0 {
			return fmt.Errorf("%q is not of the form table.column, where the column has the id of the user", entry)
		}
		o := owned{table: entry[:dot], column: entry[dot+1:], optional: optional}
		if schema, _ := splitName(l.table); optional && schema != "" {
			o.table = schema + "." + o.table
		}
		if err := errors.Join(checkTable(o.table), checkName(o.column)); err != nil {
			return err
		}
		l.sessions = append(l.sessions, o)
	}
	return nil
}

// parseActive reads the syntax of Settings.Active.
func parseActive(s string) ([]condition, error) {
	if s == "" || s == "none" {
		return nil, nil
	}
	var all []condition
	for part := range strings.SplitSeq(s, ",") {
		column, value, valued := strings.Cut(strings.TrimSpace(part), "=")
		c := condition{column: strings.TrimSpace(column)}
		if err := checkName(c.column); err != nil {
			return nil, fmt.Errorf("write a column, column=value with commas between, or none: %w", err)
		}
		if valued {
			value = strings.TrimSpace(value)
			c.value = &value
			if strings.EqualFold(value, "null") {
				c.value, c.null = nil, true
			}
		}
		all = append(all, c)
	}
	return all, nil
}

func checkTable(name string) error {
	schema, table := splitName(name)
	if schema == "" && table == name {
		return checkName(table)
	}
	return errors.Join(checkName(schema), checkName(table))
}

// checkName refuses what no database takes as the name of a table or column. Everything else is quoted (T26). 64
// characters is the most that MySQL takes; PostgreSQL takes 63.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is missing, and the preset has none; write it")
	case utf8.RuneCountInString(name) > 64:
		return errors.New("a name is longer than 64 characters")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("the name %q has characters that no name has", name)
	}
	return nil
}
