package servers

import (
	"bytes"
	"fmt"
	"net"
)

// trap waits for a request whose answer is to be lost.
type trap struct {
	match func([]byte) bool
	pass  int // bytes of the answer that are passed on
	end   *ending
}

// conversation is what a proxy keeps of what was said on a connection.
type conversation struct {
	said    []byte // by the client: since the last answer, kept while a trap is set; in Redis' protocol of the request that is not whole
	trapped *trap  // that was set off: the answer is not passed on
	passed  int    // bytes of that answer that were

	// In Redis' protocol, which has an answer to each request, in their order:
	asked, answered int    // whole requests, whole answers
	trappedAt       int    // the request that set off the trap, from 0
	heard           []byte // of the answer that is not whole
}

// CutAnswerTo makes the next request for which match is true lose its answer: it is passed on to the server, and once the
// server has begun to answer, so has carried it out, the connection is closed and nothing of the answer passed on. Then the
// channel is closed, and requests are answered again. match must not hold on to its bytes, and is called by one goroutine at
// a time.
//
// A proxy by NewProxy gives it all that the client has said since the last answer. A request that a protocol sends in several
// messages, each with an answer (PostgreSQL's Parse before its Execute), is several here; and of several that are sent
// without waiting, the first one's answer counts as that of all, so that the last may not have been carried out. A proxy by
// NewRedisProxy gives it one whole request after the other. Answers to requests that came before are passed on; those that
// came after may have been carried out or not.
func (p *Proxy) CutAnswerTo(match func(request []byte) bool) <-chan struct{} {
	return p.set(&trap{match: match, end: &ending{done: make(chan struct{})}})
}

// ResetAnswerTo is CutAnswerTo in the middle of the answer: the first n bytes of it are passed on, and then the client's
// connection is reset (RST), as by a machine that forgot it. A proxy by NewProxy does not know how long an answer is: n must
// be less than that. One by NewRedisProxy keeps back the last byte at least, so that no answer is whole.
func (p *Proxy) ResetAnswerTo(match func(request []byte) bool, n int) <-chan struct{} {
	return p.set(&trap{match: match, pass: n, end: &ending{reset: true, done: make(chan struct{})}})
}

func (p *Proxy) set(trap *trap) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trap = trap
	return trap.end.done
}

// Says matches requests that contain a text, in letters of either case.
func Says(text string) func([]byte) bool {
	wanted := bytes.ToLower([]byte(text))
	return func(request []byte) bool { return bytes.Contains(bytes.ToLower(request), wanted) }
}

// request looks whether what the client says sets off the trap. It does so before the server hears of it, so that no
// answer can come first.
func (p *Proxy) request(l *link, said []byte) parcel {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resp {
		return p.commandsLocked(l, said)
	}
	if p.trap != nil {
		l.said = append(l.said, said...)
		if p.trap.match(l.said) {
			l.trapped, p.trap = p.trap, nil
		}
	}
	return parcel{bytes: said}
}

// commandsLocked is request in Redis' protocol.
func (p *Proxy) commandsLocked(l *link, said []byte) parcel {
	l.said = append(l.said, said...)
	for {
		n, err := respRequest(l.said)
		if err != nil {
			return p.lostLocked(fmt.Errorf("a client of Redis: %w", err))
		}
		if n == 0 {
			return parcel{bytes: said}
		}
		if p.trap != nil && l.trapped == nil && p.trap.match(l.said[:n]) {
			l.trapped, l.trappedAt, p.trap = p.trap, l.asked, nil
		}
		l.said = l.said[n:]
		l.asked++
	}
}

// answer withholds the answer to a request that set off the trap.
func (p *Proxy) answer(l *link, said []byte) parcel {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resp {
		return p.repliesLocked(l, said)
	}
	l.said = nil
	if l.trapped == nil {
		return parcel{bytes: said}
	}
	return l.withhold(said, len(said)+1)
}

// repliesLocked is answer in Redis' protocol.
func (p *Proxy) repliesLocked(l *link, said []byte) parcel {
	before := len(l.heard) // of what is passed on already
	l.heard = append(l.heard, said...)
	from := -before // where in said the answer begins that is looked at
	for len(l.heard) > 0 {
		n, push, err := respReply(l.heard)
		if err != nil {
			return p.lostLocked(fmt.Errorf("Redis: %w", err))
		}
		if l.trapped != nil && l.answered == l.trappedAt && !push {
			// What came before it is passed on with what may be of it.
			start := max(from, 0)
			length := len(said) - start + 1
			if n > 0 {
				length = from + n - start
			}
			withheld := l.withhold(said[start:], length)
			withheld.bytes = said[:start+len(withheld.bytes)]
			return withheld
		}
		if n == 0 {
			break
		}
		l.heard = l.heard[n:]
		from += n
		if !push {
			l.answered++
		}
	}
	return parcel{bytes: said}
}

// withhold passes on what may be passed on of an answer that is lost, of which said is the next part. length is how many
// bytes the rest of the answer has, or more than said where that is not known; the last one is never passed on.
func (l *link) withhold(said []byte, length int) parcel {
	n := min(l.trapped.pass-l.passed, length-1, len(said))
	l.passed += n
	next := parcel{bytes: said[:n]}
	if l.passed == l.trapped.pass || n < len(said) {
		next.end = l.trapped.end
	}
	return next
}

// lostLocked ends a connection that cannot be followed, which fails the test.
func (p *Proxy) lostLocked(fault error) parcel {
	p.faults = append(p.faults, fault)
	return parcel{end: &ending{done: make(chan struct{})}}
}

// finish ends a connection as a trap says.
func (p *Proxy) finish(l *link, end *ending) {
	if client, ok := l.client.(*net.TCPConn); ok && end.reset {
		// Closed so, it is reset at once; what was written before has arrived, since nothing on loopback is underway.
		if err := client.SetLinger(0); err != nil {
			p.mu.Lock()
			p.faults = append(p.faults, err)
			p.mu.Unlock()
		}
	}
	p.cut(l)
	close(end.done)
}
