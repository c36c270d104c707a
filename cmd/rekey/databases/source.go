package databases

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Kind is a family of databases that are asked alike.
type Kind string

// SQLite is a file of this machine.
const SQLite Kind = "sqlite"

// Source is a data source as a setting names it.
type Source struct {
	Kind Kind
	file string // as written
}

// Parse takes a data source apart, without touching the file that it names. An error is the end of a sentence that begins
// with the setting, and says what to write instead.
func Parse(dsn string) (Source, error) {
	path, ok := strings.CutPrefix(dsn, "sqlite:")
	if !ok {
		return Source{}, errors.New(`must begin with "sqlite:", such as "sqlite:rekey.db"`)
	}
	return Source{Kind: SQLite, file: path}, fileName(path)
}

// String is the data source as it may be shown.
func (s Source) String() string { return "sqlite:" + s.file }

func fileName(path string) error {
	switch {
	case path == "" || strings.HasSuffix(path, "/"):
		return errForm("sqlite: and a file", `"sqlite:rekey.db"`)
	case strings.HasPrefix(path, ":") || strings.HasPrefix(path, "//") || strings.ContainsRune(path, '?'):
		return errForm("sqlite: and the path of a file, without options", `"sqlite:/var/lib/rekey/rekey.db"`)
	case strings.ContainsFunc(path, unicode.IsControl):
		return errors.New("has a control character in its path; remove it")
	}
	return nil
}

// errForm says what a data source must look like, without repeating what it is: it may hold a password.
func errForm(what, example string) error { return fmt.Errorf("must be %s, such as %s", what, example) }
