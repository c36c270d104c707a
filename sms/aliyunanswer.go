package sms

import (
	"encoding/json"
	"strings"
)

// aliyunAnswer is what both APIs say. SendSms has BizId at the top, SendSmsVerifyCode within Model, where Success repeats
// what Code says.
type aliyunAnswer struct {
	BizID   string `json:"BizId"`
	Success *bool
	Model   struct {
		BizID string `json:"BizId"`
	}
}

// aliyun reads an answer: the id of the message, or what its Code says. The Code decides before the status, which is 400
// for most refusals of the API gateway and 200 for those of the service behind it. An answer that says OK and gives no id,
// or contradicts itself, leaves the message's fate unknown.
func (a answer) aliyun(id func(aliyunAnswer) string) (string, error) {
	var said struct{ Code string }
	code := ""
	if a.whole && json.Unmarshal(a.body, &said) == nil {
		code = VendorCode(said.Code)
	}
	switch code {
	case "", unreadable: // no answer of the vendor's, but of something in the way
		if err := a.codeless(); err != nil {
			return "", err
		}
		return "", &Refusal{Outcome: Unknown, Detail: "it answered with a success without its code, or the answer was cut off"}
	case "OK":
		var taken aliyunAnswer
		if json.Unmarshal(a.body, &taken) != nil || !vendorID(id(taken)) || taken.Success != nil && !*taken.Success || a.verdict() != nil {
			return "", &Refusal{Outcome: Unknown, Code: code, Detail: "its answer says OK, but gives no id of a message or contradicts itself"}
		}
		return id(taken), nil
	}
	if outcome, detail := aliyunOutcome(code); outcome != 0 {
		return "", &Refusal{Outcome: outcome, Code: code, Detail: detail}
	}
	r := &Refusal{Outcome: Unknown, Code: code, Detail: "its code is not known here"}
	if err := a.verdict(); err != nil {
		r.Outcome, r.Detail = OutcomeOf(err), "its code is not known here; decided by the HTTP status"
	} else if strings.HasPrefix(code, "isv.") {
		r.Outcome, r.Detail = RejectedNumber, "it did not send the message"
	}
	return "", r
}

