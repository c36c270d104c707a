package sms_test

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"rekey"
	"rekey/sms"
	"rekey/sms/smstest"
)

const (
	canaryKeyID  = "LTAI-canary-key-id"
	canarySecret = "canary-access-key-secret"
)

// aliyunProvider is what both providers are.
type aliyunProvider interface {
	sms.Provider
	sms.Pusher
}

// aliyunAPI is one of the two providers with its far side.
type aliyunAPI struct {
	name  string
	open  func(testing.TB, sms.AliyunConfig) (aliyunProvider, error)
	far   smstest.Accept
	taken string
}

func aliyunAPIs() []aliyunAPI {
	account := smstest.Aliyun{KeyID: canaryKeyID, Secret: canarySecret, Sign: "示例网", Template: "SMS_100000001", Variables: []string{"code"}}
	gifted := account
	gifted.Variables = []string{"code", "min"}
	return []aliyunAPI{
		{"aliyun", func(_ testing.TB, c sms.AliyunConfig) (aliyunProvider, error) { return sms.NewAliyun(c) },
			account.SendSms(), `{"Message":"OK","RequestId":"F655A8D5-B967-440B-8683-DAD6FF8DE990","Code":"OK","BizId":"900619746936498440^0"}`},
		{"aliyun-verify", func(_ testing.TB, c sms.AliyunConfig) (aliyunProvider, error) { return sms.NewAliyunVerify(c) },
			gifted.SendSmsVerifyCode(), `{"AccessDeniedDetail":"无","Message":"成功","Code":"OK","Success":true,"Model":{"VerifyCode":"","RequestId":` +
				`"a3671ccf-0102-4c8e-8797-a3678e091d09","OutId":"1231231313","BizId":"112231421412414124123^4"}}`},
	}
}

