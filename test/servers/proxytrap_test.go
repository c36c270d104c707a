package servers

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// isReset hears text, and then that the connection was reset.
func isReset(t *testing.T, c net.Conn, text string) {
	t.Helper()
	heard, err := io.ReadAll(c)
	if string(heard) != text || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%q and then %v, instead of %q and a reset", heard, err, text)
	}
}

func TestProxyResetsInTheMiddleOfAnAnswer(t *testing.T) {
	t.Parallel()
	target, heard := echo(t)
	p := NewProxy(t, target)
	for _, n := range []int{0, 1, 5} {
		c := dial(t, p.Address)
		talk(t, c, "harmless")
		lost := p.ResetAnswerTo(Says("commit"), n)
		talk(t, c, "other")
		say(t, c, "commit now")
		isReset(t, c, "commit now"[:n])
		<-lost
		if said := <-heard; said != "harmless"+"other"+"commit now" {
			t.Errorf("the server heard %q", said)
		}
	}
	talk(t, dial(t, p.Address), "commit")
}

// In a pipeline the answer that is lost is that of the request that was meant: it was carried out, as was what came before,
// which is answered.
func TestProxyOfRedisLosesTheAnswerThatIsMeant(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*Proxy) <-chan struct{}{
		"cut":             func(p *Proxy) <-chan struct{} { return p.CutAnswerTo(Says("second")) },
		"reset":           func(p *Proxy) <-chan struct{} { return p.ResetAnswerTo(Says("second"), 0) },
		"reset in middle": func(p *Proxy) <-chan struct{} { return p.ResetAnswerTo(Says("second"), 2) },
		"reset at end":    func(p *Proxy) <-chan struct{} { return p.ResetAnswerTo(Says("second"), 1000) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := Redis(t)
			p := NewRedisProxy(t, k.Address)
			if name != "cut" {
				p.Drip(7, 0) // nor does it matter where what is said is torn
			}
			once := redis.NewClient(&redis.Options{
				Addr: p.Address, Username: k.User, Password: k.Password, DB: k.database, ReadTimeout: patience,
				MaxRetries: -1, // or it would send again what lost its answer
			})
			defer once.Close()
			put(t, once, "earlier", "1")
			lost := set(p)
			if value := fetch(t, once, "earlier"); value != "1" {
				t.Errorf("%q", value)
			}
			pipe := once.Pipeline()
			first, second := pipe.Incr(t.Context(), "first"), pipe.IncrBy(t.Context(), "second", 1000)
			if _, err := pipe.Exec(t.Context()); err == nil {
				t.Error("all is answered")
			}
			<-lost
			if first.Val() != 1 || second.Err() == nil {
				t.Errorf("the first is %d, %v; the second %d, %v", first.Val(), first.Err(), second.Val(), second.Err())
			}
			look := k.Client(t)
			if value := fetch(t, look, "first") + " " + fetch(t, look, "second"); value != "1 1000" {
				t.Errorf("they are %q", value)
			}
			put(t, once, "second", "answered")
		})
	}
}

// The bytes of a reset connection are those of the answer, however it comes.
func TestProxyOfRedisTellsWhereAnAnswerBegins(t *testing.T) {
	t.Parallel()
	s := StartRedis(t)
	p := NewRedisProxy(t, s.Address)
	for _, c := range []struct {
		n    int
		want string
	}{{0, "+OK\r\n"}, {1, "+OK\r\n*"}, {6, "+OK\r\n*2\r\n$1"}, {99, "+OK\r\n*2\r\n$1\r\n1\r\n$-1\r"}} {
		connection := dial(t, p.Address)
		say(t, connection, "AUTH "+s.User+" "+s.Password+"\r\n")
		hear(t, connection, "+OK\r\n")
		lost := p.ResetAnswerTo(Says("mget"), c.n)
		for piece := range strings.SplitSeq("*3\r\n$3\r\nSET\r\n$1\r\na\r\n|$1\r\n1\r\n*3\r\n$4\r\nMG|ET\r\n$1\r\na\r\n$4\r\nnone\r\nPING\r\n", "|") {
			say(t, connection, piece)
			time.Sleep(time.Millisecond) // pieces that come together are as good
		}
		isReset(t, connection, c.want)
		<-lost
	}
}

func TestAProxyOfRedisThatIsToldNonsenseSaysSo(t *testing.T) {
	t.Parallel()
	target, _ := echo(t)
	p, err := openProxy(target, true)
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, p.Address)
	say(t, c, "*1\r\nnonsense\r\n")
	isCut(t, c)
	if err := p.close(); err == nil || !strings.Contains(err.Error(), "'n'") {
		t.Errorf("%v", err)
	}
}

func TestValuesOfRedisEndWhereTheyEnd(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"+OK\r\n", "-ERR no\r\n", ":1\r\n", "_\r\n", "#t\r\n", ",1.5\r\n", "(12345678901234567890\r\n",
		"$0\r\n\r\n", "$-1\r\n", "$4\r\na\r\nb\r\n", "!3\r\nERR\r\n", "=5\r\ntxt:a\r\n",
		"*0\r\n", "*-1\r\n", "*2\r\n$1\r\na\r\n*1\r\n:1\r\n", "~1\r\n+a\r\n", ">2\r\n+a\r\n+b\r\n", "%1\r\n+a\r\n:1\r\n", "|1\r\n+a\r\n+b\r\n:1\r\n",
	} {
		for i := range value {
			if n, _, err := respReply([]byte(value[:i])); n != 0 || err != nil {
				t.Errorf("%q ends after %d bytes, %v", value[:i], n, err)
			}
		}
		n, push, err := respReply([]byte(value + "+more\r\n"))
		if n != len(value) || err != nil || push != (value[0] == '>') {
			t.Errorf("%q ends after %d bytes, push %t, %v", value, n, push, err)
		}
	}
	for _, fault := range []string{"nonsense\r\n", "$\r\n", "*x\r\n", "*1\r\n?\r\n"} {
		if n, _, err := respReply([]byte(fault)); err == nil {
			t.Errorf("%q ends after %d bytes", fault, n)
		}
	}
}
