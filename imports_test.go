package rekey_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the path that every package of ours begins with.
const module = "rekey"

// room is a part of the house: a folder and what is under it. Packages of one room may import each other.
type room struct {
	folder  string   // "." is the root package
	rooms   []string // those that it may import; everything: all
	modules []string // modules of others that it may import, beside golang.org/x
	why     string
}

const everything = "*"

// layout is who may import whom. A folder belongs to the room with the longest name that it lies in.
var layout = []room{
	{folder: ".", rooms: nil,
		why: "the root package is the recovery itself: it must be readable and testable without knowing any back-end, and importable " +
			"without bringing a dependency along"},
	{folder: "passhash", rooms: nil,
		why: "password hashes are pure computation; they know nothing of numbers, tables or the recovery"},
	{folder: "internal/dsn", rooms: nil,
		why: "how a server is named and why it is not reached is the same whoever asks it, and for what"},
	{folder: "userdb", rooms: []string{".", "passhash"},
		why: "a users table is a back-end behind the Directory door: it must not know how codes are kept or messages are sent"},
	{folder: "codestore", rooms: []string{".", "internal/dsn"}, modules: []string{"github.com/redis/go-redis/v9", "github.com/alicebob/miniredis/v2"},
		why: "a code store is a back-end behind the Codes and Limiter doors: it must not know accounts or providers"},
	{folder: "sms", rooms: []string{"."},
		why: "a provider is a back-end behind the Sender door: it delivers a message and must not know whose it is or why"},
	{folder: "web", rooms: []string{"."},
		why: "the public side speaks to the recovery alone: a handler that reached a back-end could decide what happens to a code"},
	{folder: "audit", rooms: []string{"."},
		why: "the audit is told of events; it takes no part in the recovery"},
	{folder: "admin", rooms: []string{".", "audit"}, modules: []string{"github.com/prometheus/client_golang"},
		why: "the private side shows what was recorded; it must open no door from the inside to the back-ends"},
	{folder: "cmd/rekey", rooms: []string{everything}, modules: []string{everything},
		why: "the command puts the parts together"},
	{folder: "test", rooms: []string{everything}, modules: []string{everything},
		why: "what stands here serves tests across the parts"},
	{folder: "bench", rooms: []string{everything}, modules: []string{everything},
		why: "what stands here measures the parts together"},
}

// commandOnly are imported by cmd/rekey alone, whatever a room may import otherwise: they are chosen when the parts are put
// together, and an embedder chooses others.
var commandOnly = []string{"modernc.org/sqlite", "github.com/jackc/pgx", "github.com/go-sql-driver/mysql", "github.com/mattn/go-sqlite3",
	"github.com/nyaruka/phonenumbers", "github.com/alecthomas/kong", "github.com/BurntSushi/toml"}

// rootWithout are packages of the standard library that the root package does without.
var rootWithout = []string{"net/http", "database/sql", "html/template", "text/template", "os", "os/exec", "flag", "testing"}

// unit is one package as the rules see it: what its non-test files import, whatever the platform.
type unit struct {
	imports []string // sorted, each once
	inits   []string // where an init function stands
}

// faults says what in the house breaks a rule, one sentence each, with the rule's reason.
func faults(layout []room, units map[string]unit) []string {
	var all []string
	for _, folder := range sortedKeys(units) {
		name := path.Join(module, folder)
		from, ok := roomOf(layout, folder)
		if !ok {
			all = append(all, fmt.Sprintf("%s stands in no room: add its folder to the table in imports_test.go, with what it may "+
				"import and why", name))
			continue
		}
		for _, imported := range units[folder].imports {
			if why := forbidden(layout, from, folder, imported); why != "" {
				all = append(all, fmt.Sprintf("%s imports %s, but %s", name, imported, why))
			}
		}
		for _, position := range units[folder].inits {
			all = append(all, fmt.Sprintf("%s has an init function at %s, but importing a package must do nothing: what runs is what "+
				"somebody called", name, position))
		}
	}
	return all
}

