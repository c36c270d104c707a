package passhash_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"rekey/passhash"
)

func TestVerifyTakesTheRightPasswordOnly(t *testing.T) {
	t.Parallel()
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			h, err := passhash.Parse(v.stored)
			if err != nil {
				t.Fatal(err)
			}
			if got := h.Recipe().String(); got != v.recipe {
				t.Errorf("recipe %s, want %s", got, v.recipe)
			}
			if got := h.Name(); got != v.name {
				t.Errorf("name %s, want %s", got, v.name)
			}
			if !h.Verify(v.password) {
				t.Error("the right password was refused")
			}
			if wrong := v.password + " "; h.Verify(wrong) {
				t.Errorf("%q was taken", wrong)
			}
		})
	}
}

func TestVerifyRefusesAChangedSum(t *testing.T) {
	t.Parallel()
	for _, stored := range []string{
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/8",
		"pbkdf2_sha256$1$abcdefghijkl$mUQpPi5BlJCg8gAuBnkhiOl9TStDv8xLzwh44RXE7iY=",
	} {
		h, err := passhash.Parse(stored)
		if err != nil {
			t.Fatal(err)
		}
		if h.Verify("password") || h.Verify("letmein7") {
			t.Errorf("%s verifies", stored)
		}
	}
}

func TestMakeKeepsTheLengthsOfALongerHash(t *testing.T) {
	t.Parallel()
	const stored = "$argon2id$v=19$m=8,t=1,p=1$c2l4dGVlbmJ5dGVzYWx0IQ$" + // a sum of 64 bytes
		"/2n8p++u+rgj73CfQNAIqI1yiop2nsd7c06TtAtI/bT3DvRVZw7STdMJbv1FDteMnfew6VjU6gsy/w+rrf9VXg"
	h, err := passhash.Parse(stored)
	if err != nil {
		t.Fatal(err)
	}
	made, err := h.Recipe().Make("secret")
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != len(stored) {
		t.Errorf("made %d characters, the hash had %d", len(made), len(stored))
	}
}

func TestMakeIsAsTheFrameworkWouldStoreIt(t *testing.T) {
	t.Parallel()
	for setting, form := range map[string]string{
		"argon2id$m=64,t=1,p=2":      `^\$argon2id\$v=19\$m=64,t=1,p=2\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`,
		"argon2i$m=64,t=1,p=2":       `^\$argon2i\$v=19\$m=64,t=1,p=2\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`,
		"django_argon2$m=64,t=1,p=2": `^argon2\$argon2id\$v=19\$m=64,t=1,p=2\$[A-Za-z0-9+/]{30}\$[A-Za-z0-9+/]{43}$`,
		"pbkdf2_sha256$1000":         `^pbkdf2_sha256\$1000\$[A-Za-z0-9]{22}\$[A-Za-z0-9+/]{43}=$`,
	} {
		first, err1 := recipe(t, setting).Make("пароль1")
		second, err2 := recipe(t, setting).Make("пароль1")
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(form).MatchString(first) {
			t.Errorf("%s is not of the form %s", first, form)
		}
		if first == second {
			t.Errorf("%s: two hashes have one salt", setting)
		}
		h, err := passhash.Parse(first)
		if err != nil {
			t.Fatal(err)
		}
		if !h.Verify("пароль1") || h.Verify("пароль2") {
			t.Errorf("%s does not verify as it should", first)
		}
	}
}

