package servers

import (
	"bytes"
	"errors"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Proxy passes TCP connections on to a server and can break them. It suits protocols in which the client waits for the
// answer to each message, as database/sql makes of those of PostgreSQL and MySQL, without TLS. Its methods may be called at
// any time, those that take no *testing.T also from any goroutine.
type Proxy struct {
	Address string // where it listens, host:port

	target string
	port   *port // kept, so that it can listen there again
	tasks  sync.WaitGroup

	mu       sync.Mutex
	changed  *sync.Cond   // frozen, or a link's closed
	listener net.Listener // nil while connections are refused
	links    map[*link]struct{}
	frozen   bool
	closed   bool
	trap     *trap // nil: none is set
}

// link is a client's connection and the one to the server that goes with it.
type link struct {
	client, server net.Conn
	closed         bool
	said           []byte // by the client since the last answer; kept while a trap is set
	trapped        *trap  // that was set off: the answer is not passed on
}

// trap waits for a request whose answer is to be lost.
type trap struct {
	match func([]byte) bool
	done  chan struct{}
}

// NewProxy starts a proxy in front of target, host:port, on a port of loopback. It ends, and its connections with it, when
// the test does.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	kept, err := reservePort()
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		Address: net.JoinHostPort(loopback, strconv.Itoa(kept.number)),
		target:  target, port: kept, links: map[*link]struct{}{},
	}
	p.changed = sync.NewCond(&p.mu)
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	p.Refuse(t, false)
	return p
}

// Refuse makes the proxy refuse new connections, as if nobody listened, or take them again. Those that it has stay.
func (p *Proxy) Refuse(t testing.TB, refuse bool) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	switch {
	case refuse && p.listener != nil:
		err, p.listener = p.listener.Close(), nil
	case !refuse && p.listener == nil:
		var listener net.Listener
		if listener, err = net.Listen("tcp4", p.Address); err == nil {
			p.listener = listener
			p.tasks.Go(func() { p.accept(listener) })
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Cut closes every connection that has got as far as the server.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		p.cutLocked(l)
	}
}

// Freeze makes the proxy hold back what both sides say, the end of a connection too, or pass it on again. A connection
// that it holds is half-open: neither side sees anything wrong with it.
func (p *Proxy) Freeze(freeze bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = freeze
	p.changed.Broadcast()
}

// CutAnswerTo makes the next request for which match is true lose its answer: it is passed on to the server, and once the
// server has begun to answer, so has carried it out, the connection is closed and nothing of the answer passed on. Then the
// channel is closed, and requests are answered again. match gets all bytes of the client since the last answer, on which
// it must not hold on, and is called by one goroutine at a time. A request that a protocol sends in several messages, each
// with an answer (PostgreSQL's Parse before its Execute), is several here.
func (p *Proxy) CutAnswerTo(match func(request []byte) bool) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trap = &trap{match: match, done: make(chan struct{})}
	return p.trap.done
}

// Says matches requests that contain a text, in letters of either case.
func Says(text string) func([]byte) bool {
	wanted := bytes.ToLower([]byte(text))
	return func(request []byte) bool { return bytes.Contains(bytes.ToLower(request), wanted) }
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return // it was closed: nothing else ends a listener on loopback
		}
		p.tasks.Go(func() { p.serve(client) })
	}
}

// serve passes one connection on, until either side ends it.
func (p *Proxy) serve(client net.Conn) {
	server, err := net.DialTimeout("tcp", p.target, patience)
	if err != nil {
		_ = client.Close() // the server is down, and so is what stands before it
		return
	}
	l := &link{client: client, server: server}
	p.mu.Lock()
	if p.closed {
		p.cutLocked(l)
	}
	p.links[l] = struct{}{}
	p.mu.Unlock()

	var both sync.WaitGroup
	both.Go(func() { p.forward(l, l.client, l.server, p.request) })
	both.Go(func() { p.forward(l, l.server, l.client, p.answer) })
	both.Wait()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// forward passes on what one side says, as long as pass lets it, and then the end.
func (p *Proxy) forward(l *link, from, to net.Conn, pass func(*link, []byte) bool) {
	defer p.cut(l)
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		p.waitThawed(l)
		if n > 0 {
			if !pass(l, buffer[:n]) {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// waitThawed waits until the proxy passes on again, or l is cut.
func (p *Proxy) waitThawed(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.frozen && !l.closed {
		p.changed.Wait()
	}
}

// request looks whether what the client says sets off the trap. It does so before the server hears of it, so that no
// answer can come first.
func (p *Proxy) request(l *link, said []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.trap == nil {
		return true
	}
	l.said = append(l.said, said...)
	if p.trap.match(l.said) {
		l.trapped, p.trap = p.trap, nil
	}
	return true
}

// answer withholds the answer to a request that set off the trap.
func (p *Proxy) answer(l *link, _ []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.said = nil
	if l.trapped == nil {
		return true
	}
	p.cutLocked(l)
	close(l.trapped.done)
	return false
}

func (p *Proxy) cut(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutLocked(l)
}

func (p *Proxy) cutLocked(l *link) {
	l.closed = true
	// Both are closed again by whoever comes second, which fails and harms nothing.
	_, _ = l.client.Close(), l.server.Close()
	p.changed.Broadcast()
}

func (p *Proxy) close() error {
	p.mu.Lock()
	p.closed = true
	var err error
	if p.listener != nil {
		err, p.listener = p.listener.Close(), nil
	}
	for l := range p.links {
		p.cutLocked(l)
	}
	p.mu.Unlock()
	p.tasks.Wait()
	return errors.Join(err, p.port.close())
}
