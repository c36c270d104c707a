package sms_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"rekey/sms"
)

// gsmCodePoints is the default alphabet of 3GPP TS 23.038 (6.2.1) in Unicode, eight to the line; 0: the escape. Perl's
// Encode::GSM0338 2.10, which was made from release 16, has the same.
var gsmCodePoints = [128]rune{
	0x0040, 0x00A3, 0x0024, 0x00A5, 0x00E8, 0x00E9, 0x00F9, 0x00EC,
	0x00F2, 0x00C7, 0x000A, 0x00D8, 0x00F8, 0x000D, 0x00C5, 0x00E5,
	0x0394, 0x005F, 0x03A6, 0x0393, 0x039B, 0x03A9, 0x03A0, 0x03A8,
	0x03A3, 0x0398, 0x039E, 0, 0x00C6, 0x00E6, 0x00DF, 0x00C9,
	0x0020, 0x0021, 0x0022, 0x0023, 0x00A4, 0x0025, 0x0026, 0x0027,
	0x0028, 0x0029, 0x002A, 0x002B, 0x002C, 0x002D, 0x002E, 0x002F,
	0x0030, 0x0031, 0x0032, 0x0033, 0x0034, 0x0035, 0x0036, 0x0037,
	0x0038, 0x0039, 0x003A, 0x003B, 0x003C, 0x003D, 0x003E, 0x003F,
	0x00A1, 0x0041, 0x0042, 0x0043, 0x0044, 0x0045, 0x0046, 0x0047,
	0x0048, 0x0049, 0x004A, 0x004B, 0x004C, 0x004D, 0x004E, 0x004F,
	0x0050, 0x0051, 0x0052, 0x0053, 0x0054, 0x0055, 0x0056, 0x0057,
	0x0058, 0x0059, 0x005A, 0x00C4, 0x00D6, 0x00D1, 0x00DC, 0x00A7,
	0x00BF, 0x0061, 0x0062, 0x0063, 0x0064, 0x0065, 0x0066, 0x0067,
	0x0068, 0x0069, 0x006A, 0x006B, 0x006C, 0x006D, 0x006E, 0x006F,
	0x0070, 0x0071, 0x0072, 0x0073, 0x0074, 0x0075, 0x0076, 0x0077,
	0x0078, 0x0079, 0x007A, 0x00E4, 0x00F6, 0x00F1, 0x00FC, 0x00E0,
}

// gsmExtensionPoints is its extension table, by the septet after the escape.
var gsmExtensionPoints = map[byte]rune{
	0x0A: 0x000C, 0x14: 0x005E, 0x28: 0x007B, 0x29: 0x007D, 0x2F: 0x005C,
	0x3C: 0x005B, 0x3D: 0x007E, 0x3E: 0x005D, 0x40: 0x007C, 0x65: 0x20AC,
}

func TestEveryCharacterOfGSM7HasItsSeptetsAndNoOtherCharacterHasAny(t *testing.T) {
	t.Parallel()
	octets := map[rune][]byte{}
	for septet, r := range gsmCodePoints {
		if r != 0 {
			octets[r] = []byte{byte(septet)}
		}
	}
	for septet, r := range gsmExtensionPoints {
		octets[r] = []byte{0x1b, septet}
	}
	if len(octets) != 127+10 {
		t.Fatalf("the vectors have %d characters", len(octets))
	}
	for r := range rune(utf8.MaxRune + 1) {
		if !utf8.ValidRune(r) {
			continue
		}
		encoding, parts := sms.Split(string(r))
		want, inGSM := octets[r]
		if !inGSM {
			want = ucs(string(r))
		}
		if (encoding == sms.GSM7) != inGSM || len(parts) != 1 || !bytes.Equal(parts[0], want) {
			t.Errorf("U+%04X is %v %x, want %x", r, encoding, parts, want)
		}
	}
}

func ucs(text string) []byte {
	var octets []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		octets = binary.BigEndian.AppendUint16(octets, unit)
	}
	return octets
}

