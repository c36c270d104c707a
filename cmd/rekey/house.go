package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/nyaruka/phonenumbers"

	"rekey"
	"rekey/admin"
	"rekey/cmd/rekey/databases"
	"rekey/sms"
	"rekey/userdb"
	"rekey/web"
)

// house is the service as the configuration has it, from the stores up to the public side.
type house struct {
	config    *config
	log       *slog.Logger
	plan      rekey.Plan
	policy    *rekey.Policy
	keys      *rekey.Keyring
	databases databases.Set
	users     *userdb.Table
	codes     databases.Codes
	delivery  *delivery
	service   *rekey.Service
}

// openUsers opens the users table, the embedded one after bringing its schema up to date, and fails if a reset could not
// work on it.
func openUsers(ctx context.Context, c *config, d *databases.Set, log *slog.Logger) (*userdb.Table, error) {
	users, err := openTable(ctx, c, d, log)
	if err != nil {
		return nil, err
	}
	err = users.Ping(ctx)
	if err == nil {
		err = users.Rehearse(ctx)
	}
	if _, setting := errors.AsType[*userdb.SettingError](err); err != nil && !setting {
		remedy := "rekey doctor says more"
		if databases.Denied(err) {
			remedy = "grant what rekey grants prints"
		}
		err = fmt.Errorf("users.dsn: %w; %s", err, remedy)
	}
	if err != nil {
		return nil, err
	}
	return users, nil
}

func openTable(ctx context.Context, c *config, d *databases.Set, log *slog.Logger) (*userdb.Table, error) {
	if c.embedded() {
		users, err := openEmbedded(ctx, c, d, log)
		if err != nil {
			return nil, err
		}
		return users.Table, nil
	}
	o, err := userOptions(ctx, c, d, log)
	if err != nil {
		return nil, err
	}
	return userdb.New(ctx, o)
}

// embedded reports whether the users table is the one that rekey brings itself.
func (c *config) embedded() bool { return cmp.Or(c.Users.Preset, "rekey") == "rekey" }

// openEmbedded opens the embedded users table and brings its schema up to date.
func openEmbedded(ctx context.Context, c *config, d *databases.Set, log *slog.Logger) (*userdb.Embedded, error) {
	o, err := userOptions(ctx, c, d, log)
	if err != nil {
		return nil, err
	}
	users, err := userdb.NewEmbedded(ctx, o)
	if _, setting := errors.AsType[*userdb.SettingError](err); err != nil && !setting { // which names its own
		err = fmt.Errorf("users.dsn: %w", err)
	}
	if err != nil {
		return nil, err
	}
	return users, nil
}

// userOptions opens the database of the users table.
func userOptions(ctx context.Context, c *config, d *databases.Set, log *slog.Logger) (userdb.Options, error) {
	open := d.OpenTheirs
	if c.embedded() {
		open = d.Open
	}
	db, err := open(ctx, "users.dsn", c.Users.DSN)
	if err != nil {
		return userdb.Options{}, err
	}
	return userdb.Options{Read: db.Read, Write: db.Write, Dialect: userDialect(db.Kind), Settings: c.userSettings(), Log: log}, nil
}

func userDialect(kind databases.Kind) userdb.Dialect {
	switch kind {
	case databases.PostgreSQL:
		return userdb.PostgreSQL()
	case databases.MySQL:
		return userdb.MySQL()
	default:
		return userdb.SQLite()
	}
}

// userSettings is the section [users] as package userdb takes it.
func (c *config) userSettings() userdb.Settings {
	s := userdb.Settings{
		Preset: c.Users.Preset, Table: c.Users.Table, ID: c.Users.ID, Mobile: c.Users.Mobile, Password: c.Users.Password,
		Active: c.Users.Active, Sessions: c.Users.Sessions, MobileFormat: c.Users.MobileFormat,
		Hash: c.Users.Hash, HashFloor: c.Users.HashFloor, RecoverUnusable: c.Users.RecoverUnusable,
	}
	if c.Numbers.Plan != anyRegion && c.Numbers.Plan != mainland {
		s.CallingCode = fmt.Sprint(phonenumbers.GetCountryCodeForRegion(c.Numbers.Plan))
	}
	return s
}

// newHouse opens the stores and builds the service on them. The caller closes it.
func newHouse(ctx context.Context, c *config, log *slog.Logger) (h *house, err error) {
	h = &house{config: c, log: log, plan: newPlan(c.Numbers.Plan, c.Numbers.Allow), databases: databases.Set{Create: true, Wait: c.Codes.Wait, Log: log}}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
			h = nil
		}
	}()
	if h.keys, err = keyring(c.Keys, c.IndexKey); err != nil {
		return h, fmt.Errorf("keys: %w", err)
	}
	if h.users, err = openUsers(ctx, c, &h.databases, log); err != nil {
		return h, err
	}
	if h.codes, err = h.databases.Codes(ctx, "codes.store", c.Codes.Store); err != nil {
		return h, err
	}
	around := surroundings{keys: h.keys, log: log, observe: h.observe, change: h.changed, report: h.reported}
	if c.SMS.ReceiptFailover {
		around.awaiting = sms.NewAwaiting(h.codes, h.keys, c.SMS.ReceiptWait)
	}
	if h.delivery, err = newDelivery(c, around); err != nil {
		return h, err
	}
	if h.policy, err = rekey.NewPolicy(c.Password.Policy, c.Password.Blocklist); err != nil {
		return h, fmt.Errorf("password.policy: %w", err)
	}
	users, err := databases.Parse(c.Users.DSN)
	if err != nil {
		return h, err // its rule has passed it
	}
	h.service, err = rekey.New(rekey.Options{
		FindTime:  users.StepTime(),
		Directory: h.users, Codes: h.codes, Limiter: h.codes, Sender: h.delivery.failover, Recorder: recorder{log},
		Keys: h.keys, Plan: h.plan, Policy: h.policy, Disclosure: c.Disclosure,
		Code: c.codeSettings(), Limits: c.limits(), Proof: c.proofMode(), MaxPrice: h.delivery.failover.MaxPrice,
	})
	return h, err
}

