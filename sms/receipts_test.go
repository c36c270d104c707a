package sms_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

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
		Secret:  func(name string) string { return "secret-of-" + name },
		Observe: func(_ context.Context, name string, r sms.Report) { heard = append(heard, name+" "+r.ID) },
		Log:     slog.New(slog.NewTextHandler(&logged, nil)),
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
	if strings.Contains(logged.String(), "secret-of") {
		t.Errorf("the log says a secret: %s", &logged)
	}
}