func newAliyun(t testing.TB, api aliyunAPI, c sms.AliyunConfig) aliyunProvider {
	t.Helper()
	if c.AccessKeyID == "" {
		c.AccessKeyID, c.AccessKeySecret = canaryKeyID, canarySecret
	}
	if c.Sign == nil {
		c.Sign, c.Template = sms.ByLanguage{"": "示例网"}, sms.ByLanguage{"": "SMS_100000001"}
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
	p, err := api.open(t, c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestT31_AliyunIsJudgedByItsCode(t *testing.T) {
	t.Parallel()
	for _, api := range aliyunAPIs() {
		t.Run(api.name, func(t *testing.T) {
			t.Parallel()
			smstest.RunHTTP(t, smstest.HTTP{
				Coded: true,
				Open: func(t *testing.T, url string) rekey.Sender {
					return newAliyun(t, api, sms.AliyunConfig{Endpoint: url})
				},
				Accept:  api.far,
				Taken:   api.taken,
				Refused: `{"Code":"isv.BUSINESS_LIMIT_CONTROL","Message":"` + smstest.Echo + `","RequestId":"1"}`,
				Secrets: []string{canaryKeyID, canarySecret},
			})
		})
	}
}

// answered is a transport on which the vendor answers, and the requests that it was asked.
func answered(status int, body string, asked *[]*http.Request) transportFunc {
	return func(r *http.Request) (*http.Response, error) {
		*asked = append(*asked, r)
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

func TestAliyunAnswersThatSayNothingClearAreUnknown(t *testing.T) {
	t.Parallel()
	const ok = `"Code":"OK","BizId":"1^0","Model":{"BizId":"1^0"}`
	for _, c := range []struct {
		status int
		body   string
		want   sms.Outcome
		code   string
	}{
		{200, `{` + ok + `}`, sms.Sent, ""},
		{200, `{` + ok + `,"Success":true}`, sms.Sent, ""},
		{200, `{` + ok + `,"Success":false}`, sms.Unknown, "OK"},
		{200, `{"Code":"OK"}`, sms.Unknown, "OK"},
		{200, `{"Code":"OK","BizId":"","Model":{"BizId":""}}`, sms.Unknown, "OK"},
		{200, `{"Code":"OK","BizId":17,"Model":17}`, sms.Unknown, "OK"},
		{500, `{` + ok + `}`, sms.Unknown, "OK"},
		{403, `{` + ok + `}`, sms.Unknown, "OK"},
		{200, `{` + ok + `} trailing`, sms.Unknown, ""},
		{200, `{` + ok, sms.Unknown, ""},
		{200, `{"BizId":"1^0"}`, sms.Unknown, ""},
		{200, `{"Code":"","BizId":"1^0"}`, sms.Unknown, ""},
		{200, `{"Code":1}`, sms.Unknown, ""},
		{200, ``, sms.Unknown, ""},
		{200, `[]`, sms.Unknown, ""},
		{200, `null`, sms.Unknown, ""},
		{200, `<html>welcome</html>`, sms.Unknown, ""},
		{200, `{"Code":"\u001b]0;x"}`, sms.Unknown, ""},
		{403, `{"Code":"\u001b]0;x"}`, sms.Unavailable, "403"},
		{404, `<html>`, sms.Unavailable, "404"},
		{429, `slow down`, sms.Throttled, "429"},
		{502, `<html>`, sms.Unknown, "502"},
		{503, `<html>`, sms.Unavailable, "503"},
		{200, `{"Code":"isv.NOT_KNOWN_YET"}`, sms.RejectedNumber, "isv.NOT_KNOWN_YET"},
		{400, `{"Code":"NotKnown.Yet"}`, sms.RejectedNumber, "NotKnown.Yet"},
		{401, `{"Code":"NotKnown.Yet"}`, sms.RejectedAccount, "NotKnown.Yet"},
		{500, `{"Code":"NotKnown.Yet"}`, sms.Unknown, "NotKnown.Yet"},
		{200, `{"Code":"isp.NOT_KNOWN_YET"}`, sms.Unknown, "isp.NOT_KNOWN_YET"},
		{200, `{"Code":"NOT_KNOWN_YET"}`, sms.Unknown, "NOT_KNOWN_YET"},
		{200, `{"Code":"InternalError.NotKnownYet"}`, sms.Unknown, "InternalError.NotKnownYet"},
		{500, `{"Code":"isv.NOT_KNOWN_YET"}`, sms.Unknown, "isv.NOT_KNOWN_YET"},
		{500, `{"Code":"isv.OUT_OF_SERVICE"}`, sms.RejectedAccount, "isv.OUT_OF_SERVICE"},
	} {
		for _, api := range aliyunAPIs() {
			var asked []*http.Request
			p := newAliyun(t, api, sms.AliyunConfig{Transport: answered(c.status, c.body, &asked)})
			receipt, err := p.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
			if got := sms.OutcomeOf(err); got != c.want {
				t.Errorf("%s, %d %s: %v (%v), want %v", api.name, c.status, c.body, got, err, c.want)
			}
			if r, ok := errors.AsType[*sms.Refusal](err); ok && r.Code != c.code {
				t.Errorf("%s, %d %s: code %q, want %q", api.name, c.status, c.body, r.Code, c.code)
			}
			if id := receipt.ID; (id == "1^0") != (c.want == sms.Sent) {
				t.Errorf("%s, %d %s: id %q", api.name, c.status, c.body, id)
			}
			smstest.CheckSilent(t, err, canaryMobile, canaryCode, canaryKeyID, canarySecret)
			if len(asked) != 1 {
				t.Errorf("%d requests", len(asked))
			}
		}
	}
}

func TestAliyunFillsTheTemplateOfTheLanguage(t *testing.T) {
	t.Parallel()
	c := sms.AliyunConfig{
		Sign:     sms.ByLanguage{"zh-CN": "示例网", "": "Example"},
		Template: sms.ByLanguage{"zh-CN": "SMS_1", "en": "SMS_2"},
	}
	for _, v := range []struct {
		calling, tag string
		expires      time.Duration
		params       []string
		want         url.Values
	}{
		{"86", "zh-CN", 5 * time.Minute, nil, url.Values{"SignName": {"示例网"}, "TemplateCode": {"SMS_1"}, "PhoneNumbers": {"13800000001"},
			"TemplateParam": {`{"code":"012345"}`}, "OutId": {"id"}}},
		{"86", "en-GB", 119 * time.Second, []string{"code", "min"}, url.Values{"SignName": {"Example"}, "TemplateCode": {"SMS_2"},
			"PhoneNumbers": {"13800000001"}, "TemplateParam": {`{"code":"012345","min":"1"}`}, "OutId": {"id"}}},
		{"852", "zh-CN", 59 * time.Second, []string{"ttl=min", "otp_6=code"}, url.Values{"SignName": {"示例网"}, "TemplateCode": {"SMS_1"},
			"PhoneNumbers": {"85213800000001"}, "TemplateParam": {`{"otp_6":"012345","ttl":"1"}`}, "OutId": {"id.852"}}},
	} {
		var asked []*http.Request
		c.Params, c.Transport = v.params, answered(200, `{"Code":"OK","BizId":"1^0"}`, &asked)
		p := newAliyun(t, aliyunAPIs()[0], c)
		if _, err := p.Send(t.Context(), message(t, v.calling, "13800000001", v.tag, v.expires)); err != nil {
			t.Fatal(err)
		}
		r := asked[0]
		if got := r.URL.Query(); got.Encode() != v.want.Encode() {
			t.Errorf("got  %v\nwant %v", got, v.want)
		}
		if r.URL.Scheme != "https" || r.URL.Host != "dysmsapi.aliyuncs.com" || r.URL.Path != "/" {
			t.Errorf("asked at %v", r.URL)
		}
	}
}

// A vendor that takes numbers without a + would text the code of +1 310 555 0123 to the owner of the mainland's 131 0555 0123.
func TestAliyunTextsNobodyElseThanTheNumbersOwner(t *testing.T) {
	t.Parallel()
	var asked []*http.Request
	p := newAliyun(t, aliyunAPIs()[0], sms.AliyunConfig{Transport: answered(200, `{"Code":"OK","BizId":"1^0"}`, &asked)})
	m := message(t, "1", "3105550123", "en", time.Minute)
	_, err := p.Send(t.Context(), m)
	if sms.OutcomeOf(err) != sms.RejectedNumber || len(asked) != 0 {
		t.Errorf("%v, %d requests", err, len(asked))
	}
	if answer, err := p.Try(t.Context(), m); answer != "" || sms.OutcomeOf(err) != sms.RejectedNumber {
		t.Errorf("tried: %q, %v", answer, err)
	}
	if text, err := p.Preview(m); text != "" || err == nil {
		t.Errorf("preview: %q, %v", text, err)
	}
	smstest.CheckSilent(t, err, "3105550123", "012345")
}

func TestAliyunVerifyReachesTheMainlandAlone(t *testing.T) {
	t.Parallel()
	var asked []*http.Request
	p := newAliyun(t, aliyunAPIs()[1], sms.AliyunConfig{Transport: answered(200, `{}`, &asked)})
	m := message(t, "852", "61234567", "zh-CN", time.Minute)
	_, err := p.Send(t.Context(), m)
	if sms.OutcomeOf(err) != sms.RejectedNumber || len(asked) != 0 {
		t.Errorf("%v, %d requests", err, len(asked))
	}
	if answer, err := p.Try(t.Context(), m); answer != "" || sms.OutcomeOf(err) != sms.RejectedNumber {
		t.Errorf("tried: %q, %v", answer, err)
	}
	if text, err := p.Preview(m); text != "" || err == nil {
		t.Errorf("preview: %q, %v", text, err)
	}
	_, err = p.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
	if len(asked) != 1 || asked[0].URL.Host != "dypnsapi.aliyuncs.com" {
		t.Errorf("%v, asked %v", err, asked)
	}
}

func TestT36_AliyunKeepsItsKeysOutOfSight(t *testing.T) {
	t.Parallel()
	config := sms.AliyunConfig{AccessKeyID: canaryKeyID, AccessKeySecret: canarySecret}
	for _, api := range aliyunAPIs() {
		var asked []*http.Request
		p := newAliyun(t, api, sms.AliyunConfig{Transport: answered(400, "no\x1b[2J", &asked)})
		m := smstest.Message(t, "m", canaryMobile, canaryCode)
		preview, err := p.Preview(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{canaryMobile, canaryCode, "SignName=示例网", `TemplateParam={"code":"`, "Credential=***", "aliyuncs.com/?"} {
			if !strings.Contains(preview, want) {
				t.Errorf("%s: the preview lacks %q:\n%s", api.name, want, preview)
			}
		}
		answer, err := p.Try(t.Context(), m)
		if !strings.Contains(answer, "400 Bad Request\nno.[2J") || err == nil {
			t.Errorf("%s: tried: %q, %v", api.name, answer, err)
		}
		if n := p.Size(m).Segments; n != 1 {
			t.Errorf("%d segments", n)
		}
		printed := preview + answer + err.Error()
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			printed += fmt.Sprintf(verb+verb, p, config)
		}
		for _, secret := range []string{canaryKeyID, canarySecret, fmt.Sprintf("%x", canarySecret)} {
			if strings.Contains(printed, secret) {
				t.Errorf("%s prints its keys: %s", api.name, printed)
			}
		}
	}
}

func TestBadAliyunSettingsAreRefusedAllAtOnce(t *testing.T) {
	t.Parallel()
	good := sms.AliyunConfig{
		AccessKeyID: "id", AccessKeySecret: canarySecret,
		Sign: sms.ByLanguage{"": "示例网"}, Template: sms.ByLanguage{"": "SMS_1"},
		Texts: newTexts(t, sms.TextConfig{}),
	}
	for _, c := range []struct {
		name   string
		change func(*sms.AliyunConfig)
		want   []string
	}{
		{"good", func(*sms.AliyunConfig) {}, nil},
		{"another endpoint", func(c *sms.AliyunConfig) { c.Endpoint = "http://127.0.0.1:9000/" }, nil},
		{"empty", func(c *sms.AliyunConfig) { *c = sms.AliyunConfig{Texts: c.Texts} },
			[]string{"access_key_id: is required", "access_key_secret: is required", "sign: is required", "template: is required"}},
		{"no texts", func(c *sms.AliyunConfig) { c.Texts = nil }, []string{"text: "}},
		{"keys with spaces", func(c *sms.AliyunConfig) { c.AccessKeyID, c.AccessKeySecret = "a b", canarySecret+"\n" },
			[]string{"access_key_id: ", "access_key_secret: "}},
		{"a language without", func(c *sms.AliyunConfig) {
			c.Sign = sms.ByLanguage{"en": "Example"}
			c.Template = sms.ByLanguage{"zh-CN": "SMS_1"}
		},
			[]string{"sign: there is none for the language zh-CN", "template: there is none for the language en"}},
		{"brackets", func(c *sms.AliyunConfig) { c.Sign = sms.ByLanguage{"": "示例网", "en": "【Example】"} },
			[]string{"sign.en: write it without"}},
		{"a text for a template", func(c *sms.AliyunConfig) { c.Template = sms.ByLanguage{"": "验证码${code}"} },
			[]string{"template: is the template's code"}},
		{"endpoint with a path", func(c *sms.AliyunConfig) { c.Endpoint = "https://h/" + canarySecret },
			[]string{"endpoint: write scheme and host"}},
		{"endpoint with a password", func(c *sms.AliyunConfig) { c.Endpoint = "https://u:" + canarySecret + "@h" }, []string{"endpoint: "}},
		{"endpoint of another kind", func(c *sms.AliyunConfig) { c.Endpoint = "dysmsapi.aliyuncs.com" }, []string{"endpoint: "}},
		{"endpoint that can't be read", func(c *sms.AliyunConfig) { c.Endpoint = "https://h:" + canarySecret }, []string{"endpoint: "}},
		{"no code", func(c *sms.AliyunConfig) { c.Params = []string{"min"} }, []string{"params: none of the variables is the code"}},
		{"other variables", func(c *sms.AliyunConfig) {
			c.Params = []string{"code", "${min}", "=code", "product", "x=y", "code=min"}
		},
			[]string{"params: element 2: ", "params: element 3: ", "params: element 4: ", "params: element 5: ",
				"params: element 6: the variable code"}},
		{"timeout", func(c *sms.AliyunConfig) { c.Timeout = -1 }, []string{"timeout: "}},
	} {
		config := good
		c.change(&config)
		for _, api := range aliyunAPIs() {
			_, err := api.open(t, config)
			if (err == nil) != (c.want == nil) {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			smstest.CheckSilent(t, err, canarySecret)
			if err == nil {
				continue
			}
			lines := strings.Split(err.Error(), "\n")
			for i, want := range c.want {
				if i >= len(lines) || len(lines) != len(c.want) || !strings.HasPrefix(lines[i], want) {
					t.Errorf("%s: %q, want %q", c.name, lines, c.want)
					break
				}
			}
		}
	}
}

func TestAliyunFarSideRefusesWhatIsNotSignedSo(t *testing.T) {
	t.Parallel()
	for _, api := range aliyunAPIs() {
		signed := func() *http.Request {
			var asked []*http.Request
			p := newAliyun(t, api, sms.AliyunConfig{Transport: answered(200, api.taken, &asked)})
			if _, err := p.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode)); err != nil {
				t.Fatal(err)
			}
			r := asked[0]
			r.Host = r.URL.Host // as a server sees it
			return r
		}
		again := signed()
		if _, err := api.far(again, nil); err != nil {
			t.Errorf("%s: %v", api.name, err)
		}
		if _, err := api.far(again, nil); err == nil {
			t.Errorf("%s: taken twice", api.name)
		}
		for name, touch := range map[string]func(*http.Request){
			"another host": func(r *http.Request) { r.Host = "elsewhere.example" },
			"another number": func(r *http.Request) {
				r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, canaryMobile, "13900000000")
			},
			"another code":       func(r *http.Request) { r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, canaryCode, "000000") },
			"one parameter more": func(r *http.Request) { r.URL.RawQuery += "&SmsUpExtendCode=1" },
			"another action":     func(r *http.Request) { r.Header.Set("X-Acs-Action", "SendBatchSms") },
			"another nonce":      func(r *http.Request) { r.Header.Set("X-Acs-Signature-Nonce", strings.Repeat("A", 26)) },
			"a header more":      func(r *http.Request) { r.Header.Set("X-Acs-Security-Token", "x") },
			"an old date": func(r *http.Request) {
				r.Header.Set("X-Acs-Date", time.Now().UTC().Add(-16*time.Minute).Format("2006-01-02T15:04:05Z"))
			},
			"no signature": func(r *http.Request) { r.Header.Del("Authorization") },
		} {
			r := signed()
			touch(r)
			if _, err := api.far(r, nil); err == nil {
				t.Errorf("%s: %s was taken", api.name, name)
			}
		}
	}
}
