package sms_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"rekey"
	"rekey/sms"
	"rekey/sms/smstest"
)

// push hands a request of the vendor's to p as the handler of receipts does.
func push(t testing.TB, p *sms.Twilio, r *http.Request) (sms.Push, error) {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return p.Pushed(t.Context(), r, body)
}

func TestTwilioSignatureIsThatOfTheDocumentedVectors(t *testing.T) {
	t.Parallel()
	form := func(caller string) url.Values {
		return url.Values{"CallSid": {"CA1234567890ABCDE"}, "Caller": {caller}, "Digits": {"1234"}, "From": {caller}, "To": {"+18005551212"}}
	}
	for _, v := range []struct{ source, address, caller, signature string }{
		{"https://www.twilio.com/docs/usage/webhooks/webhooks-security", "https://example.com/myapp.php", "+14158675310", "L/OH5YylLD5NRKLltdqwSvS0BnU="},
		{"the same page, years ago", "https://mycompany.com/myapp.php", "+12349013030", "0/KCTR6DLpKmkAf8muzZqo1nDgQ="},
		{"twilio-go, client/request_validator_test.go", "https://mycompany.com/myapp.php", "+14158675309", "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
		{"the same, with the port of https", "https://mycompany.com/myapp.php", "+14158675309", "kvajT1Ptam85bY51eRf/AJRuM3w="},
		{"the same, where a port is configured and not signed", "https://mycompany.com:1234/myapp.php", "+14158675309", "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
		{"the same over http", "http://mycompany.com/myapp.php", "+14158675309", "0ZXoZLH/DfblKGATFgpif+LLRf4="},
		{"the same over http, with a port", "http://mycompany.com:1234/myapp.php", "+14158675309", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="},
	} {
		p, err := sms.NewTwilio(sms.TwilioConfig{
			AccountSID: twilioAccount().AccountSID, AuthToken: "12345", From: "+14158675310", ReceiptURL: v.address, Texts: newTexts(t, sms.TextConfig{}),
		})
		if err != nil {
			t.Fatal(err)
		}
		// These are forms of telephone calls: with the right signature they are no receipt, with any other they are forged.
		for _, caller := range []string{v.caller, "+14158670000"} {
			body := form(caller).Encode()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://10.0.0.7/myapp.php?foo=1&bar=2", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Twilio-Signature", v.signature)
			_, err = p.Pushed(t.Context(), r, []byte(body))
			if forged := errors.Is(err, sms.ErrForged); err == nil || forged != (caller != v.caller) {
				t.Errorf("%s, called by %s: %v", v.source, caller, err)
			}
		}
	}
}

// twilioStatus is the form of a receipt, as the documentation has it
// (https://www.twilio.com/docs/messaging/guides/track-outbound-message-status).
func twilioStatus(status string) url.Values {
	return url.Values{
		"AccountSid": {twilioAccount().AccountSID}, "ApiVersion": {"2010-04-01"}, "From": {"+15557122661"}, "To": {"+8613800000001"},
		"MessageSid": {"SM9801d4cc7e4e4f4d9d1d3bd0aaaaaaaa"}, "SmsSid": {"SM9801d4cc7e4e4f4d9d1d3bd0aaaaaaaa"},
		"MessageStatus": {status}, "SmsStatus": {status},
	}
}

func TestTwilioReceiptsAreTiedToTheirMessage(t *testing.T) {
	t.Parallel()
	account, p := twilioAccount(), newTwilio(t, sms.TwilioConfig{})
	for status, want := range map[string]sms.DeliveryState{
		"accepted": sms.Pending, "scheduled": sms.Pending, "queued": sms.Pending, "sending": sms.Pending, "sent": sms.Pending, "partially_delivered": sms.Pending,
		"delivered": sms.Delivered, "read": sms.Delivered, "undelivered": sms.Undelivered, "failed": sms.Undelivered, "canceled": sms.Undelivered,
	} {
		form := twilioStatus(status)
		if want == sms.Undelivered {
			form.Set("ErrorCode", "30003")
		}
		got, err := push(t, p, account.Receipt(account.ReceiptURL+"?m=our%2Did", form))
		report := sms.Report{
			ID: "SM9801d4cc7e4e4f4d9d1d3bd0aaaaaaaa", Message: "our-id", To: number(t, "86", "13800000001"), State: want, Code: form.Get("ErrorCode"),
		}
		if err != nil || len(got.Reports) != 1 || got.Reports[0] != report || got.Answer != "" {
			t.Errorf("%s: %+v, %v, want %+v", status, got, err, report)
		}
	}
}

func TestTwilioReceiptsAreForgedWithoutTheVendorsSignature(t *testing.T) {
	t.Parallel()
	account, p := twilioAccount(), newTwilio(t, sms.TwilioConfig{})
	address := account.ReceiptURL + "?m=our-id"
	stranger := account
	stranger.AuthToken = "another token"
	for name, forge := range map[string]func() *http.Request{
		"no signature": func() *http.Request {
			r := account.Receipt(address, twilioStatus("delivered"))
			r.Header.Del("X-Twilio-Signature")
			return r
		},
		"an empty signature": func() *http.Request {
			r := account.Receipt(address, twilioStatus("delivered"))
			r.Header.Set("X-Twilio-Signature", "")
			return r
		},
		"another token": func() *http.Request { return stranger.Receipt(address, twilioStatus("delivered")) },
		"another message's address": func() *http.Request {
			r := account.Receipt(address, twilioStatus("delivered"))
			r.URL.RawQuery = "m=other-id"
			return r
		},
		"another host": func() *http.Request {
			return account.Receipt(strings.Replace(address, "www.example.com", "attacker.example", 1), twilioStatus("delivered"))
		},
		"another status": func() *http.Request {
			r := account.Receipt(address, twilioStatus("failed"))
			r.Body = io.NopCloser(strings.NewReader(twilioStatus("delivered").Encode()))
			return r
		},
		"a field more": func() *http.Request {
			r := account.Receipt(address, twilioStatus("delivered"))
			form := twilioStatus("delivered")
			form.Set("ErrorCode", "1")
			r.Body = io.NopCloser(strings.NewReader(form.Encode()))
			return r
		},
		"a field said twice": func() *http.Request {
			r := account.Receipt(address, twilioStatus("delivered"))
			r.Body = io.NopCloser(strings.NewReader("MessageStatus=failed&" + twilioStatus("delivered").Encode()))
			return r
		},
	} {
		if got, err := push(t, p, forge()); !errors.Is(err, sms.ErrForged) || len(got.Reports) != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestTwilioMayNameThePortOfTheScheme: it does so now and then, whether the address that it was told names it or not.
func TestTwilioMayNameThePortOfTheScheme(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		told, signed string
		forged       bool
	}{
		{"https://www.example.com/r/secret", "https://www.example.com:443/r/secret", false},
		{"https://www.example.com:443/r/secret", "https://www.example.com/r/secret", false},
		{"https://www.example.com:8443/r/secret", "https://www.example.com:8443/r/secret", false},
		{"https://www.example.com:8443/r/secret", "https://www.example.com/r/secret", false},
		{"http://www.example.com/r/secret", "http://www.example.com:80/r/secret", false},
		{"https://[2001:db8::1]/r/secret", "https://[2001:db8::1]:443/r/secret", false},
		{"https://[2001:db8::1]:443/r/secret", "https://[2001:db8::1]/r/secret", false},
		{"https://www.example.com/r/secret", "https://www.example.com:80/r/secret", true},
		{"http://www.example.com/r/secret", "http://www.example.com:443/r/secret", true},
		{"https://www.example.com/r/secret", "http://www.example.com/r/secret", true},
	} {
		account := twilioAccount()
		p := newTwilio(t, sms.TwilioConfig{ReceiptURL: c.told})
		got, err := push(t, p, account.Receipt(c.signed+"?m=our-id", twilioStatus("delivered")))
		if errors.Is(err, sms.ErrForged) != c.forged || (len(got.Reports) == 1) == c.forged {
			t.Errorf("told %s, signed over %s: %+v, %v", c.told, c.signed, got, err)
		}
	}
}

func TestTwilioTakesNoReceiptsThatItDidNotAskFor(t *testing.T) {
	t.Parallel()
	account := twilioAccount()
	p, err := sms.NewTwilio(sms.TwilioConfig{
		AccountSID: account.AccountSID, AuthToken: account.AuthToken, From: "+12025550100", Texts: newTexts(t, sms.TextConfig{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{account.ReceiptURL + "?m=our-id", "?m=our-id"} {
		if got, err := push(t, p, account.Receipt(address, twilioStatus("delivered"))); !errors.Is(err, sms.ErrForged) || len(got.Reports) != 0 {
			t.Errorf("%s: %+v, %v", address, got, err)
		}
	}
}

func TestTwilioSignsEachValueOfAFieldOnce(t *testing.T) {
	t.Parallel()
	account, p := twilioAccount(), newTwilio(t, sms.TwilioConfig{})
	form := twilioStatus("delivered")
	form["ChannelPrefix"] = []string{"b", "a", "b"}
	got, err := push(t, p, account.Receipt(account.ReceiptURL+"?m=our-id", form))
	if err != nil || len(got.Reports) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTwilioReceiptsThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	account, p := twilioAccount(), newTwilio(t, sms.TwilioConfig{})
	for name, change := range map[string]func(url.Values){
		"an incoming message": func(f url.Values) { f.Set("MessageStatus", "received") },
		"no status":           func(f url.Values) { f.Del("MessageStatus") },
		"no id":               func(f url.Values) { f.Del("MessageSid") },
		"an id of a call":     func(f url.Values) { f.Set("MessageSid", "CA9801d4cc7e4e4f4d9d1d3bd0aaaaaaaa") },
	} {
		form := twilioStatus("delivered")
		form.Set("To", "+86"+canaryMobile)
		change(form)
		got, err := push(t, p, account.Receipt(account.ReceiptURL+"?m=our-id", form))
		if err == nil || errors.Is(err, sms.ErrForged) || len(got.Reports) != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		smstest.CheckSilent(t, err, canaryMobile)
	}
	r := account.Receipt(account.ReceiptURL, twilioStatus("delivered"))
	r.Method = http.MethodGet
	if _, err := push(t, p, r); err == nil || errors.Is(err, sms.ErrForged) {
		t.Errorf("a GET: %v", err)
	}
	r = account.Receipt(account.ReceiptURL, nil)
	if _, err := p.Pushed(t.Context(), r, []byte("a=%zz"+canaryMobile)); err == nil || errors.Is(err, sms.ErrForged) {
		t.Errorf("no form: %v", err)
	} else {
		smstest.CheckSilent(t, err, canaryMobile)
	}
}

func TestTwilioReceiptsSayTheNumberWithItsCallingCode(t *testing.T) {
	t.Parallel()
	account, p := twilioAccount(), newTwilio(t, sms.TwilioConfig{})
	for to, want := range map[string]rekey.Number{
		"+8613800000001": number(t, "86", "13800000001"), "+12025550123": number(t, "1", "2025550123"), "+79161234567": number(t, "7", "9161234567"),
		"+447400123456": number(t, "44", "7400123456"), "+85251234567": number(t, "852", "51234567"), "+6591234567": number(t, "65", "91234567"),
		"+351912345678": number(t, "351", "912345678"), "+886912345678": number(t, "886", "912345678"), "+9613123456": number(t, "961", "3123456"),
		"+8612345": {}, "+0123456789": {}, "+1234": {}, "12345": {}, "+": {}, "": {}, "whatsapp:+12025550123": {}, "+1202555012345678": {},
	} {
		form := twilioStatus("delivered")
		form.Set("To", to)
		got, err := push(t, p, account.Receipt(account.ReceiptURL, form))
		if err != nil || got.Reports[0].To != want || got.Reports[0].Message != "" {
			t.Errorf("%q: %+v, %v", to, got.Reports, err)
		}
		if !want.IsZero() && got.Reports[0].To.E164() != to {
			t.Errorf("%q came out as %q", to, got.Reports[0].To.E164())
		}
	}
}

func FuzzTwilioPushed(f *testing.F) {
	account := twilioAccount()
	f.Add("m=our-id", twilioStatus("delivered").Encode(), account.Receipt(account.ReceiptURL+"?m=our-id", twilioStatus("delivered")).Header.Get("X-Twilio-Signature"))
	f.Add("", "MessageSid=SM&MessageStatus=sent", "L/OH5YylLD5NRKLltdqwSvS0BnU=")
	f.Add("m=%zz", "a=%zz", "")
	p := newTwilio(f, sms.TwilioConfig{})
	f.Fuzz(func(t *testing.T, query, body, signature string) {
		r := account.Receipt(account.ReceiptURL, nil)
		r.URL.RawQuery = query
		r.Header["X-Twilio-Signature"] = []string{signature}
		got, err := p.Pushed(t.Context(), r, []byte(body))
		if (err == nil) != (len(got.Reports) == 1) {
			t.Fatalf("%+v, %v", got, err)
		}
		// As signed by the vendor: whatever comes is read or refused.
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		signed := account.Receipt(account.ReceiptURL, form)
		got, err = p.Pushed(t.Context(), signed, []byte(form.Encode()))
		if errors.Is(err, sms.ErrForged) || (err == nil) != (len(got.Reports) == 1) {
			t.Fatalf("signed: %+v, %v", got, err)
		}
	})
}

func BenchmarkTwilioReceipt(b *testing.B) {
	account, p := twilioAccount(), newTwilio(b, sms.TwilioConfig{})
	form := twilioStatus("delivered")
	r := account.Receipt(account.ReceiptURL+"?m=our-id", form)
	body := []byte(form.Encode())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Pushed(b.Context(), r, body); err != nil {
			b.Fatal(err)
		}
	}
}
