package main

import (
	"encoding/json"
	"regexp"
	"time"

	"rekey"
	"rekey/cmd/rekey/databases"
)

// setting is one key of the configuration.
type setting struct {
	key     string // path in the file, such as "codes.lifetime"
	initial string // the default, spelled as in the environment
	value   value
	hide    hiding // nil: the value may be shown
	origin  origin
}

// reset gives the setting its default.
func (s *setting) reset() {
	if err := s.value.text(s.initial); err != nil {
		panic("the default of " + s.key + " " + err.Error()) // a mistake in the tables below
	}
}

// declare is every setting but those of the providers, in the order of operators' documentation.
func (c *config) declare() []*setting {
	return []*setting{
		{key: "listen", initial: "127.0.0.1:8000", value: text(&c.Listen, hostPort)},
		{key: "base_path", initial: "/forget_pwd/", value: text(&c.BasePath, present)},
		{key: "public_origin", value: text(&c.PublicOrigin, optional(webOrigin))},
		{key: "keys", value: list(&c.Keys, strongKey), hide: hideAll},
		{key: "index_key", value: text(&c.IndexKey, optional(strongKey)), hide: hideAll},
		{key: "origins", value: list(&c.Origins, webOrigin)},
		{key: "csrf_cookie", initial: "csrf_token", value: text(&c.CSRFCookie, present)},
		{key: "csrf_header", initial: "X-CSRFToken", value: text(&c.CSRFHeader, present)},
		{key: "trusted_proxies", value: list(&c.TrustedProxies, cidr)},
		{key: "languages", initial: "zh-CN,en", value: list(&c.Languages, oneOf("zh-CN", "en"), filled)},
		{key: "disclosure", initial: "true", value: truth(&c.Disclosure)},

		{key: "users.preset", initial: "rekey", value: text(&c.Users.Preset)},
		{key: "users.dsn", initial: "sqlite:rekey.db", value: text(&c.Users.DSN, dataSource), hide: hideSource},
		{key: "users.table", value: text(&c.Users.Table)},
		{key: "users.id", value: text(&c.Users.ID)},
		{key: "users.mobile", value: text(&c.Users.Mobile)},
		{key: "users.password", value: text(&c.Users.Password)},
		{key: "users.active", value: text(&c.Users.Active)},
		{key: "users.sessions", value: text(&c.Users.Sessions)},
		{key: "users.recover_unusable", initial: "false", value: truth(&c.Users.RecoverUnusable)},
		{key: "users.hash_floor", value: text(&c.Users.HashFloor)},
		{key: "users.mobile_format", initial: "national", value: text(&c.Users.MobileFormat)},
		{key: "users.hash", initial: "auto", value: text(&c.Users.Hash)},

		{key: "numbers.plan", initial: "CN", value: text(&c.Numbers.Plan, plan)},
		{key: "numbers.allow", value: list(&c.Numbers.Allow, plan)},

		{key: "codes.store", initial: "sqlite:rekey.db", value: text(&c.Codes.Store, codeStore), hide: hideSource},
		{key: "codes.lifetime", initial: "5m", value: duration(&c.Codes.Lifetime, between(30*time.Second, rekey.MaxLifetime, spellDuration))},
		{key: "codes.interval", initial: "60s", value: duration(&c.Codes.Interval, between(time.Second, time.Hour, spellDuration))},
		{key: "codes.guesses", initial: "5", value: whole(&c.Codes.Guesses, between(1, 10, decimal))},
		{key: "codes.pool_guesses", initial: "3", value: whole(&c.Codes.PoolGuesses, between(0, 10, decimal))},
		{key: "codes.wait", initial: "0", value: whole(&c.Codes.Wait, between(0, 100, decimal))},

		{key: "limits.number_sends_hour", initial: "5", value: budget(&c.Limits.NumberSendsHour)},
		{key: "limits.number_sends_day", initial: "10", value: budget(&c.Limits.NumberSendsDay)},
		{key: "limits.number_reserved", initial: "3", value: budget(&c.Limits.NumberReserved)},
		{key: "limits.live_flows", initial: "3", value: budget(&c.Limits.LiveFlows)},
		{key: "limits.address_sends_10m", initial: "5", value: budget(&c.Limits.AddressSends10m)},
		{key: "limits.address_sends_day", initial: "20", value: budget(&c.Limits.AddressSendsDay)},
		{key: "limits.prefix_sends_hour", initial: "10", value: budget(&c.Limits.PrefixSendsHour)},
		{key: "limits.prefix_sends_day", initial: "50", value: budget(&c.Limits.PrefixSendsDay)},
		{key: "limits.service_sends_day", initial: "10000", value: budget(&c.Limits.ServiceSendsDay)},
		{key: "limits.service_spend_day", initial: "0", value: money(&c.Limits.ServiceSpendDay)},
		{key: "limits.service_wrong_day", initial: "10000", value: budget(&c.Limits.ServiceWrongDay)},
		{key: "limits.number_wrong_day", initial: "20", value: budget(&c.Limits.NumberWrongDay)},
		{key: "limits.number_wrong_row", initial: "100", value: budget(&c.Limits.NumberWrongRow)},
		{key: "limits.address_number_day", initial: "4", value: budget(&c.Limits.AddressNumberDay)},
		{key: "limits.address_lookups", initial: "30", value: budget(&c.Limits.AddressLookups)},
		{key: "limits.address_lookups_day", initial: "200", value: budget(&c.Limits.AddressLookupsDay)},
		{key: "limits.service_lookups_day", initial: "50000", value: budget(&c.Limits.ServiceLookupsDay)},
		{key: "limits.conversion_floor", initial: "0.3", value: fraction(&c.Limits.ConversionFloor, between(0.0, 1.0, shortest))},

		{key: "proof.mode", initial: "auto", value: text(&c.Proof.Mode, known([]string{"auto", "off"}, "always"))},

		{key: "password.policy", initial: "classic", value: text(&c.Password.Policy, oneOf("classic", "nist"))},
		{key: "password.blocklist", initial: "true", value: truth(&c.Password.Blocklist)},

		{key: "sms.order", initial: "inbox", value: list(&c.SMS.Order, nil)},
		{key: "sms.sign", initial: "示例网", value: text(&c.SMS.Sign)},
		{key: "sms.routes", value: lists(&c.SMS.Routes)},
		{key: "sms.receipt_failover", initial: "false", value: truth(&c.SMS.ReceiptFailover)},
		{key: "sms.receipt_wait", initial: "30s", value: duration(&c.SMS.ReceiptWait, between(5*time.Second, 10*time.Minute, spellDuration))},

		{key: "page.title", value: text(&c.Page.Title, printable)},
		{key: "page.logo", value: text(&c.Page.Logo, later)},
		{key: "page.brand", value: text(&c.Page.Brand)},
		{key: "page.brand_dark", value: text(&c.Page.BrandDark)},
		{key: "page.support", value: text(&c.Page.Support)},
		{key: "page.consent", value: text(&c.Page.Consent, printable)},
		{key: "page.done_url", value: text(&c.Page.DoneURL)},
		{key: "page.next_origins", value: list(&c.Page.NextOrigins, nextOrigin)},
		{key: "page.templates", value: text(&c.Page.Templates, later)},

		{key: "webhook.url", value: text(&c.Webhook.URL, later), hide: hideURL},
		{key: "webhook.secret", value: text(&c.Webhook.Secret, later), hide: hideAll},

		{key: "notify.sms", initial: "false", value: truth(&c.Notify.SMS, laterTrue)},

		{key: "audit.store", initial: "sqlite:rekey.db", value: text(&c.Audit.Store, databaseOf("sqlite:", "postgres://", "mysql://")), hide: hideSource},
		{key: "audit.keep", initial: "180d", value: duration(&c.Audit.Keep, between(day, 3650*day, spellDuration))},

		{key: "admin.listen", initial: "127.0.0.1:8001", value: text(&c.Admin.Listen, hostPort)},
		{key: "admin.token", value: text(&c.Admin.Token, optional(longToken)), hide: hideAll},
	}
}

