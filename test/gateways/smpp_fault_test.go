package gateways_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"rekey"
	"rekey/sms"
	"rekey/test/servers"
)

// TestSMPPErrorAnswers meets the same answers without a body, from npm, and with one, from Perl.
func TestSMPPErrorAnswers(t *testing.T) {
	withSMPPPeers(t, func(t *testing.T, kind smppKind) {
		peer := startSMPPPeer(t, kind)
		provider := peer.provider(t, sms.SMPPConfig{})
		fates := []struct {
			fate    string
			status  int
			outcome sms.Outcome
			code    string
		}{
			{"refuse", 0x0B, sms.RejectedNumber, "0x0B"},  // ESME_RINVDSTADR
			{"refuse", 0x0A, sms.RejectedAccount, "0x0A"}, // ESME_RINVSRCADR
			{"refuse", 0x08, sms.Unavailable, "0x08"},     // ESME_RSYSERR
			{"refuse", 0x45, sms.RejectedNumber, "0x45"},  // ESME_RSUBMITFAIL
			{"refuse", 0x0400, sms.RejectedNumber, "0x400"},
			{"nack", 0x03, sms.Unavailable, "0x03"}, // ESME_RINVCMDID
		}
		messages := smppMessages(t, len(fates)+1)
		for i, f := range fates {
			if f.fate == "nack" && kind.name != npmSMPP.name {
				continue
			}
			peer.tell(t, smppCommand{"do": "submit", "fate": f.fate, "status": f.status, "once": true})
			receipt, err := provider.Send(t.Context(), messages[i])
			refused(t, smppSent{messages[i], receipt, err}, f.outcome, f.code)
		}
		mustSend(t, provider, messages[len(fates)])
		arrivedOnce(t, peer)
		if binds := peer.seen(t, named("bind")); len(binds) != 1 {
			t.Errorf("bound %d times: an error answer ended the link", len(binds))
		}
	})
}

func TestSMPPThrottledMessagesAreToldAndNotSentAgain(t *testing.T) {
	withSMPPPeers(t, func(t *testing.T, kind smppKind) {
		peer := startSMPPPeer(t, kind)
		provider := peer.provider(t, sms.SMPPConfig{})
		peer.tell(t, smppCommand{"do": "submit", "fate": "refuse", "status": 0x58, "nth": 4})
		took := map[string]string{} // ids of those that were taken, by number
		throttled := 0
		for _, s := range sendAll(t.Context(), provider, smppMessages(t, 16)) {
			if s.err != nil {
				refused(t, s, sms.Throttled, "0x58")
				throttled++
				continue
			}
			took[s.message.To.National()] = s.receipt.ID
		}
		if throttled != 4 {
			t.Errorf("%d of 16 messages were throttled, want every fourth", throttled)
		}
		if got := arrivedOnce(t, peer); len(got) != 16 {
			t.Errorf("the peer was given %d messages, want 16", len(got))
		}
		for _, m := range peer.seen(t, named("message")) {
			if number := m.To[len("86"):]; took[number] != m.IDs[0] {
				t.Errorf("the peer took %s as %s, and the sender was told %q", number, m.IDs[0], took[number])
			}
		}
	})
}

func TestSMPPTheLinkIsCutInTheMiddleOfASubmit(t *testing.T) {
	fates := map[string][]string{
		npmSMPP.name:  {"cut", "cut_within", "cut_answer"},
		perlSMPP.name: {"cut"},
	}
	withSMPPPeers(t, func(t *testing.T, kind smppKind) {
		for _, fate := range fates[kind.name] {
			t.Run(fate, func(t *testing.T) {
				t.Parallel()
				peer := startSMPPPeer(t, kind)
				provider := peer.provider(t, sms.SMPPConfig{})
				messages := smppMessages(t, 3)
				mustSend(t, provider, messages[0])
				peer.tell(t, smppCommand{"do": "submit", "fate": fate, "once": true})
				receipt, err := provider.Send(t.Context(), messages[1])
				refused(t, smppSent{messages[1], receipt, err}, sms.Unknown, "")
				mustSend(t, provider, messages[2])
				want := 3
				if fate == "cut_within" {
					want = 2 // the peer has read a part of it
				}
				if got := arrivedOnce(t, peer); len(got) != want {
					t.Errorf("the peer was given %d messages, want %d", len(got), want)
				}
			})
		}
	})
}

