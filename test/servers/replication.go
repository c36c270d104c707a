package servers

import (
	"context"
	"fmt"
	"strings"
)

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
