// Package attack_test attacks the embedded default over HTTP, as three replicas on one SQLite file, and on people in
// PostgreSQL and MariaDB.
package attack_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rekey"
	"rekey/test/embedded"
)

func TestT01_OverThreeReplicasNoGuessIsFree(t *testing.T) {
	w := newTown(t, nil)
	flow, code := w.code(visitor{}, ann)
	before := w.houses[0].Hash(t, ann)
	const volley, budget = 2000, 5
	wrong := embedded.Wrong(code, volley+budget)
	counts, _ := w.volley(volley, func(i int) string {
		return rawPost(base, fmt.Sprintf(`{"mobile":%q,"sms_code":%q,"new_password":%q,"flow":%q}`, ann, wrong[i], newPassword, flow))
	})
	// On a slow machine the store is busy for some, who were compared or not: what of the budget is left is spent after them.
	compared, busy := counts["403 4103"], counts["503 4500"]
	if compared > budget || busy == 0 && compared != budget || compared+busy+counts["429 4201"] != volley {
		t.Fatalf("%v", counts)
	}
	for _, guess := range wrong[volley : volley+budget-compared] {
		if a := w.reset(visitor{flow: flow}, ann, guess, newPassword); a.Errno != "4103" && a.Status != 429 {
			t.Fatalf("%+v", a)
		}
	}
	if a := w.reset(visitor{flow: flow}, ann, code, newPassword); a.Status != 429 || w.houses[0].Hash(t, ann) != before {
		t.Fatalf("%+v", a)
	}
}

func TestT02_NewFlowAndAddressForEveryGuess(t *testing.T) {
	w := newTown(t, func(o *rekey.Options) {
		o.Limits.NumberSendsHour, o.Limits.NumberSendsDay, o.Limits.NumberReserved, o.Limits.LiveFlows = 0, 0, 0, 0
		o.Limits.PrefixSendsHour, o.Limits.ConversionFloor = 0, 0
	})
	compared := 0
	for i := range 30 {
		v := visitor{address: fmt.Sprintf("198.51.100.%d", i), replica: i % 3}
		var code string
		v.flow, code = w.code(v, ann)
		for j, guess := range embedded.Wrong(code, 6) {
			v := visitor{address: fmt.Sprintf("203.0.113.%d", i), flow: v.flow, replica: j % 3}
			if a := w.reset(v, ann, guess, newPassword); a.Errno == "4103" && a.Errmsg == "验证码错误!!!!" {
				compared++
			}
		}
		w.advance(11 * time.Minute)
	}
	if compared != 20+26 {
		t.Fatalf("%d guesses compared", compared)
	}
}

func TestT06_ACodeEndsOnTheStoresClock(t *testing.T) {
	w := newTown(t, nil)
	flow, code := w.code(visitor{}, ann)
	w.advance(5*time.Minute + time.Millisecond)
	if a := w.reset(visitor{flow: flow}, ann, code, newPassword); a.Errmsg != "验证码过期" {
		t.Fatalf("%+v", a)
	}
}

// TestT06_AReplicasOwnClockChangesNothing runs a replica in a bubble whose clock stands in the year 2000 and moves by
// itself, while SQLite's is that of the machine.
func TestT06_AReplicasOwnClockChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := embedded.Open(t, t.TempDir(), embedded.Options{})
		h.Add(t, ann)
		sent, err := h.Service.Send(t.Context(), rekey.Client{}, ann)
		if err != nil || sent.ExpiresIn != 5*time.Minute || sent.RetryAfter != time.Minute {
			t.Fatalf("%+v, %v", sent, err)
		}
		time.Sleep(time.Hour) // for this replica alone
		if _, err := h.Service.Send(t.Context(), rekey.Client{Flow: sent.Flow}, ann); rekey.KindOf(err) != rekey.TooSoon {
			t.Fatalf("the interval went by the replica's clock: %v", err)
		}
		reset := rekey.ResetRequest{Mobile: ann, Code: h.Messages(t)[0].Code, Password: newPassword}
		if _, err := h.Service.Reset(t.Context(), rekey.Client{Flow: sent.Flow}, reset); err != nil {
			t.Fatalf("the lifetime went by the replica's clock: %v", err)
		}
	})
}

