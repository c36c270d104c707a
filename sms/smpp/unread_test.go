package smpp_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rekey/sms/smpp"
	"rekey/sms/smpp/smpptest"
)

// readPDU reads a PDU without looking at what is in it.
func readPDU(conn net.Conn) (p smpptest.PDU, err error) {
	var header [16]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		return smpptest.PDU{}, err
	}
	p.Command, p.Sequence = binary.BigEndian.Uint32(header[4:]), binary.BigEndian.Uint32(header[12:])
	p.Body = make([]byte, binary.BigEndian.Uint32(header[:])-16)
	_, err = io.ReadFull(conn, p.Body)
	return p, err
}

// takeBind reads a bind_transceiver from conn and accepts it.
func takeBind(conn net.Conn) error {
	p, err := readPDU(conn)
	if err != nil {
		return err
	}
	_, err = conn.Write(smpptest.PDU{Command: 0x80000009, Sequence: p.Sequence, Body: []byte("smsc\x00")}.Octets())
	return err
}

// speak sends an alert_notification a second, until conn is closed.
func speak(conn net.Conn) {
	alert := smpptest.PDU{Command: 0x102, Sequence: 1}.Octets()
	for _, err := conn.Write(alert); err == nil; _, err = conn.Write(alert) {
		time.Sleep(time.Second)
	}
}

// TestAnSMSCThatReadsNothingHoldsNoMessage has one that goes on to speak, so that it does not look silent: nothing but the
// time that a write may take finds it out. No sender waits beyond its own time for that, and who has more gets the message
// over the next link.
func TestAnSMSCThatReadsNothingHoldsNoMessage(t *testing.T) {
	t.Parallel()
	const writing, short, long = 10 * time.Second, 5 * time.Second, 20 * time.Second
	for _, first := range []time.Duration{short, long} { // of the message whose octets nobody reads
		synctest.Test(t, func(t *testing.T) {
			var dials atomic.Int32
			var running sync.WaitGroup
			smsc, client := open(t, smpptest.Config{}, func(c *smpp.Config) {
				c.Window = 100
				dial := c.Dial
				c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					if dials.Add(1) > 1 {
						return dial(ctx, network, address)
					}
					near, far := net.Pipe()
					running.Go(func() {
						defer far.Close()
						if err := takeBind(far); err != nil {
							t.Error(err)
						}
						speak(far)
					})
					return near, nil
				}
			})
			if err := client.Bound(t.Context()); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			send := func(text string, within time.Duration, stage smpp.Stage) {
				running.Go(func() {
					_, err := submit(t, client, text, within)
					took := time.Since(begin)
					if within == long {
						if err != nil || took < writing || took > writing+500*time.Millisecond {
							t.Errorf("%s: %v after %v, want it to be accepted over the next link after %v", text, err, took, writing)
						}
						return
					}
					check(t, err, stage, 0)
					if took != within {
						t.Errorf("%s: waited %v of %v", text, took, within)
					}
				})
			}
			send("first", first, smpp.Unanswered)
			synctest.Wait()
			for i := range 150 { // more than the connection, the queue before it and the window take
				send(fmt.Sprint("behind ", i), []time.Duration{short, long}[i%2], smpp.NotSent)
			}
			running.Wait()
			want := 75
			if first == long {
				want++
			}
			if got := len(smsc.Accepted()); got != want || dials.Load() != 2 {
				t.Errorf("%d accepted over %d links, want %d over 2", got, dials.Load(), want)
			}
		})
	}
}

// hurried is a connection whose writes may take a fifth of the time that is set for them, which is ten seconds.
type hurried struct{ net.Conn }

func (h hurried) SetWriteDeadline(deadline time.Time) error {
	return h.Conn.SetWriteDeadline(time.Now().Add(time.Until(deadline) / 5))
}

// TestT31_MessagesInASocketThatNobodyReadsAreNotSentAgain: those that the socket has taken whole may be read one day, as they
// are here, and are not sent again; those that it has not, or in part, go over the next link.
func TestT31_MessagesInASocketThatNobodyReadsAreNotSentAgain(t *testing.T) {
	t.Parallel()
	stuck, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	var bound atomic.Bool
	sent, read := make(chan struct{}), map[string]int{}
	serving.Go(func() {
		for !bound.Load() { // who comes later is led elsewhere
			conn, err := stuck.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
				t.Error(err)
			}
			if takeBind(conn) != nil {
				continue
			}
			bound.Store(true)
			<-sent
			for p, err := readPDU(conn); err == nil; p, err = readPDU(conn) {
				if p.Command == 4 {
					read[string(p.Body[len(p.Body)-160:])]++
				}
			}
		}
	})
	const messages = 2000 // of some 200 octets each: far more than the buffers hold
	smsc, client := open(t, smpptest.Config{}, func(c *smpp.Config) {
		c.Window = messages
		dial := c.Dial
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if bound.Load() {
				return dial(ctx, network, address)
			}
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", stuck.Addr().String())
			if err != nil {
				return nil, err
			}
			return hurried{conn}, conn.(*net.TCPConn).SetWriteBuffer(4 << 10)
		}
	})
	boundErr := client.Bound(t.Context())
	texts, told := make([]string, messages), make([]error, messages)
	var sending sync.WaitGroup
	for i := range messages {
		texts[i] = fmt.Sprintf("%0160d", i)
		// Less than the forty seconds after which a silent link ends for another reason.
		sending.Go(func() { _, told[i] = submit(t, client, texts[i], 30*time.Second) })
	}
	sending.Wait()
	close(sent)
	if err := errors.Join(boundErr, client.Close(), stuck.Close()); err != nil {
		t.Error(err)
	}
	serving.Wait()

	accepted := map[string]int{}
	for _, s := range smsc.Accepted() {
		accepted[string(s.Text)]++
	}
	for i, err := range told {
		first, second := 0, 1
		if err != nil {
			check(t, err, smpp.Unanswered, 0)
			first, second = 1, 0
		}
		if a, b := read[texts[i]], accepted[texts[i]]; a != first || b != second {
			t.Errorf("message %d went %d times over the first link and %d times over the next one; its sender was told %v", i, a, b, err)
		}
	}
	if len(read) == 0 || len(accepted) == 0 {
		t.Errorf("%d messages went over the first link, %d over the next one", len(read), len(accepted))
	}
}
