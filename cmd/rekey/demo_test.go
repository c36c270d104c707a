package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

func readAll(t *testing.T, response *http.Response) string {
	t.Helper()
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// demo starts rekey demo and reads the addresses, each alone on its line.
func demo(t *testing.T, env []string, args ...string) (p *process, page, inbox string) {
	t.Helper()
	p = start(t, command(t, t.TempDir(), env, append([]string{"demo"}, args...)...))
	alone := regexp.MustCompile(`^http://127\.0\.0\.1:\d+/\S*$`)
	page = p.line(func(line string) bool { return alone.MatchString(line) && !strings.HasSuffix(line, "/inbox/") })
	inbox = p.line(func(line string) bool { return alone.MatchString(line) && strings.HasSuffix(line, "/inbox/") })
	return p, page, inbox
}

// inboxCode is the code of the newest message of an inbox.
func inboxCode(t *testing.T, inbox string) string {
	t.Helper()
	var messages []struct{ Code string }
	if err := json.Unmarshal([]byte(body(t, inbox+"messages")), &messages); err != nil || len(messages) == 0 {
		t.Fatalf("the inbox has %v, %v", messages, err)
	}
	return messages[0].Code
}

func TestDemoRecoversThreePasswordsAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	temporary := t.TempDir()
	p, page, inbox := demo(t, []string{"TMPDIR=" + temporary, "LANG=en_US.UTF-8"}, "--listen", "127.0.0.1:0")
	s := &served{process: p, public: strings.TrimSuffix(page, "/forget_pwd/"), base: "/forget_pwd/"}
	if got := body(t, page); !strings.Contains(got, "<form") {
		t.Errorf("the page is %s", got)
	}
	if got := body(t, s.public); !strings.Contains(got, "<form") {
		t.Error("the bare address does not lead to the page")
	}
	for _, mobile := range demoNumbers {
		p.line(func(line string) bool { return strings.TrimSpace(line) == mobile })
		// More than any budget of an address bears, since they are off here.
		for range 25 {
			if a := s.must(s.ask(http.MethodGet, "mobiles/"+mobile+"/", nil)); a.Data["count"] != 1.0 {
				t.Fatalf("check answers %+v", a)
			}
		}
		sent := s.send(mobile)
		if sent.Errno != "0" {
			t.Fatalf("send answers %+v", sent)
		}
		if a := s.reset(mobile, inboxCode(t, inbox), "After2nd", sent.Data["flow"].(string)); a.Errno != "0" {
			t.Fatalf("reset answers %+v", a)
		}
	}
	if a := s.send(unknownNumber); a.Errno != "4002" {
		t.Errorf("the number that is nobody's answers %+v", a)
	}
	request, err := http.NewRequest(http.MethodGet, inbox+"messages", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "rebound.example"
	if response, err := client.Do(request); err != nil || strings.Contains(readAll(t, response), "code") {
		t.Errorf("a rebound name reads the inbox: %v", err)
	}

	p.stop(syscall.SIGINT)
	if exit := p.wait(); exit != 0 {
		t.Errorf("exit %d, want 0", exit)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDemoAnswersWhatIsNotThereAsServeDoes(t *testing.T) {
	t.Parallel()
	_, page, _ := demo(t, []string{"TMPDIR=" + t.TempDir()}, "--listen", "127.0.0.1:0")
	host := strings.TrimSuffix(strings.TrimPrefix(page, "http://"), "/forget_pwd/")
	for _, request := range []string{"GET /forget_pwd//", "GET //forget_pwd/", "GET /forget_pwd/./", "GET /inbox", "POST /nowhere", "OPTIONS *"} {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, request+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, response); response.StatusCode != http.StatusNotFound || !strings.Contains(got, `"errno"`) {
			t.Errorf("%s is answered %d %s", request, response.StatusCode, got)
		}
	}
}

func TestDemoSaysWhatToDoAboutAKeyThatIsNone(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"!", "", "c2hvcnQ="} {
		dir := t.TempDir()
		path := filepath.Join(dir, "demo.key")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		out, exit := runCommand(t, dir, nil, "", "demo", "--listen", "127.0.0.1:0", "--dir", dir)
		want := "rekey: --dir: " + path + " holds no key; delete it, and the demo makes a new one\n"
		if exit != 1 || out != want {
			t.Errorf("with the key %q: exit %d, %q, want 1, %q", content, exit, out, want)
		}
	}
}

func TestDemoSpeaksTheLanguageOfTheTerminal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		env  string
		args []string
		want string
	}{
		{"LANG=zh_CN.UTF-8", nil, "可以试的手机号："},
		{"LANG=en_US.UTF-8", nil, "Numbers to try:"},
		{"", nil, "Numbers to try:"},
		{"LC_ALL=zh_CN.UTF-8 LANG=en_US.UTF-8", nil, "可以试的手机号："},
		{"LC_ALL=C LC_MESSAGES=zh_CN LANG=zh_CN", nil, "Numbers to try:"},
		{"LC_MESSAGES=zh_TW.UTF-8 LANG=en_US", nil, "可以试的手机号："},
		{"LANG=zh_CN.UTF-8", []string{"--lang", "en"}, "Numbers to try:"},
		{"LANG=en_US.UTF-8", []string{"--lang", "zh-CN"}, "可以试的手机号："},
	} {
		p, page, _ := demo(t, strings.Fields(tt.env+" TMPDIR="+t.TempDir()), append(tt.args, "--listen", "127.0.0.1:0")...)
		p.line(func(line string) bool { return line == tt.want })
		lang := `lang="en"`
		if strings.HasPrefix(tt.want, "可") {
			lang = `lang="zh-CN"`
		}
		if got := body(t, page); !strings.Contains(got, lang) {
			t.Errorf("%s %v: the page is not in that language", tt.env, tt.args)
		}
		p.stop(syscall.SIGTERM)
		p.wait()
	}
}

func TestDemoTakesAFreePortWhereTheUsualOneIsTaken(t *testing.T) {
	t.Parallel()
	if taken, err := net.Listen("tcp", demoListen); err == nil { // else somebody else has it, which does as well
		defer taken.Close()
	}
	_, page, _ := demo(t, []string{"TMPDIR=" + t.TempDir()})
	if strings.HasPrefix(page, "http://"+demoListen+"/") {
		t.Errorf("the page is at %s, which is taken", page)
	}
}

func TestDemoGoesOnInItsFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := []string{"--listen", "127.0.0.1:0", "--dir", dir}
	p, page, inbox := demo(t, nil, args...)
	s := &served{process: p, public: strings.TrimSuffix(page, "/forget_pwd/"), base: "/forget_pwd/"}
	sent := s.send(demoNumbers[0])
	code := inboxCode(t, inbox)
	p.stop(syscall.SIGTERM)
	p.wait()

	p, page, _ = demo(t, nil, args...)
	s = &served{process: p, public: strings.TrimSuffix(page, "/forget_pwd/"), base: "/forget_pwd/"}
	if a := s.reset(demoNumbers[0], code, "After2nd", sent.Data["flow"].(string)); a.Errno != "0" {
		t.Errorf("a code of the earlier run answers %+v", a)
	}
	if a := s.must(s.ask(http.MethodGet, "mobiles/"+demoNumbers[0]+"/", nil)); a.Data["count"] != 1.0 {
		t.Errorf("the people were added again: %+v", a)
	}
}
