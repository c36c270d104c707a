package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// clockVariable sets the wall clock of a process of skewed ahead, by a duration of whole seconds.
const clockVariable = "CLOCK_AHEAD"

// skewed builds rekey with a wall clock that can be set off. Nothing of rekey is another: the toolchain is told to read
// the standard library's time.Now from a copy with two more lines (go help build, -overlay), since a Go program asks the
// kernel for the time without a library between that could be put in its place. It takes a minute or
// two the first time, and then comes from the toolchain's cache.
func skewed(t *testing.T) (program string) {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	source, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	changed := string(source)
	for place, more := range map[string]string{
		"\n\nimport (\n":                      "\t\"syscall\"\n",
		"\tsec, nsec, mono := runtimeNow()\n": "\tsec += ahead\n",
	} {
		before, after, found := strings.Cut(changed, place)
		if !found {
			t.Fatalf("%s is not as this test knows it: it has no %q", original, place)
		}
		changed = before + place + more + after
	}
	changed += fmt.Sprintf("\nvar ahead = func() int64 {\n\ttext, _ := syscall.Getenv(%q)\n\td, _ := ParseDuration(text)\n\treturn int64(d / Second)\n}()\n", clockVariable)

	dir := t.TempDir()
	copied, overlay := filepath.Join(dir, "time.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {original: copied}})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string]string{copied: changed, overlay: string(replace)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program = filepath.Join(dir, "rekey")
	build := exec.Command("go", "build", "-overlay", overlay, "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// skewed starts one more replica of s from such a program, with its wall clock so far ahead, and makes sure that it is.
func (s *served) skewed(t *testing.T, program string, ahead time.Duration) *served {
	t.Helper()
	cmd := command(t, s.dir, append(slices.Clone(s.env), clockVariable+"="+ahead.String()), "serve")
	cmd.Path = program
	other := &served{process: start(t, cmd), env: s.env, base: s.base}
	serving := other.record("serving")
	other.public, other.admin = "http://"+serving["public"].(string), "http://"+serving["admin"].(string)
	at, err := time.Parse(time.RFC3339Nano, serving["time"].(string))
	if off := time.Until(at) - ahead; err != nil || off.Abs() > min(time.Minute, ahead.Abs()/2) {
		t.Fatalf("a clock that was to be %v ahead is off by another %v, %v", ahead, off, err)
	}
	return other
}
