package sms

import (
	"context"
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

// TencentConfig describes an account at Tencent Cloud, with its registered signature and template. Its printed form hides
// everything.
type TencentConfig struct {
	SecretID, SecretKey string // required: of a sub-user that may send messages and nothing else
	AppID               string // required: the SDK App ID of the application in the short message console, such as 1400006666
	// Sign is the registered signature (签名), without 【】. With one the provider reaches mainland China and nothing else,
	// where every message must have one; without one, all other countries, whose templates are of a kind of their own.
	Sign     ByLanguage
	Template ByLanguage // required: the number of the registered template, such as 449739
	// Params are what stands for the template's variables {1}, {2} and so on: "code", and "min" for the whole minutes that it
	// lives. Empty: "code" alone.
	Params []string
	Region string // the service's region; empty: ap-guangzhou. Accounts of tencentcloud.com have others, such as ap-singapore
	// Endpoint is scheme and host; empty: https://sms.tencentcloudapi.com. Accounts of tencentcloud.com have
	// https://sms.intl.tencentcloudapi.com (https://www.tencentcloud.com/document/product/382/40465).
	Endpoint string
	Timeout  time.Duration // for one message; 0: DefaultTimeout

	Texts     *Texts            // required, for its languages
	Transport http.RoundTripper // shared between providers; nil: one of its own, as NewTransport makes it
}

// Format hides the configuration whatever the verb (T36).
func (TencentConfig) Format(f fmt.State, _ rune) { io.WriteString(f, "(Tencent Cloud provider)") }

// Tencent is the provider "tencent": the operation SendSms of Tencent Cloud's short message service (短信, 2021-01-11). What
// the person reads is the vendor's text, filled from the template; the signature in 【】 is put before it there.
//
// The vendor does not recognize a message that is sent twice, so each is handed over once. The answer's HTTP status is 200
// whatever became of it. Error.Code speaks of the request, SendStatusSet[0].Code of the message, where Ok says that it was
// taken; both say the same codes otherwise:
//
//	rejected_number   InvalidParameterValue.IncorrectPhoneNumber FailedOperation.PhoneNumberInBlacklist
//	                  LimitExceeded.PhoneNumberThirtySecondLimit LimitExceeded.PhoneNumberOneHourLimit
//	                  LimitExceeded.PhoneNumberDailyLimit LimitExceeded.PhoneNumberSameContentDailyLimit
//	                  LimitExceeded.DeliveryFrequencyLimit LimitExceeded.AppCountryOrRegionInBlacklist
//	                  LimitExceeded.AppCountryOrRegionDailyLimit UnsupportedOperation.UnsupportedRegion
//	                  UnsupportedOperation.UnsuportedRegion FailedOperation.*
//	rejected_account  AuthFailure.* UnauthorizedOperation.* IpInBlacklist IpNotInWhitelist
//	                  FailedOperation.SignatureIncorrectOrUnapproved FailedOperation.MissingSignature
//	                  FailedOperation.MissingSignatureList FailedOperation.TemplateIncorrectOrUnapproved
//	                  FailedOperation.MissingTemplateList FailedOperation.TemplateUnapprovedOrNotExist
//	                  FailedOperation.TemplateIdNotExist FailedOperation.TemplateParamSetNotMatchApprovedTemplate
//	                  FailedOperation.ContainSensitiveWord
//	                  FailedOperation.MarketingSendTimeConstraint FailedOperation.InsufficientBalanceInSmsPackage
//	                  FailedOperation.FailResolvePacket FailedOperation.JsonParseFail
//	                  LimitExceeded.AppDailyLimit LimitExceeded.AppMainlandChinaDailyLimit
//	                  LimitExceeded.AppGlobalDailyLimit LimitExceeded.DailyLimit
//	                  InternalError.RequestTimeException InternalError.SigFieldMissing InternalError.SigVerificationFail
//	                  InternalError.RestApiInterfaceNotExist InternalError.JsonParseFail
//	                  InvalidParameter.* InvalidParameterValue.* MissingParameter.* UnknownParameter UnsupportedOperation.*
//	                  UnsupportedRegion UnsupportedProtocol InvalidAction InvalidRequest NoSuchVersion NoSuchProduct ActionOffline
//	throttled         RequestLimitExceeded.* LimitExceeded.*
//	unavailable       ResourceUnavailable ResourceInsufficient
//	unknown           InternalError.*
//
// A code that is listed itself goes before its family; Family.* stands for Family alone too.
//
// Sources: https://cloud.tencent.com/document/api/382/59177 (codes of messages), https://cloud.tencent.com/document/api/382/52075
// (codes of requests) and the list in the vendor's library (github.com/TencentCloud/tencentcloud-sdk-go,
// sms/v20210111/errors.go). The limits of one number are set in the vendor's console (by default one message of the
// same text in 30 seconds, and two a day unless the console says otherwise,
// https://cloud.tencent.com/document/faq/382/13303): another vendor may still pass the message. Of sensitive words only
// the template can hold any, since all that is filled in are digits. An InternalError is a fault on the vendor's side,
// of which it does not say whether it came before or after the message was handed on. Any other code leaves the
// message's fate unknown, but for a status other than 200, which decides then.
type Tencent struct {
	caller
	tc3
	endpoint       url.URL
	appID          string
	sign, template ByLanguage
	params         []string
	texts          *Texts
}

// NewTencent makes the provider. Its error joins all faults (errors.Join), each a sentence that begins with the setting's
// name within sms.providers.NAME.
func NewTencent(c TencentConfig) (*Tencent, error) {
	t := &Tencent{
		caller: newCaller(c.Transport, c.Timeout),
		tc3:    tc3{keyID: c.SecretID, secret: c.SecretKey, service: "sms", action: "SendSms", version: "2021-01-11", region: c.Region},
		appID:  c.AppID, sign: maps.Clone(c.Sign), template: maps.Clone(c.Template), params: slices.Clone(c.Params), texts: c.Texts,
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for _, key := range [][2]string{{"secret_id", c.SecretID}, {"secret_key", c.SecretKey}} {
		if key[1] == "" {
			fault("%s: is required; make one in the vendor's CAM console for a sub-user that may send messages and nothing else", key[0])
		} else if strings.ContainsFunc(key[1], notInKey) {
			fault("%s: there are no spaces and commas in the vendor's keys; copy it anew", key[0])
		}
	}
	if notDigits(c.AppID) {
		fault("app_id: write the SDK App ID of the application in the vendor's console, such as 1400006666")
	}
	if t.region == "" {
		t.region = "ap-guangzhou"
	} else if strings.Trim(t.region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		fault("region: write it as the vendor does, such as ap-guangzhou")
	}
	var err error
	if t.endpoint, err = vendorEndpoint(c.Endpoint, "https://sms.tencentcloudapi.com"); err != nil {
		faults = append(faults, err)
	}
	if len(t.params) == 0 {
		t.params = []string{"code"}
	}
	for i, param := range t.params {
		if param != "code" && param != "min" {
			fault("params: element %d: write code or min; the vendor's variables have no names", i+1)
		}
	}
	if !slices.Contains(t.params, "code") {
		fault("params: none of the variables is the code; add code")
	}
	if c.Timeout < 0 {
		fault("timeout: must not be negative")
	}
	if c.Texts == nil {
		fault("text: a Tencent Cloud provider needs Texts")
	} else {
		if len(c.Sign) > 0 {
			faults = append(faults, c.Sign.Faults("sign", c.Texts.Languages())...)
		}
		faults = append(faults, c.Template.Faults("template", c.Texts.Languages())...)
	}
	faults = append(faults, c.Sign.each("sign", func(sign string) string {
		if strings.ContainsFunc(sign, notInSign) {
			return "write it without 【】, which the vendor adds"
		}
		return ""
	}), c.Template.each("template", func(id string) string {
		if notDigits(id) {
			return "is the template's number (模板 ID), such as 449739"
		}
		return ""
	}))
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return t, nil
}

// notDigits says whether s is anything but ASCII digits, one at the least.
func notDigits(s string) bool { return s == "" || strings.Trim(s, "0123456789") != "" }

// Format hides the provider's configuration whatever the verb (T36).
func (t *Tencent) Format(f fmt.State, _ rune) { io.WriteString(f, "(Tencent Cloud provider)") }

// Size is one segment of a text that is not known here.
func (t *Tencent) Size(rekey.Message) Size { return Size{Segments: 1} }

// tencentMessage is the body of SendSms, https://cloud.tencent.com/document/api/382/55981.
type tencentMessage struct {
	PhoneNumberSet   []string
	SmsSdkAppId      string
	TemplateId       string
	SignName         string `json:",omitempty"`
	TemplateParamSet []string
	SessionContext   string // comes back with the answer and, for accounts that asked the vendor for it, with the receipt
}

// request is the request for m, without its signature. It is a *Refusal for a number that the provider does not reach.
func (t *Tencent) request(m rekey.Message) (request, error) {
	if (m.To.CallingCode() == mainland) != (len(t.sign) > 0) {
		detail := "without sign it reaches no numbers of mainland China"
		if len(t.sign) > 0 {
			detail = "with sign it reaches mainland China alone"
		}
		return request{}, &Refusal{Outcome: RejectedNumber, Detail: detail}
	}
	tag := t.texts.Language(m.Language)
	sign, _ := t.sign.For(tag)
	template, _ := t.template.For(tag) // NewTencent has seen that there is one for each language
	values := make([]string, len(t.params))
	for i, param := range t.params {
		values[i] = m.Code.Reveal()
		if param == "min" {
			values[i] = strconv.Itoa(wholeMinutes(m.ExpiresIn))
		}
	}
	body, err := json.Marshal(tencentMessage{
		PhoneNumberSet: []string{m.To.E164()}, SmsSdkAppId: t.appID, TemplateId: template, SignName: sign,
		TemplateParamSet: values, SessionContext: m.ID,
	})
	if err != nil {
		panic(err) // strings alone
	}
	return request{method: http.MethodPost, url: &t.endpoint, body: body, header: http.Header{
		"Content-Type": {"application/json; charset=utf-8"}, "User-Agent": {"rekey"},
	}}, nil
}

// Send hands m to the vendor. The receipt's ID is the vendor's SerialNo.
func (t *Tencent) Send(ctx context.Context, m rekey.Message) (rekey.Receipt, error) {
	_, r, err := t.deliver(ctx, m)
	return r, err
}

// Try is Send with the vendor's answer.
func (t *Tencent) Try(ctx context.Context, m rekey.Message) (string, error) {
	answer, _, err := t.deliver(ctx, m)
	return answer.tried(), err
}

func (t *Tencent) deliver(ctx context.Context, m rekey.Message) (answer, rekey.Receipt, error) {
	r, err := t.request(m)
	if err != nil {
		return answer{}, rekey.Receipt{}, err
	}
	t.tc3.sign(r, time.Now())
	a, err := t.call(ctx, r)
	if err != nil {
		return a, rekey.Receipt{}, err
	}
	id, err := a.tencent()
	return a, rekey.Receipt{ID: id}, err
}

// Preview is the request that Send would make: with sign and template, which are to be checked; the key is masked.
func (t *Tencent) Preview(m rekey.Message) (string, error) {
	r, err := t.request(m)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\nContent-Type: %s\nUser-Agent: %s\n", r.method, r.url, r.header.Get("Content-Type"), r.header.Get("User-Agent"))
	fmt.Fprintf(&b, "X-TC-Action: %s\nX-TC-Version: %s\nX-TC-Region: %s\nX-TC-Timestamp: (when it is sent)\n", t.action, t.version, t.region)
	fmt.Fprintf(&b, "Authorization: %s Credential=%s, Signature=(made when it is sent)\n\n%s\n", tc3Algorithm, masked, r.body)
	return b.String(), nil
}
