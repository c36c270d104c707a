package sms

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"rekey"
)

// HTTPConfig describes an SMS gateway that is spoken to over HTTP. Its printed form hides everything, since URL, headers
// and body often hold credentials.
//
// URL, Headers and Body are Go templates (package text/template) over {{.ID}}, {{.Mobile}} (as dialled in its country),
// {{.E164}}, {{.Code}}, {{.Text}}, {{.Language}} and {{.ExpiresIn}} (seconds), with the functions urlquery, for a value
// within a URL or a form, and json, which writes a value as JSON with its quotes. Beside these seven, {{.Unicode}} says
// whether the text is beyond the alphabet of GSM, which many gateways must be told, and {{.ReceiptURL}} is where the
// gateway is to call back with the receipt of this message; it is empty where there are to be none.
type HTTPConfig struct {
	URL         string            // absolute, http or https
	Method      string            // POST, GET or PUT; empty: POST
	ContentType string            // empty: application/json
	Headers     map[string]string // name to template
	Body        string            // empty: the seven fields as a JSON object; with GET there is no body
	// Success is a regular expression that the body of a 2xx answer must match; empty: any 2xx is a success. What a group
	// named id matches, as in "^OK (?P<id>[0-9]+)", is the gateway's own id of the message.
	Success string
	// AccountRefused is a regular expression for the body of an answer that says that no message passes until an operator
	// acts, such as "invalid password|insufficient credit". It is asked before the status, and after Success. Empty: the
	// status alone tells, 401 and 402.
	AccountRefused string
	Secret         string        // signs requests with the headers of Standard Webhooks; empty: they are not signed
	Timeout        time.Duration // for one message; 0: DefaultTimeout

	// ReceiptURL is the public address of this provider's receipts, without a query; empty: the templates get none.
	ReceiptURL string
	// How the gateway writes its receipts; Pushed says what they must be. The names are those of fields.
	ReceiptID        string // with the id of the message; empty: id
	ReceiptStatus    string // with what became of it; empty: status
	ReceiptMobile    string // with the number that it went to, in E.164 or as {{.Mobile}}; empty: no such field is looked for
	ReceiptDelivered string // regular expression for the whole of a status that says delivered; empty: the common words
	ReceiptFailed    string // regular expression for the whole of one that says given up; empty: the common words

	Texts     *Texts            // required
	Transport http.RoundTripper // shared between providers; nil: one of its own, as NewTransport makes it
}

// Format hides the configuration whatever the verb (T36).
func (HTTPConfig) Format(f fmt.State, _ rune) { io.WriteString(f, "(HTTP provider)") }

// HTTP is the provider "http": it posts each message to a gateway. A gateway that takes a message answers 2xx, with a
// body that matches the success pattern where one is configured. A complete 2xx answer that doesn't match is a refusal,
// since that is how gateways that always answer 200 say no; one that was cut off, or says nothing at all, leaves it unknown.
// Other answers are judged by their status.
//
// A message is handed over at most once: nothing is repeated, neither by this type nor by the transport below it.
type HTTP struct {
	caller
	method, contentType string
	url, body           *template.Template // body is nil for GET
	headers             map[string]*template.Template
	success, account    *regexp.Regexp // nil: not configured
	receiptURL          string
	receipt             receiptForm
	secret              []byte
	texts               *Texts
}

// Format hides the provider's configuration whatever the verb (T36).
func (h *HTTP) Format(f fmt.State, _ rune) { io.WriteString(f, "(HTTP provider)") }

// fields are what templates see. As JSON they are the default body: the seven fields that gateways are written against.
type fields struct {
	ID        string `json:"id"`
	Mobile    string `json:"mobile"`
	E164      string `json:"e164"`
	Code      string `json:"code"`
	Text      string `json:"text"`
	Language  string `json:"language"`
	ExpiresIn int    `json:"expires_in"`

	Unicode    bool   `json:"-"`
	ReceiptURL string `json:"-"`
}

// samples are two messages that differ in every field and need quoting in every place, so that a template which forgets
// urlquery or json is found when it is made, and not by the first message with a space in it.
func (h *HTTP) samples() [2]fields {
	return [2]fields{
		{"0001", "13800000001", "+8613800000001", "123456", "【\"A&B\"】验证码123456。", "zh-CN", 300, true, h.receiptAddress("0001")},
		{"0002", "2025550123", "+12025550123", "654321", "654321 is your \\ A&B code.\n\n@example.com #654321", "en", 240, false,
			h.receiptAddress("0002")},
	}
}

