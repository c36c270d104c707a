package smpp_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rekey/sms/smpp"
	"rekey/sms/smpp/smpptest"
)

// TestAStreamMayComeInAnyPieces: TCP keeps no borders between PDUs.
func TestAStreamMayComeInAnyPieces(t *testing.T) {
	t.Parallel()
	for _, piece := range []int{1, 2, 15, 16, 17, 100, 10_000} {
		synctest.Test(t, func(t *testing.T) {
			var got []smpp.Receipt
			smsc, client := open(t, smpptest.Config{Submit: func(l *smpptest.Link, s smpptest.Submission) {
				var stream []byte
				for _, p := range []smpptest.PDU{
					{Command: 0x15, Sequence: 1},
					{Command: 5, Sequence: 2, Body: smpptest.Delivery(4, 0, "id:1 stat:DELIVRD")},
					{Command: 0x103, Sequence: 3, Body: []byte("x")},
					{Command: 0x80000004, Sequence: s.Sequence, Body: []byte("id-of-it\x00")},
					{Command: 5, Sequence: 4, Body: smpptest.Delivery(4, 0, "id:2 stat:EXPIRED")},
					{Command: 6, Sequence: 5},
				} {
					stream = append(stream, p.Octets()...)
				}
				for len(stream) > 0 {
					n := min(piece, len(stream))
					l.Raw(stream[:n])
					stream = stream[n:]
					time.Sleep(10 * time.Millisecond)
				}
			}}, func(c *smpp.Config) {
				c.Receipts = func(r []smpp.Receipt) { got = append(got, r...) }
			})
			if id, err := submit(t, client, canaryText, time.Minute); err != nil || id != "id-of-it" {
				t.Errorf("in pieces of %d: id %q, %v", piece, id, err)
			}
			time.Sleep(10 * time.Second)
			l := smsc.Links()[0]
			answered(t, l, 0x80000015, 0, 1, "")
			answered(t, l, deliverResp, 0, 2, "\x00")
			answered(t, l, nack, 3, 3, "")
			answered(t, l, deliverResp, 0, 4, "\x00")
			answered(t, l, 0x80000006, 0, 5, "")
			if len(got) != 2 || got[0].ID != "1" || got[1].ID != "2" {
				t.Errorf("in pieces of %d: receipts %v", piece, got)
			}
		})
	}
}

// TestAPDUThatDoesNotEndIsNoSignOfLife: octets that come for ever and mean nothing would keep a link alive on which no answer
// can come.
func TestAPDUThatDoesNotEndIsNoSignOfLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		smsc, client := open(t, smpptest.Config{Deaf: func() bool { return true }}, nil) // an answer would come amid the PDU
		synctest.Wait()
		for _, octet := range (smpptest.PDU{Command: 5, Sequence: 1, Body: smpptest.Delivery(4, 0, "id:1 stat:DELIVRD")}).Octets()[:41] {
			smsc.Links()[0].Raw([]byte{octet})
			time.Sleep(time.Second)
		}
		if n := len(smsc.Links()); n != 2 {
			t.Errorf("%d links", n)
		}
		if _, err := submit(t, client, canaryText, time.Minute); err != nil {
			t.Error(err)
		}
	})
}

func TestTheLongestPDUIsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, receipts := bound(t)
		text := "id:1 stat:DELIVRD text:" + strings.Repeat("x", 65_535-23)
		answered(t, l, deliverResp, 0, l.Deliver(4, "", smpptest.TLV(0x424, text)), "\x00")
		if got := receipts(); len(got) != 1 || got[0].ID != "1" {
			t.Errorf("with the longest message_payload: %v", got)
		}
		answered(t, l, nack, 3, l.Request(0x103, make([]byte, 128<<10-16)), "")
		answered(t, l, 0x80000015, 0, l.Request(0x15, nil), "") // and the link is in step
	})
}

func TestADeliveryMayHaveNothingInIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, receipts := bound(t)
		nothing := make([]byte, 17) // every string ends at once, and short_message has no octets
		answered(t, l, deliverResp, 0, l.Request(5, nothing), "\x00")
		receipt := append([]byte(nil), nothing...)
		receipt[7] = 4 // esm_class
		for _, empty := range []uint16{0x1e, 0x427, 0x423, 0x424} {
			receipt = append(receipt, smpptest.TLV(empty, "")...)
		}
		answered(t, l, deliverResp, 0, l.Request(5, receipt), "\x00")
		answered(t, l, deliverResp, 0, l.Request(5, append(receipt, smpptest.TLV(0x1e, "\x00")...)), "\x00")
		if got := receipts(); len(got) != 0 {
			t.Errorf("receipts of nothing: %v", got)
		}
		receipt = append(receipt, smpptest.TLV(0x424, "id:7 stat:DELIVRD")...)
		answered(t, l, deliverResp, 0, l.Request(5, receipt), "\x00")
		if got := receipts(); len(got) != 1 || got[0] != (smpp.Receipt{ID: "7", State: smpp.Delivered, Code: "DELIVRD"}) {
			t.Errorf("got %v", got)
		}
	})
}

