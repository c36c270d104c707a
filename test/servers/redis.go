package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisDatabases is how many databases a server has: one for each test that asks for one of the shared server, with room
// for -count.
const redisDatabases = 10_000

// redisGroup is Redis servers that belong together: they share a home, an authority and a user.
type redisGroup struct {
	program     string
	home        *home
	authority   string // file
	credentials        // of the user on those that hold keys
	servers     []*RedisServer
	made        atomic.Int64 // roles
}

// RedisServer is a redis-server on loopback, alone or a node among others. Stop, Kill, Start, Freeze and Thaw are called by
// one goroutine at a time.
type RedisServer struct {
	Keyspace          // its database 0
	TLS      Keyspace // the same over TLS
	Port     int      // on 127.0.0.1, the same as long as the test runs

	name      string // for people
	id        string // for the Cluster that it is a node of
	announced string // where the Cluster's nodes say that it is, without TLS
	folder    string // within the home
	ports     []*port
	sentinel  bool
	client    *redis.Client
	process   *process // nil while it is down
	frozen    bool
	made      atomic.Int64 // databases that were given out
}

func findRedis() (program string, err error) {
	program, err = findProgram("redis-server")
	if err != nil {
		return "", &notInstalled{"Redis", "redis-server"}
	}
	return program, nil
}

