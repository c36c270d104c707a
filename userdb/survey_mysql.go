package userdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

func mysqlInspector() inspector {
	q := func(name string) string { return MySQL().quote(name) }
	return inspector{
		name: "MySQL/MariaDB", narrow: []string{"tinyint", "smallint", "mediumint", "int"}, clock: "SELECT UTC_TIMESTAMP(6)",
		view: mysqlView, about: mysqlAbout, indexes: mysqlIndexes, searches: mysqlSearches, excess: mysqlExcess, server: mysqlServer,
		triggers: mysqlTriggers, remains: mysqlRemains, closed: mysqlClosed,
		// MariaDB takes the first and MySQL, from 5.7.8 on, the second; each is a comment to the other.
		bounded: func(query string, after time.Duration) string {
			return fmt.Sprintf("/*M! SET STATEMENT max_statement_time=%d FOR */ ", int(after.Seconds())) +
				strings.Replace(query, "SELECT ", fmt.Sprintf("SELECT /*+ MAX_EXECUTION_TIME(%d) */ ", after.Milliseconds()), 1)
		},
		makeIndex: func(_ context.Context, _ querier, kind, table string, c column) (string, error) {
			return mysqlIndex(kind, table, c.name, q(c.name)+mysqlPrefix(c.kind)), nil
		},
		makeMetaIndex: func(s shape) string { // of a column for keys of any length, of which an index may hold 767 bytes
			m := s.preset.meta
			return mysqlIndex("INDEX", s.metaTable(), m.value, q(m.key)+"(40), "+q(m.value)+mysqlPrefix(s.mobileColumn.kind))
		},
		retype: mysqlRetype,
	}
}

// mysqlIndex is SQL that makes an index while the table is written to.
func mysqlIndex(kind, of, column, columns string) string {
	_, table := splitName(of)
	return "CREATE " + kind + " " + MySQL().quote(table+"_"+column) + " ON " + MySQL().quoteTable(of) + " (" + columns + ") ALGORITHM=INPLACE LOCK=NONE;"
}

// mysqlPrefix is how much of a column an index has, where it can't have all: a number has at most 16 characters, and
// some more with zeros before it.
func mysqlPrefix(kind string) string {
	if strings.HasSuffix(kind, "text") || strings.HasSuffix(kind, "blob") {
		return "(20)"
	}
	return ""
}

// mysqlPlace is the condition on the columns of information_schema that name a table, and mysqlName its values.
const mysqlPlace = "TABLE_SCHEMA = COALESCE(NULLIF(?, ''), DATABASE()) AND TABLE_NAME = ?"

func mysqlName(name string) []any {
	schema, table := splitName(name)
	return []any{schema, table}
}

func mysqlView(ctx context.Context, db querier, table string) (view bool, err error) {
	err = db.QueryRowContext(ctx, "SELECT TABLE_TYPE = 'VIEW' FROM information_schema.TABLES WHERE "+mysqlPlace, mysqlName(table)...).Scan(&view)
	return view, err
}

func mysqlAbout(ctx context.Context, db querier, table string) (rows int64, err error) {
	err = db.QueryRowContext(ctx, "SELECT COALESCE(TABLE_ROWS, 0) FROM information_schema.TABLES WHERE "+mysqlPlace, mysqlName(table)...).Scan(&rows)
	return rows, err
}

func mysqlIndexes(ctx context.Context, db querier, table string) ([]index, error) {
	return scanIndexes(db.QueryContext(ctx, "SELECT INDEX_NAME, NON_UNIQUE = 0, '', CASE WHEN INDEX_TYPE IN ('BTREE', 'HASH') THEN '' "+
		"ELSE 'it is of another kind' END, COALESCE(COLUMN_NAME, '') FROM information_schema.STATISTICS WHERE "+mysqlPlace+
		" ORDER BY INDEX_NAME, SEQ_IN_INDEX", mysqlName(table)...))
}

// mysqlSearches goes by the catalogue: how MySQL would go about the statement depends on what is in the table. Types and
// collations don't matter, since the values that are asked for become those of the column.
func mysqlSearches(_ context.Context, _ *sql.DB, s shape, have []index) (bool, error) {
	if s.preset.meta != nil {
		return s.metaIndexed(have), nil
	}
	return slices.ContainsFunc(have, func(i index) bool { return i.whole() && i.columns[0] == s.mobileColumn.name }), nil
}

