package gateways_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"rekey/sms"
)

// smppReports keeps the reports of a provider.
type smppReports struct {
	mu  sync.Mutex
	all []sms.Report
	new chan struct{}
}

func newSMPPReports() *smppReports { return &smppReports{new: make(chan struct{}, 1)} }

func (r *smppReports) add(reports []sms.Report) {
	r.mu.Lock()
	r.all = append(r.all, reports...)
	r.mu.Unlock()
	select {
	case r.new <- struct{}{}:
	default:
	}
}

// await waits until there are n reports.
func (r *smppReports) await(t *testing.T, n int) []sms.Report {
	t.Helper()
	for deadline := time.After(patience); ; {
		r.mu.Lock()
		all := r.all
		r.mu.Unlock()
		if len(all) >= n {
			return all
		}
		select {
		case <-r.new:
		case <-deadline:
			t.Fatalf("%d reports came, want %d", len(all), n)
		}
	}
}

// TestSMPPReceiptsComeLateAndOutOfOrder has half of the receipts come in an order of their own, the others over a later
// link; each is tied to its message by the id that Send gave.
func TestSMPPReceiptsComeLateAndOutOfOrder(t *testing.T) {
	stats := []struct {
		stat, err string
		state     sms.DeliveryState
	}{
		{"DELIVRD", "000", sms.Delivered},
		{"UNDELIV", "011", sms.Undelivered},
		{"ENROUTE", "000", sms.Pending},
		{"EXPIRED", "001", sms.Undelivered},
		{"REJECTD", "255", sms.Undelivered},
		{"ACCEPTD", "000", sms.Pending},
		{"DELETED", "000", sms.Undelivered},
	}
	forms := map[string][]string{npmSMPP.name: {"tlv", "text", "both"}, perlSMPP.name: {"text"}}
	const n = 42 // every stat in every form twice
	withSMPPPeers(t, func(t *testing.T, kind smppKind) {
		peer := startSMPPPeer(t, kind)
		reports := newSMPPReports()
		provider := peer.provider(t, sms.SMPPConfig{OnReports: reports.add})
		sent := sendAll(t.Context(), provider, smppMessages(t, n))
		for i, s := range sent {
			if s.err != nil {
				t.Fatal(s.err)
			}
			if s.receipt.ID == "" {
				t.Fatalf("message %d has no id", i)
			}
		}
		deliver := func(i int) {
			peer.tell(t, smppCommand{"do": "receipt", "id": sent[i].receipt.ID, "to": strings.TrimPrefix(sent[i].message.To.E164(), "+"),
				"from": smppSource, "stat": stats[i%len(stats)].stat, "err": stats[i%len(stats)].err,
				"form": forms[kind.name][i/len(stats)%len(forms[kind.name])]})
		}
		var order []int // backwards, in steps of 11
		for i := range n {
			order = append(order, n-1-i*11%n)
		}
		for _, i := range order[:n/2] {
			deliver(i)
		}
		reports.await(t, n/2)
		peer.awaitEvents(t, "delivered", n/2)

		peer.tell(t, smppCommand{"do": "cut"})
		peer.await(t, "bound again", func(e smppEvent) bool { return e.Event == "bind" }, 2)
		for _, i := range order[n/2:] {
			deliver(i)
		}
		all := reports.await(t, n)
		peer.awaitEvents(t, "delivered", n)
		if len(all) != n {
			t.Errorf("%d reports came of %d receipts", len(all), n)
		}
		for at, r := range all {
			i := order[at]
			want := stats[i%len(stats)]
			if r.ID != sent[i].receipt.ID || r.State != want.state {
				t.Errorf("report %d is %v of %q, want %v of %q", at, r.State, r.ID, want.state, sent[i].receipt.ID)
			}
			code := want.stat
			if form := forms[kind.name][i/len(stats)%len(forms[kind.name])]; form != "tlv" && want.err != "000" {
				code += ":" + want.err
			}
			if r.Code != code {
				t.Errorf("report %d has code %q, want %q", at, r.Code, code)
			}
		}
		for _, e := range peer.seen(t, named("delivered")) {
			if e.Status != 0 {
				t.Errorf("a receipt was answered with status %#x", e.Status)
			}
		}
	})
}

// TestSMPPReceiptsComeBeforeTheAnswer has an SMSC that is so fast that a receipt comes before the answer with the id.
func TestSMPPReceiptsComeBeforeTheAnswer(t *testing.T) {
	withSMPPPeers(t, func(t *testing.T, kind smppKind) {
		peer := startSMPPPeer(t, kind)
		reports := newSMPPReports()
		provider := peer.provider(t, sms.SMPPConfig{OnReports: reports.add})
		peer.tell(t, smppCommand{"do": "submit", "fate": "early"})
		const n = 50
		ids := map[string]bool{}
		for _, s := range sendAll(t.Context(), provider, smppMessages(t, n)) {
			if s.err != nil {
				t.Error(s.err)
			}
			ids[s.receipt.ID] = true
		}
		for _, r := range reports.await(t, n) {
			if !ids[r.ID] || r.State != sms.Delivered {
				t.Errorf("%v is reported of %q, which no message has or which was told of before", r.State, r.ID)
			}
			delete(ids, r.ID)
		}
	})
}

