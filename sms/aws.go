package sms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"rekey"
)

// AWSConfig describes an account at AWS End User Messaging SMS. Its printed form hides everything.
type AWSConfig struct {
	Region                       string // required: where the account's numbers and pools are, such as eu-west-1
	AccessKeyID, SecretAccessKey string // required: of a user or role that may do sms-voice:SendTextMessage and nothing else
	SessionToken                 string // with temporary keys; else empty
	// From is required: who the message is from, as an id, an ARN or the number itself: a phone number, a sender id or a
	// pool of them, which picks one that reaches the country.
	From string
	// ConfigurationSet is the name or ARN of the configuration set whose event destinations are told what becomes of the
	// messages; empty: nobody is.
	ConfigurationSet string
	// Topic is the ARN of the SNS topic that one of those destinations is. Only its messages are believed; empty: no
	// receipts are taken.
	Topic    string
	Endpoint string        // scheme and host; empty: the region's own
	Timeout  time.Duration // for one message, and for one certificate; 0: DefaultTimeout

	Texts     *Texts            // required
	Transport http.RoundTripper // shared between providers; nil: one of its own, as NewTransport makes it
}

// Format hides the configuration whatever the verb (T36).
func (AWSConfig) Format(f fmt.State, _ rune) { io.WriteString(f, "(AWS provider)") }

// AWS is the provider "aws": the operation SendTextMessage of AWS End User Messaging SMS (formerly Amazon Pinpoint SMS and
// Voice, version 2), JSON 1.0 with Signature Version 4.
//
// The vendor does not recognize a message that is sent twice, so each is handed over once. An error's type, and its Reason
// where it has one, say what became of it; † marks where the vendor's pages don't say whether number or account is meant:
//
//	rejected_number   ConflictException.DESTINATION_PHONE_NUMBER_OPTED_OUT
//	                  ConflictException.DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION
//	                  ConflictException.DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE
//	                  ConflictException.NO_ORIGINATION_IDENTITIES_FOUND†
//	                  ValidationException.DESTINATION_COUNTRY_BLOCKED ValidationException.COUNTRY_NOT_ENABLED
//	                  ValidationException.COUNTRY_CODE_MISMATCH ValidationException.INTERNATIONAL_SENDING_NOT_SUPPORTED
//	                  ValidationException.INVALID_IDENTITY_FOR_DESTINATION_COUNTRY
//	                  ValidationException.SENDER_ID_NOT_REGISTERED ValidationException.SENDER_ID_NOT_SUPPORTED
//	                  ValidationException.SENDER_ID_REQUIRES_REGISTRATION ValidationException.PRICE_OVER_THRESHOLD
//	                  ValidationException.*† ServiceQuotaExceededException.DAILY_DESTINATION_CALL_LIMIT†
//	rejected_account  ConflictException.DESTINATION_PHONE_NUMBER_NOT_VERIFIED ConflictException.MESSAGE_TYPE_MISMATCH
//	                  ConflictException.*† ValidationException.INVALID_ARN ValidationException.RESOURCE_NOT_ACCESSIBLE
//	                  ValidationException.CHANNEL_NOT_ENABLED ValidationException.UNKNOWN_OPERATION
//	                  ValidationException.PARAMETERS_CANNOT_BE_USED_TOGETHER
//	                  ServiceQuotaExceededException.MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT ServiceQuotaExceededException.*
//	                  AccessDeniedException.ACCOUNT_DISABLED AccessDeniedException.INSUFFICIENT_ACCOUNT_REPUTATION
//	                  AccessDeniedException.* ResourceNotFoundException.* UnrecognizedClientException InvalidClientTokenId
//	                  InvalidSignatureException SignatureDoesNotMatch IncompleteSignature IncompleteSignatureException
//	                  MissingAuthenticationToken MissingAuthenticationTokenException ExpiredToken ExpiredTokenException
//	                  RequestExpired OptInRequired NotAuthorized UnknownOperationException InvalidAction
//	throttled         ThrottlingException Throttling TooManyRequestsException
//	unavailable       ServiceUnavailable ServiceUnavailableException
//	unknown           InternalServerException InternalFailure
//
// A ValidationException that names OriginationIdentity or ConfigurationSetName is about the account too.
//
// Sources: https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html, the reasons at
// https://docs.aws.amazon.com/botocore/latest/reference/services/pinpoint-sms-voice-v2/client/exceptions/ConflictException.html
// and its neighbours, and https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html for what every service of
// AWS says. Reasons that hang on the country of the number are its own: another vendor may reach it, and this one reaches
// others. In the sandbox only ten registered numbers are reached, so that it is the account which is refused. Types that
// are not known: with 403, as a refusal of the account, since that is the status of missing rights; else by the status.
type AWS struct {
	caller
	signer   sigV4
	endpoint url.URL
	from     string
	set      string
	topic    *snsTopic // nil: no receipts are taken
	texts    *Texts
}

