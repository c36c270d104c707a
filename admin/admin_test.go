package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rekey/admin"
)

func get(h http.Handler, url string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, url, nil)
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func part(name string, err error) admin.Part {
	return admin.Part{Name: name, Check: func(context.Context) error { return err }}
}

func TestReadinessNamesThePartThatIsDownAndLogsWhy(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := admin.New(admin.Options{
		Parts: []admin.Part{part("users", nil), part("codes", errors.New("disk on fire"))},
		Log:   slog.New(slog.NewJSONHandler(&log, nil)),
	})
	w := get(h, "http://127.0.0.1:8001/readyz")
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d, want 503", w.Code)
	}
	if got, want := w.Body.String(), `{"ready":false,"parts":{"codes":"down","users":"ok"}}`+"\n"; got != want {
		t.Errorf("body %s, want %s", got, want)
	}
	var record map[string]any
	if err := json.Unmarshal(log.Bytes(), &record); err != nil || record["part"] != "codes" || record["cause"] != "disk on fire" {
		t.Errorf("log %s, %v", &log, err)
	}
}

func TestReadyWhenEveryPartIs(t *testing.T) {
	t.Parallel()
	h := admin.New(admin.Options{Parts: []admin.Part{part("users", nil), part("codes", nil)}})
	w := get(h, "http://localhost:8001/readyz")
	if got, want := w.Body.String(), `{"ready":true,"parts":{"codes":"ok","users":"ok"}}`+"\n"; w.Code != 200 || got != want {
		t.Errorf("%d %s, want 200 %s", w.Code, got, want)
	}
}

func TestAPartThatHangsIsDownAndHealthIsNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := admin.New(admin.Options{Parts: []admin.Part{{Name: "codes", Check: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}}})
		if w := get(h, "http://127.0.0.1/readyz"); w.Code != http.StatusServiceUnavailable {
			t.Errorf("status %d, want 503", w.Code)
		}
		if w := get(h, "http://127.0.0.1/healthz"); w.Code != http.StatusOK || w.Body.String() != "ok\n" {
			t.Errorf("health is %d %s", w.Code, w.Body)
		}
	})
}

func TestHoweverManyAskAPartIsLookedAtOnceAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		hang := make(chan struct{})
		deaf := admin.Part{Name: "users", Check: func(context.Context) error {
			looks.Add(1)
			<-hang
			return nil
		}}
		h := admin.New(admin.Options{Parts: []admin.Part{deaf, part("codes", nil)}})
		began := time.Now()
		var probes sync.WaitGroup
		ask := func(n int) {
			for range n {
				probes.Go(func() {
					w := get(h, "http://127.0.0.1/readyz")
					if want := `{"ready":false,"parts":{"codes":"ok","users":"down"}}` + "\n"; w.Code != http.StatusServiceUnavailable || w.Body.String() != want {
						t.Errorf("%d %s, want 503 %s", w.Code, w.Body, want)
					}
				})
			}
			probes.Wait()
		}
		ask(100)
		ask(100)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("two rounds of probes took %v", took)
		}
		if n := looks.Load(); n != 1 {
			t.Errorf("%d looks at a part that had not answered the first", n)
		}
		close(hang)
		synctest.Wait()
		if w := get(h, "http://127.0.0.1/readyz"); w.Code != http.StatusOK || looks.Load() != 2 {
			t.Errorf("once it answers: %d after %d looks", w.Code, looks.Load())
		}
	})
}

func TestAProbeThatLeavesSpoilsNobodysLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := admin.New(admin.Options{Parts: []admin.Part{{Name: "codes", Check: func(ctx context.Context) error {
			select {
			case <-time.After(100 * time.Millisecond):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}}})
		ctx, leave := context.WithCancel(t.Context())
		go get(h, "http://127.0.0.1/readyz", func(r *http.Request) { *r = *r.WithContext(ctx) })
		synctest.Wait()
		go leave()
		if w := get(h, "http://127.0.0.1/readyz"); w.Code != http.StatusOK {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

func TestProvidersAreToldAsJSON(t *testing.T) {
	t.Parallel()
	how := []map[string]any{{"provider": "aliyun", "breaker": "open"}}
	h := admin.New(admin.Options{Providers: func() any { return how }})
	w := get(h, "http://localhost:8001/providers")
	if got, want := w.Body.String(), `[{"breaker":"open","provider":"aliyun"}]`+"\n"; w.Code != 200 || got != want || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %s, want 200 %s", w.Code, got, want)
	}
	if w := get(admin.New(admin.Options{}), "http://localhost:8001/providers"); w.Code != http.StatusNotFound {
		t.Errorf("without them the answer is %d", w.Code)
	}
	var log bytes.Buffer
	h = admin.New(admin.Options{Providers: func() any { return func() {} }, Log: slog.New(slog.NewJSONHandler(&log, nil))})
	if w := get(h, "http://localhost:8001/providers"); w.Code != http.StatusInternalServerError || log.Len() == 0 {
		t.Errorf("what is no JSON is answered %d, and the log is %s", w.Code, &log)
	}
}

func TestATokenIsAskedOfEveryPath(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdef0123"
	inbox := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("codes")) })
	h := admin.New(admin.Options{Token: token, Inbox: inbox})
	bearer := func(s string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", s) }
	}
	basic := func(r *http.Request) { r.SetBasicAuth("anybody", token) }
	for _, path := range []string{"/healthz", "/readyz", "/inbox/", "/inbox/messages", "/providers", "/nowhere"} {
		for _, wrong := range []func(*http.Request){
			bearer(""), bearer("Bearer "), bearer("Bearer " + token[1:]), bearer("Bearer " + token + "0"), bearer(token),
			func(r *http.Request) { r.SetBasicAuth(token, "") },
		} {
			w := get(h, "http://rekey.internal:8001"+path, wrong)
			if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" || strings.Contains(w.Body.String(), token) {
				t.Errorf("%s without the token: %d %s", path, w.Code, w.Body)
			}
		}
		for _, right := range []func(*http.Request){bearer("Bearer " + token), bearer("bearer " + token), basic} {
			if w := get(h, "http://rekey.internal:8001"+path, right); w.Code == http.StatusUnauthorized {
				t.Errorf("%s with the token is refused", path)
			}
		}
	}
}

func TestT34_WithoutATokenOnlyALoopbackHostIsAnswered(t *testing.T) {
	t.Parallel()
	inbox := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("codes")) })
	h := admin.New(admin.Options{Inbox: inbox})
	for host, want := range map[string]int{
		"127.0.0.1:8001": 200, "localhost:8001": 200, "[::1]:8001": 200, "127.0.0.1": 200, "[::1]": 200, "127.8.9.1:8001": 200,
		"evil.example:8001": 421, "192.168.1.1:8001": 421, "": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421,
	} {
		w := get(h, "http://x/inbox/messages", func(r *http.Request) { r.Host = host })
		if w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
		if want != 200 && strings.Contains(w.Body.String(), "codes") {
			t.Errorf("Host %q reads the inbox", host)
		}
	}
}

func TestAnswersAreNeitherCachedNorGuessed(t *testing.T) {
	t.Parallel()
	h := admin.New(admin.Options{})
	for _, path := range []string{"/healthz", "/readyz", "/inbox/", "/"} {
		w := get(h, "http://127.0.0.1"+path)
		if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s has headers %v", path, w.Header())
		}
	}
	if w := get(h, "http://127.0.0.1/inbox/"); w.Code != http.StatusNotFound {
		t.Errorf("an inbox that is not there answers %d", w.Code)
	}
}
