package rekey

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

// secret is a key of 32 bytes that count up from first: the vectors below were made with Python's hmac and hashlib.
func secret(first byte) []byte {
	k := make([]byte, 32)
	for i := range k {
		k[i] = first + byte(i)
	}
	return k
}

// seals were made by Seal with secret(0). The nonce is random, so that only opening them can be compared.
var seals = []struct{ purpose, plaintext, sealed string }{
	{"page", "13800000001", "M2NmMDg4MzClpwtWqKNbTvNqnq5EaatuG1cHFe-_UXsgzS4oR7nVFtWaldnGEn8"},
	{"page", "", "M2NmMDg4MzBAeASpcq1I15CEBz2k_hjhsjQrMLCbJEmoCum0"},
	{"flow", "密", "M2NmMDg4MzC2MiYMpl66e5X2QpF085CDrmwu8UZcsE2MlbFY8AdM"},
}

// ringOf is a Keyring for tests: a fault in the keys ends the test.
func ringOf(t testing.TB, index []byte, secrets ...[]byte) *Keyring {
	t.Helper()
	r, err := NewKeyring(secrets, index)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// numberOf is a +86 number for tests.
func numberOf(t testing.TB, mobile string) Number {
	t.Helper()
	n, err := ChinaMobile(mobile)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestKeyringMakesTheSameValuesForEver: what stands in the stores and in browsers was made by another process, often of
// an earlier version. A change here loses every live code and resets every budget.
func TestKeyringMakesTheSameValuesForEver(t *testing.T) {
	t.Parallel()
	n := numberOf(t, "13800000001")
	derived := ringOf(t, nil, secret(0))
	explicit := ringOf(t, secret(64), secret(0), secret(32))
	code, _ := ParseCode("012345")
	for _, c := range []struct{ name, got, want string }{
		{"id", string(derived.Newest()), "3cf08830"},
		{"id of the second key", string(explicit.each("")[1].Key), "34e2ba8e"},
		{"name, index derived", string(derived.NumberName(n)), "yal1eSGxt4S15QlgGPRiPQ"},
		{"name, index is the key that was the only one", string(ringOf(t, secret(0), secret(32), secret(0)).NumberName(n)), "yal1eSGxt4S15QlgGPRiPQ"},
		{"name, index given", string(explicit.NumberName(n)), "XSv8hIJZi2aDUeLeBd2iqQ"},
		{"check", string(derived.check("3cf08830", n, code, codePurpose)), "-oauT3Ey4fiey1VaLjfxew"},
		{"fingerprint", string(derived.fingerprints(Account{ID: "42", Hash: "pbkdf2$x"})[0].Value), "L90TFPMSPmw4lxdvd4hE4A"},
		{"signature", derived.Sign("csrf", "data"), "3cf08830.Py-XfLFnNc01UobefH1QhWCnm3FnqeAO04z_T756-eY"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.name, c.got, c.want)
		}
	}
	for _, s := range seals {
		if got, ok := explicit.Open(s.purpose, s.sealed); !ok || got != s.plaintext {
			t.Errorf("an earlier seal opens as %q, %v", got, ok)
		}
	}
}

func TestT44_KeyringRefusesBadKeysAndSaysWhichOne(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		secrets [][]byte
		index   []byte
		want    string
	}{
		{"none", nil, nil, "at least one key"},
		{"none, index only", nil, secret(64), "at least one key"},
		{"short", [][]byte{secret(0)[:31]}, nil, "key 1 is shorter than 32 bytes"},
		{"empty", [][]byte{{}}, nil, "key 1 is shorter"},
		{"second short", [][]byte{secret(0), secret(32)[:31]}, secret(64), "key 2 is shorter"},
		{"doubled", [][]byte{secret(0), secret(32), secret(0)}, secret(64), "key 3 stands twice"},
		{"two without an index", [][]byte{secret(0), secret(32)}, nil, "index key is required"},
		{"short index", [][]byte{secret(0)}, secret(64)[:31], "index key is shorter than 32 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := NewKeyring(c.secrets, c.index)
			if err == nil || r != nil {
				t.Fatal("taken")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q does not say %q", err, c.want)
			}
			for _, s := range c.secrets {
				if len(s) > 0 {
					mustNotShow(t, err.Error(), string(s))
				}
			}
		})
	}
}

