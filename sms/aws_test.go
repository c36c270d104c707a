package sms_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"rekey"
	"rekey/sms"
	"rekey/sms/smstest"
)

const (
	awsKeyID  = "AKIDCANARYEXAMPLE"
	awsSecret = "canary/secret+CANARY/K7MDENG+bPxRfiCYEXAMPLE"
	awsToken  = "FwoGZXIvYXdzECanary///token=="
)

// awsAccount is the account of the tests, as the far side knows it.
var awsAccount = smstest.AWS{
	Region: "eu-west-1", KeyID: awsKeyID, Secret: awsSecret, Token: awsToken,
	From: "pool-0123456789abcdef0", ConfigurationSet: "rekey",
}

// awsConfig is that account as its owner configures it.
func awsConfig(t testing.TB, endpoint string) sms.AWSConfig {
	transport := sms.NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	return sms.AWSConfig{
		Region: awsAccount.Region, AccessKeyID: awsKeyID, SecretAccessKey: awsSecret, SessionToken: awsToken,
		From: awsAccount.From, ConfigurationSet: awsAccount.ConfigurationSet, Endpoint: endpoint, Timeout: patience,
		Texts: newTexts(t, sms.TextConfig{Sign: "示例网", Origin: "https://www.example.com"}), Transport: transport,
	}
}

func newAWS(t testing.TB, c sms.AWSConfig) *sms.AWS {
	t.Helper()
	a, err := sms.NewAWS(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const awsTaken = `{"MessageId":"862a8790-60c0-4430-9b2b-658bd0123456"}`

func TestT31_AWSIsJudgedByItsAnswer(t *testing.T) {
	t.Parallel()
	smstest.RunHTTP(t, smstest.HTTP{
		Coded:   true,
		Open:    func(t *testing.T, url string) rekey.Sender { return newAWS(t, awsConfig(t, url)) },
		Accept:  awsAccount.Accept,
		Taken:   awsTaken,
		Refused: `{"__type":"ConflictException","Reason":"DESTINATION_PHONE_NUMBER_OPTED_OUT","Message":"` + smstest.Echo + `"}`,
		Secrets: []string{awsKeyID, awsSecret, awsToken},
	})
}

func TestAWSIsAskedAtItsRegion(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]string{
		"eu-west-1": "https://sms-voice.eu-west-1.amazonaws.com/", "us-gov-west-1": "https://sms-voice.us-gov-west-1.amazonaws.com/",
		"cn-north-1": "https://sms-voice.cn-north-1.amazonaws.com.cn/",
	} {
		var asked []*http.Request
		c := awsConfig(t, "")
		c.Region, c.Transport = region, answered(200, awsTaken, &asked)
		if _, err := newAWS(t, c).Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode)); err != nil {
			t.Fatal(err)
		}
		if got := asked[0].URL.String(); got != want || !strings.Contains(asked[0].Header.Get("Authorization"), "/"+region+"/sms-voice/aws4_request, ") {
			t.Errorf("%s: asked at %s, signed %s", region, got, asked[0].Header.Get("Authorization"))
		}
	}
}

