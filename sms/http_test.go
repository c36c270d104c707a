package sms_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rekey"
	"rekey/sms"
	"rekey/sms/smstest"
)

const (
	canaryMobile = "13912345678"
	canaryCode   = "904817"
	canaryKey    = "canary-key-canary-key-canary" // 28 bytes
	canaryPass   = "canary-pass"
)

// patience is the time for a message where a test says no other: a machine that stalls for longer than people wait fails
// none.
const patience = time.Minute

func newTexts(t testing.TB, c sms.TextConfig) *sms.Texts {
	t.Helper()
	if c.Languages == nil {
		c.Languages = []string{"zh-CN", "en"}
	}
	texts, err := sms.NewTexts(c)
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func newHTTP(t testing.TB, c sms.HTTPConfig) *sms.HTTP {
	t.Helper()
	if c.Texts == nil {
		c.Texts = newTexts(t, sms.TextConfig{Sign: "示例网", Origin: "https://www.example.com"})
	}
	c.Timeout = cmp.Or(c.Timeout, patience)
	if c.Transport == nil {
		transport := sms.NewTransport()
		t.Cleanup(transport.CloseIdleConnections)
		c.Transport = transport
	}
	h, err := sms.NewHTTP(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestT31_SignedPostsAreJudgedByTheirAnswer(t *testing.T) {
	t.Parallel()
	smstest.RunHTTP(t, smstest.HTTP{
		Open: func(t *testing.T, url string) rekey.Sender {
			return newHTTP(t, sms.HTTPConfig{
				URL: url + "/sms?password=" + canaryPass, Secret: canaryKey, Success: `"status": *"ok"`,
				Headers: map[string]string{"Idempotency-Key": "{{.ID}}"}, // makes net/http repeat a POST, if it is let
			})
		},
		Accept:  smstest.Signed([]byte(canaryKey)),
		Taken:   `{"status": "ok"}`,
		Refused: `{"status": "error", "reason": "balance"}`,
		Secrets: []string{canaryKey, canaryPass},
	})
}

func TestT31_GetsAreNeverRepeated(t *testing.T) {
	t.Parallel()
	smstest.RunHTTP(t, smstest.HTTP{
		Open: func(t *testing.T, url string) rekey.Sender {
			return newHTTP(t, sms.HTTPConfig{
				Method: "GET",
				URL: strings.Replace(url, "://", "://user:"+canaryPass+"@", 1) +
					"/cgi-bin/sendsms?id={{.ID}}&to={{.Mobile}}&code={{.Code}}&text={{urlquery .Text}}",
			})
		},
		Accept: func(r *http.Request, body []byte) (smstest.Taken, error) {
			q := r.URL.Query()
			if _, pass, _ := r.BasicAuth(); r.Method != "GET" || len(body) > 0 || r.ContentLength != 0 || pass != canaryPass {
				return smstest.Taken{}, fmt.Errorf("%s with %d bytes", r.Method, len(body))
			}
			if want := "【示例网】验证码" + q.Get("code") + "，用于重置密码，5分钟内有效，请勿告诉他人。"; q.Get("text") != want {
				return smstest.Taken{}, fmt.Errorf("text %q", q.Get("text"))
			}
			return smstest.Taken{ID: q.Get("id"), Mobile: q.Get("to"), Code: q.Get("code")}, nil
		},
		Taken:   "0: Accepted for delivery",
		Secrets: []string{canaryPass},
	})
}

// late is a body whose end shows after a second, as it may on a machine that is busy.
type late struct{ io.ReadCloser }

func (l late) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return l.ReadCloser.Read(p)
}

// TestAGetHasNoBodyOnABusyMachineEither: one in chunks is refused by many servers, or taken for two requests.
func TestAGetHasNoBodyOnABusyMachineEither(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wire bytes.Buffer
		h := newHTTP(t, sms.HTTPConfig{Method: "GET", URL: "http://gateway.example/?to={{.Mobile}}", Transport: transportFunc(
			func(r *http.Request) (*http.Response, error) {
				r = r.Clone(r.Context())
				r.Body = late{r.Body}
				if err := r.Write(&wire); err != nil {
					t.Error(err)
				}
				return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
			})})
		if _, err := h.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode)); err != nil {
			t.Error(err)
		}
		head, body, _ := strings.Cut(wire.String(), "\r\n\r\n")
		if body != "" || strings.Contains(head, "Transfer-Encoding") || strings.Contains(head, "Content-Length") {
			t.Errorf("it was written as %q", &wire)
		}
	})
}

