package sms_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"rekey"
	"rekey/sms"
	"rekey/sms/smstest"
)

const canaryReceipts = "https://www.example.com/account/receipts/gateway/canary-secret-canary-secret-1234"

// receive gives h a receipt as an HTTP server would.
func receive(h *sms.HTTP, method, query, body string) (sms.Push, error) {
	r := httptest.NewRequest(method, "/gateway/secret?"+query, strings.NewReader(body))
	return h.Pushed(r.Context(), r, []byte(body))
}

func internationalNumber(t testing.TB, region, calling, national string) rekey.Number {
	t.Helper()
	n, err := rekey.NewNumber(region, calling, national)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestReceiptsAreReadInTheFormsThatGatewaysPush(t *testing.T) {
	t.Parallel()
	kannel := sms.HTTPConfig{ReceiptDelivered: "1", ReceiptFailed: "2|16"}
	named := sms.HTTPConfig{ReceiptID: "msgid", ReceiptStatus: "stat", ReceiptMobile: "to"}
	theirs := sms.HTTPConfig{ReceiptID: "msgid", Success: `"sid": "(?P<id>\w+)"`}
	china, america := internationalNumber(t, "CN", "86", "13912345678"), internationalNumber(t, "", "1", "2025550123")
	cases := []struct {
		name                string
		config              sms.HTTPConfig
		method, query, body string
		want                []sms.Report
	}{
		{"called back by GET", sms.HTTPConfig{}, "GET", "id=m-1_Z&status=DELIVRD", "", []sms.Report{{Message: "m-1_Z", State: sms.Delivered, Code: "DELIVRD"}}},
		{"a status of its own: delivered", kannel, "GET", "id=m1&status=1", "", []sms.Report{{Message: "m1", State: sms.Delivered, Code: "1"}}},
		{"a status of its own: given up", kannel, "GET", "id=m1&status=16", "", []sms.Report{{Message: "m1", State: sms.Undelivered, Code: "16"}}},
		{"a status of its own: on its way", kannel, "GET", "id=m1&status=8", "", []sms.Report{{Message: "m1", State: sms.Pending, Code: "8"}}},
		{"a form at our address", named, "POST", "id=m1", "stat=UNDELIV&msgid=77", []sms.Report{{Message: "m1", State: sms.Undelivered, Code: "UNDELIV"}}},
		{"a form at an address for all", named, "POST", "", "stat=EXPIRED&msgid=m2&to=13912345678", []sms.Report{{Message: "m2", State: sms.Undelivered, Code: "EXPIRED", To: china}}},
		{"a JSON object", sms.HTTPConfig{}, "POST", "", ` {"id": "m1", "status": "Delivered", "parts": [1], "x": null} `, []sms.Report{{Message: "m1", State: sms.Delivered, Code: "Delivered"}}},
		{"JSON numbers", sms.HTTPConfig{ReceiptDelivered: "0"}, "POST", "", `{"id": 12345678901234567890, "status": 0}`, []sms.Report{{Message: "12345678901234567890", State: sms.Delivered, Code: "0"}}},
		{"JSON truth", sms.HTTPConfig{ReceiptStatus: "ok", ReceiptDelivered: "true", ReceiptFailed: "false"}, "POST", "id=m1", `{"ok": false}`, []sms.Report{{Message: "m1", State: sms.Undelivered, Code: "false"}}},
		{"a JSON array", named, "POST", "id=none", `[{"msgid": "m1", "stat": "DELIVRD", "to": "+8613912345678"}, {"msgid": "m2", "stat": "ENROUTE", "to": "0012025550123"}]`,
			[]sms.Report{{Message: "m1", State: sms.Delivered, Code: "DELIVRD", To: china}, {Message: "m2", State: sms.Pending, Code: "ENROUTE", To: america}}},
		{"a JSON array of one at our address", named, "POST", "id=m9", `[{"msgid": "77", "stat": "DELIVRD", "to": "8613912345678"}]`, []sms.Report{{Message: "m9", State: sms.Delivered, Code: "DELIVRD", To: china}}},
		{"JSON behind a byte order mark", sms.HTTPConfig{}, "POST", "", "\ufeff" + `{"id": "m1", "status": "Delivered"}`, []sms.Report{{Message: "m1", State: sms.Delivered, Code: "Delivered"}}},
		{"a JSON array of none", sms.HTTPConfig{}, "POST", "", `[]`, nil},
		{"the gateway's own id", theirs, "POST", "", "msgid=77&status=ok", []sms.Report{{ID: "77", State: sms.Pending, Code: "ok"}}},
		{"both ids", theirs, "POST", "id=m1", `{"msgid": 77, "status": "success"}`, []sms.Report{{ID: "77", Message: "m1", State: sms.Delivered, Code: "success"}}},
		{"its id appended under the same name", sms.HTTPConfig{Success: `(?P<id>\d+)`}, "GET", "id=m1&id=77&status=failed", "", []sms.Report{{ID: "77", Message: "m1", State: sms.Undelivered, Code: "failed"}}},
		{"a status in words", sms.HTTPConfig{}, "GET", "id=m1&status=delivered+to+handset", "", []sms.Report{{Message: "m1", State: sms.Delivered, Code: "(unreadable)"}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.config.URL = "http://gateway.example/"
			got, err := receive(newHTTP(t, c.config), c.method, c.query, c.body)
			if err != nil || !slices.Equal(got.Reports, c.want) || got.Answer != "OK" {
				t.Errorf("got %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

// TestAStatusIsMatchedInWhole has a pattern "1" not take 16 for delivered, nor "delivered" undelivered.
func TestAStatusIsMatchedInWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		delivered, failed, status string
		want                      sms.DeliveryState
	}{
		{"1", "2", "16", sms.Pending},
		{"1|8", "2", "8", sms.Delivered},
		{"1|8", "2|16", "18", sms.Pending},
		{"delivered", "rejected", "undelivered", sms.Pending},
		{"delivered", "", "undelivered", sms.Undelivered},
		{".*", "bad", "bad", sms.Undelivered}, // who is in doubt doesn't count it as delivered
		{"", "", "DELIVRD", sms.Delivered}, {"", "", "success", sms.Delivered}, {"", "", "Delivered", sms.Delivered},
		{"", "", "UNDELIV", sms.Undelivered}, {"", "", "REJECTD", sms.Undelivered}, {"", "", "DELETED", sms.Undelivered},
		{"", "", "FAIL", sms.Undelivered}, {"", "", "failure", sms.Undelivered}, {"", "", "not_delivered", sms.Undelivered},
		{"", "", "ACCEPTD", sms.Pending}, {"", "", "UNKNOWN", sms.Pending}, {"", "", "ENROUTE", sms.Pending}, {"", "", "0", sms.Pending},
	} {
		h := newHTTP(t, sms.HTTPConfig{URL: "http://gateway.example/", ReceiptDelivered: c.delivered, ReceiptFailed: c.failed})
		got, err := receive(h, "GET", url.Values{"id": {"m1"}, "status": {c.status}}.Encode(), "")
		if err != nil || len(got.Reports) != 1 || got.Reports[0].State != c.want {
			t.Errorf("%q with delivered %q and failed %q: got %+v, %v, want %v", c.status, c.delivered, c.failed, got.Reports, err, c.want)
		}
	}
}

func TestT36_WhatIsNoReceiptIsRefusedInSilence(t *testing.T) {
	t.Parallel()
	h := newHTTP(t, sms.HTTPConfig{URL: "http://gateway.example/", ReceiptMobile: "mobile"})
	for name, request := range map[string][3]string{
		"nothing at all":            {"GET", "", ""},
		"no status":                 {"GET", "id=" + canaryMobile, ""},
		"no id":                     {"GET", "status=" + canaryMobile, ""},
		"an id that steers":         {"GET", "status=1&id=" + canaryMobile + "%1b%5b2J", ""},
		"an id without end":         {"GET", "status=1&id=" + strings.Repeat(canaryMobile, 12), ""},
		"a malformed query":         {"GET", "id=%zz" + canaryMobile, ""},
		"a semicolon in the query":  {"GET", "id=1;status=" + canaryMobile, ""},
		"a malformed form":          {"POST", "id=m1", "status=%zz" + canaryMobile},
		"JSON that ends early":      {"POST", "id=m1", `{"status": "` + canaryMobile},
		"JSON and more":             {"POST", "id=m1", `{"status": "1"} ` + canaryMobile},
		"an array of no objects":    {"POST", "id=m1", `["` + canaryMobile + `"]`},
		"an array of nulls":         {"POST", "id=m1&status=1", `[null]`},
		"an array that ends early":  {"POST", "", `[{"id": "m1", "status": "` + canaryMobile + `"}`},
		"an array at a message's":   {"POST", "id=m1", `[{"status": "1"}, {"status": "2"}]`},
		"a nested status":           {"POST", "id=m1", `{"status": {"code": "` + canaryMobile + `"}}`},
		"a number that is none":     {"GET", "id=m1&status=1&mobile=x" + canaryMobile, ""},
		"a number of three digits":  {"GET", "id=m1&status=1&mobile=861", ""},
		"a number of one digit":     {"GET", "id=m1&status=1&mobile=1", ""},
		"a plus without the number": {"GET", "id=m1&status=1&mobile=%2B", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := receive(h, request[0], request[1], request[2])
			if err == nil || errors.Is(err, sms.ErrForged) || len(got.Reports) != 0 || got.Answer != "" {
				t.Errorf("got %+v, %v", got, err)
			}
			smstest.CheckSilent(t, err, canaryMobile)
		})
	}
}

// TestT36_AReceiptThatCantBeReadDoesNotCostTheOthers: refused with them, it would come again for ever, and they never count.
func TestT36_AReceiptThatCantBeReadDoesNotCostTheOthers(t *testing.T) {
	t.Parallel()
	passesOver(t, newHTTP(t, sms.HTTPConfig{URL: "http://gateway.example/", ReceiptMobile: "mobile"}),
		`{"id": "m1", "status": "DELIVRD", "mobile": "13912345678"}`,
		`null`, `17`, `"`+canaryMobile+`"`, `[]`, `{}`,
		`{"status": "`+canaryMobile+`"}`, `{"id": "`+canaryMobile+`"}`,
		`{"id": "a `+canaryMobile+`", "status": "1"}`,
		`{"id": "m1", "status": {"code": "`+canaryMobile+`"}}`,
		`{"id": "m1", "status": "1", "mobile": "x`+canaryMobile+`"}`)
}

func TestNumbersOfReceiptsAreThoseThatMessagesWentTo(t *testing.T) {
	t.Parallel()
	h := newHTTP(t, sms.HTTPConfig{URL: "http://gateway.example/", ReceiptMobile: "mobile"})
	for _, spelled := range []struct{ pushed, want string }{
		{"13912345678", "+8613912345678"}, {"8613912345678", "+8613912345678"}, {"+8613912345678", "+8613912345678"},
		{"008613912345678", "+8613912345678"}, {"+12025550123", "+12025550123"}, {"12025550123", "+12025550123"},
		{"+85251234567", "+85251234567"}, {"886912345678", "+886912345678"}, {"+79161234567", "+79161234567"}, {"+4915112345678", "+4915112345678"},
	} {
		got, err := receive(h, "GET", url.Values{"id": {"m1"}, "status": {"1"}, "mobile": {spelled.pushed}}.Encode(), "")
		if err != nil || len(got.Reports) != 1 || got.Reports[0].To.E164() != spelled.want {
			t.Errorf("%s: got %v, want %s", spelled.pushed, err, spelled.want)
		}
	}
	for national, calling := range map[string]string{"51234567": "852", "2025550123": "1", "15112345678": "49", "912345678": "886"} {
		got, err := receive(h, "GET", "id=m1&status=1&mobile=%2B"+calling+national, "")
		if err != nil || got.Reports[0].To.CallingCode() != calling || got.Reports[0].To.National() != national {
			t.Errorf("+%s %s: got +%s, %v", calling, national, got.Reports[0].To.CallingCode(), err)
		}
	}
}

// sentBy is the request that a message comes to.
func sentBy(t *testing.T, c sms.HTTPConfig, m rekey.Message) (request *http.Request, body string) {
	t.Helper()
	c.Transport = transportFunc(func(r *http.Request) (*http.Response, error) {
		content, err := io.ReadAll(r.Body)
		request, body = r, string(content)
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, err
	})
	if _, err := newHTTP(t, c).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	return request, body
}

func TestGatewaysAreToldWhereReceiptsGoByTemplatesOnly(t *testing.T) {
	t.Parallel()
	m := smstest.Message(t, "aB3-_z", canaryMobile, canaryCode)
	address := canaryReceipts + "?id=aB3-_z"

	c := sms.HTTPConfig{
		Method: "GET", URL: `http://h/?cb={{urlquery (print .ReceiptURL "&status=%d")}}`, Headers: map[string]string{"X-Callback": "{{.ReceiptURL}}"},
		ReceiptURL: canaryReceipts,
	}
	r, _ := sentBy(t, c, m)
	if got := r.URL.Query().Get("cb"); got != address+"&status=%d" || r.Header.Get("X-Callback") != address {
		t.Errorf("got %q and %q", got, r.Header.Get("X-Callback"))
	}
	_, body := sentBy(t, sms.HTTPConfig{URL: "http://h/", Body: `{"cb": {{json .ReceiptURL}}}`, ReceiptURL: canaryReceipts}, m)
	if body != `{"cb": "`+address+`"}` {
		t.Errorf("in JSON: %s", body)
	}
	_, body = sentBy(t, sms.HTTPConfig{URL: "http://h/", Body: `{"cb": {{json .ReceiptURL}}}`}, m)
	if body != `{"cb": ""}` {
		t.Errorf("without receipts: %s", body)
	}

	_, body = sentBy(t, sms.HTTPConfig{URL: "http://h/", ReceiptURL: canaryReceipts}, m)
	var sent map[string]any
	if err := json.Unmarshal([]byte(body), &sent); err != nil || len(sent) != 7 || strings.Contains(body, "canary-secret") {
		t.Errorf("the default body has its seven fields and no more: %s, %v", body, err)
	}
}

func TestGatewaysAreToldWhetherTheTextIsBeyondGSM(t *testing.T) {
	t.Parallel()
	c := sms.HTTPConfig{Method: "GET", URL: "http://h/?coding={{if .Unicode}}2{{else}}0{{end}}", Texts: newTexts(t, sms.TextConfig{})}
	for language, want := range map[string]string{"zh-CN": "2", "en": "0"} {
		m := smstest.Message(t, "m1", canaryMobile, canaryCode)
		m.Language = language
		if r, _ := sentBy(t, c, m); r.URL.Query().Get("coding") != want {
			t.Errorf("%s: coding %q", language, r.URL.Query().Get("coding"))
		}
	}
}

func TestTheGatewaysOwnIDIsTakenFromItsAnswer(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"OK: id=77-aB_":                      "77-aB_",
		"OK: id=":                            "",
		"OK: id=\x1b[2J":                     "", // it would steer the terminal that it is shown on (T37)
		"OK: id=" + strings.Repeat("7", 129): "",
	} {
		g := smstest.NewGateway(t, false, smstest.Signed([]byte(canaryKey)), answer)
		h := newHTTP(t, sms.HTTPConfig{URL: g.URL(), Secret: canaryKey, Success: "^OK: id=(?P<id>.*)$"})
		got, err := h.Send(t.Context(), smstest.Message(t, "m1", canaryMobile, canaryCode))
		if err != nil || got.ID != want {
			t.Errorf("%q: got %q, %v, want %q", answer, got.ID, err, want)
		}
	}
}

func TestT36_IDsThatSayTheNumberOrTheCodeAreNotKept(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"OK: id=20261123-" + canaryMobile + "-7": "", "OK: id=" + canaryCode: "", "OK: id=20261123-7": "20261123-7",
	} {
		g := smstest.NewGateway(t, false, smstest.Signed([]byte(canaryKey)), answer)
		h := newHTTP(t, sms.HTTPConfig{URL: g.URL(), Secret: canaryKey, Success: "^OK: id=(?P<id>.*)$"})
		got, err := h.Send(t.Context(), smstest.Message(t, "m1", canaryMobile, canaryCode))
		if err != nil || got.ID != want {
			t.Errorf("%q: got %q, %v, want %q", answer, got.ID, err, want)
		}
	}
	for name, c := range map[string]struct {
		config sms.HTTPConfig
		want   sms.Report
	}{
		"the gateway's id": {sms.HTTPConfig{Success: `(?P<id>\S+)`}, sms.Report{State: sms.Delivered, Code: "DELIVRD"}},
		"in place of ours": {sms.HTTPConfig{}, sms.Report{State: sms.Delivered, Code: "DELIVRD"}},
	} {
		c.config.URL, c.config.ReceiptMobile = "http://gateway.example/", "mobile"
		got, err := receive(newHTTP(t, c.config), "GET", "id=7-"+canaryMobile+"&status=DELIVRD&mobile=86"+canaryMobile, "")
		if err != nil || len(got.Reports) != 1 || got.Reports[0].To.E164() != "+86"+canaryMobile {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		c.want.To = got.Reports[0].To
		if got.Reports[0] != c.want {
			t.Errorf("%s: %+v", name, got.Reports[0])
		}
	}
}

func TestAnswersTellThatTheAccountIsRefused(t *testing.T) {
	t.Parallel()
	respond := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); io.WriteString(w, body) }
	}
	for _, c := range []struct {
		name    string
		answer  http.HandlerFunc
		success string
		want    sms.Outcome
		code    string
	}{
		{"by a status that others share", respond(403, "Authorization failed"), "", sms.RejectedAccount, "403"},
		{"with a success", respond(200, "no balance"), "^0:", sms.RejectedAccount, "200"},
		{"where any 2xx would do", respond(200, "no balance"), "", sms.RejectedAccount, "200"},
		{"not where success says taken", respond(200, "0: taken, then no balance"), "^0:", sms.Sent, ""},
		{"not in another refusal", respond(403, "not routable"), "", sms.RejectedNumber, "403"},
		{"not in another answer", respond(200, "1: bad number"), "^0:", sms.RejectedNumber, "200"},
		{"not by half of an answer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "no balance")
		}, "^0:", sms.Unknown, "200"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := smstest.NewGateway(t, false, smstest.Signed([]byte(canaryKey)), "")
			g.Misbehave(c.answer)
			h := newHTTP(t, sms.HTTPConfig{URL: g.URL(), Secret: canaryKey, Success: c.success, AccountRefused: "Authorization failed|no balance"})
			_, err := h.Send(t.Context(), smstest.Message(t, "m1", canaryMobile, canaryCode))
			refusal, _ := errors.AsType[*sms.Refusal](err)
			if got := sms.OutcomeOf(err); got != c.want || refusal != nil && refusal.Code != c.code {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

// FuzzHTTPReceipt lets a stranger who knows the address push anything: what is taken for a receipt has an id and a state,
// and nothing in it steers a terminal; an error repeats nothing.
func FuzzHTTPReceipt(f *testing.F) {
	f.Add("id=m1&status=DELIVRD", []byte(nil))
	f.Add("id=m1&id=77&status=1&mobile=%2B8613912345678", []byte{})
	f.Add("", []byte("msgid=77&status=UNDELIV&id=m1"))
	f.Add("", []byte(`{"id": 12345678901234567890, "status": true, "mobile": 13912345678}`))
	f.Add("id=m1", []byte(`[{"id": "m1", "status": "1"}, {"id": "m2", "status": "2", "x": [{}]}]`))
	f.Add("id=%1b", []byte("[null]"))
	ours := newHTTP(f, sms.HTTPConfig{URL: "http://h/", ReceiptMobile: "mobile"})
	theirs := newHTTP(f, sms.HTTPConfig{URL: "http://h/", ReceiptMobile: "mobile", Success: "(?P<id>.+)"})
	f.Fuzz(func(t *testing.T, query string, body []byte) {
		for _, h := range []*sms.HTTP{ours, theirs} {
			push, err := h.Pushed(t.Context(), &http.Request{Method: "POST", URL: &url.URL{Path: "/", RawQuery: query}}, body)
			if err != nil {
				if len(push.Reports) > 0 || strings.Contains(err.Error(), "\x1b") || len(err.Error()) > 100 {
					t.Errorf("got %+v, %v", push, err)
				}
				continue
			}
			for _, r := range push.Reports {
				odd := func(r rune) bool { return r <= ' ' || r > '~' }
				if r.ID+r.Message == "" || strings.ContainsFunc(r.ID+r.Message+r.Code, odd) ||
					r.State < sms.Pending || r.State > sms.Undelivered || !r.To.IsZero() && len(r.To.E164()) > 16 {
					t.Errorf("got %+v", r)
				}
			}
		}
	})
}
