package sms_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rekey"
	"rekey/sms"
	"rekey/sms/smstest"
)

func newInbox(t *testing.T) (*sms.Inbox, http.Handler) {
	t.Helper()
	in := sms.NewInbox(newTexts(t, sms.TextConfig{Sign: "示例网"}))
	return in, in.Handler(slog.New(slog.DiscardHandler))
}

func get(t *testing.T, h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestInboxIsASender(t *testing.T) {
	t.Parallel()
	smstest.Run(t, func(t *testing.T) smstest.Subject {
		in, h := newInbox(t)
		return smstest.Subject{Sender: in, Taken: func() (taken []smstest.Taken) {
			var items []struct{ ID, Mobile, Code string }
			if err := json.Unmarshal(get(t, h, "GET", "/inbox/messages").Body.Bytes(), &items); err != nil {
				t.Error(err)
			}
			for _, item := range items {
				taken = append(taken, smstest.Taken{ID: item.ID, Mobile: item.Mobile, Code: item.Code})
			}
			return taken
		}}
	})
}

func TestInboxMessagesAreJSONNewestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, h := newInbox(t)
		if got := get(t, h, "GET", "/inbox/messages").Body.String(); got != "[]" {
			t.Errorf("empty: %s", got)
		}
		for _, m := range []rekey.Message{
			smstest.Message(t, "one", "13800000001", "000001"), message(t, "1", "2025550123", "en", 5*time.Minute),
		} {
			if _, err := in.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1500 * time.Millisecond)
		}
		w := get(t, h, "GET", "/inbox/messages")
		want := `[{"id":"id","mobile":"2025550123","text":"012345 is your 示例网 code. It expires in 5 minutes.","code":"012345",` +
			`"language":"en","at":"2000-01-01T00:00:01.5Z"},` +
			`{"id":"one","mobile":"13800000001","text":"【示例网】验证码000001，用于重置密码，5分钟内有效，请勿告诉他人。","code":"000001",` +
			`"language":"zh-CN","at":"2000-01-01T00:00:00Z"}]`
		if got := w.Body.String(); got != want || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestInboxKeepsTheLast200(t *testing.T) {
	t.Parallel()
	in, h := newInbox(t)
	for i := range 1000 {
		if _, err := in.Send(t.Context(), smstest.Message(t, fmt.Sprint(i), "13800000001", "000001")); err != nil {
			t.Fatal(err)
		}
	}
	var items []struct{ ID string }
	if err := json.Unmarshal(get(t, h, "GET", "/inbox/messages").Body.Bytes(), &items); err != nil {
		t.Fatal(err)
	}
	if len(items) != 200 || items[0].ID != "999" || items[199].ID != "800" {
		t.Errorf("%d messages, from %v", len(items), items)
	}
}

func TestInboxPageSpeaksTheReadersLanguage(t *testing.T) {
	t.Parallel()
	in, h := newInbox(t)
	for _, c := range []struct{ path, accept, want string }{
		{"/inbox/", "", `<html lang="zh-CN">`},
		{"/inbox/", "en-GB,en;q=0.9", `<html lang="en">`},
		{"/inbox/", "fr,zh;q=0.5", `<html lang="zh-CN">`},
		{"/inbox/?lang=en", "zh-CN", `<html lang="en">`},
		{"/inbox/?lang=%00", "en", `<html lang="en">`},
	} {
		w := get(t, h, "GET", c.path, "Accept-Language", c.accept)
		if w.Code != 200 || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s in %q: %d, want %s", c.path, c.accept, w.Code, c.want)
		}
	}

	if _, err := in.Send(t.Context(), smstest.Message(t, `<b id="x">`, "13800000001", "004711")); err != nil {
		t.Fatal(err)
	}
	page := get(t, h, "GET", "/inbox/").Body.String()
	for _, want := range []string{"138 0000 0001", "【示例网】验证码004711", ">004711<", `data-copy="004711"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %s", want)
		}
	}
	if strings.Contains(page, `<b id`) || strings.Contains(page, "style=") {
		t.Error("the page has unescaped text or inline style")
	}
}

func TestT38_InboxHeadersForbidFramingSniffingAndCaching(t *testing.T) {
	t.Parallel()
	_, h := newInbox(t)
	for _, path := range []string{"/inbox/", "/inbox/messages", "/inbox/inbox.css", "/inbox/inbox.js", "/inbox/none"} {
		w := get(t, h, "GET", path)
		for name, want := range map[string]string{
			"Cache-Control":                "no-store",
			"X-Content-Type-Options":       "nosniff",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Content-Security-Policy":      "frame-ancestors 'none'",
		} {
			if got := w.Header().Get(name); !strings.Contains(got, want) {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
	}
}

func TestInboxMethodsAndPaths(t *testing.T) {
	t.Parallel()
	_, h := newInbox(t)
	for _, path := range []string{"/inbox/", "/inbox/messages", "/inbox/inbox.css", "/inbox/inbox.js"} {
		for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
			if w := get(t, h, method, path); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, Allow %q", method, path, w.Code, w.Header().Get("Allow"))
			}
		}
		if w := get(t, h, "HEAD", path); w.Code != http.StatusOK {
			t.Errorf("HEAD %s: %d", path, w.Code)
		}
	}
	for _, path := range []string{"/", "/inbox/page.html", "/inbox/messages/", "/inbox/x"} {
		if w := get(t, h, "GET", path); w.Code != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, w.Code)
		}
	}
	// Whatever the page asks for is there.
	page := get(t, h, "GET", "/inbox/").Body.String()
	for _, link := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if w := get(t, h, "GET", link[1]); w.Code != http.StatusOK {
			t.Errorf("GET %s, which the page names: %d", link[1], w.Code)
		}
	}
}

func TestT36_InboxPrintsNothing(t *testing.T) {
	t.Parallel()
	in, _ := newInbox(t)
	if _, err := in.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode)); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("inbox", "inbox", in)
	fmt.Fprintf(&log, "%v %+v %#v", in, in, in)
	if s := log.String(); strings.Contains(s, canaryMobile) || strings.Contains(s, canaryCode) {
		t.Errorf("printed: %s", s)
	}
}

func TestInboxTriesAndPreviews(t *testing.T) {
	t.Parallel()
	in := sms.NewInbox(newTexts(t, sms.TextConfig{Languages: []string{"en"}, Sign: "Example"}))
	h := in.Handler(slog.New(slog.DiscardHandler))
	m := message(t, "1", "2025550123", "", time.Minute)
	const want = "012345 is your Example code. It expires in 1 minute."
	if got, err := in.Preview(m); err != nil || got != want {
		t.Errorf("preview: %q, %v", got, err)
	}
	if page := get(t, h, "GET", "/inbox/").Body.String(); strings.Contains(page, "012345") {
		t.Error("a preview was kept")
	}
	if answer, err := in.Try(t.Context(), m); err != nil || answer == "" {
		t.Errorf("try: %q, %v", answer, err)
	}
	page := get(t, h, "GET", "/inbox/").Body.String()
	for _, text := range []string{`<html lang="en">`, "+1 2025550123", want} {
		if !strings.Contains(html.UnescapeString(page), text) {
			t.Errorf("the page does not show %s", text)
		}
	}
}
