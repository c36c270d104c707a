package sms

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
)

// awsAnswer is what SendTextMessage says, taken or not: in JSON 1.0 the error's type stands in the body.
type awsAnswer struct {
	Type      string `json:"__type"` // such as ConflictException, which a namespace and # may precede, and : and a URL follow
	Reason    string
	MessageID string `json:"MessageId"`
	Fields    []struct{ Name string }
}

// Types and reasons are letters and _, so that no key, number or code is taken for one, whoever answers (T36).
var (
	awsType   = regexp.MustCompile(`^[A-Za-z]{1,64}$`)
	awsReason = regexp.MustCompile(`^[A-Z_]{1,64}$`)
)

// aws reads an answer: the id of the message, or what its error says. The type of an error decides before the status. An
// answer with both leaves the message's fate unknown; one without either does so after a 2xx, else it is not the vendor's.
func (a answer) aws() (string, error) {
	var said awsAnswer
	if !a.whole || json.Unmarshal(a.body, &said) != nil {
		said = awsAnswer{}
	}
	kind, _, _ := strings.Cut(said.Type, ":")
	kind = kind[strings.LastIndexByte(kind, '#')+1:]
	if !awsType.MatchString(kind) {
		kind = ""
	}
	code := kind
	if full := VendorCode(kind + "." + said.Reason); awsReason.MatchString(said.Reason) && full != unreadable {
		code = full
	}
	switch {
	case said.Type == "" && a.status == http.StatusOK && vendorID(said.MessageID):
		return said.MessageID, nil
	case said.MessageID != "":
		return "", &Refusal{Outcome: Unknown, Code: code, Detail: "its answer has the id of a message and contradicts itself"}
	case kind == "":
		if err := a.codeless(); err != nil {
			return "", err
		}
		return "", &Refusal{Outcome: Unknown, Detail: "it answered with a success without the id of a message, or the answer was cut off"}
	}
	if outcome, detail := said.outcome(kind); outcome != 0 {
		return "", &Refusal{Outcome: outcome, Code: code, Detail: detail}
	}
	r := &Refusal{Outcome: Unknown, Code: code, Detail: "an error of a type that is not known here, with the status of a success"}
	if err := a.verdict(); err != nil {
		r.Outcome, r.Detail = OutcomeOf(err), "an error of a type that is not known here; decided by the HTTP status"
	}
	if a.status == http.StatusForbidden {
		r.Outcome = RejectedAccount
	}
	return "", r
}

// outcome is what an error of the type kind says, and what an operator should do; 0: the type is not known. The table is in
// the comment of AWS.
func (s awsAnswer) outcome(kind string) (Outcome, string) {
	switch kind {
	case "ConflictException":
		return s.conflict()
	case "ValidationException":
		return s.validation()
	case "ServiceQuotaExceededException":
		switch s.Reason {
		case "DAILY_DESTINATION_CALL_LIMIT":
			return RejectedNumber, "the number has had as much as the vendor lets it have"
		case "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT":
			return RejectedAccount, "the month's spending limit is reached; raise it under Service Quotas and in the SMS console"
		}
		return RejectedAccount, "a quota of the account is reached; raise it under Service Quotas"
	case "AccessDeniedException", "NotAuthorized":
		switch s.Reason {
		case "ACCOUNT_DISABLED":
			return RejectedAccount, "the account is disabled; ask AWS"
		case "INSUFFICIENT_ACCOUNT_REPUTATION":
			return RejectedAccount, "AWS takes the account's messages for unwanted; ask AWS"
		}
		return RejectedAccount, "the keys lack the right sms-voice:SendTextMessage on from or configuration_set; grant it in IAM"
	case "ResourceNotFoundException":
		return RejectedAccount, "from or configuration_set is not there in this region; check both, and region"
	case "UnrecognizedClientException", "InvalidClientTokenId", "MissingAuthenticationToken", "MissingAuthenticationTokenException":
		return RejectedAccount, "access_key_id does not exist or is switched off, or session_token is missing; make one in IAM"
	case "InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException":
		return RejectedAccount, "secret_access_key is not that of access_key_id, or this machine's clock is off by more than 5 minutes"
	case "RequestExpired":
		return RejectedAccount, "this machine's clock is off; set it"
	case "ExpiredToken", "ExpiredTokenException":
		return RejectedAccount, "session_token has expired; configure new temporary keys, or lasting ones"
	case "OptInRequired":
		return RejectedAccount, "the account has not switched the service or the region on"
	case "UnknownOperationException", "InvalidAction":
		return RejectedAccount, "endpoint is not that of AWS End User Messaging SMS"

	case "ThrottlingException", "Throttling", "TooManyRequestsException":
		return Throttled, ""
	case "ServiceUnavailable", "ServiceUnavailableException":
		return Unavailable, ""
	case "InternalServerException", "InternalFailure":
		return Unknown, "a fault on its side"
	}
	return 0, ""
}

func (s awsAnswer) conflict() (Outcome, string) {
	switch s.Reason {
	case "DESTINATION_PHONE_NUMBER_OPTED_OUT":
		return RejectedNumber, "the number wants no messages (it has answered STOP)"
	case "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION", "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE":
		return RejectedNumber, "a protect configuration of the account blocks the number or its country"
	case "NO_ORIGINATION_IDENTITIES_FOUND":
		return RejectedNumber, "from has no number or sender id that reaches this country; add one to the pool"
	case "DESTINATION_PHONE_NUMBER_NOT_VERIFIED":
		return RejectedAccount, "the account is in the sandbox, which reaches registered numbers alone; ask AWS for production access in this region"
	case "MESSAGE_TYPE_MISMATCH":
		return RejectedAccount, "from is for promotional messages; it must be for transactional ones"
	}
	return RejectedAccount, "from or configuration_set is in a state in which nothing can be sent; see the SMS console"
}

func (s awsAnswer) validation() (Outcome, string) {
	switch s.Reason {
	case "DESTINATION_COUNTRY_BLOCKED", "COUNTRY_NOT_ENABLED", "COUNTRY_CODE_MISMATCH", "INTERNATIONAL_SENDING_NOT_SUPPORTED",
		"INVALID_IDENTITY_FOR_DESTINATION_COUNTRY":
		return RejectedNumber, "the account or from can't send to this country"
	case "SENDER_ID_NOT_REGISTERED", "SENDER_ID_REQUIRES_REGISTRATION", "SENDER_ID_NOT_SUPPORTED":
		return RejectedNumber, "the sender id in from must be registered for this country first, or the country has none"
	case "PRICE_OVER_THRESHOLD":
		return RejectedNumber, "the price is over a limit of the account"
	case "INVALID_ARN", "RESOURCE_NOT_ACCESSIBLE":
		return RejectedAccount, "from or configuration_set is none of this account and region"
	case "CHANNEL_NOT_ENABLED":
		return RejectedAccount, "the account has not switched SMS on"
	case "UNKNOWN_OPERATION":
		return RejectedAccount, "endpoint is not that of AWS End User Messaging SMS"
	case "PARAMETERS_CANNOT_BE_USED_TOGETHER":
		return RejectedAccount, "from and configuration_set don't go together"
	}
	for _, field := range s.Fields {
		// The names are written with a small first letter too (https://repost.aws/questions/QUK00IIG8_SUaKS3XE8BTedw).
		switch strings.ToLower(field.Name) {
		case "originationidentity":
			return RejectedAccount, "from is not valid"
		case "configurationsetname":
			return RejectedAccount, "configuration_set is not valid"
		}
	}
	return RejectedNumber, "it takes the number or the message for not valid"
}
