package interop_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must come, on a machine of any speed.
const patience = time.Minute

// longest is how long a peer may take for one command: a hundred thousand people take some seconds on a machine of its own.
const longest = 5 * time.Minute

// peer is a running process of the framework, with a project of it on one database. It takes one command a line, as a
// JSON object on stdin, and answers each with one line on stdout: {"ok":true, …} or {"ok":false, "error":"…"}. What it
// has to tell besides goes to stderr. It ends when stdin does.
//
// Every peer knows these commands; more of them are between a framework and its tests:
//
//	{"do":"setup"}                                       the schema, by the framework's own migrations
//	{"do":"add", "mobile", "password", "format", "active"}  → "id": a user, by the framework's own API
//	{"do":"login", "mobile", "password"}                 → "accepted", "session": a login, as a browser posts it
//	{"do":"session", "session"}                          → "user": the id of whom a request with that session is; empty: nobody
//
// Its environment says where the database is (DB_ENGINE, DB_NAME and, for a server, DB_HOST, DB_PORT, DB_USER,
// DB_PASSWORD) and names an empty folder for what it generates (PEER_DIR).
type peer struct {
	t       *testing.T
	process *process
	stdin   io.WriteCloser
	answers *bufio.Reader
	mu      sync.Mutex // held from a command to its answer
}

// command is the object that a peer reads, and reply the one that it answers with.
type (
	command map[string]any
	reply   struct {
		OK    bool
		Error string

		ID       string
		Accepted bool
		Session  string
		User     string
		Count    int
	}
)

// start starts f's peer on db. It ends with the test.
func (f framework) start(t *testing.T, db database) *peer {
	t.Helper()
	cmd := exec.Command(f.peer[0], f.peer[1:]...)
	cmd.Dir = f.folder
	cmd.Env = slices.Concat(os.Environ(), db.env, f.env, []string{"PEER_DIR=" + t.TempDir()})
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, stdin: stdin, answers: bufio.NewReader(stdout)}
	p.process = startProcess(t, cmd, nil)
	t.Cleanup(func() { stdin.Close() }) // before the process is killed, so that it may end by itself
	p.ask(t, command{"do": "setup"})
	return p
}

// ask hands a command to the peer and returns its answer, which must be a success.
func (p *peer) ask(t *testing.T, c command) reply {
	t.Helper()
	line, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	// A peer that hangs is ended, so that the test says at which command it did.
	watchdog := time.AfterFunc(longest, p.process.kill)
	defer watchdog.Stop()
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		t.Fatalf("the peer takes no commands: %v\n%s", err, p.process.printed())
	}
	answer, err := p.answers.ReadBytes('\n')
	if err != nil {
		t.Fatalf("the peer does not answer %v: %v\n%s", c["do"], err, p.process.printed())
	}
	var r reply
	if err := json.Unmarshal(answer, &r); err != nil {
		t.Fatalf("the peer answers %q: %v", answer, err)
	}
	if !r.OK {
		t.Fatalf("the peer fails at %v: %s\n%s", c["do"], r.Error, p.process.printed())
	}
	return r
}

// add makes a user who is active and returns the id.
func (p *peer) add(t *testing.T, mobile, password, format string) string {
	t.Helper()
	id := p.ask(t, command{"do": "add", "mobile": mobile, "password": password, "format": format, "active": true}).ID
	if id == "" {
		t.Fatal("the peer tells no id of the user that it added")
	}
	return id
}

// login signs in and returns the session, or "" if the framework refuses.
func (p *peer) login(t *testing.T, mobile, password string) string {
	t.Helper()
	r := p.ask(t, command{"do": "login", "mobile": mobile, "password": password})
	if r.Accepted && r.Session == "" {
		t.Fatal("the peer tells no session of a login that it accepts")
	}
	if !r.Accepted {
		return ""
	}
	return r.Session
}

// whose is the id of the user that a request with the session is from; "" is nobody.
func (p *peer) whose(t *testing.T, session string) string {
	t.Helper()
	return p.ask(t, command{"do": "session", "session": session}).User
}

// process is a running program and what it said on stderr.
type process struct {
	pid   int           // also of the group that its children are in
	ended chan struct{} // closed once it and its children have exited

	mu    sync.Mutex
	lines []string
}

// startProcess starts cmd. Each line of its stderr is kept and handed to heard, if that is not nil. It is killed at the
// end of the test, or of this process, and what it said is logged where the test failed.
func startProcess(t *testing.T, cmd *exec.Cmd, heard func(line string)) *process {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	// A pipe of our own: Wait must not close stdout under a reader.
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	p := &process{pid: cmd.Process.Pid, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		defer reader.Close()
		for lines := bufio.NewReader(reader); ; {
			line, err := lines.ReadString('\n')
			if line != "" {
				p.mu.Lock()
				p.lines = append(p.lines, line)
				p.mu.Unlock()
				if heard != nil {
					heard(line)
				}
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		p.kill()
		<-p.ended
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("%v said:\n%s", cmd.Args, p.printed())
		}
	})
	return p
}

// kill ends it and its children, who may hold its stderr open. It may have ended, but must not have been waited for.
func (p *process) kill() { _ = syscall.Kill(-p.pid, syscall.SIGKILL) }

// printed is the last lines of stderr.
func (p *process) printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprint(p.lines[max(0, len(p.lines)-40):])
}
