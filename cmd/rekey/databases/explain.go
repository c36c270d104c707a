package databases

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"rekey/internal/dsn"
)

// failure is why a server can't be used, as an operator can act on it. The driver's own error, beneath, may run over
// several lines.
type failure struct {
	text  string
	cause error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.cause }

// explain says why the first connection failed. What the server answered comes first: with several ways to it, the others
// may have failed for less.
func (s Source) explain(err error) error {
	text := ""
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		text = s.postgresAnswer(e)
	} else if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		text = mysqlAnswer(e)
	} else if text = distrust(err); text == "" {
		if text = s.noAnswer(err); text == "" {
			text = s.otherwise(err)
		}
	}
	return &failure{fmt.Sprintf("%v can't be opened: %s", s, text), err}
}

const (
	wrongPassword  = "the server refuses user or password; correct them, and write the characters / ? # @ : % in them as %2F %3F %23 %40 %3A %25"
	noDatabase     = "there is no database of this name; correct it, or create the database"
	noConnection   = "the server has no connection left; raise its limit, or lower pool_max here or what other programs take"
	startsOrStops  = "the server is starting or stopping; try again in a moment"
	speaksTLSAlone = "the server takes connections with TLS alone; write sslmode=verify-full"
)

// postgresAnswer tells the SQLSTATEs (postgresql.org/docs/current/errcodes-appendix.html) that end a connection's
// beginning.
func (s Source) postgresAnswer(e *pgconn.PgError) string {
	said := dsn.OneLine(e.Message)
	switch e.Code {
	case "28P01": // invalid_password
		return wrongPassword
	case "28000": // invalid_authorization_specification
		return fmt.Sprintf("the server does not let this user in (%s); see its pg_hba.conf", said)
	case "3D000": // invalid_catalog_name
		return noDatabase
	case "42501": // insufficient_privilege
		return "the user may not connect to this database; GRANT CONNECT ON DATABASE to it"
	case "53300": // too_many_connections
		return noConnection
	case "57P01", "57P02", "57P03": // admin_shutdown, crash_shutdown, cannot_connect_now
		return startsOrStops
	}
	if s.schemas != "" {
		return fmt.Sprintf("the server says: %s (%s); if it is a pooler that takes no search_path, remove that parameter and write the schema before the table's name", said, e.Code)
	}
	return fmt.Sprintf("the server says: %s (%s)", said, e.Code)
}

// mysqlAnswer tells the error numbers (dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html,
// mariadb.com/kb/en/mariadb-error-code-reference/) that end a connection's beginning.
func mysqlAnswer(e *mysql.MySQLError) string {
	switch e.Number {
	case 1045, 1698: // ER_ACCESS_DENIED_ERROR, ER_ACCESS_DENIED_NO_PASSWORD_ERROR
		return wrongPassword
	case 1049: // ER_BAD_DB_ERROR
		return noDatabase
	case 1044: // ER_DBACCESS_DENIED_ERROR, also where there is no such database
		return "there is no database of this name, or the user has no right in it; correct the name, or GRANT the user what rekey needs"
	case 1040, 1203, 1226: // ER_CON_COUNT_ERROR, ER_TOO_MANY_USER_CONNECTIONS, ER_USER_LIMIT_REACHED
		return noConnection
	case 1053: // ER_SERVER_SHUTDOWN
		return startsOrStops
	case 1129: // ER_HOST_IS_BLOCKED
		return "the server has blocked this host after too many broken connections; run FLUSH HOSTS on it"
	case 1130: // ER_HOST_NOT_PRIVILEGED
		return "the server takes nobody from this host; CREATE USER with the host that rekey connects from"
	case 1820, 1862: // ER_MUST_CHANGE_PASSWORD, ER_MUST_CHANGE_PASSWORD_LOGIN
		return "the user's password has expired; set it with ALTER USER"
	case 3118, 4151: // ER_ACCOUNT_HAS_BEEN_LOCKED of MySQL, of MariaDB
		return "the user is locked; ALTER USER … ACCOUNT UNLOCK"
	case 3159: // ER_SECURE_TRANSPORT_REQUIRED
		return speaksTLSAlone
	}
	return fmt.Sprintf("the server says: %s (%d)", dsn.OneLine(e.Message), e.Number)
}

// Denied reports whether a server refused a statement for want of a right.
func Denied(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "42501" // insufficient_privilege
	}
	e, ok := errors.AsType[*mysql.MySQLError](err)
	// ER_DBACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR, ER_COLUMNACCESS_DENIED_ERROR
	return ok && slices.Contains([]uint16{1044, 1142, 1143}, e.Number)
}

// distrust tells what is wrong with the server's certificate, or with its TLS; "" if nothing is.
func distrust(err error) string {
	if text := dsn.Distrust(err); text != "" {
		return text
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the server's certificate is for another host; write the name that it has, or sslmode=verify-ca"
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Sprintf("the server's certificate can't be verified (%s)", dsn.OneLine(e.Err.Error()))
	}
	if e, ok := errors.AsType[tls.AlertError](err); ok {
		return fmt.Sprintf("the server ends the TLS handshake (%s); it may ask for a certificate, by sslcert and sslkey, or lack TLS 1.2", dsn.OneLine(e.Error()))
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "what answers there does not speak TLS; correct host and port"
	}
	if errors.Is(err, mysql.ErrNoTLS) {
		return "the server has no TLS; set it up there, or write sslmode=disable on a network that is nobody else's"
	}
	return ""
}

// noAnswer tells why the server was not reached; "" if it was.
func (s Source) noAnswer(err error) string {
	if text := dsn.Unreached(err, s.socket != ""); text != "" {
		return text
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens at this host and port; start the server, or correct them"
	case dsn.TimedOut(err):
		remedy := fmt.Sprintf("it does not answer within %v; see whether the server runs and no firewall is between, or raise connect_timeout", s.limits.Patience)
		if len(s.hosts) > 1 {
			remedy += " and step_timeout, of which those that do not answer get a third"
		}
		return remedy
	case dsn.Ended(err), errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, mysql.ErrMalformPkt):
		return "the connection ends before the server has let rekey in; see whether it is a " + s.server() + " that answers there, and its log"
	case errors.Is(err, pgconn.ErrReadOnlyConnection), errors.Is(err, pgconn.ErrStandbyConnection):
		return "the server can only be read from; name the primary too"
	}
	return ""
}

// otherwise tells in the drivers' own words what they have no type for, and what it usually comes from.
func (s Source) otherwise(err error) string {
	for _, way := range []error{mysql.ErrUnknownPlugin, mysql.ErrCleartextPassword, mysql.ErrOldPassword, mysql.ErrNativePassword} {
		if errors.Is(err, way) {
			return "the server asks for the password in a way that rekey does not answer; give the user caching_sha2_password or mysql_native_password"
		}
	}
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = e.Unwrap() // without user and database, which we name
	}
	text := dsn.OneLine(err.Error())
	// So pgconn writes an answer that it did not expect, which has no cause.
	if said := strings.ReplaceAll(text, ": %!w(<nil>)", ""); said != text {
		return said + "; see whether it is a " + s.server() + " that answers there"
	}
	if s.tls.Mode == dsn.Require || s.tls.Verifies() {
		text += "; the server must have TLS, since sslmode is " + s.tls.Mode
	}
	if s.Kind == PostgreSQL && s.socket == "" && !s.tls.Verifies() {
		text += "; if it asks for the password in clear, it must be one that sslmode=verify-full verifies"
	}
	return text
}

// server is what should answer.
func (s Source) server() string {
	if s.Kind == MySQL {
		return "MySQL"
	}
	return "PostgreSQL"
}
