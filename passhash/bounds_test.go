package passhash_test

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"rekey/passhash"
)

func TestT41_ParseRefusesWhatIsNotWithinBounds(t *testing.T) {
	t.Parallel()
	const salt, sum = "c29tZXNhbHQ", "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	argon := func(costs string) string { return "$argon2id$v=19$" + costs + "$" + salt + "$" + sum }
	const bcryptRest = "sftjj879aevOVe3vuhvW2O3XiI.C35SVCnFD2AaFSSkHdZzYREkKi"
	hex64 := strings.Repeat("5a", 64)
	sum64 := base64.StdEncoding.EncodeToString(make([]byte, 64))
	const djangoSum = "nUQpPi5BlJCg8gAuBnkhiOl9TStDv8xLzwh44RXE7iY="
	for _, c := range []struct {
		what, stored string
		want         error
	}{
		{"nothing", "", passhash.ErrUnusable},
		{"Django's unusable password", "!2nO4WVPKmNKQwGSxXD5TnQuZ1dHbAcVvb3M0GvSP", passhash.ErrUnusable},
		{"a locked account", "!" + argon("m=256,t=2,p=1"), passhash.ErrUnusable},
		{"an account that never had a password", "*", passhash.ErrUnusable},

		{"plain text", "hunter2", passhash.ErrUnknown},
		{"unsalted MD5", "5f4dcc3b5aa765d61d8327deb882cf99", passhash.ErrLegacy},
		{"Spring's plain text", "{noop}hunter2", passhash.ErrLegacy},
		{"other case", "PBKDF2_SHA256$1$abcdefghijkl$" + djangoSum, passhash.ErrUnknown},
		{"a megabyte", argon("m=256,t=2,p=1") + strings.Repeat("A", 1<<20), passhash.ErrUnknown},

		{"memory of 4 TiB", argon("m=4294967295,t=1,p=1"), passhash.ErrBounds},
		{"memory over 64 bits", argon("m=99999999999999999999999,t=1,p=1"), passhash.ErrBounds},
		{"memory over the bound", argon("m=1048577,t=1,p=1"), passhash.ErrBounds},
		{"work over the bound", argon("m=1048576,t=5,p=1"), passhash.ErrBounds},
		{"work over the bound by passes", argon("m=8,t=524289,p=1"), passhash.ErrBounds},
		{"passes", argon("m=8,t=4294967295,p=1"), passhash.ErrBounds},
		{"lanes", argon("m=65536,t=1,p=33"), passhash.ErrBounds},
		{"256 lanes, which are 0 in a byte", argon("m=65536,t=1,p=256"), passhash.ErrBounds},
		{"no pass", argon("m=256,t=0,p=1"), passhash.ErrBounds},
		{"no lane", argon("m=256,t=1,p=0"), passhash.ErrBounds},
		{"less memory than lanes need", argon("m=15,t=1,p=2"), passhash.ErrBounds},
		{"a short salt", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbA$" + sum, passhash.ErrBounds},
		{"a long salt", "$argon2id$v=19$m=256,t=2,p=1$" + strings.Repeat("AAAA", 17) + "$" + sum, passhash.ErrBounds},
		{"an empty sum", "$argon2id$v=19$m=256,t=2,p=1$" + salt + "$", passhash.ErrBounds},
		{"a long sum", "$argon2id$v=19$m=256,t=2,p=1$" + salt + "$" + strings.Repeat("AAAA", 22), passhash.ErrBounds},

		{"argon2i with too much memory", "$argon2i$v=19$m=1048577,t=1,p=1$" + salt + "$" + sum, passhash.ErrBounds},
		{"no version", "$argon2id$m=256,t=2,p=1$" + salt + "$" + sum, passhash.ErrMalformed},
		{"argon2d", "$argon2d$v=19$m=256,t=2,p=1$" + salt + "$" + sum, passhash.ErrMalformed},
		{"argon2 of no variety", "$argon2$v=19$m=256,t=2,p=1$" + salt + "$" + sum, passhash.ErrMalformed},
		{"Django's argon2 with too much memory", "argon2$argon2id$v=19$m=1048577,t=1,p=1$" + salt + "$" + sum, passhash.ErrBounds},
		{"Django's argon2 without a version", "argon2$argon2i$m=8,t=1,p=1$c29tZXNhbHQ$gwQOXSNhxiOxPOA0+PY10P9QFO4NAYysnqRt1GSQLE55m+2GYDt9FEjPMHhP2Cuf0nOEXXMocVrsJAtNSsKyfg", passhash.ErrMalformed},
		{"version 16", "$argon2id$v=16$m=256,t=2,p=1$" + salt + "$" + sum, passhash.ErrMalformed},
		{"another order", argon("t=2,m=256,p=1"), passhash.ErrMalformed},
		{"a cost twice", argon("m=256,m=256,p=1"), passhash.ErrMalformed},
		{"a cost more", argon("m=256,t=2,p=1,data=AAAA"), passhash.ErrMalformed},
		{"a sign", argon("m=+256,t=2,p=1"), passhash.ErrMalformed},
		{"a leading zero", argon("m=0256,t=2,p=1"), passhash.ErrMalformed},
		{"an underscore", argon("m=2_56,t=2,p=1"), passhash.ErrMalformed},
		{"Arabic-Indic digits", argon("m=٢٥٦,t=2,p=1"), passhash.ErrMalformed},
		{"no sum", "$argon2id$v=19$m=256,t=2,p=1$" + salt, passhash.ErrMalformed},
		{"padding", "$argon2id$v=19$m=256,t=2,p=1$" + salt + "=$" + sum, passhash.ErrMalformed},
		{"the other alphabet", "$argon2id$v=19$m=256,t=2,p=1$" + salt + "$" + strings.ReplaceAll(sum, "/", "_"), passhash.ErrMalformed},
		{"bits left over", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHR$" + sum, passhash.ErrMalformed},
		{"a line break", "$argon2id$v=19$m=256,t=2,p=1$c29t\nZXNhbHQ$" + sum, passhash.ErrMalformed},
		{"one field more", argon("m=256,t=2,p=1") + "$", passhash.ErrMalformed},

		{"bcrypt of cost 17", "$2b$17$" + bcryptRest, passhash.ErrBounds},
		{"bcrypt of cost 31", "$2b$31$" + bcryptRest, passhash.ErrBounds},
		{"bcrypt of cost 99", "bcrypt$$2b$99$" + bcryptRest, passhash.ErrBounds},
		{"bcrypt of cost 3", "$2b$03$" + bcryptRest, passhash.ErrBounds},
		{"bcrypt of three digits", "$2b$010$" + bcryptRest[1:], passhash.ErrMalformed},
		{"bcrypt with the bug", "$2x$04$" + bcryptRest, passhash.ErrMalformed},
		{"bcrypt of before 1998", "$2$04$" + bcryptRest, passhash.ErrMalformed},
		{"bcrypt cut off", "$2b$04$" + bcryptRest[1:], passhash.ErrMalformed},
		{"bcrypt and more", "$2b$04$" + bcryptRest + "\n", passhash.ErrMalformed},
		{"bcrypt in another alphabet", "{bcrypt}$2b$04$+" + bcryptRest[1:], passhash.ErrMalformed},
		{"an id of Spring alone", "{bcrypt}", passhash.ErrUnknown},
		{"an id that nobody knows", "{rot13}cnffjbeq", passhash.ErrUnknown},
		{"Spring's argon2 with too much memory", "{argon2}$argon2id$v=19$m=1048577,t=1,p=1$" + salt + "$" + sum, passhash.ErrBounds},
		{"WordPress with cost 17", "$wp$2y$17$" + bcryptRest, passhash.ErrBounds},
		{"scrypt of 2 GiB", "scrypt$16777216$seasalt$8$1$" + sum64, passhash.ErrBounds},
		{"scrypt of too much work", "scrypt$1048576$seasalt$8$2$" + sum64, passhash.ErrBounds},
		{"scrypt of too many lanes", "scrypt:1024:1:256$NaCl$" + hex64, passhash.ErrBounds},
		{"scrypt with a wide block", "scrypt:1024:256:1$NaCl$" + hex64, passhash.ErrBounds},
		{"scrypt of no power of two", "scrypt:1023:8:1$NaCl$" + hex64, passhash.ErrBounds},
		{"scrypt of one", "scrypt:1:8:1$NaCl$" + hex64, passhash.ErrBounds},
		{"scrypt of a narrow block", "scrypt:65536:1:1$NaCl$" + hex64, passhash.ErrBounds},
		{"scrypt over 64 bits", "scrypt:99999999999999999999:8:1$NaCl$" + hex64, passhash.ErrBounds},
		{"scrypt with a short sum", "scrypt:1024:8:1$NaCl$00", passhash.ErrBounds},
		{"scrypt with a long sum", "scrypt:1024:8:1$NaCl$" + hex64 + "00", passhash.ErrBounds},
		{"scrypt without a salt", "scrypt:1024:8:1$$" + hex64, passhash.ErrBounds},
		{"scrypt with half a byte", "scrypt:1024:8:1$NaCl$" + hex64 + "0", passhash.ErrMalformed},
		{"Werkzeug's scrypt without costs", "scrypt$NaCl$" + hex64, passhash.ErrMalformed},
		{"Werkzeug's scrypt with a cost more", "scrypt:1024:8:1:64$NaCl$" + hex64, passhash.ErrMalformed},
		{"Werkzeug's PBKDF2 without iterations", "pbkdf2:sha512$NaCl$" + hex64, passhash.ErrMalformed},
		{"Werkzeug's PBKDF2 over MD5", "pbkdf2:md5:1000$NaCl$" + hex64[:32], passhash.ErrMalformed},
		{"Werkzeug's PBKDF2 with too many iterations", "pbkdf2:sha512:3000001$NaCl$" + hex64, passhash.ErrBounds},
		{"Werkzeug's PBKDF2 with a short sum", "pbkdf2:sha512:1000$NaCl$" + hex64[2:], passhash.ErrMalformed},
		{"Spring's scrypt of 2 GiB", "{scrypt}$180801$AAECAwQFBgcICQoLDA0ODw==$s6yUnrPbyhaUNccT+Nw3EClrh0edsiitkYQINgDPOfU=", passhash.ErrBounds},
		{"Spring's scrypt of 2^65535", "{scrypt}$ffff0801$AAECAwQFBgcICQoLDA0ODw==$s6yUnrPbyhaUNccT+Nw3EClrh0edsiitkYQINgDPOfU=", passhash.ErrBounds},
		{"Spring's scrypt over 32 bits", "{scrypt}$1000e0801$AAECAwQFBgcICQoLDA0ODw==$s6yUnrPbyhaUNccT+Nw3EClrh0edsiitkYQINgDPOfU=", passhash.ErrBounds},
		{"Spring's scrypt of no lanes", "{scrypt}$e0800$AAECAwQFBgcICQoLDA0ODw==$s6yUnrPbyhaUNccT+Nw3EClrh0edsiitkYQINgDPOfU=", passhash.ErrBounds},
		{"Spring's scrypt without costs", "{scrypt}$$AAECAwQFBgcICQoLDA0ODw==$s6yUnrPbyhaUNccT+Nw3EClrh0edsiitkYQINgDPOfU=", passhash.ErrMalformed},
		{"Spring's scrypt with negative costs", "{scrypt}$-e0801$AAECAwQFBgcICQoLDA0ODw==$s6yUnrPbyhaUNccT+Nw3EClrh0edsiitkYQINgDPOfU=", passhash.ErrMalformed},
		{"Spring's scrypt with a short salt", "{scrypt}$e0801$AAEC$s6yUnrPbyhaUNccT+Nw3EClrh0edsiitkYQINgDPOfU=", passhash.ErrBounds},
		{"Spring's PBKDF2 with the other id's salt", "{pbkdf2@SpringSecurity_v5_8}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8dc", passhash.ErrMalformed},
		{"Spring's PBKDF2 in base64", "{pbkdf2}XZI7RKbRKfPd8+PI0pQScj3L3nJEXo72vztQj78X+k7U1rmcp2PY3A==", passhash.ErrMalformed},
		{"ASP.NET with 4 billion iterations", aspnet(1, 1<<32-1, 16, 48), passhash.ErrBounds},
		{"ASP.NET with too many iterations", aspnet(2, 3_000_001, 16, 48), passhash.ErrBounds},
		{"ASP.NET without iterations", aspnet(1, 0, 16, 48), passhash.ErrBounds},
		{"ASP.NET with a fourth function", aspnet(3, 1000, 16, 48), passhash.ErrMalformed},
		{"ASP.NET with a salt that is longer than the hash", aspnet(1, 1000, 1<<32-1, 48), passhash.ErrBounds},
		{"ASP.NET with a salt that ends outside", aspnet(1, 1000, 49, 48), passhash.ErrMalformed},
		{"ASP.NET with a short salt", aspnet(1, 1000, 15, 47), passhash.ErrBounds},
		{"ASP.NET with a short subkey", aspnet(1, 1000, 16, 31), passhash.ErrBounds},
		{"ASP.NET with a long subkey", aspnet(1, 1000, 16, 81), passhash.ErrBounds},
		{"ASP.NET cut off", "AQAAAAEAACcQAAAA", passhash.ErrMalformed},
		{"ASP.NET with a line break", "AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==\n", passhash.ErrMalformed},
		{"ASP.NET, version 2", "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJg==", passhash.ErrUnknown},
		{"phpass of 2^24 rounds", "$P$M9eCasDEana6XWn1PUxM/oiyxIQLbI1", passhash.ErrBounds},
		{"phpass of 2^30 rounds", "$P$S9eCasDEana6XWn1PUxM/oiyxIQLbI1", passhash.ErrBounds},
		{"phpass of 2^63 rounds", "$P$z9eCasDEana6XWn1PUxM/oiyxIQLbI1", passhash.ErrBounds},
		{"phpass of one round", "$H$.9eCasDEana6XWn1PUxM/oiyxIQLbI1", passhash.ErrBounds},
		{"phpass cut off", "$P$B9eCasDEana6XWn1PUxM/oiyxIQLbI", passhash.ErrMalformed},
		{"phpass in another alphabet", "$P$B9eCasDEana6XWn1PUxM+oiyxIQLbI1", passhash.ErrMalformed},

		{"iterations over the bound", "pbkdf2_sha256$10000001$abcdefghijkl$" + djangoSum, passhash.ErrBounds},
		{"no iteration", "pbkdf2_sha256$0$abcdefghijkl$" + djangoSum, passhash.ErrBounds},
		{"negative iterations", "pbkdf2_sha256$-1$abcdefghijkl$" + djangoSum, passhash.ErrMalformed},
		{"iterations with a space", "pbkdf2_sha256$ 1$abcdefghijkl$" + djangoSum, passhash.ErrMalformed},
		{"no salt", "pbkdf2_sha256$1$$" + djangoSum, passhash.ErrBounds},
		{"a long salt for PBKDF2", "pbkdf2_sha256$1$" + strings.Repeat("a", 65) + "$" + djangoSum, passhash.ErrBounds},
		{"iterations of SHA-1 over the bound", "pbkdf2_sha1$10000001$abcdefghijkl$j8KfLiGoRIrMPmyVJmJDvmxLrB4=", passhash.ErrBounds},
		{"a sum of SHA-256 where SHA-1 is named", "pbkdf2_sha1$1$abcdefghijkl$" + djangoSum, passhash.ErrMalformed},
		{"a short sum", "pbkdf2_sha256$1$abcdefghijkl$AAAA", passhash.ErrMalformed},
		{"no padding", "pbkdf2_sha256$1$abcdefghijkl$" + djangoSum[:43], passhash.ErrMalformed},
		{"a line break in the sum", "pbkdf2_sha256$1$abcdefghijkl$" + djangoSum[:20] + "\n" + djangoSum[20:], passhash.ErrMalformed},
		{"a field more", "pbkdf2_sha256$1$abcdefghijkl$" + djangoSum + "$", passhash.ErrMalformed},
	} {
		h, err := passhash.Parse(c.stored)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
		if h != nil {
			t.Errorf("%s: gives a hash", c.what)
		}
	}
}

// aspnet is a hash as ASP.NET Core Identity 3 writes it, with a header that may lie and so many bytes behind it.
func aspnet(prf, iterations, salt uint32, rest int) string {
	b := []byte{1}
	for _, n := range []uint32{prf, iterations, salt} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return base64.StdEncoding.EncodeToString(append(b, make([]byte, rest)...))
}

func TestT41_MakeIsNeverWeakerThanTheHashNorTheFloor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ row, floor, want string }{
		{"pbkdf2_sha256$870000", "pbkdf2_sha256$600000", "pbkdf2_sha256$870000"},
		{"pbkdf2_sha256$1000", "pbkdf2_sha256$600000", "pbkdf2_sha256$600000"},
		{"pbkdf2_sha256$1000", "pbkdf2_sha256", "pbkdf2_sha256$600000"},
		{"pbkdf2_sha256$1000", "argon2id", "pbkdf2_sha256$1000"}, // not comparable
		{"argon2id$m=65536,t=4,p=1", "argon2id", "argon2id$m=65536,t=4,p=1"},
		{"argon2id$m=4096,t=3,p=1", "argon2id", "argon2id$m=19456,t=3,p=1"},
		{"argon2id$m=102400,t=1,p=8", "argon2id", "argon2id$m=102400,t=2,p=8"},
		{"argon2id$m=19456,t=2,p=1", "pbkdf2_sha256", "argon2id$m=19456,t=2,p=1"},
		{"argon2i$m=1024,t=2,p=2", "argon2i", "argon2i$m=65536,t=4,p=2"}, // Laravel's default once
		{"argon2i$m=131072,t=3,p=1", "argon2i", "argon2i$m=131072,t=4,p=1"},
		{"argon2i$m=1024,t=2,p=2", "argon2id", "argon2i$m=1024,t=2,p=2"}, // not comparable
		{"django_argon2$m=512,t=2,p=2", "django_argon2", "django_argon2$m=19456,t=2,p=2"},
		{"django_scrypt$n=16384,r=8,p=1", "django_scrypt", "django_scrypt$n=16384,r=8,p=5"},
		{"werkzeug_scrypt$n=32768,r=8,p=1", "werkzeug_scrypt", "werkzeug_scrypt$n=32768,r=8,p=3"},
		{"werkzeug_scrypt$n=65536,r=8,p=4", "werkzeug_scrypt", "werkzeug_scrypt$n=65536,r=8,p=4"},
		{"{scrypt@SpringSecurity_v5_8}$n=65536,r=8,p=1", "{scrypt@SpringSecurity_v5_8}", "{scrypt@SpringSecurity_v5_8}$n=65536,r=8,p=2"},
		{"{scrypt}$n=16384,r=8,p=1", "django_scrypt", "{scrypt}$n=16384,r=8,p=1"},
		{"{scrypt}$n=2,r=1,p=255", "{scrypt}$n=1048576,r=8,p=1", "{scrypt}$n=1048576,r=8,p=1"}, // within the bounds still
		{"{scrypt}$n=4194304,r=2,p=1", "{scrypt}$n=2,r=255,p=1", "{scrypt}$n=4194304,r=2,p=1"},
		{"{scrypt}$n=2,r=255,p=1", "{scrypt}$n=4194304,r=2,p=1", "{scrypt}$n=4194304,r=2,p=1"},
		{"{pbkdf2}", "{pbkdf2}", "{pbkdf2}"},
		{"aspnet_sha256$10000", "aspnet_sha256", "aspnet_sha256$600000"},
		{"aspnet_sha512$100000", "aspnet_sha512", "aspnet_sha512$220000"},
		{"aspnet_sha512$300000", "aspnet_sha256", "aspnet_sha512$300000"},
		{"werkzeug_pbkdf2_sha256$1000000", "werkzeug_pbkdf2_sha256", "werkzeug_pbkdf2_sha256$1000000"},
		{"bcrypt$2y$08", "bcrypt", "bcrypt$2y$10"},
		{"bcrypt$2y$12", "bcrypt$2a$11", "bcrypt$2y$12"},
		{"bcrypt$2b$10", "bcrypt$2a$12", "bcrypt$2b$12"}, // the letter is the row's
		{"django_bcrypt$2b$10", "django_bcrypt", "django_bcrypt$2b$12"},
		{"{bcrypt}$2a$10", "bcrypt$2a$12", "{bcrypt}$2a$10"},
		{"wordpress$2y$10", "wordpress", "wordpress$2y$10"},
		{"django_argon2$m=512,t=2,p=2", "argon2id", "django_argon2$m=512,t=2,p=2"},
		{"argon2id$m=8,t=524288,p=1", "argon2id$m=1048576,t=1,p=1", "argon2id$m=1048576,t=4,p=1"}, // within the bounds still
		{"argon2id$m=8,t=1,p=1", "argon2id$m=256,t=1,p=32", "argon2id$m=256,t=1,p=32"},
	} {
		row, floor := recipe(t, c.row), recipe(t, c.floor)
		up := row.AtLeast(floor)
		if up.String() != c.want {
			t.Errorf("%s with floor %s: %s, want %s", c.row, c.floor, up, c.want)
		}
		if again := recipe(t, up.String()); again.String() != up.String() {
			t.Errorf("%s reads back as %s", up, again)
		}
	}
}

