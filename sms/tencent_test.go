package sms_test

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"rekey"
	"rekey/sms"
	"rekey/sms/smstest"
)

// tencentAccount is the account that the tests send through.
func tencentAccount() smstest.Tencent {
	return smstest.Tencent{
		SecretID: "AKID-canary-secret-id", SecretKey: "canary-secret-key", AppID: "1400006666", Region: "ap-guangzhou",
		Sign: "示例网", Template: "449739",
	}
}

// tencentTaken is the documentation's answer to a message that was taken (https://cloud.tencent.com/document/api/382/55981).
const tencentTaken = `{"Response":{"SendStatusSet":[{"SerialNo":"5000:1045710669157053657849499619","PhoneNumber":"+8618511122233",` +
	`"Fee":1,"SessionContext":"test","Code":"Ok","Message":"send success","IsoCode":"CN"}],"RequestId":"a0aabda6-cf91-4f3e-a81f-9198114a2279"}}`

// tencentStatus is an answer in which a message has a code.
func tencentStatus(code string) string {
	return `{"Response":{"SendStatusSet":[{"SerialNo":"","PhoneNumber":"+8618511122233","Fee":0,"SessionContext":"","Code":"` + code +
		`","Message":"` + smstest.Echo + `","IsoCode":""}],"RequestId":"a0aabda6"}}`
}

// tencentError is an answer in which the request has a code.
func tencentError(code string) string {
	return `{"Response":{"Error":{"Code":"` + code + `","Message":"` + smstest.Echo + `"},"RequestId":"ed93f3cb"}}`
}

