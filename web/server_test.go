package web_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rekey"
	"rekey/web"
)

// street is a running server on loopback, which counts what it reads and which requests reach the handler.
type street struct {
	net.Listener
	read    atomic.Int64
	handled atomic.Int64
}

func open(t *testing.T, h *house) *street {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &street{Listener: listener}
	server := web.Server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handled.Add(1)
		h.handler.ServeHTTP(w, r)
	}), slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- server.Serve(s) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

func (s *street) Accept() (net.Conn, error) {
	c, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &counted{c, &s.read}, nil
}

type counted struct {
	net.Conn
	read *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func (s *street) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // the server may have been first
	return c
}

// check asks for a number over a connection of its own.
func (s *street) check(t *testing.T) {
	t.Helper()
	c := s.dial(t)
	if _, err := io.WriteString(c, "GET /forget_pwd/mobiles/"+alice+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
		t.Fatalf("%q, %v", answer, err)
	}
}

func TestT22_ABodyOverTheLimitIsReadNoFurther(t *testing.T) {
	t.Parallel()
	const post = "POST /forget_pwd/ HTTP/1.1\r\nHost: x\r\n"
	for _, c := range []struct {
		name, head string
		status     int
	}{
		{"endless chunks", post + "Transfer-Encoding: chunked", 413},
		{"a length of 1 MiB", post + "Content-Length: 1048576", 413},
		{"a length of 64 KiB", post + "Content-Length: 65536", 413},
		{"a length one over the limit", post + "Content-Length: 4097", 413},
		{"chunks, encoded", post + "Content-Encoding: gzip\r\nTransfer-Encoding: chunked", 415},
		{"encoded", post + "Content-Encoding: gzip\r\nContent-Length: 65536", 415},
		{"chunks, cross-site", post + "Origin: null\r\nTransfer-Encoding: chunked", 403},
		{"cross-site", post + "Origin: null\r\nContent-Length: 65536", 403},
		{"chunks to nowhere", "POST /forget_pwd/nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked", 404},
		{"to nowhere", "POST /forget_pwd/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 65536", 404},
		{"to no number", "GET /forget_pwd/mobiles/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 65536", 404},
		{"chunks, another method", "PUT /forget_pwd/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked", 405},
		{"another method", "PUT /forget_pwd/ HTTP/1.1\r\nHost: x\r\nContent-Length: 65536", 405},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, newHouse(t))
			conn := s.dial(t)
			go func() {
				chunk := fmt.Sprintf("400\r\n%s\r\n", strings.Repeat("x", 1024))
				_, err := io.WriteString(conn, c.head+"\r\n\r\n")
				for err == nil {
					_, err = io.WriteString(conn, chunk) // until the server has had enough
				}
			}()
			r := bufio.NewReader(conn)
			response, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != c.status || !response.Close || !strings.Contains(string(body), `"errno":"41`) {
				t.Errorf("%d, close %v: %s, %v", response.StatusCode, response.Close, body, err)
			}
			if _, err := r.ReadByte(); err == nil {
				t.Error("something came after the answer")
			}
			// The body up to its limit, its framing, and one buffer of net/http's.
			if n := s.read.Load(); n > 12<<10 {
				t.Errorf("%d bytes were read", n)
			}
		})
	}
}

func TestT22_NobodyWaitsForABodyThatIsNotRead(t *testing.T) {
	t.Parallel()
	const over, short, chunked = "Content-Length: 5000", "Content-Length: 20", "Transfer-Encoding: chunked"
	const expect = "Expect: 100-continue\r\nContent-Length: 1000000"
	const post, form = "POST /forget_pwd/", "Content-Type: application/x-www-form-urlencoded\r\nAccept: text/html\r\n"
	for _, c := range []struct {
		name, line, headers string
		status              int
	}{
		{"over the limit", post, over, 413},
		{"over the limit, a form", post, form + over, 413},
		{"over the limit, asking first", post, expect, 413},
		{"encoded", post, "Content-Encoding: gzip\r\n" + short, 415},
		{"encoded, asking first", post, "Content-Encoding: gzip\r\n" + expect, 415},
		{"cross-site, over the limit", post, "Origin: null\r\n" + over, 403},
		{"cross-site", post, "Origin: null\r\n" + short, 403},
		{"cross-site, in chunks", post, "Origin: null\r\n" + chunked, 403},
		{"cross-site, asking first", post, "Origin: null\r\nExpect: 100-continue\r\n" + short, 403},
		{"nowhere", "POST /forget_pwd/nothing", short, 404},
		{"nowhere, in chunks", "POST /forget_pwd/nothing", chunked, 404},
		{"another method", "PUT /forget_pwd/", short, 405},
		{"another method, over the limit", "PUT /forget_pwd/", over, 405},
		{"the check", "GET /forget_pwd/mobiles/" + alice, short, 200},
		{"the page", "GET /forget_pwd/", over, 200},
		{"a file of the page", "GET /forget_pwd/page.css", chunked, 200},
		{"a redirect", "POST /forget_pwd", short, 308},
		{"OPTIONS", "OPTIONS /forget_pwd/", over, 204},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPipes()
				server := web.Server(newHouse(t).handler, nil)
				done := make(chan error, 1)
				go func() { done <- server.Serve(p) }()
				client, began := p.dial(), time.Now()
				if _, err := io.WriteString(client, c.line+" HTTP/1.1\r\nHost: x\r\n"+c.headers+"\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				response, err := http.ReadResponse(bufio.NewReader(client), nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadAll(response.Body); err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(began); response.StatusCode != c.status || !response.Close || waited != 0 {
					t.Errorf("%d after %v, close %v", response.StatusCode, waited, response.Close)
				}
				_, _ = io.Copy(io.Discard, client) // until the server has closed in its gentle way
				if err := server.Close(); err != nil {
					t.Error(err)
				}
				if err := <-done; !errors.Is(err, http.ErrServerClosed) {
					t.Error(err)
				}
			})
		})
	}
}