// Bcrypt reads 72 bytes. What a framework hashed without a word is verified as it does; nothing like it is made.
func TestT41_BcryptNeverMakesWhatItWouldNotRead(t *testing.T) {
	t.Parallel()
	const long = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	// crypt_blowfish's own test (wrapper.c); PHP 8.2, ruby-bcrypt 3.1.18 and python3-bcrypt 3.2.2 take it too.
	h, err := passhash.Parse("$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui")
	if err != nil {
		t.Fatal(err)
	}
	if len(long) != 72 || !h.Verify(long+"chars after 72 are ignored") || !h.Verify(long) || h.Verify(long[:71]) {
		t.Error("a password over 72 bytes is not verified by its first 72")
	}
	for _, c := range []struct {
		setting, password string
		fits              bool
	}{
		{"bcrypt$2b$04", long, true},
		{"bcrypt$2b$04", long + "x", false},
		{"bcrypt$2b$04", strings.Repeat("密", 25), false}, // 75 bytes
		{"bcrypt$2b$04", "nul\x00", false},
		{"django_bcrypt$2b$04", long + "12345678", false},
		{"{bcrypt}$2a$04", long + "12345678", false},
		{"django_bcrypt_sha256$2b$04", long + "12345678", true},
		{"django_bcrypt_sha256$2b$04", "nul\x00", true},
		{"wordpress$2y$04", long + "12345678", true},
	} {
		made, err := recipe(t, c.setting).Make(c.password)
		if !c.fits {
			if !errors.Is(err, passhash.ErrPassword) || made != "" || strings.Contains(err.Error(), c.password) {
				t.Errorf("%s: %d bytes: %q, %v, want ErrPassword", c.setting, len(c.password), made, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %d bytes: %v", c.setting, len(c.password), err)
			continue
		}
		h, err := passhash.Parse(made)
		if err != nil {
			t.Fatal(err)
		}
		if !h.Verify(c.password) || h.Verify(c.password[:len(c.password)-1]) {
			t.Errorf("%s: the last of %d bytes does not count", c.setting, len(c.password))
		}
	}
	// A NUL in the middle is where some implementations stop reading.
	made, err := recipe(t, "bcrypt$2b$04").Make("secret")
	if err != nil {
		t.Fatal(err)
	}
	if h, err := passhash.Parse(made); err != nil || h.Verify("secret\x00") || h.Verify("secret\x00more") {
		t.Errorf("a password with a NUL is right: %v", err)
	}
}

// FuzzParse looks for panics, and for hashes that get through with costs beyond the bounds.
func FuzzParse(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.stored)
	}
	f.Add("")
	f.Add("!locked")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$$")
	f.Add("pbkdf2_sha256$99999999999999999999$salt$sum")
	f.Add("argon2id$m=19456,t=2,p=1")
	for _, v := range legacyVectors {
		f.Add(v.stored)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, legacyErr := passhash.ParseLegacy(s)
		if legacyErr == nil {
			l.Verify(s)
		}
		if r, err := passhash.ParseRecipe(s); err == nil {
			checkRecipe(t, r)
		}
		h, err := passhash.Parse(s)
		if got := errors.Is(err, passhash.ErrLegacy); got != (legacyErr == nil) {
			t.Fatalf("Parse says legacy: %v, ParseLegacy: %v", got, legacyErr)
		}
		if err != nil {
			return
		}
		checkRecipe(t, h.Recipe())
		if h.Name() == "" || fmt.Sprintf("%+v", h) != h.Recipe().String() {
			t.Fatalf("%s prints %+v", h.Name(), h)
		}
	})
}

func checkRecipe(t *testing.T, r passhash.Recipe) {
	t.Helper()
	if memory := r.Cost().Memory; memory < 0 || memory > 1<<30+128*255*255 { // scrypt has a little beside its 1 GiB
		t.Fatalf("%s takes %d bytes", r, memory)
	}
	least, err := passhash.Least(r.Name())
	if err != nil {
		t.Fatalf("%s has no least: %v", r, err)
	}
	for _, up := range []passhash.Recipe{r, r.AtLeast(least), least.AtLeast(r)} {
		if again, err := passhash.ParseRecipe(up.String()); err != nil || again.String() != up.String() {
			t.Fatalf("%s does not read back: %v", up, err)
		}
	}
}