// TestSMPPWhatIsNoReceiptIsAnsweredAndDropped has a person answer, in words that read like a receipt, and the SMSC send a
// receipt that can't be read.
func TestSMPPWhatIsNoReceiptIsAnsweredAndDropped(t *testing.T) {
	withSMPPPeers(t, func(t *testing.T, kind smppKind) {
		peer := startSMPPPeer(t, kind)
		reports := newSMPPReports()
		provider := peer.provider(t, sms.SMPPConfig{OnReports: reports.add})
		m := smppMessage(t, "86", "zh-CN", 1)
		id := mustSend(t, provider, m).ID
		from := strings.TrimPrefix(m.To.E164(), "+")
		say := func(class int, text string) {
			peer.tell(t, smppCommand{"do": "say", "from": smppSource, "to": from, "esm_class": class, "text": text})
		}
		say(0, "id:"+id+" sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:DELIVRD err:000 text:")
		say(4, "the message was delivered")
		say(4, "id:"+id+" stat:")
		say(4, strings.Repeat(":", 254))
		say(0, "")
		peer.tell(t, smppCommand{"do": "receipt", "id": id, "to": from, "from": smppSource, "stat": "UNDELIV", "err": "001", "form": "text"})
		peer.awaitEvents(t, "delivered", 6)
		all := reports.await(t, 1)
		if len(all) != 1 || all[0].State != sms.Undelivered || all[0].ID != id {
			t.Errorf("the reports are %v, want that of the one receipt", all)
		}
		if binds := peer.seen(t, named("bind")); len(binds) != 1 {
			t.Errorf("bound %d times: what is no receipt ended the link", len(binds))
		}
	})
}

// TestSMPPAThousandMessagesThroughAWindowOfTen has the peer answer only when ten messages wait, the last first.
func TestSMPPAThousandMessagesThroughAWindowOfTen(t *testing.T) {
	withSMPPPeers(t, func(t *testing.T, kind smppKind) {
		const n = 1000
		peer := startSMPPPeer(t, kind)
		texts := smppTexts(t, sms.TextConfig{})
		provider := peer.provider(t, sms.SMPPConfig{Window: 10, Texts: texts})
		peer.tell(t, smppCommand{"do": "submit", "fate": "batch", "size": 10})
		all := sendAll(t.Context(), provider, smppMessages(t, n))
		arrived := map[string]smppEvent{} // by id
		for _, m := range peer.awaitEvents(t, "message", n) {
			arrived[m.IDs[0]] = m
		}
		for _, s := range all {
			if s.err != nil {
				t.Fatalf("%s: %v", s.message.ID, s.err)
			}
			got := arrived[s.receipt.ID]
			if got.To != strings.TrimPrefix(s.message.To.E164(), "+") || got.Text != texts.Text(s.message) {
				t.Fatalf("%s has the id of the message to %s: %q", s.message.ID, got.To, got.Text)
			}
		}
		if got := arrivedOnce(t, peer); len(got) != n {
			t.Errorf("the peer was given %d messages, want %d", len(got), n)
		}
		if most := peer.tell(t, smppCommand{"do": "count"}).Most; most != 10 {
			t.Errorf("%d messages were without an answer at a time, want 10", most)
		}
	})
}

// TestSMPPIDsOfAnotherBaseTieAReceiptToItsMessage has an SMSC whose answers have decimal ids and whose receipts have them in
// hexadecimal.
func TestSMPPIDsOfAnotherBaseTieAReceiptToItsMessage(t *testing.T) {
	t.Parallel()
	peer := startSMPPPeer(t, perlSMPP)
	reports := newSMPPReports()
	provider := peer.provider(t, sms.SMPPConfig{OnReports: reports.add, ReceiptIDs: sms.HexIDs})
	ids := map[string]bool{}
	const n = 30
	for _, s := range sendAll(t.Context(), provider, smppMessages(t, n)) {
		if s.err != nil {
			t.Fatal(s.err)
		}
		ids[s.receipt.ID] = true
	}
	for i := range n {
		peer.tell(t, smppCommand{"do": "receipt", "id": fmt.Sprintf("%08X", i+1), "to": "8613800000000", "from": smppSource, "stat": "DELIVRD",
			"err": "000", "form": "text"})
	}
	for _, r := range reports.await(t, n) {
		if !ids[r.ID] {
			t.Errorf("a receipt is of %q, which no message has or which had one", r.ID)
		}
		delete(ids, r.ID)
	}
}