func TestARefusedRequestThatHasComeWholeKeepsItsConnection(t *testing.T) {
	t.Parallel()
	s := open(t, newHouse(t))
	c := s.dial(t)
	r := bufio.NewReader(c)
	for range 3 {
		if _, err := io.WriteString(c, "POST /forget_pwd/ HTTP/1.1\r\nHost: x\r\nOrigin: null\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != 403 || response.Close {
			t.Fatalf("%d, close %v, %v", response.StatusCode, response.Close, err)
		}
	}
}

func TestT22_HeadersOverTheLimitAreRefused(t *testing.T) {
	t.Parallel()
	s := open(t, newHouse(t))
	c := s.dial(t)
	go func() {
		_, err := io.WriteString(c, "GET /forget_pwd/ HTTP/1.1\r\nHost: x\r\n")
		for i := 0; err == nil; i++ {
			_, err = fmt.Fprintf(c, "X-%d: %s\r\n", i, strings.Repeat("x", 1000))
		}
	}()
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%v, %v", response, err)
	}
	if n := s.read.Load(); n > 32<<10 || s.handled.Load() != 0 {
		t.Errorf("%d bytes were read", n)
	}
}

func TestT23_SlowConnectionsDoNotKeepOthersOut(t *testing.T) {
	// Not parallel: it measures the memory of the process.
	connections := 5000
	if testing.Short() {
		connections = 1000
	}
	s := open(t, newHouse(t))
	s.check(t)
	before := memory()
	halves := []string{"", "GET", "GET /forget_pwd/ HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"POST /forget_pwd/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"}
	for i := range connections {
		if _, err := io.WriteString(s.dial(t), halves[i%len(halves)]); err != nil {
			t.Fatal(err)
		}
	}
	for range 50 {
		s.check(t)
	}
	// net/http has a goroutine, two buffers of 4 KiB and a few objects for each, and the client's end is counted too.
	if used := memory() - before; used > int64(connections)*48<<10 {
		t.Errorf("%d connections hold %d KiB", connections, used>>10)
	}
}

func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

func TestT23_SlowConnectionsAreClosedInTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sent  string
		after time.Duration
	}{
		"nothing at all":       {"", 5 * time.Second},
		"half a request line":  {"GET /forget", 5 * time.Second},
		"half the headers":     {"GET /forget_pwd/ HTTP/1.1\r\nHost: x\r\nX-Slow: ", 5 * time.Second},
		"half a body":          {"POST /forget_pwd/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", 8 * time.Second},
		"half a chunk":         {"POST /forget_pwd/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{", 8 * time.Second},
		"idle after a request": {"GET /forget_pwd/mobiles/1 HTTP/1.1\r\nHost: x\r\n\r\n", 75 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPipes()
				server := web.Server(newHouse(t).handler, nil)
				done := make(chan error, 1)
				go func() { done <- server.Serve(p) }()
				client := p.dial()
				began := time.Now()
				go func() { _, _ = io.WriteString(client, c.sent) }() // a pipe takes it as the server reads
				_, _ = io.Copy(io.Discard, client)                    // until the server closes
				if waited := time.Since(began); waited != c.after {
					t.Errorf("closed after %v, want %v", waited, c.after)
				}
				if err := server.Close(); err != nil {
					t.Error(err)
				}
				<-done
			})
		})
	}
}

// waiting is a users table that takes as long as a request may.
type waiting struct{ *people }

