package servers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestKillLeavesNoProcess(t *testing.T) {
	eachEngine(t, func(t *testing.T, c engineCase) {
		s := c.start(t)
		must(t, s.NewDatabase(t).Open(t), "SELECT 1")
		leader := s.process.cmd.Process.Pid
		all, err := children(leader)
		if err != nil {
			t.Fatal(err)
		}
		if s.Kind == Postgres && len(all) < 3 {
			t.Fatalf("PostgreSQL with %d processes and a client", len(all))
		}
		s.Kill(t)
		for _, pid := range append(all, leader) {
			if state, _, err := status(pid); err == nil && state != 'Z' {
				t.Errorf("process %d runs", pid)
			}
		}
		memory, err := os.ReadFile("/proc/sysvipc/shm")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(memory)) {
			const maker = 4 // from 0: cpid, proc(5); other columns may well hold the same number
			if columns := strings.Fields(line); len(columns) > maker && columns[maker] == strconv.Itoa(leader) {
				t.Errorf("a segment of shared memory is left: %s", line)
			}
		}
	})
}

func TestNothingOutlivesATestBinaryThatIsKilled(t *testing.T) {
	t.Parallel()
	for _, find := range []func() (engine, error){findPostgreSQL, findMariaDB} {
		_, err := find()
		require(t, err)
	}
	_, err := findRedis()
	require(t, err)
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), role+"="+holder)
	child.Stderr = os.Stderr
	named, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	var folders []string
	for range 2 + 1 + clusterNodes {
		var pid int
		var folder string
		if _, err := fmt.Fscanln(named, &pid, &folder); err != nil {
			t.Fatalf("the child started no server: %v", err)
		}
		all, err := children(pid)
		if err != nil {
			t.Fatal(err)
		}
		pids, folders = append(append(pids, pid), all...), append(folders, folder)
	}
	if err := sweep(); err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if _, err := os.Stat(folder); err != nil {
			t.Errorf("the files of a server that runs were removed: %v", err)
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed
	if err := ended(pids); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(patience); ; {
		if err := sweep(); err != nil { // another binary may be at it just now
			t.Fatal(err)
		}
		var left []string
		for _, folder := range folders {
			if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
				left = append(left, folder)
			}
		}
		if left == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v are left", left)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
