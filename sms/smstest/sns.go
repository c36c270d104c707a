package smstest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// SNS is Amazon SNS on loopback: a host of one region over TLS, which has the certificate that its messages are signed with
// and takes confirmations of subscriptions. It fails its test when anything else is asked of it, or of another host.
type SNS struct {
	Topic string // the ARN of the topic that Sign signs for

	t      testing.TB
	roots  *x509.CertPool // of the host's own certificate
	host   string
	server *httptest.Server
	key    *rsa.PrivateKey

	mu        sync.Mutex
	pem       []byte
	misbehave http.HandlerFunc
	fetched   int
	confirmed []string
}

// NewSNS starts the region eu-west-1.
func NewSNS(t testing.TB) *SNS {
	s := &SNS{t: t, Topic: "arn:aws:sns:eu-west-1:111122223333:sms-events", host: "sns.eu-west-1.amazonaws.com", roots: x509.NewCertPool()}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err == nil {
		s.key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	der := s.issue(s.host, &serverKey.PublicKey, serverKey, time.Hour)
	own, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s.roots.AddCert(own)
	s.Certify("sns.amazonaws.com", time.Hour)

	s.server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0) // misbehaving is what it is for
	s.server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: serverKey}}}
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	return s
}

// issue is a certificate for a name and key, valid since an hour ago.
func (s *SNS) issue(name string, public, signer any, life time.Duration) []byte {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, signer)
	if err != nil {
		s.t.Fatal(err)
	}
	return der
}

// Certify makes the certificate that messages are signed with one for name, with so much life left; negative: it is over.
func (s *SNS) Certify(name string, life time.Duration) {
	block := &pem.Block{Type: "CERTIFICATE", Bytes: s.issue(name, &s.key.PublicKey, s.key, life)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pem = pem.EncodeToMemory(block)
}

// Misbehave lets h answer from now on; nil ends that.
func (s *SNS) Misbehave(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.misbehave = h
}

// Dial is for a transport: it reaches the region's host and no other.
func (s *SNS) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if address != s.host+":443" {
		s.t.Errorf("a connection to %s", address)
		return nil, net.ErrClosed
	}
	var d net.Dialer
	return d.DialContext(ctx, network, s.server.Listener.Addr().String())
}

// TLS is for a transport: it trusts the host's own certificate.
func (s *SNS) TLS() *tls.Config { return &tls.Config{RootCAs: s.roots} }

// Fetched is how often the certificate was fetched.
func (s *SNS) Fetched() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetched
}

// Confirmed are the tokens of the confirmations.
func (s *SNS) Confirmed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.confirmed)
}

func (s *SNS) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.misbehave != nil {
		s.misbehave(w, r)
		return
	}
	q := r.URL.Query()
	switch {
	case r.Method != http.MethodGet || r.Host != s.host:
		s.t.Errorf("SNS: %s %s", r.Method, r.Host)
	case r.URL.Path == "/SimpleNotificationService-0123456789abcdef.pem" && r.URL.RawQuery == "":
		s.fetched++
		w.Write(s.pem)
	case r.URL.Path == "/" && q.Get("Action") == "ConfirmSubscription" && q.Get("TopicArn") == s.Topic:
		s.confirmed = append(s.confirmed, q.Get("Token"))
		io.WriteString(w, "<ConfirmSubscriptionResponse/>")
	default:
		http.NotFound(w, r)
	}
}

// CertificateURL is where the certificate is.
func (s *SNS) CertificateURL() string {
	return "https://" + s.host + "/SimpleNotificationService-0123456789abcdef.pem"
}

// Notification is a signed message that was published to the topic.
func (s *SNS) Notification(version, message string) []byte {
	return s.Sign(version, map[string]string{"Type": "Notification", "Message": message})
}

// Confirmation is a signed message that asks to confirm a subscription with a token, at address; empty: the right one.
func (s *SNS) Confirmation(kind, token, address string) []byte {
	if address == "" {
		address = "https://" + s.host + "/?Action=ConfirmSubscription&TopicArn=" + s.Topic + "&Token=" + token
	}
	return s.Sign("2", map[string]string{"Type": kind, "Message": "You have chosen to subscribe.", "Token": token, "SubscribeURL": address})
}

// Sign is a message with the fields, and those that every message has unless they are given, signed in the version as SNS
// does: the values of some fields with their names, in their order, a line each.
func (s *SNS) Sign(version string, fields map[string]string) []byte {
	m := map[string]string{
		"MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": s.Topic, "Timestamp": "2026-11-23T12:00:00.000Z",
		"SignatureVersion": version, "SigningCertURL": s.CertificateURL(),
		"UnsubscribeURL": "https://" + s.host + "/?Action=Unsubscribe&SubscriptionArn=" + s.Topic + ":c9135db0",
	}
	maps.Copy(m, fields)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		switch name {
		case "SignatureVersion", "SigningCertURL", "UnsubscribeURL":
		default:
			fmt.Fprintf(&text, "%s\n%s\n", name, m[name])
		}
	}
	hash, sum := crypto.SHA1, sha1.Sum([]byte(text.String()))
	digest := sum[:]
	if version == "2" {
		sum := sha256.Sum256([]byte(text.String()))
		hash, digest = crypto.SHA256, sum[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, hash, digest)
	if err != nil {
		s.t.Fatal(err)
	}
	m["Signature"] = base64.StdEncoding.EncodeToString(signature)
	body, err := json.Marshal(m)
	if err != nil {
		s.t.Fatal(err)
	}
	return body
}
