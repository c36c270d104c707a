package rekey

import (
	"go/parser"
	gotoken "go/token"
	"math"
	"strconv"
	"strings"
	"testing"
)

func TestT25_ParseCodeTakesSixASCIIDigitsOnly(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"000000", "012345", "123456", "999999"} {
		c, ok := ParseCode(s)
		if !ok || c.Reveal() != s {
			t.Errorf("ParseCode(%q) = %q, %v", s, c.Reveal(), ok)
		}
	}
	for name, s := range map[string]string{
		"empty": "", "five digits": "12345", "seven digits": "1234567", "newline after": "123456\n", "newline for a digit": "12345\n",
		"plus": "+12345", "plus and six": "+123456", "minus": "-12345", "space before": " 123456", "space for a digit": "12345 ",
		"space between": "123 456", "NUL after": "123456\x00", "NUL for a digit": "12345\x00", "letters": "abcdef", "hexadecimal": "0x1234",
		"exponent": "1e0006", "fraction": "1234.5", "underscore": "12_345", "full-width": "１２３４５６", "six bytes, full-width": "１２",
		"one full-width": "12345６", "Arabic-Indic": "١٢٣٤٥٦", "six bytes, Arabic-Indic": "١٢٣", "superscript": "12345¹", "not UTF-8": "12345\xff",
		"percent": "12345%0a",
	} {
		if c, ok := ParseCode(s); ok || c.Reveal() != "" {
			t.Errorf("%s: ParseCode(%q) = %q, %v", name, s, c.Reveal(), ok)
		}
	}
}

// TestDrawCodeMakesTheSameCodesForEver: a resend, on another replica or by another version, repeats the code. The vectors
// were made with Python's hmac.
func TestDrawCodeMakesTheSameCodesForEver(t *testing.T) {
	t.Parallel()
	r := ringOf(t, nil, secret(0))
	n := numberOf(t, "13800000001")
	for _, c := range []struct{ name, nonce, want string }{
		{"first", "nonce-0", "020264"},
		{"second", "nonce-1", "911258"},
		{"third", "nonce-2", "768706"},
		{"T10 two leading zeros", "nonce-5", "004156"},
		{"T10 four leading zeros", "nonce-8923", "000019"},
		{"T10 first word at or above 4,294,000,000", "nonce-1990", "683227"},
		{"T10 again", "nonce-10391", "327675"},
	} {
		code, ok := r.drawCode(r.Newest(), n, c.nonce)
		if !ok || code.Reveal() != c.want {
			t.Errorf("%s: %s, want %s", c.name, code.Reveal(), c.want)
		}
	}
}

// TestT10_AMillionCodesAreUniform draws a million codes with fixed keys and nonces, so that its outcome never changes. The
// thresholds are chi-square quantiles that a uniform drawing passes but once in a million choices of the key; the draws
// of one nonce to the next are independent as long as HMAC-SHA-256 is a pseudo-random function.
func TestT10_AMillionCodesAreUniform(t *testing.T) {
	t.Parallel()
	const draws = 1_000_000
	r := ringOf(t, nil, secret(0))
	n := numberOf(t, "13800000001")
	var digits [codeDigits][10]int
	var pairs [100]int       // the first two digits
	var thousands [1000]int  // the first three
	var remainders [1000]int // the last three
	seen := make([]bool, draws)
	distinct, leadingZeros := 0, 0
	for i := range draws {
		code, ok := r.drawCode(r.Newest(), n, strconv.Itoa(i))
		s := code.Reveal()
		if !ok || len(s) != codeDigits {
			t.Fatalf("draw %d is %q", i, s)
		}
		value := 0
		for place := range codeDigits {
			d := int(s[place] - '0')
			digits[place][d]++
			value = value*10 + d
		}
		pairs[value/10_000]++
		thousands[value/1000]++
		remainders[value%1000]++
		if !seen[value] {
			seen[value] = true
			distinct++
		}
		if s[0] == '0' {
			leadingZeros++
		}
	}

	const at9, at99, at999 = 44.811, 180.792, 1226.046 // quantiles 1−10⁻⁶ for 9, 99 and 999 degrees of freedom
	check := func(name string, counts []int, threshold float64) {
		if got := chiSquare(counts, draws); got > threshold {
			t.Errorf("%s: chi-square %.1f over %.1f: not uniform", name, got, threshold)
		}
	}
	for place := range digits {
		check("digit "+strconv.Itoa(place+1), digits[place][:], at9)
	}
	check("first two digits", pairs[:], at99)
	check("first three digits", thousands[:], at999)
	check("last three digits", remainders[:], at999)

	// Of a million codes drawn a million times, 1−1/e are met; the variance is 10⁶(1/e − 2/e²), and five standard
	// deviations are one false alarm in two million. Too many would be a sequence without repetition.
	expected, deviation := draws*(1-1/math.E), math.Sqrt(draws*(1/math.E-2/(math.E*math.E)))
	if math.Abs(float64(distinct)-expected) > 5*deviation {
		t.Errorf("%d different codes, want %.0f ± %.0f", distinct, expected, 5*deviation)
	}
	if leadingZeros < draws/10-1500 || leadingZeros > draws/10+1500 { // five standard deviations of 300
		t.Errorf("%d codes begin with a zero, want a tenth of %d", leadingZeros, draws)
	}
}

