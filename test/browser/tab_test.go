package browser_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a test waits for what the page does at once: a slow machine fails no test.
const patience = 60 * time.Second

const axePath = "node_modules/axe-core/axe.min.js"

// missing ends a test that lacks a tool: where CI is set as a failure, else as a skip.
func missing(t *testing.T, what, how string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: %s", what, how)
	}
	t.Skipf("%s is missing: %s", what, how)
}

// browser is one Chromium with a fresh profile.
type browser struct {
	context.Context
	axe string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	axe, err := os.ReadFile(axePath)
	if err != nil {
		missing(t, "test/browser/"+axePath, "run npm ci in test/browser, or make test")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		if path, err = exec.LookPath("google-chrome"); err != nil {
			missing(t, "chromium", "apt-get install chromium, or make test")
		}
	}
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(patience), // for Chromium to start
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("hide-scrollbars", false))...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		// Chromium writes to its profile until it has ended; t.TempDir removes it after this.
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("closing chromium: %v", err)
		}
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	return &browser{ctx, string(axe)}
}

// look is how a tab shows the page.
type look struct {
	language string
	width    int64
	dark     bool
	noScript bool
}

func (l look) String() string {
	scheme, script := "light", "script"
	if l.dark {
		scheme = "dark"
	}
	if l.noScript {
		script = "noscript"
	}
	return fmt.Sprintf("%s-%d-%s-%s", l.language, l.width, scheme, script)
}

// tab is one tab in a browser context of its own: its own cookies, its own storage.
type tab struct {
	*testing.T
	ctx  context.Context
	site *site
	look look
	axe  string

	mu       sync.Mutex
	reports  []string // violations of the policy, and errors of the script
	requests []string
}

func (b *browser) open(t *testing.T, s *site, l look) *tab {
	t.Helper()
	l.language, l.width = cmp.Or(l.language, "zh-CN"), cmp.Or(l.width, 360)
	ctx, cancel := chromedp.NewContext(b, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	tab := &tab{T: t, ctx: ctx, site: s, look: l, axe: b.axe}
	tab.must(chromedp.Listen(ctx, tab.note))
	call(tab, log.Enable, cdp.Empty{})
	call(tab, audits.Enable, cdp.Empty{})
	call(tab, network.Enable, network.EnableParams{})
	call(tab, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	call(tab, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{
		Headers: network.Headers{"Accept-Language": l.language}})
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	call(tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: l.noScript})
	tab.resize(l.width)
	t.Cleanup(func() {
		if t.Failed() {
			tab.shot("failed-" + strings.ReplaceAll(t.Name(), "/", "-"))
		}
		for _, report := range tab.reported() {
			t.Errorf("the page broke its own policy or its script failed: %s", report)
		}
	})
	return tab
}

// note keeps what the browser complains of, and what it asks the server for. It runs in the reading loop.
func (b *tab) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Source == log.EntrySourceSecurity || e.Entry.Source == log.EntrySourceJavascript {
			b.reports = append(b.reports, e.Entry.Text)
		}
	case *audits.EventIssueAdded:
		if e.Issue.Code == audits.InspectorIssueCodeContentSecurityPolicyIssue {
			b.reports = append(b.reports, fmt.Sprintf("%+v", e.Issue.Details.ContentSecurityPolicyIssueDetails))
		}
	case *runtime.EventExceptionThrown:
		b.reports = append(b.reports, fmt.Sprintf("%s %v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.Method+" "+e.Request.URL)
	}
}

func (b *tab) reported() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.reports)
}

func (b *tab) asked() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.requests)
}

func (b *tab) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.Helper()
	r, err := chromedp.Call(b.ctx, command, params)
	b.must(err)
	return r
}

func eval[T any](b *tab, expression string) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return v
}

// await waits until an expression holds of a document that is all there: one that is still being parsed lacks whatever
// one likes. It asks from outside, so that it works across documents and without scripts.
func (b *tab) await(expression string) {
	b.Helper()
	b.until(expression, func() bool {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		defer cancel()
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("document.readyState === 'complete' && !!("+expression+")"))
		return err == nil && ok // no document, in between two, is no error
	})
}

func (b *tab) until(what string, holds func() bool) {
	b.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("%s does not come to hold on %q", what, eval[string](b, "document.body.innerText"))
		}
	}
}

func (b *tab) resize(width int64) {
	b.Helper()
	height := int64(800)
	var options []chromedp.EmulateViewportOption
	if width < 768 {
		height = 740
		options = append(options, chromedp.EmulateScale(2))
	}
	b.must(chromedp.Do(b.ctx, chromedp.EmulateViewport(width, height, options...)))
}

func (b *tab) visit(path string) {
	b.Helper()
	b.must(chromedp.Do(b.ctx, chromedp.Navigate(b.site.URL+base+path)))
	b.ready()
}

// ready waits until the page is as people meet it: with its module running, where scripts run.
func (b *tab) ready() {
	b.Helper()
	b.await(`document.querySelector('main')`)
}

