package sms

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/language"

	"rekey"
)

// inboxSize is how many messages an Inbox keeps.
const inboxSize = 200

// Inbox is the provider "inbox": it sends nothing and keeps the last 200 messages in memory, to be read on a page. It is
// safe for concurrent use.
//
// Its Handler is the one place that shows codes and numbers in clear. It may be mounted on the admin listener, or in the
// demo, which listens on loopback; never on the public listener of a service.
type Inbox struct {
	texts *Texts

	mu       sync.Mutex
	messages []inboxMessage // oldest first
}

// inboxMessage is one item of /inbox/messages.
type inboxMessage struct {
	ID       string    `json:"id"`
	Mobile   string    `json:"mobile"` // as people type it in its country
	Text     string    `json:"text"`
	Code     string    `json:"code"`
	Language string    `json:"language"`
	At       time.Time `json:"at"`

	number rekey.Number
}

// NewInbox makes an empty inbox.
func NewInbox(t *Texts) *Inbox { return &Inbox{texts: t} }

// Format hides the messages whatever the verb (T36).
func (in *Inbox) Format(f fmt.State, _ rune) { fmt.Fprint(f, "(inbox)") }

// Send keeps m. It fails with rekey.ErrUnavailable if ctx has ended before.
func (in *Inbox) Send(ctx context.Context, m rekey.Message) (rekey.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return rekey.Receipt{}, fmt.Errorf("%w: %w", rekey.ErrUnavailable, err)
	}
	kept := inboxMessage{
		ID: m.ID, Mobile: m.To.National(), Text: in.texts.Text(m), Code: m.Code.Reveal(),
		Language: in.texts.Language(m.Language), number: m.To,
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	kept.At = time.Now().UTC().Truncate(time.Millisecond)
	in.messages = append(in.messages, kept)
	if len(in.messages) > inboxSize {
		in.messages = in.messages[1:]
	}
	return rekey.Receipt{ID: m.ID}, nil
}

// Preview is the text.
func (in *Inbox) Preview(m rekey.Message) (string, error) { return in.texts.Text(m), nil }

// Try is Send.
func (in *Inbox) Try(ctx context.Context, m rekey.Message) (string, error) {
	if _, err := in.Send(ctx, m); err != nil {
		return "", err
	}
	return "kept; the inbox of this process shows it at /inbox/", nil
}

// Size is what the text would come to.
func (in *Inbox) Size(m rekey.Message) Size { return Measure(in.texts.Text(m)) }

// newestFirst is a copy of the messages.
func (in *Inbox) newestFirst() []inboxMessage {
	in.mu.Lock()
	defer in.mu.Unlock()
	all := append(make([]inboxMessage, 0, len(in.messages)), in.messages...)
	slices.Reverse(all)
	return all
}

//go:embed inbox
var inboxFiles embed.FS

// Handler serves the page at /inbox/ and the messages as JSON, newest first, at /inbox/messages. The page is in the
// first language of ?lang=, Accept-Language and the configuration that it has; it refreshes by itself, by a small module
// that carries the reader's place over, or as a whole where scripts are off. A failed write is the client's business; a
// failure of the page's template is logged.
func (in *Inbox) Handler(log *slog.Logger) http.Handler {
	page := template.Must(template.ParseFS(inboxFiles, "inbox/page.html"))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /inbox/{$}", func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		if err := page.Execute(&b, inboxView{inboxWords(in.pageLanguage(r)), in.newestFirst()}); err != nil {
			log.ErrorContext(r.Context(), "the inbox page could not be rendered", "cause", err)
			http.Error(w, "the inbox page could not be rendered; the log says why", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(b.Bytes())
	})
	mux.HandleFunc("GET /inbox/messages", func(w http.ResponseWriter, r *http.Request) {
		body, err := asJSON(in.newestFirst())
		if err != nil {
			log.ErrorContext(r.Context(), "the inbox could not be encoded", "cause", err)
			http.Error(w, "the inbox could not be encoded; the log says why", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(body))
	})
	for _, name := range []string{"inbox.css", "inbox.js"} {
		mux.HandleFunc("GET /inbox/"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, inboxFiles, "inbox/"+name)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "+
			"form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types inbox")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin") // no other site's page may read codes by including them
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

// pageLanguage is the language of the page for r.
func (in *Inbox) pageLanguage(r *http.Request) language.Tag {
	chinese := language.MustParse("zh-CN")
	offered := []language.Tag{chinese, language.English}
	if !strings.HasPrefix(in.texts.Language(""), "zh") {
		slices.Reverse(offered)
	}
	_, i := language.MatchStrings(language.NewMatcher(offered), r.URL.Query().Get("lang"), r.Header.Get("Accept-Language"))
	return offered[i]
}

// inboxView is what the page's template sees.
type inboxView struct {
	Words    words
	Messages []inboxMessage
}

// Shown is the number as people read it.
func (m inboxMessage) Shown() string { return m.number.Spaced() }

// Clock is the time of the message on this machine's clock.
func (m inboxMessage) Clock() string { return m.At.Local().Format("2006-01-02 15:04:05") }

// words are the texts of the page in one language.
type words struct {
	Lang, Other, OtherName                string // its own tag, and the other language
	Title, About, Empty, Copy, Code       string
	Copied, New, Offline, Keeps, Received string
}

func inboxWords(tag language.Tag) words {
	if tag == language.English {
		return words{
			Lang: "en", Other: "zh-CN", OtherName: "中文",
			Title: "SMS inbox", About: "Nothing is sent to a phone: messages land here. For trying out only.",
			Empty: "No messages yet. Ask for a code and it shows up here by itself.",
			Copy:  "Copy", Code: "Code", Copied: "Code copied", New: "New message",
			Offline: "The service does not answer. This page goes on by itself when it is back.",
			Keeps:   fmt.Sprintf("The last %d messages are kept, in memory only.", inboxSize), Received: "Received",
		}
	}
	return words{
		Lang: "zh-CN", Other: "en", OtherName: "English",
		Title: "短信收件箱", About: "短信不会发到手机，只显示在这里，仅供试用。",
		Empty: "还没有短信。获取验证码后会自动显示在这里。",
		Copy:  "复制", Code: "验证码", Copied: "验证码已复制", New: "收到新短信",
		Offline: "服务没有响应，恢复后本页会自动更新。",
		Keeps:   fmt.Sprintf("只在内存中保留最近 %d 条短信。", inboxSize), Received: "接收时间",
	}
}
