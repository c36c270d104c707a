package servers

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Program is a program that a test runs beside it, such as the far side of a protocol.
type Program struct {
	process *process
	stderr  string
}

// StartProgram starts cmd for a test. It is killed, with the processes that it has started, when the test ends, and dies
// with the test binary. Its stderr is kept, and logged where the test fails; stdin and stdout are the caller's.
func StartProgram(t testing.TB, cmd *exec.Cmd) *Program {
	t.Helper()
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	cmd.Stderr = stderr
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	dieWithParent(cmd.SysProcAttr, syscall.SIGKILL)
	started, err := startProcess(cmd)
	if err != nil {
		t.Fatal(err)
	}
	p := &Program{process: started, stderr: stderr.Name()}
	t.Cleanup(func() {
		p.Kill(t)
		if t.Failed() {
			t.Logf("%s said last:\n%s", filepath.Base(cmd.Path), p.Said())
		}
	})
	return p
}

// Kill ends the program by SIGKILL, with the processes that it has started, and returns once none of them runs. One that
// has ended is left alone.
func (p *Program) Kill(t testing.TB) {
	t.Helper()
	if err := p.process.kill(); err != nil {
		t.Error(err)
	}
}

// Exited is closed when the program has ended, for whatever reason.
func (p *Program) Exited() <-chan struct{} { return p.process.exited }

// Said is the end of what the program wrote on stderr.
func (p *Program) Said() string {
	return tail(p.stderr)
}

// ReservePort is a free TCP port of loopback that nobody else is given until the test ends: connections are refused until
// a program listens on it, which may end and start again. The program must set SO_REUSEADDR, as servers do.
func ReservePort(t testing.TB) int {
	t.Helper()
	reserved, err := reservePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := reserved.close(); err != nil {
			t.Error(err)
		}
	})
	return reserved.number
}

// Need is the path of a program. One that is not installed skips the test, and fails it where CI is set: what names it for
// people, and how says what brings it, such as "apt-get install kannel".
func Need(t testing.TB, program, what, how string) string {
	t.Helper()
	found, err := findProgram(program)
	if err != nil {
		Missing(t, what, how)
	}
	return found
}

// Missing ends a test for which something is not installed: where CI is set as a failure, else as a skip.
func Missing(t testing.TB, what, how string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed: %s, or make tools", what, how)
	}
	t.Skipf("%s is not installed: %s, or make tools", what, how)
}