// chiSquare is Pearson's statistic of counts against equal shares of total.
func chiSquare(counts []int, total int) float64 {
	expected := float64(total) / float64(len(counts))
	sum := 0.0
	for _, c := range counts {
		sum += (float64(c) - expected) * (float64(c) - expected) / expected
	}
	return sum
}

// TestT10_TheStatisticSeesBias holds the test above to its word: the classic mistakes fail it.
func TestT10_TheStatisticSeesBias(t *testing.T) {
	t.Parallel()
	var modulo [10]int // byte % 10: digits 0 to 5 come 26 times in 256, the others 25
	for i := range 1_000_000 {
		modulo[(i%256)%10]++
	}
	if got := chiSquare(modulo[:], 1_000_000); got < 44.811 {
		t.Errorf("byte %% 10 passes with %.1f", got)
	}
	var noLeadingZero [10]int // 100000 + n % 900000
	for i := range 1_000_000 {
		noLeadingZero[1+i%9]++
	}
	if got := chiSquare(noLeadingZero[:], 1_000_000); got < 44.811 {
		t.Errorf("codes without leading zero pass with %.1f", got)
	}
}

// TestT10_EveryPartOfTheRecordChangesTheCode: two people, two records and two keys have independent codes.
func TestT10_EveryPartOfTheRecordChangesTheCode(t *testing.T) {
	t.Parallel()
	r := ringOf(t, secret(64), secret(0), secret(32))
	a, b := numberOf(t, "13800000001"), numberOf(t, "13800000002")
	same := map[string]int{}
	const draws = 2000
	for i := range draws {
		nonce := strconv.Itoa(i)
		code, _ := r.drawCode(r.Newest(), a, nonce)
		other, _ := r.drawCode(r.Newest(), b, nonce)
		key, _ := r.drawCode(r.each("")[1].Key, a, nonce)
		next, _ := r.drawCode(r.Newest(), a, strconv.Itoa(i+draws))
		for part, c := range map[string]Code{"number": other, "key": key, "nonce": next} {
			if c == code {
				same[part]++
			}
		}
	}
	for part, count := range same {
		if count > 3 { // 0.002 are expected of 2,000; four would be odds of 10⁻¹²
			t.Errorf("another %s draws the same code %d times in %d", part, count, draws)
		}
	}
}

// TestT10_RandomnessIsCryptoRandAlone: since Go 1.24 crypto/rand.Read ends the program when the system's source fails, so
// that a nonce or a flow without randomness can't exist. What is left to check is that keys.go draws from nowhere else
// (TestImports holds the same for the whole tree), and that what token makes has the form and the bits.
func TestT10_RandomnessIsCryptoRandAlone(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(gotoken.NewFileSet(), "keys.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	fromCrypto := false
	for _, i := range file.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(path, "math/rand") {
			t.Errorf("keys.go imports %s", path)
		}
		fromCrypto = fromCrypto || path == "crypto/rand" && i.Name == nil
	}
	if !fromCrypto {
		t.Error("keys.go does not import crypto/rand")
	}

	seen := map[string]bool{}
	for range 10_000 {
		s := token()
		if !validFlow(s) {
			t.Fatalf("token() = %q has not the form of a flow", s)
		}
		if seen[s] {
			t.Fatalf("token() repeats %q", s)
		}
		seen[s] = true
	}
}

func TestT07_ChecksAreBoundToNumberPurposeAndKey(t *testing.T) {
	t.Parallel()
	r := ringOf(t, secret(64), secret(0), secret(32))
	a, b := numberOf(t, "13800000001"), numberOf(t, "13800000002")
	code, _ := ParseCode("012345")
	other, _ := ParseCode("012346")
	id := r.Newest()
	stored := Keyed{id, r.check(id, a, code, codePurpose)}
	if !holds(r.checks(a, code), stored) {
		t.Fatal("the right code does not match its own check")
	}
	if holds(r.checks(b, code), stored) {
		t.Error("A's code matches with B's number")
	}
	if holds(r.checks(a, other), stored) {
		t.Error("another code matches")
	}
	for _, purpose := range []string{decoyPurpose, "sign-in", "", "reset-passwor"} {
		if holds(r.checks(a, code), Keyed{id, r.check(id, a, code, purpose)}) {
			t.Errorf("a code of purpose %q matches a reset", purpose)
		}
	}
	older := r.each("")[1].Key
	if stored.Value == r.check(older, a, code, codePurpose) {
		t.Error("two keys make one check")
	}
	if !holds(r.checks(a, code), Keyed{older, r.check(older, a, code, codePurpose)}) {
		t.Error("a check by the older key does not match")
	}
}

