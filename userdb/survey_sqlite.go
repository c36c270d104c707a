package userdb

import (
	"cmp"
	"context"
	"database/sql"
	"strings"
)

// sqliteInspector has neither rights nor a clock to ask about: both are this machine's.
func sqliteInspector() inspector {
	return inspector{
		name: "SQLite",
		view: sqliteView, about: sqliteCount, indexes: sqliteIndexes, searches: sqliteSearches, triggers: sqliteTriggers,
		makeIndex: func(_ context.Context, _ querier, kind, table string, c column) (string, error) {
			return sqliteIndex(kind, table, c.name), nil
		},
		makeMetaIndex: func(s shape) string {
			return sqliteIndex("INDEX", s.metaTable(), s.preset.meta.key, s.preset.meta.value)
		},
	}
}

// sqliteIndex is SQL that makes an index. It lies in the schema of its table, which stands before its own name.
func sqliteIndex(kind, of string, columns ...string) string {
	schema, table := splitName(of)
	name := table + "_" + strings.Join(columns, "_")
	if schema != "" {
		name = schema + "." + name
	}
	d := SQLite()
	var quoted []string
	for _, c := range columns {
		quoted = append(quoted, d.quote(c))
	}
	return "CREATE " + kind + " " + d.quoteTable(name) + " ON " + d.quote(table) + " (" + strings.Join(quoted, ", ") + ");"
}

func sqliteView(ctx context.Context, db querier, name string) (view bool, err error) {
	schema, table := splitName(name)
	err = db.QueryRowContext(ctx, "SELECT type = 'view' FROM pragma_table_list WHERE schema = ? AND name = ? COLLATE NOCASE",
		cmp.Or(schema, "main"), table).Scan(&view)
	return view, err
}

// sqliteCount counts: SQLite keeps no estimate, and ten millions are a second or two.
func sqliteCount(ctx context.Context, db querier, name string) (rows int64, err error) {
	err = db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+SQLite().quoteTable(name)).Scan(&rows)
	return rows, err
}

// sqliteIndexes lists an INTEGER PRIMARY KEY, too, which is the rowid and no index of its own.
func sqliteIndexes(ctx context.Context, db querier, name string) ([]index, error) {
	schema, table := splitName(name)
	schema = cmp.Or(schema, "main")
	return scanIndexes(db.QueryContext(ctx, `SELECT l.name, l."unique", CASE WHEN l.partial THEN substr(m.sql, instr(upper(m.sql), ' WHERE ') + 7) ELSE '' END,
	'', COALESCE(i.name, '')
FROM pragma_index_list(?, ?) AS l, pragma_index_info(l.name, ?) AS i
LEFT JOIN `+SQLite().quote(schema)+`.sqlite_master AS m ON m.type = 'index' AND m.name = l.name
UNION ALL SELECT 'the primary key', 1, '', '', MAX(name) FROM pragma_table_info(?, ?) WHERE pk > 0 HAVING COUNT(*) = 1`,
		table, schema, schema, table, schema))
}

// sqliteSearches reads how SQLite would go about the statement: "SEARCH u USING INDEX users_mobile (mobile=?)". One that
// begins with another column has ANY( there.
func sqliteSearches(ctx context.Context, db *sql.DB, s shape, _ []index) (bool, error) {
	find := s.find(SQLite())
	rows, err := db.QueryContext(ctx, "EXPLAIN QUERY PLAN "+find.text, find.with(&values{spelled: s.spelled(anybody())})...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	searches := false
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			return false, err
		}
		searches = searches || strings.HasPrefix(detail, "SEARCH ") && strings.Contains(detail, s.mobileColumn.name+"=?") &&
			!strings.Contains(detail, "(ANY(")
	}
	return searches, rows.Err()
}

// sqliteTriggers looks at what each says before its statements begin.
func sqliteTriggers(ctx context.Context, db querier, s shape) ([]string, error) {
	schema, table := splitName(s.table)
	return texts(db.QueryContext(ctx, "SELECT name FROM "+SQLite().quote(cmp.Or(schema, "main"))+`.sqlite_master
WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE AND substr(upper(sql), 1, instr(upper(sql), 'BEGIN')) LIKE '%UPDATE%' ORDER BY name`, table))
}
