package bench_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"rekey"
	"rekey/cmd/rekey/databases"
	"rekey/codestore/redisstore"
	"rekey/test/embedded"
	"rekey/test/servers"
	"rekey/web"
)

const (
	bareConnections = 64
	bareRequests    = 1000   // in each measurement
	barePeople      = 60_000 // in each users table; each is served once
	barePassword    = "newPass88"
	bareFirst       = 100 // in the first, which does not count; see bareLimits
)

// bareLimits are the defaults, with every budget in force. What bounds the whole service is raised, and so few codes need
// be redeemed of those sent that 1,000 may be sent after 100 that were.
func bareLimits() rekey.Limits {
	l := rekey.DefaultLimits()
	l.ServiceSendsDay, l.ServiceLookupsDay = 100_000_000, 100_000_000
	l.ConversionFloor = 0.01
	return l
}

// BenchmarkAgainstBareHandler measures the service and a bare handler of net/http that makes the same round trips to the
// same Redis and the same kind of users table with the same clients, and does nothing else: it plays the very commands that
// rekey sends, which are heard at its start, and says the same SQL. 64 connections each; a thousand checks, a thousand sends, and a thousand resets of what was sent, of the one
// and of the other in turn. Hashes are made to cost next to nothing: they would be all that is seen of a reset. It reports
// the median rates and the median of the rounds' ratios, which are to be 0.7 or more.
//
//	go test -run '^$' -bench AgainstBareHandler -benchtime 20x ./bench/
func BenchmarkAgainstBareHandler(b *testing.B) {
	for name, people := range map[string]func(b *testing.B) string{
		"PostgreSQL": func(b *testing.B) string { return servers.PostgreSQL(b).DSN },
		"SQLite":     func(b *testing.B) string { return "sqlite:" + embedded.File(b.TempDir()) },
	} {
		b.Run(name, func(b *testing.B) {
			commands := listen(b, people(b))
			service, handler := newRekey(b, people(b)), newBare(b, people(b), commands)
			for _, s := range []*side{service, handler} {
				s.serve(b, bareFirst)
				s.rates, s.costs = map[string][]float64{}, map[string][]float64{}
			}
			for turn := 0; b.Loop(); turn++ {
				sides := []*side{service, handler}
				if turn%2 == 1 { // none is always the first
					slices.Reverse(sides)
				}
				for _, s := range sides {
					s.serve(b, bareRequests)
				}
			}
			for operation, rates := range service.rates {
				b.ReportMetric(median(rates), operation+"/s")
				b.ReportMetric(median(ratios(rates, handler.rates[operation])), operation+"-ratio")
				b.ReportMetric(median(ratios(handler.costs[operation], service.costs[operation])), operation+"-cpu")
			}
			b.ReportMetric(0, "ns/op") // of a round it says nothing
		})
	}
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// ratios are those of the measurements of one round each.
func ratios(a, b []float64) []float64 {
	all := make([]float64, len(a))
	for i := range a {
		all[i] = a[i] / b[i]
	}
	return all
}

// side is one of the two that are measured.
type side struct {
	crowd  *crowd
	served int                  // people
	rates  map[string][]float64 // by operation, in requests a second
	costs  map[string][]float64 // and in seconds of processors

	mu    sync.Mutex
	flows map[int]string          // by person
	codes map[rekey.Number]string // as they were sent
}

func newSide() *side {
	return &side{rates: map[string][]float64{}, costs: map[string][]float64{}, flows: map[int]string{}, codes: map[rekey.Number]string{}}
}

// serve measures checks, sends and resets of the next n people, one after the other.
func (s *side) serve(b *testing.B, n int) {
	b.Helper()
	first := s.served
	if s.served += n; s.served > barePeople {
		b.Fatalf("each of %d people is served once; fewer rounds, please", barePeople)
	}
	measure := func(operation string, request func(i int, w *bytes.Buffer), answered func(i int, body []byte)) {
		before := spent(b)
		s.rates[operation] = append(s.rates[operation], s.crowd.exchange(b, first, n, request, answered))
		s.costs[operation] = append(s.costs[operation], (spent(b) - before).Seconds())
	}
	post := func(w *bytes.Buffer, path string, i int, body string) {
		fmt.Fprintf(w, "POST %s HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\nContent-Length: %d\r\n\r\n%s", path, address(i, 4), len(body), body)
	}
	measure("check", func(i int, w *bytes.Buffer) {
		fmt.Fprintf(w, "GET /forget_pwd/mobiles/%s/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\n\r\n", mobile(i), address(i, 4))
	}, nil)
	measure("send", func(i int, w *bytes.Buffer) {
		post(w, "/forget_pwd/sms_code/", i, fmt.Sprintf(`{"mobile":%q}`, mobile(i)))
	}, func(i int, body []byte) {
		_, flow, _ := strings.Cut(string(body), `"flow":"`)
		flow, _, _ = strings.Cut(flow, `"`)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.flows[i] = flow
	})
	measure("reset", func(i int, w *bytes.Buffer) {
		s.mu.Lock()
		flow, code := s.flows[i], s.codes[embedded.Number(b, mobile(i))]
		s.mu.Unlock()
		post(w, "/forget_pwd/", i, fmt.Sprintf(`{"mobile":%q,"sms_code":%q,"new_password":%q,"flow":%q}`, mobile(i), code, barePassword, flow))
	}, nil)
}

// newRekey is the service as the program makes it, on a loopback port: its log goes to /dev/null, one line a request and one
// an event, and its codes to the inbox and to the side.
func newRekey(b *testing.B, people string) *side {
	b.Helper()
	s := newSide()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = null.Close() }) // nothing is kept of it
	log := slog.New(slog.NewJSONHandler(null, nil))
	h := embedded.Open(b, b.TempDir(), embedded.Options{
		Codes: servers.Redis(b).URL, People: people,
		Service: func(o *rekey.Options) {
			o.Limits, o.Recorder, o.Sender = bareLimits(), events{log}, tap{o.Sender, s}
		},
		Web: func(o *web.Options) {
			o.Log, o.Recorder, o.TrustedProxies = log, events{log}, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		},
	})
	populate(b, h, people)
	s.crowd = gather(b, h.Serve(b).Listener.Addr().String(), bareConnections)
	return s
}

