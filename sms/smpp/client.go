package smpp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"sync"
	"time"
)

// Config says which SMSC, and as whom.
type Config struct {
	Address    string      // host:port
	TLS        *tls.Config // nil: no TLS
	SystemID   string
	Password   string
	SystemType string
	Window     int // submit_sm without their answer at a time; at least 1
	// Receipts is told of the delivery receipts in the order in which they came, of those together that have come while it
	// was busy, by one call at a time; the slice is valid for the call. Up to 1,000 wait for it, beyond that the SMSC is
	// asked to keep them; nil: they are dropped.
	Receipts func([]Receipt)
	Log      *slog.Logger // nil: nothing is logged
	// Dial opens the connection; nil: that of net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Format hides the configuration whatever the verb (T36).
func (Config) Format(f fmt.State, _ rune) { io.WriteString(f, "(SMPP client)") }

// Stage is how far a message came that was not accepted.
type Stage int

// The stages. Only with Unanswered may the SMSC have the message.
const (
	NotBound   Stage = iota + 1 // there was no link to submit it on; Status is the SMSC's if it refused to bind
	NotSent                     // it did not leave; Status is StatusThrottled if the SMSC's throttling was being waited for
	Refused                     // the SMSC refused it with Status
	Unanswered                  // it left, and no answer came
)

// Error is the error of Submit. It holds nothing of the message.
type Error struct {
	Stage  Stage
	Status Status
	Cause  error // what happened; nil with Refused, and where Status says it
}

func (e *Error) Error() string {
	s := map[Stage]string{NotBound: "not bound", NotSent: "not sent", Refused: "refused", Unanswered: "no answer"}[e.Stage]
	if e.Status != StatusOK {
		s += ": status " + e.Status.String()
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Cause }

// Client is bound to an SMSC from Open to Close: when the link ends or can't be made it binds again, after a pause that
// grows. It is safe for concurrent use.
type Client struct {
	c        Config
	receipts chan Receipt
	throttle throttle
	closing  context.Context // ends when Close begins
	close    context.CancelFunc
	stop     context.CancelFunc // ends run
	running  sync.WaitGroup
	opening  sync.Once
	ending   sync.Once
	endErr   error

	mu      sync.Mutex
	session *session      // nil: not bound
	trouble *Error        // why not, of the last attempt; nil: none has ended yet
	failed  bool          // the last attempt did not come to a link; false: one was there, and ended
	next    time.Time     // when the next attempt begins; zero: one is being made
	changed chan struct{} // closed when one of the four changes
}

// NewClient makes a client. It does no I/O.
func NewClient(c Config) *Client {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext
	}
	c.Window = max(c.Window, 1)
	client := &Client{c: c, receipts: make(chan Receipt, backlog), changed: make(chan struct{})}
	client.closing, client.close = context.WithCancel(context.Background())
	return client
}

// Format hides the client whatever the verb (T36).
func (*Client) Format(f fmt.State, _ rune) { io.WriteString(f, "(SMPP client)") }

// Open begins to bind and returns at once. Only its first call does something, and none after Close.
func (c *Client) Open() {
	c.opening.Do(func() {
		if c.closing.Err() != nil {
			return
		}
		ctx, stop := context.WithCancel(context.Background())
		c.stop = stop
		c.running.Go(func() {
			defer close(c.receipts)
			c.run(ctx)
		})
		c.running.Go(c.tell)
	})
}

// Bounds of Close.
const (
	drainTimeout  = 5 * time.Second // for the answers that are still to come
	unbindTimeout = 2 * time.Second
)

// Close lets no more messages in, waits up to five seconds for the answers to those that have left, unbinds, and returns
// when nothing of the client runs any more. Its error says that some were left without an answer.
func (c *Client) Close() error {
	c.ending.Do(func() {
		c.close()
		c.opening.Do(func() {}) // wait for an Open that is under way, and let none come
		if c.stop == nil {
			return
		}
		c.mu.Lock()
		s := c.session
		c.mu.Unlock()
		if s != nil {
			c.endErr = s.unbind()
		}
		c.stop()
		c.running.Wait()
	})
	return c.endErr
}

// unbind ends the session in order: the window empties, then the SMSC is told.
func (s *session) unbind() error {
	var err error
	if n := s.drain(drainTimeout); n > 0 {
		err = fmt.Errorf("the link was closed while %d messages had no answer yet", n)
	}
	select {
	case <-s.done:
		return nil
	default:
	}
	ctx, cancel := context.WithTimeout(context.Background(), unbindTimeout)
	defer cancel()
	if _, _, failed := s.do(ctx, newRequest(unbind, newPDU(unbind, StatusOK))); failed != nil {
		s.log.Debug("the SMSC did not answer unbind", "cause", failed)
	}
	s.end(errClosed)
	return err
}

// Submit hands m to the SMSC and returns the id that it gave it, which is empty if it gave none. It waits for a link, a
// place in the window and the answer until ctx ends; it does not wait for what can't come in that time, nor for more than a
// second for a link that could not be made before: others may take the message at once. The message is submitted at most once.
// The error is an *Error.
func (c *Client) Submit(ctx context.Context, m Message) (id string, err error) {
	bytes, err := submitPDU(m)
	if err != nil {
		return "", &Error{Stage: NotSent, Cause: err}
	}
	for {
		s, err := c.bound(ctx, patience)
		if err != nil {
			return "", err
		}
		select {
		case s.slots <- struct{}{}:
		case <-s.leaving:
			continue // with the next session
		case <-s.done:
			continue
		case <-c.closing.Done():
			return "", &Error{Stage: NotSent, Cause: errClosed}
		case <-ctx.Done():
			return "", &Error{Stage: NotSent, Cause: context.Cause(ctx)}
		}
		if err := c.throttle.wait(ctx, c.closing); err != nil {
			<-s.slots
			return "", err
		}
		r := newRequest(submitSM, bytes)
		r.windowed = true
		start := time.Now()
		a, left, err := s.do(ctx, r)
		switch {
		case err != nil && !left:
			<-s.slots
			if ctx.Err() == nil && c.closing.Err() == nil {
				continue // the link ended before the message was on it
			}
			return "", &Error{Stage: NotSent, Cause: err}
		case err != nil:
			s.suspect()
			return "", &Error{Stage: Unanswered, Cause: err}
		case a.status == StatusThrottled, a.status == StatusQueueFull:
			c.throttle.slowDown(start)
			return "", &Error{Stage: Refused, Status: a.status}
		case a.status != StatusOK:
			return "", &Error{Stage: Refused, Status: a.status}
		}
		c.throttle.goOn(start)
		return a.id, nil
	}
}

// Bound waits until the client is bound, or until that is known to fail or ctx ends. The error is an *Error.
func (c *Client) Bound(ctx context.Context) error {
	c.Open()
	_, err := c.bound(ctx, math.MaxInt64)
	return err
}

// bound waits for a session, and not for an attempt to bind that is further away than patience. An attempt that follows on
// one that failed may fail as slowly: no more than patience is spent on it either.
func (c *Client) bound(ctx context.Context, patience time.Duration) (*session, error) {
	var lost <-chan time.Time // when patience is lost with attempts
	for {
		c.mu.Lock()
		s, trouble, failed, next, changed := c.session, c.trouble, c.failed, c.next, c.changed
		c.mu.Unlock()
		if trouble == nil {
			trouble = &Error{Stage: NotBound}
		}
		switch {
		case c.closing.Err() != nil:
			return nil, &Error{Stage: NotBound, Cause: errClosed}
		case ctx.Err() != nil:
			if trouble.Cause == nil && trouble.Status == StatusOK {
				trouble = &Error{Stage: NotBound, Cause: context.Cause(ctx)}
			}
			return nil, trouble
		case s != nil:
			select {
			case <-s.leaving:
			case <-s.done: // run will see that too
			default:
				return s, nil
			}
		case refusesAccount(trouble.Status):
			return nil, trouble
		case !next.IsZero():
			if deadline, ok := ctx.Deadline(); time.Until(next) > patience || ok && deadline.Before(next) {
				return nil, trouble
			}
		case failed && lost == nil:
			timer := time.NewTimer(patience)
			defer timer.Stop()
			lost = timer.C
		}
		select {
		case <-changed:
		case <-lost:
			return nil, trouble
		case <-c.closing.Done():
		case <-ctx.Done():
		}
	}
}

// set changes the state that bound looks at.
func (c *Client) set(s *session, trouble *Error, failed bool, next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session, c.trouble, c.failed, c.next = s, trouble, failed, next
	close(c.changed)
	c.changed = make(chan struct{})
}

// refusesAccount reports whether the answer to a bind says that our credentials are not accepted. Then nothing is gained
// by asking again soon, and vendors lock accounts that do.
func refusesAccount(s Status) bool {
	switch s {
	case StatusBindFailed, StatusInvalidPassword, StatusInvalidSystemID, StatusInvalidSystemType:
		return true
	}
	return false
}

// run binds, and binds again whenever the link has ended, until ctx ends.
func (c *Client) run(ctx context.Context) {
	var pause backoff
	for {
		s, trouble := c.bind(ctx)
		failed := trouble != nil
		if !failed {
			c.c.Log.Info("bound to the SMSC", "address", c.c.Address)
			since := time.Now()
			c.set(s, nil, false, time.Time{})
			select {
			case <-s.done:
			case <-ctx.Done():
				s.end(errClosed)
			}
			s.running.Wait()
			trouble = &Error{Stage: NotBound, Cause: s.cause()}
			if time.Since(since) >= steady {
				pause = backoff{}
			}
		}
		wait := pause.next(refusesAccount(trouble.Status))
		c.set(nil, trouble, failed, time.Now().Add(wait))
		if c.closing.Err() != nil {
			return
		}
		c.c.Log.Warn("not bound to the SMSC; will try again", "address", c.c.Address, "cause", trouble, "wait_ms", wait.Milliseconds())
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			c.set(nil, trouble, failed, time.Time{})
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// bind makes a session that is bound.
func (c *Client) bind(ctx context.Context) (*session, *Error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	conn, err := c.c.Dial(ctx, "tcp", c.c.Address)
	if err != nil {
		return nil, &Error{Stage: NotBound, Cause: err}
	}
	if c.c.TLS != nil {
		secured := tls.Client(conn, c.c.TLS)
		if err := secured.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, &Error{Stage: NotBound, Cause: err}
		}
		conn = secured
	}
	s := newSession(conn, c.c.Window, c.received, c.c.Log)
	a, _, err := s.do(ctx, newRequest(bindTransceiver, bindPDU(c.c.SystemID, c.c.Password, c.c.SystemType)))
	if err != nil || a.status != StatusOK {
		s.end(errClosed)
		s.running.Wait()
		if errors.Is(err, context.DeadlineExceeded) {
			err = errors.New("the SMSC does not answer bind_transceiver")
		}
		return nil, &Error{Stage: NotBound, Status: a.status, Cause: err}
	}
	return s, nil
}

// backlog is how many receipts may wait for whoever is told of them.
const backlog = 1000

// tell hands receipts to Config.Receipts until none can come any more.
func (c *Client) tell() {
	waiting := make([]Receipt, 0, backlog)
	for r := range c.receipts {
		waiting = append(waiting[:0], r)
		for range len(c.receipts) { // nobody else takes any
			waiting = append(waiting, <-c.receipts)
		}
		c.c.Receipts(waiting)
	}
}

// received hands a receipt on, unless too many wait.
func (c *Client) received(r Receipt) bool {
	if c.c.Receipts == nil {
		return true
	}
	select {
	case c.receipts <- r:
		return true
	default:
		return false
	}
}
