// Package embedded builds the embedded default for tests: users and codes in one SQLite file, an inbox, and the public
// side in front. Every House on the same folder is one more replica.
package embedded

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"rekey"
	"rekey/codestore"
	"rekey/sms"
	"rekey/userdb"
	"rekey/web"

	_ "modernc.org/sqlite" // the driver
)

// OldPassword is what Add gives everybody.
const OldPassword = "oldPass77"

// cheap is a hash that takes microseconds, where the service's own takes tens of milliseconds.
const cheap = "argon2id$m=8,t=1,p=1"

// Options change how a House is built.
type Options struct {
	Driver string // of database/sql; empty: "sqlite"
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
	Codes   *codestore.Store
	Inbox   *sms.Inbox
	Keys    *rekey.Keyring
	Write   *sql.DB // the one connection that writes
	Read    *sql.DB
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
func New(dir string, o Options) (*House, error) {
	driver := o.Driver
	if driver == "" {
		driver = "sqlite"
	}
	dsn := "file:" + File(dir) + "?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"
	h := &House{}
	var err error
	if h.Write, err = sql.Open(driver, dsn); err != nil {
		return nil, err
	}
	h.Write.SetMaxOpenConns(1)
	if h.Read, err = sql.Open(driver, dsn); err != nil {
		return nil, err
	}
	h.Read.SetMaxOpenConns(4)
	ctx := context.Background()
	settings := userdb.Settings{HashFloor: o.HashFloor}
	if settings.HashFloor == "" {
		settings.HashFloor = cheap
	}
	if h.Users, err = userdb.NewEmbedded(ctx, userdb.Options{Read: h.Read, Write: h.Write, Dialect: userdb.SQLite(), Settings: settings}); err != nil {
		return nil, err
	}
	if err = codestore.Migrate(ctx, h.Write, codestore.SQLite()); err != nil {
		return nil, err
	}
	if h.Codes, err = codestore.NewSQL(ctx, h.Write, codestore.SQLite()); err != nil {
		return nil, err
	}
	if h.Keys, err = rekey.NewKeyring([][]byte{[]byte("a key for tests that is 32 bytes")}, nil); err != nil {
		return nil, err
	}
	texts, err := sms.NewTexts(sms.TextConfig{Languages: []string{"zh-CN", "en"}, Sign: "示例网"})
	if err != nil {
		return nil, err
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
		return nil, err
	}
	front := web.Options{Service: h.Service, Keys: options.Keys}
	if o.Web != nil {
		o.Web(&front)
	}
	h.Handler, err = web.New(front)
	return h, err
}

// Close ends the replica.
func (h *House) Close() {
	_ = h.Service.Drain(context.Background()) // never fails without a deadline
	_ = h.Codes.Close()
	_ = h.Read.Close()
	_ = h.Write.Close()
}

// Serve puts the replica on a loopback port.
func (h *House) Serve(t testing.TB) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.Config = web.Server(h.Handler, nil)
	// A slow machine may need longer to gather two thousand connections than the service waits for one.
	s.Config.ReadHeaderTimeout, s.Config.ReadTimeout = 10*time.Minute, 10*time.Minute
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
