package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"rekey/sms"
)

// delivery is how messages get to people.
type delivery struct {
	texts     *sms.Texts
	providers map[string]sms.Provider // by configured name
	failover  *sms.Failover
	inbox     *sms.Inbox // nil: no provider is one
}

// newDelivery makes the providers. Its error joins all faults, each beginning with its setting. All inboxes are one.
// observe, if not nil, is told of every attempt.
func newDelivery(c *config, observe func(context.Context, sms.Attempt)) (*delivery, error) {
	var faults []error
	texts, err := sms.NewTexts(sms.TextConfig{Languages: c.Languages, Sign: c.SMS.Sign, Origin: c.PublicOrigin})
	if err != nil {
		// Other texts do for finding the faults of the providers.
		faults = append(faults, err)
		if texts, err = sms.NewTexts(sms.TextConfig{}); err != nil {
			return nil, err
		}
	}
	d := &delivery{texts: texts, providers: map[string]sms.Provider{}}
	entries := map[string]sms.Entry{}
	transport := sms.NewTransport()
	inbox := func() *sms.Inbox {
		if d.inbox == nil {
			d.inbox = sms.NewInbox(texts)
		}
		return d.inbox
	}
	for name, p := range c.SMS.Providers {
		var provider sms.Provider
		switch p.Type {
		case "inbox":
			provider = inbox()
		case "http":
			gateway, err := newGateway(p, texts, transport)
			faults = append(faults, below("sms.providers."+tomlKey(name), mendable(err)))
			provider = gateway
		}
		d.providers[name] = provider
		entries[name] = sms.Entry{Sender: provider, Price: p.Price, Timeout: p.Timeout}
	}
	for _, name := range c.used() {
		if name == inboxName && d.providers[name] == nil {
			d.providers[name] = inbox()
			entries[name] = sms.Entry{Sender: inbox()}
		}
	}
	d.failover, err = sms.NewFailover(sms.FailoverConfig{
		Providers: entries, Order: c.SMS.Order, Routes: c.SMS.Routes, Observe: observe,
	})
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	return d, nil
}

func newGateway(p *providerConfig, texts *sms.Texts, transport http.RoundTripper) (*sms.HTTP, error) {
	contentType := p.ContentType
	if p.Method == http.MethodGet && contentType == "application/json" {
		contentType = "" // the default, which has no meaning without a body
	}
	return sms.NewHTTP(sms.HTTPConfig{
		URL: p.URL, Method: p.Method, ContentType: contentType, Headers: p.Headers, Body: p.Body,
		Success: p.Success, Secret: p.Secret, Timeout: p.Timeout, Texts: texts, Transport: transport,
	})
}

// mendable says of a broken template what to do: the errors of package text/template, all of which begin with "template: ",
// only say what is wrong.
func mendable(err error) error {
	var all []error
	for _, e := range each(err) {
		if setting, cause, ok := strings.Cut(e.Error(), ": template: "); ok {
			e = fmt.Errorf("%s: can't be filled in: %s; write fields as {{.Mobile}}, those that rekey.example.toml lists", setting, cause)
		}
		all = append(all, e)
	}
	return errors.Join(all...)
}

// below puts the path of a table in front of the settings that joined errors begin with.
func below(table string, err error) error {
	var all []error
	for _, e := range each(err) {
		all = append(all, fmt.Errorf("%s.%w", table, e))
	}
	return errors.Join(all...)
}

// each is the single errors of what errors.Join made, in their order.
func each(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, each(e)...)
	}
	return slices.Clip(all)
}
