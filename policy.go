package rekey

// PolicyRule is a rule that a new password may break.
type PolicyRule string

// The rules.
const (
	RuleForm   PolicyRule = "form"   // classic: 6 to 20 ASCII letters and digits
	RuleLength PolicyRule = "length" // nist: 8 to 128 characters
	RuleCommon PolicyRule = "common" // on the list of the most common passwords
	RuleNumber PolicyRule = "number" // the mobile number itself
)

// Policy decides which new passwords are taken.
type Policy struct {
	name string
}

// Name is "classic" or "nist".
func (p *Policy) Name() string { return p.name }

// NewPolicy makes the policy called "classic" (6 to 20 ASCII letters and digits) or "nist" (8 to 128 of any
// characters, NIST SP 800-63B section 5.1.1.2), with or without the blocklist.
func NewPolicy(name string, blocklist bool) (*Policy, error) { panic("being written") }

// Check returns the first rule that password breaks, or "".
func (p *Policy) Check(n Number, password string) PolicyRule { panic("being written") }
