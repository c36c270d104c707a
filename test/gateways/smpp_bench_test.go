package gateways_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"rekey/sms"
)

// benchmarkWindow is how many messages are without an answer at a time.
const benchmarkWindow = 50

// BenchmarkSMPP sends messages through the provider, many at once, to each peer on this machine. Beside it stand the peers
// alone: the same submit_sm, written in advance, is sent to them with the same window. The difference is what the provider
// costs; where both say the same, the peer is the bound.
//
//	go test -run '^$' -bench SMPP -benchtime 20000x ./test/gateways/
func BenchmarkSMPP(b *testing.B) {
	for _, kind := range []smppKind{npmSMPP, perlSMPP} {
		b.Run(kind.name, func(b *testing.B) {
			peer := startSMPPPeer(b, kind)
			peer.tell(b, smppCommand{"do": "quiet", "on": true})
			provider := peer.provider(b, sms.SMPPConfig{Window: benchmarkWindow})
			m := smppMessage(b, "86", "zh-CN", 1)
			b.SetParallelism(2 * benchmarkWindow)
			b.ResetTimer()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if _, err := provider.Send(context.Background(), m); err != nil {
						b.Error(err)
					}
				}
			})
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			c := peer.tell(b, smppCommand{"do": "count"})
			if c.Submits != b.N || c.Most > benchmarkWindow {
				b.Errorf("the peer was given %d messages of %d, %d at a time", c.Submits, b.N, c.Most)
			}
		})
		b.Run(kind.name+" alone", func(b *testing.B) {
			peer := startSMPPPeer(b, kind)
			peer.tell(b, smppCommand{"do": "quiet", "on": true})
			_, text := sms.Split(smppTexts(b, sms.TextConfig{}).Text(smppMessage(b, "86", "zh-CN", 1)))
			link := bareSMPP(b, peer.address)
			b.ResetTimer()
			link.submit(b, b.N, text[0])
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			if c := peer.tell(b, smppCommand{"do": "count"}); c.Submits != b.N {
				b.Errorf("the peer was given %d messages of %d", c.Submits, b.N)
			}
		})
	}
}

// bareLink is a link on which nothing is done but writing PDUs and counting answers.
type bareLink struct {
	net.Conn
	answers *bufio.Reader
}

// bareSMPP binds to a peer.
func bareSMPP(b *testing.B, address string) bareLink {
	b.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(5 * patience)); err != nil {
		b.Fatal(err)
	}
	link := bareLink{conn, bufio.NewReader(conn)}
	body := smppSystemID + "\x00" + smppPassword + "\x00\x00\x34\x00\x00\x00"
	if _, err := conn.Write(barePDU(0x09, 1, body)); err != nil { // bind_transceiver
		b.Fatal(err)
	}
	if status := link.answer(b); status != 0 {
		b.Fatalf("bind_transceiver is answered with %#x", status)
	}
	return link
}

// barePDU is a PDU: its length, its command_id, a status of zero and its sequence_number, and its body (SMPP 3.4, 3.2).
func barePDU(command, sequence uint32, body string) []byte {
	p := binary.BigEndian.AppendUint32(nil, uint32(16+len(body)))
	p = binary.BigEndian.AppendUint32(p, command)
	p = binary.BigEndian.AppendUint32(p, 0)
	return append(binary.BigEndian.AppendUint32(p, sequence), body...)
}

// answer reads a PDU and returns its status.
func (l bareLink) answer(b *testing.B) uint32 {
	b.Helper()
	var header [16]byte
	if _, err := io.ReadFull(l.answers, header[:]); err != nil {
		b.Fatal(err)
	}
	if _, err := l.answers.Discard(int(binary.BigEndian.Uint32(header[:])) - len(header)); err != nil {
		b.Fatal(err)
	}
	return binary.BigEndian.Uint32(header[8:])
}

// submit submits n messages, as many at a time as the window allows: with each batch of answers that is there the next
// messages leave.
func (l bareLink) submit(b *testing.B, n int, text []byte) {
	b.Helper()
	submit := barePDU(0x04, 2, strings.Join([]string{ // submit_sm (4.4.1)
		"\x00\x05\x00" + smppSource + "\x00\x01\x01" + "8613800000001" + "\x00\x00\x00\x00\x00\x00\x00\x00\x08\x00",
		string([]byte{byte(len(text))}), string(text),
	}, ""))
	var batch []byte
	for left, waiting := n, 0; left > 0 || waiting > 0; {
		batch = batch[:0]
		for ; left > 0 && waiting < benchmarkWindow; left-- {
			batch = append(batch, submit...)
			waiting++
		}
		if _, err := l.Write(batch); err != nil {
			b.Fatal(err)
		}
		for more := true; more; more = waiting > 0 && l.answers.Buffered() > 0 {
			if status := l.answer(b); status != 0 {
				b.Fatalf("submit_sm is answered with %#x", status)
			}
			waiting--
		}
	}
}
