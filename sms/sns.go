package sms

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// snsTopic is a topic of Amazon SNS (Simple Notification Service) whose messages are believed, as they come over HTTP. It
// is safe for concurrent use.
//
// Everybody with an account at AWS can have a topic of their own, whose messages are signed by AWS just as well: so the one
// topic is configured, and its region says the only host that certificates are fetched from and subscriptions confirmed at.
// No message can make it speak to another.
type snsTopic struct {
	caller
	arn   string
	host  string   // sns.REGION.amazonaws.com
	names []string // a signing certificate is made out to one of these

	mu           sync.Mutex
	certificates map[string]*x509.Certificate // by path
}

// maxSNSCertificates bounds the kept certificates. One signs for about a year, at a time there are one or two.
const maxSNSCertificates = 8

var (
	snsARN         = regexp.MustCompile(`^arn:aws[a-z-]*:sns:([a-z]{2}(?:-[a-z]+)+-[0-9]):[0-9]{12}:[A-Za-z0-9_-]{1,256}$`)
	snsCertificate = regexp.MustCompile(`^/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem$`)
)

func newSNSTopic(arn string, c caller) (*snsTopic, error) {
	parts := snsARN.FindStringSubmatch(arn)
	if parts == nil {
		return nil, errors.New("write the topic's ARN, such as arn:aws:sns:eu-west-1:111122223333:sms-events")
	}
	region := parts[1]
	domain := awsDomain(region)
	t := &snsTopic{caller: c, arn: arn, host: "sns." + region + "." + domain, certificates: map[string]*x509.Certificate{}}
	// The names differ by the age and partition of the region (SnsHostProvider in AWS's own library,
	// https://github.com/aws/aws-sdk-java-v2, services-custom/sns-message-manager). All are AWS's own.
	t.names = []string{"sns." + domain, "sns-" + region + "." + domain, "sns-signing." + region + "." + domain, t.host}
	if strings.HasPrefix(region, "us-gov-") {
		t.names = append(t.names, "sns-us-gov-west-1."+domain)
	}
	return t, nil
}

// snsMessage is what SNS posts (https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html).
type snsMessage struct {
	Type             string
	MessageID        string `json:"MessageId"`
	TopicARN         string `json:"TopicArn"`
	Subject          string // of a Notification, if it has one
	Message          string
	Timestamp        string
	Token            string // of the two confirmations, as SubscribeURL
	SubscribeURL     string
	SignatureVersion string
	Signature        string
	SigningCertURL   string
}

// The types.
const (
	snsNotification = "Notification"
	snsSubscribed   = "SubscriptionConfirmation"
	snsUnsubscribed = "UnsubscribeConfirmation"
)

// signed is what the signature is over: the fields with their names, a line each
// (https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html).
func (m snsMessage) signed() []byte {
	fields := [][2]string{{"Message", m.Message}, {"MessageId", m.MessageID}}
	if m.Type == snsNotification {
		if m.Subject != "" {
			fields = append(fields, [2]string{"Subject", m.Subject})
		}
		fields = append(fields, [2]string{"Timestamp", m.Timestamp})
	} else {
		fields = append(fields, [2]string{"SubscribeURL", m.SubscribeURL}, [2]string{"Timestamp", m.Timestamp}, [2]string{"Token", m.Token})
	}
	fields = append(fields, [2]string{"TopicArn", m.TopicARN}, [2]string{"Type", m.Type})
	var b strings.Builder
	for _, f := range fields {
		b.WriteString(f[0] + "\n" + f[1] + "\n")
	}
	return []byte(b.String())
}

