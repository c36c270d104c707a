package sms_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"

	"rekey"
	"rekey/sms"
	"rekey/sms/smstest"
)

// vendorSecret is the secret of every provider here. It looks like a token of each vendor, and stands nowhere else.
const vendorSecret = "5ecc4e75c0de5ecc4e75c0de5ecc4e75"

// vendor is a provider over HTTP with what its far side answers to a message that it takes.
type vendor struct {
	provider sms.Provider
	status   int
	taken    string
}

// vendors are all providers over HTTP, whose requests transport answers.
func vendors(t testing.TB, transport http.RoundTripper) map[string]vendor {
	t.Helper()
	texts := newTexts(t, sms.TextConfig{Sign: "示例网", Origin: "https://www.example.com"})
	sign, template := sms.ByLanguage{"": "示例网"}, sms.ByLanguage{"": "SMS_1"}
	aliyun := sms.AliyunConfig{
		AccessKeyID: "LTAICanary", AccessKeySecret: vendorSecret, Sign: sign, Template: template, Texts: texts, Transport: transport,
	}
	all := map[string]vendor{}
	add := func(name string, p sms.Provider, err error, status int, taken string) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = vendor{p, status, taken}
	}
	h, err := sms.NewHTTP(sms.HTTPConfig{
		URL: "http://gateway.example/?p=" + vendorSecret, Secret: vendorSecret, Success: `^\{"status":"ok"\}$`, Texts: texts, Transport: transport,
	})
	add("http", h, err, 200, `{"status":"ok"}`)
	a, err := sms.NewAliyun(aliyun)
	add("aliyun", a, err, 200, `{"Message":"OK","RequestId":"F655A8D5-B967-440B-8683","Code":"OK","BizId":"900619746936498440^0"}`)
	v, err := sms.NewAliyunVerify(aliyun)
	add("aliyun-verify", v, err, 200, `{"Code":"OK","Success":true,"Message":"OK","Model":{"BizId":"112231421412414124123^4","OutId":"m"}}`)
	q, err := sms.NewTencent(sms.TencentConfig{
		SecretID: "AKIDCanary", SecretKey: vendorSecret, AppID: "1400006666", Sign: sign, Template: sms.ByLanguage{"": "449739"},
		Texts: texts, Transport: transport,
	})
	add("tencent", q, err, 200, `{"Response":{"SendStatusSet":[{"SerialNo":"5000:1045710669157053657849499619","PhoneNumber":"+8618511122233","Fee":1,`+
		`"SessionContext":"m","Code":"Ok","Message":"send success","IsoCode":"CN"}],"RequestId":"a0aabda6"}}`)
	w, err := sms.NewTwilio(sms.TwilioConfig{
		AccountSID: "AC" + strings.Repeat("0", 32), AuthToken: vendorSecret, From: "+12025550100", Texts: texts, Transport: transport,
	})
	add("twilio", w, err, 201, `{"sid":"SM9801d4cc7e4e4f4d9d1d3bd0aaaaaaaa","status":"queued","error_code":null,"num_segments":"1"}`)
	z, err := sms.NewAWS(sms.AWSConfig{
		Region: "eu-west-1", AccessKeyID: "AKIDCANARY", SecretAccessKey: vendorSecret, SessionToken: vendorSecret, From: "pool-1",
		Texts: texts, Transport: transport,
	})
	add("aws", z, err, 200, `{"MessageId":"862a8790-60c0-4430-9b2b-658bd0123456"}`)
	return all
}

// checkAnswered holds for the outcome of every message, whatever was answered.
func checkAnswered(t testing.TB, name string, receipt rekey.Receipt, err error) {
	t.Helper()
	if strings.ContainsFunc(receipt.ID, unicode.IsControl) || len(receipt.ID) > 256 {
		t.Errorf("%s: the receipt's id %q", name, receipt.ID)
	}
	if err == nil {
		return
	}
	kinds := 0
	for _, kind := range []error{rekey.ErrRejected, rekey.ErrUnavailable, rekey.ErrUnknown} {
		if errors.Is(err, kind) {
			kinds++
		}
	}
	r, ok := errors.AsType[*sms.Refusal](err)
	if kinds != 1 || !ok || r.Outcome <= sms.Sent || r.Outcome > sms.Unknown {
		t.Errorf("%s: %v has %d kinds", name, err, kinds)
		return
	}
	if receipt != (rekey.Receipt{}) {
		t.Errorf("%s: %v beside the receipt %+v", name, err, receipt)
	}
	trial := r.Code == "572002" || r.Code == "572005" // codes of Twilio's that are as long as ours, and are known by heart
	if r.Code != "" && r.Code != "(unreadable)" && r.Code != sms.VendorCode(r.Code) && !trial {
		t.Errorf("%s: code %q", name, r.Code)
	}
	if strings.ContainsFunc(err.Error(), unicode.IsControl) {
		t.Errorf("%s: %q steers a terminal", name, err)
	}
	smstest.CheckSilent(t, err, vendorSecret, canaryMobile, canaryCode)
}