// hiding makes of a value, written as TOML, what may be shown of it, and reports whether it holds a secret.
type hiding func(shown string) (masked string, secret bool)

const hidden = "(hidden)"

// hideAll shows only whether there is a value.
func hideAll(shown string) (string, bool) {
	if shown == `""` || shown == "[]" || shown == "{}" {
		return shown, false
	}
	return quote(hidden), true
}

// hideTemplate shows as much as hideAll. Templates may hold credentials, but most do not: one that anybody can read is
// no fault.
func hideTemplate(shown string) (string, bool) {
	masked, _ := hideAll(shown)
	return masked, false
}

var (
	userinfo      = regexp.MustCompile(`://([^:@/?"]*):[^"]*@`)
	passwordParam = regexp.MustCompile(`([?&]\w*(?i:password|secret|token|key)\w*=)[^&"]*`)
	queryPart     = regexp.MustCompile(`\?[^"]+`)
)

// hideSource hides the password of a data source, wherever in it that may be.
func hideSource(shown string) (string, bool) {
	var dsn string
	if err := json.Unmarshal([]byte(shown), &dsn); err != nil { // what quote wrote is JSON
		return hideAll(shown)
	}
	masked, secret := databases.MaskCodes(dsn) // whatever is in Redis, else a database as any other
	return quote(masked), secret
}

// hidePassword hides the password in a URL.
func hidePassword(shown string) (string, bool) {
	masked := userinfo.ReplaceAllString(shown, "://$1:"+hidden+"@")
	masked = passwordParam.ReplaceAllString(masked, "${1}"+hidden)
	return masked, masked != shown
}

// hideURL hides the user's password and the query of a URL, where gateways want their credentials.
func hideURL(shown string) (string, bool) {
	masked, secret := hidePassword(shown)
	return queryPart.ReplaceAllString(masked, "?"+hidden), secret
}
