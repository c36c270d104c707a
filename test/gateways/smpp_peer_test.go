// Package gateways_test proves that the providers that speak a protocol of their own agree with the programs of others that
// speak it: SMPP with the npm package smpp and Perl's Net::SMPP, the far sides of which stand in the folder peers.
package gateways_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rekey/sms"
	"rekey/test/servers"
)

// patience is how long a test waits for what must come, on a machine of any speed.
const patience = time.Minute

// The account at every SMPP peer. No error may hold the password (T36).
const (
	smppSystemID = "rekey"
	smppPassword = "pw-4f1c"
	smppSource   = "Example"
)

// smppKind is a program that speaks SMPP as an SMSC does.
type smppKind struct {
	name string
	// command is the program with its arguments; the peer's port, system_id and password follow.
	command func(t testing.TB) []string
}

// The two kinds. The npm package gives an error answer no body, and its receipts have TLVs where they are asked for; Perl's
// gives it one, and its receipts are text alone.
var (
	npmSMPP = smppKind{"npm", func(t testing.TB) []string {
		node := servers.Need(t, "node", "node", "apt-get install nodejs")
		if _, err := os.Stat("peers/node_modules/smpp/package.json"); errors.Is(err, fs.ErrNotExist) {
			servers.Missing(t, "the npm package smpp", "npm ci --prefix test/gateways/peers")
		}
		return []string{node, "peers/smpp.js"}
	}}
	perlSMPP = smppKind{"perl", func(t testing.TB) []string {
		perl := servers.Need(t, "perl", "perl", "apt-get install perl")
		if exec.Command(perl, "-MNet::SMPP", "-e", "1").Run() != nil {
			servers.Missing(t, "Net::SMPP", "apt-get install libnet-smpp-perl")
		}
		return []string{perl, "peers/smpp.pl"}
	}}
)

// withSMPPPeers runs a test with each kind.
func withSMPPPeers(t *testing.T, test func(t *testing.T, kind smppKind)) {
	t.Parallel()
	for _, kind := range []smppKind{npmSMPP, perlSMPP} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			test(t, kind)
		})
	}
}

// smppPeer is a running SMSC of others. It takes one command a line on stdin, as a JSON object, each of which it confirms
// with the event "done", and tells what happens as events, one a line on stdout. The commands:
//
//	{"do":"bind", "status"}             answer binds with this command_status from now on; 0: take whoever has the password
//	{"do":"submit", "fate", "nth"}      every nth submit_sm meets a fate from now on, the others are taken; with "once" the first alone
//	  "ok"                              it is taken
//	  "refuse", "status"                it is refused: by npm without a body, by Perl with one
//	  "nack", "status"                  generic_nack is the answer (npm)
//	  "silence"                         there is no answer
//	  "batch", "size"                   it is taken, and answered with size others, the last first
//	  "early"                           it is taken, and its receipt comes before its answer
//	  "cut"                             the link is reset once it has arrived
//	  "cut_within"                      the link is reset when a part of it has been read (npm)
//	  "cut_answer"                      the link ends in the middle of the answer (npm)
//	{"do":"receipt", "id", "from", "to", "stat", "err", "form"}  deliver a receipt; form: "tlv", "text", or both (npm)
//	{"do":"say", "from", "to", "text", "esm_class"}              deliver a text
//	{"do":"enquire"}, {"do":"unbind"}, {"do":"cut"}              on every link that is bound
//	{"do":"quiet", "on"}                tell of no submit_sm
//	{"do":"count"}                      → submits: all of them; most: of those that were without an answer at a time on a link
type smppPeer struct {
	kind    smppKind
	address string
	port    int
	program *servers.Program
	stdin   io.WriteCloser
	done    chan smppEvent

	mu      sync.Mutex
	events  []smppEvent
	changed chan struct{} // closed with the next event
}

// smppCommand is what a peer is told, smppEvent what it tells.
type (
	smppCommand map[string]any
	smppEvent   struct {
		// Event is listening, done, error, or of a link: closed, bind (Status is the peer's answer), submit, message (a text
		// that is whole and was taken, with the ids of its parts), enquire and unbind (the client's), enquired and delivered
		// (the client's answers to the peer's enquire_link and deliver_sm).
		Event  string
		Link   int
		Status int
		Error  string

		ID, Fate, Text     string
		To, From           string
		ToTON              int `json:"to_ton"`
		FromTON            int `json:"from_ton"`
		ToNPI              int `json:"to_npi"`
		FromNPI            int `json:"from_npi"`
		Coding, Registered int
		ESMClass           int    `json:"esm_class"`
		SystemType         string `json:"system_type"`
		Version            int
		IDs                []string
		Submits, Most      int
	}
)

// startSMPPPeer starts a peer on a port of its own.
func startSMPPPeer(t testing.TB, kind smppKind) *smppPeer {
	t.Helper()
	return startSMPPPeerAt(t, kind, servers.ReservePort(t))
}

