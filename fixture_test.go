package rekey_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rekey"
	"rekey/codestore"
)

const (
	ann, bob, nobody = "13800000001", "13800000002", "13900000009"
	oldPassword      = "oldpass1"
	newPassword      = "quiteNew7"
)

// people is a users table in memory: it sets a password only if the row still is what was read, as a database does.
type people struct {
	mu     sync.Mutex
	rows   map[string]*person // by id
	salt   int
	sets   int
	hashes int // how often hash work was done

	// What may go wrong, and when.
	down       bool
	hangs      bool           // finds wait until their context ends
	stale      *rekey.Account // what the next find reads, as from before a change
	before     func()         // before a set is decided
	lostAnswer bool           // the next set is committed and its answer lost
	busy       bool
}

type person struct {
	number   rekey.Number
	hash     string
	inactive bool
}

func (p *people) hashOf(password string) string {
	p.salt++
	return fmt.Sprintf("%d$%s", p.salt, password)
}

func (p *people) add(id, mobile, password string) {
	n, err := rekey.ChinaMobile(mobile)
	if err != nil {
		panic(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rows[id] = &person{number: n, hash: p.hashOf(password)}
}

// change is what the application itself does to a row.
func (p *people) change(id string, f func(*person)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p.rows[id])
}

func (p *people) accepts(id, password string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, stored, _ := strings.Cut(p.rows[id].hash, "$")
	return stored == password
}

func (p *people) Find(ctx context.Context, n rekey.Number) ([]rekey.Account, error) {
	if p.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return nil, errors.New("the database is down")
	}
	if p.stale != nil {
		old := *p.stale
		p.stale = nil
		return []rekey.Account{old}, nil
	}
	var found []rekey.Account
	for id, row := range p.rows {
		if row.number == n && !row.inactive {
			hash := row.hash
			found = append(found, rekey.Account{ID: id, Number: n, Hash: hash, Verify: func(_ context.Context, password string) (bool, error) {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.hashes++
				_, stored, _ := strings.Cut(hash, "$")
				return stored == password, nil
			}})
		}
	}
	return found, nil
}

func (p *people) SetPassword(_ context.Context, a rekey.Account, password string) error {
	if p.before != nil {
		p.before()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy {
		return rekey.ErrBusy
	}
	if len(password) > 72 {
		return rekey.ErrPassword // as bcrypt
	}
	p.hashes++
	row := p.rows[a.ID]
	switch {
	case p.down:
		return errors.New("the database is down")
	case row == nil || row.hash != a.Hash || row.number != a.Number:
		return rekey.ErrStale
	}
	row.hash = p.hashOf(password)
	p.sets++
	if p.lostAnswer {
		p.lostAnswer = false
		return errors.New("the answer to COMMIT was lost")
	}
	return nil
}

// phone is a provider that remembers what it was handed.
type phone struct {
	mu       sync.Mutex
	messages []rekey.Message
	at       time.Time // of the latest
	fail     error
	price    int64
	before   func() // before a message is handed over
}

func (p *phone) Send(ctx context.Context, m rekey.Message) (rekey.Receipt, error) {
	if p.before != nil {
		p.before()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = time.Now()
	if p.fail != nil && !errors.Is(p.fail, rekey.ErrUnknown) {
		return rekey.Receipt{}, p.fail
	}
	if ctx.Err() != nil {
		return rekey.Receipt{}, errors.Join(rekey.ErrUnknown, ctx.Err())
	}
	p.messages = append(p.messages, m)
	return rekey.Receipt{Provider: "phone", Price: p.price}, p.fail
}

func (p *phone) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.messages)
}

// code is the code in the latest message.
func (p *phone) code(t *testing.T) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.messages) == 0 {
		t.Fatal("no message was sent")
	}
	return p.messages[len(p.messages)-1].Code.Reveal()
}

// diary is a Recorder that remembers.
type diary struct {
	mu     sync.Mutex
	events []rekey.Event
}

func (d *diary) Record(_ context.Context, e rekey.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
}

func (d *diary) has(kind rekey.EventKind, outcome, budget string) bool {
	return d.count(kind, outcome, budget) > 0
}

func (d *diary) count(kind rekey.EventKind, outcome, budget string) (events int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		if e.Kind == kind && e.Outcome == outcome && (budget == "" || e.Budget == budget) {
			events++
		}
	}
	return events
}

// store is the code store behind a switch.
type store struct {
	*codestore.Store
	mu     sync.Mutex
	down   bool
	hangs  time.Duration // that pass before it says that it is down
	noEnd  bool          // Finish fails
	before func()        // an Issue
}

// fail changes whether it is down, also while steps are under way.
func (s *store) fail(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *store) broken() error {
	s.mu.Lock()
	down, hangs := s.down, s.hangs
	s.mu.Unlock()
	if down {
		time.Sleep(hangs)
		return errors.New("the store is down")
	}
	return nil
}

