package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"rekey"
)

type smsReceiptsCommand struct{ configured }

func (*smsReceiptsCommand) Help() string {
	return `Prints for each provider where its vendor is to send receipts, its later word on what became of a message, and what
to configure there. The addresses are secrets: whoever knows one can pretend that messages arrived. They stay as they
are while index_key does, or the only key.

Example:

    rekey sms receipts --config /etc/rekey/rekey.toml`
}

func (c *smsReceiptsCommand) Run(t *terminal) error {
	l, err := c.load(t, true)
	if err != nil {
		return err
	}
	keys, err := keyring(l.Keys, l.IndexKey)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	var b strings.Builder
	names := append(l.used(), slices.Collect(maps.Keys(l.SMS.Providers))...)
	slices.Sort(names)
	for i, name := range slices.Compact(names) {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s (%s)\n%s\n", name, l.SMS.Providers[name].kind(), l.receiptAdvice(keys, name))
	}
	_, err = fmt.Fprint(t.stdout, b.String())
	return err
}

// receiptAdvice is what an operator does for the receipts of a provider: the address on a line of its own, where there is
// one, and what to do with it.
func (l *loaded) receiptAdvice(keys *rekey.Keyring, name string) string {
	p := l.SMS.Providers[name]
	var todo string
	switch p.kind() {
	case "inbox":
		return "  An inbox has no receipts."
	case "smpp":
		if !p.Receipts {
			return "  Off: receipts is false."
		}
		return "  Nothing: they come over the connection, if the account may have them."
	case "http":
		todo = "Write {{.ReceiptURL}} into url, headers or body, which is this address with the message's id behind it, or let the gateway send all receipts here, with the id in the field " + p.ReceiptID + "."
		if p.namesReceipts() {
			todo = "Nothing: every message names this address, with its id behind it."
		}
	case "aliyun-verify":
		// https://help.aliyun.com/zh/pnvs/developer-reference/message-receipts
		todo = "In the console of the number authentication service (号码认证服务), at the verification by SMS (短信认证服务), its parameters (短信认证参数配置), choose HTTP batch push (HTTP批量推送模式) of status reports (状态报告接收), with this address."
	case "aliyun":
		todo = "In the console of the short message service (短信服务) choose HTTP batch push (HTTP批量推送模式) of SmsReport, with this address."
	case "tencent":
		todo = "In the SMS console, at the application's basic configuration (基础配置), event callback (事件回调配置), set this address for the sending status."
	case "twilio":
		todo = "Nothing: every message names this address. Twilio signs what it sends there."
	case "aws":
		todo = "Subscribe this address by HTTPS, without raw message delivery, to the SNS topic of settings topic and configuration_set; rekey serve confirms it. SNS signs what it sends."
	}
	switch {
	case p.Receipts:
		return "  " + l.receiptAddress(keys, name) + "\n  " + todo
	case l.PublicOrigin == "":
		return "  Off: set public_origin, below which the address is, and receipts = true."
	case p.Type == "http":
		return "  Off: write {{.ReceiptURL}} where the gateway wants the address of its callback, or set receipts = true."
	case p.Type == "aws":
		return "  Off: name configuration_set, and topic, the SNS topic that it tells of its messages."
	default:
		return "  Off: set receipts = true."
	}
}
