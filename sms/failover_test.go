package sms_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rekey"
	"rekey/sms"
	"rekey/sms/smstest"
)

// sender is a rekey.Sender in a function.
type sender func(ctx context.Context, m rekey.Message) (rekey.Receipt, error)

func (s sender) Send(ctx context.Context, m rekey.Message) (rekey.Receipt, error) { return s(ctx, m) }

func failing(err error) sender {
	return func(context.Context, rekey.Message) (rekey.Receipt, error) { return rekey.Receipt{}, err }
}

func taking(id string) sender {
	return func(context.Context, rekey.Message) (rekey.Receipt, error) { return rekey.Receipt{ID: id}, nil }
}

// hanging takes as long as it is let.
func hanging(ctx context.Context, _ rekey.Message) (rekey.Receipt, error) {
	<-ctx.Done()
	return rekey.Receipt{}, fmt.Errorf("%w: no answer in time", rekey.ErrUnknown)
}

// unreachable takes as long as it is let, and was certainly not sent.
func unreachable(ctx context.Context, _ rekey.Message) (rekey.Receipt, error) {
	<-ctx.Done()
	return rekey.Receipt{}, fmt.Errorf("%w: no answer to the greeting", rekey.ErrUnavailable)
}

func newFailover(t testing.TB, c sms.FailoverConfig) *sms.Failover {
	t.Helper()
	f, err := sms.NewFailover(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestT31_NextProviderTakesOverWithTheSameCode(t *testing.T) {
	t.Parallel()
	refused := fmt.Errorf("%w: 400", rekey.ErrRejected)
	down := fmt.Errorf("%w: 503", rekey.ErrUnavailable)
	unclear := fmt.Errorf("%w: 500", rekey.ErrUnknown)
	strange := errors.New("a provider's own error")
	cases := []struct {
		name  string
		first []error // of the providers in turn; nil: takes it
		want  error
		price int64 // each provider costs ten times the one before it, from 1 on
	}{
		{"the first takes it", []error{nil, nil}, nil, 1},
		{"after a refusal", []error{refused, nil}, nil, 10},
		{"after a failure", []error{down, refused, nil}, nil, 100},
		{"after an unclear answer, which may cost too", []error{unclear, nil}, nil, 11},
		{"after an error of no kind, which may cost too", []error{strange, down, nil}, nil, 101},
		{"all refuse", []error{refused, refused}, rekey.ErrRejected, 0},
		{"all fail", []error{down, down}, rekey.ErrUnavailable, 0},
		{"some refuse, some fail", []error{refused, down}, rekey.ErrUnavailable, 0},
		{"one is unclear", []error{refused, unclear, down}, rekey.ErrUnknown, 10},
		{"two are unclear: nobody gets a third text", []error{unclear, strange, nil}, rekey.ErrUnknown, 11},
		{"one has an error of no kind", []error{down, strange}, rekey.ErrUnknown, 10},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := sms.FailoverConfig{Providers: map[string]sms.Entry{}}
			var tried, told []string
			price := int64(1)
			for i, err := range c.first {
				name := fmt.Sprint("provider-", i)
				config.Order = append(config.Order, name)
				config.Providers[name] = sms.Entry{Prices: sms.Prices{"": price}, Sender: sender(
					func(_ context.Context, m rekey.Message) (rekey.Receipt, error) {
						tried = append(tried, name+" "+m.Code.Reveal())
						return rekey.Receipt{ID: "receipt"}, err
					})}
				price *= 10
			}
			config.Observe = func(_ context.Context, a sms.Attempt) {
				told = append(told, a.Provider+" "+canaryCode)
				if a.Message != "m" {
					t.Errorf("told of message %q", a.Message)
				}
			}
			f := newFailover(t, config)
			got, err := f.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))

			tries := len(c.first)
			if i := slices.Index(c.first, nil); c.want == nil {
				tries = i + 1
			} else if i >= 0 {
				tries = i
			}
			var wantTried []string
			for i := range tries {
				wantTried = append(wantTried, fmt.Sprintf("provider-%d %s", i, canaryCode))
			}
			if !slices.Equal(tried, wantTried) || !slices.Equal(told, wantTried) {
				t.Errorf("tried %v, told of %v, want %v", tried, told, wantTried)
			}
			if c.want == nil {
				want := rekey.Receipt{Provider: config.Order[tries-1], ID: "receipt", Price: c.price}
				if err != nil || got != want {
					t.Errorf("got %+v, %v, want %+v", got, err, want)
				}
				if most := f.MaxPrice(smstest.Message(t, "m", canaryMobile, canaryCode).To, "zh-CN"); got.Price > most {
					t.Errorf("price %d is over MaxPrice %d", got.Price, most)
				}
				return
			}
			if got != (rekey.Receipt{Price: c.price}) {
				t.Errorf("with the error came %+v, want the price %d alone", got, c.price)
			}
			smstest.CheckError(t, err, c.want, canaryMobile, canaryCode)
			failure, ok := errors.AsType[*sms.Failure](err)
			if !ok || len(failure.Attempts) != tries {
				t.Fatalf("got %v, want a Failure with every attempt", err)
			}
			for i, a := range failure.Attempts {
				if a.Err != c.first[i] || !strings.Contains(err.Error(), a.Provider+": "+c.first[i].Error()) {
					t.Errorf("attempt %d: %v does not tell of %v", i, err, c.first[i])
				}
			}
		})
	}
}

