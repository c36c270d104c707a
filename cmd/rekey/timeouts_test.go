package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"rekey"
	"rekey/sms"
	"rekey/sms/smpp/smpptest"
	"rekey/sms/smstest"
)

// TestAProvidersTimeoutIsTheOneThatIsConfigured has far sides of all types that take a message and do not answer. Each is waited
// for longer than a provider is without the setting: by the provider itself, and by the failover, which has a bound of its own
// for every attempt. Nothing is asked of the time beyond that: a slow machine only makes it longer.
func TestAProvidersTimeoutIsTheOneThatIsConfigured(t *testing.T) {
	t.Parallel()
	const configured, least = "7s", 6 * time.Second
	if least <= sms.DefaultTimeout {
		t.Fatalf("%v tells nothing, since it is not more than the default", least)
	}
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // else the end of the connection is not seen
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	smsc := smpptest.New(t, smpptest.Config{Submit: func(*smpptest.Link, smpptest.Submission) {}})
	address := smsc.Listen(nil)

	env, names := environment(t)
	for i, setting := range env {
		switch name, _, _ := strings.Cut(setting, "="); {
		case strings.HasSuffix(name, "_ADDRESS"):
			env[i] = name + "=" + address
		case strings.HasSuffix(name, "_SYSTEM_ID"):
			env[i] = name + "=" + smpptest.SystemID
		case strings.HasSuffix(name, "_PASSWORD"):
			env[i] = name + "=" + smpptest.Password
		default:
			env[i] = strings.ReplaceAll(setting, "127.0.0.1:1", strings.TrimPrefix(silent.URL, "http://"))
		}
	}
	var waiting sync.WaitGroup // for all at once, in one turn of the tests that run beside each other
	for _, name := range names {
		l := load(write(t, ""), append(env[:len(env):len(env)], "REKEY_SMS_ORDER="+name, "REKEY_SMS_PROVIDERS_"+strings.ToUpper(name)+"_TIMEOUT="+configured))
		if len(l.faults) > 0 {
			t.Fatal(l.faults)
		}
		var attempts []sms.Attempt
		d, err := newDelivery(&l.config, surroundings{observe: func(_ context.Context, a sms.Attempt) { attempts = append(attempts, a) }})
		if err != nil {
			t.Fatal(err)
		}
		m := smstest.Message(t, "id", "13800000001", "314159")
		waiting.Go(func() {
			_, err := d.failover.Send(t.Context(), m)
			if !errors.Is(err, rekey.ErrUnknown) || len(attempts) != 1 || attempts[0].Elapsed < least {
				t.Errorf("a provider of type %s: %v, after %+v; want one attempt that takes %s", l.SMS.Providers[name].Type, err, attempts, configured)
			}
			if l.SMS.Providers[name].Type == "smpp" {
				for _, link := range smsc.Links() {
					link.Cut() // close would wait for the answer
				}
			}
			if err := d.close(); err != nil {
				t.Error(err)
			}
		})
	}
	waiting.Wait()
}
