package web

import (
	"html/template"
	"net/http"
)

// page renders the HTML side.
type page struct{ document *template.Template }

func newPage(Options) (*page, error) {
	document, err := template.New("page").Parse(`<!doctype html><html lang="{{.Language}}"><meta charset="utf-8">` +
		`<title>{{.Text}}</title><main><h1>{{.Text}}</h1><form method="post" action="{{.Base}}sms_code/">` +
		`<input name="mobile" type="tel" autocomplete="tel-national" required><button>OK</button></form></main></html>`)
	return &page{document}, err
}

// getPage shows the page.
func (s *server) getPage(w http.ResponseWriter, r *request) error {
	s.setCSRF(w, r)
	return s.writePage(w, r, http.StatusOK, s.Options.Page.Title)
}

// htmlError answers a form post, or a visit to the page, that went wrong. Retry-After and Allow are set already.
func (s *server) htmlError(w http.ResponseWriter, r *request, out outcome) error {
	return s.writePage(w, r, out.status, s.texts.text(r.language, out.key))
}

// static sends one file of the page.
func (s *server) static(http.ResponseWriter, *request, string) error { return errNotFound }

func (s *server) writePage(w http.ResponseWriter, r *request, status int, text string) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	return s.page.document.Execute(w, map[string]string{"Language": r.language, "Text": text, "Base": s.BasePath})
}
