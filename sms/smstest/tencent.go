package smstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Tencent is an account at Tencent Cloud, and what a message through it must look like.
type Tencent struct {
	SecretID, SecretKey, AppID, Region string
	Sign, Template                     string
	Minutes                            bool // the template's second variable is the code's life; else the code is its only one
}

// The parts of an Authorization header (https://cloud.tencent.com/document/api/213/30654).
var tencentAuthorization = regexp.MustCompile(`^TC3-HMAC-SHA256 Credential=([^/]+)/(\d{4}-\d\d-\d\d)/sms/tc3_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$`)

// SendSms accepts what the operation SendSms of 2021-01-11 takes, to a number of the mainland.
func (a Tencent) SendSms() Accept {
	return func(r *http.Request, body []byte) (Taken, error) {
		if err := a.signed(r, body); err != nil {
			return Taken{}, err
		}
		return a.message(body)
	}
}

// signed checks that the request is one to SendSms, now, and signed by the account.
func (a Tencent) signed(r *http.Request, body []byte) error {
	parts := tencentAuthorization.FindStringSubmatch(r.Header.Get("Authorization"))
	switch {
	case r.Method != http.MethodPost || r.URL.RequestURI() != "/":
		return fmt.Errorf("%s %s", r.Method, r.URL.Path)
	case r.Header.Get("X-TC-Action") != "SendSms" || r.Header.Get("X-TC-Version") != "2021-01-11" || r.Header.Get("X-TC-Region") != a.Region:
		return fmt.Errorf("action %q, version %q, region %q", r.Header.Get("X-TC-Action"), r.Header.Get("X-TC-Version"), r.Header.Get("X-TC-Region"))
	case r.Header.Get("Content-Type") != "application/json; charset=utf-8":
		return fmt.Errorf("type %q", r.Header.Get("Content-Type"))
	case parts == nil:
		return errors.New("the Authorization header is malformed")
	case parts[1] != a.SecretID:
		return errors.New("the key's id is another one")
	}
	seconds, err := strconv.ParseInt(r.Header.Get("X-TC-Timestamp"), 10, 64)
	at := time.Unix(seconds, 0).UTC()
	if age := time.Since(at); err != nil || age.Abs() > 5*time.Minute {
		return fmt.Errorf("the timestamp %q is not the present", r.Header.Get("X-TC-Timestamp"))
	}
	if date := at.Format("2006-01-02"); parts[2] != date {
		return fmt.Errorf("the date is %s, that of the timestamp %s", parts[2], date)
	}

	// The type and the host must be signed, any other header may be.
	names := strings.Split(parts[3], ";")
	var lines strings.Builder
	last, must := "", 0
	for _, name := range names {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		if name == "host" || name == "content-type" {
			must++
		}
		if name <= last || value == "" {
			return fmt.Errorf("the signed headers %q are not sorted, or one is not there", names)
		}
		last = name
		fmt.Fprintf(&lines, "%s:%s\n", name, strings.ToLower(strings.TrimSpace(value)))
	}
	if must != 2 {
		return fmt.Errorf("signed are %q alone", names)
	}
	canonical := fmt.Sprintf("%s\n%s\n%s\n%s\n%s\n%x", "POST", "/", "", lines.String(), parts[3], sha256.Sum256(body))
	signing := fmt.Sprintf("TC3-HMAC-SHA256\n%d\n%s/sms/tc3_request\n%x", seconds, parts[2], sha256.Sum256([]byte(canonical)))
	keyed := func(key []byte) hash.Hash { return hmac.New(sha256.New, key) }
	date := keyed([]byte("TC3" + a.SecretKey))
	io.WriteString(date, parts[2])
	service := keyed(date.Sum(nil))
	io.WriteString(service, "sms")
	key := keyed(service.Sum(nil))
	io.WriteString(key, "tc3_request")
	signature := keyed(key.Sum(nil))
	io.WriteString(signature, signing)
	if hex.EncodeToString(signature.Sum(nil)) != parts[4] {
		return errors.New("the signature is wrong")
	}
	return nil
}

// message reads the body, of which each field must be there and no other.
func (a Tencent) message(body []byte) (Taken, error) {
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		return Taken{}, errors.New("the body is no JSON object")
	}
	for name, want := range map[string]any{"SmsSdkAppId": a.AppID, "TemplateId": a.Template, "SignName": a.Sign} {
		if !reflect.DeepEqual(got[name], want) {
			return Taken{}, fmt.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	texts := func(name string) []string {
		list, _ := got[name].([]any)
		var all []string
		for _, item := range list {
			text, _ := item.(string)
			all = append(all, text)
		}
		return all
	}
	id, _ := got["SessionContext"].(string)
	numbers, values, variables := texts("PhoneNumberSet"), texts("TemplateParamSet"), 1
	if a.Minutes {
		variables = 2
	}
	switch {
	case len(got) != 6:
		return Taken{}, fmt.Errorf("%d fields, want 6", len(got))
	case id == "" || len(id) >= 512:
		return Taken{}, errors.New("no SessionContext, or one that is too long")
	case len(numbers) != 1 || !strings.HasPrefix(numbers[0], "+86") || !mainlandMobile.MatchString(numbers[0][3:]):
		return Taken{}, fmt.Errorf("%d numbers, or none of the mainland in E.164", len(numbers))
	case len(values) != variables || !sixDigits.MatchString(values[0]):
		return Taken{}, fmt.Errorf("%d values, want %d, a code of six digits first", len(values), variables)
	case a.Minutes && !minutes.MatchString(values[1]):
		return Taken{}, fmt.Errorf("the code lives %q minutes", values[1])
	}
	return Taken{ID: id, Mobile: numbers[0][3:], Code: values[0]}, nil
}