func TestAWSSignsWithLastingKeysToo(t *testing.T) {
	t.Parallel()
	account := awsAccount
	account.Token, account.ConfigurationSet = "", ""
	g := smstest.NewGateway(t, false, account.Accept, awsTaken)
	c := awsConfig(t, g.URL()+"/")
	c.SessionToken, c.ConfigurationSet = "", ""
	r, err := newAWS(t, c).Send(t.Context(), smstest.Message(t, "one", canaryMobile, canaryCode))
	if err != nil || r.ID != "862a8790-60c0-4430-9b2b-658bd0123456" {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestAWSStrangersKeysAreRefusedByItsStrictServer(t *testing.T) {
	t.Parallel()
	// What the tests above rest on: the far side takes nothing that another key has signed.
	g := smstest.NewGateway(t, false, func(r *http.Request, body []byte) (smstest.Taken, error) {
		for name, other := range map[string]smstest.AWS{
			"secret": {Region: "eu-west-1", KeyID: awsKeyID, Secret: "x", Token: awsToken, From: awsAccount.From, ConfigurationSet: "rekey"},
			"region": {Region: "eu-west-2", KeyID: awsKeyID, Secret: awsSecret, Token: awsToken, From: awsAccount.From, ConfigurationSet: "rekey"},
			"token":  {Region: "eu-west-1", KeyID: awsKeyID, Secret: awsSecret, Token: "x", From: awsAccount.From, ConfigurationSet: "rekey"},
			"from":   {Region: "eu-west-1", KeyID: awsKeyID, Secret: awsSecret, Token: awsToken, From: "x", ConfigurationSet: "rekey"},
		} {
			if _, err := other.Accept(r, body); err == nil {
				t.Errorf("taken with another %s", name)
			}
		}
		changed := strings.Replace(string(body), canaryCode, "000000", 1)
		if _, err := awsAccount.Accept(r, []byte(changed)); err == nil {
			t.Error("taken with another code")
		}
		return awsAccount.Accept(r, body)
	}, awsTaken)
	if _, err := newAWS(t, awsConfig(t, g.URL())).Send(t.Context(), smstest.Message(t, "one", canaryMobile, canaryCode)); err != nil {
		t.Error(err)
	}
}

// awsError is an answer with an error, whose code is its type and, after a full stop, its reason.
func awsError(code string, i int) string {
	kind, reason, _ := strings.Cut(code, ".")
	// Namespaces and addresses stand around the type in some services.
	written := []string{kind, "com.amazonaws.pinpointsmsvoicev2#" + kind, kind + ":http://internal.amazon.com/coral/com.amazon.coral.service/"}[i%3]
	body := map[string]any{
		"__type": written, "Message": "+86" + canaryMobile + " " + canaryCode + " " + awsSecret,
		"Fields": []map[string]string{{"Name": "DestinationPhoneNumber", "Message": canaryMobile}},
	}
	if reason != "" {
		body["Reason"] = reason
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings alone
	}
	return string(text)
}

func TestAWSErrorsComeToWhatTheirTableSays(t *testing.T) {
	t.Parallel()
	g := smstest.NewGateway(t, false, awsAccount.Accept, awsTaken)
	a := newAWS(t, awsConfig(t, g.URL()))
	n := 0
	send := func(code string, status int) (rekey.Receipt, error) {
		n++
		g.Misbehave(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			w.WriteHeader(status)
			io.WriteString(w, awsError(code, n))
		})
		receipt, err := a.Send(t.Context(), smstest.Message(t, fmt.Sprint("m", n), canaryMobile, canaryCode))
		<-g.Arrived
		smstest.CheckSilent(t, err, awsKeyID, awsSecret, awsToken)
		return receipt, err
	}
	table := documentedCodes(t, "aws.go", "AWS")
	for entry, want := range table {
		codes := []string{entry}
		if family, is := strings.CutSuffix(entry, ".*"); is {
			codes = []string{family, family + ".ANYTHING"}
		}
		for _, code := range codes {
			for _, status := range []int{400, 403, 500} {
				receipt, err := send(code, status)
				if got := sms.OutcomeOf(err).String(); got != want {
					t.Errorf("%d with %s: %s, want %s", status, code, got, want)
				}
				checkVendorOutcome(t, code, receipt, err, sms.OutcomeOf(err), code)
				if r, ok := errors.AsType[*sms.Refusal](err); ok && r.Outcome == sms.RejectedAccount && r.Detail == "" {
					t.Errorf("%s: nobody is told what to do", code)
				}
			}
		}
	}
	for _, function := range []string{"outcome", "conflict", "validation"} {
		for _, judged := range judgedCodes(t, "awsanswer.go", function) {
			documented := strings.Contains(judged, "identity") || strings.Contains(judged, "setname") // fields: in words below the table
			for entry := range table {
				documented = documented || entry == judged || entry == judged+".*" || strings.HasSuffix(entry, "."+judged)
			}
			if !documented {
				t.Errorf("%s is judged, but does not stand in the table", judged)
			}
		}
	}

	for status, want := range map[int]sms.Outcome{
		200: sms.Unknown, 400: sms.RejectedNumber, 401: sms.RejectedAccount, 403: sms.RejectedAccount, 429: sms.Throttled, 500: sms.Unknown,
		503: sms.Unavailable,
	} {
		for _, code := range []string{"SomethingNewException", "SomethingNewException.NEW_REASON"} {
			receipt, err := send(code, status)
			checkVendorOutcome(t, fmt.Sprint(status, " with what is not known"), receipt, err, want, code)
		}
	}
}

func TestAWSAnswersThatContradictThemselves(t *testing.T) {
	t.Parallel()
	g := smstest.NewGateway(t, false, awsAccount.Accept, awsTaken)
	a := newAWS(t, awsConfig(t, g.URL()))
	for i, c := range []struct {
		status int
		body   string
		want   sms.Outcome
	}{
		{200, `{}`, sms.Unknown},
		{200, `{"MessageId":""}`, sms.Unknown},
		{200, `{"MessageId":42}`, sms.Unknown},
		{200, `{"MessageId":"a b"}`, sms.Unknown},
		{200, `{"MessageId":"862a8790","__type":"ConflictException"}`, sms.Unknown},
		{202, awsTaken, sms.Unknown},
		{200, awsTaken + awsTaken, sms.Unknown},
		{200, awsTaken + strings.Repeat(" ", 64<<10), sms.Unknown}, // longer than is read
		{200, `[]`, sms.Unknown},
		{200, ``, sms.Unknown},
		{400, awsTaken, sms.Unknown},
		{400, `{"MessageId":"862a8790","__type":"ThrottlingException"}`, sms.Unknown},
		{500, awsTaken, sms.Unknown},
		{403, `<UnknownOperationException/>`, sms.Unavailable},
		{404, `<html>`, sms.Unavailable},
		{400, `{"__type":"ValidationException","Reason":"FIELD_VALIDATION_FAILED","Fields":[{"Name":"OriginationIdentity"}]}`, sms.RejectedAccount},
		{400, `{"__type":"ValidationException","Reason":"INVALID_PARAMETER","Fields":[{"Name":"configurationSetName"}]}`, sms.RejectedAccount},
		{400, `{"__type":"ValidationException","Reason":"INVALID_PARAMETER","Fields":[{"Name":"destinationPhoneNumber"}]}`, sms.RejectedNumber},
		{400, `{"__type":"` + "\x1b[2J" + canaryCode + `"}`, sms.Unavailable},
	} {
		g.Misbehave(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		_, err := a.Send(t.Context(), smstest.Message(t, fmt.Sprint("m", i), canaryMobile, canaryCode))
		if got := sms.OutcomeOf(err); got != c.want {
			t.Errorf("%d %s: got %v (%v)", c.status, c.body, got, err)
		}
		smstest.CheckSilent(t, err, canaryMobile, canaryCode, awsSecret)
	}
}

func TestAWSMessagesLiveAsLongAsTheirCodeWithinTheVendorsBounds(t *testing.T) {
	t.Parallel()
	for life, want := range map[time.Duration]int{
		5 * time.Minute: 300, 90*time.Second + 999*time.Millisecond: 90, time.Second: 5, 0: 5, -time.Minute: 5, 100 * time.Hour: 259200,
	} {
		var got struct{ TimeToLive int }
		c := awsConfig(t, "")
		c.Transport = transportFunc(func(r *http.Request) (*http.Response, error) {
			if r.URL.String() != "https://sms-voice.eu-west-1.amazonaws.com/" {
				t.Errorf("sent to %s", r.URL)
			}
			if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
				t.Error(err)
			}
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(awsTaken)), Request: r}, nil
		})
		if _, err := newAWS(t, c).Send(t.Context(), message(t, "852", "51234567", "en", life)); err != nil || got.TimeToLive != want {
			t.Errorf("%v: got %d s, %v", life, got.TimeToLive, err)
		}
	}
}