// FuzzVendorAnswers lets the far side of every provider answer anything: the message has exactly one outcome, is handed
// over once, and no error says a secret, the number or the code (T31, T36). What an operator is shown of the answer steers no
// terminal (T37).
func FuzzVendorAnswers(f *testing.F) {
	leak := "+86" + canaryMobile + " " + canaryCode + " " + vendorSecret + "\x1b[2J"
	seeds := []string{
		"", "null", "true", "[]", "[{}]", "{}", `""`, "0", "ok", leak, strings.Repeat("[", 10000), `{"Code":1e400}`, "\xff\xfe{\x00}",
		`{"Code":"isv.BUSINESS_LIMIT_CONTROL"}`, `{"Code":"OK"}`, `{"Code":"OK","BizId":""}`,
		`{"Code":"OK","BizId":"` + canaryMobile + `\u001b[2J"}`,
		`{"Code":"` + canaryMobile + `","Message":"` + canaryCode + `"}`, `{"Code":"` + canaryCode + `.` + vendorSecret + `"}`,
		`{"Code":"OK","Success":false,"Model":{"BizId":"1"}}`, `{"Code":"isp.` + canaryCode + `"}`,
		`{"Response":{"Error":{"Code":"AuthFailure.SignatureExpire","Message":"` + vendorSecret + `"}}}`,
		`{"Response":{"Error":{"Code":"` + canaryMobile + `"},"SendStatusSet":[{"Code":"Ok","SerialNo":"1"}]}}`,
		`{"Response":{"SendStatusSet":[]}}`, `{"Response":{"SendStatusSet":[{"Code":"Ok"},{"Code":"Ok","SerialNo":"1"}]}}`,
		`{"Response":{"SendStatusSet":[{"Code":"LimitExceeded.` + canaryCode + `","SerialNo":"1"}]}}`,
		`{"code":21211,"message":"` + canaryMobile + `","status":400}`, `{"code":` + canaryCode + `}`, `{"code":"` + canaryMobile + `"}`, `{"code":-1}`, `{"code":572002}`,
		`{"sid":"SM1","status":"failed","error_code":30003}`, `{"sid":"` + canaryCode + `","status":"queued"}`, `{"sid":"\u001b[2J","status":"queued"}`,
		`{"__type":"ConflictException","Reason":"DESTINATION_PHONE_NUMBER_OPTED_OUT"}`, `{"__type":"` + canaryMobile + `","Reason":"` + canaryCode + `"}`,
		`{"__type":"a#` + vendorSecret + `:x"}`, `{"__type":"ThrottlingException","MessageId":"1"}`, `{"MessageId":"` + canaryMobile + ` x"}`,
	}
	for _, v := range vendors(f, nil) {
		seeds = append(seeds, v.taken, v.taken+v.taken, v.taken+strings.Repeat(" ", 64<<10), strings.ToLower(v.taken))
	}
	for _, body := range seeds {
		for _, status := range []int{200, 201, 204, 302, 400, 401, 403, 404, 429, 500, 503} {
			f.Add(status, []byte(body))
		}
	}
	var status, asked int
	var body []byte
	all := vendors(f, transportFunc(func(r *http.Request) (*http.Response, error) {
		asked++
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(string(body))), Request: r}, nil
	}))
	f.Fuzz(func(t *testing.T, s int, b []byte) {
		status, body = 100+int(uint(s)%900), b
		if s >= 100 && s < 1000 {
			status = s
		}
		for name, v := range all {
			asked = 0
			m := smstest.Message(t, "m", canaryMobile, canaryCode)
			receipt, err := v.provider.Send(t.Context(), m)
			checkAnswered(t, name, receipt, err)
			if err == nil && (status < 200 || status > 299 || len(b) == 0) {
				t.Errorf("%s: taken, after %d %q", name, status, b)
			}
			if name != "http" && (err == nil) != (receipt.ID != "") {
				t.Errorf("%s: %v with the id %q", name, err, receipt.ID)
			}
			answer, again := v.provider.Try(t.Context(), m)
			if fmt.Sprint(err) != fmt.Sprint(again) {
				t.Errorf("%s: %v, and tried: %v", name, err, again)
			}
			if strings.ContainsFunc(answer, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
				t.Errorf("%s: the answer %q steers a terminal", name, answer)
			}
			if asked != 2 {
				t.Errorf("%s: asked %d times for two messages", name, asked)
			}
		}
	})
}

