package databases

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
)

// encryption is what is asked of TLS, in the words of PostgreSQL (postgresql.org/docs/current/libpq-ssl.html), for MySQL
// as well.
//
// The default is PostgreSQL's, prefer: encrypted if the server can, so that every server is reached. It keeps out who only
// listens. Who can answer in the server's place is kept out by verify-full alone, which Exposed tells from the others.
type encryption struct {
	mode  string // "" is prefer
	roots string // a file of certificates, in PEM; "" and "system": this machine's own
	cert  string // files of a client's certificate and key, in PEM
	key   string
}

const (
	disable    = "disable"     // without TLS
	prefer     = "prefer"      // with TLS unless the server has none, with whatever certificate
	require    = "require"     // with TLS, with whatever certificate
	verifyCA   = "verify-ca"   // with a certificate signed by one of the roots, for whatever host
	verifyFull = "verify-full" // with a certificate signed by one of the roots, for this host
)

func (e encryption) verifies() bool { return e.mode == verifyCA || e.mode == verifyFull }

// judgeTLS objects to parameters that would not do what they seem to. PostgreSQL's own library lets some of them pass,
// such as roots that no mode looks at.
func (s *Source) judgeTLS() error {
	e := &s.tls
	modes := []string{disable, prefer, require, verifyCA, verifyFull}
	switch {
	case s.socket != "" && *e != (encryption{}):
		return errors.New("goes by a socket, which has no TLS; remove the parameters that begin with ssl")
	case e.mode != "" && !slices.Contains(modes, e.mode):
		return fmt.Errorf("must have one of %s in the parameter sslmode", strings.Join(modes, ", "))
	case e.roots != "" && !e.verifies():
		return errors.New("names roots in sslrootcert that nothing is verified by; add sslmode=verify-full, or verify-ca if the certificate is for another host")
	case e.mode == verifyCA && (e.roots == "" || e.roots == "system"):
		return errors.New("would take a certificate that anybody can buy; name your own roots with sslrootcert=FILE, or write sslmode=verify-full")
	case (e.cert == "") != (e.key == ""):
		return errors.New("must have both sslcert and sslkey, or none of them")
	case e.cert != "" && e.mode == disable:
		return errors.New("has a certificate in sslcert, but sslmode=disable; remove one")
	}
	if e.mode == "" {
		e.mode = prefer
	}
	return nil
}

// config is the client's side of TLS with a host; nil where it is off.
func (e encryption) config(name string) (*tls.Config, error) {
	if e.mode == disable {
		return nil, nil
	}
	c := &tls.Config{ServerName: name, InsecureSkipVerify: e.mode != verifyFull}
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
	if e.mode == verifyCA {
		// As verify-full does, but for the name.
		c.VerifyConnection = func(state tls.ConnectionState) error {
			o := x509.VerifyOptions{Roots: c.RootCAs, Intermediates: x509.NewCertPool()}
			for _, between := range state.PeerCertificates[1:] {
				o.Intermediates.AddCert(between)
			}
			_, err := state.PeerCertificates[0].Verify(o)
			return err
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

// readFile reads a file that a parameter names. A key that everybody on this machine can read is none (T44).
func readFile(param, path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && param == "sslkey" && runtime.GOOS != "windows" && info.Mode().Perm()&0o006 != 0 {
		return nil, fmt.Errorf("sslkey names %s, which everybody on this machine can read or change; run chmod 600 %s", path, path)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s names %s, which can't be read: %w; name a readable file", param, path, bare(err))
	}
	return content, nil
}
