package dsn_test

import (
	"strings"
	"testing"
	"time"

	"rekey/internal/dsn"
)

func TestParametersThatAreNotKnownOnceWithAValueAreRefused(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"":                            "",
		"sslmode=require&prefix=a%2F": "",
		"sslmode=a%zz":                "has a parameter that can't be read; write % as %25 and ; as %3B in its value",
		"sslmode=a;prefix=b":          "has a parameter that can't be read",
		"canary9f1c":                  "has a parameter that there is not; remove all but these: prefix, sslmode",
		"SSLMODE=require":             "has a parameter that there is not",
		"=canary9f1c":                 "has a parameter that there is not",
		"sslmode=canary9f1c&sslmode=": "has the parameter sslmode twice; remove one",
		"sslmode=":                    "has nothing in the parameter sslmode, or a control character; give it a value or remove it",
		"prefix":                      "has nothing in the parameter prefix",
		"prefix=canary9f1c%0a":        "has nothing in the parameter prefix, or a control character",
		"prefix=&sslmode=":            "in the parameter prefix", // the first by its name, each time
	} {
		given, err := dsn.ParseParams(query)
		if err == nil {
			err = dsn.CheckParams(given, []string{"prefix", "sslmode"})
		}
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary)) {
			t.Errorf("%q: %v, want %q", query, err, want)
		}
	}
}

func TestLimitsAreBounded(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]dsn.Limits{
		"": {Patience: 3 * time.Second, Step: 900 * time.Millisecond, Pool: 10},
		"connect_timeout=1&step_timeout=50ms&pool_max=1":   {Patience: time.Second, Step: 50 * time.Millisecond, Pool: 1},
		"connect_timeout=60&step_timeout=1m&pool_max=1000": {Patience: time.Minute, Step: time.Minute, Pool: 1000},
	} {
		given, err := dsn.ParseParams(query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := dsn.ParseLimits(given); err != nil || got != want {
			t.Errorf("%q is %+v, %v, want %+v", query, got, err, want)
		}
	}
	for query, want := range map[string]string{
		"connect_timeout=0": "must have a whole number from 1 to 60 in the parameter connect_timeout", "connect_timeout=61": "from 1 to 60", "connect_timeout=5s": "from 1 to 60",
		"pool_max=0": "must have a whole number from 1 to 1000 in the parameter pool_max", "pool_max=1001": "from 1 to 1000", "pool_max=-1": "from 1 to 1000",
		"pool_max=ten": "from 1 to 1000", "pool_max=1e2": "from 1 to 1000", "pool_max=65537": "from 1 to 1000", "pool_max=18446744073709551617": "from 1 to 1000",
		"step_timeout=900": "must have a time from 50ms to 1m in the parameter step_timeout, such as 900ms", "step_timeout=49ms": "from 50ms to 1m",
		"step_timeout=61s": "from 50ms to 1m", "step_timeout=-1s": "from 50ms to 1m",
	} {
		given, err := dsn.ParseParams(query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := dsn.ParseLimits(given); err == nil || !strings.Contains(err.Error(), want) || got != (dsn.Limits{}) {
			t.Errorf("%q is %+v, %v, want %s", query, got, err, want)
		}
	}
}
