package sms

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"rekey"
	"rekey/sms/smpp"
)

// SMPPConfig describes an SMSC and our account there. Its printed form hides everything.
type SMPPConfig struct {
	Address    string // host:port; 2775 is the registered port
	SystemID   string
	Password   string
	SystemType string // what the SMSC wants there; mostly empty
	// Source is what people see as the sender: a name of up to 11 letters and digits (type of number 5), a number in E.164
	// with its plus (1), a short code of up to 8 digits (3), or a longer number as the SMSC knows it (0). Empty: the
	// SMSC's own.
	Source string
	// Latin1 writes texts in ISO 8859-1 (data_coding 3) where they have no other characters, for an SMSC whose default
	// alphabet is not GSM 7 bit: it would make another character of the @ that an autofilled code needs.
	Latin1     bool
	ReceiptIDs ReceiptIDs
	TLS        bool
	TLSConfig  *tls.Config   // with TLS; nil: the system's roots, and Address's host
	Window     int           // messages without their answer at a time; 0: 10
	Timeout    time.Duration // for one message; 0: DefaultTimeout
	Texts      *Texts        // required
	Log        *slog.Logger  // told when the link is made or lost; nil: nobody
	// OnReports is told of delivery receipts, of all that have come since its last call, by one call at a time; nil: none are
	// asked for.
	OnReports func([]Report)
}

// Format hides the configuration whatever the verb (T36).
func (SMPPConfig) Format(f fmt.State, _ rune) { io.WriteString(f, "(SMPP provider)") }

// SMPP is the provider "smpp": it is bound to an SMSC as a transceiver, over SMPP 3.4, from Open to Close. It is safe for
// concurrent use.
//
// A text is sent in the SMSC's default alphabet (data_coding 0), which has to be GSM 7 bit, one septet to the octet, if
// every character is in it, else in UCS-2 (data_coding 8); see SMPPConfig.Latin1. The parts of a longer text go one after another, each with the
// user data header that joins them. The message is taken when all parts are; its id is that of the first part, which has the
// code in every text, and only of that one a receipt is asked for. If a part fails when others have been taken, the message
// is Unknown, with the code of that part.
//
// What an SMSC answers comes to an outcome by its command_status (SMPP 3.4, issue 1.2, section 5.1.3):
//
//	0x00 ESME_ROK                                              Sent
//	0x02 ESME_RINVCMDLEN    0x03 ESME_RINVCMDID                Unavailable: it does not understand us
//	0x04 ESME_RINVBNDSTS    0x05 ESME_RALYBND                  Unavailable: not bound, or bound already; the link is made anew
//	0x06 ESME_RINVPRTFLG    0x07 ESME_RINVREGDLVFLG            RejectedAccount: fields that every message has
//	0x08 ESME_RSYSERR       0x64 ESME_RX_T_APPN                Unavailable: a fault of the SMSC's
//	0xFF ESME_RUNKNOWNERR                                      Unavailable
//	0x0A ESME_RINVSRCADR    0x48 ESME_RINVSRCTON
//	0x49 ESME_RINVSRCNPI                                       RejectedAccount: source is not allowed
//	0x0D ESME_RBINDFAIL     0x0E ESME_RINVPASWD
//	0x0F ESME_RINVSYSID     0x53 ESME_RINVSYSTYP               RejectedAccount: credentials
//	0x15 ESME_RINVSERTYP                                       RejectedAccount
//	0x14 ESME_RMSGQFUL      0x58 ESME_RTHROTTLED               Throttled; submissions pause for a second or more
//	all others, 0x0B ESME_RINVDSTADR, 0x45 ESME_RSUBMITFAIL
//	and a vendor's own (0x0400 to 0x04FF) among them           RejectedNumber
//
// The last row is the one that does no harm if a vendor means something else: the next provider gets the message, and
// nobody's odd number keeps others from this provider. A refused bind is never RejectedNumber but Unavailable.
type SMPP struct {
	client    *smpp.Client
	address   string
	source    smpp.Address
	texts     *Texts
	timeout   time.Duration
	latin1    bool
	receipts  bool
	ids       ReceiptIDs
	reference atomic.Uint32 // of the last text of several parts
}

