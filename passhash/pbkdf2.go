package passhash

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// PBKDF2 with HMAC-SHA-256 as Django stores it (django/contrib/auth/hashers.py, PBKDF2PasswordHasher):
// pbkdf2_sha256$ITERATIONS$SALT$SUM. The salt is text and goes into the derivation as it stands; the sum is 32 bytes in
// base64 with padding.
var pbkdf2SHA256Format = format{
	name:   "pbkdf2_sha256",
	prefix: "pbkdf2_sha256$",
	parse:  parsePBKDF2,
	recipe: parsePBKDF2Recipe,
}

// pbkdf2Least is what the OWASP Password Storage Cheat Sheet asks for PBKDF2-HMAC-SHA256, and the default of Django 4.2.
const pbkdf2Least = pbkdf2Recipe(600_000)

const (
	// pbkdf2MaxIterations bounds a stored hash (T41) at eight times the default of Django 6.0 (1,200,000): about
	// 2 s of one core.
	pbkdf2MaxIterations = 10_000_000

	// Django draws 22 characters of 62 (131 bits) since 3.2 and drew 12 before; make_password takes any salt that the
	// column of 128 characters has room for.
	pbkdf2SaltLength = 22
	pbkdf2MaxSalt    = 64

	pbkdf2Sum = sha256.Size
)

// pbkdf2Recipe is the number of iterations.
type pbkdf2Recipe uint32

type pbkdf2Hash struct {
	pbkdf2Recipe
	salt string
	sum  []byte
}

func parsePBKDF2(stored string) (Hash, error) {
	fields := strings.Split(stored, "$")
	if len(fields) != 4 {
		return nil, fmt.Errorf("%w: not pbkdf2_sha256$ITERATIONS$SALT$SUM", ErrMalformed)
	}
	iterations, err := number("pbkdf2_sha256 iterations", fields[1], 1, pbkdf2MaxIterations)
	if err != nil {
		return nil, err
	}
	salt := fields[2]
	if salt == "" || len(salt) > pbkdf2MaxSalt {
		return nil, fmt.Errorf("%w: the salt must be 1 to %d bytes", ErrBounds, pbkdf2MaxSalt)
	}
	if strings.ContainsAny(fields[3], "\r\n") { // which the decoder would skip
		return nil, fmt.Errorf("%w: the sum is not base64", ErrMalformed)
	}
	sum, err := base64.StdEncoding.Strict().DecodeString(fields[3])
	if err != nil {
		return nil, fmt.Errorf("%w: the sum is not base64", ErrMalformed)
	}
	if len(sum) != pbkdf2Sum {
		return nil, fmt.Errorf("%w: the sum must be %d bytes", ErrMalformed, pbkdf2Sum)
	}
	return pbkdf2Hash{pbkdf2Recipe: pbkdf2Recipe(iterations), salt: salt, sum: sum}, nil
}

func parsePBKDF2Recipe(params string) (Recipe, error) {
	if params == "" {
		return pbkdf2Least, nil
	}
	iterations, err := number("pbkdf2_sha256 iterations", params, 1, pbkdf2MaxIterations)
	if err != nil {
		return nil, err
	}
	return pbkdf2Recipe(iterations), nil
}

func (h pbkdf2Hash) Recipe() Recipe { return h.pbkdf2Recipe }

func (h pbkdf2Hash) Verify(password string) bool {
	sum, err := h.derive(password, h.salt)
	return err == nil && subtle.ConstantTimeCompare(sum, h.sum) == 1
}

func (r pbkdf2Recipe) Name() string { return pbkdf2SHA256Format.name }

func (r pbkdf2Recipe) String() string { return "pbkdf2_sha256$" + strconv.Itoa(int(r)) }

// Format shows the recipe, of a hash too, whatever the verb (T36).
func (r pbkdf2Recipe) Format(f fmt.State, _ rune) { io.WriteString(f, r.String()) }

func (r pbkdf2Recipe) Cost() Cost { return Cost{Cores: 1} }

func (r pbkdf2Recipe) AtLeast(floor Recipe) Recipe {
	if f, ok := floor.(pbkdf2Recipe); ok {
		return max(r, f)
	}
	return r
}

func (r pbkdf2Recipe) Make(password string) (string, error) {
	salt := alphanumeric(pbkdf2SaltLength)
	sum, err := r.derive(password, salt)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s$%s$%s", r, salt, base64.StdEncoding.EncodeToString(sum)), nil
}

// derive fails only where the running program is held to FIPS 140-3 and the salt is shorter than that allows.
func (r pbkdf2Recipe) derive(password, salt string) ([]byte, error) {
	return pbkdf2.Key(sha256.New, password, []byte(salt), int(r), pbkdf2Sum)
}

// alphanumeric draws n characters of Django's RANDOM_STRING_CHARS, each as likely as any other.
func alphanumeric(n int) string {
	const chars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	const bound = 256 / len(chars) * len(chars)
	out := make([]byte, 0, n)
	var b [1]byte
	for len(out) < n {
		if rand.Read(b[:]); int(b[0]) < bound {
			out = append(out, chars[int(b[0])%len(chars)])
		}
	}
	return string(out)
}
