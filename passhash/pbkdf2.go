package passhash

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"hash"
	"io"
	"strconv"
)

// PBKDF2, RFC 8018, section 5.2, with HMAC over one of these. The least is what the OWASP Password Storage Cheat Sheet
// asks for. The most bounds a stored hash (T41) at about 2 s of one core: eight times the default of Django 6.0
// (1,200,000 of SHA-256), thirty times that of ASP.NET Core since 7 (100,000 of SHA-512).
var (
	overSHA256 = &pbkdf2Digest{name: "sha256", new: sha256.New, size: sha256.Size, least: 600_000, most: 10_000_000}
	overSHA512 = &pbkdf2Digest{name: "sha512", new: sha512.New, size: sha512.Size, least: 220_000, most: 3_000_000}
	// SHA-1 is verified, and made only where a stored hash can't tell that it is over another. It has no least.
	overSHA1 = &pbkdf2Digest{name: "sha1", new: sha1.New, size: sha1.Size, most: 10_000_000}
)

type pbkdf2Digest struct {
	name        string
	new         func() hash.Hash
	size        int    // bytes
	least, most uint32 // iterations
}

// pbkdf2Dialect is how a framework stores hashes of PBKDF2 over one digest.
type pbkdf2Dialect struct {
	name   string
	digest *pbkdf2Digest
	fixed  uint32        // iterations where a stored hash does not tell them; 0: it does
	sum    int           // bytes
	salt   func() string // a new one, as the derivation takes it
	write  func(iterations uint32, salt string, sum []byte) string
}

type pbkdf2Recipe struct {
	*pbkdf2Dialect
	iterations uint32
}

// pbkdf2Hash may be over another digest than the recipe that replaces it; it has as many iterations.
type pbkdf2Hash struct {
	pbkdf2Recipe
	format              string
	over                *pbkdf2Digest
	saltBytes, sumBytes []byte
}

func (d *pbkdf2Dialect) format(prefix string, parse func(string) (Hash, error)) format {
	return format{name: d.name, prefix: prefix, parse: parse, recipe: d.recipe}
}

func (d *pbkdf2Dialect) least() pbkdf2Recipe {
	if d.fixed != 0 {
		return pbkdf2Recipe{d, d.fixed}
	}
	return pbkdf2Recipe{d, d.digest.least}
}

func (d *pbkdf2Dialect) recipe(params string) (Recipe, error) {
	if params == "" {
		return d.least(), nil
	}
	if d.fixed != 0 {
		return nil, fmt.Errorf("%w: %s has always %d iterations: write it alone", ErrMalformed, d.name, d.fixed)
	}
	iterations, err := number(d.name+" iterations", params, 1, uint64(d.digest.most))
	if err != nil {
		return nil, err
	}
	return pbkdf2Recipe{d, uint32(iterations)}, nil
}

// parsed is a hash in d.
func (d *pbkdf2Dialect) parsed(iterations uint32, salt, sum []byte) Hash {
	return pbkdf2Hash{pbkdf2Recipe{d, iterations}, d.name, d.digest, salt, sum}
}

// succeeds is a hash of the format called name, over SHA-1, that is replaced by one in d.
func (d *pbkdf2Dialect) succeeds(name string, iterations uint32, salt, sum []byte) Hash {
	return pbkdf2Hash{pbkdf2Recipe{d, iterations}, name, overSHA1, salt, sum}
}

func (h pbkdf2Hash) Name() string { return h.format }

func (h pbkdf2Hash) Recipe() Recipe { return h.pbkdf2Recipe }

func (h pbkdf2Hash) Verify(password string) bool {
	sum, err := pbkdf2.Key(h.over.new, password, h.saltBytes, int(h.iterations), len(h.sumBytes))
	return err == nil && subtle.ConstantTimeCompare(sum, h.sumBytes) == 1
}

func (r pbkdf2Recipe) Name() string { return r.name }

func (r pbkdf2Recipe) String() string {
	if r.fixed != 0 {
		return r.name
	}
	return r.name + "$" + strconv.Itoa(int(r.iterations))
}

// Format shows the recipe, of a hash too, whatever the verb (T36).
func (r pbkdf2Recipe) Format(f fmt.State, _ rune) { io.WriteString(f, r.String()) }

func (r pbkdf2Recipe) Cost() Cost { return Cost{Cores: 1} }

func (r pbkdf2Recipe) AtLeast(floor Recipe) Recipe {
	if f, ok := floor.(pbkdf2Recipe); ok && f.pbkdf2Dialect == r.pbkdf2Dialect {
		r.iterations = max(r.iterations, f.iterations)
	}
	return r
}

// Make fails only where the running program is held to FIPS 140-3 and the salt is shorter than that allows.
func (r pbkdf2Recipe) Make(password string) (string, error) {
	salt := r.salt()
	sum, err := pbkdf2.Key(r.digest.new, password, []byte(salt), int(r.iterations), r.sum)
	if err != nil {
		return "", err
	}
	return r.write(r.iterations, salt, sum), nil
}

// alphanumeric draws n characters of Django's RANDOM_STRING_CHARS, which are Werkzeug's SALT_CHARS too, each as likely
// as any other.
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

// randomBytes are n bytes in a string.
func randomBytes(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return string(b)
}
