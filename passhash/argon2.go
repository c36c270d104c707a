package passhash

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"
)

// phcArgon2 is Argon2, RFC 9106, as the PHC string format writes it (github.com/P-H-C/phc-string-format) and the
// reference implementation, PHP and argon2-cffi store it: $argon2id$v=19$m=KiB,t=PASSES,p=LANES$SALT$SUM, in base64
// without padding. Argon2d is not for passwords, and hashes of version 16 (1.0, before 2016) are not written any more:
// both are refused.
var phcArgon2 = &argon2Dialect{name: "argon2id", variety: argon2ID, least: argon2Least, independent: phcArgon2i}

// phcArgon2i is the same of Argon2i. Its hashes stay what they are, though RFC 9106, section 4 recommends Argon2id: who
// verifies with password_verify reads both, but Laravel's ArgonHasher reads Argon2i alone and throws at any other
// (hashing.verify). The least is what PHP makes (PASSWORD_ARGON2_DEFAULT_MEMORY_COST and so on, since 7.4): 64 MiB, 4
// passes, 1 lane. With less than 3 passes Argon2i loses much to attacks that trade memory for time (RFC 9106, section
// 7.2).
var phcArgon2i = &argon2Dialect{name: "argon2i", variety: argon2I,
	least: argon2Costs{memory: 65536, passes: 4, lanes: 1, salt: argon2Least.salt, sum: argon2Least.sum}}

// argon2Least is the first choice of the OWASP Password Storage Cheat Sheet where memory is shared with other work:
// 19 MiB, 2 passes, 1 lane. Salt and sum are those that RFC 9106, section 4 recommends.
var argon2Least = argon2Costs{memory: 19456, passes: 2, lanes: 1, salt: 16, sum: 32}

// Bounds of a stored hash (T41). Both sums are those of libsodium's crypto_pwhash_*_SENSITIVE, 4 passes over 1 GiB:
// the heaviest profile that a common library offers, about 4 s of one core. Passes have no bound of their own, since
// the work bounds them.
const (
	argon2MaxMemory = 1 << 20 // KiB
	argon2MaxWork   = 4 << 20 // KiB × passes

	// A lane is a thread at work. RFC 9106 recommends 4 and Django takes 8; four times that is not found in the field.
	argon2MaxLanes = 32

	// The PHC string format gives salts 8 to 48 bytes and sums 12 to 64.
	argon2MinSalt, argon2MaxSalt = 8, 48
	argon2MinSum, argon2MaxSum   = 12, 64
)

// argon2Variety is a variety of Argon2.
type argon2Variety struct {
	name   string // in PHC strings
	derive func(password, salt []byte, passes, memory uint32, lanes uint8, sum uint32) []byte
}

var (
	argon2ID = &argon2Variety{"argon2id", argon2.IDKey}
	argon2I  = &argon2Variety{"argon2i", argon2.Key}
)

// argon2Dialect is how a framework stores PHC strings of Argon2.
type argon2Dialect struct {
	name     string
	prefix   string         // before the PHC string
	variety  *argon2Variety // of new hashes
	textSalt bool           // salts are letters and digits
	least    argon2Costs
	// independent is the dialect of stored hashes of Argon2i. Without one, those are replaced by hashes of variety.
	independent *argon2Dialect
}

// argon2Costs has memory in KiB, salt and sum in bytes.
type argon2Costs struct {
	memory, passes, lanes uint32
	salt, sum             int
}

type argon2Recipe struct {
	*argon2Dialect
	argon2Costs
}

type argon2Hash struct {
	argon2Recipe
	stored              *argon2Variety
	saltBytes, sumBytes []byte
}

func (d *argon2Dialect) format() format {
	return format{name: d.name, prefix: d.prefix + "$argon2", parse: d.parse, recipe: d.recipe}
}

// formatOfRecipes is the format of a dialect whose hashes another parses.
func (d *argon2Dialect) formatOfRecipes() format { return format{name: d.name, recipe: d.recipe} }

func (d *argon2Dialect) parse(stored string) (Hash, error) {
	fields := strings.Split(strings.TrimPrefix(stored, d.prefix), "$")
	if len(fields) != 6 || fields[2] != "v=19" {
		return nil, fmt.Errorf("%w: not $argon2id$v=19$m=…,t=…,p=…$SALT$SUM", ErrMalformed)
	}
	costs, err := parseArgon2Costs(fields[3])
	if err != nil {
		return nil, err
	}
	h := argon2Hash{argon2Recipe: argon2Recipe{d, costs}}
	switch fields[1] {
	case argon2ID.name:
		h.stored = argon2ID
	case argon2I.name:
		h.stored = argon2I
		if d.independent != nil {
			h.argon2Dialect = d.independent
		}
	default:
		return nil, fmt.Errorf("%w: %q is neither argon2id nor argon2i", ErrMalformed, fields[1])
	}
	if h.saltBytes, err = phcBytes("salt", fields[4], argon2MinSalt, argon2MaxSalt); err != nil {
		return nil, err
	}
	if h.sumBytes, err = phcBytes("sum", fields[5], argon2MinSum, argon2MaxSum); err != nil {
		return nil, err
	}
	h.salt, h.sum = len(h.saltBytes), len(h.sumBytes)
	return h, nil
}

