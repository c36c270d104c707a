package gateways_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"rekey/test/servers"
)

const (
	kannelUser   = "rekey"
	kannelSender = "Example"
	kannelDenied = "852" // numbers under this calling code have no way out
)

// kannel is an SMS gateway: bearerbox, which holds the ways to operators; smsbox, which takes messages over HTTP and calls
// back with receipts; and fakesmsc in the place of an operator, which takes whatever comes.
type kannel struct {
	password                 string // of kannelUser; it must be escaped in a URL
	folder                   string
	admin, box, smsc, http   int // ports
	bearerbox, smsbox, smscs *servers.Program
}

// startKannel starts a gateway that ends with the test.
func startKannel(t testing.TB) *kannel {
	t.Helper()
	k := &kannel{
		password: "p:@/%+&" + rand.Text(), folder: t.TempDir(),
		admin: servers.ReservePort(t), box: servers.ReservePort(t), smsc: servers.ReservePort(t), http: servers.ReservePort(t),
	}
	// Kannel 1.4.5 of Debian listens on every interface whatever its configuration says: who may speak to it is a matter
	// of addresses.
	conf := fmt.Sprintf(`group = core
admin-port = %d
admin-password = %s
admin-allow-ip = 127.0.0.1
admin-deny-ip = *.*.*.*
smsbox-port = %d
box-allow-ip = 127.0.0.1
box-deny-ip = *.*.*.*
sms-resend-freq = 1

group = smsc
smsc = fake
smsc-id = fake
port = %d
connect-allow-ip = 127.0.0.1
denied-prefix = +%s

group = smsbox
smsbox-id = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = %d
http-request-retry = 3

group = sendsms-user
username = %s
password = "%s"
user-allow-ip = 127.0.0.1
user-deny-ip = *.*.*.*
max-messages = 5
concatenation = true
`, k.admin, rand.Text(), k.box, k.smsc, kannelDenied, k.http, kannelUser, k.password)
	if err := os.WriteFile(filepath.Join(k.folder, "kannel.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	k.start(t)
	return k
}

// program is a command of Kannel's; those that serve are in /usr/sbin.
func (k *kannel) program(t testing.TB, name string, arguments ...string) *servers.Program {
	t.Helper()
	cmd := exec.Command(servers.Need(t, name, "Kannel", "apt-get install kannel kannel-extras"), arguments...)
	cmd.Dir = k.folder
	return servers.StartProgram(t, cmd)
}

// start starts the gateway, again on its ports, and waits until a message could pass through it.
func (k *kannel) start(t testing.TB) {
	t.Helper()
	k.bearerbox = k.program(t, "bearerbox", "-v", "1", "kannel.conf")
	k.awaitPort(t, k.bearerbox, k.admin)
	k.awaitPort(t, k.bearerbox, k.box)
	k.smsbox = k.program(t, "smsbox", "-v", "1", "kannel.conf")
	k.awaitPort(t, k.smsbox, k.http)
	k.connectSMSC(t)
}

// connectSMSC connects the operator.
func (k *kannel) connectSMSC(t testing.TB) {
	t.Helper()
	// It wants to be told of a message that it sends; -m 0 has it send none.
	k.smscs = k.program(t, "/usr/lib/kannel/test/fakesmsc", "-F", "taken", "-V", "0", "-H", "127.0.0.1", "-r", strconv.Itoa(k.smsc), "-m", "0", "1 2 text none")
	k.await(t, k.smscs, func() bool { return k.online(t) })
}

// disconnectSMSC has the operator go, and Kannel know it.
func (k *kannel) disconnectSMSC(t testing.TB) {
	t.Helper()
	k.smscs.Kill(t)
	k.await(t, k.bearerbox, func() bool { return !k.online(t) })
}

// online says whether bearerbox, which runs, is connected with smsbox and the operator.
func (k *kannel) online(t testing.TB) bool {
	t.Helper()
	answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/status.txt", k.admin))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	status, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(status, []byte("smsbox:smsbox")) && bytes.Contains(status, []byte("(online"))
}

// stop ends every part of the gateway. Its ports refuse connections until it is started again.
func (k *kannel) stop(t testing.TB) {
	t.Helper()
	for _, p := range []*servers.Program{k.smscs, k.smsbox, k.bearerbox} {
		p.Kill(t)
	}
}

// await waits until ready says so, as long as the program runs.
func (k *kannel) await(t testing.TB, p *servers.Program, ready func() bool) {
	t.Helper()
	for deadline := time.After(patience); !ready(); {
		select {
		case <-p.Exited():
			t.Fatalf("Kannel has ended:\n%s", p.Said())
		case <-deadline:
			t.Fatalf("Kannel is not ready:\n%s", p.Said())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (k *kannel) awaitPort(t testing.TB, p *servers.Program, port int) {
	t.Helper()
	k.await(t, p, func() bool {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		return err == nil && c.Close() == nil
	})
}

// kannelTaken is a message as the operator took it.
type kannelTaken struct {
	from, to, text string
	unicode        bool
}

// taken is what the operator has taken so far, as fakesmsc writes it into its log: "sender receiver type data", where a
// text with line breaks goes on in the next entries.
func (k *kannel) taken(t testing.TB) []kannelTaken {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(k.folder, "taken"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var all []kannelTaken
	for _, entry := range regexp.MustCompile(`(?m)Got message \d+: <(.*)>$`).FindAllSubmatch(content, -1) {
		line := string(entry[1])
		parts := strings.SplitN(line, " ", 4)
		if len(parts) < 4 || parts[0] != kannelSender {
			if len(all) == 0 {
				t.Fatalf("fakesmsc took %q", line)
			}
			all[len(all)-1].text += "\n" + line
			continue
		}
		m := kannelTaken{from: parts[0], to: parts[1], text: parts[3]}
		switch parts[2] {
		case "text":
		case "ucs-2":
			m.unicode, m.text = true, fromUCS2(t, parts[3])
		case "udh": // with octets 5 and 6 the number of parts, and which one this is
			udh, data, ok := strings.Cut(parts[3], " data ")
			header, err := url.QueryUnescape(udh)
			if !ok || err != nil || len(header) != 6 || !strings.HasPrefix(header, "\x05\x00\x03") {
				t.Fatalf("fakesmsc took a part with the header %q, %v", udh, err)
			}
			m.unicode, m.text = true, fromUCS2(t, data)
			if header[5] > 1 {
				all[len(all)-1].text += m.text
				continue
			}
		default:
			t.Fatalf("fakesmsc took a message of type %q", parts[2])
		}
		all = append(all, m)
	}
	return all
}

// fromUCS2 reads UTF-16 in big-endian order, escaped as in a URL.
func fromUCS2(t testing.TB, escaped string) string {
	t.Helper()
	octets, err := url.QueryUnescape(escaped)
	if err != nil || len(octets)%2 != 0 {
		t.Fatalf("no text in UCS-2: %q, %v", escaped, err)
	}
	units := make([]uint16, len(octets)/2)
	for i := range units {
		units[i] = uint16(octets[2*i])<<8 | uint16(octets[2*i+1])
	}
	return string(utf16.Decode(units))
}

// awaitTaken waits until the operator has taken n messages, the last of which is want.
func (k *kannel) awaitTaken(t testing.TB, n int, want kannelTaken) {
	t.Helper()
	var all []kannelTaken
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if all = k.taken(t); len(all) == n && all[n-1] == want {
			return
		}
	}
	t.Fatalf("taken: %+v, want %+v last, of %d", all, want, n)
}
