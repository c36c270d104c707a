package databases

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rekey/test/servers"
)

// encrypted reports whether the connection that asks is.
func encrypted(t *testing.T, db *DB) bool {
	t.Helper()
	if db.Kind == PostgreSQL {
		return one[bool](t, db.Read, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
	}
	var name, cipher string
	if err := db.Read.QueryRowContext(t.Context(), "SHOW SESSION STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher); err != nil {
		t.Fatal(err)
	}
	return cipher != ""
}

func TestTLSIsAsSslmodeSays(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, _ Kind, d servers.Database) {
		port := strconv.Itoa(d.Port)
		ca := "&sslrootcert=" + d.CA
		for params, want := range map[string]bool{
			"": true, "sslmode=disable": false, "sslmode=prefer": true, "sslmode=require": true,
			"sslmode=verify-full" + ca: true, "sslmode=verify-ca" + ca: true,
		} {
			if got := encrypted(t, open(t, source(t, d, params))); got != want {
				t.Errorf("%q: encrypted is %v", params, got)
			}
		}
		// The certificate is for localhost too, and not for 0.0.0.0, by which Linux also reaches this machine.
		if !encrypted(t, open(t, source(t, d, "sslmode=verify-full"+ca, at("localhost:"+port)))) {
			t.Error("localhost is not encrypted")
		}
		refused(t, d, source(t, d, "sslmode=verify-full"+ca, at("0.0.0.0:"+port)), "the server's certificate is for another host; write the name that it has, or sslmode=verify-ca")
		if !encrypted(t, open(t, source(t, d, "sslmode=verify-ca"+ca, at("0.0.0.0:"+port)))) {
			t.Error("verify-ca asks for the name")
		}

		// An authority that did not sign it, and those of this machine.
		_, stranger, _ := certificate(t, "stranger", time.Hour)
		for _, params := range []string{"sslmode=verify-full&sslrootcert=" + stranger, "sslmode=verify-ca&sslrootcert=" + stranger,
			"sslmode=verify-full", "sslmode=verify-full&sslrootcert=system"} {
			refused(t, d, source(t, d, params), "the server's certificate is signed by nobody who is trusted; name the file of its authority with sslrootcert")
		}
	})
}

func TestFilesOfTLSThatCantBeUsedAreTold(t *testing.T) {
	t.Parallel()
	_, cert, key := certificate(t, "client", time.Hour)
	_, _, another := certificate(t, "another", time.Hour)
	open := filepath.Join(t.TempDir(), "key.pem")
	content, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(open, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for kind := range families {
		d := servers.Database{Kind: string(kind), Password: "canary-password", DSN: string(kind) + "://rekey:canary-password@127.0.0.1:1/app"}
		for params, want := range map[string]string{
			"sslmode=verify-full&sslrootcert=/nowhere.pem": "sslrootcert names /nowhere.pem, which can't be read: no such file or directory; name a readable file",
			"sslmode=verify-full&sslrootcert=" + key:       "which holds no certificate in PEM",
			"sslcert=/nowhere.pem&sslkey=" + key:           "sslcert names /nowhere.pem",
			"sslcert=" + cert + "&sslkey=/nowhere.pem":     "sslkey names /nowhere.pem",
			"sslcert=" + cert + "&sslkey=" + another:       "which are no certificate and its unencrypted key",
			"sslcert=" + cert + "&sslkey=" + open:          "everybody on this machine can read or change; run chmod 600", // T44
		} {
			var s Set
			_, err := s.Open(t.Context(), "users.dsn", source(t, d, params))
			if err == nil || !strings.HasPrefix(err.Error(), "users.dsn: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), d.Password) {
				t.Errorf("%s: %v, want %s", params, err, want)
			}
		}
	}
}

// TestAClientsCertificateIsHandedIn lets the standard library be the server's side of TLS. What the databases ask before it,
// and say after it, is not needed.
func TestAClientsCertificateIsHandedIn(t *testing.T) {
	t.Parallel()
	server, root, _ := certificate(t, "server", time.Hour)
	client, clientCert, clientKey := certificate(t, "client", time.Hour)
	roots := x509.NewCertPool()
	roots.AddCert(client.Leaf)
	with := encryption{mode: verifyFull, roots: root, cert: clientCert, key: clientKey}
	without := encryption{mode: verifyFull, roots: root}
	for want, e := range map[bool]encryption{true: with, false: without} {
		c, err := e.config("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		here, there := connected(t)
		go func() {
			_, _ = io.Copy(io.Discard, tls.Client(there, c)) // it handshakes first
		}()
		side := tls.Server(here, &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots})
		if err := side.HandshakeContext(t.Context()); (err == nil) != want {
			t.Errorf("with a certificate: %v; the handshake ends with %v", want, err)
		}
	}
}

func TestAnExpiredCertificateIsToldAsThat(t *testing.T) {
	t.Parallel()
	server, root, _ := certificate(t, "server", -time.Minute)
	for _, mode := range []string{verifyCA, verifyFull} {
		c, err := encryption{mode: mode, roots: root}.config("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		here, there := connected(t)
		go func() {
			_ = tls.Server(there, &tls.Config{Certificates: []tls.Certificate{server}}).Handshake() // the client's end tells
		}()
		err = tls.Client(here, c).Handshake()
		if got := distrust(err); !strings.Contains(got, "has expired") {
			t.Errorf("%s: %v is told as %q", mode, err, got)
		}
	}
}

// connected is both ends of a connection.
func connected(t *testing.T) (here, there net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if here, err = net.Dial("tcp4", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close() })
	if there, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { there.Close() })
	return here, there
}

