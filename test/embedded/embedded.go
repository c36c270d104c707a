// Package embedded builds the embedded default for tests: codes and people in a SQLite file or each on a server, an inbox,
// and the public side in front, opened as the program opens them. Every House on the same folder and servers is one more
// replica.
package embedded

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"rekey"
	"rekey/cmd/rekey/databases"
	"rekey/sms"
	"rekey/userdb"
	"rekey/web"
)

// OldPassword is what Add gives everybody.
const OldPassword = "oldPass77"

// cheap is a hash that takes microseconds, where the service's own takes tens of milliseconds.
const cheap = "argon2id$m=8,t=1,p=1"

// Options change how a House is built.
type Options struct {
	Codes  string // data source of the code store, as the setting codes.store has it; empty: the SQLite file in the folder
	People string // that of the users table, as users.dsn has it; empty: the same file
	// Wrap comes between the service and its SQL databases; nil: nothing does.
	Wrap func(driver.Connector) driver.Connector
	// Hook comes between the service and Redis, of a Cluster each of its nodes; nil: nothing does.
	Hook redis.Hook
	// HashFloor is what new hashes cost at the least; empty: next to nothing, for tests that are not about hashing.
	HashFloor string
	Service   func(*rekey.Options) // changes what the recovery is made of
	Web       func(*web.Options)   // changes the public side
}

// House is one replica of the embedded default.
type House struct {
	Service *rekey.Service
	Handler http.Handler
	Users   *userdb.Embedded
	Codes   databases.Codes
	Inbox   *sms.Inbox
	Keys    *rekey.Keyring
	Write   *sql.DB // writes codes; of SQLite, by one connection; nil where they are in Redis
	Read    *sql.DB // reads codes
	People  *sql.DB // writes people; where they are in the database of the codes it is Write

	opened databases.Set
	wired  map[string]*databases.DB // by data source, those that Options.Wrap is in
	redis  []redis.UniversalClient
	levers levers
}

// File is the database in a folder.
func File(dir string) string { return filepath.Join(dir, "rekey.db") }

// Open makes a replica on the files in dir. It is closed when the test ends.
func Open(t testing.TB, dir string, o Options) *House {
	t.Helper()
	h, err := New(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// New is Open for a process of its own.
func New(dir string, o Options) (h *House, err error) {
	h = &House{opened: databases.Set{Create: true}, wired: map[string]*databases.DB{}}
	defer func() {
		if err != nil {
			h.Close()
			h = nil
		}
	}()
	ctx := context.Background()
	if err = h.openPeople(ctx, dir, o); err != nil {
		return h, err
	}
	if err = h.openCodes(ctx, dir, o); err != nil {
		return h, err
	}
	if h.Keys, err = rekey.NewKeyring([][]byte{[]byte("a key for tests that is 32 bytes")}, nil); err != nil {
		return h, err
	}
	texts, err := sms.NewTexts(sms.TextConfig{Languages: []string{"zh-CN", "en"}, Sign: "示例网"})
	if err != nil {
		return h, err
	}
	h.Inbox = sms.NewInbox(texts)
	options := rekey.Options{
		Directory: h.Users, Codes: h.Codes, Limiter: h.Codes, Sender: h.Inbox, Keys: h.Keys,
		Disclosure: true, Code: rekey.DefaultCodeSettings(), Limits: rekey.DefaultLimits(),
	}
	if o.Service != nil {
		o.Service(&options)
	}
	if h.Service, err = rekey.New(options); err != nil {
		return h, err
	}
	front := web.Options{Service: h.Service, Keys: options.Keys}
	if o.Web != nil {
		o.Web(&front)
	}
	h.Handler, err = web.New(front)
	return h, err
}

// Close ends the replica, also where New made a part of it only.
func (h *House) Close() {
	if h.Service != nil {
		_ = h.Service.Drain(context.Background()) // never fails without a deadline
	}
	if h.Codes != nil {
		_ = h.Codes.Close()
	}
	for _, db := range h.wired {
		_, _ = db.Read.Close(), db.Write.Close()
	}
	for _, client := range h.redis {
		_ = client.Close()
	}
	_ = h.opened.Close()
}

// Change does something to the people as the application would, past the service.
func (h *House) Change(t testing.TB, statement string) {
	t.Helper()
	if _, err := h.People.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// Serve puts the replica on a loopback port.
func (h *House) Serve(t testing.TB) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.Config = web.Server(h.Handler, nil)
	// A slow machine may need longer to gather two thousand connections than the service waits for one, or for its answer to be
	// taken, for which the time begins with the headers.
	s.Config.ReadHeaderTimeout, s.Config.ReadTimeout, s.Config.WriteTimeout = 10*time.Minute, 10*time.Minute, 10*time.Minute
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// Add registers people with OldPassword.
func (h *House) Add(t testing.TB, mobiles ...string) {
	t.Helper()
	for _, mobile := range mobiles {
		if _, err := h.Users.Add(t.Context(), userdb.NewUser{Number: Number(t, mobile), Password: OldPassword}); err != nil {
			t.Fatal(err)
		}
	}
}

// Number parses a number in the default plan.
func Number(t testing.TB, mobile string) rekey.Number {
	t.Helper()
	n, err := rekey.ChinaMobile(mobile)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Accepts reports whether the one account of mobile has this password.
func (h *House) Accepts(t testing.TB, mobile, password string) bool {
	t.Helper()
	accounts, err := h.Users.Find(t.Context(), Number(t, mobile))
	if err != nil || len(accounts) != 1 {
		t.Fatalf("%d accounts, %v", len(accounts), err)
	}
	ok, err := accounts[0].Verify(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// Hash is the password column of mobile.
func (h *House) Hash(t testing.TB, mobile string) string {
	t.Helper()
	accounts, err := h.Users.Find(t.Context(), Number(t, mobile))
	if err != nil || len(accounts) != 1 {
		t.Fatalf("%d accounts, %v", len(accounts), err)
	}
	return accounts[0].Hash
}

// Messages are what the inbox holds, newest first.
func (h *House) Messages(t testing.TB) []Message {
	t.Helper()
	answer := httptest.NewRecorder()
	h.Inbox.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(answer, httptest.NewRequest("GET", "/inbox/messages", nil))
	var messages []Message
	if err := json.Unmarshal(answer.Body.Bytes(), &messages); err != nil {
		t.Fatalf("%d %s: %v", answer.Code, answer.Body, err)
	}
	return messages
}

// Message is one message in the inbox.
type Message struct {
	ID, Mobile, Text, Code, Language string
	At                               time.Time
}

// Wrong lists n codes that are not code.
func Wrong(code string, n int) []string {
	var all []string
	for i := 0; len(all) < n; i++ {
		if c := fmt.Sprintf("%06d", i); c != code {
			all = append(all, c)
		}
	}
	return all
}
