package passhash

import (
	"crypto/subtle"
	"fmt"
	"io"

	"golang.org/x/crypto/scrypt"
)

// Scrypt, RFC 7914. The least that new hashes should cost are rows of the table in the OWASP Password Storage Cheat
// Sheet, whose rows defend alike and trade memory for work: for each dialect the row with the memory that its framework
// takes by itself, for that is what the framework's own limits allow.

// Bounds of a stored hash (T41).
const (
	// scryptMaxWork bounds n·r·p. It is n·r of libsodium's crypto_pwhash_scryptsalsa208sha256_*_SENSITIVE: 1 GiB, about
	// 5 s of one core. Memory, which is 128·n·r bytes, has no bound of its own, since p is at least 1.
	scryptMaxWork = 1 << 23

	// Block size and lanes have a byte each where Spring stores them. The field has r=8, p=1 to 16.
	scryptMaxBlock, scryptMaxLanes = 255, 255

	// Frameworks make sums of 32 or 64 bytes; 16 still are 128 bits.
	scryptMinSum, scryptMaxSum = 16, 64
)

// scryptDialect is how a framework stores hashes of scrypt.
type scryptDialect struct {
	name  string
	least scryptCosts
	salt  func() string // a new one, as the derivation takes it
	write func(c scryptCosts, salt string, sum []byte) string
}

// scryptCosts has the names of RFC 7914: n is the cost, r the block size, p the lanes. The sum is in bytes.
type scryptCosts struct {
	n, r, p uint32
	sum     int
}

type scryptRecipe struct {
	*scryptDialect
	scryptCosts
}

type scryptHash struct {
	scryptRecipe
	saltBytes, sumBytes []byte
}

func (d *scryptDialect) format(prefix string, parse func(string) (Hash, error)) format {
	return format{name: d.name, prefix: prefix, parse: parse, recipe: d.recipe}
}

func (d *scryptDialect) recipe(params string) (Recipe, error) {
	if params == "" {
		return scryptRecipe{d, d.least}, nil
	}
	values, err := parseCosts(d.name, params, [3]costBound{
		{"n", 2, scryptMaxWork}, {"r", 1, scryptMaxBlock}, {"p", 1, scryptMaxLanes},
	})
	if err != nil {
		return nil, err
	}
	costs, err := boundScrypt(values[0], values[1], values[2])
	if err != nil {
		return nil, err
	}
	costs.sum = d.least.sum
	return scryptRecipe{d, costs}, nil
}

// parsed is a hash in d with these costs, once they are found within bounds.
func (d *scryptDialect) parsed(n, r, p uint64, salt, sum []byte) (Hash, error) {
	costs, err := boundScrypt(n, r, p)
	if err != nil {
		return nil, err
	}
	if err := within("sum", sum, scryptMinSum, scryptMaxSum); err != nil {
		return nil, err
	}
	costs.sum = len(sum)
	return scryptHash{scryptRecipe{d, costs}, salt, sum}, nil
}

func boundScrypt(n, r, p uint64) (scryptCosts, error) {
	switch {
	case n < 2 || n > scryptMaxWork || n&(n-1) != 0:
		return scryptCosts{}, fmt.Errorf("%w: scrypt needs n to be a power of two, 2 to %d", ErrBounds, scryptMaxWork)
	case r < 1 || r > scryptMaxBlock || p < 1 || p > scryptMaxLanes:
		return scryptCosts{}, fmt.Errorf("%w: scrypt needs r and p of 1 to 255", ErrBounds)
	case r == 1 && n >= 1<<16: // RFC 7914, section 2: n < 2^(128·r/8)
		return scryptCosts{}, fmt.Errorf("%w: scrypt needs n under 65536 where r is 1", ErrBounds)
	case n*r*p > scryptMaxWork:
		return scryptCosts{}, fmt.Errorf("%w: scrypt n times r times p must be at most %d", ErrBounds, scryptMaxWork)
	}
	return scryptCosts{n: uint32(n), r: uint32(r), p: uint32(p)}, nil
}

func (h scryptHash) Recipe() Recipe { return h.scryptRecipe }

func (h scryptHash) Verify(password string) bool {
	sum, err := h.derive(password, h.saltBytes)
	return err == nil && subtle.ConstantTimeCompare(sum, h.sumBytes) == 1
}

func (r scryptRecipe) Name() string { return r.name }

func (r scryptRecipe) String() string {
	return fmt.Sprintf("%s$n=%d,r=%d,p=%d", r.name, r.n, r.r, r.p)
}

// Format shows the recipe, of a hash too, whatever the verb (T36).
func (r scryptRecipe) Format(f fmt.State, _ rune) { io.WriteString(f, r.String()) }

// Cost is one core, since lanes are computed one after the other here.
func (r scryptRecipe) Cost() Cost { return Cost{Memory: 128 * int64(r.r) * int64(r.n+r.p), Cores: 1} }

func (r scryptRecipe) AtLeast(floor Recipe) Recipe {
	f, ok := floor.(scryptRecipe)
	if !ok || f.scryptDialect != r.scryptDialect {
		return r
	}
	up := scryptCosts{n: max(r.n, f.n), r: max(r.r, f.r), p: max(r.p, f.p), sum: r.sum}
	if uint64(up.n)*uint64(up.r)*uint64(up.p) > scryptMaxWork {
		// All of both may be more than is ever verified again. The memory of the one that has more and as much work as
		// the bound allows is still no weaker than either, for both keep that bound.
		up.n, up.r = r.n, r.r
		if f.n*f.r > r.n*r.r {
			up.n, up.r = f.n, f.r
		}
		up.p = min(up.p, scryptMaxWork/(up.n*up.r))
	}
	return scryptRecipe{r.scryptDialect, up}
}

func (r scryptRecipe) Make(password string) (string, error) {
	salt := r.salt()
	sum, err := r.derive(password, []byte(salt))
	if err != nil {
		return "", err
	}
	return r.write(r.scryptCosts, salt, sum), nil
}

// derive can't fail within the bounds.
func (r scryptRecipe) derive(password string, salt []byte) ([]byte, error) {
	return scrypt.Key([]byte(password), salt, int(r.n), int(r.r), int(r.p), r.sum)
}
