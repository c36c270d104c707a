package smpptest

import (
	"encoding/binary"
	"slices"
)

// PDU is a protocol data unit in its four header fields (less the length) and its body.
type PDU struct {
	Command, Status, Sequence uint32
	Body                      []byte
}

// Octets is the PDU as it goes over a link.
func (p PDU) Octets() []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(16+len(p.Body)))
	b = binary.BigEndian.AppendUint32(b, p.Command)
	b = binary.BigEndian.AppendUint32(b, p.Status)
	b = binary.BigEndian.AppendUint32(b, p.Sequence)
	return append(b, p.Body...)
}

// Delivery is the body of a deliver_sm.
func Delivery(class, coding byte, text string, parameters ...[]byte) []byte {
	body := []byte{0, 1, 1}
	body = append(body, "8613900000000\x00"...)
	body = append(body, 5, 0)
	body = append(body, "REKEY\x00"...)
	body = append(body, class, 0, 0, 0, 0, 0, 0, coding, 0, byte(len(text)))
	body = append(body, text...)
	for _, p := range parameters {
		body = append(body, p...)
	}
	return body
}

// TLV is an optional parameter.
func TLV(tag uint16, value string) []byte {
	b := binary.BigEndian.AppendUint16(nil, tag)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

// body reads a body from its front and reports whatever is not there.
type body struct {
	l    *Link
	rest []byte
}

func (b *body) take(n int) []byte {
	if n > len(b.rest) {
		b.l.fail("a body is too short")
		b.rest = nil
		return make([]byte, n)
	}
	taken := b.rest[:n]
	b.rest = b.rest[n:]
	return taken
}

func (b *body) octet() byte { return b.take(1)[0] }

func (b *body) text(size int) string {
	n := slices.Index(b.rest, 0)
	if n < 0 || n >= size {
		b.l.fail("a string is longer than %d octets", size)
		b.rest = nil
		return ""
	}
	return string(b.take(n + 1)[:n])
}

func (b *body) end() {
	if len(b.rest) != 0 {
		b.l.fail("%d octets after a body", len(b.rest))
	}
}
