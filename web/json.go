package web

import (
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep arrays and objects may stand in each other (T22). The contract's bodies are one deep.
const maxDepth = 8

var (
	errJSON     = errors.New("not acceptable JSON")
	errNoObject = errors.New("JSON that is no object")
)

// readObject reads a body as the contract's acceptable JSON and returns the members of the object that are strings, by
// their exact names. A member that is anything else, null included, is left out, as if it were missing: the contract
// answers both alike. The error is errNoObject for acceptable JSON that is no object, else errJSON.
//
// It is stricter than encoding/json, which takes duplicate keys, keys in another case (or spelt with ſ or K), invalid
// UTF-8 and lone surrogates; each of them would let two readers of one body see two requests (T24). It follows the
// grammar of RFC 8259 and the limits of I-JSON (RFC 7493). Numbers are recognised and never converted, so that 1e400
// costs what it is long. Memory is bounded by the length of data.
func readObject(data []byte) (map[string]string, error) {
	if !utf8.Valid(data) {
		return nil, errJSON
	}
	r := &jsonReader{data: data}
	r.space()
	isObject := r.peek() == '{'
	fields := map[string]string{}
	ok := false
	if isObject {
		ok = r.object(1, fields)
	} else {
		ok = r.value(1)
	}
	r.space()
	switch {
	case !ok || r.at < len(r.data):
		return nil, errJSON
	case !isObject:
		return nil, errNoObject
	}
	return fields, nil
}

// jsonReader reads one value from left to right. Its methods report whether what they read was acceptable.
type jsonReader struct {
	data []byte
	at   int
}

// peek is the next byte, or 0 at the end; a NUL is no token of JSON either.
func (r *jsonReader) peek() byte {
	if r.at < len(r.data) {
		return r.data[r.at]
	}
	return 0
}

func (r *jsonReader) space() {
	for r.at < len(r.data) {
		switch r.data[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// take skips the byte c if it comes next.
func (r *jsonReader) take(c byte) bool {
	if r.peek() != c {
		return false
	}
	r.at++
	return true
}

// value reads a value that stands at depth: 1 is the outermost.
func (r *jsonReader) value(depth int) bool {
	switch c := r.peek(); {
	case c == '{':
		return r.object(depth, nil)
	case c == '[':
		return r.array(depth)
	case c == '"':
		_, ok := r.text()
		return ok
	case c == 't':
		return r.word("true")
	case c == 'f':
		return r.word("false")
	case c == 'n':
		return r.word("null")
	default:
		return r.number()
	}
}

func (r *jsonReader) word(word string) bool {
	if len(r.data)-r.at < len(word) || string(r.data[r.at:r.at+len(word)]) != word {
		return false
	}
	r.at += len(word)
	return true
}

// object reads an object and keeps its string members in fields, if fields is not nil.
func (r *jsonReader) object(depth int, fields map[string]string) bool {
	if depth > maxDepth || !r.take('{') {
		return false
	}
	r.space()
	if r.take('}') {
		return true
	}
	seen := map[string]bool{}
	for {
		r.space()
		key, ok := r.text()
		if !ok || seen[key] {
			return false
		}
		seen[key] = true
		r.space()
		if !r.take(':') {
			return false
		}
		r.space()
		if fields != nil && r.peek() == '"' {
			fields[key], ok = r.text()
		} else {
			ok = r.value(depth + 1)
		}
		if !ok {
			return false
		}
		r.space()
		if r.take('}') {
			return true
		}
		if !r.take(',') {
			return false
		}
	}
}

func (r *jsonReader) array(depth int) bool {
	if depth > maxDepth || !r.take('[') {
		return false
	}
	r.space()
	if r.take(']') {
		return true
	}
	for {
		r.space()
		if !r.value(depth + 1) {
			return false
		}
		r.space()
		if r.take(']') {
			return true
		}
		if !r.take(',') {
			return false
		}
	}
}

// number skips a number: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
func (r *jsonReader) number() bool {
	r.take('-')
	if !r.take('0') && !r.digits() {
		return false
	}
	if r.take('.') && !r.digits() {
		return false
	}
	if r.take('e') || r.take('E') {
		if !r.take('+') {
			r.take('-')
		}
		return r.digits()
	}
	return true
}

// digits skips one digit or more.
func (r *jsonReader) digits() bool {
	start := r.at
	for c := r.peek(); c >= '0' && c <= '9'; c = r.peek() {
		r.at++
	}
	return r.at > start
}

// text reads a string and returns it unescaped.
func (r *jsonReader) text() (string, bool) {
	if !r.take('"') {
		return "", false
	}
	start := r.at
	for r.at < len(r.data) {
		switch c := r.data[r.at]; {
		case c == '"':
			s := string(r.data[start:r.at])
			r.at++
			return s, true
		case c == '\\':
			return r.escaped(r.data[start:r.at])
		case c < ' ':
			return "", false
		}
		r.at++
	}
	return "", false
}

// escaped reads the rest of a string whose first escape comes next; head is what stands before it.
func (r *jsonReader) escaped(head []byte) (string, bool) {
	out := append(make([]byte, 0, len(head)+64), head...)
	for r.at < len(r.data) {
		c := r.data[r.at]
		r.at++
		switch {
		case c == '"':
			return string(out), true
		case c < ' ':
			return "", false
		case c != '\\':
			out = append(out, c)
			continue
		}
		c = r.peek()
		r.at++
		switch c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			u, ok := r.unicode()
			if !ok {
				return "", false
			}
			out = utf8.AppendRune(out, u)
		default:
			return "", false
		}
	}
	return "", false
}

// unicode reads what follows \u: one code point, which may take a second \u escape. A lone surrogate is refused.
func (r *jsonReader) unicode() (rune, bool) {
	u, ok := r.hex()
	if !ok || !utf16.IsSurrogate(u) {
		return u, ok
	}
	if !r.take('\\') || !r.take('u') {
		return 0, false
	}
	low, ok := r.hex()
	u = utf16.DecodeRune(u, low)
	return u, ok && u != utf8.RuneError
}

// hex reads exactly four hexadecimal digits.
func (r *jsonReader) hex() (rune, bool) {
	if len(r.data)-r.at < 4 {
		return 0, false
	}
	// ParseUint takes neither signs nor, with a base given, underscores.
	n, err := strconv.ParseUint(string(r.data[r.at:r.at+4]), 16, 16)
	r.at += 4
	return rune(n), err == nil
}
