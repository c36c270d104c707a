package passhash

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
)

// The formats of WordPress: wp_hash_password and wp_check_password in wp-includes/pluggable.php, and
// wp-includes/class-phpass.php. Both functions get the password as the login form left it, which is trimmed and has
// backslashes before quotes and backslashes (wp_magic_quotes); whoever makes hashes for its login form does so first.

// wordpressBcrypt is what WordPress stores since 6.8: $wp and then bcrypt ($2y$) of the HMAC-SHA-384 of the password
// under the key wp-sha384, in base64. It takes passwords of any length. The least is the default of PHP's
// password_hash, 10 up to PHP 8.3.
var wordpressBcrypt = &bcryptDialect{
	name:   "wordpress",
	prefix: "$wp",
	prepare: func(password string) string {
		mac := hmac.New(sha512.New384, []byte("wp-sha384"))
		mac.Write([]byte(password))
		return base64.StdEncoding.EncodeToString(mac.Sum(nil))
	},
	least: bcryptCosts{'y', bcryptLeastCost},
}

// phpass, the portable hashes of Openwall's phpass 0.3: $P$ as WordPress stored them up to 6.7, $H$ as phpBB 3 did; then
// a character for log2 of the rounds, 8 of salt and 22 of sum. They are rounds of MD5, so they are verified and replaced
// by bcrypt as PHP writes it. Every WordPress reads that: before 6.8 through crypt() in CheckPassword, since 6.8 through
// password_verify, and it stores $wp at the next login. phpBB reads it since 3.1.
func phpass(prefix string) format {
	return format{name: "phpass", prefix: prefix, parse: parsePHPass}
}

const (
	phpassAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

	// phpass makes 2^7 to 2^30 rounds; WordPress makes 2^13, phpBB 2^11. The bound (T41) is 2^23, a thousand times what
	// WordPress makes and about 2 s of one core. Bcrypt at its least is still the harder of the two to try, since
	// graphics cards do MD5 far more than a thousand times faster.
	phpassMinRounds, phpassMaxRounds = 7, 23

	phpassMaxPassword = 4096 // of CheckPassword
)

type phpassHash struct {
	bcryptRecipe // what replaces it
	rounds       int
	saltText     string
	sumText      string
}

func parsePHPass(stored string) (Hash, error) {
	if len(stored) != 34 || strings.Trim(stored[3:], phpassAlphabet) != "" {
		return nil, fmt.Errorf("%w: not $P$ and 31 characters", ErrMalformed)
	}
	log2 := strings.IndexByte(phpassAlphabet, stored[3])
	if log2 < phpassMinRounds || log2 > phpassMaxRounds {
		return nil, fmt.Errorf("%w: phpass must have 2^%d to 2^%d rounds", ErrBounds, phpassMinRounds, phpassMaxRounds)
	}
	return phpassHash{
		bcryptRecipe: bcryptRecipe{plainBcrypt, bcryptCosts{'y', bcryptLeastCost}},
		rounds:       1 << log2, saltText: stored[4:12], sumText: stored[12:],
	}, nil
}

func (h phpassHash) Name() string { return "phpass" }

func (h phpassHash) Recipe() Recipe { return h.bcryptRecipe }

func (h phpassHash) Verify(password string) bool {
	if len(password) > phpassMaxPassword {
		return false
	}
	sum := md5.Sum([]byte(h.saltText + password))
	block := append(sum[:], password...)
	for range h.rounds {
		sum = md5.Sum(block)
		copy(block, sum[:])
	}
	return subtle.ConstantTimeCompare([]byte(phpassEncode(sum[:])), []byte(h.sumText)) == 1
}

// phpassEncode is encode64 of phpass: 6 bits a character, the low ones first, three bytes at a time.
func phpassEncode(b []byte) string {
	var out []byte
	for len(b) > 0 {
		n := min(3, len(b))
		var bits uint
		for i := range n {
			bits |= uint(b[i]) << (8 * i)
		}
		for range n + 1 {
			out = append(out, phpassAlphabet[bits&63])
			bits >>= 6
		}
		b = b[n:]
	}
	return string(out)
}
