package main

import (
	"slices"
	"strings"
	"time"

	"rekey/sms"
)

// providerConfig is one table of [sms.providers]. A type of provider has the settings that kinds lists; the others keep
// their zero values.
type providerConfig struct {
	Type     string
	Timeout  time.Duration
	Price    map[string]int64 // in millionths, by prefix of E.164; "": of any other number
	Weight   int
	Receipts bool

	// Of a gateway over HTTP.
	URL, Method, ContentType, Body, Success, AccountRefused                  string
	Headers                                                                  map[string]string
	Secret                                                                   string
	ReceiptID, ReceiptStatus, ReceiptMobile, ReceiptDelivered, ReceiptFailed string

	// Of vendors; several have settings of the same name.
	Endpoint, Region                                            string
	AccessKeyID, AccessKeySecret, SecretAccessKey, SessionToken string            // Aliyun, AWS
	SecretID, SecretKey, AppID                                  string            // Tencent Cloud
	AccountSID, AuthToken, MessagingService                     string            // Twilio
	From, ConfigurationSet, Topic                               string            // Twilio, AWS
	Sign, Template                                              map[string]string // by language; "": in any other
	Params                                                      []string

	// Of SMPP.
	Address, SystemID, Password, SystemType, Source, Alphabet, ReceiptIDs string
	TLS                                                                   bool
	Window                                                                int
}

// kind is a type of provider, with the settings that it has beside those of commonSettings. delivery.provider makes one of
// them.
type kind struct {
	name     string
	settings []string
	receipts bool // its vendor tells later what became of a message; then it has the setting receipts too
}

// kinds is every type of provider, in the order of the documentation.
func kinds() []kind {
	return []kind{
		{name: "inbox"},
		{"http", []string{"url", "method", "content_type", "headers", "body", "success", "account_refused", "secret",
			"receipt_id", "receipt_status", "receipt_mobile", "receipt_delivered", "receipt_failed"}, true},
		{"aliyun", []string{"endpoint", "access_key_id", "access_key_secret", "sign", "template", "params"}, true},
		{"aliyun-verify", []string{"endpoint", "access_key_id", "access_key_secret", "sign", "template", "params"}, true},
		{"tencent", []string{"endpoint", "secret_id", "secret_key", "app_id", "sign", "template", "params", "region"}, true},
		{"twilio", []string{"endpoint", "account_sid", "auth_token", "from", "messaging_service"}, true},
		{"aws", []string{"endpoint", "region", "access_key_id", "secret_access_key", "session_token", "from", "configuration_set", "topic"}, true},
		{"smpp", []string{"address", "system_id", "password", "system_type", "source", "alphabet", "receipt_ids", "tls", "window"}, true},
	}
}

// kind is the name of the provider's type. A provider without a table, which nil stands for, is an inbox.
func (p *providerConfig) kind() string {
	if p == nil {
		return "inbox"
	}
	return p.Type
}

// commonSettings are those of every type.
var commonSettings = []string{"type", "timeout", "price", "weight"}

// has reports whether providers of this kind have a setting.
func (k kind) has(setting string) bool {
	return slices.Contains(commonSettings, setting) || slices.Contains(k.settings, setting) || k.receipts && setting == "receipts"
}

// kindOf is the kind of that name; ok is false where there is none.
func kindOf(name string) (k kind, ok bool) {
	for _, k := range kinds() {
		if k.name == name {
			return k, true
		}
	}
	return kind{}, false
}

// kindNames is the names of the kinds that have a setting; all kinds have "type".
func kindNames(setting string) []string {
	var names []string
	for _, k := range kinds() {
		if k.has(setting) {
			names = append(names, k.name)
		}
	}
	return names
}

// declare is every setting of a provider, of whatever type: which one it is may stand behind them, and checkProviders
// removes what that type does not have. at is the path of its table, with a dot. The ids that belong to secrets are
// shown: an operator with several accounts must see which one it is.
func (p *providerConfig) declare(at string) []*setting {
	settings := []*setting{
		{key: "type", value: text(&p.Type, optional(oneOf(kindNames("type")...)))},
		{key: "timeout", initial: "5s", value: duration(&p.Timeout, between(100*time.Millisecond, sms.DefaultBudget, spellDuration))},
		{key: "price", initial: "0", value: prices(&p.Price)},
		{key: "weight", initial: "1", value: whole(&p.Weight, between(0, 1000, decimal))},
		{key: "receipts", initial: "false", value: truth(&p.Receipts)}, // what it is by default, assumeReceipts says

		{key: "url", value: text(&p.URL), hide: hideURL},
		{key: "method", initial: "POST", value: text(&p.Method)},
		{key: "content_type", initial: "application/json", value: text(&p.ContentType)},
		{key: "headers", value: table(&p.Headers), hide: hideAll},
		{key: "body", value: text(&p.Body), hide: hideTemplate},
		{key: "success", value: text(&p.Success)},
		{key: "account_refused", value: text(&p.AccountRefused)},
		{key: "secret", value: text(&p.Secret), hide: hideAll},
		{key: "receipt_id", initial: "id", value: text(&p.ReceiptID)},
		{key: "receipt_status", initial: "status", value: text(&p.ReceiptStatus)},
		{key: "receipt_mobile", value: text(&p.ReceiptMobile)},
		{key: "receipt_delivered", value: text(&p.ReceiptDelivered)},
		{key: "receipt_failed", value: text(&p.ReceiptFailed)},

		{key: "endpoint", value: text(&p.Endpoint), hide: hideURL},
		{key: "region", value: text(&p.Region)},
		{key: "access_key_id", value: text(&p.AccessKeyID)},
		{key: "access_key_secret", value: text(&p.AccessKeySecret), hide: hideAll},
		{key: "secret_access_key", value: text(&p.SecretAccessKey), hide: hideAll},
		{key: "session_token", value: text(&p.SessionToken), hide: hideAll},
		{key: "secret_id", value: text(&p.SecretID)},
		{key: "secret_key", value: text(&p.SecretKey), hide: hideAll},
		{key: "app_id", value: text(&p.AppID)},
		{key: "sign", value: byLanguage(&p.Sign)},
		{key: "template", value: byLanguage(&p.Template)},
		{key: "params", value: list(&p.Params, nil)},
		{key: "account_sid", value: text(&p.AccountSID)},
		{key: "auth_token", value: text(&p.AuthToken), hide: hideAll},
		{key: "from", value: text(&p.From)},
		{key: "messaging_service", value: text(&p.MessagingService)},
		{key: "configuration_set", value: text(&p.ConfigurationSet)},
		{key: "topic", value: text(&p.Topic)},

		{key: "address", value: text(&p.Address, optional(hostPort))},
		{key: "system_id", value: text(&p.SystemID)},
		{key: "password", value: text(&p.Password), hide: hideAll},
		{key: "system_type", value: text(&p.SystemType)},
		{key: "source", value: text(&p.Source)},
		{key: "alphabet", initial: "gsm7", value: text(&p.Alphabet, oneOf("gsm7", "latin1"))},
		{key: "receipt_ids", initial: "same", value: text(&p.ReceiptIDs, oneOf("same", "decimal", "hex"))},
		{key: "tls", initial: "false", value: truth(&p.TLS)},
		{key: "window", initial: "10", value: whole(&p.Window, between(1, 1000, decimal))},
	}
	for _, s := range settings {
		s.key = at + s.key
	}
	return settings
}

// ranks are the names in the elements of an order: one each, or several with | between, which share the messages.
func ranks(order []string) []string {
	var names []string
	for _, element := range order {
		for name := range strings.SplitSeq(element, "|") {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}
