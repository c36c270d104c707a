package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"rekey"
	"rekey/web"
)

// pushed is a handler of receipts that keeps what it was given, and answers what no page of ours does.
type pushed struct {
	path, query, body string
	err               error
	asked             int
}

func (p *pushed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	p.path, p.query, p.body, p.err = r.URL.Path, r.URL.RawQuery, string(body), err
	p.asked++
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"code":0}`)
}

func withReceipts(p *pushed) setting {
	return func(_ *rekey.Options, front *web.Options) { front.Receipts = p }
}

// TestT33_ReceiptsNeedNoPageOfOurs: vendors' servers send no cookie, and some of them an Origin.
func TestT33_ReceiptsNeedNoPageOfOurs(t *testing.T) {
	t.Parallel()
	p := &pushed{}
	h := newHouse(t, withReceipts(p))
	long := strings.Repeat("x", 100<<10)
	for _, c := range []struct{ method, path, body, header string }{
		{"POST", "/forget_pwd/receipts/aliyun/secret", long, "Content-Type: application/json"},
		{"GET", "/forget_pwd/receipts/aliyun/secret?status=1", "", "Accept: */*"},
		{"POST", "/forget_pwd/receipts/aliyun/secret", "a=b", "Origin: https://vendor.example"},
		{"POST", "/forget_pwd/receipts/aliyun/secret", "a=b", "Sec-Fetch-Site: cross-site"},
	} {
		asked := p.asked
		w := h.ask(c.method, c.path, c.body, c.header)
		_, query, _ := strings.Cut(c.path, "?")
		if w.Code != 200 || w.Body.String() != `{"code":0}` || p.asked != asked+1 {
			t.Errorf("%s %s with %s is answered %d %s", c.method, c.path, c.header, w.Code, w.Body)
		}
		if p.path != "/aliyun/secret" || p.query != query || p.body != c.body || p.err != nil {
			t.Errorf("%s %s: the handler got %s?%s, %d bytes, %v", c.method, c.path, p.path, p.query, len(p.body), p.err)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("the headers of every answer are missing: %v", w.Header())
		}
	}
}

func TestT36_TheSecretInTheAddressOfReceiptsIsNotLogged(t *testing.T) {
	t.Parallel()
	h := newHouse(t, withReceipts(&pushed{}))
	h.ask("POST", "/forget_pwd/receipts/aliyun/canary", "{}")
	h.ask("PUT", "/forget_pwd/receipts/aliyun/canary", "{}")
	if log := h.log.String(); strings.Contains(log, "canary") || !strings.Contains(log, `"route":"receipts"`) {
		t.Errorf("the log is\n%s", log)
	}
}

func TestT22_ReceiptsHaveALimitOfTheirOwn(t *testing.T) {
	t.Parallel()
	p := &pushed{}
	h := newHouse(t, withReceipts(p))
	h.ask("POST", "/forget_pwd/receipts/a/s", strings.Repeat("x", 1<<20+1))
	if p.err == nil || len(p.body) > 1<<20 {
		t.Errorf("%d bytes were read, %v", len(p.body), p.err)
	}
}

// TestAVendorKeepsItsConnection: those that push thousands of receipts do so over a few.
func TestAVendorKeepsItsConnection(t *testing.T) {
	t.Parallel()
	p := &pushed{}
	s := open(t, newHouse(t, withReceipts(p)))
	c := s.dial(t)
	r := bufio.NewReader(c)
	for i := range 3 {
		half := strings.Repeat("x", 20<<10)
		head := fmt.Sprintf("POST /forget_pwd/receipts/a/s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 2*len(half))
		for _, part := range []string{head, half, half} {
			if _, err := io.WriteString(c, part); err != nil {
				t.Fatal(err)
			}
		}
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != 200 || response.Close || len(p.body) != 2*len(half) {
			t.Fatalf("push %d: %d, close %v, %d bytes, %v", i+1, response.StatusCode, response.Close, len(p.body), err)
		}
	}
}

func TestReceiptsStandNowhereElse(t *testing.T) {
	t.Parallel()
	p := &pushed{}
	with, without := newHouse(t, withReceipts(p)), newHouse(t)
	for _, c := range []struct {
		h            *house
		method, path string
		status       int
	}{
		{without, "POST", "/forget_pwd/receipts/a/s", 404},
		{with, "POST", "/receipts/a/s", 404},
		{with, "POST", "/forget_pwd/receipts", 404},
		{with, "POST", "/forget_pwd%2freceipts/a/s", 404},
		{with, "DELETE", "/forget_pwd/receipts/a/s", 405},
	} {
		if w := c.h.ask(c.method, c.path, "{}"); w.Code != c.status || errno(t, w) != "4103" {
			t.Errorf("%s %s is answered %d %s, want %d", c.method, c.path, w.Code, w.Body, c.status)
		}
	}
	if p.asked != 0 {
		t.Errorf("%d of them reached the receipts", p.asked)
	}
}
