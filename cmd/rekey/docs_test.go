package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTheConfigurationsInTheDocsAreSound holds every configuration that the pages on messages show to be without a fault,
// but for its keys. What shows a provider alone gets the rest that any service has.
func TestTheConfigurationsInTheDocsAreSound(t *testing.T) {
	t.Parallel()
	const frame = "public_origin = \"https://www.example.com\"\n[users]\ndsn = \"sqlite:rekey.db\"\n"
	block := regexp.MustCompile("(?s)```toml\n(.*?)```")
	placeholder := regexp.MustCompile(`(?m)^keys\s*=.*$`)
	checked := 0
	for _, page := range []string{"../../docs/sms.md", "../../docs/sms-vendors.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, found := range block.FindAllStringSubmatch(string(text), -1) {
			body := placeholder.ReplaceAllString(found[1], "")
			if !strings.Contains(body, "[sms]") {
				continue // a part of one
			}
			if !strings.Contains(body, "public_origin") {
				body = frame + body
			}
			checked++
			if l := load(write(t, body), []string{"REKEY_KEYS=" + goodKey}); len(l.faults) > 0 {
				t.Errorf("%s, configuration %d:\n%v", page, i+1, l.faults)
			}
		}
	}
	if checked < 8 { // every type of provider has one
		t.Errorf("only %d configurations were found", checked)
	}
}
