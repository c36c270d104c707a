package servers

import (
	"net/url"
	"testing"
)

// A master that is killed or hangs is replaced, and is a replica when it comes back.
func TestAMasterUnderSentinelsIsReplaced(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB, ...string) *Sentinel{"TCP": StartSentinel, "TLS": StartSentinelTLS} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			u, err := url.Parse(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			if scheme := map[string]string{"TCP": "redis+sentinel", "TLS": "rediss+sentinel"}[name]; u.Scheme != scheme || u.Host != s.Address ||
				u.Path != "/codes" || u.Query().Get("db") != "0" || u.Query().Get("sentinel_user") != "watcher" ||
				u.Query().Get("sentinel_password") != s.Sentinels[0].Password || s.Password == s.Sentinels[0].Password {
				t.Errorf("the URL is another's: %s %s %s", u.Scheme, u.Host, u.Path)
			}
			client := s.Client(t)
			put(t, client, "n", "1")
			first := s.Master(t)
			if first != s.Servers[0] {
				t.Errorf("%s is master", first.name)
			}
			if n, err := first.client.Wait(t.Context(), 2, 0).Result(); n != 2 || err != nil {
				t.Fatalf("%d replicas, %v", n, err)
			}
			if name == "TCP" {
				first.Kill(t)
			} else {
				first.Freeze(t)
			}
			if s.Master(t) == first {
				t.Fatal("the master goes on")
			}
			if value := fetch(t, s.Client(t), "n"); value != "1" {
				t.Errorf("%q after the failover", value)
			}
			if name == "TCP" {
				return // coming back takes as long for one as for the other
			}
			first.Thaw(t)
			s.WaitHealthy(t)
			put(t, s.Client(t), "n", "2")
			if value := fetch(t, s.Master(t).TLS.Client(t), "n"); value != "2" {
				t.Errorf("%q on the master: the sentinels name another", value)
			}
		})
	}
}
