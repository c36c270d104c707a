package sms_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rekey"
	"rekey/sms"
	"rekey/sms/smpp/smpptest"
	"rekey/sms/smstest"
)

func TestT31_SMPPStatuses(t *testing.T) {
	t.Parallel()
	outcomes := map[uint32]sms.Outcome{
		0x02: sms.Unavailable, 0x03: sms.Unavailable, 0x04: sms.Unavailable, 0x05: sms.Unavailable, 0x08: sms.Unavailable,
		0x64: sms.Unavailable, 0xFF: sms.Unavailable, 0x06: sms.RejectedAccount, 0x07: sms.RejectedAccount,
		0x0A: sms.RejectedAccount, 0x0D: sms.RejectedAccount, 0x0E: sms.RejectedAccount, 0x0F: sms.RejectedAccount,
		0x15: sms.RejectedAccount, 0x48: sms.RejectedAccount, 0x49: sms.RejectedAccount, 0x53: sms.RejectedAccount,
		0x14: sms.Throttled, 0x58: sms.Throttled,
	}
	for _, number := range []uint32{0x01, 0x09, 0x0B, 0x0C, 0x10, 0x11, 0x13, 0x33, 0x34, 0x40, 0x42, 0x43, 0x44, 0x45, 0x50, 0x51, 0x54,
		0x55, 0x61, 0x62, 0x63, 0x65, 0x66, 0x67, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xFE, 0x400, 0x4FF, 0xFFFFFFFF} {
		outcomes[number] = sms.RejectedNumber
	}
	var status atomic.Uint32
	var body atomic.Bool
	smsc := smpptest.New(t, smpptest.Config{Submit: func(l *smpptest.Link, s smpptest.Submission) {
		switch {
		case status.Load() == 0:
			l.Accept(s)
		case body.Load():
			l.Answer(s, status.Load(), canaryMobile+canaryCode+"\x00")
		default:
			l.Refuse(s, status.Load())
		}
	}})
	p := newSMPP(t, sms.SMPPConfig{Address: smsc.Listen(nil)})
	for s, want := range outcomes {
		status.Store(s)
		body.Store(!body.Load())
		_, err := p.Send(t.Context(), smstest.Message(t, "id", canaryMobile, canaryCode))
		r, ok := errors.AsType[*sms.Refusal](err)
		if !ok || r.Outcome != want || r.Code != fmt.Sprintf("0x%02X", s) {
			t.Errorf("status %#x: %v, want %v", s, err, want)
		}
		kind := rekey.ErrUnavailable
		if want == sms.RejectedNumber {
			kind = rekey.ErrRejected
		}
		smstest.CheckError(t, err, kind, canaryMobile, canaryCode, smpptest.Password)
	}
	status.Store(0)
	if _, err := p.Send(t.Context(), smstest.Message(t, "id", canaryMobile, canaryCode)); err != nil {
		t.Errorf("when it accepts again: %v", err)
	}
}

func TestT31_SMPPBindRefused(t *testing.T) {
	t.Parallel()
	for status, want := range map[uint32]sms.Outcome{
		0x0D: sms.RejectedAccount, 0x0E: sms.RejectedAccount, 0x0F: sms.RejectedAccount, 0x53: sms.RejectedAccount,
		0x05: sms.Unavailable, 0x08: sms.Unavailable, 0x01: sms.Unavailable, 0x58: sms.Throttled,
	} {
		t.Run(fmt.Sprintf("%#x", status), func(t *testing.T) {
			t.Parallel()
			smsc := smpptest.New(t, smpptest.Config{Bind: func(int) uint32 { return status }})
			p := newSMPP(t, sms.SMPPConfig{Address: smsc.Listen(nil), Timeout: 3 * time.Second})
			r := sendUntil(t, p, func(r *sms.Refusal) bool { return r.Code != "" })
			smstest.CheckError(t, r, rekey.ErrUnavailable, canaryMobile, canaryCode, smpptest.Password, smpptest.SystemID)
			if r.Outcome != want || r.Code != fmt.Sprintf("0x%02X", status) {
				t.Errorf("status %#x: %v, want %v", status, r, want)
			}
			if want == sms.RejectedAccount {
				if err := p.Bound(t.Context()); sms.OutcomeOf(err) != want {
					t.Errorf("status %#x: Bound says %v, want %v", status, err, want)
				}
			}
		})
	}
}

// sendUntil sends until a refusal tells of what the far side did, and returns that one: on a machine that stalls, the time
// of a message may be over before there was anything to tell of.
func sendUntil(t *testing.T, p *sms.SMPP, tells func(*sms.Refusal) bool) *sms.Refusal {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		_, err := p.Send(t.Context(), smstest.Message(t, "id", canaryMobile, canaryCode))
		r, ok := errors.AsType[*sms.Refusal](err)
		if !ok {
			t.Fatalf("a message ends in %v", err)
		}
		if tells(r) || time.Now().After(deadline) {
			return r
		}
	}
}

