package dsn

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// ParseParams reads what stands behind the question mark. CheckParams judges it.
func ParseParams(query string) (url.Values, error) {
	given, err := url.ParseQuery(query)
	if err != nil {
		return nil, errors.New("has a parameter that can't be read; write % as %25 and ; as %3B in its value")
	}
	return given, nil
}

// CheckParams refuses parameters that are not known, that are given twice or without a value, and values with control
// characters. A driver would hand what it does not know on to the server, which fails late and, through a pooler, obscurely.
func CheckParams(given url.Values, known []string) error {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		values := given[name]
		switch {
		case !slices.Contains(known, name):
			return fmt.Errorf("has a parameter that there is not; remove all but these: %s", strings.Join(known, ", "))
		case len(values) > 1:
			return fmt.Errorf("has the parameter %s twice; remove one", name)
		case values[0] == "" || strings.ContainsFunc(values[0], unicode.IsControl):
			return fmt.Errorf("has nothing in the parameter %s, or a control character; give it a value or remove it", name)
		}
	}
	return nil
}

// ParseNumber is a parameter that is a whole number; usual where it is not given.
func ParseNumber(given url.Values, name string, usual, least, most int) (int, error) {
	if !given.Has(name) {
		return usual, nil
	}
	n, err := strconv.ParseUint(given.Get(name), 10, 16)
	if err != nil || int(n) < least || int(n) > most {
		return 0, fmt.Errorf("must have a whole number from %d to %d in the parameter %s", least, most, name)
	}
	return int(n), nil
}

const (
	// usualPatience lets a command tell within five seconds that a server does not answer.
	usualPatience = 3
	mostPatience  = 60

	// usualStep leaves a tenth of the second in which people are answered for all else.
	usualStep = 900 * time.Millisecond
	leastStep = 50 * time.Millisecond // a round trip around the world is 300, one within a region 1
	mostStep  = time.Minute

	// usualPool is enough for some thousand resets a second: each holds a connection for milliseconds, a step in Redis for
	// less, but for the time that replicas take where codes.wait is set. PostgreSQL allows 100 for everybody, MySQL 151.
	usualPool = 10
	mostPool  = 1000
)

// Limits are how much a server is waited for, and how many connections it has to bear.
type Limits struct {
	Patience time.Duration // connect_timeout: how long a connection may take to come about, in whole seconds from 1 to 60; 3 without
	Step     time.Duration // step_timeout: how long a step of a code store may take, from 50ms to 1m; 900ms without
	Pool     int           // pool_max: the most connections of one process, from 1 to 1000; 10 without
}

// ParseLimits reads the parameters that are limits.
func ParseLimits(given url.Values) (Limits, error) {
	l := Limits{Step: usualStep}
	if given.Has("step_timeout") {
		var err error
		if l.Step, err = time.ParseDuration(given.Get("step_timeout")); err != nil || l.Step < leastStep || l.Step > mostStep {
			return Limits{}, fmt.Errorf("must have a time from %v to 1m in the parameter step_timeout, such as %v", leastStep, usualStep)
		}
	}
	patience, err := ParseNumber(given, "connect_timeout", usualPatience, 1, mostPatience)
	if err != nil {
		return Limits{}, err
	}
	l.Patience = time.Duration(patience) * time.Second
	if l.Pool, err = ParseNumber(given, "pool_max", usualPool, 1, mostPool); err != nil {
		return Limits{}, err
	}
	return l, nil
}
