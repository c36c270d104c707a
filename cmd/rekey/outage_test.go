package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"rekey/test/servers"
)

// TestT15_T16_APartThatIsDownIsNamedAndRefusedAndBackAtOnce: a database that hangs and one that was killed, under the users
// and under the codes. Whatever is asked is refused in time, no message goes out, no guess is lost, and nobody restarts
// anything.
func TestT15_T16_APartThatIsDownIsNamedAndRefusedAndBackAtOnce(t *testing.T) {
	t.Parallel()
	for part, c := range map[string]struct{ setting, errno string }{
		"users": {"REKEY_USERS_DSN", "4001"},
		"codes": {"REKEY_CODES_STORE", "4500"},
	} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			server := servers.StartPostgreSQL(t)
			db := server.NewDatabase(t)
			proxy := servers.NewProxy(t, db.Address())
			// A step's time that does on a slow machine, and is short beside the minute that everything else may take.
			dsn := strings.Replace(db.DSN, db.Address(), proxy.Address, 1) + "&connect_timeout=60&step_timeout=5s"
			g := newGatewayServer(t)
			// Each outage has a number with a code and one that nothing is sent to meanwhile. The address can bear what is sent,
			// and what is tried at a time, but not all that is tried: that is given back.
			people := []string{"13800000001", "13800000002", "13800000003", "13800000004"}
			s := serve(t, t.TempDir(), people, append(through(g), c.setting+"="+dsn, "REKEY_LIMITS_ADDRESS_SENDS_10M=8")...)
			s.expectReady(t, "")

			for outage, lever := range []struct{ end, begin func() }{
				{begin: func() { proxy.Freeze(true) }, end: func() { proxy.Freeze(false) }},
				{begin: func() { server.Kill(t) }, end: func() { server.Start(t) }},
			} {
				owner, other := people[2*outage], people[2*outage+1]
				sent := s.send(owner)
				if sent.Errno != "0" {
					t.Fatalf("send answers %+v", sent)
				}
				flow, code, messages := sent.Data["flow"].(string), g.code(t), len(g.taken())

				lever.begin()
				began := time.Now()
				s.expectReady(t, part)
				t.Logf("outage %d: /readyz tells after %v", outage, time.Since(began))
				began = time.Now()
				var all sync.WaitGroup
				for what, ask := range map[string]func() (answer, error){
					"check": func() (answer, error) { return s.ask(http.MethodGet, "mobiles/"+other+"/", nil) },
					"send": func() (answer, error) {
						return s.ask(http.MethodPost, "sms_code/", map[string]string{"mobile": other})
					},
					"reset": func() (answer, error) {
						return s.ask(http.MethodPost, "", map[string]string{"mobile": owner, "sms_code": code, "new_password": "After2nd", "flow": flow})
					},
				} {
					for range 3 {
						all.Go(func() {
							got, err := ask()
							if err != nil || got.Status != http.StatusServiceUnavailable || got.Errno != c.errno {
								t.Errorf("outage %d: %s answers %+v, %v", outage, what, got, err)
							}
						})
					}
				}
				all.Wait()
				took := time.Since(began)
				if took > 30*time.Second {
					t.Errorf("outage %d: refused after %v", outage, took)
				}
				t.Logf("outage %d: all were refused after %v", outage, took)
				if n := len(g.taken()); n != messages {
					t.Errorf("outage %d: %d messages were sent", outage, n-messages)
				}

				lever.end()
				s.expectReady(t, "")
				if got := s.reset(owner, code, "After2nd", flow); got.Errno != "0" {
					t.Errorf("outage %d: afterwards the same code answers %+v", outage, got)
				}
				if got := s.send(other); got.Errno != "0" {
					t.Errorf("outage %d: afterwards a send answers %+v", outage, got)
				}
			}
		})
	}
}

// expectReady asks /readyz until it says that this part is down and the other is not; "" for none.
func (s *served) expectReady(t *testing.T, down string) {
	t.Helper()
	want, status := map[string]string{"users": "ok", "codes": "ok"}, http.StatusOK
	if down != "" {
		want[down], status = "down", http.StatusServiceUnavailable
	}
	for deadline := time.Now().Add(patience); ; {
		response, err := client.Get(s.admin + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		var said struct {
			Ready bool
			Parts map[string]string
		}
		if err := json.Unmarshal(content, &said); err != nil {
			t.Fatalf("%s: %v", content, err)
		}
		if response.StatusCode == status && said.Ready == (down == "") && said.Parts["users"] == want["users"] && said.Parts["codes"] == want["codes"] {
			return
		}
		if time.Now().After(deadline) { // each answer takes up to a second where a part hangs, so this loop does not spin
			t.Fatalf("/readyz says %d %s, want %v", response.StatusCode, content, want)
		}
	}
}
