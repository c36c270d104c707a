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

// Argon2id, RFC 9106, as the PHC string format writes it (github.com/P-H-C/phc-string-format) and the reference
// implementation, PHP and argon2-cffi store it: $argon2id$v=19$m=KiB,t=PASSES,p=LANES$SALT$SUM, in base64 without
// padding. Hashes of version 16 (1.0, before 2016) are not written any more and are refused.
var argon2idFormat = format{
	name:   "argon2id",
	prefix: "$argon2id$",
	parse:  parseArgon2id,
	recipe: parseArgon2idRecipe,
}

// argon2idLeast is the first choice of the OWASP Password Storage Cheat Sheet where memory is shared with other work:
// 19 MiB, 2 passes, 1 lane. Salt and sum are those that RFC 9106, section 4 recommends.
var argon2idLeast = argon2idRecipe{memory: 19456, passes: 2, lanes: 1, salt: 16, sum: 32}

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

// argon2idRecipe has memory in KiB, salt and sum in bytes.
type argon2idRecipe struct {
	memory, passes, lanes uint32
	salt, sum             int
}

type argon2idHash struct {
	argon2idRecipe
	saltBytes, sumBytes []byte
}

func parseArgon2id(stored string) (Hash, error) {
	fields := strings.Split(stored, "$")
	if len(fields) != 6 || fields[2] != "v=19" {
		return nil, fmt.Errorf("%w: not $argon2id$v=19$m=…,t=…,p=…$SALT$SUM", ErrMalformed)
	}
	costs, err := parseArgon2idCosts(fields[3])
	if err != nil {
		return nil, err
	}
	h := argon2idHash{argon2idRecipe: costs}
	if h.saltBytes, err = phcBytes("salt", fields[4], argon2MinSalt, argon2MaxSalt); err != nil {
		return nil, err
	}
	if h.sumBytes, err = phcBytes("sum", fields[5], argon2MinSum, argon2MaxSum); err != nil {
		return nil, err
	}
	h.salt, h.sum = len(h.saltBytes), len(h.sumBytes)
	return h, nil
}

func parseArgon2idRecipe(params string) (Recipe, error) {
	if params == "" {
		return argon2idLeast, nil
	}
	r, err := parseArgon2idCosts(params)
	if err != nil {
		return nil, err
	}
	r.salt, r.sum = argon2idLeast.salt, argon2idLeast.sum
	return r, nil
}

// parseArgon2idCosts reads m=…,t=…,p=…: the PHC string format fixes the order.
func parseArgon2idCosts(s string) (argon2idRecipe, error) {
	fields := strings.Split(s, ",")
	if len(fields) != 3 {
		return argon2idRecipe{}, fmt.Errorf("%w: argon2id has its costs as m=…,t=…,p=…", ErrMalformed)
	}
	var values [3]uint64
	for i, bound := range [3]struct {
		name string
		most uint64
	}{{"m=", argon2MaxMemory}, {"t=", argon2MaxWork}, {"p=", argon2MaxLanes}} {
		digits, ok := strings.CutPrefix(fields[i], bound.name)
		if !ok {
			return argon2idRecipe{}, fmt.Errorf("%w: argon2id has its costs as m=…,t=…,p=…", ErrMalformed)
		}
		var err error
		if values[i], err = number("argon2id "+bound.name, digits, 1, bound.most); err != nil {
			return argon2idRecipe{}, err
		}
	}
	memory, passes, lanes := values[0], values[1], values[2]
	switch {
	case memory < 8*lanes: // RFC 9106, section 3.1
		return argon2idRecipe{}, fmt.Errorf("%w: argon2id needs m= of at least 8 times p=", ErrBounds)
	case memory*passes > argon2MaxWork:
		return argon2idRecipe{}, fmt.Errorf("%w: argon2id m= times t= must be at most %d", ErrBounds, argon2MaxWork)
	}
	return argon2idRecipe{memory: uint32(memory), passes: uint32(passes), lanes: uint32(lanes)}, nil
}

// phcBytes reads base64 as the PHC string format has it: no padding, no line breaks, no bits left over.
func phcBytes(what, s string, least, most int) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") { // which the decoder would skip
		return nil, fmt.Errorf("%w: the %s is not base64", ErrMalformed, what)
	}
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("%w: the %s is not base64", ErrMalformed, what)
	}
	if len(b) < least || len(b) > most {
		return nil, fmt.Errorf("%w: the %s must be %d to %d bytes", ErrBounds, what, least, most)
	}
	return b, nil
}

func (h argon2idHash) Recipe() Recipe { return h.argon2idRecipe }

func (h argon2idHash) Verify(password string) bool {
	return subtle.ConstantTimeCompare(h.derive(password, h.saltBytes), h.sumBytes) == 1
}

func (r argon2idRecipe) Name() string { return argon2idFormat.name }

func (r argon2idRecipe) String() string {
	return fmt.Sprintf("argon2id$m=%d,t=%d,p=%d", r.memory, r.passes, r.lanes)
}

// Format shows the recipe, of a hash too, whatever the verb (T36).
func (r argon2idRecipe) Format(f fmt.State, _ rune) { io.WriteString(f, r.String()) }

func (r argon2idRecipe) Cost() Cost {
	return Cost{Memory: int64(r.memory) << 10, Cores: int(r.lanes)}
}

func (r argon2idRecipe) AtLeast(floor Recipe) Recipe {
	f, ok := floor.(argon2idRecipe)
	if !ok {
		return r
	}
	up := argon2idRecipe{
		memory: max(r.memory, f.memory), passes: max(r.passes, f.passes), lanes: max(r.lanes, f.lanes),
		salt: max(r.salt, f.salt), sum: max(r.sum, f.sum),
	}
	up.memory = max(up.memory, 8*up.lanes)
	// The memory of one with the passes of the other may be more than is ever verified again. As much memory as either
	// and as much work as the bound allows is still no weaker than either, for both keep that bound.
	up.passes = min(up.passes, argon2MaxWork/up.memory)
	return up
}

func (r argon2idRecipe) Make(password string) (string, error) {
	salt := make([]byte, r.salt)
	rand.Read(salt)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, r.memory, r.passes, r.lanes,
		b64.EncodeToString(salt), b64.EncodeToString(r.derive(password, salt))), nil
}

func (r argon2idRecipe) derive(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, r.passes, r.memory, uint8(r.lanes), uint32(r.sum))
}
