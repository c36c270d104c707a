package databases

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

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
	onBoth(t, func(t *testing.T, kind Kind, d servers.Database) {
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
		stranger := families[map[Kind]Kind{PostgreSQL: MySQL, MySQL: PostgreSQL}[kind]](t).CA
		for _, params := range []string{"sslmode=verify-full&sslrootcert=" + stranger, "sslmode=verify-ca&sslrootcert=" + stranger,
			"sslmode=verify-full", "sslmode=verify-full&sslrootcert=system"} {
			refused(t, d, source(t, d, params), "the server's certificate is signed by nobody who is trusted; name the file of its authority with sslrootcert")
		}
	})
}

// TestAClientsCertificateIsHandedIn lets the standard library be the server's side of TLS. What the databases ask before it,
// and say after it, is not needed.
func TestAClientsCertificateIsHandedIn(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, _ Kind, d servers.Database) {
		home := filepath.Dir(d.CA) // where the server's own certificate is, which is one for clients as well
		cert, key := filepath.Join(home, "certificate.pem"), filepath.Join(home, "key.pem")
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		authority, err := os.ReadFile(d.CA)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(authority)
		for _, mode := range []string{"sslmode=prefer", "sslmode=require", "sslmode=verify-ca&sslrootcert=" + d.CA, "sslmode=verify-full&sslrootcert=" + d.CA} {
			for params, want := range map[string]bool{mode + "&sslcert=" + cert + "&sslkey=" + key: true, mode: false} {
				s, err := Parse(source(t, d, params))
				if err != nil {
					t.Fatal(err)
				}
				c, err := s.tlsConfig(d.Host)
				if err != nil {
					t.Fatal(err)
				}
				here, there := net.Pipe()
				var client sync.WaitGroup
				client.Go(func() {
					_, _ = io.Copy(io.Discard, tls.Client(there, c)) // it handshakes first
				})
				side := tls.Server(here, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots})
				if err := side.HandshakeContext(t.Context()); (err == nil) != want {
					t.Errorf("with a certificate: %v; the handshake ends with %v", want, err)
				}
				here.Close()
				client.Wait()
			}
		}
	})
}

// What else files can't be is told by package dsn.
func TestFilesOfTLSThatCantBeUsedAreTold(t *testing.T) {
	t.Parallel()
	for kind := range families {
		var s Set
		_, err := s.Open(t.Context(), "users.dsn", string(kind)+"://rekey:canary@127.0.0.1:1/app?sslmode=verify-full&sslrootcert=/nowhere.pem")
		if want := "users.dsn: sslrootcert names /nowhere.pem, which can't be read: no such file or directory; name a readable file"; errorOf(err) != want {
			t.Errorf("%s: %v, want %s", kind, err, want)
		}
	}
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
