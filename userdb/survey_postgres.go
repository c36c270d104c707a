package userdb

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strings"
)

func postgresInspector() inspector {
	return inspector{
		name: "PostgreSQL", narrow: []string{"int2", "int4"}, clock: "SELECT pg_catalog.clock_timestamp()",
		view: postgresView, about: postgresAbout, indexes: postgresIndexes, searches: postgresSearches, excess: postgresExcess, server: postgresServer,
		triggers: postgresTriggers, closed: postgresClosed, makeIndex: postgresMakeIndex,
		makeMetaIndex: func(s shape) string { // of this key alone: the values of others may be longer than an index takes
			m := s.preset.meta
			return "CREATE INDEX CONCURRENTLY ON " + PostgreSQL().quoteTable(s.metaTable()) + " (" + postgresQuote(m.value) + ") WHERE " +
				postgresQuote(m.key) + " = " + literal(s.mobile) + ";"
		},
		retype: func(_ context.Context, _ querier, table string, c column, to string) (string, error) {
			return "ALTER TABLE " + PostgreSQL().quoteTable(table) + " ALTER COLUMN " + postgresQuote(c.name) + " TYPE " + to + ";", nil
		},
	}
}

// postgresMakeIndex has the table written to meanwhile, unless it is partitioned, where PostgreSQL can't.
func postgresMakeIndex(ctx context.Context, db querier, kind, table string, c column) (string, error) {
	name := PostgreSQL().quoteTable(table)
	var partitioned bool
	err := db.QueryRowContext(ctx, "SELECT relkind = 'p' FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1)", name).Scan(&partitioned)
	if err != nil {
		return "", err
	}
	if !partitioned {
		kind += " CONCURRENTLY"
	}
	return "CREATE " + kind + " ON " + name + " (" + postgresQuote(c.name) + ");", nil
}

// postgresClosed is true on a standby, too.
func postgresClosed(ctx context.Context, db querier) (closed bool, err error) {
	err = db.QueryRowContext(ctx, "SELECT pg_catalog.current_setting('transaction_read_only') = 'on'").Scan(&closed)
	return closed, err
}

func postgresView(ctx context.Context, db querier, table string) (view bool, err error) {
	err = db.QueryRowContext(ctx, "SELECT relkind = 'v' FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1)",
		PostgreSQL().quoteTable(table)).Scan(&view)
	return view, err
}

// postgresAbout is what ANALYZE or VACUUM found last, and -1 before the first.
func postgresAbout(ctx context.Context, db querier, table string) (rows int64, err error) {
	err = db.QueryRowContext(ctx, "SELECT GREATEST(reltuples, 0)::bigint FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1)",
		PostgreSQL().quoteTable(table)).Scan(&rows)
	return rows, err
}

func postgresIndexes(ctx context.Context, db querier, table string) ([]index, error) {
	return scanIndexes(db.QueryContext(ctx, `SELECT c.relname::text, x.indisunique,
	COALESCE(pg_catalog.pg_get_expr(x.indpred, x.indrelid), ''), CASE WHEN x.indisvalid THEN '' ELSE 'it was not finished; drop it' END,
	COALESCE(a.attname::text, '')
FROM pg_catalog.pg_index x
JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid
CROSS JOIN LATERAL unnest(x.indkey::int2[]) WITH ORDINALITY AS k(number, place)
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.number AND k.number > 0
WHERE x.indrelid = pg_catalog.to_regclass($1) AND k.place <= x.indnkeyatts
ORDER BY c.relname, k.place`, PostgreSQL().quoteTable(table)))
}

// postgresSearches reads how PostgreSQL would go about the statement, were the table not small enough to be read whole.
// Of a small table it may still prefer the index of another condition, and is asked again without those. Between the
// indexes of a key and of its value it chooses by what is in the table, so that there the catalogue tells.
func postgresSearches(ctx context.Context, db *sql.DB, s shape, have []index) (bool, error) {
	if s.preset.meta != nil {
		return s.metaIndexed(have), nil
	}
	serving, err := postgresParts(ctx, db, s.table, s.mobileColumn.name)
	if err != nil {
		return false, err
	}
	for _, i := range have {
		if i.columns[0] == s.mobileColumn.name {
			serving = append(serving, i.name)
		}
	}
	bare := s
	bare.active = nil
	for _, asked := range []shape{s, bare} {
		used, err := postgresPlan(ctx, db, asked)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(used, func(name string) bool { return slices.Contains(serving, name) }) {
			return true, nil
		}
	}
	return false, nil
}

