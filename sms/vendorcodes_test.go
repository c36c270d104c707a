package sms_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"rekey"
	"rekey/sms"
	"rekey/sms/smstest"
)

// checkVendorOutcome reports it unless a message came to the outcome, with the vendor's code, and an error that is silent.
func checkVendorOutcome(t testing.TB, what string, receipt rekey.Receipt, err error, want sms.Outcome, code string) {
	t.Helper()
	if got := sms.OutcomeOf(err); got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
	r, refused := errors.AsType[*sms.Refusal](err)
	switch {
	case want == sms.Sent:
		if err != nil || receipt.ID == "" {
			t.Errorf("%s: taken with the receipt %+v and the error %v", what, receipt, err)
		}
	case !refused || r.Code != code || receipt != rekey.Receipt{}:
		t.Errorf("%s: receipt %+v, error %v, want the code %q", what, receipt, err, code)
	}
	smstest.CheckSilent(t, err, canaryMobile, canaryCode)
}

// judgedCodes is the codes that stand in the cases of a function, as they are spelt there without quotes.
func judgedCodes(t *testing.T, file, function string) []string {
	t.Helper()
	source, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, d := range source.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != function {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if c, ok := n.(*ast.CaseClause); ok {
				for _, e := range c.List {
					codes = append(codes, strings.Trim(e.(*ast.BasicLit).Value, `"`))
				}
			}
			return true
		})
	}
	if len(codes) == 0 {
		t.Fatalf("%s judges nothing", function)
	}
	return codes
}

func TestTencentCodesComeToWhatTheirTableSays(t *testing.T) {
	t.Parallel()
	table := documentedCodes(t, "tencent.go", "Tencent")
	account := tencentAccount()
	g := smstest.NewGateway(t, false, account.SendSms(), tencentTaken)
	p := newTencent(t, sms.TencentConfig{Endpoint: g.URL()})
	leak := "to " + canaryMobile + " with " + canaryCode + " and " + account.SecretKey
	n := 0
	for entry, want := range table {
		codes := []string{entry}
		if family, is := strings.CutSuffix(entry, ".*"); is {
			codes = []string{family, family + ".Anything"}
		}
		for _, code := range codes {
			for _, body := range []string{tencentStatus(code), tencentError(code)} {
				for _, status := range []int{200, 403, 500} {
					g.Misbehave(func(w http.ResponseWriter, r *http.Request) {
						w.WriteHeader(status)
						w.Write([]byte(strings.ReplaceAll(body, smstest.Echo, leak)))
					})
					n++
					receipt, err := p.Send(t.Context(), smstest.Message(t, "m"+strconv.Itoa(n), canaryMobile, canaryCode))
					<-g.Arrived
					if got := sms.OutcomeOf(err).String(); got != want {
						t.Errorf("%d with %s: %s, want %s", status, code, got, want)
					}
					checkVendorOutcome(t, code, receipt, err, sms.OutcomeOf(err), code)
					smstest.CheckSilent(t, err, account.SecretID, account.SecretKey)
				}
			}
		}
	}
	for _, code := range judgedCodes(t, "tencentanswer.go", "tencentOutcome") {
		family, _, _ := strings.Cut(code, ".")
		if table[code] == "" && table[family+".*"] == "" {
			t.Errorf("%s is judged, but does not stand in the table", code)
		}
	}
}

