package databases

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"rekey"
	"rekey/codestore"
	"rekey/codestore/redisstore"
)

// CodeSource is where a setting says that codes are kept: in Redis, in a SQL database or, if both are nil, in memory.
// However it is printed, its passwords are hidden (T36).
type CodeSource struct {
	Redis *redisstore.Target
	SQL   *Source
}

// ParseCodes takes apart where codes are kept, and touches nothing: "memory:", what redisstore.Parse takes, or what Parse
// takes. An error is as those of Parse.
func ParseCodes(dsn string) (CodeSource, error) {
	if rest, ok := strings.CutPrefix(dsn, "memory:"); ok {
		if rest != "" {
			return CodeSource{}, errors.New("must be memory: with nothing behind it")
		}
		return CodeSource{}, nil
	}
	if redisstore.Named(dsn) {
		target, err := redisstore.Parse(dsn)
		if err != nil {
			return CodeSource{}, err
		}
		return CodeSource{Redis: &target}, nil
	}
	if !ofSQL(dsn) {
		return CodeSource{}, errors.New(`must begin with "memory:", "sqlite:", "postgres://", "mysql://", "redis://", "redis+sentinel://" or "redis+cluster://", such as "sqlite:rekey.db"`)
	}
	source, err := Parse(dsn)
	if err != nil {
		return CodeSource{}, err
	}
	return CodeSource{SQL: &source}, nil
}

// ofSQL reports whether a data source is one of Parse's.
func ofSQL(dsn string) bool {
	return strings.HasPrefix(dsn, "sqlite:") || slices.ContainsFunc(forms, func(f form) bool {
		return slices.ContainsFunc(f.schemes, func(scheme string) bool { return strings.HasPrefix(dsn, scheme) })
	})
}

// String is the source as it may be shown.
func (c CodeSource) String() string {
	switch {
	case c.Redis != nil:
		return c.Redis.String()
	case c.SQL != nil:
		return c.SQL.String()
	}
	return "memory:"
}

// Format keeps every verb of package fmt from telling what String hides.
func (c CodeSource) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// Exposed is that of the Target or the Source. What is kept in memory nobody sees.
func (c CodeSource) Exposed() bool {
	return c.Redis != nil && c.Redis.Exposed() || c.SQL != nil && c.SQL.Exposed()
}

// MaskCodes is Mask for all that ParseCodes takes.
func MaskCodes(dsn string) (masked string, secret bool) {
	if redisstore.Named(dsn) {
		return redisstore.Mask(dsn)
	}
	return Mask(dsn)
}

// Codes is an open code store. It is safe for concurrent use.
type Codes interface {
	rekey.Codes
	rekey.Limiter
	// Unlock clears the wrong guesses counted against a number, and reports whether there were any.
	Unlock(ctx context.Context, name rekey.Name) (cleared bool, err error)
	// Clock is the time on the store's clock.
	Clock(ctx context.Context) (time.Time, error)
	// Close ends the store; steps after it fail.
	Close() error
}

// Codes opens the code store that a setting names, and makes its tables where they are missing; of Redis it makes sure,
// within some seconds, that the store can be kept there. key is the setting, with which errors begin; they say what to do,
// and never hold a password (T36). The caller closes the store before the Set.
func (s *Set) Codes(ctx context.Context, key, dsn string) (Codes, error) {
	source, err := ParseCodes(dsn)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", key, err)
	case source.Redis != nil:
		return s.redisCodes(ctx, key, *source.Redis)
	case source.SQL == nil:
		return codestore.NewMemory(), nil
	}
	db, err := s.Open(ctx, key, dsn)
	if err != nil {
		return nil, err
	}
	dialect := db.Kind.CodeDialect()
	// First as if they were there: whoever has no right to make tables may have those that somebody made.
	if codes, err := codestore.NewSQL(ctx, db.Write, dialect, db.StepTime); err == nil {
		return codes, nil
	}
	if err := codestore.Migrate(ctx, db.Write, dialect); err != nil {
		return nil, fmt.Errorf("%s: %w; or have their owner run what rekey grants --for codes prints", key, err)
	}
	codes, err := codestore.NewSQL(ctx, db.Write, dialect, db.StepTime)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return codes, nil
}

// redisStore is a code store and its client.
type redisStore struct {
	*redisstore.Store
	client redis.UniversalClient
}

// Close ends the store and its connections.
func (r redisStore) Close() error { return errors.Join(r.Store.Close(), r.client.Close()) }

// inspectTime bounds the look at a Redis before it is used. It is many times what a cluster in another region takes.
const inspectTime = 10 * time.Second

// redisCodes opens a store in Redis, unless something keeps that from counting guesses as it must (T01): then each such
// thing is a line of the error.
func (s *Set) redisCodes(ctx context.Context, key string, t redisstore.Target) (Codes, error) {
	client, err := t.Client()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	bounded, cancel := context.WithTimeout(ctx, inspectTime+t.StepTime())
	defer cancel()
	var faults []error
	for _, finding := range t.Inspect(bounded, client, s.Wait) {
		switch {
		case finding.Severity == redisstore.Mend:
			faults = append(faults, fmt.Errorf("%s: %s", key, clause(finding)))
		case finding.Severity == redisstore.Advice && s.Log != nil:
			s.Log.Warn(key + ": " + clause(finding))
		}
	}
	if ctx.Err() != nil {
		faults = []error{context.Cause(ctx)}
	}
	if len(faults) > 0 {
		return nil, errors.Join(append(faults, client.Close())...)
	}
	return redisStore{redisstore.New(client, redisstore.Options{Wait: s.Wait, StepTime: t.StepTime(), Prefix: t.Prefix()}), client}, nil
}

// clause is a finding as the end of a sentence that begins with the setting.
func clause(f redisstore.Finding) string {
	text := strings.TrimSuffix(f.String(), ".")
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToLower(first)) + text[size:]
}

// CodeDialect is what the code store must know of the databases of a kind.
func (k Kind) CodeDialect() codestore.Dialect {
	switch k {
	case PostgreSQL:
		return codestore.PostgreSQL()
	case MySQL:
		return codestore.MySQL()
	default:
		return codestore.SQLite()
	}
}