// startSMPPPeerAt starts a peer on a port, with more arguments behind the usual ones. It ends with the test.
func startSMPPPeerAt(t testing.TB, kind smppKind, port int, more ...string) *smppPeer {
	t.Helper()
	arguments := append(kind.command(t), strconv.Itoa(port), smppSystemID, smppPassword)
	arguments = append(arguments, more...)
	cmd := exec.Command(arguments[0], arguments[1:]...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	// A pipe of our own: Wait must not close stdout under its reader.
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = writer
	p := &smppPeer{
		kind: kind, port: port, address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), stdin: stdin,
		done: make(chan smppEvent, 1), changed: make(chan struct{}),
	}
	p.program = servers.StartProgram(t, cmd)
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	heard := make(chan error, 1)
	go func() { heard <- p.listen(reader) }()
	t.Cleanup(func() {
		p.program.Kill(t)
		if err := <-heard; err != nil {
			t.Errorf("the %s peer: %v", kind.name, err)
		}
	})
	p.await(t, "listens", func(e smppEvent) bool { return e.Event == "listening" }, 1)
	return p
}

// listen keeps the peer's events until its stdout ends. It reports what the peer found wrong.
func (p *smppPeer) listen(stdout io.ReadCloser) error {
	defer stdout.Close()
	var faults []error
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return errors.Join(faults...) // killed
		}
		var e smppEvent
		switch err := json.Unmarshal(line, &e); {
		case err != nil:
			faults = append(faults, errors.New("it says "+strconv.Quote(string(line))))
			continue
		case e.Event == "done":
			p.done <- e
			continue
		case e.Event == "error":
			faults = append(faults, errors.New(e.Error))
		}
		p.mu.Lock()
		p.events = append(p.events, e)
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
	}
}

// tell gives the peer a command and returns what it says once that is done.
func (p *smppPeer) tell(t testing.TB, c smppCommand) smppEvent {
	t.Helper()
	line, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		t.Fatalf("the %s peer takes no commands: %v\n%s", p.kind.name, err, p.program.Said())
	}
	select {
	case e := <-p.done:
		return e
	case <-time.After(patience):
		t.Fatalf("the %s peer does not do %v\n%s", p.kind.name, c["do"], p.program.Said())
		return smppEvent{}
	}
}

// seen are the events until now that match: the peer is asked something, so that all that it has said before is there.
func (p *smppPeer) seen(t testing.TB, match func(smppEvent) bool) []smppEvent {
	t.Helper()
	p.tell(t, smppCommand{"do": "count"})
	found, _ := p.matching(match)
	return found
}

// matching are the events that were read and match, and what is closed with the next event.
func (p *smppPeer) matching(match func(smppEvent) bool) (found []smppEvent, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		if match(e) {
			found = append(found, e)
		}
	}
	return found, p.changed
}

// await waits until n events match, and returns all that do.
func (p *smppPeer) await(t testing.TB, what string, match func(smppEvent) bool, n int) []smppEvent {
	t.Helper()
	for deadline := time.After(patience); ; {
		found, changed := p.matching(match)
		if len(found) >= n {
			return found
		}
		select {
		case <-changed:
		case <-p.program.Exited():
			t.Fatalf("the %s peer has ended; waiting for %d × %q\n%s", p.kind.name, n, what, p.program.Said())
		case <-deadline:
			t.Fatalf("the %s peer tells %d × %q, want %d\n%s", p.kind.name, len(found), what, n, p.program.Said())
		}
	}
}

// awaitEvents is await for the events of one name.
func (p *smppPeer) awaitEvents(t testing.TB, name string, n int) []smppEvent {
	t.Helper()
	return p.await(t, name, named(name), n)
}

func named(name string) func(smppEvent) bool {
	return func(e smppEvent) bool { return e.Event == name }
}

// provider makes a provider that the peer is the SMSC of; c says what is other than usual. It is closed with the test, and
// its log holds nothing of the messages and not the password (T36).
func (p *smppPeer) provider(t testing.TB, c sms.SMPPConfig) *sms.SMPP {
	t.Helper()
	if c.Address == "" {
		c.Address = p.address
	}
	c.SystemID, c.Password = smppSystemID, smppPassword
	if c.Source == "" {
		c.Source = smppSource
	}
	if c.Timeout == 0 {
		c.Timeout = patience
	}
	if c.Texts == nil {
		c.Texts = smppTexts(t, sms.TextConfig{})
	}
	var log smppLog
	c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	provider, err := sms.NewSMPP(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := provider.Close(); err != nil {
			t.Errorf("closing the provider: %v", err)
		}
		if found := smppSecrets.FindString(log.String()); found != "" {
			t.Errorf("the provider's log holds %q (T36):\n%s", found, &log)
		}
	})
	return provider
}

// smppSecrets are the password and the numbers and codes of smppMessage.
var smppSecrets = regexp.MustCompile(regexp.QuoteMeta(smppPassword) + `|138\d{8}|\b60\d{6}\b|[^.\d]731\d{3}\b`)

// smppLog is a log that may be written to at any time.
type smppLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *smppLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *smppLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func smppTexts(t testing.TB, c sms.TextConfig) *sms.Texts {
	t.Helper()
	if c.Languages == nil {
		c.Languages = []string{"zh-CN", "en"}
	}
	texts, err := sms.NewTexts(c)
	if err != nil {
		t.Fatal(err)
	}
	return texts
}
