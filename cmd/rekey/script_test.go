package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"rekey/test/servers"
)

func TestMain(m *testing.M) {
	testscript.Main(withServers{m}, map[string]func(){"rekey": main})
}

// withServers runs the tests beside the servers that they share.
type withServers struct{ m *testing.M }

func (w withServers) Run() int { return servers.Run(w.m) }

// TestCommands runs the scripts in testdata. Each has a folder of its own, a gateway that takes every message at
// $GATEWAY, and one that refuses at $REFUSING.
func TestCommands(t *testing.T) {
	t.Parallel()
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"status":"queued"}`)) }))
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "balance is used up", http.StatusBadRequest)
	}))
	t.Cleanup(gateway.Close)
	t.Cleanup(refusing.Close)
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, endsAtOnce)
			e.Setenv("GATEWAY", gateway.URL)
			e.Setenv("REFUSING", refusing.URL)
			e.Setenv("GOODKEY", goodKey)
			e.Setenv("OTHERKEY", otherKey)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// lines FILE N: the file has N lines.
			"lines": func(ts *testscript.TestScript, neg bool, args []string) {
				if got := strings.Count(ts.ReadFile(args[0]), "\n"); (decimal(got) == args[1]) == neg {
					ts.Fatalf("%s has %d lines", args[0], got)
				}
			},
			// mode FILE RIGHTS: the file has those rights, in octal.
			"mode": func(ts *testscript.TestScript, neg bool, args []string) {
				info, err := os.Stat(ts.MkAbs(args[0]))
				ts.Check(err)
				if (info.Mode().Perm().String() == args[1]) == neg {
					ts.Fatalf("%s has the rights %v", args[0], info.Mode().Perm())
				}
			},
		},
	})
}
