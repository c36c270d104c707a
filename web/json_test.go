package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

func TestObjectHoldsItsStringMembers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body string
		want map[string]string
	}{
		{`{}`, map[string]string{}},
		{` {"a" : "b" , "c":"d"} ` + "\r\n\t", map[string]string{"a": "b", "c": "d"}},
		{`{"a":1,"b":null,"c":["x"],"d":{"e":"f"},"g":true,"h":false,"i":"j"}`, map[string]string{"i": "j"}},
		{`{"":""}`, map[string]string{"": ""}},
		{`{"a":"\"\\\/\b\f\n\r\t"}`, map[string]string{"a": "\"\\/\b\f\n\r\t"}},
		{`{"\u0061":"\u00e9\u4e2d\u0000"}`, map[string]string{"a": "é中\x00"}},
		{`{"a":"\ud83d\ude00😀"}`, map[string]string{"a": "😀😀"}},
		{`{"a":"\uFFFD"}`, map[string]string{"a": "\ufffd"}},
		{`{"a":"` + "\u2028\x7f" + `"}`, map[string]string{"a": "\u2028\x7f"}},
		{`{"a":-0,"b":0.5e+10,"c":1E400,"d":-12.50e-999999999,"e":123456789012345678901234567890}`, map[string]string{}},
		{`{"a":"x","A":"y","ſ":"z","s":"w"}`, map[string]string{"a": "x", "A": "y", "ſ": "z", "s": "w"}},
		{strings.Repeat(`{"x":`, 7) + `{}` + strings.Repeat(`}`, 7), map[string]string{}},
	} {
		got, err := readObject([]byte(c.body))
		if err != nil || !maps.Equal(got, c.want) {
			t.Errorf("%s: %q, %v; want %q", c.body, got, err, c.want)
		}
	}
}

func TestAcceptableJSONThatIsNoObject(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`[]`, `[{"a":"b"}]`, `"{}"`, `""`, `0`, `-1.5e3`, `true`, `false`, ` null `,
		strings.Repeat("[", 8) + strings.Repeat("]", 8)} {
		if _, err := readObject([]byte(body)); !errors.Is(err, errNoObject) {
			t.Errorf("%s: %v, want errNoObject", body, err)
		}
	}
}

