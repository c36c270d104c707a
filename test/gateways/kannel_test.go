package gateways_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rekey"
	"rekey/sms"
	"rekey/sms/smstest"
)

// kannelReceiptSecret is the last part of the address that Kannel calls back to.
const kannelReceiptSecret = "canary-canary-canary-canary-1234"

// kannelSide is the provider http before a Kannel, with the address that its receipts come to.
type kannelSide struct {
	*sms.HTTP
	receipts string
	reports  chan sms.Report
}

// kannelConfig is how an operator writes it down for Kannel: a GET with everything in its query. 19 asks for the receipts
// delivered (1), given up (2) and refused by the SMSC (16); %d says which it is, and %p whom the message went to.
func kannelConfig(k *kannel, password string) sms.HTTPConfig {
	return sms.HTTPConfig{
		Method: "GET",
		URL: fmt.Sprintf("http://127.0.0.1:%d/cgi-bin/sendsms?username=%s&password=%s&from=%s", k.http, kannelUser, url.QueryEscape(password), kannelSender) +
			`&to={{urlquery .E164}}&charset=UTF-8&coding={{if .Unicode}}2{{else}}0{{end}}&text={{urlquery .Text}}` +
			`{{with .ReceiptURL}}&dlr-mask=19&dlr-url={{urlquery (print . "&status=%d&to=%p")}}{{end}}`,
		Success: "^0: |^3: ", AccountRefused: "^Authorization failed",
		ReceiptMobile: "to", ReceiptDelivered: "1", ReceiptFailed: "2|16",
	}
}

// kannelPost is the same as a POST, which keeps number and text out of logs of addresses.
func kannelPost(k *kannel, password string) sms.HTTPConfig {
	c := kannelConfig(k, password)
	c.Method, c.URL = "POST", fmt.Sprintf("http://127.0.0.1:%d/cgi-bin/sendsms", k.http)
	c.ContentType, c.Body = "text/plain; charset=UTF-8", "{{.Text}}"
	c.Headers = map[string]string{
		"X-Kannel-Username": kannelUser, "X-Kannel-Password": password, "X-Kannel-From": kannelSender, "X-Kannel-To": "{{.E164}}",
		"X-Kannel-Coding": "{{if .Unicode}}2{{else}}0{{end}}", "X-Kannel-DLR-Mask": "19", "X-Kannel-DLR-Url": "{{.ReceiptURL}}&status=%d&to=%p",
	}
	return c
}

