package main

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"rekey/sms"
)

var providerName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

// inboxName is the provider that needs no table: the default of sms.order.
const inboxName = "inbox"

func (l *loaded) checkProviders() {
	variables := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(l.SMS.Providers)) {
		p, at := l.SMS.Providers[name], "sms.providers."+tomlKey(name)
		if !providerName.MatchString(name) {
			l.object(at+".type", "stands under a name that is not made of small letters, digits, - and _; rename the table")
		}
		if other, twice := variables[variable(at)]; twice {
			l.object(at+".type", "has the same environment variables as provider "+other+"; rename one")
		}
		variables[variable(at)] = name
		if p.Type == "" {
			l.object(at+".type", "is required; write "+alternatives(kindNames("type")))
		}
		if p.Type == "inbox" && l.secure() {
			l.object(at+".type", "is an inbox, which is for trying out, but public_origin is https; remove the table, or make it a gateway")
		}
		if k, ok := kindOf(p.Type); ok {
			l.narrow(at, k)
			l.assumeReceipts(at, k, p)
		}
	}
}

// narrow leaves a provider the settings of its kind. One of another kind that is set is a fault: it has no effect, and
// whoever wrote it believes that it has one.
func (l *loaded) narrow(at string, k kind) {
	l.settings = slices.DeleteFunc(l.settings, func(s *setting) bool {
		name, below := strings.CutPrefix(s.key, at+".")
		if !below || k.has(name) {
			return false
		}
		if s.origin != (origin{}) {
			// What is wrong with its value does not matter.
			l.faults = slices.DeleteFunc(l.faults, func(f fault) bool { return f.key == s.key })
			l.add(s.origin, s.key, "is a setting of "+alternatives(kindNames(name))+", and this provider is of type "+strconv.Quote(k.name)+"; remove it")
		}
		s.reset()
		return true
	})
}

// assumeReceipts says whether a provider has receipts of which the configuration says nothing. Over SMPP they come by
// themselves. Elsewhere the vendor must reach us; besides, a gateway over HTTP must have been told where to, and of AWS
// only the receipts of a topic are believed.
func (l *loaded) assumeReceipts(at string, k kind, p *providerConfig) {
	s := l.find(at + ".receipts")
	switch {
	case s == nil:
	case s.origin == (origin{}):
		p.Receipts = k.name == "smpp" || l.secure() && (k.name != "http" || p.namesReceipts()) && (k.name != "aws" || p.Topic != "")
	case p.Receipts && k.name == "aws" && p.Topic == "":
		l.object(at+".topic", "is required with receipts: the ARN of the SNS topic that configuration_set tells of its messages")
	case p.Receipts && k.name != "smpp" && l.PublicOrigin == "":
		l.object(s.key, "needs public_origin, below which is the address that receipts are sent to; set it")
	}
}

// namesReceipts reports whether a gateway is told, in its request, where its receipts go.
func (p *providerConfig) namesReceipts() bool {
	const field = ".ReceiptURL"
	for _, template := range p.Headers {
		if strings.Contains(template, field) {
			return true
		}
	}
	return strings.Contains(p.URL, field) || strings.Contains(p.Body, field)
}

// inUse is the faults that hang on the providers that messages really go to, as newDelivery tells its own.
func (l *loaded) inUse() error {
	var faults []error
	inbox := func(setting string, order []string) {
		if l.secure() && l.SMS.Providers[inboxName] == nil && slices.Contains(ranks(order), inboxName) {
			faults = append(faults, fmt.Errorf("%s: sends codes to an inbox, which is for trying out, but public_origin is https; name a provider that reaches phones", setting))
		}
	}
	inbox("sms.order", l.SMS.Order)
	for _, prefix := range slices.Sorted(maps.Keys(l.SMS.Routes)) {
		inbox(fmt.Sprintf("sms.routes.%q", prefix), l.SMS.Routes[prefix])
	}
	if l.Limits.ServiceSpendDay > 0 {
		faults = append(faults, l.unpriced()...)
		faults = append(faults, l.unaffordable()...)
	}
	for _, name := range l.used() {
		if p := l.SMS.Providers[name]; l.SMS.ReceiptFailover && l.reports(name) && p.Type == "http" && p.ReceiptMobile == "" {
			faults = append(faults, fmt.Errorf("sms.providers.%s.receipt_mobile: is required for sms.receipt_failover, which must know whom a receipt is about; "+
				"write the name of that field, or set receipts to false", tomlKey(name)))
		}
	}
	if l.SMS.ReceiptFailover && !slices.ContainsFunc(l.used(), l.reports) {
		faults = append(faults, errors.New("sms.receipt_failover: no provider in use tells what became of a message, so that nothing would ever follow from it; see receipts, or set it to false"))
	}
	return errors.Join(faults...)
}

