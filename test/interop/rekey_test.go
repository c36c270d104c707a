package interop_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// service is a running rekey serve.
type service struct {
	public, admin string // http://HOST:PORT
	client        *http.Client
}

// settings are what a test changes in rekey.toml.
type settings struct {
	users  string // the section [users] without its dsn
	policy string // of passwords; empty: "nist"
}

// serve starts rekey serve on db with a configuration of its own, codes in SQLite and messages in an inbox. Budgets that
// are shared by all people of one address are off: every test is one.
func serve(t *testing.T, db database, s settings) *service {
	t.Helper()
	if s.policy == "" {
		s.policy = "nist"
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "rekey.toml")
	key := make([]byte, 32)
	rand.Read(key)
	text := fmt.Sprintf(`listen = "127.0.0.1:0"
keys = [%q]

[users]
dsn = %q
%s

[codes]
store = "sqlite:codes.db"

[limits]
address_sends_10m = 0
address_sends_day = 0
prefix_sends_hour = 0
prefix_sends_day = 0
address_lookups = 0
address_lookups_day = 0
conversion_floor = 0

[password]
policy = %q

[sms]
order = ["inbox"]

[admin]
listen = "127.0.0.1:0"
`, base64.StdEncoding.EncodeToString(key), patient(db), s.users, s.policy)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("rekey", "serve", "--config", file)
	cmd.Dir = dir
	serving := make(chan map[string]any, 1)
	p := startProcess(t, cmd, func(line string) {
		var record map[string]any
		if json.Unmarshal([]byte(line), &record) == nil && record["msg"] == "serving" {
			serving <- record
		}
	})
	select {
	case record := <-serving:
		return &service{
			public: fmt.Sprint("http://", record["public"]), admin: fmt.Sprint("http://", record["admin"]),
			client: &http.Client{Timeout: patience},
		}
	case <-p.ended:
		t.Fatalf("rekey serve ended:\n%s", p.printed())
	case <-time.After(patience):
		t.Fatalf("rekey serve does not begin to serve:\n%s", p.printed())
	}
	return nil
}

// patient is the data source of a database on a machine of any speed.
func patient(db database) string {
	switch {
	case db.engine == "sqlite":
		return db.dsn
	case strings.Contains(db.dsn, "?"):
		return db.dsn + "&connect_timeout=60&step_timeout=1m"
	}
	return db.dsn + "?connect_timeout=60&step_timeout=1m"
}

// answer is the contract's envelope with its status.
type answer struct {
	Status        int
	Errno, Errmsg string
	Data          struct {
		Count int
		Flow  string
	}
}

// ask asks as people do: who is told to try again does so, twice at the most. A machine that stalls for longer than a
// request may take makes that so, whatever database it is.
func (s *service) ask(t *testing.T, method, path string, body map[string]string) answer {
	t.Helper()
	a := s.askOnce(t, method, path, body)
	for again := 0; again < 2 && a.Status == http.StatusServiceUnavailable; again++ {
		t.Logf("%s %q is asked again after %+v", method, path, a)
		a = s.askOnce(t, method, path, body)
	}
	return a
}

func (s *service) askOnce(t *testing.T, method, path string, body map[string]string) answer {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, s.public+"/forget_pwd/"+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	response, err := s.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	a := answer{Status: response.StatusCode}
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
		t.Fatalf("%s %s: %d: %v", method, path, a.Status, err)
	}
	return a
}

// count is how many accounts rekey finds under a number.
func (s *service) count(t *testing.T, mobile string) int {
	t.Helper()
	a := s.ask(t, http.MethodGet, "mobiles/"+mobile+"/", nil)
	if a.Status != http.StatusOK || a.Errno != "0" {
		t.Fatalf("check of %s answers %+v", mobile, a)
	}
	return a.Data.Count
}

// send asks for a code.
func (s *service) send(t *testing.T, mobile string) answer {
	t.Helper()
	return s.ask(t, http.MethodPost, "sms_code/", map[string]string{"mobile": mobile})
}

// code is the code that the latest message to a number holds; "" if there is none.
func (s *service) code(t *testing.T, mobile string) string {
	t.Helper()
	response, err := s.client.Get(s.admin + "/inbox/messages")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var messages []struct{ Mobile, Code string }
	if err := json.NewDecoder(response.Body).Decode(&messages); err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if m.Mobile == mobile {
			return m.Code
		}
	}
	return ""
}

// reset goes the whole way of somebody who has forgotten the password, and returns the answer to the last step.
func (s *service) reset(t *testing.T, mobile, password string) answer {
	t.Helper()
	if n := s.count(t, mobile); n != 1 {
		t.Fatalf("rekey finds %d accounts under %s, want 1", n, mobile)
	}
	sent := s.send(t, mobile)
	if sent.Errno != "0" {
		t.Fatalf("send answers %+v", sent)
	}
	return s.ask(t, http.MethodPost, "", map[string]string{
		"mobile": mobile, "sms_code": s.code(t, mobile), "new_password": password, "flow": sent.Data.Flow,
	})
}