func TestT11_TheStoreSaysNoCodePasswordOrNumber(t *testing.T) {
	w := newTown(t, nil)
	const password = "canaryPass9"
	flow, code := w.code(visitor{}, ann)
	w.reset(visitor{flow: flow}, ann, embedded.Wrong(code, 1)[0], password)
	w.reset(visitor{flow: flow}, ann, code, password)
	rows := 0
	for _, table := range []string{"rekey_numbers", "rekey_budgets"} {
		result, err := w.houses[0].Read.Query("SELECT name, state FROM " + table)
		if err != nil {
			t.Fatal(err)
		}
		for result.Next() {
			var name, state string
			if err := result.Scan(&name, &state); err != nil {
				t.Fatal(err)
			}
			rows++
			for what, canary := range map[string]string{"number": ann, "password": password, "flow": flow, "address": "127.0.0.1"} {
				if strings.Contains(name+" "+state, canary) {
					t.Errorf("%s says the %s: %s", table, what, state)
				}
			}
			// Six digits stand in any instant; a code would stand as a JSON string or number of its own.
			if strings.Contains(state, `"`+code+`"`) || strings.Contains(state, ":"+code+",") || strings.Contains(state, ":"+code+"}") {
				t.Errorf("%s says the code: %s", table, state)
			}
		}
		if err := result.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if rows < 5 {
		t.Fatalf("only %d rows were there to look at", rows)
	}
}

func TestT12_NoMasterCode(t *testing.T) {
	w := newTown(t, func(o *rekey.Options) { o.Code.Guesses = 10 })
	flow, code := w.code(visitor{}, ann)
	for _, guess := range []string{"000000", "123456", "111111", "888888", "666666", "999999", "654321"} {
		if guess == code {
			continue // one run in 140,000
		}
		if a := w.reset(visitor{flow: flow}, ann, guess, newPassword); a.Errno == "0" {
			t.Fatalf("%s works", guess)
		}
	}
}

func TestT13_StrangerCannotBurnCode(t *testing.T) {
	w := newTown(t, nil)
	flow, code := w.code(visitor{}, ann)
	wrong := embedded.Wrong(code, 1000)
	counts, _ := w.volley(1000, func(i int) string {
		return rawPost(base, fmt.Sprintf(`{"mobile":%q,"sms_code":%q,"new_password":%q}`, ann, wrong[i], newPassword))
	})
	// On a slow machine the store is busy for some, who were compared or not.
	compared, busy := counts["403 4103"], counts["503 4500"]
	if compared > 3 || busy == 0 && compared != 3 || compared+busy+counts["429 4201"] != 1000 {
		t.Fatalf("%v", counts)
	}
	if a := w.reset(visitor{flow: flow, replica: 2}, ann, code, newPassword); a.Errno != "0" {
		t.Fatalf("%+v", a)
	}
}

func TestT14_AStrangerAsksAgainAndAgain(t *testing.T) {
	w := newTown(t, nil)
	flow, code := w.code(visitor{address: "192.0.2.1"}, ann)
	for i := range 20 {
		a := w.send(visitor{address: fmt.Sprintf("198.51.100.%d", i), replica: i % 3}, ann)
		if a.Errno != "0" && a.Errno != "4003" && a.Errno != "4201" {
			t.Fatalf("%+v", a)
		}
		w.advance(12 * time.Second)
	}
	if a := w.reset(visitor{flow: flow}, ann, code, newPassword); a.Errno != "0" {
		t.Fatalf("%+v", a)
	}
}

func TestT16_TheStoreClosedUnderIt(t *testing.T) {
	w := newTown(t, nil)
	flow, code := w.code(visitor{}, ann)
	hash := w.houses[0].Hash(t, ann)
	if err := w.houses[1].Codes.Close(); err != nil {
		t.Fatal(err)
	}
	v := visitor{flow: flow, replica: 1}
	for name, a := range map[string]answer{
		"send":  w.send(v, bob),
		"wrong": w.reset(v, ann, embedded.Wrong(code, 1)[0], newPassword),
		"right": w.reset(v, ann, code, newPassword),
	} {
		if a.Status != 503 || a.Errno != "4500" {
			t.Errorf("%s: %+v", name, a)
		}
	}
	response, err := http.Get(w.servers[1].URL + base + "mobiles/" + ann + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" {
		t.Errorf("check: %d", response.StatusCode)
	}
	if len(w.messages()) != 1 || w.houses[0].Hash(t, ann) != hash {
		t.Error("a message or a write")
	}
	if a := w.reset(visitor{flow: flow}, ann, code, newPassword); a.Errno != "0" {
		t.Fatalf("another replica: %+v", a)
	}
}

func TestT28_TwoHundredSendsAtOnce(t *testing.T) {
	w := newTown(t, func(o *rekey.Options) {
		o.Limits.AddressSends10m, o.Limits.AddressNumberDay, o.Limits.AddressSendsDay = 0, 0, 0
	})
	counts, _ := w.volley(200, func(int) string { return rawPost(base+"sms_code/", fmt.Sprintf(`{"mobile":%q}`, ann)) })
	if len(w.messages()) != 1 || counts["200 0"] != 1 {
		t.Fatalf("%d messages, %v", len(w.messages()), counts)
	}
}

func TestT30_AnUnregisteredNumberGetsNoMessage(t *testing.T) {
	for _, disclosure := range []bool{true, false} {
		t.Run(fmt.Sprint("disclosure ", disclosure), func(t *testing.T) {
			w := newTown(t, func(o *rekey.Options) { o.Disclosure = disclosure })
			a := w.send(visitor{}, nobody)
			if want := map[bool]string{true: "4002", false: "0"}[disclosure]; a.Errno != want {
				t.Fatalf("%+v", a)
			}
			for _, h := range w.houses {
				if err := h.Service.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if len(w.messages()) != 0 {
				t.Fatal("a message")
			}
		})
	}
}

func TestT46_KeysRotateUnderLoad(t *testing.T) {
	t.Parallel()
	index := []byte("the index key, 32 bytes or longer")
	older, newer := []byte("the older key that is 32 bytes.."), []byte("the newer key that is 32 bytes..")
	keys := func(secrets ...[]byte) func(*rekey.Options) {
		ring, err := rekey.NewKeyring(secrets, index)
		if err != nil {
			t.Fatal(err)
		}
		return func(o *rekey.Options) {
			o.Keys = ring
			o.Limits.PrefixSendsHour, o.Limits.PrefixSendsDay, o.Limits.ConversionFloor = 0, 0, 0
		}
	}
	dir := t.TempDir()
	// The steps of a rotation: the new key last everywhere, then first on one replica after the other.
	stages := []*embedded.House{
		embedded.Open(t, dir, embedded.Options{Service: keys(older)}),
		embedded.Open(t, dir, embedded.Options{Service: keys(older, newer)}),
		embedded.Open(t, dir, embedded.Options{Service: keys(newer, older)}),
	}
	var wg sync.WaitGroup
	for i := range 24 {
		mobile := fmt.Sprintf("139%04d0001", i)
		stages[0].Add(t, mobile)
		wg.Go(func() {
			at, then := stages[i%2], stages[1+i%2] // a code made before a step is redeemed after it
			sent, err := at.Service.Send(t.Context(), rekey.Client{}, mobile)
			if err != nil {
				t.Error(err)
				return
			}
			var code string
			for _, m := range at.Messages(t) {
				if m.Mobile == mobile {
					code = m.Code
				}
			}
			_, err = then.Service.Reset(t.Context(), rekey.Client{Flow: sent.Flow}, rekey.ResetRequest{Mobile: mobile, Code: embedded.Wrong(code, 1)[0], Password: newPassword})
			if rekey.KindOf(err) != rekey.WrongCode {
				t.Error(err)
			}
			for {
				_, err = then.Service.Reset(t.Context(), rekey.Client{Flow: sent.Flow}, rekey.ResetRequest{Mobile: mobile, Code: code, Password: newPassword})
				if rekey.KindOf(err) != rekey.Busy || err == nil {
					break
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