// postgresParts are the indexes of the partitions that make up an index which begins with the column. They have names of
// their own, and stand in plans in its place.
func postgresParts(ctx context.Context, db *sql.DB, table, column string) ([]string, error) {
	return texts(db.QueryContext(ctx, `SELECT c.relname::text FROM pg_catalog.pg_index x
JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]
CROSS JOIN LATERAL pg_catalog.pg_partition_tree(x.indexrelid) AS part
JOIN pg_catalog.pg_class c ON c.oid = part.relid
WHERE x.indrelid = pg_catalog.to_regclass($1) AND a.attname = $2`, PostgreSQL().quoteTable(table), column))
}

// postgresPlan lists the indexes that a lookup is done by.
func postgresPlan(ctx context.Context, db *sql.DB, s shape) ([]string, error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // it has written nothing
	if _, err := tx.ExecContext(ctx, "SET LOCAL enable_seqscan = off"); err != nil {
		return nil, err
	}
	var plan []byte
	find := s.find(PostgreSQL())
	err = tx.QueryRowContext(ctx, "EXPLAIN (FORMAT JSON) "+find.text, find.with(&values{spelled: s.spelled(anybody())})...).Scan(&plan)
	if err != nil {
		return nil, err
	}
	var tree any
	if err := json.Unmarshal(plan, &tree); err != nil {
		return nil, err
	}
	return entered(tree, s.mobileColumn.name), nil
}

// entered are the indexes in a plan that are entered by the column. A scan of a bitmap has the name in its own node.
func entered(node any, column string) (names []string) {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			names = append(names, entered(child, column)...)
		}
	case map[string]any:
		condition, _ := node["Index Cond"].(string)
		if name, ok := node["Index Name"].(string); ok && strings.Contains(condition, column) {
			names = append(names, name)
		}
		for _, child := range node {
			names = append(names, entered(child, column)...)
		}
	}
	return names
}

// postgresExcess leaves out what follows from being the owner or a superuser.
func postgresExcess(ctx context.Context, db querier, s shape) ([]string, error) {
	var superuser, owner bool
	name := PostgreSQL().quoteTable(s.table)
	err := db.QueryRowContext(ctx, `SELECT r.rolsuper, pg_catalog.pg_has_role(c.relowner, 'USAGE')
FROM pg_catalog.pg_class c, pg_catalog.pg_roles r WHERE c.oid = pg_catalog.to_regclass($1) AND r.rolname = current_user`, name).Scan(&superuser, &owner)
	switch {
	case err != nil:
		return nil, err
	case superuser:
		return []string{"is a superuser"}, nil
	case owner:
		return []string{"owns " + s.table}, nil
	}
	whole, err := texts(db.QueryContext(ctx, `SELECT p FROM unnest(ARRAY['INSERT', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p
WHERE pg_catalog.has_table_privilege(pg_catalog.to_regclass($1), p)`, name))
	if err != nil {
		return nil, err
	}
	columns := func(privilege string) ([]string, error) {
		return texts(db.QueryContext(ctx, `SELECT attname::text FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass($1)
AND attnum > 0 AND NOT attisdropped AND pg_catalog.has_column_privilege(attrelid, attnum, $2) ORDER BY attnum`, name, privilege))
	}
	return s.beyond(whole, columns)
}

func postgresServer(ctx context.Context, db querier) ([]Finding, error) {
	var standby bool
	var commit, role string
	err := db.QueryRowContext(ctx, "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('synchronous_commit'), current_user::text").
		Scan(&standby, &commit, &role)
	if err != nil {
		return nil, err
	}
	var all []Finding
	if standby {
		all = append(all, Finding{ID: "server.standby", Severity: Mend, About: "users.dsn", Text: "The server is a standby, which takes no writes: name " +
			"the primary, or all of them with target_session_attrs=primary."})
	}
	if commit == "off" {
		all = append(all, Finding{ID: "server.durability", Severity: Advice, About: "users.dsn", Text: "synchronous_commit is off: a crash of the server may " +
			"forget the last resets, whose codes are used up. For rekey's user alone:",
			Remedy: "ALTER ROLE " + postgresQuote(role) + " SET synchronous_commit = on;"})
	}
	return all, nil
}

// postgresTriggers leaves out the server's own, such as those of foreign keys. 16 is TRIGGER_TYPE_UPDATE in
// src/include/catalog/pg_trigger.h.
func postgresTriggers(ctx context.Context, db querier, s shape) ([]string, error) {
	return texts(db.QueryContext(ctx, `SELECT t.tgname::text FROM pg_catalog.pg_trigger t
WHERE t.tgrelid = pg_catalog.to_regclass($1) AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 16 <> 0
AND (cardinality(t.tgattr::int2[]) = 0 OR EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a
	WHERE a.attrelid = t.tgrelid AND a.attnum = ANY (t.tgattr::int2[]) AND a.attname = $2))
ORDER BY t.tgname`, PostgreSQL().quoteTable(s.table), s.passwordColumn.name))
}
