package userdb_test

import (
	"errors"
	"strings"
	"testing"

	"rekey"
	"rekey/userdb"
	"rekey/userdb/userdbtest"
)

// SysLoginService.loginPreCheck has 20 as the most that String.length may be, to which a character beyond the Basic
// Multilingual Plane is two: a password that is longer would be right and let nobody in.
func TestAPasswordThatRuoYisLoginWouldRefuseIsRefused(t *testing.T) {
	t.Parallel()
	d := sqliteFile(t, newFile(t))
	d.exec(t, "CREATE TABLE sys_user (user_id {id}, phonenumber VARCHAR(11), password VARCHAR(100), status CHAR(1), del_flag CHAR(1))")
	d.exec(t, "INSERT INTO sys_user (phonenumber, password, status, del_flag) VALUES (?, ?, '0', '0')", somebody, userdbtest.Hash(t, "bcrypt$2a$04", oldOne))
	table := d.table(t, userdb.Settings{Preset: "ruoyi", HashFloor: "bcrypt$2a$04"})
	for password, fits := range map[string]bool{
		strings.Repeat("a", 20):       true,
		strings.Repeat("a", 21):       false,
		strings.Repeat("密", 20):       true,
		strings.Repeat("密", 21):       false,
		strings.Repeat("🔑", 10):       true,
		strings.Repeat("🔑", 10) + "a": false,
	} {
		err := table.SetPassword(t.Context(), account(t, table, somebody), password)
		if fits && err != nil || !fits && !errors.Is(err, rekey.ErrPassword) {
			t.Errorf("%q: %v", password, err)
		}
		if right := has(t, table, somebody, password); right != fits {
			t.Errorf("%q is the password: %t", password, right)
		}
	}
}