// TestSMPPTheLinkIsCutUnderAFullWindow leaves what was submitted unknown, and what was not yet goes over the next link.
func TestSMPPTheLinkIsCutUnderAFullWindow(t *testing.T) {
	withSMPPPeers(t, func(t *testing.T, kind smppKind) {
		peer := startSMPPPeer(t, kind)
		provider := peer.provider(t, sms.SMPPConfig{Window: 10})
		peer.tell(t, smppCommand{"do": "submit", "fate": "silence"})
		ended := make(chan []smppSent, 1)
		go func() { ended <- sendAll(t.Context(), provider, smppMessages(t, 25)) }()
		peer.awaitEvents(t, "submit", 10)
		peer.tell(t, smppCommand{"do": "submit", "fate": "ok"})
		peer.tell(t, smppCommand{"do": "cut"})
		unknown, sent := 0, 0
		for _, s := range <-ended {
			if s.err != nil {
				refused(t, s, sms.Unknown, "")
				unknown++
			} else {
				sent++
			}
		}
		if unknown != 10 || sent != 15 {
			t.Errorf("%d messages are unknown and %d sent, want the window of 10 and the other 15", unknown, sent)
		}
		if got := arrivedOnce(t, peer); len(got) != 25 {
			t.Errorf("the peer was given %d messages, want 25", len(got))
		}
		if most := peer.tell(t, smppCommand{"do": "count"}).Most; most != 10 {
			t.Errorf("%d messages were without an answer at a time, want 10", most)
		}
	})
}

// TestSMPPTheFarSideHangs holds everything back on a link that stays: the sender is told in time, and nothing comes twice
// when the link goes on.
func TestSMPPTheFarSideHangs(t *testing.T) {
	withSMPPPeers(t, func(t *testing.T, kind smppKind) {
		peer := startSMPPPeer(t, kind)
		proxy := servers.NewProxy(t, peer.address)
		provider := peer.provider(t, sms.SMPPConfig{Address: proxy.Address})
		messages := smppMessages(t, 3)
		mustSend(t, provider, messages[0])

		proxy.Freeze(true)
		for within := 300 * time.Millisecond; ; within *= 2 {
			ctx, cancel := context.WithTimeout(t.Context(), within)
			receipt, err := provider.Send(ctx, messages[1])
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Error("the provider answers while the link hangs")
			}
			cancel()
			// On a machine that stalls the time is over before the message has left.
			if sms.OutcomeOf(err) != sms.Unavailable || within > patience {
				refused(t, smppSent{messages[1], receipt, err}, sms.Unknown, "")
				break
			}
		}
		proxy.Freeze(false)

		mustSend(t, provider, messages[2])
		peer.awaitEvents(t, "message", 3)
		arrivedOnce(t, peer)
	})
}

// TestSMPPEnquireLinkFromBothSides has either side ask whether the other is there: the peer when it is told to, the client
// when a message had no answer in time.
func TestSMPPEnquireLinkFromBothSides(t *testing.T) {
	withSMPPPeers(t, func(t *testing.T, kind smppKind) {
		peer := startSMPPPeer(t, kind)
		provider := peer.provider(t, sms.SMPPConfig{})
		messages := smppMessages(t, 3)
		mustSend(t, provider, messages[0])

		for n := range 3 {
			peer.tell(t, smppCommand{"do": "enquire"})
			peer.awaitEvents(t, "enquired", n+1)
		}

		// The peer answers the second message together with the third, when nobody waits for it any more.
		peer.tell(t, smppCommand{"do": "submit", "fate": "batch", "size": 2})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan []smppSent, 1)
		go func() { ended <- sendAll(ctx, provider, messages[1:2]) }()
		peer.awaitEvents(t, "submit", 2)
		cancel()
		refused(t, (<-ended)[0], sms.Unknown, "")
		peer.awaitEvents(t, "enquire", 1)

		mustSend(t, provider, messages[2])
		if binds := peer.seen(t, named("bind")); len(binds) != 1 {
			t.Errorf("bound %d times, but both sides were there", len(binds))
		}
		arrivedOnce(t, peer)
	})
}

