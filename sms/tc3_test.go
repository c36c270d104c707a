package sms

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// tc3Payload is the body of the vendor's worked example, character by character.
const tc3Payload = `{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}`

func TestTC3SignatureIsThatOfTheDocumentedVectors(t *testing.T) {
	t.Parallel()
	at := time.Unix(1551113065, 0)
	masked := strings.Repeat("*", 32)
	for _, v := range []struct {
		source, keyID, secret string
		action                [][2]string
		want                  string
	}{
		{"https://www.tencentcloud.com/document/product/213/31575, before 2022: two headers are signed",
			"AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE", "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE", nil,
			"SignedHeaders=content-type;host, Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"},
		{"https://cloud.tencent.com/document/api/213/30654: the action is signed too; the keys are made of asterisks there",
			"AKID" + masked, masked, [][2]string{{"x-tc-action", "DescribeInstances"}},
			"SignedHeaders=content-type;host;x-tc-action, Signature=10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f"},
	} {
		// Eight hours ahead: the instant is the same, and so must be the date, which is already another one in China.
		local := at.In(time.FixedZone("CST", 8*60*60))
		signed := append([][2]string{{"content-type", "application/json; charset=utf-8"}, {"host", "cvm.tencentcloudapi.com"}}, v.action...)
		got := tc3{keyID: v.keyID, secret: v.secret, service: "cvm"}.authorization(local, []byte(tc3Payload), signed)
		if want := "TC3-HMAC-SHA256 Credential=" + v.keyID + "/2019-02-25/cvm/tc3_request, " + v.want; got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", v.source, got, want)
		}
	}
}

// tc3Example is the second vector's request, without its signature.
func tc3Example() (tc3, request) {
	return tc3{
			keyID: "AKID" + strings.Repeat("*", 32), secret: strings.Repeat("*", 32),
			service: "cvm", action: "DescribeInstances", version: "2017-03-12", region: "ap-guangzhou",
		}, request{
			method: http.MethodPost, url: &url.URL{Scheme: "https", Host: "cvm.tencentcloudapi.com", Path: "/"},
			header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, body: []byte(tc3Payload),
		}
}

func TestTC3SetsTheHeadersThatItSigns(t *testing.T) {
	t.Parallel()
	signer, r := tc3Example()
	signer.sign(r, time.Unix(1551113065, 0))
	for name, want := range map[string]string{
		"X-TC-Action": "DescribeInstances", "X-TC-Version": "2017-03-12", "X-TC-Region": "ap-guangzhou", "X-TC-Timestamp": "1551113065",
		"Authorization": "TC3-HMAC-SHA256 Credential=AKID********************************/2019-02-25/cvm/tc3_request, " +
			"SignedHeaders=content-type;host;x-tc-action, Signature=10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f",
	} {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func BenchmarkTencentSign(b *testing.B) {
	signer, r := tc3Example()
	at := time.Unix(1551113065, 0)
	b.ReportAllocs()
	for b.Loop() {
		signer.sign(r, at)
	}
}
