package servers

import (
	"bytes"
	"errors"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Proxy passes TCP connections on to a server and can slow them down and break them. Its methods may be called at any time,
// those that take no testing.TB also from any goroutine.
//
// What loses its answer is told by what is said, so not over TLS. One by NewProxy suits protocols in which the client waits
// for the answer to each message, as database/sql makes of those of PostgreSQL and MySQL. One by NewRedisProxy knows where
// a request of Redis ends, and which answer is whose, also of a client that does not wait.
type Proxy struct {
	Address string // where it listens, host:port

	target string
	port   *port // kept, so that it can listen there again
	resp   bool  // it speaks Redis' protocol
	tasks  sync.WaitGroup

	mu       sync.Mutex
	changed  *sync.Cond   // frozen, or a link's closed
	listener net.Listener // nil while connections are refused
	links    map[*link]struct{}
	frozen   bool
	closed   bool
	trap     *trap // nil: none is set
	pace     pace
	faults   []error // what it could not make out
}

// link is a client's connection and the one to the server that goes with it.
type link struct {
	client, server net.Conn
	closed         bool
	gone           chan struct{} // closed with it
	conversation
}

// NewProxy starts a proxy in front of target, host:port, on a port of loopback. It ends, and its connections with it, when
// the test does.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	return newProxy(t, target, false)
}

// NewRedisProxy is NewProxy in front of a Redis server, without TLS.
func NewRedisProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	return newProxy(t, target, true)
}

func newProxy(t testing.TB, target string, resp bool) *Proxy {
	t.Helper()
	p, err := openProxy(target, resp)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func openProxy(target string, resp bool) (*Proxy, error) {
	kept, err := reservePort()
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		Address: net.JoinHostPort(loopback, strconv.Itoa(kept.number)),
		target:  target, port: kept, resp: resp, links: map[*link]struct{}{},
	}
	p.changed = sync.NewCond(&p.mu)
	if err := p.refuse(false); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// Refuse makes the proxy refuse new connections, as if nobody listened, or take them again. Those that it has stay.
func (p *Proxy) Refuse(t testing.TB, refuse bool) {
	t.Helper()
	if err := p.refuse(refuse); err != nil {
		t.Fatal(err)
	}
}

func (p *Proxy) refuse(refuse bool) error {
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
	return err
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
	l := &link{client: client, server: server, gone: make(chan struct{})}
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

// forward passes on what one side says, as far as pass lets it, and then the end.
func (p *Proxy) forward(l *link, from, to net.Conn, pass func(*link, []byte) parcel) {
	underway := make(chan parcel, 64)
	var writing sync.WaitGroup
	writing.Go(func() { p.deliver(l, to, underway) })
	defer writing.Wait()
	defer close(underway)
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		p.waitThawed(l)
		if n > 0 {
			next := pass(l, bytes.Clone(buffer[:n]))
			next.due = p.due()
			select {
			case underway <- next:
			case <-l.gone:
				return
			}
			if next.end != nil {
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

func (p *Proxy) cut(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutLocked(l)
}

func (p *Proxy) cutLocked(l *link) {
	if !l.closed {
		l.closed = true
		close(l.gone)
	}
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
	return errors.Join(append(p.faults, err, p.port.close())...)
}
