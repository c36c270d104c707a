package sms

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// tc3 signs requests to one operation of Tencent Cloud by its signature of version 3, TC3-HMAC-SHA256
// (https://cloud.tencent.com/document/api/213/30654). It is safe for concurrent use.
type tc3 struct {
	keyID, secret   string
	service, action string
	version, region string
}

// tc3Algorithm is the algorithm's name in the Authorization header and in what is signed.
const tc3Algorithm = "TC3-HMAC-SHA256"

// sign sets the headers of r that say what is asked for and when, and the signature over the body and the headers that the
// vendor's own libraries sign. The vendor takes a request within five minutes of at.
func (t tc3) sign(r request, at time.Time) {
	r.header.Set("X-TC-Action", t.action)
	r.header.Set("X-TC-Version", t.version)
	r.header.Set("X-TC-Region", t.region)
	r.header.Set("X-TC-Timestamp", strconv.FormatInt(at.Unix(), 10))
	r.header.Set("Authorization", t.authorization(at, r.body, [][2]string{ // in the order of their names
		{"content-type", r.header.Get("Content-Type")},
		{"host", r.url.Host},
		{"x-tc-action", t.action},
	}))
}

// authorization is the value of the Authorization header of a POST to / with the body and the signed headers, in the order
// of their names.
func (t tc3) authorization(at time.Time, body []byte, signed [][2]string) string {
	var headers, names strings.Builder
	for i, h := range signed {
		headers.WriteString(h[0] + ":" + strings.ToLower(h[1]) + "\n")
		if i > 0 {
			names.WriteByte(';')
		}
		names.WriteString(h[0])
	}
	payload := sha256.Sum256(body)
	canonical := sha256.Sum256([]byte("POST\n/\n\n" + headers.String() + "\n" + names.String() + "\n" + hex.EncodeToString(payload[:])))
	date := at.UTC().Format(time.DateOnly)
	scope := date + "/" + t.service + "/tc3_request"
	key := []byte("TC3" + t.secret)
	for _, part := range []string{date, t.service, "tc3_request"} {
		key = hmacSHA256(key, part)
	}
	signature := hmacSHA256(key, tc3Algorithm+"\n"+strconv.FormatInt(at.Unix(), 10)+"\n"+scope+"\n"+hex.EncodeToString(canonical[:]))
	return tc3Algorithm + " Credential=" + t.keyID + "/" + scope + ", SignedHeaders=" + names.String() +
		", Signature=" + hex.EncodeToString(signature)
}