func TestKeyringKeepsItsOwnCopyOfTheKeys(t *testing.T) {
	t.Parallel()
	key, index := secret(0), secret(64)
	r := ringOf(t, index, key)
	name, signature := r.Name("x"), r.Sign("csrf", "data")
	clear(key)
	clear(index)
	if r.Name("x") != name || r.Sign("csrf", "data") != signature {
		t.Error("the caller's slices changed the ring")
	}
}

// TestT46_RotationKeepsWhatIsLive walks the three states that replicas are in while a key is rotated: old alone, old
// first with the new one added last, new first.
func TestT46_RotationKeepsWhatIsLive(t *testing.T) {
	t.Parallel()
	index := secret(64)
	states := map[string]*Keyring{
		"before": ringOf(t, index, secret(0)),
		"added":  ringOf(t, index, secret(0), secret(32)),
		"moved":  ringOf(t, index, secret(32), secret(0)),
	}
	n := numberOf(t, "13800000001")
	account := Account{ID: "42", Number: n, Hash: "pbkdf2_sha256$600000$salt$hash"}
	for _, step := range [][2]string{{"before", "added"}, {"added", "before"}, {"added", "moved"}, {"moved", "added"}} {
		t.Run(step[0]+" to "+step[1], func(t *testing.T) {
			t.Parallel()
			maker, reader := states[step[0]], states[step[1]]
			if maker.NumberName(n) != reader.NumberName(n) || maker.Name("address", "x") != reader.Name("address", "x") {
				t.Error("the name in the stores changed: budgets would start anew")
			}
			if !reader.Signed("csrf", "data", maker.Sign("csrf", "data")) {
				t.Error("a signature is no longer verified")
			}
			if got, ok := reader.Open("page", maker.Seal("page", "13800000001")); !ok || got != "13800000001" {
				t.Error("a seal no longer opens")
			}
			id, nonce := maker.Newest(), "a-nonce-of-the-record-x"
			made, _ := maker.drawCode(id, n, nonce)
			again, ok := reader.drawCode(id, n, nonce)
			if !ok || again.Reveal() != made.Reveal() {
				t.Error("a resend would carry another code")
			}
			if !holds(reader.checks(n, made), Keyed{id, maker.check(id, n, made, codePurpose)}) {
				t.Error("the right code would not match")
			}
			if !holds(reader.fingerprints(account), maker.fingerprints(account)[0]) {
				t.Error("the fingerprint would not fit")
			}
		})
	}
}

func holds(all []Keyed, one Keyed) bool {
	for _, k := range all {
		if k == one {
			return true
		}
	}
	return false
}

// TestT46_UnknownKeyVerifiesNothing: a replica that does not have the maker's key yet says so and guesses nothing.
func TestT46_UnknownKeyVerifiesNothing(t *testing.T) {
	t.Parallel()
	index := secret(64)
	maker, reader := ringOf(t, index, secret(32)), ringOf(t, index, secret(0))
	n := numberOf(t, "13800000001")
	if reader.Signed("csrf", "data", maker.Sign("csrf", "data")) {
		t.Error("a signature by an unknown key is verified")
	}
	if _, ok := reader.Open("page", maker.Seal("page", "x")); ok {
		t.Error("a seal by an unknown key opens")
	}
	if code, ok := reader.drawCode(maker.Newest(), n, "nonce"); ok || code.Reveal() != "" {
		t.Error("a code is drawn with an unknown key")
	}
	code, _ := ParseCode("012345")
	if got := reader.check(maker.Newest(), n, code, codePurpose); got != "" {
		t.Errorf("a check is made with an unknown key: %q", got)
	}
	if holds(reader.checks(n, code), Keyed{maker.Newest(), maker.check(maker.Newest(), n, code, codePurpose)}) {
		t.Error("the checks of two keys are equal")
	}
	// An unknown id over a MAC of a known key is no signature either.
	mixed := string(maker.Newest()) + strings.TrimPrefix(reader.Sign("csrf", "data"), string(reader.Newest()))
	if reader.Signed("csrf", "data", mixed) {
		t.Error("the id is not looked at")
	}
}

func TestKeyedListsHaveOneOfEachKeyNewestFirst(t *testing.T) {
	t.Parallel()
	r := ringOf(t, secret(64), secret(32), secret(0))
	all := r.each("label", "field")
	if len(all) != 2 || all[0].Key != "34e2ba8e" || all[1].Key != "3cf08830" || all[0].Value == all[1].Value {
		t.Errorf("each = %v", all)
	}
}

