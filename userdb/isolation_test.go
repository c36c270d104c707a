package userdb_test

import (
	"strings"
	"testing"

	"rekey/cmd/rekey/databases"
	"rekey/test/servers"
	"rekey/userdb/userdbtest"
)

// A role or a server may have another level of isolation as its default than the one that a reset needs.
func TestT04_TheDefaultLevelOfIsolationMakesNoDifference(t *testing.T) {
	t.Parallel()
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		for _, level := range []string{"REPEATABLE READ", "SERIALIZABLE"} {
			source := servers.PostgreSQL(t)
			exec(t, source.Open(t), `ALTER ROLE "`+source.User+`" SET default_transaction_isolation = '`+level+`'`)
			races(t, source, level)
		}
	})
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		server := servers.StartMariaDB(t)
		// With it MariaDB fails where a row is another than when the transaction began to look: its default from 11.6 on.
		exec(t, server.NewDatabase(t).Admin().Open(t), "SET GLOBAL innodb_snapshot_isolation = ON, innodb_flush_log_at_trx_commit = 2")
		for _, level := range []string{"READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"} {
			source := server.NewDatabase(t)
			exec(t, source.Admin().Open(t), "SET GLOBAL TRANSACTION ISOLATION LEVEL "+level)
			races(t, source, level)
		}
	})
}

// races runs the races of the suite on a database of which sessions begin at this level.
func races(t *testing.T, source servers.Database, level string) {
	t.Run(level, func(t *testing.T) {
		d := serve(t, source, source.DSN)
		ask, relax := "SHOW default_transaction_isolation", "SET default_transaction_isolation = 'read committed'"
		if d.Kind == databases.MySQL {
			ask, relax = "SELECT @@tx_isolation", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
		}
		var is string
		if err := d.Write.QueryRowContext(t.Context(), ask).Scan(&is); err != nil || strings.ReplaceAll(strings.ToUpper(is), "-", " ") != level {
			t.Fatalf("the level is %q, %v", is, err)
		}
		d.exec(t, relax) // for the application, which tries nothing again
		userdbtest.RunRacing(t, d.strangers(t, lax(d.Kind)))
	})
}