// certificate makes a certificate for 127.0.0.1 that is its own authority, and names files with it and with its key.
func certificate(t *testing.T, name string, valid time.Duration) (tls.Certificate, string, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(valid),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
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
	files := map[string][]byte{
		filepath.Join(dir, name+".pem"):     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		filepath.Join(dir, name+"-key.pem"): pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	}
	for path, content := range files {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return pair, filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem")
}

// withoutTLS stands in front of a MariaDB and says of it that it has no TLS, as long as hides is true.
func withoutTLS(t *testing.T, target string, hides *atomic.Bool) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				server, err := net.Dial("tcp4", target)
				if err != nil {
					return
				}
				defer server.Close()
				greeting := make([]byte, 1<<10) // it comes in one write
				n, err := server.Read(greeting)
				if err != nil {
					return
				}
				if hides.Load() {
					// A header of four bytes, the protocol's version, the server's up to a zero, the thread's number in four, eight of
					// a challenge, a zero; then the lower half of the capabilities, of which CLIENT_SSL is 0x0800
					// (dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html).
					lower := 5 + bytes.IndexByte(greeting[5:n], 0) + 1 + 4 + 8 + 1
					greeting[lower+1] &^= 0x08
				}
				if _, err := client.Write(greeting[:n]); err != nil {
					return
				}
				go func() {
					_, _ = io.Copy(server, client)
					server.Close()
				}()
				_, _ = io.Copy(client, server)
			}()
		}
	}()
	return listener.Addr().String()
}

// TestAServerWithoutTLSIsUsedOnlyIfItIsNotDemanded also looks at what follows: that one connection had to do without must
// not keep the next from TLS.
func TestAServerWithoutTLSIsUsedOnlyIfItIsNotDemanded(t *testing.T) {
	t.Parallel()
	d := servers.MariaDB(t)
	var hides atomic.Bool
	hides.Store(true)
	address := withoutTLS(t, d.Address(), &hides)
	for _, params := range []string{"sslmode=require", "sslmode=verify-full&sslrootcert=" + d.CA} {
		refused(t, d, source(t, d, params, at(address)), "the server has no TLS")
	}
	db := open(t, source(t, d, "sslmode=prefer", at(address)))
	if encrypted(t, db) {
		t.Error("TLS without the server's knowledge")
	}
	hides.Store(false)
	db.Write.SetMaxIdleConns(0) // so that the next connection is a new one
	if !encrypted(t, db) {
		t.Error("after one connection without TLS none has it")
	}

	bouncer := servers.PgBouncer(t, servers.PostgreSQL(t))
	for _, mode := range []string{"require", "verify-full"} {
		refused(t, bouncer, source(t, bouncer, "sslmode="+mode), "the server must have TLS, since sslmode is "+mode)
	}
	open(t, source(t, bouncer, "sslmode=prefer"))
}