// TestKeyringTellsFieldsApart: moving a character over the border between two fields makes another value.
func TestKeyringTellsFieldsApart(t *testing.T) {
	t.Parallel()
	r := ringOf(t, nil, secret(0))
	seen := map[Name][]string{}
	for _, fields := range [][]string{
		{"ab", "c"}, {"a", "bc"}, {"abc"}, {"abc", ""}, {"", "abc"}, {"", "ab", "c"}, {"ab", "", "c"}, {"ab\x00c"}, {"ab", "\x00c"}, {},
		{""}, {"", ""}, {"\x00\x00\x00\x01a"}, {"a", "a"}, {"aa"},
	} {
		name := r.Name("label", fields...)
		if other, ok := seen[name]; ok {
			t.Errorf("%q and %q have one name", fields, other)
		}
		seen[name] = fields
	}
	if r.Name("labelx", "y") == r.Name("label", "xy") || r.Name("label", "x") == r.Name("x", "label") {
		t.Error("the label runs into the fields")
	}
	if r.Signed("ab", "c", r.Sign("a", "bc")) || r.Signed("", "abc", r.Sign("abc", "")) {
		t.Error("the purpose of a signature runs into its data")
	}
	a, b := Account{ID: "4", Hash: "2$x"}, Account{ID: "42", Hash: "$x"}
	if r.fingerprints(a)[0] == r.fingerprints(b)[0] {
		t.Error("the account's id runs into its hash")
	}
}

func TestSignedTakesNothingElse(t *testing.T) {
	t.Parallel()
	r := ringOf(t, nil, secret(0))
	good := r.Sign("csrf", "data")
	if !r.Signed("csrf", "data", good) {
		t.Fatal("the signature itself is refused")
	}
	if r.Signed("device", "data", good) || r.Signed("csrf", "Data", good) || r.Signed("", "", good) {
		t.Error("verified for another purpose or other data")
	}
	id, sum, _ := strings.Cut(good, ".")
	short := id + "." + base64.RawURLEncoding.EncodeToString(mac(secret(0), "sign", "csrf", "data")[:31])
	for _, forged := range []string{"", ".", id, id + ".", "." + sum, id + ":" + sum, id + ".." + sum, good + "=", good + "A", good + "\n", good + " ",
		" " + good, strings.ToUpper(id) + "." + sum, id + "." + sum[:len(sum)-1], sum, good + "." + sum, short,
		strings.Repeat("0", 8) + "." + sum, id + "." + strings.Repeat("A", 43)} {
		if r.Signed("csrf", "data", forged) {
			t.Errorf("%q is verified", forged)
		}
	}
	for i := range good { // every changed character, the unused bits of the last one too
		for _, c := range []byte("A0_=.") {
			if good[i] == c {
				continue
			}
			if forged := good[:i] + string(c) + good[i+1:]; r.Signed("csrf", "data", forged) {
				t.Errorf("%q is verified", forged)
			}
		}
	}
}

func TestOpenTakesNothingElse(t *testing.T) {
	t.Parallel()
	r := ringOf(t, nil, secret(0))
	for _, plaintext := range []string{"", "13800000001", strings.Repeat("密", 1000), "\x00\xff"} {
		sealed := r.Seal("page", plaintext)
		if got, ok := r.Open("page", sealed); !ok || got != plaintext {
			t.Fatalf("Open of Seal(%q) = %q, %v", plaintext, got, ok)
		}
		if sealed == r.Seal("page", plaintext) {
			t.Error("two seals of one text are equal: the nonce is not random")
		}
		if got, ok := r.Open("flow", sealed); ok || got != "" {
			t.Error("opened for another purpose")
		}
	}
	sealed := r.Seal("page", "13800000001")
	if strings.Contains(sealed, base64.RawURLEncoding.EncodeToString([]byte("13800000001"))) {
		t.Error("the text stands in the seal in clear")
	}
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(raw) * 8 {
		forged := bytes.Clone(raw)
		forged[i/8] ^= 1 << (i % 8)
		if got, ok := r.Open("page", base64.RawURLEncoding.EncodeToString(forged)); ok || got != "" {
			t.Errorf("opened with bit %d changed", i)
		}
	}
	for length := range raw {
		if _, ok := r.Open("page", base64.RawURLEncoding.EncodeToString(raw[:length])); ok {
			t.Errorf("opened when cut to %d bytes", length)
		}
	}
	for _, forged := range []string{"", "=", sealed + "=", sealed + "AAAA", sealed + "\n", "\n" + sealed, sealed[:20] + "\r\n" + sealed[20:],
		base64.StdEncoding.EncodeToString(raw) + "==", string(raw)} {
		if _, ok := r.Open("page", forged); ok {
			t.Errorf("%q opens", forged)
		}
	}
}