// NewHTTP makes the provider. It renders sample messages, so that a mistake in a template is found here. Its error joins
// all faults (errors.Join), each a sentence that begins with the setting's name within sms.providers.NAME.
func NewHTTP(c HTTPConfig) (*HTTP, error) {
	h := &HTTP{
		caller:      newCaller(c.Transport, c.Timeout),
		method:      c.Method,
		contentType: c.ContentType,
		headers:     map[string]*template.Template{},
		receiptURL:  c.ReceiptURL,
		texts:       c.Texts,
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	// What stands in for a template that can't be read lets the faults of the others be found.
	parse := func(setting, text, standIn string) *template.Template {
		t, err := template.New(setting).Funcs(template.FuncMap{"json": asJSON}).Parse(text)
		if err != nil {
			fault("%s: %w", setting, err)
			t = template.Must(template.New(setting).Parse(standIn))
		}
		return t
	}

	if h.method == "" {
		h.method = http.MethodPost
	}
	switch h.method {
	case http.MethodPost, http.MethodPut:
		if h.contentType == "" {
			h.contentType = "application/json"
		}
		text := c.Body
		if text == "" {
			text = "{{json .}}"
		}
		h.body = parse("body", text, "{}")
	case http.MethodGet:
		if c.Body != "" || c.ContentType != "" {
			fault("body: a GET has neither body nor content_type; put the fields into url")
		}
	default:
		fault("method: write POST, GET or PUT")
	}
	const anyURL = "http://localhost"
	if c.URL == "" {
		fault("url: is required; write the address at which the gateway takes messages")
	}
	h.url = parse("url", cmp.Or(c.URL, anyURL), anyURL)
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		if problem := headerFault(name, c.Secret != ""); problem != "" {
			fault("%s: %s", headerSetting(name), problem)
			continue
		}
		h.headers[textproto.CanonicalMIMEHeaderKey(name)] = parse(headerSetting(name), c.Headers[name], "")
	}
	pattern := func(setting, text string) *regexp.Regexp {
		if text == "" {
			return nil
		}
		r, err := regexp.Compile(text)
		if err != nil {
			fault("%s: not a regular expression: %w", setting, err)
		}
		return r
	}
	h.success = pattern("success", c.Success)
	h.account = pattern("account_refused", c.AccountRefused)
	h.receipt = newReceiptForm(c, pattern)
	h.receipt.vendorIDs = h.success != nil && h.success.SubexpIndex(groupID) >= 0
	if u, err := url.Parse(c.ReceiptURL); c.ReceiptURL != "" && (err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "") {
		// The cause is left out: it quotes the address, whose last part is a secret.
		fault("receipts: their public address must be absolute, without a query")
	}
	if c.Secret != "" {
		var err error
		if h.secret, err = webhookSecret(c.Secret); err != nil {
			fault("secret: %w", err)
		}
	}
	if c.Timeout < 0 {
		fault("timeout: must not be negative")
	}
	if c.Texts == nil {
		fault("text: an HTTP provider needs Texts")
		return nil, errors.Join(faults...)
	}
	for _, sample := range h.samples() {
		if _, err := h.render(sample); err != nil {
			faults = append(faults, err)
			break
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return h, nil
}

func headerSetting(name string) string { return fmt.Sprintf("headers.%q", name) }

// headerFault says why a header can't be configured, or "".
func headerFault(name string, signed bool) string {
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		return "a header's name has letters, digits, - and _"
	}
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Content-Type":
		return "use content_type"
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Expect", "Upgrade":
		return "follows from the request and can't be set"
	case "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature":
		if signed {
			return "is made from secret"
		}
	}
	return ""
}

// asJSON is v as JSON. Characters that matter in HTML only are left as they are.
func asJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

func (h *HTTP) fields(m rekey.Message) fields {
	text := h.texts.Text(m)
	return fields{
		ID: m.ID, Mobile: m.To.National(), E164: m.To.E164(), Code: m.Code.Reveal(), Text: text,
		Language: h.texts.Language(m.Language), ExpiresIn: int(m.ExpiresIn / time.Second),
		Unicode: Measure(text).Encoding == UCS2, ReceiptURL: h.receiptAddress(m.ID),
	}
}

// receiptAddress is where the gateway calls back about the message with that id; "": nowhere.
func (h *HTTP) receiptAddress(id string) string {
	if h.receiptURL == "" {
		return ""
	}
	return h.receiptURL + "?" + url.Values{paramID: {id}}.Encode()
}

