package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"rekey/cmd/rekey/databases"
	"rekey/web"
)

const (
	// grace is how long a stop may take: the body of a request in flight takes at most 8 s (package web), its operation
	// 12 s, and what it must give back or finish twice 4 s. Kubernetes waits 30 s after the signal, systemd 90 s. By then no
	// message is under way, so that nothing is lost where an SMSC that does not answer holds its good-bye up for 7 s more.
	grace = 28 * time.Second

	// sweepInterval is how often expired rows are removed. Nothing depends on it but the size of the file: a busy day's
	// codes are some megabytes.
	sweepInterval = 10 * time.Minute
)

type serveCommand struct{ configured }

func (*serveCommand) Help() string {
	return `Runs the service. Any fault in the configuration is refused, and all of them are listed. The log goes to stderr
as JSON, one record a line. SIGTERM or ^C ends it: requests in flight are answered and messages delivered.

Example:

    rekey serve --config /etc/rekey/rekey.toml`
}

// Run serves until the process is told to end.
func (c *serveCommand) Run(t *terminal) error {
	l, err := c.load(t, true)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(t.stderr, nil))
	l.advise(log)

	h, err := newHouse(t.ctx, &l.config, log)
	if err != nil {
		return err
	}
	err = h.serve(t.ctx, l.Listen, l.Admin.Listen)
	return errors.Join(err, h.close())
}

// advise logs what is no fault, but not what an operator means either.
func (l *loaded) advise(log *slog.Logger) {
	if slices.ContainsFunc(l.settings, func(s *setting) bool {
		return strings.HasPrefix(s.key, "audit.") && s.origin != (origin{})
	}) {
		log.Warn("[audit] is not in effect in this version: nothing is kept of what happened but this log")
	}
	if strings.HasPrefix(l.PublicOrigin, "https://") && len(l.TrustedProxies) == 0 {
		log.Warn("trusted_proxies is empty, but an https public_origin needs a proxy in front: all people share the budgets of its address until its network is named")
	}
	if s, err := databases.Parse(l.Users.DSN); err == nil && s.Exposed() {
		log.Warn("users.dsn: whoever is on the network in between could read the users table or answer in its place; on a network that is not yours alone add sslmode=verify-full")
	}
	if s, err := databases.ParseCodes(l.Codes.Store); err == nil && s.Exposed() {
		log.Warn("codes.store: whoever is on the network in between could answer in its place, and let guesses pass uncounted; on a network that is not yours alone write " + verified(s))
	}
}

// verified is what in codes.store makes sure that it is the store itself that answers.
func verified(codes databases.CodeSource) string {
	if codes.Redis != nil {
		return "rediss in the place of redis, and not sslmode=require"
	}
	return "sslmode=verify-full"
}

// serve listens on the addresses of the public and the private side until ctx ends, then stops in good order.
func (h *house) serve(ctx context.Context, public, private string) error {
	publicListener, err := listen("listen", public)
	if err != nil {
		return err
	}
	privateListener, err := listen("admin.listen", private)
	if err != nil {
		return errors.Join(err, publicListener.Close())
	}
	origin := h.config.PublicOrigin
	if origin == "" {
		origin = "http://" + publicListener.Addr().String()
	}
	handler, err := h.public(origin)
	if err != nil {
		return errors.Join(err, publicListener.Close(), privateListener.Close())
	}
	h.log.Info("serving", "public", publicListener.Addr().String(), "admin", privateListener.Addr().String(), "origin", origin)
	return h.run(ctx, map[net.Listener]http.Handler{publicListener: handler, privateListener: h.private()})
}

// run serves the handlers until ctx ends or a listener fails. Then no connection is accepted any more, requests in
// flight are answered, and what they left to the background is done, all within grace (T43).
func (h *house) run(ctx context.Context, sides map[net.Listener]http.Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h.delivery.open()
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		if codes, ok := h.codes.(sweeper); ok {
			sweep(ctx, codes, h.log)
		}
	}()
	var servers []*http.Server
	broken := make(chan error, len(sides))
	for listener, handler := range sides {
		server := web.Server(handler, h.log)
		servers = append(servers, server)
		go func() {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				broken <- fmt.Errorf("serving on %s: %w", listener.Addr(), err)
			}
		}()
	}

	var failed []error
	select {
	case <-ctx.Done():
	case err := <-broken:
		failed = append(failed, err)
		cancel()
	}
	h.log.Info("stopping", "grace", grace.String())
	// The context that ended must not end what is still to be done.
	stopping, done := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer done()
	unfinished := make(chan error, len(servers))
	for _, server := range servers {
		go func() {
			err := server.Shutdown(stopping)
			if err != nil {
				err = errors.Join(errors.New("not all requests were answered within the grace"), server.Close())
			}
			unfinished <- err
		}()
	}
	answered := true
	for range servers {
		if err := <-unfinished; err != nil {
			answered = false
			failed = append(failed, err)
		}
	}
	if answered { // else handlers still run, and the grace is over
		if err := h.service.Drain(stopping); err != nil {
			failed = append(failed, errors.New("not all messages were delivered within the grace"))
		}
	}
	<-swept
	err := errors.Join(failed...)
	if err == nil {
		h.log.Info("stopped")
	}
	return err
}

// sweeper is a code store that does not forget by itself.
type sweeper interface {
	Sweep(ctx context.Context) (int64, error)
}

// sweep removes expired rows every now and then until ctx ends.
func sweep(ctx context.Context, codes sweeper, log *slog.Logger) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if _, err := codes.Sweep(ctx); err != nil && ctx.Err() == nil {
				log.Warn("expired codes could not be removed; nothing but space depends on it", "cause", err)
			}
		}
	}
}

// listen listens on an address, and says what to do if it can't.
func listen(key, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: %s is in use by another program; end that one, or choose another port", key, address)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("%s: this user may not listen on %s; choose a port from 1024 on", key, address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%s: %s is no address of this machine; choose one of its own", key, address)
	}
	return nil, fmt.Errorf("%s: %w", key, err)
}
