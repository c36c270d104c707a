// Package bench_test measures the service as operators run it: the binary with its embedded default, 100,000 users in
// SQLite, 16 connections, and this load generator on the same cores.
//
//	go test -run '^$' -bench . -benchtime 10s ./bench/
package bench_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	users       = 100_000
	connections = 16
)

// mobile is the i-th user's number. Ten share a prefix, so that the budgets of prefixes are in force and not in the way.
func mobile(i int) string { return fmt.Sprintf("1%09d%d", 380000000+i/10*1000, i%10) }

// service is a running rekey serve.
type service struct {
	address string
	pid     int
}

// settings keep every budget in force that a load from one machine can keep: each address and number is used as rarely
// as its budgets allow. Only what bounds the whole service is raised.
const settings = `
listen = "127.0.0.1:0"
keys = ["%s"]
trusted_proxies = ["127.0.0.0/8"]
[users]
dsn = "sqlite:%s"
[codes]
store = "%s"
[limits]
service_sends_day = 100000000
service_lookups_day = 100000000
conversion_floor = 0.0
[sms]
order = ["inbox"]
[sms.providers.inbox]
type = "inbox"
[admin]
listen = "127.0.0.1:0"
`

func start(b *testing.B, store string) *service {
	b.Helper()
	dir := b.TempDir()
	binary := filepath.Join(dir, "rekey")
	if out, err := exec.Command("go", "build", "-o", binary, "rekey/cmd/rekey").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	database := filepath.Join(dir, "rekey.db")
	config := filepath.Join(dir, "rekey.toml")
	if store == "sqlite" {
		store = "sqlite:" + database
	}
	key := make([]byte, 32)
	rand.Read(key)
	text := fmt.Sprintf(settings, base64.StdEncoding.EncodeToString(key), database, store)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	var csv bytes.Buffer
	csv.WriteString("mobile,password\n")
	for i := range users {
		fmt.Fprintf(&csv, "%s,\"%s\"\n", mobile(i), someHash)
	}
	people := filepath.Join(dir, "people.csv")
	if err := os.WriteFile(people, csv.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if out, err := exec.Command(binary, "user", "import", people, "--hashed", "--config", config).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	b.Logf("imported %d users in %v", users, time.Since(began).Round(time.Millisecond))

	ctx, cancel := context.WithCancel(context.Background())
	serve := exec.CommandContext(ctx, binary, "serve", "--config", config)
	serve.Cancel = func() error { return serve.Process.Signal(syscall.SIGTERM) }
	log, err := serve.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cancel()
		_ = serve.Wait() // it was told to stop
	})
	s := &service{pid: serve.Process.Pid}
	lines := bufio.NewReader(log)
	for s.address == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			b.Fatalf("serve ended: %v", err)
		}
		var record struct{ Public string }
		if json.Unmarshal([]byte(line), &record) == nil {
			s.address = record.Public
		}
	}
	go io.Copy(io.Discard, lines)
	return s
}

// someHash is an argon2id hash with the service's own parameters; nobody logs in here.
const someHash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$UjkUZm3s0p1kE0dQ0V5m1Qx3Jm1mXo7iS0mY8S3v0eM"

// memory is the resident set of the service in MiB.
func (s *service) memory(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); fields[0] == "VmRSS:" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib / 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}

// load sends b.N requests over 16 connections and reports rate and latencies. request writes the i-th; every answer
// must carry errno 0.
func (s *service) load(b *testing.B, request func(i int, w *bytes.Buffer)) {
	b.Helper()
	idle := s.memory(b)
	latencies := make([][]time.Duration, connections)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	began := time.Now()
	for c := range connections {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			b.Fatal(err)
		}
		wg.Go(func() {
			defer conn.Close()
			reader := bufio.NewReader(conn)
			var out bytes.Buffer
			for {
				i := int(next.Add(1)) - 1
				if i >= b.N {
					return
				}
				out.Reset()
				request(i, &out)
				sent := time.Now()
				if _, err := conn.Write(out.Bytes()); err != nil {
					b.Error(err)
					return
				}
				response, err := http.ReadResponse(reader, nil)
				if err != nil {
					b.Error(err)
					return
				}
				body, err := io.ReadAll(response.Body)
				if err != nil || !bytes.Contains(body, []byte(`"errno":"0"`)) {
					b.Errorf("request %d: %d %s %v", i, response.StatusCode, body, err)
					return
				}
				latencies[c] = append(latencies[c], time.Since(sent))
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	b.StopTimer()
	all := slices.Concat(latencies...)
	slices.Sort(all)
	if len(all) == 0 {
		return
	}
	b.ReportMetric(float64(len(all))/took.Seconds(), "req/s")
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "ms/p50")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "ms/p99")
	b.ReportMetric(idle, "MiB/before")
	b.ReportMetric(s.memory(b), "MiB/after")
}

// address is a new client for every few requests, as the budgets of one would soon refuse it.
func address(i, each int) string {
	n := i / each
	return fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255)
}

func BenchmarkCheck(b *testing.B) {
	s := start(b, "sqlite")
	b.Run("run", func(b *testing.B) {
		s.load(b, func(i int, w *bytes.Buffer) {
			fmt.Fprintf(w, "GET /forget_pwd/mobiles/%s/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\n\r\n", mobile(i%users), address(i, 20))
		})
	})
}

func BenchmarkSend(b *testing.B) {
	for _, store := range []string{"sqlite", "memory:"} {
		b.Run(strings.TrimSuffix(store, ":"), func(b *testing.B) {
			s := start(b, store)
			used := 0
			b.Run("run", func(b *testing.B) {
				first := used
				if used += b.N; used > users {
					b.Skipf("each of the %d users gets one code; %d would be needed", users, used)
				}
				s.load(b, func(i int, w *bytes.Buffer) {
					body := fmt.Sprintf(`{"mobile":%q}`, mobile(first+i))
					fmt.Fprintf(w, "POST /forget_pwd/sms_code/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\nContent-Length: %d\r\n\r\n%s", address(first+i, 4), len(body), body)
				})
			})
		})
	}
}