func newTencent(t testing.TB, c sms.TencentConfig) *sms.Tencent {
	t.Helper()
	account := tencentAccount()
	c.SecretID, c.SecretKey, c.AppID = account.SecretID, account.SecretKey, account.AppID
	if c.Template == nil {
		c.Sign, c.Template = sms.ByLanguage{"": account.Sign}, sms.ByLanguage{"": account.Template}
	}
	if c.Texts == nil {
		c.Texts = newTexts(t, sms.TextConfig{})
	}
	c.Timeout = cmp.Or(c.Timeout, patience)
	if c.Transport == nil {
		transport := sms.NewTransport()
		t.Cleanup(transport.CloseIdleConnections)
		c.Transport = transport
	}
	p, err := sms.NewTencent(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestT31_TencentIsJudgedByTheCodeOfTheMessage(t *testing.T) {
	t.Parallel()
	for name, refused := range map[string]string{
		"the code of the message": tencentStatus("LimitExceeded.PhoneNumberDailyLimit"),
		"the code of the request": tencentError("InvalidParameterValue.IncorrectPhoneNumber"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			smstest.RunHTTP(t, smstest.HTTP{
				Coded:   true,
				Open:    func(t *testing.T, url string) rekey.Sender { return newTencent(t, sms.TencentConfig{Endpoint: url}) },
				Accept:  tencentAccount().SendSms(),
				Taken:   tencentTaken,
				Refused: refused,
				Secrets: []string{tencentAccount().SecretID, tencentAccount().SecretKey},
			})
		})
	}
}

func TestTencentReceiptHasTheSerialNo(t *testing.T) {
	t.Parallel()
	g := smstest.NewGateway(t, false, tencentAccount().SendSms(), tencentTaken)
	receipt, err := newTencent(t, sms.TencentConfig{Endpoint: g.URL() + "/"}).Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
	if err != nil || receipt.ID != "5000:1045710669157053657849499619" {
		t.Errorf("%+v, %v", receipt, err)
	}
}

func TestTencentFillsTheTemplateOfTheLanguageInTheOrderOfParams(t *testing.T) {
	t.Parallel()
	account := tencentAccount()
	account.Sign, account.Template, account.Minutes = "Example", "449740", true
	g := smstest.NewGateway(t, false, account.SendSms(), tencentTaken)
	p := newTencent(t, sms.TencentConfig{
		Endpoint: g.URL(), Params: []string{"code", "min"},
		Sign: sms.ByLanguage{"zh-CN": "示例网", "en": "Example"}, Template: sms.ByLanguage{"": "449739", "en": "449740"},
	})
	m := smstest.Message(t, "m", canaryMobile, "000042")
	m.Language = "en-GB"
	if _, err := p.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := g.Taken(); len(got) != 1 || got[0].Code != "000042" {
		t.Errorf("taken: %v", got)
	}
	if p.Size(m).Segments != 1 {
		t.Errorf("%d segments", p.Size(m).Segments)
	}
}

// abroad is a message to a number outside of the mainland.
func abroad(t testing.TB) rekey.Message {
	t.Helper()
	m := smstest.Message(t, "m", canaryMobile, canaryCode)
	var err error
	if m.To, err = rekey.NewNumber("US", "1", "2025550123"); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTencentReachesTheMainlandWithASignAndOtherCountriesWithoutOne(t *testing.T) {
	t.Parallel()
	var asked []*http.Request
	transport := answered(200, tencentTaken, &asked)
	mainland := newTencent(t, sms.TencentConfig{Transport: transport})
	foreign := newTencent(t, sms.TencentConfig{Transport: transport, Template: sms.ByLanguage{"": "1001"}, Region: "ap-singapore"})

	for name, send := range map[string]func() error{
		"with a sign": func() error { _, err := mainland.Send(t.Context(), abroad(t)); return err },
		"without": func() error {
			_, err := foreign.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
			return err
		},
		"a preview": func() error { _, err := mainland.Preview(abroad(t)); return err },
		"a try":     func() error { _, err := mainland.Try(t.Context(), abroad(t)); return err },
	} {
		if err := send(); sms.OutcomeOf(err) != sms.RejectedNumber {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(asked) != 0 {
		t.Fatalf("%d requests for numbers that are not reached", len(asked))
	}
	if _, err := foreign.Send(t.Context(), abroad(t)); err != nil || len(asked) != 1 {
		t.Fatal(err)
	}
	preview, err := foreign.Preview(abroad(t))
	if err != nil || !strings.Contains(preview, `"PhoneNumberSet":["+12025550123"]`) || strings.Contains(preview, "SignName") ||
		!strings.Contains(preview, "X-TC-Region: ap-singapore") {
		t.Errorf("%v\n%s", err, preview)
	}
	if got := asked[0].Header.Get("X-TC-Region"); got != "ap-singapore" {
		t.Errorf("region %q", got)
	}
}

func TestTencentAnswersThatSayNothingClearAreUnknown(t *testing.T) {
	t.Parallel()
	const ok = `{"SerialNo":"5000:1","Code":"Ok"}`
	for _, c := range []struct {
		status int
		body   string
		want   sms.Outcome
		code   string
	}{
		{200, `{"Response":{"SendStatusSet":[` + ok + `]}}`, sms.Sent, ""},
		{200, `{"Response":{"SendStatusSet":[` + ok + `],"Error":null}}`, sms.Sent, ""},
		{200, `{"Response":{"SendStatusSet":[` + ok + `],"Error":{"Code":"AuthFailure.SignatureFailure"}}}`, sms.Unknown, ""},
		{200, `{"Response":{"SendStatusSet":[` + ok + `,` + ok + `]}}`, sms.Unknown, ""},
		{200, `{"Response":{"SendStatusSet":[` + ok + `,{"Code":"FailedOperation"}]}}`, sms.Unknown, ""},
		{200, `{"Response":{"SendStatusSet":[]}}`, sms.Unknown, ""},
		{200, `{"Response":{"SendStatusSet":[{"Code":"Ok"}]}}`, sms.Unknown, "Ok"},
		{200, `{"Response":{"SendStatusSet":[{"Code":"Ok","SerialNo":"a b"}]}}`, sms.Unknown, "Ok"},
		{200, `{"Response":{"Error":{"Code":"Ok"}}}`, sms.Unknown, "Ok"},
		{500, `{"Response":{"SendStatusSet":[` + ok + `]}}`, sms.Unknown, "Ok"},
		{403, `{"Response":{"SendStatusSet":[` + ok + `]}}`, sms.Unknown, "Ok"},
		{200, `{"Response":{"SendStatusSet":[` + ok + `]}} trailing`, sms.Unknown, ""},
		{200, `{"Response":{"SendStatusSet":[` + ok, sms.Unknown, ""},
		{200, `{"Response":{"Error":{"Code":""}}}`, sms.Unknown, ""},
		{200, `{"Response":{"Error":{"Code":1}}}`, sms.Unknown, ""},
		{200, `{"Response":{"Error":{"Code":"\u001b]0;x"}}}`, sms.Unknown, ""},
		{200, `{"Response":{"Error":"FailedOperation"}}`, sms.Unknown, ""},
		{200, `{"Response":null}`, sms.Unknown, ""},
		{200, `{}`, sms.Unknown, ""},
		{200, `[]`, sms.Unknown, ""},
		{200, `null`, sms.Unknown, ""},
		{200, ``, sms.Unknown, ""},
		{200, `<html>welcome</html>`, sms.Unknown, ""},
		{429, `slow down`, sms.Throttled, "429"},
		{403, `<html>`, sms.Unavailable, "403"},
		{502, `<html>`, sms.Unknown, "502"},
		{503, `<html>`, sms.Unavailable, "503"},
		{200, `{"Response":{"Error":{"Code":"NotKnown.Yet"}}}`, sms.Unknown, "NotKnown.Yet"},
		{200, `{"Response":{"SendStatusSet":[{"Code":"NotKnown.Yet"}]}}`, sms.Unknown, "NotKnown.Yet"},
		{401, `{"Response":{"Error":{"Code":"NotKnown.Yet"}}}`, sms.RejectedAccount, "NotKnown.Yet"},
		{503, `{"Response":{"Error":{"Code":"AuthFailure.SignatureExpire"}}}`, sms.RejectedAccount, "AuthFailure.SignatureExpire"},
	} {
		var asked []*http.Request
		p := newTencent(t, sms.TencentConfig{Transport: answered(c.status, c.body, &asked)})
		receipt, err := p.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
		checkVendorOutcome(t, fmt.Sprintf("%d %s", c.status, c.body), receipt, err, c.want, c.code)
		if len(asked) != 1 {
			t.Errorf("%d requests", len(asked))
		}
	}
}

func TestTencentPreviewShowsWhatIsToBeCheckedAndHidesTheKey(t *testing.T) {
	t.Parallel()
	p := newTencent(t, sms.TencentConfig{Params: []string{"code", "min"}})
	got, err := p.Preview(smstest.Message(t, "m-1", "13800000001", "123456"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `POST https://sms.tencentcloudapi.com/
Content-Type: application/json; charset=utf-8
User-Agent: rekey
X-TC-Action: SendSms
X-TC-Version: 2021-01-11
X-TC-Region: ap-guangzhou
X-TC-Timestamp: (when it is sent)
Authorization: TC3-HMAC-SHA256 Credential=***, Signature=(made when it is sent)

{"PhoneNumberSet":["+8613800000001"],"SmsSdkAppId":"1400006666","TemplateId":"449739","SignName":"示例网","TemplateParamSet":["123456","5"],"SessionContext":"m-1"}
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTencentTrySaysWhatTheVendorSaid(t *testing.T) {
	t.Parallel()
	var asked []*http.Request
	p := newTencent(t, sms.TencentConfig{Transport: answered(200, tencentError("AuthFailure.SecretIdNotFound"), &asked)})
	answer, err := p.Try(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
	if !strings.HasPrefix(answer, "200 OK\n") || !strings.Contains(answer, "AuthFailure.SecretIdNotFound") {
		t.Errorf("answer %q", answer)
	}
	if sms.OutcomeOf(err) != sms.RejectedAccount || !strings.Contains(err.Error(), "secret_id does not exist") {
		t.Error(err)
	}
}

func TestTencentConfigurationFaultsAreToldTogether(t *testing.T) {
	t.Parallel()
	_, err := sms.NewTencent(sms.TencentConfig{
		SecretID: "AKID, x", AppID: "app", Region: "Guangzhou!", Endpoint: "https://user:pass@sms.example/path?x", Params: []string{"min", "name"},
		Sign: sms.ByLanguage{"zh-CN": "【示例网】"}, Template: sms.ByLanguage{"": "SMS_1"}, Timeout: -1, Texts: newTexts(t, sms.TextConfig{}),
	})
	if err == nil {
		t.Fatal("no fault")
	}
	for _, want := range []string{
		"secret_id: there are no spaces", "secret_key: is required", "app_id: write", "region: write", "endpoint: write scheme and host alone",
		"params: element 2", "params: none of the variables is the code", "timeout: must not be negative", "sign: there is none for the language en",
		"sign.zh-CN: write it without 【】", "template: is the template's number",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing of %q in:\n%v", want, err)
		}
	}
	smstest.CheckSilent(t, err, "AKID, x", "user:pass", "SMS_1", "示例网")
	for name, c := range map[string]sms.TencentConfig{
		"template: is required":  {Texts: newTexts(t, sms.TextConfig{})},
		"text: a Tencent Cloud ": {},
	} {
		if _, err := sms.NewTencent(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestT36_TencentIsPrintedWithoutItsConfiguration(t *testing.T) {
	t.Parallel()
	p := newTencent(t, sms.TencentConfig{})
	config := sms.TencentConfig{SecretID: "AKID-canary-secret-id", SecretKey: "canary-secret-key"}
	for _, v := range []any{p, config, &config} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, "canary") {
				t.Errorf("%s of %T: %s", verb, v, s)
			}
		}
	}
}
