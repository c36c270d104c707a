package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"rekey/codestore/codestoretest"
	"rekey/codestore/redisstore"
	"rekey/test/embedded"
	"rekey/test/servers"
)

// place is where replicas have people and codes.
type place struct {
	people *sql.DB // for what the test itself does to them
	kind   string  // of servers, where the people are
	dsn    string  // of the people
	codes  string
	age    func(d time.Duration) // lets d pass for the codes
}

// places are the pairs of engines that replicas run on.
func places() map[string]func(t *testing.T) place {
	same := func(start func(testing.TB) servers.Database) func(*testing.T) place {
		return func(t *testing.T) place {
			p := peopleIn(t, start(t))
			p.codes, p.age = p.dsn, func(d time.Duration) { codestoretest.Age(t, p.people, d) }
			return p
		}
	}
	redis := func(start func(testing.TB) servers.Keyspace, people func(testing.TB) servers.Database) func(*testing.T) place {
		return func(t *testing.T) place {
			p, k := peopleIn(t, people(t)), start(t)
			client := k.Client(t)
			p.codes = patiently(k.URL)
			p.age = func(d time.Duration) { codestoretest.AgeRedis(t, client, redisstore.DefaultPrefix, d) }
			return p
		}
	}
	return map[string]func(t *testing.T) place{
		"PostgreSQL":                same(servers.PostgreSQL),
		"MariaDB":                   same(servers.MariaDB),
		"Redis and PostgreSQL":      redis(servers.Redis, servers.PostgreSQL),
		"Redis Cluster and MariaDB": redis(servers.RedisCluster, servers.MariaDB),
	}
}

func peopleIn(t *testing.T, db servers.Database) place {
	separator := "?"
	if db.Kind == servers.Postgres {
		separator = "&"
	}
	return place{people: db.Open(t), kind: db.Kind, dsn: db.DSN + separator + "connect_timeout=60&step_timeout=1m"} // on a machine of any speed
}

// inPlaces runs a test in these places, one beside the other, or in all of them where make test-all asks for everything.
func inPlaces(t *testing.T, test func(t *testing.T, p place), chosen ...string) {
	t.Helper()
	for name, make := range places() {
		if !slices.Contains(chosen, name) && os.Getenv(embedded.AllVariable) != "1" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, make(t))
		})
	}
}

// settings are those of a replica in the place that sends through g. New hashes cost what before1st does: what they take by
// default these tests would spend most of their time with.
func (p place) settings(g *gateway, more ...string) []string {
	return append(append(through(g), "REKEY_USERS_DSN="+p.dsn, "REKEY_CODES_STORE="+p.codes,
		"REKEY_USERS_HASH_FLOOR=pbkdf2_sha256$1000"), more...)
}

// wrongCode is not the latest code.
func (g *gateway) wrongCode(t *testing.T) string {
	t.Helper()
	if g.code(t) == "000000" {
		return "000001"
	}
	return "000000"
}

// sendAgain asks for the code of a flow again.
func (s *served) sendAgain(mobile, flow string) answer {
	s.t.Helper()
	return s.must(s.ask(http.MethodPost, "sms_code/", map[string]string{"mobile": mobile, "flow": flow}))
}

// Several processes that share the databases of people and codes are one service: what one has counted, sent or redeemed
// the others know.
func TestReplicasAreOneService(t *testing.T) {
	t.Parallel()
	const mobile = "13800000001"
	inPlaces(t, func(t *testing.T, p place) {
		g := newGatewayServer(t)
		settings, dir := p.settings(g), t.TempDir()
		a, b, c := serve(t, dir, []string{mobile}, settings...), serve(t, dir, nil, settings...), serve(t, dir, nil, settings...)

		sent := a.send(mobile)
		if sent.Errno != "0" {
			t.Fatalf("send answers %+v", sent)
		}
		for _, s := range []*served{b, c, a} {
			if again := s.send(mobile); again.Errno != "4003" {
				t.Errorf("right after a send by one of them, send answers %+v", again)
			}
		}
		flow := sent.Data["flow"].(string)
		for i, s := range []*served{b, a, c, b} {
			answer := s.reset(mobile, g.wrongCode(t), "After2nd"+string(rune('a'+i)), flow)
			if answer.Status != http.StatusForbidden || answer.Data["attempts_left"] != float64(4-i) {
				t.Errorf("wrong code %d answers %+v", i+1, answer)
			}
		}
		if out, exit := runCommand(t, dir, a.env, "", "unlock", mobile); exit != 0 {
			t.Errorf("unlock beside the running services: %d %s", exit, out)
		}
		if answer := b.reset(mobile, g.code(t), "After2nd", flow); answer.Errno != "0" {
			t.Errorf("the right code answers %+v", answer)
		}
		for _, s := range []*served{a, c} {
			if answer := s.reset(mobile, g.code(t), "Third3rd", flow); answer.Errno != "4103" {
				t.Errorf("a code that another redeemed answers %+v", answer)
			}
			if answer := s.reset(mobile, g.code(t), "After2nd", flow); answer.Errno != "0" {
				t.Errorf("the very same request at another answers %+v", answer)
			}
		}
		if out, exit := runCommand(t, dir, a.env, "", "doctor"); exit != 0 {
			t.Errorf("doctor says %d\n%s", exit, out)
		}
	}, "PostgreSQL", "MariaDB", "Redis and PostgreSQL", "Redis Cluster and MariaDB")
}

