// Package fault_test stops the service where it hurts most and looks at what a person meets afterwards.
package fault_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"rekey"
	"rekey/cmd/rekey/databases"
	"rekey/codestore/codestoretest"
	"rekey/test/embedded"
	"rekey/test/servers"
)

const (
	mobile      = "13800000001"
	newPassword = "quiteNew7"
	otherOne    = "another99"
)

// replica are the options of a House with these people, and without the list of common passwords: that takes longer to
// read than everything else here, hundreds of times.
func replica(people string) embedded.Options {
	return embedded.Options{People: people, Service: func(o *rekey.Options) { o.Policy = anyPassword() }}
}

func anyPassword() *rekey.Policy {
	p, err := rekey.NewPolicy("classic", false)
	if err != nil {
		panic(err) // the name is a constant
	}
	return p
}

// errand is what a child process does until it is killed.
type errand struct {
	Dir    string
	People string // of embedded.Options
	Do     string // "send" or "reset"
	Flow   string
	Code   string
	Steps  int64 // after how many steps it dies
	After  bool  // after the step, not before it
}

const errandVariable = "REKEY_FAULT_ERRAND"

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if text := os.Getenv(errandVariable); text != "" {
		os.Exit(run(text))
	}
	os.Exit(servers.Run(m))
}

// mailbox hands messages over through a file, which outlives the process.
type mailbox struct{ dir string }

func (b mailbox) Send(_ context.Context, m rekey.Message) (rekey.Receipt, error) {
	f, err := os.OpenFile(filepath.Join(b.dir, "messages"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return rekey.Receipt{}, errors.Join(rekey.ErrUnavailable, err)
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, m.Code.Reveal()); err != nil {
		return rekey.Receipt{}, errors.Join(rekey.ErrUnknown, err)
	}
	return rekey.Receipt{Provider: "mailbox"}, nil
}

// run is the child: it opens the same databases, lays the tripwire and does its errand.
func run(text string) int {
	var e errand
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	wire := tripwire{trip: die}
	h, err := embedded.New(e.Dir, embedded.Options{People: e.People, Wrap: wire.wrap, Service: func(o *rekey.Options) {
		o.Sender, o.Policy = mailbox{e.Dir}, anyPassword()
	}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	wire.arm(e.Steps, e.After)
	client := rekey.Client{Flow: e.Flow}
	switch e.Do {
	case "send":
		_, err = h.Service.Send(context.Background(), client, mobile)
	case "reset":
		_, err = h.Service.Reset(context.Background(), client, rekey.ResetRequest{Mobile: mobile, Code: e.Code, Password: newPassword})
	}
	wire.disarm()
	h.Close()
	if err != nil && rekey.KindOf(err) != rekey.WrongCode {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	return 0
}

// killed runs an errand in a child and reports whether it was killed on the way.
func killed(t *testing.T, e errand) bool {
	t.Helper()
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0])
	// With the race detector a process waits for a second before it ends (go.dev/doc/articles/race_detector).
	child.Env = append(os.Environ(), errandVariable+"="+string(text), "GORACE=atexit_sleep_ms=0")
	out, err := child.CombinedOutput()
	if err == nil {
		return false
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != -1 {
		t.Fatalf("the child failed by itself: %v\n%s", err, out)
	}
	return true
}

// scene is a person who may have a code: the files, of which every case gets a copy, and where people are in a server, the
// password that every case finds there.
type scene struct {
	person
	dir, people string
	hash        string
	made        time.Time
}

// person is somebody who may have a code.
type person struct{ mobile, flow, code string }

// newScene makes a scene in which a code was sent some time ago; none was if that is negative.
func newScene(t *testing.T, people string, ago time.Duration) scene {
	t.Helper()
	s := scene{person: person{mobile: mobile}, dir: t.TempDir(), people: people}
	h, err := embedded.New(s.dir, replica(people))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	h.Add(t, mobile)
	s.hash, s.made = h.Hash(t, mobile), time.Now()
	if ago < 0 {
		return s
	}
	sent, err := h.Service.Send(t.Context(), rekey.Client{}, mobile)
	if err != nil {
		t.Fatal(err)
	}
	s.flow, s.code, s.made = sent.Flow, h.Messages(t)[0].Code, time.Now()
	codestoretest.Age(t, h.Write, ago)
	return s
}

// copy is the scene in a folder of its own, as it was when it was made: on a slow machine the last of many cases comes
// long after the first.
func (s scene) copy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		copyFile(t, filepath.Join(s.dir, entry.Name()), filepath.Join(dir, entry.Name()))
	}
	codes := open(t, "sqlite:"+embedded.File(dir))
	defer codes.Close()
	codestoretest.Age(t, codes, -time.Since(s.made))
	people := codes
	if s.people != "" {
		people = open(t, s.people)
		defer people.Close()
	}
	if _, err := people.ExecContext(t.Context(), "UPDATE users SET password = '"+s.hash+"'"); err != nil {
		t.Fatal(err)
	}
	return dir
}

// open opens a data source for what the test does to it.
func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	source, err := databases.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	connector, err := source.Connector()
	if err != nil {
		t.Fatal(err)
	}
	return sql.OpenDB(connector)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
}

