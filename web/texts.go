package web

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"time"
)

//go:embed texts
var textFiles embed.FS

// texts are the texts of the page in one language. {name} stands for what is put in; a key with "_one" appended is the
// text for one of something.
type texts map[string]string

// loadTexts reads the texts of the languages. It is silent about one that is not installed: loadCatalogue has named it.
func loadTexts(languages []string) (map[string]texts, error) {
	all := map[string]texts{}
	for _, name := range languages {
		data, err := textFiles.ReadFile("texts/" + name + ".json")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
			continue
		}
		var of texts
		if err == nil {
			err = json.Unmarshal(data, &of)
		}
		if err != nil {
			return nil, fmt.Errorf("the page's texts of language %q: %w", name, err)
		}
		all[name] = of
	}
	return all, nil
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
