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

// TestTheExampleHasEverySettingWithItsDefault takes the comment sign off every commented setting, so that the file sets
// all there is, and compares.
func TestTheExampleHasEverySettingWithItsDefault(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	commented := regexp.MustCompile(`(?m)^# ((?:[a-z0-9_]+ = |\[sms\.).*)$`)
	path := filepath.Join(t.TempDir(), "rekey.toml")
	if err := os.WriteFile(path, commented.ReplaceAll(example, []byte("$1")), 0o600); err != nil {
		t.Fatal(err)
	}

	l := load(path, []string{"REKEY_SMS_PROVIDERS_GATEWAY_TYPE=http", "REKEY_SMS_PROVIDERS_GATEWAY_URL=http://127.0.0.1:9/"})
	l.faults = slices.DeleteFunc(l.faults, func(f fault) bool { return strings.HasSuffix(f.key, ".endpoint") })
	if len(l.faults) > 0 {
		t.Errorf("the settings of the example have faults:\n%v", l.faults)
	}
	defaults := load(write(t, ""), []string{"REKEY_SMS_PROVIDERS_GATEWAY_TYPE=http"})
	if got, want := len(l.settings), len(defaults.settings); got != want {
		t.Errorf("%d settings, want %d", got, want)
	}
	for _, s := range l.settings {
		if s.origin.line == 0 && s.origin.variable == "" {
			t.Errorf("%s is missing in the example", s.key)
			continue
		}
		if s.origin.variable != "" { // the two that make the provider pass
			continue
		}
		if got, want := s.value.show(), defaults.find(s.key).value.show(); got != want {
			t.Errorf("%v: %s = %s in the example, but the default is %s", s.origin, s.key, got, want)
		}
	}
}
