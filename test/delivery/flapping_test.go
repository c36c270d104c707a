package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rekey"
	"rekey/codestore"
	"rekey/sms"
)

// gateway is an SMS gateway over real HTTP that fails in every way there is, by the message, and knows whom it texted.
type gateway struct {
	server *httptest.Server
	mu     sync.Mutex
	texted map[string][]string // codes by number
}

// moods are what a gateway does to a message: whether it texts the person, and what it answers.
var moods = []struct {
	texts  bool
	answer func(w http.ResponseWriter, r *http.Request)
}{
	{true, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "taken") }},
	{true, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "taken") }},
	{true, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "taken") }},
	{true, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }}, // the proxy before it failed
	{true, cut("")},
	{true, cut("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ntak")},
	{true, cut("what is not HTTP\r\n\r\n")},
	{true, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}, // hangs
	{false, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "error: no credit") }},
	{false, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }},
	{false, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }},
	{false, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }},
	{false, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }},
	{false, cut("")},
	{false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}},
}

const hangs = 7 // the mood that costs a timeout: it comes once in a while only

// cut answers with raw bytes and cuts the connection.
func cut(raw string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		io.WriteString(conn, raw)
		conn.Close()
	}
}

// newGateway makes one whose moods change with the messages; shift sets two of them apart.
func newGateway(t *testing.T, shift int) *gateway {
	g := &gateway{texted: map[string][]string{}}
	var count int
	g.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mobile, code := r.URL.Query().Get("to"), r.URL.Query().Get("code")
		g.mu.Lock()
		count++
		// Long spells of one mood, so that breakers open and close, between messages of all moods.
		n := count*7 + shift
		if count/200%3 == shift%3 {
			n = count / 200 * 5
		}
		mood := n % len(moods)
		if mood == hangs && count%10 != 0 {
			mood = 0
		}
		if moods[mood].texts {
			g.texted[mobile] = append(g.texted[mobile], code)
		}
		g.mu.Unlock()
		moods[mood].answer(w, r)
	}))
	t.Cleanup(g.server.Close)
	return g
}

// diary keeps what the recovery tells of messages.
type diary struct {
	mu        sync.Mutex
	delivered map[string][]rekey.Event // by number
}

func (d *diary) Record(_ context.Context, e rekey.Event) {
	if e.Kind == rekey.EventDeliver {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.delivered[e.Number.National()] = append(d.delivered[e.Number.National()], e)
	}
}

// everybody is a users table in which each number has an account.
type everybody struct{}

func (everybody) Find(_ context.Context, n rekey.Number) ([]rekey.Account, error) {
	return []rekey.Account{{ID: n.National(), Number: n, Hash: "a hash"}}, nil
}

func (everybody) SetPassword(context.Context, rekey.Account, string) error {
	return errors.New("nobody resets a password here")
}

