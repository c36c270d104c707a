package bench_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// spent is the time that processors have worked for this process and for all that it has started, such as the servers: where
// a machine has other things to do it says more than the time that has passed.
func spent(b *testing.B) time.Duration {
	b.Helper()
	parents := map[int]int{}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		b.Fatal(err)
	}
	for _, process := range processes {
		stat, err := os.ReadFile(process + "/stat")
		if err != nil {
			continue // it has ended
		}
		// proc(5): the name in parentheses may hold anything; the state and the parent come behind it.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		id, _ := strconv.Atoi(filepath.Base(process)) // digits
		if parents[id], err = strconv.Atoi(fields[1]); err != nil {
			b.Fatal(err)
		}
	}
	var all time.Duration
	for id := range parents {
		for ancestor := id; ancestor > 1; ancestor = parents[ancestor] {
			if ancestor == os.Getpid() {
				all += worked(b, id)
				break
			}
		}
	}
	return all
}

// worked is the processor time of one process, exact to the nanosecond (Documentation/scheduler/sched-stats.rst).
func worked(b *testing.B, id int) (all time.Duration) {
	b.Helper()
	threads, err := filepath.Glob("/proc/" + strconv.Itoa(id) + "/task/*/schedstat")
	if err != nil {
		b.Fatal(err)
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if err != nil {
			continue // it has ended, and takes its little with it
		}
		nanoseconds, err := strconv.ParseInt(strings.Fields(string(stat))[0], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		all += time.Duration(nanoseconds)
	}
	return all
}