// everyStep runs what a child does, killed at each of its steps in turn, before it and after it, until it gets through;
// then it looks at what is left.
func (s scene) everyStep(t *testing.T, e errand, look func(t *testing.T, h *embedded.House, dir string)) {
	t.Helper()
	for _, after := range []bool{false, true} {
		steps := int64(0)
		for through := false; !through; {
			steps++
			if steps > 200 {
				t.Fatal("no end of steps")
			}
			t.Run(fmt.Sprintf("step %d, after %v", steps, after), func(t *testing.T) {
				e := e
				e.Dir, e.People, e.Flow, e.Steps, e.After = s.copy(t), s.people, s.flow, steps, after
				through = !killed(t, e)
				look(t, embedded.Open(t, e.Dir, replica(s.people)), e.Dir)
			})
		}
		if steps < 8 {
			t.Errorf("only %d steps were met: the tripwire is not in the way", steps)
		}
	}
}

func (p person) reset(t *testing.T, h *embedded.House, code, password string) error {
	t.Helper()
	_, err := h.Service.Reset(t.Context(), rekey.Client{Flow: p.flow}, rekey.ResetRequest{Mobile: p.mobile, Code: code, Password: password})
	return err
}

// recovers holds the crash table for somebody whose reset was cut short: nothing that the person had is lost, and one
// code changes one password once. It reports whether the reset had been committed.
func (p person) recovers(t *testing.T, h *embedded.House) (committed bool) {
	t.Helper()
	before := h.Hash(t, p.mobile)
	if h.Accepts(t, p.mobile, newPassword) {
		if err := p.reset(t, h, p.code, otherOne); rekey.KindOf(err) != rekey.Expired {
			t.Fatalf("committed, and another body: %v", err)
		}
		if err := p.reset(t, h, p.code, newPassword); err != nil {
			t.Fatalf("committed, and the same body: %v", err)
		}
		if h.Hash(t, p.mobile) != before {
			t.Fatal("the same body was a second change")
		}
		return true
	}
	if !h.Accepts(t, p.mobile, embedded.OldPassword) {
		t.Fatal("neither the old password nor the new one")
	}
	wrong := embedded.Wrong(p.code, 1)[0]
	if refusal, ok := errors.AsType[*rekey.Error](p.reset(t, h, wrong, newPassword)); !ok || refusal.AttemptsLeft != 4 {
		t.Fatalf("a right code was charged: %+v", refusal)
	}
	if err := p.reset(t, h, p.code, newPassword); err != nil {
		t.Fatalf("not committed, and the same body: %v", err)
	}
	if !h.Accepts(t, p.mobile, newPassword) {
		t.Fatal("a success that changed nothing")
	}
	if err := p.reset(t, h, p.code, otherOne); rekey.KindOf(err) != rekey.Expired {
		t.Fatalf("the code was used twice: %v", err)
	}
	return false
}

