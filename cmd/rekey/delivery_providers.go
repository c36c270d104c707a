package main

import (
	"context"
	"net/http"
	"strings"

	"rekey/sms"
)

// provider makes one provider of its table. A nil one has faults, which the error joins; each begins with the setting's
// name in that table.
func (d *delivery) provider(c *config, name string, p *providerConfig, o surroundings) (sms.Provider, error) {
	receipts := ""
	if p.Receipts && o.keys != nil {
		receipts = c.receiptAddress(o.keys, name)
	}
	switch p.Type {
	case "inbox":
		return d.theInbox(), nil
	case "http":
		contentType := p.ContentType
		if p.Method == http.MethodGet && contentType == "application/json" {
			contentType = "" // the default, which has no meaning without a body
		}
		return made(sms.NewHTTP(sms.HTTPConfig{
			URL: p.URL, Method: p.Method, ContentType: contentType, Headers: p.Headers, Body: p.Body,
			Success: p.Success, AccountRefused: p.AccountRefused, Secret: p.Secret, Timeout: p.Timeout, Texts: d.texts, Transport: o.transport,
			ReceiptURL: receipts, ReceiptID: p.ReceiptID, ReceiptStatus: p.ReceiptStatus, ReceiptMobile: p.ReceiptMobile,
			ReceiptDelivered: p.ReceiptDelivered, ReceiptFailed: p.ReceiptFailed,
		}))
	case "aliyun":
		return made(sms.NewAliyun(sms.AliyunConfig{
			AccessKeyID: p.AccessKeyID, AccessKeySecret: p.AccessKeySecret, Sign: p.Sign, Template: p.Template, Params: p.Params,
			Endpoint: p.Endpoint, Timeout: p.Timeout, Texts: d.texts, Transport: o.transport,
		}))
	case "aliyun-verify":
		return made(sms.NewAliyunVerify(sms.AliyunVerifyConfig{
			AccessKeyID: p.AccessKeyID, AccessKeySecret: p.AccessKeySecret, Sign: p.Sign, Template: p.Template, Params: p.Params,
			Endpoint: p.Endpoint, Timeout: p.Timeout, Texts: d.texts, Transport: o.transport,
		}))
	case "tencent":
		return made(sms.NewTencent(sms.TencentConfig{
			SecretID: p.SecretID, SecretKey: p.SecretKey, AppID: p.AppID, Region: p.Region, Sign: p.Sign, Template: p.Template,
			Params: p.Params, Endpoint: p.Endpoint, Timeout: p.Timeout, Texts: d.texts, Transport: o.transport,
		}))
	case "twilio":
		return made(sms.NewTwilio(sms.TwilioConfig{
			AccountSID: p.AccountSID, AuthToken: p.AuthToken, From: p.From, MessagingService: p.MessagingService,
			ReceiptURL: receipts, Endpoint: p.Endpoint, Timeout: p.Timeout, Texts: d.texts, Transport: o.transport,
		}))
	case "aws":
		return made(sms.NewAWS(sms.AWSConfig{
			Region: p.Region, AccessKeyID: p.AccessKeyID, SecretAccessKey: p.SecretAccessKey, SessionToken: p.SessionToken,
			From: p.From, ConfigurationSet: p.ConfigurationSet, Topic: p.Topic,
			Endpoint: p.Endpoint, Timeout: p.Timeout, Texts: d.texts, Transport: o.transport,
		}))
	case "smpp":
		log := o.log
		if log != nil {
			log = log.With("provider", name)
		}
		receiptIDs := map[string]sms.ReceiptIDs{"decimal": sms.DecimalIDs, "hex": sms.HexIDs}
		session, err := sms.NewSMPP(sms.SMPPConfig{
			Address: p.Address, SystemID: p.SystemID, Password: p.Password, SystemType: p.SystemType, Source: p.Source,
			Latin1: p.Alphabet == "latin1", ReceiptIDs: receiptIDs[p.ReceiptIDs],
			TLS: p.TLS, Window: p.Window, Timeout: p.Timeout, Texts: d.texts, Log: log, OnReports: o.onReports(name, p),
		})
		if err != nil {
			return nil, err
		}
		d.sessions[name] = session
		return session, nil
	}
	return nil, nil // of its type the configuration's faults tell
}

// made keeps a provider that could not be made from being one of a nil pointer.
func made[P sms.Provider](p P, err error) (sms.Provider, error) {
	if err != nil {
		return nil, err
	}
	return p, nil
}

// onReports tells of what comes over a session, which belongs to no request.
func (o surroundings) onReports(name string, p *providerConfig) func([]sms.Report) {
	if o.report == nil || !p.Receipts {
		return nil
	}
	return func(reports []sms.Report) { o.report(context.Background(), name, reports) }
}

// vendor names the far side of a provider: two tables with the same one share its troubles. "" is like no other.
func (p *providerConfig) vendor() string {
	switch p.Type {
	case "inbox":
		return ""
	case "smpp":
		return p.Address
	case "http":
		// The url is a template, so that only its beginning can be told; credentials before the host are not it.
		_, rest, _ := strings.Cut(p.URL, "://")
		if i := strings.IndexAny(rest, "/?#{"); i >= 0 {
			rest = rest[:i]
		}
		return strings.ToLower(rest[strings.LastIndexByte(rest, '@')+1:])
	case "aliyun-verify":
		return "aliyun" // two products of one vendor
	}
	return p.Type
}
