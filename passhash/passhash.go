// Package passhash knows password hashes as real frameworks store them: it recognises, verifies and makes them. A file
// for each algorithm does the work and bounds it; a file for each framework says how that framework writes it down, and
// every such dialect is one entry in the list of formats.
//
// A stored hash is somebody else's data: every parameter in it is bounded before any work is done (T41). What is made
// anew is made in the format of the hash that it replaces, never weaker than that was nor than a floor.
//
// The package is safe for concurrent use. No error of it holds a password, a salt or a hash.
package passhash

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// What Parse and ParseRecipe refuse; the errors wrap these and say why.
var (
	// ErrUnusable: no password can match; there is none, or it is locked.
	ErrUnusable = errors.New("no usable password")
	// ErrUnknown: not of a format that this package knows.
	ErrUnknown = errors.New("unknown password hash format")
	// ErrMalformed: of a known format, but not as that format is written.
	ErrMalformed = errors.New("malformed password hash")
	// ErrBounds: well formed, but with a parameter beyond what is worked on (T41).
	ErrBounds = errors.New("password hash with a parameter out of bounds")
)

// ErrPassword is what Recipe.Make fails with if its format can't hold the password; the error wraps it and says why in
// words that suit whoever chose the password.
var ErrPassword = errors.New("the application can't store this password")

// Hash is one stored hash, parsed and within bounds. Printed, it shows its Recipe alone.
type Hash interface {
	// Name is the name of the format that the hash is stored in. It is the Recipe's, unless the format is one that is
	// verified but never made.
	Name() string
	// Recipe is what replaces the hash: its own format and costs, or those of its successor where its own format is
	// never made. Verifying the hash costs no more than the Recipe does.
	Recipe() Recipe
	// Verify reports whether password is the one that the hash was made from. It compares in constant time and does
	// the work that Recipe().Cost() tells, so it belongs in a Pool.
	Verify(password string) bool
}

// Recipe is a format with its costs.
type Recipe interface {
	// Name is the format's name in settings, such as "argon2id".
	Name() string
	// String is the recipe as settings write it, such as "pbkdf2_sha256$600000"; ParseRecipe reads it.
	String() string
	// Cost tells what verifying or making one hash takes.
	Cost() Cost
	// AtLeast is the recipe with each cost raised to that of floor. A floor of another format changes nothing, since
	// costs of different formats can't be compared.
	AtLeast(floor Recipe) Recipe
	// Make is a new hash of password with a new random salt. It does the work that Cost tells, so it belongs in a
	// Pool. It fails with ErrPassword if the format can't hold the password.
	Make(password string) (string, error)
}

// Cost tells what one hash takes while it is computed.
type Cost struct {
	Memory int64 // bytes; 0: none to speak of, the hash is bound by the cores alone
	Cores  int   // that it keeps busy, if there are as many
}

// format is how the hashes of one dialect are recognised.
type format struct {
	name   string
	prefix string                              // every stored hash of the format begins so, and no other does
	parse  func(stored string) (Hash, error)   // stored has the prefix; nil: another entry parses what this one makes
	recipe func(params string) (Recipe, error) // what follows name and "$" in settings; empty: the least for new hashes; nil: never made
}

// formats are those that are known. They are put together once: Parse is part of every look at a row.
var formats = sync.OnceValue(func() []format {
	return []format{
		phcArgon2.format(), phcArgon2i.formatOfRecipes(),
		plainBcrypt.format(),
		djangoPBKDF2.format(djangoPBKDF2Prefix, parseDjangoPBKDF2), djangoPBKDF2SHA1,
		djangoArgon2.format(), djangoBcrypt.format(), djangoBcryptSHA256.format(),
		djangoScrypt.format(djangoScryptPrefix, parseDjangoScrypt),
		springBcrypt.format(), springArgon2.format(), springArgon2v8.format(), springScrypt.format(), springScryptv8.format(),
		springPBKDF2.format(), springPBKDF2v8.format(),
		wordpressBcrypt.format(), phpass("$P$"), phpass("$H$"),
		werkzeugScrypt.format("scrypt:", parseWerkzeugScrypt),
		werkzeugSHA256.format("pbkdf2:", parseWerkzeugPBKDF2), werkzeugSHA512.format("", nil),
		aspnetSHA256.format(aspnetPrefix, parseASPNET), aspnetSHA512.format("", nil),
	}
})

