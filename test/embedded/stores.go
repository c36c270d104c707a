package embedded

import (
	"cmp"
	"context"
	"database/sql"
	"strings"

	"github.com/redis/go-redis/v9"

	"rekey/cmd/rekey/databases"
	"rekey/codestore"
	"rekey/codestore/redisstore"
	"rekey/userdb"
)

// openPeople makes the users table where the options have it.
func (h *House) openPeople(ctx context.Context, dir string, o Options) error {
	db, err := h.open(ctx, patient(cmp.Or(o.People, "sqlite:"+File(dir))), o)
	if err != nil {
		return err
	}
	h.People = db.Write
	users := userdb.Options{Read: db.Read, Write: db.Write, Settings: userdb.Settings{HashFloor: o.HashFloor}}
	if o.HashFloor == "" {
		users.Settings.Hash, users.Settings.HashFloor = cheap, cheap
	}
	switch db.Kind {
	case databases.PostgreSQL:
		users.Dialect = userdb.PostgreSQL()
	case databases.MySQL:
		users.Dialect = userdb.MySQL()
	default:
		users.Dialect = userdb.SQLite()
	}
	h.Users, err = userdb.NewEmbedded(ctx, users)
	return err
}

// openCodes makes the code store where the options have it: as the program does, unless something is to come between.
func (h *House) openCodes(ctx context.Context, dir string, o Options) error {
	dsn := patient(cmp.Or(o.Codes, "sqlite:"+File(dir)))
	if redisstore.Named(dsn) {
		return h.openRedis(ctx, dsn, o)
	}
	return h.openSQL(ctx, dsn, o)
}

func (h *House) openSQL(ctx context.Context, dsn string, o Options) error {
	db, err := h.open(ctx, dsn, o)
	if err != nil {
		return err
	}
	h.Write, h.Read, h.levers = db.Write, db.Read, sqlLevers{db.Write}
	if o.Wrap == nil {
		h.Codes, err = h.opened.Codes(ctx, "codes.store", dsn)
		return err
	}
	if err := codestore.Migrate(ctx, db.Write, db.Kind.CodeDialect()); err != nil {
		return err
	}
	store, err := codestore.NewSQL(ctx, db.Write, db.Kind.CodeDialect(), db.StepTime)
	if err != nil {
		return err
	}
	h.Codes = store
	return nil
}

func (h *House) openRedis(ctx context.Context, dsn string, o Options) error {
	target, err := redisstore.Parse(dsn)
	if err != nil {
		return err
	}
	own, err := target.Client() // for the levers
	if err != nil {
		return err
	}
	h.redis = append(h.redis, own)
	h.levers = redisLevers{own, target.Prefix()}
	if o.Hook == nil {
		h.Codes, err = h.opened.Codes(ctx, "codes.store", dsn)
		return err
	}
	client, err := target.Client()
	if err != nil {
		return err
	}
	h.redis = append(h.redis, client)
	if cluster, ok := client.(*redis.ClusterClient); ok {
		cluster.OnNewNode(func(node *redis.Client) { node.AddHook(o.Hook) })
	} else {
		client.AddHook(o.Hook)
	}
	h.Codes = redisstore.New(client, redisstore.Options{StepTime: target.StepTime(), Prefix: target.Prefix()})
	return nil
}

// open opens a SQL database as the program does, with what the options have between. What two ask for is opened once.
func (h *House) open(ctx context.Context, dsn string, o Options) (*databases.DB, error) {
	if o.Wrap == nil {
		return h.opened.Open(ctx, "the test's database", dsn)
	}
	if db := h.wired[dsn]; db != nil {
		return db, nil
	}
	source, err := databases.Parse(dsn)
	if err != nil {
		return nil, err
	}
	connector, err := source.Connector()
	if err != nil {
		return nil, err
	}
	db := &databases.DB{Kind: source.Kind, StepTime: source.StepTime(), Write: sql.OpenDB(o.Wrap(connector))}
	db.Read = db.Write
	if source.Kind == databases.SQLite {
		db.Read = sql.OpenDB(o.Wrap(connector))
		db.Write.SetMaxOpenConns(1)
		db.Read.SetMaxOpenConns(4)
	} else {
		db.Write.SetMaxOpenConns(10)
		db.Write.SetMaxIdleConns(10)
	}
	h.wired[dsn] = db
	return db, nil
}

// patient is a data source of a server that a slow machine may take a minute to let one in and to do a step; what it says of
// these times itself stays, and data sources of files are as they were.
func patient(dsn string) string {
	if !strings.Contains(dsn, "://") {
		return dsn
	}
	for _, parameter := range []struct{ name, value string }{{"connect_timeout", "60"}, {"step_timeout", "1m"}} {
		if strings.Contains(dsn, parameter.name+"=") {
			continue
		}
		separator := "?"
		if strings.Contains(dsn, separator) {
			separator = "&"
		}
		dsn += separator + parameter.name + "=" + parameter.value
	}
	return dsn
}
