package smpp_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rekey/sms/smpp"
	"rekey/sms/smpp/smpptest"
)

// lateReader is a connection whose reader is told late of what has come, as one that the machine leaves aside for a while:
// from when late says so of n octets, not before released is closed.
type lateReader struct {
	net.Conn
	late     func(n int) bool
	released chan struct{}
}

func (l lateReader) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if l.late(n) {
		<-l.released
	}
	return n, err
}

// openLate is open with a first link that has a lateReader. It returns how often was dialled, too.
func openLate(t *testing.T, c smpptest.Config, late func(n int) bool, set func(*smpp.Config)) (*smpptest.SMSC, *smpp.Client, func() int, chan struct{}) {
	var dials atomic.Int32
	released := make(chan struct{})
	smsc, client := open(t, c, func(c *smpp.Config) {
		dial := c.Dial
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if dials.Add(1) == 1 && err == nil {
				conn = lateReader{conn, late, released}
			}
			return conn, err
		}
		if set != nil {
			set(c)
		}
	})
	return smsc, client, func() int { return int(dials.Load()) }, released
}

// TestNothingOfALinkThatHasEndedIsAtWorkInTheNextOne has a link that is cut while an enquire_link and a message wait for their
// answers on it, and a reader that has the message's answer and a receipt in hand: the next link is not made before it is done
// with them, and has nothing of them.
func TestNothingOfALinkThatHasEndedIsAtWorkInTheNextOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var late, deaf atomic.Bool
		deaf.Store(true)
		var receipts, enquiries atomic.Int32
		smsc, client, dials, released := openLate(t, smpptest.Config{
			Deaf: func() bool {
				enquiries.Add(1)
				return deaf.Load()
			},
			Submit: func(l *smpptest.Link, s smpptest.Submission) {
				if string(s.Text) != "old" {
					l.Answer(s, 0, "id-of-"+string(s.Text)+"\x00")
					return
				}
				late.Store(true)
				answer := smpptest.PDU{Command: 0x80000004, Sequence: s.Sequence, Body: []byte("id-of-old\x00")}
				receipt := smpptest.PDU{Command: 5, Sequence: 1, Body: smpptest.Delivery(4, 0, "id:1 stat:DELIVRD")}
				l.Raw(append(answer.Octets(), receipt.Octets()...))
			},
		}, func(int) bool { return late.Load() }, func(c *smpp.Config) {
			c.Receipts = func(r []smpp.Receipt) { receipts.Add(int32(len(r))) }
		})
		time.Sleep(31 * time.Second)
		if n := enquiries.Load(); n != 1 {
			t.Fatalf("%d times enquire_link", n)
		}
		told := make(chan error)
		go func() {
			_, err := submit(t, client, "old", time.Minute)
			told <- err
		}()
		synctest.Wait()
		smsc.Links()[0].Cut()
		go func() { // it finds that the link was cut
			id, err := submit(t, client, "new", 2*time.Minute)
			if id != "id-of-new" {
				t.Errorf("the message on the next link has the id %q", id)
			}
			told <- err
		}()
		check(t, <-told, smpp.Unanswered, 0)
		time.Sleep(time.Minute)
		if n := dials(); n != 1 {
			t.Errorf("%d links were made while the first one's reader was at work", n-1)
		}
		deaf.Store(false)
		begin := time.Now()
		close(released)
		if err := <-told; err != nil || dials() != 2 || time.Since(begin) > 500*time.Millisecond {
			t.Errorf("the next message: %v, %v after the reader had ended, over %d links", err, time.Since(begin), dials())
		}
		before := receipts.Load()
		time.Sleep(29 * time.Second)
		if n := enquiries.Load(); n != 1 || before != receipts.Load() || len(smsc.Links()[1].Responses) > 0 {
			t.Errorf("on the new link: %d times enquire_link, %d receipts, %d responses", n-1, receipts.Load()-before, len(smsc.Links()[1].Responses))
		}
		time.Sleep(2 * time.Second)
		if n := enquiries.Load(); n != 2 {
			t.Errorf("%d times enquire_link in half a minute's silence on the new link", n-1)
		}
	})
}

func TestARefusedBindIsOverBeforeTheNextOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, client, dials, released := openLate(t, smpptest.Config{Bind: func(n int) uint32 {
			if n == 1 {
				return 0x08
			}
			return 0
		}}, func(n int) bool { return n == 0 }, nil)
		time.Sleep(time.Minute)
		if n := dials(); n != 1 {
			t.Errorf("%d links were made while the first one's reader was at work", n-1)
		}
		close(released)
		if err := client.Bound(t.Context()); err != nil || dials() != 2 {
			t.Errorf("%v, over %d links", err, dials())
		}
	})
}

// TestCloseWaitsForTheReceiptInHand: whoever is told of receipts may go away once Close has returned.
func TestCloseWaitsForTheReceiptInHand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var late, gone atomic.Bool
		var receipts atomic.Int32
		smsc, client, _, released := openLate(t, smpptest.Config{}, func(int) bool { return late.Load() }, func(c *smpp.Config) {
			c.Receipts = func(r []smpp.Receipt) {
				if gone.Load() {
					t.Error("a receipt after Close")
				}
				receipts.Add(int32(len(r)))
			}
		})
		synctest.Wait()
		late.Store(true)
		smsc.Links()[0].Deliver(4, "id:1 stat:DELIVRD")
		closed := make(chan struct{})
		go func() {
			client.Close()
			gone.Store(true)
			close(closed)
		}()
		time.Sleep(time.Minute)
		if gone.Load() {
			t.Error("Close returned while the link's reader was at work")
		}
		close(released)
		<-closed
		if n := receipts.Load(); n != 1 {
			t.Errorf("told of %d receipts", n)
		}
	})
}
