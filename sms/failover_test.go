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
		{"one is unclear", []error{refused, unclear, down}, rekey.ErrUnknown, 0},
		{"one has an error of no kind", []error{down, strange}, rekey.ErrUnknown, 0},
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
				config.Providers[name] = sms.Entry{Price: price, Sender: sender(
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
			if c.want == nil {
				tries = slices.Index(c.first, nil) + 1
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
				if got.Price > f.MaxPrice() {
					t.Errorf("price %d is over MaxPrice %d", got.Price, f.MaxPrice())
				}
				return
			}
			smstest.CheckError(t, err, c.want, canaryMobile, canaryCode)
			failure, ok := errors.AsType[*sms.Failure](err)
			if !ok || len(failure.Attempts) != len(c.first) {
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

func TestRoutesByCallingCode(t *testing.T) {
	t.Parallel()
	f := newFailover(t, sms.FailoverConfig{
		Providers: map[string]sms.Entry{
			"a": {Sender: taking(""), Price: 5}, "b": {Sender: taking(""), Price: 40}, "c": {Sender: taking(""), Price: 2},
		},
		Order:  []string{"a", "c"},
		Routes: map[string][]string{"852": {"b", "a"}, "1": {"c"}},
	})
	for calling, want := range map[string]string{"86": "a", "852": "b", "1": "c", "85": "a"} {
		got, err := f.Send(t.Context(), message(t, calling, "13800000001", "en", time.Minute))
		if err != nil || got.Provider != want {
			t.Errorf("+%s went through %q, %v; want %q", calling, got.Provider, err, want)
		}
	}
	if got := f.MaxPrice(); got != 45 {
		t.Errorf("MaxPrice %d, want that of the route for 852", got)
	}
}

func TestT31_HangingProvidersLeaveTimeForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []time.Duration
		f := newFailover(t, sms.FailoverConfig{
			Providers: map[string]sms.Entry{
				"a": {Sender: sender(hanging)}, "b": {Sender: sender(hanging)}, "c": {Sender: taking("")},
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
			config.Providers[name] = sms.Entry{Sender: sender(hanging)}
			config.Order = append(config.Order, name)
		}
		start := time.Now()
		_, err := newFailover(t, config).Send(t.Context(), smstest.Message(t, "m", canaryMobile, canaryCode))
		smstest.CheckError(t, err, rekey.ErrUnknown)
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
		Providers: map[string]sms.Entry{"a": {Sender: taking("")}, "b": {Price: -1}},
		Order:     []string{"a", "missing", "a"},
		Routes:    map[string][]string{"852": {}, "+86": {"a"}, "0": {"a"}, "1234": {"a"}},
	})
	want := []string{
		`sms.order: there is no provider "missing"; configured are a, b`,
		`sms.order: "a" stands twice, but no provider is tried twice`,
		`sms.routes."+86": write a country calling code, such as "852"`,
		`sms.routes."0": write a country calling code, such as "852"`,
		`sms.routes."1234": write a country calling code, such as "852"`,
		`sms.routes."852": name at least one provider`,
		`sms.providers.b: price and timeout must not be negative`,
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
