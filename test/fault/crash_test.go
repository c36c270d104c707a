// Package fault_test stops the service where it hurts most and looks at what a person meets afterwards.
package fault_test

import (
	"context"
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
	"rekey/codestore/codestoretest"
	"rekey/test/embedded"
)

const (
	mobile      = "13800000001"
	newPassword = "quiteNew7"
	otherOne    = "another99"
)

// errand is what a child process does until it is killed.
type errand struct {
	Dir   string
	Do    string // "send" or "reset"
	Flow  string
	Code  string
	Steps int64 // after how many steps it dies
	After bool  // after the step, not before it
}

const errandVariable = "REKEY_FAULT_ERRAND"

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if text := os.Getenv(errandVariable); text != "" {
		os.Exit(run(text))
	}
	os.Exit(m.Run())
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

// run is the child: it opens the same files, arms the killer and does its errand.
func run(text string) int {
	var e errand
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	k := newKiller("killer")
	h, err := embedded.New(e.Dir, embedded.Options{Driver: "killer", Service: func(o *rekey.Options) { o.Sender = mailbox{e.Dir} }})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	k.arm(e.Steps, e.After)
	client := rekey.Client{Flow: e.Flow}
	switch e.Do {
	case "send":
		_, err = h.Service.Send(context.Background(), client, mobile)
	case "reset":
		_, err = h.Service.Reset(context.Background(), client, rekey.ResetRequest{Mobile: mobile, Code: e.Code, Password: newPassword})
	}
	k.arm(-1, false)
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
	child.Env = append(os.Environ(), errandVariable+"="+string(text))
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

// scene is a person with a code, on files that every case gets a copy of.
type scene struct {
	dir        string
	made       time.Time
	flow, code string
}

func newScene(t *testing.T) scene {
	t.Helper()
	s := scene{dir: t.TempDir()}
	h, err := embedded.New(s.dir, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h.Add(t, mobile)
	sent, err := h.Service.Send(t.Context(), rekey.Client{}, mobile)
	if err != nil {
		t.Fatal(err)
	}
	s.flow, s.code, s.made = sent.Flow, h.Messages(t)[0].Code, time.Now()
	h.Close()
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
	h, err := embedded.New(dir, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	codestoretest.Age(t, h.Write, -time.Since(s.made))
	h.Close()
	return dir
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
func everyStep(t *testing.T, s scene, e errand, look func(t *testing.T, h *embedded.House, dir string)) {
	for _, after := range []bool{false, true} {
		steps := int64(0)
		for through := false; !through; {
			steps++
			if steps > 200 {
				t.Fatal("no end of steps")
			}
			t.Run(fmt.Sprintf("step %d, after %v", steps, after), func(t *testing.T) {
				e := e
				e.Dir, e.Flow, e.Steps, e.After = s.copy(t), s.flow, steps, after
				through = !killed(t, e)
				look(t, embedded.Open(t, e.Dir, embedded.Options{}), e.Dir)
			})
		}
		if steps < 8 {
			t.Errorf("only %d steps were met: the killer is not in the way", steps)
		}
	}
}

func (s scene) reset(t *testing.T, h *embedded.House, code, password string) error {
	t.Helper()
	_, err := h.Service.Reset(t.Context(), rekey.Client{Flow: s.flow}, rekey.ResetRequest{Mobile: mobile, Code: code, Password: password})
	return err
}

// TestT17_KilledAtEveryStepOfAReset holds the crash table: nothing that the person had is lost, and one code changes
// one password once.
func TestT17_KilledAtEveryStepOfAReset(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	committed, open := 0, 0
	everyStep(t, s, errand{Do: "reset", Code: s.code}, func(t *testing.T, h *embedded.House, _ string) {
		before := h.Hash(t, mobile)
		if h.Accepts(t, mobile, newPassword) {
			committed++
			if err := s.reset(t, h, s.code, otherOne); rekey.KindOf(err) != rekey.Expired {
				t.Fatalf("committed, and another body: %v", err)
			}
			if err := s.reset(t, h, s.code, newPassword); err != nil {
				t.Fatalf("committed, and the same body: %v", err)
			}
			if h.Hash(t, mobile) != before {
				t.Fatal("the same body was a second change")
			}
			return
		}
		open++
		if !h.Accepts(t, mobile, embedded.OldPassword) {
			t.Fatal("neither the old password nor the new one")
		}
		wrong := embedded.Wrong(s.code, 1)[0]
		if refusal, ok := errors.AsType[*rekey.Error](s.reset(t, h, wrong, newPassword)); !ok || refusal.AttemptsLeft != 4 {
			t.Fatalf("a right code was charged: %+v", refusal)
		}
		if err := s.reset(t, h, s.code, newPassword); err != nil {
			t.Fatalf("not committed, and the same body: %v", err)
		}
		if !h.Accepts(t, mobile, newPassword) {
			t.Fatal("a success that changed nothing")
		}
		if err := s.reset(t, h, s.code, otherOne); rekey.KindOf(err) != rekey.Expired {
			t.Fatalf("the code was used twice: %v", err)
		}
	})
	if committed == 0 || open == 0 {
		t.Errorf("killed %d times after the commit and %d times before it: not both were met", committed, open)
	}
}

// TestT17_KilledAtEveryStepOfAWrongGuess: a wrong guess is charged at most once, and the same body gets the same verdict.
func TestT17_KilledAtEveryStepOfAWrongGuess(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	wrong := embedded.Wrong(s.code, 2)
	everyStep(t, s, errand{Do: "reset", Code: wrong[0]}, func(t *testing.T, h *embedded.House, _ string) {
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
}

// TestT17_KilledAtEveryStepOfASend: the code that was live stays good, at most one message left, and the next send works.
func TestT17_KilledAtEveryStepOfASend(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	h, err := embedded.New(s.dir, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	codestoretest.Age(t, h.Write, time.Minute)
	h.Close()
	everyStep(t, s, errand{Do: "send"}, func(t *testing.T, h *embedded.House, dir string) {
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
}

// TestT17_KilledAtEveryStepOfAFirstSend: with no code before, the person can ask again once the interval is over.
func TestT17_KilledAtEveryStepOfAFirstSend(t *testing.T) {
	t.Parallel()
	s := scene{dir: t.TempDir()}
	h, err := embedded.New(s.dir, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h.Add(t, mobile)
	h.Close()
	s.made = time.Now()
	everyStep(t, s, errand{Do: "send"}, func(t *testing.T, h *embedded.House, _ string) {
		codestoretest.Age(t, h.Write, time.Minute)
		sent, err := h.Service.Send(t.Context(), rekey.Client{}, mobile)
		if err != nil {
			t.Fatalf("the next send: %v", err)
		}
		s := scene{flow: sent.Flow}
		if err := s.reset(t, h, h.Messages(t)[0].Code, newPassword); err != nil {
			t.Fatal(err)
		}
	})
}
