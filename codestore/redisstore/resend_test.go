package redisstore_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"rekey"
	"rekey/codestore/redisstore"
	"rekey/test/servers"
)

// TestT19_AChargeWhoseAnswerIsLostIsNotSentAgain: nothing could tell the second from another's. go-redis repeats what a
// Cluster has not answered, unless it is told not to.
func TestT19_AChargeWhoseAnswerIsLostIsNotSentAgain(t *testing.T) {
	t.Parallel()
	server, cluster := servers.StartRedis(t), servers.StartRedisCluster(t)
	proxy := servers.NewRedisProxy(t, server.Address)
	proxied, nodes := cluster.Proxied(t)
	for name, place := range map[string]struct {
		through servers.Keyspace
		ways    []*servers.Proxy
	}{
		"one server": {server.Via(proxy.Address), []*servers.Proxy{proxy}},
		"Cluster":    {proxied, nodes},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, client := connect(t, place.through.URL)
			s := redisstore.New(client, redisstore.Options{StepTime: patience})
			bucket := func(i int) rekey.Name { return rekey.Name(fmt.Sprint("bucket ", i)) }
			var all []rekey.Charge
			for i := range 12 { // on every node some
				all = append(all, daily(bucket(i), 1))
			}
			if _, err := s.Take(t.Context(), all...); err != nil { // from now on the servers know the script
				t.Fatal(err)
			}
			for i := range 3 {
				var lost []<-chan struct{}
				for _, way := range place.ways {
					lost = append(lost, way.CutAnswerTo(func(request []byte) bool { return bytes.Contains(request, []byte("b:{"+bucket(i)+"}")) }))
				}
				_, err := s.Take(t.Context(), all[i])
				waitFor(t, func() bool {
					return slices.ContainsFunc(lost, func(done <-chan struct{}) bool {
						select {
						case <-done:
							return true
						default:
							return false
						}
					})
				})
				if err == nil {
					t.Error("a charge whose answer was lost is believed to have been made once")
				}
				for _, way := range place.ways {
					way.CutAnswerTo(func([]byte) bool { return false })
				}
				d, err := s.Take(t.Context(), daily(bucket(i), 0))
				if err != nil || d.Used[0] != 2 {
					t.Errorf("charged %+v, %v; want once before the answer was lost, and once then", d, err)
				}
			}
		})
	}
}
