package sms_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rekey"
	"rekey/sms"
	"rekey/sms/smstest"
)

// snsCertificate is the certificate that SNS signed with in us-east-2 until August 2022, and snsMessages are two messages
// signed with it, in version 1 and 2: gems/aws-sdk-sns/spec/message_verifier_spec.rb of aws/aws-sdk-ruby.
const snsCertificate = `-----BEGIN CERTIFICATE-----
MIIF1zCCBL+gAwIBAgIQB9pYWG3Mi7xej22g9pobJTANBgkqhkiG9w0BAQsFADBG
MQswCQYDVQQGEwJVUzEPMA0GA1UEChMGQW1hem9uMRUwEwYDVQQLEwxTZXJ2ZXIg
Q0EgMUIxDzANBgNVBAMTBkFtYXpvbjAeFw0yMTA5MDcwMDAwMDBaFw0yMjA4MTcy
MzU5NTlaMBwxGjAYBgNVBAMTEXNucy5hbWF6b25hd3MuY29tMIIBIjANBgkqhkiG
9w0BAQEFAAOCAQ8AMIIBCgKCAQEAutFqueT3XgP13udzxE6UpbdjOtVO5DwoMpSM
iDNMnGzF1TYH5/R2LPUOBeTB0SkKnR4kpNcUZhicpGD4aKciz/GEZ6wu65xncfT9
H/KBOQwoXYTuClHwp6fYpGzcGFaFoEYMnijL/o4qmTSd+ukglQUgKpsDw4ofw6rU
m2CttJo+GQSNQ9NfGR1h/0J+zsApkeSYrXRx5wNlu87z8os1C/6PBrUHwt3xXeaf
Xzfwut8aRRYsS8BySOA9DAgLfNHlfdQCjKPXKrG/ussgReyWD6n/HH+j7Uha3xos
TzQqJifcxlTq6MxWdPR6fDaJNvqw6DOE7UjUNxHguXHlVfxhlQIDAQABo4IC6TCC
AuUwHwYDVR0jBBgwFoAUWaRmBlKge5WSPKOUByeWdFv5PdAwHQYDVR0OBBYEFAqz
C+vyouneE7mWWLbi9i0UsWUbMBwGA1UdEQQVMBOCEXNucy5hbWF6b25hd3MuY29t
MA4GA1UdDwEB/wQEAwIFoDAdBgNVHSUEFjAUBggrBgEFBQcDAQYIKwYBBQUHAwIw
OwYDVR0fBDQwMjAwoC6gLIYqaHR0cDovL2NybC5zY2ExYi5hbWF6b250cnVzdC5j
b20vc2NhMWIuY3JsMBMGA1UdIAQMMAowCAYGZ4EMAQIBMHUGCCsGAQUFBwEBBGkw
ZzAtBggrBgEFBQcwAYYhaHR0cDovL29jc3Auc2NhMWIuYW1hem9udHJ1c3QuY29t
MDYGCCsGAQUFBzAChipodHRwOi8vY3J0LnNjYTFiLmFtYXpvbnRydXN0LmNvbS9z
Y2ExYi5jcnQwDAYDVR0TAQH/BAIwADCCAX0GCisGAQQB1nkCBAIEggFtBIIBaQFn
AHYAKXm+8J45OSHwVnOfY6V35b5XfZxgCvj5TV0mXCVdx4QAAAF7vfDVkQAABAMA
RzBFAiEA2XfHuy36aqRFiaL8c3md2mH451go8707+fRE0pEdSRACIE/g5FXTUXUZ
PFcmOhm9TZ+uMY1i4CIQ/CKVWln6C3t+AHYAUaOw9f0BeZxWbbg3eI8MpHrMGyfL
956IQpoN/tSLBeUAAAF7vfDVjAAABAMARzBFAiBF1MhhFP0+FQt3daDFfMYoWwnr
muTInrjNpwfzlvQBugIhAPYadFzr+LaxSJoiZEbEHBvTts7bT0M3eCQONA2O7w6n
AHUAQcjKsd8iRkoQxqE6CUKHXk4xixsD6+tLx2jwkGKWBvYAAAF7vfDVdAAABAMA
RjBEAiAtPapmFAuA71ih4NoSd5hJelzAltNQpxDMcDfDyHyU8gIgWxmaa6+2KbBu
9xdv379zvnJACFR7jc+4asl08Dn4aagwDQYJKoZIhvcNAQELBQADggEBAA54QX0u
oFWXfMmv02CGZv4NWo5TapyeeixQ2kKpZHRdVZjxZrw+hoF6HD7P3kGjH8ztyJll
tDxB0qgMltbPhQdScwhA6iTgoaBYqEUC/VHKd4PmmPT6yIsM36NBZVmkGlzl5uNo
/dBgBaG0SsVJnhr5zro3c2quC7n6fVGEZhf/UgQwRnnvThnvbNKguglDMq4uEqv8
njKyleht+glkcmXO0m9qLKt6BOS0amy6U2GlAwRn0Wx02ndJtnRCSC6kPuRWK/SQ
FEjB7gCK4hdKaAOuWdZpI55vF6ifOeM8toC3g7ofO8qLTnJupAG+ZitY5J3cvHWr
HqOUdKigPDHYLRo=
-----END CERTIFICATE-----`

