package dsn_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rekey/internal/dsn"
)

// certificate makes a certificate for db.example.com, by itself or by another, and files with it and with its key.
func certificate(t *testing.T, name string, valid time.Duration, by *tls.Certificate) (pair tls.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"db.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(valid), IsCA: true, BasicConstraintsValid: true,
	}
	if by == nil {
		by = &tls.Certificate{Leaf: template, PrivateKey: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.Leaf, key.Public(), by.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if pair, err = tls.LoadX509KeyPair(certFile, keyFile); err != nil {
		t.Fatal(err)
	}
	return pair, certFile, keyFile
}

func TestACertificateIsVerifiedByTheRootsForAnyOfTheNames(t *testing.T) {
	t.Parallel()
	root, rootFile, _ := certificate(t, "root", time.Hour, nil)
	between, _, _ := certificate(t, "between", time.Hour, &root)
	server, _, _ := certificate(t, "server", time.Hour, &between)
	over, _, _ := certificate(t, "over", -time.Minute, &root)
	_, stranger, _ := certificate(t, "stranger", time.Hour, nil)
	sent := []*x509.Certificate{server.Leaf, between.Leaf}
	const unknown, expired = "the server's certificate is signed by nobody who is trusted; name the file of its authority with sslrootcert",
		"the server's certificate, or one that signed it, has expired or is not valid yet; renew it, or set this machine's clock"
	for what, c := range map[string]struct {
		sent  []*x509.Certificate
		roots string
		names []string
		want  string // what Distrust tells; "" if it is trusted
	}{
		"the name":               {sent, rootFile, []string{"db.example.com"}, ""},
		"the second name":        {sent, rootFile, []string{"10.0.0.1", "db.example.com"}, ""},
		"no name":                {sent, rootFile, nil, ""},
		"what is between is not": {sent[:1], rootFile, nil, unknown},
		"another authority":      {sent, stranger, nil, unknown},
		"this machine's":         {sent, "system", []string{"db.example.com"}, unknown},
		"this machine's, too":    {sent, "", nil, unknown},
		"over":                   {[]*x509.Certificate{over.Leaf}, rootFile, []string{"db.example.com"}, expired},
	} {
		config, err := dsn.TLS{Roots: c.roots}.Config()
		if err != nil {
			t.Fatal(err)
		}
		err = dsn.Verify(tls.ConnectionState{PeerCertificates: c.sent}, config.RootCAs, c.names...)
		if got := dsn.Distrust(err); (err == nil) != (c.want == "") || got != c.want {
			t.Errorf("%s: %v, told as %q, want %q", what, err, got, c.want)
		}
	}
	roots := x509.NewCertPool()
	roots.AddCert(root.Leaf)
	err := dsn.Verify(tls.ConnectionState{PeerCertificates: sent}, roots, "other.example.com", "10.0.0.1")
	if _, ok := errors.AsType[x509.HostnameError](err); !ok || dsn.Distrust(err) != "" {
		t.Errorf("for other names: %v, told as %q", err, dsn.Distrust(err))
	}
}

func TestFilesOfTLSThatCantBeUsedAreTold(t *testing.T) {
	t.Parallel()
	pair, cert, key := certificate(t, "client", time.Hour, nil)
	_, _, another := certificate(t, "another", time.Hour, nil)
	if c, err := (dsn.TLS{Cert: cert, Key: key}).Config(); err != nil || len(c.Certificates) != 1 || !c.Certificates[0].Leaf.Equal(pair.Leaf) {
		t.Errorf("the client's certificate: %+v, %v", c, err)
	}
	_, _, open := certificate(t, "open", time.Hour, nil)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[dsn.TLS]string{
		{Roots: "/nowhere.pem"}:           "sslrootcert names /nowhere.pem, which can't be read: no such file or directory; name a readable file",
		{Roots: key}:                      "sslrootcert names " + key + ", which holds no certificate in PEM; name the file of the certificate authority",
		{Cert: "/nowhere.pem", Key: key}:  "sslcert names /nowhere.pem, which can't be read",
		{Cert: cert, Key: "/nowhere.pem"}: "sslkey names /nowhere.pem, which can't be read",
		{Cert: cert, Key: another}:        "sslcert and sslkey name " + cert + " and " + another + ", which are no certificate and its unencrypted key in PEM",
		{Cert: cert, Key: open}:           "sslkey names " + open + ", which everybody on this machine can read or change; run chmod 600 " + open, // T44
	} {
		if c, err := asked.Config(); err == nil || !strings.HasPrefix(err.Error(), want) || c != nil {
			t.Errorf("%+v: %v, want %s", asked, err, want)
		}
	}
}
