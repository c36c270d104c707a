package web

import (
	"net/http"
	"net/url"

	"rekey"
)

// formSend asks for a code for whoever uses the page without its script.
func (s *server) formSend(w http.ResponseWriter, r *request, form url.Values) error {
	done, err := s.Service.Send(r.Context(), s.client(r, form.Get("flow")), form.Get("mobile"))
	if err != nil {
		return &operationError{opSend, err}
	}
	s.setFlow(w, done.Flow)
	return s.writePage(w, r, http.StatusOK, s.texts.text(r.language, "sent"))
}

// formReset redeems a code for whoever uses the page without its script.
func (s *server) formReset(w http.ResponseWriter, r *request, form url.Values) error {
	done, err := s.Service.Reset(r.Context(), s.client(r, form.Get("flow")), rekey.ResetRequest{
		Mobile: form.Get("mobile"), Code: form.Get("sms_code"), Password: form.Get("new_password")})
	if err != nil {
		return &operationError{opReset, err}
	}
	s.setDevice(w, done)
	return s.writePage(w, r, http.StatusOK, s.texts.text(r.language, "reset"))
}