func TestAWSTryGivesTheVendorsOwnAnswer(t *testing.T) {
	t.Parallel()
	g := smstest.NewGateway(t, false, awsAccount.Accept, awsTaken)
	a := newAWS(t, awsConfig(t, g.URL()))
	if answer, err := a.Try(t.Context(), smstest.Message(t, "one", canaryMobile, canaryCode)); err != nil || answer != "200 OK\n"+awsTaken {
		t.Errorf("taken: got %q, %v", answer, err)
	}
	g.Close()
	if answer, err := a.Try(t.Context(), smstest.Message(t, "two", canaryMobile, canaryCode)); err == nil || answer != "" {
		t.Errorf("nobody there: got %q, %v", answer, err)
	}
}

func TestT36_AWSPreviewShowsTheMessageAndNoSecret(t *testing.T) {
	t.Parallel()
	c := awsConfig(t, "")
	got, err := newAWS(t, c).Preview(smstest.Message(t, "msg_1", canaryMobile, canaryCode))
	const want = `POST https://sms-voice.eu-west-1.amazonaws.com/
Content-Type: application/x-amz-json-1.0
User-Agent: rekey
X-Amz-Security-Token: ***
X-Amz-Target: PinpointSMSVoiceV2.SendTextMessage
X-Amz-Date: (when it is sent)
Authorization: AWS4-HMAC-SHA256 Credential=***, Signature=(made when it is sent)

{"DestinationPhoneNumber":"+8613912345678","OriginationIdentity":"pool-0123456789abcdef0",` +
		`"MessageBody":"【示例网】验证码904817，用于重置密码，5分钟内有效，请勿告诉他人。","MessageType":"TRANSACTIONAL",` +
		`"ConfigurationSetName":"rekey","TimeToLive":300,"Context":{"rekey_calling_code":"86","rekey_message":"msg_1"}}
`
	if err != nil || got != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
}