func TestT31_SMPPFaults(t *testing.T) {
	t.Parallel()
	send := func(t *testing.T, p *sms.SMPP, want error) error {
		t.Helper()
		_, err := p.Send(t.Context(), smstest.Message(t, "id", canaryMobile, canaryCode))
		smstest.CheckError(t, err, want, canaryMobile, canaryCode, smpptest.Password, smpptest.SystemID)
		return err
	}
	t.Run("nobody listens: unavailable", func(t *testing.T) {
		t.Parallel()
		l := httptest.NewServer(nil)
		address := l.Listener.Addr().String()
		l.Close()
		p := newSMPP(t, sms.SMPPConfig{Address: address, Timeout: 3 * time.Second})
		r := sendUntil(t, p, func(r *sms.Refusal) bool { return strings.Contains(r.Error(), "connection refused") })
		smstest.CheckError(t, r, rekey.ErrUnavailable, canaryMobile, canaryCode, smpptest.Password, smpptest.SystemID)
		if !strings.Contains(r.Error(), "connection refused") {
			t.Errorf("%v does not say why", r)
		}
	})
	t.Run("a connection that nobody answers on: unavailable", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0") // the system takes connections, and nobody reads them
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		send(t, newSMPP(t, sms.SMPPConfig{Address: l.Addr().String(), Timeout: time.Second}), rekey.ErrUnavailable)
	})
	t.Run("the link is cut before the answer: unknown", func(t *testing.T) {
		t.Parallel()
		smsc := smpptest.New(t, smpptest.Config{Submit: func(l *smpptest.Link, _ smpptest.Submission) { l.Cut() }})
		send(t, newSMPP(t, sms.SMPPConfig{Address: smsc.Listen(nil)}), rekey.ErrUnknown)
	})
	t.Run("the caller gives up before the answer: unknown", func(t *testing.T) {
		t.Parallel()
		arrived := make(chan *smpptest.Link, 1)
		smsc := smpptest.New(t, smpptest.Config{Submit: func(l *smpptest.Link, _ smpptest.Submission) { arrived <- l }})
		p := newSMPP(t, sms.SMPPConfig{Address: smsc.Listen(nil)})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			l := <-arrived
			cancel()
			arrived <- l
		}()
		_, err := p.Send(ctx, smstest.Message(t, "id", canaryMobile, canaryCode))
		smstest.CheckError(t, err, rekey.ErrUnknown, canaryMobile, canaryCode, smpptest.Password, smpptest.SystemID)
		(<-arrived).Cut() // or Close waits for the answer
	})
	t.Run("closed: unavailable", func(t *testing.T) {
		t.Parallel()
		smsc := smpptest.New(t, smpptest.Config{})
		p := newSMPP(t, sms.SMPPConfig{Address: smsc.Listen(nil)})
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		send(t, p, rekey.ErrUnavailable)
	})
	t.Run("a later part is refused: unknown, and the rest is not sent", func(t *testing.T) {
		t.Parallel()
		var came atomic.Int32
		smsc := smpptest.New(t, smpptest.Config{Submit: func(l *smpptest.Link, s smpptest.Submission) {
			if came.Add(1) == 2 {
				l.Refuse(s, 0x58)
				return
			}
			l.Accept(s)
		}})
		texts := newTexts(t, sms.TextConfig{Sign: "示例网", Origin: "https://" + strings.Repeat("very-long-name.", 8) + "example.com"})
		p := newSMPP(t, sms.SMPPConfig{Address: smsc.Listen(nil), Texts: texts})
		m := message(t, "852", "51234567", "zh-CN", time.Minute)
		if n := p.Size(m).Segments; n != 3 {
			t.Fatalf("%d parts", n)
		}
		said, err := p.Try(t.Context(), m)
		if r, ok := errors.AsType[*sms.Refusal](err); !ok || r.Outcome != sms.Unknown || r.Code != "0x58" {
			t.Errorf("got %v", err)
		}
		if came.Load() != 2 || !strings.Contains(said, `part 1: submit_sm_resp 0x00, message_id "00000001"`) {
			t.Errorf("%d parts submitted; said %q", came.Load(), said)
		}
	})
}

func TestSMPPOverTLS(t *testing.T) {
	t.Parallel()
	certified := httptest.NewTLSServer(nil) // for its certificate, which is for 127.0.0.1 and example.com
	defer certified.Close()
	roots := x509.NewCertPool()
	roots.AddCert(certified.Certificate())
	server := &tls.Config{Certificates: certified.TLS.Certificates}

	smsc := smpptest.New(t, smpptest.Config{})
	p := newSMPP(t, sms.SMPPConfig{Address: smsc.Listen(server), TLS: true, TLSConfig: &tls.Config{RootCAs: roots}})
	if _, err := p.Send(t.Context(), smstest.Message(t, "id", canaryMobile, canaryCode)); err != nil {
		t.Error(err)
	}
	for name, config := range map[string]*tls.Config{
		"a certificate that nobody vouches for": nil,
		"a certificate for another name":        {RootCAs: roots, ServerName: "smpp.example.org"},
	} {
		stranger := smpptest.New(t, smpptest.Config{})
		p := newSMPP(t, sms.SMPPConfig{Address: stranger.Listen(server), TLS: true, TLSConfig: config, Timeout: 3 * time.Second})
		_, err := p.Send(t.Context(), smstest.Message(t, "id", canaryMobile, canaryCode))
		smstest.CheckError(t, err, rekey.ErrUnavailable, canaryMobile, canaryCode, smpptest.Password)
		if n := stranger.Binds(); n != 0 {
			t.Errorf("%s: the password went to a stranger", name)
		}
	}
}
