package passhash

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// The formats of werkzeug/security.py, which Flask applications store: METHOD$SALT$SUM. The method is scrypt:N:R:P (the
// default since Werkzeug 3.0) or pbkdf2:DIGEST:ITERATIONS (before); the salt is text and goes into the derivation as it
// stands; the sum is in hexadecimal. A method without its costs, which takes those of the Werkzeug that reads it, is not
// known here: generate_password_hash always writes them.

// gen_salt draws 16 characters of 62 (95 bits) since Werkzeug 2.0 and drew 8 before; salt_length may be anything.
const (
	werkzeugSalt    = 16
	werkzeugMaxSalt = 64
)

var werkzeugScrypt = &scryptDialect{
	name:  "werkzeug_scrypt",
	least: scryptCosts{n: 1 << 15, r: 8, p: 3, sum: 64},
	salt:  func() string { return alphanumeric(werkzeugSalt) },
	write: func(c scryptCosts, salt string, sum []byte) string {
		return fmt.Sprintf("scrypt:%d:%d:%d$%s$%x", c.n, c.r, c.p, salt, sum)
	},
}

var (
	werkzeugSHA256 = werkzeugPBKDF2(overSHA256)
	werkzeugSHA512 = werkzeugPBKDF2(overSHA512)
)

// werkzeugPBKDF2 over SHA-256 or SHA-512. Hashes over SHA-1, the default before Werkzeug 0.15, are verified and replaced
// by those over SHA-256, which has been the default of the method since.
func werkzeugPBKDF2(digest *pbkdf2Digest) *pbkdf2Dialect {
	return &pbkdf2Dialect{
		name:   "werkzeug_pbkdf2_" + digest.name,
		digest: digest,
		sum:    digest.size, // what hashlib.pbkdf2_hmac gives
		salt:   func() string { return alphanumeric(werkzeugSalt) },
		write: func(iterations uint32, salt string, sum []byte) string {
			return fmt.Sprintf("pbkdf2:%s:%d$%s$%x", digest.name, iterations, salt, sum)
		},
	}
}

func parseWerkzeugScrypt(stored string) (Hash, error) {
	method, salt, sum, err := werkzeugFields(stored, 4)
	if err != nil {
		return nil, err
	}
	n, err := number("scrypt n", method[1], 2, scryptMaxWork)
	if err != nil {
		return nil, err
	}
	r, err := number("scrypt r", method[2], 1, scryptMaxBlock)
	if err != nil {
		return nil, err
	}
	p, err := number("scrypt p", method[3], 1, scryptMaxLanes)
	if err != nil {
		return nil, err
	}
	return werkzeugScrypt.parsed(n, r, p, salt, sum)
}

func parseWerkzeugPBKDF2(stored string) (Hash, error) {
	method, salt, sum, err := werkzeugFields(stored, 3)
	if err != nil {
		return nil, err
	}
	var digest *pbkdf2Digest
	for _, d := range []*pbkdf2Digest{overSHA256, overSHA512, overSHA1} {
		if d.name == method[1] {
			digest = d
		}
	}
	if digest == nil {
		return nil, fmt.Errorf("%w: the digest is none of sha256, sha512 and sha1", ErrMalformed)
	}
	n, err := number("pbkdf2 iterations", method[2], 1, uint64(digest.most))
	if err != nil {
		return nil, err
	}
	iterations := uint32(n)
	if len(sum) != digest.size {
		return nil, fmt.Errorf("%w: the sum must be %d bytes", ErrMalformed, digest.size)
	}
	switch digest {
	case overSHA512:
		return werkzeugSHA512.parsed(iterations, salt, sum), nil
	case overSHA256:
		return werkzeugSHA256.parsed(iterations, salt, sum), nil
	default:
		return werkzeugSHA256.succeeds("werkzeug_pbkdf2_sha1", iterations, salt, sum), nil
	}
}

// werkzeugFields splits a hash whose method has a certain number of parts.
func werkzeugFields(stored string, parts int) (method []string, salt, sum []byte, err error) {
	fields := strings.Split(stored, "$")
	if len(fields) != 3 {
		return nil, nil, nil, fmt.Errorf("%w: not METHOD$SALT$SUM", ErrMalformed)
	}
	if method = strings.Split(fields[0], ":"); len(method) != parts {
		return nil, nil, nil, fmt.Errorf("%w: not scrypt:N:R:P nor pbkdf2:DIGEST:ITERATIONS", ErrMalformed)
	}
	salt = []byte(fields[1])
	if err := within("salt", salt, 1, werkzeugMaxSalt); err != nil {
		return nil, nil, nil, err
	}
	if sum, err = hex.DecodeString(fields[2]); err != nil {
		return nil, nil, nil, fmt.Errorf("%w: the sum is not hexadecimal", ErrMalformed)
	}
	return method, salt, sum, nil
}
