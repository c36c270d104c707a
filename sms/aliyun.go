package sms

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"rekey"
)

// AliyunConfig describes an account at Alibaba Cloud, with its registered signature and template. Its printed form hides
// everything.
type AliyunConfig struct {
	AccessKeyID, AccessKeySecret string     // required: of a RAM user that may send messages and nothing else
	Sign                         ByLanguage // required: the registered signature (签名), without 【】
	Template                     ByLanguage // required: the code of the registered template, such as SMS_123456789
	// Params are the variables of the template. "code" and "min" stand for the variables ${code} and ${min}, the whole
	// minutes that the code lives; "name=code" and "name=min" for those that are called otherwise. Empty: "code" alone, and
	// for AliyunVerify "code" and "min", as its gifted templates want it.
	Params   []string
	Endpoint string        // scheme and host; empty: the vendor's own
	Timeout  time.Duration // for one message; 0: DefaultTimeout

	Texts     *Texts            // required, for its languages
	Transport http.RoundTripper // shared between providers; nil: one of its own, as NewTransport makes it
}

// Format hides the configuration whatever the verb (T36).
func (AliyunConfig) Format(f fmt.State, _ rune) { io.WriteString(f, "(Aliyun provider)") }

// Aliyun is the provider "aliyun": the operation SendSms of Alibaba Cloud's short message service (短信服务, dysmsapi,
// 2017-05-25), for companies with a registered signature and template. What the person reads is the vendor's text, filled
// from the template; the signature in 【】 is put before it there.
//
// The vendor does not recognize a message that is sent twice, so each is handed over once. Its Code says what became of
// it, whatever the HTTP status; † marks what other people's programs tell of and the vendor's pages do not:
//
//	rejected_number   isv.MOBILE_NUMBER_ILLEGAL isv.BUSINESS_LIMIT_CONTROL isv.BLACK_KEY_CONTROL_LIMIT isv.CUSTOMER_REFUSED
//	                  isv.DOMESTIC_NUMBER_NOT_SUPPORTED
//	rejected_account  isv.SMS_SIGNATURE_ILLEGAL isv.SMS_SIGN_ILLEGAL isv.SIGN_STATE_ILLEGAL isv.SIGN_NAME_ILLEGAL
//	                  isv.SMS_SIGNATURE_SCENE_ILLEGAL isv.SMS_TEST_SIGN_TEMPLATE_LIMIT isv.SMS_TEST_NUMBER_LIMIT
//	                  isv.SMS_TEMPLATE_ILLEGAL isv.TEMPLATE_MISSING_PARAMETERS isv.TEMPLATE_PARAMS_ILLEGAL
//	                  isv.SMS_TEST_TEMPLATE_PARAMS_ILLEGAL isv.INVALID_JSON_PARAM isv.PARAM_LENGTH_LIMIT
//	                  isv.PARAM_NOT_SUPPORT_URL isv.SMS_CONTENT_ILLEGAL isv.SMS_CONTENT_MISMATCH_TEMPLATE_TYPE
//	                  isv.UNSUPPORTED_CONTENT isv.INVALID_PARAMETERS
//	                  isv.OUT_OF_SERVICE isv.AMOUNT_NOT_ENOUGH isv.DAY_LIMIT_CONTROL isv.MONTH_LIMIT_CONTROL
//	                  isv.PRODUCT_UN_SUBSCRIPT isv.PRODUCT_UNSUBSCRIBE isv.ACCOUNT_NOT_EXISTS isv.ACCOUNT_ABNORMAL
//	                  isv.SECURITY_FROZEN_ACCOUNT isv.DENY_IP_RANGE isp.RAM_PERMISSION_DENY
//	                  SignatureDoesNotMatch IncompleteSignature InvalidAccessKeyId.* InvalidTimeStamp.* IllegalTimestamp
//	                  Forbidden.* NoPermission.*† InvalidSecurityToken.*†
//	                  MissingSecurityToken.*† InvalidVersion InvalidAction.* InvalidApi.* InvalidProduct.*
//	                  InvalidProtocol.* UnsupportedHTTPMethod
//	throttled         Throttling.*
//	unavailable       ServiceUnavailable
//	unknown           isp.* isv.SYSTEM_ERROR† InternalError SignatureNonceUsed
//
// Sources: https://help.aliyun.com/zh/sms/developer-reference/api-error-codes and, for what the vendor's API gateway says
// itself, https://help.aliyun.com/document_detail/434846.html. The numbers' own limits are one message a minute, five an
// hour and ten in 24 hours for a signature, and forty in 24 hours for all of the vendor's customers together
// (https://help.aliyun.com/document_detail/2881383.html): another vendor may still pass the message. A wrong form of the
// number has a code of its own, so that other invalid parameters come from the settings. isp.* are faults on the vendor's
// side of which it does not say whether they came before or after the message was handed on; a nonce used before means
// that something on the way repeated the request, the first of which may have passed. Other codes with a 2xx: isv.*, as a
// refusal of this message, since they are what the vendor found wrong in it; the rest leaves the message's fate unknown.
// With another status, that decides.
//
// It reaches no number of +1: the vendor takes numbers without +, so that 1 310 555 0123 would be the mainland's 131 0555
// 0123, and its owner would have the code. The United States and Canada want another operation anyway
// (https://help.aliyun.com/zh/sms/sendmessagetoglobe-1).
type Aliyun struct{ aliyun }