// TestT06 has one replica's clock five minutes ahead and another's five behind. Every time that somebody is told, and
// every one that is kept to, is the store's. It runs where everything is asked for, since the program for it is compiled
// from the standard library up: TestT06_AReplicasOwnClockChangesNothing in test/attack, with replicas within the test's own
// process, always runs.
func TestT06_ReplicasWhoseClocksAreMinutesApart(t *testing.T) {
	t.Parallel()
	if os.Getenv(embedded.AllVariable) != "1" {
		t.Skip("one of " + embedded.AllVariable + "=1, as make test-all has it")
	}
	const mobile = "13800000001"
	program := skewed(t)
	inPlaces(t, func(t *testing.T, p place) {
		g := newGatewayServer(t)
		right := serve(t, t.TempDir(), []string{mobile}, p.settings(g, "REKEY_LIMITS_NUMBER_SENDS_HOUR=3", "REKEY_LIMITS_ADDRESS_SENDS_10M=0", "REKEY_LIMITS_ADDRESS_SENDS_DAY=0")...)
		ahead, behind := right.skewed(t, program, 5*time.Minute), right.skewed(t, program, -5*time.Minute)
		all := []*served{ahead, behind, right}

		// tells holds an answer to an errno and its times, which a slow machine may have let grow shorter.
		tells := func(what string, a answer, errno string, data map[string]time.Duration) {
			t.Helper()
			if a.Errno != errno {
				t.Errorf("%s answers %+v", what, a)
			}
			for name, want := range data {
				said, _ := a.Data[name].(float64)
				if got := time.Duration(said) * time.Second; got > want || got <= want-time.Minute {
					t.Errorf("%s tells a %s of %v, want %v", what, name, got, want)
				}
			}
		}
		sent := ahead.send(mobile)
		tells("the first send", sent, "0", map[string]time.Duration{"retry_after": time.Minute, "expires_in": 5 * time.Minute})
		flow, _ := sent.Data["flow"].(string)
		for _, s := range all {
			tells("a send within the interval", s.sendAgain(mobile, flow), "4003", map[string]time.Duration{"retry_after": time.Minute})
		}
		p.age(time.Minute)
		tells("a send after the interval", behind.sendAgain(mobile, flow), "0", map[string]time.Duration{"retry_after": 2 * time.Minute, "expires_in": 5 * time.Minute})

		p.age(4 * time.Minute) // of five
		for i, s := range all {
			if a := s.reset(mobile, g.wrongCode(t), "After2nd"+fmt.Sprint(i), flow); a.Data["attempts_left"] != float64(4-i) {
				t.Errorf("within the lifetime, a wrong code answers %+v", a)
			}
		}
		p.age(time.Minute)
		for _, s := range all {
			if a := s.reset(mobile, g.code(t), "After2nd", flow); a.Errmsg != "验证码过期" {
				t.Errorf("after the lifetime, the right code answers %+v", a)
			}
		}

		// A code made by one whose clock is behind and redeemed where it is ahead; and the device that is known since.
		sent = behind.send(mobile)
		tells("a send after all that", sent, "0", map[string]time.Duration{"expires_in": 5 * time.Minute})
		flow, _ = sent.Data["flow"].(string)
		device := ahead.resetAndKeepDevice(mobile, g.code(t), "After2nd", flow)
		p.age(time.Minute)
		for _, s := range all { // the first of three sends is seven minutes old
			tells("a fourth send within the hour", s.send(mobile), "4201", map[string]time.Duration{"retry_after": 53 * time.Minute})
		}
		tells("one of a known device", behind.sendFrom(device, mobile), "0", map[string]time.Duration{"expires_in": 5 * time.Minute})
	}, "MariaDB", "Redis and PostgreSQL")
}

