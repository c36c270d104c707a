package smpp

import (
	"context"
	"time"
)

// The timers of a link in silence, whose values the specification leaves open.
const (
	// enquireEvery is the silence after which the SMSC is asked whether it is there. Vendors hang up after one to five
	// minutes, firewalls forget a link after as little.
	enquireEvery = 30 * time.Second
	// overdue is the age at which a message without an answer ends the link, which gives its place in the window back.
	// Nobody waits for it any more by then.
	overdue = time.Minute
)

// keepalive asks an SMSC that has been silent, or that has just failed to answer in time, whether it is there.
func (s *session) keepalive() {
	for {
		asked := true
		wait := time.NewTimer(enquireEvery - time.Since(s.lastHeard()))
		select {
		case <-s.done:
			wait.Stop()
			return
		case <-s.probe:
			wait.Stop()
		case <-wait.C:
			asked = false
		}
		if s.isOverdue() {
			s.end(errOverdue)
			return
		}
		start := time.Now()
		if !asked && start.Sub(s.lastHeard()) < enquireEvery {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
		r := newRequest(enquireLink, newPDU(enquireLink, StatusOK))
		_, _, err := s.do(ctx, r)
		cancel()
		// Whatever has come meanwhile shows that somebody is there.
		if err != nil && s.lastHeard().Before(start) {
			s.end(errSilent)
			return
		}
		s.forget(r)
	}
}

// suspect lets keepalive look at the link at once.
func (s *session) suspect() {
	select {
	case s.probe <- struct{}{}:
	default:
	}
}

func (s *session) lastHeard() time.Time { return s.began.Add(time.Duration(s.heard.Load())) }

func (s *session) isOverdue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.pending {
		if r.windowed && time.Since(r.left) >= overdue {
			return true
		}
	}
	return false
}
