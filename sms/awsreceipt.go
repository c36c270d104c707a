package sms

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"rekey"
)

// awsEvent is an event of a message, the Message of a notification
// (https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-format.html).
type awsEvent struct {
	Type    string            `json:"eventType"`
	Final   bool              `json:"isFinal"`
	ID      string            `json:"messageId"`
	To      string            `json:"destinationPhoneNumber"` // E.164
	Context map[string]string `json:"context"`
}

// awsTaken is the answer to what SNS posts. Any 2xx will do; after a 5xx or none it posts again.
const awsTaken = "taken\n"

// Pushed reads an event that SNS posts, or confirms the subscription of the configured topic. Events of other messages
// than ours, and other kinds of events, give no reports: a configuration set may serve several applications.
//
// What an event says of a message (https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-types.html):
//
//	delivered    TEXT_DELIVERED, and TEXT_SUCCESSFUL where it is the last event: operators of some countries tell no more
//	             than that they have taken the message
//	undelivered  TEXT_BLOCKED TEXT_CARRIER_BLOCKED TEXT_CARRIER_UNREACHABLE TEXT_INVALID TEXT_INVALID_MESSAGE
//	             TEXT_PROTECT_BLOCKED TEXT_SPAM TEXT_TTL_EXPIRED TEXT_UNKNOWN TEXT_UNREACHABLE
//	pending      TEXT_QUEUED TEXT_PENDING TEXT_SENT, TEXT_SUCCESSFUL otherwise, and what is not known here
func (a *AWS) Pushed(ctx context.Context, r *http.Request, body []byte) (Push, error) {
	if a.topic == nil {
		return Push{}, errors.New("no receipts are taken; set topic to the ARN of the SNS topic that the events go to")
	}
	if r.Method != http.MethodPost {
		return Push{}, errors.New("messages of Amazon SNS come by POST")
	}
	m, err := a.topic.open(ctx, body)
	if err != nil {
		return Push{}, err
	}
	push := Push{Answer: awsTaken}
	switch m.Type {
	case snsSubscribed:
		if err := a.topic.confirm(ctx, m); err != nil {
			return Push{}, err
		}
		return push, nil
	case snsUnsubscribed:
		return Push{}, errors.New("the subscription of the topic was ended: no more receipts come; subscribe this address again if that was not meant")
	}
	report, ours, err := awsReport(m.Message)
	if err != nil {
		return Push{}, err
	}
	if ours {
		push.Reports = []Report{report}
	}
	return push, nil
}

// awsReport reads an event; ours: it is of a message that we sent.
func awsReport(message string) (report Report, ours bool, err error) {
	var e awsEvent
	if json.Unmarshal([]byte(message), &e) != nil || e.Type == "" {
		return Report{}, false, errors.New("not an event of AWS End User Messaging SMS") // the cause quotes the event (T36)
	}
	id, ours := e.Context[awsContextMessage]
	if !ours || !strings.HasPrefix(e.Type, "TEXT_") {
		return Report{}, false, nil
	}
	to, ok := awsNumber(e.To, e.Context[awsContextCalling])
	if !vendorID(e.ID) || !vendorID(id) || !ok {
		return Report{}, false, errors.New("an event of AWS End User Messaging SMS without messageId or number, or with a context that is not ours")
	}
	return Report{ID: e.ID, Message: id, To: to, State: e.state(), Code: VendorCode(e.Type)}, true, nil
}

func (e awsEvent) state() DeliveryState {
	switch e.Type {
	case "TEXT_DELIVERED":
		return Delivered
	case "TEXT_SUCCESSFUL":
		if e.Final {
			return Delivered
		}
	case "TEXT_BLOCKED", "TEXT_CARRIER_BLOCKED", "TEXT_CARRIER_UNREACHABLE", "TEXT_INVALID", "TEXT_INVALID_MESSAGE",
		"TEXT_PROTECT_BLOCKED", "TEXT_SPAM", "TEXT_TTL_EXPIRED", "TEXT_UNKNOWN", "TEXT_UNREACHABLE":
		return Undelivered
	}
	return Pending
}

// awsNumber is an E.164 number under its calling code.
func awsNumber(e164, calling string) (rekey.Number, bool) {
	national, ok := strings.CutPrefix(e164, "+"+calling)
	n := reportNumber(calling, national)
	return n, ok && !n.IsZero()
}
