package servers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// process is a program that was started.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed at its end; cmd.ProcessState says which
}

// startProcess starts cmd from a thread that stays until the process has ended: the system sends the signal for a dead
// parent when the thread dies that started the child (prctl(2), PR_SET_PDEATHSIG), and Go ends threads as it likes.
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in cmd.ProcessState
			close(p.exited)
		}
	}()
	return p, <-started
}

// wait waits for the end.
func (p *process) wait() error {
	select {
	case <-p.exited:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("%s does not end", filepath.Base(p.cmd.Path))
	}
}

// end sends a signal and waits for the end.
func (p *process) end(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if err := p.wait(); err != nil {
		return errors.Join(err, p.kill())
	}
	return nil
}

// kill ends the process and its children by SIGKILL, and returns when none of them runs.
func (p *process) kill() error {
	select {
	case <-p.exited:
		return nil
	default:
	}
	children, err := halt(p.cmd.Process.Pid)
	if err == syscall.ESRCH { // it has ended by itself just now
		return p.wait()
	}
	if err != nil {
		return err
	}
	for _, child := range children {
		if err := syscall.Kill(child, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			return err
		}
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if err := p.wait(); err != nil {
		return err
	}
	return ended(children)
}
