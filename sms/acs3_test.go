package sms

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestACS3SignatureIsThatOfTheDocumentedVectors(t *testing.T) {
	t.Parallel()
	// Both examples of https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature, which has shown one
	// and the other over time.
	for _, v := range []struct{ date, nonce, signature string }{
		{"2023-10-26T10:22:32Z", "3156853299f313e23d1673dc12e1703d", "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"},
		{"2023-10-26T09:01:01Z", "d410180a5abf7fe235dd9b74aca91fc0", "e521358f7776c97df52e6b2891a8bc73026794a071b50c3323388c4e0df64804"},
	} {
		at, err := time.Parse(time.RFC3339, v.date)
		if err != nil {
			t.Fatal(err)
		}
		r := request{method: http.MethodPost, header: http.Header{}, url: &url.URL{
			Scheme: "https", Host: "ecs.cn-shanghai.aliyuncs.com", Path: "/", RawQuery: acs3Query(map[string]string{
				"RegionId": "cn-shanghai", "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
			}),
		}}
		a := acs3{keyID: "YourAccessKeyId", secret: "YourAccessKeySecret", action: "RunInstances", version: "2014-05-26"}
		// Eight hours ahead: the instant is the same, and so must be the date.
		a.sign(r, at.In(time.FixedZone("CST", 8*60*60)), v.nonce)
		want := "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;" +
			"x-acs-signature-nonce;x-acs-version,Signature=" + v.signature
		if got := r.header.Get("Authorization"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		for name, want := range map[string]string{
			"X-Acs-Action": "RunInstances", "X-Acs-Version": "2014-05-26", "X-Acs-Date": v.date, "X-Acs-Signature-Nonce": v.nonce,
			"X-Acs-Content-Sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		} {
			if got := r.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
}

func TestACS3SignatureIsThatOfTheVendorsOwnLibraries(t *testing.T) {
	t.Parallel()
	// The tests of getAuthorization in Alibaba Cloud's openapi-util for Java and for PHP (github.com/aliyun/darabonba-openapi-util).
	const payload = "55e12e91650d2fec56ec74e1d3e4ddbfce2ef3a65890c2a19ecf88a307e76a23"
	query := acs3Query(map[string]string{"test": "ok", "empty": ""})
	for _, v := range []struct{ library, method, query, header, signature string }{
		{"Java", "GET", query, "http", "02e81f9f3cc8839151b0c7278024cbc4bfc9fa786085a0b8305f825f17b5dae7"},
		{"PHP", "", query, "https", "0a0f89a45f1ec3537a2d1a1046c71b95513a8f1f02526056968da19b99a5b914"},
		{"PHP, no query", "", "", "https", "af6d32deb090ae85a21d7183055cf18dca17751da96979cdf964f8f0853e9dd2"},
	} {
		got := acs3{keyID: "acesskey", secret: "secret"}.authorization(v.method, "/", v.query, [][2]string{{"x-acs-test", v.header}}, payload)
		if want := "ACS3-HMAC-SHA256 Credential=acesskey,SignedHeaders=x-acs-test,Signature=" + v.signature; got != want {
			t.Errorf("%s: got  %s\nwant %s", v.library, got, want)
		}
	}
}

func TestACS3QueryIsEscapedAsTheVendorDoes(t *testing.T) {
	t.Parallel()
	got := acs3Query(map[string]string{"b": "a/b/c/ test", "B": "-_.~*+'()!%", "a b": "示例", "": ""})
	if want := "=&B=-_.~%2A%2B%27%28%29%21%25&a%20b=%E7%A4%BA%E4%BE%8B&b=a%2Fb%2Fc%2F%20test"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if back, err := url.ParseQuery(got); err != nil || strings.Join(back["b"], "") != "a/b/c/ test" || back.Get("B") != "-_.~*+'()!%" {
		t.Errorf("read back: %v, %v", back, err)
	}
}

func BenchmarkAliyunSign(b *testing.B) {
	a := acs3{keyID: "LTAI5tExampleExampleExam", secret: strings.Repeat("s", 30), action: "SendSms", version: "2017-05-25"}
	params := map[string]string{
		"PhoneNumbers": "13800000001", "SignName": "示例网", "TemplateCode": "SMS_100000001",
		"TemplateParam": `{"code":"123456"}`, "OutId": "AAAAAAAAAAAAAAAAAAAAAA",
	}
	u := url.URL{Scheme: "https", Host: "dysmsapi.aliyuncs.com", Path: "/"}
	at := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		r := request{method: http.MethodPost, url: &u, header: http.Header{}}
		u.RawQuery = acs3Query(params)
		a.sign(r, at, "3156853299f313e23d1673dc12e1703d")
	}
}
