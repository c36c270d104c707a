package sms

import (
	"slices"
	"strings"
	"testing"
)

func TestSNSHasItsHostAndCertificatesByTheRegionOfTheTopic(t *testing.T) {
	t.Parallel()
	for arn, want := range map[string][2]string{ // the host, and a name that certificates have there
		"arn:aws:sns:eu-west-1:111122223333:sms":            {"sns.eu-west-1.amazonaws.com", "sns.amazonaws.com"},
		"arn:aws-cn:sns:cn-north-1:111122223333:sms":        {"sns.cn-north-1.amazonaws.com.cn", "sns-cn-north-1.amazonaws.com.cn"},
		"arn:aws-us-gov:sns:us-gov-east-1:111122223333:sms": {"sns.us-gov-east-1.amazonaws.com", "sns-us-gov-west-1.amazonaws.com"},
	} {
		topic, err := newSNSTopic(arn, caller{})
		if err != nil || topic.host != want[0] || !slices.Contains(topic.names, want[1]) || !slices.Contains(topic.names, want[0]) {
			t.Errorf("%s: %+v, %v", arn, topic, err)
		}
	}
}

// FuzzAWSEvent reads anything that may have been published to the topic: what is taken for a receipt has ids that can be
// kept and logged.
func FuzzAWSEvent(f *testing.F) {
	f.Add(`{"eventType":"TEXT_SUCCESSFUL","isFinal":true,"destinationPhoneNumber":"+14255550156","messageId":"862a8790-60c0-4430-9b2b-658bdexample",` +
		`"context":{"rekey_message":"m","rekey_calling_code":"1"}}`)
	f.Add(`{"eventType":"TEXT_BLOCKED","destinationPhoneNumber":"+8613800000001","messageId":"a","context":{"rekey_message":"m","rekey_calling_code":"86"}}`)
	f.Add(`{"eventType":"TEXT_DELIVERED","context":{"account":"bar"}}`)
	f.Add(`{"eventType":"TEXT_` + "\\u001b[2J" + `","destinationPhoneNumber":"+8613800000001","messageId":"a","context":{"rekey_message":"m","rekey_calling_code":"86"}}`)
	f.Add(`{"context":{"rekey_message":null}}`)
	f.Add("")
	f.Fuzz(func(t *testing.T, message string) {
		r, ours, err := awsReport(message)
		if err != nil || !ours {
			if r != (Report{}) {
				t.Errorf("%q: a report beside %v, %v", message, ours, err)
			}
			return
		}
		if !vendorID(r.ID) || !vendorID(r.Message) || r.To.IsZero() || r.State < Pending || r.State > Undelivered {
			t.Errorf("%q: got %+v", message, r)
		}
		if r.Code != unreadable && (r.Code != VendorCode(r.Code) || !strings.HasPrefix(r.Code, "TEXT_")) {
			t.Errorf("%q: code %q", message, r.Code)
		}
	})
}
