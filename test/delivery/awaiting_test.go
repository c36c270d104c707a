package delivery_test

import (
	"context"
	"os"
	"testing"
	"time"

	"rekey"
	"rekey/sms"
	"rekey/sms/smstest"
	"rekey/test/embedded"
	"rekey/test/servers"
)

func TestMain(m *testing.M) { os.Exit(servers.Run(m)) }

// taker is a provider that takes every message.
type taker struct{}

func (taker) Send(context.Context, rekey.Message) (rekey.Receipt, error) { return rekey.Receipt{}, nil }

// patient is a Limiter that may take its time: what is noted beside a message is given up after half a second, for which a
// machine may stall.
type patient struct{ rekey.Limiter }

func (p patient) Take(ctx context.Context, charges ...rekey.Charge) (rekey.Decision, error) {
	return p.Limiter.Take(context.WithoutCancel(ctx), charges...)
}

// TestAReceiptThatIsOwedMovesThePersonsNextMessage runs two replicas on each store: what one sends, the other hears of.
func TestAReceiptThatIsOwedMovesThePersonsNextMessage(t *testing.T) {
	embedded.EachPlace(t, func(t *testing.T, p embedded.Place) {
		o, dir := p.Options(t), t.TempDir()
		var houses []*embedded.House
		var replicas []*sms.Failover
		for range 2 {
			h := embedded.Open(t, dir, o)
			f, err := sms.NewFailover(sms.FailoverConfig{
				Providers: map[string]sms.Entry{
					"first": {Sender: taker{}, Receipts: true}, "second": {Sender: taker{}, Receipts: true}, "silent": {Sender: taker{}},
				},
				Order: []string{"first", "second"}, Routes: map[string][]string{"86139": {"silent", "first"}},
				Awaiting: sms.NewAwaiting(patient{h.Codes}, h.Keys, 30*time.Second),
			})
			if err != nil {
				t.Fatal(err)
			}
			houses, replicas = append(houses, h), append(replicas, f)
		}
		const ann, bob = "13800000001", "13800000002"
		send := func(replica int, mobile, want string) {
			t.Helper()
			got, err := replicas[replica].Send(t.Context(), smstest.Message(t, "m", mobile, "123456"))
			if err != nil || got.Provider != want {
				t.Errorf("%s was sent a message through %q, %v; want %q", mobile, got.Provider, err, want)
			}
		}
		report := func(replica int, provider, mobile string, state sms.DeliveryState) {
			replicas[replica].Report(t.Context(), provider, sms.Report{ID: "1", To: smstest.Message(t, "m", mobile, "123456").To, State: state})
		}

		send(0, ann, "first")
		houses[0].Advance(t, 10*time.Second)
		send(1, ann, "first") // it is early
		houses[0].Advance(t, 25*time.Second)
		send(1, bob, "first")  // nobody else's message moves
		send(1, ann, "second") // the older message counts
		report(0, "second", ann, sms.Delivered)
		report(1, "first", ann, sms.Undelivered)
		send(0, ann, "second") // given up is not delivered
		report(0, "first", ann, sms.Pending)
		send(1, ann, "second")
		report(1, "first", ann, sms.Delivered) // late
		send(0, ann, "first")

		// Where all owe a receipt, all else decides.
		houses[0].Advance(t, time.Minute)
		send(1, ann, "first")

		// A provider without receipts owes none.
		send(0, "13900000001", "silent")
		houses[0].Advance(t, time.Minute)
		send(0, "13900000001", "silent")

		// What is owed is forgotten.
		houses[0].Advance(t, time.Hour)
		send(0, bob, "first")
	})
}

// inTime is a Limiter that does nothing for whom the time is up, as those do that are asked over a network.
type inTime struct{ rekey.Limiter }

func (l inTime) Take(ctx context.Context, charges ...rekey.Charge) (rekey.Decision, error) {
	if err := ctx.Err(); err != nil {
		return rekey.Decision{}, err
	}
	return l.Limiter.Take(ctx, charges...)
}

// unreached is a provider that finds out that it can't send when the time is up.
type unreached struct{}

func (unreached) Send(ctx context.Context, _ rekey.Message) (rekey.Receipt, error) {
	<-ctx.Done()
	return rekey.Receipt{}, rekey.ErrUnavailable
}

// TestAProviderThatTookNothingOwesNoReceiptThoughTheTimeWasUp: else it would be asked last for what it never had.
func TestAProviderThatTookNothingOwesNoReceiptThoughTheTimeWasUp(t *testing.T) {
	t.Parallel()
	h := embedded.Open(t, t.TempDir(), embedded.Options{})
	replica := func(provider rekey.Sender, budget time.Duration) *sms.Failover {
		f, err := sms.NewFailover(sms.FailoverConfig{
			Providers: map[string]sms.Entry{"first": {Sender: provider, Receipts: true}, "second": {Sender: provider}},
			Order:     []string{"first", "second"}, Budget: budget,
			Awaiting: sms.NewAwaiting(inTime{patient{h.Codes}}, h.Keys, 30*time.Second),
		})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	m := smstest.Message(t, "m", "13800000001", "123456")
	if got, err := replica(unreached{}, 200*time.Millisecond).Send(t.Context(), m); err == nil {
		t.Fatalf("nobody was reached, and %q took it", got.Provider)
	}
	h.Advance(t, time.Minute)
	if got, err := replica(taker{}, 0).Send(t.Context(), m); err != nil || got.Provider != "first" {
		t.Errorf("got %+v, %v; want the message taken by the first", got, err)
	}
}

// TestT16_AStoreThatIsDownKeepsNoMessage: whose receipts are owed is a matter of order alone.
func TestT16_AStoreThatIsDownKeepsNoMessage(t *testing.T) {
	t.Parallel()
	h := embedded.Open(t, t.TempDir(), embedded.Options{})
	f, err := sms.NewFailover(sms.FailoverConfig{
		Providers: map[string]sms.Entry{"first": {Sender: taker{}, Receipts: true}, "second": {Sender: taker{}, Receipts: true}},
		Order:     []string{"first", "second"},
		Awaiting:  sms.NewAwaiting(h.Codes, h.Keys, time.Second),
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Close()
	got, err := f.Send(t.Context(), smstest.Message(t, "m", "13800000001", "123456"))
	if err != nil || got.Provider != "first" {
		t.Errorf("got %+v, %v; want the message taken by the first", got, err)
	}
}