const (
	awsTarget      = "PinpointSMSVoiceV2.SendTextMessage"
	awsContentType = "application/x-amz-json-1.0"

	// The bounds of TimeToLive, in seconds: API_SendTextMessage.
	awsShortestLife, awsLongestLife = 5, 259200
)

var (
	awsRegion   = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
	awsIdentity = regexp.MustCompile(`^[A-Za-z0-9_:/+-]{1,256}$`) // API_SendTextMessage, OriginationIdentity
	awsSet      = regexp.MustCompile(`^[A-Za-z0-9_:/-]{1,256}$`)  // the same, ConfigurationSetName
)

// NewAWS makes the provider. Its error joins all faults (errors.Join), each a sentence that begins with the setting's name
// within sms.providers.NAME.
func NewAWS(c AWSConfig) (*AWS, error) {
	a := &AWS{
		caller: newCaller(c.Transport, c.Timeout),
		signer: sigV4{keyID: c.AccessKeyID, secret: c.SecretAccessKey, token: c.SessionToken, region: c.Region, service: "sms-voice"},
		from:   c.From, set: c.ConfigurationSet, texts: c.Texts,
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	switch {
	case c.Region == "":
		fault("region: is required, such as eu-west-1")
	case !awsRegion.MatchString(c.Region):
		fault("region: write it as AWS does, such as eu-west-1")
	}
	for _, key := range [][2]string{{"access_key_id", c.AccessKeyID}, {"secret_access_key", c.SecretAccessKey}} {
		if key[1] == "" {
			fault("%s: is required; make one for a user that may do sms-voice:SendTextMessage and nothing else", key[0])
		}
	}
	for _, key := range [][2]string{
		{"access_key_id", c.AccessKeyID}, {"secret_access_key", c.SecretAccessKey}, {"session_token", c.SessionToken},
	} {
		if strings.ContainsFunc(key[1], notInKey) {
			fault("%s: there are no spaces and commas in the keys of AWS; copy it anew", key[0])
		}
	}
	switch {
	case c.From == "":
		fault("from: is required: a phone number, sender id or pool of the account, by its id or ARN")
	case !awsIdentity.MatchString(c.From):
		fault("from: is no phone number, sender id, id of a pool, or ARN of one")
	}
	if c.ConfigurationSet != "" && !awsSet.MatchString(c.ConfigurationSet) {
		fault("configuration_set: is no name or ARN of a configuration set")
	}
	if c.Topic != "" {
		var err error
		if a.topic, err = newSNSTopic(c.Topic, a.caller); err != nil {
			fault("topic: %w", err)
		}
		if c.ConfigurationSet == "" {
			fault("topic: needs configuration_set, since only messages sent under one have events")
		}
	}
	var err error
	if a.endpoint, err = vendorEndpoint(c.Endpoint, "https://sms-voice."+c.Region+"."+awsDomain(c.Region)); err != nil &&
		awsRegion.MatchString(c.Region) { // else it is the region that is wrong, or that too
		faults = append(faults, err)
	}
	if c.Timeout < 0 {
		fault("timeout: must not be negative")
	}
	if c.Texts == nil {
		fault("text: an AWS provider needs Texts")
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return a, nil
}

// awsDomain is what the hosts of a region end with.
func awsDomain(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// Format hides the provider's configuration whatever the verb (T36).
func (a *AWS) Format(f fmt.State, _ rune) { io.WriteString(f, "(AWS provider)") }

// awsText is the body of a request.
type awsText struct {
	DestinationPhoneNumber string
	OriginationIdentity    string
	MessageBody            string
	MessageType            string
	ConfigurationSetName   string `json:",omitempty"`
	TimeToLive             int    // in seconds
	Context                map[string]string
}

// The keys of Context, which comes back in every event of the message. The calling code is there because events have the
// number in one piece.
const (
	awsContextMessage = "rekey_message"
	awsContextCalling = "rekey_calling_code"
)

// request is the request for m, without its signature. A message that has not reached the phone when its code expires is
// given up.
func (a *AWS) request(m rekey.Message) (request, error) {
	body, err := asJSON(awsText{
		DestinationPhoneNumber: m.To.E164(),
		OriginationIdentity:    a.from,
		MessageBody:            a.texts.Text(m),
		MessageType:            "TRANSACTIONAL",
		ConfigurationSetName:   a.set,
		TimeToLive:             min(max(int(m.ExpiresIn/time.Second), awsShortestLife), awsLongestLife),
		Context:                map[string]string{awsContextMessage: m.ID, awsContextCalling: m.To.CallingCode()},
	})
	u := a.endpoint
	return request{
		method: http.MethodPost, url: &u, body: []byte(body),
		header: http.Header{"Content-Type": {awsContentType}, "X-Amz-Target": {awsTarget}},
	}, err
}

// Send hands m to the vendor. The receipt's ID is the vendor's MessageId.
func (a *AWS) Send(ctx context.Context, m rekey.Message) (rekey.Receipt, error) {
	_, r, err := a.deliver(ctx, m)
	return r, err
}

// Size is that of the text.
func (a *AWS) Size(m rekey.Message) Size { return Measure(a.texts.Text(m)) }

// Try is Send with the vendor's answer.
func (a *AWS) Try(ctx context.Context, m rekey.Message) (string, error) {
	answer, _, err := a.deliver(ctx, m)
	return answer.tried(), err
}

// Preview is the request that Send would make. From and configuration set are shown, which are to be checked; the keys are
// masked.
func (a *AWS) Preview(m rekey.Message) (string, error) {
	r, err := a.request(m)
	if err != nil {
		return "", err
	}
	r.header.Set("User-Agent", "rekey")
	if a.signer.token != "" {
		r.header.Set("X-Amz-Security-Token", masked)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", r.method, r.url)
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		fmt.Fprintf(&b, "%s: %s\n", name, r.header.Get(name))
	}
	fmt.Fprintf(&b, "X-Amz-Date: (when it is sent)\nAuthorization: %s Credential=%s, Signature=(made when it is sent)\n\n%s\n",
		sigV4Algorithm, masked, r.body)
	return b.String(), nil
}

func (a *AWS) deliver(ctx context.Context, m rekey.Message) (answer, rekey.Receipt, error) {
	r, err := a.request(m)
	if err != nil {
		return answer{}, rekey.Receipt{}, &Refusal{Outcome: Unavailable, Detail: "the request could not be written as JSON"}
	}
	a.signer.sign(r, time.Now())
	r.header.Set("User-Agent", "rekey") // not signed: proxies change it
	said, err := a.call(ctx, r)
	if err != nil {
		return said, rekey.Receipt{}, err
	}
	id, err := said.aws()
	return said, rekey.Receipt{ID: id}, err
}
