package redisstore_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
)

// speaking is a server of Redis' protocol that answers each command, by its name in small letters, as told, and otherwise as
// a Redis does that has nothing. It stands for versions and states of servers that are not at hand.
func speaking(t *testing.T, answers map[string]string) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for {
					command, err := request(r)
					if err != nil {
						return
					}
					name := strings.ToLower(command[0])
					answer, ok := answers[name]
					if name == "eval" && !ok {
						answer, ok = "+probe", true
					}
					if !ok {
						answer = map[string]string{"hello": "*2\r\n$5\r\nproto\r\n:2", "time": "*2\r\n:1\r\n:1", "get": "$-1", "evalsha": "-NOSCRIPT No matching script."}[name]
					}
					if answer == "" {
						answer = "+OK"
					}
					if strings.HasPrefix(answer, "$") && !strings.HasPrefix(answer, "$-1") {
						answer = fmt.Sprintf("$%d\r\n%s", len(answer)-1, answer[1:])
					}
					answer = strings.ReplaceAll(answer, "{ARGS}", "'"+strings.Join(command[1:], "' '")+"'")
					if _, err := io.WriteString(conn, answer+"\r\n"); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

// request reads a command.
func request(r *bufio.Reader) ([]string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	count, err := strconv.Atoi(strings.Trim(line, "*\r\n"))
	if err != nil {
		return nil, err
	}
	var command []string
	for range count {
		if line, err = r.ReadString('\n'); err != nil {
			return nil, err
		}
		size, err := strconv.Atoi(strings.Trim(line, "$\r\n"))
		if err != nil {
			return nil, err
		}
		text := make([]byte, size+2)
		if _, err := io.ReadFull(r, text); err != nil {
			return nil, err
		}
		command = append(command, string(text[:size]))
	}
	return command, nil
}

// standing is what a server that stands alone says of itself.
func standing(lines ...string) string {
	return "$# Server\r\n" + strings.Join(append(lines, "redis_mode:standalone", "role:master", "connected_slaves:0", "aof_enabled:1", "cluster_enabled:0"), "\r\n") + "\r\n"
}

func TestOtherServersAreToldApart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		info string
		want []string
	}{
		"Redis 5": {standing("redis_version:5.0.14", "maxmemory_policy:noeviction"),
			[]string{"mend version The server is Redis 5.0.14, and must be Redis 6.0 or newer, or Valkey; upgrade it."}},
		"Redis 2":  {standing("redis_version:2.8.19"), []string{"mend version The server is Redis 2.8.19,"}},
		"Redis 6":  {standing("redis_version:6.0.0", "maxmemory_policy:noeviction"), []string{"fine server The code store is Redis 6.0.0."}},
		"Redis 10": {standing("redis_version:10.1.2", "maxmemory_policy:noeviction"), []string{"fine server The code store is Redis 10.1.2."}},
		"Valkey":   {standing("redis_version:7.2.4", "server_name:valkey", "valkey_version:8.1.3", "maxmemory_policy:noeviction"), []string{"fine server The code store is Valkey 8.1.3."}},
		"KeyDB":    {standing("redis_version:6.3.4", "maxmemory_policy:volatile-lru"), []string{"mend eviction The maxmemory-policy is volatile-lru"}},
		"Dragonfly": {standing("redis_version:7.4.0", "dragonfly_version:df-v1.30.0", "cache_mode:store", "maxmemory_policy:noeviction"),
			[]string{"fine server The code store is Dragonfly df-v1.30.0."}},
		"Dragonfly as a cache": {standing("redis_version:6.2.11", "dragonfly_version:df-v1.0.0", "cache_mode:cache"), []string{"mend eviction The server is a cache"}},
		"one that hides its policy": {standing("redis_version:7.0.0"),
			[]string{"advice eviction The server does not tell its maxmemory-policy; make sure that it is noeviction", "fine server The code store is Redis 7.0.0."}},
		"one that hides itself": {"$# Server\r\nuptime_in_seconds:1\r\n",
			[]string{"advice eviction does not tell its maxmemory-policy", "fine server The code store is a Redis that does not tell its version."}},
		"a replica": {"$role:slave\r\nredis_version:7.0.0\r\n", []string{"mend layout The server is a replica, which takes no writes; name its master"}},
	} {
		expect(t, name, inspect(t, "redis://"+speaking(t, map[string]string{"info": c.info}), 0), c.want...)
	}
}

