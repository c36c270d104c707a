package main

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rekey/codestore/codestoretest"
	"rekey/sms/smpp/smpptest"
)

// callback is a body of a request that tells the gateway where to send the receipt.
const callback = `{"id":{{json .ID}},"mobile":{{json .Mobile}},"code":{{json .Code}},"callback":{{json .ReceiptURL}}}`

// event waits for an event of a kind in the log.
func (p *process) event(kind string) map[string]any {
	p.t.Helper()
	var record map[string]any
	p.line(func(line string) bool {
		record = nil
		return json.Unmarshal([]byte(line), &record) == nil && record["event"] == kind
	})
	return record
}

// push makes a request to a path of the public side, as a vendor does, and returns status and body of the answer.
func (s *served) push(method, path, body string) (int, string) {
	s.t.Helper()
	request, err := http.NewRequest(method, s.public+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, readAll(s.t, response)
}

// health is what the admin side says of a provider.
func (s *served) health(name string) map[string]any {
	s.t.Helper()
	var all []map[string]any
	if err := json.Unmarshal([]byte(body(s.t, s.admin+"/providers")), &all); err != nil {
		s.t.Fatal(err)
	}
	for _, h := range all {
		if h["provider"] == name {
			return h
		}
	}
	s.t.Fatalf("nothing is said of %s: %v", name, all)
	return nil
}

// TestAMessageIsFollowedFromItsSendToItsReceipt: the first gateway refuses, the second takes the message and calls back at the
// address that it was told, below the public origin.
func TestAMessageIsFollowedFromItsSendToItsReceipt(t *testing.T) {
	t.Parallel()
	refusing, taking := newGatewayServer(t), newGatewayServer(t)
	refusing.status = http.StatusBadRequest
	dir := t.TempDir()
	s := serve(t, dir, []string{"13800000001"}, append(through(refusing, taking), "REKEY_PUBLIC_ORIGIN=https://rekey.test",
		"REKEY_SMS_PROVIDERS_G2_BODY="+callback, "REKEY_SMS_PROVIDERS_G2_PRICE=86=0.045,1=0.01")...)

	if sent := s.send("13800000001"); sent.Errno != "0" {
		t.Fatalf("send answers %+v", sent)
	}
	attempt, delivered := s.event("attempt"), s.event("deliver")
	if attempt["provider"] != "g1" || attempt["outcome"] != "rejected_number" || attempt["vendor_code"] != "400" {
		t.Errorf("of the refusal the log says %v", attempt)
	}
	if delivered["provider"] != "g2" || delivered["message"] != attempt["message"] || delivered["price_millionths"] != 45000.0 {
		t.Errorf("of the delivery the log says %v", delivered)
	}

	message := taking.taken()[0]
	address, err := url.Parse(message.Callback)
	if err != nil || !strings.HasPrefix(message.Callback, "https://rekey.test/forget_pwd/receipts/g2/") || address.Query().Get("id") != delivered["message"] {
		t.Fatalf("the gateway is told to call back %s, %v", message.Callback, err)
	}
	told, exit := runCommand(t, dir, s.env, "", "sms", "receipts")
	if exit != 0 || !strings.Contains(told, "\n  https://rekey.test"+address.Path+"\n") || strings.Contains(told, "/receipts/g1/") {
		t.Errorf("rekey sms receipts says\n%s", told)
	}

	// What is not for us is refused, and counts for nothing.
	secret := address.Path[strings.LastIndexByte(address.Path, '/')+1:]
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", strings.Replace(address.Path, secret, secret[1:], 1) + "?" + address.RawQuery, "status=DELIVRD", 404},
		{"POST", strings.Replace(address.Path, "/g2/", "/g1/", 1) + "?" + address.RawQuery, "status=DELIVRD", 404},
		{"POST", strings.Replace(address.Path, "/g2/", "/inbox/", 1), "status=DELIVRD", 404},
		{"POST", address.Path + "?" + address.RawQuery, "nothing=1", 400},
		{"PUT", address.Path + "?" + address.RawQuery, "status=DELIVRD", 405},
		{"POST", address.Path + "?" + address.RawQuery, "status=" + strings.Repeat("x", 1<<20), 413},
	} {
		if status, said := s.push(c.method, c.path, c.body); status != c.status {
			t.Errorf("%s with %.20q is answered %d %s, want %d", c.method, c.body, status, said, c.status)
		}
	}
	if rate := s.health("g2")["delivery_rate"]; rate != nil {
		t.Errorf("a rate of %v was made of refused receipts", rate)
	}

	for range 2 { // who got no answer pushes again
		if status, said := s.push("POST", address.RequestURI(), "status=DELIVRD"); status != http.StatusOK || said != "OK" {
			t.Errorf("a receipt is answered %d %s", status, said)
		}
	}
	receipt := s.event("receipt")
	if receipt["provider"] != "g2" || receipt["message"] != delivered["message"] || receipt["outcome"] != "delivered" || receipt["vendor_code"] != "DELIVRD" {
		t.Errorf("of the receipt the log says %v", receipt)
	}
	if h := s.health("g2"); h["delivered"] != 1.0 || h["delivery_rate"] != 1.0 || h["attempts"].(map[string]any)["sent"] != 1.0 || h["breaker"] != "closed" {
		t.Errorf("of the provider the admin side says %v", h)
	}
	s.stop(syscall.SIGTERM)
	s.wait()
	if strings.Contains(s.printed(), secret) {
		t.Error("the secret of the address stands in the log")
	}
}

