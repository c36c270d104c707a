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
		noHost  = "there is no host of this name; correct it"
		noRight = "this user may not connect there; give it the right to, or use another way"
		noWay   = "there is no way to this host; correct it, or this machine's routes"
	)
	for _, c := range []struct {
		err          error
		host, socket string
	}{
		{dialled(unknown), noHost, noHost},
		{&net.DNSError{IsTimeout: true}, "the host's name can't be looked up now; see whether this machine's name server answers",
			"the host's name can't be looked up now; see whether this machine's name server answers"},
		{dialled(syscall.ECONNREFUSED), "", "nobody listens at this socket; start the server"},
		{dialled(syscall.ENOENT), "", "there is no such socket; start the server, or correct its path"},
		{dialled(syscall.EACCES), noRight, noRight},
		{dialled(syscall.EPERM), noRight, noRight},
		{dialled(syscall.EHOSTUNREACH), noWay, noWay},
		{dialled(syscall.ENETUNREACH), noWay, noWay},
		{dialled(syscall.ETIMEDOUT), "", ""},
		{io.EOF, "", ""},
		{errors.New("odd"), "", ""},
		// Of several hosts. A refusal comes before what a route or a right is missing for, and is left to who connects.
		{errors.Join(dialled(syscall.ECONNREFUSED), unknown), noHost, noHost},
		{errors.Join(dialled(syscall.EHOSTUNREACH), dialled(syscall.ECONNREFUSED)), "", "nobody listens at this socket; start the server"},
	} {
		for socket, want := range map[bool]string{false: c.host, true: c.socket} {
			if got := dsn.Unreached(c.err, socket); got != want {
				t.Errorf("%v, by a socket %v, is told as %q, want %q", c.err, socket, got, want)
			}
		}
	}
}

func TestServersThatAreSlowAreToldFromThoseThatEnd(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]struct{ slow, ended bool }{
		context.DeadlineExceeded:                          {slow: true},
		dialled(syscall.ETIMEDOUT):                        {slow: true},
		fmt.Errorf("reading: %w", os.ErrDeadlineExceeded): {slow: true},
		fmt.Errorf("reading: %w", io.EOF):                 {ended: true},
		io.ErrUnexpectedEOF:                               {ended: true},
		dialled(syscall.ECONNRESET):                       {ended: true},
		dialled(syscall.EPIPE):                            {ended: true},
		dialled(syscall.ECONNREFUSED):                     {},
		context.Canceled:                                  {},
	} {
		if dsn.TimedOut(err) != want.slow || dsn.Ended(err) != want.ended {
			t.Errorf("%v: slow %v, ended %v", err, dsn.TimedOut(err), dsn.Ended(err))
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

func TestWhatServersSayIsOneLineThatNoTerminalActsOn(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"no entry\nfor\x1b[31m \xb4\xed user": "no entry for [31m ? user",
		"not\r\nallowed\x00":                  "not allowed",
		" \x1b[2Jgone\u202e":                  "[2Jgone",
		"密码 错误":                               "密码 错误",
		"":                                    "",
	} {
		if got := dsn.OneLine(said); got != want {
			t.Errorf("%q is told as %q, want %q", said, got, want)
		}
	}
}
