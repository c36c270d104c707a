package sms

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ByLanguage is a setting that may differ by the language of the message, such as the id of a template that is registered
// with a vendor: the keys are languages as Texts.Languages spells them, and "" stands for every one that has no key.
type ByLanguage map[string]string

// For is the value for messages in the language tag, as Texts.Language gives it, and whether there is one.
func (b ByLanguage) For(tag string) (string, bool) {
	for _, key := range []string{tag, ""} {
		if v := b[key]; v != "" {
			return v, true
		}
	}
	return "", false
}

// Faults says what is wrong with b as the value of the setting: it must have a value for each of the languages, and no
// key besides, since a key that is never looked up is a misspelt one. Each error is a sentence that begins with the
// setting's name and holds no value.
func (b ByLanguage) Faults(setting string, languages []string) []error {
	var faults []error
	if len(b) == 0 {
		return []error{fmt.Errorf("%s: is required", setting)}
	}
	for _, tag := range languages {
		if _, ok := b.For(tag); !ok {
			faults = append(faults, fmt.Errorf("%s: there is none for the language %s; add %s.%s", setting, tag, setting, tag))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(b)) {
		if key != "" && !slices.Contains(languages, key) {
			faults = append(faults, fmt.Errorf("%s.%q: is not one of the configured languages, %s", setting, key, strings.Join(languages, ", ")))
		}
	}
	return faults
}

// each joins the faults that check finds in the values, which it is to name in words that hold nothing of them.
func (b ByLanguage) each(setting string, check func(value string) string) error {
	var faults []error
	for _, key := range slices.Sorted(maps.Keys(b)) {
		name := setting
		if key != "" {
			name += "." + key
		}
		if problem := check(b[key]); problem != "" {
			faults = append(faults, fmt.Errorf("%s: %s", name, problem))
		}
	}
	return errors.Join(faults...)
}
