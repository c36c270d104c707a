package rekey

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A replica runs for months, and who asks for long enough has numbers and prefixes in plenty: what operators were told of is
// kept for a day at the most.
func TestT29_NoticesThatAreOverAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told notices
		const many = 500
		for today := range 3 {
			for i := range many {
				if n := (notice{kind: EventAlarm, of: Name(fmt.Sprint(today, i))}); !told.first(n, midnight()) {
					t.Fatalf("day %d: %v was not told before", today, n)
				}
			}
			if len(told.until) != many {
				t.Errorf("day %d: %d notices are kept of %d", today, len(told.until), many)
			}
			time.Sleep(time.Until(midnight()))
		}
	})
}

func TestT29_OfManyAtOnceOneTells(t *testing.T) {
	t.Parallel()
	var told notices
	var first atomic.Int32
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if told.first(notice{kind: EventAlarm}, time.Now().Add(time.Hour)) {
				first.Add(1)
			}
		})
	}
	all.Wait()
	if n := first.Load(); n != 1 {
		t.Errorf("%d told", n)
	}
}
