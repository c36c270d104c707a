// Package smpp is a client of the Short Message Peer-to-Peer protocol, version 3.4 (specification issue 1.2, whose
// sections are named here as §): it binds to an SMSC as a transceiver, stays bound, submits short messages and receives
// their delivery receipts.
//
// Neither its errors nor its log hold a message's text, a number or a password (T36).
package smpp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// command is a command_id (§5.1.2.1). A response has that of its request with the bit response set.
type command uint32

const (
	submitSM          command = 0x00000004
	deliverSM         command = 0x00000005
	unbind            command = 0x00000006
	bindTransceiver   command = 0x00000009
	outbind           command = 0x0000000B
	enquireLink       command = 0x00000015
	alertNotification command = 0x00000102
	genericNack       command = 0x80000000

	response command = 0x80000000
)

// Status is a command_status (§5.1.3). What the codes are for an operator stands with the provider sms.SMPP.
type Status uint32

// The codes that this package itself gives or acts on.
const (
	StatusOK                Status = 0x00 // ESME_ROK
	StatusInvalidLength     Status = 0x02 // ESME_RINVCMDLEN
	StatusInvalidCommand    Status = 0x03 // ESME_RINVCMDID
	StatusInvalidBind       Status = 0x04 // ESME_RINVBNDSTS: not bound, or not for this command
	StatusBindFailed        Status = 0x0D // ESME_RBINDFAIL
	StatusInvalidPassword   Status = 0x0E // ESME_RINVPASWD
	StatusInvalidSystemID   Status = 0x0F // ESME_RINVSYSID
	StatusQueueFull         Status = 0x14 // ESME_RMSGQFUL
	StatusInvalidSystemType Status = 0x53 // ESME_RINVSYSTYP
	StatusThrottled         Status = 0x58 // ESME_RTHROTTLED
	StatusTryLater          Status = 0x64 // ESME_RX_T_APPN: the receiver can't take it at the moment
	StatusNotTaken          Status = 0x65 // ESME_RX_P_APPN: the receiver will never take it
)

// String is the code as vendors write it, such as 0x0E.
func (s Status) String() string { return fmt.Sprintf("0x%02X", uint32(s)) }

const (
	headerSize = 16
	// maxPDU is the longest PDU that is read, in octets. A deliver_sm with the longest message_payload (65,535, §5.3.2.32)
	// and every other field full stays below; an SMSC repeats a message that ends the link, so that none that is allowed
	// may do that.
	maxPDU = 128 << 10
)

// pdu is one protocol data unit as it was read. Its body is valid until the next one is read.
type pdu struct {
	command  command
	status   Status
	sequence uint32
	body     []byte
}

// errLength says that a command_length can't be right. What follows on the link can't be told apart any more.
var errLength = errors.New("a PDU has an impossible length")

// readPDU reads one PDU. The body lies in *buf, which grows as needed. After errLength the header is in the pdu.
func readPDU(r io.Reader, buf *[]byte) (pdu, error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return pdu{}, err
	}
	length := binary.BigEndian.Uint32(h[0:])
	p := pdu{
		command:  command(binary.BigEndian.Uint32(h[4:])),
		status:   Status(binary.BigEndian.Uint32(h[8:])),
		sequence: binary.BigEndian.Uint32(h[12:]),
	}
	if length < headerSize || length > maxPDU {
		return p, errLength
	}
	n := int(length) - headerSize
	if cap(*buf) < n {
		*buf = make([]byte, max(n, 512))
	}
	p.body = (*buf)[:n]
	if _, err := io.ReadFull(r, p.body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return pdu{}, err
	}
	return p, nil
}

// newPDU is a PDU without body, to append the body to; seal completes it.
func newPDU(c command, s Status) []byte {
	b := make([]byte, headerSize, 128)
	binary.BigEndian.PutUint32(b[4:], uint32(c))
	binary.BigEndian.PutUint32(b[8:], uint32(s))
	return b
}

// seal sets the length and the sequence_number.
func seal(b []byte, sequence uint32) {
	binary.BigEndian.PutUint32(b[0:], uint32(len(b)))
	binary.BigEndian.PutUint32(b[12:], sequence)
}

// appendString appends a C-octet string (§3.1).
func appendString(b []byte, s string) []byte { return append(append(b, s...), 0) }

// bindPDU is a bind_transceiver (§4.1.5). Its empty address_range leaves it to the SMSC which receipts are ours.
func bindPDU(systemID, password, systemType string) []byte {
	b := newPDU(bindTransceiver, StatusOK)
	b = appendString(b, systemID)
	b = appendString(b, password)
	b = appendString(b, systemType)
	b = append(b, 0x34, 0, 0) // interface_version, addr_ton, addr_npi
	return appendString(b, "")
}

// Address is a number or name with its type of number and numbering plan indicator (§5.2.5, §5.2.6).
type Address struct {
	TON, NPI byte
	Digits   string // or letters, by TON; at most 20
}

// Message is one short message to submit.
type Message struct {
	Source, Destination Address
	DataCoding          byte   // §5.2.19: 0 the SMSC's default alphabet, 8 UCS-2
	Header              bool   // Text begins with a user data header (UDHI, §5.2.12)
	Receipt             bool   // ask for a receipt of the final outcome (§5.2.17)
	Text                []byte // at most 254 octets
}

