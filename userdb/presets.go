package userdb

import "strings"

// preset is the shape of a users table as some framework makes it: data, from which statements are written. Columns that
// only some tables of the kind have are used where they are there (examine).
type preset struct {
	table, id, mobile, password string
	active                      string // what makes an account recoverable, in the syntax of Settings.Active

	alive    string   // more of that, on columns that may be missing
	writes   []write  // what a reset writes beside the password, where the column is there
	local    bool     // columns of a time without a zone hold the database's local time, else UTC
	sessions []string // "table.column" of the account's id, where they are there: a reset deletes the rows
	meta     *meta    // the number does not stand in the table itself; mobile is the key that it stands under

	reads []string // the hashes that the framework can read, by their names in package passhash; none: all but the legacy ones
	least int64    // characters of the shortest hash that is made for it; 0: those of bcrypt, shortestHash
	hash  string   // the recipe for a row whose own hash is no example to follow; empty: none, the setting must name it

	longest int // characters that the framework's login form takes, as Java counts them (UTF-16); 0: no bound of its own
	// submitted is what the framework's login form makes of a password that somebody types; nil: nothing.
	submitted func(typed string) string
}

// write is a column that a reset sets, and to what.
type write struct {
	column string
	to     value
}

// value is what a column is set to.
type value int

const (
	toNow     value = iota + 1 // the time on the database's clock, as the framework keeps times
	toDefault                  // CURRENT_TIMESTAMP, which our own schema has as the column's default
	toRandom                   // 60 random letters and digits
	toNull
	toEmpty // the empty text
	toFalse
)

// meta is a table of keys and values beside the users table. The names of both begin alike: replaces is the end of the
// users table's name and table what stands there instead.
type meta struct {
	replaces, table  string
	user, key, value string   // columns
	dies             []string // keys whose rows a reset deletes
}

// changed are the columns by which applications know when a password was changed, such as for refusing older tokens.
func changed(more ...write) []write {
	return append([]write{{"password_changed_at", toNow}, {"updated_at", toNow}}, more...)
}

// shortestHash is the length of bcrypt's hashes, in characters. None of those that are made is shorter.
const shortestHash = 60

// anyBcrypt is bcrypt as found, $2a$, $2b$ or $2y$.
const anyBcrypt = "bcrypt"