// transportFunc is a transport in a function.
type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSignatureIsThatOfTheStandardWebhooksVector(t *testing.T) {
	// The vector of the specification's reference implementations (standard-webhooks/standard-webhooks, libraries).
	const want = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(1614265330, 0)))
		var got http.Header
		h := newHTTP(t, sms.HTTPConfig{
			URL: "http://gateway.example/", Body: `{"test": 2432232314}`, Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
			Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
				got = r.Header
				return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
			}),
		})
		if _, err := h.Send(t.Context(), smstest.Message(t, "msg_p5jXN8AQM9LWM0D4loKWxJek", canaryMobile, canaryCode)); err != nil {
			t.Fatal(err)
		}
		if got.Get("webhook-signature") != want || got.Get("webhook-id") != "msg_p5jXN8AQM9LWM0D4loKWxJek" ||
			got.Get("webhook-timestamp") != "1614265330" {
			t.Errorf("got %v, want signature %s", got, want)
		}
	})
}

// pipeTransport is the real transport over connections in memory, so that time can be faked; serve has the far end.
func pipeTransport(t *testing.T, serve func(net.Conn)) *http.Transport {
	transport := sms.NewTransport()
	transport.Proxy = nil
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go serve(far)
		return near, nil
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func TestT31_TimeoutsAreUnknownOnlyAfterTheRequestLeft(t *testing.T) {
	cases := []struct {
		name      string
		transport func(*testing.T) *http.Transport
		want      error
	}{
		{"the gateway reads and says nothing", func(t *testing.T) *http.Transport {
			return pipeTransport(t, func(c net.Conn) { io.Copy(io.Discard, c); c.Close() })
		}, rekey.ErrUnknown},
		{"the gateway doesn't read", func(t *testing.T) *http.Transport {
			return pipeTransport(t, func(net.Conn) {})
		}, rekey.ErrUnknown}, // the bytes are with the kernel, for all we know
		{"no connection", func(t *testing.T) *http.Transport {
			transport := sms.NewTransport()
			transport.Proxy = nil
			over := make(chan struct{}) // a dial outlives the request that it was for
			t.Cleanup(func() { close(over) })
			transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
				<-over
				return nil, net.ErrClosed
			}
			return transport
		}, rekey.ErrUnavailable},
		{"no such host", func(t *testing.T) *http.Transport {
			transport := sms.NewTransport()
			transport.Proxy = nil
			transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "gateway.example"}}
			}
			return transport
		}, rekey.ErrUnavailable},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHTTP(t, sms.HTTPConfig{
					URL: "http://gateway.example/?p=" + canaryPass, Timeout: 3 * time.Second, Transport: c.transport(t),
				})
				start := time.Now()
				_, err := h.Send(t.Context(), smstest.Message(t, "slow", canaryMobile, canaryCode))
				smstest.CheckError(t, err, c.want, canaryPass, canaryMobile, canaryCode)
				if took := time.Since(start); took > 3*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestBadConfigurationIsRefusedWithItsSetting(t *testing.T) {
	t.Parallel()
	ok := "http://127.0.0.1:9000/sms"
	cases := []struct {
		name    string
		config  sms.HTTPConfig
		setting string
	}{
		{"no url", sms.HTTPConfig{}, "url"},
		{"relative url", sms.HTTPConfig{URL: "/sms"}, "url"},
		{"other scheme", sms.HTTPConfig{URL: "ftp://h/?p=" + canaryPass}, "url"},
		{"no host", sms.HTTPConfig{URL: "http:///?p=" + canaryPass}, "url"},
		{"url that does not parse", sms.HTTPConfig{URL: "http://h:" + canaryPass + "/"}, "url"},
		{"text without urlquery", sms.HTTPConfig{URL: ok + "?t={{.Text}}"}, "url"},
		{"unknown field", sms.HTTPConfig{URL: ok + "?t={{.Txt}}"}, "url"},
		{"unknown function", sms.HTTPConfig{URL: ok + "?t={{hex .Text}}"}, "url"},
		{"open action", sms.HTTPConfig{URL: ok, Body: "{{.Text"}, "body"},
		{"text without json", sms.HTTPConfig{URL: ok, Body: `{"text": "{{.Text}}"}`}, "body"},
		{"body with GET", sms.HTTPConfig{URL: ok, Method: "GET", Body: "x"}, "body"},
		{"method", sms.HTTPConfig{URL: ok, Method: "DELETE"}, "method"},
		{"line break in a header", sms.HTTPConfig{URL: ok, Headers: map[string]string{"X-Text": "{{.Text}}"}}, `headers."X-Text"`},
		{"line break written into a header", sms.HTTPConfig{URL: ok, Headers: map[string]string{"X-A": "a\r\nX-B: " + canaryPass}}, `headers."X-A"`},
		{"line break in a header's name", sms.HTTPConfig{URL: ok, Headers: map[string]string{"X\r\nY": "1"}}, "headers."},
		{"Host", sms.HTTPConfig{URL: ok, Headers: map[string]string{"host": "elsewhere"}}, `headers."host"`},
		{"Content-Type", sms.HTTPConfig{URL: ok, Headers: map[string]string{"content-type": "text/plain"}}, `headers."content-type"`},
		{"signature by hand", sms.HTTPConfig{URL: ok, Secret: canaryKey, Headers: map[string]string{"webhook-id": "1"}}, `headers."webhook-id"`},
		{"success", sms.HTTPConfig{URL: ok, Success: "("}, "success"},
		{"account_refused", sms.HTTPConfig{URL: ok, AccountRefused: "("}, "account_refused"},
		{"receipt_delivered", sms.HTTPConfig{URL: ok, ReceiptDelivered: "1)|(2"}, "receipt_delivered"},
		{"receipt_failed", sms.HTTPConfig{URL: ok, ReceiptFailed: "["}, "receipt_failed"},
		{"address of receipts with a query", sms.HTTPConfig{URL: ok, ReceiptURL: "https://h/?p=" + canaryPass}, "receipts"},
		{"address of receipts without a host", sms.HTTPConfig{URL: ok, ReceiptURL: "/" + canaryPass}, "receipts"},
		{"receipt's address without urlquery", sms.HTTPConfig{URL: ok + "?cb={{.ReceiptURL}} ", ReceiptURL: canaryReceipts}, "url"},
		{"short secret", sms.HTTPConfig{URL: ok, Secret: "too-short"}, "secret"},
		{"secret that is no base64", sms.HTTPConfig{URL: ok, Secret: "whsec_" + canaryPass}, "secret"},
		{"short secret in base64", sms.HTTPConfig{URL: ok, Secret: "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 23))}, "secret"},
		{"timeout", sms.HTTPConfig{URL: ok, Timeout: -1}, "timeout"},
	}
	texts := newTexts(t, sms.TextConfig{Sign: "示例网", Origin: "https://www.example.com"})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.config.Texts = texts
			_, err := sms.NewHTTP(c.config)
			if err == nil || !strings.HasPrefix(err.Error(), c.setting) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one sentence about %s", err, c.setting)
			}
			smstest.CheckSilent(t, err, canaryPass, canaryKey, "too-short")
		})
	}

	_, err := sms.NewHTTP(sms.HTTPConfig{URL: ok, Method: "PATCH", Success: "(", Secret: "short", Texts: texts})
	if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 3 {
		t.Errorf("got %v, want all three faults", err)
	}
}