// forbidden says why the package in folder, of room from, may not import imported; "" if it may.
func forbidden(layout []room, from room, folder, imported string) string {
	switch {
	case imported == "math/rand" || imported == "math/rand/v2":
		return "whatever is drawn here must not be predictable: use crypto/rand (T10)"
	case imported == module || strings.HasPrefix(imported, module+"/"):
		target := strings.TrimPrefix(strings.TrimPrefix(imported, module), "/")
		if target == "" {
			target = "."
		}
		to, ok := roomOf(layout, target)
		switch {
		case !ok:
			return target + " stands in no room"
		case to.folder == from.folder || allows(from.rooms, to.folder):
			return ""
		case len(from.rooms) == 0:
			return from.folder + " may import nothing of ours: " + from.why
		}
		return from.folder + " may import only " + strings.Join(from.rooms, " and ") + " of ours: " + from.why
	case strings.Contains(strings.Split(imported, "/")[0], "."): // of another module
		if within(commandOnly, imported) && !allows(from.rooms, everything) {
			return "only cmd/rekey imports drivers, numbering plans, flags and file formats: whoever embeds a package chooses their own"
		}
		if from.folder == "." {
			return "the root package imports the standard library only: " + from.why
		}
		if strings.HasPrefix(imported, "golang.org/x/") || allows(from.modules, everything) || within(from.modules, imported) {
			return ""
		}
		return "no room takes a dependency in passing: name it in the table in imports_test.go if " + from.folder + " needs it"
	case folder == "." && slices.Contains(rootWithout, imported):
		return "the root package knows neither HTTP nor SQL nor the machine that it runs on: " + from.why
	}
	return ""
}

func allows(list []string, name string) bool {
	return slices.Contains(list, name) || slices.Contains(list, everything)
}

// within reports whether imported is one of the modules or lies in one.
func within(modules []string, imported string) bool {
	return slices.ContainsFunc(modules, func(m string) bool { return imported == m || strings.HasPrefix(imported, m+"/") })
}

// roomOf is the room that folder lies in. The root package's room holds the root alone.
func roomOf(layout []room, folder string) (room, bool) {
	var found room
	for _, r := range layout {
		if (folder == r.folder || strings.HasPrefix(folder, r.folder+"/")) && len(r.folder) > len(found.folder) {
			found = r
		}
	}
	return found, found.folder != ""
}

func sortedKeys(units map[string]unit) []string {
	var keys []string
	for k := range units {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// readUnits parses every non-test Go file of the module under root, those for other platforms too, and leaves out modules
// of their own, such as bench.
func readUnits(root string) (map[string]unit, error) {
	units := map[string]unit{}
	files := token.NewFileSet()
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			if file == root {
				return nil
			}
			if own, _ := filepath.Glob(filepath.Join(file, "go.mod")); len(own) > 0 || base == "testdata" || base == "node_modules" ||
				strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(files, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(relative)
		u := units[folder]
		for _, i := range parsed.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if !slices.Contains(u.imports, imported) {
				u.imports = append(u.imports, imported)
			}
		}
		slices.Sort(u.imports)
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				u.inits = append(u.inits, files.Position(f.Pos()).String())
			}
		}
		units[folder] = u
		return nil
	})
	return units, err
}

func TestImportsKeepToTheRules(t *testing.T) {
	t.Parallel()
	units, err := readUnits(".")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(units["."].imports, "crypto/hmac") {
		t.Fatal("the root package was not read")
	}
	for _, fault := range faults(layout, units) {
		t.Error(fault)
	}
}