// TestSealsOfTwoKeysAreApart: a seal says which key made it, and that word is protected with the rest.
func TestSealsOfTwoKeysAreApart(t *testing.T) {
	t.Parallel()
	r := ringOf(t, secret(64), secret(0), secret(32))
	raw, err := base64.RawURLEncoding.DecodeString(r.Seal("page", "x"))
	if err != nil {
		t.Fatal(err)
	}
	if string(raw[:8]) != string(r.Newest()) {
		t.Fatalf("a seal begins with %q, want the newest key's id", raw[:8])
	}
	copy(raw, r.each("")[1].Key)
	if _, ok := r.Open("page", base64.RawURLEncoding.EncodeToString(raw)); ok {
		t.Error("opened by another key")
	}
}

func TestT36_KeyringPrintsNothing(t *testing.T) {
	t.Parallel()
	key, index := []byte("canary-key-of-thirty-two-bytes-00"), []byte("canary-index-of-thirty-two-bytes-0")
	r := ringOf(t, index, key)
	for name, value := range map[string]any{"keyring": r, "options": Options{Keys: r}.Keys} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := printed(t, value)
			for _, hidden := range [][]byte{key, index, key[:16], index[:16]} {
				mustNotShow(t, text, string(hidden))
				mustNotShow(t, text, base64.StdEncoding.EncodeToString(hidden)[:16])
			}
			if !strings.Contains(text, "(keys)") {
				t.Error("the ring's own form is nowhere: nothing was printed")
			}
		})
	}
}

// TestT11_NamesSayNothingOfTheNumber: a store holds keyed names. Without the key they are no plain hash of a number, of
// which there are too few to resist trying all.
func TestT11_NamesSayNothingOfTheNumber(t *testing.T) {
	t.Parallel()
	n := numberOf(t, "13800000001")
	r := ringOf(t, nil, secret(0))
	name := string(r.NumberName(n))
	if len(name) != 22 {
		t.Errorf("a name has %d characters, want 22 of 128 bits", len(name))
	}
	for _, spelling := range []string{n.E164(), n.National(), "8613800000001"} {
		sum := sha256.Sum256([]byte(spelling))
		if strings.Contains(name, spelling) || name == base64.RawURLEncoding.EncodeToString(sum[:16]) || name == hex.EncodeToString(sum[:11]) {
			t.Errorf("the name of %s can be found without the key", spelling)
		}
	}
	if name == string(ringOf(t, nil, secret(1)).NumberName(n)) {
		t.Error("the name does not depend on the key")
	}
}

func FuzzSigned(f *testing.F) {
	r := ringOf(f, secret(64), secret(0), secret(32))
	good := r.Sign("csrf", "data")
	f.Add("csrf", "data", good)
	f.Add("csrf", "data", "3cf08830.")
	f.Add("", "", "........")
	f.Add("csrf", "data", good+"=")
	f.Fuzz(func(t *testing.T, purpose, data, signature string) {
		if !r.Signed(purpose, data, signature) {
			return
		}
		older := ringOf(t, secret(64), secret(32))
		if signature != r.Sign(purpose, data) && signature != older.Sign(purpose, data) {
			t.Fatalf("%q is verified for %q and %q, and Sign never made it", signature, purpose, data)
		}
	})
}

func FuzzOpen(f *testing.F) {
	r := ringOf(f, secret(64), secret(0), secret(32))
	for _, s := range seals { // fixed ones: each of the fuzzer's processes must know them
		f.Add("page", s.sealed)
		f.Add("flow", s.sealed)
		f.Add("page", s.sealed[:len(s.sealed)/2])
	}
	f.Add("page", "")
	f.Add("page", "M2NmMDg4MzA")
	f.Fuzz(func(t *testing.T, purpose, sealed string) {
		plaintext, ok := r.Open(purpose, sealed)
		for _, s := range seals {
			if s.purpose == purpose && s.sealed == sealed {
				if !ok || plaintext != s.plaintext {
					t.Fatalf("an earlier seal opens as %q, %v", plaintext, ok)
				}
				return
			}
		}
		if ok || plaintext != "" {
			t.Fatalf("Open(%q, %q) = %q, %v", purpose, sealed, plaintext, ok)
		}
	})
}
