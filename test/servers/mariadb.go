package servers

import (
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

// mariadb is the engine of MariaDB.
type mariadb struct{ installer, server string } // programs

func findMariaDB() (engine, error) {
	installer, err := findProgram("mariadb-install-db")
	if err == nil {
		var server string
		if server, err = findProgram("mariadbd"); err == nil {
			return mariadb{installer, server}, nil
		}
	}
	return nil, &notInstalled{"MariaDB", "mariadb-server"}
}

func (mariadb) name() string { return "MariaDB" }
func (mariadb) kind() string { return MySQL }
func (mariadb) user() string { return "mysql" }

// common are the options of the installer and the server alike. The temporary tables have a folder of their own because a
// server that starts removes those that it finds. The server is kept small: its own default is a log of 96 MiB and a pool
// of 128 MiB.
func (mariadb) common(h *home) []string {
	return []string{"--no-defaults", "--datadir=" + h.path("data"), "--tmpdir=" + h.path("tmp"), "--skip-name-resolve",
		"--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M"}
}

func (e mariadb) install(h *home, superuser, password string) error {
	// The server would take the roots that mariadb-install-db makes without a password.
	accounts := fmt.Sprintf("FLUSH PRIVILEGES;\n"+
		"CREATE USER '%s'@'%%' IDENTIFIED VIA mysql_native_password USING PASSWORD('%s');\n"+
		"GRANT ALL ON *.* TO '%s'@'%%' WITH GRANT OPTION;\n"+
		"DELETE FROM mysql.global_priv WHERE User IN ('', 'root');\n", superuser, password, superuser)
	if err := h.write("accounts.sql", []byte(accounts)); err != nil {
		return err
	}
	if err := h.makeFolder("tmp"); err != nil {
		return err
	}
	err := h.run(e.installer, append(e.common(h), "--auth-root-authentication-method=normal", "--skip-test-db",
		"--extra-file="+h.path("accounts.sql"))...)
	if err != nil {
		return err
	}
	return os.Remove(h.path("accounts.sql"))
}

func (e mariadb) command(s *Server, hasty bool) (string, []string) {
	arguments := append(e.common(s.home), "--bind-address="+loopback, "--port="+strconv.Itoa(s.Port), "--skip-networking=0",
		"--socket="+s.home.path("socket"), "--pid-file="+s.home.path("pid"),
		"--max-connections=200", "--character-set-server=utf8mb4",
		"--ssl-cert="+s.home.path(certificateFile), "--ssl-key="+s.home.path(keyFile))
	if hasty {
		arguments = append(arguments, "--innodb-flush-log-at-trx-commit=2")
	}
	return e.server, arguments
}

func (mariadb) stopSignal() syscall.Signal { return syscall.SIGTERM }
func (mariadb) endSignal() syscall.Signal  { return syscall.SIGKILL }

func (mariadb) open(d Database) (*sql.DB, error) {
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", d.Address()
	config.User, config.Passwd, config.DBName = d.User, d.Password, d.Name
	config.MultiStatements, config.ParseTime = true, true
	config.Logger = &mysql.NopLogger{} // a server that has still to start is not worth a line a try
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

func (e mariadb) create(d Database) []string {
	return append(e.role(d.User, d.Password), fmt.Sprintf("CREATE DATABASE `%s`", d.Name),
		fmt.Sprintf("GRANT ALL ON `%s`.* TO '%s'@'%%'", d.Name, d.User))
}

func (mariadb) role(name, password string) []string {
	return []string{fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED VIA mysql_native_password USING PASSWORD('%s')", name, password)}
}

// drop ends the owner's connections first: one that a test left within a transaction would hold up the rest.
func (mariadb) drop(d Database) []string {
	return []string{"SET SESSION lock_wait_timeout = 30", fmt.Sprintf("KILL HARD CONNECTION USER '%s'@'%%'", d.User),
		fmt.Sprintf("DROP DATABASE `%s`", d.Name)}
}

func (mariadb) crashed(*home) error { return nil }
