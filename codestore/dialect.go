package codestore

import "database/sql"

// Dialect is what the store must know of a database. A document is a row: its name, its state in JSON, and the instant
// from which it is as if it were not there, in microseconds since the Unix epoch. {table} in a statement is the table, and
// {idle} the milliseconds after which a transaction that says nothing is one whose client is gone. Names go in as a JSON
// array, sorted.
type Dialect struct {
	// tables makes the store's tables; each statement does nothing where it has been run before.
	tables []string
	// lock keeps everybody else from the documents with these names until the transaction ends, also from those that are
	// not there; empty: every transaction has the whole database to itself.
	lock string
	// load reads a row for each name: name, state (NULL or empty: no document) and the time on the database's clock.
	load string
	// save stores the documents in a JSON array of objects: name, state, expires.
	save string
	// drop removes the documents with these names.
	drop string
	// expired reads the names of at most so many documents that have expired.
	expired string
	// purge removes those of the documents with these names that have expired.
	purge string

	isolation *sql.TxOptions
	prepares  bool // a statement prepared ahead is worth its while
}

// SQLite is the dialect of SQLite 3.42 and later (unixepoch with subsec). A transaction must begin with the write lock
// (modernc.org/sqlite: _txlock=immediate). With WAL and synchronous=NORMAL a power cut may forget the last codes and
// counts, never a reset: that is decided in the users table.
func SQLite() Dialect {
	const now = `CAST(unixepoch('subsec') * 1000000 AS INTEGER)`
	return Dialect{
		tables: []string{
			`CREATE TABLE IF NOT EXISTS {table} (
				name       TEXT PRIMARY KEY,
				state      TEXT NOT NULL,
				expires_at INTEGER NOT NULL
			) WITHOUT ROWID`,
			`CREATE INDEX IF NOT EXISTS {table}_expires_at ON {table} (expires_at)`,
		},
		load: `SELECT n.value, d.state, ` + now + ` FROM json_each(?) AS n LEFT JOIN {table} AS d ON d.name = n.value`,
		save: `INSERT INTO {table} (name, state, expires_at)
			SELECT value ->> 'name', value ->> 'state', value ->> 'expires' FROM json_each(?) WHERE true
			ON CONFLICT (name) DO UPDATE SET state = excluded.state, expires_at = excluded.expires_at`,
		drop:     `DELETE FROM {table} WHERE name IN (SELECT value FROM json_each(?))`,
		expired:  `SELECT name FROM {table} WHERE expires_at <= ` + now + ` LIMIT ?`,
		purge:    `DELETE FROM {table} WHERE name IN (SELECT value FROM json_each(?)) AND expires_at <= ` + now,
		prepares: true,
	}
}

// PostgreSQL is the dialect of PostgreSQL, from version 12 on. A document is locked by an advisory lock on a hash of
// table and name (two that share one wait for each other, and nothing worse), since a row that is not there can't be
// locked. Such locks end with the transaction, so that a pooler in transaction mode may stand between; and the transaction
// with a client that is gone without a word (idle_in_transaction_session_timeout), which would else hold them until the
// system gives its connection up, hours later. Under READ COMMITTED what is read after the lock is what its last holder
// left, and the time of that statement is later than its.
func PostgreSQL() Dialect {
	const now = `(EXTRACT(EPOCH FROM statement_timestamp()) * 1000000)::bigint`
	const names = `json_array_elements_text($1::text::json)`
	// An array is thought to have ten elements, names a hundred: with these a table of some thousand rows would be read from
	// end to end.
	const these = `name = ANY (ARRAY(SELECT ` + names + `))`
	return Dialect{
		tables: []string{
			`CREATE TABLE IF NOT EXISTS {table} (
				name       text COLLATE "C" PRIMARY KEY,
				state      text NOT NULL,
				expires_at bigint NOT NULL
			)`,
			`CREATE INDEX IF NOT EXISTS {table}_expires_at ON {table} (expires_at)`,
		},
		lock: `SELECT set_config('idle_in_transaction_session_timeout', '{idle}', true), pg_advisory_xact_lock(hashtextextended('{table} ' || value, 0)) FROM ` + names + ` AS value`,
		load: `SELECT n.value, d.state, ` + now + ` FROM ` + names + ` AS n (value)
			LEFT JOIN (SELECT name, state FROM {table} WHERE ` + these + `) AS d ON d.name = n.value`,
		save: `INSERT INTO {table} (name, state, expires_at)
			SELECT value ->> 'name', value ->> 'state', (value ->> 'expires')::bigint FROM json_array_elements($1::text::json) AS value
			ON CONFLICT (name) DO UPDATE SET state = excluded.state, expires_at = excluded.expires_at`,
		drop:      `DELETE FROM {table} WHERE ` + these,
		expired:   `SELECT name FROM {table} WHERE expires_at <= ` + now + ` LIMIT $1`,
		purge:     `DELETE FROM {table} WHERE ` + these + ` AND expires_at <= ` + now,
		isolation: &sql.TxOptions{Isolation: sql.LevelReadCommitted},
	}
}

// MySQL is the dialect of MySQL, from version 8.0.4 on, and MariaDB, from 10.6 on (JSON_TABLE). A document is locked by
// its row, which is made empty where it is not there: ON DUPLICATE KEY UPDATE takes the lock of a row that is there as if
// it wrote, so that nobody holds a weaker one and waits for the stronger. What stays empty expires at once. Under READ
// COMMITTED no gap between rows is locked, where two that insert would wait for each other. How long the locks of a client
// that is gone without a word are kept is for the connection's own settings to bound.
func MySQL() Dialect {
	const now = `TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))`
	const names = `JSON_TABLE(?, '$[*]' COLUMNS (name VARCHAR(191) CHARACTER SET ascii COLLATE ascii_bin PATH '$')) AS n`
	return Dialect{
		tables: []string{
			`CREATE TABLE IF NOT EXISTS {table} (
				name       VARCHAR(191) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
				state      MEDIUMTEXT CHARACTER SET utf8mb4 NOT NULL,
				expires_at BIGINT NOT NULL,
				INDEX {table}_expires_at (expires_at)
			) ENGINE=InnoDB`,
		},
		lock: `INSERT INTO {table} (name, state, expires_at) SELECT n.name, '', 0 FROM ` + names + ` ON DUPLICATE KEY UPDATE name = VALUES(name)`,
		load: `SELECT n.name, d.state, ` + now + ` FROM ` + names + ` LEFT JOIN {table} AS d ON d.name = n.name`,
		save: `INSERT INTO {table} (name, state, expires_at) SELECT n.name, n.state, n.expires FROM JSON_TABLE(?, '$[*]' COLUMNS (
				name VARCHAR(191) CHARACTER SET ascii COLLATE ascii_bin PATH '$.name', state JSON PATH '$.state', expires BIGINT PATH '$.expires')) AS n
			ON DUPLICATE KEY UPDATE state = VALUES(state), expires_at = VALUES(expires_at)`,
		drop:      `DELETE d FROM {table} AS d JOIN ` + names + ` ON d.name = n.name`,
		expired:   `SELECT name FROM {table} WHERE expires_at <= ` + now + ` LIMIT ?`,
		purge:     `DELETE d FROM {table} AS d JOIN ` + names + ` ON d.name = n.name WHERE d.expires_at <= ` + now,
		isolation: &sql.TxOptions{Isolation: sql.LevelReadCommitted},
	}
}
