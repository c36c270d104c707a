package bench_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// crowd is connections to one server, each with a request under way at any time. It does as little as may be for a request,
// since it takes from the same cores.
type crowd struct{ members []*member }

type member struct {
	net.Conn
	in  *bufio.Reader
	out bytes.Buffer
}

// gather connects so many to an address until the benchmark ends.
func gather(b *testing.B, address string, connections int) *crowd {
	b.Helper()
	c := &crowd{}
	for range connections {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = conn.Close() }) // nothing is under way on it
		c.members = append(c.members, &member{Conn: conn, in: bufio.NewReader(conn)})
	}
	return c
}

// exchange sends requests first to first+n-1 and returns how many were answered in a second. request writes the i-th, and
// answered, where there is one, is given the body of its answer, which must carry errno 0.
func (c *crowd) exchange(b *testing.B, first, n int, request func(i int, w *bytes.Buffer), answered func(i int, body []byte)) float64 {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for _, m := range c.members {
		all.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				m.out.Reset()
				request(first+i, &m.out)
				body, err := m.ask()
				if err == nil && !bytes.Contains(body, []byte(`"errno":"0"`)) {
					err = fmt.Errorf("%s", body)
				}
				if err != nil {
					b.Errorf("request %d: %v", first+i, err)
					return
				}
				if answered != nil {
					answered(first+i, body)
				}
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	if b.Failed() {
		b.FailNow()
	}
	return float64(n) / took.Seconds()
}

// ask sends what is in out and reads the answer's body, whose length must be told.
func (m *member) ask() ([]byte, error) {
	if _, err := m.Write(m.out.Bytes()); err != nil {
		return nil, err
	}
	length := -1
	for {
		line, err := m.in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return nil, err
			}
		}
	}
	if length < 0 {
		return nil, fmt.Errorf("an answer without a length")
	}
	body := make([]byte, length)
	_, err := io.ReadFull(m.in, body)
	return body, err
}