func TestT17_KilledAtEveryStepOfAReset(t *testing.T) {
	t.Parallel()
	embedded.EachDatabase(t, func(t *testing.T, people string) {
		s := newScene(t, people, 0)
		committed, open := 0, 0
		s.everyStep(t, errand{Do: "reset", Code: s.code}, func(t *testing.T, h *embedded.House, _ string) {
			if s.recovers(t, h) {
				committed++
			} else {
				open++
			}
		})
		if committed == 0 || open == 0 {
			t.Errorf("killed %d times after the commit and %d times before it: not both were met", committed, open)
		}
	})
}

// TestT17_KilledAtEveryStepOfAWrongGuess: a wrong guess is charged at most once, and the same body gets the same verdict.
func TestT17_KilledAtEveryStepOfAWrongGuess(t *testing.T) {
	t.Parallel()
	embedded.EachDatabase(t, func(t *testing.T, people string) {
		s := newScene(t, people, 0)
		wrong := embedded.Wrong(s.code, 2)
		s.everyStep(t, errand{Do: "reset", Code: wrong[0]}, func(t *testing.T, h *embedded.House, _ string) {
			for i, guess := range []string{wrong[0], wrong[0], wrong[1]} {
				refusal, ok := errors.AsType[*rekey.Error](s.reset(t, h, guess, newPassword))
				if want := []int{4, 4, 3}[i]; !ok || refusal.Kind != rekey.WrongCode || refusal.AttemptsLeft != want {
					t.Fatalf("guess %d: %+v, want %d left", i, refusal, want)
				}
			}
			if err := s.reset(t, h, s.code, newPassword); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// TestT17_KilledAtEveryStepOfASend: the code that was live stays good, at most one message left, and the next send works.
func TestT17_KilledAtEveryStepOfASend(t *testing.T) {
	t.Parallel()
	embedded.EachDatabase(t, func(t *testing.T, people string) {
		s := newScene(t, people, time.Minute)
		s.everyStep(t, errand{Do: "send"}, func(t *testing.T, h *embedded.House, dir string) {
			left, err := os.ReadFile(filepath.Join(dir, "messages"))
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if text := string(left); text != "" && text != s.code+"\n" {
				t.Fatalf("%d bytes of messages: not one with the live code", len(text))
			}
			codestoretest.Age(t, h.Write, 2*time.Minute)
			if _, err := h.Service.Send(t.Context(), rekey.Client{Flow: s.flow}, mobile); err != nil {
				t.Fatalf("the next send: %v", err)
			}
			if got := h.Messages(t)[0].Code; got != s.code {
				t.Fatal("the live code was lost")
			}
			if err := s.reset(t, h, s.code, newPassword); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// TestT17_KilledAtEveryStepOfAFirstSend: with no code before, the person can ask again once the interval is over.
func TestT17_KilledAtEveryStepOfAFirstSend(t *testing.T) {
	t.Parallel()
	embedded.EachDatabase(t, func(t *testing.T, people string) {
		s := newScene(t, people, -1)
		s.everyStep(t, errand{Do: "send"}, func(t *testing.T, h *embedded.House, _ string) {
			codestoretest.Age(t, h.Write, time.Minute)
			sent, err := h.Service.Send(t.Context(), rekey.Client{}, mobile)
			if err != nil {
				t.Fatalf("the next send: %v", err)
			}
			p := person{mobile: mobile, flow: sent.Flow}
			if err := p.reset(t, h, h.Messages(t)[0].Code, newPassword); err != nil {
				t.Fatal(err)
			}
		})
	})
}
