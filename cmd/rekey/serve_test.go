package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"rekey/sms/smpp/smpptest"
)

// gateway is an SMS gateway that keeps what it is handed. hold, if set, returns before a message to a number is taken.
type gateway struct {
	*httptest.Server
	arrived chan struct{} // one for each message, when it comes in
	hold    func(mobile string)
	status  int

	mu       sync.Mutex
	messages []message
}

type message struct{ ID, Mobile, E164, Code, Text, Callback string }

func newGatewayServer(t *testing.T) *gateway {
	g := &gateway{arrived: make(chan struct{}, 1000), status: http.StatusOK}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m message
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		g.arrived <- struct{}{}
		if g.hold != nil {
			g.hold(m.Mobile)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.status == http.StatusOK {
			g.messages = append(g.messages, m)
		}
		w.WriteHeader(g.status)
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *gateway) taken() []message {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]message(nil), g.messages...)
}

// code is the code of the latest message.
func (g *gateway) code(t *testing.T) string {
	t.Helper()
	all := g.taken()
	if len(all) == 0 {
		t.Fatal("no message has come")
	}
	return all[len(all)-1].Code
}

// through is the settings that send messages through gateways, in their order.
func through(gateways ...*gateway) []string {
	var names, settings []string
	for i, g := range gateways {
		name := fmt.Sprintf("g%d", i+1)
		names = append(names, name)
		settings = append(settings, "REKEY_SMS_PROVIDERS_G"+fmt.Sprint(i+1)+"_TYPE=http", "REKEY_SMS_PROVIDERS_G"+fmt.Sprint(i+1)+"_URL="+g.URL)
	}
	return append(settings, "REKEY_SMS_ORDER="+strings.Join(names, ","))
}

func TestServeRecoversAPasswordAndUnlocks(t *testing.T) {
	t.Parallel()
	g := newGatewayServer(t)
	dir := t.TempDir()
	s := serve(t, dir, []string{"13800000001"}, through(g)...)

	if a := s.must(s.ask(http.MethodGet, "mobiles/13800000001/", nil)); a.Errno != "0" || a.Data["count"] != 1.0 {
		t.Errorf("check answers %+v", a)
	}
	sent := s.send("13800000001")
	if sent.Errno != "0" {
		t.Fatalf("send answers %+v", sent)
	}
	flow := sent.Data["flow"].(string)
	wrong := "000000"
	if g.code(t) == wrong {
		wrong = "000001"
	}
	if a := s.reset("13800000001", wrong, "After2nd", flow); a.Status != http.StatusForbidden || a.Data["attempts_left"] != 4.0 {
		t.Errorf("a wrong code answers %+v", a)
	}
	if out, exit := runCommand(t, dir, s.env, "", "unlock", "13800000001"); exit != 0 || !strings.HasPrefix(out, "Cleared") {
		t.Errorf("unlock beside the running service: %d %s", exit, out)
	}
	if a := s.reset("13800000001", g.code(t), "After2nd", flow); a.Errno != "0" {
		t.Errorf("the right code answers %+v", a)
	}
	if a := s.reset("13800000001", g.code(t), "Third3rd", flow); a.Errno != "4103" {
		t.Errorf("a used code answers %+v", a)
	}
	if out, _ := runCommand(t, dir, s.env, "", "user", "list"); strings.Contains(out, "pbkdf2_sha256$1000 ") {
		t.Errorf("the password is still the old one:\n%s", out)
	}

	if got := body(t, s.admin+"/healthz"); got != "ok\n" {
		t.Errorf("/healthz says %s", got)
	}
	s.expectReady(t, "")
	if a := s.must(s.ask(http.MethodGet, "../healthz", nil)); a.Status != http.StatusNotFound {
		t.Errorf("the public side has the private one's pages: %d", a.Status)
	}
	s.stop(syscall.SIGTERM)
	if exit := s.wait(); exit != 0 {
		t.Errorf("exit %d, want 0", exit)
	}
	if left := files(t, dir, "*-wal"); len(left) > 0 {
		t.Errorf("the databases were not closed: %v", left)
	}
}

