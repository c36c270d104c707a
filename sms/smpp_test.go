package sms_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"rekey"
	"rekey/sms"
	"rekey/sms/smpp/smpptest"
	"rekey/sms/smstest"
)

func newSMPP(t testing.TB, c sms.SMPPConfig) *sms.SMPP {
	t.Helper()
	if c.SystemID == "" {
		c.SystemID = smpptest.SystemID
	}
	if c.Password == "" {
		c.Password = smpptest.Password
	}
	if c.Texts == nil {
		c.Texts = newTexts(t, sms.TextConfig{Sign: "示例网", Origin: "https://www.example.com"})
	}
	c.Timeout = cmp.Or(c.Timeout, patience)
	p, err := sms.NewSMPP(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Log(err)
		}
	})
	return p
}

// smppText reads what was submitted as a phone would, by encoding and header.
func smppText(t testing.TB, submissions []smpptest.Submission) string {
	t.Helper()
	var text string
	for i, s := range submissions {
		octets := s.Text
		if len(submissions) == 1 {
			if s.Class != 0 {
				t.Errorf("esm_class %#x for a single part", s.Class)
			}
		} else {
			if s.Class != 0x40 || len(octets) < 6 || string(octets[:3]) != "\x05\x00\x03" || octets[3] != submissions[0].Text[3] ||
				int(octets[4]) != len(submissions) || int(octets[5]) != i+1 {
				t.Fatalf("part %d of %d: esm_class %#x, header %x", i+1, len(submissions), s.Class, octets[:6])
			}
			octets = octets[6:]
		}
		switch s.Encoding {
		case 8:
			var units []uint16
			for ; len(octets) >= 2; octets = octets[2:] {
				units = append(units, binary.BigEndian.Uint16(octets))
			}
			part := string(utf16.Decode(units))
			if len(octets) != 0 || strings.ContainsRune(part, '\uFFFD') {
				t.Errorf("part %d ends within a character", i+1)
			}
			text += part
		case 0:
			// Of the default alphabet, what the messages in English use and ASCII has elsewhere.
			text += strings.NewReplacer("\x00", "@", "\x02", "$", "\x11", "_", "\x1b\x65", "€", "\x1b\x3c", "[", "\x1b\x3e", "]").Replace(string(octets))
		}
	}
	return text
}

// byReceipt is a sender whose far side knows a message by the id that it gave it: SMPP carries none of ours. It shows too
// that each message gets its own receipt.
type byReceipt struct {
	rekey.Sender
	ids *sync.Map // the far side's id to ours
}

func (s byReceipt) Send(ctx context.Context, m rekey.Message) (rekey.Receipt, error) {
	r, err := s.Sender.Send(ctx, m)
	if err == nil {
		s.ids.Store(r.ID, m.ID)
	}
	return r, err
}

func TestT31_SMPPConforms(t *testing.T) {
	t.Parallel()
	code := regexp.MustCompile(`[0-9]{6}`)
	smstest.Run(t, func(t *testing.T) smstest.Subject {
		var mu sync.Mutex
		var far []string // the far side's ids
		var taken []smstest.Taken
		smsc := smpptest.New(t, smpptest.Config{Window: 10, Submit: func(l *smpptest.Link, s smpptest.Submission) {
			mu.Lock()
			defer mu.Unlock()
			text := smppText(t, []smpptest.Submission{s})
			far = append(far, l.Accept(s))
			taken = append(taken, smstest.Taken{Mobile: strings.TrimPrefix(s.Destination, "1/1/86"), Code: code.FindString(text)})
		}})
		ids := &sync.Map{}
		return smstest.Subject{
			Sender: byReceipt{newSMPP(t, sms.SMPPConfig{Address: smsc.Listen(nil)}), ids},
			Taken: func() []smstest.Taken {
				mu.Lock()
				defer mu.Unlock()
				for i := range taken {
					if id, ok := ids.Load(far[i]); ok {
						taken[i].ID = id.(string)
					}
				}
				return taken
			},
		}
	})
}

