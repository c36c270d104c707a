package servers

import (
	"context"
	"fmt"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PgBouncer puts a PgBouncer in transaction pooling mode in front of a PostgreSQL database and returns the database as it is
// reached through it. The bouncer has four connections to the server and gives them out in turn, so that a client that
// relies on getting the same one again is told at once. It ends with the test.
func PgBouncer(t testing.TB, d Database) Database {
	t.Helper()
	program, err := findProgram("pgbouncer")
	if err != nil {
		require(t, &notInstalled{"PgBouncer", "pgbouncer"})
	}
	h, err := newHome(postgresqlUser)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.remove(); err != nil {
			t.Error(err)
		}
	})
	listen, err := reservePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := listen.close(); err != nil {
			t.Error(err)
		}
	})
	settings := fmt.Sprintf(`[databases]
%s = host=%s port=%d dbname=%s
[pgbouncer]
listen_addr = %s
listen_port = %d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %s
pool_mode = transaction
default_pool_size = 4
server_round_robin = 1
max_client_conn = 200
`, d.Name, d.Host, d.Port, d.Name, loopback, listen.number, h.path("users"))
	if err := h.write("pgbouncer.ini", []byte(settings)); err != nil {
		t.Fatal(err)
	}
	if err := h.write("users", fmt.Appendf(nil, "\"%s\" \"%s\"\n", d.User, d.Password)); err != nil {
		t.Fatal(err)
	}
	p, err := h.start(syscall.SIGKILL, program, h.path("pgbouncer.ini"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("PgBouncer said last:\n%s", h.said())
		}
		if err := p.end(syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	})
	bounced := d.Via(t, loopback+":"+strconv.Itoa(listen.number))
	bounced.CA = "" // it offers no TLS
	if err := answers(p, bounced); err != nil {
		t.Fatalf("PgBouncer: %v\n%s", err, h.said())
	}
	return bounced
}

// answers waits until the bouncer lets a client in.
func answers(p *process, d Database) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		c, err := pgx.Connect(ctx, d.DSN)
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-p.exited:
			return fmt.Errorf("it did not start: %v", p.cmd.ProcessState)
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}