// click presses the mouse in the middle of an element, as a person does.
func (b *tab) click(selector string, times ...int) {
	b.Helper()
	r := eval[struct{ X, Y float64 }](b, `(() => { const e = document.querySelector(`+quote(selector)+`);
		e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();
		return {X: r.x + r.width / 2, Y: r.y + r.height / 2} })()`)
	clicks := 1
	if len(times) > 0 {
		clicks = times[0]
	}
	for n := range clicks {
		for _, kind := range []input.DispatchMouseEventType{input.DispatchMouseEventTypeMousePressed, input.DispatchMouseEventTypeMouseReleased} {
			call(b, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: kind, X: r.X, Y: r.Y,
				Button: input.MouseButtonLeft, ClickCount: int64(n + 1)})
		}
	}
}

// fill replaces what a field holds, by typing.
func (b *tab) fill(selector, text string) {
	b.Helper()
	b.click(selector)
	eval[any](b, `document.activeElement.select()`)
	b.typed(text)
}

// typed goes where focus is.
func (b *tab) typed(text string) {
	b.Helper()
	call(b, input.InsertText, input.InsertTextParams{Text: text})
}

func (b *tab) press(key string) {
	b.Helper()
	b.must(chromedp.Do(b.ctx, chromedp.KeyEvent(key)))
}

// paste puts a text into a field as the clipboard does.
func (b *tab) paste(selector, text string) {
	b.Helper()
	b.click(selector)
	eval[any](b, `document.activeElement.select()`)
	if eval[bool](b, `(() => { const data = new DataTransfer(); data.setData('text/plain', `+quote(text)+`);
		return document.activeElement.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true})) })()`) {
		b.typed(strings.ReplaceAll(text, "\n", " ")) // a field of one line does that to what is pasted
	}
}

func (b *tab) text(selector string) string {
	b.Helper()
	return eval[string](b, `document.querySelector(`+quote(selector)+`)?.textContent ?? ''`)
}

func (b *tab) value(selector string) string {
	b.Helper()
	return eval[string](b, `document.querySelector(`+quote(selector)+`).value`)
}

func (b *tab) want(what, got, want string) {
	b.Helper()
	if got != want {
		b.Errorf("%s: %q, want %q", what, got, want)
	}
}

// focusOn waits for focus on an element: browsers see to autofocus when they first draw.
func (b *tab) focusOn(selector string) {
	b.Helper()
	b.await(`document.activeElement?.matches(` + quote(selector) + `)`)
}

// check is what holds on every screen: nothing for axe to find, no sideways scroll, one h1, one primary button at most.
func (b *tab) check(name string) {
	b.Helper()
	b.shot(name)
	b.narrow(name)
	if n := eval[int](b, `document.querySelectorAll('h1').length`); n != 1 {
		b.Errorf("%s: %d h1", name, n)
	}
	if n := eval[int](b, `document.querySelectorAll('.primary').length`); n != 1 {
		b.Errorf("%s: %d primary buttons", name, n)
	}
	small := eval[[]string](b, `[...document.querySelectorAll('a, button, input:not([type=hidden], .vh)')].filter(e => !e.hidden &&
		e.getBoundingClientRect().height < (e.closest('#notice') ? 24 : 44)).map(e => e.outerHTML)`)
	if len(small) > 0 {
		b.Errorf("%s: targets are too small: %q", name, small)
	}
	if tiny := eval[int](b, `[...document.querySelectorAll('input')].filter(e => parseFloat(getComputedStyle(e).fontSize) < 16).length`); tiny > 0 {
		b.Errorf("%s: %d fields under 16 px make iOS zoom", name, tiny)
	}
	// axe needs timers, which sleep where scripts are off. The document has been loaded without its module by now.
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: false})
	defer call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: b.look.noScript})
	eval[any](b, b.axe+";0")
	found := eval[[]struct {
		ID, Help string
		Nodes    []struct{ HTML, FailureSummary string }
	}](b, `axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)`)
	for _, v := range found {
		b.Errorf("%s: axe %s: %s: %+v", name, v.ID, v.Help, v.Nodes)
	}
}

// narrow wants no sideways scroll at any width, nor with text of twice the size or spaced out (WCAG 2.2, success criteria
// 1.4.4, 1.4.10 and 1.4.12).
func (b *tab) narrow(name string) {
	b.Helper()
	defer b.resize(b.look.width)
	over := func(what any) {
		b.Helper()
		if over := eval[float64](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
			b.Errorf("%s at %v: %v px too wide", name, what, over)
		}
	}
	for _, width := range []int64{320, 360, 768, 1280} {
		b.resize(width)
		over(width)
	}
	b.resize(320)
	eval[any](b, `document.documentElement.style.fontSize = '200%'`)
	over("320, text at 200 %")
	eval[any](b, `document.documentElement.style.fontSize = ''`)
	eval[any](b, `(() => { const spaced = new CSSStyleSheet(); document.adoptedStyleSheets = [spaced];
		spaced.replaceSync('* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important } ' +
			'p { margin-bottom: 2em !important }') })()`)
	over("320, text spaced out")
	eval[any](b, `document.adoptedStyleSheets = []`)
}

// shot writes a picture of the screen into the folder that REKEY_SHOTS names.
func (b *tab) shot(name string) {
	b.Helper()
	folder := os.Getenv("REKEY_SHOTS")
	if folder == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	b.must(err)
	b.must(os.MkdirAll(folder, 0o755))
	b.must(os.WriteFile(filepath.Join(folder, name+"-"+b.look.String()+".png"), png, 0o644))
}

func quote(s string) string {
	q, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(q)
}
