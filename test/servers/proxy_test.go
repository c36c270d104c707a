package servers

import (
	"bytes"
	"database/sql"
	"io"
	"net"
	"testing"
	"time"
)

// echo is a server that says again what it hears, and notes it; what it heard is told when a connection ends.
func echo(t *testing.T) (address string, heard <-chan string) {
	t.Helper()
	return echoOf(t, func([]byte) bool { return true })
}

// echoOf is echo that waits for the rest of what is not whole.
func echoOf(t *testing.T, whole func(said []byte) bool) (address string, heard <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	all := make(chan string, 16)
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				var said, request []byte
				buffer := make([]byte, 32<<10)
				for err == nil { // until the connection ends, however that is cut
					var n int
					n, err = c.Read(buffer)
					said, request = append(said, buffer[:n]...), append(request, buffer[:n]...)
					if len(request) > 0 && whole(request) && err == nil {
						_, err = c.Write(request)
						request = request[:0]
					}
				}
				all <- string(said)
			}()
		}
	}()
	return listener.Addr().String(), all
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// talk says something and waits for the same.
func talk(t *testing.T, c net.Conn, text string) {
	t.Helper()
	say(t, c, text)
	hear(t, c, text)
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c net.Conn, text string) {
	t.Helper()
	answer := make([]byte, len(text))
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != text {
		t.Fatalf("%q, %v instead of %q", answer, err, text)
	}
}

func isCut(t *testing.T, c net.Conn) {
	t.Helper()
	n, err := c.Read(make([]byte, 1))
	if timeout, ok := err.(net.Error); n != 0 || err == nil || ok && timeout.Timeout() {
		t.Fatalf("the connection goes on: %d bytes, %v", n, err)
	}
}

func TestProxyCutsWhatItHasAndTakesMore(t *testing.T) {
	t.Parallel()
	target, _ := echo(t)
	p := NewProxy(t, target)
	first, second := dial(t, p.Address), dial(t, p.Address)
	talk(t, first, "one")
	talk(t, second, "two")
	p.Cut()
	isCut(t, first)
	isCut(t, second)
	talk(t, dial(t, p.Address), "three")
}

func TestProxyRefusesNewConnectionsAndKeepsTheOld(t *testing.T) {
	t.Parallel()
	target, _ := echo(t)
	p := NewProxy(t, target)
	old := dial(t, p.Address)
	talk(t, old, "one")
	for range 3 {
		p.Refuse(t, true)
		if c, err := net.Dial("tcp", p.Address); err == nil {
			c.Close()
			t.Fatal("it takes a connection")
		}
		talk(t, old, "two")
		p.Refuse(t, false)
		talk(t, dial(t, p.Address), "three")
	}
}

func TestWhatAFrozenProxyHoldsIsLostWhenItIsCut(t *testing.T) {
	t.Parallel()
	target, heard := echo(t)
	p := NewProxy(t, target)
	c := dial(t, p.Address)
	talk(t, c, "heard")
	p.Freeze(true)
	say(t, c, "never")
	p.Cut()
	isCut(t, c)
	if said := <-heard; said != "heard" {
		t.Errorf("the server heard %q", said)
	}
}

func TestWhatAFrozenProxyHoldsIsPassedOnWhenItThaws(t *testing.T) {
	t.Parallel()
	target, heard := echo(t)
	p := NewProxy(t, target)
	c := dial(t, p.Address)
	talk(t, c, "one")
	p.Freeze(true)
	say(t, c, "two")
	fresh := dial(t, p.Address)
	say(t, fresh, "three")
	p.Freeze(false)
	hear(t, c, "two")
	hear(t, fresh, "three")
	p.Freeze(true)
	say(t, fresh, "last")
	if err := fresh.Close(); err != nil {
		t.Fatal(err)
	}
	p.Freeze(false)
	if said := <-heard; said != "threelast" {
		t.Errorf("the server heard %q: the end overtook what was said before", said)
	}
}

func TestProxyBeforeAServerThatIsDownEndsConnections(t *testing.T) {
	t.Parallel()
	nobody, err := reservePort()
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.close()
	target := Database{Host: loopback, Port: nobody.number}.Address()
	isCut(t, dial(t, NewProxy(t, target).Address))
}

func TestProxyCutsTheAnswerToARequestThatComesInPieces(t *testing.T) {
	t.Parallel()
	target, heard := echoOf(t, func(said []byte) bool { return !bytes.HasSuffix(said, []byte("COM")) })
	p := NewProxy(t, target)
	c := dial(t, p.Address)
	talk(t, c, "com")
	lost := p.CutAnswerTo(Says("commit"))
	talk(t, c, "mit") // is no commit: an answer came between
	say(t, c, "now COM")
	say(t, c, "MIT and done")
	isCut(t, c)
	<-lost
	if said := <-heard; said != "commit"+"now COMMIT and done" {
		t.Errorf("the server heard %q", said)
	}
	talk(t, dial(t, p.Address), "commit")
}

// TestProxyCutsTheAnswerThoughTheCommitWasCarriedOut is what a client meets at the worst moment: a COMMIT that the server
// has carried out and that looks as if it had failed.
func TestProxyCutsTheAnswerThoughTheCommitWasCarriedOut(t *testing.T) {
	eachEngine(t, func(t *testing.T, c engineCase) {
		direct := c.database(t)
		look := direct.Open(t)
		must(t, look, "CREATE TABLE people (id int)")
		p := NewProxy(t, direct.Address())
		db := direct.Via(t, p.Address).Open(t)
		transaction := func() (*sql.Tx, error) {
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				return nil, err
			}
			_, err = tx.ExecContext(t.Context(), "INSERT INTO people VALUES (1)")
			return tx, err
		}
		tx, err := transaction()
		if err != nil {
			t.Fatal(err)
		}
		lost := p.CutAnswerTo(Says("commit"))
		if err := tx.Commit(); err == nil {
			t.Error("the client got its answer")
		}
		<-lost
		if n := ask[int](t, look, "SELECT count(*) FROM people"); n != 1 {
			t.Errorf("%d rows: the commit was not carried out", n)
		}
		if tx, err = transaction(); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Errorf("the next commit: %v", err)
		}
		if n := ask[int](t, look, "SELECT count(*) FROM people"); n != 2 {
			t.Errorf("%d rows", n)
		}
	})
}
