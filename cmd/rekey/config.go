package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// config is what rekey.toml and the environment say. settings has the meaning and the default of every field;
// rekey.example.toml is the same for people.
type config struct {
	Listen         string
	BasePath       string
	PublicOrigin   string
	Keys           []string
	IndexKey       string
	Origins        []string
	CSRFCookie     string
	CSRFHeader     string
	TrustedProxies []string
	Languages      []string
	Disclosure     bool

	Users struct {
		Preset, DSN, Table, ID, Mobile, Password, Active, Sessions string
		RecoverUnusable                                            bool
		HashFloor, MobileFormat, Hash                              string
	}
	Numbers struct {
		Plan  string
		Allow []string
	}
	Codes struct {
		Store                      string
		Lifetime, Interval         time.Duration
		Guesses, PoolGuesses, Wait int
	}
	Limits limitsConfig
	Proof  struct{ Mode string }

	Password struct {
		Policy    string
		Blocklist bool
	}
	SMS struct {
		Order           []string
		Sign            string
		Routes          map[string][]string
		ReceiptFailover bool
		ReceiptWait     time.Duration
		Providers       map[string]*providerConfig
	}
	Page struct {
		Title, Logo, Brand, BrandDark, Support, Consent, DoneURL string
		NextOrigins                                              []string
		Templates                                                string
	}
	Webhook struct{ URL, Secret string }
	Notify  struct{ SMS bool }
	Audit   struct {
		Store string
		Keep  time.Duration
	}
	Admin struct{ Listen, Token string }
}

type limitsConfig struct {
	NumberSendsHour, NumberSendsDay, NumberReserved, LiveFlows int
	AddressSends10m, AddressSendsDay, PrefixSendsHour          int
	PrefixSendsDay, ServiceSendsDay                            int
	ServiceSpendDay                                            int64 // in millionths
	ServiceWrongDay, NumberWrongDay, NumberWrongRow            int
	AddressNumberDay, AddressLookups, AddressLookupsDay        int
	ServiceLookupsDay                                          int
	ConversionFloor                                            float64
}

// origin says where a value comes from. The zero origin is the default.
type origin struct {
	file     string
	line     int
	variable string // of the environment, with _FILE where the value was read from file
}

func (o origin) String() string {
	switch {
	case o.variable != "" && o.file != "":
		return o.variable + " (" + o.file + ")"
	case o.variable != "":
		return o.variable
	case o.file != "" && o.line > 0:
		return fmt.Sprintf("%s:%d", o.file, o.line)
	case o.file != "":
		return o.file
	}
	return "default"
}

// fault is something wrong with the configuration: where it stands, which key, what is wrong and how to mend it.
type fault struct {
	at   origin
	key  string
	text string
}

func (f fault) String() string {
	var parts []string
	if f.at != (origin{}) {
		parts = append(parts, f.at.String())
	}
	if f.key != "" {
		parts = append(parts, f.key)
	}
	return strings.Join(append(parts, f.text), ": ")
}

// faults is every fault of a configuration. As an error it is one line a fault.
type faults []fault

func (f faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].String()
	}
	return strings.Join(lines, "\n")
}

// loaded is a configuration together with where its values come from.
type loaded struct {
	config
	settings []*setting // every key in the order of the example, those of the providers included
	faults   faults     // in the order of the file; empty: the configuration is sound
	file     string     // "": there is none
	unread   bool       // there is a file, but what it says is not known
}

// load reads the configuration. path is that of --config, else REKEY_CONFIG says which file, else it is rekey.toml where
// that exists. The environment goes before the file, the file before the defaults. Every fault is collected (T44); what
// is faulty keeps its default, so that one mistake is not told twice.
func load(path string, env []string) *loaded {
	l := &loaded{}
	variables := ours(env)
	l.settings = l.config.declare()
	for _, s := range l.settings {
		s.reset()
	}

	path = cmp.Or(path, variables["REKEY_CONFIG"])
	l.file = cmp.Or(path, "rekey.toml")
	data, err := os.ReadFile(l.file)
	switch {
	case path == "" && errors.Is(err, fs.ErrNotExist):
		l.file = ""
	case err != nil:
		l.unread = true
		l.add(origin{file: l.file}, "", "can't be read: "+reason(err)+"; name a readable file by --config or REKEY_CONFIG")
	default:
		l.readFile(string(data))
	}
	l.readVariables(variables)
	l.sortProviders()
	l.check()

	l.sort()
	return l
}

// sort puts the faults into the order of the file, those of the environment last.
func (l *loaded) sort() {
	slices.SortStableFunc(l.faults, func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.at.variable, b.at.variable), cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.key, b.key))
	})
}

// add notes the faults that were found in a key at once. If there are others of it already, these follow from them and
// are not told.
func (l *loaded) add(at origin, key string, texts ...string) {
	if key != "" && l.has(key) {
		return
	}
	for _, text := range texts {
		l.faults = append(l.faults, fault{at, key, text})
	}
}

// object notes faults of a key where its value stands.
func (l *loaded) object(key string, texts ...string) {
	at := origin{}
	if s := l.find(key); s != nil {
		at = s.origin
	}
	l.add(at, key, texts...)
}

// has reports whether a key has a fault already.
func (l *loaded) has(key string) bool {
	return slices.ContainsFunc(l.faults, func(f fault) bool { return f.key == key })
}

func (l *loaded) find(key string) *setting {
	for _, s := range l.settings {
		if s.key == key {
			return s
		}
	}
	return nil
}

// provider is the provider of that name, made with its defaults where it is new. Its settings join the others.
func (l *loaded) provider(name string) *providerConfig {
	if p := l.SMS.Providers[name]; p != nil {
		return p
	}
	p := &providerConfig{}
	if l.SMS.Providers == nil {
		l.SMS.Providers = map[string]*providerConfig{}
	}
	l.SMS.Providers[name] = p
	for _, s := range p.declare("sms.providers." + tomlKey(name) + ".") {
		s.reset()
		l.settings = append(l.settings, s)
	}
	return p
}

// sortProviders puts the settings of the providers into the order of their names, behind all others: they come in any.
func (l *loaded) sortProviders() {
	table := func(s *setting) string {
		if table, _ := split(s.key); strings.HasPrefix(table, "sms.providers.") {
			return table
		}
		return ""
	}
	slices.SortStableFunc(l.settings, func(a, b *setting) int { return cmp.Compare(table(a), table(b)) })
}

// reason is the cause of a failed file operation without the path, which the sentence around it names.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}
