package userdb

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"rekey"
	"rekey/passhash"
)

// Settings are the section [users] of the configuration. The zero value is the embedded table.
type Settings struct {
	Preset string // the shape of the table; empty: "rekey", the embedded one

	// Names that differ from the preset's; empty: the preset's. Table may have a schema before a dot.
	Table, ID, Mobile, Password string
	// Active is what makes a row active: "is_active" for a column that is true, or "status=0,del_flag=0".
	Active string

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
	return err
}

// preset is the shape of a users table as some framework makes it.
type preset struct {
	table, id, mobile, password string
	active                      string   // in the syntax of Settings.Active
	changed                     []string // columns that a reset sets to the time of now
	hash                        string   // the recipe for rows without an example
}

func presets() map[string]preset {
	return map[string]preset{
		"rekey": {
			table: "users", id: "id", mobile: "mobile", password: "password", active: "is_active",
			changed: []string{"password_changed_at"}, hash: "argon2id",
		},
	}
}

// layout is what Settings come to.
type layout struct {
	table                string
	id, mobile, password string
	active               []condition
	changed              []string

	e164    bool
	calling string

	hash            passhash.Recipe
	hashNamed       bool
	floor           passhash.Recipe
	recoverUnusable bool
}

// condition holds for a row whose column has the value or, without one, is true.
type condition struct {
	column string
	value  *string
}

func (s Settings) layout() (layout, error) {
	var faults []error
	fault := func(key string, err error) {
		if err != nil {
			faults = append(faults, &SettingError{Key: key, Err: err})
		}
	}
	name := cmp.Or(s.Preset, "rekey")
	p, ok := presets()[name]
	if !ok {
		fault("preset", fmt.Errorf("%q is not a preset of this version; write rekey", s.Preset))
	}
	l := layout{
		table: cmp.Or(s.Table, p.table), id: cmp.Or(s.ID, p.id), mobile: cmp.Or(s.Mobile, p.mobile),
		password: cmp.Or(s.Password, p.password), changed: p.changed,
		calling: cmp.Or(s.CallingCode, "86"), recoverUnusable: s.RecoverUnusable,
	}
	if ok {
		schema, table, dotted := strings.Cut(l.table, ".")
		if !dotted {
			schema, table = l.table, l.table
		}
		fault("table", errors.Join(checkName(schema), checkName(table)))
		fault("id", checkName(l.id))
		fault("mobile", checkName(l.mobile))
		fault("password", checkName(l.password))
		var err error
		l.active, err = parseActive(cmp.Or(s.Active, p.active))
		fault("active", err)
	}
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
	if l.hashNamed || ok {
		recipe := p.hash
		if l.hashNamed {
			recipe = s.Hash
		}
		l.hash, err = passhash.ParseRecipe(recipe)
		fault("hash", err)
	}
	if s.HashFloor != "" {
		l.floor, err = passhash.ParseRecipe(s.HashFloor)
		fault("hash_floor", err)
	}
	return l, errors.Join(faults...)
}

// spell is the number as the column holds it: one spelling a person (T25).
func (l layout) spell(n rekey.Number) string {
	if l.e164 || n.CallingCode() != l.calling {
		return n.E164()
	}
	return n.National()
}

// parseActive reads the syntax of Settings.Active.
func parseActive(s string) ([]condition, error) {
	if s == "" {
		return nil, nil
	}
	var all []condition
	for part := range strings.SplitSeq(s, ",") {
		column, value, valued := strings.Cut(strings.TrimSpace(part), "=")
		c := condition{column: strings.TrimSpace(column)}
		if err := checkName(c.column); err != nil {
			return nil, fmt.Errorf("write a column, or column=value with commas between: %w", err)
		}
		if valued {
			value = strings.TrimSpace(value)
			c.value = &value
		}
		all = append(all, c)
	}
	return all, nil
}

// checkName refuses what no database takes as the name of a table or column. Everything else is quoted (T26). 64
// characters is the most that MySQL takes; PostgreSQL takes 63.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("a name is empty")
	case utf8.RuneCountInString(name) > 64:
		return errors.New("a name is longer than 64 characters")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("the name %q has characters that no name has", name)
	}
	return nil
}