// populate adds people with a hash that costs next to nothing, as a House makes it.
func populate(b *testing.B, h *embedded.House, people string) {
	b.Helper()
	const someone = "19900000000"
	h.Add(b, someone)
	h.Change(b, fmt.Sprintf(`INSERT INTO users (mobile, password)
		WITH RECURSIVE people (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM people WHERE n < %d)
		SELECT '1' || CAST(380000000 + n / 10 * 1000 AS VARCHAR(20)) || CAST(n %% 10 AS VARCHAR(20)), '%s' FROM people`,
		barePeople-1, h.Hash(b, someone)))
	if !strings.HasPrefix(people, "sqlite:") { // whose own table is never analysed
		h.Change(b, "ANALYZE users")
	}
}

// events writes events to the log as the program does.
type events struct{ log *slog.Logger }

// Record implements rekey.Recorder.
func (r events) Record(ctx context.Context, e rekey.Event) {
	r.log.LogAttrs(ctx, slog.LevelInfo, "event", slog.String("event", string(e.Kind)), slog.String("outcome", e.Outcome),
		slog.String("request", e.Request), slog.Any("mobile", e.Number), slog.String("address", e.Address.String()),
		slog.Float64("elapsed_ms", float64(e.Elapsed.Microseconds())/1000))
}

// tap tells the side which code a person got, and passes the message on.
type tap struct {
	rekey.Sender
	side *side
}

// Send implements rekey.Sender.
func (t tap) Send(ctx context.Context, m rekey.Message) (rekey.Receipt, error) {
	t.side.mu.Lock()
	t.side.codes[m.To] = m.Code.Reveal()
	t.side.mu.Unlock()
	return t.Sender.Send(ctx, m)
}

// commands are what rekey sends to Redis.
type commands struct {
	check, send, issue, guess, finish, redeemed []replay
	hash                                        string // that everybody has
}

// listen hears a replica send them, to a Redis that is not used any more.
func listen(b *testing.B, people string) commands {
	b.Helper()
	visitors := [4]visitor{
		visitorOf("13800000001", "10.0.0.1"), visitorOf("13800000002", "10.0.0.1"),
		visitorOf("13811110001", "10.0.0.1"), visitorOf("13822220001", "10.0.0.2"),
	}
	ear, s := &listener{}, newSide()
	o := embedded.Options{
		Codes: servers.Redis(b).URL, People: people,
		Service: func(o *rekey.Options) { o.Limits, o.Sender = bareLimits(), tap{o.Sender, s} },
	}
	// The first makes the scripts known to Redis, which is asked in vain before.
	first := embedded.Open(b, b.TempDir(), o)
	first.Add(b, "13899990000")
	for _, v := range visitors {
		first.Add(b, v.mobile)
	}
	hash := first.Hash(b, visitors[0].mobile)
	s.recover(b, first, ear, visitorOf("13899990000", "10.0.0.9"), 0)
	first.Close()
	o.Hook = ear
	h := embedded.Open(b, b.TempDir(), o)
	var check, send, reset [4][][]redis.Cmder
	for i, v := range visitors {
		check[i], send[i], reset[i] = s.recover(b, h, ear, v, 3)
	}
	trip := func(what string, of [4][][]redis.Cmder, at, trips int, reply func(any) error) []replay {
		var same [4][]redis.Cmder
		for i, all := range of {
			if len(all) != trips {
				b.Fatalf("%s takes %d round trips, not %d", what, len(all), trips)
			}
			same[i] = all[at]
		}
		return learnTrip(b, what, same, reply)
	}
	c := commands{hash: hash}
	c.check = trip("a check", check, 0, 1, begins(0))
	c.send = trip("a send", send, 0, 2, begins(0))
	c.issue = trip("a send", send, 1, 2, begins(int64(rekey.IssueMade)))
	c.guess = trip("a reset", reset, 0, 3, begins(int64(rekey.GuessMatch)))
	c.finish = trip("a reset", reset, 1, 3, begins(1))
	c.redeemed = trip("a reset", reset, 2, 3, begins(0))
	return c
}