func (s *store) Issue(ctx context.Context, r rekey.IssueRequest) (rekey.Issued, error) {
	if s.before != nil {
		s.before()
	}
	if err := s.broken(); err != nil {
		return rekey.Issued{}, err
	}
	return s.Store.Issue(ctx, r)
}

func (s *store) Guess(ctx context.Context, g rekey.Guess) (rekey.Verdict, error) {
	if err := s.broken(); err != nil {
		return rekey.Verdict{}, err
	}
	return s.Store.Guess(ctx, g)
}

func (s *store) Finish(ctx context.Context, r rekey.Redemption) error {
	if err := s.broken(); err != nil {
		return err
	}
	if s.noEnd {
		return errors.New("the store went down before FINISH")
	}
	return s.Store.Finish(ctx, r)
}

func (s *store) Take(ctx context.Context, charges ...rekey.Charge) (rekey.Decision, error) {
	if err := s.broken(); err != nil {
		return rekey.Decision{}, err
	}
	return s.Store.Take(ctx, charges...)
}

// house is a whole recovery with its levers.
type house struct {
	*testing.T
	*rekey.Service
	people *people
	phone  *phone
	diary  *diary
	store  *store
	opts   rekey.Options
}

func testKey(fill byte) []byte {
	key := make([]byte, rekey.MinKeyBytes)
	for i := range key {
		key[i] = fill + byte(i)
	}
	return key
}

// inHouse runs a test in a house of its own, in which time passes only when everybody waits.
func inHouse(t *testing.T, change func(*rekey.Options), run func(h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		keys, err := rekey.NewKeyring([][]byte{testKey(1)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		h := &house{
			T: t, people: &people{rows: make(map[string]*person)}, phone: &phone{}, diary: &diary{},
			store: &store{Store: codestore.NewMemory()},
		}
		h.opts = rekey.Options{
			Directory: h.people, Codes: h.store, Limiter: h.store, Sender: h.phone, Recorder: h.diary, Keys: keys,
			Disclosure: true, Code: rekey.DefaultCodeSettings(), Limits: rekey.DefaultLimits(),
		}
		if change != nil {
			change(&h.opts)
		}
		h.Service = h.replica(nil)
		h.people.add("1", ann, oldPassword)
		h.people.add("2", bob, oldPassword)
		run(h)
		if err := h.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// replica is one more Service on the same stores.
func (h *house) replica(change func(*rekey.Options)) *rekey.Service {
	h.Helper()
	o := h.opts
	if change != nil {
		change(&o)
	}
	s, err := rekey.New(o)
	if err != nil {
		h.Fatal(err)
	}
	return s
}

// from is a client at the i-th address.
func from(i int) rekey.Client {
	return rekey.Client{Address: netip.AddrFrom4([4]byte{192, 0, byte(2 + i/256), byte(i)}), Language: "zh-CN", RequestID: "test"}
}

// send asks for a code, expects one, and returns its flow and digits.
func (h *house) send(c rekey.Client, mobile string) (flow, code string) {
	h.Helper()
	sent, err := h.Send(h.Context(), c, mobile)
	if err != nil {
		h.Fatalf("Send: %v", err)
	}
	if !h.opts.Disclosure {
		time.Sleep(200 * time.Millisecond) // the message leaves after the answer
	}
	return sent.Flow, h.phone.code(h.T)
}

func (h *house) reset(flow, mobile, code, password string) error {
	c := from(1)
	c.Flow = flow
	_, err := h.Reset(h.Context(), c, rekey.ResetRequest{Mobile: mobile, Code: code, Password: password})
	return err
}

// want expects the kind of an error.
func (h *house) want(err error, kind rekey.Kind) {
	h.Helper()
	if err == nil || rekey.KindOf(err) != kind {
		h.Fatalf("got %v, want %v", err, kind)
	}
}

func (h *house) ok(err error) {
	h.Helper()
	if err != nil {
		h.Fatalf("got %v, want success", err)
	}
}

// not is a code other than code.
func not(code string) string {
	if code[0] == '9' {
		return "0" + code[1:]
	}
	return string(code[0]+1) + code[1:]
}

// wrongs are n different wrong codes.
func wrongs(code string, n int) []string {
	all := make([]string, 0, n)
	for i := 0; len(all) < n; i++ {
		if c := fmt.Sprintf("%06d", i); c != code {
			all = append(all, c)
		}
	}
	return all
}

// never runs f and expects no message and no change of a row.
func (h *house) never(f func()) {
	h.Helper()
	messages, sets := h.phone.count(), h.people.sets
	f()
	synctest.Wait()
	if h.phone.count() != messages {
		h.Error("a message was sent")
	}
	if h.people.sets != sets {
		h.Error("a password was changed")
	}
}

const minute = time.Minute
