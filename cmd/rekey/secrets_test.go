package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestT36 runs the service through its ways of succeeding and failing with numbers, codes, passwords and secrets that
// are looked for afterwards wherever they could have been left.
func TestT36_T11_NoNumberCodePasswordOrSecretIsLeftAnywhere(t *testing.T) {
	t.Parallel()
	const (
		served1, served2, stranger = "13872640915", "13872640926", "13872640937"
		after, refused, stolen     = "After7canary", "no-canary!", "Stolen7canary"
		webhook                    = "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"
		token                      = "admin-canary-0123456789"
		header                     = "Bearer header-canary"
	)
	down, g := newGatewayServer(t), newGatewayServer(t)
	down.status = http.StatusBadRequest
	dir := t.TempDir()
	s := serve(t, dir, []string{served1, served2}, append(through(down, g),
		"REKEY_SMS_PROVIDERS_G2_SECRET="+webhook, "REKEY_SMS_PROVIDERS_G2_HEADERS=Authorization="+header, "REKEY_ADMIN_TOKEN="+token, "REKEY_LIMITS_ADDRESS_SENDS_10M=0")...)

	arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}

	// Success, wrong and used codes, refused passwords, unknown numbers, bad forms.
	sent := s.send(served1)
	if sent.Errno != "0" {
		t.Fatalf("send answers %+v", sent)
	}
	code, flow := g.code(t), sent.Data["flow"].(string)
	wrong := "271828"
	if code == wrong {
		wrong = "271829"
	}
	s.send(served1)
	s.reset(served1, wrong, stolen, flow)
	s.reset(served1, wrong, stolen, "")
	s.reset(served1, code, refused, flow)
	if a := s.reset(served1, code, after, flow); a.Errno != "0" {
		t.Fatalf("reset answers %+v", a)
	}
	s.reset(served1, code, stolen, flow)
	s.send(stranger)
	s.reset(stranger, code, stolen, "")
	s.must(s.ask(http.MethodGet, "mobiles/"+served1+"/", nil))
	s.must(s.ask(http.MethodGet, "mobiles/+86"+served1+"/", nil))
	s.must(s.ask(http.MethodPost, "sms_code/", map[string]any{"mobile": []string{served1}, "new_password": stolen}))
	s.must(s.ask(http.MethodPost, "sms_code/", served1+stolen+code))
	s.must(s.ask(http.MethodPost, "", map[string]any{"mobile": served1, "sms_code": code, "new_password": strings.Repeat(stolen, 500)}))
	s.must(s.ask(http.MethodGet, served1+"/"+code+"?new_password="+stolen, nil))
	if response, err := client.Get(s.public + s.base + "?mobile=" + served1 + "&sms_code=" + code + "&new_password=" + stolen); err != nil {
		t.Fatal(err)
	} else {
		readAll(t, response)
	}
	if response, err := client.Get(s.admin + "/readyz?token=" + token); err != nil || response.StatusCode != http.StatusUnauthorized {
		t.Errorf("the admin side without its token: %v, %v", response, err)
	}

	// Every provider down; the users table gone; the code store gone.
	g.mu.Lock()
	g.status = http.StatusForbidden
	g.mu.Unlock()
	s.send(served2)
	sabotage(t, filepath.Join(dir, "users.db"), "ALTER TABLE users RENAME TO elsewhere")
	if a := s.send(served2); a.Status != http.StatusServiceUnavailable {
		t.Errorf("without a users table, send answers %+v", a)
	}
	sabotage(t, filepath.Join(dir, "users.db"), "ALTER TABLE elsewhere RENAME TO users")
	left := files(t, dir, "codes.db*") // as it is while the service runs
	var codes []string
	for _, m := range g.taken() {
		codes = append(codes, m.Code)
	}
	printed := ""
	for _, args := range [][]string{{"unlock", served1}, {"config"}, {"config", "--check"}, {"user", "add", "--mobile", served1, "--password-stdin"}} {
		out, _ := runCommand(t, dir, s.env, stolen+"\n", args...)
		printed += out
	}
	sabotage(t, filepath.Join(dir, "codes.db"), "DROP TABLE rekey_numbers")
	if a := s.send(served2); a.Status != http.StatusServiceUnavailable {
		t.Errorf("without a code store, send answers %+v", a)
	}
	if a := s.reset(served1, code, stolen, flow); a.Status != http.StatusServiceUnavailable {
		t.Errorf("without a code store, reset answers %+v", a)
	}
	s.stop(syscall.SIGTERM)
	s.wait()

	numbers := []string{served1, served2, stranger}
	passwords := []string{after, refused, stolen, "Before1st"}
	secrets := []string{goodKey, "canary"}
	for where, content := range map[string]string{
		"the output of serve": s.printed(), "the output of the commands": printed, "the arguments of serve": string(arguments),
	} {
		if content == "" {
			t.Errorf("there is nothing in %s", where)
		}
		expectNone(t, where, content, slices.Concat(numbers, passwords, secrets), codes)
	}
	for name, content := range left {
		expectNone(t, name, string(content), slices.Concat(numbers, passwords, secrets), append(codes, wrong))
	}
	for name, content := range files(t, dir, "users.db*") {
		expectNone(t, name, string(content), slices.Concat(passwords, secrets), nil)
	}
	for _, kind := range []string{"store_down", "users_down", "not_delivered", "wrong_code", "invalid_password", "expired"} {
		if !strings.Contains(s.printed(), kind) {
			t.Errorf("the log has no %s: that path was not taken", kind)
		}
	}
}

