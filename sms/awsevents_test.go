package sms_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"rekey"
	"rekey/sms"
	"rekey/sms/smstest"
)

// event is the documented example of an event (configuration-sets-event-format) as one of our messages has it.
func event(kind string, final bool) string {
	return fmt.Sprintf(`{"eventType":%q,"eventVersion":"1.0","eventTimestamp":1686975103470,"isFinal":%v,`+
		`"originationPhoneNumber":"+12065550152","destinationPhoneNumber":"+8613912345678","isInternationalSend":false,"mcc":"310",`+
		`"mnc":"800","messageId":"862a8790-60c0-4430-9b2b-658bdexample","messageRequestTimestamp":1686975103170,`+
		`"messageEncoding":"GSM","messageType":"TRANSACTIONAL","messageStatus":"SUCCESSFUL",`+
		`"messageStatusDescription":"Message has been accepted by phone carrier","totalMessageParts":1,"totalMessagePrice":0.09582,`+
		`"totalCarrierFee":0.0,"context":{"rekey_message":"msg_1","rekey_calling_code":"86"}}`, kind, final)
}

func TestAWSEventsBecomeReports(t *testing.T) {
	t.Parallel()
	a, s := awsWithSNS(t)
	to, err := rekey.ChinaMobile(canaryMobile)
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for _, c := range []struct {
		kind  string
		final bool
		want  sms.DeliveryState
	}{
		{"TEXT_DELIVERED", true, sms.Delivered}, {"TEXT_SUCCESSFUL", true, sms.Delivered}, {"TEXT_SUCCESSFUL", false, sms.Pending},
		{"TEXT_QUEUED", false, sms.Pending}, {"TEXT_PENDING", false, sms.Pending}, {"TEXT_SENT", false, sms.Pending},
		{"TEXT_BLOCKED", true, sms.Undelivered}, {"TEXT_CARRIER_BLOCKED", true, sms.Undelivered},
		{"TEXT_CARRIER_UNREACHABLE", true, sms.Undelivered}, {"TEXT_INVALID", true, sms.Undelivered},
		{"TEXT_INVALID_MESSAGE", true, sms.Undelivered}, {"TEXT_PROTECT_BLOCKED", true, sms.Undelivered},
		{"TEXT_SPAM", true, sms.Undelivered}, {"TEXT_TTL_EXPIRED", true, sms.Undelivered}, {"TEXT_UNKNOWN", true, sms.Undelivered},
		{"TEXT_UNREACHABLE", true, sms.Undelivered}, {"TEXT_SOMETHING_NEW", true, sms.Pending},
	} {
		i++
		push, err := post(t, a, s.Notification(fmt.Sprint(1+i%2), event(c.kind, c.final)))
		want := sms.Report{ID: "862a8790-60c0-4430-9b2b-658bdexample", Message: "msg_1", To: to, State: c.want, Code: c.kind}
		if err != nil || len(push.Reports) != 1 || push.Reports[0] != want || push.Answer == "" {
			t.Errorf("%s: got %+v, %v", c.kind, push, err)
		}
	}
	if n := s.Fetched(); n != 1 {
		t.Errorf("the certificate was fetched %d times", n)
	}
}

func TestAWSEventsOfOthersAreTakenAndTellNothing(t *testing.T) {
	t.Parallel()
	a, s := awsWithSNS(t)
	for _, message := range []string{
		strings.Replace(event("TEXT_DELIVERED", true), `,"context":{"rekey_message":"msg_1","rekey_calling_code":"86"}`, "", 1),
		strings.Replace(event("TEXT_DELIVERED", true), `"rekey_message"`, `"account"`, 1),
		event("VOICE_COMPLETED", true),
		`{"eventType":"REGISTRATION_STATUS_CHANGED","registrationId":"registration-1"}`,
	} {
		if push, err := post(t, a, s.Notification("2", message)); err != nil || len(push.Reports) != 0 || push.Answer == "" {
			t.Errorf("%s: got %+v, %v", message, push, err)
		}
	}
}

func TestT36_AWSEventsInAnotherFormAreRefused(t *testing.T) {
	t.Parallel()
	a, s := awsWithSNS(t)
	good := event("TEXT_DELIVERED", true)
	for _, message := range []string{
		"", "{}", "[]", "null", "Successfully validated SNS topic " + canaryMobile, `{"eventType":7}`, good[:len(good)-1],
		strings.Replace(good, "862a8790-60c0-4430-9b2b-658bdexample", "", 1),
		strings.Replace(good, "862a8790-60c0-4430-9b2b-658bdexample", "a b", 1),
		strings.Replace(good, "msg_1", "", 1),
		strings.Replace(good, "msg_1", strings.Repeat("m", 129), 1),
		strings.Replace(good, "+8613912345678", "8613912345678", 1),
		strings.Replace(good, "+8613912345678", "+8513912345678", 1),
		strings.Replace(good, "+8613912345678", "+86139123456７8", 1),
		strings.Replace(good, `"rekey_calling_code":"86"`, `"rekey_calling_code":""`, 1),
		strings.Replace(good, `"rekey_calling_code":"86"`, `"rekey_calling_code":86`, 1),
	} {
		push, err := post(t, a, s.Notification("1", message))
		if err == nil || errors.Is(err, sms.ErrForged) || len(push.Reports) != 0 {
			t.Errorf("%s: got %+v, %v", message, push, err)
		}
		smstest.CheckSilent(t, err, canaryMobile, "862a8790", "msg_1")
	}
	r := httptest.NewRequest(http.MethodGet, "/receipts/aws/secret", nil)
	if _, err := a.Pushed(t.Context(), r, nil); err == nil {
		t.Error("taken by GET")
	}
	if _, err := post(t, newAWS(t, awsConfig(t, "")), s.Notification("1", good)); err == nil || !strings.Contains(err.Error(), "topic") {
		t.Errorf("without a topic: got %v", err)
	}
}