func TestATextIsCutWhereAMessageEndsAndNeverWithinACharacter(t *testing.T) {
	t.Parallel()
	const face = "\U0001F600" // a pair of surrogates
	cases := []struct {
		name     string
		text     string
		encoding sms.Encoding
		lengths  []int // of the parts, in octets
	}{
		{"nothing", "", sms.GSM7, []int{0}},
		{"a message of septets is full", strings.Repeat("a", 160), sms.GSM7, []int{160}},
		{"one septet more", strings.Repeat("a", 161), sms.GSM7, []int{153, 8}},
		{"two parts of septets are full", strings.Repeat("a", 306), sms.GSM7, []int{153, 153}},
		{"one septet more in two parts", strings.Repeat("a", 307), sms.GSM7, []int{153, 153, 1}},
		{"an escape sequence fills the message", strings.Repeat("a", 158) + "€", sms.GSM7, []int{160}},
		{"an escape sequence is one too many", strings.Repeat("a", 159) + "€", sms.GSM7, []int{153, 8}},
		{"an escape sequence fills a part", strings.Repeat("a", 151) + "€" + strings.Repeat("b", 8), sms.GSM7, []int{153, 8}},
		{"an escape sequence at the end of a part", strings.Repeat("a", 152) + "€" + strings.Repeat("b", 8), sms.GSM7, []int{152, 10}},
		{"escape sequences alone", strings.Repeat("€", 81), sms.GSM7, []int{152, 10}},
		{"what stays behind the cuts takes a part of its own", strings.Repeat("a", 152) + "€" + strings.Repeat("b", 150) + "€" + "c", sms.GSM7, []int{152, 152, 3}},

		{"a message of units is full", strings.Repeat("码", 70), sms.UCS2, []int{140}},
		{"one unit more", strings.Repeat("码", 71), sms.UCS2, []int{134, 8}},
		{"two parts of units are full", strings.Repeat("码", 134), sms.UCS2, []int{134, 134}},
		{"one unit more in two parts", strings.Repeat("码", 135), sms.UCS2, []int{134, 134, 2}},
		{"one such character among septets", strings.Repeat("a", 70) + "码", sms.UCS2, []int{134, 8}},
		{"a pair fills the message", strings.Repeat("码", 68) + face, sms.UCS2, []int{140}},
		{"a pair is one too many", strings.Repeat("码", 69) + face, sms.UCS2, []int{134, 8}},
		{"a pair fills a part", strings.Repeat("码", 65) + face + strings.Repeat("码", 4), sms.UCS2, []int{134, 8}},
		{"a pair at the end of a part", strings.Repeat("码", 66) + face + strings.Repeat("码", 4), sms.UCS2, []int{132, 12}},
		{"a byte that is not UTF-8", "a\xff", sms.UCS2, []int{4}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			encoding, parts := sms.Split(c.text)
			var lengths []int
			for _, part := range parts {
				lengths = append(lengths, len(part))
			}
			if encoding != c.encoding || !slices.Equal(lengths, c.lengths) {
				t.Errorf("%v in parts of %v, want %v in %v", encoding, lengths, c.encoding, c.lengths)
			}
			checkSplit(t, c.text)
		})
	}
}

func TestMeasureCountsUnitsWithoutTheHeadersOfParts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]sms.Size{
		"":                          {Encoding: sms.GSM7, Units: 0, Segments: 1},
		"a€":                        {Encoding: sms.GSM7, Units: 3, Segments: 1},
		strings.Repeat("a", 161):    {Encoding: sms.GSM7, Units: 161, Segments: 2},
		"码\U0001F600":               {Encoding: sms.UCS2, Units: 3, Segments: 1},
		strings.Repeat("码", 71):     {Encoding: sms.UCS2, Units: 71, Segments: 2},
		"`":                         {Encoding: sms.UCS2, Units: 1, Segments: 1}, // ASCII, and not in the alphabet
		"ç":                         {Encoding: sms.UCS2, Units: 1, Segments: 1}, // the capital letter alone is
		strings.Repeat("你好€", 1000): {Encoding: sms.UCS2, Units: 3000, Segments: 45},
	} {
		if got := sms.Measure(text); got != want {
			t.Errorf("%.20q: %+v, want %+v", text, got, want)
		}
	}
}

