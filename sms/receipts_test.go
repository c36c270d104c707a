package sms_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"rekey"
	"rekey/sms"
)

// pushing is a provider whose vendor pushes receipts of a form of its own.
type pushing struct {
	sms.Provider
	push sms.Push
	err  error
}

func (p pushing) Pushed(_ context.Context, _ *http.Request, body []byte) (sms.Push, error) {
	if p.err != nil {
		return sms.Push{}, p.err
	}
	p.push.Reports = append(p.push.Reports, sms.Report{ID: string(body), State: sms.Delivered})
	return p.push, nil
}

func TestReceiptsAreTakenFromWhoeverKnowsTheAddress(t *testing.T) {
	t.Parallel()
	var heard []string
	var logged bytes.Buffer
	h := sms.NewReceipts(sms.ReceiptsConfig{
		Providers: map[string]sms.Provider{
			"plain":   pushing{},
			"vendor":  pushing{push: sms.Push{Answer: `{"code":0}`, ContentType: "application/json"}},
			"forged":  pushing{err: fmt.Errorf("%w: sorted otherwise", sms.ErrForged)},
			"broken":  pushing{err: errors.New("no JSON")},
			"waiting": pushing{err: fmt.Errorf("%w: no certificate", rekey.ErrUnavailable)},
			"mute":    nil, // has no receipts
		},
		Secret: func(name string) string { return "secret-of-" + name },
		Observe: func(_ context.Context, name string, reports []sms.Report) {
			for _, r := range reports {
				heard = append(heard, name+" "+r.ID)
			}
		},
		Log: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	for _, c := range []struct {
		method, path, body string
		status             int
		answer, heard      string
	}{
		{"POST", "/plain/secret-of-plain", "one", 204, "", "plain one"},
		{"GET", "/plain/secret-of-plain", "", 204, "", "plain "},
		{"POST", "/vendor/secret-of-vendor", "two", 200, `{"code":0}`, "vendor two"},
		{"POST", "/forged/secret-of-forged", "x", 403, "", ""},
		{"POST", "/broken/secret-of-broken", "x", 400, "", ""},
		{"POST", "/waiting/secret-of-waiting", "x", 503, "", ""},
		{"PUT", "/plain/secret-of-plain", "x", 405, "", ""},
		{"POST", "/plain/secret-of-plain", strings.Repeat("x", 1<<20+1), 413, "", ""},
		{"POST", "/plain/secret-of-vendor", "x", 404, "", ""},
		{"POST", "/plain/", "x", 404, "", ""},
		{"POST", "/plain", "x", 404, "", ""},
		{"POST", "/plain/secret-of-plain/", "x", 404, "", ""},
		{"POST", "/mute/secret-of-mute", "x", 404, "", ""},
		{"POST", "/nobody/secret-of-nobody", "x", 404, "", ""},
		{"POST", "/", "x", 404, "", ""},
	} {
		heard = nil
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		want := []string{c.heard}
		if c.heard == "" {
			want = nil
		}
		if w.Code != c.status || c.answer != "" && w.Body.String() != c.answer || !slices.Equal(heard, want) {
			t.Errorf("%s %s: %d %q, heard %q; want %d %q, %q", c.method, c.path, w.Code, w.Body, heard, c.status, c.answer, want)
		}
	}
	heard = nil
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/plain/secret-of-plain", io.MultiReader(strings.NewReader("one"), iotest.ErrReader(os.ErrDeadlineExceeded))))
	if w.Code != 408 || heard != nil {
		t.Errorf("half a push: %d, heard %q; want 408", w.Code, heard)
	}
	if strings.Contains(logged.String(), "secret-of") {
		t.Errorf("the log says a secret: %s", &logged)
	}
}

// TestT36_TheLogTellsHowManyReceiptsOfAPushCouldNotBeRead, and nothing that stood in them. The gateway, to which the push was
// taken, has nobody who looks.
func TestT36_TheLogTellsHowManyReceiptsOfAPushCouldNotBeRead(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	var heard []sms.Report
	h := sms.NewReceipts(sms.ReceiptsConfig{
		Providers: map[string]sms.Provider{"gateway": newHTTP(t, sms.HTTPConfig{URL: "http://gateway.example/"})},
		Secret:    func(string) string { return "secret" },
		Observe:   func(_ context.Context, _ string, reports []sms.Report) { heard = append(heard, reports...) },
		Log:       slog.New(slog.NewTextHandler(&logged, nil)),
	})
	push := func(body string) *httptest.ResponseRecorder {
		heard = nil
		logged.Reset()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/gateway/secret", strings.NewReader(body)))
		return w
	}
	const stray = `{"to": "` + canaryMobile + `", "status": "DELIVRD"}`
	w := push(`[` + stray + `, {"id": "m1", "status": "DELIVRD"}, ` + stray + `]`)
	if w.Code != http.StatusOK || w.Body.String() != "OK" || len(heard) != 1 || heard[0].Message != "m1" {
		t.Errorf("one of three: %d %s, heard %+v", w.Code, w.Body, heard)
	}
	if !strings.Contains(logged.String(), `level=WARN msg="receipts could not be read" provider=gateway unread=2 read=1 cause="there is no id`) ||
		strings.Contains(logged.String(), canaryMobile) {
		t.Errorf("the log says %s", &logged)
	}
	if w := push(`[` + stray + `]`); w.Code != http.StatusBadRequest || heard != nil || strings.Contains(logged.String(), canaryMobile) {
		t.Errorf("none of one: %d, heard %+v, the log says %s", w.Code, heard, &logged)
	}
	if w := push(`[{"id": "m1", "status": "DELIVRD"}` + strings.Repeat(",0", 1000) + `]`); w.Code != http.StatusRequestEntityTooLarge || heard != nil {
		t.Errorf("one of more than any vendor pushes: %d, heard %+v", w.Code, heard)
	}
}

// steps is a Limiter that counts the steps and what was charged in them.
type steps struct {
	hangs          bool // each step until its context ends
	taken, charges int
}

func (s *steps) Take(ctx context.Context, charges ...rekey.Charge) (rekey.Decision, error) {
	if s.hangs {
		<-ctx.Done()
		return rekey.Decision{}, ctx.Err()
	}
	s.taken++
	s.charges += len(charges)
	return rekey.Decision{Refused: -1, Used: make([]int64, len(charges))}, nil
}

// pushedTo has a failover hear of n receipts in one push, and returns the status of the answer.
func pushedTo(t *testing.T, limiter *steps, n int) int {
	keys, err := rekey.NewKeyring([][]byte{make([]byte, rekey.MinKeyBytes)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := newFailover(t, sms.FailoverConfig{
		Providers: map[string]sms.Entry{"vendor": {Sender: taking(""), Receipts: true}}, Order: []string{"vendor"},
		Awaiting: sms.NewAwaiting(limiter, keys, 30*time.Second),
	})
	var push sms.Push
	for i := range n - 1 { // pushing has one more
		to, err := rekey.ChinaMobile(fmt.Sprintf("138%08d", i))
		if err != nil {
			t.Fatal(err)
		}
		push.Reports = append(push.Reports, sms.Report{ID: fmt.Sprint(i), To: to, State: sms.Delivered})
	}
	h := sms.NewReceipts(sms.ReceiptsConfig{
		Providers: map[string]sms.Provider{"vendor": pushing{push: push}}, Secret: func(string) string { return "secret" },
		Observe: func(ctx context.Context, name string, reports []sms.Report) { f.Report(ctx, name, reports...) },
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/vendor/secret", strings.NewReader("x")))
	return w.Code
}

// A vendor that has no answer within 700 ms pushes again, which would be more of the same.
func TestAPushIsAnsweredInTimeThoughTheStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if status := pushedTo(t, &steps{hangs: true}, 101); status != 204 || time.Since(start) >= 700*time.Millisecond {
			t.Errorf("answered %d after %v", status, time.Since(start))
		}
	})
}

func TestAPushCostsTheStoreFewSteps(t *testing.T) {
	t.Parallel()
	s := &steps{}
	if status := pushedTo(t, s, 1000); status != 204 || s.charges != 999 || s.taken > 10 {
		t.Errorf("answered %d after %d charges in %d steps", status, s.charges, s.taken)
	}
	s = &steps{}
	if status := pushedTo(t, s, 1001); status != 413 || s.taken != 0 {
		t.Errorf("more than any vendor pushes is answered %d, after %d steps", status, s.taken)
	}
}

// blocked is a provider whose vendor's pushes take until they are let go.
type blocked struct {
	sms.Provider
	arrived, release chan struct{}
}

func (b blocked) Pushed(context.Context, *http.Request, []byte) (sms.Push, error) {
	b.arrived <- struct{}{}
	<-b.release
	return sms.Push{}, nil
}

// TestT22_FewPushesAreTakenAtATime: the vendor of another is to come again.
func TestT22_FewPushesAreTakenAtATime(t *testing.T) {
	t.Parallel()
	b := blocked{arrived: make(chan struct{}), release: make(chan struct{})}
	h := sms.NewReceipts(sms.ReceiptsConfig{
		Providers: map[string]sms.Provider{"vendor": b}, Secret: func(string) string { return "secret" },
		Observe: func(context.Context, string, []sms.Report) {},
	})
	push := func() int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/vendor/secret", strings.NewReader("x")))
		return w.Code
	}
	statuses := make(chan int, 8)
	for range 8 {
		go func() { statuses <- push() }()
	}
	for range 8 {
		<-b.arrived
	}
	if status := push(); status != http.StatusServiceUnavailable {
		t.Errorf("the ninth is answered %d", status)
	}
	close(b.release)
	for range 8 {
		if status := <-statuses; status != http.StatusNoContent {
			t.Errorf("one of the eight is answered %d", status)
		}
	}
	go func() { <-b.arrived }()
	if status := push(); status != http.StatusNoContent {
		t.Errorf("the next is answered %d", status)
	}
}
