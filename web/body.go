package web

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// maxBody is how much of a body is read, in bytes: four fields take a few hundred (T22).
	maxBody = 4 << 10
	// maxPush is how much of what a vendor pushes may be read, in bytes: some put hundreds of receipts into one request.
	maxPush = 1 << 20
)

// body is the body of a request, limited to what its route takes. It remembers how far it was read, since what an answer leaves
// unread must not be waited for. It belongs to the goroutine of its request.
type body struct {
	io.ReadCloser
	limit   int64
	request *http.Request
	writer  http.ResponseWriter // where it is net/http's own, MaxBytesReader closes the connection of whoever sends too much
	err     error               // what the last read ended with
}

func newBody(w http.ResponseWriter, r *http.Request, limit int64) *body {
	b := &body{ReadCloser: http.MaxBytesReader(w, r.Body, limit), limit: limit, request: r, writer: w}
	if r.ContentLength == 0 {
		b.err = io.EOF
	}
	return b
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.err = err
	return n, err
}

// readAll reads the whole body. One that says it is over the limit is not begun, so that whoever waits for a "100
// Continue" (RFC 9110, section 10.1.1) gets the refusal instead. One that is encoded is refused, so that four kilobytes
// on the wire are four kilobytes.
func (b *body) readAll() ([]byte, error) {
	if len(b.request.Header.Values("Content-Encoding")) > 0 {
		return nil, errEncoding
	}
	if b.request.ContentLength > b.limit {
		return nil, errTooLarge
	}
	content, err := io.ReadAll(b)
	if err == nil {
		return content, nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, errTooLarge
	}
	return nil, errNotJSON // cut off, too slow, or chunks that are none
}

// leave is called before an answer begins. net/http would take in up to 256 KiB of what is left of the body, and wait for
// it, in the hope of keeping the connection (T22). A read deadline that has passed leaves it what already lies in its
// buffer: a short body that came along with the headers keeps its connection, every other one costs it.
func (b *body) leave() {
	if b.err == io.EOF {
		return // a deadline would hit the next request
	}
	sound := b.err == nil
	if http.NewResponseController(b.writer).SetReadDeadline(time.Now()) != nil {
		return // there is no connection that could be waited for, or it is out of reach
	}
	if sound && b.request.Header.Get("Expect") == "" { // reading would say "100 Continue"
		_, _ = io.Copy(io.Discard, b)
	}
	if sound && b.err != io.EOF {
		// To close at once what is still being sent would reset the connection and could take the answer along. net/http
		// knows how to close it gently, and does so where a MaxBytesReader has met its limit.
		_, _ = http.MaxBytesReader(b.writer, io.NopCloser(strings.NewReader("x")), 0).Read(make([]byte, 1))
	}
}
