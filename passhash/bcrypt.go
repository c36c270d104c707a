package passhash

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// plainBcrypt is bcrypt, Provos and Mazières 1999, as crypt(5) writes it: $2b$COST$ with salt and sum in 53 characters.
// So do PHP and Laravel ($2y$), Rails and Devise ($2a$), Spring's BCryptPasswordEncoder without {id} ($2a$) and Go
// ($2a$). The letters tell of bugs in old implementations that passwords in UTF-8 do not meet; a new hash has the letter
// of the one that it replaces, since some read one letter only (Laravel from 11 on, $2y$; the original jBCrypt, $2a$).
// Without one it is a, which every implementation reads. $2x$ is from the bug itself and $2$ from before 1998: both are
// refused.
var plainBcrypt = &bcryptDialect{name: "bcrypt", least: bcryptCosts{'a', bcryptLeastCost}}

const (
	// bcryptLeastCost is what the OWASP Password Storage Cheat Sheet asks for.
	bcryptLeastCost = 10

	// bcryptMinCost is bcrypt's own. bcryptMaxCost bounds a stored hash (T41) at 16 times the highest default of a
	// common framework (Laravel, Devise and Django: 12): about 4 s of one core.
	bcryptMinCost, bcryptMaxCost = 4, 16

	// bcryptMaxPassword is what bcrypt reads of a password, in bytes.
	bcryptMaxPassword = 72
)

// bcryptForm is a hash of bcrypt, at any cost.
var bcryptForm = regexp.MustCompile(`^\$2([aby])\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)

// bcryptDialect is how a framework stores hashes of bcrypt.
type bcryptDialect struct {
	name    string
	prefix  string                       // before the hash as crypt(5) writes it
	prepare func(password string) string // what bcrypt gets; nil: the password itself
	least   bcryptCosts
}

type bcryptCosts struct {
	letter byte // a, b or y
	cost   int  // log2 of the rounds
}

type bcryptRecipe struct {
	*bcryptDialect
	bcryptCosts
}

type bcryptHash struct {
	bcryptRecipe
	crypt string // as crypt(5) writes it
}

func (d *bcryptDialect) format() format {
	return format{name: d.name, prefix: d.prefix + "$2", parse: d.parse, recipe: d.recipe}
}

func (d *bcryptDialect) parse(stored string) (Hash, error) {
	crypt := strings.TrimPrefix(stored, d.prefix)
	fields := bcryptForm.FindStringSubmatch(crypt)
	if fields == nil {
		return nil, fmt.Errorf("%w: not $2a$, $2b$ or $2y$, COST, $ and 53 characters", ErrMalformed)
	}
	costs, err := boundBcrypt(fields[1], fields[2])
	if err != nil {
		return nil, err
	}
	return bcryptHash{bcryptRecipe{d, costs}, crypt}, nil
}

// recipe reads 2b$12.
func (d *bcryptDialect) recipe(params string) (Recipe, error) {
	if params == "" {
		return bcryptRecipe{d, d.least}, nil
	}
	version, cost, _ := strings.Cut(params, "$")
	letter, ok := strings.CutPrefix(version, "2")
	if !ok || len(letter) != 1 || !strings.Contains("aby", letter) || len(cost) != 2 || strings.Trim(cost, "0123456789") != "" {
		return nil, fmt.Errorf("%w: %s has its costs as 2a, 2b or 2y, then $ and two digits, such as %q", ErrMalformed,
			d.name, bcryptRecipe{d, d.least}.String())
	}
	costs, err := boundBcrypt(letter, cost)
	if err != nil {
		return nil, err
	}
	return bcryptRecipe{d, costs}, nil
}

// boundBcrypt gets one letter and two digits.
func boundBcrypt(letter, digits string) (bcryptCosts, error) {
	cost, err := strconv.Atoi(digits)
	if err != nil || cost < bcryptMinCost || cost > bcryptMaxCost {
		return bcryptCosts{}, fmt.Errorf("%w: the cost of bcrypt must be %02d to %d", ErrBounds, bcryptMinCost, bcryptMaxCost)
	}
	return bcryptCosts{letter[0], cost}, nil
}

func (h bcryptHash) Recipe() Recipe { return h.bcryptRecipe }

// Verify takes a password of more than 72 bytes by its first 72, as the frameworks do that hashed such a password
// without a word, so that its owner is known by what he types (T41). They do not agree on a NUL byte, at which some stop
// reading; a password with one is never right.
func (h bcryptHash) Verify(password string) bool {
	secret := h.secret(password)
	return !strings.Contains(secret, "\x00") && bcrypt.CompareHashAndPassword([]byte(h.crypt), []byte(secret)) == nil
}

func (r bcryptRecipe) Name() string { return r.name }

func (r bcryptRecipe) String() string { return fmt.Sprintf("%s$2%c$%02d", r.name, r.letter, r.cost) }

// Format shows the recipe, of a hash too, whatever the verb (T36).
func (r bcryptRecipe) Format(f fmt.State, _ rune) { io.WriteString(f, r.String()) }

// Cost has no memory to speak of: the boxes of Blowfish are 4 KiB.
func (r bcryptRecipe) Cost() Cost { return Cost{Cores: 1} }

func (r bcryptRecipe) AtLeast(floor Recipe) Recipe {
	if f, ok := floor.(bcryptRecipe); ok && f.bcryptDialect == r.bcryptDialect {
		r.cost = max(r.cost, f.cost)
	}
	return r
}

// Make refuses what bcrypt would not read to its end (T41).
func (r bcryptRecipe) Make(password string) (string, error) {
	secret := r.secret(password)
	switch {
	case len(secret) > bcryptMaxPassword:
		return "", fmt.Errorf("%w: it is longer than %d bytes", ErrPassword, bcryptMaxPassword)
	case strings.Contains(secret, "\x00"):
		return "", fmt.Errorf("%w: it has a NUL character", ErrPassword)
	}
	crypt, err := bcrypt.GenerateFromPassword([]byte(secret), r.cost)
	if err != nil {
		return "", err
	}
	crypt[2] = r.letter // of $2a$, which is what comes; nothing else differs for such a password
	return r.prefix + string(crypt), nil
}

func (d *bcryptDialect) secret(password string) string {
	if d.prepare == nil {
		return password
	}
	return d.prepare(password)
}
