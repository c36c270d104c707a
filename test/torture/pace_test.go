package torture_test

import (
	"context"
	"sync"

	"rekey"
)

// pace counts the ends and beginnings of steps on store and users table, over all replicas, and stops one of them until a
// fault has struck: so that it strikes at any point of what people ask for, whatever the machine's speed.
type pace struct {
	mu      sync.Mutex
	points  int
	stop    int           // the point that is stopped at, from 1 on; 0: none
	reached chan struct{} // closed there
	struck  chan struct{} // closed once the fault has struck
	waits   bool          // until then; else it goes on meanwhile
}

// begin counts from 0.
func (p *pace) begin(stop int, waits bool) (reached <-chan struct{}, struck chan<- struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.points, p.stop, p.waits = 0, stop, waits
	p.reached, p.struck = make(chan struct{}), make(chan struct{})
	return p.reached, p.struck
}

// count is how many points there were.
func (p *pace) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.points
}

func (p *pace) point() {
	p.mu.Lock()
	p.points++
	hit, waits, struck := p.points == p.stop, p.waits, p.struck
	if hit {
		close(p.reached)
	}
	p.mu.Unlock()
	if hit && waits {
		<-struck
	}
}

// pacedCodes is a store at a pace.
type pacedCodes struct {
	rekey.Codes
	*pace
}

func (c pacedCodes) Guess(ctx context.Context, g rekey.Guess) (rekey.Verdict, error) {
	c.point()
	defer c.point()
	return c.Codes.Guess(ctx, g)
}

func (c pacedCodes) Finish(ctx context.Context, r rekey.Redemption) error {
	c.point()
	defer c.point()
	return c.Codes.Finish(ctx, r)
}

// pacedTable is a users table at a pace.
type pacedTable struct {
	rekey.Directory
	*pace
}

func (d pacedTable) Find(ctx context.Context, n rekey.Number) ([]rekey.Account, error) {
	d.point()
	defer d.point()
	return d.Directory.Find(ctx, n)
}

func (d pacedTable) SetPassword(ctx context.Context, a rekey.Account, password string) error {
	d.point()
	defer d.point()
	return d.Directory.SetPassword(ctx, a, password)
}