// TestT31_NoMessageIsLostOverAFlappingPair sends 10,000 messages through two gateways that fail in every way, in turns and
// for long spells. Each ends in exactly one event with a definite outcome, which is what the gateways know too: no person
// gets more than two texts, both with one code; whoever is told of a failure got none; whoever is told of success got one.
// The day's spend is what the events say (T29).
func TestT31_NoMessageIsLostOverAFlappingPair(t *testing.T) {
	const messages, people = 10_000, 32
	gateways := map[string]*gateway{"first": newGateway(t, 0), "second": newGateway(t, 4)}
	texts, err := sms.NewTexts(sms.TextConfig{})
	if err != nil {
		t.Fatal(err)
	}
	transport := sms.NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	providers := map[string]sms.Entry{}
	for name, g := range gateways {
		provider, err := sms.NewHTTP(sms.HTTPConfig{
			URL: g.server.URL + "/?to={{.Mobile}}&code={{.Code}}", Method: http.MethodGet, Success: "^taken$",
			Texts: texts, Transport: transport,
		})
		if err != nil {
			t.Fatal(err)
		}
		providers[name] = sms.Entry{Sender: provider, Vendor: name, Timeout: 500 * time.Millisecond, Prices: sms.Prices{"86": 10}}
	}
	var changes atomic.Int64
	failover, err := sms.NewFailover(sms.FailoverConfig{
		Providers: providers, Order: []string{"first", "second"},
		Change: func(context.Context, sms.Change) { changes.Add(1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := rekey.NewKeyring([][]byte{make([]byte, rekey.MinKeyBytes)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	codes := codestore.NewMemory()
	limits := rekey.Limits{ServiceSpendDay: 1_000_000_000}
	told := &diary{delivered: map[string][]rekey.Event{}}
	service, err := rekey.New(rekey.Options{
		Directory: everybody{}, Codes: codes, Limiter: codes, Sender: failover, Recorder: told, Keys: keys,
		Disclosure: true, Code: rekey.DefaultCodeSettings(), Limits: limits, MaxPrice: failover.MaxPrice,
	})
	if err != nil {
		t.Fatal(err)
	}

	began := time.Now()
	answers := make([]error, messages)
	mobile := func(i int) string { return fmt.Sprintf("138%08d", i) }
	var all sync.WaitGroup
	for person := range people {
		all.Go(func() {
			for i := person; i < messages; i += people {
				_, answers[i] = service.Send(t.Context(), rekey.Client{Language: "zh-CN"}, mobile(i))
			}
		})
	}
	all.Wait()
	if err := service.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}

	for _, g := range gateways {
		g.server.Close() // waits for messages that reach it once their senders have given them up
	}

	outcomes := map[string]int{}
	var spent int64
	for i, answer := range answers {
		m := mobile(i)
		events := told.delivered[m]
		if len(events) != 1 {
			t.Errorf("message %d ended in %d events, want 1", i, len(events))
			continue
		}
		e := events[0]
		outcomes[e.Outcome]++
		var got []string
		for _, g := range gateways {
			if len(g.texted[m]) > 1 {
				t.Errorf("message %d came to one gateway %d times", i, len(g.texted[m]))
			}
			got = append(got, g.texted[m]...)
		}
		if len(got) == 2 && got[0] != got[1] {
			t.Errorf("message %d: two codes were sent", i)
		}
		switch e.Outcome {
		case "ok":
			if answer != nil || len(got) == 0 || e.Provider == "" || len(gateways[e.Provider].texted[m]) != 1 {
				t.Errorf("message %d: answered %v, taken by %q, %d texts", i, answer, e.Provider, len(got))
			}
		case "unknown":
			if answer != nil {
				t.Errorf("message %d may have arrived, but the person is told %v", i, answer)
			}
		case rekey.NotDelivered.String():
			if rekey.KindOf(answer) != rekey.NotDelivered || len(got) != 0 || e.Price != 0 {
				t.Errorf("message %d: answered %v, %d texts, price %d", i, answer, len(got), e.Price)
			}
		default:
			t.Errorf("message %d: outcome %q", i, e.Outcome)
		}
		if want := int64(10 * len(got)); e.Price < want {
			t.Errorf("message %d: %d texts for %d", i, len(got), e.Price)
		}
		spent += e.Price
	}
	look, err := codes.Take(t.Context(), rekey.Charge{
		Name: keys.Name("budget", "spend of the service"), Kind: rekey.Daily, Limit: limits.ServiceSpendDay,
	})
	if err != nil {
		t.Fatal(err)
	}
	// What was taken of the day's money and not given back is what the events say; a new day begins at nothing.
	if used := look.Used[0]; used != spent && began.UTC().YearDay() == time.Now().UTC().YearDay() {
		t.Errorf("the events come to %d, and %d of the day's spend are used", spent, used)
	}
	for _, outcome := range []string{"ok", "unknown", rekey.NotDelivered.String()} {
		if outcomes[outcome] == 0 {
			t.Errorf("no message ended as %s: the gateways do not flap", outcome)
		}
	}
	if changes.Load() == 0 {
		t.Error("no provider was set aside: the gateways do not fail long enough")
	}
	t.Logf("%v", outcomes)
}
