package main

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// goodKey and otherKey are 32 bytes without a pattern.
const (
	goodKey  = "3q2-7wQb2Vt5o1xJmZk4cR8sY0uHfLdPaGiXe9NwTlM="
	otherKey = "9f1c3b7ad24e60851be0c7f3264d98aa5731e2bc08f46d9713c5ae80f2679bd4"
)

// write makes a configuration file that only its owner can read.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rekey.toml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestT44_EveryFaultIsFoundAndSaysHowToMendIt(t *testing.T) {
	t.Parallel()
	exposedFile := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(exposedFile, []byte(goodKey), 0o644); err != nil {
		t.Fatal(err)
	}
	encode := base64.StdEncoding.EncodeToString
	text := encode([]byte("please change me in production, please!"))
	tests := []struct {
		name string
		toml string
		env  string // variables, one a word
		want string // "line 3: key: " and a piece of the sentence; "" stands for no line
	}{
		{"missing keys", "", "", "keys: is required"},
		{"short key", `keys = ["` + encode([]byte("0123456789abcdef")) + `"]`, "", "1: keys: element 1 is shorter than 32 bytes"},
		{"short key in hex", `keys = ["` + strings.Repeat("0f", 24) + `"]`, "", "1: keys: element 1 is shorter than 32 bytes"},
		{"key that is no encoding", `keys = ["…"]`, "", "1: keys: element 1 is neither base64 nor hex"},
		{"zero key", `keys = ["` + encode(make([]byte, 32)) + `"]`, "", "1: keys: element 1 is a pattern"},
		{"key of equal bytes", `keys = ["` + strings.Repeat("ab", 32) + `"]`, "", "1: keys: element 1 is a pattern"},
		{"counting key", `keys = ["000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"]`, "", "1: keys: element 1 is a pattern"},
		{"key of text", `keys = ["` + text + `"]`, "", "1: keys: element 1 is a pattern or a text"},
		{"the same key twice", `keys = ["` + goodKey + `", "` + goodKey + `"]`, "", "1: keys: element 2 stands twice"},
		{"the same key twice, spelled twice", `keys = ["` + goodKey + `", "` + strings.TrimRight(goodKey, "=") + `"]
index_key = "` + otherKey + `"`, "", "1: keys: can't be used: key 2 stands twice"},
		{"second bad key", `keys = ["` + goodKey + `", "short"]`, "", "1: keys: element 2 is"},
		{"two keys without an index key", `keys = ["` + goodKey + `", "` + otherKey + `"]`, "", "index_key: is required once there are two keys"},
		{"short index key", "\nindex_key = \"YWJj\"", "", "2: index_key: is shorter than 32 bytes"},

		{"lifetime over ten minutes", "[codes]\nlifetime = \"10m1s\"", "", "2: codes.lifetime: must be from 30s to 10m"},
		{"lifetime without a unit", "[codes]\nlifetime = 300", "", "2: codes.lifetime: must be a duration with its unit"},
		{"lifetime that is none", "[codes]\nlifetime = \"5 minutes\"", "", "2: codes.lifetime: must be a duration with its unit"},
		{"no guesses", "[codes]\nguesses = 0", "", "2: codes.guesses: must be from 1 to 10"},
		{"a hundred guesses", "[codes]\npool_guesses = 100", "", "2: codes.pool_guesses: must be from 0 to 10"},
		{"wait without Redis", "[codes]\nwait = 1", "", "2: codes.wait: is not in this version yet"},
		{"store of a later version", "[codes]\nstore = \"redis://127.0.0.1\"", "", "2: codes.store: redis:// is not in this version yet"},
		{"store that is none", "[codes]\nstore = \"rekey.db\"", "", "2: codes.store: must begin with"},
		{"memory with more", "[codes]\nstore = \"memory:x\"", "", "2: codes.store: must be memory: with nothing"},
		{"SQLite without a file", "[users]\ndsn = \"sqlite:\"", "", "2: users.dsn: must be sqlite: and a file"},
		{"SQLite in memory", "[users]\ndsn = \"sqlite::memory:\"", "", "2: users.dsn: must be sqlite: and the path"},
		{"SQLite with options", "[users]\ndsn = \"sqlite:a.db?mode=ro\"", "", "2: users.dsn: must be sqlite: and the path"},
		{"users in memory", "[users]\ndsn = \"memory:\"", "", "2: users.dsn: memory: is not in this version"},
		{"users in PostgreSQL", "[users]\ndsn = \"postgres://u:p@h/db\"", "", "2: users.dsn: postgres:// is not in this version yet"},

		{"wrong type: number", "listen = 8000", "", "1: listen: must be a string"},
		{"wrong type: truth", "disclosure = \"yes\"", "", "1: disclosure: must be true or false"},
		{"wrong type: list", "origins = \"https://a.example\"", "", "1: origins: must be a list of strings"},
		{"wrong type: list of numbers", "languages = [1]", "", "1: languages: must be a list of strings"},
		{"wrong type: table", "users = 1", "", "1: users: is a table"},
		{"array of tables", "[[users]]\ndsn = \"sqlite:a\"", "", "1: users: is a table"},
		{"wrong type: whole number", "[limits]\nlive_flows = 1.5", "", "2: limits.live_flows: must be a whole number"},
		{"negative budget", "[limits]\nnumber_sends_day = -1", "", "2: limits.number_sends_day: must be from 0"},
		{"floor over one", "[limits]\nconversion_floor = 30", "", "2: limits.conversion_floor: must be from 0 to 1"},
		{"floor that is no number", "[limits]\nconversion_floor = nan", "", "2: limits.conversion_floor: must be from 0 to 1"},
		{"money with seven decimals", "[limits]\nservice_spend_day = \"0.0000001\"", "", "2: limits.service_spend_day: must be an amount"},
		{"all sends reserved", "[limits]\nnumber_reserved = 10", "", "2: limits.number_reserved: leaves nothing"},

		{"unknown key", "\n\nlisen = \"127.0.0.1:1\"", "", "3: lisen: there is no such setting; correct the name or remove the line (is it listen?)"},
		{"unknown key in a section", "[users]\n\nnaem = 1", "", "3: users.naem: there is no such setting"},
		{"unknown section", "[user]\ndsn = \"sqlite:a\"", "", "1: user: there is no such setting"},
		{"unknown section by its table", "\n[user.of]\ndsn = \"sqlite:a\"", "", "2: user: there is no such setting"},
		{"other case", "Listen = \"127.0.0.1:1\"", "", "1: Listen: there is no such setting"},
		{"dotted key in quotes", "\"users.dsn\" = \"sqlite:a\"", "", `1: "users.dsn": there is no such setting`},
		{"no TOML", "listen = \nx", "", "1: not valid TOML"},
		{"the same key twice in the file", "listen = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"", "", "2: not valid TOML"},

		{"listen without a port", "listen = \"127.0.0.1\"", "", "1: listen: must be an address and a port"},
		{"listen on port 70000", "listen = \"127.0.0.1:70000\"", "", "1: listen: must be an address and a port"},
		{"the same address twice", "[admin]\nlisten = \"127.0.0.1:8000\"", "", "2: admin.listen: is the address of listen"},
		{"base path without slash", "base_path = \"/forget_pwd\"", "", "1: base_path: can't be used: "},
		{"base path with dots", "base_path = \"/a/../\"", "", "1: base_path: can't be used: "},
		{"empty base path", "base_path = \"\"", "", "1: base_path: must not be empty"},
		{"base path with a space", "base_path = \"/a b/\"", "", "1: base_path: can't be used: "},
		{"http under a public host", "public_origin = \"http://www.example.com\"", "", "1: public_origin: sends codes and passwords in clear"},
		{"http under a public address", "public_origin = \"http://203.0.113.7:8000\"", "", "1: public_origin: sends codes and passwords in clear"},
		{"origin with a path", "public_origin = \"https://www.example.com/\"", "", "1: public_origin: must be scheme and host"},
		{"origin with a user", "public_origin = \"https://u@www.example.com\"", "", "1: public_origin: must be scheme and host"},
		{"origin in capitals", "public_origin = \"https://WWW.example.com\"", "", "1: public_origin: must be scheme and host"},
		{"wildcard origin", "origins = [\"https://*.example.com\"]", "", "1: origins: element 1 must be scheme and host"},
		{"no public origin beyond loopback", "listen = \"0.0.0.0:8000\"", "", "public_origin: is required"},
		{"no token beyond loopback", "[admin]\nlisten = \":8001\"", "", "admin.token: is required"},
		{"short token", "[admin]\ntoken = \"secret\"", "", "2: admin.token: must be at least 20"},
		{"framework's cookie", "csrf_cookie = \"csrftoken\"", "", "1: csrf_cookie: can't be used: "},
		{"our other cookie", "csrf_cookie = \"rekey_flow\"", "", "1: csrf_cookie: can't be used: "},
		{"header with a space", "csrf_header = \"X CSRF\"", "", "1: csrf_header: can't be used: "},
		{"bad CIDR", "trusted_proxies = [\"10.0.0.0/8\", \"10.0.0.0/33\"]", "", "1: trusted_proxies: element 2 must be a network"},
		{"address for a CIDR", "trusted_proxies = [\"10.0.0.1\"]", "", "1: trusted_proxies: element 1 has no length; write 10.0.0.1/32"},
		{"CIDR with host bits", "trusted_proxies = [\"10.0.0.1/8\"]", "", "1: trusted_proxies: element 1 has address bits beyond its length; write 10.0.0.0/8"},
		{"CIDR of everybody", "trusted_proxies = [\"0.0.0.0/0\"]", "", "1: trusted_proxies: element 1 believes everybody"},
		{"language that is not there", "languages = [\"fr\"]", "", "1: languages: element 1 must be"},
		{"no language", "languages = []", "", "1: languages: must not be empty"},

		{"preset of a later version", "[users]\npreset = \"django\"", "", `2: users.preset: "django" is not in this version yet`},
		{"preset that is none", "[users]\npreset = \"djanjo\"", "", "2: users.preset: must be"},
		{"column override", "[users]\nmobile = \"phone\"", "", "2: users.mobile: is not in this version yet"},
		{"table with a quote", "[users]\ntable = \"us\\u0000ers\"", "", "2: users.table: "},
		{"hash that is none", "[users]\nhash = \"md5\"", "", "2: users.hash: "},
		{"floor that is none", "[users]\nhash_floor = \"argon2id$m=1\"", "", "2: users.hash_floor: "},
		{"format that is none", "[users]\nmobile_format = \"local\"", "", "2: users.mobile_format: "},
		{"unknown plan", "[numbers]\nplan = \"cn\"", "", "2: numbers.plan: must be a country's code"},
		{"any plan without an allow list", "[numbers]\nplan = \"*\"", "", "numbers.allow: is required with plan"},
		{"allow beyond the plan", "[numbers]\nallow = [\"CN\", \"US\"]", "", "2: numbers.allow: must be the plan's own country"},
		{"proof always", "[proof]\nmode = \"always\"", "", `2: proof.mode: "always" is not in this version yet`},
		{"policy that is none", "[password]\npolicy = \"strong\"", "", "2: password.policy: must be"},
		{"webhook", "[webhook]\nurl = \"https://example.com/h\"", "", "2: webhook.url: is not in this version yet"},
		{"notify", "[notify]\nsms = true", "", "2: notify.sms: is not in this version yet"},
		{"logo", "[page]\nlogo = \"a.svg\"", "", "2: page.logo: is not in this version yet"},
		{"templates", "[page]\ntemplates = \"t\"", "", "2: page.templates: is not in this version yet"},
		{"colour by name", "[page]\nbrand = \"red\"", "", "2: page.brand: can't be used: "},
		{"colour that nobody can read", "[page]\nbrand = \"#ffff00\"", "", "2: page.brand: can't be used: "},
		{"dark colour on dark", "[page]\nbrand_dark = \"#000080\"", "", "2: page.brand_dark: can't be used: "},
		{"script for a link", "[page]\nsupport = \"javascript:alert(1)\"", "", "2: page.support: can't be used: "},
		{"destination elsewhere in disguise", "[page]\ndone_url = \"//evil.example\"", "", "2: page.done_url: can't be used: "},

		{"inbox under https", "public_origin = \"https://www.example.com\"", "", "sms.order: sends codes to an inbox"},
		{"inbox by another name under https", "public_origin = \"https://www.example.com\"\n[sms]\norder = [\"a\"]\n[sms.providers.a]\ntype = \"inbox\"", "", "5: sms.providers.a.type: is an inbox, which is for trying out"},
		{"order without a provider", "[sms]\norder = [\"gateway\"]", "", "2: sms.order: there is no provider \"gateway\""},
		{"empty order", "[sms]\norder = []", "", "2: sms.order: name at least one provider"},
		{"route without a provider", "[sms.routes]\n852 = [\"gateway\"]", "", "1: sms.routes.\"852\": there is no provider"},
		{"vendor of a later version", "[sms.providers.a]\ntype = \"aliyun\"\naccess_key_id = \"x\"", "", `2: sms.providers.a.type: "aliyun" is not in this version yet`},
		{"provider without a type", "[sms.providers.a]\nurl = \"http://127.0.0.1/\"", "", "sms.providers.a.type: is required"},
		{"provider with a bad name", "[sms.providers.\"a b\"]\ntype = \"inbox\"", "", `2: sms.providers."a b".type: stands under a name`},
		{"gateway without a url", "[sms.providers.a]\ntype = \"http\"", "", "sms.providers.a.url: "},
		{"gateway with a bad template", "[sms.providers.a]\ntype = \"http\"\nurl = \"http://127.0.0.1/{{.Nope}}\"", "", "3: sms.providers.a.url: "},
		{"gateway with a bad pattern", "[sms.providers.a]\ntype = \"http\"\nurl = \"http://127.0.0.1/\"\nsuccess = \"(\"", "", "4: sms.providers.a.success: "},
		{"unknown setting of a provider", "[sms.providers.a]\ntype = \"inbox\"\nulr = \"x\"", "", "3: sms.providers.a.ulr: there is no such setting"},
		{"gateway's setting on an inbox", "[sms.providers.a]\ntype = \"inbox\"\nurl = \"x\"", "", "3: sms.providers.a.url: is no setting of an inbox"},
		{"endpoint on a gateway", "[sms.providers.a]\ntype = \"http\"\nurl = \"http://127.0.0.1/\"\nendpoint = \"x\"", "", "4: sms.providers.a.endpoint: belongs to vendors"},
		{"spend without a price", "[limits]\nservice_spend_day = \"10\"\n[sms]\norder = [\"a\"]\n[sms.providers.a]\ntype = \"http\"\nurl = \"http://127.0.0.1/\"", "", "sms.providers.a.price: is required"},
		{"sign with brackets", "[sms]\nsign = \"【a】\"", "", "2: sms.sign: write at most 20"},

		{"bad value in the environment", "", "REKEY_CODES_LIFETIME=1h", "REKEY_CODES_LIFETIME: codes.lifetime: must be from"},
		{"unknown variable", "", "REKEY_USER_DSN=sqlite:a", "REKEY_USER_DSN: there is no such setting; correct the name or unset the variable (is it REKEY_USERS_DSN?)"},
		{"value and file", "", "REKEY_LISTEN=127.0.0.1:1 REKEY_LISTEN_FILE=/x", "REKEY_LISTEN: listen: is set together with"},
		{"file that is not there", "", "REKEY_KEYS_FILE=/nowhere/key", "REKEY_KEYS_FILE (/nowhere/key): keys: can't be read: no such file or directory"},
		{"file that everybody reads", "", "REKEY_KEYS_FILE=" + exposedFile, "keys: everybody on this machine can read"},
		{"environment before a faulty file", "listen = 1", "REKEY_LISTEN=127.0.0.1:1", "1: listen: must be a string"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, tt.toml)
			l := load(path, strings.Fields(tt.env))
			l.requireKeys()
			got := strings.ReplaceAll(l.faults.Error(), path+":", "")
			var found bool
			for line := range strings.Lines(got) {
				found = found || strings.HasPrefix(line, tt.want) || strings.Contains(line, tt.want)
			}
			if !found {
				t.Errorf("faults are\n%s\nand none is\n%s", got, tt.want)
			}
		})
	}
}

