package smpp_test

import (
	"encoding/binary"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rekey/sms/smpp"
	"rekey/sms/smpp/smpptest"
)

// bound is the link of a client that has just bound, and the receipts that the client passes on.
func bound(t *testing.T) (*smpptest.Link, func() []smpp.Receipt) {
	var mu sync.Mutex
	var got []smpp.Receipt
	smsc, _ := open(t, smpptest.Config{}, func(c *smpp.Config) {
		c.Receipts = func(receipts []smpp.Receipt) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, receipts...)
		}
	})
	synctest.Wait()
	return smsc.Links()[0], func() []smpp.Receipt {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		all := got
		got = nil
		return all
	}
}

// answered takes the next response, which must be this.
func answered(t *testing.T, l *smpptest.Link, command, status, sequence uint32, body string) {
	t.Helper()
	synctest.Wait()
	select {
	case p := <-l.Responses:
		if p.Command != command || p.Status != status || p.Sequence != sequence || string(p.Body) != body {
			t.Errorf("answered %#x status %#x sequence %d body %q; want %#x, %#x, %d, %q",
				p.Command, p.Status, p.Sequence, p.Body, command, status, sequence, body)
		}
	default:
		t.Error("no answer")
	}
}

const (
	deliverResp = 0x80000005
	nack        = 0x80000000
)

func TestReceiptsByParameterAndByText(t *testing.T) {
	t.Parallel()
	const sample = "id:0123456789 sub:001 dlvrd:001 submit date:0610191516 done date:0610191530 stat:DELIVRD err:000 Text:your code"
	for _, c := range []struct {
		name       string
		class      byte
		text       string
		parameters [][]byte
		want       smpp.Receipt
		coding     byte
	}{
		{"the text of appendix B", 4, sample, nil, smpp.Receipt{ID: "0123456789", State: smpp.Delivered, Code: "DELIVRD"}, 0},
		{"other case, order and spaces", 4, "STAT: undeliv  ID: 7f3A Err:01b", nil,
			smpp.Receipt{ID: "7f3A", State: smpp.Undeliverable, Code: "UNDELIV:01b"}, 0},
		{"only what is needed", 4, "id:1 stat:EXPIRED", nil, smpp.Receipt{ID: "1", State: smpp.Expired, Code: "EXPIRED"}, 0},
		{"words of the states in full", 4, "id:1 stat:ENROUTE", nil, smpp.Receipt{ID: "1", State: smpp.Enroute, Code: "ENROUTE"}, 0},
		{"nothing of the repeated text counts", 4, "id:1 stat:REJECTD err:0 text:id:2 stat:DELIVRD err:5", nil,
			smpp.Receipt{ID: "1", State: smpp.Rejected, Code: "REJECTD"}, 0},
		{"parameters", 4, "", [][]byte{smpptest.TLV(0x1e, "abc-1\x00"), smpptest.TLV(0x427, "\x05"), smpptest.TLV(0x423, "\x03\x00\x0b")},
			smpp.Receipt{ID: "abc-1", State: smpp.Undeliverable, Code: "UNDELIV:011"}, 0},
		{"parameters go before the text", 4, sample, [][]byte{smpptest.TLV(0x1e, "abc-2\x00"), smpptest.TLV(0x427, "\x03")},
			smpp.Receipt{ID: "abc-2", State: smpp.Expired, Code: "EXPIRED"}, 0},
		{"an id as parameter, the state as text", 4, "id:99 stat:UNKNOWN", [][]byte{smpptest.TLV(0x1e, "63\x00")},
			smpp.Receipt{ID: "63", State: smpp.UnknownState, Code: "UNKNOWN"}, 0},
		{"parameters without the receipt's class", 0, "", [][]byte{smpptest.TLV(0x1e, "x\x00"), smpptest.TLV(0x427, "\x02")},
			smpp.Receipt{ID: "x", State: smpp.Delivered, Code: "DELIVRD"}, 0},
		{"an id without its NUL", 4, "", [][]byte{smpptest.TLV(0x1e, "x"), smpptest.TLV(0x427, "\x02")},
			smpp.Receipt{ID: "x", State: smpp.Delivered, Code: "DELIVRD"}, 0},
		{"an intermediate notification", 0x20, "id:5 stat:ACCEPTD", nil, smpp.Receipt{ID: "5", State: smpp.Accepted, Code: "ACCEPTD"}, 0},
		{"the text as message_payload", 4, "", [][]byte{smpptest.TLV(0x424, sample)},
			smpp.Receipt{ID: "0123456789", State: smpp.Delivered, Code: "DELIVRD"}, 0},
		{"unknown parameters", 4, sample, [][]byte{smpptest.TLV(0x1400, "vendor"), smpptest.TLV(0x0005, "")},
			smpp.Receipt{ID: "0123456789", State: smpp.Delivered, Code: "DELIVRD"}, 0},
		{"the text in UCS-2", 4, inUCS2(sample), nil, smpp.Receipt{ID: "0123456789", State: smpp.Delivered, Code: "DELIVRD"}, 8},
		{"a long text in UCS-2 as message_payload", 4, "", [][]byte{smpptest.TLV(0x424, inUCS2(sample+"，用于重置密码"))},
			smpp.Receipt{ID: "0123456789", State: smpp.Delivered, Code: "DELIVRD"}, 8},
		{"half a character at the end of UCS-2", 4, inUCS2("id:1 stat:EXPIRED text:码")[:47], nil,
			smpp.Receipt{ID: "1", State: smpp.Expired, Code: "EXPIRED"}, 8},
		{"the text in ASCII that is said to be UCS-2", 4, sample, nil, smpp.Receipt{ID: "0123456789", State: smpp.Delivered, Code: "DELIVRD"}, 8},
		{"a NUL behind the text", 4, sample, [][]byte{{0}}, smpp.Receipt{ID: "0123456789", State: smpp.Delivered, Code: "DELIVRD"}, 0},
		{"half a parameter's head", 4, sample, [][]byte{{0, 0x1e}}, smpp.Receipt{ID: "0123456789", State: smpp.Delivered, Code: "DELIVRD"}, 0},
		{"a parameter beyond the end", 4, sample, [][]byte{smpptest.TLV(0x427, "\x03"), []byte("\x00\x1e\x00\x40abc")},
			smpp.Receipt{ID: "0123456789", State: smpp.Expired, Code: "EXPIRED"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l, receipts := bound(t)
				n := l.DeliverAs(c.class, c.coding, c.text, c.parameters...)
				answered(t, l, deliverResp, 0, n, "\x00")
				c.want.To = "8613900000000"
				if got := receipts(); len(got) != 1 || got[0] != c.want {
					t.Errorf("got %v, want %v", got, c.want)
				}
			})
		})
	}
}