// close closes what newHouse opened: first the providers, whose receipts are still noted, then the codes, which are
// written through the databases.
func (h *house) close() error {
	var all []error
	if h.delivery != nil {
		all = append(all, h.delivery.close())
	}
	if h.codes != nil {
		all = append(all, h.codes.Close())
	}
	return errors.Join(append(all, h.databases.Close())...)
}

// public is the handler of the public side, for people who see it under origin.
func (h *house) public(origin string) (http.Handler, error) {
	c := h.config
	proxies := make([]netip.Prefix, len(c.TrustedProxies))
	for i, s := range c.TrustedProxies {
		var err error
		if proxies[i], err = netip.ParsePrefix(s); err != nil {
			return nil, fmt.Errorf("trusted_proxies: %w", err)
		}
	}
	return web.New(web.Options{
		Service: h.service, Keys: h.keys,
		BasePath: c.BasePath, PublicOrigin: origin, Origins: c.Origins, CSRFCookie: c.CSRFCookie, CSRFHeader: c.CSRFHeader,
		TrustedProxies: proxies, Languages: c.Languages, Page: c.pageOptions(), Recorder: recorder{h.log}, Log: h.log,
		Receipts: h.delivery.receipts(c, h.keys, h.reported, h.log),
	})
}

// private is the handler of the private side.
func (h *house) private() http.Handler {
	o := admin.Options{
		Token: h.config.Admin.Token, Log: h.log,
		Parts: []admin.Part{
			{Name: "users", Check: h.users.Ping},
			{Name: "codes", Check: h.codesReady},
		},
		Providers: func() any { return h.delivery.failover.Health() },
	}
	// An inbox that no message goes to is not there either.
	for _, name := range h.config.used() {
		if inbox, ok := h.delivery.providers[name].(*sms.Inbox); ok {
			o.Inbox = inbox.Handler(h.log)
		}
	}
	return admin.New(o)
}

// codesReady takes steps as people's requests do, on names that nobody has: the look at the clock waits for as many replicas
// as codes.wait says, and the charge is refused by a store that answers, but takes no writes, as when it is full.
func (h *house) codesReady(ctx context.Context) error {
	if _, err := h.codes.Clock(ctx); err != nil {
		return err
	}
	return probeBudget(ctx, h.codes, h.keys, 1)
}

// probeBudget charges a budget that nobody uses and that is full again within a millisecond. A cost of 0 changes nothing.
func probeBudget(ctx context.Context, codes rekey.Limiter, keys *rekey.Keyring, cost int64) error {
	_, err := codes.Take(ctx, rekey.Charge{
		Budget: "readiness", Name: keys.Name("readiness"), Kind: rekey.Rate, Limit: 1000, Window: time.Second, Cost: cost,
	})
	return err
}

func (c *config) codeSettings() rekey.CodeSettings {
	return rekey.CodeSettings{
		Lifetime: c.Codes.Lifetime, Interval: c.Codes.Interval, Guesses: c.Codes.Guesses, PoolGuesses: c.Codes.PoolGuesses,
	}
}

func (c *config) limits() rekey.Limits {
	l := c.Limits
	return rekey.Limits{
		NumberSendsHour: l.NumberSendsHour, NumberSendsDay: l.NumberSendsDay, NumberReserved: l.NumberReserved, LiveFlows: l.LiveFlows,
		AddressSends10m: l.AddressSends10m, AddressSendsDay: l.AddressSendsDay, AddressNumberDay: l.AddressNumberDay,
		PrefixSendsHour: l.PrefixSendsHour, PrefixSendsDay: l.PrefixSendsDay,
		ServiceSendsDay: l.ServiceSendsDay, ServiceSpendDay: l.ServiceSpendDay, ServiceWrongDay: l.ServiceWrongDay,
		NumberWrongDay: l.NumberWrongDay, NumberWrongRow: l.NumberWrongRow,
		AddressLookups: l.AddressLookups, AddressLookupsDay: l.AddressLookupsDay, ServiceLookupsDay: l.ServiceLookupsDay,
		ConversionFloor: l.ConversionFloor,
	}
}

func (c *config) proofMode() rekey.ProofMode {
	if c.Proof.Mode == "off" {
		return rekey.ProofOff
	}
	return rekey.ProofAuto
}

func (c *config) pageOptions() web.PageOptions {
	p := c.Page
	return web.PageOptions{
		Title: p.Title, Brand: p.Brand, BrandDark: p.BrandDark, Support: p.Support, Consent: p.Consent,
		DoneURL: p.DoneURL, NextOrigins: p.NextOrigins,
	}
}
