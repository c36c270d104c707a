package web

import (
	"net/http"
	"strings"
)

// receipts hands what an SMS vendor pushes to Options.Receipts, whose answers vendors understand: no envelope, and no
// cross-site check before it (T33). A vendor's server sends neither cookie nor Origin, and a page of another site that
// had a visitor's browser ask would have to know the secret in the path, and would gain nothing that it could not do
// itself: receipts know no visitor.
func (s *server) receipts(w http.ResponseWriter, r *request) error {
	hr := r.WithContext(r.Context()) // a copy, since the body and the path are its own
	hr.Body = r.body
	http.StripPrefix(strings.TrimSuffix(s.BasePath+ReceiptsPath, "/"), s.Receipts).ServeHTTP(w, hr)
	return nil
}

// maxBody is how much is read of a body that comes to the route.
func (r route) maxBody() int64 {
	if r.name == routeReceipts {
		return maxPush
	}
	return maxBody
}
