package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const exampleFile = "../../rekey.example.toml"

func TestTheExampleIsASoundConfigurationButForItsKeys(t *testing.T) {
	t.Parallel()
	l := load(exampleFile, []string{"REKEY_KEYS=" + goodKey})
	if len(l.faults) > 0 {
		t.Fatalf("the example has faults:\n%v", l.faults)
	}
}

// uncommented is the example with the comment sign off every commented setting, so that it sets all there is.
func uncommented(t *testing.T) *loaded {
	t.Helper()
	example, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	commented := regexp.MustCompile(`(?m)^# ((?:[a-z0-9_]+ = |\[sms\.).*)$`)
	path := filepath.Join(t.TempDir(), "rekey.toml")
	if err := os.WriteFile(path, commented.ReplaceAll(example, []byte("$1")), 0o600); err != nil {
		t.Fatal(err)
	}
	return load(path, []string{"REKEY_KEYS=" + goodKey})
}

func TestTheExampleHasEverySettingWithItsDefault(t *testing.T) {
	t.Parallel()
	l := uncommented(t)
	// What a provider can't do without is empty there.
	l.faults = slices.DeleteFunc(l.faults, func(f fault) bool {
		table, setting := split(f.key)
		return strings.HasPrefix(table, "sms.providers.") && l.find(f.key).value.show() == `""` && setting != "type"
	})
	if len(l.faults) > 0 {
		t.Errorf("the settings of the example have faults:\n%v", l.faults)
	}
	defaults := load(write(t, ""), nil).settings
	for name := range l.SMS.Providers {
		for _, s := range new(providerConfig).declare("sms.providers." + name + ".") {
			s.reset()
			defaults = append(defaults, s)
		}
	}
	shown := map[string]string{}
	for _, s := range defaults {
		shown[s.key] = s.value.show()
	}
	for _, s := range l.settings {
		_, name := split(s.key)
		if s.origin.line == 0 || name == "type" {
			continue
		}
		if got, want := s.value.show(), shown[s.key]; got != want {
			t.Errorf("%v: %s = %s in the example, but the default is %s", s.origin, s.key, got, want)
		}
	}
}

// TestTheExampleIsComplete: every setting that is of no provider stands there, and of each type of provider every setting but
// those of all types, which stand in the first table.
func TestTheExampleIsComplete(t *testing.T) {
	t.Parallel()
	l := uncommented(t)
	stands := func(key string) bool {
		s := l.find(key)
		return s != nil && (s.origin.line > 0 || key == "keys") // which the test sets
	}
	for _, s := range new(config).declare() {
		if !stands(s.key) {
			t.Errorf("%s is missing in the example", s.key)
		}
	}
	tables := map[string]string{} // by type
	for name, p := range l.SMS.Providers {
		tables[p.Type] = "sms.providers." + name + "."
	}
	for _, k := range kinds() {
		if k.name == "inbox" { // has settings of all types only
			continue
		}
		settings := k.settings
		if k.name == "http" {
			settings = append([]string{"receipts"}, append(settings, commonSettings...)...)
		}
		for _, name := range settings {
			if tables[k.name] == "" || !stands(tables[k.name]+name) {
				t.Errorf("%s of type %s is missing in the example", name, k.name)
			}
		}
	}
}
