package servers

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// homes are named so. A home is locked (flock) as long as the binary lives that made it, so that one of a binary that was
// killed can be told.
const homes = "rekey-servers-"

// home is the folder of one server's files and the system's user that it runs as: both servers refuse to run as root.
type home struct {
	folder string
	lock   *os.File
	as     *syscall.Credential // nil: the test's own user
}

// newHome makes a home for the programs of a system's user. First it removes those that nobody holds any more.
func newHome(systemUser string) (*home, error) {
	as, err := unprivileged(systemUser)
	if err != nil {
		return nil, err
	}
	if err := sweep(); err != nil {
		return nil, err
	}
	// It gets its name once it is locked: no sweep may find it before.
	made, err := os.MkdirTemp("", "new-"+homes)
	if err != nil {
		return nil, err
	}
	locked, err := lock(made)
	if err != nil {
		return nil, errors.Join(err, os.Remove(made))
	}
	h := &home{folder: made, lock: locked, as: as}
	if err := h.open(); err != nil {
		return nil, errors.Join(err, h.remove())
	}
	return h, nil
}

// open gives the home its name, to the user that it is for, and lets everybody in: the authority's certificate is for
// every program that a test starts.
func (h *home) open() error {
	named := filepath.Join(filepath.Dir(h.folder), strings.TrimPrefix(filepath.Base(h.folder), "new-"))
	if err := os.Rename(h.folder, named); err != nil {
		return err
	}
	h.folder = named
	if err := h.hand(h.folder); err != nil {
		return err
	}
	return os.Chmod(h.folder, 0o711)
}

// unprivileged is whom a server runs as: nil, the test's own user, unless that is root.
func unprivileged(systemUser string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(systemUser)
	if err != nil {
		return nil, fmt.Errorf("no user for a server that must not run as root: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// lock takes the lock of a folder, until the file is closed or the process ends.
func lock(folder string) (*os.File, error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// sweep removes the homes that binaries left which were killed.
func sweep() error {
	found, err := filepath.Glob(filepath.Join(os.TempDir(), homes+"*"))
	if err != nil {
		return err
	}
	for _, folder := range found {
		f, err := lock(folder)
		if err != nil {
			continue // somebody's, or of another user
		}
		// A server that still ends may write while this removes: what stays is for the next sweep.
		_ = os.RemoveAll(folder)
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (h *home) path(name string) string { return filepath.Join(h.folder, name) }

// hand gives a file to the user that the server runs as.
func (h *home) hand(path string) error {
	if h.as == nil {
		return nil
	}
	return os.Chown(path, int(h.as.Uid), int(h.as.Gid))
}

// write makes a file that the server's user alone may read.
func (h *home) write(name string, content []byte) error {
	if err := os.WriteFile(h.path(name), content, 0o600); err != nil {
		return err
	}
	return h.hand(h.path(name))
}

// makeFolder makes a folder that the server's user alone may enter.
func (h *home) makeFolder(name string) error {
	if err := os.Mkdir(h.path(name), 0o700); err != nil {
		return err
	}
	return h.hand(h.path(name))
}

// log is where programs write.
func (h *home) log() string { return h.path("log") }

// said is the end of what programs wrote.
func (h *home) said() string { return tail(h.log()) }

// tail is the end of a file, or why there is none.
func tail(name string) string {
	const most = 8 << 10
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "(nothing)"
	}
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err.Error()
	}
	content, err := io.ReadAll(io.NewSectionReader(f, max(0, size-most), most))
	if err != nil {
		return err.Error()
	}
	return string(content)
}

// start starts a program in the home, with none of the test's environment but PATH. It gets the signal when the test
// binary dies.
func (h *home) start(atDeath syscall.Signal, program string, arguments ...string) (*process, error) {
	out, err := os.OpenFile(h.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(program, arguments...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = h.folder, out, out
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: h.as}
	dieWithParent(cmd.SysProcAttr, atDeath)
	return startProcess(cmd)
}

// run runs a program to its end; what it wrote is in the error.
func (h *home) run(program string, arguments ...string) error {
	p, err := h.start(syscall.SIGKILL, program, arguments...)
	if err != nil {
		return err
	}
	if err := p.wait(); err != nil {
		return errors.Join(err, p.kill())
	}
	if !p.cmd.ProcessState.Success() {
		return fmt.Errorf("%s: %v\n%s", filepath.Base(program), p.cmd.ProcessState, h.said())
	}
	return nil
}

// remove removes the home.
func (h *home) remove() error { return errors.Join(os.RemoveAll(h.folder), h.lock.Close()) }

// findProgram finds a program in PATH or, since Debian leaves that out of the PATH of users, in /usr/sbin.
func findProgram(name string) (string, error) {
	found, err := exec.LookPath(name)
	if err == nil {
		return found, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", name))
}
