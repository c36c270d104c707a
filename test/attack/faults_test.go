package attack_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"rekey"
	"rekey/test/embedded"
)

// causes is a Recorder that keeps what operators are told of faults.
type causes struct {
	mu  sync.Mutex
	log bytes.Buffer
}

func (c *causes) Record(_ context.Context, e rekey.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintln(&c.log, e.Kind, e.Outcome, e.Err)
}

func (c *causes) tell(t *testing.T, what string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !strings.Contains(c.log.String(), what) {
		t.Errorf("nobody is told of %q in %q", what, c.log.String())
	}
}

// TestT42_AFullOrReadOnlyFileIsA503 makes SQLite refuse to write, by its own limits, and looks at what a person meets:
// during it a 503, after it the same code.
func TestT42_AFullOrReadOnlyFileIsA503(t *testing.T) {
	for name, c := range map[string]struct{ refuse, relent, cause string }{
		// The file is filled to its last page first: then there is no room for anything.
		"full":      {"PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000", "full"},
		"read-only": {"PRAGMA query_only = 1", "PRAGMA query_only = 0", "readonly"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := &causes{}
			h := embedded.Open(t, t.TempDir(), embedded.Options{Service: func(o *rekey.Options) {
				o.Recorder = told
				o.Limits.AddressSends10m, o.Limits.AddressSendsDay = 0, 0 // every number asked for makes rows
			}})
			h.Add(t, ann, bob)
			ask := func(path, body string) (int, string) {
				w := httptest.NewRecorder()
				h.Handler.ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader(body)))
				return w.Code, w.Body.String()
			}
			sent, err := h.Service.Send(t.Context(), rekey.Client{}, ann)
			if err != nil {
				t.Fatal(err)
			}
			code, hash := h.Messages(t)[0].Code, h.Hash(t, ann)
			if _, err := h.Write.Exec(c.refuse); err != nil {
				t.Fatal(err)
			}
			if name == "full" {
				if _, err := h.Write.Exec("CREATE TABLE filler (b BLOB)"); err == nil {
					for ; err == nil; _, err = h.Write.Exec("INSERT INTO filler VALUES (randomblob(2000))") {
					}
				}
			}
			rows := func() (n int) {
				if err := h.Read.QueryRow("SELECT count(*) FROM rekey_numbers").Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			before := rows()
			refused := 0
			for i := range 200 { // what still fits a page is no fault
				mobile := fmt.Sprintf("139%04d0001", i)
				if i == 0 {
					mobile = bob
				}
				status, body := ask(base+"sms_code/", fmt.Sprintf(`{"mobile":%q}`, mobile))
				if status == 503 && strings.Contains(body, `"errno":"4500"`) {
					refused++
				}
			}
			if refused == 0 {
				t.Fatal("nothing was refused")
			}
			told.tell(t, c.cause)
			status, body := ask(base, fmt.Sprintf(`{"mobile":%q,"sms_code":%q,"new_password":%q,"flow":%q}`, ann, code, newPassword, sent.Flow))
			if status == 503 && (h.Hash(t, ann) != hash || rows() > before+1) {
				t.Fatal("half of it was written")
			}
			if status != 503 && status != 200 {
				t.Fatalf("%d %s", status, body)
			}
			if _, err := h.Write.Exec(c.relent); err != nil {
				t.Fatal(err)
			}
			if status, body = ask(base, fmt.Sprintf(`{"mobile":%q,"sms_code":%q,"new_password":%q,"flow":%q}`, ann, code, newPassword, sent.Flow)); status != 200 || !strings.Contains(body, `"errno":"0"`) {
				t.Fatalf("afterwards: %d %s", status, body)
			}
		})
	}
}