func TestSMPPCarriesTextsExactly(t *testing.T) {
	t.Parallel()
	long := "https://" + strings.Repeat("very-long-name.", 6) + "example.com"
	for _, c := range []struct {
		name                    string
		sign, origin            string
		calling, national, lang string
		encoding                byte
		parts                   int
	}{
		{"Chinese, one part", "示例网", "https://www.example.com", "86", "13900000001", "zh-CN", 8, 1},
		{"Chinese, two parts", "示例网", "https://www.example-of-a-shop.com", "852", "51234567", "zh-CN", 8, 2},
		{"Chinese, three parts", "示例网二十个字的签名就这么长了够了", long, "852", "51234567", "zh-CN", 8, 3},
		{"beyond the Basic Multilingual Plane", "𠮷野家🍚", long, "852", "51234567", "zh-CN", 8, 3},
		{"GSM 7, one part", "Example", "https://www.example.com", "1", "2025550123", "en", 0, 1},
		{"GSM 7, two parts", "[€ample_$]", long, "1", "2025550123", "en", 0, 2},
		{"English, but not its sign", "示例网", "", "1", "2025550123", "en", 8, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			texts := newTexts(t, sms.TextConfig{Sign: c.sign, Origin: c.origin})
			smsc := smpptest.New(t, smpptest.Config{Window: 10})
			p := newSMPP(t, sms.SMPPConfig{Address: smsc.Listen(nil), Texts: texts, OnReports: func([]sms.Report) {}})
			m := message(t, c.calling, c.national, c.lang, 5*time.Minute)
			receipt, err := p.Send(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			if receipt.ID != "00000001" {
				t.Errorf("the receipt has the id %q, want that of the first part", receipt.ID)
			}
			got := smsc.Accepted()
			if len(got) != c.parts || p.Size(m).Segments != c.parts {
				t.Fatalf("%d parts, %d segments, want %d", len(got), p.Size(m).Segments, c.parts)
			}
			if text, want := smppText(t, got), texts.Text(m); text != want {
				t.Errorf("got  %q\nwant %q", text, want)
			}
			for i, s := range got {
				if s.Encoding != c.encoding || s.Destination != "1/1/"+c.calling+c.national {
					t.Errorf("part %d: data_coding %d to %s", i+1, s.Encoding, s.Destination)
				}
				if asked := s.Registered == 1; asked != (i == 0) {
					t.Errorf("part %d: registered_delivery %d", i+1, s.Registered)
				}
			}
			if c.parts > 1 {
				// The parts of the next text must not be joined with these.
				if _, err := p.Send(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				if next := smsc.Accepted()[c.parts]; next.Text[3] == got[0].Text[3] {
					t.Errorf("two texts with the reference %d", next.Text[3])
				}
			}
		})
	}
}

func TestSMPPSourceAddresses(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"": "0/0/", "REKEY": "5/0/REKEY", "My Shop 24": "5/0/My Shop 24", "+12025550123": "1/1/12025550123", "12345": "3/0/12345",
		"10690000000001": "0/1/10690000000001",
	} {
		smsc := smpptest.New(t, smpptest.Config{})
		p := newSMPP(t, sms.SMPPConfig{Address: smsc.Listen(nil), Source: source})
		if _, err := p.Send(t.Context(), message(t, "86", "13900000001", "zh-CN", time.Minute)); err != nil {
			t.Fatal(err)
		}
		if s := smsc.Accepted()[0]; s.Source != want || s.Registered != 0 {
			t.Errorf("%q: source %s, registered_delivery %d; want %s, 0", source, s.Source, s.Registered, want)
		}
	}
}

