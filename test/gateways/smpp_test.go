package gateways_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rekey"
	"rekey/sms"
)

// smppMessage is the i-th message of a test: numbers and codes differ.
func smppMessage(t testing.TB, calling, language string, i int) rekey.Message {
	t.Helper()
	national := fmt.Sprintf("138%08d", i)
	if calling != "86" {
		national = fmt.Sprintf("6%07d", i)
	}
	to, err := rekey.NewNumber("", calling, national)
	if err != nil {
		t.Fatal(err)
	}
	code, ok := rekey.ParseCode(fmt.Sprintf("%06d", 731_000+i))
	if !ok {
		t.Fatal("no code")
	}
	return rekey.Message{ID: fmt.Sprintf("m%d", i), To: to, Code: code, Language: language, ExpiresIn: 5 * time.Minute}
}

// smppMessages are n messages to the mainland, in Chinese.
func smppMessages(t testing.TB, n int) []rekey.Message {
	t.Helper()
	messages := make([]rekey.Message, n)
	for i := range messages {
		messages[i] = smppMessage(t, "86", "zh-CN", i)
	}
	return messages
}

// smppSent is what became of a message.
type smppSent struct {
	message rekey.Message
	receipt rekey.Receipt
	err     error
}

// sendAll sends the messages all at once.
func sendAll(ctx context.Context, sender rekey.Sender, messages []rekey.Message) []smppSent {
	all := make([]smppSent, len(messages))
	var sending sync.WaitGroup
	for i, m := range messages {
		sending.Go(func() {
			receipt, err := sender.Send(ctx, m)
			all[i] = smppSent{m, receipt, err}
		})
	}
	sending.Wait()
	return all
}

// mustSend sends a message that must be taken.
func mustSend(t *testing.T, sender rekey.Sender, m rekey.Message) rekey.Receipt {
	t.Helper()
	receipt, err := sender.Send(t.Context(), m)
	if err != nil {
		t.Fatalf("%s: %v", m.ID, err)
	}
	return receipt
}

// waitBound waits until a provider is bound: messages wait for that no longer than a second once an attempt has failed.
func waitBound(t *testing.T, provider *sms.SMPP) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := provider.Bound(ctx); err != nil {
		t.Fatal(err)
	}
}

// refused checks the error of a message that was not sent: its outcome, the code in it, and that nothing in it is secret.
func refused(t *testing.T, s smppSent, outcome sms.Outcome, code string) {
	t.Helper()
	if s.err == nil {
		t.Fatalf("%s was sent, want %v", s.message.ID, outcome)
	}
	refusal, ok := s.err.(*sms.Refusal)
	if !ok {
		t.Fatalf("%s ends with a %T, want a *sms.Refusal", s.message.ID, s.err)
	}
	if refusal.Outcome != outcome || refusal.Code != code {
		t.Errorf("%s ends as %v with code %q, want %v with %q: %v", s.message.ID, refusal.Outcome, refusal.Code, outcome, code, s.err)
	}
	for _, secret := range []string{smppPassword, s.message.To.National(), s.message.Code.Reveal()} {
		if strings.Contains(s.err.Error(), secret) {
			t.Errorf("the error of %s holds what it must not (T36): %v", s.message.ID, s.err)
		}
	}
}

// arrivedOnce checks that no text has been submitted to the peer twice, and returns the submissions.
func arrivedOnce(t *testing.T, p *smppPeer) []smppEvent {
	t.Helper()
	submits := p.seen(t, named("submit"))
	texts := map[string]int{}
	for _, s := range submits {
		texts[s.To+s.Text]++
	}
	for text, times := range texts {
		if times > 1 {
			t.Errorf("the %s peer was given a text %d times: %s", p.kind.name, times, text)
		}
	}
	return submits
}