const snsCertificateURL = "https://sns.us-east-2.amazonaws.com/SimpleNotificationService-7ff5318490ec183fbaddaa2a969abfda.pem"

func snsMessages() []map[string]string {
	common := func(id, topic, timestamp, version, signature string) map[string]string {
		return map[string]string{
			"Type": "Notification", "Message": "Hello world", "SigningCertURL": snsCertificateURL, "MessageId": id,
			"TopicArn":  "arn:aws:sns:us-east-2:295079676684:publish-and-verify-" + topic,
			"Timestamp": timestamp, "SignatureVersion": version, "Signature": signature,
		}
	}
	return []map[string]string{
		common("792cda85-518f-5dd3-9163-81d851212f3a", "892f85fe-4836-424d-8188-ab85bef0f362", "2022-07-28T21:23:58.317Z", "1",
			"ghtf+deOBAzHJJZ6s6CdRLfTQAlcGzq9naoFM1wi0CJiq//uVRuZnamrkWNF0fhouMFvuLVRwcz8PZLUMSfnmd5VpdTKpTyiKmy1qJAZXma0w+yi7G+I33hD1Jyk"+
				"1Nbym2n0kqp3fVu2aoooiN2ZeLAT2bH0/BtjLSfN1yAOKNoprco4qV9gGUZinXJdj9a1YdNhDR2jKi33ldlsVtEXAtiaDklGEk7DgRKX38GerBPiLg3FdtgY6KC7"+
				"cdeGpU/dGK+4hjc83Ive1HoFkAwqhpgInM2sMytBosoiXfCmOKmU4xeGD0gHDNZTlJUJQDlzw8Eag0H9f/5zXF9d3uy0YQ=="),
		common("17dea24b-55c2-540b-8362-f916557af765", "62674b1d-4295-426b-88e7-5fb75652a04e", "2022-07-28T21:24:08.324Z", "2",
			"CXVqp9PfZAL+4JHS3Zxo1PFbQsvnOjvmYhtIf17TWpwc+iIVas8kZ8GopuzVzVMdatE7rCl/O4P91Zp05Dwz8lk8dLhfp8gSu3Njlzxlyrmzo9x3va3Jb7zFnedg"+
				"S2GKnZWHGBdwTXho+TosNUE+3e10OMSlwN5XGDwX7+R3WL+rn+AXmFAqp3alg27sYa55h1dLE9cGszGPjScPdtF3BmZsUDMx9wSdNKsCk+vSvE8yBjnCmUl7laSF"+
				"j3LzPVrlSwgNYCF3kYnNAkah7NplK4SFhJYLwS0HCVCQJKa8rVbQLf9cBTu60U402mrgy0bN8xWoyimzbYbrOMJjalqkUg=="),
	}
}

// post is SNS's request with a body.
func post(t testing.TB, p sms.Pusher, body []byte) (sms.Push, error) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/receipts/aws/secret", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "text/plain; charset=UTF-8")
	return p.Pushed(t.Context(), r, body)
}

