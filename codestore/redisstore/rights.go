package redisstore

import "strings"

// Rights are the ACL rules, with spaces between, that let a user do what a Store does with this Redis, and no more; wait is
// that of Options. They hold for every server: a replica becomes a master. They leave the user's passwords as they are.
func (t Target) Rights(wait int) string {
	rules := []string{"resetkeys", "~" + t.prefix + "*", "nocommands", "+eval", "+evalsha", "+get", "+set", "+del", "+pexpire", "+time", "+info"}
	if t.database != 0 {
		rules = append(rules, "+select")
	}
	if wait > 0 {
		rules = append(rules, "+wait")
	}
	if t.layout == cluster {
		rules = append(rules, "+cluster|slots", "+cluster|info", "+asking")
	}
	return strings.Join(rules, " ")
}

// SentinelRights are the user whom sentinels are asked as and the rules for it with every one of them; "" where they are
// asked as the user that Redis calls default, or there are none.
func (t Target) SentinelRights() (user, rules string) {
	if t.sentinelUser == "" {
		return "", ""
	}
	return t.sentinelUser, "resetchannels &+switch-master &+replica-reconf-done nocommands +sentinel|get-master-addr-by-name +sentinel|sentinels +subscribe +ping"
}