// TestImportRulesSeeEveryBreach holds the rules to their word, also for rooms that hold nothing yet.
func TestImportRulesSeeEveryBreach(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ folder, imports, says string }{
		{".", "net/http", "neither HTTP nor SQL"},
		{".", "database/sql", "neither HTTP nor SQL"},
		{".", "golang.org/x/text/language", "standard library only"},
		{".", "rekey/passhash", "nothing of ours"},
		{".", "rekey/web", "nothing of ours"},
		{"passhash", "rekey", "nothing of ours"},
		{"internal/dsn", "rekey/codestore/redisstore", "nothing of ours"},
		{"internal/dsn", "github.com/redis/go-redis/v9", "in passing"},
		{"web", "rekey/internal/dsn", "of ours"},
		{"web", "rekey/userdb", "of ours"},
		{"web", "rekey/codestore", "of ours"},
		{"web", "rekey/sms", "of ours"},
		{"web", "github.com/nyaruka/phonenumbers", "only cmd/rekey"},
		{"web", "github.com/someone/router", "in passing"},
		{"web/locales", "rekey/sms", "of ours"},
		{"userdb", "rekey/codestore", "of ours"},
		{"userdb", "modernc.org/sqlite", "only cmd/rekey"},
		{"userdb", "github.com/jackc/pgx/v5/stdlib", "only cmd/rekey"},
		{"codestore", "rekey/userdb", "of ours"},
		{"codestore", "modernc.org/sqlite/lib", "only cmd/rekey"},
		{"codestore/redisstore", "rekey/passhash", "of ours"},
		{"sms", "rekey/web", "of ours"},
		{"sms", "math/rand/v2", "crypto/rand"},
		{"admin", "rekey/codestore", "of ours"},
		{"audit", "rekey/admin", "of ours"},
		{"cmd/rekey", "math/rand", "crypto/rand"},
		{"cmd/rekey", "rekey/utils", "no room"},
		{"utils", "strings", "no room"},
		{"cmd/other", "strings", "no room"},
	} {
		got := faults(layout, map[string]unit{c.folder: {imports: []string{c.imports}}})
		if len(got) != 1 || !strings.Contains(got[0], c.says) {
			t.Errorf("%s importing %s: %q, want one fault that says %q", c.folder, c.imports, got, c.says)
		}
	}
	if got := faults(layout, map[string]unit{"web": {inits: []string{"web/x.go:1:1"}}}); len(got) != 1 || !strings.Contains(got[0], "init function") {
		t.Errorf("an init function: %q", got)
	}
	for _, c := range []struct{ folder, imports string }{
		{".", "crypto/rand"}, {".", "net/netip"}, {"passhash", "golang.org/x/crypto/argon2"}, {"userdb", "rekey"}, {"userdb", "rekey/passhash"},
		{"userdb", "database/sql"}, {"codestore/redisstore", "rekey/codestore"}, {"codestore/redisstore", "rekey/internal/dsn"}, {"codestore/redisstore", "github.com/redis/go-redis/v9"},
		{"sms", "rekey/sms/smpp"}, {"web", "net/http"}, {"web", "rekey/web/locales"}, {"admin", "rekey/audit"}, {"cmd/rekey", "modernc.org/sqlite"},
		{"cmd/rekey", "rekey/codestore/redisstore"}, {"test/fault", "rekey/userdb"},
	} {
		if got := faults(layout, map[string]unit{c.folder: {imports: []string{c.imports}}}); len(got) != 0 {
			t.Errorf("%s importing %s is allowed: %q", c.folder, c.imports, got)
		}
	}
}

// goList is the output of go list for cmd/rekey with all that it links, by line.
func goList(t *testing.T, format string) []string {
	t.Helper()
	var errors bytes.Buffer
	list := exec.Command("go", "list", "-deps", "-f", format, "./cmd/rekey")
	list.Stderr = &errors
	out, err := list.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", list, err, errors.String())
	}
	return strings.Fields(string(out))
}

// TestT12_CommandLinksNoTestingPackage: what helps tests, such as conformance suites, senders that misbehave or known
// codes, is no part of the binary.
func TestT12_CommandLinksNoTestingPackage(t *testing.T) {
	t.Parallel()
	linked := goList(t, "{{.ImportPath}}")
	if !slices.Contains(linked, module) {
		t.Fatal("the command does not link the recovery: nothing was listed")
	}
	for _, name := range linked {
		ours := name == module || strings.HasPrefix(name, module+"/")
		if name == "testing" || strings.HasPrefix(name, "testing/") || strings.HasPrefix(name, module+"/test/") ||
			ours && strings.HasSuffix(path.Base(name), "test") {
			t.Errorf("cmd/rekey links %s, which serves tests: import it in _test.go files only", name)
		}
	}
}

// TestThirdPartyNamesEveryLinkedModule: their licences ask for a notice with the binary.
func TestThirdPartyNamesEveryLinkedModule(t *testing.T) {
	t.Parallel()
	notices, err := os.ReadFile("THIRD_PARTY.md")
	if err != nil {
		t.Fatal(err)
	}
	linked := goList(t, "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}")
	if len(linked) == 0 {
		t.Fatal("nothing was listed")
	}
	slices.Sort(linked)
	for _, name := range slices.Compact(linked) {
		if !strings.Contains(string(notices), "| "+name) {
			t.Errorf("THIRD_PARTY.md does not name %s: add it with its licence", name)
		}
	}
}
