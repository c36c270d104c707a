package sms

import "rekey"

// AliyunVerifyConfig describes an account for AliyunVerify: Sign and Template are the vendor's gifted ones (赠送签名, 赠送模板).
type AliyunVerifyConfig = AliyunConfig

// AliyunVerify is the provider "aliyun-verify": the operation SendSmsVerifyCode of Alibaba Cloud's number verification
// service (号码认证服务, 短信认证; dypnsapi, 2017-05-25), for individuals, who get no signature of their own: the vendor lends
// them signatures and templates. It sends to mainland China alone. The code is ours; the vendor's own check of codes is not
// used.
//
// Its codes are those of Aliyun, which sends its messages, and these:
//
//	rejected_number   MOBILE_NUMBER_ILLEGAL SECURITY_INTERCEPTED BUSINESS_LIMIT_CONTROL† FREQUENCY_FAIL† biz.FREQUENCY†
//	rejected_account  INVALID_PARAMETERS BIZ_NOT_OPEN_STATUS RESOURCE_NOT_ENOUGH FUNCTION_NOT_OPENED† isv.FUNCTION_NOT_OPENED†
//	                  isv.RAM_PERMISSION_DENY
//	unknown           SMS_SYSTEM_ERROR SENTINEL_BLOCK_EXCEPTION
//
// SENTINEL_BLOCK_EXCEPTION says that the message could not be charged or that there was a fault, and not which.
//
// Sources: https://help.aliyun.com/zh/pnvs/developer-reference/api-dypnsapi-2017-05-25-sendsmsverifycode,
// https://help.aliyun.com/document_detail/85198.htm and
// https://alibabacloud.com/help/zh/pnvs/developer-reference/api-error-code; † as with Aliyun.
type AliyunVerify struct{ aliyun }

// NewAliyunVerify makes the provider. Its error joins all faults, as that of NewAliyun.
func NewAliyunVerify(c AliyunVerifyConfig) (*AliyunVerify, error) {
	a, err := newAliyun(c, "https://dypnsapi.aliyuncs.com", []string{"code", "min"}, aliyunOperation{
		action: "SendSmsVerifyCode", address: addressAliyunVerify, id: func(s aliyunAnswer) string { return s.Model.BizID },
	})
	if err != nil {
		return nil, err
	}
	return &AliyunVerify{a}, nil
}

// addressAliyunVerify also says how soon the number may have another message, in seconds. The vendor's default is the 60 of
// our own interval, so that people who ask again as soon as they may would now and then be refused: the two intervals begin
// at different moments.
func addressAliyunVerify(m rekey.Message) (map[string]string, error) {
	if m.To.CallingCode() != mainland {
		return nil, &Refusal{Outcome: RejectedNumber, Detail: "it sends to mainland China alone; route other countries to another provider"}
	}
	return map[string]string{"PhoneNumber": m.To.National(), "CountryCode": mainland, "OutId": m.ID, "Interval": "30"}, nil
}
