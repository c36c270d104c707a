// Package smpptest is an SMSC for tests: it takes only what is exactly as SMPP 3.4 wants it, and misbehaves on request. It
// shares no code with the client, so that a misreading of the specification is not made twice.
package smpptest

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Credentials that an SMSC wants.
const (
	SystemID = "rekey-test"
	Password = "canaryPw"
)

// Submission is a submit_sm as it was read.
type Submission struct {
	Sequence                    uint32
	Source, Destination         string // "TON/NPI/address"
	Class, Registered, Encoding byte
	Text                        []byte
}

// Config says how an SMSC behaves.
type Config struct {
	// Window is how many submit_sm may be without their answer; 0: it is not looked at.
	Window int
	// Bind is the status for the nth bind, from 1, once its credentials have been found right; nil: 0.
	Bind func(n int) uint32
	// Submit answers a submission, or doesn't; nil: Link.Accept. It runs on the link's reading goroutine.
	Submit func(l *Link, s Submission)
	// Deaf: enquire_link is not answered.
	Deaf func() bool
}

// SMSC is a short message service centre. It fails its test when what comes isn't as it must be.
type SMSC struct {
	t       testing.TB
	c       Config
	running sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	links    []*Link
	binds    int
	ids      int
	accepted []Submission
	closed   bool
}

// New makes an SMSC that ends with its test.
func New(t testing.TB, c Config) *SMSC {
	m := &SMSC{t: t, c: c}
	t.Cleanup(func() {
		m.mu.Lock()
		m.closed = true
		listener, links := m.listener, slices.Clone(m.links)
		m.mu.Unlock()
		if listener != nil {
			listener.Close()
		}
		for _, l := range links {
			l.Cut()
		}
		m.running.Wait()
	})
	return m
}

// Dial connects to the SMSC within this process, over net.Pipe, which testing/synctest knows.
func (m *SMSC) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	if !m.serve(far) {
		return nil, errors.New("the SMSC is closed")
	}
	return near, nil
}

// Listen opens a port on loopback, with TLS if there is a configuration, and returns its address.
func (m *SMSC) Listen(config *tls.Config) string {
	m.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		m.t.Fatal(err)
	}
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	m.mu.Lock()
	m.listener = listener
	m.mu.Unlock()
	m.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			m.serve(conn)
		}
	})
	return listener.Addr().String()
}

func (m *SMSC) serve(conn net.Conn) bool {
	l := &Link{m: m, conn: conn, Responses: make(chan PDU, 4096), writing: make(chan struct{}, 1), open: map[uint32]bool{}}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		conn.Close()
		return false
	}
	m.links = append(m.links, l)
	m.running.Go(l.read)
	return true
}

// Links are all connections so far, the oldest first.
func (m *SMSC) Links() []*Link {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.links)
}

// Binds is how many binds came.
func (m *SMSC) Binds() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.binds
}

// Accepted is what Link.Accept accepted, in order.
func (m *SMSC) Accepted() []Submission {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.accepted)
}

// Link is one connection to an SMSC.
type Link struct {
	m    *SMSC
	conn net.Conn

	// Responses gets every response that the other side sends.
	Responses chan PDU

	writing  chan struct{} // held by who writes: testing/synctest does not know who waits for a mutex
	mu       sync.Mutex
	bound    bool
	sequence uint32          // the last of the other side's
	own      uint32          // the last of this side's
	open     map[uint32]bool // submit_sm without their answer
	unbound  bool            // the other side has unbound
}

// Cut ends the connection at once. Over TCP what was not read yet is lost with a reset.
func (l *Link) Cut() {
	if tcp, ok := l.conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	l.conn.Close()
}

// Unbound reports whether the other side ended the session in order.
func (l *Link) Unbound() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unbound
}

// Send writes a PDU. That the other side has gone is no failure.
func (l *Link) Send(p PDU) { l.Raw(p.Octets()) }

// Raw writes octets as they are.
func (l *Link) Raw(b []byte) {
	l.writing <- struct{}{}
	defer func() { <-l.writing }()
	_, _ = l.conn.Write(b) // a link that has ended is told by the reader
}

// Request sends a request with the next sequence number and returns that.
func (l *Link) Request(command uint32, body []byte) uint32 {
	l.mu.Lock()
	l.own++
	n := l.own
	l.mu.Unlock()
	l.Send(PDU{Command: command, Sequence: n, Body: body})
	return n
}

// Deliver sends a deliver_sm with this esm_class, text and optional parameters, and returns its sequence number. The text is
// of data_coding 0.
func (l *Link) Deliver(class byte, text string, parameters ...[]byte) uint32 {
	return l.DeliverAs(class, 0, text, parameters...)
}

// DeliverAs is Deliver with a data_coding.
func (l *Link) DeliverAs(class, coding byte, text string, parameters ...[]byte) uint32 {
	return l.Request(5, Delivery(class, coding, text, parameters...))
}

// Accept takes a submission and returns the id that it gave it.
func (l *Link) Accept(s Submission) string {
	l.m.mu.Lock()
	l.m.ids++
	id := fmt.Sprintf("%08x", l.m.ids)
	l.m.accepted = append(l.m.accepted, s)
	l.m.mu.Unlock()
	l.Answer(s, 0, id+"\x00")
	return id
}

// Refuse answers a submission with a status, and without a body.
func (l *Link) Refuse(s Submission, status uint32) { l.Answer(s, status, "") }

// Answer answers a submission with a status and a body.
func (l *Link) Answer(s Submission, status uint32, body string) {
	l.mu.Lock()
	delete(l.open, s.Sequence)
	l.mu.Unlock()
	l.Send(PDU{Command: 0x80000004, Status: status, Sequence: s.Sequence, Body: []byte(body)})
}