// Format hides the provider whatever the verb (T36).
func (p *SMPP) Format(f fmt.State, _ rune) { io.WriteString(f, "(SMPP provider)") }

// Bounds of the settings. SMPP 3.4 gives the password 8 characters and the system_id 15, which many SMSCs exceed.
const (
	defaultWindow  = 10 // what vendors commonly allow
	maxWindow      = 1000
	maxCredential  = 64
	maxSystemType  = 12
	maxSenderName  = 11 // 3GPP TS 23.040, 9.1.2.5: seven octets of septets would hold as many
	maxShortCode   = 8
	maxLocalSource = 20
)

// NewSMPP makes the provider; it does no I/O. Its error joins all faults (errors.Join), each a sentence that begins with
// the setting's name within sms.providers.NAME.
func NewSMPP(c SMPPConfig) (*SMPP, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	host, port, err := net.SplitHostPort(c.Address)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || host == "" || bad != nil || n == 0 {
		fault("address: write host and port of the SMSC, such as \"smpp.example.com:2775\"")
	}
	if c.SystemID == "" {
		fault("system_id: is required; the vendor gives it to you")
	}
	for setting, value := range map[string]string{"system_id": c.SystemID, "password": c.Password} {
		if len(value) > maxCredential || !visibleASCII(value) {
			fault("%s: at most %d printable ASCII characters, without spaces", setting, maxCredential)
		}
	}
	if len(c.SystemType) > maxSystemType || !visibleASCII(c.SystemType) {
		fault("system_type: at most %d printable ASCII characters, without spaces", maxSystemType)
	}
	source, err := sourceAddress(c.Source)
	if err != nil {
		faults = append(faults, err)
	}
	if c.Window == 0 {
		c.Window = defaultWindow
	}
	if c.Window < 0 || c.Window > maxWindow {
		fault("window: from 1 to %d messages", maxWindow)
	}
	if c.Timeout < 0 {
		fault("timeout: must not be negative")
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Texts == nil {
		fault("text: an SMPP provider needs Texts")
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}

	s := &SMPP{
		address: c.Address, source: source, texts: c.Texts, timeout: c.Timeout, latin1: c.Latin1,
		receipts: c.OnReports != nil, ids: c.ReceiptIDs,
	}
	// Replicas send to the same people under the same name: they begin anywhere, so that the parts of two texts are
	// hardly ever taken for those of one.
	var random [1]byte
	rand.Read(random[:])
	s.reference.Store(uint32(random[0]))

	config := smpp.Config{
		Address: c.Address, SystemID: c.SystemID, Password: c.Password, SystemType: c.SystemType, Window: c.Window, Log: c.Log,
	}
	if c.TLS {
		config.TLS = c.TLSConfig.Clone() // nil stays nil
		if config.TLS == nil {
			config.TLS = &tls.Config{}
		}
		if config.TLS.ServerName == "" {
			config.TLS.ServerName = host
		}
	}
	if c.OnReports != nil {
		config.Receipts = func(receipts []smpp.Receipt) {
			reports := make([]Report, len(receipts))
			for i, r := range receipts {
				reports[i] = s.report(r)
			}
			c.OnReports(reports)
		}
	}
	s.client = smpp.NewClient(config)
	return s, nil
}

func visibleASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// sourceAddress is the sender with the type of number and numbering plan that SMSCs commonly want (SMPP 3.4, 5.2.5 and
// 5.2.6): letters are alphanumeric, a plus is international, few digits are specific to the network, and what is left is
// for the SMSC to know.
func sourceAddress(source string) (smpp.Address, error) {
	digits, plus := strings.CutPrefix(source, "+")
	isNumber := digits != "" && strings.Trim(digits, "0123456789") == ""
	switch {
	case source == "":
		return smpp.Address{}, nil
	case plus && isNumber && len(digits) <= 15:
		return smpp.Address{TON: 1, NPI: 1, Digits: digits}, nil
	case !plus && isNumber && len(digits) <= maxShortCode:
		return smpp.Address{TON: 3, NPI: 0, Digits: digits}, nil
	case !plus && isNumber && len(digits) <= maxLocalSource:
		return smpp.Address{TON: 0, NPI: 1, Digits: digits}, nil
	case !plus && !isNumber && len(source) <= maxSenderName && !strings.ContainsFunc(source, func(r rune) bool { return r < ' ' || r >= 0x7f }):
		return smpp.Address{TON: 5, NPI: 0, Digits: source}, nil
	}
	return smpp.Address{}, fmt.Errorf("source: write a name of at most %d ASCII letters and digits, a number such as \"+12025550123\", "+
		"or a short code", maxSenderName)
}

// Open begins to bind and returns at once; the provider stays bound until Close. Send opens too, so that Open is there to
// save the first person the wait and to receive receipts from the start.
func (p *SMPP) Open() { p.client.Open() }

// Bound opens, and waits until the provider is bound, that is known to fail, or ctx ends. No message is sent: it is for trying
// out address and account. The error is a *Refusal.
func (p *SMPP) Bound(ctx context.Context) error {
	if err := p.client.Bound(ctx); err != nil {
		return smppRefusal(err)
	}
	return nil
}

// Close unbinds, after the answers to what is on its way or five seconds. Messages sent later are Unavailable. The error
// says that some were left without an answer.
func (p *SMPP) Close() error { return p.client.Close() }

// split writes m as short messages, without headers.
func (p *SMPP) split(m rekey.Message) (Encoding, [][]byte) {
	if p.latin1 {
		return splitLatin1(p.texts.Text(m))
	}
	return Split(p.texts.Text(m))
}

// dataCoding is the value of data_coding (SMPP 3.4, 5.2.19).
func dataCoding(e Encoding) byte {
	switch e {
	case Latin1:
		return 3
	case UCS2:
		return 8
	}
	return 0
}

// parts are the short messages that m comes to.
func (p *SMPP) parts(m rekey.Message) []smpp.Message {
	encoding, texts := p.split(m)
	parts := make([]smpp.Message, len(texts))
	reference := byte(0)
	if len(texts) > 1 {
		reference = byte(p.reference.Add(1))
	}
	for i, text := range texts {
		if len(texts) > 1 {
			// Concatenation with an 8-bit reference: 3GPP TS 23.040, 9.2.3.24.1.
			text = append([]byte{5, 0, 3, reference, byte(len(texts)), byte(i + 1)}, text...)
		}
		parts[i] = smpp.Message{
			Source: p.source, Destination: smpp.Address{TON: 1, NPI: 1, Digits: digitsOf(m.To)},
			DataCoding: dataCoding(encoding), Header: len(texts) > 1, Receipt: p.receipts && i == 0, Text: text,
		}
	}
	return parts
}

// Send hands m to the SMSC. It waits until the client is bound, but not for what can't come before ctx ends.
func (p *SMPP) Send(ctx context.Context, m rekey.Message) (rekey.Receipt, error) {
	ids, err := p.submit(ctx, m)
	if err != nil {
		return rekey.Receipt{}, err
	}
	return rekey.Receipt{ID: p.ids.answered(ids[0])}, nil
}

// submit hands over all parts and returns the ids of those that were taken.
func (p *SMPP) submit(ctx context.Context, m rekey.Message) (ids []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	p.client.Open()
	for _, part := range p.parts(m) {
		id, err := p.client.Submit(ctx, part)
		if err != nil {
			r := smppRefusal(err)
			if len(ids) > 0 {
				r.Outcome, r.Detail = Unknown, "a part of the text was not taken after others were: "+r.Detail
			}
			return ids, r
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// smppRefusal is what an error of the client comes to. Its causes are the client's own, which hold nothing of a message (T36).
func smppRefusal(err error) *Refusal {
	e, ok := errors.AsType[*smpp.Error](err)
	if !ok {
		return &Refusal{Outcome: Unknown}
	}
	r := &Refusal{Outcome: Unavailable}
	if e.Status != smpp.StatusOK {
		r.Code = VendorCode(e.Status.String())
	}
	switch cause := smppCause(e); e.Stage {
	case smpp.NotBound:
		r.Detail = "not bound to the SMSC: " + cause
		if e.Status != smpp.StatusOK {
			r.Detail = "the SMSC refuses to bind"
			if r.Outcome = smppOutcome(e.Status); r.Outcome == RejectedNumber {
				r.Outcome = Unavailable
			}
			if r.Outcome == RejectedAccount {
				r.Detail += "; check system_id, password and system_type, and whether the vendor knows this machine's address"
			}
		}
	case smpp.NotSent:
		r.Detail = "not submitted: " + cause
		if e.Status != smpp.StatusOK {
			r.Outcome, r.Detail = smppOutcome(e.Status), "not submitted, since the SMSC has asked for fewer messages a moment ago"
		}
	case smpp.Refused:
		r.Outcome, r.Detail = smppOutcome(e.Status), "it answered submit_sm with this status"
	default:
		r.Outcome, r.Detail = Unknown, "submitted: "+cause
	}
	return r
}

func smppCause(e *smpp.Error) string {
	switch {
	case e.Cause == nil:
		return "no cause is known"
	case errors.Is(e.Cause, context.DeadlineExceeded) && e.Stage == smpp.Unanswered:
		return "no answer in time"
	case errors.Is(e.Cause, context.DeadlineExceeded):
		return "not possible in time"
	case errors.Is(e.Cause, context.Canceled):
		return "given up"
	}
	return e.Cause.Error()
}

// smppOutcome is the table of SMPP.
func smppOutcome(s smpp.Status) Outcome {
	switch s {
	case 0x00:
		return Sent
	case 0x02, 0x03, 0x04, 0x05, 0x08, 0x64, 0xFF:
		return Unavailable
	case 0x06, 0x07, 0x0A, 0x0D, 0x0E, 0x0F, 0x15, 0x48, 0x49, 0x53:
		return RejectedAccount
	case 0x14, 0x58:
		return Throttled
	}
	return RejectedNumber
}

// report is a receipt as the rest of the service knows it. The SMSC's id ties it to its message. UNKNOWN is what SMSCs say
// when they have given up without learning more.
func (p *SMPP) report(r smpp.Receipt) Report {
	state := Undelivered
	switch r.State {
	case smpp.Delivered:
		state = Delivered
	case smpp.Scheduled, smpp.Enroute, smpp.Accepted:
		state = Pending
	}
	return Report{ID: p.ids.receipted(r.ID), To: reportE164(r.To), State: state, Code: VendorCode(r.Code)}
}

// Preview is what would be submitted, each part with its text.
func (p *SMPP) Preview(m rekey.Message) (string, error) {
	encoding, _ := p.split(m)
	var b strings.Builder
	fmt.Fprintf(&b, "bind_transceiver %s\nsystem_id: %s\npassword: %s\n\n", p.address, masked, masked)
	for i, part := range p.parts(m) {
		if i == 0 {
			fmt.Fprintf(&b, "submit_sm\nsource_addr: %q (TON %d, NPI %d)\ndestination_addr: %q (TON %d, NPI %d)\ndata_coding: %d (%s)\n",
				part.Source.Digits, part.Source.TON, part.Source.NPI, part.Destination.Digits, part.Destination.TON, part.Destination.NPI,
				part.DataCoding, encoding)
		}
		fmt.Fprintf(&b, "part %d: %d octets\n", i+1, len(part.Text))
	}
	fmt.Fprintf(&b, "\n%s\n", p.texts.Text(m))
	return b.String(), nil
}

// Try is Send with the ids of all parts, as the SMSC answers them.
func (p *SMPP) Try(ctx context.Context, m rekey.Message) (string, error) {
	ids, err := p.submit(ctx, m)
	var b strings.Builder
	for i, id := range ids {
		fmt.Fprintf(&b, "part %d: submit_sm_resp 0x00, message_id %q\n", i+1, id)
	}
	return strings.TrimSpace(b.String()), err
}

// Size is that of the text in the encoding that the SMSC is given.
func (p *SMPP) Size(m rekey.Message) Size { return sizeOf(p.split(m)) }
