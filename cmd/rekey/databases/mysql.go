package databases

import (
	"context"
	"database/sql/driver"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	// lastResort is how long MySQL may be silent within a statement, for what has no time of its own: those of a reset
	// have, and end sooner. rekey doctor samples for up to a minute.
	lastResort = time.Minute

	// largestStatement is the most that one statement of ours may be, in bytes: what MySQL 5.7 takes unless told otherwise;
	// later versions and MariaDB take more. Where its values make it longer, they are sent apart.
	largestStatement = 4 << 20
)

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
		if c.TLS, err = s.tls.config(s.hosts[0].name); err != nil {
			return nil, err
		}
		c.AllowFallbackToPlaintext = s.tls.mode == prefer
	}
	c.DialFunc = dialer().DialContext
	c.ReadTimeout, c.WriteTimeout = lastResort, lastResort
	c.MaxAllowedPacket = largestStatement
	c.ClientFoundRows, c.InterpolateParams, c.ParseTime, c.RejectReadOnly = true, true, true, true
	c.Params = map[string]string{"sql_mode": "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'", "autocommit": "1"}
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
	return bounded{connector, s.patience}, nil
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
	return b.Connector.Connect(ctx)
}
