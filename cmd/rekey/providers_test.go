package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rekey/sms"
)

// secretsOf is for each type of provider settings that make one, with a canary in whatever nobody may see.
func secretsOf() map[string][]string {
	return map[string][]string{
		"http":          {"URL=http://user:canary@127.0.0.1:1/?key=canary", "HEADERS=Authorization=canary", "SECRET=canarycanarycanarycanary", "BODY={\"key\":\"canary\"}"},
		"aliyun":        {"ACCESS_KEY_ID=id", "ACCESS_KEY_SECRET=canary", "SIGN=示例", "TEMPLATE=SMS_1", "ENDPOINT=http://127.0.0.1:1"},
		"aliyun-verify": {"ACCESS_KEY_ID=id", "ACCESS_KEY_SECRET=canary", "SIGN=示例", "TEMPLATE=zh-CN=1,en=2", "ENDPOINT=http://127.0.0.1:1"},
		"tencent":       {"SECRET_ID=id", "SECRET_KEY=canary", "APP_ID=1400006666", "SIGN=示例", "TEMPLATE=449739", "ENDPOINT=http://127.0.0.1:1"},
		"twilio":        {"ACCOUNT_SID=AC0123456789abcdef0123456789abcdef", "AUTH_TOKEN=canary", "FROM=Example", "ENDPOINT=http://127.0.0.1:1"},
		"aws": {"REGION=eu-west-1", "ACCESS_KEY_ID=id", "SECRET_ACCESS_KEY=canary", "SESSION_TOKEN=canary", "FROM=Example",
			"CONFIGURATION_SET=a", "TOPIC=arn:aws:sns:eu-west-1:111122223333:a", "ENDPOINT=http://127.0.0.1:1"},
		"smpp": {"ADDRESS=127.0.0.1:1", "SYSTEM_ID=id", "PASSWORD=canary"},
	}
}

// environment is the settings of one provider of each type, called p1, p2 and so on in the order of their types' names, and
// these names.
func environment(t *testing.T) (env, names []string) {
	t.Helper()
	types := slices.Sorted(maps.Keys(secretsOf()))
	for i, kind := range types {
		name := "p" + decimal(i+1)
		names = append(names, name)
		at := "REKEY_SMS_PROVIDERS_" + strings.ToUpper(name) + "_"
		env = append(env, at+"TYPE="+kind)
		for _, s := range secretsOf()[kind] {
			env = append(env, at+s)
		}
	}
	if want := len(kinds()) - 1; len(types) != want {
		t.Fatalf("%d types of providers are tested, want all %d but the inbox", len(types), want)
	}
	return append(env, "REKEY_KEYS="+goodKey, "REKEY_PUBLIC_ORIGIN=https://rekey.test", "REKEY_SMS_ORDER="+strings.Join(names, ",")), names
}

func TestEveryTypeOfProviderIsMadeOfItsSettings(t *testing.T) {
	t.Parallel()
	env, names := environment(t)
	l := load(write(t, ""), env)
	if len(l.faults) > 0 {
		t.Fatal(l.faults)
	}
	d, err := l.delivery()
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{}
	for _, name := range names {
		made[reflect.TypeOf(d.providers[name]).String()] = true
		k, ok := kindOf(l.SMS.Providers[name].Type)
		if !ok {
			t.Fatal(name)
		}
		for _, s := range l.settings {
			if setting, own := strings.CutPrefix(s.key, "sms.providers."+name+"."); own && !k.has(setting) {
				t.Errorf("a provider of type %s has the setting %s", k.name, setting)
			}
		}
		for _, setting := range append(k.settings, commonSettings...) {
			if l.find("sms.providers."+name+"."+setting) == nil {
				t.Errorf("a provider of type %s has no setting %s", k.name, setting)
			}
		}
	}
	if len(made) != len(names) {
		t.Errorf("%d types make %v", len(names), made)
	}
	if _, pushes := d.providers["p1"].(sms.Pusher); !pushes || len(d.pushers(&l.config)) != len(names)-2 {
		t.Errorf("receipts are pushed by %v, want all but SMPP, and the gateway that is not told where to", d.pushers(&l.config))
	}
}

