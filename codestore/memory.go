package codestore

import (
	"context"
	"errors"
	"sync"
	"time"

	"rekey"
)

// errClosed says that a step came after Close.
var errClosed = errors.New("the code store is closed")

// NewMemory makes a store in the memory of this process, on this machine's clock: for one replica, and for tests. What
// it holds is gone with the process; then nobody's code works any more, and no password has changed.
func NewMemory() *Store {
	numbers, budgets := &memory[number, *number]{}, &memory[budget, *budget]{}
	return &Store{numbers: numbers, budgets: budgets, close: func() error {
		numbers.end()
		budgets.end()
		return nil
	}}
}

// document is a pointer to a D that knows when it may be forgotten.
type document[D any] interface {
	*D
	expiry() instant
}

// memory is an engine on a map. One lock makes each update atomic; steps take microseconds.
type memory[D any, P document[D]] struct {
	mu      sync.Mutex
	docs    map[rekey.Name]*D
	crowded int // sweep once the map has grown to this
	closed  bool
}

// leastCrowd is how many documents are not worth a sweep.
const leastCrowd = 1024

func (m *memory[D, P]) update(ctx context.Context, names []rekey.Name, step func(instant, []*D) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	now := instantOf(time.Now())
	docs := make([]*D, len(names))
	for i, name := range names {
		if d := m.docs[name]; d != nil && P(d).expiry() > now {
			docs[i] = d
		}
	}
	if !step(now, docs) {
		return nil
	}
	if m.docs == nil {
		m.docs, m.crowded = make(map[rekey.Name]*D), leastCrowd
	}
	for i, name := range names {
		if docs[i] == nil || P(docs[i]).expiry() <= now {
			delete(m.docs, name)
		} else {
			m.docs[name] = docs[i]
		}
	}
	// Sweeping whenever the map has doubled costs a constant per document made, and bounds it by what is live.
	if len(m.docs) >= m.crowded {
		m.forget(now)
		m.crowded = max(leastCrowd, 2*len(m.docs))
	}
	return nil
}

func (m *memory[D, P]) forget(now instant) (removed int64) {
	for name, d := range m.docs {
		if P(d).expiry() <= now {
			delete(m.docs, name)
			removed++
		}
	}
	return removed
}

func (m *memory[D, P]) sweep(ctx context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return 0, errClosed
	}
	return m.forget(instantOf(time.Now())), ctx.Err()
}

func (m *memory[D, P]) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed, m.docs = true, nil
}
