package dsn

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"unicode"
)

// Distrust tells what is wrong with the authority or the time of a server's certificate; "" if neither is. What else there
// is to say of TLS depends on the server and on what its URL can say.
func Distrust(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the server's certificate is signed by nobody who is trusted; name the file of its authority with sslrootcert"
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if e.Reason == x509.Expired {
			return "the server's certificate, or one that signed it, has expired or is not valid yet; renew it, or set this machine's clock"
		}
		return fmt.Sprintf("the server's certificate is not valid (%s); have it made anew", OneLine(e.Error()))
	}
	return ""
}

// Unreached tells why a server was not reached at a host, or at a socket; "" if it was, or if a host refused the
// connection, ended it or took too long, of which those who connect know more.
func Unreached(err error, socket bool) string {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		if e.IsNotFound {
			return "there is no host of this name; correct it"
		}
		return "the host's name can't be looked up now; see whether this machine's name server answers"
	}
	switch {
	case is(err, syscall.ECONNREFUSED) && socket:
		return "nobody listens at this socket; start the server"
	case is(err, syscall.ECONNREFUSED):
		return ""
	case is(err, syscall.ENOENT) && socket:
		return "there is no such socket; start the server, or correct its path"
	case is(err, syscall.EACCES, syscall.EPERM):
		return "this user may not connect there; give it the right to, or use another way"
	case is(err, syscall.ENETUNREACH, syscall.EHOSTUNREACH):
		return "there is no way to this host; correct it, or this machine's routes"
	}
	return ""
}

// TimedOut reports whether a server took too long.
func TimedOut(err error) bool {
	timeout, timed := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || timed && timeout.Timeout()
}

// Ended reports whether a server ended the connection.
func Ended(err error) bool {
	return is(err, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE)
}

func is(err error, all ...error) bool {
	return slices.ContainsFunc(all, func(target error) bool { return errors.Is(err, target) })
}

// OneLine is what a server or a driver said as a part of our sentence, without what a terminal would act on. Before a
// connection is made, a server's texts may be in any encoding.
func OneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return strings.Join(strings.Fields(text), " ")
}
