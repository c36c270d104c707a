package databases

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"rekey/internal/dsn"
)

// targets are the servers that will do, in the words of PostgreSQL's target_session_attrs.
var targets = []string{"any", "read-write", "primary"}

// readOnly is SQLSTATE read_only_sql_transaction: this server was the primary once.
const readOnly = "25006"

// base is a configuration with every part that pgx would else take from the environment or the home of its user (PGHOST,
// PGSSLMODE, PGPASSWORD, ~/.pgpass, ~/.postgresql and so on): what takes effect stands in the data source alone. Its values
// are overwritten, so that no password is ever part of a text that pgx takes apart and may quote (T36).
const base = "host=localhost port=5432 user=rekey password=none passfile='' dbname=rekey sslmode=disable sslrootcert='' sslcert='' " +
	"sslkey='' sslcertmode=allow sslnegotiation=postgres target_session_attrs=any connect_timeout=0 min_protocol_version=3.0 " +
	"max_protocol_version=3.0 channel_binding=prefer require_auth=''"

// postgres is the connector for PostgreSQL.
//
// It works through PgBouncer in transaction mode, where two statements of one connection may meet two servers: nothing is
// prepared by name, since QueryExecModeCacheDescribe keeps only the types of a statement; and nothing is asked for at the
// start that PgBouncer refuses, unless the data source has a search_path. The price of the mode is that a column whose
// type changes while rekey runs may fail until the connection's end.
//
// To a server whose certificate is not verified the password never goes in clear: who answers in its place would
// only need to ask.
func (s Source) postgres() (driver.Connector, error) {
	c, err := pgx.ParseConfig(base)
	if err != nil { // the one variable that can't be overruled is PGSERVICE, which must name something
		return nil, fmt.Errorf("can't be opened: %w; unset PGSERVICE and PGSERVICEFILE, which rekey has no use for", err)
	}
	c.User, c.Password, c.Database = s.user, s.password, s.database
	c.ConnectTimeout = s.limits.Patience
	c.DialFunc = s.dialer().DialContext
	c.RuntimeParams = map[string]string{"application_name": s.program, "client_encoding": "UTF8"}
	if s.schemas != "" {
		c.RuntimeParams["search_path"] = s.schemas
	}
	if len(s.hosts) > 0 && !s.tls.Verifies() {
		c.RequireAuth = "!password"
	}
	switch s.target {
	case "read-write":
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	case "primary":
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	}
	// After a failover a connection to the server that was demoted would fail until the end of its life.
	usual := c.OnPgError
	c.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) bool { return err.Code != readOnly && usual(conn, err) }
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	c.StatementCacheCapacity = 0

	ways, err := s.ways()
	if err != nil {
		return nil, err
	}
	c.Host, c.Port, c.TLSConfig, c.Fallbacks = ways[0].Host, ways[0].Port, ways[0].TLSConfig, ways[1:]
	connections := stdlib.GetConnector(*c, stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return false }))
	return s.share(connections, func(c driver.Conn) bool { return c.(*stdlib.Conn).Conn().IsClosed() }), nil
}

// ways are the ways to the server in the order in which they are tried: each host, and where TLS is only preferred, each
// with it and then without.
func (s Source) ways() ([]*pgconn.FallbackConfig, error) {
	if s.socket != "" {
		return []*pgconn.FallbackConfig{{Host: s.socket, Port: s.port}}, nil
	}
	var all []*pgconn.FallbackConfig
	for _, h := range s.hosts {
		config, err := s.tlsConfig(h.Name)
		if err != nil {
			return nil, err
		}
		all = append(all, &pgconn.FallbackConfig{Host: h.Name, Port: h.Port, TLSConfig: config})
		if s.tls.Mode == dsn.Prefer {
			all = append(all, &pgconn.FallbackConfig{Host: h.Name, Port: h.Port})
		}
	}
	return all, nil
}