// maxStored bounds a stored hash before it is looked at. Frameworks give the column 128 to 255 characters, and the
// longest hash within the bounds of its format is shorter than that.
const maxStored = 255

// Parse recognises a password column as stored. It fails with ErrUnusable, ErrUnknown, ErrLegacy, ErrMalformed or
// ErrBounds.
func Parse(stored string) (Hash, error) {
	// "!" begins what Django's set_unusable_password stores (contrib/auth/hashers.py); "!" and "*" are how shadow(5)
	// locks an account.
	if stored == "" || stored[0] == '!' || stored[0] == '*' {
		return nil, ErrUnusable
	}
	if len(stored) > maxStored {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrUnknown, maxStored)
	}
	for _, f := range formats() {
		if f.parse != nil && strings.HasPrefix(stored, f.prefix) {
			return f.parse(stored)
		}
	}
	if _, err := ParseLegacy(stored); err == nil {
		return nil, ErrLegacy
	}
	return nil, ErrUnknown
}

// ParseRecipe reads a recipe as settings write it: the name of a format alone, which stands for the least that new
// hashes should cost today, or with its costs, such as "pbkdf2_sha256$600000" or "argon2id$m=19456,t=2,p=1".
func ParseRecipe(setting string) (Recipe, error) {
	name, params, costed := strings.Cut(setting, "$")
	var names []string
	for _, f := range formats() {
		if f.recipe == nil {
			continue
		}
		if f.name == name && costed == (params != "") {
			return f.recipe(params)
		}
		names = append(names, f.name)
	}
	return nil, fmt.Errorf("%w: write one of %s, alone or with its costs, such as %q", ErrUnknown,
		strings.Join(names, ", "), djangoPBKDF2.least().String())
}

// Least is the recipe that new hashes of a format should have at least today: ParseRecipe of its name.
func Least(name string) (Recipe, error) {
	if strings.Contains(name, "$") {
		return nil, ErrUnknown
	}
	return ParseRecipe(name)
}

// number reads a decimal as hash formats write it: ASCII digits, no sign, no leading zero, within bounds.
func number(what, s string, least, most uint64) (uint64, error) {
	if s == "" || (s[0] == '0' && s != "0") || strings.Trim(s, "0123456789") != "" {
		return 0, fmt.Errorf("%w: %s is not a number", ErrMalformed, what)
	}
	// The digits alone are known to be well formed, so the only failure left is a number over 64 bits.
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%w: %s must be %d to %d", ErrBounds, what, least, most)
	}
	return n, nil
}

// costBound is a cost in a recipe of several: its letter and what it may be.
type costBound struct {
	letter      string
	least, most uint64
}

// parseCosts reads costs as settings and the PHC string format write them: m=…,t=…,p=…, in this order.
func parseCosts(format, s string, bounds [3]costBound) (values [3]uint64, err error) {
	fields := strings.Split(s, ",")
	for i, b := range bounds {
		var digits string
		found := len(fields) == len(bounds)
		if found {
			digits, found = strings.CutPrefix(fields[i], b.letter+"=")
		}
		if !found {
			return values, fmt.Errorf("%w: %s has its costs as %s=…,%s=…,%s=…", ErrMalformed, format,
				bounds[0].letter, bounds[1].letter, bounds[2].letter)
		}
		if values[i], err = number(format+" "+b.letter+"=", digits, b.least, b.most); err != nil {
			return values, err
		}
	}
	return values, nil
}

// base64Bytes reads base64 as the encoding writes it: no line breaks, no bits left over.
func base64Bytes(what string, encoding *base64.Encoding, s string) ([]byte, error) {
	b, err := encoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") { // which the decoder skips
		return nil, fmt.Errorf("%w: the %s is not base64", ErrMalformed, what)
	}
	return b, nil
}

// within fails unless b is of least to most bytes.
func within(what string, b []byte, least, most int) error {
	if len(b) < least || len(b) > most {
		return fmt.Errorf("%w: the %s must be %d to %d bytes", ErrBounds, what, least, most)
	}
	return nil
}