// TestT36_NoCommandShowsAProvidersSecrets, in whatever it prints of a provider that can't be reached.
func TestT36_NoCommandShowsAProvidersSecrets(t *testing.T) {
	t.Parallel()
	env, names := environment(t)
	dir := t.TempDir()
	commands := [][]string{{"config"}, {"config", "--check"}, {"doctor"}, {"doctor", "--json"}, {"sms", "receipts"}}
	for _, name := range names {
		commands = append(commands, []string{"sms", "send", "--to", "13800000001", "--provider", name, "--dry-run"},
			[]string{"sms", "send", "--to", "13800000001", "--provider", name})
	}
	for _, args := range commands {
		out, _ := runCommand(t, dir, env, "", args...)
		if out == "" || strings.Contains(out, "canary") {
			t.Errorf("rekey %s prints\n%s", strings.Join(args, " "), out)
		}
		if strings.Contains(out, goodKey) {
			t.Errorf("rekey %s prints the key", strings.Join(args, " "))
		}
	}

	// Faults don't repeat them either: nothing of these is of any form.
	env = append(env, "REKEY_SMS_PROVIDERS_P4_URL=canary://canary", "REKEY_SMS_PROVIDERS_P6_ACCOUNT_SID=canary")
	for i := range names {
		at := "REKEY_SMS_PROVIDERS_P" + decimal(i+1)
		for _, setting := range []string{"_ACCESS_KEY_SECRET", "_SECRET_KEY", "_AUTH_TOKEN", "_SECRET_ACCESS_KEY", "_SESSION_TOKEN", "_PASSWORD", "_SECRET"} {
			env = append(env, at+setting+"=canary, canary")
		}
	}
	if out, exit := runCommand(t, dir, env, "", "config", "--check"); exit != 1 || strings.Contains(out, "canary") {
		t.Errorf("exit %d, and the faults are\n%s", exit, out)
	}
}

// TestT36_AVendorThatRepeatsEverythingPutsNothingIntoTheLog has far sides that answer with the whole request, credentials and
// code, and a users' number that no record may hold. On a slow machine an answer may come too late, which leaves the message
// unknown, and no other provider of that vendor is asked: then another person tries.
func TestT36_AVendorThatRepeatsEverythingPutsNothingIntoTheLog(t *testing.T) {
	t.Parallel()
	people := []string{"13872640951", "13872640963", "13872640975", "13872640987"}
	var mu sync.Mutex
	var requests []string
	credentials := map[string]bool{}
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whole, err := httputil.DumpRequest(r, true)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		requests = append(requests, string(whole))
		credentials[r.Header.Get("Authorization")] = true
		mu.Unlock()
		w.WriteHeader(http.StatusForbidden)
		w.Write(whole)
	}))
	t.Cleanup(echo.Close)

	env, names := environment(t)
	for i := range env {
		env[i] = strings.ReplaceAll(env[i], "http://127.0.0.1:1", echo.URL)
		env[i] = strings.ReplaceAll(env[i], "127.0.0.1:1/", strings.TrimPrefix(echo.URL, "http://")+"/")
		if strings.HasSuffix(env[i], `_BODY={"key":"canary"}`) {
			env[i] = strings.ReplaceAll(env[i], `{"key"`, `{"code":{{json .Code}},"callback":{{json .ReceiptURL}},"key"`)
		}
	}
	// SMPP, which finds nobody, comes last: it takes all the time that is left.
	env = append(env, "REKEY_SMS_ORDER=p1,p2,p3,p4,p6,p7,p5", "REKEY_SMS_PROVIDERS_P5_TIMEOUT=1s")
	s := serve(t, t.TempDir(), people, env...)
	var sent answer
	for _, mobile := range people {
		if sent = s.send(mobile); sent.Errno == "4301" {
			break
		}
	}
	if sent.Errno != "4301" {
		t.Errorf("send answers %+v, though nobody takes the message", sent)
	}
	s.stop(syscall.SIGTERM)
	s.wait()

	mu.Lock()
	defer mu.Unlock()
	all := strings.Join(requests, "\n")
	var codes []string
	for _, found := range regexp.MustCompile(`"code":"(\d{6})"`).FindAllStringSubmatch(all, -1) {
		codes = append(codes, found[1])
	}
	address := regexp.MustCompile(`/receipts/p\d/([A-Za-z0-9_-]{22})`).FindStringSubmatch(all)
	if len(requests) < len(names)-1 || len(codes) == 0 || address == nil || !strings.Contains(all, "canary") {
		t.Fatalf("the far sides got %d requests, want one by each provider but SMPP:\n%s", len(requests), all)
	}
	secrets := append(people, "canary", address[1])
	for value := range credentials {
		if value != "" {
			secrets = append(secrets, value)
		}
	}
	expectNone(t, "the log", s.printed(), secrets, codes)
	for _, name := range names {
		if !strings.Contains(s.printed(), `"provider":"`+name+`"`) {
			t.Errorf("the log says nothing of %s", name)
		}
	}
}

