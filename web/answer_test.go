package web

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"rekey"
)

func TestEveryKindHasItsAnswers(t *testing.T) {
	t.Parallel()
	for kind := rekey.Internal; kind.String() != "unknown"; kind++ {
		if int(kind) >= len(kinds) || kinds[kind].errno == "" {
			t.Errorf("%v has no errno", kind)
			continue
		}
		for op := opCheck; op <= opReset; op++ {
			cause := &rekey.Error{Kind: kind, Rule: rekey.RuleForm}
			out := judge(&operationError{op, fmt.Errorf("wrapped: %w", cause)})
			if out.status < 200 || out.key == "" || out.errno == "" {
				t.Errorf("%v in operation %d: %+v", kind, op, out)
			}
			wait := out.status == http.StatusTooManyRequests || out.status == http.StatusServiceUnavailable
			if wait && out.retryAfter <= 0 {
				t.Errorf("%v in operation %d does not say when to try again", kind, op)
			}
		}
	}
}

func TestWhatNobodyForesawIsAFaultOfOurs(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"any error":                  errors.New("x"),
		"a kind that can't be there": &operationError{opCheck, &rekey.Error{Kind: rekey.WrongCode}},
		"a kind of the future":       &operationError{opReset, &rekey.Error{Kind: 99}},
		"a kind below all":           &operationError{opReset, &rekey.Error{Kind: -1}},
	} {
		if out := judge(err); out.status != 500 || out.errno != errnoServer {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

func TestWaitsAreRoundedUp(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]int64{0: 0, time.Nanosecond: 1, time.Second: 1, 1001 * time.Millisecond: 2,
		time.Minute - time.Nanosecond: 60} {
		if got := seconds(d); got != want {
			t.Errorf("%v: %d, want %d", d, got, want)
		}
	}
}