func TestT24_WhatTwoReadersMightReadDifferentlyIsNotAcceptable(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		// Nothing, or not one value.
		``, ` `, "\x00", `{`, `}`, `{"a"`, `{"a":`, `{"a":"b"`, `{"a":"b"}}`, `{"a":"b"}{}`, `{} []`, `{},`, `{}//`, `{}#`,
		// Tokens that other formats have.
		`{a:"b"}`, `{'a':'b'}`, `{"a":'b'}`, `{"a":"b",}`, `{,}`, `[1,]`, `[,]`, `[1 2]`, `{"a" "b"}`, `{"a":"b" "c":"d"}`,
		`{"a":NaN}`, `{"a":Infinity}`, `{"a":undefined}`, `{"a":True}`, `{"a":nul}`, `{"a":truex}`, `{/**/}`, `{1:2}`,
		`{null:1}`, "{\"a\":\v1}", "{\"a\":\u00a01}",
		// Numbers.
		`-`, `+1`, `01`, `-01`, `.5`, `1.`, `1e`, `1e+`, `1.e5`, `0x10`, `1_000`, `--1`, `1.5.5`, `1e5e5`, `１`,
		// Strings.
		`{"a":"`, `{"a":"\`, `{"a":"\"`, `{"a":"\x41"}`, `{"a":"\u"}`, `{"a":"\u12"}`, `{"a":"\u123g"}`, `{"a":"\u+123"}`,
		`{"a":"\u_123"}`, `{"a":"\U0041"}`, "{\"a\":\"\n\"}", "{\"a\":\"\t\"}", "{\"a\":\"\x00\"}", "{\"a\":\"\x1f\"}",
		"{\"a\":\"\\n\n\"}", "{\"a\":\"\\n\x00\"}",
		// Surrogates.
		`{"a":"\ud800"}`, `{"a":"\udfff"}`, `{"a":"\ud800x"}`, `{"a":"\ud800\n"}`, `{"a":"\ud800\ud800"}`,
		`{"a":"\udc00\ud800"}`, `{"a":"\ud800\u0041"}`, `{"\ud800":1}`, `{"a":"\ud800\u"}`, `{"a":"\ud800\`,
		// Encodings.
		"\ufeff{}", "{\"a\":\"\xff\"}", "{\"a\":\"\xc0\xaf\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"\xff\":1}", "\xff\xfe{\x00}\x00", "{}\xff",
		// Duplicates at any level, however spelt.
		`{"a":1,"a":1}`, `{"a":1,"\u0061":2}`, `{"x":{"a":1,"a":2}}`, `[{"a":1,"a":2}]`, `{"":1,"":2}`,
		`{"\ud83d\ude00":1,"😀":2}`,
		// Depth.
		strings.Repeat("[", 9) + strings.Repeat("]", 9), `{"x":` + strings.Repeat("[", 8) + strings.Repeat("]", 8) + `}`,
		strings.Repeat(`{"x":`, 9) + `1` + strings.Repeat(`}`, 9), strings.Repeat("[", 4096),
	} {
		if fields, err := readObject([]byte(body)); !errors.Is(err, errJSON) {
			t.Errorf("%q: %q, %v; want errJSON", body, fields, err)
		}
	}
}

func TestT24_KeysAreNotFolded(t *testing.T) {
	t.Parallel()
	// encoding/json takes each of these for sms_code and token.
	fields, err := readObject([]byte(`{"SMS_CODE":"1","ſms_code":"2","Sms_code":"3","to` + "\u212a" + `en":"4"}`))
	if err != nil || fields["sms_code"] != "" || fields["token"] != "" {
		t.Errorf("%q, %v", fields, err)
	}
}

func TestT22_DeepAndLongBodiesCostLittle(t *testing.T) {
	// Not parallel: AllocsPerRun counts the whole process.
	for name, body := range map[string]string{
		"10,000 deep": strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000),
		"1e400":       `[1e400]`,
		"long number": `[` + strings.Repeat("9", maxBody-2) + `]`,
		"many values": `[1` + strings.Repeat(",1", (maxBody-3)/2) + `]`,
	} {
		data := []byte(body)
		if allocs := testing.AllocsPerRun(10, func() { _, _ = readObject(data) }); allocs > 4 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

// FuzzReadObject compares with encoding/json: whatever is accepted here is JSON there too and means the same, and what
// is JSON there but refused here is so for one of the reasons that the contract lists.
func FuzzReadObject(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `[]`, `{"mobile":"13800000001","sms_code":"012345","new_password":"Abc123"}`, `{"a":"b","a":"c"}`,
		`{"a":"\ud83d\ude00\ud800"}`, "\ufeff{}", "{\"a\":\"\xff\"}", `{"a":1e400,"b":[{"c":null}]}`, `{"\u0061":"x","A":true}`,
		`[[[[[[[[[]]]]]]]]]`, `{"a":"b"} x`, `-0.5E-7`, `{"a":"\\ud800","b":"\ud83d\ude00"}`, `{"ſms_code":"1"}`, `"\u2028"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fields, err := readObject(data)
		if errors.Is(err, errJSON) {
			if json.Valid(data) && !hasReason(data) {
				t.Fatalf("%q was refused without a reason", data)
			}
			return
		}
		var want any
		d := json.NewDecoder(strings.NewReader(string(data)))
		d.UseNumber() // a number is not converted: 1e400 is no error
		if err := d.Decode(&want); err != nil || !json.Valid(data) {
			t.Fatalf("%q was accepted, encoding/json: %v", data, err)
		}
		object, isObject := want.(map[string]any)
		if isObject != (err == nil) {
			t.Fatalf("%q: %v", data, err)
		}
		texts := map[string]string{}
		for key, value := range object {
			if text, ok := value.(string); ok {
				texts[key] = text
			}
		}
		if isObject && !maps.Equal(fields, texts) {
			t.Fatalf("%q: %q, encoding/json: %q", data, fields, texts)
		}
	})
}