// open reads a message of the topic and verifies its signature. An error that wraps ErrForged says that it isn't the
// topic's; one that wraps rekey.ErrUnavailable, that the certificate could not be fetched now. Errors hold nothing of the
// message (T36).
//
// A message that is sent again, by SNS or by somebody who has seen it, passes again: what it says is as true as before.
func (t *snsTopic) open(ctx context.Context, body []byte) (snsMessage, error) {
	var m snsMessage
	if json.Unmarshal(body, &m) != nil || !slices.Contains([]string{snsNotification, snsSubscribed, snsUnsubscribed}, m.Type) {
		return m, errors.New("not a message of Amazon SNS; raw message delivery must be off for the subscription, since it drops the signature")
	}
	if m.TopicARN != t.arn {
		return m, fmt.Errorf("%w: the message is of another topic than the configured one", ErrForged)
	}
	signature, err := base64.StdEncoding.DecodeString(m.Signature)
	if err != nil {
		return m, fmt.Errorf("%w: it is not base64", ErrForged)
	}
	certificate, err := t.certificate(ctx, m.SigningCertURL)
	if err != nil {
		return m, err
	}
	if now := time.Now(); now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) {
		return m, fmt.Errorf("%w: its certificate is not valid now", ErrForged)
	}
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok {
		return m, fmt.Errorf("%w: its certificate has no RSA key", ErrForged)
	}
	switch m.SignatureVersion {
	case "1": // what topics begin with: somebody would have to find a second message with the SHA-1 of a given one
		sum := sha1.Sum(m.signed())
		err = rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], signature)
	case "2":
		sum := sha256.Sum256(m.signed())
		err = rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature)
	default:
		return m, fmt.Errorf("%w: it is of a version that is not known here", ErrForged)
	}
	if err != nil {
		return m, ErrForged
	}
	return m, nil
}

// certificate is the one at address, fetched from the region's own host once. That it is AWS's rests on the TLS connection
// to that host, with the system's roots, and on its name: like AWS's own libraries we can't build a chain, since the file
// holds nothing but the certificate itself.
func (t *snsTopic) certificate(ctx context.Context, address string) (*x509.Certificate, error) {
	path, ok := strings.CutPrefix(address, "https://"+t.host)
	if !ok || !snsCertificate.MatchString(path) {
		return nil, fmt.Errorf("%w: its certificate is not at the topic's region", ErrForged)
	}
	t.mu.Lock()
	known := t.certificates[path]
	t.mu.Unlock()
	if known != nil {
		return known, nil
	}
	u := &url.URL{Scheme: "https", Host: t.host, Path: path}
	said, err := t.call(ctx, request{method: http.MethodGet, url: u, header: http.Header{"User-Agent": {"rekey"}}})
	if err != nil {
		return nil, snsUnavailable("the certificate of SNS could not be fetched", err)
	}
	block, _ := pem.Decode(said.body)
	if said.status != http.StatusOK || !said.whole || block == nil || block.Type != "CERTIFICATE" {
		return nil, snsUnavailable("SNS gave no certificate", said.verdict())
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, snsUnavailable("SNS gave a certificate that can't be read", nil)
	}
	if !slices.ContainsFunc(t.names, func(name string) bool { return certificate.VerifyHostname(name) == nil }) {
		return nil, fmt.Errorf("%w: its certificate is not that of SNS", ErrForged)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.certificates) >= maxSNSCertificates {
		clear(t.certificates)
	}
	t.certificates[path] = certificate
	return certificate, nil
}

// confirm makes the request that a SubscriptionConfirmation asks for, after which the topic sends its messages. Only the
// configured topic's own message leads here, so that nobody can have us subscribed to theirs. Confirmed twice is like once.
func (t *snsTopic) confirm(ctx context.Context, m snsMessage) error {
	u, err := url.Parse(m.SubscribeURL)
	if err != nil || u.Scheme != "https" || u.Host != t.host || u.User != nil || u.Path != "/" ||
		u.Query().Get("Action") != "ConfirmSubscription" || u.Query().Get("TopicArn") != t.arn {
		return fmt.Errorf("%w: the address to confirm at is not the topic's", ErrForged)
	}
	said, err := t.call(ctx, request{method: http.MethodGet, url: u, header: http.Header{"User-Agent": {"rekey"}}})
	if err == nil {
		err = said.verdict()
	}
	if err != nil {
		return snsUnavailable("the subscription could not be confirmed; ask for another confirmation in the SNS console", err)
	}
	return nil
}

// snsUnavailable is an error that wraps rekey.ErrUnavailable, whatever became of the exchange: nothing is lost by another
// try. The Detail of its cause is repeated.
func snsUnavailable(what string, cause error) error {
	if r, ok := errors.AsType[*Refusal](cause); ok {
		return &Refusal{Outcome: Unavailable, Code: r.Code, Detail: what + ": " + r.Detail}
	}
	return &Refusal{Outcome: Unavailable, Detail: what}
}
