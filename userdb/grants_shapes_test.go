package userdb_test

import (
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// shape is the tables of an application with the columns that its preset knows, and people of one number in them, of whom
// only the first can be recovered. {hash} is a password, and what is in backticks keeps its case.
type shape struct {
	settings userdb.Settings
	hash     string   // the recipe of {hash}
	tables   []string // statements
	people   []string // statements, after which nothing else is in the tables
	done     string   // what is true of the tables once the first person's password has been reset
}

func shapes() map[string]shape {
	const bcrypt = "bcrypt$2a$04"
	return map[string]shape{
		"rekey": { // which makes its tables, and the first person
			settings: userdb.Settings{Hash: userdbtest.Cheap, HashFloor: userdbtest.Cheap}, hash: userdbtest.Cheap,
			people: []string{"DROP TABLE IF EXISTS users", "DROP TABLE IF EXISTS rekey_users_schema"},
			done:   "EXISTS (SELECT 1 FROM users WHERE id = 1)",
		},
		"django": {
			settings: userdb.Settings{Preset: "django", HashFloor: "pbkdf2_sha256$1000"}, hash: "pbkdf2_sha256$1000",
			tables: []string{"CREATE TABLE auth_user (id INTEGER PRIMARY KEY, mobile VARCHAR(20), password VARCHAR(128), is_active BOOLEAN, updated_at TIMESTAMP NULL)"},
			people: []string{"DELETE FROM auth_user",
				"INSERT INTO auth_user VALUES (1, '13800000001', '{hash}', TRUE, NULL), (2, '13800000001', '{hash}', FALSE, NULL)"},
			done: "EXISTS (SELECT 1 FROM auth_user WHERE id = 1 AND updated_at IS NOT NULL)",
		},
		"laravel": {
			settings: userdb.Settings{Preset: "laravel", HashFloor: bcrypt}, hash: bcrypt,
			tables: []string{
				"CREATE TABLE users (id INTEGER PRIMARY KEY, mobile VARCHAR(20), password VARCHAR(255), remember_token VARCHAR(100), updated_at TIMESTAMP NULL, deleted_at TIMESTAMP NULL)",
				"CREATE TABLE sessions (id VARCHAR(255) PRIMARY KEY, user_id INTEGER, payload TEXT)",
			},
			people: []string{"DELETE FROM users", "DELETE FROM sessions",
				"INSERT INTO users VALUES (1, '13800000001', '{hash}', 'old', NULL, NULL), (2, '13800000001', '{hash}', 'old', NULL, CURRENT_TIMESTAMP)",
				"INSERT INTO sessions VALUES ('a', 1, ''), ('b', 1, ''), ('c', 2, '')"},
			done: "EXISTS (SELECT 1 FROM users WHERE id = 1 AND remember_token <> 'old' AND updated_at IS NOT NULL) AND (SELECT sum(user_id) FROM sessions) = 2",
		},
		"devise": {
			settings: userdb.Settings{Preset: "devise", HashFloor: bcrypt}, hash: bcrypt,
			tables: []string{`CREATE TABLE users (id INTEGER PRIMARY KEY, mobile VARCHAR(20), encrypted_password VARCHAR(255), reset_password_token VARCHAR(255),
				reset_password_sent_at TIMESTAMP NULL, remember_token VARCHAR(255), updated_at TIMESTAMP NULL, deleted_at TIMESTAMP NULL, sign_in_count INTEGER)`},
			people: []string{"DELETE FROM users",
				"INSERT INTO users VALUES (1, '13800000001', '{hash}', 'a', CURRENT_TIMESTAMP, 'b', NULL, NULL, 0), (2, '13800000001', '{hash}', 'c', NULL, 'd', NULL, CURRENT_TIMESTAMP, 0)"},
			done: `EXISTS (SELECT 1 FROM users WHERE id = 1 AND reset_password_token IS NULL AND reset_password_sent_at IS NULL AND remember_token IS NULL
				AND updated_at IS NOT NULL)`,
		},
		"spring": {
			settings: userdb.Settings{Preset: "spring", HashFloor: "{bcrypt}$2a$04"}, hash: "{bcrypt}$2a$04",
			tables: []string{"CREATE TABLE users (id INTEGER PRIMARY KEY, mobile VARCHAR(20), password VARCHAR(255), enabled BOOLEAN, password_changed_at TIMESTAMP NULL)"},
			people: []string{"DELETE FROM users",
				"INSERT INTO users VALUES (1, '13800000001', '{hash}', TRUE, NULL), (2, '13800000001', '{hash}', FALSE, NULL)"},
			done: "EXISTS (SELECT 1 FROM users WHERE id = 1 AND password_changed_at IS NOT NULL)",
		},
		"wordpress": {
			settings: userdb.Settings{Preset: "wordpress", HashFloor: bcrypt}, hash: bcrypt,
			tables: []string{
				"CREATE TABLE wp_users (`ID` INTEGER PRIMARY KEY, user_pass VARCHAR(255), user_activation_key VARCHAR(255) NOT NULL, spam INTEGER, deleted INTEGER)",
				"CREATE TABLE wp_usermeta (umeta_id INTEGER PRIMARY KEY, user_id INTEGER, meta_key VARCHAR(255), meta_value TEXT)",
			},
			people: []string{"DELETE FROM wp_users", "DELETE FROM wp_usermeta",
				"INSERT INTO wp_users VALUES (1, '{hash}', 'old', 0, 0), (2, '{hash}', 'old', 1, 0), (3, '{hash}', 'old', 0, 1)",
				`INSERT INTO wp_usermeta VALUES (1, 1, 'mobile', '13800000001'), (2, 2, 'mobile', '13800000001'), (3, 3, 'mobile', '13800000001'),
					(4, 1, 'session_tokens', ''), (5, 2, 'session_tokens', '')`},
			done: "EXISTS (SELECT 1 FROM wp_users WHERE `ID` = 1 AND user_activation_key = '') AND (SELECT sum(umeta_id) FROM wp_usermeta) = 1 + 2 + 3 + 5",
		},
		"ruoyi": {
			settings: userdb.Settings{Preset: "ruoyi", HashFloor: bcrypt}, hash: bcrypt,
			tables: []string{`CREATE TABLE sys_user (user_id INTEGER PRIMARY KEY, phonenumber VARCHAR(11), password VARCHAR(100), status CHAR(1), del_flag CHAR(1),
				update_by VARCHAR(64), update_time TIMESTAMP NULL, pwd_update_date TIMESTAMP NULL)`},
			people: []string{"DELETE FROM sys_user",
				"INSERT INTO sys_user VALUES (1, '13800000001', '{hash}', '0', '0', '', NULL, NULL), (2, '13800000001', '{hash}', '0', '2', '', NULL, NULL)"},
			done: "EXISTS (SELECT 1 FROM sys_user WHERE user_id = 1 AND update_time IS NOT NULL AND pwd_update_date IS NOT NULL)",
		},
		"gin-vue-admin": {
			settings: userdb.Settings{Preset: "gin-vue-admin", HashFloor: bcrypt}, hash: bcrypt,
			tables: []string{`CREATE TABLE sys_users (id INTEGER PRIMARY KEY, phone VARCHAR(191), password VARCHAR(191), enable INTEGER, must_change_password BOOLEAN,
				password_updated_at TIMESTAMP NULL, updated_at TIMESTAMP NULL, deleted_at TIMESTAMP NULL)`},
			people: []string{"DELETE FROM sys_users",
				"INSERT INTO sys_users VALUES (1, '13800000001', '{hash}', 1, TRUE, NULL, NULL, NULL), (2, '13800000001', '{hash}', 1, TRUE, NULL, NULL, CURRENT_TIMESTAMP)"},
			done: "EXISTS (SELECT 1 FROM sys_users WHERE id = 1 AND NOT must_change_password AND password_updated_at IS NOT NULL AND updated_at IS NOT NULL)",
		},
		"custom": {
			settings: userdb.Settings{
				Preset: "custom", Table: "shop.people", ID: "Key", Mobile: "say \"tel\"", Password: "secret`s", Active: "state=live",
				Sessions: "shop.tokens.owner, shop.devices.Owner", HashFloor: userdbtest.Cheap,
			},
			hash: userdbtest.Cheap,
			tables: []string{
				"CREATE TABLE shop.people (`Key` INTEGER PRIMARY KEY, `say \"tel\"` VARCHAR(20), `secret``s` VARCHAR(255), state VARCHAR(10), password_changed_at TIMESTAMP NULL)",
				"CREATE TABLE shop.tokens (token INTEGER, owner INTEGER)",
				"CREATE TABLE shop.devices (token INTEGER, `Owner` VARCHAR(20))",
			},
			people: []string{"DELETE FROM shop.people", "DELETE FROM shop.tokens", "DELETE FROM shop.devices",
				"INSERT INTO shop.people VALUES (1, '13800000001', '{hash}', 'live', NULL), (2, '13800000001', '{hash}', 'dead', NULL)",
				"INSERT INTO shop.tokens VALUES (1, 1), (2, 2)", "INSERT INTO shop.devices VALUES (1, '1'), (2, '2')"},
			done: `EXISTS (SELECT 1 FROM shop.people WHERE password_changed_at IS NOT NULL AND state = 'live')
				AND (SELECT sum(token) FROM shop.tokens) = 2 AND (SELECT sum(token) FROM shop.devices) = 2`,
		},
	}
}
