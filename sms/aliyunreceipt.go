package sms

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"rekey"
)

// aliyunReport is one delivery receipt, as SmsReport and DypnsSmsVerifyReport push them in an array
// (https://help.aliyun.com/zh/sms/developer-reference/smsreport-2,
// https://help.aliyun.com/zh/pnvs/developer-reference/dypnssmsverifyreport-http). Times and the vendor's text are not read.
type aliyunReport struct {
	Phone   string `json:"phone_number"`
	Success *bool  `json:"success"`
	ErrCode string `json:"err_code"`
	BizID   string `json:"biz_id"`
	OutID   string `json:"out_id"`
}

// aliyunTaken is the answer that the vendor wants. After any other it pushes again 1, 5 and 10 minutes later.
const aliyunTaken = `{"code":0,"msg":"接收成功"}`

// Pushed reads the delivery receipts in a request of the vendor's. It signs none of them.
func (a *aliyun) Pushed(_ context.Context, r *http.Request, body []byte) (Push, error) {
	if r.Method != http.MethodPost {
		return Push{}, errors.New("receipts of Alibaba Cloud come by POST")
	}
	pushed, err := splitReceipts(body)
	if err != nil {
		return Push{}, err
	}
	return readEach(Push{ContentType: "application/json", Answer: aliyunTaken}, pushed, readAliyun)
}

// readAliyun reads one receipt of a push.
func readAliyun(receipt json.RawMessage) (Report, error) {
	var p aliyunReport
	if json.Unmarshal(receipt, &p) != nil {
		return Report{}, errors.New("not a receipt as Alibaba Cloud pushes it") // the cause quotes it (T36)
	}
	if p.Success == nil || !vendorID(p.BizID) {
		return Report{}, errors.New("a receipt without success or biz_id, or with a biz_id that is none")
	}
	report := Report{ID: p.BizID, Code: VendorCode(p.ErrCode), State: Undelivered}
	switch {
	case *p.Success:
		report.State = Delivered
	case p.ErrCode == "REQUEST_SUCCESS": // the operator has not said anything yet
		report.State = Pending
	}
	// Only messages of ours have an id that tells the calling code. The address is that of the whole account: among ours
	// are those of other programs, whose out_id is what they like, and which must not cost us the receipt.
	if vendorID(p.OutID) {
		id, calling, foreign := strings.Cut(p.OutID, ".")
		if !foreign {
			calling = mainland
		}
		report.Message, report.To = id, aliyunNumber(p.Phone, calling)
	}
	return report, nil
}

// aliyunNumber is a number as receipts write it: with the calling code or, in the mainland, mostly without. It is zero where
// it can't be read; the console's test of the address sends a number with asterisks.
func aliyunNumber(phone, calling string) rekey.Number {
	digits := strings.TrimPrefix(strings.TrimPrefix(phone, "+"), "00")
	national, prefixed := strings.CutPrefix(digits, calling)
	if calling == mainland && len(digits) == 11 { // no number of the mainland begins with 86
		national, prefixed = digits, true
	}
	if !prefixed {
		return rekey.Number{}
	}
	return reportNumber(calling, national)
}
