package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"rekey/sms/smpp/smpptest"
)

func TestATestMessageOverSMPPIsBoundForAndUnbound(t *testing.T) {
	t.Parallel()
	smsc := smpptest.New(t, smpptest.Config{})
	out, exit := runCommand(t, t.TempDir(), smscSettings(smsc.Listen(nil)), "", "sms", "send", "--to", "13800000001")
	if exit != 0 || !strings.HasSuffix(out, "\nProvider smsc took the message.\n") || strings.Contains(out, smpptest.Password) {
		t.Errorf("exit %d\n%s", exit, out)
	}
	if taken := smsc.Accepted(); len(taken) != 1 || !smsc.Links()[0].Unbound() {
		t.Errorf("the SMSC took %d messages, unbound %v", len(taken), smsc.Links()[0].Unbound())
	}
}

func TestWhatBecameOfATestMessageIsSaid(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		http.StatusOK:                 "Provider g took the message.\n",
		http.StatusBadRequest:         "rekey: provider g refused the message; its answer says why: ",
		http.StatusUnauthorized:       "rekey: provider g refuses every message of this account: ",
		http.StatusTooManyRequests:    "rekey: provider g could not be reached or did not serve us; check its address and your network: ",
		http.StatusServiceUnavailable: "rekey: provider g could not be reached or did not serve us; check its address and your network: ",
		http.StatusBadGateway:         "rekey: provider g gave no clear answer; the message may be on its way: ",
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			g := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "so it says", status) }))
			t.Cleanup(g.Close)
			env := []string{"REKEY_SMS_ORDER=g", "REKEY_SMS_PROVIDERS_G_TYPE=http", "REKEY_SMS_PROVIDERS_G_URL=" + g.URL}
			out, exit := runCommand(t, t.TempDir(), env, "", "sms", "send", "--to", "13800000001")
			if !strings.Contains(out, "\n"+want) || !strings.Contains(out, "\nso it says\n") || (exit == 0) != (status == http.StatusOK) {
				t.Errorf("exit %d\n%s", exit, out)
			}
		})
	}
}