// newRedisGroup makes a home for servers.
func newRedisGroup() (*redisGroup, error) {
	program, err := findRedis()
	if err != nil {
		return nil, err
	}
	g := &redisGroup{program: program, credentials: credentials{redisUser, newPassword()}}
	if g.home, err = newHome("redis"); err != nil {
		return nil, err
	}
	if g.authority, err = certify(g.home); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

// add makes one more server, with ports, a folder and a user who may do everything, but without its settings.
func (g *redisGroup) add(name string, user credentials) (*RedisServer, error) {
	s := &RedisServer{name: name}
	g.servers = append(g.servers, s)
	var err error
	if s.Port, err = s.reserve(); err != nil {
		return nil, err
	}
	encrypted, err := s.reserve()
	if err != nil {
		return nil, err
	}
	s.Keyspace = Keyspace{Address: at(s.Port), User: user.user, Password: user.password, group: g}.located()
	s.announced = s.Address
	s.TLS = s.Keyspace
	s.TLS.CA = g.authority
	s.TLS = s.TLS.Via(at(encrypted))
	s.folder = strconv.Itoa(s.Port)
	if err := g.home.makeFolder(s.folder); err != nil {
		return nil, err
	}
	c, err := s.connect()
	if err != nil {
		return nil, err
	}
	s.client = c.(*redis.Client) // of one address without a master's name
	return s, nil
}

// configure writes the server's files. The settings are lines of redis.conf, of which the last one counts where two differ;
// arguments would show passwords to whoever lists processes.
func (s *RedisServer) configure(settings ...string) error {
	h := s.group.home
	lines := append([]string{
		"bind " + loopback, "port " + strconv.Itoa(s.Port), "protected-mode no",
		"dir " + h.path(s.folder), "aclfile " + h.path(filepath.Join(s.folder, "users")),
		"tls-port " + s.TLS.port(), "tls-cert-file " + h.path(certificateFile),
		"tls-key-file " + h.path(keyFile), "tls-ca-cert-file " + s.group.authority, "tls-auth-clients no",
	}, settings...)
	users := fmt.Sprintf("user default off\nuser %s on >%s ~* &* +@all\n", s.User, s.Password)
	if err := h.write(filepath.Join(s.folder, "users"), []byte(users)); err != nil {
		return err
	}
	return h.write(s.conf(), []byte(strings.Join(lines, "\n")+"\n"))
}

// keeping are the settings of a server that holds keys.
func keeping() []string {
	return []string{"databases " + strconv.Itoa(redisDatabases), `save ""`, "appendonly no", "maxmemory-policy noeviction"}
}

// conf is the server's redis.conf, within the home.
func (s *RedisServer) conf() string { return filepath.Join(s.folder, "redis.conf") }

// at is a port of loopback, host:port.
func at(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

// reserve gives the server one more port.
func (s *RedisServer) reserve() (int, error) {
	p, err := reservePort()
	if err != nil {
		return 0, err
	}
	s.ports = append(s.ports, p)
	return p.number, nil
}

// begin starts the server's process; answers waits for it.
func (s *RedisServer) begin() (err error) {
	arguments := []string{s.group.home.path(s.conf())}
	if s.sentinel {
		arguments = append(arguments, "--sentinel")
	}
	s.process, err = s.group.home.start(syscall.SIGKILL, s.group.program, arguments...)
	return err
}

// answers waits until the server has read its data and executes commands.
func (s *RedisServer) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		// A connection first: the client would write a line about each that fails.
		c, err := net.Dial("tcp", s.Address)
		if err == nil {
			_ = c.Close() // nothing was said
			if err = s.client.Ping(ctx).Err(); err == nil {
				return nil
			}
		}
		select {
		case <-s.process.exited:
			state := s.process.cmd.ProcessState
			s.process = nil
			return fmt.Errorf("%s did not start: %v\n%s", s.name, state, s.group.home.said())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w\n%s", s.name, err, s.group.home.said())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// start starts servers, all at once, and waits until each answers.
func (g *redisGroup) start(servers ...*RedisServer) error {
	for _, s := range servers {
		if err := s.begin(); err != nil {
			return err
		}
	}
	for _, s := range servers {
		if err := s.answers(); err != nil {
			return err
		}
	}
	return nil
}

// setUser makes a user on every server that holds keys, to stay.
func (g *redisGroup) setUser(name string, rules ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, s := range g.servers {
		if s.sentinel {
			continue
		}
		if err := s.client.ACLSetUser(ctx, name, rules...).Err(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err := s.client.Do(ctx, "acl", "save").Err(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// close ends the servers without grace and removes their files. It may be called whatever of them was made.
func (g *redisGroup) close() error {
	var failed []error
	for _, s := range g.servers {
		if s.process != nil {
			failed = append(failed, s.process.end(syscall.SIGKILL))
			s.process = nil
		}
		if s.client != nil {
			failed = append(failed, s.client.Close())
		}
		for _, p := range s.ports {
			failed = append(failed, p.close())
		}
	}
	if g.home != nil {
		failed = append(failed, g.home.remove())
	}
	return errors.Join(failed...)
}

// closeAfter ends the servers when the test does, and shows what they said if it failed.
func (g *redisGroup) closeAfter(t testing.TB) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Redis said last:\n%s", g.home.said())
		}
		if err := g.close(); err != nil {
			t.Error(err)
		}
	})
}

// newRedis starts a server that stands alone.
func newRedis(settings ...string) (*RedisServer, error) {
	g, err := newRedisGroup()
	if err != nil {
		return nil, err
	}
	s, err := g.add("Redis", g.credentials)
	if err == nil {
		err = s.configure(append(keeping(), settings...)...)
	}
	if err == nil {
		err = g.start(s)
	}
	if err != nil {
		return nil, errors.Join(err, g.close())
	}
	return s, nil
}

// StartRedis starts a Redis server for this test alone. It keeps nothing beyond its end, unless settings say so: they are
// lines of redis.conf and count before those of the package. With "appendonly yes" it keeps what it acknowledged through
// Stop, with "appendfsync always" too also through Kill and a crash of the machine: without, while the disk is slow, it
// acknowledges what it has still to write, for two seconds (flushAppendOnlyFile in src/aof.c). It is ended and its files are
// removed when the test ends.
func StartRedis(t testing.TB, settings ...string) *RedisServer {
	t.Helper()
	s, err := newRedis(settings...)
	require(t, err)
	s.group.closeAfter(t)
	return s
}

// next is an empty database of the server.
func (s *RedisServer) next() (Keyspace, error) {
	n := s.made.Add(1)
	if n >= redisDatabases {
		return Keyspace{}, fmt.Errorf("the shared Redis has given out its %d databases", redisDatabases)
	}
	k := s.Keyspace
	k.database = int(n)
	return k.located(), nil
}

// Start starts the server again, on its ports, and waits until it answers.
func (s *RedisServer) Start(t testing.TB) {
	t.Helper()
	if s.process != nil {
		t.Fatalf("%s is running already", s.name)
	}
	if err := s.group.start(s); err != nil {
		t.Fatal(err)
	}
}

// Stop ends the server in order, by SIGTERM, as an operator who restarts it. Its port refuses connections until it is
// started again.
func (s *RedisServer) Stop(t testing.TB) {
	t.Helper()
	s.running(t)
	if s.frozen {
		t.Fatalf("%s is frozen: only Kill ends it", s.name)
	}
	if err := s.process.end(syscall.SIGTERM); err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	s.process = nil
}

// Kill ends the server by SIGKILL, also one that is frozen. Its port refuses connections until it is started again.
func (s *RedisServer) Kill(t testing.TB) {
	t.Helper()
	s.running(t)
	if err := s.process.kill(); err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	s.process, s.frozen = nil, false
}

// Freeze stops the server by SIGSTOP, as a machine that hangs: the system takes connections for it and what is sent on
// them, and nothing is answered.
func (s *RedisServer) Freeze(t testing.TB) {
	t.Helper()
	s.running(t)
	if err := suspend(s.process.cmd.Process.Pid); err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	s.frozen = true
}

// Thaw lets a server go on that was frozen: it executes what was sent to it meanwhile.
func (s *RedisServer) Thaw(t testing.TB) {
	t.Helper()
	s.running(t)
	if err := s.process.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	s.frozen = false
}

// Running says whether the server is up and not frozen.
func (s *RedisServer) Running() bool { return s.process != nil && !s.frozen }

func (s *RedisServer) running(t testing.TB) {
	t.Helper()
	if s.process == nil {
		t.Fatalf("%s is not running", s.name)
	}
}
