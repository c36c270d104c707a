package sms

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// sigV4 signs requests to one service of AWS in one region by Signature Version 4
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html). It is safe for concurrent
// use.
type sigV4 struct {
	keyID, secret   string
	token           string // of a session, with temporary keys; else empty
	region, service string
}

const sigV4Algorithm = "AWS4-HMAC-SHA256"

// sign sets the date, the session's token, and the signature over method, address, host, all headers that r has by now,
// and the body. Headers that something on the way may change are therefore to be set later. AWS takes a request up to five
// minutes before and after at.
func (s sigV4) sign(r request, at time.Time) {
	stamp := at.UTC().Format("20060102T150405Z")
	r.header.Set("X-Amz-Date", stamp)
	if s.token != "" {
		r.header.Set("X-Amz-Security-Token", s.token)
	}
	canonical, names := sigV4Canonical(r)
	hash := sha256.Sum256([]byte(canonical))

	scope := []string{stamp[:8], s.region, s.service, "aws4_request"}
	key := []byte("AWS4" + s.secret)
	for _, part := range scope { // so that a derived key is worth nothing for another day, region or service
		key = hmacSHA256(key, part)
	}
	credential := strings.Join(scope, "/")
	signature := hmacSHA256(key, sigV4Algorithm+"\n"+stamp+"\n"+credential+"\n"+hex.EncodeToString(hash[:]))
	r.header.Set("Authorization", sigV4Algorithm+" Credential="+s.keyID+"/"+credential+
		", SignedHeaders="+names+", Signature="+hex.EncodeToString(signature))
}

// sigV4Canonical is the request in the one spelling that is hashed, and the names of the signed headers.
func sigV4Canonical(r request) (canonical, names string) {
	headers := map[string]string{"host": r.url.Host}
	for name, values := range r.header {
		trimmed := make([]string, len(values))
		for i, v := range values {
			trimmed[i] = strings.Join(strings.Fields(v), " ")
		}
		headers[strings.ToLower(name)] = strings.Join(trimmed, ",")
	}
	sorted := slices.Sorted(maps.Keys(headers))
	names = strings.Join(sorted, ";")

	// A query is sorted as it is written; a space in it is %20.
	query := strings.Split(strings.ReplaceAll(r.url.Query().Encode(), "+", "%20"), "&")
	slices.Sort(query)

	var b strings.Builder
	b.WriteString(r.method + "\n" + sigV4Path(r.url) + "\n" + strings.Join(query, "&") + "\n")
	for _, name := range sorted {
		b.WriteString(name + ":" + headers[name] + "\n")
	}
	payload := sha256.Sum256(r.body)
	b.WriteString("\n" + names + "\n" + hex.EncodeToString(payload[:]))
	return b.String(), names
}

// sigV4Path is the path as it is hashed. The services of AWS that rekey speaks to have all their operations at /, so that
// nothing is normalized here.
func sigV4Path(u *url.URL) string { return cmp.Or(u.EscapedPath(), "/") }
