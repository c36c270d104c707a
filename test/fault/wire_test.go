package fault_test

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// wiredRedis is the tripwire on the connections of a client of Redis; it is for embedded.Options.
type wiredRedis struct{ *tripwire }

// DialHook is called for each connection.
func (w wiredRedis) DialHook(dial redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &wiredSocket{Conn: c, wire: w.tripwire}, nil
	}
}

// ProcessHook and ProcessPipelineHook leave commands alone: what is sent at once is a step, however many they are.
func (w wiredRedis) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (w wiredRedis) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

type wiredSocket struct {
	net.Conn
	wire  *tripwire
	asked atomic.Bool // and nothing of the answer was read
}

func (s *wiredSocket) Write(b []byte) (int, error) {
	s.wire.step(before)
	s.asked.Store(true)
	n, err := s.Conn.Write(b)
	s.wire.step(sent)
	return n, err
}

func (s *wiredSocket) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if s.asked.CompareAndSwap(true, false) {
		s.wire.step(after)
	}
	return n, err
}
