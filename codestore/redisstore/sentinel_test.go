package redisstore_test

import (
	"fmt"
	"os"
	"testing"

	"rekey/codestore/redisstore"
	"rekey/test/servers"
)

// TestT05_T17_ASentinelsMasterThatEndsUnderLoad: steps fail until the sentinels have another one, and then everything
// works by itself, with one server less. With Wait nothing that was told of is forgotten; not by a master that hung either,
// and that goes on believing to be one once there is another.
func TestT05_T17_ASentinelsMasterThatEndsUnderLoad(t *testing.T) {
	t.Parallel()
	waits := []int{1}
	if os.Getenv("REKEY_TEST_ALL") == "1" {
		waits = []int{0, 1}
	}
	for _, wait := range waits {
		for how, trouble := range map[string]struct {
			begin, end func(*servers.RedisServer, testing.TB)
		}{
			"killed": {(*servers.RedisServer).Kill, (*servers.RedisServer).Start},
			"frozen": {(*servers.RedisServer).Freeze, (*servers.RedisServer).Thaw},
		} {
			t.Run(fmt.Sprintf("%s, wait %d", how, wait), func(t *testing.T) {
				t.Parallel()
				sentinel := servers.StartSentinel(t)
				_, client := connect(t, with(t, sentinel.URL, "step_timeout", "900ms"))
				l := under(t, redisstore.New(client, redisstore.Options{Wait: wait}), func(l *load) {
					master := sentinel.Master(t)
					trouble.begin(master, t)
					sentinel.WaitHealthy(t)
					l.goOn(t)
					trouble.end(master, t)
					sentinel.WaitHealthy(t)
				})
				if wait > 0 {
					l.forgetsNothing(t)
				}
				t.Logf("%d answers tell that something was forgotten: %q", len(l.strange), l.strange)
				if l.failed.Load() == 0 {
					t.Error("nobody noticed: the master was asked by nobody")
				}
			})
		}
	}
}
