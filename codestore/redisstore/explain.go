package redisstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"

	"rekey/internal/dsn"
)

// explain says why a Redis can't be used, as the end of a sentence that says what to do. It holds no password, even where
// a server repeats what it was sent (T36).
func (t Target) explain(err error) string {
	if text := distrust(err); text != "" {
		return text
	}
	if t.layout == sentinel && errors.Is(err, redis.Nil) {
		return "the sentinels know no master of this name; correct what stands behind the hosts"
	}
	if e, ok := errors.AsType[redis.Error](err); ok {
		return t.answer(e)
	}
	if text := t.noAnswer(err); text != "" {
		return text
	}
	return "the connection fails (" + t.said(err.Error()) + "); see whether it is a Redis that answers there"
}

const (
	wrongPassword = "the server refuses user or password; correct them, and write the characters / ? # @ : % in them as %2F %3F %23 %40 %3A %25"
	noConnection  = "the server has no connection left; raise its maxclients, or lower pool_max here or what other programs take"
	isReplica     = "the server is a replica, which takes no writes; name its master"
	oldOrProxy    = "it must be Redis 6.0 or newer, or Valkey, and what stands before it must let scripts through"
)

// answers are the beginnings of what a server refuses with (redis.io/docs, and src/server.c of Redis), and what to do.
var answers = []struct{ begins, text string }{
	{"WRONGPASS", wrongPassword},
	{"ERR invalid password", wrongPassword}, // before 6.0
	{"NOAUTH", "the server asks for a password; write it in codes.store, as in redis://rekey:PASSWORD@redis.example.com, or :PASSWORD@ if there is no user"},
	{"ERR AUTH <password> called without any password configured", "the server has no password for its default user; remove it from codes.store, or set one there"},
	{"ERR Client sent AUTH, but no password is set", "the server has no password; remove it from codes.store, or set one there"},
	{"NOPERM", "the user has no right to what rekey does; give it what doctor says"},
	{"LOADING", "the server is reading its data; try again in a moment"},
	{"BUSY ", "the server is busy with a script of somebody else's; end that with SCRIPT KILL"},
	{"MISCONF", "the server takes no writes since it can't save its data; see its log, and make room on its disk"},
	{"OOM", "the server's memory is full; raise its maxmemory, or remove what else is kept there"},
	{"NOREPLICAS", "the server takes no writes without its replicas (min-replicas-to-write); start them"},
	{"READONLY", isReplica},
	{"MASTERDOWN", isReplica + ", which is down"},
	{"CLUSTERDOWN", "the cluster is down; see redis-cli --cluster check, and mend it with redis-cli --cluster fix or by starting what is down"},
	{"DENIED", "the server takes connections from its own machine alone (protected-mode); give its users passwords, and set bind there"},
	{"ERR max number of clients", noConnection},
	{"ERR DB index is out of range", "there is no database of this number; lower it, or raise databases in redis.conf"},
	{"ERR SELECT is not allowed in cluster mode", "the server is a node of a cluster; begin codes.store with redis+cluster:// or rediss+cluster://"},
	{"ERR This instance has cluster support disabled", "the server is no node of a cluster; begin codes.store with redis:// or rediss://"},
	{"ERR unknown command", "the server does not know all commands that rekey sends; " + oldOrProxy},
	{"ERR wrong number of arguments for 'auth' command", "the server knows no users; " + oldOrProxy},
}

// answer tells what a server said.
func (t Target) answer(e redis.Error) string {
	for _, a := range answers {
		if strings.HasPrefix(e.Error(), a.begins) {
			if t.layout == sentinel && a.text == wrongPassword {
				return "a sentinel, or the master, refuses user or password; correct sentinel_user and sentinel_password, or those before the hosts"
			}
			return a.text
		}
	}
	return "the server says: " + t.said(e.Error())
}

// distrust tells what is wrong with a server's certificate, or with its TLS; "" if nothing is.
func distrust(err error) string {
	if text := dsn.Distrust(err); text != "" {
		return text
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the server's certificate is for another host; name the host that it has, or write sslmode=verify-ca with sslrootcert"
	}
	// So crypto/tls tells an alert, for which it has no type that others see.
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" {
		return fmt.Sprintf("the server ends TLS (%s); it may ask for a certificate, by sslcert and sslkey, or lack TLS 1.2", dsn.OneLine(e.Err.Error()))
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, errNoHandshake) {
		return "what listens there does not speak TLS; correct host and port, or write redis instead of rediss"
	}
	return ""
}

// noAnswer tells why a server was not reached; "" if it was.
func (t Target) noAnswer(err error) string {
	if text := dsn.Unreached(err, t.socket != ""); text != "" {
		return text
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		where := "there"
		if e, ok := errors.AsType[*net.OpError](err); ok && e.Addr != nil {
			where = "at " + e.Addr.String()
		}
		return "nobody listens " + where + "; start the server, or correct host and port"
	case dsn.TimedOut(err):
		return fmt.Sprintf("the server does not answer within %v; see whether it runs and no firewall is between, or raise step_timeout", t.step)
	case dsn.Ended(err) && t.secure:
		return "the connection ends before the server has let rekey in; see whether it is a Redis with TLS that answers there, and its log"
	case dsn.Ended(err):
		return "the connection ends before the server has let rekey in; see whether it is a Redis that answers there, its log, and whether it wants TLS, which is rediss instead of redis"
	}
	return ""
}

// said is a text of others as a part of our sentence, without our passwords.
func (t Target) said(text string) string {
	for _, secret := range []string{t.password, t.sentinelPassword} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, dsn.Hidden)
		}
	}
	return dsn.OneLine(text)
}