// aliyunOperation is one of the vendor's two operations that send a code.
type aliyunOperation struct {
	action string
	// address is the parameters that say to whom, or a *Refusal of a number that the operation does not reach.
	address func(rekey.Message) (map[string]string, error)
	id      func(aliyunAnswer) string // of the message, where the operation's answer has it
}

// aliyun is what the two providers have in common: all but the operation.
type aliyun struct {
	caller
	acs3
	aliyunOperation
	endpoint       url.URL
	sign, template ByLanguage
	variables      []templateVariable
	texts          *Texts
}

// templateVariable is a variable of a registered template.
type templateVariable struct {
	name    string
	minutes bool // it takes the code's life in minutes; else the code
}

// NewAliyun makes the provider. Its error joins all faults (errors.Join), each a sentence that begins with the setting's
// name within sms.providers.NAME.
func NewAliyun(c AliyunConfig) (*Aliyun, error) {
	a, err := newAliyun(c, "https://dysmsapi.aliyuncs.com", []string{"code"}, aliyunOperation{
		action: "SendSms", address: addressAliyun, id: func(s aliyunAnswer) string { return s.BizID },
	})
	if err != nil {
		return nil, err
	}
	return &Aliyun{a}, nil
}

func newAliyun(c AliyunConfig, endpoint string, params []string, op aliyunOperation) (aliyun, error) {
	a := aliyun{
		caller:          newCaller(c.Transport, c.Timeout),
		acs3:            acs3{keyID: c.AccessKeyID, secret: c.AccessKeySecret, action: op.action, version: "2017-05-25"},
		aliyunOperation: op,
		sign:            maps.Clone(c.Sign), template: maps.Clone(c.Template), texts: c.Texts,
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for _, key := range [][2]string{{"access_key_id", c.AccessKeyID}, {"access_key_secret", c.AccessKeySecret}} {
		if key[1] == "" {
			fault("%s: is required; make one for a RAM user that may send messages and nothing else", key[0])
		} else if strings.ContainsFunc(key[1], notInKey) {
			fault("%s: there are no spaces and commas in the vendor's keys; copy it anew", key[0])
		}
	}
	var err error
	if a.endpoint, err = vendorEndpoint(c.Endpoint, endpoint); err != nil {
		faults = append(faults, err)
	}
	if len(c.Params) == 0 {
		c.Params = params
	}
	for i, param := range c.Params {
		v, ok := parseTemplateVariable(param)
		switch {
		case !ok:
			fault("params: element %d: write code, min, NAME=code or NAME=min, NAME as in the template without ${}", i+1)
		case slices.ContainsFunc(a.variables, func(other templateVariable) bool { return other.name == v.name }):
			fault("params: element %d: the variable %s is there already", i+1, v.name)
		default:
			a.variables = append(a.variables, v)
		}
	}
	if !slices.ContainsFunc(a.variables, func(v templateVariable) bool { return !v.minutes }) {
		fault("params: none of the variables is the code; add code")
	}
	if c.Timeout < 0 {
		fault("timeout: must not be negative")
	}
	if c.Texts == nil {
		fault("text: an Aliyun provider needs Texts")
	} else {
		faults = append(faults, c.Sign.Faults("sign", c.Texts.Languages())...)
		faults = append(faults, c.Template.Faults("template", c.Texts.Languages())...)
	}
	faults = append(faults, c.Sign.each("sign", func(sign string) string {
		if strings.ContainsFunc(sign, notInSign) {
			return "write it without 【】, which the vendor adds"
		}
		return ""
	}), c.Template.each("template", func(code string) string {
		if strings.ContainsFunc(code, notInKey) {
			return "is the template's code, such as SMS_123456789"
		}
		return ""
	}))
	return a, errors.Join(faults...)
}

func parseTemplateVariable(param string) (templateVariable, bool) {
	name, kind, named := strings.Cut(param, "=")
	if !named {
		kind = name
	}
	letters := strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
	return templateVariable{name: name, minutes: kind == "min"}, name != "" && letters && (kind == "code" || kind == "min")
}

// Format hides the provider's configuration whatever the verb (T36).
func (a *aliyun) Format(f fmt.State, _ rune) { io.WriteString(f, "(Aliyun provider)") }

// Size is one segment of a text that is not known here.
func (a *aliyun) Size(rekey.Message) Size { return Size{Segments: 1} }

// params are the parameters for m by their names: to whom, sign, template and what it is filled with.
func (a *aliyun) params(m rekey.Message) (map[string]string, error) {
	params, err := a.address(m)
	if err != nil {
		return nil, err
	}
	tag := a.texts.Language(m.Language)
	params["SignName"], _ = a.sign.For(tag) // New has seen that there is one for each language
	params["TemplateCode"], _ = a.template.For(tag)
	variables := map[string]string{}
	for _, v := range a.variables {
		variables[v.name] = m.Code.Reveal()
		if v.minutes {
			variables[v.name] = strconv.Itoa(wholeMinutes(m.ExpiresIn))
		}
	}
	filled, err := json.Marshal(variables)
	if err != nil {
		panic(err) // a map of strings
	}
	params["TemplateParam"] = string(filled)
	return params, nil
}

// addressAliyun writes numbers of the mainland as they are dialled there, others with their calling code and without +.
func addressAliyun(m rekey.Message) (map[string]string, error) {
	switch calling := m.To.CallingCode(); calling {
	case mainland:
		return map[string]string{"PhoneNumbers": m.To.National(), "OutId": m.ID}, nil
	case "1":
		return nil, &Refusal{Outcome: RejectedNumber, Detail: "it can't tell numbers of +1 from those of mainland China; route 1 to another provider"}
	default: // receipts may have the number with or without the calling code, which the id tells
		return map[string]string{"PhoneNumbers": calling + m.To.National(), "OutId": m.ID + "." + calling}, nil
	}
}

// request is the request with the parameters, without its signature. They stand in the query, where the vendor's
// description of its operations has them and where its own libraries write them.
func (a *aliyun) request(params map[string]string) request {
	u := a.endpoint
	u.RawQuery = acs3Query(params)
	return request{method: http.MethodPost, url: &u, header: http.Header{"Accept": {"application/json"}, "User-Agent": {"rekey"}}}
}

// Send hands m to the vendor. The receipt's ID is the vendor's BizId.
func (a *aliyun) Send(ctx context.Context, m rekey.Message) (rekey.Receipt, error) {
	_, r, err := a.deliver(ctx, m)
	return r, err
}

// Try is Send with the vendor's answer.
func (a *aliyun) Try(ctx context.Context, m rekey.Message) (string, error) {
	answer, _, err := a.deliver(ctx, m)
	return answer.tried(), err
}

// deliver signs and makes the request, once.
func (a *aliyun) deliver(ctx context.Context, m rekey.Message) (answer, rekey.Receipt, error) {
	params, err := a.params(m)
	if err != nil {
		return answer{}, rekey.Receipt{}, err
	}
	r := a.request(params)
	a.acs3.sign(r, time.Now(), rand.Text()) // of 130 random bits
	answer, err := a.call(ctx, r)
	if err != nil {
		return answer, rekey.Receipt{}, err
	}
	id, err := answer.aliyun(a.id)
	return answer, rekey.Receipt{ID: id}, err
}

// Preview is the request that Send would make, unescaped: with sign and template, which are to be checked; the key is
// masked. For a number that the provider does not reach it is the refusal.
func (a *aliyun) Preview(m rekey.Message) (string, error) {
	params, err := a.params(m)
	if err != nil {
		return "", err
	}
	r := a.request(params)
	r.header.Set("X-Acs-Action", a.acs3.action)
	r.header.Set("X-Acs-Version", a.version)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s?", r.method, &a.endpoint)
	for i, name := range slices.Sorted(maps.Keys(params)) {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(name + "=" + params[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		fmt.Fprintf(&b, "\n%s: %s", name, r.header.Get(name))
	}
	fmt.Fprintf(&b, "\nX-Acs-Date: (when it is sent)\nAuthorization: %s Credential=%s,Signature=(made when it is sent)\n",
		acs3Algorithm, masked)
	return b.String(), nil
}
