package servers

import (
	"context"
	"strings"
	"testing"
)

// Proxied puts a proxy in front of each node, in the order of Nodes, and returns the Cluster as it is reached through them,
// without TLS: from now on the nodes name the proxies to clients. What nodes say to each other does not go through them, so
// that a master whose proxy is frozen is not replaced.
func (c *Cluster) Proxied(t testing.TB) (Keyspace, []*Proxy) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var proxies []*Proxy
	var addresses []string
	for _, s := range c.Nodes {
		p := NewRedisProxy(t, s.Address)
		proxies, addresses = append(proxies, p), append(addresses, p.Address)
		s.announced = p.Address
		// Where nodes speak TLS with each other, the one alone would be taken for the port of that.
		err := s.client.Do(ctx, "config", "set", "cluster-announce-tls-port", s.TLS.port(), "cluster-announce-port", p.port.number).Err()
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
	}
	if err := c.healthy(ctx); err != nil {
		t.Fatalf("Redis Cluster: %v", err)
	}
	return c.Via(strings.Join(addresses, ",")), proxies
}
