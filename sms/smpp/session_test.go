package smpp

import (
	"bufio"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// TestAnEnquireLinkThatIsGivenUpIsForgotten has an SMSC that answers none for a day, and is heard of otherwise: what waits for
// its answer does not grow with the age of the link.
func TestAnEnquireLinkThatIsGivenUpIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		s := newSession(near, 1, func(Receipt) bool { return true }, slog.New(slog.DiscardHandler))
		asked := 0
		s.running.Go(func() {
			in := bufio.NewReader(far)
			for buf := []byte(nil); ; asked++ {
				p, err := readPDU(in, &buf)
				if err != nil {
					return
				}
				if p.command != enquireLink {
					t.Errorf("command %#x", p.command)
				}
			}
		})
		alert := newPDU(alertNotification, StatusOK)
		seal(alert, 1)
		for began := time.Now(); time.Since(began) < 24*time.Hour; time.Sleep(35 * time.Second) {
			if _, err := far.Write(alert); err != nil {
				t.Fatal(err)
			}
		}
		s.mu.Lock()
		pending, cause := len(s.pending), s.err
		s.mu.Unlock()
		s.end(errClosed)
		s.running.Wait()
		if asked < 2400 || pending > 1 /* the latest */ || cause != nil {
			t.Errorf("%d of %d enquire_link are waited for; the link ended by %v", pending, asked, cause)
		}
	})
}
