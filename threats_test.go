package rekey_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	threatRow = regexp.MustCompile(`(?m)^\| (\d\d) \|.*\| *([^|]*?) *\|$`)
	// In 2026-11-23T01:02:03 it is an hour, in base64 anything.
	threatNumber = regexp.MustCompile(`(?:^|Test|Benchmark|Fuzz|[^0-9A-Za-z])T(\d+)(?:_|\b)`)
)

// numbersIn are the threats that a name carries.
func numbersIn(name string) []string {
	var all []string
	for _, m := range threatNumber.FindAllStringSubmatch(name, -1) {
		if len(m[1]) == 2 {
			all = append(all, m[1])
		}
	}
	return all
}

// borne are the threats that test names carry: names of functions, and of subtests where they are string literals. The
// conformance suites are tests too, though they stand in files of another name.
func borne(root string) (map[string]string, error) {
	found := map[string]string{}
	files := token.NewFileSet()
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && file != root && (entry.Name() == "node_modules" || strings.HasPrefix(entry.Name(), ".")) {
			return filepath.SkipDir
		}
		suite := strings.HasSuffix(filepath.Base(filepath.Dir(file)), "test")
		switch {
		case entry.IsDir():
			return nil
		case strings.HasSuffix(file, ".txtar"): // a script that is a test is named by its file
			for _, number := range numbersIn(entry.Name()) {
				found[number] = file
			}
			return nil
		case !strings.HasSuffix(file, "_test.go") && (!suite || filepath.Ext(file) != ".go"):
			return nil
		}
		parsed, err := parser.ParseFile(files, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			name := ""
			switch n := n.(type) {
			case *ast.FuncDecl:
				name = n.Name.Name
			case *ast.BasicLit:
				name = n.Value
			}
			for _, number := range numbersIn(name) {
				found[number] = files.Position(n.Pos()).String()
			}
			return true
		})
		return nil
	})
	return found, err
}

// TestEveryThreatIsBorneByATest compares docs/threats.md with the names of the tests, both ways.
func TestEveryThreatIsBorneByATest(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("docs", "threats.md"))
	if err != nil {
		t.Fatal(err)
	}
	found, err := borne(".")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, m := range threatRow.FindAllStringSubmatch(string(text), -1) {
		number, mark := m[1], m[2]
		if slices.Contains(rows, number) {
			t.Errorf("T%s stands twice in docs/threats.md", number)
		}
		rows = append(rows, number)
		where, ok := found[number]
		switch {
		case !ok && mark != "later":
			t.Errorf("no test bears T%s: name one for it, or mark the row as later", number)
		case ok && mark == "later":
			t.Errorf("%s bears T%s, which is marked as later", where, number)
		}
	}
	if len(rows) < 46 {
		t.Fatalf("docs/threats.md has %d rows: the table was not read", len(rows))
	}
	for number, where := range found {
		if !slices.Contains(rows, number) {
			t.Errorf("%s: T%s stands nowhere in docs/threats.md", where, number)
		}
	}
}
