// Package interop_test proves that real frameworks read what rekey wrote: a user that the framework made is recovered by
// the real binary over HTTP, and the framework itself then says who may sign in and whose session lives.
//
// A framework is one Go file that describes it and one folder with its peer, a long-running process of the framework that
// takes commands (peer_test.go says which). What must hold for every framework stands in suite_test.go.
package interop_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"rekey/test/servers"
)

// TestMain builds the command as it is shipped, without the race detector that these tests may run under, and puts it
// first in PATH.
func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rekey-interop-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "rekey"), "rekey/cmd/rekey")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %v\n%s", build, err, out)
		return 1
	}
	if err := os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return servers.Run(m)
}
