// Package torture_test is about rare faults: it does what other tests do once very often, on every code store, and says how
// often a promise was broken. Each figure must be 0, and for each there is a test that something broken makes it more.
//
// How much it does is set by variables of the environment. make torture has the long version, make test the short one:
//
//	REKEY_TEST_GUESSES    concurrent guesses, over all stores
//	REKEY_TEST_RACES      races of right codes, over all pairs of a store and a users database
//	REKEY_TEST_FAULTS     faults in the middle of resets, over all pairs
//	REKEY_TEST_HISTORIES  histories of concurrent steps that are checked for linearizability, over all stores
//
// With go test -v it prints what it found.
package torture_test

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"rekey/test/servers"
)

const newPassword = "quiteNew7"

func TestMain(m *testing.M) { os.Exit(servers.Run(m)) }

// setting is how often a test does what it does: what the variable says, or else short.
func setting(t *testing.T, variable string, short int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return short
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s must be a number over 0", variable)
	}
	return n
}

// share is the i-th of parts that n is split into: they differ by one at most, and none is 0.
func share(n, parts, i int) int { return max(1, (n+parts-1-i)/parts) }

// below draws a number from 0 to n-1.
func below(n int) int {
	drawn, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return int(drawn.Int64())
}

// oneOf draws one of several.
func oneOf[T any](all []T) T { return all[below(len(all))] }

// table is what a test found, by line.
type table struct {
	lines [][]string
	began time.Time
}

func newTable(head ...string) *table { return &table{lines: [][]string{head}, began: time.Now()} }

func (a *table) add(cells ...any) {
	line := make([]string, len(cells))
	for i, cell := range cells {
		line[i] = fmt.Sprint(cell)
	}
	a.lines = append(a.lines, line)
}

// print logs the table under what it comes to.
func (a *table) print(t *testing.T, format string, arguments ...any) {
	t.Helper()
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, line := range a.lines {
		fmt.Fprintln(w, strings.Join(line, "\t")+"\t")
	}
	if err := w.Flush(); err != nil {
		t.Error(err) // a strings.Builder takes everything
	}
	t.Logf("%s (%v)\n%s", fmt.Sprintf(format, arguments...), time.Since(a.began).Round(time.Second/10), text.String())
}

// rate is how many a second n since then are.
func rate(n int, since time.Time) int { return int(float64(n) / time.Since(since).Seconds()) }