// render fills the templates; the request is not signed yet. What they yield is checked for every message, so that no
// field can end a header or the request line early. Errors name the setting and hold nothing of the message.
func (h *HTTP) render(f fields) (request, error) {
	r := request{method: h.method, header: http.Header{"User-Agent": {"rekey"}}}
	var faults []error
	fill := func(setting string, t *template.Template) string {
		var b strings.Builder
		if err := t.Execute(&b, f); err != nil {
			// The error of a template names its field or function, never a value.
			faults = append(faults, fmt.Errorf("%s: %w", setting, err))
		}
		return b.String()
	}
	for _, name := range slices.Sorted(maps.Keys(h.headers)) {
		value := fill(headerSetting(name), h.headers[name])
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			faults = append(faults, fmt.Errorf("%s: a line break or control character; put texts through urlquery", headerSetting(name)))
		}
		r.header[name] = []string{value}
	}
	if h.body != nil {
		r.header.Set("Content-Type", h.contentType)
		before := len(faults)
		r.body = []byte(fill("body", h.body))
		if len(faults) == before && strings.HasPrefix(h.contentType, "application/json") && !json.Valid(r.body) {
			faults = append(faults, errors.New("body: not JSON once it is filled in; write {{json .Text}}, without quotes around it"))
		}
	}
	address := fill("url", h.url)
	u, err := url.Parse(address)
	switch {
	case strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		faults = append(faults, errors.New("url: a space, line break or non-ASCII character; write {{urlquery .Text}}"))
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		// The cause is left out: it quotes the address, which may hold a password.
		faults = append(faults, errors.New("url: not an absolute http or https address once it is filled in; write scheme and host first, such as https://sms.example.com/send"))
	}
	r.url = u
	return r, errors.Join(faults...)
}

// Send hands m to the gateway. Its receipt has the id that success finds in the answer, unless the gateway makes its ids of
// the number or the code: ids are logged (T36).
func (h *HTTP) Send(ctx context.Context, m rekey.Message) (rekey.Receipt, error) {
	a, err := h.deliver(ctx, m)
	if err != nil || !h.receipt.vendorIDs {
		return rekey.Receipt{}, err
	}
	id := plainID(string(h.success.FindSubmatch(a.body)[h.success.SubexpIndex(groupID)]))
	if strings.Contains(id, m.Code.Reveal()) {
		id = ""
	}
	return rekey.Receipt{ID: withoutNumber(id, m.To)}, nil
}

// Size is that of the text, which most gateways are sent.
func (h *HTTP) Size(m rekey.Message) Size { return Measure(h.texts.Text(m)) }

// Try is Send with the gateway's answer.
func (h *HTTP) Try(ctx context.Context, m rekey.Message) (string, error) {
	a, err := h.deliver(ctx, m)
	if a.status == 0 {
		return "", err
	}
	return a.String(), err
}

func (h *HTTP) deliver(ctx context.Context, m rekey.Message) (answer, error) {
	r, err := h.render(h.fields(m))
	if err != nil {
		// The error names settings and holds nothing of the message.
		return answer{}, &Refusal{Outcome: Unavailable, Detail: err.Error()}
	}
	if h.secret != nil {
		sign(r.header, h.secret, m.ID, time.Now(), r.body)
	}
	a, err := h.call(ctx, r)
	if err != nil {
		return a, err
	}
	err = a.verdict()
	matches := func(r *regexp.Regexp) bool { return a.whole && r != nil && r.Match(a.body) }
	if err == nil && matches(h.success) {
		return a, nil
	}
	if matches(h.account) {
		return a, &Refusal{Outcome: RejectedAccount, Code: strconv.Itoa(a.status), Detail: "its answer matches account_refused"}
	}
	if err != nil || h.success == nil {
		return a, err
	}
	if !a.whole {
		return a, &Refusal{Outcome: Unknown, Code: strconv.Itoa(a.status), Detail: "its answer was cut off, is longer than 64 KiB, or is compressed"}
	}
	if len(bytes.TrimSpace(a.body)) == 0 {
		return a, &Refusal{Outcome: Unknown, Code: strconv.Itoa(a.status), Detail: "its answer is empty, which is neither success nor a refusal"}
	}
	return a, &Refusal{Outcome: RejectedNumber, Code: strconv.Itoa(a.status), Detail: "its answer does not match success"}
}

// minWebhookSecret is the least length of a signing secret, in bytes: Standard Webhooks, "Signature scheme".
const minWebhookSecret = 24

// webhookSecret is the key behind a secret: after whsec_ the base64 that Standard Webhooks shows it in, else the bytes
// as they stand.
func webhookSecret(s string) ([]byte, error) {
	key := []byte(s)
	if encoded, ok := strings.CutPrefix(s, "whsec_"); ok {
		var err error
		if key, err = base64.StdEncoding.DecodeString(encoded); err != nil {
			return nil, errors.New("after whsec_ there must be base64")
		}
	}
	if len(key) < minWebhookSecret {
		return nil, fmt.Errorf("at least %d bytes are needed; make one with: echo whsec_$(openssl rand -base64 32)", minWebhookSecret)
	}
	return key, nil
}

// sign sets the headers of Standard Webhooks 1.0.0: an HMAC-SHA-256 over id.timestamp.body. The id is the message's,
// which gateways may use against doubles; it holds no full stop, so that the three parts can't be read otherwise.
func sign(header http.Header, secret []byte, id string, at time.Time, body []byte) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	io.WriteString(mac, id+"."+timestamp+".")
	mac.Write(body)
	header.Set("webhook-id", id)
	header.Set("webhook-timestamp", timestamp)
	header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}