// Format hides the message whatever the verb (T36).
func (Message) Format(f fmt.State, _ rune) { io.WriteString(f, "(short message)") }

const (
	maxAddress = 20  // source_addr and destination_addr have 21 octets with their NUL (§4.4.1)
	maxText    = 254 // §5.2.21
)

// submitPDU is a submit_sm (§4.4.1). Its error holds nothing of the message.
func submitPDU(m Message) ([]byte, error) {
	for _, a := range []Address{m.Source, m.Destination} {
		if len(a.Digits) > maxAddress || bytes.IndexByte([]byte(a.Digits), 0) >= 0 {
			return nil, errors.New("an address is longer than 20 characters or holds a NUL")
		}
	}
	if len(m.Text) > maxText {
		return nil, errors.New("a short message is longer than 254 octets")
	}
	var class, registered byte
	if m.Header {
		class = 0x40
	}
	if m.Receipt {
		registered = 1
	}
	b := newPDU(submitSM, StatusOK)
	b = appendString(b, "") // service_type
	b = append(b, m.Source.TON, m.Source.NPI)
	b = appendString(b, m.Source.Digits)
	b = append(b, m.Destination.TON, m.Destination.NPI)
	b = appendString(b, m.Destination.Digits)
	b = append(b, class, 0, 0) // esm_class, protocol_id, priority_flag
	b = appendString(b, "")    // schedule_delivery_time: now
	b = appendString(b, "")    // validity_period: the SMSC's
	b = append(b, registered, 0, m.DataCoding, 0, byte(len(m.Text)))
	return append(b, m.Text...), nil
}

// messageID is the message_id in the body of a submit_sm_resp (§4.4.2). The status alone says whether the message was
// taken: a body that is missing or malformed gives "".
func messageID(body []byte) string {
	f := fields{rest: body}
	id := f.text(65)
	if f.bad || !printable(id) {
		return ""
	}
	return id
}

// delivery is what a deliver_sm (§4.6.1) says that matters here.
type delivery struct {
	source     string // source_addr: in a receipt the number that the message went to
	class      byte
	text       []byte // short_message, or message_payload in its place
	receiptID  string // of the TLV receipted_message_id, or ""
	state      int    // of the TLV message_state, or -1
	network    []byte // of the TLV network_error_code: its type and a number of two octets; or nil
	dataCoding byte
}

// Tags of optional parameters (§5.3.2).
const (
	tagReceiptedMessageID = 0x001E
	tagNetworkErrorCode   = 0x0423
	tagMessagePayload     = 0x0424
	tagMessageState       = 0x0427
)

var errMalformed = errors.New("a deliver_sm is malformed")

// readDelivery reads the body of a deliver_sm. Every mandatory field is held to its bounds; the slices share body's memory.
func readDelivery(body []byte) (delivery, error) {
	d := delivery{state: -1}
	f := fields{rest: body}
	f.text(6) // service_type
	f.octets(2)
	d.source = f.text(21)
	f.octets(2)
	f.text(21) // destination_addr
	d.class = f.octet()
	f.octets(2)
	f.text(17) // schedule_delivery_time
	f.text(17) // validity_period
	f.octets(2)
	d.dataCoding = f.octet()
	f.octet()
	d.text = f.octets(int(f.octet()))
	if f.bad {
		return delivery{}, errMalformed
	}
	// What follows is read as far as it is optional parameters: some SMSCs put a NUL behind short_message
	// (github.com/praekelt/python-smpp/pull/7) or cut a parameter off (github.com/opentelecoms-org/jsmpp/issues/214), and
	// send again what is refused for it.
	for len(f.rest) > 0 && !f.bad {
		tag, length := f.short(), f.short()
		value := f.octets(length)
		switch {
		case f.bad:
		case tag == tagReceiptedMessageID:
			id := fields{rest: value}
			d.receiptID = id.text(65)
			if id.bad { // some SMSCs leave the NUL away
				d.receiptID = string(value[:min(len(value), 64)])
			}
		case tag == tagMessageState && length == 1:
			d.state = int(value[0])
		case tag == tagNetworkErrorCode && length == 3:
			d.network = value
		case tag == tagMessagePayload && len(d.text) == 0:
			d.text = value
		}
	}
	return d, nil
}

// fields reads a body from its front. Whatever reaches beyond the end or a field's bound makes bad true and reads as zero
// from then on.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) octets(n int) []byte {
	if f.bad || n > len(f.rest) {
		f.bad = true
		return nil
	}
	b := f.rest[:n:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) octet() byte {
	if b := f.octets(1); b != nil {
		return b[0]
	}
	return 0
}

func (f *fields) short() int {
	if b := f.octets(2); b != nil {
		return int(binary.BigEndian.Uint16(b))
	}
	return 0
}

// text reads a C-octet string of at most size octets with its NUL.
func (f *fields) text(size int) string {
	end := bytes.IndexByte(f.rest[:min(size, len(f.rest))], 0)
	if f.bad || end < 0 {
		f.bad = true
		return ""
	}
	return string(f.octets(end + 1)[:end])
}

// printable reports whether s is of visible ASCII characters, which is what ids are made of.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
