package sms_test

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"rekey"
	"rekey/sms"
	"rekey/sms/smstest"
)

// twilioAccount is the account that the tests send through.
func twilioAccount() smstest.Twilio {
	return smstest.Twilio{
		AccountSID: "AC0123456789abcdef0123456789abcdef", AuthToken: "canary-auth-token", From: "+15557122661",
		ReceiptURL: "https://www.example.com/forget_pwd/receipts/twilio/canary-receipt-secret",
	}
}

// twilioTaken is the documentation's answer to a message that was taken (https://www.twilio.com/docs/messaging/api/message-resource).
const twilioTaken = `{"account_sid":"AC0123456789abcdef0123456789abcdef","api_version":"2010-04-01","body":"Hi there",` +
	`"date_created":"Thu, 24 Aug 2023 05:01:45 +0000","date_sent":null,"date_updated":"Thu, 24 Aug 2023 05:01:45 +0000",` +
	`"direction":"outbound-api","error_code":null,"error_message":null,"from":"+15557122661","num_media":"0","num_segments":"1",` +
	`"price":null,"price_unit":null,"messaging_service_sid":null,"sid":"SM9801d4cc7e4e4f4d9d1d3bd0aaaaaaaa","status":"queued",` +
	`"subresource_uris":{"media":"/2010-04-01/Accounts/AC/Messages/SM/Media.json"},"to":"+15558675310","uri":"/2010-04-01/Accounts/AC/Messages/SM.json"}`

// twilioError is an answer that refuses a message.
func twilioError(code string, status int) string {
	return fmt.Sprintf(`{"code":%s,"message":"%s","more_info":"https://www.twilio.com/docs/errors/%s","status":%d}`, code, smstest.Echo, code, status)
}

func newTwilio(t testing.TB, c sms.TwilioConfig) *sms.Twilio {
	t.Helper()
	account := twilioAccount()
	c.AccountSID, c.AuthToken = account.AccountSID, account.AuthToken
	if c.MessagingService == "" && c.From == "" {
		c.From = account.From
	}
	if c.ReceiptURL == "" {
		c.ReceiptURL = account.ReceiptURL
	}
	if c.Texts == nil {
		c.Texts = newTexts(t, sms.TextConfig{Sign: "示例网", Origin: "https://www.example.com"})
	}
	c.Timeout = cmp.Or(c.Timeout, patience)
	if c.Transport == nil {
		transport := sms.NewTransport()
		t.Cleanup(transport.CloseIdleConnections)
		c.Transport = transport
	}
	p, err := sms.NewTwilio(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestT31_TwilioIsJudgedByItsCodeAndStatus(t *testing.T) {
	t.Parallel()
	service := twilioAccount()
	service.From, service.MessagingService = "", "MG0123456789abcdef0123456789abcdef"
	for name, account := range map[string]smstest.Twilio{"from a number": twilioAccount(), "from a messaging service": service} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			smstest.RunHTTP(t, smstest.HTTP{
				Coded: true,
				Open: func(t *testing.T, url string) rekey.Sender {
					return newTwilio(t, sms.TwilioConfig{Endpoint: url, From: account.From, MessagingService: account.MessagingService})
				},
				Accept: account.Messages(),
				Taken:  twilioTaken,
				Refused: strings.NewReplacer(`"error_code":null`, `"error_code":30006`, `"queued"`, `"failed"`,
					"Hi there", smstest.Echo).Replace(twilioTaken),
				Secrets: []string{account.AccountSID, account.AuthToken, "canary-receipt-secret"},
			})
		})
	}
}

func TestTwilioIsHandedOurTextWithTheAddressOfItsReceipts(t *testing.T) {
	t.Parallel()
	g := smstest.NewGateway(t, false, twilioAccount().Messages(), twilioTaken)
	p := newTwilio(t, sms.TwilioConfig{Endpoint: g.URL() + "/"})
	receipt, err := p.Send(t.Context(), smstest.Message(t, "id with & and ?", canaryMobile, canaryCode))
	if err != nil || receipt.ID != "SM9801d4cc7e4e4f4d9d1d3bd0aaaaaaaa" {
		t.Errorf("%+v, %v", receipt, err)
	}
	if got := g.Taken(); len(got) != 1 || got[0].ID != "id with & and ?" {
		t.Errorf("taken: %+v", got)
	}
	// The text of the mainland is one message; abroad the origin-bound line stands below it.
	if m := smstest.Message(t, "m", canaryMobile, canaryCode); p.Size(m).Segments != 1 || p.Size(abroad(t)).Segments != sms.Measure(
		"【示例网】验证码"+canaryCode+"，用于重置密码，5分钟内有效，请勿告诉他人。\n\n@www.example.com #"+canaryCode).Segments {
		t.Errorf("%d and %d segments", p.Size(m).Segments, p.Size(abroad(t)).Segments)
	}
}

