package smpp

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// answerTimeout is how long an answer to a bind, an enquire_link or an unbind may take, and a write. The specification leaves
// it open.
const answerTimeout = 10 * time.Second

// Why a link ended. These are causes for a log and for errors.
var (
	errHungUp   = errors.New("the SMSC closed the connection")
	errClosed   = errors.New("the client was closed")
	errUnbound  = errors.New("the SMSC unbound")
	errSilent   = errors.New("the SMSC does not answer enquire_link")
	errLeaving  = errors.New("the SMSC ends the link")
	errOverdue  = errors.New("the SMSC has left a message without an answer for a minute")
	errNotBound = errors.New("the SMSC says that it is not bound")
)

// leaveTimeout is how long a link on which nothing more is submitted lasts for the answers that are still to come. New
// messages wait for the next link meanwhile.
const leaveTimeout = time.Second

// session is one connection to the SMSC, from its dialling to its end. It has three goroutines: read takes what comes,
// write sends what is queued, keepalive sees that somebody is there.
type session struct {
	conn     net.Conn
	log      *slog.Logger
	received func(Receipt) bool // false: it can't be taken now
	slots    chan struct{}      // the window: a place is held from before a submit_sm is queued until it is answered
	queue    chan *request
	probe    chan struct{} // asks keepalive to look at once
	began    time.Time
	heard    atomic.Int64  // when the last PDU came, in nanoseconds after began: setting the clock must not make a dead link look alive
	leaving  chan struct{} // closed when no more messages may be submitted
	done     chan struct{} // closed at the end
	running  sync.WaitGroup

	mu       sync.Mutex
	err      error               // why it ended; nil: it has not
	sequence uint32              // the last that was used
	pending  map[uint32]*request // what has left and is not answered
}

// request is a PDU on its way out. Its state belongs to session.mu.
type request struct {
	bytes    []byte
	command  command
	sequence uint32 // once it has left
	windowed bool
	last     error       // the session ends for this reason once it is written
	answer   chan answer // of capacity 1; nil: it is a response, and bytes have their sequence_number
	left     time.Time   // when it was handed to the connection; zero: it was not
	writing  bool        // the connection has it, and has not said yet how much of it went out
	gone     bool        // withdrawn
}

// answer is what became of a request that left: a response, or err if the session ended without one.
type answer struct {
	status Status
	id     string
	err    error
	unsent bool // with err: it did not leave in full after all
}

func newRequest(c command, bytes []byte) *request {
	return &request{bytes: bytes, command: c, answer: make(chan answer, 1)}
}

// newSession starts a session on conn, which it closes.
func newSession(conn net.Conn, window int, received func(Receipt) bool, log *slog.Logger) *session {
	s := &session{
		conn: conn, log: log, received: received,
		slots: make(chan struct{}, window), queue: make(chan *request, 64), probe: make(chan struct{}, 1),
		leaving: make(chan struct{}), done: make(chan struct{}), pending: map[uint32]*request{}, began: time.Now(),
	}
	s.running.Go(s.read)
	s.running.Go(s.write)
	s.running.Go(s.keepalive)
	return s
}

// end ends the session, once: whatever has left is told that no answer will come. What is being written is told by write,
// which learns how much of it went out.
func (s *session) end(cause error) {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err = cause
	for sequence, r := range s.pending {
		if !r.writing {
			delete(s.pending, sequence)
			r.answer <- answer{err: cause}
		}
	}
	s.mu.Unlock()
	close(s.done)
	s.conn.Close()
}

// leave ends the session by then, which is called as soon as nothing in the window waits for its answer any more, or after
// leaveTimeout. Nothing more is submitted. It is for read alone, and its first call counts.
func (s *session) leave(then func()) {
	select {
	case <-s.leaving:
	default:
		close(s.leaving)
		s.running.Go(func() {
			s.drain(leaveTimeout)
			then()
		})
	}
}

// drain waits until nobody holds a place in the window, or the session ends, and then holds all of them itself. It returns
// how many it did not get in time.
func (s *session) drain(timeout time.Duration) int {
	late := time.NewTimer(timeout)
	defer late.Stop()
	for held := range cap(s.slots) {
		select {
		case s.slots <- struct{}{}:
		case <-s.done:
			return 0
		case <-late.C:
			return cap(s.slots) - held
		}
	}
	return 0
}

// cause is why the session ended.
func (s *session) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// do queues r and waits for its answer. An error says that none came, by why; left, that the SMSC may have r all the same.
// A windowed r that was left without an answer keeps its place in the window.
func (s *session) do(ctx context.Context, r *request) (a answer, left bool, err error) {
	select {
	case s.queue <- r:
		select {
		case a = <-r.answer:
			return a, !a.unsent, a.err
		case <-s.done:
		case <-ctx.Done():
		}
	case <-s.done:
	case <-ctx.Done():
	}
	if s.withdraw(r) {
		err = s.cause()
		if err == nil {
			err = context.Cause(ctx)
		}
		return answer{}, false, err
	}
	if ctx.Err() == nil { // the session has ended: what has left is told
		a = <-r.answer
		return a, !a.unsent, a.err
	}
	select {
	case a = <-r.answer: // at the last moment
		return a, !a.unsent, a.err
	default:
		return answer{}, true, context.Cause(ctx)
	}
}

// withdraw takes back a request that has not left, and says whether that was so.
func (s *session) withdraw(r *request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.left.IsZero() {
		return false
	}
	r.gone = true
	return true
}

// forget gives up waiting for the answer to a request outside the window.
func (s *session) forget(r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending[r.sequence] == r {
		delete(s.pending, r.sequence)
	}
}

