package sms

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"rekey"
)

// maxPush is the longest body that vendors push. Aliyun and Tencent Cloud put some hundred receipts of 300 bytes into one.
const maxPush = 1 << 20

// ReceiptsConfig says whose receipts are taken.
type ReceiptsConfig struct {
	Providers map[string]Provider // by configured name; those that are no Pusher have no address
	// Secret is the last part of a provider's address, which keeps strangers out where the vendor signs nothing.
	Secret func(provider string) string
	// Observe is told of every receipt, before the vendor is answered. It must be safe for concurrent use.
	Observe func(ctx context.Context, provider string, r Report)
	Log     *slog.Logger // told why a request was refused; nil: nobody is
}

// Receipts is an http.Handler for what vendors push: GET and POST /NAME/SECRET. A wrong name or secret is 404, a signature
// that is not the vendor's 403, what is not of its form 400, one that can't be checked now 503; then nothing of it counts.
// It is safe for concurrent use.
//
// Vendors are no browsers and have no cookies: the address's secret or the signature stands in the place of the
// cross-site check (T33). A receipt changes nothing but counts and the order of providers.
type Receipts struct{ c ReceiptsConfig }

// NewReceipts makes the handler.
func NewReceipts(c ReceiptsConfig) *Receipts {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Receipts{c}
}

// pusher is the provider whose address it is, or nil. Hashes are compared, so that the time tells nothing of the secret.
func (h *Receipts) pusher(path string) (name string, p Pusher) {
	name, secret, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	p, pushes := h.c.Providers[name].(Pusher)
	if !ok || !pushes {
		return "", nil
	}
	got, want := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(h.c.Secret(name)))
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return "", nil
	}
	return name, p
}

func (h *Receipts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	name, p := h.pusher(r.URL.Path)
	if p == nil {
		http.Error(w, "there is nothing here", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "receipts are pushed by GET or POST", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPush))
	if err != nil {
		h.refuse(w, r, name, err)
		return
	}
	push, err := p.Pushed(r.Context(), r, body)
	if err != nil {
		h.refuse(w, r, name, err)
		return
	}
	for _, report := range push.Reports {
		h.c.Observe(r.Context(), name, report)
	}
	if push.Answer == "" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	contentType := push.ContentType
	if contentType == "" {
		contentType = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", contentType)
	io.WriteString(w, push.Answer) // who has gone pushes again
}

func (h *Receipts) refuse(w http.ResponseWriter, r *http.Request, name string, err error) {
	status, text := http.StatusBadRequest, "this is not a receipt in the provider's form"
	if errors.Is(err, ErrForged) {
		status, text = http.StatusForbidden, "the signature is not the provider's"
	} else if errors.Is(err, rekey.ErrUnavailable) { // of whom the check needs: the vendor is to push again
		status, text = http.StatusServiceUnavailable, "the receipt can't be checked now; send it again"
	} else if _, long := errors.AsType[*http.MaxBytesError](err); long {
		status, text = http.StatusRequestEntityTooLarge, "this is longer than any receipt"
	}
	h.c.Log.WarnContext(r.Context(), "a receipt was refused", "provider", name, "status", status, "cause", err)
	http.Error(w, text, status)
}
