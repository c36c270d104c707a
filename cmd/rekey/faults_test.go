package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestT44_AllFaultsAreListedAtOnce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		toml string
		env  []string
		want []string // the beginnings of the faults, in their order, without the file's name
	}{
		{"of several sections", `listen = "here"
keys = ["short"]
nonsense = true
[codes]
lifetime = "1h"
store = "sqlite:"
[sms]
order = ["gateway"]
`, []string{"REKEY_PROOF_MODE=always"}, []string{
			"1: listen: ", "2: keys: ", "3: nonsense: ", "5: codes.lifetime: ", "6: codes.store: ", "8: sms.order: ", "REKEY_PROOF_MODE: proof.mode: ",
		}},
		{"beside a wrong preset", `[users]
preset = "django"
hash = "md5"
hash_floor = "argon2id$m=1"
mobile_format = "local"
table = ""
`, nil, []string{"2: users.preset: ", "3: users.hash: ", "4: users.hash_floor: ", "5: users.mobile_format: "}},
		{"beside a wrong plan", "[users]\nhash = \"md5\"\n[numbers]\nplan = \"cn\"\nallow = [\"C\", \"N\"]", nil, []string{
			"2: users.hash: ", "4: numbers.plan: ", "5: numbers.allow: element 1 ", "5: numbers.allow: element 2 ",
		}},
		{"of one list", `trusted_proxies = ["10.0.0.1", "10.0.0.0/8", "bad", "0.0.0.0/0", "10.0.0.0/8"]
keys = ["short", "…", "AAAA"]
index_key = "` + goodKey + `"
languages = ["fr", "en", "de"]
`, nil, []string{
			"1: trusted_proxies: element 1 ", "1: trusted_proxies: element 3 ", "1: trusted_proxies: element 4 ", "1: trusted_proxies: element 5 stands twice",
			"2: keys: element 1 ", "2: keys: element 2 ", "2: keys: element 3 ",
			"4: languages: element 1 ", "4: languages: element 3 ",
		}},
		{"of the providers in one list", "[sms]\norder = [\"g\", \"g\", \"nope\"]\nroutes = {852 = [\"no\"], x = []}\n[sms.providers.g]\ntype = \"http\"\nurl = \"http://127.0.0.1/\"", nil, []string{
			`2: sms.order: "g" stands twice`, `2: sms.order: there is no provider "nope"`,
			`3: sms.routes."852": there is no provider "no"`, `3: sms.routes."x": write a country calling code`, `3: sms.routes."x": name at least one`,
		}},
		{"of an inbox under https", "public_origin = \"https://www.example.com\"\n[sms]\norder = [\"inbox\", \"nope\"]\nroutes = {852 = [\"inbox\"]}\n[sms.providers.test]\ntype = \"inbox\"", nil, []string{
			`3: sms.order: there is no provider "nope"`, "3: sms.order: sends codes to an inbox", `4: sms.routes."852": sends codes to an inbox`,
			"6: sms.providers.test.type: is an inbox",
		}},
		{"of parts that are not there", "[webhook]\nurl = \"https://example.com/\"\nsecret = \"x\"\n[notify]\nsms = true", nil, []string{
			"2: webhook.url: ", "3: webhook.secret: ", "5: notify.sms: ",
		}},
		{"of the entries of one table", "[sms.providers.a]\ntype = \"http\"\nurl = \"http://127.0.0.1/\"\nheaders = {Host = \"a\", \"a: b\" = \"c\"}", nil, []string{
			`4: sms.providers.a.headers."Host": `, `4: sms.providers.a.headers."a: b": `,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, tt.toml)
			expectFaults(t, load(path, tt.env), path, tt.want)
		})
	}
}

// expectFaults compares the beginnings of all faults.
func expectFaults(t *testing.T, l *loaded, path string, want []string) {
	t.Helper()
	fits := len(l.faults) == len(want)
	for i := range min(len(l.faults), len(want)) {
		fits = fits && strings.HasPrefix(strings.TrimPrefix(l.faults[i].String(), path+":"), want[i])
	}
	if !fits {
		t.Errorf("the faults are\n%v\nbut should begin with\n%s", l.faults, strings.Join(want, "\n"))
	}
}

func TestTwoListenersAtOneAddressAreAFault(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"127.0.0.1:8000", "127.0.0.1:8000", true},
		{"127.0.0.1:8000", "127.0.0.1:8001", false},
		{"127.0.0.1:8000", "127.0.0.1:08000", true},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{"localhost:8000", "127.0.0.1:8000", true},
		{"localhost:8000", "[::1]:8000", false},
		{"127.0.0.1:8000", "127.0.0.2:8000", false},
		{"0.0.0.0:8000", "127.0.0.1:8000", true},
		{":8000", "127.0.0.1:8000", true},
		{":8000", "0.0.0.0:8000", true},
		{"[::]:8000", "127.0.0.1:8000", true},
		{"[::]:8000", "[::1]:8000", true},
		{"0.0.0.0:8000", "[::1]:8000", false},
		{"[::1]:8000", "[0:0::1]:8000", true},
		{"[::ffff:127.0.0.1]:8000", "127.0.0.1:8000", true},
		{"rekey.internal:8000", "rekey.internal:8000", true},
		{"rekey.internal:8000", "127.0.0.1:8000", false}, // only the resolver knows
	} {
		for _, listen := range [][2]string{{tt.a, tt.b}, {tt.b, tt.a}} {
			l := load(write(t, ""), []string{"REKEY_LISTEN=" + listen[0], "REKEY_ADMIN_LISTEN=" + listen[1]})
			if l.has("admin.listen") != tt.same {
				t.Errorf("listen %s, admin.listen %s: the faults are\n%v", listen[0], listen[1], l.faults)
			}
		}
	}
}

func TestT44_AnExposedSecretIsToldBesideWhatElseIsWrongWithIt(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(secret, []byte("short\n"+goodKey), 0o444); err != nil {
		t.Fatal(err)
	}
	expectFaults(t, load(write(t, ""), []string{"REKEY_KEYS_FILE=" + secret}), "", []string{
		"index_key: is required once there are two keys",
		"REKEY_KEYS_FILE (" + secret + "): keys: element 1 is ",
		"REKEY_KEYS_FILE (" + secret + "): keys: everybody on this machine can read",
	})
}

// A key that is asked for because the file could not be read would replace a good one.
func TestNothingIsMissedInAFileThatCouldNotBeRead(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{
		"no file": filepath.Join(t.TempDir(), "nowhere.toml"), "a folder": t.TempDir(), "no TOML": write(t, "listen = \nx"),
	} {
		// What these want stands in the file, for all that anybody knows.
		l := load(path, []string{"REKEY_LISTEN=0.0.0.0:8000", "REKEY_ADMIN_LISTEN=:8001", "REKEY_SMS_ORDER=gateway",
			"REKEY_SMS_PROVIDERS_GATEWAY_URL=http://127.0.0.1/", "REKEY_LIMITS_NUMBER_RESERVED=50"})
		l.requireKeys()
		if len(l.faults) != 1 || l.faults[0].at.file != path {
			t.Errorf("%s: the faults are\n%v", name, l.faults)
		}
		l = load(path, []string{"REKEY_KEYS=short", "REKEY_USERS_HASH=md5", "REKEY_BASE_PATH=x"})
		for _, key := range []string{"keys", "users.hash", "base_path"} {
			if !l.has(key) {
				t.Errorf("%s: %s is not among the faults\n%v", name, key, l.faults)
			}
		}
	}
}
