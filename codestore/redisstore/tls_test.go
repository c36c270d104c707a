package redisstore

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
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate makes a certificate that is its own authority, and names files with it and with its key.
func certificate(t *testing.T, name string, valid time.Duration, names ...string) (tls.Certificate, string, string) {
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
	certFile, keyFile := filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return pair, certFile, keyFile
}

// listen takes connections with TLS, and returns the port.
func listen(t *testing.T, c *tls.Config) string {
	t.Helper()
	listener, err := tls.Listen("tcp4", "127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn) // the client's end tells
				conn.Close()
			}()
		}
	}()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// dial connects to 127.0.0.1, as to a node that a cluster has named, and has a word come back.
func dial(t *testing.T, url, port string) error {
	t.Helper()
	target, err := Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	connect, err := target.dialer()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := connect(t.Context(), "tcp", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("word")); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, 4)) // with TLS 1.3 a server looks at a certificate after the client's handshake
	return err
}

// TestANodesCertificateMayBeForAnyHostOfTheURL, since nodes are known by addresses, and for no other.
func TestANodesCertificateMayBeForAnyHostOfTheURL(t *testing.T) {
	t.Parallel()
	server, root, _ := certificate(t, "server", time.Hour, "redis.example.com")
	port := listen(t, &tls.Config{Certificates: []tls.Certificate{server}})
	_, stranger, _ := certificate(t, "stranger", time.Hour, "redis.example.com")
	const slow = "&step_timeout=1m&connect_timeout=60"
	for url, want := range map[string]string{
		"rediss+cluster://redis.example.com?sslrootcert=" + root:                       "",
		"rediss+cluster://other.example.com,redis.example.com?sslrootcert=" + root:     "",
		"rediss+sentinel://redis.example.com/m?sslrootcert=" + root:                    "",
		"rediss+cluster://other.example.com?sslrootcert=" + root:                       "for another host",
		"rediss+cluster://other.example.com?sslmode=verify-ca&sslrootcert=" + root:     "",
		"rediss+cluster://other.example.com?sslmode=require":                           "",
		"rediss+cluster://redis.example.com?sslmode=verify-ca&sslrootcert=" + stranger: "signed by nobody who is trusted",
		"rediss+cluster://redis.example.com?sslrootcert=" + stranger:                   "signed by nobody who is trusted",
		"rediss+cluster://redis.example.com?sslrootcert=system":                        "signed by nobody who is trusted",
		"rediss+cluster://redis.example.com?prefix=a":                                  "signed by nobody who is trusted",
	} {
		err := dial(t, url+slow, port)
		if got := (Target{}).told(err); (err == nil) != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %v, told as %q, want %q", url, err, got, want)
		}
	}
	expired, root, _ := certificate(t, "expired", -time.Minute, "redis.example.com")
	port = listen(t, &tls.Config{Certificates: []tls.Certificate{expired}})
	for _, mode := range []string{"verify-full", "verify-ca"} {
		err := dial(t, "rediss://redis.example.com?sslmode="+mode+"&sslrootcert="+root+slow, port)
		if got := (Target{}).told(err); !strings.Contains(got, "has expired") {
			t.Errorf("%s: %v, told as %q", mode, err, got)
		}
	}
}

// told is explain, of nothing too.
func (t Target) told(err error) string {
	if err == nil {
		return ""
	}
	return t.explain(err)
}

func TestAClientsCertificateIsHandedIn(t *testing.T) {
	t.Parallel()
	server, root, _ := certificate(t, "server", time.Hour, "redis.example.com")
	client, cert, key := certificate(t, "client", time.Hour)
	roots := x509.NewCertPool()
	roots.AddCert(client.Leaf)
	port := listen(t, &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots})
	url := "rediss://redis.example.com?step_timeout=1m&connect_timeout=60&sslrootcert=" + root
	if err := dial(t, url+"&sslcert="+cert+"&sslkey="+key, port); err != nil {
		t.Error(err)
	}
	err := dial(t, url, port)
	if got := (Target{}).told(err); !strings.Contains(got, "it may ask for a certificate, by sslcert and sslkey") {
		t.Errorf("without: %v, told as %q", err, got)
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
	for _, scheme := range []string{"rediss://:canary@r?", "rediss+sentinel://:canary@r/m?", "rediss+cluster://:canary@r?"} {
		for params, want := range map[string]string{
			"sslrootcert=/nowhere.pem":                 "sslrootcert names /nowhere.pem, which can't be read: no such file or directory; name a readable file",
			"sslrootcert=" + key:                       "which holds no certificate in PEM",
			"sslcert=/nowhere.pem&sslkey=" + key:       "sslcert names /nowhere.pem",
			"sslcert=" + cert + "&sslkey=/nowhere.pem": "sslkey names /nowhere.pem",
			"sslcert=" + cert + "&sslkey=" + another:   "which are no certificate and its unencrypted key",
			"sslcert=" + cert + "&sslkey=" + open:      "everybody on this machine can read or change; run chmod 600", // T44
		} {
			target, err := Parse(scheme + params)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := target.Client(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v, want %s", params, err, want)
			}
		}
	}
}

func TestClocksThatAreApartAreTold(t *testing.T) {
	t.Parallel()
	at := func(name string, ahead, unsure time.Duration) *node {
		return &node{name: name, ahead: ahead, unsure: unsure, timed: true}
	}
	for want, nodes := range map[string][]*node{
		"":                                       {at("a", 0, 0), at("b", 2*time.Second, 0), {name: "untold", ahead: time.Hour}},
		"clock of b is 5s ahead of that of a: a": {at("c", 0, 0), at("a", -2*time.Second, 0), at("b", 3*time.Second, 0)},
	} {
		i := &inspection{nodes: nodes}
		i.clocks()
		found := i.findings()
		if (want == "") != (len(found) == 0) || want != "" && (!strings.Contains(found[0].Text, want) || found[0].Severity != Advice) {
			t.Errorf("found %v, want %q", found, want)
		}
	}
	unsure := &inspection{nodes: []*node{at("a", 0, 10*time.Second), at("b", 11*time.Second, 0)}}
	if unsure.clocks(); len(unsure.found) > 0 {
		t.Errorf("a slow answer is taken for a wrong clock: %v", unsure.findings())
	}
}