// TestWhatServersRefuseWithIsExplained, in the words of each version, never with what they repeat of the password (T36).
func TestWhatServersRefuseWithIsExplained(t *testing.T) {
	t.Parallel()
	sound := standing("redis_version:7.0.0", "maxmemory_policy:noeviction")
	const canary = "canary9f1c"
	for name, c := range map[string]struct {
		answers map[string]string
		want    string
	}{
		"loading":  {map[string]string{"info": "-LOADING Redis is loading the dataset in memory"}, "mend unreachable The server is reading its data; try again in a moment."},
		"busy":     {map[string]string{"info": "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."}, "mend unreachable end that with SCRIPT KILL"},
		"disk":     {map[string]string{"set": "-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk."}, "mend steps A step as the store takes it fails: the server takes no writes since it can't save its data; see its log"},
		"memory":   {map[string]string{"set": "-OOM command not allowed when used memory > 'maxmemory'."}, "mend steps the server's memory is full"},
		"replica":  {map[string]string{"set": "-READONLY You can't write against a read only replica."}, "mend steps the server is a replica, which takes no writes; name its master"},
		"no users": {map[string]string{"hello": "-ERR unknown command `HELLO`, with args beginning with: {ARGS}", "auth": "-ERR wrong number of arguments for 'auth' command"}, "mend unreachable The server knows no users; it must be Redis 6.0 or newer"},
		"no password": {map[string]string{"hello": "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
			"auth": "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"}, "mend unreachable The server has no password for its default user; remove it from codes.store"},
		"wrong password": {map[string]string{"hello": "-WRONGPASS invalid username-password pair or user is disabled.", "auth": "-WRONGPASS invalid username-password pair or user is disabled."}, "mend unreachable The server refuses user or password"},
		"no AUTH": {map[string]string{"hello": "-ERR unknown command `HELLO`, with args beginning with: {ARGS}",
			"auth": "-ERR unknown command `AUTH`, with args beginning with: {ARGS}"}, "mend unreachable The server does not know all commands that rekey sends"},
		"password repeated": {map[string]string{"hello": "-ERR {ARGS}", "auth": "-ERR what is {ARGS}"}, "mend unreachable The server says: ERR what is 'rekey' '(hidden)'"},
		"no scripts":        {map[string]string{"evalsha": "-ERR unknown command 'evalsha'"}, "mend steps the server does not know all commands that rekey sends; it must be Redis 6.0 or newer, or Valkey, and what stands before it must let scripts through"},
		"an old script": {map[string]string{"eval": "-ERR Error running script: Write commands not allowed after non deterministic commands."},
			"mend steps A step as the store takes it fails: the server says: ERR Error running script: Write commands not allowed"},
		"a terminal's orders": {map[string]string{"info": "-ERR \x1b[2Jgone\u202e"}, "mend unreachable The server says: ERR [2Jgone."},
		"connections":         {map[string]string{"hello": "-ERR max number of clients reached", "auth": "-ERR max number of clients reached"}, "mend unreachable The server has no connection left; raise its maxclients"},
		"protected":           {map[string]string{"hello": "-DENIED Redis is running in protected mode", "auth": "-DENIED Redis is running in protected mode"}, "mend unreachable The server takes connections from its own machine alone (protected-mode)"},
		"a right, Redis 6":    {map[string]string{"get": "-NOPERM this user has no permissions to run the 'get' command or its subcommand"}, "mend rights ACL SETUSER rekey +get"},
		"a right, Redis 7":    {map[string]string{"get": "-NOPERM this user has no permissions to run the 'get' command"}, "mend rights ACL SETUSER rekey +get"},
		"a right, Redis 7.2":  {map[string]string{"info": "-NOPERM User rekey has no permissions to run the 'info' command"}, "mend rights ACL SETUSER rekey +info"},
		"keys, Redis 6": {map[string]string{"get": "-NOPERM this user has no permissions to access one of the keys used as arguments",
			"eval": "-ERR The user executing the script can't access at least one of the keys mentioned in the command arguments"}, "mend rights ACL SETUSER rekey ~rekey:*"},
		"keys, Redis 7.2": {map[string]string{"set": "-NOPERM No permissions to access a key"}, "mend rights ACL SETUSER rekey ~rekey:*"},
	} {
		answers := map[string]string{"info": sound}
		for command, answer := range c.answers {
			answers[command] = answer
		}
		found := inspect(t, "redis://rekey:"+canary+"@"+speaking(t, answers), 0)
		expect(t, name, found, c.want)
		if strings.Contains(listed(found), canary) {
			t.Errorf("%s: %s", name, listed(found))
		}
	}
}

// A server that is none, and one that is gone in the middle of the first word.
func TestWhatIsNoRedisIsTold(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"HTTP/1.1 400 Bad Request\r\n\r\n": "mend unreachable 400 Bad Request\"); see whether it is a Redis that answers there.",
		"":                                 "mend unreachable The connection ends before the server has let rekey in; see whether it is a Redis that answers there",
	} {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = bufio.NewReader(conn).ReadString('\n')
				_, _ = io.WriteString(conn, said)
				conn.Close()
			}
		}()
		found := inspect(t, "redis://:canary@"+listener.Addr().String(), 0)
		expect(t, said, found, want)
		if strings.Contains(listed(found), "canary") {
			t.Error(listed(found))
		}
	}
}
