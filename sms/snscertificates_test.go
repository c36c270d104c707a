package sms_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"rekey"
	"rekey/sms"
)

// TestT22_SNSKeepsFewCertificates: who knows the address may name as many as there are names, and no more of them are kept
// than a few.
func TestT22_SNSKeepsFewCertificates(t *testing.T) {
	t.Parallel()
	a, s := awsWithSNS(t)
	client := http.Client{Transport: &http.Transport{DialContext: s.Dial, TLSClientConfig: s.TLS()}}
	defer client.CloseIdleConnections()
	resp, err := client.Get(s.CertificateURL())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	certificate, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var fetched atomic.Int64
	s.Misbehave(func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		w.Write(certificate)
	})
	defer s.Misbehave(nil)
	named := func(i int) {
		address := strings.Replace(s.CertificateURL(), "0123456789abcdef", fmt.Sprintf("%016x", i), 1)
		body := s.Sign("2", map[string]string{"Type": "Notification", "Message": "x", "SigningCertURL": address})
		if _, err := post(t, a, body); err == nil || errors.Is(err, sms.ErrForged) || errors.Is(err, rekey.ErrUnavailable) {
			t.Errorf("certificate %d: %v, want that it is no event", i, err)
		}
	}
	named(0)
	named(0)
	if n := fetched.Load(); n != 1 {
		t.Fatalf("fetched %d times, though it is kept", n)
	}
	for i := range 20 {
		named(i)
	}
	before := fetched.Load()
	for i := range 20 {
		named(i)
	}
	if again := fetched.Load() - before; again < 20-8 {
		t.Errorf("of 20 certificates %d were fetched again, so that more than 8 are kept", again)
	}
}
