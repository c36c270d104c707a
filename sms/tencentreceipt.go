package sms

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// tencentReport is one delivery receipt, as the vendor pushes up to 100 of them in an array
// (https://cloud.tencent.com/document/api/382/59178). Times and the vendor's text are not read.
type tencentReport struct {
	SerialNo    string `json:"sid"`
	CallingCode string `json:"nationcode"`
	National    string `json:"mobile"`
	Status      string `json:"report_status"`
	Code        string `json:"errmsg"`
	Context     string `json:"ext"` // the SessionContext, for accounts that asked the vendor for it
}

// tencentTaken is the answer that the vendor wants. After any other it pushes twice more.
const tencentTaken = `{"result":0,"errmsg":"OK"}`

// Pushed reads the delivery receipts in a request of the vendor's. It signs none of them.
func (t *Tencent) Pushed(_ context.Context, r *http.Request, body []byte) (Push, error) {
	if r.Method != http.MethodPost {
		return Push{}, errors.New("receipts of Tencent Cloud come by POST")
	}
	pushed, err := splitReceipts(body)
	if err != nil {
		return Push{}, err
	}
	return readEach(Push{ContentType: "application/json", Answer: tencentTaken}, pushed, readTencent)
}

// readTencent reads one receipt of a push.
func readTencent(receipt json.RawMessage) (Report, error) {
	var p tencentReport
	if json.Unmarshal(receipt, &p) != nil {
		return Report{}, errors.New("not a receipt as Tencent Cloud pushes it") // the cause quotes it (T36)
	}
	report := Report{ID: p.SerialNo, To: reportNumber(p.CallingCode, p.National), Code: VendorCode(p.Code)}
	switch p.Status {
	case "SUCCESS":
		report.State = Delivered
	case "FAIL":
		report.State = Undelivered
	default:
		return Report{}, errors.New("a receipt whose report_status is neither SUCCESS nor FAIL")
	}
	if !vendorID(p.SerialNo) {
		return Report{}, errors.New("a receipt without sid, or with one that is none")
	}
	if vendorID(p.Context) {
		report.Message = p.Context
	}
	return report, nil
}
