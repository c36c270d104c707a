package main

import (
	"maps"
	"slices"
	"strings"
)

// A setting that may be one value, or a table of values for different numbers or languages, has the single one under the
// key "". In a table * stands for it: a bare key of TOML can't be empty.
const anyOther = "*"

// oneOrTable reads a value that each reads from a string, alone or as a table; in the environment a table is name=value,
// between commas. form says what it must be, for the operator.
func oneOrTable[T any](p *map[string]T, each func(any) (T, error), show func(T) string, form error, rules ...func(map[string]T) error) value {
	one := func(v any) error {
		single, err := each(v)
		switch {
		case err != nil:
			return form
		case v == "": // none
			*p = nil
		default:
			*p = map[string]T{"": single}
		}
		return nil
	}
	several := func(entries map[string]any) error {
		m := make(map[string]T, len(entries))
		for name, e := range entries {
			v, err := each(e)
			switch {
			case err != nil, name == "":
				return form
			case e == "": // none
			case name == anyOther:
				m[""] = v
			default:
				m[name] = v
			}
		}
		*p = m
		return nil
	}
	return value{
		text: func(s string) error {
			if !strings.Contains(s, "=") {
				return one(s)
			}
			m, ok := pairs(s)
			if !ok {
				return form
			}
			entries := make(map[string]any, len(m))
			for name, v := range m {
				entries[name] = v
			}
			return several(entries)
		},
		toml: func(v any) error {
			if entries, ok := v.(map[string]any); ok {
				return several(entries)
			}
			return one(v)
		},
		show: func() string {
			single, ok := (*p)[""]
			switch {
			case len(*p) == 0:
				return quote("")
			case ok && len(*p) == 1:
				return show(single)
			}
			m := maps.Clone(*p)
			if ok {
				delete(m, "")
				m[anyOther] = single
			}
			return showTable(m, show)
		},
		judge: all(p, rules),
	}
}

// prices reads amounts as money does, one for all numbers or by how numbers begin. That prefixes are such is judged by
// package sms.
func prices(p *map[string]int64) value {
	return oneOrTable(p, amount, showAmount,
		errForm("an amount with at most six decimals, or a table of such by how numbers begin", `"0.045" or {"86" = "0.045", "1" = "0.0079"}`))
}

// byLanguage reads a text, one for all languages or one each.
func byLanguage(p *map[string]string) value {
	form := errForm("a text, or a table of texts by language", `"…" or {"zh-CN" = "…", "en" = "…"}`)
	each := func(v any) (string, error) {
		s, ok := v.(string)
		if !ok {
			return "", form
		}
		return s, nil
	}
	return oneOrTable(p, each, quote, form)
}

// covers reports whether every number that begins with prefix has a price.
func covers(prices map[string]int64, prefix string) bool {
	for _, key := range slices.Sorted(maps.Keys(prices)) {
		if prices[key] > 0 && strings.HasPrefix(prefix, key) {
			return true
		}
	}
	return false
}
