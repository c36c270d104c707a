package redisstore

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Severity says whether a Finding must be acted on.
type Severity string

const (
	Mend   Severity = "mend"   // codes can't be kept there, or not safely
	Advice Severity = "advice" // it could be better
	Fine   Severity = "fine"
)

// Finding is one thing that was looked at.
type Finding struct {
	ID       string // "codes.name", stable
	Severity Severity
	Text     string // sentences for people
	Remedy   string // a command for redis-cli; empty: the text says what to do
}

// String is the finding on one line.
func (f Finding) String() string {
	if f.Remedy == "" {
		return f.Text
	}
	return strings.TrimSuffix(f.Text, ".") + ": " + f.Remedy
}

// found is a Finding at some of the nodes. Its text is a sentence without capital and full stop.
type found struct {
	Finding
	nodes []string
}

func (i *inspection) find(id string, severity Severity, n *node, text, remedy string) {
	if n.replica && severity == Mend {
		severity = Advice
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	f := Finding{id, severity, text, remedy}
	at := slices.IndexFunc(i.found, func(other found) bool { return other.Finding == f })
	if at < 0 {
		at = len(i.found)
		i.found = append(i.found, found{Finding: f})
	}
	if n.name != "" {
		i.found[at].nodes = append(i.found[at].nodes, n.name)
	}
}

// findings are in the order of their names, those first that must be acted on.
func (i *inspection) findings() []Finding {
	all := make([]Finding, 0, len(i.found))
	for _, f := range i.found {
		slices.Sort(f.nodes)
		switch {
		case len(f.nodes) == 0:
			r, size := utf8.DecodeRuneInString(f.Text)
			f.Text = string(unicode.ToUpper(r)) + f.Text[size:]
		case len(f.nodes) == len(i.nodes):
			f.Text = "At every node " + f.Text
		default:
			f.Text = "At " + enumerate(f.nodes) + " " + f.Text
		}
		f.Text = strings.TrimRight(f.Text, ".") + "."
		all = append(all, f.Finding)
	}
	order := []Severity{Mend, Advice, Fine}
	slices.SortStableFunc(all, func(a, b Finding) int {
		if a.Severity != b.Severity {
			return slices.Index(order, a.Severity) - slices.Index(order, b.Severity)
		}
		return strings.Compare(a.ID+a.Text, b.ID+b.Text)
	})
	return all
}

func enumerate(all []string) string {
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}
