package sms

import (
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Encoding is how a text is written in short messages.
type Encoding int

// The encodings. GSM7 is the default alphabet with its extension table (3GPP TS 23.038, 6.2.1), in septets; UCS2 stands for
// every other text, in 16-bit units, characters beyond the Basic Multilingual Plane as UTF-16 pairs, which is what phones
// read. Latin1, ISO 8859-1 in octets, is for the way to an SMSC (SMPPConfig.Latin1), which writes it in one of the two.
const (
	GSM7 Encoding = iota + 1
	UCS2
	Latin1
)

// String is the encoding's common name.
func (e Encoding) String() string {
	switch e {
	case GSM7:
		return "GSM-7"
	case UCS2:
		return "UCS-2"
	case Latin1:
		return "ISO 8859-1"
	}
	return "unknown"
}

// octetsPerUnit is how many octets of Split a unit takes.
func (e Encoding) octetsPerUnit() int {
	if e == UCS2 {
		return 2
	}
	return 1
}

// Size is what a text comes to as short messages.
type Size struct {
	Encoding Encoding // 0: the vendor's affair
	Units    int      // septets, 16-bit units or, of Latin1, octets
	Segments int      // the short messages that are sent and billed
}

// Measure is the size of a text, as Split cuts it.
func Measure(text string) Size {
	return sizeOf(Split(text))
}

func sizeOf(encoding Encoding, parts [][]byte) Size {
	s := Size{Encoding: encoding, Segments: len(parts)}
	for _, part := range parts {
		s.Units += len(part) / encoding.octetsPerUnit()
	}
	return s
}

// The most units that a message bears: 140 octets, which hold 160 septets. In a longer text each part gives up six octets
// to the header that joins them (3GPP TS 23.040, 9.2.3.24.1), which is seven septets.
const (
	gsmSingle, gsmPart = 160, 153
	ucsSingle, ucsPart = 70, 67
)

// Split writes a text as the short messages that it is sent as: one, or as many parts as it needs, without the header that
// joins them. The parts are in the encoding that Split returns, GSM7 as one septet to the octet, as SMPP carries it, and
// UCS2 with the high octet first. No part ends within an escape sequence or a pair of surrogates, because phones that show
// a part before the others are there would show something else. The empty text is one empty part, and bytes that are not
// UTF-8 stand as U+FFFD.
func Split(text string) (Encoding, [][]byte) {
	if strings.ContainsFunc(text, notInGSM) {
		return UCS2, splitAs(UCS2, text)
	}
	return GSM7, splitAs(GSM7, text)
}

// splitLatin1 is Split for where GSM7 can't be carried: what that and ISO 8859-1 have all characters of is in Latin1. A part
// has as many characters as in GSM7, which the SMSC writes for the air what it can.
func splitLatin1(text string) (Encoding, [][]byte) {
	encoding, parts := Split(text)
	if encoding != GSM7 {
		return encoding, parts
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxLatin1 }) {
		return UCS2, splitAs(UCS2, text)
	}
	for i := range parts {
		parts[i] = inLatin1(parts[i])
	}
	return Latin1, parts
}

// splitAs is Split into GSM7, if every character is in that, or UCS2.
func splitAs(encoding Encoding, text string) [][]byte {
	single, part, write := gsmSingle, gsmPart, appendGSM
	if encoding == UCS2 {
		single, part, write = 2*ucsSingle, 2*ucsPart, appendUCS
	}
	octets := make([]byte, 0, 2*len(text)) // no byte of UTF-8 comes to more
	var parts [][]byte
	start := 0
	for _, r := range text {
		end := len(octets)
		octets = write(octets, r)
		if len(octets)-start > part {
			parts = append(parts, octets[start:end:end])
			start = end
		}
	}
	if len(octets) <= single {
		return [][]byte{octets}
	}
	return append(parts, octets[start:])
}

const (
	// gsmBasic is the default alphabet in its order (3GPP TS 23.038, 6.2.1); the escape to the extension table stands as
	// U+001B.
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	// gsmExtended are the characters of the extension table (6.2.1.1), and gsmExtendedCodes their places in it; € is last,
	// so that the indexes of both are the same.
	gsmExtended      = "\f^{}\\[~]|€"
	gsmExtendedCodes = "\x0a\x14\x28\x29\x2f\x3c\x3d\x3e\x40\x65"

	gsmEscape = 0x1b
)

func notInGSM(r rune) bool {
	return r == gsmEscape || !strings.ContainsRune(gsmBasic, r) && !strings.ContainsRune(gsmExtended, r)
}

// appendGSM appends the septets of a character that is in the alphabet.
func appendGSM(octets []byte, r rune) []byte {
	switch {
	// Most of a text stands where ASCII has it, which spares a search.
	case ' ' <= r && r <= 'Z' && r != '$' && r != '@', 'a' <= r && r <= 'z':
		return append(octets, byte(r))
	case strings.ContainsRune(gsmExtended, r):
		return append(octets, gsmEscape, gsmExtendedCodes[strings.IndexRune(gsmExtended, r)])
	}
	return append(octets, byte(utf8.RuneCountInString(gsmBasic[:strings.IndexRune(gsmBasic, r)])))
}

// inLatin1 writes in ISO 8859-1 what splitAs wrote in GSM7, if the former has every character of it.
func inLatin1(septets []byte) []byte {
	basic := []rune(gsmBasic)
	octets := make([]byte, 0, len(septets))
	for i := 0; i < len(septets); i++ {
		r := basic[septets[i]]
		if r == gsmEscape {
			i++
			r = rune(gsmExtended[strings.IndexByte(gsmExtendedCodes, septets[i])])
		}
		octets = append(octets, byte(r))
	}
	return octets
}

// appendUCS appends the one or two 16-bit units of a character.
func appendUCS(octets []byte, r rune) []byte {
	var units [2]uint16
	for _, unit := range utf16.AppendRune(units[:0], r) {
		octets = binary.BigEndian.AppendUint16(octets, unit)
	}
	return octets
}