// mysqlExcess sees what was granted to the user itself and to the role that it has. "%" and "_" in the name of a granted
// database stand for others.
func mysqlExcess(ctx context.Context, db querier, s shape) ([]string, error) {
	var user, role string
	if err := db.QueryRowContext(ctx, "SELECT CURRENT_USER()").Scan(&user); err != nil {
		return nil, err
	}
	if err := db.QueryRowContext(ctx, "SELECT COALESCE(CURRENT_ROLE(), '')").Scan(&role); err != nil {
		role = "" // MySQL 5.7 has no roles
	}
	grantees := []any{role}
	if i := strings.LastIndexByte(user, '@'); i >= 0 {
		grantees = append(grantees, "'"+user[:i]+"'@'"+user[i+1:]+"'")
	}
	ask := func(columns, from, where string, args ...any) ([]string, error) {
		return texts(db.QueryContext(ctx, "SELECT DISTINCT "+columns+" FROM information_schema."+from+" WHERE GRANTEE IN (?, ?)"+where,
			slices.Concat(grantees, args)...))
	}
	everywhere, err := ask("PRIVILEGE_TYPE", "USER_PRIVILEGES", " AND PRIVILEGE_TYPE <> 'USAGE'")
	if err != nil {
		return nil, err
	}
	schema, _ := splitName(s.table)
	within, err := ask("PRIVILEGE_TYPE", "SCHEMA_PRIVILEGES", " AND COALESCE(NULLIF(?, ''), DATABASE()) LIKE TABLE_SCHEMA", schema)
	if err != nil {
		return nil, err
	}
	whole, err := ask("PRIVILEGE_TYPE", "TABLE_PRIVILEGES", " AND "+mysqlPlace, mysqlName(s.table)...)
	if err != nil {
		return nil, err
	}
	columns := func(privilege string) ([]string, error) {
		return ask("COLUMN_NAME", "COLUMN_PRIVILEGES", " AND PRIVILEGE_TYPE = ? AND "+mysqlPlace, append([]any{privilege}, mysqlName(s.table)...)...)
	}
	var all []string
	if len(everywhere) > 0 {
		all = append(all, "may "+some(everywhere)+" in every database of the server")
	}
	if len(within) > 0 {
		all = append(all, "may "+some(within)+" in the whole database")
	}
	onTable, err := s.beyond(whole, columns)
	return append(all, onTable...), err
}

// mysqlServer looks at innodb_flush_log_at_trx_commit, under which, unless it is 1, a commit is not on disk when it is
// answered; MariaDB has 3, which is as good.
func mysqlServer(ctx context.Context, db querier) ([]Finding, error) {
	var flush int
	if err := db.QueryRowContext(ctx, "SELECT @@innodb_flush_log_at_trx_commit").Scan(&flush); err != nil {
		return nil, err
	}
	if flush == 1 || flush == 3 {
		return nil, nil
	}
	return []Finding{{ID: "server.durability", Severity: Advice, About: "users.dsn", Text: fmt.Sprintf("innodb_flush_log_at_trx_commit is %d: a crash of the "+
		"server may forget the last resets, whose codes are used up.", flush), Remedy: "SET GLOBAL innodb_flush_log_at_trx_commit = 1;"}}, nil
}

// mysqlClosed is true as well for a user who may write all the same, which is why a refusal comes before it.
func mysqlClosed(ctx context.Context, db querier) (closed bool, err error) {
	err = db.QueryRowContext(ctx, "SELECT @@read_only <> 0 OR @@innodb_read_only <> 0").Scan(&closed)
	return closed, err
}

// mysqlTriggers sees those alone on whose table the user has the right TRIGGER.
func mysqlTriggers(ctx context.Context, db querier, s shape) ([]string, error) {
	return texts(db.QueryContext(ctx, "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_MANIPULATION = 'UPDATE' "+
		"AND EVENT_OBJECT_SCHEMA = COALESCE(NULLIF(?, ''), DATABASE()) AND EVENT_OBJECT_TABLE = ? ORDER BY TRIGGER_NAME", mysqlName(s.table)...))
}

// mysqlRemains fails if there are tables that don't take part in transactions: a trigger might write to one.
func mysqlRemains(ctx context.Context, db querier) error {
	names, err := texts(db.QueryContext(ctx, `SELECT t.TABLE_NAME FROM information_schema.TABLES t JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE
WHERE t.TABLE_SCHEMA = DATABASE() AND COALESCE(e.TRANSACTIONS, 'NO') <> 'YES' ORDER BY t.TABLE_NAME`))
	if err != nil {
		return err
	}
	if len(names) > 0 {
		return errors.New("a trigger might write to " + some(names) + ", whose engine can't roll back")
	}
	return nil
}

// mysqlRetype repeats what MODIFY would else take away from the column. The default is not among it, which MySQL and
// MariaDB write differently.
func mysqlRetype(ctx context.Context, db querier, table string, c column, to string) (string, error) {
	var nullable bool
	var charset, collation sql.NullString
	err := db.QueryRowContext(ctx, "SELECT IS_NULLABLE = 'YES', CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLUMNS WHERE "+mysqlPlace+
		" AND COLUMN_NAME = ?", append(mysqlName(table), c.name)...).Scan(&nullable, &charset, &collation)
	if err != nil {
		return "", err
	}
	if charset.Valid && strings.HasPrefix(to, "varchar") {
		to += " CHARACTER SET " + charset.String + " COLLATE " + collation.String
	}
	if !nullable {
		to += " NOT NULL"
	}
	return "ALTER TABLE " + MySQL().quoteTable(table) + " MODIFY " + MySQL().quote(c.name) + " " + to + "; -- and its DEFAULT, if it has one", nil
}
