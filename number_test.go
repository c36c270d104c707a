package rekey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
)

func TestANumberIsSpacedAsPeopleReadIt(t *testing.T) {
	t.Parallel()
	for want, c := range map[string][3]string{
		"138 0000 0001":   {"CN", "86", "13800000001"},
		"+86 1038000000":  {"CN", "86", "1038000000"},
		"+852 91234567":   {"HK", "852", "91234567"},
		"+1 2025550123":   {"US", "1", "2025550123"},
		"+44 79111234567": {"GB", "44", "79111234567"},
	} {
		n, err := NewNumber(c[0], c[1], c[2])
		if err != nil || n.Spaced() != want {
			t.Errorf("%q, %v, want %q", n.Spaced(), err, want)
		}
	}
	if s := (Number{}).Spaced(); s != "" {
		t.Errorf("no number is %q", s)
	}
}

func TestChinaMobileTakesElevenDigits(t *testing.T) {
	t.Parallel()
	for prefix := 13; prefix <= 19; prefix++ {
		for third := range 10 {
			mobile := fmt.Sprintf("%d%d00000001", prefix, third)
			n, err := ChinaMobile(mobile)
			if err != nil {
				t.Errorf("ChinaMobile(%q): %v", mobile, err)
				continue
			}
			if n.E164() != "+86"+mobile || n.National() != mobile || n.CallingCode() != "86" || n.Region() != "CN" {
				t.Errorf("ChinaMobile(%q) = %s, %s, %s, %s", mobile, n.E164(), n.National(), n.CallingCode(), n.Region())
			}
			if want := "+86" + mobile[:7]; n.Prefix() != want {
				t.Errorf("Prefix of %q = %q, want %q", mobile, n.Prefix(), want)
			}
		}
	}
}

// oddSpellings are ways to write a number, or nearly one, that the contract refuses: each would be a second key for the
// same person, or a key for nobody.
var oddSpellings = map[string]string{
	"empty":                       "",
	"ten digits":                  "1380000000",
	"twelve digits":               "138000000011",
	"starts with 10":              "10800000001",
	"starts with 11":              "11800000001",
	"starts with 12":              "12800000001",
	"starts with 2":               "23800000001",
	"starts with 0":               "03800000001",
	"a land line":                 "01088888888",
	"plus and calling code":       "+8613800000001",
	"calling code":                "8613800000001",
	"00 and calling code":         "008613800000001",
	"trunk zero":                  "013800000001",
	"plus alone":                  "+13800000001",
	"plus for the first digit":    "+3800000001",
	"minus for the first digit":   "-3800000001",
	"space before":                " 13800000001",
	"space after":                 "13800000001 ",
	"space for a digit":           "138 0000000",
	"groups of spaces":            "138 0000 0001",
	"hyphens":                     "138-0000-0001",
	"newline after":               "13800000001\n",
	"newline for the last digit":  "1380000000\n",
	"carriage return after":       "13800000001\r",
	"line separator after":        "13800000001\u2028",
	"tab for a digit":             "1380000000\t",
	"NUL after":                   "13800000001\x00",
	"NUL for a digit":             "1380000000\x00",
	"NUL and more":                "13800000001\x00x",
	"percent-encoded newline":     "13800000001%0a",
	"percent for a digit":         "138000000%0",
	"slash after":                 "13800000001/",
	"suffix after a slash":        "13800000001/x",
	"letter at the end":           "1380000000l",
	"letter O for zero":           "138O0000001",
	"exponent":                    "1.38e000010",
	"hexadecimal":                 "0x138000000",
	"underscores":                 "138_0000_01",
	"full-width digits":           "１３８００００００１",
	"full-width, eleven of them":  "１３８０００００００１",
	"one full-width digit":        "1380000000１",
	"Arabic-Indic digits":         "١٣٨٠٠٠٠٠٠٠١",
	"one Arabic-Indic digit":      "1380000000١",
	"extended Arabic-Indic":       "۱۳۸۰۰۰۰۰۰۰۱",
	"Devanagari digits":           "१३८०००००००१",
	"superscript":                 "1380000000¹",
	"circled digit":               "1380000000①",
	"Han digits":                  "一三八〇〇〇〇〇〇〇一",
	"mathematical digits":         "𝟏𝟑𝟖𝟎𝟎𝟎𝟎𝟎𝟎𝟎𝟏",
	"eleven bytes, wide":          "138000００",
	"combining mark after":        "13800000001\u0301",
	"zero-width space within":     "138\u200b00000001",
	"byte order mark before":      "\ufeff13800000001",
	"not UTF-8":                   "1380000000\xb1",
	"two numbers":                 "13800000001,13800000002",
	"an SQL quote":                "13800000001'",
	"right-to-left mark after":    "13800000001\u200f",
	"no-break space for a digit":  "138000000\u00a0",
	"soft hyphen within":          "138\u00ad00000001",
	"overlong UTF-8 of the digit": "1380000000\xc0\xb1",
}

