package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"rekey/userdb"
)

// chapter is a part of what doctor prints: findings whose names begin with one of the groups.
type chapter struct {
	title  string
	groups []string
}

func chapters() []chapter {
	return []chapter{
		{"Configuration", []string{"config"}},
		{"Users table", []string{"users", "rights", "index", "server", "clock", "reset"}},
		{"People", []string{"accounts", "numbers", "hashes"}},
		{"Code store", []string{"codes"}},
		{"Messages", []string{"messages"}},
	}
}

// String is the diagnosis for people.
func (d *diagnosis) String() string {
	var b strings.Builder
	for _, c := range chapters() {
		var own []userdb.Finding
		for _, severity := range []userdb.Severity{userdb.Mend, userdb.Advice, userdb.Fine} {
			for _, group := range c.groups {
				for _, f := range d.Findings {
					if f.Severity == severity && strings.HasPrefix(f.ID, group+".") {
						own = append(own, f)
					}
				}
			}
		}
		if own == nil {
			continue
		}
		fmt.Fprintf(&b, "%s%s\n", c.title, d.scope(c.title))
		for _, f := range own {
			wrapped(&b, string(f.Severity), f.Text)
			if f.Remedy != "" {
				fmt.Fprintf(&b, "            %s\n", f.Remedy)
			}
		}
		if c.title == "People" {
			d.hashes(&b)
		}
		b.WriteByte('\n')
	}
	if d.Sound {
		b.WriteString("Nothing must be mended.\n")
	}
	return b.String()
}

// scope is what a chapter is about, behind its title.
func (d *diagnosis) scope(title string) string {
	u := d.Users
	switch {
	case u == nil:
		return ""
	case title == "Users table":
		return fmt.Sprintf(" %s, %s", u.Table, u.Database)
	case title == "People" && u.Whole:
		return fmt.Sprintf(", by every row (%s)", grouped(u.Rows))
	case title == "People":
		return fmt.Sprintf(", by a sample of %s of about %s rows", grouped(u.Looked), grouped(u.Rows))
	}
	return ""
}

// hashes is the table of formats.
func (d *diagnosis) hashes(b *strings.Builder) {
	if d.Users == nil || len(d.Users.Hashes) == 0 {
		return
	}
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\n          hash\trows\tat a reset\n")
	for _, h := range d.Users.Hashes {
		becomes := "stays: not recovered"
		if h.Becomes != "" {
			becomes = "becomes " + h.Becomes
		}
		fmt.Fprintf(w, "          %s\t%s\t%s\n", h.Format, grouped(h.Rows), becomes)
	}
	_ = w.Flush() // into a strings.Builder, which takes all
}

// wrapped writes a mark and a text in lines of at most 110 characters.
func wrapped(b *strings.Builder, mark, text string) {
	const margin, width = 10, 110
	fmt.Fprintf(b, "  %-*s", margin-2, mark)
	at := margin
	for i, word := range strings.Split(text, " ") {
		long := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+long > width:
			b.WriteString("\n" + strings.Repeat(" ", margin))
			at = margin
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += long
	}
	b.WriteByte('\n')
}

// grouped is a count as people read it, such as 10,000,000.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var parts []string
	for len(digits) > 3 {
		parts = append(parts, digits[len(digits)-3:])
		digits = digits[:len(digits)-3]
	}
	parts = append(parts, digits)
	slices.Reverse(parts)
	return strings.Join(parts, ",")
}
