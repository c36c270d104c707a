package sms_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"rekey"
	"rekey/sms"
	"rekey/sms/smstest"
)

// aliyunSample is the sample of the vendor's documentation (SmsReport, DypnsSmsVerifyReport), which its console's test of an
// address resembles: number and ids have asterisks.
const aliyunSample = `[{"phone_number":"1381111****","send_time":"2017-01-01 00:00:00","report_time":"2017-01-01 00:00:00",` +
	`"success":true,"err_code":"DELIVERED","err_msg":"用户接收成功","sms_size":"1","biz_id":"12345********","out_id":"67890**"}]`

func pushed(t testing.TB, p sms.Pusher, body string) (sms.Push, error) {
	t.Helper()
	return p.Pushed(t.Context(), httptest.NewRequest(http.MethodPost, "/receipts/aliyun/secret", strings.NewReader(body)), []byte(body))
}

// refusedWhole has a push refused, and says nothing of what is in it.
func refusedWhole(t *testing.T, p sms.Pusher, body string) {
	t.Helper()
	got, err := pushed(t, p, body)
	if err == nil || len(got.Reports) != 0 || got.Unread != 0 || got.Answer != "" {
		t.Errorf("%.100s: taken as %+v, %v", body, got, err)
	}
	smstest.CheckSilent(t, err, canaryMobile)
}

// passesOver pushes each of bad among receipts that are good, which must count and be answered as if they had come alone,
// and without any, which must be refused.
func passesOver(t *testing.T, p sms.Pusher, good string, bad ...string) {
	t.Helper()
	alone, err := pushed(t, p, "["+good+"]")
	if err != nil || len(alone.Reports) != 1 || alone.Unread != 0 || alone.Cause != nil {
		t.Fatalf("one that is good: %+v, %v", alone, err)
	}
	for _, b := range bad {
		got, err := pushed(t, p, "["+good+","+b+","+good+","+b+"]")
		if err != nil || len(got.Reports) != 2 || got.Reports[0] != alone.Reports[0] || got.Reports[1] != alone.Reports[0] ||
			got.Unread != 2 || got.Cause == nil || got.Answer != alone.Answer || got.ContentType != alone.ContentType {
			t.Errorf("%.100s among others: %+v, %v", b, got, err)
		}
		smstest.CheckSilent(t, got.Cause, canaryMobile)
		refusedWhole(t, p, "["+b+","+b+"]")
	}
}