func (l *Link) fail(format string, args ...any) {
	l.m.t.Errorf("SMSC: "+format, args...)
}

func (l *Link) read() {
	defer l.conn.Close()
	for {
		var h [16]byte
		if _, err := io.ReadFull(l.conn, h[:]); err != nil {
			if err == io.ErrUnexpectedEOF {
				l.fail("the connection ended within a header")
			}
			return
		}
		length := binary.BigEndian.Uint32(h[0:])
		if length < 16 || length > 1024 {
			l.fail("a PDU of %d octets", length)
			return
		}
		p := PDU{binary.BigEndian.Uint32(h[4:]), binary.BigEndian.Uint32(h[8:]), binary.BigEndian.Uint32(h[12:]), make([]byte, length-16)}
		if _, err := io.ReadFull(l.conn, p.Body); err != nil {
			return
		}
		if p.Command&0x80000000 != 0 {
			l.Responses <- p
			continue
		}
		if !l.request(p) {
			return
		}
	}
}

// request takes a request; false ends the link.
func (l *Link) request(p PDU) bool {
	l.mu.Lock()
	if p.Sequence != l.sequence+1 {
		l.fail("sequence_number %d after %d", p.Sequence, l.sequence)
	}
	l.sequence = p.Sequence
	bound := l.bound
	l.mu.Unlock()
	if p.Status != 0 {
		l.fail("a request with status %d", p.Status)
	}
	if !bound && p.Command != 9 {
		l.fail("command %#x before a bind", p.Command)
		return false
	}
	switch p.Command {
	case 9:
		return l.bind(p)
	case 0x15:
		l.empty(p)
		if l.m.c.Deaf == nil || !l.m.c.Deaf() {
			l.Send(PDU{Command: 0x80000015, Sequence: p.Sequence})
		}
	case 6:
		l.empty(p)
		l.mu.Lock()
		l.unbound = true
		if n := len(l.open); n > 0 {
			l.m.t.Logf("SMSC: unbind with %d submissions unanswered", n)
		}
		l.mu.Unlock()
		l.Send(PDU{Command: 0x80000006, Sequence: p.Sequence})
	case 4:
		l.submit(p)
	default:
		l.fail("command %#x is none of a transceiver that sends", p.Command)
		return false
	}
	return true
}

func (l *Link) empty(p PDU) {
	if len(p.Body) != 0 {
		l.fail("command %#x with a body", p.Command)
	}
}

func (l *Link) bind(p PDU) bool {
	f := &body{l: l, rest: p.Body}
	id, password := f.text(16), f.text(65)
	f.text(13)
	version := f.octet()
	if string(f.take(2)) != "\x00\x00" || f.text(41) != "" {
		l.fail("a bind for an address range")
	}
	f.end()
	if version != 0x34 {
		l.fail("interface_version %#x", version)
	}
	l.m.mu.Lock()
	l.m.binds++
	n := l.m.binds
	l.m.mu.Unlock()
	status := uint32(0)
	switch {
	case id != SystemID:
		status = 0x0F
	case password != Password:
		status = 0x0E
	case l.m.c.Bind != nil:
		status = l.m.c.Bind(n)
	}
	if status != 0 {
		l.Send(PDU{Command: 0x80000009, Status: status, Sequence: p.Sequence}) // without a body
		return false
	}
	l.mu.Lock()
	l.bound = true
	l.mu.Unlock()
	l.Send(PDU{Command: 0x80000009, Sequence: p.Sequence, Body: append([]byte("smsc\x00"), TLV(0x0210, "\x34")...)})
	return true
}

func (l *Link) submit(p PDU) {
	f := &body{l: l, rest: p.Body}
	s := Submission{Sequence: p.Sequence}
	if f.text(6) != "" {
		l.fail("a service_type")
	}
	s.Source = fmt.Sprintf("%d/%d/%s", f.octet(), f.octet(), f.text(21))
	s.Destination = fmt.Sprintf("%d/%d/%s", f.octet(), f.octet(), f.text(21))
	s.Class = f.octet()
	if string(f.take(4)) != "\x00\x00\x00\x00" {
		l.fail("protocol_id, priority_flag, schedule_delivery_time or validity_period is set")
	}
	s.Registered = f.octet()
	if f.octet() != 0 {
		l.fail("replace_if_present_flag is set")
	}
	s.Encoding = f.octet()
	if f.octet() != 0 {
		l.fail("sm_default_msg_id is set")
	}
	n := int(f.octet())
	s.Text = slices.Clone(f.take(n))
	f.end()
	if digits, ok := strings.CutPrefix(s.Destination, "1/1/"); !ok || len(digits) < 6 || strings.Trim(digits, "0123456789") != "" {
		l.fail("the destination is no number in E.164 without its plus")
	}
	if n == 0 || n > 160 || s.Encoding == 8 && n > 140 || s.Encoding != 0 && s.Encoding != 3 && s.Encoding != 8 || s.Class&^0x40 != 0 || s.Registered > 1 {
		l.fail("%d octets in encoding %d with esm_class %#x, registered_delivery %d", n, s.Encoding, s.Class, s.Registered)
	}
	l.mu.Lock()
	l.open[s.Sequence] = true
	if w := l.m.c.Window; w > 0 && len(l.open) > w {
		l.fail("%d submissions without an answer", len(l.open))
	}
	l.mu.Unlock()
	if l.m.c.Submit != nil {
		l.m.c.Submit(l, s)
		return
	}
	l.Accept(s)
}
