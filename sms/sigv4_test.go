package sms

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The public test suite of Signature Version 4 (aws-sig-v4-test-suite, such as in bazelbuild/bazel, third_party; described at
// https://docs.aws.amazon.com/general/latest/gr/signature-v4-test-suite.html): names of its cases, with what is signed and
// the signature of the file .authz.
func TestSigV4SignsThePublicSuite(t *testing.T) {
	t.Parallel()
	const token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/" +
		"qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7Z" +
		"D0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
	const unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for _, c := range []struct {
		name, method, address string
		header                http.Header
		body, token           string
		signed, signature     string
	}{
		{name: "get-vanilla", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{name: "get-vanilla-query-order-key-case", address: "/?Param2=value2&Param1=value1",
			signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{name: "get-vanilla-query-order-value", address: "/?Param1=value2&Param1=value1",
			signature: "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"},
		{name: "get-vanilla-query-unreserved", address: "/?" + unreserved + "=" + unreserved,
			signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
		{name: "get-unreserved", address: "/" + unreserved, signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
		{name: "get-utf8", address: "/ሴ", signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
		{name: "get-header-key-duplicate", header: http.Header{"My-Header1": {"value2", "value2", "value1"}},
			signed: "host;my-header1;x-amz-date", signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
		{name: "get-header-value-trim", header: http.Header{"My-Header1": {" value1"}, "My-Header2": {` "a   b   c"`}},
			signed: "host;my-header1;my-header2;x-amz-date", signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
		{name: "post-vanilla", method: "POST", signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{name: "post-header-key-sort", method: "POST", header: http.Header{"My-Header1": {"value1"}},
			signed: "host;my-header1;x-amz-date", signature: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
		{name: "post-x-www-form-urlencoded", method: "POST", body: "Param1=value1",
			header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
			signed: "content-type;host;x-amz-date", signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
		{name: "post-x-www-form-urlencoded-parameters", method: "POST", body: "Param1=value1",
			header: http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf8"}},
			signed: "content-type;host;x-amz-date", signature: "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe"},
		{name: "post-sts-header-before", method: "POST", token: token,
			signed: "host;x-amz-date;x-amz-security-token", signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse("https://example.amazonaws.com" + c.address)
			if err != nil {
				t.Fatal(err)
			}
			r := request{method: "GET", url: u, header: http.Header{}, body: []byte(c.body)}
			if c.method != "" {
				r.method = c.method
			}
			for name, values := range c.header {
				r.header[name] = values
			}
			if c.signed == "" {
				c.signed = "host;x-amz-date"
			}
			s := sigV4{keyID: "AKIDEXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token: c.token, region: "us-east-1", service: "service"}
			s.sign(r, time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC))
			want := "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=" + c.signed +
				", Signature=" + c.signature
			if got := r.header.Get("Authorization"); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// The scope is the day in UTC, whatever the machine's zone.
func TestSigV4IsTheSameInEveryTimeZone(t *testing.T) {
	t.Parallel()
	sign := func(at time.Time) string {
		r := request{method: "GET", url: &url.URL{Host: "example.amazonaws.com"}, header: http.Header{}}
		sigV4{keyID: "AKIDEXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", region: "us-east-1", service: "service"}.sign(r, at)
		return r.header.Get("Authorization")
	}
	at := time.Date(2015, 8, 30, 23, 36, 0, 0, time.UTC)
	if got, want := sign(at.In(time.FixedZone("UTC+8", 8*60*60))), sign(at); got != want || !strings.Contains(got, "/20150830/") {
		t.Errorf("got %s, want %s", got, want)
	}
}

// BenchmarkAWSSign signs a message's request as the provider does: its budget is 20 µs.
func BenchmarkAWSSign(b *testing.B) {
	s := sigV4{keyID: "AKIDEXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", region: "eu-west-1", service: "sms-voice"}
	u := &url.URL{Scheme: "https", Host: "sms-voice.eu-west-1.amazonaws.com", Path: "/"}
	body := []byte(strings.Repeat("x", 400))
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		s.sign(request{method: "POST", url: u, body: body, header: http.Header{"Content-Type": {awsContentType}, "X-Amz-Target": {awsTarget}}}, at)
	}
}