func number(t testing.TB, calling, national string) rekey.Number {
	t.Helper()
	if calling == "86" {
		n, err := rekey.ChinaMobile(national)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	n, err := rekey.NewNumber("", calling, national)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAliyunReceipts(t *testing.T) {
	t.Parallel()
	const rest = `,"send_time":"2026-11-23 10:00:00","report_time":"2026-11-23 10:00:05","err_msg":"x","sms_size":"1"}`
	mobile := number(t, "86", "13912345678")
	for _, api := range aliyunAPIs() {
		p := newAliyun(t, api, sms.AliyunConfig{})
		for body, want := range map[string][]sms.Report{
			`[]`:         nil,
			aliyunSample: {{ID: "12345********", Message: "67890**", State: sms.Delivered, Code: "DELIVERED"}},
			`[{"phone_number":"13912345678","success":true,"err_code":"DELIVERED","biz_id":"1^0","out_id":"m"` + rest +
				`,{"phone_number":"8613912345678","success":false,"err_code":"MOBILE_NOT_ON_SERVICE","biz_id":"2^0","out_id":"n"` + rest +
				`,{"phone_number":"+8613912345678","success":false,"err_code":"REQUEST_SUCCESS","biz_id":"3^0","out_id":"o"` + rest + `]`: {
				{ID: "1^0", Message: "m", To: mobile, State: sms.Delivered, Code: "DELIVERED"},
				{ID: "2^0", Message: "n", To: mobile, State: sms.Undelivered, Code: "MOBILE_NOT_ON_SERVICE"},
				{ID: "3^0", Message: "o", To: mobile, State: sms.Pending, Code: "REQUEST_SUCCESS"},
			},
			// One spelling, three people: the id says which.
			`[{"phone_number":"13105550123","success":true,"biz_id":"1","out_id":"m"},` +
				`{"phone_number":"13105550123","success":true,"biz_id":"1","out_id":"m.1"},` +
				`{"phone_number":"13105550123","success":true,"biz_id":"1"},` +
				`{"phone_number":"0085261234567","success":true,"biz_id":"1","out_id":"m.852"},` +
				`{"phone_number":"61234567","success":true,"biz_id":"1","out_id":"m.852"}]`: {
				{ID: "1", Message: "m", To: number(t, "86", "13105550123"), State: sms.Delivered},
				{ID: "1", Message: "m", To: number(t, "1", "3105550123"), State: sms.Delivered},
				{ID: "1", State: sms.Delivered},
				{ID: "1", Message: "m", To: number(t, "852", "61234567"), State: sms.Delivered},
				{ID: "1", Message: "m", State: sms.Delivered},
			},
			// The same account sends for other programs.
			`[{"phone_number":"13912345678","success":true,"biz_id":"1","out_id":"订单 17"},` +
				`{"phone_number":"13912345678","success":false,"biz_id":"2","out_id":"` + strings.Repeat("x", 200) + `"},` +
				`{"phone_number":"13912345678","success":true,"biz_id":"3","out_id":"\n\u001b[2J"},` +
				`{"phone_number":"13912345678","success":true,"biz_id":"4","out_id":"m"}]`: {
				{ID: "1", State: sms.Delivered},
				{ID: "2", State: sms.Undelivered},
				{ID: "3", State: sms.Delivered},
				{ID: "4", Message: "m", To: mobile, State: sms.Delivered},
			},
			`[{"success":false,"biz_id":"1","out_id":"m","err_code":"\u001b[2J 13912345678"}]`: {
				{ID: "1", Message: "m", State: sms.Undelivered, Code: sms.VendorCode(" ")},
			},
		} {
			got, err := pushed(t, p, body)
			if err != nil {
				t.Errorf("%s: %v", body, err)
				continue
			}
			var answer struct {
				Code *int
				Msg  string
			}
			if json.Unmarshal([]byte(got.Answer), &answer) != nil || answer.Code == nil || *answer.Code != 0 || answer.Msg != "接收成功" ||
				got.ContentType != "application/json" {
				t.Errorf("answered %q as %q", got.Answer, got.ContentType)
			}
			if len(got.Reports) != len(want) {
				t.Errorf("%s: %d reports, want %d", body, len(got.Reports), len(want))
				continue
			}
			for i, r := range got.Reports {
				if w := want[i]; r.ID != w.ID || r.Message != w.Message || r.State != w.State || r.Code != w.Code || r.To.E164() != w.To.E164() {
					t.Errorf("%s, report %d: got {%s %s %s %s %s}, want {%s %s %s %s %s}", body, i,
						r.ID, r.Message, r.To.E164(), r.State, r.Code, w.ID, w.Message, w.To.E164(), w.State, w.Code)
				}
			}
		}
	}
}

func TestT36_WhatIsNoAliyunReceiptIsPassedOverInSilence(t *testing.T) {
	t.Parallel()
	p := newAliyun(t, aliyunAPIs()[0], sms.AliyunConfig{})
	for _, body := range []string{
		"", "null", "{}", `"x"`, aliyunSample + "x", strings.TrimSuffix(aliyunSample, "]"), "phone_number=" + canaryMobile,
	} {
		refusedWhole(t, p, body)
	}
	passesOver(t, p, strings.Trim(aliyunSample, "[]"),
		`null`, `{}`, `"`+canaryMobile+`"`,
		`{"success":"`+canaryMobile+`","biz_id":"1"}`,
		`{"success":true}`, `{"success":true,"biz_id":""}`, `{"biz_id":"1"}`,
		`{"success":true,"biz_id":`+canaryMobile+`}`,
		`{"success":true,"biz_id":"a b"}`, `{"success":true,"biz_id":"1","out_id":17}`,
		`{"success":true,"biz_id":"`+strings.Repeat("1", 129)+`"}`,
	)
	if _, err := p.Pushed(t.Context(), httptest.NewRequest(http.MethodGet, "/", nil), []byte(aliyunSample)); err == nil {
		t.Error("a GET was taken")
	}
}

func TestAliyunReceiptsComeBackWithWhatWasSent(t *testing.T) {
	t.Parallel()
	for _, to := range []rekey.Number{number(t, "86", canaryMobile), number(t, "44", "7911123456"), number(t, "852", "61234567")} {
		var asked []*http.Request
		p := newAliyun(t, aliyunAPIs()[0], sms.AliyunConfig{Transport: answered(200, `{"Code":"OK","BizId":"1^0"}`, &asked)})
		m := smstest.Message(t, "AAAAAAAAAAAAAAAAAAAAAA", canaryMobile, canaryCode)
		m.To = to
		sent, err := p.Send(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		q := asked[0].URL.Query()
		body, err := json.Marshal([]map[string]any{{
			"phone_number": q.Get("PhoneNumbers"), "out_id": q.Get("OutId"), "biz_id": sent.ID, "success": true, "err_code": "DELIVERED",
		}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := pushed(t, p, string(body))
		if err != nil {
			t.Fatal(err)
		}
		if r := got.Reports[0]; r.Message != m.ID || r.ID != sent.ID || r.To.E164() != to.E164() {
			t.Errorf("sent %s to %s, reported %s to %s", m.ID, to.E164(), r.Message, r.To.E164())
		}
	}
}

func FuzzAliyunReceipts(f *testing.F) {
	p := newAliyun(f, aliyunAPIs()[0], sms.AliyunConfig{})
	for _, seed := range []string{aliyunSample, "[]", `[{"success":false,"biz_id":"1","out_id":"m.1","phone_number":"12025550123"}]`,
		`[{"success":true,"biz_id":"1","out_id":".","phone_number":"86"}]`, `[null]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := pushed(t, p, body)
		if (err == nil) == (got.Answer == "") {
			t.Fatalf("%+v, %v", got, err)
		}
		for _, r := range got.Reports {
			if r.ID == "" || r.State.String() == "invalid" || len(r.ID)+len(r.Message) > 256 ||
				strings.ContainsAny(r.ID+r.Message+r.Code, "\x1b\n\r\x00 ") {
				t.Fatalf("%+v", r)
			}
			if !r.To.IsZero() && !strings.HasSuffix(r.To.E164(), r.To.National()) {
				t.Fatal("a number that is none")
			}
		}
	})
}