func TestT31_AnswersThatAreCutAnywhereAreUnknown(t *testing.T) {
	t.Parallel()
	var status int
	var body string
	all := vendors(t, transportFunc(func(r *http.Request) (*http.Response, error) {
		cut := io.MultiReader(strings.NewReader(body), iotest.ErrReader(io.ErrUnexpectedEOF))
		return &http.Response{StatusCode: status, Body: io.NopCloser(cut), Request: r}, nil
	}))
	for name, v := range all {
		status = v.status
		for i := range len(v.taken) + 1 { // the last one is there in full, but its end was not seen
			body = v.taken[:i]
			receipt, err := v.provider.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
			checkAnswered(t, name, receipt, err)
			if got := sms.OutcomeOf(err); got != sms.Unknown {
				t.Errorf("%s: %v after %q", name, got, body)
			}
		}
	}
}

func TestT31_RefusalsThatAreCutSayNothingOfNumberOrAccount(t *testing.T) {
	t.Parallel()
	refusals := map[string]string{
		"aliyun": `{"Code":"isv.OUT_OF_SERVICE"}`, "aliyun-verify": `{"Code":"isv.OUT_OF_SERVICE"}`,
		"tencent": tencentError("AuthFailure.SignatureExpire"), "twilio": twilioError("20003", 400), "aws": `{"__type":"ExpiredToken"}`,
	}
	var body io.Reader
	all := vendors(t, transportFunc(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 400, Body: io.NopCloser(body), Request: r}, nil
	}))
	for name, refusal := range refusals {
		for _, whole := range []bool{true, false} {
			want := sms.RejectedAccount
			if body = strings.NewReader(refusal); !whole {
				body, want = io.MultiReader(body, iotest.ErrReader(io.ErrUnexpectedEOF)), sms.Unavailable
			}
			receipt, err := all[name].provider.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
			checkAnswered(t, name, receipt, err)
			if got := sms.OutcomeOf(err); got != want {
				t.Errorf("%s, whole %v: %v (%v), want %v", name, whole, got, err, want)
			}
		}
	}
}

// flood is an answer of a mebibyte, which counts what is read of it.
type flood struct{ read int }

func (f *flood) Read(p []byte) (int, error) {
	if f.read >= 1<<20 {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = ' '
	}
	f.read += len(p)
	return len(p), nil
}

func TestT22_NoMoreOfAnAnswerIsReadThanItsLimit(t *testing.T) {
	t.Parallel()
	var answer *flood
	all := vendors(t, transportFunc(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(answer), Request: r}, nil
	}))
	for name, v := range all {
		answer = &flood{}
		receipt, err := v.provider.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
		checkAnswered(t, name, receipt, err)
		if got := sms.OutcomeOf(err); got != sms.Unknown || answer.read > 65<<10 {
			t.Errorf("%s: %v after %d bytes", name, got, answer.read)
		}
	}
}

func TestEveryVendorTakesAMessageWithItsOwnAnswerAlone(t *testing.T) {
	t.Parallel()
	var status int
	var body string
	all := vendors(t, transportFunc(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}))
	for name, v := range all {
		for other, answer := range all {
			status, body = answer.status, answer.taken
			receipt, err := v.provider.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
			checkAnswered(t, name, receipt, err)
			if (err == nil) != (name == other) {
				t.Errorf("%s: %v after the answer of %s", name, err, other)
			}
		}
	}
}