func TestT36_ConfigurationAndProviderPrintNothing(t *testing.T) {
	t.Parallel()
	c := sms.HTTPConfig{URL: "http://h/?p=" + canaryPass, Secret: canaryKey}
	h := newHTTP(t, c)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, v := range []any{c, &c, h, []any{c, h}} {
			text := fmt.Sprintf(verb, v)
			for _, secret := range []string{canaryPass, canaryKey, fmt.Sprintf("%x", canaryKey), fmt.Sprint([]byte(canaryKey))} {
				if strings.Contains(text, secret) {
					t.Errorf("%s of %T prints %s", verb, v, text)
				}
			}
		}
	}
}

func TestTryGivesTheGatewaysOwnAnswer(t *testing.T) {
	t.Parallel()
	g := smstest.NewGateway(t, false, smstest.Signed([]byte(canaryKey)), "ok\x1b[2J 好")
	h := newHTTP(t, sms.HTTPConfig{URL: g.URL(), Secret: canaryKey})
	answer, err := h.Try(t.Context(), smstest.Message(t, "one", canaryMobile, canaryCode))
	if err != nil || answer != "200 OK\nok.[2J 好" {
		t.Errorf("taken: got %q, %v", answer, err)
	}
	g.Misbehave(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such signature", http.StatusForbidden) })
	answer, err = h.Try(t.Context(), smstest.Message(t, "two", canaryMobile, canaryCode))
	smstest.CheckError(t, err, rekey.ErrRejected)
	if answer != "403 Forbidden\nno such signature" {
		t.Errorf("refused: got %q", answer)
	}
	g.Close()
	if answer, err = h.Try(t.Context(), smstest.Message(t, "three", canaryMobile, canaryCode)); answer != "" || err == nil {
		t.Errorf("nobody there: got %q, %v", answer, err)
	}
}

func TestT36_PreviewShowsTheMessageAndNoSecret(t *testing.T) {
	t.Parallel()
	m := smstest.Message(t, "msg_1", canaryMobile, canaryCode)
	cases := []struct {
		name   string
		config sms.HTTPConfig
		want   string
	}{
		{"the default body", sms.HTTPConfig{URL: "http://u:" + canaryPass + "@h:9/sms", Secret: canaryKey}, "POST http://***@h:9/sms\n" +
			"Content-Type: application/json\nUser-Agent: rekey\n" +
			"Webhook-Id: msg_1\nWebhook-Timestamp: (when it is sent)\nWebhook-Signature: v1,(made when it is sent)\n\n" +
			`{"code":"904817","e164":"+8613912345678","expires_in":300,"id":"msg_1","language":"zh-CN","mobile":"13912345678",` +
			`"text":"【示例网】验证码904817，用于重置密码，5分钟内有效，请勿告诉他人。"}` + "\n"},
		{"a GET", sms.HTTPConfig{
			Method: "GET", URL: "https://h/send/" + canaryKey + "?user=" + canaryPass + "&to={{.Mobile}}&t={{urlquery .Text}}",
			Headers: map[string]string{"Authorization": "Bearer " + canaryPass + "{{.ID}}"},
		}, "GET https://h/send/***?user=***&to=13912345678&t=【示例网】验证码904817，用于重置密码，5分钟内有效，请勿告诉他人。\n" +
			"Authorization: ***msg_1\nUser-Agent: rekey\n"},
		{"a form", sms.HTTPConfig{
			URL: "http://h/", ContentType: "application/x-www-form-urlencoded",
			Body: "sk=" + canaryPass + "&to={{urlquery .E164}}&code={{.Code}}",
		}, "POST http://h/\nContent-Type: application/x-www-form-urlencoded\nUser-Agent: rekey\n\nsk=***&to=+8613912345678&code=904817\n"},
		{"JSON with a password", sms.HTTPConfig{
			URL: "http://h/", Body: `{"auth": {"key": "` + canaryPass + `", "n": 7}, "to": [{{json .Mobile}}]}`,
		}, "POST http://h/\nContent-Type: application/json\nUser-Agent: rekey\n\n" +
			`{"auth":{"key":"***","n":"***"},"to":["13912345678"]}` + "\n"},
		{"where receipts go", sms.HTTPConfig{
			Method: "GET", URL: `http://h/?cb={{urlquery (print .ReceiptURL "&status=%d")}}`, ReceiptURL: canaryReceipts,
			Headers: map[string]string{"X-Callback": "{{.ReceiptURL}}"},
		}, "GET http://h/?cb=https://www.example.com/account/receipts/gateway/***?id=msg_1***\nUser-Agent: rekey\n" +
			"X-Callback: https://www.example.com/account/receipts/gateway/***?id=msg_1\n"},
		{"XML", sms.HTTPConfig{
			URL: "http://h/", ContentType: "text/xml", Body: "<key>" + canaryPass + "</key><to>{{.Mobile}}</to>",
		}, "POST http://h/\nContent-Type: text/xml\nUser-Agent: rekey\n\n***13912345678***\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.config.Transport = transportFunc(func(*http.Request) (*http.Response, error) {
				t.Error("a preview sends nothing")
				return nil, errors.New("sent")
			})
			got, err := newHTTP(t, c.config).Preview(m)
			if err != nil || got != c.want {
				t.Errorf("got %v\n%s\nwant\n%s", err, got, c.want)
			}
		})
	}
}