// respond queues a response. It waits for a place in the queue: an SMSC that does not read is not read from either.
func (s *session) respond(c command, status Status, sequence uint32, body string, last error) {
	b := append(newPDU(c, status), body...)
	seal(b, sequence)
	select {
	case s.queue <- &request{bytes: b, command: c, last: last}:
	case <-s.done:
	}
}

// maxBatch is about how much is handed to the connection at once.
const maxBatch = 32 << 10

// write sends what is queued, as much as there is at once: under load that is one system call for many messages.
func (s *session) write() {
	var batch []byte
	var taken []*request
	var ends []int // where each of taken ends in batch
	for {
		batch, taken, ends = batch[:0], taken[:0], ends[:0]
		var last error
		add := func(r *request) {
			if s.take(r) {
				batch, taken = append(batch, r.bytes...), append(taken, r)
				ends, last = append(ends, len(batch)), r.last
			}
		}
		select {
		case r := <-s.queue:
			add(r)
		case <-s.done:
			return
		}
		for more := true; more && len(batch) < maxBatch && last == nil; {
			select {
			case r := <-s.queue:
				add(r)
			default:
				more = false
			}
		}
		if len(batch) == 0 {
			continue
		}
		s.conn.SetWriteDeadline(time.Now().Add(answerTimeout)) // fails on a closed connection alone, as Write does
		n, err := s.conn.Write(batch)
		s.written(taken, ends, n, err)
		if err != nil {
			s.end(err)
			return
		}
		if last != nil {
			s.end(last)
			return
		}
	}
}

// take gives a request its sequence number and counts it as left, unless it was withdrawn or the session has ended, or is
// about to and the request is a message.
func (s *session) take(r *request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.gone || s.err != nil {
		return false
	}
	if r.windowed {
		select {
		case <-s.leaving:
			r.answer <- answer{err: errLeaving, unsent: true}
			return false
		default:
		}
	}
	r.left = time.Now()
	if r.answer == nil {
		return true
	}
	r.writing = true
	// 1 to 0x7FFFFFFF, each once until all have been used (§5.1.4). One that still waits for its answer is left out, so that
	// a late answer is never taken for that to another message.
	for taken := true; taken; {
		s.sequence = s.sequence%0x7FFFFFFF + 1
		_, taken = s.pending[s.sequence]
	}
	r.sequence = s.sequence
	seal(r.bytes, r.sequence)
	s.pending[r.sequence] = r
	return true
}

// written is told that n octets of a batch went out, which ends lie in, and err if that is not all of it. Requests that did
// not go out in full are told so: an SMSC can do nothing with a part. If the session has ended meanwhile, the others are told
// that no answer will come.
func (s *session) written(batch []*request, ends []int, n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range batch {
		r.writing = false
	}
	if err == nil && s.err == nil {
		return
	}
	for i, r := range batch {
		if unsent := ends[i] > n; s.pending[r.sequence] == r && (unsent || s.err != nil) {
			delete(s.pending, r.sequence)
			r.answer <- answer{err: cmp.Or(s.err, err), unsent: unsent}
		}
	}
}

// read takes what comes until the link ends.
func (s *session) read() {
	in := bufio.NewReaderSize(s.conn, 16<<10)
	var buf []byte
	for {
		p, err := readPDU(in, &buf)
		switch {
		case errors.Is(err, errLength):
			s.respond(genericNack, StatusInvalidLength, p.sequence, "", err)
			return
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			s.end(errHungUp)
			return
		case err != nil:
			s.end(err)
			return
		}
		s.heard.Store(int64(time.Since(s.began)))
		switch {
		case p.command&response != 0:
			s.answered(p)
		case p.command == enquireLink:
			s.respond(enquireLink|response, StatusOK, p.sequence, "", nil)
		case p.command == deliverSM:
			// deliver_sm_resp has an empty message_id (§4.6.2).
			s.respond(deliverSM|response, s.delivered(p.body), p.sequence, "\x00", nil)
		case p.command == unbind:
			s.leave(func() { s.respond(unbind|response, StatusOK, p.sequence, "", errUnbound) })
		case p.command == outbind, p.command == alertNotification: // have no response, and tell us nothing
		default:
			s.respond(genericNack, StatusInvalidCommand, p.sequence, "", nil)
		}
	}
}

// answered gives a response to the request that it answers. One that answers none, such as one that was given up, is
// ignored.
func (s *session) answered(p pdu) {
	s.mu.Lock()
	r := s.pending[p.sequence]
	if r == nil || p.command != genericNack && p.command != r.command|response {
		s.mu.Unlock()
		s.log.Debug("the SMSC sent a response that answers no request")
		return
	}
	delete(s.pending, p.sequence)
	s.mu.Unlock()

	a := answer{status: p.status}
	switch {
	case p.command == genericNack && a.status == StatusOK:
		a.status = StatusInvalidCommand // a nack is one whatever it says
	case r.command == submitSM && a.status == StatusOK:
		a.id = messageID(p.body)
	}
	if r.command == submitSM && a.status == StatusInvalidBind {
		s.leave(func() { s.end(errNotBound) })
	}
	if r.windowed {
		<-s.slots
	}
	r.answer <- a
}

// delivered takes the body of a deliver_sm and says what to answer.
func (s *session) delivered(body []byte) Status {
	d, err := readDelivery(body)
	if err != nil {
		s.log.Warn("the SMSC sent what can't be read; it is refused", "cause", err)
		return StatusNotTaken
	}
	r, ok := readReceipt(d)
	switch {
	case !ok:
		s.log.Debug("the SMSC delivered what is no receipt; it is dropped")
	case !s.received(r):
		return StatusTryLater
	}
	return StatusOK
}
