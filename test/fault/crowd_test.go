package fault_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rekey"
	"rekey/test/embedded"
	"rekey/test/servers"
)

// crowd is people who recover their passwords at two replicas at once while something happens to the databases. Whoever
// gets a 503 sends the same again, to the other replica.
type crowd struct {
	houses [2]*embedded.House
	own    *embedded.House // the test's, which nothing happens to but to its databases
	phone  phone
	people []*person

	through  atomic.Int64 // people who are
	answered atomic.Int64 // requests
	failed   atomic.Int64 // of them, with a 503
	done     chan struct{}
}

// phone keeps messages by number.
type phone struct {
	mu       sync.Mutex
	messages map[string][]string
}

func (p *phone) Send(_ context.Context, m rekey.Message) (rekey.Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages[m.To.E164()] = append(p.messages[m.To.E164()], m.Code.Reveal())
	return rekey.Receipt{Provider: "phone"}, nil
}

func (p *phone) codes(mobile string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.messages["+86"+mobile]
}

// newCrowd opens two replicas and registers people. The database counts from now on how often a password changes. own is the
// way to the same databases on which the test itself goes, which has time.
func newCrowd(t *testing.T, o, own embedded.Options, many int) *crowd {
	t.Helper()
	c := &crowd{phone: phone{messages: map[string][]string{}}, done: make(chan struct{})}
	o.Service = func(o *rekey.Options) {
		o.Policy, o.Sender = anyPassword(), &c.phone
		o.Code.Lifetime = rekey.MaxLifetime // everybody is asked again at the end, on a machine of any speed
	}
	dir := t.TempDir()
	own.Service = o.Service
	c.own = embedded.Open(t, dir, own)
	for i := range c.houses {
		c.houses[i] = openPatiently(t, dir, o)
	}
	for i := range many {
		p := &person{mobile: fmt.Sprintf("139%04d0001", i)} // each in a prefix of its own, which has a budget
		c.own.Add(t, p.mobile)
		c.people = append(c.people, p)
	}
	statements := []string{"CREATE TRIGGER changed AFTER UPDATE ON users WHEN NEW.password <> OLD.password BEGIN INSERT INTO changes VALUES (NEW.id); END"}
	switch {
	case strings.HasPrefix(o.People, servers.Postgres):
		statements = []string{
			"CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO changes VALUES (NEW.id); RETURN NEW; END $$",
			"CREATE TRIGGER changed AFTER UPDATE ON users FOR EACH ROW WHEN (NEW.password <> OLD.password) EXECUTE FUNCTION note_change()",
		}
	case strings.HasPrefix(o.People, servers.MySQL):
		statements = []string{"CREATE TRIGGER changed AFTER UPDATE ON users FOR EACH ROW IF NEW.password <> OLD.password THEN INSERT INTO changes VALUES (NEW.id); END IF"}
	}
	for _, statement := range append([]string{"CREATE TABLE changes (account BIGINT NOT NULL)"}, statements...) {
		c.own.Change(t, statement)
	}
	return c
}

// patience is how long a test tries again on a machine of any speed.
const patience = 2 * time.Minute