func asBody(t testing.TB, m map[string]string) []byte {
	t.Helper()
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestSNSMessagesOfTheRealServiceAreVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2022, 7, 28, 21, 25, 0, 0, time.UTC)))
		a := map[string]*sms.AWS{}
		for _, m := range snsMessages() {
			c := awsConfig(t, "")
			c.Topic = m["TopicArn"]
			c.Transport = transportFunc(func(r *http.Request) (*http.Response, error) {
				if r.URL.String() != snsCertificateURL {
					t.Errorf("asked for %s", r.URL)
				}
				return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(snsCertificate)), Request: r}, nil
			})
			version := m["SignatureVersion"]
			a[version] = newAWS(t, c)
			// What was published there is no event, of which the provider tells only once the signature was right.
			_, err := post(t, a[version], asBody(t, m))
			if err == nil || errors.Is(err, sms.ErrForged) || !strings.Contains(err.Error(), "not an event") {
				t.Errorf("version %s: got %v", version, err)
			}
			for name, value := range map[string]string{
				"Message": "Hello World", "MessageId": "792cda85-518f-5dd3-9163-81d851212f3b", "Timestamp": "2022-07-28T21:23:58.318Z",
				"Subject": "x", "Type": "SubscriptionConfirmation", "Signature": "AAAA",
				"SignatureVersion": map[string]string{"1": "2", "2": "1"}[version],
			} {
				changed := maps.Clone(m)
				changed[name] = value
				if _, err := post(t, a[version], asBody(t, changed)); !errors.Is(err, sms.ErrForged) {
					t.Errorf("version %s, another %s: got %v", version, name, err)
				}
			}
		}
		time.Sleep(21 * 24 * time.Hour) // past the certificate's life
		for _, m := range snsMessages() {
			if _, err := post(t, a[m["SignatureVersion"]], asBody(t, m)); !errors.Is(err, sms.ErrForged) {
				t.Errorf("with a certificate that is over: got %v", err)
			}
		}
	})
}

// awsWithSNS is a provider whose receipts come through an SNS on loopback.
func awsWithSNS(t testing.TB) (*sms.AWS, *smstest.SNS) {
	t.Helper()
	s := smstest.NewSNS(t)
	transport := sms.NewTransport()
	transport.Proxy = nil
	transport.DialContext = s.Dial
	transport.TLSClientConfig = s.TLS()
	t.Cleanup(transport.CloseIdleConnections)
	c := awsConfig(t, "")
	c.Topic, c.Transport = s.Topic, transport
	return newAWS(t, c), s
}

