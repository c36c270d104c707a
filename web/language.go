package web

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/text/language"
)

// languages picks one of the installed languages for a visitor.
type languages struct {
	names   []string // in their canonical spelling; the first is the default
	matcher language.Matcher
}

func newLanguages(configured []string) (*languages, error) {
	var names []string
	var tags []language.Tag
	var faults []error
	if len(configured) == 0 {
		faults = append(faults, errors.New("at least one language is required"))
	}
	for _, name := range configured {
		tag, err := language.Parse(name)
		if err != nil {
			faults = append(faults, fmt.Errorf("%q is no language tag (BCP 47)", name))
			continue
		}
		names, tags = append(names, tag.String()), append(tags, tag)
	}
	return &languages{names: names, matcher: language.NewMatcher(tags)}, errors.Join(faults...)
}

// maxAcceptLanguage is how much of Accept-Language is looked at, in bytes: browsers send under 100, people with many
// languages some 200. What is longer gets the default, so that matching has a bounded cost whatever is sent.
const maxAcceptLanguage = 256

// match is the installed language that fits Accept-Language best (RFC 9110, section 12.5.4, and RFC 4647 as
// golang.org/x/text/language refines it), or the default if none does or the header is malformed.
func (l *languages) match(lines []string) string {
	if len(lines) == 0 {
		return l.names[0]
	}
	accept := strings.Join(lines, ",")
	if len(accept) > maxAcceptLanguage {
		return l.names[0]
	}
	tags, _, err := language.ParseAcceptLanguage(accept)
	if err != nil || len(tags) == 0 {
		return l.names[0]
	}
	_, i, confidence := l.matcher.Match(tags...)
	if confidence == language.No {
		return l.names[0] // the matcher guesses by script: English for French
	}
	return l.names[i]
}