// FuzzAnswer lets a gateway answer anything: the error is one of the three, and says nothing of request or answer.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\nno " + canaryCode))
	f.Add([]byte("HTTP/1.1 302 Found\r\nLocation: http://elsewhere/" + canaryMobile + "\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 " + canaryCode + " X\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + canaryMobile + "\r\n"))
	f.Add([]byte("HTTP/1.1 101 Switching\r\nUpgrade: " + canaryPass + "\r\nConnection: Upgrade\r\n\r\n"))
	f.Add([]byte(canaryMobile))
	f.Add([]byte{})
	u, _ := url.Parse("http://gateway.example/?p=" + canaryPass)
	f.Fuzz(func(t *testing.T, raw []byte) {
		transport := sms.NewTransport()
		transport.Proxy = nil
		transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go func() {
				go io.Copy(io.Discard, far)
				far.Write(raw)
				far.Close()
			}()
			return near, nil
		}
		defer transport.CloseIdleConnections()
		h := newHTTP(t, sms.HTTPConfig{URL: u.String(), Success: "^ok$", Transport: transport})
		_, err := h.Send(t.Context(), smstest.Message(t, "id", canaryMobile, canaryCode))
		if err == nil {
			if !strings.Contains(string(raw), "ok") {
				t.Errorf("taken, after %q", raw)
			}
			return
		}
		kinds := 0
		for _, kind := range []error{rekey.ErrRejected, rekey.ErrUnavailable, rekey.ErrUnknown} {
			if errors.Is(err, kind) {
				kinds++
			}
		}
		if kinds != 1 {
			t.Errorf("%v has %d kinds", err, kinds)
		}
		smstest.CheckSilent(t, err, canaryPass, canaryMobile, canaryCode)
	})
}

func TestAMessageThatATemplateCantTakeIsNotSent(t *testing.T) {
	t.Parallel()
	g := smstest.NewGateway(t, false, func(*http.Request, []byte) (smstest.Taken, error) {
		return smstest.Taken{}, errors.New("sent")
	}, "ok")
	h := newHTTP(t, sms.HTTPConfig{URL: g.URL() + "/?to={{slice .Mobile 0 10}}&p=" + canaryPass})
	m := message(t, "852", "51234567", "en", time.Minute) // two digits too few
	_, err := h.Send(t.Context(), m)
	smstest.CheckError(t, err, rekey.ErrUnavailable, canaryPass, "51234567", "012345")
	if _, err := h.Preview(m); err == nil {
		t.Error("a preview of what can't be sent")
	}
}