func TestTheLongestPrefixOfANumberPicksRouteAndPrice(t *testing.T) {
	t.Parallel()
	f := newFailover(t, sms.FailoverConfig{
		Providers: map[string]sms.Entry{
			"a": {Sender: taking(""), Prices: sms.Prices{"": 5, "852": 6}},
			"b": {Sender: taking(""), Prices: sms.Prices{"852": 40}},
			"c": {Sender: taking(""), Prices: sms.Prices{"1": 2, "138": 9}},
		},
		Order:  []string{"a", "c"},
		Routes: map[string][]string{"852": {"b", "a"}, "1": {"c"}, "1380": {"a|b", "c"}},
	})
	for _, c := range []struct {
		calling, national, provider string
		price, most                 int64
	}{
		{"86", "13800000001", "a", 5, 5}, // c costs nothing there
		{"852", "51234567", "b", 40, 46},
		{"1", "2025550123", "c", 2, 2},
		{"1", "3905550123", "c", 2, 2},
		{"1", "3815550123", "c", 9, 9},
		{"1", "3805550123", "a", 5, 14},
		{"85", "13800000001", "a", 5, 5},
	} {
		m := message(t, c.calling, c.national, "en", time.Minute)
		got, err := f.Send(t.Context(), m)
		if err != nil || got.Provider != c.provider || got.Price != c.price {
			t.Errorf("+%s%s went through %q for %d, %v; want %q for %d", c.calling, c.national, got.Provider, got.Price, err, c.provider, c.price)
		}
		if most := f.MaxPrice(m.To, "en"); most != c.most {
			t.Errorf("+%s%s costs %d at the most, want %d", c.calling, c.national, most, c.most)
		}
	}
}

// billed is a provider that bills several segments.
type billed struct {
	sender
	segments int
}

func (b billed) Size(rekey.Message) sms.Size { return sms.Size{Segments: b.segments} }

func TestAMessageCostsItsSegments(t *testing.T) {
	t.Parallel()
	f := newFailover(t, sms.FailoverConfig{
		Providers: map[string]sms.Entry{
			"a": {Sender: billed{failing(rekey.ErrUnknown), 3}, Prices: sms.Prices{"86": 10}},
			"b": {Sender: taking(""), Prices: sms.Prices{"86": 4}},
		},
		Order: []string{"a", "b"},
	})
	got, err := f.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
	if err != nil || got.Price != 34 || f.MaxPrice(smstest.Message(t, "m", canaryMobile, canaryCode).To, "en") != 34 {
		t.Errorf("got %+v, %v; want the price of three segments and of one", got, err)
	}
}

func TestARankIsSharedByWeight(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	f := newFailover(t, sms.FailoverConfig{
		Providers: map[string]sms.Entry{
			"a": {Sender: taking(""), Weight: 3}, "b": {Sender: taking(""), Weight: 1},
			"c": {Sender: taking("")}, "d": {Sender: taking(""), Weight: 100},
		},
		Order: []string{"a|b|c", "d"},
	})
	const messages = 4000
	for range messages {
		got, err := f.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
		if err != nil {
			t.Fatal(err)
		}
		counts[got.Provider]++
	}
	// Three quarters, with a standard deviation of sqrt(4000·3/16) = 27: eight of them are left.
	if counts["a"]+counts["b"] != messages || counts["a"] < 3000-220 || counts["a"] > 3000+220 {
		t.Errorf("of %d messages went %v", messages, counts)
	}
}

func TestT31_HangingProvidersLeaveTimeForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []time.Duration
		f := newFailover(t, sms.FailoverConfig{
			Providers: map[string]sms.Entry{
				"a": {Sender: sender(unreachable)}, "b": {Sender: sender(unreachable)}, "c": {Sender: taking("")},
			},
			Order:   []string{"a", "b", "c"},
			Observe: func(_ context.Context, a sms.Attempt) { told = append(told, a.Elapsed) },
		})
		got, err := f.Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
		if want := []time.Duration{5 * time.Second, 2 * time.Second, 0}; err != nil || got.Provider != "c" || !slices.Equal(told, want) {
			t.Errorf("got %+v, %v after %v, want c after %v", got, err, told, want)
		}
	})
}

