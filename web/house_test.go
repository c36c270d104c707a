package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"rekey"
	"rekey/codestore"
	"rekey/web"
)

// house is the public side in front of a real recovery, on a store in memory, with people of its own.
type house struct {
	testing.TB
	handler http.Handler
	people  *people
	store   *store
	phones  *phones
	events  *events
	log     *journal
	keys    *rekey.Keyring
	cookies map[string]*http.Cookie // what a browser would hold
}

// setting changes how a house is built.
type setting func(*rekey.Options, *web.Options)

// hosts are built with one policy, since its list of common passwords takes a while to read.
var classic = sync.OnceValues(func() (*rekey.Policy, error) { return rekey.NewPolicy("classic", true) })

func newHouse(t testing.TB, settings ...setting) *house {
	t.Helper()
	policy, err := classic()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := rekey.NewKeyring([][]byte{bytes.Repeat([]byte("k"), rekey.MinKeyBytes)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{TB: t, people: newPeople(), phones: &phones{}, events: &events{}, log: &journal{}, keys: keys,
		store: &store{Store: codestore.NewMemory()}, cookies: map[string]*http.Cookie{}}
	core := rekey.Options{Directory: h.people, Codes: h.store, Limiter: h.store, Sender: h.phones, Recorder: h.events,
		Keys: keys, Policy: policy, Disclosure: true, Code: rekey.DefaultCodeSettings(), Limits: rekey.DefaultLimits()}
	front := web.Options{Keys: keys, Recorder: h.events,
		Log: slog.New(slog.NewJSONHandler(h.log, nil))}
	for _, set := range settings {
		set(&core, &front)
	}
	service, err := rekey.New(core)
	if err != nil {
		t.Fatal(err)
	}
	front.Service = service
	if h.handler, err = web.New(front); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := service.Drain(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h
}

// ask sends one request; headers are lines such as "Origin: null". The words CODE, WRONG, FLOW and TOKEN in body and
// headers stand for the newest code, for one that is wrong, and for what the cookies hold.
func (h *house) ask(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	h.Helper()
	code := h.phones.newest()
	wrong := "000000"
	if code == wrong {
		wrong = "000001"
	}
	words := strings.NewReplacer("CODE", code, "WRONG", wrong, "FLOW", h.cookie("rekey_flow"), "TOKEN", h.cookie("csrf_token"))
	r := httptest.NewRequest(method, path, strings.NewReader(words.Replace(body)))
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			r.Host = value
		} else {
			r.Header.Add(name, words.Replace(value))
		}
	}
	for _, c := range h.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		h.cookies[c.Name] = c
	}
	return w
}

func (h *house) cookie(name string) string {
	if c := h.cookies[name]; c != nil {
		return c.Value
	}
	return ""
}

// sent asks for a code and fails the test unless it was sent.
func (h *house) sent(mobile string) {
	h.Helper()
	w := h.ask("POST", "/forget_pwd/sms_code/", fmt.Sprintf(`{"mobile":%q}`, mobile))
	if errno(h, w) != "0" {
		h.Fatalf("no code was sent: %s", w.Body)
	}
}

// errno is the errno of an answer, which has to be an envelope.
func errno(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	var e struct{ Errno string }
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
		t.Fatalf("not an envelope: %q", w.Body)
	}
	return e.Errno
}

// people is a users table in memory. A password column holds "v<version>:<password>", so that no value comes back.
type people struct {
	mu      sync.Mutex
	rows    map[string][]*person // by E.164
	version int
	writes  int
	down    error // every call fails with it
	busy    bool  // the hashing queue is full
}

type person struct {
	id, hash string
	inactive bool
}

const (
	alice    = "13800000001" // has an account
	twins    = "13800000002" // is the number of two accounts
	inactive = "13800000003" // has an account that can't be recovered
	nobody   = "13900000002" // is registered nowhere
)