// resetAndKeepDevice redeems a code and returns the cookie that makes the device a known one.
func (s *served) resetAndKeepDevice(mobile, code, password, flow string) *http.Cookie {
	s.t.Helper()
	body := fmt.Sprintf(`{"mobile":%q,"sms_code":%q,"new_password":%q,"flow":%q}`, mobile, code, password, flow)
	response, err := client.Post(s.public+s.base, "application/json", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	said := readAll(s.t, response)
	for _, cookie := range response.Cookies() {
		if cookie.Name == "rekey_device" {
			return cookie
		}
	}
	s.t.Fatalf("a reset answers %s, and makes no device known", said)
	return nil
}

func (s *served) sendFrom(device *http.Cookie, mobile string) answer {
	s.t.Helper()
	request, err := http.NewRequest(http.MethodPost, s.public+s.base+"sms_code/", strings.NewReader(fmt.Sprintf(`{"mobile":%q}`, mobile)))
	if err != nil {
		s.t.Fatal(err)
	}
	request.AddCookie(device)
	response, err := client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	a := answer{Status: response.StatusCode}
	return s.must(a, json.NewDecoder(response.Body).Decode(&a))
}

// TestT17_AReplicaKilledUnderLoadLosesNothing kills one of three replicas while thirty people ask for codes, and another while
// they redeem them. Whoever gets no answer asks the next replica the same. One of those who ask the replica that is killed is
// held up within the request, at the gateway and then at the row, and so certainly cut off; where the others are is chance.
func TestT17_AReplicaKilledUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	const many = 30
	inPlaces(t, func(t *testing.T, p place) {
		g := newGatewayServer(t)
		people := make([]*visitor, many)
		var numbers []string
		for i := range people {
			people[i] = &visitor{mobile: fmt.Sprintf("139%04d0001", i)} // each in a prefix of its own, which has a budget
			numbers = append(numbers, people[i].mobile)
		}
		settings := p.settings(g, "REKEY_LIMITS_ADDRESS_SENDS_10M=0", "REKEY_LIMITS_ADDRESS_SENDS_DAY=0")
		dir := t.TempDir()
		all := []*served{serve(t, dir, numbers, settings...), serve(t, dir, nil, settings...), serve(t, dir, nil, settings...)}
		p.countChanges(t)

		// crowd has everybody do something at once, each at a replica in turn, and at the next one when a request was cut. A replica
		// is killed once a third of them have been answered and the one who is held up there, until release, is within the request.
		// Where that can be known, the request begins no sooner: its time could be over before.
		held := people[many-1]
		crowd := func(victim int, within <-chan struct{}, release func(), do func(at *served, v *visitor) (cut bool)) {
			t.Helper()
			var answered atomic.Int64
			third, done, before := make(chan struct{}), make(chan struct{}), held.cut
			var under sync.WaitGroup
			for i, v := range people {
				at := i
				if v == held {
					at = victim
				}
				under.Go(func() {
					if v == held && within != nil {
						<-third
					}
					for do(all[at%len(all)], v) {
						v.cut++
						at++
					}
					if answered.Add(1) == many/3 {
						close(third)
					}
				})
			}
			go func() {
				under.Wait()
				close(done)
			}()
			<-third
			if within != nil {
				select {
				case <-within:
				case <-done:
				}
			}
			all[victim].stop(syscall.SIGKILL)
			all[victim].wait()
			release()
			<-done
			if t.Failed() {
				t.FailNow()
			}
			if held.cut == before {
				t.Fatal("who was held up within a request was not cut off")
			}
		}

		arrived, killed := make(chan struct{}), make(chan struct{})
		release := sync.OnceFunc(func() { close(killed) })
		t.Cleanup(release) // before the gateway's own, which waits for its requests
		g.hold = func(mobile string) {
			if mobile == held.mobile {
				close(arrived)
				<-killed
			}
		}
		crowd(1, arrived, release, func(at *served, v *visitor) (cut bool) {
			a, err := at.ask(http.MethodPost, "sms_code/", map[string]string{"mobile": v.mobile})
			switch {
			case err != nil:
				return true
			case a.Errno == "0":
				v.flow, _ = a.Data["flow"].(string)
			case a.Errno != "4003" || v.cut == 0: // within the interval of the send whose answer was lost
				t.Errorf("a send, after %d that were cut, answers %+v", v.cut, a)
			}
			return false
		})
		for len(g.taken()) < len(g.arrived) { // what it was handed it takes, though nobody is there any more to hear of it
			time.Sleep(time.Millisecond)
		}
		all[1] = serve(t, dir, nil, settings...)
		var lost []*visitor // whose replica died before their message was sent
		for _, v := range people {
			v.code = g.only(t, v.mobile)
			if v.code != "" {
				continue
			}
			if v.cut == 0 {
				t.Fatal("a send that was answered delivered nothing")
			}
			lost = append(lost, v)
		}
		if len(lost) > 0 {
			p.age(time.Minute) // the interval is all that it costs them; once, or the codes of the others expire
		}
		for _, v := range lost {
			if a := all[1].send(v.mobile); a.Errno != "0" {
				t.Fatalf("the next send answers %+v", a)
			}
			v.code = g.only(t, v.mobile)
		}

		row, err := p.people.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := row.ExecContext(t.Context(), "SELECT id FROM users WHERE mobile = '"+held.mobile+"' FOR UPDATE"); err != nil {
			t.Fatal(err)
		}
		release = func() {
			t.Helper()
			if err := row.Rollback(); err != nil {
				t.Fatal(err)
			}
		}
		crowd(2, nil, release, func(at *served, v *visitor) (cut bool) {
			for {
				a, err := at.ask(http.MethodPost, "", map[string]string{"mobile": v.mobile, "sms_code": v.code, "new_password": "After2nd", "flow": v.flow})
				switch {
				case err != nil:
					return true
				case a.Status == http.StatusServiceUnavailable: // on a slow machine the queue for hashing is full
					continue
				case a.Errno != "0":
					t.Errorf("a reset, after %d that were cut, answers %+v", v.cut, a)
				}
				return false
			}
		})
		cut := 0
		for _, v := range people {
			cut += v.cut
			if a := all[0].reset(v.mobile, v.code, "Third3rd", v.flow); a.Errno != "4103" {
				t.Errorf("another password answers %+v", a)
			}
			if a := all[1].reset(v.mobile, v.code, "After2nd", v.flow); a.Errno != "0" {
				t.Errorf("the same body again answers %+v", a)
			}
		}
		if n := p.changes(t); n != many {
			t.Errorf("%d passwords changed %d times", many, n)
		}
		t.Logf("%d requests were cut", cut)
	}, "PostgreSQL", "Redis Cluster and MariaDB")
}

