// Package embedded builds the embedded default for tests: codes in a SQLite file, people there too or in a database of a
// server, an inbox, and the public side in front. Every House on the same folder and people is one more replica.
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
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rekey"
	"rekey/cmd/rekey/databases"
	"rekey/codestore"
	"rekey/sms"
	"rekey/test/servers"
	"rekey/userdb"
	"rekey/web"
)

// OldPassword is what Add gives everybody.
const OldPassword = "oldPass77"

// cheap is a hash that takes microseconds, where the service's own takes tens of milliseconds.
const cheap = "argon2id$m=8,t=1,p=1"

// Options change how a House is built.
type Options struct {
	People string // their data source; empty: they are in the file of the codes
	// Wrap comes between the service and its databases; nil: nothing does.
	Wrap func(driver.Connector) driver.Connector
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
	Write   *sql.DB // the one connection that writes codes
	Read    *sql.DB
	People  *sql.DB // writes people; where they are in the file of the codes it is Write
}

// EachDatabase runs a test with people in each kind of database, one beside the other. The package needs a TestMain that
// calls servers.Run. people is for Options.
func EachDatabase(t *testing.T, test func(t *testing.T, people string)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, "")
	})
	EachServer(t, func(t *testing.T, people servers.Database) { test(t, people.DSN) })
}

// EachServer is EachDatabase with the servers alone.
func EachServer(t *testing.T, test func(t *testing.T, people servers.Database)) {
	t.Helper()
	for _, server := range []struct {
		name string
		make func(testing.TB) servers.Database
	}{{"PostgreSQL", servers.PostgreSQL}, {"MariaDB", servers.MariaDB}} {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			test(t, server.make(t))
		})
	}
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
	h = &House{}
	defer func() {
		if err != nil {
			h.Close()
			h = nil
		}
	}()
	codes, err := o.connector("sqlite:" + File(dir))
	if err != nil {
		return h, err
	}
	h.Write, h.Read = sql.OpenDB(codes), sql.OpenDB(codes)
	h.Write.SetMaxOpenConns(1)
	h.Read.SetMaxOpenConns(4)
	ctx := context.Background()
	if err = h.openPeople(ctx, o); err != nil {
		return h, err
	}
	if err = codestore.Migrate(ctx, h.Write, codestore.SQLite()); err != nil {
		return h, err
	}
	if h.Codes, err = codestore.NewSQL(ctx, h.Write, codestore.SQLite()); err != nil {
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

// connector makes connections to a data source as the program's are made.
func (o Options) connector(dsn string) (driver.Connector, error) {
	source, err := databases.Parse(dsn)
	if err != nil {
		return nil, err
	}
	c, err := source.Connector()
	if err == nil && o.Wrap != nil {
		c = o.Wrap(c)
	}
	return c, err
}

// openPeople makes the users table where the options have it.
func (h *House) openPeople(ctx context.Context, o Options) error {
	users := userdb.Options{Read: h.Read, Write: h.Write, Dialect: userdb.SQLite(), Settings: userdb.Settings{HashFloor: o.HashFloor}}
	if o.HashFloor == "" {
		users.Settings.Hash, users.Settings.HashFloor = cheap, cheap
	}
	h.People = h.Write
	if o.People != "" {
		people, err := patient(o.People)
		if err != nil {
			return err
		}
		c, err := o.connector(people)
		if err != nil {
			return err
		}
		h.People = sql.OpenDB(c)
		h.People.SetMaxOpenConns(10)
		h.People.SetMaxIdleConns(10)
		users.Read, users.Write, users.Dialect = h.People, h.People, userdb.PostgreSQL()
		if strings.HasPrefix(o.People, servers.MySQL) {
			users.Dialect = userdb.MySQL()
		}
	}
	var err error
	h.Users, err = userdb.NewEmbedded(ctx, users)
	return err
}

// patient is a data source of a server that a slow machine may take a minute to let one in.
func patient(dsn string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return "", err
	}
	q := u.Query()
	q.Set("connect_timeout", "60")
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Close ends the replica, also where New made a part of it only.
func (h *House) Close() {
	if h.Service != nil {
		_ = h.Service.Drain(context.Background()) // never fails without a deadline
	}
	if h.Codes != nil {
		_ = h.Codes.Close()
	}
	for _, db := range []*sql.DB{h.Read, h.Write, h.People} {
		if db != nil {
			_ = db.Close()
		}
	}
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
