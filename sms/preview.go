package sms

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"rekey"
)

// masked stands for what only the configuration knows.
const masked = "***"

// Preview is the request that Send would make. Of the values in query, headers and body only what comes from the message
// is shown, since any constant there may be a credential; of the path, segments as long as a token are masked, and so is
// the secret at the end of the path of a receipt's address.
func (h *HTTP) Preview(m rekey.Message) (string, error) {
	f := h.fields(m)
	r, err := h.render(f)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", r.method, f.maskURL(r.url))
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		value := r.header.Get(name)
		if name != "Content-Type" && name != "User-Agent" {
			value = f.mask(value)
		}
		fmt.Fprintf(&b, "%s: %s\n", name, value)
	}
	if h.secret != nil {
		fmt.Fprintf(&b, "Webhook-Id: %s\nWebhook-Timestamp: (when it is sent)\nWebhook-Signature: v1,(made when it is sent)\n", m.ID)
	}
	if h.body != nil {
		fmt.Fprintf(&b, "\n%s\n", f.maskBody(h.contentType, r.body))
	}
	return b.String(), nil
}

// mask is value with everything masked that is not a field of the message.
func (f fields) mask(value string) string {
	if value == "" || value == f.Language || value == strconv.Itoa(f.ExpiresIn) {
		return value
	}
	if before, after, ok := strings.Cut(value, f.ReceiptURL); ok && f.ReceiptURL != "" {
		return f.mask(before) + f.maskReceiptURL() + f.mask(after)
	}
	for _, known := range []string{f.Text, f.E164, f.Mobile, f.ID, f.Code} {
		if before, after, ok := strings.Cut(value, known); ok && known != "" {
			return f.mask(before) + known + f.mask(after)
		}
	}
	return masked
}

// maskReceiptURL is the receipt's address with the last segment of its path masked, which is its secret.
func (f fields) maskReceiptURL() string {
	u, err := url.Parse(f.ReceiptURL)
	if err != nil {
		return masked
	}
	u.Path, u.RawPath = path.Dir(u.Path)+"/"+masked, ""
	return f.maskURL(u)
}

// maskURL keeps scheme, host, the names in the query, and what comes from the message.
func (f fields) maskURL(u *url.URL) string {
	const token = 16 // segments of a path are words, or tokens, which are at least so long
	segments := strings.Split(u.Path, "/")
	for i, s := range segments {
		if len(s) >= token {
			segments[i] = f.mask(s)
		}
	}
	out := u.Scheme + "://"
	if u.User != nil {
		out += masked + "@"
	}
	out += u.Host + strings.Join(segments, "/")
	if u.RawQuery != "" {
		out += "?" + f.maskForm(u.RawQuery)
	}
	return out
}

// maskForm keeps the names of a query or form, in their order. The values are shown as they are before escaping.
func (f fields) maskForm(form string) string {
	pairs := strings.Split(form, "&")
	for i, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(value); err == nil {
			value = plain
		}
		pairs[i] = name + "=" + f.mask(value)
	}
	return strings.Join(pairs, "&")
}

func (f fields) maskBody(contentType string, body []byte) string {
	switch kind, _, _ := strings.Cut(contentType, ";"); kind {
	case "application/json":
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		var v any
		if d.Decode(&v) == nil {
			if out, err := asJSON(f.maskJSON(v)); err == nil {
				return out
			}
		}
	case "application/x-www-form-urlencoded":
		return f.maskForm(string(body))
	}
	return f.mask(string(body))
}

// maskJSON masks the strings and numbers of a decoded JSON value.
func (f fields) maskJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, item := range v {
			v[name] = f.maskJSON(item)
		}
	case []any:
		for i, item := range v {
			v[i] = f.maskJSON(item)
		}
	case string:
		return f.mask(v)
	case json.Number:
		if f.mask(v.String()) != v.String() {
			return masked
		}
	}
	return v
}
