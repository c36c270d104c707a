package sms

import (
	"encoding/json"
	"strings"
)

// tencentAnswer is what SendSms says: Error, or the status of each message.
type tencentAnswer struct {
	Response struct {
		Error         *struct{ Code string }
		SendStatusSet []struct{ SerialNo, Code string }
	}
}

// tencent reads an answer: the id of the message, or what its code says. An answer that says Ok and gives no id, or
// contradicts itself, leaves the message's fate unknown.
func (a answer) tencent() (string, error) {
	var said tencentAnswer
	code := ""
	if a.whole && json.Unmarshal(a.body, &said) == nil {
		switch statuses := said.Response.SendStatusSet; {
		case said.Response.Error != nil && len(statuses) == 0:
			code = VendorCode(said.Response.Error.Code)
		case said.Response.Error == nil && len(statuses) == 1:
			code = VendorCode(statuses[0].Code)
		}
	}
	switch code {
	case "", unreadable: // no answer of the vendor's, but of something in the way
		if err := a.codeless(); err != nil {
			return "", err
		}
		return "", &Refusal{Outcome: Unknown, Detail: "it answered with a success without its code, or the answer was cut off"}
	case "Ok":
		if said.Response.Error != nil || !vendorID(said.Response.SendStatusSet[0].SerialNo) || a.verdict() != nil {
			return "", &Refusal{Outcome: Unknown, Code: code, Detail: "its answer says Ok, but gives no id of a message or contradicts itself"}
		}
		return said.Response.SendStatusSet[0].SerialNo, nil
	}
	if outcome, detail := tencentOutcome(code); outcome != 0 {
		return "", &Refusal{Outcome: outcome, Code: code, Detail: detail}
	}
	r := &Refusal{Outcome: Unknown, Code: code, Detail: "its code is not known here"}
	if err := a.verdict(); err != nil {
		r.Outcome, r.Detail = OutcomeOf(err), "its code is not known here; decided by the HTTP status"
	}
	return "", r
}

// tencentOutcome is what a code other than Ok says, and what an operator should do; 0: the code is not known. The table is
// in the comment of Tencent.
func tencentOutcome(code string) (Outcome, string) {
	switch code {
	case "InvalidParameterValue.IncorrectPhoneNumber":
		return RejectedNumber, "it takes the number for none"
	case "FailedOperation.PhoneNumberInBlacklist":
		return RejectedNumber, "the number is on the vendor's list of those that want no messages"
	case "LimitExceeded.PhoneNumberThirtySecondLimit", "LimitExceeded.PhoneNumberOneHourLimit", "LimitExceeded.PhoneNumberDailyLimit",
		"LimitExceeded.PhoneNumberSameContentDailyLimit", "LimitExceeded.DeliveryFrequencyLimit":
		return RejectedNumber, "the number has had as many messages as the vendor's console lets it have"
	case "UnsupportedOperation.UnsupportedRegion", "UnsupportedOperation.UnsuportedRegion": // the vendor's former spelling
		return RejectedNumber, "the vendor does not reach this country"
	case "LimitExceeded.AppCountryOrRegionInBlacklist", "LimitExceeded.AppCountryOrRegionDailyLimit":
		return RejectedNumber, "the vendor's console lets this country have no messages, or no more today; see 应用管理, 基础配置 there"

	case "FailedOperation.SignatureIncorrectOrUnapproved", "FailedOperation.MissingSignature", "FailedOperation.MissingSignatureList":
		return RejectedAccount, "sign is not a passed signature of this account; see 签名管理 in the vendor's console"
	case "FailedOperation.TemplateIncorrectOrUnapproved", "FailedOperation.MissingTemplateList",
		"FailedOperation.TemplateUnapprovedOrNotExist", "FailedOperation.TemplateIdNotExist",
		"FailedOperation.TemplateParamSetNotMatchApprovedTemplate",
		"InvalidParameterValue.TemplateParameterFormatError", "InvalidParameterValue.TemplateParameterLengthLimit":
		return RejectedAccount, "template is not a passed template of this account, or its variables are not params; see 正文模板管理 in the vendor's console"
	case "FailedOperation.ContainSensitiveWord", "InvalidParameterValue.ContentLengthLimit", "FailedOperation.MarketingSendTimeConstraint":
		return RejectedAccount, "the text of template is not allowed, or is one for advertising; register another one"
	case "FailedOperation.InsufficientBalanceInSmsPackage", "UnauthorizedOperation.ServiceSuspendDueToArrears",
		"UnauthorizedOperation.SerivceSuspendDueToArrears": // the vendor's former spelling
		return RejectedAccount, "the account's package of messages is used up or the account in arrears; top it up"
	case "LimitExceeded.AppDailyLimit", "LimitExceeded.AppMainlandChinaDailyLimit", "LimitExceeded.AppGlobalDailyLimit",
		"LimitExceeded.DailyLimit":
		return RejectedAccount, "the day's limit that is set in the vendor's console is reached; raise it there"
	case "AuthFailure.SignatureExpire", "InternalError.RequestTimeException":
		return RejectedAccount, "this machine's clock is off by more than five minutes; set it"
	case "AuthFailure.SignatureFailure", "InternalError.SigFieldMissing", "InternalError.SigVerificationFail":
		return RejectedAccount, "secret_key is not that of secret_id"
	case "AuthFailure.SecretIdNotFound", "AuthFailure.InvalidSecretId":
		return RejectedAccount, "secret_id does not exist or is switched off; make one in the CAM console"
	case "AuthFailure.UnauthorizedOperation":
		return RejectedAccount, "the sub-user may not send messages; grant it QcloudSMSFullAccess or a policy of your own with sms:SendSms"
	case "InvalidParameterValue.SdkAppIdNotExist", "UnauthorizedOperation.SmsSdkAppIdVerifyFail", "UnauthorizedOperation.SdkAppIdIsDisabled":
		return RejectedAccount, "app_id is not an application of this account, or is switched off"
	case "UnauthorizedOperation.RequestIpNotInWhitelist", "IpInBlacklist", "IpNotInWhitelist":
		return RejectedAccount, "the vendor's console does not allow this machine's address; add it there"
	case "InternalError.RestApiInterfaceNotExist", "InvalidAction", "InvalidRequest", "NoSuchVersion", "NoSuchProduct", "ActionOffline",
		"UnsupportedProtocol", "UnknownParameter":
		return RejectedAccount, "endpoint is not that of this API"
	case "UnsupportedRegion":
		return RejectedAccount, "region is not one of the service"
	case "FailedOperation.FailResolvePacket", "FailedOperation.JsonParseFail", "InternalError.JsonParseFail":
		return RejectedAccount, "check app_id, sign, template and params"

	case "ResourceUnavailable", "ResourceInsufficient":
		return Unavailable, ""
	}
	switch family, _, _ := strings.Cut(code, "."); family {
	case "AuthFailure", "UnauthorizedOperation":
		return RejectedAccount, "the vendor does not let this account send messages; see its console"
	case "InvalidParameter", "InvalidParameterValue", "MissingParameter", "UnsupportedOperation":
		return RejectedAccount, "check app_id, sign, template and params"
	case "FailedOperation":
		return RejectedNumber, "it did not send the message"
	case "RequestLimitExceeded", "LimitExceeded":
		return Throttled, ""
	case "InternalError":
		return Unknown, "a fault on its side"
	}
	return 0, ""
}