func body(t *testing.T, url string) string {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return readAll(t, response)
}

// onePerPrefix are as many numbers, of which no two share a budget.
func onePerPrefix(people int) []string {
	var numbers []string
	for i := range people {
		numbers = append(numbers, fmt.Sprintf("139%04d0001", i))
	}
	return numbers
}

// sendAll asks for a code for each number, all at once, and returns the answers as they come.
func (s *served) sendAll(numbers []string) <-chan answer {
	answers := make(chan answer, len(numbers))
	for _, mobile := range numbers {
		go func() {
			a, err := s.ask(http.MethodPost, "sms_code/", map[string]string{"mobile": mobile})
			if err != nil {
				s.t.Errorf("an accepted request got no answer: %v", err)
			}
			answers <- a
		}()
	}
	return answers
}

// TestT43 holds messages at the gateway, ends the process under them, and only then lets them go. On a machine so slow
// that the provider's time runs out meanwhile, an answer is a success all the same: the message may be on its way, and is.
func TestT43_AStopAnswersEveryRequestAndDeliversEveryMessageOnce(t *testing.T) {
	t.Parallel()
	const people = 20
	for name, disclosure := range map[string]string{"answer after delivery": "true", "answer before delivery": "false"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGatewayServer(t)
			stopped := make(chan struct{})
			g.hold = func(string) { <-stopped }
			release := sync.OnceFunc(func() { close(stopped) })
			t.Cleanup(release) // before the gateway's own, which waits for its requests
			numbers := onePerPrefix(people)
			settings := append(through(g), "REKEY_DISCLOSURE="+disclosure, "REKEY_LIMITS_ADDRESS_SENDS_10M=0",
				"REKEY_LIMITS_ADDRESS_SENDS_DAY=0", "REKEY_SMS_PROVIDERS_G1_TIMEOUT=8s")
			s := serve(t, t.TempDir(), numbers, settings...)

			answers := s.sendAll(numbers)
			for range people {
				<-g.arrived
			}
			var early []answer
			if disclosure == "false" {
				for range people {
					early = append(early, <-answers)
				}
			}
			s.stop(syscall.SIGTERM)
			s.record("stopping")
			for { // the listener goes away in its own time
				conn, err := net.Dial("tcp", strings.TrimPrefix(s.public, "http://"))
				if err != nil {
					break
				}
				conn.Close()
			}
			release()

			for len(early) < people {
				early = append(early, <-answers)
			}
			for _, a := range early {
				if a.Status != http.StatusOK || a.Errno != "0" {
					t.Errorf("a request in flight was answered %+v", a)
				}
			}
			if exit := s.wait(); exit != 0 {
				t.Errorf("exit %d, want 0", exit)
			}
			g.Close() // it may still be at what the process does not wait for any more
			times := map[string]int{}
			for _, m := range g.taken() {
				times[m.Mobile]++
			}
			for _, mobile := range numbers {
				if times[mobile] != 1 {
					t.Errorf("%s got %d messages, want 1", mobile, times[mobile])
				}
			}
		})
	}
}

