package attack_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"rekey"
	"rekey/test/embedded"
	"rekey/test/servers"
	"rekey/web"
)

const (
	ann, bob, nobody = "13800000001", "13800000002", "13900000009"
	newPassword      = "quiteNew7"
	base             = "/forget_pwd/"
)

// TestMain ends the servers in which some towns have their people.
func TestMain(m *testing.M) { os.Exit(servers.Run(m)) }

// town is three replicas on the same databases, each on a port of its own.
type town struct {
	*testing.T
	dir     string
	options embedded.Options
	houses  []*embedded.House
	servers []*httptest.Server
}

// everywhere attacks a town in each place of the matrix that the test meets. change may be nil.
func everywhere(t *testing.T, change func(*rekey.Options), attack func(w *town)) {
	t.Helper()
	t.Parallel()
	embedded.EachPlace(t, func(t *testing.T, p embedded.Place) {
		o := p.Options(t)
		o.Service = change
		attack(newTownOf(t, o))
	})
}

// newTown is a town with ann and bob in the file of the codes.
func newTown(t *testing.T, change func(*rekey.Options)) *town {
	t.Helper()
	t.Parallel()
	return newTownOf(t, embedded.Options{Service: change})
}

// newTownOf is a town whose replicas are built so, behind a proxy that tells who asks.
func newTownOf(t *testing.T, o embedded.Options) *town {
	t.Helper()
	o.Web = func(o *web.Options) { o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
	town := &town{T: t, dir: t.TempDir(), options: o}
	town.open()
	town.houses[0].Add(t, ann, bob)
	return town
}

func (w *town) open() {
	w.Helper()
	w.houses, w.servers = nil, nil
	for range 3 {
		h := embedded.Open(w, w.dir, w.options)
		w.houses, w.servers = append(w.houses, h), append(w.servers, h.Serve(w))
	}
}

// restart ends all replicas and starts them anew.
func (w *town) restart() {
	w.Helper()
	for i, h := range w.houses {
		w.servers[i].Close()
		h.Close()
	}
	w.open()
}

// people is every row of the users table.
func (w *town) people() string {
	w.Helper()
	rows, err := w.houses[0].People.QueryContext(w.Context(), "SELECT id, mobile, password, is_active FROM users ORDER BY id")
	if err != nil {
		w.Fatal(err)
	}
	defer rows.Close()
	var all strings.Builder
	for rows.Next() {
		var id, mobile, password string
		var active bool
		if err := rows.Scan(&id, &mobile, &password, &active); err != nil {
			w.Fatal(err)
		}
		fmt.Fprintln(&all, id, mobile, password, active)
	}
	if err := rows.Err(); err != nil {
		w.Fatal(err)
	}
	return all.String()
}

// advance lets d pass for the code store.
func (w *town) advance(d time.Duration) {
	w.Helper()
	w.houses[0].Advance(w, d)
}

// messages are how many messages left, over all replicas.
func (w *town) messages() (all []embedded.Message) {
	for _, h := range w.houses {
		all = append(all, h.Messages(w.T)...)
	}
	return all
}

// visitor is somebody with an address and a flow.
type visitor struct {
	address, flow string
	replica       int
}

// answer is the contract's envelope with its status and one header.
type answer struct {
	Status           int
	RetryAfterHeader string `json:"-"`
	Errno, Errmsg    string
	Data             struct {
		Count        int
		Flow         string
		AttemptsLeft int `json:"attempts_left"`
		RetryAfter   int `json:"retry_after"`
	}
}

func (w *town) post(v visitor, path string, body map[string]string) answer {
	w.Helper()
	if v.flow != "" {
		body["flow"] = v.flow
	}
	text, err := json.Marshal(body)
	if err != nil {
		w.Fatal(err)
	}
	return w.ask(v, "POST", path, string(text))
}

// ask makes a request. It may be called by many goroutines at once.
func (w *town) ask(v visitor, method, path, body string) answer {
	w.Helper()
	request, err := http.NewRequestWithContext(w.Context(), method, w.servers[v.replica].URL+path, strings.NewReader(body))
	if err != nil {
		w.Error(err)
		return answer{}
	}
	if v.address != "" {
		request.Header.Set("X-Forwarded-For", v.address)
	}
	response, err := w.servers[v.replica].Client().Do(request)
	if err != nil {
		w.Error(err)
		return answer{}
	}
	defer response.Body.Close()
	var a answer
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
		w.Errorf("%d: %v", response.StatusCode, err)
	}
	a.Status, a.RetryAfterHeader = response.StatusCode, response.Header.Get("Retry-After")
	return a
}

// check asks whether somebody is registered under mobile.
func (w *town) check(replica int, mobile string) answer {
	w.Helper()
	return w.ask(visitor{replica: replica}, "GET", base+"mobiles/"+mobile+"/", "")
}

func (w *town) send(v visitor, mobile string) answer {
	w.Helper()
	return w.post(v, base+"sms_code/", map[string]string{"mobile": mobile})
}

func (w *town) reset(v visitor, mobile, code, password string) answer {
	w.Helper()
	return w.post(v, base, map[string]string{"mobile": mobile, "sms_code": code, "new_password": password})
}

// code sends one to mobile and returns its flow and digits.
func (w *town) code(v visitor, mobile string) (flow, code string) {
	w.Helper()
	return w.delivered(w.send(v, mobile), v, mobile)
}

// codeSoon is code in a town where steps have little time. A step that was not done in it may have been done all the same, and
// begun the interval.
func (w *town) codeSoon(mobile string) (flow, code string) {
	w.Helper()
	a := soon(func() answer {
		a := w.send(visitor{}, mobile)
		if a.Status == http.StatusServiceUnavailable {
			w.advance(time.Minute)
		}
		return a
	})
	return w.delivered(a, visitor{}, mobile)
}

// delivered is the flow of a send that was answered, and the digits that it delivered.
func (w *town) delivered(a answer, v visitor, mobile string) (flow, code string) {
	w.Helper()
	if a.Errno != "0" {
		w.Fatalf("send: %+v", a)
	}
	for _, m := range w.houses[v.replica].Messages(w.T) {
		if m.Mobile == mobile {
			return a.Data.Flow, m.Code
		}
	}
	w.Fatal("no message")
	return "", ""
}

// volley sends requests over raw connections to all replicas, each held back by its last byte until every one is there,
// and counts the answers by status and errno; winner is a request that succeeded, or -1.
func (w *town) volley(n int, request func(i int) string) (counts map[string]int, winner int) {
	w.Helper()
	conns := make([]net.Conn, n)
	last := make([]string, n)
	for i := range n {
		conn, err := net.Dial("tcp", w.servers[i%3].Listener.Addr().String())
		if err != nil {
			w.Fatal(err)
		}
		defer conn.Close()
		text := request(i)
		if _, err := io.WriteString(conn, text[:len(text)-1]); err != nil {
			w.Fatal(err)
		}
		conns[i], last[i] = conn, text[len(text)-1:]
	}
	counts, winner = make(map[string]int), -1
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i, conn := range conns {
		wg.Go(func() {
			<-start
			if _, err := io.WriteString(conn, last[i]); err != nil {
				w.Error(err)
				return
			}
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				w.Error(err)
				return
			}
			defer response.Body.Close()
			var a answer
			if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
				w.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			counts[fmt.Sprint(response.StatusCode, " ", a.Errno)]++
			if a.Errno == "0" {
				winner = i
			}
		})
	}
	close(start)
	wg.Wait()
	return counts, winner
}

func rawPost(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}
