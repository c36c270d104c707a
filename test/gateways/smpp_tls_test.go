package gateways_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"rekey/sms"
	"rekey/test/servers"
)

// TestSMPPOverTLSWithThePeersOwnTLS has Node's TLS on the far side: text, receipt and a link that is made again, and no bind
// with an SMSC that nobody vouches for.
func TestSMPPOverTLSWithThePeersOwnTLS(t *testing.T) {
	t.Parallel()
	certified := httptest.NewTLSServer(nil) // for its certificate, which is for 127.0.0.1
	defer certified.Close()
	roots := x509.NewCertPool()
	roots.AddCert(certified.Certificate())
	key, err := x509.MarshalPKCS8PrivateKey(certified.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	peer := startSMPPPeerAt(t, npmSMPP, servers.ReservePort(t),
		file("certificate.pem", "CERTIFICATE", certified.Certificate().Raw), file("key.pem", "PRIVATE KEY", key))

	stranger := peer.provider(t, sms.SMPPConfig{TLS: true, Timeout: 2 * time.Second})
	s := sendAll(t.Context(), stranger, smppMessages(t, 1))[0]
	refused(t, s, sms.Unavailable, "")
	plain := peer.provider(t, sms.SMPPConfig{Timeout: 2 * time.Second})
	s = sendAll(t.Context(), plain, smppMessages(t, 1))[0]
	refused(t, s, sms.Unavailable, "")
	if binds := peer.seen(t, named("bind")); len(binds) != 0 {
		t.Fatalf("the password went to who is not known to be the SMSC: %+v", binds)
	}

	reports := newSMPPReports()
	provider := peer.provider(t, sms.SMPPConfig{TLS: true, TLSConfig: &tls.Config{RootCAs: roots}, OnReports: reports.add})
	for i, m := range smppMessages(t, 2) {
		id := mustSend(t, provider, m).ID
		if got := peer.awaitEvents(t, "message", i+1)[i]; got.Text != smppTexts(t, sms.TextConfig{}).Text(m) {
			t.Errorf("the peer read %q", got.Text)
		}
		peer.tell(t, smppCommand{"do": "receipt", "id": id, "to": "86" + m.To.National(), "from": smppSource, "stat": "DELIVRD", "err": "000", "form": "both"})
		if r := reports.await(t, i+1)[i]; r.ID != id || r.State != sms.Delivered {
			t.Errorf("%v is reported of %q, want delivered of %q", r.State, r.ID, id)
		}
		peer.tell(t, smppCommand{"do": "cut"})
		peer.awaitEvents(t, "bind", i+2)
	}
}
