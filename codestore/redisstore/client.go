package redisstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// idleTime gives back connections that a busy hour took.
	idleTime = 5 * time.Minute

	// lifetime ends connections so that they are made anew: to servers that a load balancer or a name has come to point to
	// meanwhile, with certificates that hold now. Firewalls that drop old connections without a word do so after an hour
	// or more. lifetimeSpread keeps them from ending all at once.
	lifetime       = 30 * time.Minute
	lifetimeSpread = 3 * time.Minute

	// redirects is how often a step follows a cluster that says that a key is elsewhere: once while a slot moves, and once
	// more for every change that its map has not caught up with.
	redirects = 5

	// mapAge is how old the map of a cluster may get while nothing fails.
	mapAge = 10 * time.Second
)

// Client makes a client of the Redis that reads the files of certificates which the URL names, and connects to nothing
// yet. Whoever calls it closes it.
//
// It sends no command again of itself (T19), but for a cluster's, whose commands must say so by their NoRetry. It asks
// masters alone, and waits for nothing longer than a step, whatever the context says. Beside the commands that it is asked for
// it sends HELLO on a new connection, SELECT where there is a database to choose, and AUTH to servers that know no HELLO;
// CLUSTER SLOTS and ASKING in a cluster; SENTINEL GET-MASTER-ADDR-BY-NAME, SENTINEL SENTINELS, SUBSCRIBE and PING to
// sentinels.
func (t Target) Client() (redis.UniversalClient, error) {
	dial, err := t.dialer()
	if err != nil {
		return nil, err
	}
	o := &redis.UniversalOptions{
		Dialer: dial, DB: t.database,
		Username: t.user, Password: t.password,
		MasterName: t.master, SentinelUsername: t.sentinelUser, SentinelPassword: t.sentinelPassword,

		// Nothing of RESP3 is used, which proxies and older servers lack; nor what goes with it.
		Protocol: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},

		MaxRetries: -1, MaxRedirects: redirects, MaxRetryBackoff: t.step / 10,
		ContextTimeoutEnabled: true,
		DialTimeout:           t.dialTime(), DialerRetries: 1,
		ReadTimeout: t.step, WriteTimeout: t.step, PoolTimeout: t.step,

		// Pipelines share the pool, else there were twice as many connections.
		PoolSize: t.pool, PipelinePoolSize: -1,
		ConnMaxIdleTime: idleTime, ConnMaxLifetime: lifetime, ConnMaxLifetimeJitter: lifetimeSpread,
	}
	for _, h := range t.hosts {
		o.Addrs = append(o.Addrs, h.String())
	}
	switch t.layout {
	case sentinel:
		// Within this time a sentinel is asked as well. If that one has gone silent, another is looked for only where the time
		// is not yet over: once to see that it does not answer, on an old connection; twice for a new one and its HELLO.
		o.DialTimeout = 3*t.step + 2*t.dialTime()
		return redis.NewFailoverClient(o.Failover()), nil
	case cluster:
		c := o.Cluster()
		c.DisableRoutingPolicies = true // they ask for COMMAND; a step's keys say where it goes
		c.ClusterStateReloadInterval = mapAge
		client := redis.NewClusterClient(c)
		client.OnNewNode(func(node *redis.Client) { node.AddHook(mapHook{client}) })
		return client, nil
	}
	if t.socket != "" {
		o.Addrs = []string{t.socket}
	}
	return redis.NewClient(o.Simple()), nil
}

// mapHook has a cluster's map asked for anew after an error by which it may have changed. Of itself go-redis does so only
// once a node says that a key is elsewhere, which one that is gone never does: until the map is of age, every step on the
// slots of a killed master would fail, with its replica long promoted.
type mapHook struct{ client *redis.ClusterClient }

// DialHook implements redis.Hook.
func (mapHook) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (h mapHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		h.seen(ctx, err)
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (h mapHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		h.seen(ctx, err)
		return err
	}
}

// seen asks on the side, one time at a time and with pauses, which is the client's doing.
func (h mapHook) seen(ctx context.Context, err error) {
	if err == nil {
		return
	}
	if answer, ok := errors.AsType[redis.Error](err); !ok || strings.HasPrefix(answer.Error(), "CLUSTERDOWN") {
		h.client.ReloadState(ctx)
	}
}
