package main

import (
	"net/http"
	"testing"

	"rekey/test/servers"
)

// Several processes that share the databases of people and codes are one service: what one has counted, sent or redeemed
// the others know.
func TestReplicasAreOneService(t *testing.T) {
	t.Parallel()
	const mobile = "13800000001"
	for name, start := range map[string]func(testing.TB) servers.Database{"PostgreSQL": servers.PostgreSQL, "MariaDB": servers.MariaDB} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := start(t)
			separator := "?"
			if db.Kind == servers.Postgres {
				separator = "&"
			}
			dsn := db.DSN + separator + "connect_timeout=60" // on a machine of any speed
			g := newGatewayServer(t)
			settings := append(through(g), "REKEY_USERS_DSN="+dsn, "REKEY_CODES_STORE="+dsn)
			dir := t.TempDir()
			a := serve(t, dir, []string{mobile}, settings...)
			b := serve(t, dir, nil, settings...)

			sent := a.send(mobile)
			if sent.Errno != "0" {
				t.Fatalf("send answers %+v", sent)
			}
			if again := b.send(mobile); again.Errno != "4003" {
				t.Errorf("right after a send by the other, send answers %+v", again)
			}
			flow := sent.Data["flow"].(string)
			wrong := "000000"
			if g.code(t) == wrong {
				wrong = "000001"
			}
			for i, s := range []*served{b, a, b} {
				answer := s.reset(mobile, wrong, "After2nd"+string(rune('a'+i)), flow)
				if answer.Status != http.StatusForbidden || answer.Data["attempts_left"] != float64(4-i) {
					t.Errorf("wrong code %d answers %+v", i+1, answer)
				}
			}
			if out, exit := runCommand(t, dir, a.env, "", "unlock", mobile); exit != 0 {
				t.Errorf("unlock beside the running services: %d %s", exit, out)
			}
			if answer := b.reset(mobile, g.code(t), "After2nd", flow); answer.Errno != "0" {
				t.Errorf("the right code answers %+v", answer)
			}
			if answer := a.reset(mobile, g.code(t), "Third3rd", flow); answer.Errno != "4103" {
				t.Errorf("a code that the other redeemed answers %+v", answer)
			}
			if answer := a.reset(mobile, g.code(t), "After2nd", flow); answer.Errno != "0" {
				t.Errorf("the very same request at the other answers %+v", answer)
			}
			if out, exit := runCommand(t, dir, a.env, "", "doctor"); exit != 0 {
				t.Errorf("doctor says %d\n%s", exit, out)
			}
		})
	}
}
