package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"

	"rekey"
)

// makeKey is how an operator gets a good key.
const makeKey = "make one with: openssl rand -base64 32"

// decodeKey reads a key in hex or base64, with either alphabet, padded or not. What has hex digits only is hex: as
// base64 it would look longer than it is random.
func decodeKey(s string) ([]byte, error) {
	if strings.Trim(s, "0123456789abcdefABCDEF") == "" && len(s)%2 == 0 {
		return hex.DecodeString(s)
	}
	s = strings.TrimRight(s, "=")
	s = strings.NewReplacer("-", "+", "_", "/").Replace(s)
	return base64.RawStdEncoding.Strict().DecodeString(s)
}

// strongKey takes at least 32 bytes that nobody chose (T44). Its objections say nothing of the key. What it can see is
// a repeated or counting pattern and text; 32 random bytes have fewer than 16 different values, or are all printable,
// less than once in 10¹³ keys.
func strongKey(s string) error {
	secret, err := decodeKey(s)
	switch {
	case err != nil:
		return errors.New("is neither base64 nor hex; " + makeKey)
	case len(secret) < rekey.MinKeyBytes:
		return errors.New("is shorter than 32 bytes; " + makeKey)
	}
	values, steps := map[byte]bool{}, map[byte]bool{}
	printable := true
	for i, b := range secret {
		values[b] = true
		if i > 0 {
			steps[b-secret[i-1]] = true
		}
		printable = printable && (b >= ' ' && b <= '~' || b == '\n' || b == '\r' || b == '\t')
	}
	if len(values) < 16 || len(steps) < 3 || printable {
		return errors.New("is a pattern or a text, not random bytes; " + makeKey)
	}
	return nil
}

// keyring makes the keyring of keys and an index key that have passed strongKey.
func keyring(keys []string, index string) (*rekey.Keyring, error) {
	secrets := make([][]byte, len(keys))
	for i, s := range keys {
		secret, err := decodeKey(s)
		if err != nil {
			return nil, err
		}
		secrets[i] = secret
	}
	var indexKey []byte
	if index != "" {
		var err error
		if indexKey, err = decodeKey(index); err != nil {
			return nil, err
		}
	}
	return rekey.NewKeyring(secrets, indexKey)
}