// tencentListed are the codes that the vendor's page of SendSms lists (https://cloud.tencent.com/document/api/382/55981,
// section 6), judged here once more by what it says of each: whose fault it is.
var tencentListed = map[sms.Outcome][]string{
	sms.RejectedNumber: {
		"FailedOperation.PhoneNumberInBlacklist", "InvalidParameterValue.IncorrectPhoneNumber", "LimitExceeded.AppCountryOrRegionDailyLimit",
		"LimitExceeded.AppCountryOrRegionInBlacklist", "LimitExceeded.DeliveryFrequencyLimit", "LimitExceeded.PhoneNumberDailyLimit",
		"LimitExceeded.PhoneNumberOneHourLimit", "LimitExceeded.PhoneNumberSameContentDailyLimit",
		"LimitExceeded.PhoneNumberThirtySecondLimit", "UnsupportedOperation.UnsupportedRegion",
	},
	sms.RejectedAccount: {
		"FailedOperation.ContainSensitiveWord", "FailedOperation.FailResolvePacket", "FailedOperation.InsufficientBalanceInSmsPackage",
		"FailedOperation.JsonParseFail", "FailedOperation.MarketingSendTimeConstraint", "FailedOperation.SignatureIncorrectOrUnapproved",
		"FailedOperation.TemplateIncorrectOrUnapproved", "FailedOperation.TemplateParamSetNotMatchApprovedTemplate",
		"FailedOperation.TemplateUnapprovedOrNotExist", "InternalError.RequestTimeException", "InternalError.RestApiInterfaceNotExist",
		"InternalError.SigFieldMissing", "InternalError.SigVerificationFail", "InvalidParameterValue.ContentLengthLimit",
		"InvalidParameterValue.ProhibitedUseUrlInTemplateParameter", "InvalidParameterValue.SdkAppIdNotExist",
		"InvalidParameterValue.TemplateParameterFormatError", "InvalidParameterValue.TemplateParameterLengthLimit",
		"LimitExceeded.AppDailyLimit", "LimitExceeded.AppGlobalDailyLimit", "LimitExceeded.AppMainlandChinaDailyLimit",
		"LimitExceeded.DailyLimit", "MissingParameter.EmptyPhoneNumberSet",
		"UnauthorizedOperation.IndividualUserMarketingSmsPermissionDeny", "UnauthorizedOperation.RequestIpNotInWhitelist",
		"UnauthorizedOperation.RequestPermissionDeny", "UnauthorizedOperation.SdkAppIdIsDisabled",
		"UnauthorizedOperation.ServiceSuspendDueToArrears", "UnauthorizedOperation.SmsSdkAppIdVerifyFail", "UnsupportedOperation",
		"UnsupportedOperation.ChineseMainlandTemplateToGlobalPhone", "UnsupportedOperation.ContainDomesticAndInternationalPhoneNumber",
		"UnsupportedOperation.GlobalTemplateToChineseMainlandPhone",
	},
	sms.Unknown: {"InternalError.OtherError", "InternalError.SendAndRecvFail", "InternalError.Timeout", "InternalError.UnknownError"},
}

// TestTencentFaultsOfTheAccountAreTold holds that an operator hears of what only an operator can mend, and that nobody's number
// or country is held against the account, which would set the provider aside for all.
func TestTencentFaultsOfTheAccountAreTold(t *testing.T) {
	t.Parallel()
	for want, codes := range tencentListed {
		for _, code := range codes {
			var asked []*http.Request
			p := newTencent(t, sms.TencentConfig{Transport: answered(200, tencentStatus(code), &asked)})
			receipt, err := p.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
			checkVendorOutcome(t, code, receipt, err, want, code)
		}
	}
}

func TestTwilioCodesComeToWhatTheirTableSays(t *testing.T) {
	t.Parallel()
	table := documentedCodes(t, "twilio.go", "Twilio")
	account := twilioAccount()
	g := smstest.NewGateway(t, false, account.Messages(), twilioTaken)
	p := newTwilio(t, sms.TwilioConfig{Endpoint: g.URL()})
	leak := "to " + canaryMobile + " with " + canaryCode + " and " + account.AuthToken
	n := 0
	for code, want := range table {
		for status, body := range map[int]string{
			400: twilioError(code, 400), 401: twilioError(code, 401), 403: twilioError(code, 403), 429: twilioError(code, 429),
			500: twilioError(code, 500), 503: twilioError(code, 503),
			201: strings.Replace(strings.Replace(twilioTaken, `"error_code":null`, `"error_code":`+code, 1), `"queued"`, `"failed"`, 1),
		} {
			g.Misbehave(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(status)
				w.Write([]byte(strings.ReplaceAll(body, smstest.Echo, leak)))
			})
			n++
			receipt, err := p.Send(t.Context(), smstest.Message(t, "m"+strconv.Itoa(n), canaryMobile, canaryCode))
			<-g.Arrived
			if got := sms.OutcomeOf(err).String(); got != want {
				t.Errorf("%d with %s: %s, want %s", status, code, got, want)
			}
			checkVendorOutcome(t, code, receipt, err, sms.OutcomeOf(err), code)
			smstest.CheckSilent(t, err, account.AccountSID, account.AuthToken)
		}
	}
	for _, code := range judgedCodes(t, "twilioanswer.go", "twilioOutcome") {
		if table[code] == "" {
			t.Errorf("%s is judged, but does not stand in the table", code)
		}
	}
}