func TestSMPPThePeerRestarts(t *testing.T) {
	withSMPPPeers(t, func(t *testing.T, kind smppKind) {
		port := servers.ReservePort(t)
		first := startSMPPPeerAt(t, kind, port)
		provider := first.provider(t, sms.SMPPConfig{})
		messages := smppMessages(t, 6)
		mustSend(t, provider, messages[0])

		// In order: it unbinds, is answered, and is bound to again.
		first.tell(t, smppCommand{"do": "unbind"})
		first.awaitEvents(t, "closed", 1)
		mustSend(t, provider, messages[1])
		if binds := first.seen(t, named("bind")); len(binds) != 2 {
			t.Errorf("bound %d times, want again after unbind", len(binds))
		}

		// As a machine that fails. The link may end under the first message; once it has, messages are certainly not sent.
		first.program.Kill(t)
		outage, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := provider.Send(outage, messages[2])
		if outcome := sms.OutcomeOf(err); outcome != sms.Unavailable && outcome != sms.Unknown {
			t.Errorf("as the peer ended a message ends as %v: %v", outcome, err)
		}
		receipt, err := provider.Send(outage, messages[3])
		refused(t, smppSent{messages[3], receipt, err}, sms.Unavailable, "")
		second := startSMPPPeerAt(t, kind, port)
		waitBound(t, provider) // the longer the start took, the later the next attempt
		for _, s := range sendAll(t.Context(), provider, messages[4:]) {
			if s.err != nil {
				t.Errorf("after the restart: %v", s.err)
			}
		}
		if got := arrivedOnce(t, second); len(got) != 2 {
			t.Errorf("the peer was given %d messages after its restart, want 2", len(got))
		}
	})
}

func TestSMPPCloseUnbinds(t *testing.T) {
	withSMPPPeers(t, func(t *testing.T, kind smppKind) {
		peer := startSMPPPeer(t, kind)
		provider := peer.provider(t, sms.SMPPConfig{})
		messages := smppMessages(t, 12)
		peer.tell(t, smppCommand{"do": "submit", "fate": "batch", "size": 6})
		for _, s := range sendAll(t.Context(), provider, messages[:6]) {
			if s.err != nil {
				t.Error(s.err)
			}
		}
		if err := provider.Close(); err != nil {
			t.Error(err)
		}
		peer.awaitEvents(t, "unbind", 1)
		peer.awaitEvents(t, "closed", 1)
		receipt, err := provider.Send(t.Context(), messages[6])
		refused(t, smppSent{messages[6], receipt, err}, sms.Unavailable, "")
		arrivedOnce(t, peer)
	})
}

// TestT31_SMPPUnknownGoesToTheNextProviderWithTheSameCode has the npm peer first and the Perl peer second.
func TestT31_SMPPUnknownGoesToTheNextProviderWithTheSameCode(t *testing.T) {
	t.Parallel()
	first, second := startSMPPPeer(t, npmSMPP), startSMPPPeer(t, perlSMPP)
	texts := smppTexts(t, sms.TextConfig{Sign: "示例网"})
	failover, err := sms.NewFailover(sms.FailoverConfig{
		Providers: map[string]sms.Entry{
			"first":  {Sender: first.provider(t, sms.SMPPConfig{Texts: texts}), Timeout: patience},
			"second": {Sender: second.provider(t, sms.SMPPConfig{Texts: texts}), Timeout: patience},
		},
		Order:  []string{"first", "second"},
		Budget: 2 * patience,
	})
	if err != nil {
		t.Fatal(err)
	}
	messages := smppMessages(t, 3)
	send := func(m rekey.Message, by string) {
		t.Helper()
		if receipt := mustSend(t, failover, m); receipt.Provider != by {
			t.Errorf("%s was taken by %s, want %s", m.ID, receipt.Provider, by)
		}
	}
	send(messages[0], "first")
	first.tell(t, smppCommand{"do": "submit", "fate": "cut_answer", "once": true})
	send(messages[1], "second") // unknown
	first.tell(t, smppCommand{"do": "submit", "fate": "refuse", "status": 0x0B, "once": true})
	send(messages[2], "second") // refused

	if got := arrivedOnce(t, first); len(got) != 3 {
		t.Errorf("the first provider was given %d messages, want 3", len(got))
	}
	got := arrivedOnce(t, second)
	if len(got) != 2 || got[0].Text != texts.Text(messages[1]) || got[1].Text != texts.Text(messages[2]) {
		t.Errorf("the second provider was given %v, want the texts of the second and the third message", got)
	}
}
