package databases

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// TestWhatAServerSaysIsToldAsWhatToDo has the answers that the servers of these tests can't be brought to.
func TestWhatAServerSaysIsToldAsWhatToDo(t *testing.T) {
	t.Parallel()
	postgres := func(code string) error {
		return &pgconn.PgError{Code: code, Message: "no entry\nfor\x1b[31m \xb4\xed user"}
	}
	mysqlError := func(number uint16) error {
		return &mysql.MySQLError{Number: number, Message: "not\r\nallowed\x00 \xb4\xed"}
	}
	dial := func(err syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
	}
	const host, socket = "postgres://u:canary@db/app", "mysql://u:canary@/app?socket=/run/s"
	for _, c := range []struct {
		dsn  string
		err  error
		want string
	}{
		{host, postgres("28000"), "the server does not let this user in (no entry for [31m ? user); see its pg_hba.conf"},
		{host, postgres("28P01"), wrongPassword},
		{host, postgres("57P03"), startsOrStops},
		{host, postgres("53300"), noConnection},
		{host, postgres("08P01"), "the server says: no entry for [31m ? user (08P01)"},
		{host + "?search_path=auth", postgres("08P01"), "write the schema before the table's name"},
		{socket, mysqlError(1045), wrongPassword},
		{socket, mysqlError(1698), wrongPassword},
		{socket, mysqlError(1040), noConnection},
		{socket, mysqlError(1053), startsOrStops},
		{socket, mysqlError(1129), "FLUSH HOSTS"},
		{socket, mysqlError(1130), "takes nobody from this host"},
		{socket, mysqlError(1862), "expired"},
		{socket, mysqlError(4151), "locked"},
		{socket, mysqlError(3159), "write sslmode=verify-full"},
		{socket, mysqlError(9999), "the server says: not allowed ? (9999)"},
		{socket, mysql.ErrUnknownPlugin, "caching_sha2_password or mysql_native_password"},
		{socket, mysql.ErrCleartextPassword, "caching_sha2_password or mysql_native_password"},
		{host, tls.AlertError(116), "sslcert and sslkey"}, // certificate_required (RFC 8446, section 6.2)
		{host, tls.RecordHeaderError{}, "does not speak TLS"},
		{host, dial(syscall.ECONNREFUSED), "nobody listens at this host and port"},
		{socket, dial(syscall.ECONNREFUSED), "nobody listens at this socket"},
		{host, dial(syscall.ETIMEDOUT), "it does not answer within 3s"},
		{host, io.ErrUnexpectedEOF, "whether it is a PostgreSQL that answers there"},
		{socket, mysql.ErrInvalidConn, "whether it is a MySQL that answers there"},
		{host, pgconn.ErrStandbyConnection, "name the primary too"},
		{host, errors.New("unexpected: %!w(<nil>)"), "unexpected; see whether it is a PostgreSQL that answers there"},
		{host, errors.New("odd\nthing"), "odd thing; if it asks for the password in clear"},
		{socket, errors.New("odd\nthing"), "odd thing"},
		// What the server answered counts, whatever the other ways to it failed for.
		{host, errors.Join(dial(syscall.ECONNREFUSED), postgres("3D000")), noDatabase},
	} {
		s, err := Parse(c.dsn)
		if err != nil {
			t.Fatal(err)
		}
		wrapped := fmt.Errorf("opening: %w", c.err)
		err = s.explain(wrapped)
		if text := err.Error(); !strings.HasPrefix(text, s.String()+" can't be opened: ") || !strings.Contains(text, c.want) ||
			strings.ContainsFunc(text, unicode.IsControl) || strings.Contains(text, "canary") {
			t.Errorf("%v is told as %q, want %q", c.err, text, c.want)
		}
		if !errors.Is(err, wrapped) {
			t.Errorf("%v is not kept", c.err)
		}
	}
}
