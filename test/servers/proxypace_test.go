package servers

import (
	"strings"
	"testing"
	"time"
)

func TestWhatIsSaidTakesTheDelayEachWayHoweverMuchItIs(t *testing.T) {
	t.Parallel()
	target, _ := echo(t)
	p := NewProxy(t, target)
	c := dial(t, p.Address)
	talk(t, c, "fast")
	const delay = 200 * time.Millisecond
	p.Delay(delay)
	began := time.Now()
	talk(t, c, "slow")
	if took := time.Since(began); took < 2*delay {
		t.Errorf("there and back in %s", took)
	}
	began = time.Now()
	go func() {
		for range 100 {
			_, _ = c.Write([]byte("x")) // what did not arrive is missed below
			time.Sleep(time.Millisecond)
		}
	}()
	hear(t, c, strings.Repeat("x", 100))
	if took := time.Since(began); took < 2*delay || took > 100*delay {
		t.Errorf("%s for what was said within a moment: each waits for the one before", took)
	}
	p.Delay(0)
	talk(t, c, "fast again")
}

func TestTheEndComesAfterTheDelayAndAfterWhatWasSaid(t *testing.T) {
	t.Parallel()
	target, heard := echo(t)
	p := NewProxy(t, target)
	p.Delay(50 * time.Millisecond)
	c := dial(t, p.Address)
	say(t, c, "last")
	began := time.Now()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if said := <-heard; said != "last" {
		t.Errorf("the server heard %q", said)
	}
	if took := time.Since(began); took < 50*time.Millisecond {
		t.Errorf("it ended after %s", took)
	}
}

func TestADrippingProxyPassesOnAFewBytesAtATime(t *testing.T) {
	t.Parallel()
	target, _ := echo(t)
	p := NewProxy(t, target)
	c := dial(t, p.Address)
	talk(t, c, "fast")
	p.Drip(2, 10*time.Millisecond)
	began := time.Now()
	talk(t, c, "0123456789")
	if took := time.Since(began); took < 40*time.Millisecond { // one way, since the other begins meanwhile
		t.Errorf("five pieces in %s", took)
	}
	p.Drip(1, time.Hour)
	say(t, c, "stuck")
	hear(t, c, "s") // the rest of it would come hours later
	p.Cut()
	isCut(t, c)
	p.Drip(0, 0)
	talk(t, dial(t, p.Address), "fast again")
}