// hasReason reports whether valid JSON may be refused: bad UTF-8, a lone surrogate, too deep, or a duplicate key.
func hasReason(data []byte) bool {
	if !utf8.Valid(data) || hasLoneSurrogate(data) {
		return true
	}
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	var open []map[string]bool // by depth; nil for an array
	var isKey []bool
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		top := len(open) - 1
		if key, ok := token.(string); ok && top >= 0 && open[top] != nil && isKey[top] {
			if open[top][key] {
				return true
			}
			open[top][key], isKey[top] = true, false
			continue
		}
		if top >= 0 {
			isKey[top] = true // a value has come: next is a key, if this is an object
		}
		switch token {
		case json.Delim('{'):
			open, isKey = append(open, map[string]bool{}), append(isKey, true)
		case json.Delim('['):
			open, isKey = append(open, nil), append(isKey, false)
		case json.Delim('}'), json.Delim(']'):
			open, isKey = open[:top], isKey[:top]
		}
		if len(open) > maxDepth {
			return true
		}
	}
}

// hasLoneSurrogate reports whether valid JSON escapes half a pair (RFC 8259, section 8.2). A backslash stands in strings
// only.
func hasLoneSurrogate(data []byte) bool {
	text := string(data)
	unit := func(at int) rune { // of the escape that begins there, or -1
		if !strings.HasPrefix(text[at:], `\u`) {
			return -1
		}
		u, err := strconv.ParseUint(text[at+2:at+6], 16, 16)
		if err != nil {
			panic(err) // not valid JSON
		}
		return rune(u)
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		first := unit(i)
		switch {
		case first < 0:
			i++ // what is escaped may be a backslash
		case !utf16.IsSurrogate(first):
			i += 5
		case utf16.DecodeRune(first, unit(i+6)) == utf8.RuneError:
			return true
		default:
			i += 11
		}
	}
	return false
}

func TestTheFuzzerTellsPairsFromHalves(t *testing.T) {
	t.Parallel()
	for body, lone := range map[string]bool{
		`{"a":"\ud83d\ude00"}`: false, `{"a":"\uD83D\uDE00x\ud83d\ude00"}`: false, `"\\ud800"`: false, `"\\\\ud800\u0041"`: false,
		`"\ud7ff\ue000"`: false, `{"a":"\ud83d"}`: true, `"\ude00\ud83d"`: true, `"\ud83d\ude00\ud800"`: true, `"\ud83dx\ude00"`: true,
		`"\\\ud800"`: true, `"\ud83d\n"`: true,
	} {
		if !json.Valid([]byte(body)) {
			t.Fatalf("%s is no JSON", body)
		}
		if hasLoneSurrogate([]byte(body)) != lone || hasReason([]byte(body)) != lone {
			t.Errorf("%s: want %v", body, lone)
		}
		if _, err := readObject([]byte(body)); errors.Is(err, errJSON) != lone {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func BenchmarkReadObject(b *testing.B) {
	for name, body := range map[string]string{
		"send":  `{"mobile":"13800000001"}`,
		"reset": `{"mobile":"13800000001","sms_code":"012345","new_password":"Correct7Horse","flow":"AAAAAAAAAAAAAAAAAAAAAA"}`,
		"full":  fmt.Sprintf(`{"mobile":"13800000001","x":%q}`, strings.Repeat("x", 4000)),
	} {
		b.Run(name, func(b *testing.B) {
			data := []byte(body)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := readObject(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
