package sms_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"rekey/sms"
)

// tencentSample is the sample of the vendor's documentation (https://cloud.tencent.com/document/api/382/59178), where the
// number has x for digits.
const tencentSample = `[{"user_receive_time":"2015-10-17 08:03:04","nationcode":"86","mobile":"13xxxxxxxxx","report_status":"SUCCESS",` +
	`"errmsg":"DELIVRD","description":"用户短信送达成功","sid":"xxxxxxx"}]`

func TestTencentReceiptsAreReadOneByOne(t *testing.T) {
	t.Parallel()
	p := newTencent(t, sms.TencentConfig{})
	got, err := pushed(t, p, `[
		{"user_receive_time":"2026-11-01 08:03:04","nationcode":"86","mobile":"13800000001","report_status":"SUCCESS","errmsg":"DELIVRD","description":"用户短信送达成功","sid":"5000:1045710669157053657849499619","ext":"our-id"},
		{"user_receive_time":"","nationcode":"1","mobile":"2025550123","report_status":"FAIL","errmsg":"MK:0004","description":"","sid":"2106:33"},
		{"nationcode":"86","mobile":"1064912345678","report_status":"FAIL","errmsg":"黑名单","sid":"2106:34","ext":"another program's"}]`)
	if err != nil {
		t.Fatal(err)
	}
	want := []sms.Report{
		{ID: "5000:1045710669157053657849499619", Message: "our-id", To: number(t, "86", "13800000001"), State: sms.Delivered, Code: "DELIVRD"},
		{ID: "2106:33", To: number(t, "1", "2025550123"), State: sms.Undelivered, Code: "MK:0004"},
		{ID: "2106:34", State: sms.Undelivered, Code: "(unreadable)"},
	}
	if len(got.Reports) != len(want) {
		t.Fatalf("%d reports, want %d", len(got.Reports), len(want))
	}
	for i := range want {
		if got.Reports[i] != want[i] {
			t.Errorf("report %d: %+v, want %+v", i, got.Reports[i], want[i])
		}
	}
	if got.ContentType != "application/json" || got.Answer != `{"result":0,"errmsg":"OK"}` {
		t.Errorf("answered %q %q", got.ContentType, got.Answer)
	}
	if got, err := pushed(t, p, tencentSample); err != nil || len(got.Reports) != 1 || !got.Reports[0].To.IsZero() || got.Reports[0].State != sms.Delivered {
		t.Errorf("the documentation's sample: %+v, %v", got, err)
	}
	if got, err := pushed(t, p, ` [] `); err != nil || len(got.Reports) != 0 || got.Answer == "" {
		t.Errorf("an empty array: %+v, %v", got, err)
	}

	const good = `{"nationcode":"86","mobile":"13912345678","report_status":"SUCCESS","errmsg":"DELIVRD","sid":"1"}`
	for _, body := range []string{``, `null`, `{}`, good, `[` + good, `[` + good + `] x`, strings.Repeat(`[`, 20000)} {
		refusedWhole(t, p, body)
	}
	passesOver(t, p, good, `"`+canaryMobile+`"`, `null`, `{}`,
		strings.Replace(good, "SUCCESS", "success", 1),
		strings.Replace(good, `"1"`, `""`, 1),
		strings.Replace(good, `"1"`, `"a\nb"`, 1),
		strings.Replace(good, `"1"`, `1`, 1),
		strings.Replace(good, `"1"`, `"`+strings.Repeat("1", 129)+`"`, 1))
	if _, err := p.Pushed(t.Context(), httptest.NewRequest(http.MethodGet, "/", nil), nil); err == nil {
		t.Error("a GET was taken")
	}
}

func FuzzTencentPushed(f *testing.F) {
	f.Add(tencentSample)
	f.Add(`[{"nationcode":"1","mobile":"2025550123","report_status":"FAIL","errmsg":"MK:0004","sid":"2106:33","ext":"id"}]`)
	f.Add(`[]`)
	f.Add(`[{"sid":`)
	p := newTencent(f, sms.TencentConfig{})
	f.Fuzz(func(t *testing.T, body string) {
		got, err := pushed(t, p, body)
		if err != nil {
			if len(got.Reports) != 0 || got.Answer != "" {
				t.Fatalf("refused, but taken as %+v", got)
			}
			return
		}
		var all []json.RawMessage
		if json.Unmarshal([]byte(body), &all) != nil || len(all) != len(got.Reports)+got.Unread {
			t.Fatalf("%d reports of %d, and %d unread", len(got.Reports), len(all), got.Unread)
		}
		for _, r := range got.Reports {
			if r.ID == "" || len(r.ID) > 128 || len(r.Message) > 128 || r.State != sms.Delivered && r.State != sms.Undelivered {
				t.Fatalf("%+v", r)
			}
		}
	})
}
