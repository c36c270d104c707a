package embedded

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rekey"
	"rekey/test/servers"
)

func TestMain(m *testing.M) { os.Exit(servers.Run(m)) }

const ann = "13800000001"

// TestEveryPlaceHasItsLevers: what a test does to a store reaches the store that two replicas share.
func TestEveryPlaceHasItsLevers(t *testing.T) {
	t.Parallel()
	for _, p := range Places() {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			dir, o := t.TempDir(), p.Options(t)
			h, other := Open(t, dir, o), Open(t, dir, o)
			h.Add(t, ann)
			sent, err := h.Service.Send(t.Context(), rekey.Client{}, ann)
			if err != nil {
				t.Fatal(err)
			}
			again := func() error {
				_, err := other.Service.Send(t.Context(), rekey.Client{Flow: sent.Flow}, ann)
				return err
			}
			refused := func() {
				t.Helper()
				if err := again(); rekey.KindOf(err) != rekey.TooSoon {
					t.Fatalf("within the interval: %v", err)
				}
			}
			served := func() {
				t.Helper()
				if err := again(); err != nil {
					t.Fatal(err)
				}
			}
			refused()
			recall := h.Remember(t)
			h.Forget(t)
			served()
			h.Forget(t)
			recall()
			refused()
			h.Advance(t, 30*time.Second) // half of the interval: the other half is what a slow machine may take
			refused()
			h.Advance(t, 30*time.Second)
			served()
		})
	}
}

// TestTheChoiceOfPlacesMeetsThemAll: the tests that there are meet each place, those of a kill at each step each store.
func TestTheChoiceOfPlacesMeetsThemAll(t *testing.T) {
	met, killed := map[Place]int{}, map[string]int{}
	for name, places := range testsInPlaces(t, "../attack", "../fault") {
		for _, p := range choice(name, places) {
			met[p]++
			if strings.HasPrefix(name, "TestT17_") {
				killed[p.Store]++
			}
		}
	}
	for _, p := range Places() {
		if met[p] < 3 {
			t.Errorf("%s is met by %d tests", p, met[p])
		}
		if killed[p.Store] < 1 {
			t.Errorf("no test of T17 meets codes in %s", p.Store)
		}
	}
}

// testsInPlaces finds the tests that run in a choice of places, by what they call: which places each may meet.
func testsInPlaces(t *testing.T, folders ...string) map[string][]Place {
	t.Helper()
	all := map[string][]Place{}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%d tests in %s, %v", len(files), folder, err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok || !strings.HasPrefix(f.Name.Name, "Test") {
					continue
				}
				ast.Inspect(f, func(n ast.Node) bool {
					if called, ok := n.(*ast.Ident); ok {
						switch called.Name {
						case "everywhere", "EachPlace":
							all[f.Name.Name] = Places()
						case "EachPlaceOnServers":
							all[f.Name.Name] = onServers(Places())
						}
					}
					return true
				})
			}
		}
	}
	return all
}
