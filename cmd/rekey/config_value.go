package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// value is where a setting is kept and how it is read and written. The functions close over the field of config.
type value struct {
	text  func(string) error // from the environment; defaults are spelled so too
	toml  func(any) error    // from the file, as package toml decodes it
	show  func() string      // as TOML
	judge func() error       // what must hold beyond the form; nil: nothing
}

// errForm says what a value must look like, without repeating what it is: it may be a secret.
func errForm(what, example string) error { return fmt.Errorf("must be %s, such as %s", what, example) }

// all runs the rules of a value in order and returns the first objection.
func all[T any](p *T, rules []func(T) error) func() error {
	return func() error {
		for _, rule := range rules {
			if err := rule(*p); err != nil {
				return err
			}
		}
		return nil
	}
}

func text(p *string, rules ...func(string) error) value {
	return value{
		text: func(s string) error { *p = s; return nil },
		toml: func(v any) error {
			s, ok := v.(string)
			if !ok {
				return errForm("a string", `"text"`)
			}
			*p = s
			return nil
		},
		show:  func() string { return quote(*p) },
		judge: all(p, rules),
	}
}

func truth(p *bool, rules ...func(bool) error) value {
	wrong := errors.New("must be true or false")
	return value{
		text: func(s string) error {
			if s != "true" && s != "false" {
				return wrong
			}
			*p = s == "true"
			return nil
		},
		toml: func(v any) error {
			b, ok := v.(bool)
			if !ok {
				return wrong
			}
			*p = b
			return nil
		},
		show:  func() string { return strconv.FormatBool(*p) },
		judge: all(p, rules),
	}
}

func whole(p *int, rules ...func(int) error) value {
	wrong := errForm("a whole number", "5")
	return value{
		text: func(s string) error {
			n, err := strconv.Atoi(s)
			if err != nil {
				return wrong
			}
			*p = n
			return nil
		},
		toml: func(v any) error {
			n, ok := v.(int64)
			if !ok || int64(int(n)) != n {
				return wrong
			}
			*p = int(n)
			return nil
		},
		show:  func() string { return strconv.Itoa(*p) },
		judge: all(p, rules),
	}
}

func fraction(p *float64, rules ...func(float64) error) value {
	wrong := errForm("a number", "0.3")
	return value{
		text: func(s string) error {
			f, err := strconv.ParseFloat(s, 64)
			if err != nil {
				return wrong
			}
			*p = f
			return nil
		},
		toml: func(v any) error {
			switch n := v.(type) {
			case float64:
				*p = n
			case int64:
				*p = float64(n)
			default:
				return wrong
			}
			return nil
		},
		show:  func() string { return strconv.FormatFloat(*p, 'f', -1, 64) },
		judge: all(p, rules),
	}
}

// duration reads durations as Go writes them, and whole days as "180d". A bare number is refused: its unit is anybody's
// guess.
func duration(p *time.Duration, rules ...func(time.Duration) error) value {
	parse := func(s string) error {
		if days, ok := strings.CutSuffix(s, "d"); ok {
			n, err := strconv.ParseUint(days, 10, 16)
			if err != nil {
				return errForm("a duration with its unit", `"5m", "90s" or "180d"`)
			}
			*p = time.Duration(n) * day
			return nil
		}
		d, err := time.ParseDuration(s)
		if err != nil || s == "0" {
			return errForm("a duration with its unit", `"5m", "90s" or "180d"`)
		}
		*p = d
		return nil
	}
	return value{
		text: parse,
		toml: func(v any) error {
			s, ok := v.(string)
			if !ok {
				return errForm("a duration with its unit", `"5m", "90s" or "180d"`)
			}
			return parse(s)
		},
		show:  func() string { return quote(spellDuration(*p)) },
		judge: all(p, rules),
	}
}

const day = 24 * time.Hour

