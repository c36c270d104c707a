package smstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"sort"
	"strings"
	"sync"
	"time"
)

// Aliyun is an account at Alibaba Cloud, and what a message through it must look like.
type Aliyun struct {
	KeyID, Secret  string
	Sign, Template string
	Variables      []string // of the template, all of them; code and min are known by these names
}

// The parts of an Authorization header, and the forms of what the vendor documents
// (https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature).
var (
	aliyunAuthorization = regexp.MustCompile(`^ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]{64})$`)
	aliyunDate          = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)
	mainlandMobile      = regexp.MustCompile(`^1[3-9]\d{9}$`)
	sixDigits           = regexp.MustCompile(`^\d{6}$`)
	minutes             = regexp.MustCompile(`^[1-9]\d?$`)
)

// SendSms accepts what the operation SendSms of 2017-05-25 takes, to a number of the mainland.
func (a Aliyun) SendSms() Accept {
	return a.accept("SendSms", map[string]string{}, "PhoneNumbers")
}

// SendSmsVerifyCode accepts what the operation SendSmsVerifyCode of 2017-05-25 takes.
func (a Aliyun) SendSmsVerifyCode() Accept {
	return a.accept("SendSmsVerifyCode", map[string]string{"CountryCode": "86", "Interval": "30"}, "PhoneNumber")
}

func (a Aliyun) accept(action string, fixed map[string]string, number string) Accept {
	var mu sync.Mutex
	nonces := map[string]bool{}
	return func(r *http.Request, body []byte) (Taken, error) {
		if err := a.signed(r, body, action); err != nil {
			return Taken{}, err
		}
		nonce := r.Header.Get("x-acs-signature-nonce")
		mu.Lock()
		used := nonces[nonce]
		nonces[nonce] = true
		mu.Unlock()
		if used || len(nonce) < 22 { // 128 bits take 22 characters of base64
			return Taken{}, fmt.Errorf("the nonce has %d characters, or was used before", len(nonce))
		}
		return a.message(r.URL.Query(), fixed, number)
	}
}

// signed checks that the request is one to the action, now, and signed by the account with all headers that count.
func (a Aliyun) signed(r *http.Request, body []byte, action string) error {
	parts := aliyunAuthorization.FindStringSubmatch(r.Header.Get("Authorization"))
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/" || len(body) != 0 || r.ContentLength != 0:
		return fmt.Errorf("%s %s with %d bytes", r.Method, r.URL.Path, len(body))
	case parts == nil:
		return errors.New("the Authorization header is malformed")
	case parts[1] != a.KeyID:
		return errors.New("the key's id is another one")
	case r.Header.Get("x-acs-action") != action || r.Header.Get("x-acs-version") != "2017-05-25":
		return fmt.Errorf("action %q, version %q", r.Header.Get("x-acs-action"), r.Header.Get("x-acs-version"))
	case r.Header.Get("Accept") != "application/json":
		return errors.New("no JSON is asked for")
	}
	date := r.Header.Get("x-acs-date")
	at, err := time.Parse("2006-01-02T15:04:05Z07:00", date)
	if age := time.Since(at); err != nil || !aliyunDate.MatchString(date) || age.Abs() > 15*time.Minute {
		return fmt.Errorf("the date %q is not the present, or not in UTC", date)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256(body)); r.Header.Get("x-acs-content-sha256") != want {
		return errors.New("the hash of the body is wrong")
	}

	// Every x-acs- header counts, the host, and a content type if there is one.
	lines := []string{"host:" + r.Host}
	for name, values := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-acs-") || name == "content-type" {
			lines = append(lines, name+":"+strings.TrimSpace(strings.Join(values, ",")))
		}
	}
	sort.Strings(lines)
	var names []string
	for _, line := range lines {
		names = append(names, line[:strings.Index(line, ":")])
	}
	if strings.Join(names, ";") != parts[2] {
		return fmt.Errorf("signed are %q, want %q", parts[2], names)
	}
	query, err := aliyunCanonical(r.URL.RawQuery)
	if err != nil {
		return err
	}
	canonical := "POST\n/\n" + query + "\n" + strings.Join(lines, "\n") + "\n\n" + parts[2] + "\n" + r.Header.Get("x-acs-content-sha256")
	mac := hmac.New(sha256.New, []byte(a.Secret))
	fmt.Fprintf(mac, "ACS3-HMAC-SHA256\n%x", sha256.Sum256([]byte(canonical)))
	if fmt.Sprintf("%x", mac.Sum(nil)) != parts[3] {
		return errors.New("the signature is wrong")
	}
	return nil
}

// aliyunCanonical reads the query and writes it again byte by byte as RFC 3986 has it, sorted.
func aliyunCanonical(raw string) (string, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return "", errors.New("the query can't be read")
	}
	escape := func(s string) string {
		var b strings.Builder
		for i := 0; i < len(s); i++ {
			if c := s[i]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
		return b.String()
	}
	var pairs []string
	for name, values := range query {
		if len(values) != 1 {
			return "", fmt.Errorf("%s is there %d times", name, len(values))
		}
		pairs = append(pairs, escape(name)+"="+escape(values[0]))
	}
	sort.Strings(pairs)
	return strings.Join(pairs, "&"), nil
}

// message reads the parameters, of which each must be there and no other.
func (a Aliyun) message(q url.Values, fixed map[string]string, number string) (Taken, error) {
	want := map[string]string{"SignName": a.Sign, "TemplateCode": a.Template}
	for name, value := range fixed {
		want[name] = value
	}
	for name, value := range want {
		if q.Get(name) != value {
			return Taken{}, fmt.Errorf("%s is %q, want %q", name, q.Get(name), value)
		}
	}
	if len(q) != len(want)+3 { // number, variables, id
		return Taken{}, fmt.Errorf("%d parameters, want %d", len(q), len(want)+3)
	}
	var variables map[string]string // the vendor takes strings alone (isv.INVALID_JSON_PARAM)
	if err := json.Unmarshal([]byte(q.Get("TemplateParam")), &variables); err != nil {
		return Taken{}, errors.New("TemplateParam is no JSON object of strings")
	}
	for _, name := range a.Variables {
		if variables[name] == "" {
			return Taken{}, fmt.Errorf("the variable %s is missing", name)
		}
	}
	lives, timed := variables["min"]
	switch {
	case len(variables) != len(a.Variables):
		return Taken{}, fmt.Errorf("%d variables, want %d", len(variables), len(a.Variables))
	case !sixDigits.MatchString(variables["code"]):
		return Taken{}, errors.New("the code has not six digits")
	case timed && !minutes.MatchString(lives):
		return Taken{}, fmt.Errorf("min is %q", lives)
	case !mainlandMobile.MatchString(q.Get(number)):
		return Taken{}, errors.New("the number is none of the mainland")
	case q.Get("OutId") == "":
		return Taken{}, errors.New("no OutId")
	}
	return Taken{ID: q.Get("OutId"), Mobile: q.Get(number), Code: variables["code"]}, nil
}
