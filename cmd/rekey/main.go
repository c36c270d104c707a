// Command rekey recovers forgotten passwords with a code sent by SMS, beside an application's users table. It is the
// only place that knows configuration, flags, drivers and every package.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/redis/go-redis/v9/logging"
)

func main() {
	// Only libraries write to the standard logger. That of net/http quotes what a gateway says beyond its answer, with whatever
	// number and code are in it (T36); what fails it returns as well.
	log.SetOutput(io.Discard)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second ^C ends the process at once
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The exit codes.
const (
	exitOK    = 0
	exitFault = 1
	exitUsage = 2
)

// run is the whole program: it parses args, runs a command until it is done or ctx ends, and returns the exit code. What
// goes wrong is told on stderr, one line a fault.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) (exit int) {
	defer func() {
		if v := recover(); v != nil {
			fmt.Fprintln(stderr, "rekey:", bug(v))
			exit = exitFault
		}
	}()
	logging.Disable() // go-redis would write lines of its own between ours; what fails it returns as well
	var cli commands
	helped := false
	parser, err := kong.New(&cli,
		kong.Name("rekey"),
		kong.Description("Recovers forgotten passwords with a code sent by SMS, beside your users table.\n\nTo see it work, with nothing to set up: rekey demo"),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }), // called once help is printed
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		fmt.Fprintln(stderr, "rekey:", err)
		return exitFault
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if helped {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "rekey: %s; see rekey --help\n", err)
		return exitUsage
	}
	err = parsed.Run(&terminal{ctx: ctx, env: env, stdin: stdin, stdout: stdout, stderr: stderr})
	if err == nil {
		return exitOK
	}
	if list, ok := errors.AsType[faults](err); ok {
		fmt.Fprintln(stderr, list)
	} else {
		for line := range strings.Lines(err.Error()) { // errors that were joined have one each
			fmt.Fprintln(stderr, "rekey:", strings.TrimSuffix(line, "\n"))
		}
	}
	if errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitFault
}

// errUsage: the command line can't be meant so.
var errUsage = errors.New("see --help")

// bug is a sentence about a panic. It says where, and of what was thrown only the type: the value, and a stack trace,
// may hold anything (T36).
func bug(v any) string {
	where := "unknown"
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers)])
	for panicked := false; ; {
		frame, more := frames.Next()
		if panicked && !strings.HasPrefix(frame.Function, "runtime.") {
			where = fmt.Sprintf("%s:%d", frame.Function, frame.Line)
			break
		}
		panicked = panicked || frame.Function == "runtime.gopanic"
		if !more {
			break
		}
	}
	return fmt.Sprintf("a mistake in rekey itself, %T in %s; please report it with this line", v, where)
}

// terminal is what a command has from the process that runs it.
type terminal struct {
	ctx            context.Context
	env            []string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// getenv is the value of an environment variable, or "".
func (t *terminal) getenv(name string) string {
	for _, entry := range t.env {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			return v
		}
	}
	return ""
}

// commands are the command line. Every command's Help is its long text, with an example.
type commands struct {
	Demo    demoCommand    `cmd:"" help:"Show the whole recovery on this machine, with nothing to set up."`
	Serve   serveCommand   `cmd:"" help:"Run the service."`
	Doctor  doctorCommand  `cmd:"" help:"Check configuration, users table, code store and providers, and say what to do."`
	User    userCommand    `cmd:"" help:"Fill and list the embedded users table."`
	SMS     smsCommand     `cmd:"" name:"sms" help:"Try out a provider."`
	Unlock  unlockCommand  `cmd:"" help:"Clear the wrong guesses counted against a number."`
	Migrate migrateCommand `cmd:"" help:"Make, or print, rekey's own tables."`
	Grants  grantsCommand  `cmd:"" help:"Print what gives rekey the least rights on users table and code store: SQL, ACL of Redis."`
	Config  configCommand  `cmd:"" help:"Show the configuration in force, and where each value comes from."`
	Version versionCommand `cmd:"" help:"Show version, commit and Go."`
}

// configured is embedded by the commands that read the configuration.
type configured struct {
	Config string `name:"config" placeholder:"FILE" help:"Configuration file; else the one that REKEY_CONFIG names, else rekey.toml where it exists."`
}

// load reads the configuration and fails with all its faults. withKeys: the command can't do without keys.
func (c *configured) load(t *terminal, withKeys bool) (*loaded, error) {
	l := load(c.Config, t.env)
	if withKeys {
		l.requireKeys()
	}
	if len(l.faults) > 0 {
		return nil, l.faults
	}
	return l, nil
}
