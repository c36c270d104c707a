package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
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
[codes]
store = "redis+sentinel://user:`+canary+`@host?sentinel_password=`+canary+`"
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
	if len(l.faults) < 5 {
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

// TestT36_ADataSourceShowsAllButItsPassword holds also where nobody can tell where in it the password is.
func TestT36_ADataSourceShowsAllButItsPassword(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ setting, dsn, want string }{
		{"users.dsn", "postgres://rekey:canary@db/app?sslmode=require", "postgres://rekey:(hidden)@db:5432/app?sslmode=require"},
		{"users.dsn", "mysql://rekey@db:3307/app", "mysql://rekey@db:3307/app"},
		{"users.dsn", "mysql://rekey:canary", "mysql://(hidden)"},
		{"users.dsn", "postgres://rekey:1/canary@db/app", "postgres://(hidden)"},
		{"users.dsn", "rekey:canary@tcp(db)/app", "(hidden)"},
		{"users.dsn", "sqlite:rekey.db", "sqlite:rekey.db"},
		{"codes.store", "redis://:canary@db", "redis://:(hidden)@db:6379/0"},
		{"codes.store", "rediss+sentinel://rekey:canary@s1,s2/main?sentinel_password=canary", "rediss+sentinel://rekey:(hidden)@s1:26379,s2:26379/main?sentinel_password=(hidden)"},
		{"codes.store", "redis+cluster://rekey:1/canary@h1,h2", "redis+cluster://(hidden)"},
		{"users.dsn", "redis://rekey:canary@db", "redis://rekey:(hidden)@db:6379/0"},
		{"codes.store", "memory:", "memory:"},
		{"audit.store", "postgres://rekey:canary@db/app", "postgres://rekey:(hidden)@db:5432/app"},
	} {
		table, name := split(c.setting)
		l := load(write(t, fmt.Sprintf("[%s]\n%s = %q\n", table, name, c.dsn)), nil)
		var shown strings.Builder
		if err := l.show(&shown); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%s = %q #", name, c.want); !strings.Contains(shown.String(), want) {
			t.Errorf("%s = %q is not shown as %s", c.setting, c.dsn, want)
		}
		if strings.Contains(shown.String()+l.faults.Error(), "canary") {
			t.Errorf("%s = %q: the password is shown:\n%s%v", c.setting, c.dsn, shown.String(), l.faults)
		}
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
	if l.Limits.ServiceSpendDay != 12_500_000 || l.SMS.Providers["gateway"].Price[""] != 45_000 || l.Codes.Lifetime != 4*time.Minute {
		t.Errorf("values are %d, %d, %v", l.Limits.ServiceSpendDay, l.SMS.Providers["gateway"].Price[""], l.Codes.Lifetime)
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
	f.Add("public_origin = \"https://h\"\nlimits.service_spend_day = 1\nnumbers.allow = [\"*\"]\n[sms]\norder = [\"a|b\"]\nroutes = {\"1\" = [\"b\"]}\n" +
		"[sms.providers.a]\ntype = \"aws\"\nprice = {\"*\" = 1}\n[sms.providers.b]\ntype = \"tencent\"\ntemplate = {en = \"1\"}\nwindow = 1")
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
