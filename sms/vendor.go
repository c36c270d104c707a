package sms

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net/url"
	"strings"
	"unicode"
)

// vendorEndpoint is the address that the setting endpoint says, or else the vendor's own, with the path /. Hosts are ASCII,
// as net/http writes them: a signature over another spelling would not be that of the request.
func vendorEndpoint(setting, own string) (url.URL, error) {
	u, err := url.Parse(cmp.Or(setting, own))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || strings.ContainsFunc(u.Hostname(), notInHost) ||
		u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		// The cause quotes the setting, in which a password may stand.
		return url.URL{}, fmt.Errorf("endpoint: write scheme and host alone, such as %s", own)
	}
	return url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/"}, nil
}

// mainland is the calling code of mainland China, which shares it with no other country.
const mainland = "86"

// notInKey finds what is in no key or code of a vendor's, and would end a header or its field early.
func notInKey(r rune) bool { return r <= ' ' || r >= unicode.MaxASCII || r == ',' }

// vendorID says whether s can be an id of a message: printable ASCII without spaces, at most 128 characters. The longest
// known is that of AWS, with 36.
func vendorID(s string) bool {
	return s != "" && len(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// tried is the answer for an operator's terminal, or "" if none came.
func (a answer) tried() string {
	if a.status == 0 {
		return ""
	}
	return a.String()
}

func hmacSHA256(key []byte, message string) []byte {
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, message)
	return mac.Sum(nil)
}
