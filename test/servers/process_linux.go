package servers

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// dieWithParent makes the system send a signal to the child when the thread that starts it dies.
func dieWithParent(a *syscall.SysProcAttr, signal syscall.Signal) { a.Pdeathsig = signal }

// children lists the processes that pid has started and that have not been waited for.
func children(pid int) ([]int, error) {
	found, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var all []int
	for _, folder := range found {
		child, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			return nil, err
		}
		_, parent, err := status(child)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		if parent == pid {
			all = append(all, child)
		}
	}
	return all, nil
}

// suspend stops a process until it gets SIGCONT, and returns once it has stopped.
func suspend(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	return await(pid, 'T')
}

// halt stops a process, so that it makes no more children, and lists those that it has.
func halt(pid int) ([]int, error) {
	if err := suspend(pid); err != nil {
		return nil, err
	}
	return children(pid)
}

// ended waits until none of the processes runs.
func ended(pids []int) error {
	for _, pid := range pids {
		if err := await(pid, 'Z'); err != nil {
			return err
		}
	}
	return nil
}

// await waits until a process is in a state, or has ended: one that nobody has waited for stays in the table as a zombie,
// Z.
func await(pid int, wanted byte) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		state, _, err := status(pid)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) || err == nil && (state == wanted || state == 'Z') {
			return nil
		}
		if err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d was sent a signal and is still in state %c", pid, state)
		}
	}
}

// status reads the state and the parent of a process: "pid (name) state parent …" in /proc/pid/stat, proc(5), where the
// name may hold anything.
func status(pid int) (state byte, parent int, err error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	if _, err := fmt.Sscanf(string(content[bytes.LastIndexByte(content, ')')+1:]), " %c %d", &state, &parent); err != nil {
		return 0, 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	return state, parent, nil
}
