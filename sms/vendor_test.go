package sms_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"rekey/sms"
	"rekey/sms/smstest"
)

// vendorAt makes the provider of a vendor for an endpoint, and says what its far side wants and answers.
type vendorAt struct {
	far   smstest.Accept
	taken string
	open  func(endpoint string, transport http.RoundTripper) (sms.Provider, error)
}

func vendorsAt(t *testing.T) map[string]vendorAt {
	texts := newTexts(t, sms.TextConfig{Sign: "示例网"})
	tencent, twilio := tencentAccount(), twilioAccount()
	all := map[string]vendorAt{
		"tencent": {tencent.SendSms(), tencentTaken, func(endpoint string, transport http.RoundTripper) (sms.Provider, error) {
			return sms.NewTencent(sms.TencentConfig{
				SecretID: tencent.SecretID, SecretKey: tencent.SecretKey, AppID: tencent.AppID, Endpoint: endpoint,
				Sign: sms.ByLanguage{"": tencent.Sign}, Template: sms.ByLanguage{"": tencent.Template}, Texts: texts, Transport: transport,
			})
		}},
		"twilio": {twilio.Messages(), twilioTaken, func(endpoint string, transport http.RoundTripper) (sms.Provider, error) {
			return sms.NewTwilio(sms.TwilioConfig{
				AccountSID: twilio.AccountSID, AuthToken: twilio.AuthToken, From: twilio.From, MessagingService: twilio.MessagingService,
				ReceiptURL: twilio.ReceiptURL, Endpoint: endpoint, Texts: texts, Transport: transport,
			})
		}},
		"aws": {awsAccount.Accept, awsTaken, func(endpoint string, transport http.RoundTripper) (sms.Provider, error) {
			c := awsConfig(t, endpoint)
			c.Transport = transport
			return sms.NewAWS(c)
		}},
	}
	for _, api := range aliyunAPIs() {
		all[api.name] = vendorAt{api.far, api.taken, func(endpoint string, transport http.RoundTripper) (sms.Provider, error) {
			return api.open(t, sms.AliyunConfig{
				AccessKeyID: canaryKeyID, AccessKeySecret: canarySecret, Endpoint: endpoint,
				Sign: sms.ByLanguage{"": "示例网"}, Template: sms.ByLanguage{"": "SMS_100000001"}, Texts: texts, Transport: transport,
			})
		}}
	}
	return all
}

func TestVendorsAreReachedAtAnyEndpointAndThroughAProxy(t *testing.T) {
	t.Parallel()
	for name, v := range vendorsAt(t) {
		for _, endpoint := range []string{
			"http://sms.example", "http://sms.example/", "http://sms.example:8080", "http://sms.example:80/", "http://SMS.Example",
			"http://192.0.2.1:8080", "http://[2001:db8::1]", "http://[2001:db8::1]:8080/", "http://xn--fiq228c.example",
		} {
			for _, proxied := range []bool{false, true} {
				g := smstest.NewGateway(t, false, v.far, v.taken)
				to, err := url.Parse(g.URL())
				if err != nil {
					t.Fatal(err)
				}
				transport := sms.NewTransport()
				t.Cleanup(transport.CloseIdleConnections)
				if transport.Proxy = nil; proxied {
					transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example:3128"})
				}
				dialled := ""
				transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
					dialled = address
					var d net.Dialer
					return d.DialContext(ctx, network, to.Host)
				}
				p, err := v.open(endpoint, transport)
				if err != nil {
					t.Errorf("%s, %s: %v", name, endpoint, err)
					continue
				}
				if _, err := p.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode)); err != nil {
					t.Errorf("%s, %s, proxied %v: %v", name, endpoint, proxied, err)
				}
				if (dialled == "proxy.example:3128") != proxied {
					t.Errorf("%s, %s, proxied %v: dialled %s", name, endpoint, proxied, dialled)
				}
			}
		}
	}
}

func TestEndpointsThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	for name, v := range vendorsAt(t) {
		for _, endpoint := range []string{
			"sms.example", "//sms.example", "ftp://sms.example", "http://", "http://:80", "https://sms.example/v1", "https://sms.example?x=1",
			"https://sms.example#x", "https://user:pass-word@sms.example", "https://sms.example:pass-word", "https://[2001:db8::1", "https://短信.example",
			"https://sms example", "https://sms.example\n",
		} {
			_, err := v.open(endpoint, http.DefaultTransport)
			if err == nil || !strings.HasPrefix(err.Error(), "endpoint: write scheme and host alone, such as https://") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s, %q: %v", name, endpoint, err)
			}
			smstest.CheckSilent(t, err, "pass-word")
		}
	}
}

func TestT31_AProxyThatRefusesHasHandedNothingOver(t *testing.T) {
	t.Parallel()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Proxy-Authorization") == "" {
			t.Error("the proxy was not told who asks")
		}
		http.Error(w, "not you", http.StatusProxyAuthRequired)
	}))
	t.Cleanup(proxy.Close)
	for name, v := range vendorsAt(t) {
		for endpoint, want := range map[string]sms.Outcome{
			"https://sms.example": sms.Unavailable, "http://sms.example": sms.RejectedAccount,
		} {
			transport := sms.NewTransport()
			t.Cleanup(transport.CloseIdleConnections)
			transport.Proxy = http.ProxyURL(&url.URL{
				Scheme: "http", User: url.UserPassword("rekey", "proxy-pass-word"), Host: strings.TrimPrefix(proxy.URL, "http://"),
			})
			p, err := v.open(endpoint, transport)
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
			if got := sms.OutcomeOf(err); got != want {
				t.Errorf("%s, %s: %v (%v), want %v", name, endpoint, got, err, want)
			}
			smstest.CheckSilent(t, err, "proxy-pass-word", canaryMobile, canaryCode)
		}
	}
}
