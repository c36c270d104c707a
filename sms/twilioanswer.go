package sms

import (
	"encoding/json"
	"strconv"
)

// twilio reads an answer: the SID of the message, or what its code says. An answer of 2xx that gives no SID, or contradicts
// itself, leaves the message's fate unknown.
func (a answer) twilio() (string, error) {
	if err := a.verdict(); err != nil {
		var said struct {
			Code int `json:"code"`
		}
		if a.whole && json.Unmarshal(a.body, &said) == nil && said.Code > 0 {
			return "", twilioRefusal(said.Code, OutcomeOf(err))
		}
		return "", a.codeless()
	}
	var said struct {
		SID       string `json:"sid"`
		Status    string `json:"status"`
		ErrorCode *int   `json:"error_code"`
	}
	if !a.whole || json.Unmarshal(a.body, &said) != nil || !isTwilioMessage(said.SID) {
		return "", &Refusal{Outcome: Unknown, Code: strconv.Itoa(a.status), Detail: "it answered with a success without the id of a message, or the answer was cut off"}
	}
	failed := said.Status == "failed" || said.Status == "undelivered" || said.Status == "canceled"
	switch {
	case !failed && said.ErrorCode == nil:
		return said.SID, nil
	case failed && said.ErrorCode != nil:
		return "", twilioRefusal(*said.ErrorCode, RejectedNumber)
	}
	return "", &Refusal{Outcome: Unknown, Code: strconv.Itoa(a.status), Detail: "its answer contradicts itself"}
}

// isTwilioMessage says whether s is the SID of a message: of an SMS, or of one that became an MMS.
func isTwilioMessage(s string) bool { return isTwilioSID(s, "SM") || isTwilioSID(s, "MM") }

// twilioRefusal is what a code says; otherwise, if it is not known, decides.
func twilioRefusal(code int, otherwise Outcome) *Refusal {
	// A code that is known is one of a few, however many digits it has; any other might be ours (T36).
	if outcome, detail := twilioOutcome(code); outcome != 0 {
		return &Refusal{Outcome: outcome, Code: strconv.Itoa(code), Detail: detail}
	}
	return &Refusal{
		Outcome: otherwise, Code: VendorCode(strconv.Itoa(code)), Detail: "its code is not known here; see https://www.twilio.com/docs/api/errors",
	}
}

// twilioOutcome is what a code says, and what an operator should do; 0: the code is not known. The table is in the comment
// of Twilio.
func twilioOutcome(code int) (Outcome, string) {
	switch code {
	case 21211, 21217, 21265:
		return RejectedNumber, "it takes the number for none"
	case 21214, 21612:
		return RejectedNumber, "the number can't be reached from this sender; see the vendor's guidelines for the country"
	case 21408, 60605:
		return RejectedNumber, "the vendor's console does not permit the number's country; see Messaging, Settings, Geo permissions there"
	case 21610:
		return RejectedNumber, "the person has texted STOP to this sender, and must text START"
	case 21614, 21635:
		return RejectedNumber, "the number is no mobile one"
	case 30003, 30004, 30005, 30006, 30007, 30008:
		return RejectedNumber, "the operator did not take the message"
	case 30450, 60410:
		return RejectedNumber, "the vendor holds messages to this prefix to be fraud, and blocks them for a while"

	case 10001, 20005, 20010, 30002, 90010:
		return RejectedAccount, "the account is not active or suspended, or its funds have run out; see the vendor's console"
	case 20003, 20008, 20403, 20404, 70051:
		return RejectedAccount, "account_sid and auth_token do not go together, or the account is closed"
	case 21212, 21601, 21603, 21606, 21659, 21660, 21661, 30042:
		return RejectedAccount, "from is not a sender of this account that may text this country"
	case 21701, 21703, 21705:
		return RejectedAccount, "messaging_service is not one of this account, or has no senders"
	case 30034:
		return RejectedAccount, "the sender is not registered for A2P 10DLC, which the United States want"
	case 21608, 572002, 572005:
		return RejectedAccount, "this is a trial account, which may text verified numbers alone; upgrade it"
	case 21609:
		return RejectedAccount, "the vendor can't use the address of receipts; check public_origin"
	case 21617:
		return RejectedAccount, "the text is longer than the vendor takes"
	case 63038:
		return RejectedAccount, "the account's limit of a day is reached; ask the vendor to raise it"

	case 14107, 20429, 21611, 30001, 60728, 63017:
		return Throttled, ""
	case 20503, 21730:
		return Unavailable, ""
	case 20500, 20504:
		return Unknown, "a fault on its side"
	}
	return 0, ""
}
