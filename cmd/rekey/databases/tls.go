package databases

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rekey/internal/dsn"
)

// judgeTLS objects to parameters that would not do what they seem to. PostgreSQL's own library lets some of them pass,
// such as roots that no mode looks at.
//
// The default is PostgreSQL's, prefer: encrypted if the server can, so that every server is reached. It keeps out who only
// listens. Who can answer in the server's place is kept out by verify-full alone, which Exposed tells from the others.
func (s *Source) judgeTLS() error {
	e := &s.tls
	modes := []string{dsn.Disable, dsn.Prefer, dsn.Require, dsn.VerifyCA, dsn.VerifyFull}
	switch {
	case s.socket != "" && *e != (dsn.TLS{}):
		return errors.New("goes by a socket, which has no TLS; remove the parameters that begin with ssl")
	case e.Mode != "" && !slices.Contains(modes, e.Mode):
		return fmt.Errorf("must have one of %s in the parameter sslmode", strings.Join(modes, ", "))
	case e.Roots != "" && !e.Verifies():
		return errors.New("names roots in sslrootcert that nothing is verified by; add sslmode=verify-full, or verify-ca if the certificate is for another host")
	case e.Mode == dsn.VerifyCA && !e.OwnRoots():
		return errors.New("would take a certificate that anybody can buy; name your own roots with sslrootcert=FILE, or write sslmode=verify-full")
	case (e.Cert == "") != (e.Key == ""):
		return errors.New("must have both sslcert and sslkey, or none of them")
	case e.Cert != "" && e.Mode == dsn.Disable:
		return errors.New("has a certificate in sslcert, but sslmode=disable; remove one")
	}
	if e.Mode == "" {
		e.Mode = dsn.Prefer
	}
	return nil
}

// tlsConfig is the client's side of TLS with a host; nil where it is off.
func (s Source) tlsConfig(host string) (*tls.Config, error) {
	if s.tls.Mode == dsn.Disable {
		return nil, nil
	}
	c, err := s.tls.Config()
	if err != nil {
		return nil, err
	}
	c.ServerName, c.InsecureSkipVerify = host, s.tls.Mode != dsn.VerifyFull
	if s.tls.Mode == dsn.VerifyCA {
		c.VerifyConnection = func(state tls.ConnectionState) error { return dsn.Verify(state, c.RootCAs) }
	}
	return c, nil
}
