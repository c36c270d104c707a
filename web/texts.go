package web

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

//go:embed locales texts
var textFiles embed.FS

// texts are texts in one language by key. {name} stands for what is put in; a key with "_one" appended is the text for
// one of something.
type texts map[string]string

// loadTexts reads the texts of the languages, by language: those of the contract and those of the page.
func loadTexts(languages []string) (contract, page map[string]texts, err error) {
	contract, page = map[string]texts{}, map[string]texts{}
	var faults []error
	for _, name := range languages {
		for folder, all := range map[string]map[string]texts{"locales": contract, "texts": page} {
			data, err := textFiles.ReadFile(folder + "/" + name + ".json")
			if err != nil {
				faults = append(faults, fmt.Errorf("language %q is not installed", name))
				break
			}
			var of texts
			if err := json.Unmarshal(data, &of); err != nil {
				faults = append(faults, fmt.Errorf("%s/%s.json: %w", folder, name, err))
			}
			all[name] = of
		}
	}
	return contract, page, errors.Join(faults...)
}

// T is the text of key, with values put in: name, value, name, value …
func (t texts) T(key string, values ...string) string {
	text := t[key]
	for i := 0; i+1 < len(values); i += 2 {
		text = strings.ReplaceAll(text, "{"+values[i]+"}", values[i+1])
	}
	return text
}

// count is the text of key for n of something.
func (t texts) count(key string, n int) string {
	if n == 1 {
		key += "_one"
	}
	return t.T(key, "n", strconv.Itoa(n))
}

// span is a time in words, rounded up: seconds under a minute, then minutes, then hours. page.js does the same.
func (t texts) span(d time.Duration) string {
	up := func(unit time.Duration) int { return int(math.Ceil(float64(d) / float64(unit))) }
	switch s := up(time.Second); {
	case s < 60:
		return t.T("seconds", "n", strconv.Itoa(s))
	case up(time.Minute) < 60:
		return t.count("minutes", up(time.Minute))
	}
	return t.count("hours", up(time.Hour))
}
