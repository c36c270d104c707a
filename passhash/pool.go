package passhash

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sync/semaphore"
)

// MaxWait is how long a hash waits for its place in a Pool (protocol, "Hashing").
const MaxWait = 2 * time.Second

// DefaultMemory is the memory that a Pool may use at once, in bytes: 13 hashes of argon2id at its least cost.
const DefaultMemory = 256 << 20

// ErrBusy: no place in the Pool within MaxWait. Nothing was computed.
var ErrBusy = errors.New("no place in the password hashing pool")

// Pool bounds the hashing that goes on at once, so that a flood of it leaves cores and memory for the rest of the
// program (T21). Every hash takes a place for each core that it keeps busy, and there are as many as cores less one; one
// that is hard on memory takes that from a budget besides. Places are given in the order of asking. A Pool is safe for concurrent use.
type Pool struct {
	places *semaphore.Weighted
	memory *semaphore.Weighted
	cores  int
	budget int64
}

// NewPool makes a Pool with a budget of memory bytes; 0 stands for DefaultMemory.
func NewPool(memory int64) *Pool {
	if memory == 0 {
		memory = DefaultMemory
	}
	cores := max(1, runtime.GOMAXPROCS(0)-1)
	return &Pool{
		places: semaphore.NewWeighted(int64(cores)),
		memory: semaphore.NewWeighted(memory),
		cores:  cores,
		budget: memory,
	}
}

// Places is how many hashes can be at work at once, if each keeps one core busy.
func (p *Pool) Places() int { return p.cores }

// Fits fails if a hash of this recipe would never get a place.
func (p *Pool) Fits(r Recipe) error {
	if need := r.Cost().Memory; need > p.budget {
		return fmt.Errorf("%w: %s takes %d MiB of memory, more than the %d MiB that hashing may use", ErrBounds,
			r, need>>20, p.budget>>20)
	}
	return nil
}

// Verify is h.Verify in the Pool. It fails with ErrBusy, with the cause of ctx, or as Fits does.
func (p *Pool) Verify(ctx context.Context, h Hash, password string) (bool, error) {
	leave, err := p.enter(ctx, h.Recipe())
	if err != nil {
		return false, err
	}
	defer leave()
	return h.Verify(password), nil
}

// Make is r.Make in the Pool. It fails as Verify and r.Make do.
func (p *Pool) Make(ctx context.Context, r Recipe, password string) (string, error) {
	leave, err := p.enter(ctx, r)
	if err != nil {
		return "", err
	}
	defer leave()
	return r.Make(password)
}

// enter waits for memory first and for places second: a place is a core, which nobody should hold while waiting.
func (p *Pool) enter(ctx context.Context, r Recipe) (leave func(), err error) {
	if err := p.Fits(r); err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeoutCause(ctx, MaxWait, ErrBusy)
	defer cancel()
	release := func() {}
	if memory := r.Cost().Memory; memory > 0 { // asking for none would still queue behind those who ask for some
		if p.memory.Acquire(waiting, memory) != nil {
			return nil, context.Cause(waiting)
		}
		release = func() { p.memory.Release(memory) }
	}
	places := int64(min(max(1, r.Cost().Cores), p.cores))
	if p.places.Acquire(waiting, places) != nil {
		release()
		return nil, context.Cause(waiting)
	}
	return func() {
		p.places.Release(places)
		release()
	}, nil
}
