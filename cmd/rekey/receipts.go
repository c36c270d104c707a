package main

import (
	"context"
	"log/slog"
	"net/http"

	"rekey"
	"rekey/sms"
	"rekey/web"
)

// receiptSecret is the last part of the address that a provider's vendor pushes receipts to: 128 bits that nobody can
// guess, and that do not change when keys rotate, since they are written down in the vendor's console.
func receiptSecret(keys *rekey.Keyring, provider string) string {
	return string(keys.Name("receipts", provider))
}

// receiptAddress is where a provider's receipts are pushed to, as its vendor is told; "": the public origin is not known.
func (c *config) receiptAddress(keys *rekey.Keyring, provider string) string {
	if c.PublicOrigin == "" {
		return ""
	}
	return c.PublicOrigin + c.BasePath + web.ReceiptsPath + provider + "/" + receiptSecret(keys, provider)
}

// pushers is the providers whose vendors push receipts to an address of ours, and are wanted to.
func (d *delivery) pushers(c *config) map[string]sms.Provider {
	pushers := map[string]sms.Provider{}
	for name, provider := range d.providers {
		if _, pushes := provider.(sms.Pusher); pushes && c.reports(name) {
			pushers[name] = provider
		}
	}
	return pushers
}

// receipts is the handler of what vendors push, or nil where none does.
func (d *delivery) receipts(c *config, keys *rekey.Keyring, report func(context.Context, string, []sms.Report), log *slog.Logger) http.Handler {
	pushers := d.pushers(c)
	if len(pushers) == 0 {
		return nil
	}
	return sms.NewReceipts(sms.ReceiptsConfig{
		Providers: pushers, Observe: report, Log: log,
		Secret: func(provider string) string { return receiptSecret(keys, provider) },
	})
}
