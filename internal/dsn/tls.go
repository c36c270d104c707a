package dsn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"runtime"
)

// TLS is what is asked of TLS, in the words of PostgreSQL (postgresql.org/docs/current/libpq-ssl.html) whatever the server.
// Which modes there are, and which is the usual one, depends on the server.
type TLS struct {
	Mode  string // sslmode
	Roots string // sslrootcert: a file of certificates, in PEM; "" and "system": this machine's own
	Cert  string // sslcert, sslkey: files of a client's certificate and key, in PEM
	Key   string
}

// What a Mode can be.
const (
	Disable    = "disable"     // without TLS
	Prefer     = "prefer"      // with TLS unless the server has none, with whatever certificate
	Require    = "require"     // with TLS, with whatever certificate
	VerifyCA   = "verify-ca"   // with a certificate signed by one of the roots, for whatever host
	VerifyFull = "verify-full" // with a certificate signed by one of the roots, for this host
)

// ParseTLS reads the parameters of TLS, and touches no file.
func ParseTLS(given url.Values) TLS {
	return TLS{Mode: given.Get("sslmode"), Roots: given.Get("sslrootcert"), Cert: given.Get("sslcert"), Key: given.Get("sslkey")}
}

// Verifies reports whether nobody else can answer in the server's place.
func (t TLS) Verifies() bool { return t.Mode == VerifyCA || t.Mode == VerifyFull }

// OwnRoots reports whether certificates are verified by a file of roots instead of this machine's own.
func (t TLS) OwnRoots() bool { return t.Roots != "" && t.Roots != "system" }

// Config reads the files: it has the roots and the client's certificate, and says neither the server's name nor how it is
// verified.
func (t TLS) Config() (*tls.Config, error) {
	c := &tls.Config{}
	if t.OwnRoots() {
		pem, err := readFile("sslrootcert", t.Roots)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("sslrootcert names %s, which holds no certificate in PEM; name the file of the certificate authority", t.Roots)
		}
	}
	if t.Cert != "" {
		cert, err := readFile("sslcert", t.Cert)
		if err != nil {
			return nil, err
		}
		key, err := readFile("sslkey", t.Key)
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("sslcert and sslkey name %s and %s, which are no certificate and its unencrypted key in PEM (%w); name files that are", t.Cert, t.Key, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// Verify is what crypto/tls does of itself, but for the names: any one will do, and none is asked for where there are
// none. No roots are this machine's own.
func Verify(state tls.ConnectionState, roots *x509.CertPool, names ...string) error {
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
