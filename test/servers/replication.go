package servers

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// replicating are the settings by which a server can be the replica of another one of its group, at once and not after
// the five seconds in which a master waits for more of them.
func replicating(s *RedisServer) []string {
	return []string{"masteruser " + s.User, "masterauth " + s.Password, "repl-diskless-sync-delay 0", "repl-ping-replica-period 1"}
}

// following says why a server is no replica that has caught up with its master; nil if it is one.
func (s *RedisServer) following(ctx context.Context) error {
	info, err := s.client.Info(ctx, "replication").Result()
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if !strings.Contains(info, "master_link_status:up\r\n") {
		return fmt.Errorf("%s says:\n%s", s.name, info)
	}
	return nil
}

// followers counts the replicas that have caught up with the server.
func (s *RedisServer) followers(ctx context.Context) (int, error) {
	info, err := s.client.Info(ctx, "replication").Result()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", s.name, err)
	}
	return strings.Count(info, "state=online"), nil
}

// eventually waits until try succeeds. Its error is the last that did not come of the context's end.
func eventually(ctx context.Context, try func() error) error {
	var last error
	for {
		err := try()
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return last
		case <-time.After(20 * time.Millisecond):
		}
	}
}
