package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"rekey/internal/dsn"
)

// judgeTLS objects to parameters that would not do what they seem to.
func (t *Target) judgeTLS() error {
	e := &t.tls
	modes := []string{dsn.Require, dsn.VerifyCA, dsn.VerifyFull}
	if !t.secure {
		return nil
	}
	if e.Mode == "" {
		e.Mode = dsn.VerifyFull
	}
	switch {
	case !slices.Contains(modes, e.Mode):
		return fmt.Errorf("must have one of %s in the parameter sslmode; to do without TLS write %s", strings.Join(modes, ", "), form{t.layout, false}.scheme())
	case e.Roots != "" && !e.Verifies():
		return errors.New("names roots in sslrootcert that nothing is verified by; remove sslmode, or write verify-ca in it if the certificate is for another host")
	case e.Mode == dsn.VerifyCA && !e.OwnRoots():
		return errors.New("would take a certificate that anybody can buy; name your own roots with sslrootcert=FILE, or remove sslmode")
	case (e.Cert == "") != (e.Key == ""):
		return errors.New("must have both sslcert and sslkey, or none of them")
	}
	return nil
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
	base, err := t.tls.Config()
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
		c.InsecureSkipVerify = true // since dsn.Verify does it, of which the standard library's own knows one name
		var names []string
		if t.tls.Mode == dsn.VerifyFull {
			names = []string{name}
			for _, h := range t.hosts {
				names = append(names, h.Name)
			}
		}
		if t.tls.Verifies() {
			c.VerifyConnection = func(state tls.ConnectionState) error { return dsn.Verify(state, base.RootCAs, names...) }
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