func TestSNSMessagesOfOthersAreForged(t *testing.T) {
	t.Parallel()
	a, s := awsWithSNS(t) // fails the test if another host is spoken to
	good := event("TEXT_DELIVERED", true)
	host := "https://sns.eu-west-1.amazonaws.com"
	for name, fields := range map[string]map[string]string{
		"a certificate from elsewhere":       {"SigningCertURL": "https://evil.example.com/SimpleNotificationService-0123456789abcdef.pem"},
		"from another region":                {"SigningCertURL": strings.Replace(s.CertificateURL(), "eu-west-1", "eu-west-2", 1)},
		"from a host that begins alike":      {"SigningCertURL": host + ".example.com/SimpleNotificationService-0123456789abcdef.pem"},
		"from a host behind a user":          {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com@evil.example.com/SimpleNotificationService-0123456789abcdef.pem"},
		"from a bucket":                      {"SigningCertURL": "https://bucket.s3.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"},
		"without TLS":                        {"SigningCertURL": strings.Replace(s.CertificateURL(), "https", "http", 1)},
		"from another port":                  {"SigningCertURL": host + ":8443/SimpleNotificationService-0123456789abcdef.pem"},
		"from another path":                  {"SigningCertURL": host + "/mine/SimpleNotificationService-0123456789abcdef.pem"},
		"from a path that leads out":         {"SigningCertURL": host + "/SimpleNotificationService-0123456789abcdef.pem/../x.pem"},
		"from an action":                     {"SigningCertURL": host + "/?Action=GetTopicAttributes&x=/SimpleNotificationService-0.pem"},
		"with a query":                       {"SigningCertURL": s.CertificateURL() + "?x"},
		"with an escaped path":               {"SigningCertURL": host + "/SimpleNotificationService%2D0123456789abcdef.pem"},
		"from what is no address":            {"SigningCertURL": "https://[::1"},
		"no certificate":                     {"SigningCertURL": ""},
		"a signature of another version":     {"SignatureVersion": "2"},
		"a version that is not known":        {"SignatureVersion": "v4"},
		"a signature that is not base64":     {"Signature": "***"},
		"an empty signature":                 {"Signature": ""},
		"a message after it was signed":      {"Message": strings.Replace(good, "DELIVERED", "BLOCKED", 1)},
		"a subject after it was signed":      {"Subject": "x"},
		"another type after it was signed":   {"Type": "UnsubscribeConfirmation"},
		"another moment after it was signed": {"Timestamp": "2026-11-24T12:00:00.000Z"},
	} {
		var m map[string]string
		if err := json.Unmarshal(s.Notification("1", good), &m); err != nil {
			t.Fatal(err)
		}
		for k, v := range fields {
			m[k] = v
		}
		push, err := post(t, a, asBody(t, m))
		if !errors.Is(err, sms.ErrForged) || len(push.Reports) != 0 {
			t.Errorf("%s: got %+v, %v", name, push, err)
		}
		smstest.CheckSilent(t, err, canaryMobile, "evil", "999999999999")
	}
	// Everybody can have a topic of their own, whose messages AWS signs too.
	for _, topic := range []string{"arn:aws:sns:eu-west-1:999999999999:sms-events", "arn:aws:sns:eu-west-2:111122223333:sms-events", s.Topic + "x", ""} {
		for _, body := range [][]byte{
			s.Sign("2", map[string]string{"Type": "Notification", "TopicArn": topic, "Message": good}),
			s.Sign("2", map[string]string{
				"Type": "SubscriptionConfirmation", "TopicArn": topic, "Message": "You have chosen to subscribe.", "Token": "theirs",
				"SubscribeURL": host + "/?Action=ConfirmSubscription&TopicArn=" + s.Topic + "&Token=theirs",
			}),
		} {
			if push, err := post(t, a, body); !errors.Is(err, sms.ErrForged) || len(push.Reports) != 0 {
				t.Errorf("of the topic %q: got %+v, %v", topic, push, err)
			}
		}
	}
	if n := len(s.Confirmed()); n != 0 {
		t.Errorf("%d subscriptions of others confirmed", n)
	}
	for _, body := range []string{"", "null", "{}", "[]", `{"Type":"Notification"`, `{"Type":7}`, `{"Type":"Other"}`, good} {
		if _, err := post(t, a, []byte(body)); err == nil || errors.Is(err, sms.ErrForged) {
			t.Errorf("%q: got %v", body, err)
		}
	}
	if push, err := post(t, a, s.Notification("1", good)); err != nil || len(push.Reports) != 1 {
		t.Errorf("afterwards the topic's own: got %+v, %v", push, err)
	}
}

func TestSNSSignsASubjectToo(t *testing.T) {
	t.Parallel()
	a, s := awsWithSNS(t)
	body := s.Sign("2", map[string]string{"Type": "Notification", "Subject": "event", "Message": event("TEXT_DELIVERED", true)})
	if push, err := post(t, a, body); err != nil || len(push.Reports) != 1 {
		t.Errorf("got %+v, %v", push, err)
	}
}

func TestSNSSubscriptionsAreConfirmedForTheConfiguredTopicAlone(t *testing.T) {
	t.Parallel()
	a, s := awsWithSNS(t)
	if push, err := post(t, a, s.Confirmation("SubscriptionConfirmation", "token-1", "")); err != nil || len(push.Reports) != 0 || push.Answer == "" {
		t.Errorf("got %+v, %v", push, err)
	}
	if got := fmt.Sprint(s.Confirmed()); got != "[token-1]" {
		t.Fatalf("confirmed: %s", got)
	}
	host := "https://sns.eu-west-1.amazonaws.com"
	query := "?Action=ConfirmSubscription&TopicArn=" + s.Topic + "&Token=token-2"
	for _, address := range []string{
		"https://evil.example.com/" + query, "http://sns.eu-west-1.amazonaws.com/" + query, host + ":444/" + query,
		"https://sns.eu-west-2.amazonaws.com/" + query, "https://u@sns.eu-west-1.amazonaws.com/" + query, host + "/x" + query,
		host + "/?Action=Subscribe&TopicArn=" + s.Topic, host + "/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-west-1:999999999999:x", "::",
	} {
		if _, err := post(t, a, s.Confirmation("SubscriptionConfirmation", "token-2", address)); !errors.Is(err, sms.ErrForged) {
			t.Errorf("%s: got %v", address, err)
		}
	}
	var m map[string]string
	if err := json.Unmarshal(s.Confirmation("SubscriptionConfirmation", "token-3", ""), &m); err != nil {
		t.Fatal(err)
	}
	m["Token"] = "token-4"
	if _, err := post(t, a, asBody(t, m)); !errors.Is(err, sms.ErrForged) {
		t.Errorf("changed after it was signed: got %v", err)
	}
	// The end of a subscription is an operator's matter; nothing subscribes anew by itself.
	if _, err := post(t, a, s.Confirmation("UnsubscribeConfirmation", "token-5", "")); err == nil || errors.Is(err, sms.ErrForged) {
		t.Errorf("the end of the subscription: got %v", err)
	}
	if n := len(s.Confirmed()); n != 1 {
		t.Errorf("%d subscriptions confirmed", n)
	}

	s.Misbehave(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, canaryMobile, http.StatusInternalServerError)
	})
	_, err := post(t, a, s.Confirmation("SubscriptionConfirmation", "token-6", ""))
	smstest.CheckError(t, err, rekey.ErrUnavailable, canaryMobile, "token-6")
}