// beforeKannel is a provider whose receipts come to a server of its own.
func beforeKannel(t *testing.T, c sms.HTTPConfig, sign string) *kannelSide {
	t.Helper()
	texts, err := sms.NewTexts(sms.TextConfig{Languages: []string{"zh-CN", "en"}, Sign: sign, Origin: "https://www.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	k := &kannelSide{receipts: "http://" + server.Listener.Addr().String() + "/receipts/kannel/" + kannelReceiptSecret, reports: make(chan sms.Report, 1000)}
	transport := sms.NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	c.Texts, c.Transport, c.ReceiptURL, c.Timeout = texts, transport, k.receipts, patience
	if k.HTTP, err = sms.NewHTTP(c); err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = http.StripPrefix("/receipts", sms.NewReceipts(sms.ReceiptsConfig{
		Providers: map[string]sms.Provider{"kannel": k.HTTP},
		Secret:    func(string) string { return kannelReceiptSecret },
		Observe: func(_ context.Context, provider string, reports []sms.Report) {
			if provider != "kannel" {
				t.Errorf("a receipt of %q", provider)
			}
			for _, r := range reports {
				k.reports <- r
			}
		},
	}))
	server.Start()
	t.Cleanup(server.Close)
	return k
}

// report waits for the next receipt.
func (k *kannelSide) report(t *testing.T) sms.Report {
	t.Helper()
	select {
	case r := <-k.reports:
		return r
	case <-time.After(patience):
		t.Fatal("no receipt came")
		return sms.Report{}
	}
}

func kannelMessage(t *testing.T, id, calling, national, language string) rekey.Message {
	t.Helper()
	m := smstest.Message(t, id, "13912345678", "904817")
	m.Language = language
	region := ""
	if calling == "86" {
		region = "CN"
	}
	var err error
	if m.To, err = rekey.NewNumber(region, calling, national); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestKannelTextsAreReadBackExactlyAndReceiptsComeBack(t *testing.T) {
	t.Parallel()
	k := startKannel(t)
	const origin = "\n\n@www.example.com #904817"
	long := strings.Repeat("示例", 10)
	for way, c := range map[string]sms.HTTPConfig{"GET": kannelConfig(k, k.password), "POST": kannelPost(k, k.password)} {
		for _, m := range []struct {
			sign, calling, national, language, text string
			unicode                                 bool
		}{
			{"示例网", "86", "13912345678", "zh-CN", "【示例网】验证码904817，用于重置密码，5分钟内有效，请勿告诉他人。", true},
			{"Example", "86", "13912345678", "en", "【Example】904817 is your password reset code. It expires in 5 minutes.", true},
			{"", "86", "13912345678", "en", "904817 is your password reset code. It expires in 5 minutes.", false},
			{"示例网", "1", "2025550123", "zh-CN", "【示例网】验证码904817，用于重置密码，5分钟内有效，请勿告诉他人。" + origin, true},
			{long, "1", "2025550123", "zh-CN", "【" + long + "】验证码904817，用于重置密码，5分钟内有效，请勿告诉他人。" + origin, true},
			{"A&B [x] @_ £5+5%", "1", "2025550123", "en", "904817 is your A&B [x] @_ £5+5% code. It expires in 5 minutes." + origin, false},
		} {
			t.Run(fmt.Sprint(way, " ", m.sign, " ", m.language, " +", m.calling), func(t *testing.T) {
				side := beforeKannel(t, c, m.sign)
				before := len(k.taken(t))
				message := kannelMessage(t, "a_B-1", m.calling, m.national, m.language)
				if _, err := side.Send(t.Context(), message); err != nil {
					t.Fatal(err)
				}
				want := kannelTaken{kannelSender, "+" + m.calling + m.national, m.text, m.unicode}
				k.awaitTaken(t, before+1, want)
				if got := side.report(t); got != (sms.Report{Message: "a_B-1", To: message.To, State: sms.Delivered, Code: "1"}) {
					t.Errorf("receipt %+v", got)
				}
			})
		}
	}
}

func TestKannelRefuses(t *testing.T) {
	t.Parallel()
	k := startKannel(t)
	denied := func(t *testing.T) rekey.Message { return kannelMessage(t, "m1", kannelDenied, "51234567", "zh-CN") }
	passes := func(t *testing.T) rekey.Message { return kannelMessage(t, "m1", "86", "13912345678", "zh-CN") }
	for way, config := range map[string]func(*kannel, string) sms.HTTPConfig{"GET": kannelConfig, "POST": kannelPost} {
		plain := config(k, "wrong-"+k.password)
		plain.AccountRefused = ""
		for _, c := range []struct {
			name    string
			config  sms.HTTPConfig
			message func(*testing.T) rekey.Message
			want    sms.Outcome
			receipt bool
		}{
			{"a wrong password", config(k, "wrong-"+k.password), passes, sms.RejectedAccount, false},
			{"a wrong password, without account_refused", plain, passes, sms.RejectedNumber, false}, // 403, as for a number
			{"a number without a way out", config(k, k.password), denied, sms.RejectedNumber, true},
		} {
			t.Run(way+" with "+c.name, func(t *testing.T) {
				side := beforeKannel(t, c.config, "示例网")
				message := c.message(t)
				_, err := side.Send(t.Context(), message)
				refusal, _ := errors.AsType[*sms.Refusal](err)
				if sms.OutcomeOf(err) != c.want || refusal == nil || refusal.Code != "403" {
					t.Errorf("got %v, %v", sms.OutcomeOf(err), err)
				}
				smstest.CheckSilent(t, err, k.password, kannelReceiptSecret, "904817", "13912345678", "51234567")
				if c.receipt {
					if got := side.report(t); got != (sms.Report{Message: "m1", To: message.To, State: sms.Undelivered, Code: "16"}) {
						t.Errorf("receipt %+v", got)
					}
				}
				preview, err := side.Preview(message)
				if err != nil || strings.Contains(preview, k.password) || strings.Contains(preview, url.QueryEscape(k.password)) ||
					strings.Contains(preview, kannelReceiptSecret) || !strings.Contains(preview, "/receipts/kannel/***?id=m1") {
					t.Errorf("the preview is %v\n%s", err, preview)
				}
			})
		}
	}
	if got := k.taken(t); len(got) != 0 {
		t.Errorf("taken: %v", got)
	}
}

func TestKannelAHundredMessagesAtOnce(t *testing.T) {
	t.Parallel()
	const messages = 100
	k := startKannel(t)
	side := beforeKannel(t, kannelConfig(k, k.password), "示例网")
	var all sync.WaitGroup
	var want []kannelTaken
	open := map[string]rekey.Number{}
	for i := range messages {
		mobile, code := fmt.Sprintf("139%08d", i), fmt.Sprintf("%06d", 7919*i)
		m := smstest.Message(t, fmt.Sprint("m-", i), mobile, code)
		open[m.ID] = m.To
		want = append(want, kannelTaken{kannelSender, "+86" + mobile, "【示例网】验证码" + code + "，用于重置密码，5分钟内有效，请勿告诉他人。", true})
		all.Go(func() {
			if _, err := side.Send(t.Context(), m); err != nil {
				t.Errorf("%s: %v", m.ID, err)
			}
		})
	}
	all.Wait()
	for range messages {
		r := side.report(t)
		if r.To.IsZero() || r.To != open[r.Message] || r.State != sms.Delivered {
			t.Errorf("receipt %+v of a message to %v", r, open[r.Message])
		}
		delete(open, r.Message)
	}
	var taken []kannelTaken
	k.await(t, k.smscs, func() bool { // Kannel tells of a message once it has written it to the operator, who may be slow to read
		taken = k.taken(t)
		return len(taken) >= messages
	})
	slices.SortFunc(taken, func(a, b kannelTaken) int { return strings.Compare(a.to, b.to) })
	if !slices.Equal(taken, want) {
		t.Errorf("%d messages taken: %v", len(taken), taken)
	}
}

func TestKannelStoppedAndStarted(t *testing.T) {
	t.Parallel()
	k := startKannel(t)
	side := beforeKannel(t, kannelConfig(k, k.password), "示例网")
	message := kannelMessage(t, "", "86", "13912345678", "zh-CN")
	send := func(id string) error {
		message.ID = id
		_, err := side.Send(t.Context(), message)
		return err
	}
	delivered := func(id string) {
		t.Helper()
		if got := side.report(t); got != (sms.Report{Message: id, To: message.To, State: sms.Delivered, Code: "1"}) {
			t.Errorf("receipt %+v of %s", got, id)
		}
	}
	if err := send("before"); err != nil {
		t.Fatal(err)
	}
	delivered("before")

	k.stop(t)
	err := send("during") // by the connection that was kept: it is known to be closed, or nothing could be sent on it
	if sms.OutcomeOf(err) == sms.Unknown {
		err = send("during-2")
	}
	smstest.CheckError(t, err, rekey.ErrUnavailable, k.password, kannelReceiptSecret)

	k.start(t)
	if err := send("after"); err != nil {
		t.Fatalf("started again: %v", err)
	}
	delivered("after")

	// Without its operator Kannel keeps what it takes, and tells when it has gone.
	k.disconnectSMSC(t)
	if err := send("kept"); err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-side.reports:
		t.Errorf("without an operator came receipt %+v", r)
	default:
	}
	k.connectSMSC(t)
	delivered("kept")
}
