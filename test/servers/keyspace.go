package servers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// redisUser is the user of a Keyspace, who may do everything.
const redisUser = "rekey"

// Keyspace is a place for keys in Redis (a database of one server, a Cluster, or what sentinels watch over) and the user
// under whom it is used.
type Keyspace struct {
	// URL is as rekey takes it: redis://user:password@host:port/0, over TLS rediss://; redis+cluster://user:password@host:port,…
	// with all nodes; redis+sentinel://user:password@host:port,…/master?db=0&sentinel_user=…&sentinel_password=….
	URL      string
	Address  string // host:port, of several nodes with commas between
	User     string // may do everything, unless another role was asked for
	Password string
	CA       string // over TLS the file with the certificate of the authority that signed the servers' own, for localhost and 127.0.0.1; else ""

	topology topology
	database int         // 0 in a Cluster
	master   string      // its name with the sentinels
	watch    credentials // with the sentinels, who have users of their own
	group    *redisGroup
}

// topology is how the servers of a Keyspace belong together.
type topology int

const (
	single topology = iota
	cluster
	sentinels
)

// credentials are those of a user.
type credentials struct{ user, password string }

// located is the same place at another address, or under another user.
func (k Keyspace) located() Keyspace {
	u := url.URL{Scheme: "redis", User: url.UserPassword(k.User, k.Password), Host: k.Address}
	if k.CA != "" {
		u.Scheme = "rediss"
	}
	switch k.topology {
	case single:
		u.Path = "/" + strconv.Itoa(k.database)
	case cluster:
		u.Scheme += "+cluster"
	case sentinels:
		u.Scheme += "+sentinel"
		u.Path = "/" + k.master
		u.RawQuery = url.Values{
			"db": {strconv.Itoa(k.database)}, "sentinel_user": {k.watch.user}, "sentinel_password": {k.watch.password},
		}.Encode()
	}
	k.URL = u.String()
	return k
}

// port is that of one server.
func (k Keyspace) port() string {
	_, port, _ := strings.Cut(k.Address, ":")
	return port
}

// Via is the same place at another address, that of a Proxy. A Cluster and sentinels tell clients their own addresses
// whatever the address was by which these came.
func (k Keyspace) Via(address string) Keyspace {
	k.Address = address
	return k.located()
}

// Role makes another user, whose rights are ACL rules such as "~rekey:*" and "+get" (redis.io/docs, ACL), on every server,
// and returns the place under it. All servers must be running. It outlives a restart, and lives
// as long as the servers.
func (k Keyspace) Role(t testing.TB, rules ...string) Keyspace {
	t.Helper()
	k.User, k.Password = fmt.Sprintf("role%d", k.group.made.Add(1)), newPassword()
	if err := k.group.setUser(k.User, append([]string{"reset", "on", ">" + k.Password}, rules...)...); err != nil {
		t.Fatalf("Redis: making a role: %v", err)
	}
	return k.located()
}

// Client is a client for what the test itself does to the place. It is closed when the test ends.
func (k Keyspace) Client(t testing.TB) redis.UniversalClient {
	t.Helper()
	c, err := k.connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// connect makes a client, which connects when it is used. It sends nothing but what it is told and what gets it in, so that
// it suits a user with few rights.
func (k Keyspace) connect() (redis.UniversalClient, error) {
	o := &redis.UniversalOptions{
		Addrs: strings.Split(k.Address, ","), DB: k.database, Username: k.User, Password: k.Password, Protocol: 2,
		IsClusterMode: k.topology == cluster, MasterName: k.master, SentinelUsername: k.watch.user, SentinelPassword: k.watch.password,
		// Much, for a machine of any speed, and for a crowd that shares its connections; a test that wants less says so by its
		// context.
		DialTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, PoolTimeout: patience, ContextTimeoutEnabled: true,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if k.CA != "" {
		certificate, err := os.ReadFile(k.CA)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(certificate) {
			return nil, fmt.Errorf("no certificate in %s", k.CA)
		}
		o.TLSConfig = &tls.Config{RootCAs: roots}
	}
	return redis.NewUniversalClient(o), nil
}

// clear removes every key of the place.
func (k Keyspace) clear() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := k.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	if nodes, ok := c.(*redis.ClusterClient); ok {
		return nodes.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return node.FlushAll(ctx).Err() })
	}
	return c.FlushDB(ctx).Err()
}
