package interop_test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"rekey/test/embedded"
)

// framework is a real framework with a project of it, and how rekey is told of its users table.
type framework struct {
	folder  string   // holds the peer
	peer    []string // the command that runs the peer, in that folder
	env     []string // of the peer, beside what the protocol gives it
	probe   []string // a command that ends well if the framework is installed
	install string   // how to install it

	databases []string // that the framework supports: sqlite, postgres, mysql

	// users is the section [users] of rekey.toml without its dsn, such as `preset = "django"`.
	users func(database) string
	// tables are those whose rows a reset may not change, by the name of their primary key: the users table, and others
	// that hold something of a user. Tables of sessions are not among them; sessions are asked for by their requests.
	tables map[string]string
	table  string // the users table
	hash   string // its column of the hash
	// writes are the columns of the user's row that a reset changes beside the hash.
	writes []string

	formats []format // every one that the framework makes; the first is its default
	// quick is the format of people in tests that are about something else; empty: the default.
	quick string
	// unusable is the format of a user without a password; empty: there is none.
	unusable string
	// inactive tells that a user can be inactive.
	inactive bool
	// also is what is shown of this framework alone, on each database, by the name of its test.
	also map[string]func(*site, *testing.T)
}

// format is a format of the framework, and what rekey makes of a hash in it.
type format struct {
	name    string // as the peer knows it
	made    string // a pattern of the new hash, whose groups are its costs, all numbers
	least   []int  // what each cost must be at the least, besides that of the hash it replaces
	longest int    // how many bytes of a password it can hold; 0: any number
}

// usual is the format of people in tests that are about something else.
func (f framework) usual() string { return cmp.Or(f.quick, f.formats[0].name) }

// formatsOn are the formats that tests meet on a database, by its place in databases: the default, and of the others, whose
// hashes are text like any other to a database, each on one in turn. Where everything is asked for, all of them on each.
func (f framework) formatsOn(database int) []format {
	if everything() {
		return f.formats
	}
	some := f.formats[:1:1]
	for i, form := range f.formats[1:] {
		if (i+1)%len(f.databases) == database {
			some = append(some, form)
		}
	}
	return some
}

// everything tells that each test is to meet all that it can, as make test-all has it.
func everything() bool { return os.Getenv(embedded.AllVariable) == "1" }

// check says what is wrong with the hash that replaced before.
func (f format) check(before, after string) error {
	pattern, err := regexp.Compile(f.made)
	if err != nil {
		return err
	}
	now := pattern.FindStringSubmatch(after)
	if now == nil {
		return fmt.Errorf("the new hash is not of the form %s", f.made)
	}
	if len(now) != len(f.least)+1 {
		return fmt.Errorf("%s has %d costs, but %d are known", f.made, len(now)-1, len(f.least))
	}
	then := pattern.FindStringSubmatch(before)
	for i, least := range f.least {
		cost, err := strconv.Atoi(now[i+1])
		if err != nil {
			return err
		}
		if then != nil { // else it was of a format that is upgraded
			was, err := strconv.Atoi(then[i+1])
			if err != nil {
				return err
			}
			least = max(least, was)
		}
		if cost < least {
			return fmt.Errorf("cost %d of the new hash is %d, want at least %d", i+1, cost, least)
		}
	}
	return nil
}

// need ends a test whose framework is not installed: where CI is set as a failure, else as a skip.
func (f framework) need(t *testing.T) {
	t.Helper()
	if out, err := exec.Command(f.probe[0], f.probe[1:]...).CombinedOutput(); err != nil {
		text := fmt.Sprintf("%s is missing: %s, or make test (%v: %s)", f.folder, f.install, err, out)
		if os.Getenv("CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
}
