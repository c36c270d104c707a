package databases

import (
	"context"
	"fmt"
	"strings"
	"time"

	"rekey"
	"rekey/codestore"
)

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

// Codes opens the code store that a setting names, and makes its tables where they are missing. key is the setting, with
// which errors begin. The caller closes the store before the Set.
func (s *Set) Codes(ctx context.Context, key, dsn string) (Codes, error) {
	if strings.HasPrefix(dsn, "memory:") {
		return codestore.NewMemory(), nil
	}
	db, err := s.Open(ctx, key, dsn)
	if err != nil {
		return nil, err
	}
	dialect := db.Kind.CodeDialect()
	// First as if they were there: whoever has no right to make tables may have those that somebody made.
	if codes, err := codestore.NewSQL(ctx, db.Write, dialect); err == nil {
		return codes, nil
	}
	if err := codestore.Migrate(ctx, db.Write, dialect); err != nil {
		return nil, fmt.Errorf("%s: %w; or have them made with what rekey migrate --print prints", key, err)
	}
	codes, err := codestore.NewSQL(ctx, db.Write, dialect)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return codes, nil
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
