package servers

import (
	"bytes"
	"fmt"
	"strconv"
)

// Redis' protocol, RESP 2 and 3 (redis.io/docs, Redis serialization protocol specification), as far as it takes to tell
// where things end.

var crlf = []byte("\r\n")

// respRequest is how many bytes the first request of said has; 0: it is not whole.
func respRequest(said []byte) (int, error) {
	if len(said) == 0 {
		return 0, nil
	}
	if said[0] != '*' { // inline, as people type it
		return respLine(said), nil
	}
	return respValue(said)
}

// respReply is how many bytes the first answer of said has, 0: it is not whole; and whether it is none, but something that
// the server says of its own accord.
func respReply(said []byte) (n int, push bool, err error) {
	n, err = respValue(said)
	return n, len(said) > 0 && said[0] == '>', err
}

// respLine is how many bytes a line has, with its end; 0: it is not whole.
func respLine(said []byte) int {
	i := bytes.Index(said, crlf)
	if i < 0 {
		return 0
	}
	return i + len(crlf)
}

// respValue is how many bytes a value has; 0: it is not whole.
func respValue(said []byte) (int, error) {
	line := respLine(said)
	if line == 0 {
		return 0, nil
	}
	kind, rest := said[0], string(said[1:line-len(crlf)])
	switch kind {
	case '+', '-', ':', '_', '#', ',', '(':
		return line, nil
	}
	count, err := strconv.Atoi(rest)
	if err != nil {
		return 0, fmt.Errorf("a value of the kind %q without a length", kind)
	}
	switch kind {
	case '$', '!', '=':
		if count < 0 { // RESP 2's null
			return line, nil
		}
		if whole := line + count + len(crlf); whole <= len(said) {
			return whole, nil
		}
		return 0, nil
	case '*', '~', '>': // as many values
	case '%': // as many pairs
		count *= 2
	case '|': // as many pairs, and then what they are said of
		count = 2*count + 1
	default:
		return 0, fmt.Errorf("a value of the kind %q, which is none", kind)
	}
	whole := line
	for range count {
		n, err := respValue(said[whole:])
		if n == 0 || err != nil {
			return 0, err
		}
		whole += n
	}
	return whole, nil
}
