package smstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// AWS is an account at AWS End User Messaging SMS as its owner configures it.
type AWS struct {
	Region, KeyID, Secret, Token string
	From, ConfigurationSet       string
}

// awsCredential is the Authorization header of Signature Version 4.
var awsCredential = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/, ]+)/([0-9]{8})/([^/, ]+)/([^/, ]+)/aws4_request, ` +
	`SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$`)

// Accept takes SendTextMessage as the vendor documents it: signed with the account's key at the present time, over the
// headers that matter, with every field within its bounds and no field that it doesn't know.
func (c AWS) Accept(r *http.Request, body []byte) (Taken, error) {
	if r.Method != http.MethodPost || r.URL.Path != "/" || r.URL.RawQuery != "" {
		return Taken{}, fmt.Errorf("%s %s", r.Method, r.URL)
	}
	if r.Header.Get("Content-Type") != "application/x-amz-json-1.0" || r.Header.Get("X-Amz-Target") != "PinpointSMSVoiceV2.SendTextMessage" {
		return Taken{}, fmt.Errorf("type %q, target %q", r.Header.Get("Content-Type"), r.Header.Get("X-Amz-Target"))
	}
	if err := c.signature(r, body); err != nil {
		return Taken{}, err
	}
	return c.message(body)
}

func (c AWS) signature(r *http.Request, body []byte) error {
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || time.Since(at).Abs() > 5*time.Minute {
		return fmt.Errorf("the date %q is not the present", r.Header.Get("X-Amz-Date"))
	}
	p := awsCredential.FindStringSubmatch(r.Header.Get("Authorization"))
	if p == nil {
		return errors.New("the Authorization header is not of Signature Version 4")
	}
	keyID, day, region, service, signed, signature := p[1], p[2], p[3], p[4], strings.Split(p[5], ";"), p[6]
	if keyID != c.KeyID || day != at.Format("20060102") || region != c.Region || service != "sms-voice" {
		return fmt.Errorf("the credential is for %s, %s, %s", day, region, service)
	}
	if !slices.IsSorted(signed) {
		return errors.New("the signed headers are not in order")
	}
	must := []string{"content-type", "host", "x-amz-date", "x-amz-target"}
	if c.Token != "" {
		must = append(must, "x-amz-security-token")
	}
	if r.Header.Get("X-Amz-Security-Token") != c.Token {
		return errors.New("the session's token is missing or another")
	}
	for _, name := range must {
		if !slices.Contains(signed, name) {
			return fmt.Errorf("the header %s is not signed", name)
		}
	}

	h := sha256.New()
	fmt.Fprintf(h, "POST\n/\n\n")
	for _, name := range signed {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		fmt.Fprintf(h, "%s:%s\n", name, value)
	}
	fmt.Fprintf(h, "\n%s\n%x", strings.Join(signed, ";"), sha256.Sum256(body))
	text := fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s/%s/%s/aws4_request\n%x", at.Format("20060102T150405Z"), day, region, service, h.Sum(nil))
	mac := func(key []byte, s string) []byte {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(s))
		return m.Sum(nil)
	}
	key := mac(mac(mac(mac([]byte("AWS4"+c.Secret), day), region), service), "aws4_request")
	if want := hex.EncodeToString(mac(key, text)); subtle.ConstantTimeCompare([]byte(want), []byte(signature)) != 1 {
		return errors.New("the signature is wrong")
	}
	return nil
}

func (c AWS) message(body []byte) (Taken, error) {
	var got map[string]json.RawMessage
	if err := json.Unmarshal(body, &got); err != nil {
		return Taken{}, err
	}
	known := []string{"ConfigurationSetName", "Context", "DestinationPhoneNumber", "MessageBody", "MessageType", "OriginationIdentity", "TimeToLive"}
	for name := range got {
		if !slices.Contains(known, name) {
			return Taken{}, fmt.Errorf("there is no field %s", name)
		}
	}
	var m struct {
		ConfigurationSetName                         *string
		Context                                      map[string]string
		DestinationPhoneNumber, MessageBody          string
		MessageType, OriginationIdentity, TimeToLive json.RawMessage
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return Taken{}, err
	}
	var life int
	if err := json.Unmarshal(m.TimeToLive, &life); err != nil || life < 5 || life > 259200 {
		return Taken{}, fmt.Errorf("TimeToLive %s", m.TimeToLive)
	}
	if string(m.MessageType) != `"TRANSACTIONAL"` || string(m.OriginationIdentity) != `"`+c.From+`"` {
		return Taken{}, fmt.Errorf("a message of type %s from %s", m.MessageType, m.OriginationIdentity)
	}
	set := ""
	if m.ConfigurationSetName != nil {
		if set = *m.ConfigurationSetName; set == "" {
			return Taken{}, errors.New("an empty ConfigurationSetName is not valid")
		}
	}
	if set != c.ConfigurationSet {
		return Taken{}, fmt.Errorf("configuration set %q", set)
	}
	if n := len([]rune(m.MessageBody)); n < 1 || n > 1600 {
		return Taken{}, fmt.Errorf("a text of %d characters", n)
	}
	mobile, mainland := strings.CutPrefix(m.DestinationPhoneNumber, "+86")
	code := regexp.MustCompile(`[0-9]{6}`).FindString(m.MessageBody)
	id := m.Context["rekey_message"]
	if !mainland || len(mobile) != 11 || code == "" || id == "" || len(m.Context) > 5 {
		return Taken{}, errors.New("no number, code, or context")
	}
	for key, value := range m.Context {
		if key == "" || len(key) > 100 || value == "" || len(value) > 800 || strings.ContainsAny(key+value, " \t\r\n") {
			return Taken{}, errors.New("a context out of bounds")
		}
	}
	return Taken{ID: id, Mobile: mobile, Code: code}, nil
}
