package rekey

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// MinKeyBytes is the least length of a key: the output of SHA-256, as RFC 2104, section 3 advises for HMAC.
const MinKeyBytes = 32

// KeyID tells which key made a value: the first four bytes of a hash of the key, in hex.
type KeyID string

// Keyring holds the secrets of an installation, the newest first: the newest makes, the id that a value carries says
// which one checks. A key is rotated by adding it last on all replicas, then moving it first (T46). A Keyring is
// immutable and safe for concurrent use; its printed form says nothing.
type Keyring struct {
	// secrets is a func because fmt looks into everything else: it follows the pointer in an unexported field when the
	// verb is wrong for it, and calls no Format there (T36).
	secrets func() ring
}

type ring struct {
	keys  []key
	index []byte
}

type key struct {
	id     KeyID
	secret []byte
	seal   cipher.AEAD
}

// NewKeyring makes a Keyring from secrets of at least MinKeyBytes, newest first, and the index key, which names things
// in the stores and never rotates. Without one the only secret serves; with two or more it is required, since rotating
// would rename everything in the stores and so reset every budget (T46). Whoever had none names the secret that was the
// only one, and every name stays.
func NewKeyring(secrets [][]byte, index []byte) (*Keyring, error) {
	if len(secrets) == 0 {
		return nil, errors.New("at least one key is required")
	}
	var made ring
	for i, secret := range secrets {
		if len(secret) < MinKeyBytes {
			return nil, fmt.Errorf("key %d is shorter than %d bytes", i+1, MinKeyBytes)
		}
		id := sha256.Sum256(append([]byte("rekey key id\x00"), secret...))
		k := key{id: KeyID(hex.EncodeToString(id[:4])), secret: append([]byte(nil), secret...)}
		for _, other := range made.keys {
			if other.id == k.id {
				return nil, fmt.Errorf("key %d stands twice", i+1)
			}
		}
		sealing, err := hkdf.Key(sha256.New, secret, nil, "rekey seal", 32)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(sealing)
		if err != nil {
			return nil, err
		}
		if k.seal, err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, err
		}
		made.keys = append(made.keys, k)
	}
	switch {
	case len(index) >= MinKeyBytes:
	case len(index) > 0:
		return nil, fmt.Errorf("the index key is shorter than %d bytes", MinKeyBytes)
	case len(secrets) > 1:
		return nil, errors.New("an index key is required once there are two keys; the key that was the only one keeps all names as they are")
	default:
		index = secrets[0]
	}
	made.index = mac(index, "index")
	return &Keyring{func() ring { return made }}, nil
}

// Format hides the secrets whatever the verb (T36).
func (r Keyring) Format(f fmt.State, _ rune) { fmt.Fprint(f, "(keys)") }

// NumberName is what the stores know a number by.
func (r *Keyring) NumberName(n Number) Name { return r.Name("number", n.E164()) }

// Name is a keyed hash of fields under a label. It never changes with rotation.
func (r *Keyring) Name(label string, fields ...string) Name {
	return shortName(mac(r.secrets().index, label, fields...))
}

// Newest is the id of the key that makes new values.
func (r *Keyring) Newest() KeyID { return r.secrets().keys[0].id }

// each is a keyed hash of the same fields by every key, newest first.
func (r *Keyring) each(label string, fields ...string) []Keyed {
	keys := r.secrets().keys
	all := make([]Keyed, len(keys))
	for i, k := range keys {
		all[i] = Keyed{Key: k.id, Value: shortName(mac(k.secret, label, fields...))}
	}
	return all
}

func (r *Keyring) find(id KeyID) (key, bool) {
	for _, k := range r.secrets().keys {
		if k.id == id {
			return k, true
		}
	}
	return key{}, false
}

// Sign is a text that proves that we made it for purpose and data: key id, dot, MAC. It says nothing about when.
func (r *Keyring) Sign(purpose, data string) string {
	return r.secrets().keys[0].sign(purpose, data)
}

func (k key) sign(purpose, data string) string {
	return string(k.id) + "." + base64.RawURLEncoding.EncodeToString(mac(k.secret, "sign", purpose, data))
}

// Signed reports whether signature is one of Sign for purpose and data, by any of the keys.
func (r *Keyring) Signed(purpose, data, signature string) bool {
	id, _, _ := strings.Cut(signature, ".")
	k, ok := r.find(KeyID(id))
	return ok && hmac.Equal([]byte(signature), []byte(k.sign(purpose, data)))
}

// Seal encrypts and authenticates plaintext for purpose (AES-256-GCM, random nonce), as base64url.
func (r *Keyring) Seal(purpose, plaintext string) string {
	k := r.secrets().keys[0]
	return base64.RawURLEncoding.EncodeToString(k.seal.Seal([]byte(k.id), nil, []byte(plaintext), []byte(purpose)))
}

// Open is the plaintext of what Seal made for purpose by any of the keys; ok is false for everything else.
func (r *Keyring) Open(purpose, sealed string) (plaintext string, ok bool) {
	const idLength = 8
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(raw) < idLength || strings.ContainsAny(sealed, "\r\n") { // which the decoder skips
		return "", false
	}
	k, ok := r.find(KeyID(raw[:idLength]))
	if !ok {
		return "", false
	}
	open, err := k.seal.Open(nil, nil, raw[idLength:], []byte(purpose))
	return string(open), err == nil
}

// mac is HMAC-SHA-256 over the label and the fields, each with its length before it, so that no two lists of fields
// give the same input.
func mac(secret []byte, label string, fields ...string) []byte {
	h := hmac.New(sha256.New, secret)
	write := func(s string) {
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(s)))
		h.Write(length[:])
		h.Write([]byte(s))
	}
	write(label)
	for _, f := range fields {
		write(f)
	}
	return h.Sum(nil)
}

// shortName keeps 128 bits of a MAC (RFC 2104, section 5: at least half of the hash), as 22 base64url characters.
func shortName(sum []byte) Name {
	return Name(base64.RawURLEncoding.EncodeToString(sum[:16]))
}

// token is 128 random bits as 22 base64url characters: a nonce or a flow. A failing source stops the program
// (crypto/rand), never the randomness (T10).
func token() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