// TestT31_SMPPStatuses takes every code of SMPP 3.4, issue 1.2, section 5.1.3, some reserved ones and a vendor's.
// TestT31_SMPPFaults meets what else can go wrong on the way.
func TestSMPPReports(t *testing.T) {
	t.Parallel()
	reports := make(chan sms.Report, 10)
	smsc := smpptest.New(t, smpptest.Config{})
	p := newSMPP(t, sms.SMPPConfig{Address: smsc.Listen(nil), OnReports: func(all []sms.Report) {
		for _, r := range all {
			reports <- r
		}
	}})
	receipt, err := p.Send(t.Context(), smstest.Message(t, "id", canaryMobile, canaryCode))
	if err != nil {
		t.Fatal(err)
	}
	l := smsc.Links()[0]
	reported := smstest.Message(t, "", "13900000000", canaryCode).To // as smpptest has it
	for text, want := range map[string]sms.Report{
		"stat:ACCEPTD":                   {State: sms.Pending, Code: "ACCEPTD"},
		"stat:ENROUTE":                   {State: sms.Pending, Code: "ENROUTE"},
		"stat:DELIVRD err:000":           {State: sms.Delivered, Code: "DELIVRD"},
		"stat:EXPIRED err:027":           {State: sms.Undelivered, Code: "EXPIRED:027"},
		"stat:REJECTD err:1f4":           {State: sms.Undelivered, Code: "REJECTD:1f4"},
		"stat:UNKNOWN":                   {State: sms.Undelivered, Code: "UNKNOWN"},
		"stat:UNDELIV err:" + canaryCode: {State: sms.Undelivered, Code: "(unreadable)"}, // may be the code (T36)
	} {
		want.ID, want.To = receipt.ID, reported
		l.Deliver(4, "id:"+receipt.ID+" "+text+" Text:"+canaryCode)
		select {
		case got := <-reports:
			if got != want {
				t.Errorf("%s: got %+v, want %+v", text, got, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("no report")
		}
	}
}

func TestSMPPIDsAreThoseOfTheReceipts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		form                        sms.ReceiptIDs
		answered, receipted, common string
	}{
		{sms.SameIDs, "0000000A", "0000000A", "0000000A"},
		{sms.DecimalIDs, "0000000A", "10", "10"},
		{sms.DecimalIDs, "0000000a", "0000000010", "10"},
		{sms.DecimalIDs, "ffffffffffffffffffffffffffffffff", "340282366920938463463374607431768211455", "340282366920938463463374607431768211455"},
		{sms.DecimalIDs, "0", "000", "0"},
		{sms.HexIDs, "0000000010", "0000000A", "a"},
		{sms.HexIDs, "10", "a", "a"},
		// What is no number is left alone.
		{sms.DecimalIDs, "x-1", "x-1", "x-1"},
		{sms.DecimalIDs, "-1", "-1", "-1"},
		{sms.HexIDs, "1_0", "1_0", "1_0"},
		{sms.HexIDs, "0x10", "0x10", "0x10"},
	} {
		reports := make(chan sms.Report, 1)
		smsc := smpptest.New(t, smpptest.Config{Submit: func(l *smpptest.Link, s smpptest.Submission) {
			l.Answer(s, 0, c.answered+"\x00")
		}})
		p := newSMPP(t, sms.SMPPConfig{Address: smsc.Listen(nil), ReceiptIDs: c.form, OnReports: func(all []sms.Report) { reports <- all[0] }})
		receipt, err := p.Send(t.Context(), smstest.Message(t, "id", canaryMobile, canaryCode))
		if err != nil {
			t.Fatal(err)
		}
		smsc.Links()[0].Deliver(4, "id:"+c.receipted+" stat:DELIVRD")
		select {
		case got := <-reports:
			if receipt.ID != c.common || got.ID != c.common {
				t.Errorf("%s and %s come to %s and %s, want %s", c.answered, c.receipted, receipt.ID, got.ID, c.common)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("no report")
		}
	}
}

func TestSMPPSettingsAreChecked(t *testing.T) {
	t.Parallel()
	good := sms.SMPPConfig{Address: "smpp.example.com:2775", SystemID: "shop", Texts: newTexts(t, sms.TextConfig{})}
	if _, err := sms.NewSMPP(good); err != nil {
		t.Error(err)
	}
	for setting, spoil := range map[string][]func(*sms.SMPPConfig){
		"address": {
			func(c *sms.SMPPConfig) { c.Address = "" }, func(c *sms.SMPPConfig) { c.Address = "smpp.example.com" },
			func(c *sms.SMPPConfig) { c.Address = ":2775" }, func(c *sms.SMPPConfig) { c.Address = "h:0" },
			func(c *sms.SMPPConfig) { c.Address = "h:70000" },
		},
		"system_id":   {func(c *sms.SMPPConfig) { c.SystemID = "" }, func(c *sms.SMPPConfig) { c.SystemID = "a\x00b" }},
		"password":    {func(c *sms.SMPPConfig) { c.Password = canaryPass + " " }, func(c *sms.SMPPConfig) { c.Password = canaryPass + strings.Repeat("x", 64) }},
		"system_type": {func(c *sms.SMPPConfig) { c.SystemType = "longer than twelve" }},
		"source": {
			func(c *sms.SMPPConfig) { c.Source = "longer than eleven" }, func(c *sms.SMPPConfig) { c.Source = "示例网" },
			func(c *sms.SMPPConfig) { c.Source = "+" }, func(c *sms.SMPPConfig) { c.Source = "+1202555012345678" },
			func(c *sms.SMPPConfig) { c.Source = strings.Repeat("1", 21) },
		},
		"window":  {func(c *sms.SMPPConfig) { c.Window = -1 }, func(c *sms.SMPPConfig) { c.Window = 1001 }},
		"timeout": {func(c *sms.SMPPConfig) { c.Timeout = -1 }},
		"text":    {func(c *sms.SMPPConfig) { c.Texts = nil }},
	} {
		for i, s := range spoil {
			c := good
			s(&c)
			_, err := sms.NewSMPP(c)
			if err == nil || !strings.HasPrefix(err.Error(), setting+": ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s %d: got %v", setting, i, err)
			}
			smstest.CheckSilent(t, err, canaryPass)
		}
	}
	_, err := sms.NewSMPP(sms.SMPPConfig{Window: -1})
	if n := strings.Count(fmt.Sprint(err), "\n") + 1; n != 4 {
		t.Errorf("%d faults are told, want 4: %v", n, err)
	}
}

