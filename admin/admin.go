// Package admin is the private side: whether the service lives, whether its parts do, and the pages for operators.
package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Options are the parts and settings of the private side.
type Options struct {
	// Parts are what the service can't do without.
	Parts []Part
	// Token, if set, is asked of every request: as a bearer token (RFC 6750), or as the password of basic
	// authentication (RFC 7617) with any user name, so that a browser can be used. Without a token the listener must be
	// on loopback, and only requests that name it so are answered.
	Token string
	// Inbox, if set, serves everything below /inbox/.
	Inbox http.Handler
	// Providers, if set, says how the SMS providers do, as encoding/json writes it. It must be safe for concurrent use, and
	// what it says must hold no number and no secret.
	Providers func() any
	// Log is told why a part is down; nil: nobody is.
	Log *slog.Logger
}

// Part is something that may be down, such as a database.
type Part struct {
	Name string // as /readyz calls it
	// Check fails if the part can't do its work now. It must honour ctx, and its error must hold no secret.
	Check func(ctx context.Context) error
}

// New makes the handler of the private side:
//
//   - GET /healthz: 200 while the process serves requests. Nothing else is looked at: to restart a service because its
//     database is down would help nobody.
//   - GET /readyz: 200 with every part "ok", or 503 and which part is "down", within a second; the log has the cause.
//     However many ask, a part is looked at once at a time.
//   - GET /providers: how the SMS providers do in this process, as JSON.
//   - GET /inbox/: the inbox, where there is one.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("ok\n"))
	})
	mux.Handle("GET /readyz", newReadiness(o.Parts, o.Log))
	if o.Providers != nil {
		mux.HandleFunc("GET /providers", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, http.StatusOK, o.Providers(), o.Log) })
	}
	if o.Inbox != nil {
		mux.Handle("GET /inbox/", o.Inbox)
	}
	var handler http.Handler = mux
	if o.Token != "" {
		handler = withToken(o.Token, mux)
	} else {
		handler = LoopbackOnly(mux)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		handler.ServeHTTP(w, r)
	})
}

// answerJSON writes v as JSON on one line. log is told if that can't be done.
func answerJSON(w http.ResponseWriter, status int, v any, log *slog.Logger) {
	body, err := json.Marshal(v)
	if err != nil {
		log.Error("an answer of the private side could not be encoded", "cause", err)
		http.Error(w, "the answer could not be encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}

// withToken lets only requests pass that bring the token. Hashes are compared, so that the time of a comparison says
// nothing about the token, its length included.
func withToken(token string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := ""
		if scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
			given = strings.TrimSpace(rest)
		} else if _, password, ok := r.BasicAuth(); ok {
			given = password
		}
		if got := sha256.Sum256([]byte(given)); subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="rekey admin", charset="UTF-8"`)
			http.Error(w, "the token of admin.token is required", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// LoopbackOnly answers requests only if their Host is localhost or a loopback address. A page of some site whose name
// was made to resolve to this machine (DNS rebinding) is same origin to a browser here and could otherwise read the
// codes in an inbox (T33, T34).
func LoopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		address, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if host != "localhost" && (err != nil || !address.Unmap().IsLoopback()) {
			http.Error(w, "open this by its loopback address", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
