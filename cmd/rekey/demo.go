package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"rekey"
	"rekey/admin"
	"rekey/userdb"
)

type demoCommand struct {
	Listen string `placeholder:"ADDR" help:"Loopback address and port; else 127.0.0.1:8000, or a free port if that one is taken."`
	Dir    string `placeholder:"DIR" help:"Keep the demo's files in this folder and go on with them next time; else they are temporary."`
	Lang   string `placeholder:"LANG" help:"zh-CN or en; else the language of the terminal."`
}

func (*demoCommand) Help() string {
	return `Shows the whole recovery on this machine, with nothing to set up: three people in a users table of its own, and an
inbox page in place of phones. Neither rekey.toml nor REKEY_ variables are read. The budgets of address and prefix and
the conversion floor are off, since all requests come from one address and the three numbers share a prefix; those of
a number hold. ^C ends it, and everything is forgotten unless --dir is given.

Example:

    rekey demo --lang en`
}

// demoNumbers are the people of the demo, and unknownNumber is nobody's.
var demoNumbers = [...]string{"13800000001", "13800000002", "13800000003"}

const unknownNumber = "13900000009"

// demoListen is where the demo listens unless told otherwise.
const demoListen = "127.0.0.1:8000"

func (c *demoCommand) Run(t *terminal) (err error) {
	language := c.Lang
	switch language {
	case "":
		language = t.language()
	case "zh-CN", "en":
	default:
		return fmt.Errorf("--lang: %q is not there; write zh-CN or en (%w)", c.Lang, errUsage)
	}
	if c.Listen != "" && (hostPort(c.Listen) != nil || !loopback(c.Listen)) {
		return fmt.Errorf("--listen: the demo shows codes to whoever opens it; write a loopback address and a port, such as %s (%w)", demoListen, errUsage)
	}
	dir := c.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "rekey-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	settings, err := demoConfig(dir, language)
	if err != nil {
		return err
	}

	// Only what goes wrong is logged: a newcomer wants to read the three lines above it.
	log := slog.New(slog.NewTextHandler(t.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	h, err := newHouse(t.ctx, settings, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	if err := h.settle(t.ctx); err != nil {
		return err
	}
	listener, err := c.listen()
	if err != nil {
		return err
	}
	origin := "http://" + listener.Addr().String()
	handler, err := h.demoHandler(origin)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := welcome(t.stdout, language, origin, settings.BasePath); err != nil {
		return errors.Join(err, listener.Close())
	}
	return h.run(t.ctx, map[net.Listener]http.Handler{listener: handler})
}

// listen takes the usual port, or a free one where nobody has asked for a certain one.
func (c *demoCommand) listen() (net.Listener, error) {
	if c.Listen != "" {
		return listen("--listen", c.Listen)
	}
	l, err := net.Listen("tcp", demoListen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return listen("--listen", "127.0.0.1:0")
	}
	return l, err
}

// demoConfig is the configuration of the demo: the defaults, but for files in dir and what would spoil the fun.
func demoConfig(dir, language string) (*config, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("--dir: %w", err)
	}
	key, err := demoKey(filepath.Join(dir, "demo.key"))
	if err != nil {
		return nil, fmt.Errorf("--dir: %w", err)
	}
	c := &config{}
	for _, s := range c.declare() {
		s.reset()
	}
	c.Keys = []string{key}
	c.Numbers.Allow = []string{c.Numbers.Plan}
	c.Users.DSN = "sqlite:" + filepath.Join(dir, "rekey.db")
	c.Codes.Store = c.Users.DSN
	if language != c.Languages[0] {
		c.Languages = []string{"en", "zh-CN"}
		c.SMS.Sign = "Example"
	}
	l := &c.Limits
	l.AddressSends10m, l.AddressSendsDay, l.AddressNumberDay = 0, 0, 0
	l.PrefixSendsHour, l.PrefixSendsDay, l.ConversionFloor = 0, 0, 0
	l.AddressLookups, l.AddressLookupsDay = 0, 0
	return c, nil
}

// demoKey reads the key in a file, or makes one: a demo that goes on must know its codes again.
func demoKey(path string) (string, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		secret := make([]byte, rekey.MinKeyBytes)
		if _, err := rand.Read(secret); err != nil {
			return "", err
		}
		key := base64.StdEncoding.EncodeToString(secret)
		return key, os.WriteFile(path, []byte(key), 0o600)
	}
	key := strings.TrimSpace(string(content))
	if err == nil && strongKey(key) != nil {
		err = fmt.Errorf("%s holds no key; delete it, and the demo makes a new one", path)
	}
	return key, err
}

// settle adds the people of the demo, each with a password that nobody knows.
func (h *house) settle(ctx context.Context) error {
	users, err := openEmbedded(ctx, h.config, &h.databases, h.log)
	if err != nil {
		return err
	}
	for _, mobile := range demoNumbers {
		n, err := h.plan(mobile)
		if err != nil {
			return err
		}
		if _, err := users.Add(ctx, userdb.NewUser{Number: n, Password: rand.Text()}); err != nil && !errors.Is(err, userdb.ErrDuplicate) {
			return err
		}
	}
	return nil
}

// demoHandler has the page and the inbox side by side, which no other command does. Who opens the bare address is led to
// the page. Everything else is the page's to answer, as in serve: http.ServeMux would answer unclean paths itself.
func (h *house) demoHandler(origin string) (http.Handler, error) {
	page, err := h.public(origin)
	if err != nil {
		return nil, err
	}
	inbox := h.delivery.inbox.Handler(h.log)
	return admin.LoopbackOnly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/":
			http.Redirect(w, r, h.config.BasePath, http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/inbox/"):
			inbox.ServeHTTP(w, r)
		default:
			page.ServeHTTP(w, r)
		}
	})), nil
}

// welcome tells a newcomer what to do. Each address stands alone on its line, for people who click and scripts that read.
func welcome(w io.Writer, language, origin, base string) error {
	text := welcomeEnglish
	if language == "zh-CN" {
		text = welcomeChinese
	}
	_, err := fmt.Fprintf(w, text, origin, base, demoNumbers[0], demoNumbers[1], demoNumbers[2], unknownNumber)
	return err
}

const (
	welcomeEnglish = `
rekey demo: no message is really sent, and everything is forgotten at the end, unless you gave --dir.

The page:
%[1]s%[2]s
The inbox, where all messages land:
%[1]s/inbox/

Numbers to try:
  %[3]s
  %[4]s
  %[5]s
  %[6]s (nobody is registered under this one)

Open both pages, ask for a code with one of the numbers, read it in the inbox and set a new password.
To let you play, the limits by address and prefix are off. Ctrl+C ends the demo.
`

	welcomeChinese = `
rekey 演示：不会真的发短信，演示结束后一切清空（除非用了 --dir）。

页面：
%[1]s%[2]s
收件箱（短信都到这里）：
%[1]s/inbox/

可以试的手机号：
  %[3]s
  %[4]s
  %[5]s
  %[6]s（未注册）

打开两个页面，用其中一个手机号获取验证码，在收件箱里查看，然后设置新密码。
为方便试用，按地址和号段的限制已关闭。按 Ctrl+C 结束。
`
)

// language is that of the terminal, by the variables of POSIX (XBD, section 8.2) in their order.
func (t *terminal) language() string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := t.getenv(name); v != "" {
			if strings.HasPrefix(v, "zh") {
				return "zh-CN"
			}
			return "en"
		}
	}
	return "en"
}
