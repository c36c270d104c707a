package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"rekey"
	"rekey/sms"
)

// delivery is how messages get to people.
type delivery struct {
	texts     *sms.Texts
	providers map[string]sms.Provider // by configured name
	failover  *sms.Failover
	inbox     *sms.Inbox           // nil: no provider is one
	sessions  map[string]*sms.SMPP // those of providers that stay connected; open begins it
}

// surroundings is what delivery works with and whom it tells. The zero value does for judging a configuration; every part
// may be missing.
type surroundings struct {
	keys      *rekey.Keyring    // makes the addresses of receipts; without it no vendor is asked for any
	awaiting  *sms.Awaiting     // remembers whose receipts are missing
	transport http.RoundTripper // of all providers over HTTP; nil: sms.NewTransport
	log       *slog.Logger

	observe func(context.Context, sms.Attempt)
	change  func(context.Context, sms.Change)
	report  func(ctx context.Context, provider string, reports []sms.Report)
}

// newDelivery makes the providers. Its error joins all faults, each beginning with its setting. All inboxes are one.
func newDelivery(c *config, o surroundings) (*delivery, error) {
	var faults []error
	texts, err := sms.NewTexts(sms.TextConfig{Languages: c.Languages, Sign: c.SMS.Sign, Origin: c.PublicOrigin})
	if err != nil {
		// Other texts do for finding the faults of the providers.
		faults = append(faults, err)
		if texts, err = sms.NewTexts(sms.TextConfig{}); err != nil {
			return nil, err
		}
	}
	if o.transport == nil {
		o.transport = sms.NewTransport()
	}
	d := &delivery{texts: texts, providers: map[string]sms.Provider{}, sessions: map[string]*sms.SMPP{}}
	entries := map[string]sms.Entry{}
	for _, name := range slices.Sorted(maps.Keys(c.SMS.Providers)) {
		p := c.SMS.Providers[name]
		provider, err := d.provider(c, name, p, o)
		if err != nil {
			faults = append(faults, below("sms.providers."+tomlKey(name), mendable(err)))
		}
		d.providers[name] = provider
		entries[name] = sms.Entry{
			Sender: provider, Prices: p.Price, Weight: p.Weight, Timeout: p.Timeout, Vendor: p.vendor(), Receipts: p.Receipts,
		}
	}
	for _, name := range c.used() {
		if name == inboxName && d.providers[name] == nil {
			d.providers[name] = d.theInbox()
			entries[name] = sms.Entry{Sender: d.theInbox()}
		}
	}
	d.failover, err = sms.NewFailover(sms.FailoverConfig{
		Providers: entries, Order: c.SMS.Order, Routes: c.SMS.Routes, Awaiting: o.awaiting,
		Observe: o.observe, Change: o.change, Log: o.log,
	})
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *delivery) theInbox() *sms.Inbox {
	if d.inbox == nil {
		d.inbox = sms.NewInbox(d.texts)
	}
	return d.inbox
}

// open begins the sessions of the providers that stay connected. close ends them, once no message is under way.
func (d *delivery) open() {
	for _, session := range d.sessions {
		session.Open()
	}
}

func (d *delivery) close() error {
	var all []error
	for _, name := range slices.Sorted(maps.Keys(d.sessions)) {
		if err := d.sessions[name].Close(); err != nil {
			all = append(all, fmt.Errorf("provider %s: %w", name, err))
		}
	}
	return errors.Join(all...)
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