// reports says whether a provider tells what became of its messages.
func (c *config) reports(name string) bool {
	p := c.SMS.Providers[name]
	return p != nil && p.Receipts
}

// unpriced is a fault for every provider that might be handed a message of which nobody has said what it costs.
func (c *config) unpriced() (faults []error) {
	destinations := c.destinations()
	for _, name := range slices.Sorted(maps.Keys(destinations)) {
		p := c.SMS.Providers[name]
		if p == nil || p.Type == "inbox" {
			continue
		}
		for _, prefix := range destinations[name] {
			if covers(p.Price, prefix) {
				continue
			}
			fault := "is required for limits.service_spend_day to stop anything; write the price of one message"
			if _, single := p.Price[""]; !single && len(p.Price) > 0 {
				fault = "says nothing of numbers that begin with " + prefix + ", and limits.service_spend_day stops nothing without; add them, or \"*\" for all others"
				if prefix == "" {
					fault = "says nothing of some countries in numbers.allow, and limits.service_spend_day stops nothing without; add \"*\" for all others"
				}
			}
			faults = append(faults, fmt.Errorf("sms.providers.%s.price: %s", tomlKey(name), fault))
		}
	}
	return faults
}

// unaffordable is a fault if a message takes more from the day's spend than there is on a whole day, so that none would
// ever be sent: what its two dearest providers charge for one part, by what is known of its number.
func (c *config) unaffordable() (faults []error) {
	for _, w := range c.ways() {
		var charged []int64
		for _, name := range ranks(w.order) {
			if p := c.SMS.Providers[name]; p != nil {
				charged = append(charged, sms.Prices(p.Price).ForPrefix(w.prefix))
			}
		}
		slices.Sort(charged)
		var most int64
		for _, price := range charged[max(0, len(charged)-2):] {
			most += price
		}
		if most > c.Limits.ServiceSpendDay {
			whose := ""
			if w.prefix != "" {
				whose = " to +" + w.prefix
			}
			faults = append(faults, fmt.Errorf("limits.service_spend_day: a message%s may cost %s, by its dearest providers, so that none would ever be sent; write more", whose, spellAmount(most)))
		}
	}
	return faults
}

// way is an order of providers, and how the numbers begin whose messages take it: digits of E.164, "" for any.
type way struct {
	prefix string
	order  []string
}

// ways is every way that messages to the countries in numbers.allow may take, those of single prefixes first.
func (c *config) ways() (all []way) {
	add := func(prefix string, order []string) {
		if !slices.ContainsFunc(all, func(w way) bool { return w.prefix == prefix }) { // countries may share a calling code
			all = append(all, way{prefix, order})
		}
	}
	for _, region := range c.Numbers.Allow {
		calling := ""
		if region != anyRegion {
			calling = decimal(phonenumbers.GetCountryCodeForRegion(region))
		}
		longest, order := "", c.SMS.Order
		for _, prefix := range slices.Sorted(maps.Keys(c.SMS.Routes)) {
			switch route := c.SMS.Routes[prefix]; {
			case strings.HasPrefix(calling, prefix) && len(prefix) > len(longest):
				longest, order = prefix, route
			case strings.HasPrefix(prefix, calling):
				add(prefix, route)
			}
		}
		add(calling, order)
	}
	return all
}

// destinations is how the numbers begin that each provider may be handed: digits of E.164, "" for any.
func (c *config) destinations() map[string][]string {
	all := map[string][]string{}
	for _, w := range c.ways() {
		for _, name := range ranks(w.order) {
			all[name] = append(all[name], w.prefix)
		}
	}
	return all
}

// used is the providers that the order or a route names.
func (c *config) used() []string {
	names := ranks(c.SMS.Order)
	for _, route := range c.SMS.Routes {
		names = append(names, ranks(route)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
