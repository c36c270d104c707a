package smpp_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rekey/sms/smpp/smpptest"
)

// TestWhateverComesStandsForTheAnswerToEnquireLink: an answer may wait behind receipts that the SMSC has for us, or be lost by
// a gateway in between that knows only some commands. To end a link on which something still comes would leave the messages
// that wait for their answers unknown, and those are sent twice.
func TestWhateverComesStandsForTheAnswerToEnquireLink(t *testing.T) {
	t.Parallel()
	for name, say := range map[string]func(*smpptest.Link){
		"a receipt":               func(l *smpptest.Link) { l.Deliver(4, "id:1 stat:DELIVRD") },
		"an enquire_link":         func(l *smpptest.Link) { l.Request(0x15, nil) },
		"an answer to nothing":    func(l *smpptest.Link) { l.Send(smpptest.PDU{Command: 0x80000004, Sequence: 77}) },
		"an unknown command":      func(l *smpptest.Link) { l.Request(0x103, nil) },
		"generic_nack to nothing": func(l *smpptest.Link) { l.Send(smpptest.PDU{Command: 0x80000000, Status: 3}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var enquiries atomic.Int32
				smsc, client := open(t, smpptest.Config{Deaf: func() bool { return enquiries.Add(1) > 0 }}, nil)
				synctest.Wait()
				l := smsc.Links()[0]
				for range 100 {
					time.Sleep(35 * time.Second) // five seconds after it was asked
					say(l)
				}
				if n := len(smsc.Links()); n != 1 || enquiries.Load() != 100 {
					t.Errorf("%d links, asked %d times", n, enquiries.Load())
				}
				if _, err := submit(t, client, canaryText, time.Second); err != nil {
					t.Error(err)
				}
				time.Sleep(39 * time.Second)
				if n := len(smsc.Links()); n != 1 {
					t.Errorf("%d links before the answer to enquire_link is overdue", n)
				}
				time.Sleep(2 * time.Second)
				if n := len(smsc.Links()); n != 2 {
					t.Errorf("%d links once nothing comes any more", n)
				}
			})
		})
	}
}