func (d *argon2Dialect) recipe(params string) (Recipe, error) {
	if params == "" {
		return argon2Recipe{d, d.least}, nil
	}
	costs, err := parseArgon2Costs(params)
	if err != nil {
		return nil, err
	}
	costs.salt, costs.sum = d.least.salt, d.least.sum
	return argon2Recipe{d, costs}, nil
}

// parseArgon2Costs reads m=…,t=…,p=…: the PHC string format fixes the order.
func parseArgon2Costs(s string) (argon2Costs, error) {
	values, err := parseCosts("argon2", s, [3]costBound{
		{"m", 1, argon2MaxMemory}, {"t", 1, argon2MaxWork}, {"p", 1, argon2MaxLanes},
	})
	if err != nil {
		return argon2Costs{}, err
	}
	memory, passes, lanes := values[0], values[1], values[2]
	switch {
	case memory < 8*lanes: // RFC 9106, section 3.1
		return argon2Costs{}, fmt.Errorf("%w: argon2 needs m= of at least 8 times p=", ErrBounds)
	case memory*passes > argon2MaxWork:
		return argon2Costs{}, fmt.Errorf("%w: argon2 m= times t= must be at most %d", ErrBounds, argon2MaxWork)
	}
	return argon2Costs{memory: uint32(memory), passes: uint32(passes), lanes: uint32(lanes)}, nil
}

// phcBytes reads base64 as the PHC string format has it: without padding.
func phcBytes(what, s string, least, most int) ([]byte, error) {
	b, err := base64Bytes(what, base64.RawStdEncoding, s)
	if err != nil {
		return nil, err
	}
	return b, within(what, b, least, most)
}

func (h argon2Hash) Recipe() Recipe { return h.argon2Recipe }

func (h argon2Hash) Verify(password string) bool {
	sum := h.stored.derive([]byte(password), h.saltBytes, h.passes, h.memory, uint8(h.lanes), uint32(h.sum))
	return subtle.ConstantTimeCompare(sum, h.sumBytes) == 1
}

func (r argon2Recipe) Name() string { return r.name }

func (r argon2Recipe) String() string {
	return fmt.Sprintf("%s$m=%d,t=%d,p=%d", r.name, r.memory, r.passes, r.lanes)
}

// Format shows the recipe, of a hash too, whatever the verb (T36).
func (r argon2Recipe) Format(f fmt.State, _ rune) { io.WriteString(f, r.String()) }

func (r argon2Recipe) Cost() Cost {
	return Cost{Memory: int64(r.memory) << 10, Cores: int(r.lanes)}
}

func (r argon2Recipe) AtLeast(floor Recipe) Recipe {
	f, ok := floor.(argon2Recipe)
	if !ok || f.argon2Dialect != r.argon2Dialect {
		return r
	}
	up := argon2Costs{
		memory: max(r.memory, f.memory), passes: max(r.passes, f.passes), lanes: max(r.lanes, f.lanes),
		salt: max(r.salt, f.salt), sum: max(r.sum, f.sum),
	}
	up.memory = max(up.memory, 8*up.lanes)
	// The memory of one with the passes of the other may be more than is ever verified again. As much memory as either
	// and as much work as the bound allows is still no weaker than either, for both keep that bound.
	up.passes = min(up.passes, argon2MaxWork/up.memory)
	return argon2Recipe{r.argon2Dialect, up}
}

func (r argon2Recipe) Make(password string) (string, error) {
	salt := make([]byte, r.salt)
	if r.textSalt {
		copy(salt, alphanumeric(r.salt))
	} else {
		rand.Read(salt)
	}
	sum := r.variety.derive([]byte(password), salt, r.passes, r.memory, uint8(r.lanes), uint32(r.sum))
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("%s$%s$v=%d$m=%d,t=%d,p=%d$%s$%s", r.prefix, r.variety.name, argon2.Version, r.memory, r.passes, r.lanes,
		b64.EncodeToString(salt), b64.EncodeToString(sum)), nil
}