// TestT43 ends the process while the window of an SMSC is full, and, where the answers have been given, as many messages
// wait for a place in it.
func TestT43_AStopDeliversWhatWaitsForAnSMSC(t *testing.T) {
	t.Parallel()
	const window = 10
	for disclosure, people := range map[string]int{"true": window, "false": 2 * window} {
		t.Run("disclosure "+disclosure, func(t *testing.T) {
			t.Parallel()
			arrived, stopped := make(chan struct{}, people), make(chan struct{})
			var held sync.WaitGroup
			t.Cleanup(held.Wait)
			smsc := smpptest.New(t, smpptest.Config{Window: window, Submit: func(l *smpptest.Link, s smpptest.Submission) {
				arrived <- struct{}{}
				held.Go(func() {
					<-stopped
					l.Accept(s)
				})
			}})
			release := sync.OnceFunc(func() { close(stopped) })
			t.Cleanup(release)
			numbers := onePerPrefix(people)
			s := serve(t, t.TempDir(), numbers, append(smscSettings(smsc.Listen(nil)), "REKEY_DISCLOSURE="+disclosure,
				"REKEY_LIMITS_ADDRESS_SENDS_10M=0", "REKEY_LIMITS_ADDRESS_SENDS_DAY=0", "REKEY_SMS_PROVIDERS_SMSC_TIMEOUT=8s")...)
			s.record("bound to the SMSC")

			answers := s.sendAll(numbers)
			for range window {
				<-arrived
			}
			var all []answer
			if disclosure == "false" {
				for range people {
					all = append(all, <-answers)
				}
			}
			s.stop(syscall.SIGTERM)
			s.record("stopping")
			release()
			for len(all) < people {
				all = append(all, <-answers)
			}
			for _, a := range all {
				if a.Status != http.StatusOK || a.Errno != "0" {
					t.Errorf("a request in flight was answered %+v", a)
				}
			}
			if exit := s.wait(); exit != 0 {
				t.Errorf("exit %d, want 0", exit)
			}
			times := map[string]int{}
			for _, m := range smsc.Accepted() {
				times[m.Destination]++
			}
			for _, mobile := range numbers {
				if n := times["1/1/86"+mobile]; n != 1 {
					t.Errorf("%s got %d messages, want 1", mobile, n)
				}
			}
			if !smsc.Links()[0].Unbound() || smsc.Binds() != 1 {
				t.Errorf("unbound %v, bound %d times", smsc.Links()[0].Unbound(), smsc.Binds())
			}
		})
	}
}

// TestT42 takes the write lock of the files from outside, so that every write of the service meets it.
func TestT42_ALockedFileIs503WithItsCauseInTheLogAndNothingHalfWritten(t *testing.T) {
	t.Parallel()
	const mobile = "13800000001"
	g := newGatewayServer(t)
	dir := t.TempDir()
	s := serve(t, dir, []string{mobile}, through(g)...)

	unlock := lock(t, filepath.Join(dir, "codes.db"))
	if a := s.send(mobile); a.Status != http.StatusServiceUnavailable || a.Errno != "4500" {
		t.Errorf("with codes locked, send answers %+v", a)
	}
	s.expectReady(t, "codes")
	if len(g.taken()) > 0 {
		t.Error("a message was sent")
	}
	// On a slow machine SQLite may wait for the lock so much longer than it was told to that the step's own time is over.
	toldOf := func(outcome string, again func()) {
		t.Helper()
		locked := func(line string) bool { return strings.Contains(line, outcome) && strings.Contains(line, "locked") }
		for range 20 {
			if slices.ContainsFunc(strings.Split(s.printed(), "\n"), locked) {
				break
			}
			again()
		}
		s.line(locked)
	}
	toldOf("store_down", func() { s.send(mobile) })
	unlock()

	sent := s.send(mobile)
	if sent.Errno != "0" {
		t.Fatalf("with codes free again, send answers %+v", sent)
	}
	unlock = lock(t, filepath.Join(dir, "users.db"))
	flow := sent.Data["flow"].(string)
	if a := s.reset(mobile, g.code(t), "After2nd", flow); a.Status != http.StatusServiceUnavailable || a.Errno != "4001" {
		t.Errorf("with users locked, reset answers %+v", a)
	}
	toldOf("users_down", func() { s.reset(mobile, g.code(t), "After2nd", flow) })
	if out, _ := runCommand(t, dir, s.env, "", "user", "list"); !strings.Contains(out, "pbkdf2_sha256$1000 ") {
		t.Errorf("the row was changed:\n%s", out)
	}
	unlock()
	if a := s.reset(mobile, g.code(t), "After2nd", flow); a.Errno != "0" {
		t.Errorf("with users free again, the same code answers %+v", a)
	}
}

