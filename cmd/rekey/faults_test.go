package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestT44_EveryFaultIsFoundAndSaysHowToMendIt(t *testing.T) {
	t.Parallel()
	exposedFile := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(exposedFile, []byte(goodKey), 0o644); err != nil {
		t.Fatal(err)
	}
	encode := base64.StdEncoding.EncodeToString
	text := encode([]byte("please change me in production, please!"))
	expectEachFault(t, []faultCase{
		{"missing keys", "", "",
			`keys: is required; make one with: openssl rand -base64 32, then set keys = ["…"] or REKEY_KEYS_FILE`},
		{"short key", `keys = ["` + encode([]byte("0123456789abcdef")) + `"]`, "",
			`1: keys: element 1 is shorter than 32 bytes; make one with: openssl rand -base64 32`},
		{"short key in hex", `keys = ["` + strings.Repeat("0f", 24) + `"]`, "",
			`1: keys: element 1 is shorter than 32 bytes; make one with: openssl rand -base64 32`},
		{"key that is no encoding", `keys = ["…"]`, "",
			`1: keys: element 1 is neither base64 nor hex; make one with: openssl rand -base64 32`},
		{"zero key", `keys = ["` + encode(make([]byte, 32)) + `"]`, "",
			`1: keys: element 1 is a pattern or a text, not random bytes; make one with: openssl rand -base64 32`},
		{"key of equal bytes", `keys = ["` + strings.Repeat("ab", 32) + `"]`, "",
			`1: keys: element 1 is a pattern or a text, not random bytes; make one with: openssl rand -base64 32`},
		{"counting key", `keys = ["000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"]`, "",
			`1: keys: element 1 is a pattern or a text, not random bytes; make one with: openssl rand -base64 32`},
		{"key of text", `keys = ["` + text + `"]`, "",
			`1: keys: element 1 is a pattern or a text, not random bytes; make one with: openssl rand -base64 32`},
		{"the same key twice", `keys = ["` + goodKey + `", "` + goodKey + `"]`, "",
			`1: keys: element 2 stands twice; remove one`},
		{"the same key twice, spelled twice", `keys = ["` + goodKey + `", "` + strings.TrimRight(goodKey, "=") + `"]
index_key = "` + otherKey + `"`, "",
			`1: keys: can't be used: key 2 stands twice; remove or replace that one`},
		{"second bad key", `keys = ["` + goodKey + `", "short"]`, "",
			`1: keys: element 2 is neither base64 nor hex; make one with: openssl rand -base64 32`},
		{"two keys without an index key", `keys = ["` + goodKey + `", "` + otherKey + `"]`, "",
			`index_key: is required once there are two keys, and must then stay as it is; set it to the key that has been the only one so far`},
		{"short index key", "\nindex_key = \"YWJj\"", "",
			`2: index_key: is shorter than 32 bytes; make one with: openssl rand -base64 32`},

		{"lifetime over ten minutes", "[codes]\nlifetime = \"10m1s\"", "",
			`2: codes.lifetime: must be from 30s to 10m`},
		{"lifetime without a unit", "[codes]\nlifetime = 300", "",
			`2: codes.lifetime: must be a duration with its unit, such as "5m", "90s" or "180d"`},
		{"lifetime that is none", "[codes]\nlifetime = \"5 minutes\"", "",
			`2: codes.lifetime: must be a duration with its unit, such as "5m", "90s" or "180d"`},
		{"no guesses", "[codes]\nguesses = 0", "",
			`2: codes.guesses: must be from 1 to 10`},
		{"a hundred guesses", "[codes]\npool_guesses = 100", "",
			`2: codes.pool_guesses: must be from 0 to 10`},
		{"wait without Redis", "[codes]\nwait = 1", "",
			`2: codes.wait: is for replicas of Redis, and codes.store is none; remove the setting, or set it to 0`},
		{"store that is none", "[codes]\nstore = \"rekey.db\"", "",
			`2: codes.store: must begin with "memory:", "sqlite:", …`},
		{"wait that is negative", "[codes]\nstore = \"redis://h\"\nwait = -1", "",
			`3: codes.wait: must be from 0 to 100`},
		{"wait with SQL", "[codes]\nstore = \"postgres://u:p@h/db\"\nwait = 1", "",
			`3: codes.wait: is for replicas of Redis, and codes.store is none; remove the setting, or set it to 0`},
		{"Redis with a parameter that there is not", "[codes]\nstore = \"redis://h/0?max_retries=5\"", "",
			`2: codes.store: has a parameter that there is not; …`},
		{"Redis Cluster with a database", "[codes]\nstore = \"rediss+cluster://h1,h2/3\"", "",
			`2: codes.store: names a database, of which a cluster has none …`},
		{"sentinels without the master's name", "[codes]\nstore = \"redis+sentinel://s1,s2\"", "",
			`2: codes.store: must have the name behind its hosts …`},
		{"a record of events in Redis", "[audit]\nstore = \"redis://h\"", "",
			`2: audit.store: must begin with "sqlite:" or …`},
		{"users in Redis", "[users]\ndsn = \"redis://h\"", "",
			`2: users.dsn: must begin with "sqlite:" or …`},
		{"memory with more", "[codes]\nstore = \"memory:x\"", "",
			`2: codes.store: must be memory: with nothing behind it`},
		{"SQLite without a file", "[users]\ndsn = \"sqlite:\"", "",
			`2: users.dsn: must be sqlite: and a file, such as "sqlite:rekey.db"`},
		{"SQLite in memory", "[users]\ndsn = \"sqlite::memory:\"", "",
			`2: users.dsn: must be sqlite: and the path of a file, without options, such as "sqlite:/var/lib/rekey/rekey.db"`},
		{"SQLite with options", "[users]\ndsn = \"sqlite:a.db?mode=ro\"", "",
			`2: users.dsn: must be sqlite: and the path of a file, without options, such as "sqlite:/var/lib/rekey/rekey.db"`},
		{"users in memory", "[users]\ndsn = \"memory:\"", "",
			`2: users.dsn: must begin with "sqlite:" or "postgres://" or "mysql://", such as "sqlite:rekey.db"`},
		{"PostgreSQL with a parameter that there is not", "[users]\ndsn = \"postgres://u:p@h/db?statement_timeout=5\"", "",
			`2: users.dsn: has a parameter that there is not; remove all but these: sslmode, sslrootcert, sslcert, sslkey, connect_timeout, step_timeout, pool_max, host, port, target_session_attrs, search_path, application_name`},
		{"MySQL with a mode of TLS that there is not", "[users]\ndsn = \"mysql://u:p@h/db?sslmode=true\"", "",
			`2: users.dsn: must have one of disable, prefer, require, verify-ca, verify-full in the parameter sslmode`},
		{"codes in a database of no kind", "[codes]\nstore = \"postgres://u:p@h\"", "",
			`2: codes.store: names no database; …`},

		{"wrong type: number", "listen = 8000", "",
			`1: listen: must be a string, such as "text"`},
		{"wrong type: truth", "disclosure = \"yes\"", "",
			`1: disclosure: must be true or false`},
		{"wrong type: list", "origins = \"https://a.example\"", "",
			`1: origins: must be a list of strings, such as ["a", "b"]`},
		{"wrong type: list of numbers", "languages = [1]", "",
			`1: languages: must be a list of strings, such as ["a", "b"]`},
		{"wrong type: table", "users = 1", "",
			`1: users: is a table; write [users] on a line of its own and its settings below`},
		{"array of tables", "[[users]]\ndsn = \"sqlite:a\"", "",
			`1: users: is a table; write [users] on a line of its own and its settings below`},
		{"wrong type: whole number", "[limits]\nlive_flows = 1.5", "",
			`2: limits.live_flows: must be a whole number, such as 5`},
		{"negative budget", "[limits]\nnumber_sends_day = -1", "",
			`2: limits.number_sends_day: must be from 0 to 1000000000`},
		{"floor over one", "[limits]\nconversion_floor = 30", "",
			`2: limits.conversion_floor: must be from 0 to 1`},
		{"floor that is no number", "[limits]\nconversion_floor = nan", "",
			`2: limits.conversion_floor: must be from 0 to 1`},
		{"money with seven decimals", "[limits]\nservice_spend_day = \"0.0000001\"", "",
			`2: limits.service_spend_day: must be an amount with at most six decimals, such as "0.045"`},
		{"all sends reserved", "[limits]\nnumber_reserved = 10", "",
			`2: limits.number_reserved: leaves nothing of limits.number_sends_day; set it lower`},

		{"unknown key", "\n\nlisen = \"127.0.0.1:1\"", "",
			`3: lisen: there is no such setting; correct the name or remove the line (is it listen?)`},
		{"unknown key in a section", "[users]\n\nnaem = 1", "",
			`3: users.naem: there is no such setting; correct the name or remove the line`},
		{"unknown section", "[user]\ndsn = \"sqlite:a\"", "",
			`1: user: there is no such setting; correct the name or remove the line`},
		{"unknown section by its table", "\n[user.of]\ndsn = \"sqlite:a\"", "",
			`2: user: there is no such setting; correct the name or remove the line`},
		{"other case", "Listen = \"127.0.0.1:1\"", "",
			`1: Listen: there is no such setting; correct the name or remove the line (is it listen?)`},
		{"dotted key in quotes", "\"users.dsn\" = \"sqlite:a\"", "",
			`1: "users.dsn": there is no such setting; correct the name or remove the line (is it users.dsn?)`},
		{"no TOML", "listen = \nx", "",
			`1: not valid TOML: expected value but found '\n' instead; correct that line`},
		{"the same key twice in the file", "listen = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"", "",
			`2: not valid TOML: Key 'listen' has already been defined; correct that line`},

		{"listen without a port", "listen = \"127.0.0.1\"", "",
			`1: listen: must be an address and a port, such as "127.0.0.1:8000"`},
		{"listen on port 70000", "listen = \"127.0.0.1:70000\"", "",
			`1: listen: must be an address and a port, such as "127.0.0.1:8000"`},
		{"the same address twice", "[admin]\nlisten = \"127.0.0.1:8000\"", "",
			`2: admin.listen: is the address of listen, 127.0.0.1:8000; give it a port of its own`},
		{"base path without slash", "base_path = \"/forget_pwd\"", "",
			`1: base_path: can't be used: the base path "/forget_pwd" must begin and end with a slash and hold only letters, digits, - . _ ~ between slashes`},
		{"base path with dots", "base_path = \"/a/../\"", "",
			`1: base_path: can't be used: the base path "/a/../" must begin and end with a slash and hold only letters, digits, - . _ ~ between slashes`},
		{"empty base path", "base_path = \"\"", "",
			`1: base_path: must not be empty; remove the setting for its default`},
		{"base path with a space", "base_path = \"/a b/\"", "",
			`1: base_path: can't be used: the base path "/a b/" must begin and end with a slash and hold only letters, digits, - . _ ~ between slashes`},
		{"http under a public host", "public_origin = \"http://www.example.com\"", "",
			`1: public_origin: can't be used: pages of "http://www.example.com" send codes and passwords in clear over the Internet; write https:// and put TLS in front`},
		{"http under a public address", "public_origin = \"http://203.0.113.7:8000\"", "",
			`1: public_origin: can't be used: pages of "http://203.0.113.7:8000" send codes and passwords in clear over the Internet; write https:// and put TLS in front`},
		{"origin with a path", "public_origin = \"https://www.example.com/\"", "",
			`1: public_origin: can't be used: "https://www.example.com/" is no origin; write scheme and host only, such as https://www.example.com`},
		{"origin with a user", "public_origin = \"https://u@www.example.com\"", "",
			`1: public_origin: can't be used: "https://u@www.example.com" is no origin; write scheme and host only, such as https://www.example.com`},
		{"origin with a quote", "public_origin = 'https://exa\"mple.com'", "",
			`1: public_origin: can't be used: "https://exa\"mple.com" is no origin; write scheme and host only, such as https://www.example.com`},
		{"origin with a dollar", "public_origin = \"https://exa$mple.com\"", "",
			`1: public_origin: can't be used: "https://exa$mple.com" is no origin; write scheme and host only, such as https://www.example.com`},
		{"origin with a port that is none", "public_origin = \"https://www.example.com:99999\"", "",
			`1: public_origin: can't be used: "https://www.example.com:99999" is no origin; write scheme and host only, such as https://www.example.com`},
		{"other origin in clear", "origins = [\"http://app.example.com\"]", "",
			`1: origins: element 1 can't be used: pages of "http://app.example.com" send codes and passwords in clear over the Internet; write https:// and put TLS in front`},
		{"public origin without TLS", "public_origin = \"https://rekey.internal\"\norigins = [\"http://rekey.internal\"]", "",
			`2: origins: can't be used: the origin "http://rekey.internal" is the public origin without TLS, whose pages are refused; remove it`},
		{"origin in capitals", "public_origin = \"https://WWW.example.com\"", "",
			`1: public_origin: must be in small letters, as browsers write it, such as "https://www.example.com"`},
		{"wildcard origin", "origins = [\"https://*.example.com\"]", "",
			`1: origins: element 1 can't be used: "https://*.example.com" is no origin; write scheme and host only, such as https://www.example.com`},
		{"no public origin beyond loopback", "listen = \"0.0.0.0:8000\"", "",
			`public_origin: is required when people reach listen from elsewhere; write scheme and host as they see them, such as "https://www.example.com"`},
		{"no token beyond loopback", "[admin]\nlisten = \":8001\"", "",
			`admin.token: is required when admin.listen is reached from elsewhere; make one with: openssl rand -hex 16`},
		{"short token", "[admin]\ntoken = \"secret\"", "",
			`2: admin.token: must be at least 20 ASCII characters without spaces; make one with: openssl rand -hex 16`},
		{"framework's cookie", "csrf_cookie = \"csrftoken\"", "",
			`1: csrf_cookie: can't be used: the CSRF cookie can't be called "csrftoken", which frameworks use for their own; leave it at csrf_token`},
		{"our other cookie", "csrf_cookie = \"rekey_flow\"", "",
			`1: csrf_cookie: can't be used: the CSRF cookie can't be called "rekey_flow"…`},
		{"header with a space", "csrf_header = \"X CSRF\"", "",
			`1: csrf_header: can't be used: "X CSRF" can't be the name of the CSRF header; use letters, digits, - and _`},
		{"bad CIDR", "trusted_proxies = [\"10.0.0.0/8\", \"10.0.0.0/33\"]", "",
			`1: trusted_proxies: element 2 must be a network in CIDR notation, such as "10.0.0.0/8"`},
		{"address for a CIDR", "trusted_proxies = [\"10.0.0.1\"]", "",
			`1: trusted_proxies: element 1 has no length; write 10.0.0.1/32`},
		{"CIDR with host bits", "trusted_proxies = [\"10.0.0.1/8\"]", "",
			`1: trusted_proxies: element 1 has address bits beyond its length; write 10.0.0.0/8`},
		{"CIDR of everybody", "trusted_proxies = [\"0.0.0.0/0\"]", "",
			`1: trusted_proxies: element 1 believes everybody's X-Forwarded-For; name the proxies' own network`},
		{"language that is not there", "languages = [\"fr\"]", "",
			`1: languages: element 1 must be "zh-CN" or "en"`},
		{"no language", "languages = []", "",
			`1: languages: must not be empty; list at least one, or remove the setting for its default`},

		{"preset that is none", "[users]\npreset = \"djanjo\"", "",
			`2: users.preset: "djanjo" is no preset; write one of …`},
		{"column override", "[users]\nmobile = \"phone\"", "",
			`2: users.mobile: the embedded table names its columns itself; leave it out, or name the preset of your own table`},
		{"nothing named for a table of one's own", "[users]\npreset = \"custom\"\nid = \"id\"\nmobile = \"tel\"\npassword = \"hash\"", "",
			`users.table: the name is missing, and the preset has none; write it`},
		{"sessions without a column", "[users]\npreset = \"django\"\nsessions = \"sessions\"", "",
			`3: users.sessions: "sessions" is not of the form table.column, …`},
		{"hash that the application does not read", "[users]\npreset = \"django\"\nhash = \"bcrypt\"", "",
			`3: users.hash: bcrypt is none that the preset's application reads; …`},
		{"table with a quote", "[users]\ntable = \"us\\u0000ers\"", "",
			`2: users.table: …`},
		{"hash that is none", "[users]\nhash = \"md5\"", "",
			`2: users.hash: unknown password hash format: write one of …`},
		{"floor that is none", "[users]\nhash_floor = \"argon2id$m=1\"", "",
			`2: users.hash_floor: …`},
		{"format that is none", "[users]\nmobile_format = \"local\"", "",
			`2: users.mobile_format: "local"…`},
		{"unknown plan", "[numbers]\nplan = \"cn\"", "",
			`2: numbers.plan: must be a country's code in capitals, such as "CN" or "HK", or "*" for any`},
		{"any plan without an allow list", "[numbers]\nplan = \"*\"", "",
			`numbers.allow: is required with plan "*"; list the countries that get codes, such as ["CN", "HK"], or "*" for all`},
		{"allow beyond the plan", "[numbers]\nallow = [\"CN\", \"US\"]", "",
			`2: numbers.allow: must be the plan's own country alone, since other numbers have no form in it; set numbers.plan to "*"`},
		{"proof always", "[proof]\nmode = \"always\"", "",
			`2: proof.mode: "always" is not in this version yet; use "auto" or "off"`},
		{"policy that is none", "[password]\npolicy = \"strong\"", "",
			`2: password.policy: must be "classic" or "nist"`},
		{"webhook", "[webhook]\nurl = \"https://example.com/h\"", "",
			`2: webhook.url: is not in this version yet; remove the setting`},
		{"notify", "[notify]\nsms = true", "",
			`2: notify.sms: is not in this version yet; set it to false`},
		{"logo", "[page]\nlogo = \"a.svg\"", "",
			`2: page.logo: is not in this version yet; remove the setting`},
		{"templates", "[page]\ntemplates = \"t\"", "",
			`2: page.templates: is not in this version yet; remove the setting`},
		{"colour by name", "[page]\nbrand = \"red\"", "",
			`2: page.brand: can't be used: the brand colour "red"…`},
		{"colour that nobody can read", "[page]\nbrand = \"#ffff00\"", "",
			`2: page.brand: can't be used: the brand colour #ffff00 has a contrast of 1.0 to #ffffff; choose one of at least 4.5, or nobody can read it`},
		{"dark colour on dark", "[page]\nbrand_dark = \"#000080\"", "",
			`2: page.brand_dark: can't be used: the brand_dark colour #000080 has a contrast of 1.1 to #111418; choose one of at least 4.5, or nobody can read it`},
		{"script for a link", "[page]\nsupport = \"javascript:alert(1)\"", "",
			`2: page.support: can't be used: the support link "javascript:alert(1)" must begin with https://, http://, tel:, mailto: or a single slash`},
		{"destination elsewhere in disguise", "[page]\ndone_url = \"//evil.example\"", "",
			`2: page.done_url: can't be used: the done link "//evil.example" must begin with https://, http://, tel:, mailto: or a single slash`},

		{"bad value in the environment", "", "REKEY_CODES_LIFETIME=1h",
			`REKEY_CODES_LIFETIME: codes.lifetime: must be from 30s to 10m`},
		{"unknown variable", "", "REKEY_USER_DSN=sqlite:a",
			`REKEY_USER_DSN: there is no such setting; correct the name or unset the variable (is it REKEY_USERS_DSN?)`},
		{"value and file", "", "REKEY_LISTEN=127.0.0.1:1 REKEY_LISTEN_FILE=/x",
			`REKEY_LISTEN: listen: is set together with REKEY_LISTEN_FILE; keep one of them`},
		{"file that is not there", "", "REKEY_KEYS_FILE=/nowhere/key",
			`REKEY_KEYS_FILE (/nowhere/key): keys: can't be read: no such file or directory; name a readable file, or unset the variable`},
		{"file that everybody reads", "", "REKEY_KEYS_FILE=" + exposedFile,
			`REKEY_KEYS_FILE (` + exposedFile + `): keys: everybody on this machine can read or change this secret; run chmod 600 ` + exposedFile + `, or where it is mounted, say mode 0400 there (Docker: mode, Kubernetes: defaultMode)`},
		{"environment before a faulty file", "listen = 1", "REKEY_LISTEN=127.0.0.1:1",
			`1: listen: must be a string, such as "text"`},
	})
}

