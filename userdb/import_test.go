package userdb_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"rekey"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// Hashes as others store them, which an import does not verify.
const (
	argonHash  = "$argon2id$v=19$m=64,t=1,p=1$cXZYbEF6U3F0bEx6aVdBWA$Lz2PZzE6IvI0RZ0e2K9Yq4Yf3nJ6jWmG5Vd3r7Qy0hA"
	djangoHash = "pbkdf2_sha256$1$abcdefghijkl$nUQpPi5BlJCg8gAuBnkhiOl9TStDv8xLzwh44RXE7iY="
)

func TestImportReadsTheFilesThatPeopleHave(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		how  userdb.Import
		want string // mobile and password, or its hash
	}{
		"two columns":                {file: "13800000001,Abc123\n13800000002,Abc124\n", want: "13800000001 Abc123 13800000002 Abc124"},
		"no last line end":           {file: "13800000001,Abc123", want: "13800000001 Abc123"},
		"a header":                   {file: "mobile,password\n13800000001,Abc123\n", want: "13800000001 Abc123"},
		"a header in any order":      {file: "Id, Password ,name,MOBILE\n7,Abc123,张三,13800000001\n", want: "13800000001 Abc123"},
		"a quoted header":            {file: "\"mobile\",\"password\"\n\"13800000001\",\"Abc123\"\n", want: "13800000001 Abc123"},
		"BOM, CRLF, blanks":          {file: "\ufeffmobile,password\r\n\r\n13800000001,Abc123\r\n\r\n", want: "13800000001 Abc123"},
		"BOM without a header":       {file: "\ufeff13800000001,Abc123\r\n", want: "13800000001 Abc123"},
		"commas and quotes":          {file: "13800000001,\"a,\"\"b\"\"\"\n13800000002,'c d'\n", want: `13800000001 a,"b" 13800000002 'c d'`},
		"spaces are of the password": {file: "13800000001, Abc123 \n", want: "13800000001  Abc123 "},
		"hashes": {file: fmt.Sprintf("13800000001,%q\n13800000002,%s\n", argonHash, djangoHash),
			how: userdb.Import{Hashed: true}, want: "13800000001 " + argonHash + " 13800000002 " + djangoHash},
		"nothing":     {},
		"header only": {file: "mobile,password\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, userdb.Settings{Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap})
			e := embedded(t, o)
			c.how.Plan = rekey.ChinaMobile
			done, err := e.Import(t.Context(), strings.NewReader(c.file), c.how)
			if err != nil || len(done.Bad) > 0 {
				t.Fatalf("%v, bad lines %v", err, done.Bad)
			}
			// The expected text is rebuilt from the rows, each hash being replaced by the password if it verifies.
			var got []string
			rest := c.want
			for _, u := range list(t, e) {
				rest = strings.TrimPrefix(strings.TrimPrefix(rest, " "), u.Mobile+" ")
				password, after := rest, ""
				if i := strings.Index(rest, " 138"); i >= 0 {
					password, after = rest[:i], rest[i:]
				}
				rest = after
				if c.how.Hashed {
					if hash := account(t, e, u.Mobile).Hash; hash != password {
						t.Errorf("%s has the hash %s", u.Mobile, hash)
					}
				} else if !has(t, e, u.Mobile, password) {
					t.Errorf("the password of %s is not %q", u.Mobile, password)
				}
				got = append(got, u.Mobile)
			}
			if rest != "" || done.Rows != len(got) || done.Added != len(got) {
				t.Errorf("%d read, %d added: %v; %q is missing", done.Rows, done.Added, got, rest)
			}
		})
	}
}

// badFile has good lines, too: 2, 9 and 20.
const badFile = "mobile,password\n" +
	"13800000001,GoodCanary1\n" + // 2
	"12345,BadCanary\n" +
	"+8613800000003,BadCanary\n" +
	"13800000004\n" +
	"13800000005,BadCanary,more\n" +
	"13800000006,\n" +
	"13800000001,BadCanary\n" +
	"13800000009,GoodCanary1\n" + // 9
	"13800000010,\"BadCanary\n" +
	"13800000011,Bad\"Canary\"\n" +
	"13800000012,\xff\xfeBadCanary\n" +
	"13800000013,Bad\x00Canary\n" +
	"\n" +
	"\uff11\uff13\uff18\uff10\uff10\uff10\uff10\uff10\uff10\uff10\uff11,BadCanary\n" +
	" 13800000016,BadCanary\n" +
	"1.38E+10,BadCanary\n" +
	"13900000002,BadCanary\n" + // 18: in the table
	"13800000019,LONG\n" +
	"13800000020,GoodCanary1\n" +
	"13800000021,Refused"