// visitor is somebody with a number of his own.
type visitor struct {
	mobile, flow, code string
	cut                int // requests that got no answer
}

// only is the code of the one message to a number; "" if none has come.
func (g *gateway) only(t *testing.T, mobile string) (code string) {
	t.Helper()
	for _, m := range g.taken() {
		if m.Mobile != mobile {
			continue
		}
		if code != "" {
			t.Errorf("%s got two messages", mobile)
		}
		code = m.Code
	}
	return code
}

// countChanges has the database count every change of a password.
func (p place) countChanges(t *testing.T) {
	t.Helper()
	statements := []string{
		"CREATE TABLE changes (account BIGINT NOT NULL)",
		"CREATE TRIGGER changed AFTER UPDATE ON users FOR EACH ROW IF NEW.password <> OLD.password THEN INSERT INTO changes VALUES (NEW.id); END IF",
	}
	if p.kind == servers.Postgres {
		statements = []string{
			statements[0],
			"CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO changes VALUES (NEW.id); RETURN NEW; END $$",
			"CREATE TRIGGER changed AFTER UPDATE ON users FOR EACH ROW WHEN (NEW.password <> OLD.password) EXECUTE FUNCTION note_change()",
		}
	}
	for _, statement := range statements {
		if _, err := p.people.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

func (p place) changes(t *testing.T) (n int) {
	t.Helper()
	if err := p.people.QueryRowContext(t.Context(), "SELECT count(*) FROM changes").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