// TestAProviderThatRefusesOurAccountIsAnAlarmAndIsSetAside: whoever has not paid is asked once, and the people don't notice.
func TestAProviderThatRefusesOurAccountIsAnAlarmAndIsSetAside(t *testing.T) {
	t.Parallel()
	refusing, taking := newGatewayServer(t), newGatewayServer(t)
	refusing.status = http.StatusPaymentRequired
	people := []string{"13800000001", "13800000002", "13800000003"}
	s := serve(t, t.TempDir(), people, through(refusing, taking)...)
	for _, mobile := range people {
		if sent := s.send(mobile); sent.Errno != "0" {
			t.Fatalf("send answers %+v", sent)
		}
	}
	if alarm := s.event("alarm"); alarm["level"] != "ERROR" || alarm["provider"] != "g1" || alarm["outcome"] != "rejected_account" || alarm["vendor_code"] != "402" || alarm["cause"] == nil {
		t.Errorf("of the refusal the log says %v", alarm)
	}
	if h := s.health("g1"); h["breaker"] != "open" || h["until"] == nil || len(refusing.arrived) != 1 {
		t.Errorf("it was asked %d times, and the admin side says %v", len(refusing.arrived), h)
	}
	if h := s.health("g2"); h["breaker"] != "closed" || len(taking.taken()) != len(people) {
		t.Errorf("the other one took %d messages, and the admin side says %v", len(taking.taken()), h)
	}
}

// TestTheNextMessageGoesElsewhereWhereAReceiptIsMissing has a gateway that takes every message and tells of none. A store that
// takes half a second has no say in the way of a message, which the log tells: then two others try.
func TestTheNextMessageGoesElsewhereWhereAReceiptIsMissing(t *testing.T) {
	t.Parallel()
	const rounds = 10
	silent, other := newGatewayServer(t), newGatewayServer(t)
	dir, people := t.TempDir(), onePerPrefix(2*rounds)
	s := serve(t, dir, people, append(through(silent, other), "REKEY_PUBLIC_ORIGIN=https://rekey.test",
		"REKEY_LIMITS_ADDRESS_SENDS_10M=0", "REKEY_LIMITS_ADDRESS_SENDS_DAY=0",
		"REKEY_SMS_PROVIDERS_G1_BODY="+callback, "REKEY_SMS_PROVIDERS_G1_RECEIPT_MOBILE=mobile", "REKEY_SMS_RECEIPT_FAILOVER=true")...)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "codes.db")+"?_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for round := range rounds {
		without, with := people[2*round], people[2*round+1]
		before, elsewhere := len(silent.taken()), len(other.taken())
		send := func() {
			t.Helper()
			for _, mobile := range []string{without, with} {
				if sent := s.send(mobile); sent.Errno != "0" {
					t.Fatalf("send answers %+v", sent)
				}
			}
		}
		send()
		if n := len(silent.taken()) - before; n != 2 {
			t.Fatalf("the first gateway has %d messages of two", n)
		}
		// Of the second person's message the gateway tells.
		address, err := url.Parse(silent.taken()[before+1].Callback)
		if err != nil {
			t.Fatal(err)
		}
		if status, said := s.push("POST", address.RequestURI(), "status=delivered&mobile=%2B86"+with); status != http.StatusOK {
			t.Fatalf("the receipt is answered %d %s", status, said)
		}
		codestoretest.Age(t, db, 2*time.Minute)
		send()
		got := other.taken()[elsewhere:]
		if len(got) == 1 && got[0].Mobile == without && len(silent.taken()) == before+3 {
			return
		}
		t.Logf("the gateways have %d and %d messages, want 3 and the one of the person without a receipt", len(silent.taken())-before, len(got))
		told := 0
		s.line(func(line string) bool {
			if strings.Contains(line, "whose receipts are missing") || strings.Contains(line, "awaited could not be noted") {
				told++
			}
			return told > round
		})
	}
	t.Error("the store was too slow each time")
}

// smscSettings is those of a provider that speaks to an SMSC of ours.
func smscSettings(address string) []string {
	return []string{"REKEY_SMS_ORDER=smsc", "REKEY_SMS_PROVIDERS_SMSC_TYPE=smpp", "REKEY_SMS_PROVIDERS_SMSC_ADDRESS=" + address,
		"REKEY_SMS_PROVIDERS_SMSC_SYSTEM_ID=" + smpptest.SystemID, "REKEY_SMS_PROVIDERS_SMSC_PASSWORD=" + smpptest.Password}
}