// lock takes the write lock of a SQLite file until it is told to let go.
func lock(t *testing.T, path string) (unlock func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(context.Background(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if _, err := conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
		conn.Close()
		db.Close()
	}
}

func TestAPortInUseIsOneSentence(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	for setting, key := range map[string]string{"REKEY_LISTEN": "listen", "REKEY_ADMIN_LISTEN": "admin.listen"} {
		env := []string{"REKEY_KEYS=" + goodKey, "REKEY_LISTEN=127.0.0.1:0", "REKEY_ADMIN_LISTEN=127.0.0.1:0"}
		out, exit := runCommand(t, t.TempDir(), append(env, setting+"="+address), "", "serve")
		want := "rekey: " + key + ": " + address + " is in use by another program; end that one, or choose another port\n"
		if exit != 1 || out != want {
			t.Errorf("exit %d, output %q, want 1, %q", exit, out, want)
		}
	}
}

func TestWhatIsNoFaultButNotMeantIsInTheLog(t *testing.T) {
	t.Parallel()
	g := newGatewayServer(t)
	s := serve(t, t.TempDir(), nil, append(through(g), "REKEY_AUDIT_KEEP=30d", "REKEY_PUBLIC_ORIGIN=https://www.example.com")...)
	for _, piece := range []string{"[audit] is not in effect", "trusted_proxies is empty"} {
		s.line(func(line string) bool {
			return strings.Contains(line, piece) && strings.Contains(line, `"level":"WARN"`)
		})
	}
	s = serve(t, t.TempDir(), nil, append(through(g), "REKEY_PUBLIC_ORIGIN=https://www.example.com", "REKEY_TRUSTED_PROXIES=127.0.0.1/32")...)
	if strings.Contains(s.printed(), "WARN") {
		t.Error("a sound configuration is warned of")
	}
}

func TestADatabaseAcrossANetworkIsWarnedOfUnlessTheServerIsVerified(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{
		"REKEY_USERS_DSN=sqlite:rekey.db": "", "REKEY_USERS_DSN=postgres://u:p@127.0.0.1/app": "",
		"REKEY_USERS_DSN=mysql://u:p@db/app?sslmode=require": "users.dsn: ", "REKEY_USERS_DSN=postgres://u:p@db/app": "users.dsn: ",
		"REKEY_USERS_DSN=postgres://u:p@db/app?sslmode=verify-full": "",
		"REKEY_CODES_STORE=memory:":                                 "", "REKEY_CODES_STORE=postgres://u:p@db/app": "codes.store: ",
		"REKEY_CODES_STORE=mysql://u:p@db/app?sslmode=verify-full": "",
		"REKEY_CODES_STORE=redis://u:p@db":                         "codes.store: ", "REKEY_CODES_STORE=rediss://u:p@db?sslmode=require": "codes.store: ",
		"REKEY_CODES_STORE=rediss+sentinel://u:p@s1,s2/main": "", "REKEY_CODES_STORE=redis://127.0.0.1": "",
	} {
		var log strings.Builder
		load("", []string{setting}).advise(slog.New(slog.NewJSONHandler(&log, nil)))
		if (want == "") != (log.String() == "") || !strings.Contains(log.String(), want) {
			t.Errorf("%s: %s", setting, log.String())
		}
	}
}

func TestTheInboxIsOnTheAdminListenerOnly(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), []string{"13800000001"})
	if a := s.send("13800000001"); a.Errno != "0" {
		t.Fatalf("send answers %+v", a)
	}
	if got := body(t, s.admin+"/inbox/messages"); !strings.Contains(got, `"mobile":"13800000001"`) {
		t.Errorf("the inbox has %s", got)
	}
	if response, err := client.Get(s.public + "/inbox/messages"); err != nil || response.StatusCode != http.StatusNotFound {
		t.Errorf("the public side answers for the inbox: %v, %v", response, err)
	}
}

func TestAnInboxThatNoMessageGoesToIsNotThere(t *testing.T) {
	t.Parallel()
	g := newGatewayServer(t)
	s := serve(t, t.TempDir(), nil, append(through(g), "REKEY_SMS_PROVIDERS_TEST_TYPE=inbox")...)
	if response, err := client.Get(s.admin + "/inbox/messages"); err != nil || response.StatusCode != http.StatusNotFound {
		t.Errorf("the inbox answers: %v, %v", response, err)
	}
}
