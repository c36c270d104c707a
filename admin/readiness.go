package admin

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	// checkTime bounds a check of a part. Probes give up after a second or a few (Kubernetes: one by default), and people
	// are refused within one: a part that takes longer is of no use to either.
	checkTime = 900 * time.Millisecond
	// answerTime leaves the check time to say why it failed.
	answerTime = checkTime + 50*time.Millisecond
)

// readiness answers /readyz.
type readiness struct {
	parts []*lookout
	log   *slog.Logger
}

func newReadiness(parts []Part, log *slog.Logger) readiness {
	h := readiness{log: log}
	for _, part := range parts {
		h.parts = append(h.parts, &lookout{part: part})
	}
	return h
}

func (h readiness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	var wait sync.WaitGroup
	failures := make([]error, len(h.parts))
	for i, l := range h.parts {
		wait.Go(func() { failures[i] = l.look(ctx) })
	}
	wait.Wait()

	answer := struct {
		Ready bool              `json:"ready"`
		Parts map[string]string `json:"parts"`
	}{true, map[string]string{}}
	for i, l := range h.parts {
		answer.Parts[l.part.Name] = "ok"
		if failures[i] != nil {
			answer.Ready, answer.Parts[l.part.Name] = false, "down"
			h.log.WarnContext(r.Context(), "not ready", "part", l.part.Name, "cause", failures[i])
		}
	}
	status := http.StatusOK
	if !answer.Ready {
		status = http.StatusServiceUnavailable
	}
	answerJSON(w, status, answer, h.log)
}

// lookout looks at a part, once at a time: probes that come meanwhile share the look, so that they don't pile up behind a
// part that hangs, however deaf it is to the end of its time.
type lookout struct {
	part Part
	mu   sync.Mutex
	now  *look // nil: none is under way
}

type look struct {
	done chan struct{}
	err  error // once done is closed
}

// look is what the look finds that is under way, or begins with this call. It waits for it no longer than until ctx ends.
func (l *lookout) look(ctx context.Context) error {
	l.mu.Lock()
	now := l.now
	if now == nil {
		now = &look{done: make(chan struct{})}
		l.now = now
		go l.check(now)
	}
	l.mu.Unlock()
	select {
	case <-now.done:
		return now.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// check is in a time of its own: whoever asked first may leave, and others wait for what it finds.
func (l *lookout) check(now *look) {
	ctx, cancel := context.WithTimeout(context.Background(), checkTime)
	defer cancel()
	now.err = l.part.Check(ctx)
	l.mu.Lock()
	l.now = nil
	l.mu.Unlock()
	close(now.done)
}