// TestTwilioKeepsNoMessageLongerThanItsCodeLives: the vendor would for ten hours.
func TestTwilioKeepsNoMessageLongerThanItsCodeLives(t *testing.T) {
	t.Parallel()
	for life, want := range map[time.Duration]string{5 * time.Minute: "300", 90*time.Second + time.Millisecond: "90", time.Millisecond: "1", 0: "1"} {
		m := smstest.Message(t, "m", canaryMobile, canaryCode)
		m.ExpiresIn = life
		got, err := newTwilio(t, sms.TwilioConfig{}).Preview(m)
		if err != nil || !strings.Contains(got, "&ValidityPeriod="+want+"&") {
			t.Errorf("%v: %s, %v", life, got, err)
		}
	}
}

func TestTwilioAnswersThatSayNothingClearAreUnknown(t *testing.T) {
	t.Parallel()
	const sid = `"sid":"SM9801d4cc7e4e4f4d9d1d3bd0aaaaaaaa"`
	for _, c := range []struct {
		status int
		body   string
		want   sms.Outcome
		code   string
	}{
		{201, `{` + sid + `,"status":"queued","error_code":null}`, sms.Sent, ""},
		{200, `{` + sid + `,"status":"accepted"}`, sms.Sent, ""},
		{201, `{"sid":"MM9801d4cc7e4e4f4d9d1d3bd0aaaaaaaa","status":"sent"}`, sms.Sent, ""},
		{201, `{` + sid + `,"status":"queued","error_code":30006}`, sms.Unknown, "201"},
		{201, `{` + sid + `,"status":"failed","error_code":null}`, sms.Unknown, "201"},
		{201, `{` + sid + `,"status":"failed","error_code":30999}`, sms.RejectedNumber, "30999"},
		{201, `{` + sid + `,"status":"canceled","error_code":30002}`, sms.RejectedAccount, "30002"},
		{201, `{"sid":"SM1","status":"queued"}`, sms.Unknown, "201"},
		{201, `{"status":"queued"}`, sms.Unknown, "201"},
		{201, `{` + sid + `,"status":400,"code":21211}`, sms.Unknown, "201"},
		{201, `{` + sid + `,"status":"queued"} trailing`, sms.Unknown, "201"},
		{201, `{` + sid, sms.Unknown, "201"},
		{201, ``, sms.Unknown, "201"},
		{200, `<html>welcome</html>`, sms.Unknown, "200"},
		{200, `[]`, sms.Unknown, "200"},
		{200, `null`, sms.Unknown, "200"},
		{400, twilioError("29999", 400), sms.RejectedNumber, "29999"},
		{401, twilioError("29999", 401), sms.RejectedAccount, "29999"},
		{429, twilioError("29999", 429), sms.Throttled, "29999"},
		{500, twilioError("29999", 500), sms.Unknown, "29999"},
		{503, twilioError("29999", 503), sms.Unavailable, "29999"},
		{400, twilioError("123456", 400), sms.RejectedNumber, "(unreadable)"},
		{400, `{"code":-1}`, sms.Unavailable, "400"},
		{400, `{"code":"21211"}`, sms.Unavailable, "400"},
		{400, `{"code":21211`, sms.Unavailable, "400"},
		{404, `<html>`, sms.Unavailable, "404"},
		{401, `<html>`, sms.RejectedAccount, "401"},
		{307, `{"code":20003}`, sms.RejectedAccount, "20003"},
		{502, `<html>`, sms.Unknown, "502"},
		{503, `<html>`, sms.Unavailable, "503"},
	} {
		var asked []*http.Request
		p := newTwilio(t, sms.TwilioConfig{Transport: answered(c.status, c.body, &asked)})
		receipt, err := p.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
		checkVendorOutcome(t, fmt.Sprintf("%d %s", c.status, c.body), receipt, err, c.want, c.code)
		if len(asked) != 1 {
			t.Errorf("%d requests", len(asked))
		}
	}
}

