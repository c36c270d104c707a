package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// readFile takes the settings from the text of the configuration file. An unknown key is a fault at its line.
func (l *loaded) readFile(data string) {
	var root map[string]toml.Primitive
	meta, err := toml.Decode(data, &root)
	if err != nil {
		at, text := origin{file: l.file}, err.Error()
		if e, ok := errors.AsType[toml.ParseError](err); ok {
			at.line, text = e.Position.Line, e.Message
		}
		l.unread = true
		l.add(at, "", "not valid TOML: "+strings.TrimSuffix(text, ".")+"; correct that line")
		return
	}
	l.readTable(meta, nil, root)
}

// readTable takes the settings of one table of the file and of the tables in it.
func (l *loaded) readTable(meta toml.MetaData, path toml.Key, entries map[string]toml.Primitive) {
	for name, primitive := range entries {
		path := append(path[:len(path):len(path)], name)
		key := path.String()
		v, line := locate(meta, primitive)
		at := origin{file: l.file, line: line}
		if len(path) == 3 && path[0] == "sms" && path[1] == "providers" {
			l.provider(name)
		}
		if s := l.find(key); s != nil {
			s.origin = at
			if err := s.value.toml(v); err != nil {
				l.add(at, key, err.Error())
			}
			continue
		}
		if !l.section(key) {
			l.add(at, key, "there is no such setting; correct the name or remove the line"+l.meant(key, func(key string) string { return key }))
			continue
		}
		var table map[string]toml.Primitive
		if _, ok := v.(map[string]any); !ok || meta.PrimitiveDecode(primitive, &table) != nil {
			l.add(at, key, "is a table; write ["+key+"] on a line of its own and its settings below")
			continue
		}
		l.readTable(meta, path, table)
	}
}

// section reports whether settings stand below key.
func (l *loaded) section(key string) bool {
	for _, s := range l.settings {
		if strings.HasPrefix(s.key, key+".") {
			return true
		}
	}
	return key == "sms.providers"
}

// probe is decoded into to learn a value and its place: package toml tells the line of a value only in the errors of
// an Unmarshaler.
type probe struct{ value any }

func (p *probe) UnmarshalTOML(v any) error {
	p.value = v
	return errors.New("tell the line")
}

// locate is the value of a primitive and the line it stands on. A table that is only there because of what stands in it,
// as a in [a.b], has no line of its own: the first one in it does.
func locate(meta toml.MetaData, primitive toml.Primitive) (v any, line int) {
	var p probe
	err := meta.PrimitiveDecode(primitive, &p)
	if e, ok := errors.AsType[toml.ParseError](err); ok {
		line = e.Position.Line
	}
	var entries map[string]toml.Primitive
	if _, table := p.value.(map[string]any); table && line == 0 && meta.PrimitiveDecode(primitive, &entries) == nil {
		for _, entry := range entries {
			if _, within := locate(meta, entry); line == 0 || within < line {
				line = within
			}
		}
	}
	return p.value, line
}

// tomlKey is a name as it stands in a dotted key, quoted where it must be.
func tomlKey(name string) string { return toml.Key{name}.String() }

// meant is a hint at the setting that an unknown name is likely a misspelling of, or "". spell is how settings are
// spelled where the name stands.
func (l *loaded) meant(name string, spell func(key string) string) string {
	best, distance := "", 3 // more than two letters off is a guess
	for _, s := range l.settings {
		if d := editDistance(name, spell(s.key)); d < distance {
			best, distance = spell(s.key), d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (is it %s?)", best)
}

// editDistance is the number of single-byte insertions, deletions and replacements from a to b (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
