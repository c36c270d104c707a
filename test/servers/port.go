package servers

import (
	"errors"
	"os"
	"syscall"
)

// port is a TCP port of loopback that is kept: a socket is bound to it that does not listen. So connections are refused
// while its server is down, nobody else is given it, and the server can still listen on it, since with SO_REUSEADDR, which
// servers set, only a socket that listens is in the way (socket(7) of Linux).
type port struct {
	number int
	socket int
}

// reservePort has the system choose a free port.
func reservePort() (*port, error) {
	syscall.ForkLock.RLock() // or a program started meanwhile would inherit it
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(socket)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	number, err := bind(socket)
	if err != nil {
		return nil, errors.Join(err, syscall.Close(socket))
	}
	return &port{number: number, socket: socket}, nil
}

func bind(socket int) (number int, err error) {
	if err := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, os.NewSyscallError("setsockopt", err)
	}
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, os.NewSyscallError("bind", err)
	}
	name, err := syscall.Getsockname(socket)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	address, ok := name.(*syscall.SockaddrInet4)
	if !ok {
		return 0, errors.New("a socket of IPv4 is bound to an address that is not")
	}
	return address.Port, nil
}

func (p *port) close() error { return os.NewSyscallError("close", syscall.Close(p.socket)) }
