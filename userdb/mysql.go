package userdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
)

// MySQL is the dialect of MySQL, from version 5.7 on, and MariaDB, from 10.3 on.
//
// MySQL tells how many rows an UPDATE changed, not how many it matched, unless the client asks for the latter
// (clientFoundRows). Here both are the same, so that neither can be misread (T20): a matched row always changes, since a
// new hash has a new salt.
func MySQL() Dialect {
	return Dialect{
		quote: func(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" },
		param: func(int) string { return "?" },
		text:  func(expression string) string { return expression },
		// As the bytes of UTF-8, whatever the column's character set and collation: most of MySQL's are blind to case,
		// accents and spaces at the end.
		exact: func(expression string) string { return "CAST(CONVERT(" + expression + " USING utf8mb4) AS BINARY)" },
		// Frameworks that keep UTC hand it over as it is printed, in whatever zone the session is, and read it back so. That
		// holds for a TIMESTAMP, which converts at both ends (Laravel's timestamps()), as for a DATETIME.
		now: func(_ column, utc bool) string {
			if utc {
				return "UTC_TIMESTAMP"
			}
			return "CURRENT_TIMESTAMP"
		},
		truth: func(expression string, _ column) string { return expression },

		folds: true,
		key:   "BIGINT AUTO_INCREMENT PRIMARY KEY", instant: "TIMESTAMP", hasty: true,
		epoch:     func(expression string) string { return "UNIX_TIMESTAMP(" + expression + ")" },
		columns:   mysqlColumns,
		rollsBack: mysqlRollsBack,
		transact:  serverTransact(mysqlBegin()...),
		alone:     mysqlAlone,
		inspect:   mysqlInspector(),
	}
}

func mysqlColumns(ctx context.Context, db querier, name string) ([]column, error) {
	schema, table := splitName(name)
	rows, err := db.QueryContext(ctx, `SELECT COLUMN_NAME, CASE WHEN COLUMN_TYPE LIKE '%zerofill' THEN CONCAT(DATA_TYPE, ' zerofill') ELSE DATA_TYPE END,
	IS_NULLABLE = 'NO', CHARACTER_MAXIMUM_LENGTH FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = COALESCE(NULLIF(?, ''), DATABASE()) AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`, schema, table)
	return scanColumns(rows, err, func(c *column, size sql.NullInt64) {
		// ZEROFILL pads what is compared as a text, and not what is read as a number.
		if strings.HasSuffix(c.kind, "zerofill") {
			c.raw = true
			return
		}
		switch c.kind {
		case "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "uuid":
			c.class, c.length = classText, size.Int64
		case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
			c.class, c.length, c.raw = classText, size.Int64, true
		case "tinyint", "smallint", "mediumint", "int":
			c.class, c.most = classInteger, math.MaxUint32 // there may be a sign less
		case "bigint", "decimal":
			c.class = classInteger
		case "float", "double", "year":
			c.class = classNumber
		case "bit":
			c.class = classBoolean
		case "datetime", "timestamp", "date":
			c.class = classTime
		}
	})
}

// mysqlRollsBack refuses the engines that write at once what belongs to a transaction, such as MyISAM and Aria.
func mysqlRollsBack(ctx context.Context, db querier, name string) error {
	schema, table := splitName(name)
	var engine string
	err := db.QueryRowContext(ctx, `SELECT t.ENGINE FROM information_schema.TABLES t JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE
WHERE t.TABLE_SCHEMA = COALESCE(NULLIF(?, ''), DATABASE()) AND t.TABLE_NAME = ? AND COALESCE(e.TRANSACTIONS, 'NO') <> 'YES'`,
		schema, table).Scan(&engine)
	switch {
	case errors.Is(err, sql.ErrNoRows): // of another engine, or a view
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("%s is of the engine %s, which can't roll back: ALTER TABLE %s ENGINE=InnoDB", name, engine, MySQL().quoteTable(name))
}

// mysqlBegin begins a transaction at REPEATABLE READ, which is InnoDB's own default. Under it an UPDATE that waited for
// another's reads the row as it is then, and its condition fails: that is the compare-and-set. Under SERIALIZABLE it is an
// error instead where MariaDB compares it with what the transaction saw first (innodb_snapshot_isolation, on from 11.6),
// and under the laxer levels InnoDB writes nothing where the binary log is one of statements.
func mysqlBegin() []string {
	return []string{"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION"}
}

// mysqlAlone holds a named lock, since a CREATE TABLE ends MySQL's transaction and with it every lock of its rows. The
// lock's name is the server's, so that it carries the database's.
func mysqlAlone(ctx context.Context, db *sql.DB, work func(querier) error) error {
	conn, err := alive(ctx, db, ping(ctx))
	if err != nil {
		return err
	}
	defer conn.Close()
	const name = "CONCAT('rekey ', MD5(DATABASE()))"
	var locked sql.NullInt64
	if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK("+name+", 10)").Scan(&locked); err != nil {
		return err
	}
	if locked.Int64 != 1 {
		return errors.New("another process has been changing the users table for 10 seconds; try again once it is done")
	}
	if err = execAll(ctx, conn, mysqlBegin()); err == nil {
		err = finish(ctx, conn, work(conn))
	}
	// The lock is the connection's: one that can't let go of it must not go back to the pool.
	if _, failed := conn.ExecContext(ctx, "DO RELEASE_LOCK("+name+")"); failed != nil {
		discard(conn)
	}
	return err
}