func TestTwilioPreviewShowsWhatIsToBeCheckedAndNoSecret(t *testing.T) {
	t.Parallel()
	got, err := newTwilio(t, sms.TwilioConfig{}).Preview(smstest.Message(t, "m-1", "13800000001", "123456"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `POST https://api.twilio.com/2010-04-01/Accounts/***/Messages.json
Accept: application/json
Authorization: Basic ***
Content-Type: application/x-www-form-urlencoded
User-Agent: rekey

To=+8613800000001&From=+15557122661&StatusCallback=https://www.example.com/forget_pwd/receipts/twilio/***?m=m-1&ValidityPeriod=300&Body=【示例网】验证码123456，用于重置密码，5分钟内有效，请勿告诉他人。
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTwilioWithoutReceiptsAsksForNone(t *testing.T) {
	t.Parallel()
	account := twilioAccount()
	p, err := sms.NewTwilio(sms.TwilioConfig{
		AccountSID: account.AccountSID, AuthToken: account.AuthToken, From: "Example Co", Texts: newTexts(t, sms.TextConfig{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Preview(smstest.Message(t, "m", canaryMobile, canaryCode))
	if err != nil || strings.Contains(got, "StatusCallback") || !strings.Contains(got, "From=Example Co") {
		t.Errorf("%v\n%s", err, got)
	}
	if _, err := p.Pushed(t.Context(), account.Receipt("https://www.example.com/", url.Values{}), nil); err == nil {
		t.Error("a receipt was taken that nobody asked for")
	}
}

func TestTwilioTrySaysWhatTheVendorSaid(t *testing.T) {
	t.Parallel()
	var asked []*http.Request
	p := newTwilio(t, sms.TwilioConfig{Transport: answered(401, twilioError("20003", 401), &asked)})
	answer, err := p.Try(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
	if !strings.HasPrefix(answer, "401 Unauthorized\n") || !strings.Contains(answer, "docs/errors/20003") {
		t.Errorf("answer %q", answer)
	}
	if sms.OutcomeOf(err) != sms.RejectedAccount || !strings.Contains(err.Error(), "account_sid and auth_token do not go together") {
		t.Error(err)
	}
}

func TestTwilioConfigurationFaultsAreToldTogether(t *testing.T) {
	t.Parallel()
	_, err := sms.NewTwilio(sms.TwilioConfig{
		AccountSID: "AC123", AuthToken: "canary token", From: "+1", ReceiptURL: "https://www.example.com/canary?x",
		Endpoint: "ftp://twilio.example", Timeout: -1,
	})
	if err == nil {
		t.Fatal("no fault")
	}
	for _, want := range []string{
		"account_sid: write AC", "auth_token: there are no spaces", "from: write a number", "receipts: the address", "endpoint: write scheme and host alone",
		"timeout: must not be negative", "text: a Twilio provider needs Texts",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing of %q in:\n%v", want, err)
		}
	}
	smstest.CheckSilent(t, err, "AC123", "canary")

	for from, good := range map[string]bool{
		"+12025550123": true, "12345": true, "Example": true, "Example Co": true, "A1": true,
		"+0123456789": false, "12345678901": false, "1234567890": false, "Example and Co": false, "例子": false, "a\nb": false, " ": false,
	} {
		_, err := sms.NewTwilio(sms.TwilioConfig{
			AccountSID: twilioAccount().AccountSID, AuthToken: "x", From: from, Texts: newTexts(t, sms.TextConfig{}),
		})
		if (err == nil) != good {
			t.Errorf("from %q: %v", from, err)
		}
	}
	for name, c := range map[string]sms.TwilioConfig{
		"from: write either it":    {From: "+12025550123", MessagingService: "MG0123456789abcdef0123456789abcdef"},
		"from: write either":       {},
		"messaging_service: write": {MessagingService: "MG-1"},
		"auth_token: is required":  {},
	} {
		if _, err := sms.NewTwilio(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestT36_TwilioIsPrintedWithoutItsConfiguration(t *testing.T) {
	t.Parallel()
	account := twilioAccount()
	config := sms.TwilioConfig{AuthToken: account.AuthToken, ReceiptURL: account.ReceiptURL}
	for _, v := range []any{newTwilio(t, sms.TwilioConfig{}), config, &config} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, "canary") || strings.Contains(s, account.AccountSID) {
				t.Errorf("%s of %T: %s", verb, v, s)
			}
		}
	}
}