func TestRecipesThatAreNot(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]error{
		"":                                passhash.ErrUnknown,
		"scrypt":                          passhash.ErrUnknown,
		"{pbkdf2}$185000":                 passhash.ErrMalformed, // the id has the costs
		"django_scrypt$n=16384,r=8":       passhash.ErrMalformed,
		"django_scrypt$n=1000,r=8,p=1":    passhash.ErrBounds,
		"django_scrypt$n=16384,r=8,p=65":  passhash.ErrBounds,
		"aspnet_sha1":                     passhash.ErrUnknown,
		"aspnet_sha512$3000001":           passhash.ErrBounds,
		"phpass":                          passhash.ErrUnknown, // never made
		"bcrypt$":                         passhash.ErrUnknown,
		"bcrypt$12":                       passhash.ErrMalformed,
		"bcrypt$2x$12":                    passhash.ErrMalformed,
		"bcrypt$2b$4":                     passhash.ErrMalformed,
		"bcrypt$2b$+4":                    passhash.ErrMalformed,
		"bcrypt$2b$012":                   passhash.ErrMalformed,
		"bcrypt$2b$12$salt":               passhash.ErrMalformed,
		"bcrypt$2b$17":                    passhash.ErrBounds,
		"argon2id$":                       passhash.ErrUnknown,
		"argon2id$m=19456":                passhash.ErrMalformed,
		"argon2id$m=19456,t=2,p=1$salt":   passhash.ErrMalformed,
		"argon2id$m=999999999,t=2,p=1":    passhash.ErrBounds,
		"pbkdf2_sha1":                     passhash.ErrUnknown,
		"argon2d":                         passhash.ErrUnknown,
		"argon2i$m=65536,t=4":             passhash.ErrMalformed,
		"pbkdf2_sha256$many":              passhash.ErrMalformed,
		"pbkdf2_sha256$600000$salt":       passhash.ErrMalformed,
		"pbkdf2_sha256$99999999999999999": passhash.ErrBounds,
	} {
		if _, err := passhash.ParseRecipe(setting); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", setting, err, want)
		}
	}
	if _, err := passhash.Least("pbkdf2_sha256$1"); !errors.Is(err, passhash.ErrUnknown) {
		t.Errorf("Least took costs: %v", err)
	}
}

func TestCostTellsMemoryAndCores(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]passhash.Cost{
		"argon2id":                  {Memory: 19 << 20, Cores: 1},
		"argon2id$m=102400,t=2,p=8": {Memory: 100 << 20, Cores: 8},
		"argon2i":                   {Memory: 64 << 20, Cores: 1},
		"pbkdf2_sha256":             {Cores: 1},
		"bcrypt":                    {Cores: 1},
		"werkzeug_scrypt":           {Memory: 128*8*32768 + 128*8*3, Cores: 1},
	} {
		if got := recipe(t, setting).Cost(); got != want {
			t.Errorf("%s: %+v, want %+v", setting, got, want)
		}
	}
}

func TestT36_APrintedHashShowsNoSaltNorSum(t *testing.T) {
	t.Parallel()
	for _, v := range vectors {
		h, err := passhash.Parse(v.stored)
		if err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if got := fmt.Sprintf(verb, h); got != v.recipe {
				t.Errorf("%s prints %s", verb, got)
			}
		}
	}
}

func TestLegacyHashesAreVerifiedAndNeverMade(t *testing.T) {
	t.Parallel()
	for _, v := range legacyVectors {
		l, err := passhash.ParseLegacy(v.stored)
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		if l.Name() != v.name || !l.Verify(v.password) || l.Verify(v.password+" ") {
			t.Errorf("%s: name %s, or a password is not verified as it should", v.name, l.Name())
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} { // T36
			if got := fmt.Sprintf(verb, l); got != v.name {
				t.Errorf("%s prints %s", verb, got)
			}
		}
		h, err := passhash.Parse(v.stored)
		if h != nil || !errors.Is(err, passhash.ErrLegacy) || !errors.Is(err, passhash.ErrUnknown) {
			t.Errorf("%s: Parse gives %v, %v, want ErrLegacy", v.name, h, err)
		}
		if _, err := passhash.ParseRecipe(v.name); !errors.Is(err, passhash.ErrUnknown) {
			t.Errorf("%s: there is a recipe: %v", v.name, err)
		}
	}
	for _, stored := range []string{
		"", "hunter2", "md5$salt", "md5$salt$5f4dcc3b5aa765d61d8327deb882cf9", "md5$salt$5f4dcc3b5aa765d61d8327deb882cf9900",
		"sha1$salt$5f4dcc3b5aa765d61d8327deb882cf99", "sha256$salt$5f4dcc3b5aa765d61d8327deb882cf99", "$$5f4dcc3b5aa765d61d8327deb882cf99",
		"{NOOP}hunter2", "5f4dcc3b5aa765d61d8327deb882cf9g", "{noop}" + strings.Repeat("a", 250),
	} {
		if l, err := passhash.ParseLegacy(stored); l != nil || !errors.Is(err, passhash.ErrUnknown) || errors.Is(err, passhash.ErrLegacy) {
			t.Errorf("%q is taken for %v, %v", stored, l, err)
		}
	}
}

func recipe(t *testing.T, setting string) passhash.Recipe {
	t.Helper()
	r, err := passhash.ParseRecipe(setting)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func BenchmarkMake(b *testing.B) {
	for _, setting := range []string{"argon2id", "pbkdf2_sha256", "pbkdf2_sha256$10000000"} {
		b.Run(setting, func(b *testing.B) {
			r, err := passhash.ParseRecipe(setting)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Make("correct horse"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
