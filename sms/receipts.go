package sms

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"rekey"
)

const (
	// maxPush is the longest body that is read, in bytes, and maxReports the most receipts in it. Tencent Cloud puts up to
	// 100 of some 300 bytes into one push, Alibaba Cloud several.
	maxPush    = 1 << 20
	maxReports = 1000
	// maxPushes is how many pushes are taken at a time. Each takes milliseconds, and what a stranger who has learnt an address
	// makes of a megabyte comes to some 70 MiB once it is decoded.
	maxPushes = 8
)

// ReceiptsConfig says whose receipts are taken.
type ReceiptsConfig struct {
	Providers map[string]Provider // by configured name; those that are no Pusher have no address
	// Secret is the last part of a provider's address, which keeps strangers out where the vendor signs nothing.
	Secret func(provider string) string
	// Observe is told of the receipts of each push, before the vendor is answered. None waits for long, Alibaba Cloud 700 ms
	// (https://help.aliyun.com/en/vms/developer-reference/return-receipt-message-description-and-configuration-process, of
	// another of its services); who has no answer pushes all of them again. It must be safe for concurrent use.
	Observe func(ctx context.Context, provider string, reports []Report)
	Log     *slog.Logger // told why a request was refused; nil: nobody is
}

// Receipts is an http.Handler for what vendors push: GET and POST /NAME/SECRET. A wrong name or secret is 404, a signature
// that is not the vendor's 403, what is not of its form 400, what is longer than any receipts 413, what ended early or came too
// slowly 408; what can't be checked now, or comes with too many others, 503. Then nothing of it counts. Of a push in which
// only some receipts are not of the vendor's form the others count, and it is not asked for again. It is safe for
// concurrent use.
//
// Vendors are no browsers and have no cookies: the address's secret or the signature stands in the place of the
// cross-site check (T33). A receipt changes nothing but counts and the order of providers.
type Receipts struct {
	c     ReceiptsConfig
	slots chan struct{} // a place is held while a push is taken
}

// NewReceipts makes the handler.
func NewReceipts(c ReceiptsConfig) *Receipts {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Receipts{c: c, slots: make(chan struct{}, maxPushes)}
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
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		h.refuse(w, r, name, fmt.Errorf("%w: %d pushes are being taken", rekey.ErrUnavailable, maxPushes))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPush))
	if err != nil {
		h.refuse(w, r, name, fmt.Errorf("%w: %w", errCut, err))
		return
	}
	push, err := p.Pushed(r.Context(), r, body)
	if err == nil && len(push.Reports) > maxReports {
		err = errTooMany
	}
	if err != nil {
		h.refuse(w, r, name, err)
		return
	}
	if push.Unread > 0 {
		h.c.Log.WarnContext(r.Context(), "receipts could not be read", "provider", name, "unread", push.Unread, "read", len(push.Reports), "cause", push.Cause)
	}
	h.c.Observe(r.Context(), name, push.Reports)
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

// errCut is of a body that ended early, or did not come within the server's time for it.
var errCut = errors.New("the request could not be read to its end")

var errTooMany = fmt.Errorf("more than %d receipts in one push", maxReports)

func (h *Receipts) refuse(w http.ResponseWriter, r *http.Request, name string, err error) {
	status, text := http.StatusBadRequest, "this is not a receipt in the provider's form"
	if errors.Is(err, ErrForged) {
		status, text = http.StatusForbidden, "the signature is not the provider's"
	} else if errors.Is(err, rekey.ErrUnavailable) { // the vendor is to push again
		status, text = http.StatusServiceUnavailable, "the receipt can't be taken now; send it again"
	} else if _, long := errors.AsType[*http.MaxBytesError](err); long || errors.Is(err, errTooMany) {
		status, text = http.StatusRequestEntityTooLarge, "this is longer than any receipts"
	} else if errors.Is(err, errCut) {
		status, text = http.StatusRequestTimeout, "the request did not come to its end; send it again"
	}
	h.c.Log.WarnContext(r.Context(), "a receipt was refused", "provider", name, "status", status, "cause", err)
	http.Error(w, text, status)
}
