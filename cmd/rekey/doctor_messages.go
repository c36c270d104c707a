package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"rekey"
	"rekey/sms"
	"rekey/userdb"
)

// messages tells by whom messages go, and what can be known of these providers without sending one: whether their vendors
// can be reached, over SMPP whether the account is let in, and whether receipts come. Whether they can be made is a matter
// of the configuration.
func (d *diagnosis) messages(ctx context.Context, l *loaded) (err error) {
	var noted addresses
	delivery, failed := newDelivery(&l.config, surroundings{transport: &noted})
	if failed != nil {
		return nil // the configuration's faults say so
	}
	defer func() { err = errors.Join(err, delivery.close()) }()
	names := l.used()
	found := make([]string, len(names)) // what is wrong with each, "" where nothing is
	var wait sync.WaitGroup
	for i, name := range names {
		switch provider := delivery.providers[name].(type) {
		case *sms.Inbox:
			d.find("messages.inbox", userdb.Advice, "sms.order", "Messages by "+name+" go to an inbox, which is for trying out: they reach no phone.")
		case *sms.SMPP:
			wait.Go(func() { found[i] = bindable(ctx, l.SMS.Providers[name].Address, provider) })
		default:
			for _, address := range noted.of(ctx, provider) {
				wait.Go(func() { found[i] = reachable(ctx, address) })
			}
		}
	}
	wait.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i, name := range names {
		about := "sms.providers." + tomlKey(name)
		if found[i] != "" {
			d.find("messages.unreachable", userdb.Advice, about, "Provider "+name+" "+found[i])
		}
		d.receipts(l, name, about)
	}
	d.find("messages.providers", userdb.Fine, "sms.order", "Messages go by "+ways(&l.config)+". To try one: rekey sms send --to M.")
	return nil
}

// ways is by whom messages go, the order first and then each route.
func ways(c *config) string {
	text := strings.Join(c.SMS.Order, ", then ")
	for _, prefix := range slices.Sorted(maps.Keys(c.SMS.Routes)) {
		text += "; to +" + prefix + " by " + strings.Join(c.SMS.Routes[prefix], ", then ")
	}
	return text
}

// receipts tells of a provider whose vendor would say what became of a message, and is not asked.
func (d *diagnosis) receipts(l *loaded, name, about string) {
	p := l.SMS.Providers[name]
	if k, ok := kindOf(p.kind()); !ok || !k.receipts || p.Receipts {
		return
	}
	d.find("messages.receipts", userdb.Advice, about+".receipts",
		"Nobody tells what became of the messages by "+name+": its receipts are off. What to do: rekey sms receipts.")
}

// reachTime bounds the look at a vendor: as long as a message may take by default.
const reachTime = sms.DefaultTimeout

// addresses is a transport that makes no request: it keeps where one would have gone.
type addresses struct {
	mu  sync.Mutex
	url *url.URL
}

var errNotAsked = errors.New("nothing is sent by a doctor")

// RoundTrip keeps the address and refuses.
func (a *addresses) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.url = r.URL
	return nil, errNotAsked
}

// of is the address that a provider makes its requests to: none, where it makes one for neither of the samples. It must be
// asked for one provider at a time.
func (a *addresses) of(ctx context.Context, provider sms.Provider) []*url.URL {
	for _, sample := range [][3]string{{"CN", "86", "13800000000"}, {"US", "1", "2025550123"}} {
		to, err := rekey.NewNumber(sample[0], sample[1], sample[2])
		if err != nil {
			return nil
		}
		code, _ := rekey.ParseCode("000000") // six digits
		a.url = nil
		// That it fails is the purpose: the transport refuses.
		_, _ = provider.Try(ctx, rekey.Message{ID: "doctor", To: to, Code: code, ExpiresIn: time.Minute})
		if a.url != nil {
			return []*url.URL{a.url}
		}
	}
	return nil
}

// reachable says what keeps requests from an address, "" where nothing does: it connects, and goes as far as TLS does. No
// request is made. Errors of the network name host and port alone (T36).
func reachable(ctx context.Context, u *url.URL) string {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	address, behind := hostOf(u), ""
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	if err != nil {
		return "is reached by a proxy that can't be read; correct HTTPS_PROXY or HTTP_PROXY in the environment."
	}
	if proxy != nil {
		address, behind = hostOf(proxy), " behind the proxy of the environment"
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Sprintf("can't be reached%s: %v; check its address, your firewall and DNS.", behind, err)
	}
	defer conn.Close()
	if proxy != nil || u.Scheme != "https" {
		return ""
	}
	if err := tls.Client(conn, &tls.Config{ServerName: u.Hostname()}).HandshakeContext(ctx); err != nil {
		return fmt.Sprintf("is reached, but not by TLS: %v; check its address, and who stands in between.", err)
	}
	return ""
}

// hostOf is host and port of an address.
func hostOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// bindable says what keeps us from being bound to an SMSC, "" where nothing does. It binds, and unbinds when the delivery
// is closed.
func bindable(ctx context.Context, address string, provider *sms.SMPP) string {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	if err := provider.Bound(ctx); err != nil {
		advice := "check address, your firewall and how many connections the account may have"
		if sms.OutcomeOf(err) == sms.RejectedAccount { // the error says what to check of the account
			advice = "it may have fewer connections than there are replicas, too"
		}
		return fmt.Sprintf("could not be bound to, at %s: %v; %s.", address, err, advice)
	}
	return ""
}
