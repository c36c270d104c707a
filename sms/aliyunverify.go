package sms

import (
	"context"

	"rekey"
)

// AliyunVerifyConfig describes an account for AliyunVerify: Sign and Template are the vendor's gifted ones (赠送签名, 赠送模板).
type AliyunVerifyConfig = AliyunConfig

// AliyunVerify is the provider "aliyun-verify": the operation SendSmsVerifyCode of Alibaba Cloud's number verification
// service (号码认证服务, 短信认证; dypnsapi, 2017-05-25), for individuals, who get no signature of their own: the vendor lends
// them signatures and templates. It sends to mainland China alone. The code is ours; the vendor's own check of codes is not
// used.
//
// Its codes are those of Aliyun, which sends its messages, and these:
//
//	rejected_number   MOBILE_NUMBER_ILLEGAL† BUSINESS_LIMIT_CONTROL† FREQUENCY_FAIL† biz.FREQUENCY†
//	rejected_account  INVALID_PARAMETERS† FUNCTION_NOT_OPENED† isv.FUNCTION_NOT_OPENED† isv.RAM_PERMISSION_DENY
//
// Sources: https://help.aliyun.com/zh/pnvs/developer-reference/api-dypnsapi-2017-05-25-sendsmsverifycode and
// https://help.aliyun.com/document_detail/85198.htm; † as with Aliyun.
type AliyunVerify struct{ aliyun }

// NewAliyunVerify makes the provider. Its error joins all faults, as that of NewAliyun.
func NewAliyunVerify(c AliyunVerifyConfig) (*AliyunVerify, error) {
	a, err := newAliyun(c, "https://dypnsapi.aliyuncs.com", acs3{action: "SendSmsVerifyCode", version: "2017-05-25"}, []string{"code", "min"})
	if err != nil {
		return nil, err
	}
	return &AliyunVerify{a}, nil
}

// params are the parameters of SendSmsVerifyCode, or a refusal of a number that it does not reach.
func (a *AliyunVerify) params(m rekey.Message) (map[string]string, error) {
	if m.To.CallingCode() != mainland {
		return nil, &Refusal{Outcome: RejectedNumber, Detail: "it sends to mainland China alone; route other countries to another provider"}
	}
	params := a.fill(m)
	params["PhoneNumber"], params["CountryCode"], params["OutId"] = m.To.National(), mainland, m.ID
	// In seconds. The vendor's default is the 60 of our own interval, so that people who ask again as soon as they may would
	// now and then be refused: the two intervals begin at different moments.
	params["Interval"] = "30"
	return params, nil
}

// Send hands m to the vendor. The receipt's ID is the vendor's BizId.
func (a *AliyunVerify) Send(ctx context.Context, m rekey.Message) (rekey.Receipt, error) {
	_, r, err := a.deliver(ctx, m)
	return r, err
}

// Try is Send with the vendor's answer.
func (a *AliyunVerify) Try(ctx context.Context, m rekey.Message) (string, error) {
	answer, _, err := a.deliver(ctx, m)
	return answer.tried(), err
}

// Preview is the request that Send would make, unescaped; for a number that it does not reach, the refusal.
func (a *AliyunVerify) Preview(m rekey.Message) (string, error) {
	params, err := a.params(m)
	if err != nil {
		return "", err
	}
	return a.preview(params), nil
}

func (a *AliyunVerify) deliver(ctx context.Context, m rekey.Message) (answer, rekey.Receipt, error) {
	params, err := a.params(m)
	if err != nil {
		return answer{}, rekey.Receipt{}, err
	}
	answer, err := a.ask(ctx, params)
	if err != nil {
		return answer, rekey.Receipt{}, err
	}
	id, err := answer.aliyun(func(s aliyunAnswer) string { return s.Model.BizID })
	return answer, rekey.Receipt{ID: id}, err
}
