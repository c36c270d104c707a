package databases

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"rekey"
	"rekey/codestore"
)

// CodeSource is where a setting says that codes are kept: in a SQL database or, if that is nil, in memory. However it is
// printed, its password is hidden (T36).
type CodeSource struct {
	SQL *Source
}

// ParseCodes takes apart where codes are kept, and touches nothing: "memory:", or what Parse takes. An error is as those of
// Parse.
func ParseCodes(dsn string) (CodeSource, error) {
	if rest, ok := strings.CutPrefix(dsn, "memory:"); ok {
		if rest != "" {
			return CodeSource{}, errors.New("must be memory: with nothing behind it")
		}
		return CodeSource{}, nil
	}
	if !ofSQL(dsn) {
		return CodeSource{}, errors.New(`must begin with "memory:", "sqlite:", "postgres://" or "mysql://", such as "sqlite:rekey.db"`)
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
	if c.SQL != nil {
		return c.SQL.String()
	}
	return "memory:"
}

// Format keeps every verb of package fmt from telling what String hides.
func (c CodeSource) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// Exposed is that of the database. What is kept in memory nobody sees.
func (c CodeSource) Exposed() bool { return c.SQL != nil && c.SQL.Exposed() }

// MaskCodes is Mask for all that ParseCodes takes.
func MaskCodes(dsn string) (masked string, secret bool) { return Mask(dsn) }

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
	if codes, err := codestore.NewSQL(ctx, db.Write, dialect, db.StepTime); err == nil {
		return codes, nil
	}
	if err := codestore.Migrate(ctx, db.Write, dialect); err != nil {
		return nil, fmt.Errorf("%s: %w; or have them made with what rekey migrate --print prints", key, err)
	}
	codes, err := codestore.NewSQL(ctx, db.Write, dialect, db.StepTime)
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
