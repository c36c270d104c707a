package servers

import (
	"net"
	"time"
)

// pace is how fast a proxy passes things on.
type pace struct {
	delay time.Duration
	piece int // bytes; 0: what there is
	pause time.Duration
}

// parcel is what one side has said, on its way to the other.
type parcel struct {
	bytes []byte
	due   time.Time
	end   *ending // nil: the connection goes on
}

// ending is how a trap ends a connection.
type ending struct {
	reset bool // by RST to the client
	done  chan struct{}
}

// Delay makes all that either side says from now on take d longer to the other, the end of a connection too: a request and
// its answer take 2 d. Much that is said at once takes no longer than little. 0 is as fast as it goes.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pace.delay = d
}

// Drip makes the proxy pass on what either side says n bytes at a time, with a pause after each of these. With n = 0 it
// passes on what there is, also of what it was about to drip.
func (p *Proxy) Drip(n int, pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pace.piece, p.pace.pause = n, pause
}

// due is when that may arrive which is said now.
func (p *Proxy) due() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Add(p.pace.delay)
}

// deliver writes what is underway when it is due, and ends the connection after the last of it.
func (p *Proxy) deliver(l *link, to net.Conn, underway <-chan parcel) {
	defer p.cut(l)
	for next := range underway {
		if !l.pause(time.Until(next.due)) {
			return
		}
		for rest := next.bytes; len(rest) > 0; {
			p.waitThawed(l)
			n, pause := p.portion(len(rest))
			if _, err := to.Write(rest[:n]); err != nil || !l.pause(pause) {
				return
			}
			rest = rest[n:]
		}
		if next.end != nil {
			p.waitThawed(l)
			p.finish(l, next.end)
			return
		}
	}
	// The end comes as late as what was said before it would.
	l.pause(time.Until(p.due()))
	p.waitThawed(l)
}

// portion is how much of n bytes is passed on at once, and for how long nothing is then.
func (p *Proxy) portion(n int) (int, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pace.piece == 0 {
		return n, 0
	}
	return min(n, p.pace.piece), p.pace.pause
}

// pause waits, and says whether the connection is still there.
func (l *link) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.gone:
		return false
	}
}
