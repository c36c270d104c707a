package servers

import (
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAProgramEndsWithWhatItHasStarted(t *testing.T) {
	t.Parallel()
	sh := Need(t, "sh", "a shell", "apt-get install dash")
	cmd := exec.Command(sh, "-c", `sleep 600 & echo $! >&2; wait`)
	p := StartProgram(t, cmd)
	var child int
	for deadline := time.Now().Add(patience); child == 0; time.Sleep(time.Millisecond) {
		if line, whole := strings.CutSuffix(p.Said(), "\n"); whole {
			var err error
			if child, err = strconv.Atoi(line); err != nil {
				t.Fatal(err)
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the program does not say what it has started")
		}
	}
	p.Kill(t)
	select {
	case <-p.Exited():
	default:
		t.Error("the program still runs")
	}
	if err := ended([]int{child}); err != nil {
		t.Error(err)
	}
	if err := syscall.Kill(cmd.Process.Pid, 0); err != syscall.ESRCH {
		t.Errorf("the program is still there: %v", err)
	}
	p.Kill(t) // which does nothing
}

// The system may know of an end before whoever waits for it does.
func TestAProgramThatEndsJustThenIsKilled(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(Need(t, "true", "a program that does nothing", "apt-get install coreutils"))
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go close(p.exited)
	if err := p.kill(); err != nil {
		t.Error(err)
	}
}

func TestAReservedPortRefusesUntilSomebodyListens(t *testing.T) {
	t.Parallel()
	address := net.JoinHostPort(loopback, strconv.Itoa(ReservePort(t)))
	dial := func() error {
		c, err := net.Dial("tcp4", address)
		if err == nil {
			err = c.Close()
		}
		return err
	}
	for range 2 {
		if dial() == nil {
			t.Fatal("somebody listens on a port that was reserved")
		}
		listener, err := net.Listen("tcp4", address)
		if err != nil {
			t.Fatal(err)
		}
		if err := dial(); err != nil {
			t.Error(err)
		}
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	}
}