// faultCase is a configuration with one fault, beside others that it may have.
type faultCase struct {
	name string
	toml string
	env  string // variables, one a word
	want string // the fault, without the name of the file; up to … where another package goes on in words of its own
}

func expectEachFault(t *testing.T, tests []faultCase) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, tt.toml)
			l := load(path, strings.Fields(tt.env))
			l.requireKeys()
			got := strings.ReplaceAll(l.faults.Error(), path+":", "")
			want, more := strings.CutSuffix(tt.want, "…")
			found := slices.ContainsFunc(strings.Split(got, "\n"), func(line string) bool {
				return line == want || more && strings.HasPrefix(line, want)
			})
			if !found {
				t.Errorf("faults are\n%s\nand none is\n%s", got, tt.want)
			}
		})
	}
}

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
preset = "djanjo"
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
		{"of origins", `origins = ["https://A.example", "https://exa$mple.com", "http://www.example.com"]
[page]
next_origins = ["https://*", "ftp://www.example.com"]
`, nil, []string{
			"1: origins: element 1 ", "1: origins: element 2 ", "1: origins: element 3 ",
			"3: page.next_origins: element 1 ", "3: page.next_origins: element 2 ",
		}},
		{"of the providers in one list", "[sms]\norder = [\"g\", \"g\", \"nope\"]\nroutes = {852 = [\"no\"], x = []}\n[sms.providers.g]\ntype = \"http\"\nurl = \"http://127.0.0.1/\"", nil, []string{
			`2: sms.order: "g" stands twice`, `2: sms.order: there is no provider "nope"`,
			`3: sms.routes."852": there is no provider "no"`, `3: sms.routes."x": write how numbers begin`, `3: sms.routes."x": name at least one`,
		}},
		{"of an inbox under https", "public_origin = \"https://www.example.com\"\n[sms]\norder = [\"inbox\", \"nope\"]\nroutes = {852 = [\"inbox\"]}\n[sms.providers.test]\ntype = \"inbox\"", nil, []string{
			`3: sms.order: there is no provider "nope"`, "3: sms.order: sends codes to an inbox", `4: sms.routes."852": sends codes to an inbox`,
			"6: sms.providers.test.type: is an inbox",
		}},
		{"of parts that are not there", "[webhook]\nurl = \"https://example.com/\"\nsecret = \"x\"\n[notify]\nsms = true", nil, []string{
			"2: webhook.url: ", "3: webhook.secret: ", "5: notify.sms: ",
		}},
		{"of a name that is empty", "[sms]\norder = [\"g||nope\"]\n[sms.providers.g]\ntype = \"http\"\nurl = \"http://127.0.0.1/\"", nil, []string{
			"2: sms.order: a name is empty; write the providers' names", `2: sms.order: there is no provider "nope"`,
		}},
		{"of a gateway's patterns and of each template", "[sms.providers.g]\ntype = \"http\"\nbody = \"{{.Nope}}\"\nheaders = {A = \"{{\", B = \"{{.Nope}}\"}\nsuccess = \"(\"", nil, []string{
			"sms.providers.g.url: is required", "3: sms.providers.g.body: ", `4: sms.providers.g.headers."A": `, `4: sms.providers.g.headers."B": `,
			"5: sms.providers.g.success: ",
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
		{"0.0.0.0:8000", "[::1]:8000", true},
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
