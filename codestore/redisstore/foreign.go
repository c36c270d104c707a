package redisstore

import (
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// How it is told that a key is not of our making: by GET of one of another type (before Redis 7.0 amid what it says of the
// script), and by the scripts of a content that they don't know.
const (
	wrongType = "WRONGTYPE"
	notOurs   = "a key of the code store does not hold what rekey stores"
)

// foreign is the error of a script on these keys: a sentence that says what to do where one of them is not of our making,
// else err. What keys are named by is a keyed hash, never the number (T11, T36).
func foreign(err error, what string, keys ...string) error {
	e, ok := errors.AsType[redis.Error](err)
	if !ok || !strings.Contains(e.Error(), wrongType) && !strings.Contains(e.Error(), notOurs) {
		return err
	}
	key := keys[0]
	if len(keys) > 1 { // those of marks
		key += ", or one that begins so"
	}
	return fmt.Errorf("in Redis the key %s, which is for %s, holds what another program or another version of rekey has written; "+
		"delete it if nobody needs it, else give rekey a prefix of its own (?prefix= in codes.store)", key, what)
}
