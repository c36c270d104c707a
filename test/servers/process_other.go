//go:build !linux

package servers

import "syscall"

// dieWithParent has no counterpart here: a server outlives a test binary that is killed.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}

// suspend stops a process until it gets SIGCONT; that it has stopped cannot be told here.
func suspend(pid int) error { return syscall.Kill(pid, syscall.SIGSTOP) }

// halt has no counterpart here either: PostgreSQL's processes end by themselves when they miss their parent.
func halt(int) (children []int, err error) { return nil, nil }

func ended([]int) error { return nil }
