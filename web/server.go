package web

import (
	"log/slog"
	"net/http"
	"time"
)

// Server is an http.Server for h with bounds on whatever a client can make it hold (T22, T23). It speaks plain
// HTTP/1.1: TLS ends at the proxy in front of it. log, if not nil, gets what net/http has to say.
func Server(h http.Handler, log *slog.Logger) *http.Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &http.Server{
		Handler: h,

		// A browser's headers come in one packet or two; five seconds bear a bad mobile link and are all that a
		// half-open connection can take.
		ReadHeaderTimeout: 5 * time.Second,
		// Headers and the four kilobytes of a body, at a kilobyte a second and with the same start as the headers.
		ReadTimeout: 8 * time.Second,
		// From the end of the headers to the last byte of the answer; an answer that is cut off after a message went out
		// or a password changed misleads whoever waits for it. The body takes 8 s at most, the recovery 12 s, and
		// twice 4 s what it must give back or finish after that. The rest is for the answer, a few kilobytes.
		WriteTimeout: 45 * time.Second,
		// Longer than a person needs from one screen to the next, and than a proxy keeps its connections by default.
		IdleTimeout: 75 * time.Second,
		// Cookies of the whole host come along; net/http adds 4 KiB.
		MaxHeaderBytes: 16 << 10,

		// "OPTIONS *" gets our headers like everything else.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