func presets() map[string]preset {
	return map[string]preset{
		// The embedded table, whose schema Embedded owns.
		"rekey": {
			table: "users", id: "id", mobile: "mobile", password: "password", active: "is_active",
			writes: []write{{"password_changed_at", toDefault}}, hash: "argon2id",
		},

		// django.contrib.auth: AbstractUser and whatever derives from AbstractBaseUser. Who can recover is decided as
		// PasswordResetForm.get_users does (contrib/auth/forms.py): is_active and a usable password. Its sessions carry a
		// hash of the password column (AbstractBaseUser.get_session_auth_hash) and die by it.
		"django": {
			table: "auth_user", id: "id", mobile: "mobile", password: "password", active: "is_active",
			writes: changed(),
			reads: []string{"pbkdf2_sha256", "pbkdf2_sha1", "django_argon2", "django_bcrypt_sha256", "django_bcrypt", "django_scrypt",
				"md5", "sha1", "unsalted_md5", "unsalted_sha1"},
			hash:  "pbkdf2_sha256",
			least: shortestHash + int64(len("bcrypt$")),
		},

		// Illuminate\Auth. A reset renews remember_token as Illuminate\Foundation\Auth\ResetsPasswords does, by which
		// "remember me" cookies die; sessions die where the database driver keeps them. Whoever is soft-deleted
		// (SoftDeletes) can't log in. PHP makes $2y$ and, since 8.4 and Laravel 11, at cost 12.
		"laravel": {
			table: "users", id: "id", mobile: "mobile", password: "password",
			alive:    "deleted_at=null",
			writes:   changed(write{"remember_token", toRandom}),
			sessions: []string{"sessions.user_id"},
			reads:    []string{anyBcrypt, "argon2id", "argon2i"},
			hash:     "bcrypt$2y$12",
		},

		// Devise on ActiveRecord, which keeps times in UTC. Its session carries the salt of the password
		// (DatabaseAuthenticatable#authenticatable_salt) and dies by it, and so does "remember me" unless there is a
		// remember_token; a reset token that was sent before dies with the old password, as in
		// Recoverable#clear_reset_password_token. Counters of Trackable and Lockable are left alone.
		"devise": {
			table: "users", id: "id", mobile: "mobile", password: "encrypted_password",
			alive: "deleted_at=null",
			writes: changed(write{"reset_password_token", toNull}, write{"reset_password_sent_at", toNull},
				write{"remember_token", toNull}),
			reads: []string{anyBcrypt},
			hash:  "bcrypt$2a$12",
		},

		// Spring Security with DelegatingPasswordEncoder, or a BCryptPasswordEncoder alone.
		"spring": {
			table: "users", id: "id", mobile: "mobile", password: "password", active: "enabled",
			writes: changed(), local: true,
			reads: []string{"{bcrypt}", "{argon2}", "{argon2@SpringSecurity_v5_8}", "{scrypt}", "{scrypt@SpringSecurity_v5_8}",
				"{pbkdf2}", "{pbkdf2@SpringSecurity_v5_8}", "{noop}", anyBcrypt},
			hash: "{bcrypt}",
		},

		// wp_users and wp_usermeta; a reset writes what wp_set_password does (wp-includes/pluggable.php) and deletes the
		// user's login tokens. On a multisite wp_authenticate_spam_check keeps out who is marked as spam or deleted.
		// Bcrypt as PHP writes it is read by every version: before 6.8 through crypt() in PasswordHash::CheckPassword,
		// since then by password_verify.
		"wordpress": {
			table: "wp_users", id: "ID", mobile: "mobile", password: "user_pass",
			alive:  "spam=0,deleted=0",
			writes: []write{{"user_activation_key", toEmpty}},
			meta: &meta{
				replaces: "users", table: "usermeta", user: "user_id", key: "meta_key", value: "meta_value",
				dies: []string{"session_tokens"},
			},
			reads:     []string{"phpass", "wordpress", anyBcrypt, "unsalted_md5"},
			hash:      "bcrypt$2y$10",
			submitted: wordpressSubmitted,
		},

		// RuoYi-Vue and RuoYi-Cloud (sql/ry_*.sql): status '0' is normal, del_flag '0' is there. BCryptPasswordEncoder
		// makes $2a$ at cost 10. SysLoginService.loginPreCheck refuses passwords of more than 20 characters.
		"ruoyi": {
			table: "sys_user", id: "user_id", mobile: "phonenumber", password: "password", active: "status=0,del_flag=0",
			writes: changed(write{"update_time", toNow}, write{"pwd_update_date", toNow}), local: true,
			reads:   []string{anyBcrypt},
			hash:    "bcrypt$2a$10",
			longest: 20,
		},

		// gin-vue-admin (server/model/system/sys_user.go): enable 1 is normal, 2 is frozen; gorm deletes softly and keeps
		// local times. Newer ones tell when a password was set, and let nobody do anything but change it who must.
		// golang.org/x/crypto/bcrypt makes $2a$ at cost 10.
		"gin-vue-admin": {
			table: "sys_users", id: "id", mobile: "phone", password: "password", active: "enable=1",
			alive:  "deleted_at=null",
			writes: changed(write{"password_updated_at", toNow}, write{"must_change_password", toFalse}), local: true,
			reads: []string{anyBcrypt},
			hash:  "bcrypt$2a$10",
		},

		// Any other table, all of whose names are settings.
		"custom": {writes: changed(), local: true},
	}
}

// wordpressSubmitted is the password as wp_hash_password and wp_check_password get it from the login form:
// wp_magic_quotes (wp-includes/load.php) has put backslashes before quotes, backslashes and NUL as PHP's addslashes does,
// which wp_signon leaves there, and both trim what PHP's trim trims.
func wordpressSubmitted(typed string) string {
	slashed := strings.NewReplacer(`'`, `\'`, `"`, `\"`, `\`, `\\`, "\x00", `\0`).Replace(typed)
	return strings.Trim(slashed, " \t\n\r\x00\v")
}