// inUCS2 writes a text of the Basic Multilingual Plane in UCS-2.
func inUCS2(text string) string {
	var octets []byte
	for _, r := range text {
		octets = binary.BigEndian.AppendUint16(octets, uint16(r))
	}
	return string(octets)
}

func TestWhatIsNoReceiptIsAnsweredAndDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, receipts := bound(t)
		for _, c := range []struct {
			class byte
			text  string
		}{
			{0, "STOP"},
			{0, "id:1 stat:DELIVRD"}, // a person can write that
			{4, ""},
			{4, "id:1"},
			{4, "stat:DELIVRD"},
			{4, "id:1 stat:GONE"},
			{4, "id:" + strings.Repeat("9", 65) + " stat:DELIVRD"},
			{4, "id:\x1b[2J stat:DELIVRD"},
		} {
			n := l.Deliver(c.class, c.text)
			answered(t, l, deliverResp, 0, n, "\x00")
			if got := receipts(); len(got) != 0 {
				t.Errorf("%q gave %v", c.text, got)
			}
		}
	})
}

func TestAMalformedDeliveryIsRefusedForGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, receipts := bound(t)
		for _, body := range []string{
			"", "\x00", strings.Repeat("x", 300), strings.Repeat("\x00", 16),
			strings.Repeat("\x00", 16) + "\xff" + "short",                         // sm_length beyond the end
			"\x00\x01\x01" + strings.Repeat("9", 30) + strings.Repeat("\x00", 15), // source_addr over its bound
		} {
			n := l.Request(5, []byte(body))
			answered(t, l, deliverResp, 0x65, n, "\x00")
		}
		if got := receipts(); len(got) != 0 {
			t.Errorf("got %v", got)
		}
	})
}