func TestSNSWithoutACertificateLeavesItToAnotherTry(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"not found": http.NotFound,
		"a certificate, but not found": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, snsCertificate)
		},
		"no PEM": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>"+canaryMobile) },
		"another PEM": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n")
		},
		"no DER in it": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example.com/", http.StatusFound)
		},
		"without end": func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := io.WriteString(w, strings.Repeat("x", 1<<12)); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, s := awsWithSNS(t)
			s.Misbehave(answer)
			_, err := post(t, a, s.Notification("1", event("TEXT_DELIVERED", true)))
			smstest.CheckError(t, err, rekey.ErrUnavailable, canaryMobile, "evil")
			s.Misbehave(nil)
			if push, err := post(t, a, s.Notification("1", event("TEXT_DELIVERED", true))); err != nil || len(push.Reports) != 1 {
				t.Errorf("when it is there again: got %+v, %v", push, err)
			}
		})
	}
}

func TestSNSCertificatesOfOthersAreForged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		name string
		life time.Duration
		want bool
	}{
		"the common name":         {"sns.amazonaws.com", time.Hour, true},
		"a younger region's name": {"sns-signing.eu-west-1.amazonaws.com", time.Hour, true},
		"another service's name":  {"sqs.amazonaws.com", time.Hour, false},
		"another region's name":   {"sns-signing.eu-west-2.amazonaws.com", time.Hour, false},
		"another domain":          {"sns.amazonaws.com.example.com", time.Hour, false},
		"its own, but it is over": {"sns.amazonaws.com", -time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, s := awsWithSNS(t)
			s.Certify(c.name, c.life)
			_, err := post(t, a, s.Notification("2", event("TEXT_DELIVERED", true)))
			if c.want != (err == nil) || err != nil && !errors.Is(err, sms.ErrForged) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A host that has no certificate of its own by the system's roots is not AWS's, whoever answers there.
func TestSNSIsSpokenToOverTrustedTLSAlone(t *testing.T) {
	t.Parallel()
	s := smstest.NewSNS(t)
	transport := sms.NewTransport()
	transport.Proxy = nil
	transport.DialContext = s.Dial
	t.Cleanup(transport.CloseIdleConnections)
	c := awsConfig(t, "")
	c.Topic, c.Transport = s.Topic, transport
	_, err := post(t, newAWS(t, c), s.Notification("1", event("TEXT_DELIVERED", true)))
	smstest.CheckError(t, err, rekey.ErrUnavailable)
	if n := s.Fetched(); n != 0 {
		t.Errorf("%d certificates from a stranger", n)
	}
}

func TestSNSMessagesAtOnce(t *testing.T) {
	t.Parallel()
	a, s := awsWithSNS(t)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 8 {
				if push, err := post(t, a, s.Notification("2", event("TEXT_DELIVERED", true))); err != nil || len(push.Reports) != 1 {
					t.Errorf("got %+v, %v", push, err)
				}
			}
		})
	}
	wg.Wait()
	if n := s.Fetched(); n > 16 {
		t.Errorf("the certificate was fetched %d times by 16", n)
	}
}

func TestSNSWaitsNoLongerThanItsCaller(t *testing.T) {
	t.Parallel()
	a, s := awsWithSNS(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.Misbehave(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	body := s.Notification("1", event("TEXT_DELIVERED", true))
	_, err := a.Pushed(ctx, httptest.NewRequest(http.MethodPost, "/", nil), body)
	smstest.CheckError(t, err, rekey.ErrUnavailable)
}

// FuzzSNS lets anybody who has learnt the address post anything: nothing of it is believed, and no error repeats it.
func FuzzSNS(f *testing.F) {
	for _, m := range snsMessages() {
		body, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
		f.Add([]byte(strings.ReplaceAll(string(body), "Notification\"", "SubscriptionConfirmation\"")))
	}
	f.Add([]byte(`{"Type":"Notification","TopicArn":"arn:aws:sns:us-east-2:1:x","SigningCertURL":"https://\u0000"}`))
	c := awsConfig(f, "")
	c.Topic = snsMessages()[0]["TopicArn"]
	c.Transport = transportFunc(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host != "sns.us-east-2.amazonaws.com" || r.URL.Scheme != "https" {
			f.Errorf("asked for %s", r.URL)
		}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(snsCertificate)), Request: r}, nil
	})
	a := newAWS(f, c)
	f.Fuzz(func(t *testing.T, body []byte) {
		push, err := post(t, a, body)
		if err == nil || len(push.Reports) != 0 {
			t.Errorf("believed %q: %+v", body, push)
		}
	})
}
