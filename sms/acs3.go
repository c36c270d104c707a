package sms

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// acs3 signs requests to one operation of Alibaba Cloud by its signature of version 3, ACS3-HMAC-SHA256
// (https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature). It is safe for concurrent use.
type acs3 struct {
	keyID, secret   string
	action, version string
}

// acs3Algorithm is the algorithm's name in the Authorization header and in what is signed.
const acs3Algorithm = "ACS3-HMAC-SHA256"

// sign sets the headers of r that say what is asked for and when, and the signature over them, the address and the body.
// The vendor takes a request up to 15 minutes after at, and a nonce once.
func (a acs3) sign(r request, at time.Time, nonce string) {
	payload := sha256.Sum256(r.body)
	signed := [][2]string{ // in the order of their names
		{"host", r.url.Host},
		{"x-acs-action", a.action},
		{"x-acs-content-sha256", hex.EncodeToString(payload[:])},
		{"x-acs-date", at.UTC().Format(time.RFC3339)},
		{"x-acs-signature-nonce", nonce},
		{"x-acs-version", a.version},
	}
	for _, h := range signed[1:] { // net/http writes the host
		r.header.Set(h[0], h[1])
	}
	r.header.Set("Authorization", a.authorization(r.method, r.url.EscapedPath(), r.url.RawQuery, signed, signed[2][1]))
}

// authorization is the value of the Authorization header for a request with the canonical query, the signed headers in the
// order of their names in lower case, and the hash of the body in hexadecimal digits.
func (a acs3) authorization(method, path, query string, signed [][2]string, payload string) string {
	var headers, names strings.Builder
	for i, h := range signed {
		headers.WriteString(h[0] + ":" + h[1] + "\n")
		if i > 0 {
			names.WriteByte(';')
		}
		names.WriteString(h[0])
	}
	canonical := sha256.Sum256([]byte(method + "\n" + path + "\n" + query + "\n" + headers.String() + "\n" + names.String() + "\n" + payload))
	mac := hmac.New(sha256.New, []byte(a.secret))
	io.WriteString(mac, acs3Algorithm+"\n"+hex.EncodeToString(canonical[:]))
	return acs3Algorithm + " Credential=" + a.keyID + ",SignedHeaders=" + names.String() +
		",Signature=" + hex.EncodeToString(mac.Sum(nil))
}

// acs3Query is the canonical query with the parameters: by name, everything escaped but the unreserved characters of
// RFC 3986, a space as %20.
func acs3Query(params map[string]string) string {
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(params)) {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(acs3Escape(name) + "=" + acs3Escape(params[name]))
	}
	return b.String()
}

// acs3Escape differs from url.QueryEscape in the space alone, which that writes as + as forms do.
func acs3Escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
