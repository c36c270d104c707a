// Package fault_test stops the service where it hurts most and looks at what a person meets afterwards.
package fault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"rekey"
	"rekey/test/embedded"
	"rekey/test/servers"
)

const (
	mobile      = "13800000001"
	newPassword = "quiteNew7"
	otherOne    = "another99"
)

// replica is how a House is built in these places, without the list of common passwords: that takes longer to read than
// everything else here, hundreds of times.
func replica(o embedded.Options) embedded.Options {
	o.Service = func(o *rekey.Options) { o.Policy = anyPassword() }
	return o
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
	Dir           string
	Codes, People string // of embedded.Options
	Do            string // "send" or "reset"
	Flow          string
	Code          string
	Steps         int64 // at which step it dies
	When          moment
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
	h, err := embedded.New(e.Dir, embedded.Options{
		Codes: e.Codes, People: e.People, Wrap: wire.wrap, Hook: wiredRedis{&wire},
		Service: func(o *rekey.Options) { o.Sender, o.Policy = mailbox{e.Dir}, anyPassword() },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	wire.arm(e.Steps, e.When)
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

// person is somebody who may have a code.
type person struct{ mobile, flow, code string }

// scene is a place with one person in it, who has asked for a code some time ago, or has not if that is negative. Every case
// begins with it anew, and nobody has the databases open while the child does its errand: whoever looks at what is left is
// the first to open them.
type scene struct {
	dir  string
	in   embedded.Options
	ago  time.Duration
	when []moment // that there are in this place
}

func newScene(t *testing.T, p embedded.Place, ago time.Duration) scene {
	t.Helper()
	s := scene{dir: t.TempDir(), in: replica(p.Options(t)), ago: ago, when: []moment{before, after}}
	if p.Store == embedded.Redis || p.Store == embedded.Cluster {
		s.when = []moment{before, sent, after}
	}
	return s
}

// begin sets the scene.
func (s scene) begin(t *testing.T) person {
	t.Helper()
	h, err := embedded.New(s.dir, s.in)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	h.Forget(t)
	h.Change(t, "DELETE FROM users")
	h.Add(t, mobile)
	if err := os.Remove(s.messages()); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	p := person{mobile: mobile}
	if s.ago < 0 {
		return p
	}
	sent, err := h.Service.Send(t.Context(), rekey.Client{}, mobile)
	if err != nil {
		t.Fatal(err)
	}
	p.flow, p.code = sent.Flow, h.Messages(t)[0].Code
	h.Advance(t, s.ago)
	return p
}

// messages is the file of the child's mailbox.
func (s scene) messages() string { return filepath.Join(s.dir, "messages") }

// everyStep runs what a child does, killed at every moment of each of its steps in turn, until it gets through; then it
// looks at what is left.
func (s scene) everyStep(t *testing.T, do func(person) errand, look func(t *testing.T, h *embedded.House, p person)) {
	t.Helper()
	for _, when := range s.when {
		steps := int64(0)
		for through := false; !through; {
			steps++
			if steps > 200 {
				t.Fatal("no end of steps")
			}
			t.Run(fmt.Sprintf("step %d, %v", steps, when), func(t *testing.T) {
				p := s.begin(t)
				e := do(p)
				e.Dir, e.Codes, e.People, e.Flow, e.Steps, e.When = s.dir, s.in.Codes, s.in.People, p.flow, steps, when
				through = !killed(t, e)
				look(t, embedded.Open(t, s.dir, s.in), p)
			})
			if t.Failed() {
				return // what follows would say the same
			}
		}
		t.Logf("killed at %d steps, %v", steps-1, when)
		if steps < 4 {
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
	embedded.EachPlace(t, func(t *testing.T, p embedded.Place) {
		committed, open := 0, 0
		reset := func(p person) errand { return errand{Do: "reset", Code: p.code} }
		newScene(t, p, 0).everyStep(t, reset, func(t *testing.T, h *embedded.House, p person) {
			if p.recovers(t, h) {
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
	embedded.EachPlace(t, func(t *testing.T, p embedded.Place) {
		guess := func(p person) errand { return errand{Do: "reset", Code: embedded.Wrong(p.code, 1)[0]} }
		newScene(t, p, 0).everyStep(t, guess, func(t *testing.T, h *embedded.House, p person) {
			wrong := embedded.Wrong(p.code, 2)
			for i, guess := range []string{wrong[0], wrong[0], wrong[1]} {
				refusal, ok := errors.AsType[*rekey.Error](p.reset(t, h, guess, newPassword))
				if want := []int{4, 4, 3}[i]; !ok || refusal.Kind != rekey.WrongCode || refusal.AttemptsLeft != want {
					t.Fatalf("guess %d: %+v, want %d left", i, refusal, want)
				}
			}
			if err := p.reset(t, h, p.code, newPassword); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// TestT17_KilledAtEveryStepOfASend: the code that was live stays good, at most one message left, and the next send works.
func TestT17_KilledAtEveryStepOfASend(t *testing.T) {
	t.Parallel()
	embedded.EachPlace(t, func(t *testing.T, p embedded.Place) {
		s := newScene(t, p, time.Minute)
		send := func(person) errand { return errand{Do: "send"} }
		s.everyStep(t, send, func(t *testing.T, h *embedded.House, p person) {
			left, err := os.ReadFile(s.messages())
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if text := string(left); text != "" && text != p.code+"\n" {
				t.Fatalf("%d bytes of messages: not one with the live code", len(text))
			}
			h.Advance(t, 2*time.Minute)
			if _, err := h.Service.Send(t.Context(), rekey.Client{Flow: p.flow}, mobile); err != nil {
				t.Fatalf("the next send: %v", err)
			}
			if got := h.Messages(t)[0].Code; got != p.code {
				t.Fatal("the live code was lost")
			}
			if err := p.reset(t, h, p.code, newPassword); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// TestT17_KilledAtEveryStepOfAFirstSend: with no code before, the person can ask again once the interval is over.
func TestT17_KilledAtEveryStepOfAFirstSend(t *testing.T) {
	t.Parallel()
	embedded.EachPlace(t, func(t *testing.T, p embedded.Place) {
		send := func(person) errand { return errand{Do: "send"} }
		newScene(t, p, -1).everyStep(t, send, func(t *testing.T, h *embedded.House, p person) {
			h.Advance(t, time.Minute)
			sent, err := h.Service.Send(t.Context(), rekey.Client{}, mobile)
			if err != nil {
				t.Fatalf("the next send: %v", err)
			}
			p.flow = sent.Flow
			if err := p.reset(t, h, h.Messages(t)[0].Code, newPassword); err != nil {
				t.Fatal(err)
			}
		})
	})
}