func TestT25_ChinaMobileRefusesEveryOtherSpelling(t *testing.T) {
	t.Parallel()
	for name, mobile := range oddSpellings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, err := ChinaMobile(mobile)
			if !errors.Is(err, ErrNumberForm) {
				t.Errorf("ChinaMobile(%q): error %v, want ErrNumberForm", mobile, err)
			}
			if !n.IsZero() {
				t.Errorf("ChinaMobile(%q) refuses and still gives a number", mobile)
			}
		})
	}
}

func TestNewNumberKeepsToE164(t *testing.T) {
	t.Parallel()
	good := []struct{ region, calling, national, e164, prefix string }{
		{"CN", "86", "13800000001", "+8613800000001", "+861380000"},
		{"HK", "852", "51234567", "+85251234567", "+8525123"},
		{"US", "1", "2015550123", "+12015550123", "+1201555"},
		{"IT", "39", "0612345678", "+390612345678", "+39061234"},
		{"NU", "683", "12345", "+68312345", "+6831"},
		{"CN", "86", "1234567890123", "+861234567890123", "+86123456789"}, // fifteen digits in all
	}
	for _, c := range good {
		n, err := NewNumber(c.region, c.calling, c.national)
		if err != nil {
			t.Errorf("NewNumber(%q, %q): %v", c.calling, c.national, err)
			continue
		}
		if n.E164() != c.e164 || n.Prefix() != c.prefix || n.Region() != c.region {
			t.Errorf("NewNumber(%q, %q) = %s with prefix %s", c.calling, c.national, n.E164(), n.Prefix())
		}
	}
	bad := []struct{ name, calling, national string }{
		{"no calling code", "", "13800000001"},
		{"calling code with plus", "+86", "13800000001"},
		{"calling code with a leading zero", "086", "13800000001"},
		{"calling code of four digits", "8613", "800000001"},
		{"no national digits", "86", ""},
		{"four national digits", "86", "1234"},
		{"sixteen digits in all", "86", "12345678901234"},
		{"full-width", "86", "１３８００"},
		{"newline", "86", "13800000001\n"},
	}
	for _, c := range bad {
		if n, err := NewNumber("CN", c.calling, c.national); !errors.Is(err, ErrNumberForm) || !n.IsZero() {
			t.Errorf("%s: NewNumber(%q, %q) gives %v", c.name, c.calling, c.national, err)
		}
	}
}

func TestNumberZeroIsNoNumber(t *testing.T) {
	t.Parallel()
	var n Number
	if !n.IsZero() || n.E164() != "" || n.National() != "" || n.Prefix() != "" || n.CallingCode() != "" {
		t.Errorf("the zero Number has digits: %q", n.E164())
	}
	if n.String() != "(no number)" {
		t.Errorf("the zero Number prints as %q", n.String())
	}
}

func TestNumberMaskShowsFiveDigitsAtMost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ calling, national, want string }{
		{"86", "13876543219", "+86 138****19"},
		{"852", "51234567", "+852 512****67"},
		{"683", "12345", "+683 1****45"},
		{"47", "123456", "+47 12****56"},
	} {
		n, err := NewNumber("XX", c.calling, c.national)
		if err != nil {
			t.Fatal(err)
		}
		if n.String() != c.want {
			t.Errorf("String() = %q, want %q", n.String(), c.want)
		}
	}
}

// verbs are those that fmt knows for some type or other, with the flags that change what they show.
var verbs = []string{"%v", "%+v", "%#v", "%s", "%+s", "%#s", "%q", "%+q", "%#q", "%x", "%X", "% x", "%#x", "%d", "%08d", "%c", "%U", "%b", "%o",
	"%e", "%g", "%t", "%100v", "%-100s", "%.99s", "%z"}

// printed is everything that fmt, log/slog and encoding/json make of value, alone and inside other values.
func printed(t *testing.T, value any) string {
	t.Helper()
	type record struct {
		Value any
		Also  []any
	}
	shapes := []any{value, &value, []any{value}, [1]any{value}, map[string]any{"value": value}, record{value, []any{value}},
		&record{value, nil}, fmt.Errorf("wrapping %v", value)}
	var out bytes.Buffer
	for _, shape := range shapes {
		for _, verb := range verbs {
			fmt.Fprintf(&out, verb+"\n", shape)
		}
		fmt.Fprintln(&out, shape)
		fmt.Fprintf(&out, "%d", []any{shape, 1}...) // one argument too many
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			log := slog.New(handler).With("with", shape)
			log.Info("message", "attribute", shape, slog.Group("group", "member", shape))
			log.Info(fmt.Sprint("in the message ", shape))
		}
		encoded, err := json.Marshal(shape)
		if err != nil {
			t.Fatalf("json.Marshal(%T): %v", shape, err)
		}
		out.Write(encoded)
	}
	return out.String()
}

// withoutLongRuns is text without addresses and nanoseconds, in which six digits may stand by chance; a code stands alone.
func withoutLongRuns(text string) string {
	return regexp.MustCompile(`[0-9a-fA-Fx]{9,}`).ReplaceAllString(text, "…")
}