// TestServeIsBoundToAnSMSCFromItsStartToItsEnd: a person's message does not wait for the bind, the receipt comes over the same
// connection, and a stop says good-bye.
func TestServeIsBoundToAnSMSCFromItsStartToItsEnd(t *testing.T) {
	t.Parallel()
	smsc := smpptest.New(t, smpptest.Config{})
	s := serve(t, t.TempDir(), []string{"13800000001"}, smscSettings(smsc.Listen(nil))...)
	if bound := s.record("bound to the SMSC"); bound["provider"] != "smsc" {
		t.Errorf("of the bind the log says %v", bound)
	}
	if sent := s.send("13800000001"); sent.Errno != "0" {
		t.Fatalf("send answers %+v", sent)
	}
	delivered := s.event("deliver")
	id, _ := delivered["receipt"].(string)
	if delivered["provider"] != "smsc" || id == "" || len(smsc.Accepted()) != 1 {
		t.Fatalf("of the delivery the log says %v", delivered)
	}
	link := smsc.Links()[0]
	link.Deliver(0x04, "id:"+id+" sub:001 dlvrd:001 submit date:2611231136 done date:2611231136 stat:DELIVRD err:000 text:")
	if receipt := s.event("receipt"); receipt["receipt"] != id || receipt["outcome"] != "delivered" {
		t.Errorf("of the receipt the log says %v", receipt)
	}
	s.stop(syscall.SIGTERM)
	if exit := s.wait(); exit != 0 || !link.Unbound() || smsc.Binds() != 1 {
		t.Errorf("exit %d, unbound %v, bound %d times", exit, link.Unbound(), smsc.Binds())
	}
	if strings.Contains(s.printed(), smpptest.Password) {
		t.Error("the password stands in the log")
	}
}

// TestDoctorAsksForProvidersWithoutSending has one vendor that is not there, an SMSC, and a gateway that must not be asked.
func TestDoctorAsksForProvidersWithoutSending(t *testing.T) {
	t.Parallel()
	smsc, g := smpptest.New(t, smpptest.Config{}), newGatewayServer(t)
	env := append(smscSettings(smsc.Listen(nil)), through(g)...)
	env = append(env, "REKEY_KEYS="+goodKey, "REKEY_SMS_ORDER=smsc,g1,away", "REKEY_SMS_PROVIDERS_AWAY_TYPE=twilio", "REKEY_SMS_PROVIDERS_AWAY_ENDPOINT=https://127.0.0.1:1",
		"REKEY_SMS_PROVIDERS_AWAY_ACCOUNT_SID=AC0123456789abcdef0123456789abcdef", "REKEY_SMS_PROVIDERS_AWAY_AUTH_TOKEN=canary", "REKEY_SMS_PROVIDERS_AWAY_FROM=Example")
	dir := t.TempDir()
	report := func() map[string]string { // the texts of the findings about messages, by what they are about
		out, _ := runCommand(t, dir, env, "", "doctor", "--json")
		var d diagnosis
		if err := json.NewDecoder(strings.NewReader(out)).Decode(&d); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if strings.Contains(out, "canary") {
			t.Errorf("a secret stands in\n%s", out)
		}
		found := map[string]string{}
		for _, f := range d.Findings {
			if strings.HasPrefix(f.ID, "messages.") {
				found[f.ID+" "+f.About] = f.Text
			}
		}
		return found
	}

	found := report()
	if text := found["messages.unreachable sms.providers.away"]; !strings.Contains(text, "127.0.0.1:1: connect: connection refused") {
		t.Errorf("of a vendor that is not there it says %q", text)
	}
	for _, name := range []string{"smsc", "g1"} {
		if text, told := found["messages.unreachable sms.providers."+name]; told {
			t.Errorf("%s is there, but it says %q", name, text)
		}
	}
	for _, name := range []string{"g1", "away"} {
		if found["messages.receipts sms.providers."+name+".receipts"] == "" {
			t.Errorf("nothing is said of the receipts of %s", name)
		}
	}
	if _, told := found["messages.receipts sms.providers.smsc.receipts"]; told {
		t.Error("SMPP is said to have no receipts")
	}
	if smsc.Binds() != 1 || !smsc.Links()[0].Unbound() || len(smsc.Accepted()) != 0 || len(g.arrived) != 0 {
		t.Errorf("%d binds; %d messages at the SMSC, %d at the gateway", smsc.Binds(), len(smsc.Accepted()), len(g.arrived))
	}

	env = append(env, "REKEY_SMS_PROVIDERS_SMSC_PASSWORD=wrong")
	text := report()["messages.unreachable sms.providers.smsc"]
	if !strings.Contains(text, "could not be bound to") || strings.Count(text, "check ") != 1 {
		t.Errorf("of a wrong password it says %q", text)
	}
}
