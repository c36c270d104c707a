package interop_test

import "testing"

// django is a project of Django with AUTH_USER_MODEL = model, whose table is as given.
func django(model, table string) framework {
	const (
		pbkdf2 = `^pbkdf2_sha256\$(\d+)\$[A-Za-z0-9]{22}\$[A-Za-z0-9+/]{43}=$`
		argon2 = `^argon2\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$[A-Za-z0-9+/]{30}\$[A-Za-z0-9+/]{43}$`
		bcrypt = `2b\$(\d\d)\$[./A-Za-z0-9]{53}$`
		scrypt = `^scrypt\$(\d+)\$[A-Za-z0-9]{22}\$(\d+)\$(\d+)\$[A-Za-z0-9+/]{86}==$`
	)
	// OWASP's for PBKDF2, and the hashers' own costs for the others.
	owasp := []int{600_000}
	return framework{
		folder:  "django",
		peer:    []string{"/usr/bin/python3", "-B", "peer.py"},
		env:     []string{"USER_MODEL=" + model},
		probe:   []string{"/usr/bin/python3", "-c", "import django, argon2, bcrypt, psycopg2, MySQLdb"},
		install: "apt-get install python3-django python3-argon2 python3-bcrypt python3-psycopg2 python3-mysqldb",

		databases: []string{"sqlite", "postgres", "mysql"},
		tables:    map[string]string{table: "id"},
		table:     table,
		hash:      "password",

		formats: []format{
			{name: "pbkdf2_sha256", made: pbkdf2, least: owasp},
			{name: "pbkdf2_sha1", made: pbkdf2, least: owasp},
			{name: "argon2", made: argon2, least: []int{102400, 2, 8}},
			{name: "bcrypt_sha256", made: `^bcrypt_sha256\$\$` + bcrypt, least: []int{12}},
			{name: "bcrypt", made: `^bcrypt\$\$` + bcrypt, least: []int{12}, longest: 72},
			{name: "scrypt", made: scrypt, least: []int{1 << 14, 8, 1}},
			{name: "sha1", made: pbkdf2, least: owasp},
			{name: "md5", made: pbkdf2, least: owasp},
			{name: "unsalted_sha1", made: pbkdf2, least: owasp},
			{name: "unsalted_md5", made: pbkdf2, least: owasp},
		},
		unusable: "unusable",
		inactive: true,
	}
}

func TestDjangoReadsWhatRekeyWrote(t *testing.T) {
	t.Parallel()
	f := django("auth.User", "auth_user")
	f.users = func(database) string {
		return "preset = \"django\"\nmobile = \"username\""
	}
	testFramework(t, f)
}