func TestT36_AWSPrintsNothing(t *testing.T) {
	t.Parallel()
	c := awsConfig(t, "")
	c.Topic = "arn:aws:sns:eu-west-1:111122223333:sms-events"
	a := newAWS(t, c)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, v := range []any{c, &c, a, []any{c, a}} {
			text := fmt.Sprintf(verb, v)
			for _, secret := range []string{awsKeyID, awsSecret, awsToken, fmt.Sprintf("%x", awsSecret)} {
				if strings.Contains(text, secret) {
					t.Errorf("%s of %T prints %s", verb, v, text)
				}
			}
		}
	}
}

func TestAWSSegmentsAreThoseOfItsText(t *testing.T) {
	t.Parallel()
	a := newAWS(t, awsConfig(t, ""))
	if got := a.Size(smstest.Message(t, "1", canaryMobile, canaryCode)).Segments; got != 1 {
		t.Errorf("%d segments in the mainland", got)
	}
	if got := a.Size(message(t, "1", "2025550123", "en", time.Minute)).Segments; got != 2 { // a sign that needs UCS-2, and the last line
		t.Errorf("%d segments elsewhere", got)
	}
}

func TestBadAWSConfigurationIsRefusedWithItsSetting(t *testing.T) {
	t.Parallel()
	const topic = "arn:aws:sns:eu-west-1:111122223333:sms-events"
	for _, c := range []struct {
		name    string
		change  func(*sms.AWSConfig)
		setting string
	}{
		{"no region", func(c *sms.AWSConfig) { c.Region = "" }, "region"},
		{"a region that is a host", func(c *sms.AWSConfig) { c.Region = "eu-west-1.example.com/" }, "region"},
		{"no key id", func(c *sms.AWSConfig) { c.AccessKeyID = "" }, "access_key_id"},
		{"no secret", func(c *sms.AWSConfig) { c.SecretAccessKey = "" }, "secret_access_key"},
		{"a secret with a line break", func(c *sms.AWSConfig) { c.SecretAccessKey += "\n" }, "secret_access_key"},
		{"a token with a line break", func(c *sms.AWSConfig) { c.SessionToken += "\r\nX-A: 1" }, "session_token"},
		{"no from", func(c *sms.AWSConfig) { c.From = "" }, "from"},
		{"a name as from", func(c *sms.AWSConfig) { c.From = "示例网" }, "from"},
		{"a configuration set with a space", func(c *sms.AWSConfig) { c.ConfigurationSet = "a b" }, "configuration_set"},
		{"a topic's name alone", func(c *sms.AWSConfig) { c.Topic = "sms-events" }, "topic"},
		{"another service's ARN", func(c *sms.AWSConfig) { c.Topic = "arn:aws:sqs:eu-west-1:111122223333:sms-events" }, "topic"},
		{"a topic whose region is a host", func(c *sms.AWSConfig) { c.Topic = "arn:aws:sns:evil.example.com/:111122223333:x" }, "topic"},
		{"a topic without a configuration set", func(c *sms.AWSConfig) { c.Topic, c.ConfigurationSet = topic, "" }, "topic"},
		{"an endpoint with a path", func(c *sms.AWSConfig) { c.Endpoint = "https://h/" + awsSecret }, "endpoint"},
		{"an endpoint with a password", func(c *sms.AWSConfig) { c.Endpoint = "https://u:" + awsSecret + "@h/" }, "endpoint"},
		{"an endpoint of another scheme", func(c *sms.AWSConfig) { c.Endpoint = "ftp://h" }, "endpoint"},
		{"timeout", func(c *sms.AWSConfig) { c.Timeout = -1 }, "timeout"},
		{"no texts", func(c *sms.AWSConfig) { c.Texts = nil }, "text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := awsConfig(t, "")
			c.change(&config)
			a, err := sms.NewAWS(config)
			if a != nil || err == nil || !strings.HasPrefix(err.Error(), c.setting+":") || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one sentence about %s", err, c.setting)
			}
			smstest.CheckSilent(t, err, awsKeyID, awsSecret, awsToken)
		})
	}
	_, err := sms.NewAWS(sms.AWSConfig{})
	if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 5 {
		t.Errorf("got %v, want all five faults", err)
	}
}
