package dsn_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rekey/internal/dsn"
)

// certificate makes a certificate that is its own authority, and names files with it and with its key.
func certificate(t *testing.T, name string, valid time.Duration, names ...string) (pair tls.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(valid), IsCA: true, BasicConstraintsValid: true,
		DNSNames: names, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	template.Subject.CommonName = name
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem")
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

// handshake connects a client with the roots and the certificate of asked, and verify for the server's certificate, to a
// server, and has a word come back. It is the client's error: of the server's with TLS 1.3 it learns by reading.
func handshake(t *testing.T, asked dsn.TLS, server *tls.Config, verify func(state tls.ConnectionState, roots *x509.CertPool) error) error {
	t.Helper()
	c, err := asked.Config()
	if err != nil {
		t.Fatal(err)
	}
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(state tls.ConnectionState) error { return verify(state, c.RootCAs) }
	listener, err := tls.Listen("tcp4", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(conn, conn) // the client's end tells
		conn.Close()
	}()
	conn, err := tls.Dial("tcp4", listener.Addr().String(), c)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("word")); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, 4))
	return err
}

func TestACertificateIsVerifiedByTheRootsForAnyOfTheNames(t *testing.T) {
	t.Parallel()
	server, root, _ := certificate(t, "server", time.Hour, "db.example.com")
	expired, expiredRoot, _ := certificate(t, "expired", -time.Minute, "db.example.com")
	_, stranger, _ := certificate(t, "stranger", time.Hour, "db.example.com")
	for name, c := range map[string]struct {
		shown tls.Certificate
		roots string
		names []string
		want  string // what Distrust tells; "" if it is trusted
	}{
		"the name":            {server, root, []string{"db.example.com"}, ""},
		"the second name":     {server, root, []string{"10.0.0.1", "db.example.com"}, ""},
		"no name":             {server, root, nil, ""},
		"another authority":   {server, stranger, nil, "the server's certificate is signed by nobody who is trusted; name the file of its authority with sslrootcert"},
		"this machine's":      {server, "system", []string{"db.example.com"}, "signed by nobody who is trusted"},
		"this machine's, too": {server, "", []string{"db.example.com"}, "signed by nobody who is trusted"},
		"over":                {expired, expiredRoot, nil, "the server's certificate, or one that signed it, has expired or is not valid yet"},
		"over, with its name": {expired, expiredRoot, []string{"db.example.com"}, "has expired or is not valid yet"},
	} {
		err := handshake(t, dsn.TLS{Roots: c.roots}, &tls.Config{Certificates: []tls.Certificate{c.shown}},
			func(state tls.ConnectionState, roots *x509.CertPool) error {
				return dsn.Verify(state, roots, c.names...)
			})
		if (err == nil) != (c.want == "") || !strings.Contains(dsn.Distrust(err), c.want) {
			t.Errorf("%s: %v, told as %q, want %q", name, err, dsn.Distrust(err), c.want)
		}
	}
	err := handshake(t, dsn.TLS{Roots: root}, &tls.Config{Certificates: []tls.Certificate{server}},
		func(state tls.ConnectionState, roots *x509.CertPool) error {
			return dsn.Verify(state, roots, "other.example.com", "10.0.0.1")
		})
	if _, ok := errors.AsType[x509.HostnameError](err); !ok || dsn.Distrust(err) != "" {
		t.Errorf("for other names: %v, told as %q", err, dsn.Distrust(err))
	}
}

// TestACertificateByAnIntermediateIsVerified, as authorities for everybody issue them: the server sends what is between.
func TestACertificateByAnIntermediateIsVerified(t *testing.T) {
	t.Parallel()
	authority, root, _ := certificate(t, "authority", time.Hour)
	between, _, _ := certificate(t, "between", time.Hour)
	leaf, _, _ := certificate(t, "leaf", time.Hour, "db.example.com")
	sign := func(template, by *x509.Certificate, byKey any, key any) []byte {
		template.SerialNumber = big.NewInt(time.Now().UnixNano())
		template.Subject.CommonName += " signed"
		der, err := x509.CreateCertificate(rand.Reader, template, by, key, byKey)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	betweenDER := sign(between.Leaf, authority.Leaf, authority.PrivateKey, between.Leaf.PublicKey)
	signed, err := x509.ParseCertificate(betweenDER)
	if err != nil {
		t.Fatal(err)
	}
	leaf.Leaf.IsCA = false
	leafDER := sign(leaf.Leaf, signed, between.PrivateKey, leaf.Leaf.PublicKey)
	for want, chain := range map[string][][]byte{"": {leafDER, betweenDER}, "signed by nobody who is trusted": {leafDER}} {
		err := handshake(t, dsn.TLS{Roots: root}, &tls.Config{Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: leaf.PrivateKey}}},
			func(state tls.ConnectionState, roots *x509.CertPool) error {
				return dsn.Verify(state, roots, "db.example.com")
			})
		if (err == nil) != (want == "") || !strings.Contains(dsn.Distrust(err), want) {
			t.Errorf("with %d certificates: %v, want %q", len(chain), err, want)
		}
	}
}

func TestAClientsCertificateIsHandedIn(t *testing.T) {
	t.Parallel()
	server, root, _ := certificate(t, "server", time.Hour, "db.example.com")
	client, cert, key := certificate(t, "client", time.Hour)
	roots := x509.NewCertPool()
	roots.AddCert(client.Leaf)
	side := &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots}
	for want, asked := range map[bool]dsn.TLS{true: {Roots: root, Cert: cert, Key: key}, false: {Roots: root}} {
		err := handshake(t, asked, side, func(state tls.ConnectionState, roots *x509.CertPool) error { return dsn.Verify(state, roots) })
		if (err == nil) != want {
			t.Errorf("with a certificate: %v; the connection ends with %v", want, err)
		}
	}
}

func TestFilesOfTLSThatCantBeUsedAreTold(t *testing.T) {
	t.Parallel()
	_, cert, key := certificate(t, "client", time.Hour)
	_, _, another := certificate(t, "another", time.Hour)
	open := filepath.Join(t.TempDir(), "key.pem")
	content, err := os.ReadFile(key)
	if err == nil {
		err = errors.Join(os.WriteFile(open, content, 0o600), os.Chmod(open, 0o644))
	}
	if err != nil {
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

func TestModesSayWhetherAnotherCanAnswer(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]bool{"": false, dsn.Disable: false, dsn.Prefer: false, dsn.Require: false, dsn.VerifyCA: true, dsn.VerifyFull: true} {
		if (dsn.TLS{Mode: mode}).Verifies() != want {
			t.Errorf("%q verifies: %v", mode, !want)
		}
	}
}