// spellDuration is the shortest spelling that duration reads back: "5m" and not "5m0s".
func spellDuration(d time.Duration) string {
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// money reads an amount in the operator's unit, at most six decimals, and keeps it in millionths: binary fractions
// would not add up.
func money(p *int64, rules ...func(int64) error) value {
	take := func(v any) error {
		n, err := amount(v)
		if err == nil {
			*p = n
		}
		return err
	}
	return value{
		text:  func(s string) error { return take(s) },
		toml:  take,
		show:  func() string { return showAmount(*p) },
		judge: all(p, rules),
	}
}

// amount is money in millionths, as the file or the environment has it.
func amount(v any) (int64, error) {
	var s string
	switch n := v.(type) {
	case string:
		s = n
	case int64:
		s = strconv.FormatInt(n, 10)
	case float64:
		s = strconv.FormatFloat(n, 'f', -1, 64)
	}
	units, decimals, _ := strings.Cut(s, ".")
	if units != "" && len(units) <= 12 && len(decimals) <= 6 && !strings.HasSuffix(s, ".") {
		if n, err := strconv.ParseUint(units+decimals+strings.Repeat("0", 6-len(decimals)), 10, 63); err == nil {
			return int64(n), nil
		}
	}
	return 0, errForm("an amount with at most six decimals", `"0.045"`)
}

func showAmount(n int64) string { return quote(spellAmount(n)) }

// spellAmount is millionths as an amount in the operator's unit, such as 0.045.
func spellAmount(n int64) string {
	s := fmt.Sprintf("%d.%06d", n/1_000_000, n%1_000_000)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// list reads a list of strings; in the environment they stand between commas, or one a line in a file that a variable
// names. each is asked about every element, and none may stand twice; nil: another package judges the elements.
func list(p *[]string, each func(string) error, rules ...func([]string) error) value {
	if each != nil {
		rules = append([]func([]string) error{elements(each)}, rules...)
	}
	return value{
		text: func(s string) error {
			*p = nil
			for part := range strings.SplitSeq(strings.ReplaceAll(s, "\n", ","), ",") {
				if part = strings.TrimSpace(part); part != "" {
					*p = append(*p, part)
				}
			}
			return nil
		},
		toml: func(v any) error {
			l, err := stringList(v)
			if err == nil {
				*p = l
			}
			return err
		},
		show:  func() string { return showList(*p) },
		judge: all(p, rules),
	}
}

// elements is the rule of a list whose every element follows a rule. It joins all objections.
func elements(rule func(string) error) func([]string) error {
	return func(l []string) error {
		var faults []error
		for i, s := range l {
			err := rule(s)
			if err == nil && slices.Contains(l[:i], s) {
				err = errors.New("stands twice; remove one")
			}
			for _, e := range each(err) {
				faults = append(faults, fmt.Errorf("element %d %w", i+1, e))
			}
		}
		return errors.Join(faults...)
	}
}

func stringList(v any) ([]string, error) {
	elements, ok := v.([]any)
	if !ok {
		return nil, errForm("a list of strings", `["a", "b"]`)
	}
	var l []string
	for _, e := range elements {
		s, ok := e.(string)
		if !ok {
			return nil, errForm("a list of strings", `["a", "b"]`)
		}
		l = append(l, s)
	}
	return l, nil
}

// table reads a table of strings; in the environment it is name=value, between commas.
func table(p *map[string]string, rules ...func(map[string]string) error) value {
	return value{
		text: func(s string) error {
			m, ok := pairs(s)
			if !ok {
				return errForm("name=value, with commas between", "a=b,c=d")
			}
			*p = m
			return nil
		},
		toml: func(v any) error {
			entries, ok := v.(map[string]any)
			if !ok {
				return errForm("a table of strings", `{"a" = "b"}`)
			}
			m := make(map[string]string, len(entries))
			for name, e := range entries {
				if m[name], ok = e.(string); !ok {
					return errForm("a table of strings", `{"a" = "b"}`)
				}
			}
			*p = m
			return nil
		},
		show:  func() string { return showTable(*p, quote) },
		judge: all(p, rules),
	}
}

// lists reads a table of lists; in the environment it is name=a+b, between commas.
func lists(p *map[string][]string, rules ...func(map[string][]string) error) value {
	return value{
		text: func(s string) error {
			m, ok := pairs(s)
			if !ok {
				return errForm("name=a+b, with commas between", "852=gateway+inbox")
			}
			*p = make(map[string][]string, len(m))
			for name, l := range m {
				(*p)[name] = strings.Split(l, "+")
			}
			return nil
		},
		toml: func(v any) error {
			wrong := errForm("a table of lists of strings", `{"852" = ["gateway"]}`)
			entries, ok := v.(map[string]any)
			if !ok {
				return wrong
			}
			m := make(map[string][]string, len(entries))
			for name, e := range entries {
				l, err := stringList(e)
				if err != nil {
					return wrong
				}
				m[name] = l
			}
			*p = m
			return nil
		},
		show:  func() string { return showTable(*p, showList) },
		judge: all(p, rules),
	}
}

// pairs reads name=value,name=value; ok is false where a part has no name.
func pairs(s string) (map[string]string, bool) {
	m := map[string]string{}
	if s == "" {
		return m, true
	}
	for part := range strings.SplitSeq(s, ",") {
		name, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || name == "" {
			return nil, false
		}
		m[name] = v
	}
	return m, true
}

func showList(l []string) string {
	quoted := make([]string, len(l))
	for i, s := range l {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func showTable[T any](m map[string]T, show func(T) string) string {
	entries := make([]string, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		entries = append(entries, quote(name)+" = "+show(m[name]))
	}
	return "{" + strings.Join(entries, ", ") + "}"
}

// quote is s as a basic string of TOML (v1.0.0, "String"), whose escapes are those of JSON and, beyond them, DEL.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil { // a string always encodes
		panic(err)
	}
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007f`)
}