// TestAnAnswerCountsOnce: a second one would give back a place in the window that its message does not hold any more, or
// answer for another one.
func TestAnAnswerCountsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var first smpptest.Submission
		smsc, client := open(t, smpptest.Config{Window: 1, Submit: func(l *smpptest.Link, s smpptest.Submission) {
			if first.Sequence == 0 {
				first = s
			}
			for range 3 {
				l.Answer(first, 0, "id-of-"+string(first.Text)+"\x00")
				l.Answer(first, 0x0B, "")
				l.Send(smpptest.PDU{Command: 0x80000000, Status: 3, Sequence: first.Sequence})
			}
			if s.Sequence != first.Sequence {
				l.Answer(s, 0, "id-of-"+string(s.Text)+"\x00")
			}
		}}, func(c *smpp.Config) { c.Window = 1 })
		for _, text := range []string{"first", "second", "third"} {
			if id, err := submit(t, client, text, time.Minute); err != nil || id != "id-of-"+text {
				t.Errorf("message %s: id %q, %v", text, id, err)
			}
		}
		if n := len(smsc.Links()); n != 1 {
			t.Errorf("%d links", n)
		}
	})
}

func TestRequestsWithOneNumberAreAnsweredEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, receipts := bound(t)
		for _, id := range []string{"1", "2"} {
			for _, sequence := range []uint32{0, 7, 0xffffffff} {
				l.Send(smpptest.PDU{Command: 5, Sequence: sequence, Body: smpptest.Delivery(4, 0, "id:"+id+" stat:DELIVRD")})
				answered(t, l, deliverResp, 0, sequence, "\x00")
			}
		}
		if got := receipts(); len(got) != 6 {
			t.Errorf("%d receipts", len(got))
		}
	})
}

// TestABindTakesItsOwnAnswer has far sides that say this after the first bind, whose sequence_number is 1.
func TestABindTakesItsOwnAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		says   []smpptest.PDU
		fails  time.Duration // when the attempt fails; 0: it does not
		status smpp.Status   // with which
	}{
		"a nack":                     {[]smpptest.PDU{{Command: nack, Status: 5, Sequence: 1}}, time.Millisecond, 5},
		"a nack with status 0":       {[]smpptest.PDU{{Command: nack, Sequence: 1}}, time.Millisecond, smpp.StatusInvalidCommand},
		"the answer to another one":  {[]smpptest.PDU{{Command: 0x80000009, Sequence: 2}}, 10 * time.Second, 0},
		"the answer of another kind": {[]smpptest.PDU{{Command: 0x80000001, Sequence: 1}}, 10 * time.Second, 0},
		"requests before its answer": {[]smpptest.PDU{{Command: 0x0b, Sequence: 1}, {Command: 0x15, Sequence: 1}, {Command: 0x80000009, Sequence: 1}}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var dials atomic.Int32
				_, client := open(t, smpptest.Config{}, func(config *smpp.Config) {
					dial := config.Dial
					config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
						if dials.Add(1) > 1 {
							return dial(ctx, network, address)
						}
						near, far := net.Pipe()
						go func() {
							if p, err := readPDU(far); err != nil || p.Command != 9 || p.Sequence != 1 {
								t.Errorf("got %+v, %v; want a bind", p, err)
							}
							go io.Copy(io.Discard, far) // until the other side closes
							for _, p := range c.says {
								if _, err := far.Write(p.Octets()); err != nil {
									t.Error(err)
								}
							}
						}()
						return near, nil
					}
				})
				ctx, cancel := context.WithTimeout(t.Context(), c.fails+100*time.Millisecond) // the next attempt is later
				defer cancel()
				err := client.Bound(ctx)
				if c.fails == 0 {
					time.Sleep(20 * time.Second)
					if err != nil || dials.Load() != 1 {
						t.Errorf("%v, over %d links", err, dials.Load())
					}
					return
				}
				check(t, err, smpp.NotBound, c.status)
				if err := client.Bound(t.Context()); err != nil || dials.Load() != 2 {
					t.Errorf("the next attempt: %v, over %d links", err, dials.Load())
				}
			})
		})
	}
}
