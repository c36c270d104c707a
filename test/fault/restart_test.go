package fault_test

import (
	"testing"

	"rekey/test/embedded"
	"rekey/test/servers"
)

// TestT15_T17_ServersRestartedUnderLoad ends the server of codes and people, or that of the codes, by force and in order,
// and starts it again, while people are recovering.
func TestT15_T17_ServersRestartedUnderLoad(t *testing.T) {
	t.Parallel()
	type server interface {
		Stop(testing.TB)
		Kill(testing.TB)
		Start(testing.TB)
	}
	sqlServer := func(start func(testing.TB) *servers.Server) func(*testing.T) (server, embedded.Options) {
		return func(t *testing.T) (server, embedded.Options) {
			s := start(t)
			dsn := s.NewDatabase(t).DSN
			return s, embedded.Options{Codes: dsn, People: dsn}
		}
	}
	for name, start := range map[string]func(*testing.T) (server, embedded.Options){
		"PostgreSQL": sqlServer(servers.StartPostgreSQL),
		"MariaDB":    sqlServer(servers.StartMariaDB),
		"Redis": func(t *testing.T) (server, embedded.Options) {
			s := servers.StartRedis(t, "appendonly yes", "appendfsync always")
			return s, embedded.Options{Codes: s.URL}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, o := start(t)
			c := newCrowd(t, o, o, 30)
			rounds := 0
			c.under(t, func() {
				if rounds++; rounds > 4 {
					<-c.done
					return
				}
				c.await(&c.through, 4)
				if rounds%2 == 0 {
					s.Stop(t)
				} else {
					s.Kill(t)
				}
				c.await(&c.failed, 3)
				s.Start(t)
			})
		})
	}
}