// mustNotShow fails if secret stands in text: as it is, in hex of either case, with spaces between, or as a list of bytes.
func mustNotShow(t *testing.T, text, secret string) {
	t.Helper()
	spaced := fmt.Sprintf("% x", secret)
	list := strings.Trim(fmt.Sprint([]byte(secret)), "[]")
	for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), spaced, list} {
		if at := strings.Index(text, form); at >= 0 {
			t.Errorf("%q stands in clear: …%s…", form, text[max(0, at-40):min(len(text), at+len(form)+20)])
		}
	}
}

func TestT36_NumberIsMaskedWhereverItIsPrinted(t *testing.T) {
	t.Parallel()
	n, err := ChinaMobile("13876543219")
	if err != nil {
		t.Fatal(err)
	}
	account := Account{ID: "7", Number: n}
	for name, value := range map[string]any{
		"value": n, "pointer": &n, "event": Event{Kind: EventSend, Number: n}, "message": Message{To: n},
		"account": struct{ Number Number }{account.Number}, "key of a map": map[Number]int{n: 1}, "slice": []Number{n},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := printed(t, value)
			mustNotShow(t, text, "87654321")
			if !strings.Contains(text, "138****19") {
				t.Error("the masked form is nowhere: nothing was printed")
			}
		})
	}
}

// TestT36_UnexportedFieldsAndWrongVerbsShowNothing: fmt calls no Format method on the unexported fields of a struct, nor
// once a verb was wrong, and follows pointers in both cases. So what must not be printed is out of its reach.
func TestT36_UnexportedFieldsAndWrongVerbsShowNothing(t *testing.T) {
	t.Parallel()
	n := numberOf(t, "13876543219")
	code, _ := ParseCode("735192")
	key, index := []byte("canary-key-of-thirty-two-bytes-00"), []byte("canary-index-of-thirty-two-bytes-0")
	ring := ringOf(t, index, key)
	type record struct {
		number  Number
		code    Code
		ring    *Keyring
		by      Keyring
		numbers []Number
		byCode  map[Code]Number
	}
	r := record{n, code, ring, *ring, []Number{n}, map[Code]Number{code: n}}
	text := printed(t, r) + printed(t, &r) + printed(t, *ring)
	for _, verb := range append(verbs, "%p", "%w") {
		for _, value := range []any{n, &n, code, &code, ring, *ring, r, &r, []record{r}} {
			text += fmt.Sprintf(verb+"\n", value)
		}
	}
	for _, secret := range []string{"87654321", string(key[:16]), string(index[:16])} {
		mustNotShow(t, text, secret)
	}
	mustNotShow(t, withoutLongRuns(text), "735192")
	if !strings.Contains(text, "number:") {
		t.Error("the fields are nowhere: nothing was printed")
	}
}

func TestT36_NumberHasNoWayBackFromItsText(t *testing.T) {
	t.Parallel()
	n, err := ChinaMobile("13876543219")
	if err != nil {
		t.Fatal(err)
	}
	text, err := n.MarshalText()
	if err != nil || string(text) != "+86 138****19" {
		t.Errorf("MarshalText() = %q, %v", text, err)
	}
	if got := n.LogValue().String(); got != "+86 138****19" {
		t.Errorf("LogValue() = %q", got)
	}
}

func FuzzChinaMobile(f *testing.F) {
	for _, mobile := range oddSpellings {
		f.Add(mobile)
	}
	f.Add("13800000001")
	f.Add("19999999999")
	f.Fuzz(func(t *testing.T, mobile string) {
		n, err := ChinaMobile(mobile)
		if err != nil {
			if !errors.Is(err, ErrNumberForm) || !n.IsZero() {
				t.Fatalf("ChinaMobile(%q) = %v, %v", mobile, n, err)
			}
			return
		}
		if n.National() != mobile || len(mobile) != 11 || strings.Trim(mobile, "0123456789") != "" || mobile < "13" || mobile >= "2" {
			t.Fatalf("ChinaMobile takes %q", mobile)
		}
		if again, err := NewNumber(n.Region(), n.CallingCode(), n.National()); err != nil || again != n {
			t.Fatalf("NewNumber disagrees about %q: %v", mobile, err)
		}
		if strings.Contains(n.String(), mobile) {
			t.Fatalf("the masked form of %q shows it", mobile)
		}
	})
}

func FuzzNewNumber(f *testing.F) {
	f.Add("86", "13800000001")
	f.Add("852", "51234567")
	f.Add("0", "")
	f.Add("1", "１２３４５")
	f.Fuzz(func(t *testing.T, calling, national string) {
		n, err := NewNumber("XX", calling, national)
		if err != nil {
			return
		}
		digits := strings.TrimPrefix(n.E164(), "+")
		if digits != calling+national || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" {
			t.Fatalf("NewNumber(%q, %q) = %q", calling, national, n.E164())
		}
		if n.Prefix()+digits[len(digits)-4:] != n.E164() {
			t.Fatalf("Prefix of %q = %q", n.E164(), n.Prefix())
		}
		if hidden := len(national) - strings.IndexByte(n.String()[len(calling)+2:], '*') - 2; hidden < 2 {
			t.Fatalf("%q hides %d digits only", n.String(), hidden)
		}
	})
}
