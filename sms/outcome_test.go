package sms_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"rekey"
	"rekey/sms"
	"rekey/sms/smstest"
)

func TestAnOutcomeComesToItsErrorAlone(t *testing.T) {
	t.Parallel()
	for o, want := range map[sms.Outcome]error{
		sms.RejectedNumber: rekey.ErrRejected, sms.RejectedAccount: rekey.ErrUnavailable, sms.Throttled: rekey.ErrUnavailable,
		sms.Unavailable: rekey.ErrUnavailable, sms.Unknown: rekey.ErrUnknown,
	} {
		err := fmt.Errorf("provider: %w", &sms.Refusal{Outcome: o, Code: "isv.CODE", Detail: "mend it"})
		smstest.CheckError(t, err, want)
		if got := sms.OutcomeOf(err); got != o {
			t.Errorf("%v became %v", o, got)
		}
		if text := err.Error(); !strings.Contains(text, "isv.CODE") || !strings.Contains(text, "mend it") {
			t.Errorf("%v says %q", o, text)
		}
	}
	for _, c := range []struct {
		err  error
		want sms.Outcome
	}{
		{nil, sms.Sent}, {rekey.ErrRejected, sms.RejectedNumber}, {rekey.ErrUnavailable, sms.Unavailable},
		{rekey.ErrUnknown, sms.Unknown}, {errors.New("of no kind"), sms.Unknown},
		{errors.Join(rekey.ErrRejected, rekey.ErrUnknown), sms.Unknown},
	} {
		if got := sms.OutcomeOf(c.err); got != c.want {
			t.Errorf("%v became %v, want %v", c.err, got, c.want)
		}
	}
}

func TestT36_T37_AVendorsCodeIsKeptOnlyIfItIsNothingElse(t *testing.T) {
	t.Parallel()
	for _, code := range []string{
		"", "OK", "isv.BUSINESS_LIMIT_CONTROL", "21211", "0x58", "FailedOperation.SignatureIncorrectOrUnapproved",
		"InvalidParameterValue.IncorrectPhoneNumber", "Ok", "DELIVRD", "a2345b7890bcdef", "ConflictException.DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION",
	} {
		if got := sms.VendorCode(code); got != code {
			t.Errorf("%q became %q", code, got)
		}
	}
	for _, other := range []string{
		canaryCode, canaryMobile, "code-" + canaryCode, "two words", "a\nb", "\x1b[2J", "好", strings.Repeat("A", 81),
		"0123456789abcdef0123456789abcdef", "LTAI5tSecretKey4Canary", "a2345b7890bcdefg", "x.AKIAIOSFODNN7EXAMPLE",
	} {
		if got := sms.VendorCode(other); got != "(unreadable)" {
			t.Errorf("%q became %q", other, got)
		}
	}
}