// TestT36_WhatAGatewaySaysBeyondItsAnswerIsNotLogged has one that counts characters where HTTP counts bytes, as some do: the
// rest of its answer reaches a connection that waits for nothing, of which net/http itself writes a line with all of it.
func TestT36_WhatAGatewaySaysBeyondItsAnswerIsNotLogged(t *testing.T) {
	t.Parallel()
	const mobile = "13872640962"
	code, hungUp := make(chan string, 1), make(chan struct{})
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m message
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		answer := "已发送：" + m.Mobile + " " + m.Code
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len([]rune("已发送：")), answer)
		io.Copy(io.Discard, conn) // until rekey has read the rest, and hangs up
		code <- m.Code
		close(hungUp)
	}))
	t.Cleanup(gateway.Close)
	s := serve(t, t.TempDir(), []string{mobile}, "REKEY_SMS_PROVIDERS_G1_TYPE=http", "REKEY_SMS_PROVIDERS_G1_URL="+gateway.URL, "REKEY_SMS_ORDER=g1")
	if sent := s.send(mobile); sent.Errno != "0" {
		t.Fatalf("send answers %+v", sent)
	}
	select {
	case <-hungUp:
	case <-time.After(time.Minute):
		t.Fatal("the connection is kept, though what came on it was no answer")
	}
	s.stop(syscall.SIGTERM)
	s.wait()
	expectNone(t, "the log", s.printed(), []string{mobile}, []string{<-code})
	for line := range strings.Lines(s.printed()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a line that is no record: %q", line)
		}
	}
}

func TestAValueForAllOrATableOfValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		toml, env, shown string
		template         map[string]string
		price            map[string]int64
	}{
		{"", "", `"" "0"`, nil, map[string]int64{"": 0}},
		{"template = \"a\"\nprice = 0.5", "", `"a" "0.5"`, map[string]string{"": "a"}, map[string]int64{"": 500_000}},
		{"template = {\"zh-CN\" = \"a\", \"*\" = \"b\"}\nprice = {86 = \"0.045\", 1787 = 1}", "", `{"*" = "b", "zh-CN" = "a"} {"1787" = "1", "86" = "0.045"}`,
			map[string]string{"zh-CN": "a", "": "b"}, map[string]int64{"86": 45_000, "1787": 1_000_000}},
		{"", "REKEY_SMS_PROVIDERS_A_TEMPLATE=zh-CN=a,en=b REKEY_SMS_PROVIDERS_A_PRICE=86=0.045,*=0.1", `{"en" = "b", "zh-CN" = "a"} {"*" = "0.1", "86" = "0.045"}`,
			map[string]string{"zh-CN": "a", "en": "b"}, map[string]int64{"86": 45_000, "": 100_000}},
		{"[sms.providers.a.template]\nzh-CN = \"a\"\nen = \"\"", "", `{"zh-CN" = "a"} "0"`, map[string]string{"zh-CN": "a"}, map[string]int64{"": 0}},
	} {
		l := load(write(t, "[sms.providers.a]\ntype = \"tencent\"\n"+c.toml), strings.Fields(c.env))
		p := l.SMS.Providers["a"]
		if !maps.Equal(p.Template, c.template) || !maps.Equal(p.Price, c.price) {
			t.Errorf("%s %s is read as %v and %v", c.toml, c.env, p.Template, p.Price)
		}
		if got := l.find("sms.providers.a.template").value.show() + " " + l.find("sms.providers.a.price").value.show(); got != c.shown {
			t.Errorf("%s %s is shown as %s, want %s", c.toml, c.env, got, c.shown)
		}
	}
}

func TestReceiptsAreOnWhereTheyCanCome(t *testing.T) {
	t.Parallel()
	const https = "public_origin = \"https://h\"\n"
	for _, c := range []struct {
		toml string
		want bool
	}{
		{"[sms.providers.a]\ntype = \"twilio\"", false},
		{https + "[sms.providers.a]\ntype = \"twilio\"", true},
		{https + "[sms.providers.a]\ntype = \"twilio\"\nreceipts = false", false},
		{"public_origin = \"http://10.0.0.1\"\n[sms.providers.a]\ntype = \"twilio\"", false},
		{"public_origin = \"http://10.0.0.1\"\n[sms.providers.a]\ntype = \"twilio\"\nreceipts = true", true},
		{https + "[sms.providers.a]\ntype = \"http\"\nurl = \"http://127.0.0.1/\"", false},
		{https + "[sms.providers.a]\ntype = \"http\"\nurl = \"http://127.0.0.1/?dlr={{urlquery .ReceiptURL}}\"", true},
		{https + "[sms.providers.a]\ntype = \"http\"\nurl = \"http://127.0.0.1/\"\nheaders = {X-Callback = \"{{.ReceiptURL}}\"}", true},
		{https + "[sms.providers.a]\ntype = \"http\"\nurl = \"http://127.0.0.1/\"\nreceipts = true", true},
		{https + "[sms.providers.a]\ntype = \"aws\"", false},
		{https + "[sms.providers.a]\ntype = \"aws\"\ntopic = \"arn:aws:sns:eu-west-1:111122223333:a\"", true},
		{"[sms.providers.a]\ntype = \"smpp\"", true},
		{"[sms.providers.a]\ntype = \"smpp\"\nreceipts = false", false},
	} {
		l := load(write(t, c.toml), nil)
		if got := l.SMS.Providers["a"].Receipts; got != c.want {
			t.Errorf("receipts are %v of\n%s", got, c.toml)
		}
		if l.has("sms.providers.a.receipts") {
			t.Error(l.faults)
		}
	}
}