func (w waiting) Find(ctx context.Context, _ rekey.Number) ([]rekey.Account, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestTheSlowestRequestIsStillAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(core *rekey.Options, _ *web.Options) { core.Directory = waiting{newPeople()} })
		p := newPipes()
		server := web.Server(h.handler, nil)
		done := make(chan error, 1)
		go func() { done <- server.Serve(p) }()
		client := p.dial()
		body := send(alice).body
		head := fmt.Sprintf("POST /forget_pwd/sms_code/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", len(body))
		if _, err := io.WriteString(client, head); err != nil {
			t.Fatal(err)
		}
		time.Sleep(8*time.Second - 1) // the last moment for the body
		if _, err := io.WriteString(client, body); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(client)
		if err != nil || !strings.Contains(string(answer), `"errno":"4001"`) {
			t.Errorf("%q, %v", answer, err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// pipes is a listener in memory, so that a bubble's clock drives the deadlines.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "pipe"} }

func TestT23_SmuggledRequestsAreNotServed(t *testing.T) {
	t.Parallel()
	const smuggled = "GET /forget_pwd/mobiles/" + alice + " HTTP/1.1\r\nHost: x\r\n\r\n"
	const post = "POST /forget_pwd/ HTTP/1.1\r\nHost: x\r\n"
	for name, raw := range map[string]string{
		"CL and TE":                  post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"TE and CL":                  post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled,
		"two lengths":                post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}" + smuggled,
		"a list of lengths":          post + "Content-Length: 2, 2\r\n\r\n{}" + smuggled,
		"a signed length":            post + "Content-Length: +2\r\n\r\n{}" + smuggled,
		"a hexadecimal length":       post + "Content-Length: 0x2\r\n\r\n{}" + smuggled,
		"a negative length":          post + "Content-Length: -1\r\n\r\n{}" + smuggled,
		"TE twice":                   post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + smuggled,
		"TE list":                    post + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"TE unknown":                 post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled,
		"TE with a vertical tab":     post + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n" + smuggled,
		"a space before the colon":   post + "Transfer-Encoding : chunked\r\nContent-Length: 2\r\n\r\n{}" + smuggled,
		"a folded line":              post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"a bare LF after a size":     post + "Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n" + smuggled,
		"a bare LF in an extension":  post + "Transfer-Encoding: chunked\r\n\r\n2;a=b\n{}\r\n0\r\n\r\n" + smuggled,
		"a bare LF after a chunk":    post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n" + smuggled,
		"a size with a sign":         post + "Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n" + smuggled,
		"a size that overflows":      post + "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n" + smuggled,
		"chunks of HTTP/1.0":         "POST /forget_pwd/ HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"two hosts":                  "POST /forget_pwd/ HTTP/1.1\r\nHost: x\r\nHost: y\r\nContent-Length: 2\r\n\r\n{}" + smuggled,
		"no host":                    "POST /forget_pwd/ HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}" + smuggled,
		"a NUL in a header":          post + "X: a\x00b\r\nContent-Length: 2\r\n\r\n{}" + smuggled,
		"a space in the target":      "POST /forget_pwd/ /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}" + smuggled,
		"a length over what follows": post + "Content-Length: 5000\r\n\r\n{}" + smuggled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			s := open(t, h)
			c := s.dial(t)
			if _, err := io.WriteString(c, raw); err != nil {
				t.Fatal(err)
			}
			if tcp, ok := c.(*net.TCPConn); ok {
				if err := tcp.CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			answers, err := io.ReadAll(c)
			if err != nil {
				t.Fatalf("%q, %v", answers, err)
			}
			if n := strings.Count(string(answers), "HTTP/1."); n > 1 || strings.Contains(string(answers), `"count"`) {
				t.Errorf("%d answers: %q", n, answers)
			}
			if got := h.events.addresses(); len(got) != 0 || s.handled.Load() > 1 {
				t.Errorf("the smuggled request was served: %q", answers)
			}
		})
	}
}

func TestT23_AChunkedRequestCostsItsConnection(t *testing.T) {
	t.Parallel()
	s := open(t, newHouse(t))
	c := s.dial(t)
	if _, err := io.WriteString(c, "POST /forget_pwd/sms_code/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"+
		"18\r\n{\"mobile\":\"13800000001\"}\r\n0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c) // ends although our side stays open
	if err != nil || !strings.Contains(string(answer), `"errno":"0"`) || !strings.Contains(string(answer), "Connection: close") {
		t.Errorf("%q, %v", answer, err)
	}
}

func TestOptionsOfTheServerItselfGetOurHeaders(t *testing.T) {
	t.Parallel()
	s := open(t, newHouse(t))
	c := s.dial(t)
	if _, err := io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil || !strings.Contains(string(answer), "X-Content-Type-Options: nosniff") {
		t.Errorf("%q, %v", answer, err)
	}
}
