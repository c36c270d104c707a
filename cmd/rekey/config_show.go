package main

import (
	"fmt"
	"io"
	"strings"
)

// show writes the configuration in force as TOML. Secrets are hidden, and behind every value stands where it comes from.
func (l *loaded) show(w io.Writer) error {
	var b strings.Builder
	section := ""
	for _, s := range l.settings {
		table, name := split(s.key)
		if table != section {
			fmt.Fprintf(&b, "\n[%s]\n", table)
			section = table
		}
		shown := s.value.show()
		if s.hide != nil {
			shown, _ = s.hide(shown)
		}
		fmt.Fprintf(&b, "%s = %s # %s\n", name, shown, oneLine(s.origin.String()))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// split parts a key into its table and the name in it. Names of settings have no dots.
func split(key string) (table, name string) {
	i := strings.LastIndexByte(key, '.')
	return key[:max(i, 0)], key[i+1:]
}

// oneLine keeps a path with a line break from ending the comment it stands in.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}
