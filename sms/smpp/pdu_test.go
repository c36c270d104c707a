package smpp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
)

// A submit_sm octet by octet, from the tables of the specification (§4.4.1).
func TestASubmitIsOfTheSpecifiedForm(t *testing.T) {
	t.Parallel()
	got, err := submitPDU(Message{
		Source: Address{TON: 5, NPI: 0, Digits: "REKEY"}, Destination: Address{TON: 1, NPI: 1, Digits: "8613800000001"},
		DataCoding: 8, Header: true, Receipt: true, Text: []byte{0x05, 0x00, 0x03, 0x2a, 0x02, 0x01, 0x9a, 0x8c},
	})
	if err != nil {
		t.Fatal(err)
	}
	seal(got, 0x01020304)
	want := "\x00\x00\x00\x3b" + "\x00\x00\x00\x04" + "\x00\x00\x00\x00" + "\x01\x02\x03\x04" + // header
		"\x00" + "\x05\x00REKEY\x00" + "\x01\x018613800000001\x00" + // service_type, source, destination
		"\x40\x00\x00" + "\x00\x00" + "\x01\x00\x08\x00" + // esm_class …, times, registered_delivery …
		"\x08\x05\x00\x03\x2a\x02\x01\x9a\x8c"
	if string(got) != want {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

func TestABindIsOfTheSpecifiedForm(t *testing.T) {
	t.Parallel()
	// The sample bind_transmitter of the specification, as a transceiver of version 3.4 without addresses.
	got := bindPDU("SMPP3TEST", "secret08", "SUBMIT1")
	seal(got, 1)
	want := "\x00\x00\x00\x2f" + "\x00\x00\x00\x09" + "\x00\x00\x00\x00" + "\x00\x00\x00\x01" +
		"SMPP3TEST\x00secret08\x00SUBMIT1\x00\x34\x00\x00\x00"
	if string(got) != want {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

// TestSequenceNumbersWrapAroundWhatIsPending: no number is given to a message while another one still waits for its answer
// under it, or the answer would be taken for the wrong one's.
func TestSequenceNumbersWrapAroundWhatIsPending(t *testing.T) {
	t.Parallel()
	s := &session{sequence: 0x7FFFFFFD, pending: map[uint32]*request{0x7FFFFFFF: {}, 1: {}, 2: {}}}
	for _, want := range []uint32{0x7FFFFFFE, 3, 4} {
		r := newRequest(enquireLink, newPDU(enquireLink, StatusOK))
		if !s.take(r) || s.sequence != want || s.pending[want] != r || binary.BigEndian.Uint32(r.bytes[12:]) != want {
			t.Errorf("sequence_number %#x, want %#x", s.sequence, want)
		}
	}
}

func FuzzReadPDU(f *testing.F) {
	enquire := newPDU(enquireLink, StatusOK)
	seal(enquire, 1)
	f.Add(enquire)
	f.Add(append(enquire, "\x00\x00\x00\x12\x80\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x02x\x00"...))
	f.Add([]byte("\x00\x00\x00\x0f\x80\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x02"))
	f.Add([]byte("\xff\xff\xff\xff\x80\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x02"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := bytes.NewReader(stream)
		var buf []byte
		used := 0
		for {
			p, err := readPDU(r, &buf)
			if err != nil {
				if !errors.Is(err, errLength) && err != io.EOF && err != io.ErrUnexpectedEOF {
					t.Errorf("an error of a kind that nobody expects: %v", err)
				}
				break
			}
			// What is read is what was there.
			again := append(newPDU(p.command, p.status), p.body...)
			seal(again, p.sequence)
			if !bytes.Equal(again, stream[used:used+len(again)]) {
				t.Fatalf("read %x from %x", again, stream[used:])
			}
			used += len(again)
		}
		if len(buf) > maxPDU {
			t.Errorf("a buffer of %d octets", len(buf))
		}
	})
}

// FuzzReceipt holds whatever is delivered to what a receipt may be.
func FuzzReceipt(f *testing.F) {
	head := strings.Repeat("\x00", 8)
	for _, text := range []string{
		"id:0123456789 sub:001 dlvrd:001 submit date:0610191516 done date:0610191530 stat:DELIVRD err:000 Text:your code",
		"id:c0ffee stat:UNDELIV err:11", "ID: 5 STAT: rejectd ERR: 0b1", "stat:EXPIRED", "",
	} {
		body := "\x00\x00\x00\x00\x00\x00\x00\x04" + head + string(rune(len(text))) + text
		f.Add([]byte(body))
		f.Add([]byte(body + "\x00\x1e\x00\x04abc\x00\x04\x27\x00\x01\x02\x04\x23\x00\x03\x03\x00\x0b"))
		wide := ucs2(text[:min(len(text), 60)])
		f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x08\x00" + string(rune(len(wide))) + wide))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := readDelivery(body)
		if err != nil {
			if err != errMalformed {
				t.Errorf("an error that may hold what came: %v", err)
			}
			return
		}
		r, ok := readReceipt(d)
		if !ok {
			if r.ID != "" {
				t.Errorf("no receipt, and yet an id")
			}
			return
		}
		word, code, _ := strings.Cut(r.Code, ":")
		if r.ID == "" || len(r.ID) > 64 || !printable(r.ID) || len(code) > 8 || !printable(code) || r.State < Scheduled || r.State > Skipped {
			t.Errorf("a receipt out of bounds: %+v", r)
		}
		if s, ok := stateOf(word); !ok || s != r.State {
			t.Errorf("state %d with the word %q", r.State, word)
		}
		if !bytes.Contains(bytes.ReplaceAll(body, []byte{0}, nil), []byte(r.ID)) { // in UCS-2 with a NUL before each letter
			t.Errorf("an id that is not there: %q", r.ID)
		}
	})
}

// ucs2 writes ASCII in UCS-2.
func ucs2(text string) string {
	return "\x00" + strings.Join(strings.Split(text, ""), "\x00")
}

func FuzzReceiptText(f *testing.F) {
	for _, text := range []string{
		"id:IIIIIIIIII sub:SSS dlvrd:DDD submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:DDDDDDD err:E Text: . . .",
		"id:1 stat:DELIVRD", "text:id:1 stat:DELIVRD", "id: stat: err:", "\xff:\xfe id:\xff",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, stat, code := readReceiptText(text)
		for _, value := range []string{id, stat, code} {
			if !strings.Contains(text, value) || len(strings.Fields(value)) > 1 {
				t.Errorf("%q is not a word of %q", value, text)
			}
		}
		before, _, _ := strings.Cut(strings.ToLower(" "+text), " text:")
		if id != "" && !strings.Contains(before, strings.ToLower(id)) {
			t.Errorf("the id %q stands in the person's text", id)
		}
	})
}