// openPatiently opens a replica that has little time to connect to its databases.
func openPatiently(t *testing.T, dir string, o embedded.Options) *embedded.House {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		h, err := embedded.New(dir, o)
		if err == nil {
			t.Cleanup(h.Close)
			return h
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// until asks one replica after the other until the answer is no 503, and reports how many were.
func (c *crowd) until(t *testing.T, who int, ask func(s *rekey.Service) error) (failed int, err error) {
	deadline := time.Now().Add(patience)
	for try := who; ; try++ {
		err = ask(c.houses[try%len(c.houses)].Service)
		c.answered.Add(1)
		switch rekey.KindOf(err) {
		case rekey.StoreDown, rekey.UsersDown, rekey.Busy:
		default:
			return failed, err
		}
		c.failed.Add(1)
		failed++
		if time.Now().After(deadline) {
			t.Errorf("it does not work again by itself: %v", err)
			return failed, err
		}
		time.Sleep(5 * time.Millisecond) // so that a dead server is not all that the machine is busy with
	}
}

// recover is what the person does; the number stays without a code where two sends failed once they had been counted.
func (c *crowd) recover(t *testing.T, who int, p *person) {
	failed, err := c.until(t, who, func(s *rekey.Service) error {
		sent, err := s.Send(context.Background(), rekey.Client{}, p.mobile)
		p.flow = sent.Flow
		return err
	})
	codes := c.phone.codes(p.mobile)
	if rekey.KindOf(err) == rekey.TooSoon && failed > 0 && len(codes) == 0 {
		return
	}
	if err != nil || len(codes) != 1 {
		t.Errorf("after %d that failed a send is told %v, and %d messages were sent", failed, err, len(codes))
		return
	}
	p.code = codes[0]
	wrong := embedded.Wrong(p.code, 1)[0]
	for range 2 {
		_, err = c.until(t, who, func(s *rekey.Service) error { return p.try(s, wrong, newPassword) })
		if refusal, ok := errors.AsType[*rekey.Error](err); !ok || refusal.Kind != rekey.WrongCode || refusal.AttemptsLeft != 4 {
			t.Errorf("a wrong guess, however often it is made, is told %+v", err)
		}
	}
	failed, err = c.until(t, who, func(s *rekey.Service) error { return p.try(s, p.code, newPassword) })
	if err != nil {
		t.Errorf("after %d that failed a right code is told %v", failed, err)
	}
}

func (p *person) try(s *rekey.Service, code, password string) error {
	_, err := s.Reset(context.Background(), rekey.Client{Flow: p.flow}, rekey.ResetRequest{Mobile: p.mobile, Code: code, Password: password})
	return err
}

// under has everybody recover, six at a time, while trouble happens again and again until they are through. It is over when
// trouble returns.
func (c *crowd) under(t *testing.T, trouble func()) {
	t.Helper()
	queue := make(chan int)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			for i := range queue {
				c.recover(t, i, c.people[i])
				c.through.Add(1)
			}
		})
	}
	go func() {
		for i := range c.people {
			queue <- i
		}
		close(queue)
		all.Wait()
		close(c.done)
	}()
	rounds := 0
	for !c.over() {
		trouble()
		rounds++
	}
	c.agree(t)
	t.Logf("%d people are through, with %d of %d requests failed by %d faults", len(c.people), c.failed.Load(), c.answered.Load(), rounds)
}

func (c *crowd) over() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// await waits until a counter has gone on by so many, or everybody is through.
func (c *crowd) await(counter *atomic.Int64, by int64) {
	for wanted := counter.Load() + by; counter.Load() < wanted && !c.over(); {
		time.Sleep(time.Millisecond)
	}
}

// agree holds, once all is well, that each code has changed one password once and does so no more, and that who got none can
// ask again.
func (c *crowd) agree(t *testing.T) {
	t.Helper()
	waiting := false
	for i, p := range c.people {
		if p.code == "" {
			waiting = true
			continue
		}
		if _, err := c.until(t, i, func(s *rekey.Service) error { return p.try(s, p.code, otherOne) }); rekey.KindOf(err) != rekey.Expired {
			t.Errorf("another body is told %v", err)
		}
		if _, err := c.until(t, i, func(s *rekey.Service) error { return p.try(s, p.code, newPassword) }); err != nil {
			t.Errorf("the same body again is told %v", err)
		}
		if !c.own.Accepts(t, p.mobile, newPassword) {
			t.Error("a reset that was told to have been done is not")
		}
	}
	if waiting {
		c.own.Advance(t, 10*time.Minute) // the longest interval
	}
	for i, p := range c.people {
		if p.code == "" {
			p.flow = ""
			c.recover(t, i, p)
		}
	}
	var changes int
	if err := c.own.People.QueryRowContext(t.Context(), "SELECT count(*) FROM changes").Scan(&changes); err != nil {
		t.Fatal(err)
	}
	if changes != len(c.people) {
		t.Errorf("the passwords of %d people have changed %d times", len(c.people), changes)
	}
}
