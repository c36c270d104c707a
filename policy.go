package rekey

import (
	"compress/gzip"
	_ "embed" // the list of common passwords
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// PolicyRule is a rule that a new password may break.
type PolicyRule string

// The rules.
const (
	RuleForm   PolicyRule = "form"   // classic: 6 to 20 ASCII letters and digits
	RuleLength PolicyRule = "length" // nist: 8 to 128 characters
	RuleCommon PolicyRule = "common" // on the list of the most common passwords
	RuleNumber PolicyRule = "number" // the mobile number itself
	RuleHash   PolicyRule = "hash"   // too long for the hash format of the account's row; known only once its code was right
)

// Bounds of a new password, in characters. Those of nist are the least length that NIST SP 800-63B section 5.1.1.2 asks
// for, and twice the 64 that it wants every verifier to take.
const (
	classicMin, classicMax = 6, 20
	nistMin, nistMax       = 8, 128
)

// Policy decides which new passwords are taken. It comes from NewPolicy, is immutable and safe for concurrent use. A nil
// or zero Policy takes no password at all.
type Policy struct {
	name      string
	blocklist bool
	common    []string // sorted, in lower case, all of one backing string
}

// NewPolicy makes the policy called "classic" (6 to 20 ASCII letters and digits) or "nist" (8 to 128 of any characters,
// NIST SP 800-63B section 5.1.1.2). With blocklist it also refuses the most common passwords and the mobile number
// itself. It reads the embedded list each time, some milliseconds and half a megabyte: make one policy and keep it.
func NewPolicy(name string, blocklist bool) (*Policy, error) {
	if name != "classic" && name != "nist" {
		return nil, fmt.Errorf("there is no password policy %q: name classic or nist", name)
	}
	p := &Policy{name: name, blocklist: blocklist}
	if blocklist {
		var err error
		if p.common, err = readCommonPasswords(); err != nil {
			return nil, fmt.Errorf("the embedded list of common passwords: %w", err)
		}
	}
	return p, nil
}

// Name is "classic" or "nist".
func (p *Policy) Name() string {
	if p == nil {
		return ""
	}
	return p.name
}

// Check returns the first rule that password breaks, or "": form or length, then the number, then the list. A password
// is taken as typed. It is not normalised, since the application that will verify it does not normalise either. One that
// is too long is refused by its length alone, whatever it holds (T22).
func (p *Policy) Check(n Number, password string) PolicyRule {
	switch p.Name() {
	case "classic":
		if !classicForm(password) {
			return RuleForm
		}
	case "nist":
		if !nistLength(password) {
			return RuleLength
		}
	default:
		return RuleForm
	}
	switch {
	case !p.blocklist:
		return ""
	case spells(n, password):
		return RuleNumber
	case p.isCommon(password):
		return RuleCommon
	}
	return ""
}

// classicForm is the rule that the contract's pages have always had.
func classicForm(password string) bool {
	if len(password) < classicMin || len(password) > classicMax {
		return false
	}
	for i := range len(password) {
		c := password[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// nistLength counts each Unicode code point as one character. What is no text is refused: bytes that are not UTF-8, and
// NUL, at which C implementations of bcrypt stop reading.
func nistLength(password string) bool {
	if len(password) < nistMin || len(password) > nistMax*utf8.UTFMax {
		return false
	}
	if !utf8.ValidString(password) || strings.Contains(password, "\x00") {
		return false
	}
	characters := utf8.RuneCountInString(password)
	return characters >= nistMin && characters <= nistMax
}

// spells reports whether password is the number as people write it: national or international (+, 00 or the calling code
// alone), with or without a trunk zero and the usual separators.
func spells(n Number, password string) bool {
	if n.IsZero() {
		return false
	}
	plain := strings.TrimLeft(strings.Map(func(r rune) rune {
		if strings.ContainsRune("+ -.()", r) {
			return -1
		}
		return r
	}, password), "0")
	national := strings.TrimLeft(n.National(), "0")
	return plain == national || plain == n.CallingCode()+n.National()
}

// isCommon compares as Django's CommonPasswordValidator does: in lower case, without the space around it.
func (p *Policy) isCommon(password string) bool {
	_, found := slices.BinarySearch(p.common, strings.ToLower(strings.TrimSpace(password)))
	return found
}

// commonPasswords are the passwords that Django refuses (django/contrib/auth/common-passwords.txt.gz), one a line; its
// licence stands beside it.
//
//go:embed third_party/django/common-passwords.txt.gz
var commonPasswords string

func readCommonPasswords() ([]string, error) {
	r, err := gzip.NewReader(strings.NewReader(commonPasswords))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	words := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	slices.Sort(words)
	return words, nil
}