func TestSMPPTextsAreReadBackExactly(t *testing.T) {
	long := strings.Repeat("a-long-name.", 10) + "example.com"
	cases := []struct {
		name              string
		calling, language string
		texts             sms.TextConfig
		coding, parts     int
		latin1            bool
	}{
		{"Chinese in one part", "86", "zh-CN", sms.TextConfig{Sign: "示例网"}, 8, 1, false},
		{"Chinese in two parts", "852", "zh-CN", sms.TextConfig{Sign: "示例网", Origin: "https://" + long[60:]}, 8, 2, false},
		{"Chinese in three parts", "852", "zh-CN", sms.TextConfig{Sign: "示例网", Origin: "https://" + long}, 8, 3, false},
		{"characters beyond 16 bits", "86", "zh-CN", sms.TextConfig{Sign: "𠮷野家😀"}, 8, 1, false},
		{"characters beyond 16 bits in four parts", "852", "zh-CN", sms.TextConfig{Sign: "示例网" + strings.Repeat("😀", 17), Origin: "https://" + long}, 8, 4, false},
		{"GSM 7", "852", "en", sms.TextConfig{Sign: "Example", Origin: "https://www.example.com"}, 0, 1, false},
		{"GSM 7 in two parts", "852", "en", sms.TextConfig{Sign: "Example", Origin: "https://" + long}, 0, 2, false},
		{"the extension table", "852", "en", sms.TextConfig{Sign: `[~]{^}|\€`}, 0, 1, false},
		{"the extension table in two parts", "852", "en", sms.TextConfig{Sign: strings.Repeat("€", 20), Origin: "https://" + long}, 0, 2, false},
		{"other letters of the alphabet", "852", "en", sms.TextConfig{Sign: "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩ"}, 0, 1, false},
		{"more letters of the alphabet", "852", "en", sms.TextConfig{Sign: "ΠΨΣΘΞÆæßÉ!\"#¤%&'()*+"}, 0, 1, false},
		{"the last letters of the alphabet", "852", "en", sms.TextConfig{Sign: "¡ÄÖÑÜ§¿äöñüà,/:;<=>"}, 0, 1, false},
		{"ISO 8859-1", "852", "en", sms.TextConfig{Sign: "Example", Origin: "https://www.example.com"}, 3, 1, true},
		{"ISO 8859-1 in two parts", "852", "en", sms.TextConfig{Sign: "Example", Origin: "https://" + long}, 3, 2, true},
		{"letters of both alphabets", "852", "en", sms.TextConfig{Sign: "@£$¥èéùìòÇØøÅå_Ææß"}, 3, 1, true},
		{"more letters of both alphabets", "852", "en", sms.TextConfig{Sign: "É¤¡ÄÖÑÜ§¿äöñüà"}, 3, 1, true},
		{"the extension table in ISO 8859-1", "852", "en", sms.TextConfig{Sign: `[~]{^}|\`}, 3, 1, true},
		{"the extension table in two parts of ISO 8859-1", "852", "en", sms.TextConfig{Sign: strings.Repeat("~", 20), Origin: "https://" + long}, 3, 2, true},
		{"a letter that ISO 8859-1 lacks", "852", "en", sms.TextConfig{Sign: "10€"}, 8, 1, true},
		{"a letter that GSM 7 lacks", "852", "en", sms.TextConfig{Sign: "Forêt"}, 8, 1, true},
	}
	withSMPPPeers(t, func(t *testing.T, kind smppKind) {
		peer := startSMPPPeer(t, kind)
		for i, c := range cases {
			texts := smppTexts(t, c.texts)
			provider := peer.provider(t, sms.SMPPConfig{Texts: texts, Latin1: c.latin1, OnReports: func([]sms.Report) {}})
			m := smppMessage(t, c.calling, c.language, i)
			receipt := mustSend(t, provider, m)
			got := peer.awaitEvents(t, "message", i+1)[i]
			if want := texts.Text(m); got.Text != want || len(got.IDs) != c.parts || got.IDs[0] != receipt.ID {
				t.Errorf("%s: the peer read %d parts with the ids %v:\n%q\nwant %d, the first %q:\n%q", c.name, len(got.IDs), got.IDs,
					got.Text, c.parts, receipt.ID, want)
			}
			submits := peer.seen(t, func(e smppEvent) bool { return e.Event == "submit" && slices.Contains(got.IDs, e.ID) })
			for _, s := range submits {
				class := 0
				if c.parts > 1 {
					class = 0x40
				}
				registered := 0
				if s.ID == got.IDs[0] {
					registered = 1
				}
				if s.To != strings.TrimPrefix(m.To.E164(), "+") || s.ToTON != 1 || s.ToNPI != 1 || s.From != smppSource || s.FromTON != 5 ||
					s.FromNPI != 0 || s.Coding != c.coding || s.ESMClass != class || s.Registered != registered {
					t.Errorf("%s: a part was submitted as %+v", c.name, s)
				}
			}
			if n := provider.Size(m).Segments; n != c.parts {
				t.Errorf("%s: billed as %d segments, submitted as %d", c.name, n, c.parts)
			}
		}
	})
}

func TestSMPPABindThatIsRefusedIsToldAndTriedAgain(t *testing.T) {
	withSMPPPeers(t, func(t *testing.T, kind smppKind) {
		peer := startSMPPPeer(t, kind)
		messages := smppMessages(t, 3)

		// The account: nobody waits for what won't change soon.
		peer.tell(t, smppCommand{"do": "bind", "status": 0x0E})
		account := peer.provider(t, sms.SMPPConfig{})
		for _, s := range sendAll(t.Context(), account, messages) {
			refused(t, s, sms.RejectedAccount, "0x0E")
		}
		if binds := peer.awaitEvents(t, "bind", 1); len(binds) != 1 || binds[0].Status != 0x0E || binds[0].Version != 0x34 {
			t.Errorf("the peer was asked to bind as %+v, want once", binds)
		}
		if err := account.Close(); err != nil { // which would try again within half a minute
			t.Error(err)
		}

		// A fault of the SMSC's: it is tried again.
		peer.tell(t, smppCommand{"do": "bind", "status": 0x08})
		provider := peer.provider(t, sms.SMPPConfig{SystemType: "otp"})
		provider.Open()
		peer.await(t, "refused twice", func(e smppEvent) bool { return e.Event == "bind" && e.Status == 0x08 }, 2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		refused(t, sendAll(ctx, provider, messages[:1])[0], sms.Unavailable, "0x08")
		peer.tell(t, smppCommand{"do": "bind", "status": 0})
		waitBound(t, provider)
		mustSend(t, provider, messages[1])
		bound := peer.await(t, "bound", func(e smppEvent) bool { return e.Event == "bind" && e.Status == 0 }, 1)
		if bound[0].SystemType != "otp" {
			t.Errorf("bound with system_type %q", bound[0].SystemType)
		}
		if got := arrivedOnce(t, peer); len(got) != 1 {
			t.Errorf("%d messages arrived, want the one that was sent once it was bound", len(got))
		}
	})
}