func TestT31_BudgetBoundsAllAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := sms.FailoverConfig{Providers: map[string]sms.Entry{}, Budget: 3 * time.Second}
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			config.Providers[name] = sms.Entry{Sender: sender(unreachable)}
			config.Order = append(config.Order, name)
		}
		start := time.Now()
		_, err := newFailover(t, config).Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
		smstest.CheckError(t, err, rekey.ErrUnavailable)
		failure, _ := errors.AsType[*sms.Failure](err)
		if took := time.Since(start); took != 3*time.Second || len(failure.Attempts) != 3 {
			t.Errorf("%d attempts in %v, want 3 in 3s", len(failure.Attempts), took)
		}
	})
}

func TestAnAttemptEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	f := newFailover(t, sms.FailoverConfig{
		Providers: map[string]sms.Entry{
			"a": {Sender: sender(func(ctx context.Context, m rekey.Message) (rekey.Receipt, error) {
				cancel()
				return hanging(ctx, m)
			})},
			"b": {Sender: sender(func(context.Context, rekey.Message) (rekey.Receipt, error) {
				t.Error("tried after the caller had gone")
				return rekey.Receipt{}, nil
			})},
		},
		Order: []string{"a", "b"},
	})
	_, err := f.Send(ctx, smstest.Message(t, "m", canaryMobile, canaryCode))
	smstest.CheckError(t, err, rekey.ErrUnknown)
	if _, err = f.Send(ctx, smstest.Message(t, "m", canaryMobile, canaryCode)); !strings.Contains(err.Error(), "time was up") {
		t.Errorf("got %v, want a sentence that no provider was tried", err)
	}
}

func TestFailoverIsASender(t *testing.T) {
	t.Parallel()
	smstest.Run(t, func(t *testing.T) smstest.Subject {
		var mu sync.Mutex
		var taken []smstest.Taken
		f := newFailover(t, sms.FailoverConfig{
			Providers: map[string]sms.Entry{
				"down": {Sender: failing(rekey.ErrUnavailable)},
				"up": {Sender: sender(func(_ context.Context, m rekey.Message) (rekey.Receipt, error) {
					mu.Lock()
					defer mu.Unlock()
					taken = append(taken, smstest.Taken{ID: m.ID, Mobile: m.To.National(), Code: m.Code.Reveal()})
					return rekey.Receipt{}, nil
				})},
			},
			Order: []string{"down", "up"},
		})
		return smstest.Subject{Sender: f, Taken: func() []smstest.Taken {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(taken)
		}}
	})
}

func TestBadOrdersAreRefusedAllAtOnce(t *testing.T) {
	t.Parallel()
	_, err := sms.NewFailover(sms.FailoverConfig{
		Providers: map[string]sms.Entry{"a": {Sender: taking("")}, "b": {Prices: sms.Prices{"": -1, "+86": 1}, Timeout: -1, Weight: -1}},
		Order:     []string{"a", "missing", "b|a"},
		Routes:    map[string][]string{"852": {}, "+86": {"a"}, "0": {"a"}, "1234567890123456": {"a"}},
	})
	want := []string{
		`sms.order: there is no provider "missing"; configured are a, b`,
		`sms.order: "a" stands twice, but no provider is tried twice`,
		`sms.routes."+86": write how numbers begin, calling code and digits, such as "852"`,
		`sms.routes."0": write how numbers begin, calling code and digits, such as "852"`,
		`sms.routes."1234567890123456": write how numbers begin, calling code and digits, such as "852"`,
		`sms.routes."852": name at least one provider`,
		`sms.providers.b.price: must not be negative, nor over 1000000000`,
		`sms.providers.b.price: "+86" begins no number; write calling code and digits, such as "86" or "1787"`,
		`sms.providers.b.timeout: must not be negative`,
		`sms.providers.b.weight: must not be negative`,
	}
	for _, sentence := range want {
		if err == nil || !slices.Contains(strings.Split(err.Error(), "\n"), sentence) {
			t.Errorf("got %v, want among them %s", err, sentence)
		}
	}
	if err != nil && strings.Count(err.Error(), "\n") != len(want)-1 {
		t.Errorf("got %v, want %d faults", err, len(want))
	}
	if _, err := sms.NewFailover(sms.FailoverConfig{}); err == nil {
		t.Error("a service without a provider was taken")
	}
}
