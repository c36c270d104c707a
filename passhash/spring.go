package passhash

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Spring Security's DelegatingPasswordEncoder writes {id} before the hash and reads each hash with the encoder of that
// id; PasswordEncoderFactories (crypto/factory) says which those are. An id is kept as found, since an older Spring
// does not know those with @SpringSecurity_v5_8.
const springV5_8 = "@SpringSecurity_v5_8}"

var (
	// BCryptPasswordEncoder with its default strength.
	springBcrypt = springBcryptAs("{bcrypt}")

	// Argon2PasswordEncoder.defaultsForSpringSecurity_v5_2 and _v5_8, whose own costs are below argon2Least.
	springArgon2   = springArgon2As("{argon2}")
	springArgon2v8 = springArgon2As("{argon2" + springV5_8)

	// SCryptPasswordEncoder.defaultsForSpringSecurity_v4_1 and _v5_8: their n, r and salt, with the p of OWASP for those.
	springScrypt   = springScryptAs("{scrypt}", scryptCosts{n: 1 << 14, r: 8, p: 5, sum: 32}, 64)
	springScryptv8 = springScryptAs("{scrypt"+springV5_8, scryptCosts{n: 1 << 16, r: 8, p: 2, sum: 32}, 16)

	// Pbkdf2PasswordEncoder.defaultsForSpringSecurity_v5_5 and _v5_8.
	springPBKDF2   = springPBKDF2As("{pbkdf2}", overSHA1, 185_000, 8)
	springPBKDF2v8 = springPBKDF2As("{pbkdf2"+springV5_8, overSHA256, 310_000, 16)
)

func springBcryptAs(id string) *bcryptDialect {
	return &bcryptDialect{name: id, prefix: id, least: bcryptCosts{'a', bcryptLeastCost}}
}

func springArgon2As(id string) *argon2Dialect {
	return &argon2Dialect{name: id, prefix: id, variety: argon2ID, least: argon2Least}
}

// springMaxSalt is the length of the longest salt of a default, in bytes. The shortest is 8.
const springMinSalt, springMaxSalt = 8, 64

// springScryptAs is {id}$COSTS$SALT$SUM. The costs are one number in hexadecimal: log2 of n, then r and p in a byte each
// (SCryptPasswordEncoder.digest). Salt and sum are in base64 with padding. The encoder takes a sum only if it has the
// length that it makes itself, so that length is kept.
func springScryptAs(id string, least scryptCosts, salt int) springScryptDialect {
	return springScryptDialect{&scryptDialect{
		name:  id,
		least: least,
		salt:  func() string { return randomBytes(salt) },
		write: func(c scryptCosts, salt string, sum []byte) string {
			log2 := bits.TrailingZeros32(c.n)
			b64 := base64.StdEncoding
			return fmt.Sprintf("%s$%x$%s$%s", id, uint32(log2)<<16|c.r<<8|c.p, b64.EncodeToString([]byte(salt)), b64.EncodeToString(sum))
		},
	}}
}

type springScryptDialect struct{ *scryptDialect }

func (d springScryptDialect) format() format { return d.scryptDialect.format(d.name, d.parse) }

func (d springScryptDialect) parse(stored string) (Hash, error) {
	fields := strings.Split(strings.TrimPrefix(stored, d.name), "$")
	if len(fields) != 4 || fields[0] != "" {
		return nil, fmt.Errorf("%w: not %s$COSTS$SALT$SUM", ErrMalformed, d.name)
	}
	if fields[1] == "" || strings.Trim(fields[1], "0123456789abcdef") != "" {
		return nil, fmt.Errorf("%w: the costs of scrypt are not hexadecimal", ErrMalformed)
	}
	costs, err := strconv.ParseUint(fields[1], 16, 32)
	if err != nil || costs>>16 > 31 {
		return nil, fmt.Errorf("%w: the costs of scrypt are too much", ErrBounds)
	}
	salt, err := base64Bytes("salt", base64.StdEncoding, fields[2])
	if err != nil {
		return nil, err
	}
	if err := within("salt", salt, springMinSalt, springMaxSalt); err != nil {
		return nil, err
	}
	sum, err := base64Bytes("sum", base64.StdEncoding, fields[3])
	if err != nil {
		return nil, err
	}
	return d.parsed(1<<(costs>>16), costs>>8&0xff, costs&0xff, salt, sum)
}

// springPBKDF2As is {id} and, in hexadecimal, the salt and a sum of 32 bytes. The hash tells no costs: the encoder has
// them, and with others it would not verify. So the iterations are those of the id, whatever the floor; and a hash of an
// encoder that the application made with a secret or with costs of its own is taken for one, but nothing verifies.
func springPBKDF2As(id string, digest *pbkdf2Digest, iterations uint32, salt int) springPBKDF2Dialect {
	return springPBKDF2Dialect{saltBytes: salt, pbkdf2Dialect: &pbkdf2Dialect{
		name: id, digest: digest, fixed: iterations, sum: springPBKDF2Sum,
		salt: func() string { return randomBytes(salt) },
		write: func(_ uint32, salt string, sum []byte) string {
			return fmt.Sprintf("%s%x%x", id, salt, sum)
		},
	}}
}

const springPBKDF2Sum = 32

type springPBKDF2Dialect struct {
	*pbkdf2Dialect
	saltBytes int
}

func (d springPBKDF2Dialect) format() format { return d.pbkdf2Dialect.format(d.name, d.parse) }

func (d springPBKDF2Dialect) parse(stored string) (Hash, error) {
	b, err := hex.DecodeString(strings.TrimPrefix(stored, d.name))
	if err != nil || len(b) != d.saltBytes+springPBKDF2Sum {
		return nil, fmt.Errorf("%w: not %s and %d bytes in hexadecimal", ErrMalformed, d.name, d.saltBytes+springPBKDF2Sum)
	}
	return d.parsed(d.fixed, b[:d.saltBytes], b[d.saltBytes:]), nil
}