func TestT44_AFileWithSecretsMustBeItsOwnersAlone(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]bool{
		`keys = ["` + goodKey + `"]`:                                                                  true,
		"[admin]\ntoken = \"" + otherKey + `"`:                                                        true,
		`index_key = "` + goodKey + `"`:                                                               true,
		"[audit]\nstore = \"postgres://rekey:pass@db/rekey\"":                                         true,
		"[sms.providers.a]\ntype=\"http\"\nurl=\"http://user:pass@127.0.0.1/\"":                       true,
		"[sms.providers.a]\ntype=\"http\"\nurl=\"http://127.0.0.1/\"\nheaders={Authorization=\"b\"}":  true,
		"[sms.providers.a]\ntype=\"http\"\nurl=\"http://127.0.0.1/\"\nbody='{\"to\":{{json .E164}}}'": false,
		`listen = "127.0.0.1:9000"`:                                                                   false,
		"":                                                                                            false,
	} {
		path := write(t, content)
		for mode, exposed := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true, 0o602: true} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			l := load(path, nil)
			if got := strings.Contains(l.faults.Error(), "can read or change"); got != (want && exposed) {
				t.Errorf("mode %o of %q: refused is %v, want %v", mode, content, got, want && exposed)
			}
		}
	}
}

func TestT36_FaultsDoNotRepeatSecrets(t *testing.T) {
	t.Parallel()
	canary := "canarycanarycanary"
	path := write(t, `keys = ["`+canary+`"]
index_key = "`+canary+`"
[users]
dsn = "postgres://user:`+canary+`@host/db"
[sms.providers.a]
type = "http"
url = "http://user:`+canary+`@host:bad/"
secret = "`+canary+`"
headers = {"bad header" = "`+canary+`"}
[webhook]
secret = "`+canary+`"
[admin]
token = "`+canary+` x"
`)
	l := load(path, nil)
	if len(l.faults) < 4 {
		t.Errorf("too few faults:\n%v", l.faults)
	}
	if strings.Contains(l.faults.Error(), canary) {
		t.Errorf("a fault repeats a secret:\n%v", l.faults)
	}
	var shown strings.Builder
	if err := l.show(&shown); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(shown.String(), canary) {
		t.Errorf("rekey config shows a secret:\n%s", shown.String())
	}
}

