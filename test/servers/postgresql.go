package servers

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgresql is the engine of PostgreSQL; programs is the folder of its programs.
type postgresql struct{ programs string }

// findPostgreSQL finds the newest PostgreSQL: Debian keeps the programs of each version in a folder of their own, out of
// PATH.
func findPostgreSQL() (engine, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return nil, err
	}
	newest, folder := 0, ""
	for _, initdb := range found {
		bin := filepath.Dir(initdb)
		if version, err := strconv.Atoi(filepath.Base(filepath.Dir(bin))); err == nil && version > newest {
			newest, folder = version, bin
		}
	}
	if folder == "" {
		initdb, err := exec.LookPath("initdb")
		if err != nil {
			return nil, &notInstalled{"PostgreSQL", "postgresql"}
		}
		folder = filepath.Dir(initdb)
	}
	return postgresql{folder}, nil
}

const postgresqlUser = "postgres"

func (postgresql) name() string { return "PostgreSQL" }
func (postgresql) kind() string { return Postgres }
func (postgresql) user() string { return postgresqlUser }

func (e postgresql) install(h *home, superuser, password string) error {
	if err := h.write("password", []byte(password+"\n")); err != nil {
		return err
	}
	err := h.run(filepath.Join(e.programs, "initdb"), "--pgdata", h.path("data"), "--auth", "scram-sha-256", "--username", superuser,
		"--pwfile", h.path("password"), "--encoding", "UTF8", "--no-locale", "--no-sync")
	if err != nil {
		return err
	}
	return os.Remove(h.path("password"))
}

func (e postgresql) command(s *Server, hasty bool) (string, []string) {
	settings := []string{
		"listen_addresses=" + loopback, "port=" + strconv.Itoa(s.Port), "unix_socket_directories=",
		"max_connections=200", "shared_buffers=16MB", "huge_pages=off",
		"dynamic_shared_memory_type=mmap", // in the data directory: /dev/shm is small in containers, and nothing stays there
		"ssl=on", "ssl_cert_file=" + s.home.path(certificateFile), "ssl_key_file=" + s.home.path(keyFile),
	}
	if hasty {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	arguments := []string{"-D", s.home.path("data")}
	for _, setting := range settings {
		arguments = append(arguments, "-c", setting)
	}
	return filepath.Join(e.programs, "postgres"), arguments
}

// stopSignal is for what PostgreSQL calls fast shutdown; endSignal is for the immediate one.
func (postgresql) stopSignal() syscall.Signal { return syscall.SIGINT }
func (postgresql) endSignal() syscall.Signal  { return syscall.SIGQUIT }

func (postgresql) open(d Database) (*sql.DB, error) {
	config, err := pgx.ParseConfig(d.DSN)
	if err != nil {
		return nil, err
	}
	return stdlib.OpenDB(*config), nil
}

func (e postgresql) create(d Database) []string {
	return append(e.role(d.User, d.Password), fmt.Sprintf(`CREATE DATABASE "%s" OWNER "%s"`, d.Name, d.User))
}

func (postgresql) role(name, password string) []string {
	return []string{fmt.Sprintf(`CREATE ROLE "%s" LOGIN PASSWORD '%s'`, name, password)}
}

func (postgresql) drop(d Database) []string {
	return []string{fmt.Sprintf(`DROP DATABASE "%s" WITH (FORCE)`, d.Name)}
}

// crashed removes the segment of System V shared memory by which PostgreSQL tells that it runs. A machine's crash would
// take it along; left, it would be one of the 4096 that the system has until it restarts.
func (postgresql) crashed(h *home) error {
	content, err := os.ReadFile(filepath.Join(h.path("data"), "postmaster.pid"))
	if err != nil {
		return err
	}
	const segmentLine = 6 // from 0: LOCK_FILE_LINE_SHMEM_KEY in src/include/utils/pidfile.h, "key id"
	lines := strings.Split(string(content), "\n")
	if len(lines) <= segmentLine {
		return fmt.Errorf("postmaster.pid names no shared memory: %q", content)
	}
	_, id, found := strings.Cut(strings.TrimSpace(lines[segmentLine]), " ")
	if !found {
		return fmt.Errorf("postmaster.pid names no shared memory: %q", content)
	}
	return h.run("ipcrm", "-m", strings.TrimSpace(id))
}
