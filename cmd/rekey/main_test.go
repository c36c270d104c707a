package main

import (
	"regexp"
	"strings"
	"testing"
)

func TestT36_APanicIsOneLineThatSaysWhereAndNotWhat(t *testing.T) {
	t.Parallel()
	var stderr strings.Builder
	reader := readerFunc(func([]byte) (int, error) { panic("canary 13800000001") })
	exit := run(t.Context(), []string{"user", "add", "--mobile", "13800000001", "--password-stdin"},
		[]string{"REKEY_USERS_DSN=sqlite:" + t.TempDir() + "/users.db"}, reader, &stderr, &stderr)
	want := regexp.MustCompile(`^rekey: a mistake in rekey itself, string in rekey/cmd/rekey\.TestT36_\S+:\d+; please report it with this line\n$`)
	if got := stderr.String(); exit != exitFault || !want.MatchString(got) {
		t.Errorf("exit %d, %q", exit, got)
	}
}

// readerFunc is a reader.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
