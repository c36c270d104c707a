package sms

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/language"

	"rekey"
)

// TextConfig says what every message carries beside its code.
type TextConfig struct {
	// Languages are the configured languages as BCP 47 tags, the default first. Empty: zh-CN.
	Languages []string
	// Sign names the service, such as 示例网, without brackets. Empty: messages name nobody, for gateways that put the
	// sign there themselves.
	Sign string
	// Origin is the configured public origin, such as https://www.example.com. Its host stands in the origin-bound line
	// of messages; no request header has a say in that (T34). Empty, or not https: there is no such line.
	Origin string
}

// Texts writes the messages. It is immutable and safe for concurrent use.
//
// The language of a message decides its sentence, the country of its number decides what stands around it:
//
//   - Mainland China (+86), in any language: the operators there pass 【sign】 and a text with one variable, without
//     links, hosts and contacts (Aliyun help 463237, Tencent Cloud 382/39023). So the sign stands in front and the
//     origin-bound line is left out, for a message in English too.
//   - Elsewhere: the origin-bound line comes last, for a message in Chinese too: browsers read it in any language.
type Texts struct {
	tags    []string
	phrases []phrases
	matcher language.Matcher
	sign    string
	host    string
}

// phrases are the texts of one language, with {code}, {sign} and {time} to be filled in.
type phrases struct {
	body  string // stands after 【sign】, or alone where no sign is configured
	named string // names the sign in its sentence, for use outside the mainland; empty: 【sign】 and body are used there too

	minute, minutes, second, seconds string // a lifetime, with %d
}

// catalogue has the texts of a language: a language is added by a case here and an entry in the tests.
func catalogue(tag language.Tag) (phrases, bool) {
	switch tag {
	case language.MustParse("zh-CN"):
		return phrases{
			body:   "验证码{code}，用于重置密码，{time}内有效，请勿告诉他人。",
			minute: "%d分钟", minutes: "%d分钟", second: "%d秒", seconds: "%d秒",
		}, true
	case language.English:
		return phrases{
			body:   "{code} is your password reset code. It expires in {time}.",
			named:  "{code} is your {sign} code. It expires in {time}.",
			minute: "%d minute", minutes: "%d minutes", second: "%d second", seconds: "%d seconds",
		}, true
	}
	return phrases{}, false
}

// maxSign bounds the sign, in characters: Aliyun and Tencent Cloud take 2 to 12, others up to 20.
const maxSign = 20

// NewTexts makes Texts. Its error joins all faults (errors.Join), each a sentence that begins with the setting's name.
func NewTexts(c TextConfig) (*Texts, error) {
	t := &Texts{sign: c.Sign}
	var faults []error
	if len(c.Languages) == 0 {
		c.Languages = []string{"zh-CN"}
	}
	var tags []language.Tag
	for _, name := range c.Languages {
		tag, err := language.Parse(name)
		p, known := catalogue(tag)
		if err != nil || !known {
			faults = append(faults, fmt.Errorf("languages: there are no messages in %q; zh-CN and en are there", name))
			continue
		}
		tags = append(tags, tag)
		t.tags = append(t.tags, tag.String())
		t.phrases = append(t.phrases, p)
	}
	t.matcher = language.NewMatcher(tags)

	if len([]rune(c.Sign)) > maxSign || strings.ContainsFunc(c.Sign, notInSign) {
		faults = append(faults, fmt.Errorf("sms.sign: write at most %d printable characters, without 【】", maxSign))
	}

	if c.Origin != "" {
		origin, err := url.Parse(c.Origin)
		switch {
		case err != nil || origin.Host == "" || strings.ContainsFunc(origin.Hostname(), notInHost):
			faults = append(faults, errors.New(
				"public_origin: write scheme and host as browsers send them, such as https://www.example.com (xn--… for other scripts)"))
		case origin.Scheme == "https":
			// The line stands for the origin (https, host, no port): on a page without https browsers ignore it.
			t.host = origin.Hostname()
		}
	}
	return t, errors.Join(faults...)
}

func notInSign(r rune) bool { return r == '【' || r == '】' || !unicode.IsPrint(r) }

// notInHost finds what would break the last line: a browser ends the host at ASCII whitespace, and compares it with
// hosts that are ASCII.
func notInHost(r rune) bool { return r <= ' ' || r >= unicode.MaxASCII }

// Languages are the configured languages as canonical BCP 47 tags, the default first.
func (t *Texts) Languages() []string { return slices.Clone(t.tags) }

// Language is the configured language that a message asked for in tag is written in: the nearest one, else the first.
func (t *Texts) Language(tag string) string { return t.tags[t.match(tag)] }

func (t *Texts) match(tag string) int {
	_, i := language.MatchStrings(t.matcher, tag)
	return i
}

// Text is the message as the person reads it.
func (t *Texts) Text(m rekey.Message) string {
	p := t.phrases[t.match(m.Language)]
	mainland := m.To.CallingCode() == "86"

	text := p.body
	switch {
	case t.sign == "":
	case mainland || p.named == "":
		text = "【{sign}】" + p.body
	default:
		text = p.named
	}
	if !mainland && t.host != "" {
		// WICG, Origin-bound one-time codes delivered via SMS: the last line, @host, exactly one space, #code.
		text += "\n\n@" + t.host + " #{code}"
	}
	return strings.NewReplacer("{code}", m.Code.Reveal(), "{sign}", t.sign, "{time}", p.lifetime(m.ExpiresIn)).Replace(text)
}

// lifetime is d in whole minutes, or seconds under a minute, rounded down: a person must not be promised more time than
// there is.
func (p phrases) lifetime(d time.Duration) string {
	d = max(0, d+granted)
	n, one, many := int(d/time.Minute), p.minute, p.minutes
	if n == 0 {
		n, one, many = int(d/time.Second), p.second, p.seconds
	}
	if n == 1 {
		many = one
	}
	return fmt.Sprintf(many, n)
}

// granted is added to a lifetime before it is rounded down, since stores keep instants in whole milliseconds.
const granted = time.Millisecond

// wholeMinutes is a lifetime as templates take it that are registered with a vendor and say "…分钟" themselves: rounded
// down, and 1 at the least, since none says seconds.
func wholeMinutes(d time.Duration) int { return max(1, int((d+granted)/time.Minute)) }