// expectNone looks for texts anywhere and for codes as numbers of their own: six digits can stand within a time stamp.
func expectNone(t *testing.T, where, content string, texts, codes []string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(content, text) {
			t.Errorf("%s has %q", where, text)
		}
	}
	for _, code := range codes {
		if regexp.MustCompile(`(^|[^0-9.])` + code + `([^0-9]|$)`).MatchString(content) {
			t.Errorf("%s has the code %s", where, code)
		}
	}
}

func sabotage(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// TestT37 sends what could end or colour a line of the log in everything that a client can choose.
func TestT37_WhatClientsSendStaysInOneRecord(t *testing.T) {
	t.Parallel()
	g := newGatewayServer(t)
	dir := t.TempDir()
	s := serve(t, dir, []string{"13800000001"}, append(through(g), "REKEY_TRUSTED_PROXIES=127.0.0.0/8")...)
	const evil = "\x1b[31m\u2028{\"level\":\"INFO\",\"msg\":\"forged\"}"
	for _, path := range []string{"mobiles/138%0a%0d%1b%5b31m%e2%80%a8/", "%0a{%22msg%22:%22forged%22}", "mobiles/" + "13800000001%0d%0aforged/"} {
		request, err := http.NewRequest(http.MethodGet, s.public+s.base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"X-Request-Id", "User-Agent", "X-Forwarded-For", "Accept-Language", "X-Csrftoken", "Origin", "Referer"} {
			request.Header.Set(name, strings.ReplaceAll(evil, "\x1b", "\t"))
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		readAll(t, response)
	}
	s.must(s.ask(http.MethodPost, "sms_code/", map[string]string{"mobile": evil + "\r\n", "flow": evil}))
	s.stop(syscall.SIGTERM)
	s.wait()
	for line := range strings.SplitSeq(s.printed(), "\n") {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Errorf("a line is no record: %q", line)
		}
		if record["msg"] == "forged" {
			t.Errorf("a client wrote a record: %q", line)
		}
		if strings.ContainsAny(line, "\x1b\r\u2028\u2029") {
			t.Errorf("a control character stands in the log: %q", line)
		}
	}
}

// TestT12 builds the binary as it is released and tries the codes that test builds like to take.
func TestT12_ThereIsNoTestOrMasterCodeInTheReleaseBinary(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary := filepath.Join(dir, "rekey")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	linked, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(linked)) {
		if path == "internal/synctest" { // a part of time and runtime
			continue
		}
		if path == "testing" || strings.HasPrefix(path, "testing/") || strings.HasSuffix(path, "test") || strings.Contains(path, "rekey/test/") {
			t.Errorf("%s is linked into the release binary", path)
		}
	}

	cmd := &exec.Cmd{Path: binary, Args: []string{"rekey", "demo", "--lang", "en", "--listen", "127.0.0.1:0"}, Dir: dir, Env: []string{"TMPDIR=" + dir}}
	p := start(t, cmd)
	page := p.line(func(line string) bool { return strings.HasSuffix(line, "/forget_pwd/") })
	inbox := p.line(func(line string) bool { return strings.HasSuffix(line, "/inbox/") })
	s := &served{process: p, public: strings.TrimSuffix(page, "/forget_pwd/"), base: "/forget_pwd/"}
	tries := []string{"000000", "123456", "888888", "666666", "111111", "999999", "654321", "121212", "012345", "222222", "112233", "987654"}
	for i, mobile := range demoNumbers {
		sent := s.send(mobile)
		if sent.Errno != "0" {
			t.Fatalf("send answers %+v", sent)
		}
		code, flow := inboxCode(t, inbox), sent.Data["flow"].(string)
		for _, try := range tries[i*4 : i*4+4] {
			if try == code {
				continue
			}
			if a := s.reset(mobile, try, "After2nd", flow); a.Status != http.StatusForbidden || a.Errno != "4103" || a.Data["attempts_left"] == nil {
				t.Errorf("%s is answered %+v", try, a)
			}
		}
		// The code was live all the time, so it is the guesses that were refused.
		if a := s.reset(mobile, code, "After2nd", flow); a.Errno != "0" {
			t.Errorf("the code itself is answered %+v", a)
		}
	}
}