// aliyunOutcome is what a code other than OK says, and what an operator should do; 0: the code is not known. The tables are
// in the comments of Aliyun and AliyunVerify.
func aliyunOutcome(code string) (Outcome, string) {
	switch code {
	case "isv.MOBILE_NUMBER_ILLEGAL", "MOBILE_NUMBER_ILLEGAL":
		return RejectedNumber, "it takes the number for none"
	case "isv.BUSINESS_LIMIT_CONTROL", "BUSINESS_LIMIT_CONTROL", "biz.FREQUENCY", "FREQUENCY_FAIL":
		return RejectedNumber, "the number has had as many messages as the vendor lets it have"
	case "SECURITY_INTERCEPTED":
		return RejectedNumber, "the vendor holds messages to the number to be fraud"
	case "isv.BLACK_KEY_CONTROL_LIMIT", "isv.CUSTOMER_REFUSED":
		return RejectedNumber, "the number is on the vendor's list of those that want no messages"
	case "isv.DOMESTIC_NUMBER_NOT_SUPPORTED":
		return RejectedNumber, "the template is one for other countries; register one for the mainland (国内消息)"

	case "isv.SMS_SIGNATURE_ILLEGAL", "isv.SMS_SIGN_ILLEGAL", "isv.SIGN_STATE_ILLEGAL", "isv.SIGN_NAME_ILLEGAL",
		"isv.SMS_SIGNATURE_SCENE_ILLEGAL":
		return RejectedAccount, "sign is not a passed signature of this account that goes with template; see 签名管理 in the vendor's console"
	case "isv.SMS_TEST_SIGN_TEMPLATE_LIMIT", "isv.SMS_TEST_NUMBER_LIMIT", "isv.SMS_TEST_TEMPLATE_PARAMS_ILLEGAL":
		return RejectedAccount, "sign and template are the vendor's for tests; configure your own"
	case "isv.SMS_TEMPLATE_ILLEGAL", "isv.TEMPLATE_MISSING_PARAMETERS", "isv.TEMPLATE_PARAMS_ILLEGAL", "isv.INVALID_JSON_PARAM",
		"isv.PARAM_LENGTH_LIMIT", "isv.PARAM_NOT_SUPPORT_URL":
		return RejectedAccount, "template is not a passed one of this account, or its variables are not params; see 模板管理 in the vendor's console"
	case "isv.SMS_CONTENT_ILLEGAL", "isv.SMS_CONTENT_MISMATCH_TEMPLATE_TYPE", "isv.UNSUPPORTED_CONTENT":
		return RejectedAccount, "the text of template is not allowed; register another one"
	case "isv.INVALID_PARAMETERS", "INVALID_PARAMETERS":
		return RejectedAccount, "check sign, template and params"
	case "isv.OUT_OF_SERVICE", "isv.AMOUNT_NOT_ENOUGH", "RESOURCE_NOT_ENOUGH":
		return RejectedAccount, "the account is in arrears; top it up"
	case "isv.DAY_LIMIT_CONTROL", "isv.MONTH_LIMIT_CONTROL":
		return RejectedAccount, "the limit that is set in the vendor's console is reached; raise it under 通用设置, 国内消息设置, 安全设置"
	case "isv.PRODUCT_UN_SUBSCRIPT", "isv.PRODUCT_UNSUBSCRIBE", "BIZ_NOT_OPEN_STATUS", "FUNCTION_NOT_OPENED",
		"isv.FUNCTION_NOT_OPENED":
		return RejectedAccount, "the service is not activated for this account; activate it in the vendor's console"
	case "isv.ACCOUNT_NOT_EXISTS", "isv.ACCOUNT_ABNORMAL", "isv.SECURITY_FROZEN_ACCOUNT":
		return RejectedAccount, "the account is closed or frozen; ask the vendor"
	case "isv.DENY_IP_RANGE":
		return RejectedAccount, "messages to the mainland are taken from addresses of the mainland alone; send from there"
	case "isp.RAM_PERMISSION_DENY", "isv.RAM_PERMISSION_DENY":
		return RejectedAccount, ramAdvice
	case "SignatureDoesNotMatch", "IncompleteSignature":
		return RejectedAccount, "access_key_secret is not that of access_key_id"
	case "IllegalTimestamp":
		return RejectedAccount, clockAdvice
	case "InvalidVersion", "UnsupportedHTTPMethod":
		return RejectedAccount, endpointAdvice

	case "ServiceUnavailable":
		return Unavailable, ""
	case "isv.SYSTEM_ERROR", "InternalError", "SMS_SYSTEM_ERROR", "SENTINEL_BLOCK_EXCEPTION":
		return Unknown, "a fault on its side"
	case "SignatureNonceUsed":
		return Unknown, "something on the way repeated the request"
	}
	switch family, _, _ := strings.Cut(code, "."); family {
	case "InvalidAccessKeyId":
		return RejectedAccount, "access_key_id does not exist or is switched off; make one in the RAM console"
	case "InvalidSecurityToken", "MissingSecurityToken":
		return RejectedAccount, "access_key_id is a temporary one of STS, which wants a token too; make a lasting one for a RAM user"
	case "InvalidTimeStamp":
		return RejectedAccount, clockAdvice
	case "Forbidden", "NoPermission":
		return RejectedAccount, ramAdvice
	case "InvalidAction", "InvalidApi", "InvalidProduct", "InvalidProtocol":
		return RejectedAccount, endpointAdvice
	case "Throttling":
		return Throttled, ""
	case "isp":
		return Unknown, "a fault on its side"
	}
	return 0, ""
}

const (
	ramAdvice      = "the RAM user may not send messages; grant it dysms:SendSms (aliyun-verify: dypns:SendSmsVerifyCode)"
	clockAdvice    = "this machine's clock is off by more than 15 minutes; set it"
	endpointAdvice = "endpoint is not that of this API"
)