func TestEveryValueComesFromEnvironmentThenFileThenDefault(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(secret, []byte(goodKey+"\n"+otherKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := write(t, "listen = \"127.0.0.1:1\"\n[codes]\nlifetime = \"4m\"\nguesses = 4\n")
	l := load(path, []string{
		"REKEY_CODES_GUESSES=2", "REKEY_KEYS_FILE=" + secret, "REKEY_INDEX_KEY=" + goodKey, "REKEY_DISCLOSURE=false",
		"REKEY_TRUSTED_PROXIES=10.0.0.0/8, 192.168.0.0/16", "REKEY_LIMITS_SERVICE_SPEND_DAY=12.5", "REKEY_LIMITS_CONVERSION_FLOOR=0.25",
		"REKEY_SMS_ORDER=gateway", "REKEY_SMS_ROUTES=852=gateway+inbox", "REKEY_SMS_PROVIDERS_GATEWAY_TYPE=http",
		"REKEY_SMS_PROVIDERS_GATEWAY_URL=http://127.0.0.1:9/", "REKEY_SMS_PROVIDERS_GATEWAY_CONTENT_TYPE=text/plain",
		"REKEY_SMS_PROVIDERS_GATEWAY_BODY={{.Text}}", "REKEY_SMS_PROVIDERS_GATEWAY_PRICE=0.045", "REKEY_SMS_PROVIDERS_GATEWAY_HEADERS=X-A=1,X-B=2",
		"REKEY_SERVICE_HOST=10.0.0.1", "REKEY_PORT_8000_TCP_ADDR=10.0.0.1", "REKEY_SERVICE_PORT_HTTP=8000", "HOME=/root",
	})
	if len(l.faults) > 0 {
		t.Fatal(l.faults)
	}
	for key, want := range map[string]string{
		"listen":                             `"127.0.0.1:1" ` + path + ":1",
		"codes.lifetime":                     `"4m" ` + path + ":3",
		"codes.guesses":                      `2 REKEY_CODES_GUESSES`,
		"codes.interval":                     `"1m" default`,
		"disclosure":                         `false REKEY_DISCLOSURE`,
		"trusted_proxies":                    `["10.0.0.0/8", "192.168.0.0/16"] REKEY_TRUSTED_PROXIES`,
		"limits.service_spend_day":           `"12.5" REKEY_LIMITS_SERVICE_SPEND_DAY`,
		"limits.conversion_floor":            `0.25 REKEY_LIMITS_CONVERSION_FLOOR`,
		"sms.routes":                         `{"852" = ["gateway", "inbox"]} REKEY_SMS_ROUTES`,
		"sms.providers.gateway.price":        `"0.045" REKEY_SMS_PROVIDERS_GATEWAY_PRICE`,
		"sms.providers.gateway.headers":      `{"X-A" = "1", "X-B" = "2"} REKEY_SMS_PROVIDERS_GATEWAY_HEADERS`,
		"sms.providers.gateway.timeout":      `"5s" default`,
		"keys":                               `["` + goodKey + `", "` + otherKey + `"] REKEY_KEYS_FILE (` + secret + `)`,
		"sms.providers.gateway.content_type": `"text/plain" REKEY_SMS_PROVIDERS_GATEWAY_CONTENT_TYPE`,
	} {
		s := l.find(key)
		if s == nil {
			t.Errorf("there is no %s", key)
			continue
		}
		if got := s.value.show() + " " + s.origin.String(); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	if l.Limits.ServiceSpendDay != 12_500_000 || l.SMS.Providers["gateway"].Price != 45_000 || l.Codes.Lifetime != 4*time.Minute {
		t.Errorf("values are %d, %d, %v", l.Limits.ServiceSpendDay, l.SMS.Providers["gateway"].Price, l.Codes.Lifetime)
	}
}

func TestEverySettingIsReadFromItsVariableAndFile(t *testing.T) {
	t.Parallel()
	var c config
	seen := map[string]string{}
	for _, s := range append(c.declare(), new(providerConfig).declare("sms.providers.a-b.")...) {
		name := variable(s.key)
		if other, twice := seen[name]; twice {
			t.Errorf("%s and %s have the same variable %s", other, s.key, name)
		}
		seen[name] = s.key
		s.reset()
		shown := s.value.show()
		if err := s.value.judge(); err != nil && s.initial != "" {
			t.Errorf("the default of %s %v", s.key, err)
		}
		if s.value.show() != shown {
			t.Errorf("judging changes %s", s.key)
		}
	}
	if seen["REKEY_SMS_PROVIDERS_A_B_URL"] != "sms.providers.a-b.url" {
		t.Error("a provider's name is not spelled with _ in its variables")
	}
}

func TestWhatConfigShowsIsReadBack(t *testing.T) {
	t.Parallel()
	first := load(exampleFile, []string{"REKEY_SMS_SIGN=quote\" back\\slash", "REKEY_LIMITS_SERVICE_SPEND_DAY=0.000001", "REKEY_AUDIT_KEEP=36h"})
	var shown strings.Builder
	if err := first.show(&shown); err != nil {
		t.Fatal(err)
	}
	second := load(write(t, shown.String()), nil)
	if len(second.faults) > 0 {
		t.Fatalf("%v in\n%s", second.faults, shown.String())
	}
	for _, s := range first.settings {
		if got, want := second.find(s.key).value.show(), s.value.show(); got != want {
			t.Errorf("%s is read back as %s, want %s", s.key, got, want)
		}
	}
}

func TestKeysAreReadInEveryEncoding(t *testing.T) {
	t.Parallel()
	secret, err := hex.DecodeString(otherKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{
		otherKey, strings.ToUpper(otherKey), base64.StdEncoding.EncodeToString(secret), base64.RawStdEncoding.EncodeToString(secret),
		base64.URLEncoding.EncodeToString(secret), base64.RawURLEncoding.EncodeToString(secret),
	} {
		if got, err := decodeKey(s); err != nil || string(got) != string(secret) {
			t.Errorf("%s is read as %x, %v", s, got, err)
		}
	}
}

func FuzzConfigurationFile(f *testing.F) {
	f.Add("listen = \"127.0.0.1:1\"\n[sms.providers.a]\ntype = \"http\"")
	f.Add("[[users]]\n[sms]\nproviders = 1\nroutes = {\"852\" = [[]]}")
	f.Add("sms.providers.\"\".url = 1\nkeys = [\"\", 1, {}]\n[codes]\nlifetime = 1979-05-27")
	f.Fuzz(func(t *testing.T, content string) {
		l := &loaded{file: "f"}
		l.settings = l.config.declare()
		for _, s := range l.settings {
			s.reset()
		}
		l.readFile(content)
		l.check()
		var shown strings.Builder
		if err := l.show(&shown); err != nil {
			t.Fatal(err)
		}
	})
}
