package redisstore

import (
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rekey/test/servers"
)

// dial connects to an address, as to that of a node that a cluster has named, says something and has an answer come back.
func dial(t *testing.T, url, address, say string) error {
	t.Helper()
	target, err := Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	connect, err := target.dialer()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := connect(t.Context(), "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, say); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, 4)) // with TLS 1.3 a server looks at a certificate after the client's handshake
	return err
}

// TestANodesCertificateMayBeForAnyHostOfTheURL, since nodes are known by addresses, and for no other.
func TestANodesCertificateMayBeForAnyHostOfTheURL(t *testing.T) {
	t.Parallel()
	s, another := servers.StartRedis(t), servers.StartRedis(t)
	// The certificate is for localhost and 127.0.0.1, and not for 0.0.0.0, by which Linux also reaches this machine.
	address := strings.Replace(s.TLS.Address, "127.0.0.1", "0.0.0.0", 1)
	for url, want := range map[string]string{
		"rediss+cluster://localhost?sslrootcert=" + s.TLS.CA:                           "",
		"rediss+cluster://other.example.com,localhost?sslrootcert=" + s.TLS.CA:         "",
		"rediss+sentinel://localhost/m?sslrootcert=" + s.TLS.CA:                        "",
		"rediss+cluster://other.example.com?sslrootcert=" + s.TLS.CA:                   "for another host",
		"rediss+cluster://other.example.com?sslmode=verify-ca&sslrootcert=" + s.TLS.CA: "",
		"rediss+cluster://other.example.com?sslmode=require":                           "",
		"rediss+cluster://localhost?sslmode=verify-ca&sslrootcert=" + another.TLS.CA:   "signed by nobody who is trusted",
		"rediss+cluster://localhost?sslrootcert=" + another.TLS.CA:                     "signed by nobody who is trusted",
		"rediss+cluster://localhost?sslrootcert=system":                                "signed by nobody who is trusted",
		"rediss+cluster://localhost?prefix=a":                                          "signed by nobody who is trusted",
	} {
		err := dial(t, url+"&step_timeout=1m&connect_timeout=60", address, "PING\r\n")
		if got := (Target{}).told(err); (err == nil) != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %v, told as %q, want %q", url, err, got, want)
		}
	}
}

// told is explain, of nothing too.
func (t Target) told(err error) string {
	if err == nil {
		return ""
	}
	return t.explain(err)
}

func TestAClientsCertificateIsHandedIn(t *testing.T) {
	t.Parallel()
	s := servers.StartRedis(t, "tls-auth-clients yes")
	url := "rediss://" + s.TLS.Address + "?step_timeout=1m&connect_timeout=60&sslrootcert=" + s.TLS.CA
	home := filepath.Dir(s.TLS.CA) // where its own certificate is, which is one for clients as well
	if err := dial(t, url+"&sslcert="+filepath.Join(home, "certificate.pem")+"&sslkey="+filepath.Join(home, "key.pem"), s.TLS.Address, "PING\r\n"); err != nil {
		t.Error(err)
	}
	err := dial(t, url, s.TLS.Address, "") // the alert is all that it answers
	if got := (Target{}).told(err); !strings.Contains(got, "it may ask for a certificate, by sslcert and sslkey") {
		t.Errorf("without: %v, told as %q", err, got)
	}
}

// What else files can't be is told by package dsn.
func TestFilesOfTLSThatCantBeUsedAreTold(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"rediss://:canary@r?", "rediss+sentinel://:canary@r/m?", "rediss+cluster://:canary@r?"} {
		target, err := Parse(url + "sslrootcert=/nowhere.pem")
		if err != nil {
			t.Fatal(err)
		}
		want := "sslrootcert names /nowhere.pem, which can't be read: no such file or directory; name a readable file"
		if _, err := target.Client(); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", url, err, want)
		}
	}
}

func TestClocksThatAreApartAreTold(t *testing.T) {
	t.Parallel()
	at := func(name string, ahead, unsure time.Duration) *node {
		return &node{name: name, ahead: ahead, unsure: unsure, timed: true}
	}
	for want, nodes := range map[string][]*node{
		"":                                       {at("a", 0, 0), at("b", 2*time.Second, 0), {name: "untold", ahead: time.Hour}},
		"clock of b is 5s ahead of that of a: a": {at("c", 0, 0), at("a", -2*time.Second, 0), at("b", 3*time.Second, 0)},
	} {
		i := &inspection{nodes: nodes}
		i.clocks()
		found := i.findings()
		if (want == "") != (len(found) == 0) || want != "" && (!strings.Contains(found[0].Text, want) || found[0].Severity != Advice) {
			t.Errorf("found %v, want %q", found, want)
		}
	}
	unsure := &inspection{nodes: []*node{at("a", 0, 10*time.Second), at("b", 11*time.Second, 0)}}
	if unsure.clocks(); len(unsure.found) > 0 {
		t.Errorf("a slow answer is taken for a wrong clock: %v", unsure.findings())
	}
}