func TestTheFarSideOfAProviderIsKnown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p    providerConfig
		want string
	}{
		{providerConfig{Type: "inbox"}, ""},
		{providerConfig{Type: "aliyun", Endpoint: "https://h"}, "aliyun"},
		{providerConfig{Type: "aliyun-verify"}, "aliyun"},
		{providerConfig{Type: "smpp", Address: "h:2775"}, "h:2775"},
		{providerConfig{Type: "http", URL: "https://User:p@SMS.example.com/send?to={{.Mobile}}"}, "sms.example.com"},
		{providerConfig{Type: "http", URL: "http://127.0.0.1:13013{{.ID}}"}, "127.0.0.1:13013"},
		{providerConfig{Type: "http", URL: "http://h:1?a=b@c"}, "h:1"},
	} {
		if got := c.p.vendor(); got != c.want {
			t.Errorf("the far side of %s is %q, want %q", c.p.URL, got, c.want)
		}
	}
}

func TestProvidersAreShownInTheOrderOfTheirNames(t *testing.T) {
	t.Parallel()
	env, names := environment(t)
	l := load(write(t, ""), env)
	var shown strings.Builder
	if err := l.show(&shown); err != nil {
		t.Fatal(err)
	}
	last := strings.Index(shown.String(), "[admin]")
	for _, name := range names {
		at := strings.Index(shown.String(), "[sms.providers."+name+"]")
		if at < last || strings.Count(shown.String(), "[sms.providers."+name+"]") != 1 {
			t.Errorf("%s does not stand once, behind the one before it:\n%s", name, shown.String())
		}
		last = at
	}
}

// TestT29_TheDaysSpendStopsMessages: each takes what both gateways charge, 0.3, and is given back what the second would have.
func TestT29_TheDaysSpendStopsMessages(t *testing.T) {
	t.Parallel()
	first, second := newGatewayServer(t), newGatewayServer(t)
	people := []string{"13800000001", "13800000002", "13800000003", "13800000004"}
	s := serve(t, t.TempDir(), people, append(through(first, second), "REKEY_LIMITS_SERVICE_SPEND_DAY=0.55",
		"REKEY_SMS_PROVIDERS_G1_PRICE=0.1", "REKEY_SMS_PROVIDERS_G2_PRICE=0.2")...)
	for _, mobile := range people[:3] {
		if sent := s.send(mobile); sent.Errno != "0" {
			t.Fatalf("send answers %+v", sent)
		}
	}
	if sent := s.send(people[3]); sent.Errno != "4201" {
		t.Errorf("send answers %+v when the day's money is used up", sent)
	}
	if warning, alarm := s.event("warning"), s.event("alarm"); warning["budget"] != "service_spend_day" || alarm["budget"] != "service_spend_day" {
		t.Errorf("the log says %v and %v", warning, alarm)
	}
	if n := len(first.taken()) + len(second.taken()); n != 3 {
		t.Errorf("%d messages were sent", n)
	}
}

func TestT31_AGatewayWhoseAnswerIsUnknownIsNotAskedUnderAnotherName(t *testing.T) {
	t.Parallel()
	g := newGatewayServer(t)
	g.status = http.StatusBadGateway
	s := serve(t, t.TempDir(), []string{"13800000001"}, through(g, g)...)
	if sent := s.send("13800000001"); sent.Errno != "0" { // it may have arrived
		t.Errorf("send answers %+v", sent)
	}
	if delivered := s.event("deliver"); delivered["outcome"] != "unknown" || len(g.arrived) != 1 {
		t.Errorf("it was asked %d times, and the log says %v", len(g.arrived), delivered)
	}
}

func TestAProviderOfNoWeightWaitsForTheOthersToFail(t *testing.T) {
	t.Parallel()
	spare, other := newGatewayServer(t), newGatewayServer(t)
	people := []string{"13800000001", "13800000002", "13800000003", "13800000004"}
	s := serve(t, t.TempDir(), people, append(through(spare, other), "REKEY_SMS_ORDER=g1|g2", "REKEY_SMS_PROVIDERS_G1_WEIGHT=0")...)
	for _, mobile := range people {
		if sent := s.send(mobile); sent.Errno != "0" {
			t.Fatalf("send answers %+v", sent)
		}
	}
	if len(spare.taken()) != 0 || len(other.taken()) != len(people) {
		t.Errorf("the spare one has %d messages, the other %d", len(spare.taken()), len(other.taken()))
	}
}