// TestT39_NoCodeMatchesADecoy: whatever is guessed, a decoy says wrong, as a stranger's guesses at a real record do.
func TestT39_NoCodeMatchesADecoy(t *testing.T) {
	t.Parallel()
	r := ringOf(t, nil, secret(0))
	n := numberOf(t, "13800000001")
	id := r.Newest()
	drawn, _ := r.drawCode(id, n, "nonce")
	decoy := Keyed{id, r.check(id, n, drawn, decoyPurpose)}
	for guess := 0; guess < 1_000_000; guess += 97 {
		code, _ := ParseCode(strings.Repeat("0", 6-len(strconv.Itoa(guess))) + strconv.Itoa(guess))
		if holds(r.checks(n, code), decoy) {
			t.Fatalf("%d matches a decoy", guess)
		}
	}
	if holds(r.checks(n, drawn), decoy) {
		t.Error("the drawn code matches its decoy")
	}
}

func TestT36_CodeIsMaskedWhereverItIsPrinted(t *testing.T) {
	t.Parallel()
	code, ok := ParseCode("735192")
	if !ok {
		t.Fatal("not a code")
	}
	for name, value := range map[string]any{
		"value": code, "pointer": &code, "message": Message{ID: "m", Code: code}, "slice": []Code{code},
		"key of a map": map[Code]int{code: 1}, "value of a map": map[string]Code{"code": code},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := printed(t, value)
			mustNotShow(t, withoutLongRuns(text), "735192")
			if !strings.Contains(text, "******") {
				t.Error("the masked form is nowhere: nothing was printed")
			}
		})
	}
}

func TestT08_FingerprintIsOfAccountAndHash(t *testing.T) {
	t.Parallel()
	r := ringOf(t, nil, secret(0))
	n := numberOf(t, "13800000001")
	before := Account{ID: "42", Number: n, Hash: "pbkdf2_sha256$600000$salt$hash"}
	for name, after := range map[string]Account{
		"another hash":           {ID: "42", Number: n, Hash: "pbkdf2_sha256$600000$salu$hash"},
		"the hash in capitals":   {ID: "42", Number: n, Hash: "PBKDF2_SHA256$600000$salt$hash"},
		"a space after the hash": {ID: "42", Number: n, Hash: "pbkdf2_sha256$600000$salt$hash "},
		"no hash":                {ID: "42", Number: n},
		"another account":        {ID: "43", Number: n, Hash: before.Hash},
	} {
		if r.fingerprints(before)[0] == r.fingerprints(after)[0] {
			t.Errorf("%s: the fingerprint still fits", name)
		}
	}
	if got := string(r.fingerprints(before)[0].Value); strings.Contains(got, "salt") || len(got) != 22 {
		t.Errorf("the fingerprint %q is no keyed hash", got)
	}
}

func TestValidFlowIsStrict(t *testing.T) {
	t.Parallel()
	if s := strings.Repeat("A", 22); !validFlow(s) {
		t.Errorf("%q is refused", s)
	}
	for _, s := range []string{"", "A", strings.Repeat("A", 21), strings.Repeat("A", 23), strings.Repeat("A", 20) + "==", strings.Repeat("A", 21) + "=",
		strings.Repeat("A", 21) + "+", strings.Repeat("A", 21) + "/", strings.Repeat("A", 21) + "\n", strings.Repeat("A", 21) + "B", // B sets unused bits
		strings.Repeat("A", 20) + "\r\n", "\r\n" + strings.Repeat("A", 20), strings.Repeat("A", 20) + "é", strings.Repeat(" ", 22), strings.Repeat("\x00", 22)} {
		if validFlow(s) {
			t.Errorf("%q is taken for a flow", s)
		}
	}
}

func FuzzParseCode(f *testing.F) {
	for _, seed := range []string{"", "012345", "12345\n", "+12345", "１２３４５６", "١٢٣", "123456\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := ParseCode(s)
		value, err := strconv.ParseUint(s, 10, 32)
		if want := len(s) == 6 && err == nil && value <= 999_999; ok != want {
			t.Fatalf("ParseCode(%q) is %v", s, ok)
		}
		if ok && c.Reveal() != s || !ok && c.Reveal() != "" {
			t.Fatalf("ParseCode(%q) reveals %q", s, c.Reveal())
		}
	})
}