// FuzzSplit checks what holds for the parts of every text.
func FuzzSplit(f *testing.F) {
	for _, text := range []string{
		"", "hello", "a\xffb", "\x1b", "€", "\f^{}\\[~]|€", "【示例网】验证码012345，用于重置密码，5分钟内有效，请勿告诉他人。",
		strings.Repeat("a", 152) + "€" + strings.Repeat("b", 8), strings.Repeat("码", 66) + "\U0001F600" + strings.Repeat("码", 4),
		strings.Repeat("\U0001F600", 70), strings.Repeat("€", 200), "\ufeff\u2028\u0000\ufffd",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { checkSplit(t, text) })
}

// checkSplit reads the parts back and compares them with the text, and Measure with both.
func checkSplit(t *testing.T, text string) {
	t.Helper()
	encoding, parts := sms.Split(text)
	single, most, read := 160, 153, readGSM
	if encoding == sms.UCS2 {
		single, most, read = 140, 134, readUCS
	}
	if len(parts) == 1 {
		most = single
	}
	octets := 0
	var back strings.Builder
	for i, part := range parts {
		if len(part) > most || len(part) == 0 && text != "" {
			t.Errorf("part %d of %d has %d octets, and %d fit", i+1, len(parts), len(part), most)
		}
		r, ok := read(part)
		if !ok {
			t.Errorf("part %d of %d can't be read by itself: %x", i+1, len(parts), part)
		}
		back.WriteString(r)
		octets += len(part)
	}
	if len(parts) > 1 && octets <= single {
		t.Errorf("%d octets fit one message and were sent as %d parts", octets, len(parts))
	}
	if want := string([]rune(text)); back.String() != want {
		t.Errorf("the parts read %q, want %q", back.String(), want)
	}
	units := octets
	if encoding == sms.UCS2 {
		units /= 2
	}
	if got, want := sms.Measure(text), (sms.Size{Encoding: encoding, Units: units, Segments: len(parts)}); got != want {
		t.Errorf("Measure says %+v, the parts are %+v", got, want)
	}
}

func readGSM(part []byte) (string, bool) {
	var text []rune
	for i := 0; i < len(part); i++ {
		r := rune(0)
		switch {
		case part[i] == 0x1b:
			if i++; i < len(part) {
				r = gsmExtensionPoints[part[i]]
			}
		case part[i] < 0x80:
			r = gsmCodePoints[part[i]]
		}
		if r == 0 {
			return "", false
		}
		text = append(text, r)
	}
	return string(text), true
}

func readUCS(part []byte) (string, bool) {
	if len(part)%2 != 0 {
		return "", false
	}
	var text []rune
	for i := 0; i < len(part); i += 2 {
		r := rune(binary.BigEndian.Uint16(part[i:]))
		if utf16.IsSurrogate(r) {
			if i += 2; i >= len(part) {
				return "", false
			}
			if r = utf16.DecodeRune(r, rune(binary.BigEndian.Uint16(part[i:]))); r == utf8.RuneError {
				return "", false
			}
		}
		text = append(text, r)
	}
	return string(text), true
}

func BenchmarkSplit(b *testing.B) {
	for name, text := range map[string]string{
		"chinese": "【示例网】验证码012345，用于重置密码，5分钟内有效，请勿告诉他人。",
		"english": "012345 is your Example code. It expires in 5 minutes.\n\n@www.example.com #012345",
		"greek":   strings.Repeat("Ω", 160),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sms.Split(text)
			}
		})
	}
}
