package passhash

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// ErrLegacy: of a format that ParseLegacy knows, too weak for another like it to be made. To errors.Is it is an
// ErrUnknown too: whoever replaces hashes of no known format replaces these as well.
var ErrLegacy error = legacyError{}

type legacyError struct{}

func (legacyError) Error() string {
	return "password hash of a format that is too weak to be made again"
}

func (legacyError) Is(target error) bool { return target == ErrUnknown }

// Legacy is a stored hash of a format that is never made. It has no Recipe: what replaces it is for the caller to say.
// Printed, it shows its Name alone.
type Legacy interface {
	// Name is the format's name: that of Django's algorithm, or Spring's {noop}.
	Name() string
	// Verify reports whether password is the one that the hash was made from. It compares in constant time and is no
	// work to speak of: it needs no place in a Pool.
	Verify(password string) bool
}

// ParseLegacy recognises what Parse refuses with ErrLegacy: the md5$SALT$SUM and sha1$SALT$SUM of
// django/contrib/auth/hashers.py (MD5PasswordHasher, SHA1PasswordHasher and, with an empty salt, the unsalted ones); MD5
// and SHA-1 of the password alone, in hexadecimal, as home-made sites store it; and the {noop} of Spring Security, which
// is the password itself. It fails with ErrUnknown.
func ParseLegacy(stored string) (Legacy, error) {
	if len(stored) > maxStored {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrUnknown, maxStored)
	}
	if password, ok := strings.CutPrefix(stored, noopID); ok {
		return legacyHash{name: noopID, digest: nothing, sum: []byte(password)}, nil
	}
	algorithm, salt, digits := "", "", stored
	if fields := strings.Split(stored, "$"); len(fields) == 3 {
		algorithm, salt, digits = fields[0], fields[1], fields[2]
	}
	sum, err := hex.DecodeString(digits)
	if err != nil {
		return nil, ErrUnknown
	}
	h := legacyHash{salt: salt, sum: sum}
	switch len(sum) {
	case md5.Size:
		h.name, h.digest = "md5", plainMD5
	case sha1.Size:
		h.name, h.digest = "sha1", plainSHA1
	}
	if h.digest == nil || (strings.Contains(stored, "$") && algorithm != h.name) {
		return nil, ErrUnknown
	}
	if salt == "" {
		h.name = "unsalted_" + h.name
	}
	return h, nil
}

const noopID = "{noop}"

// legacyHash is the digest of salt and password.
type legacyHash struct {
	name, salt string
	digest     func([]byte) []byte
	sum        []byte
}

func (h legacyHash) Name() string { return h.name }

// Format shows the name, whatever the verb (T36).
func (h legacyHash) Format(f fmt.State, _ rune) { io.WriteString(f, h.name) }

func (h legacyHash) Verify(password string) bool {
	return subtle.ConstantTimeCompare(h.digest([]byte(h.salt+password)), h.sum) == 1
}

func nothing(b []byte) []byte { return b }

func plainMD5(b []byte) []byte {
	sum := md5.Sum(b)
	return sum[:]
}

func plainSHA1(b []byte) []byte {
	sum := sha1.Sum(b)
	return sum[:]
}
