package sms

import (
	"strings"
	"unicode/utf16"
)

// Encoding is how a text is written in short messages.
type Encoding int

// The encodings. GSM7 is the default alphabet with its extension table (3GPP TS 23.038, 6.2.1), packed into septets; UCS2
// stands for every other text, in 16-bit units, characters beyond the Basic Multilingual Plane as UTF-16 pairs, which is
// what phones read.
const (
	GSM7 Encoding = iota + 1
	UCS2
)

// String is the encoding's common name.
func (e Encoding) String() string {
	if e == GSM7 {
		return "GSM-7"
	}
	return "UCS-2"
}

// Size is what a text comes to as short messages.
type Size struct {
	Encoding Encoding
	Units    int // septets, or 16-bit units
	Segments int // the short messages that are sent and billed
}

// Measure is the size of a text. A message bears 160 septets or 70 units; in a longer text each of its parts gives up six
// octets to the header that joins them (3GPP TS 23.040, 9.2.3.24.1), and no character is cut in two.
func Measure(text string) Size {
	s := Size{Encoding: GSM7}
	single, part := 160, 153
	for _, r := range text {
		n := septets(r)
		if n == 0 {
			s.Encoding, single, part = UCS2, 70, 67
			break
		}
		s.Units += n
	}
	units := septets
	if s.Encoding == UCS2 {
		units = utf16.RuneLen
		s.Units = len(utf16.Encode([]rune(text)))
	}
	if s.Units <= single {
		s.Segments = 1
		return s
	}
	left := 0
	for _, r := range text {
		n := units(r)
		if n > left {
			s.Segments++
			left = part
		}
		left -= n
	}
	return s
}

const (
	// gsmBasic is the default alphabet in its order; the escape to the extension table stands as U+001B.
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	// gsmExtended are the characters of the extension table, each of which costs the escape besides.
	gsmExtended = "\f^{}\\[~]|€"
)

// septets is what a character costs in GSM7; 0: it is not in that alphabet.
func septets(r rune) int {
	switch {
	case r == '\x1b':
		return 0
	case strings.ContainsRune(gsmBasic, r):
		return 1
	case strings.ContainsRune(gsmExtended, r):
		return 2
	}
	return 0
}
