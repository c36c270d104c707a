package web_test

import (
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// document is a page as a browser reads it.
type document struct {
	testing.TB
	root *html.Node
}

func parse(t testing.TB, w *httptest.ResponseRecorder) document {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Fatalf("not a page, but %s: %s", got, w.Body)
	}
	root, err := html.Parse(strings.NewReader(w.Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	return document{t, root}
}

// all are the elements for which pick is true, in order; the content of <template> is not part of the page.
func (d document) all(pick func(*html.Node) bool) []*html.Node {
	var found []*html.Node
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.ElementNode && pick(n) {
			found = append(found, n)
		}
		for c := range n.ChildNodes() {
			if n.Data != "template" {
				walk(c)
			}
		}
	}
	walk(d.root)
	return found
}

func (d document) id(id string) *html.Node {
	found := d.all(func(n *html.Node) bool { return attr(n, "id") == id })
	if len(found) != 1 {
		d.Fatalf("%d elements have the id %q", len(found), id)
	}
	return found[0]
}

func (d document) tags(name string) []*html.Node {
	return d.all(func(n *html.Node) bool { return n.Data == name })
}

func attr(n *html.Node, name string) string {
	v, _ := lookup(n, name)
	return v
}

func lookup(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// text is what an element reads, with single spaces.
func text(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// focus is the id of the element that gets focus, its name if it has none, or "".
func (d document) focus() string {
	found := d.all(func(n *html.Node) bool { _, ok := lookup(n, "autofocus"); return ok })
	switch len(found) {
	case 0:
		return ""
	case 1:
		if id := attr(found[0], "id"); id != "" {
			return id
		}
		return found[0].Data
	}
	d.Fatalf("%d elements have autofocus", len(found))
	return ""
}

// reads wants an element that reads exactly so. TIME stands for what the Retry-After header says.
func (d document) reads(want, retryAfter string) {
	d.Helper()
	unit := " s"
	if strings.Contains(want, "TIME后") {
		unit = " 秒"
	}
	time := retryAfter + unit
	if retryAfter == "60" {
		time = map[string]string{" s": "1 minute", " 秒": "1 分钟"}[unit]
	}
	want = strings.ReplaceAll(want, "TIME", time)
	if len(d.all(func(n *html.Node) bool { return text(n) == want })) == 0 {
		d.Errorf("nothing reads %q on %q", want, text(d.tags("body")[0]))
	}
}

// tellsFaults wants each fault of a field twice in the same words, in the notice with a link to the field and at the
// field, and the title to begin with it; or no trace of a fault.
func (d document) tellsFaults(language string, faulty bool) {
	d.Helper()
	prefix := map[string]string{"zh-CN": "错误：", "en": "Error: "}[language]
	if got := strings.HasPrefix(text(d.tags("title")[0]), strings.TrimSpace(prefix)); got != faulty {
		d.Errorf("the title is %q", text(d.tags("title")[0]))
	}
	notices := d.all(func(n *html.Node) bool { return attr(n, "id") == "notice" })
	if (len(notices) == 1) != faulty {
		d.Errorf("%d notices", len(notices))
	}
	linked := map[string]string{}
	for _, a := range d.tags("a") {
		if field, ok := strings.CutPrefix(attr(a, "href"), "#"); ok {
			linked[field] = text(a)
		}
	}
	told := map[string]string{}
	for _, input := range d.tags("input") {
		if attr(input, "aria-invalid") == "true" {
			described := strings.Fields(attr(input, "aria-describedby"))
			told[attr(input, "id")] = text(d.id(described[0]))
		}
	}
	if !maps.Equal(linked, told) {
		d.Errorf("the notice tells of %q, the fields of %q", linked, told)
	}
}

// wellMade is what holds for every screen.
func (d document) wellMade(language string) {
	d.Helper()
	if got := attr(d.tags("html")[0], "lang"); got != language {
		d.Errorf("lang is %q, want %q", got, language)
	}
	for name, want := range map[string]int{"h1": 1, "main": 1, "title": 1, "style": 0} {
		if got := len(d.tags(name)); got != want {
			d.Errorf("%d <%s>, want %d", got, name, want)
		}
	}
	if got := len(d.all(func(n *html.Node) bool { return slices.Contains(strings.Fields(attr(n, "class")), "primary") })); got != 1 {
		d.Errorf("%d primary buttons", got)
	}
	ids := map[string]int{}
	for _, n := range d.all(func(*html.Node) bool { return true }) {
		if id := attr(n, "id"); id != "" {
			ids[id]++
		}
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") || slices.Contains([]string{"placeholder", "maxlength", "pattern"}, a.Key) {
				d.Errorf("<%s> has the attribute %s", n.Data, a.Key)
			}
			if strings.Contains(a.Val, "ZgotmplZ") || strings.Contains(a.Val, "{") && a.Key != "data-text" && a.Key != "data-units" {
				d.Errorf("<%s> has %s=%q", n.Data, a.Key, a.Val)
			}
		}
	}
	for id, n := range ids {
		if n != 1 {
			d.Errorf("%d elements have the id %q", n, id)
		}
	}
	for _, n := range d.all(func(*html.Node) bool { return true }) {
		for _, name := range []string{"for", "form", "aria-describedby", "aria-labelledby", "aria-controls"} {
			for id := range strings.FieldsSeq(attr(n, name)) {
				if ids[id] == 0 {
					d.Errorf("<%s %s=%q> refers to nothing", n.Data, name, id)
				}
			}
		}
		if fragment, ok := strings.CutPrefix(attr(n, "href"), "#"); ok && ids[fragment] == 0 {
			d.Errorf("a link leads to #%s, which is not there", fragment)
		}
	}
	for _, script := range d.tags("script") {
		if attr(script, "type") != "module" || attr(script, "src") == "" || text(script) != "" {
			d.Errorf("a script stands in the page")
		}
	}
	labelled := map[string]bool{}
	for _, label := range d.tags("label") {
		labelled[attr(label, "for")] = text(label) != ""
	}
	for _, input := range d.tags("input") {
		if attr(input, "type") != "hidden" && attr(input, "aria-hidden") != "true" && !labelled[attr(input, "id")] {
			d.Errorf("the field %q has no label", attr(input, "name"))
		}
		if attr(input, "name") == "new_password" && attr(input, "value") != "" {
			d.Error("the page sends a password back")
		}
	}
	if got := text(d.id("status")); got != "" {
		d.Errorf("the status says %q before anything has happened", got)
	}
	viewport := attr(d.all(func(n *html.Node) bool { return attr(n, "name") == "viewport" })[0], "content")
	if viewport != "width=device-width, initial-scale=1" {
		d.Errorf("the viewport is %q", viewport)
	}
}
