package passhash

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// The formats of django/contrib/auth/hashers.py.

// Django draws salts of 22 characters of 62 (131 bits) since 3.2 and drew 12 before; make_password takes any salt that
// the column of 128 characters has room for.
const (
	djangoSalt    = 22
	djangoMaxSalt = 64
)

// djangoPBKDF2 is PBKDF2PasswordHasher: pbkdf2_sha256$ITERATIONS$SALT$SUM. The salt is text and goes into the derivation
// as it stands; the sum is in base64 with padding.
var djangoPBKDF2 = &pbkdf2Dialect{
	name:   "pbkdf2_sha256",
	digest: overSHA256,
	sum:    overSHA256.size,
	salt:   func() string { return alphanumeric(djangoSalt) },
	write: func(iterations uint32, salt string, sum []byte) string {
		return fmt.Sprintf("%s%d$%s$%s", djangoPBKDF2Prefix, iterations, salt, base64.StdEncoding.EncodeToString(sum))
	},
}

const djangoPBKDF2Prefix = "pbkdf2_sha256$"

// djangoPBKDF2SHA1 is PBKDF2SHA1PasswordHasher, the same over SHA-1. Its hashes are verified and replaced by those over
// SHA-256, which stands first in Django's own PASSWORD_HASHERS.
var djangoPBKDF2SHA1 = format{name: djangoPBKDF2SHA1Name, prefix: "pbkdf2_sha1$", parse: parseDjangoPBKDF2SHA1}

const djangoPBKDF2SHA1Name = "pbkdf2_sha1"

func parseDjangoPBKDF2(stored string) (Hash, error) {
	iterations, salt, sum, err := djangoPBKDF2Fields(overSHA256, stored)
	if err != nil {
		return nil, err
	}
	return djangoPBKDF2.parsed(iterations, salt, sum), nil
}

func parseDjangoPBKDF2SHA1(stored string) (Hash, error) {
	iterations, salt, sum, err := djangoPBKDF2Fields(overSHA1, stored)
	if err != nil {
		return nil, err
	}
	return djangoPBKDF2.succeeds(djangoPBKDF2SHA1Name, iterations, salt, sum), nil
}

func djangoPBKDF2Fields(digest *pbkdf2Digest, stored string) (iterations uint32, salt, sum []byte, err error) {
	fields := strings.Split(stored, "$")
	if len(fields) != 4 {
		return 0, nil, nil, fmt.Errorf("%w: not pbkdf2_%s$ITERATIONS$SALT$SUM", ErrMalformed, digest.name)
	}
	n, err := number("pbkdf2_"+digest.name+" iterations", fields[1], 1, uint64(digest.most))
	if err != nil {
		return 0, nil, nil, err
	}
	salt = []byte(fields[2])
	if err := within("salt", salt, 1, djangoMaxSalt); err != nil {
		return 0, nil, nil, err
	}
	if sum, err = base64Bytes("sum", base64.StdEncoding, fields[3]); err != nil {
		return 0, nil, nil, err
	}
	if len(sum) != digest.size {
		return 0, nil, nil, fmt.Errorf("%w: the sum must be %d bytes", ErrMalformed, digest.size)
	}
	return uint32(n), salt, sum, nil
}

// djangoArgon2 is Argon2PasswordHasher: the PHC string behind "argon2". It reads costs and variety from the hash. It made
// Argon2i before Django 3.2; since then it replaces such a hash itself, at the next login (must_update). Salts
// are text, since the admin site decodes and shows their first characters, and as long as must_update asks.
var djangoArgon2 = &argon2Dialect{
	name:     "django_argon2",
	prefix:   "argon2",
	variety:  argon2ID,
	textSalt: true,
	least:    argon2Costs{memory: argon2Least.memory, passes: argon2Least.passes, lanes: argon2Least.lanes, salt: djangoSalt, sum: argon2Least.sum},
}

// djangoBcryptCosts are the defaults of both since Django 1.4.
var djangoBcryptCosts = bcryptCosts{'b', 12}

// djangoBcrypt is BCryptPasswordHasher: bcrypt$ and then the hash, whose own $ follows at once.
var djangoBcrypt = &bcryptDialect{name: "django_bcrypt", prefix: "bcrypt$", least: djangoBcryptCosts}

// djangoBcryptSHA256 is BCryptSHA256PasswordHasher, which takes passwords of any length: bcrypt gets the SHA-256 of the
// password in hexadecimal.
var djangoBcryptSHA256 = &bcryptDialect{
	name:   "django_bcrypt_sha256",
	prefix: "bcrypt_sha256$",
	prepare: func(password string) string {
		sum := sha256.Sum256([]byte(password))
		return hex.EncodeToString(sum[:])
	},
	least: djangoBcryptCosts,
}

// djangoScrypt is ScryptPasswordHasher, since Django 4.0: scrypt$N$SALT$R$P$SUM, with a salt of text and a sum of 64 bytes
// in base64. The least is the default since Django 5.1, which fills the column of 128 characters to the last. The hasher
// leaves OpenSSL its limit of 32 MiB (maxmem 0), which n·r = 2^18 would go over. So a floor above the least is for those
// who raised maxmem and have a wider column.
var djangoScrypt = &scryptDialect{
	name:  "django_scrypt",
	least: scryptCosts{n: 1 << 14, r: 8, p: 5, sum: 64},
	salt:  func() string { return alphanumeric(djangoSalt) },
	write: func(c scryptCosts, salt string, sum []byte) string {
		return fmt.Sprintf("%s%d$%s$%d$%d$%s", djangoScryptPrefix, c.n, salt, c.r, c.p, base64.StdEncoding.EncodeToString(sum))
	},
}

const djangoScryptPrefix = "scrypt$"

func parseDjangoScrypt(stored string) (Hash, error) {
	fields := strings.Split(stored, "$")
	if len(fields) != 6 {
		return nil, fmt.Errorf("%w: not scrypt$N$SALT$R$P$SUM", ErrMalformed)
	}
	n, err := number("scrypt n", fields[1], 2, scryptMaxWork)
	if err != nil {
		return nil, err
	}
	r, err := number("scrypt r", fields[3], 1, scryptMaxBlock)
	if err != nil {
		return nil, err
	}
	p, err := number("scrypt p", fields[4], 1, scryptMaxLanes)
	if err != nil {
		return nil, err
	}
	salt := []byte(fields[2])
	if err := within("salt", salt, 1, djangoMaxSalt); err != nil {
		return nil, err
	}
	sum, err := base64Bytes("sum", base64.StdEncoding, fields[5])
	if err != nil {
		return nil, err
	}
	return djangoScrypt.parsed(n, r, p, salt, sum)
}
