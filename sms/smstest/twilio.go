package smstest

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"sort"
	"strings"
)

// Twilio is an account at Twilio, and what a message through it must look like.
type Twilio struct {
	AccountSID, AuthToken  string
	From, MessagingService string // one of them
	ReceiptURL             string
}

var (
	codeInText = regexp.MustCompile(`(?:^|\D)(\d{6})(?:\D|$)`) // of a message of ours in any language: the only six digits in it
	validity   = regexp.MustCompile(`^[1-9]\d{0,2}$`)          // in seconds, for as long as a code lives
)

// Messages accepts what the resource Messages of 2010-04-01 takes, to a number of the mainland.
func (a Twilio) Messages() Accept {
	return func(r *http.Request, body []byte) (Taken, error) {
		user, password, ok := r.BasicAuth()
		switch {
		case r.Method != http.MethodPost || r.URL.RequestURI() != "/2010-04-01/Accounts/"+a.AccountSID+"/Messages.json":
			return Taken{}, fmt.Errorf("%s %s", r.Method, r.URL.Path)
		case !ok || user != a.AccountSID || password != a.AuthToken:
			return Taken{}, errors.New("the account and token are wrong, or not those of basic authentication")
		case r.Header.Get("Content-Type") != "application/x-www-form-urlencoded":
			return Taken{}, fmt.Errorf("type %q", r.Header.Get("Content-Type"))
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return Taken{}, errors.New("the body is no form")
		}
		return a.message(form)
	}
}

// message reads the form, of which each field must be there once and no other.
func (a Twilio) message(form url.Values) (Taken, error) {
	for name, values := range form {
		if len(values) != 1 || values[0] == "" {
			return Taken{}, fmt.Errorf("%s is there %d times, or empty", name, len(values))
		}
	}
	callback, id, asked := strings.Cut(form.Get("StatusCallback"), "?m=")
	code := codeInText.FindStringSubmatch(form.Get("Body"))
	number, mainland := strings.CutPrefix(form.Get("To"), "+86")
	switch {
	case len(form) != 5:
		return Taken{}, fmt.Errorf("%d fields, want 5", len(form))
	case form.Get("From") != a.From || form.Get("MessagingServiceSid") != a.MessagingService:
		return Taken{}, fmt.Errorf("from %q, messaging service %q", form.Get("From"), form.Get("MessagingServiceSid"))
	case callback != a.ReceiptURL || !asked || id == "":
		return Taken{}, errors.New("StatusCallback is not the address of receipts with the id of the message")
	case !validity.MatchString(form.Get("ValidityPeriod")):
		return Taken{}, fmt.Errorf("valid for %q seconds", form.Get("ValidityPeriod"))
	case code == nil || len(form.Get("Body")) > 1600:
		return Taken{}, errors.New("the text holds no code, or is too long")
	case !mainland || !mainlandMobile.MatchString(number):
		return Taken{}, errors.New("the number is none of the mainland in E.164")
	}
	id, err := url.QueryUnescape(id)
	return Taken{ID: id, Mobile: number, Code: code[1]}, err
}

// Receipt is the request with which the vendor tells of a message: a POST to the address that it was given, with the fields,
// signed. A proxy on the way has put host and scheme of its own into it.
func (a Twilio) Receipt(address string, form url.Values) *http.Request {
	// What is signed: the address, and then each name with its value, by name. Of a name that is there several times the vendor's
	// library for Python takes each value once, in their order (twilio/request_validator.py).
	var names []string
	for name := range form {
		names = append(names, name)
	}
	sort.Strings(names)
	signed := address
	for _, name := range names {
		once := map[string]bool{}
		for _, value := range form[name] {
			once[value] = true
		}
		var values []string
		for value := range once {
			values = append(values, name+value)
		}
		sort.Strings(values)
		signed += strings.Join(values, "")
	}
	mac := hmac.New(sha1.New, []byte(a.AuthToken))
	fmt.Fprint(mac, signed)

	u, err := url.Parse(address)
	if err != nil {
		panic(err) // a test's own address
	}
	r := httptest.NewRequest(http.MethodPost, "http://10.0.0.7:8080"+u.RequestURI(), strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Twilio-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return r
}
