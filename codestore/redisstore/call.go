package redisstore

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// script is one that Redis knows by the hash of its source, once it has been told it.
type script struct{ source, hash string }

func newScript(source string) script {
	sum := sha1.Sum([]byte(source)) // which is how Redis names scripts, and no matter of security
	return script{source, hex.EncodeToString(sum[:])}
}

// command calls the script, by its source where the server has forgotten it or has never been told.
func (s script) command(ctx context.Context, told bool, keys []string, argument string) *redis.Cmd {
	args := make([]any, 0, len(keys)+4)
	if told {
		args = append(args, "evalsha", s.hash)
	} else {
		args = append(args, "eval", s.source)
	}
	args = append(args, len(keys))
	for _, key := range keys {
		args = append(args, key)
	}
	return redis.NewCmd(ctx, append(args, argument)...)
}

// once is a command that go-redis sends no second time where it may have been carried out. Of itself it does in a Cluster,
// and of a pipeline it repeats all that went to a node (T19).
type once struct{ *redis.Cmd }

// NoRetry implements redis.Cmder.
func (once) NoRetry() bool { return true }

// pause is how long a step waits before it is tried again where the server could not take it.
const pause = 20 * time.Millisecond

// call runs a script on the one key of a number until it is carried out or ctx ends. Steps on a number may be repeated:
// the script tells a request that it has seen. So one whose answer was lost is sent again, once its connection is known to
// be gone, and one that the server refused before it began, as it does while it fails over, until it is taken.
func (s *Store) call(ctx context.Context, script script, key, argument string) (any, error) {
	told := true
	for {
		value, err := s.try(ctx, script, told, key, argument)
		switch {
		case err == nil:
			return value, nil
		case redis.HasErrorPrefix(err, "NOSCRIPT"):
			told = false
			continue
		case !refused(err) && !broken(err):
			return nil, err
		}
		if !sleep(ctx, pause) {
			return nil, err // which says more than that the time is over
		}
	}
}

// try runs a script once.
func (s *Store) try(ctx context.Context, script script, told bool, key, argument string) (any, error) {
	command := script.command(ctx, told, []string{key}, argument)
	if s.wait == 0 {
		err := s.client.Process(ctx, command)
		return command.Val(), err
	}
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		node, ok := s.client.(*redis.Client)
		if !ok {
			return nil, fmt.Errorf("no replicas can be waited for through a %T", s.client)
		}
		err := s.confirmed(ctx, node, command)
		return command.Val(), err
	}
	node, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return nil, err
	}
	err = s.confirmed(ctx, node, command)
	if _, moved := redis.IsMovedError(err); moved {
		cluster.ReloadState(ctx)
	}
	if address, asked := redis.IsAskError(err); asked {
		// By a connection of its own: a new node, to which its first slot moves, is not in the map yet.
		o := *node.Options()
		o.Addr = address
		aside := redis.NewClient(&o)
		defer aside.Close()
		command = script.command(ctx, told, []string{key}, argument)
		err = s.confirmed(ctx, aside, redis.NewCmd(ctx, "asking"), command)
	}
	return command.Val(), err
}

// errUnconfirmed says that a step is on fewer replicas than Options.Wait. It may survive a failover, or not.
var errUnconfirmed = errors.New("too few replicas have confirmed the step in time")

// confirmed runs commands on a server and waits for its replicas: WAIT asks for the writes of its own connection, so that
// it goes along. The error is that of the first command that failed.
func (s *Store) confirmed(ctx context.Context, node *redis.Client, commands ...redis.Cmder) error {
	deadline, _ := ctx.Deadline()
	patience := max(time.Millisecond, time.Until(deadline)*3/4) // the rest is for the answer's way back
	wait := redis.NewCmd(ctx, "wait", s.wait, patience.Milliseconds())
	pipeline := node.Pipeline()
	for _, command := range append(commands, wait) {
		_ = pipeline.Process(ctx, command) // is queued, which can't fail
	}
	if _, err := pipeline.Exec(ctx); err != nil {
		return err
	}
	confirmed, err := wait.Int()
	if err == nil && confirmed < s.wait {
		err = fmt.Errorf("%w: %d of %d", errUnconfirmed, confirmed, s.wait)
	}
	return err
}

// refused reports whether the server did not begin with a command, for a reason that passes: it has become a replica, or
// is loading its data, or the Cluster is finding out who serves the key. A script writes at its end, all of it or nothing.
func refused(err error) bool {
	if _, moved := redis.IsMovedError(err); moved {
		return true
	}
	if _, asked := redis.IsAskError(err); asked {
		return true
	}
	return redis.IsReadOnlyError(err) || redis.IsLoadingError(err) || redis.IsMasterDownError(err) ||
		redis.IsClusterDownError(err) || redis.IsTryAgainError(err) || redis.IsMaxClientsError(err)
}

// broken reports whether a connection ended under a command, which may have been carried out.
func broken(err error) bool {
	if operation, ok := errors.AsType[*net.OpError](err); ok && operation.Op == "dial" {
		return false // nobody is there: who asks again at once finds nobody either
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// sleep reports whether d has passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