func newPeople() *people {
	p := &people{rows: map[string][]*person{}}
	p.rows["+86"+alice] = []*person{{id: "1"}}
	p.rows["+86"+twins] = []*person{{id: "2"}, {id: "3"}}
	p.rows["+86"+inactive] = []*person{{id: "4", inactive: true}}
	for _, rows := range p.rows {
		for _, row := range rows {
			p.write(row, "Old"+row.id)
		}
	}
	p.writes = 0
	return p
}

func (p *people) write(row *person, password string) {
	p.version++
	p.writes++
	row.hash = fmt.Sprintf("v%d:%s", p.version, password)
}

// change does something to the table as its application would.
func (p *people) change(f func(rows map[string][]*person)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p.rows)
}

func (p *people) password(mobile string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, password, _ := strings.Cut(p.rows["+86"+mobile][0].hash, ":")
	return password
}

func (p *people) Find(_ context.Context, n rekey.Number) ([]rekey.Account, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down != nil {
		return nil, p.down
	}
	var found []rekey.Account
	for _, row := range p.rows[n.E164()] {
		if row.inactive {
			continue
		}
		hash := row.hash
		found = append(found, rekey.Account{ID: row.id, Number: n, Hash: hash,
			Verify: func(_ context.Context, password string) (bool, error) {
				_, stored, _ := strings.Cut(hash, ":")
				return stored == password, nil
			}})
	}
	return found, nil
}

func (p *people) SetPassword(_ context.Context, a rekey.Account, password string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.busy:
		return rekey.ErrBusy
	case p.down != nil:
		return p.down
	}
	for _, row := range p.rows[a.Number.E164()] {
		if row.id == a.ID && row.hash == a.Hash {
			p.write(row, password)
			return nil
		}
	}
	return rekey.ErrStale
}

// store is the real one, which can be cut off.
type store struct {
	*codestore.Store
	down atomic.Bool
}

var errCut = errors.New("the connection is cut")

func (s *store) Issue(ctx context.Context, r rekey.IssueRequest) (rekey.Issued, error) {
	if s.down.Load() {
		return rekey.Issued{}, errCut
	}
	return s.Store.Issue(ctx, r)
}

func (s *store) Guess(ctx context.Context, g rekey.Guess) (rekey.Verdict, error) {
	if s.down.Load() {
		return rekey.Verdict{}, errCut
	}
	return s.Store.Guess(ctx, g)
}

func (s *store) Take(ctx context.Context, charges ...rekey.Charge) (rekey.Decision, error) {
	if s.down.Load() {
		return rekey.Decision{}, errCut
	}
	return s.Store.Take(ctx, charges...)
}

// phones takes every message, or refuses it with fail.
type phones struct {
	mu       sync.Mutex
	messages []rekey.Message
	fail     error
}

func (p *phones) Send(_ context.Context, m rekey.Message) (rekey.Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return rekey.Receipt{}, p.fail
	}
	p.messages = append(p.messages, m)
	return rekey.Receipt{Provider: "phones"}, nil
}

func (p *phones) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.messages)
}

func (p *phones) newest() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.messages) == 0 {
		return "123456"
	}
	return p.messages[len(p.messages)-1].Code.Reveal()
}

// events remembers what the recorder was told.
type events struct {
	mu  sync.Mutex
	all []rekey.Event
}

func (e *events) Record(_ context.Context, event rekey.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

// refused are the outcomes of requests that did not get as far as the recovery.
func (e *events) refused() []string {
	var outcomes []string
	for _, event := range e.of(rekey.EventRefused) {
		outcomes = append(outcomes, event.Outcome)
	}
	return outcomes
}

// of are the events of one kind.
func (e *events) of(kind rekey.EventKind) []rekey.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []rekey.Event
	for _, event := range e.all {
		if event.Kind == kind {
			all = append(all, event)
		}
	}
	return all
}

// addresses are the clients that the recovery was told of.
func (e *events) addresses() []netip.Addr {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []netip.Addr
	for _, event := range e.all {
		if event.Kind != rekey.EventRefused && event.Kind != rekey.EventForwarded {
			all = append(all, event.Address)
		}
	}
	return all
}

// journal is a log that may be written to by several requests at once.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// discard takes an answer and forgets it.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
