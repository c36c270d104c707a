package dsn_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"rekey/internal/dsn"
)

func dialled(err error) error {
	return fmt.Errorf("opening: %w", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)})
}

func TestWhyAServerIsNotReachedIsTold(t *testing.T) {
	t.Parallel()
	unknown := &net.DNSError{Name: "h", IsNotFound: true}
	const (
		noHost   = "there is no host of this name; correct it"
		noLookup = "the host's name can't be looked up now; see whether this machine's name server answers"
		noRight  = "this user may not connect there; give it the right to, or use another way"
		noWay    = "there is no way to this host; correct it, or this machine's routes"
		noSocket = "there is no such socket; start the server, or correct its path"
		nobody   = "nobody listens at this socket; start the server"
	)
	for _, c := range []struct {
		err              error
		atHost, atSocket string
		slow, ended      bool
	}{
		{dialled(unknown), noHost, noHost, false, false},
		{&net.DNSError{IsTimeout: true}, noLookup, noLookup, true, false},
		{dialled(syscall.ECONNREFUSED), "", nobody, false, false},
		{dialled(syscall.ENOENT), "", noSocket, false, false},
		{dialled(syscall.EACCES), noRight, noRight, false, false},
		{dialled(syscall.EPERM), noRight, noRight, false, false},
		{dialled(syscall.EHOSTUNREACH), noWay, noWay, false, false},
		{dialled(syscall.ENETUNREACH), noWay, noWay, false, false},
		// Of several hosts. A refusal, which is left to who connects, comes before a missing right or route.
		{errors.Join(dialled(syscall.ECONNREFUSED), unknown), noHost, noHost, false, false},
		{errors.Join(dialled(syscall.EHOSTUNREACH), dialled(syscall.ECONNREFUSED)), "", nobody, false, false},
		{dialled(syscall.ETIMEDOUT), "", "", true, false},
		{dialled(os.ErrDeadlineExceeded), "", "", true, false},
		{context.DeadlineExceeded, "", "", true, false},
		{context.Canceled, "", "", false, false},
		{dialled(io.EOF), "", "", false, true},
		{io.ErrUnexpectedEOF, "", "", false, true},
		{dialled(syscall.ECONNRESET), "", "", false, true},
		{dialled(syscall.EPIPE), "", "", false, true},
	} {
		for socket, want := range map[bool]string{false: c.atHost, true: c.atSocket} {
			if got := dsn.Unreached(c.err, socket); got != want {
				t.Errorf("%v, by a socket %v, is told as %q, want %q", c.err, socket, got, want)
			}
		}
		if dsn.TimedOut(c.err) != c.slow || dsn.Ended(c.err) != c.ended {
			t.Errorf("%v: slow %v, ended %v", c.err, dsn.TimedOut(c.err), dsn.Ended(c.err))
		}
	}
}

func TestACertificateThatIsNotValidIsTold(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("opening: %w", x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign})
	want := "the server's certificate is not valid (x509: certificate is not authorized to sign other certificates); have it made anew"
	if got := dsn.Distrust(err); got != want {
		t.Errorf("it is told as %q, want %q", got, want)
	}
	if got := dsn.Distrust(dialled(syscall.ECONNREFUSED)); got != "" {
		t.Errorf("what is no certificate's fault is told as %q", got)
	}
}
