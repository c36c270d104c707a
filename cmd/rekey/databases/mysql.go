package databases

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"

	"rekey/internal/dsn"
)

const (
	// lastResort is how long MySQL may be silent within a statement, for what has no time of its own: those of a reset
	// have, and end sooner. rekey doctor samples for up to a minute.
	lastResort = time.Minute

	// largestStatement is the most that one statement of ours may be, in bytes: what MySQL 5.7 takes unless told otherwise;
	// later versions and MariaDB take more. Where its values make it longer, they are sent apart.
	largestStatement = 4 << 20

	// silence is how long the server keeps a connection that says nothing, and with it the locks of its transaction.
	silence = time.Minute

	// lockTime is how long a statement waits for the lock of a row.
	lockTime = 5 * time.Second
)

// seconds are those of a duration, a begun one for a whole.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// mysql is the connector for MySQL and MariaDB. What the server's own settings would decide about our statements is
// decided here:
//
//   - An UPDATE tells the rows that it matched and not those that it changed (clientFoundRows): a compare-and-set that
//     writes what the row had already is no failed one (T20).
//   - The SQL mode is strict whatever the engine: a hash that is too long for its column is an error and never a part of
//     a hash. Nothing else is in it that changes what a statement means, such as PAD_CHAR_TO_FULL_LENGTH.
//   - Every statement outside a transaction is one of its own, whatever the server's autocommit: a connection would else
//     read for ever what it read first.
//   - Texts are utf8mb4. Values are put into the statement by the driver, which saves a round trip each
//     (interpolateParams) and is safe in UTF-8; it learns of NO_BACKSLASH_ESCAPES from the server.
//   - DATETIME and TIMESTAMP are read as time.Time, with what the session's clock shows taken for UTC. The session's time
//     zone stays the server's own, which is what CURRENT_TIMESTAMP writes.
//   - The server ends a connection that says nothing for a minute (wait_timeout), and MariaDB's a transaction that does for
//     two steps' time (idle_transaction_timeout, which MySQL has not): the locks of a client that is gone without a word
//     would else be held for hours. And nobody waits for a lock longer than a request would (innodb_lock_wait_timeout):
//     the server does not notice that a client that waits has left.
//   - A server that became read-only loses its connections, as after a failover (rejectReadOnly). The statement is tried
//     again, since it was refused.
//
// Files of this machine can't be asked for (LOAD DATA LOCAL), several statements are never one, and a password never goes
// in clear. What the driver would write to stderr is in the errors that it returns as well, so that nothing is lost with
// its log.
func (s Source) mysql() (driver.Connector, error) {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.DBName = s.user, s.password, s.database
	if s.socket != "" {
		c.Net, c.Addr = "unix", s.socket
	} else {
		c.Net, c.Addr = "tcp", s.hosts[0].String()
		var err error
		if c.TLS, err = s.tlsConfig(s.hosts[0].Name); err != nil {
			return nil, err
		}
		c.AllowFallbackToPlaintext = s.tls.Mode == dsn.Prefer
	}
	c.DialFunc = s.dialer().DialContext
	c.ReadTimeout, c.WriteTimeout = lastResort, lastResort
	c.MaxAllowedPacket = largestStatement
	c.ClientFoundRows, c.InterpolateParams, c.ParseTime, c.RejectReadOnly = true, true, true, true
	c.Params = map[string]string{
		"sql_mode": "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'", "autocommit": "1",
		"innodb_lock_wait_timeout": strconv.Itoa(seconds(lockTime)),
		// The comment is a statement to MariaDB alone (mariadb.com/kb/en/comment-syntax).
		"wait_timeout": fmt.Sprintf("%d /*M!100300 , idle_transaction_timeout = %d */", seconds(silence), seconds(2*s.limits.Step)),
	}
	c.ConnectionAttributes = "program_name:rekey"
	c.Logger = &mysql.NopLogger{}
	err := c.Apply(
		mysql.Charset("utf8mb4", ""),
		// Has the driver copy its configuration for each connection. It would else change the one that all share when it
		// falls back to no TLS: for good, and for connections that are being made beside it.
		mysql.BeforeConnect(func(context.Context, *mysql.Config) error { return nil }),
	)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return s.share(bounded{connector, s.limits.Patience}, func(c driver.Conn) bool { return !c.(mysqlConn).IsValid() }), nil
}

// bounded ends a connection that does not come about in time. The driver's own timeout is for the dialling alone, after
// which a server may still say nothing.
type bounded struct {
	driver.Connector
	time time.Duration
}

func (b bounded) Connect(ctx context.Context) (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, b.time)
	defer cancel()
	opened, err := b.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	c, ok := opened.(validating)
	if !ok {
		return nil, errors.Join(fmt.Errorf("a %T can't do what is asked of a connection", opened), opened.Close())
	}
	return mysqlConn{c}, nil
}

type validating interface {
	capable
	driver.Validator
}

// mysqlConn is the driver's connection, but that its transactions end in the time of the context that they began with. The
// driver's own know none at their end, and would wait for a server that says nothing long after everybody has left.
type mysqlConn struct{ validating }

// BeginTx implements driver.ConnBeginTx.
func (c mysqlConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if _, err := c.validating.BeginTx(ctx, o); err != nil {
		return nil, err
	}
	return transaction{c, ctx}, nil
}

type transaction struct {
	conn mysqlConn
	ctx  context.Context
}

// Commit implements driver.Tx. After an error nobody knows whether the server has committed.
func (t transaction) Commit() error {
	_, err := t.conn.ExecContext(t.ctx, "COMMIT", nil)
	return err
}

// Rollback implements driver.Tx. Where it fails the connection ends, and the server rolls back.
func (t transaction) Rollback() error {
	_, err := t.conn.ExecContext(t.ctx, "ROLLBACK", nil)
	if err != nil {
		return errors.Join(err, t.conn.Close())
	}
	return nil
}