func badLines() (file string, lines []int) {
	return strings.Replace(badFile, "LONG", strings.Repeat("BadCanary", 10_000), 1),
		[]int{3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 15, 16, 17, 18, 19, 21}
}

func TestImportTellsEveryBadLineAndImportsNothing(t *testing.T) {
	t.Parallel()
	file, want := badLines()
	for _, skip := range []bool{false, true} {
		o := options(t, userdb.Settings{Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap})
		e := embedded(t, o)
		add(t, e, "13900000002")
		done, err := e.Import(t.Context(), strings.NewReader(file), userdb.Import{Plan: rekey.ChinaMobile, SkipBad: skip,
			Check: func(n rekey.Number, password string) error {
				if password == "Refused" {
					return errors.New("the password is too short")
				}
				return nil
			}})
		if !skip && !errors.Is(err, userdb.ErrBadLines) || skip && err != nil {
			t.Errorf("skip %v: %v", skip, err)
		}
		var got []int
		for _, bad := range done.Bad {
			got = append(got, bad.Line)
			// T36: a line is known by its number alone.
			for _, canary := range []string{"Canary", "1380000", "1390000", "Refused"} {
				if strings.Contains(bad.Cause.Error(), canary) {
					t.Errorf("line %d: the cause says a secret: %v", bad.Line, bad.Cause)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("skip %v: bad lines %v, want %v", skip, got, want)
		}
		users := list(t, e)
		if !skip && (len(users) != 1 || done.Added != 0) || skip && (len(users) != 4 || done.Added != 3) || done.Rows != len(want)+3 {
			t.Errorf("skip %v: %d rows, %d added, %d users", skip, done.Rows, done.Added, len(users))
		}
		if skip && (!has(t, e, "13800000001", "GoodCanary1") || !has(t, e, "13900000002", "Abc123")) {
			t.Error("of two lines with one number, the first does not stand")
		}
	}
}

func TestImportTellsWhatIsWrongWithALine(t *testing.T) {
	t.Parallel()
	file, _ := badLines()
	e := embedded(t, options(t, userdb.Settings{Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap}))
	add(t, e, "13900000002")
	done, _ := e.Import(t.Context(), strings.NewReader(file), userdb.Import{Plan: rekey.ChinaMobile})
	causes := map[int]string{}
	for _, bad := range done.Bad {
		causes[bad.Line] = bad.Cause.Error()
	}
	for line, want := range map[int]string{
		3: "mobile number", 5: "1 cells instead of 2", 6: "3 cells instead of 2", 7: "password is empty", 8: "line 2",
		10: "quotes", 12: "UTF-8", 13: "UTF-8", 18: "registered already", 19: "longer than",
	} {
		if !strings.Contains(causes[line], want) {
			t.Errorf("line %d: %q, want a word of %q", line, causes[line], want)
		}
	}
}

func TestT41_ImportRefusesHashesThatCouldNeverBeVerified(t *testing.T) {
	t.Parallel()
	e := embedded(t, options(t, userdb.Settings{}))
	lines := []string{
		"5f4dcc3b5aa765d61d8327deb882cf99", "Abc123", "!", "!" + djangoHash, djangoHash + "x",
		"pbkdf2_sha256$99999999$abcdefghijkl$nUQpPi5BlJCg8gAuBnkhiOl9TStDv8xLzwh44RXE7iY=",
		strings.Replace(argonHash, "m=64", "m=4194304", 1),
		strings.Replace(argonHash, "m=64", "m=1048576", 1), // within the bounds, beyond the memory for hashing
	}
	var file strings.Builder
	for i, hash := range lines {
		fmt.Fprintf(&file, "138%08d,%q\n", i, hash)
	}
	done, err := e.Import(t.Context(), strings.NewReader(file.String()), userdb.Import{Plan: rekey.ChinaMobile, Hashed: true, SkipBad: true})
	if err != nil || len(done.Bad) != len(lines) || done.Added != 0 {
		t.Errorf("%d bad lines of %d, %v", len(done.Bad), len(lines), err)
	}
	if done, err = e.Import(t.Context(), strings.NewReader("13800000001,"+djangoHash), userdb.Import{Plan: rekey.ChinaMobile, Hashed: true}); err != nil || done.Added != 1 {
		t.Errorf("a good one: %d added, %v", done.Added, err)
	}
}

func TestImportOfHashesFindsDuplicatesInTheTable(t *testing.T) {
	t.Parallel()
	e := embedded(t, options(t, userdb.Settings{}))
	file := "13800000001," + djangoHash + "\n13800000002," + djangoHash + "\n"
	how := userdb.Import{Plan: rekey.ChinaMobile, Hashed: true}
	if _, err := e.Import(t.Context(), strings.NewReader("13800000002,"+djangoHash), how); err != nil {
		t.Fatal(err)
	}
	done, err := e.Import(t.Context(), strings.NewReader(file), how)
	if !errors.Is(err, userdb.ErrBadLines) || len(done.Bad) != 1 || done.Bad[0].Line != 2 || !errors.Is(done.Bad[0].Cause, userdb.ErrDuplicate) {
		t.Errorf("%v, %v", done.Bad, err)
	}
	if len(list(t, e)) != 1 {
		t.Error("a part was imported")
	}
	how.SkipBad = true
	if done, err = e.Import(t.Context(), strings.NewReader(file), how); err != nil || done.Added != 1 || len(done.Bad) != 1 {
		t.Errorf("%d added, bad %v, %v", done.Added, done.Bad, err)
	}
}

func TestImportTellsItsProgress(t *testing.T) {
	t.Parallel()
	e := embedded(t, options(t, userdb.Settings{Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap}))
	var file strings.Builder
	for i := range 1100 {
		fmt.Fprintf(&file, "138%08d,Abc123\n", i)
	}
	var told []string
	done, err := e.Import(t.Context(), strings.NewReader(file.String()), userdb.Import{Plan: rekey.ChinaMobile,
		Progress: func(stage userdb.Stage, done int) { told = append(told, fmt.Sprint(stage, " ", done)) }})
	if err != nil || done.Added != 1100 {
		t.Fatalf("%d added, %v", done.Added, err)
	}
	want := []string{"read 1000", "read 1100", "hash 1000", "hash 1100", "store 1000", "store 1100"}
	if !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	if !has(t, e, "13800001099", "Abc123") {
		t.Error("the last one's password does not verify")
	}
}

func TestImportEndsWithItsContextAndLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, stage := range []userdb.Stage{userdb.StageRead, userdb.StageHash, userdb.StageStore} {
		e := embedded(t, options(t, userdb.Settings{Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap}))
		var file strings.Builder
		for i := range 1200 {
			fmt.Fprintf(&file, "138%08d,Abc123\n", i)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done, err := e.Import(ctx, strings.NewReader(file.String()), userdb.Import{Plan: rekey.ChinaMobile,
			Progress: func(at userdb.Stage, _ int) {
				if at == stage {
					cancel()
				}
			}})
		if !errors.Is(err, context.Canceled) || done.Added != 0 || len(list(t, e)) != 0 {
			t.Errorf("%s: %d added, %d users, %v", stage, done.Added, len(list(t, e)), err)
		}
		add(t, e, "13800000001") // nothing is stuck
	}
}

func TestImportFailsIfReadingDoes(t *testing.T) {
	t.Parallel()
	e := embedded(t, options(t, userdb.Settings{}))
	gone := errors.New("the disk is gone")
	file := &failing{strings.NewReader("13800000001," + djangoHash + "\n"), gone}
	if _, err := e.Import(t.Context(), file, userdb.Import{Plan: rekey.ChinaMobile, Hashed: true}); !errors.Is(err, gone) {
		t.Errorf("%v, want the cause", err)
	}
	if len(list(t, e)) != 0 {
		t.Error("a part was imported")
	}
}

// failing fails where its reader ends.
type failing struct {
	r   *strings.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil {
		err = f.err
	}
	return n, err
}

// FuzzImport looks for panics, and for files of which more is taken than there are lines.
func FuzzImport(f *testing.F) {
	file, _ := badLines()
	for _, seed := range []string{file, "", "\ufeff", "mobile,password", "\"", "13800000001," + djangoHash, "password,mobile\n\r\r\n,,\n\"\"\"",
		"13800000001,\"" + argonHash + "\"\r\n13800000001,\"" + argonHash + "\""} {
		f.Add([]byte(seed))
	}
	memory, err := sql.Open("sqlite", "file::memory:")
	if err != nil {
		f.Fatal(err)
	}
	defer memory.Close()
	memory.SetMaxOpenConns(1) // every connection would have a database of its own
	e := embedded(f, userdb.Options{Read: memory, Write: memory, Dialect: userdb.SQLite()})
	f.Fuzz(func(t *testing.T, file []byte) {
		exec(t, memory, "DELETE FROM users")
		done, err := e.Import(t.Context(), bytes.NewReader(file), userdb.Import{Plan: rekey.ChinaMobile, Hashed: true, SkipBad: true})
		if err != nil {
			t.Fatal(err)
		}
		if done.Added+len(done.Bad) != done.Rows || done.Rows > bytes.Count(file, []byte("\n"))+1 || len(list(t, e)) != done.Added {
			t.Fatalf("%d rows, %d added, %d bad, %d users", done.Rows, done.Added, len(done.Bad), len(list(t, e)))
		}
		for _, bad := range done.Bad {
			if strings.Contains(bad.Cause.Error(), "1380000") {
				t.Fatalf("the cause says the number: %v", bad.Cause)
			}
		}
	})
}
