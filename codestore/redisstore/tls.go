package redisstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// encryption is what is asked of TLS, in the words of PostgreSQL (postgresql.org/docs/current/libpq-ssl.html), as for the
// users table.
type encryption struct {
	mode  string // "" is verify-full
	roots string // a file of certificates, in PEM; "" and "system": this machine's own
	cert  string // files of a client's certificate and key, in PEM
	key   string
}

const (
	require    = "require"     // whatever certificate
	verifyCA   = "verify-ca"   // a certificate signed by one of the roots, for whatever host
	verifyFull = "verify-full" // a certificate signed by one of the roots, for this host or one that the URL names
)

func (e encryption) verifies() bool { return e.mode != require }

// judgeTLS objects to parameters that would not do what they seem to.
func (t *Target) judgeTLS() error {
	e := &t.tls
	modes := []string{require, verifyCA, verifyFull}
	switch {
	case !t.secure:
		return nil
	case e.mode != "" && !slices.Contains(modes, e.mode):
		return fmt.Errorf("must have one of %s in the parameter sslmode; to do without TLS write %s", strings.Join(modes, ", "), form{t.layout, false}.scheme())
	case e.roots != "" && !e.verifies():
		return errors.New("names roots in sslrootcert that nothing is verified by; remove sslmode, or write verify-ca in it if the certificate is for another host")
	case e.mode == verifyCA && (e.roots == "" || e.roots == "system"):
		return errors.New("would take a certificate that anybody can buy; name your own roots with sslrootcert=FILE, or remove sslmode")
	case (e.cert == "") != (e.key == ""):
		return errors.New("must have both sslcert and sslkey, or none of them")
	}
	if e.mode == "" {
		e.mode = verifyFull
	}
	return nil
}

// config is the client's side of TLS, but for the host.
func (e encryption) config() (*tls.Config, error) {
	c := &tls.Config{}
	if e.roots != "" && e.roots != "system" {
		pem, err := readFile("sslrootcert", e.roots)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("sslrootcert names %s, which holds no certificate in PEM; name the file of the certificate authority", e.roots)
		}
	}
	if e.cert != "" {
		cert, err := readFile("sslcert", e.cert)
		if err != nil {
			return nil, err
		}
		key, err := readFile("sslkey", e.key)
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("sslcert and sslkey name %s and %s, which are no certificate and its unencrypted key in PEM (%w); name files that are", e.cert, e.key, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// verify is what crypto/tls does of itself, but for the names: any one will do, and none is asked for where there are
// none.
func verify(state tls.ConnectionState, roots *x509.CertPool, names []string) error {
	leaf := state.PeerCertificates[0]
	o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, between := range state.PeerCertificates[1:] {
		o.Intermediates.AddCert(between)
	}
	if _, err := leaf.Verify(o); err != nil {
		return err
	}
	var failed error
	for _, name := range names {
		err := leaf.VerifyHostname(name)
		if err == nil {
			return nil
		}
		failed = err
	}
	return failed
}

// readFile reads a file that a parameter names. A key that everybody on this machine can read is none (T44).
func readFile(param, path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && param == "sslkey" && runtime.GOOS != "windows" && info.Mode().Perm()&0o006 != 0 {
		return nil, fmt.Errorf("sslkey names %s, which everybody on this machine can read or change; run chmod 600 %s", path, path)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err
		}
		return nil, fmt.Errorf("%s names %s, which can't be read: %w; name a readable file", param, path, err)
	}
	return content, nil
}

// dialTime bounds the making of one connection, with its TLS.
func (t Target) dialTime() time.Duration { return min(t.patience, t.step) }

// dialer connects to servers, by TLS if the URL says so. One that is gone without a word is noticed half a minute after it
// was last asked.
func (t Target) dialer() (func(ctx context.Context, network, address string) (net.Conn, error), error) {
	plain := &net.Dialer{
		Timeout:         t.dialTime(),
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	if !t.secure {
		return plain.DialContext, nil
	}
	base, err := t.tls.config()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		name, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		c := base.Clone()
		c.ServerName = name
		c.InsecureSkipVerify = true // since verify does it, of which the standard library's own knows one name
		var names []string
		if t.tls.mode == verifyFull {
			names = []string{name}
			for _, h := range t.hosts {
				names = append(names, h.name)
			}
		}
		if t.tls.verifies() {
			c.VerifyConnection = func(state tls.ConnectionState) error { return verify(state, base.RootCAs, names) }
		}
		ctx, cancel := context.WithTimeout(ctx, t.dialTime())
		defer cancel()
		raw, err := plain.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		conn := tls.Client(raw, c)
		if err := conn.HandshakeContext(ctx); err != nil {
			_ = raw.Close() // the handshake has said what is wrong with it
			if ctx.Err() != nil {
				err = errors.Join(errNoHandshake, err)
			}
			return nil, err
		}
		return watched{conn, raw}, nil
	}, nil
}

// errNoHandshake says that a server took the connection, and did not answer to TLS in time. One without TLS goes on
// waiting for the end of a line.
var errNoHandshake = errors.New("no answer to TLS")

// watched is a TLS connection whose end can be seen without reading from it. The pool looks before it hands one out, so
// that a server's restart costs no step (T19). Whatever lies unread there makes it take another: without RESP3 a server
// says nothing unasked, but for the alert that TLS is over.
type watched struct {
	*tls.Conn
	raw net.Conn
}

// SyscallConn implements syscall.Conn.
func (w watched) SyscallConn() (syscall.RawConn, error) {
	if c, ok := w.raw.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}