// recover checks a number, sends it a code and redeems that, and returns what ear has heard of each. A reset's last trip is
// made in the background: so many trips are waited for.
func (s *side) recover(b *testing.B, h *embedded.House, ear *listener, v visitor, resetTrips int) (check, send, reset [][]redis.Cmder) {
	b.Helper()
	client := rekey.Client{Address: netip.MustParseAddr(v.address)}
	if _, err := h.Service.Check(b.Context(), client, v.mobile); err != nil {
		b.Fatal(err)
	}
	check = ear.take()
	sent, err := h.Service.Send(b.Context(), client, v.mobile)
	if err != nil {
		b.Fatal(err)
	}
	send = ear.take()
	client.Flow = sent.Flow
	code := s.codes[embedded.Number(b, v.mobile)]
	if _, err := h.Service.Reset(b.Context(), client, rekey.ResetRequest{Mobile: v.mobile, Code: code, Password: barePassword}); err != nil {
		b.Fatal(err)
	}
	for len(reset) < resetTrips {
		reset = append(reset, ear.take()...)
	}
	return check, send, reset
}

// bare is the handler that does nothing but make the round trips.
type bare struct {
	commands
	statements
	codes  redis.UniversalClient
	people *databases.DB
	find   func(ctx context.Context, args ...any) (*sql.Rows, error)
	behind sync.WaitGroup // what a reset leaves to the background
}

// statements are what package userdb says to the embedded table.
type statements struct{ find, begin, update string }

func statementsFor(kind databases.Kind) statements {
	if kind == databases.SQLite {
		return statements{
			"SELECT u.`id`, u.`mobile`, u.`password` FROM `users` AS u WHERE u.`mobile` IN (?, ?, ?, ?) AND u.`is_active`",
			"BEGIN IMMEDIATE",
			"UPDATE `users` AS u SET `password` = ?, `password_changed_at` = CURRENT_TIMESTAMP WHERE u.`id` = ? AND CAST(u.`id` AS BLOB) = CAST(? AS BLOB)" +
				" AND CAST(COALESCE(u.`password`, '') AS BLOB) = CAST(? AS BLOB) AND u.`is_active`" +
				" AND CAST(u.`mobile` AS BLOB) IN (CAST(? AS BLOB), CAST(? AS BLOB), CAST(? AS BLOB), CAST(? AS BLOB))",
		}
	}
	return statements{
		`SELECT CAST(u."id" AS text), CAST(u."mobile" AS text), CAST(u."password" AS text) FROM "users" AS u WHERE u."mobile" IN ($1, $2, $3, $4) AND u."is_active"`,
		"BEGIN ISOLATION LEVEL READ COMMITTED",
		`UPDATE "users" AS u SET "password" = $1, "password_changed_at" = CURRENT_TIMESTAMP WHERE u."id" = $2 AND CAST(u."id" AS text) COLLATE "C" = CAST($3 AS text) COLLATE "C"` +
			` AND CAST(COALESCE(u."password", '') AS text) COLLATE "C" = CAST($4 AS text) COLLATE "C" AND u."is_active"` +
			` AND CAST(u."mobile" AS text) COLLATE "C" IN (CAST($5 AS text) COLLATE "C", CAST($6 AS text) COLLATE "C", CAST($7 AS text) COLLATE "C", CAST($8 AS text) COLLATE "C")`,
	}
}

// spellings are those of a number in a column of national numbers.
func spellings(v visitor) []any {
	return []any{v.mobile, "+86" + v.mobile, "86" + v.mobile, "0086" + v.mobile}
}

