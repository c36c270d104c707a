package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must come, on a machine of any speed.
const patience = 2 * time.Minute

// process is a running rekey, its log and what it printed.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	dir    string
	exited chan struct{}

	mu     sync.Mutex
	more   *sync.Cond
	output []string // lines of stdout and stderr
	ended  bool     // both have ended
}

// command is rekey with args, in dir, with no environment but env. It is this test's own binary: testscript.Main runs
// main where the program is called rekey.
func command(t *testing.T, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &exec.Cmd{Path: self, Args: append([]string{"rekey"}, args...), Dir: dir, Env: append(slices.Clone(env), endsAtOnce)}
}

// endsAtOnce is for the environment of a rekey with the race detector, which would else wait at its end for a second, in
// which races might be seen that are none of the command's (go.dev/doc/articles/race_detector, atexit_sleep_ms).
const endsAtOnce = "GORACE=atexit_sleep_ms=0"

// rekey runs a command to its end, with input on stdin, and returns all that it printed.
func runCommand(t *testing.T, dir string, env []string, input string, args ...string) (output string, exit int) {
	t.Helper()
	cmd := command(t, dir, env, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// start starts cmd; it is killed at the end of the test if it still runs.
func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, dir: cmd.Dir, exited: make(chan struct{})}
	p.more = sync.NewCond(&p.mu)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for scanner := bufio.NewScanner(reader); scanner.Scan(); {
			p.mu.Lock()
			p.output = append(p.output, scanner.Text())
			p.more.Broadcast()
			p.mu.Unlock()
		}
		reader.Close()
		p.mu.Lock()
		p.ended = true
		p.more.Broadcast()
		p.mu.Unlock()
		cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("output of %v:\n%s", cmd.Args, p.printed())
		}
	})
	return p
}

// printed is all lines so far.
func (p *process) printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.output, "\n")
}

// lineTime is how long a line may take to come on the slowest machine.
const lineTime = 2 * time.Minute

// line waits for a line that fits and returns it.
func (p *process) line(fits func(string) bool) string {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	late := false
	timer := time.AfterFunc(lineTime, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		late = true
		p.more.Broadcast()
	})
	defer timer.Stop()
	for i := 0; ; i++ {
		for i == len(p.output) {
			if p.ended || late {
				p.t.Fatalf("the line that was waited for did not come:\n%s", strings.Join(p.output, "\n"))
			}
			p.more.Wait()
		}
		if fits(p.output[i]) {
			return p.output[i]
		}
	}
}

// record waits for a record of the log with that message.
func (p *process) record(message string) map[string]any {
	p.t.Helper()
	var record map[string]any
	p.line(func(line string) bool {
		record = nil
		return json.Unmarshal([]byte(line), &record) == nil && record["msg"] == message
	})
	return record
}

// stop sends a signal.
func (p *process) stop(signal syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
}

// wait waits for the end and returns the exit code.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatal("the process does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

// served is a running rekey serve.
type served struct {
	*process
	public, admin string // http://HOST:PORT
	env           []string
	base          string
}

// cheapHash is what new hashes cost: little, and more than before1st, from which they can so be told. The 600,000 rounds that
// they have without it take seconds with the race detector on a busy machine, of the twelve that a request has.
const cheapHash = "REKEY_USERS_HASH_FLOOR=pbkdf2_sha256$2000"

// serve starts rekey serve in a folder of its own, with settings as NAME=value, and people under numbers, whose password
// is "Before1st". Codes and people are in two files.
func serve(t *testing.T, dir string, people []string, settings ...string) *served {
	t.Helper()
	env := append([]string{
		"REKEY_KEYS=" + goodKey, "REKEY_LISTEN=127.0.0.1:0", "REKEY_ADMIN_LISTEN=127.0.0.1:0",
		"REKEY_USERS_DSN=sqlite:users.db", "REKEY_CODES_STORE=sqlite:codes.db", cheapHash,
	}, settings...)
	var csv strings.Builder
	for _, mobile := range people {
		fmt.Fprintf(&csv, "%s,%s\n", mobile, before1st)
	}
	if out, exit := runCommand(t, dir, env, csv.String(), "user", "import", "--hashed", "-"); exit != 0 {
		t.Fatal(out)
	}
	s := &served{process: start(t, command(t, dir, env, "serve")), env: env, base: "/forget_pwd/"}
	serving := s.record("serving")
	s.public, s.admin = "http://"+serving["public"].(string), "http://"+serving["admin"].(string)
	return s
}

// before1st is "Before1st" as Django 3.2 stores it, made with few iterations by
// python3 -c "import hashlib,base64; print(base64.b64encode(hashlib.pbkdf2_hmac('sha256', b'Before1st', b'saltsaltsalt', 1000)))".
const before1st = "pbkdf2_sha256$1000$saltsaltsalt$MLtk/dMG9Oyfv5LSqy4B0fEorohP/uHZYg/1LJ+QmMQ="

// client is a native app: it keeps cookies in no jar and hands its flow back.
var client = &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// answer is the envelope of the contract.
type answer struct {
	Status int
	Errno  string
	Errmsg string
	Data   map[string]any
}

func (s *served) ask(method, path string, body any) (answer, error) {
	return ask(method, s.public+s.base+path, body)
}

func ask(method, url string, body any) (answer, error) {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequest(method, url, content)
	if err != nil {
		return answer{}, err
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	a := answer{Status: response.StatusCode}
	return a, json.NewDecoder(response.Body).Decode(&a)
}

// send asks for a code and reset redeems one; both fail the test if there is no answer of the contract.
func (s *served) send(mobile string) answer {
	s.t.Helper()
	return s.must(s.ask(http.MethodPost, "sms_code/", map[string]string{"mobile": mobile}))
}

func (s *served) reset(mobile, code, password, flow string) answer {
	s.t.Helper()
	return s.must(s.ask(http.MethodPost, "", map[string]string{
		"mobile": mobile, "sms_code": code, "new_password": password, "flow": flow,
	}))
}

func (s *served) must(a answer, err error) answer {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// files reads every file of a folder whose name fits the pattern.
func files(t *testing.T, dir, pattern string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, name := range names {
		if all[name], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return all
}