func TestT36_SMPPShowsNoSecrets(t *testing.T) {
	t.Parallel()
	c := sms.SMPPConfig{Address: "smpp.example.com:2775", SystemID: "canary-id", Password: canaryPass, Source: "REKEY",
		Texts: newTexts(t, sms.TextConfig{Sign: "示例网"})}
	p := newSMPP(t, c)
	m := smstest.Message(t, "id", canaryMobile, canaryCode)
	preview, err := p.Preview(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"smpp.example.com:2775", `"86` + canaryMobile + `"`, canaryCode, "UCS-2", `"REKEY"`} {
		if !strings.Contains(preview, want) {
			t.Errorf("the preview lacks %s:\n%s", want, preview)
		}
	}
	shown := preview
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		shown += fmt.Sprintf(verb, c) + fmt.Sprintf(verb, p) + fmt.Sprintf(verb, struct{ P *sms.SMPP }{p})
	}
	for _, secret := range []string{canaryPass, "canary-id"} {
		if strings.Contains(shown, secret) {
			t.Errorf("%s is shown:\n%s", secret, shown)
		}
	}
}

// BenchmarkSMPP is messages through a window of 50, by twice as many senders, over loopback, with the SMSC in the same
// process.
func BenchmarkSMPP(b *testing.B) {
	smsc := smpptest.New(b, smpptest.Config{Window: 50})
	p := newSMPP(b, sms.SMPPConfig{Address: smsc.Listen(nil), Window: 50})
	m := smstest.Message(b, "id", canaryMobile, canaryCode)
	b.SetParallelism(100)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := p.Send(b.Context(), m); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