// newBare is the bare handler on a loopback port.
func newBare(b *testing.B, people string, c commands) *side {
	b.Helper()
	redisURL := servers.Redis(b).URL + "?step_timeout=1m"
	populate(b, embedded.Open(b, b.TempDir(), embedded.Options{Codes: redisURL, People: people}), people)
	target, err := redisstore.Parse(redisURL)
	if err != nil {
		b.Fatal(err)
	}
	h := &bare{commands: c}
	if h.codes, err = target.Client(); err != nil {
		b.Fatal(err)
	}
	var opened databases.Set
	if h.people, err = opened.Open(b.Context(), "users.dsn", people); err != nil {
		b.Fatal(err)
	}
	h.statements = statementsFor(h.people.Kind)
	h.find = func(ctx context.Context, args ...any) (*sql.Rows, error) {
		return h.people.Read.QueryContext(ctx, h.statements.find, args...)
	}
	if h.people.Kind == databases.SQLite {
		prepared, err := h.people.Read.PrepareContext(b.Context(), h.statements.find)
		if err != nil {
			b.Fatal(err)
		}
		h.find = prepared.QueryContext
		if _, err := h.people.Write.ExecContext(b.Context(), "PRAGMA synchronous = FULL"); err != nil { // a reset is on disk before it is told
			b.Fatal(err)
		}
	}
	server := httptest.NewServer(h)
	b.Cleanup(func() {
		server.Close()
		h.behind.Wait()
		if err := opened.Close(); err != nil {
			b.Error(err)
		}
		if err := h.codes.Close(); err != nil {
			b.Error(err)
		}
	})
	s := newSide()
	s.crowd = gather(b, server.Listener.Addr().String(), bareConnections)
	return s
}

// ServeHTTP makes the round trips of a request.
func (h *bare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var fields struct{ Mobile string }
	answer, serve := `{"errno":"0","errmsg":"","data":{"mobile":"13800000000","count":1}}`, h.serveCheck
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &fields)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer, serve = `{"errno":"0","errmsg":"","data":{"retry_after":60,"expires_in":300,"flow":"aaaaaaaaaaaaaaaaaaaaaa"}}`, h.serveSend
		if r.URL.Path == "/forget_pwd/" {
			answer, serve = `{"errno":"0","errmsg":"","data":null}`, h.serveReset
		}
	} else {
		fields.Mobile = strings.Split(r.URL.Path, "/")[3]
	}
	if err := serve(r.Context(), visitorOf(fields.Mobile, r.Header.Get("X-Forwarded-For"))); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, answer) // who is gone is counted by the other side
}

func (h *bare) serveCheck(ctx context.Context, v visitor) error {
	if err := play(ctx, h.codes, h.check, v); err != nil {
		return err
	}
	_, _, err := h.account(ctx, v)
	return err
}

func (h *bare) serveSend(ctx context.Context, v visitor) error {
	if err := play(ctx, h.codes, h.send, v); err != nil {
		return err
	}
	if _, _, err := h.account(ctx, v); err != nil {
		return err
	}
	return play(ctx, h.codes, h.issue, v)
}

func (h *bare) serveReset(ctx context.Context, v visitor) error {
	if err := play(ctx, h.codes, h.guess, v); err != nil {
		return err
	}
	id, hash, err := h.account(ctx, v)
	if err != nil {
		return err
	}
	if err := h.set(ctx, v, id, hash); err != nil {
		return err
	}
	if err := play(ctx, h.codes, h.finish, v); err != nil {
		return err
	}
	h.behind.Go(func() { _ = play(context.WithoutCancel(ctx), h.codes, h.redeemed, v) }) // nobody waits for it
	return nil
}

// account reads the person's row.
func (h *bare) account(ctx context.Context, v visitor) (id, hash string, err error) {
	rows, err := h.find(ctx, spellings(v)...)
	if err != nil {
		return "", "", err
	}
	defer rows.Close()
	if !rows.Next() {
		return "", "", fmt.Errorf("nobody has the number: %w", rows.Err())
	}
	var mobile string
	err = rows.Scan(&id, &mobile, &hash)
	return id, hash, err
}

// set changes the password in a transaction.
func (h *bare) set(ctx context.Context, v visitor, id, old string) error {
	conn, err := h.people.Write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, h.begin); err != nil {
		return err
	}
	result, err := conn.ExecContext(ctx, h.update, append([]any{h.hash + "x", id, id, old}, spellings(v)...)...)
	if err != nil {
		return err
	}
	if rows, err := result.RowsAffected(); err != nil || rows != 1 {
		return fmt.Errorf("%d rows were changed: %w", rows, err)
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	return err
}