func TestReceiptsBeyondTheBacklogAreLeftToTheSMSC(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var got []string
		smsc, client := open(t, smpptest.Config{}, func(c *smpp.Config) {
			c.Receipts = func(receipts []smpp.Receipt) {
				<-release
				for _, r := range receipts {
					got = append(got, r.ID)
				}
			}
		})
		synctest.Wait()
		l := smsc.Links()[0]
		deliver := func(id string) (status uint32) {
			l.Deliver(4, "id:"+id+" stat:DELIVRD")
			return (<-l.Responses).Status
		}
		deliver("first")
		synctest.Wait() // it alone is with who is busy: the others wait
		for waiting := 0; deliver("more") == 0 && waiting < 5000; waiting++ {
			if _, err := submit(t, client, canaryText, time.Minute); err != nil {
				t.Fatalf("a slow reader of receipts keeps messages from being sent: %v", err)
			}
		}
		if status := deliver("refused"); status != 0x64 {
			t.Errorf("answered %#x", status)
		}
		close(release)
		synctest.Wait()
		if status := deliver("later"); status != 0 {
			t.Errorf("answered %#x once there is room", status)
		}
		if err := client.Close(); err != nil { // after which none is still under way
			t.Error(err)
		}
		if n := len(got); n != 1002 || got[n-1] != "later" {
			t.Errorf("%d receipts, want the first, a backlog of 1000, and one once there was room", n)
		}
	})
}

// TestT43_ABacklogOfReceiptsIsToldAtOnce: a step of a store that hangs for each would hold Close for minutes.
func TestT43_ABacklogOfReceiptsIsToldAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const step = 500 * time.Millisecond
		var got int
		smsc, client := open(t, smpptest.Config{}, func(c *smpp.Config) {
			c.Receipts = func(receipts []smpp.Receipt) {
				time.Sleep(step)
				got += len(receipts)
			}
		})
		synctest.Wait()
		l := smsc.Links()[0]
		for range 900 {
			l.Deliver(4, "id:1 stat:DELIVRD")
			<-l.Responses
		}
		start := time.Now()
		if err := client.Close(); err != nil || got != 900 || time.Since(start) > 2*step {
			t.Errorf("%v, told of %d receipts after %v", err, got, time.Since(start))
		}
	})
}

func TestRequestsOfTheSMSCAreAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := bound(t)
		answered(t, l, 0x80000015, 0, l.Request(0x15, nil), "")
		for _, unknown := range []uint32{0, 0x03, 0x04, 0x09, 0x103, 0x7fffffff} {
			answered(t, l, nack, 3, l.Request(unknown, []byte("x")), "")
		}
		l.Request(0x0b, nil)  // outbind and alert_notification have no response
		l.Request(0x102, nil) // nor do responses that nobody waits for
		for _, response := range []uint32{nack, 0x80000009, 0x80000103, 0xffffffff} {
			l.Send(smpptest.PDU{Command: response, Sequence: 12})
		}
		answered(t, l, 0x80000015, 0, l.Request(0x15, nil), "")
	})
}

func TestAnUnbindIsAnsweredAndBoundAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		smsc, client := open(t, smpptest.Config{}, nil)
		synctest.Wait()
		l := smsc.Links()[0]
		answered(t, l, 0x80000006, 0, l.Request(6, nil), "")
		if _, err := submit(t, client, canaryText, time.Minute); err != nil || smsc.Binds() != 2 {
			t.Errorf("%v, after %d binds", err, smsc.Binds())
		}
	})
}

func TestAnImpossibleLengthEndsTheLink(t *testing.T) {
	t.Parallel()
	for _, length := range []uint32{0, 15, 128<<10 + 1, 1 << 31, 0xffffffff} {
		synctest.Test(t, func(t *testing.T) {
			smsc, client := open(t, smpptest.Config{}, nil)
			synctest.Wait()
			l := smsc.Links()[0]
			b := binary.BigEndian.AppendUint32(nil, length)
			b = binary.BigEndian.AppendUint32(b, 0x15)
			l.Raw(append(b, 0, 0, 0, 0, 0, 0, 0, 7))
			answered(t, l, nack, 2, 7, "")
			if _, err := submit(t, client, canaryText, time.Minute); err != nil || smsc.Binds() != 2 {
				t.Errorf("%v, after %d binds", err, smsc.Binds())
			}
		})
	}
}
