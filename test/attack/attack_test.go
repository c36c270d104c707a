// Package attack_test attacks the embedded default over HTTP, as three replicas on codes in SQLite, PostgreSQL, MariaDB,
// Redis or Redis Cluster, and people in the first three.
package attack_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rekey"
	"rekey/test/embedded"
)

func TestT01_OverThreeReplicasNoGuessIsFree(t *testing.T) {
	t.Parallel()
	embedded.EachPlace(t, func(t *testing.T, p embedded.Place) {
		var hashes atomic.Int64
		o := p.Options(t)
		o.Service = func(o *rekey.Options) { o.Directory = hashing{o.Directory, &hashes} }
		w := newTownOf(t, o)
		flow, code := w.code(visitor{}, ann)
		people := w.people()
		const volley, budget = 2000, 5
		wrong := embedded.Wrong(code, volley+budget)
		counts, _ := w.volley(volley, func(i int) string {
			return rawPost(base, fmt.Sprintf(`{"mobile":%q,"sms_code":%q,"new_password":%q,"flow":%q}`, ann, wrong[i], newPassword, flow))
		})
		// On a slow machine the store is busy for some, who were compared or not, and the database of the people for others, who
		// were not: what of the budget is left is spent after them.
		compared, busy := counts["403 4103"], counts["503 4500"]+counts["503 4001"]
		if compared > budget || busy == 0 && compared != budget || compared+busy+counts["429 4201"] != volley {
			t.Fatalf("%v", counts)
		}
		for _, guess := range wrong[volley : volley+budget-compared] {
			if a := w.reset(visitor{flow: flow}, ann, guess, newPassword); a.Errno != "4103" && a.Status != 429 {
				t.Fatalf("%+v", a)
			}
		}
		if a := w.reset(visitor{flow: flow}, ann, code, newPassword); a.Status != 429 {
			t.Fatalf("%+v", a)
		}
		if n := hashes.Load(); n > 0 || w.people() != people {
			t.Fatalf("%d hashes were computed, or a row changed", n)
		}
		flow, code = w.code(visitor{}, bob)
		if a := w.reset(visitor{flow: flow}, bob, code, newPassword); a.Errno != "0" || hashes.Load() != 1 {
			t.Fatalf("%+v, and %d hashes were counted", a, hashes.Load())
		}
	})
}

// hashing counts the hashes that a Directory is asked to compute.
type hashing struct {
	rekey.Directory
	hashes *atomic.Int64
}

func (h hashing) Find(ctx context.Context, n rekey.Number) ([]rekey.Account, error) {
	accounts, err := h.Directory.Find(ctx, n)
	for i, a := range accounts {
		accounts[i].Verify = func(ctx context.Context, password string) (bool, error) {
			h.hashes.Add(1)
			return a.Verify(ctx, password)
		}
	}
	return accounts, err
}

func (h hashing) SetPassword(ctx context.Context, a rekey.Account, password string) error {
	h.hashes.Add(1)
	return h.Directory.SetPassword(ctx, a, password)
}

func TestT02_NewFlowAndAddressForEveryGuess(t *testing.T) {
	everywhere(t, func(o *rekey.Options) {
		o.Limits.NumberSendsHour, o.Limits.NumberSendsDay, o.Limits.NumberReserved, o.Limits.LiveFlows = 0, 0, 0, 0
		o.Limits.PrefixSendsHour, o.Limits.ConversionFloor = 0, 0
	}, func(w *town) {
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
			w.Fatalf("%d guesses compared", compared)
		}
	})
}

func TestT03_ACodeSentAgainHasNoFreshGuesses(t *testing.T) {
	everywhere(t, nil, func(w *town) {
		flow, code := w.code(visitor{}, ann)
		guesses, made := embedded.Wrong(code, 6), 0
		guess := func(left int) {
			w.Helper()
			a := w.reset(visitor{flow: flow, replica: made % 3}, ann, guesses[made], newPassword)
			if made++; a.Errmsg != wrong || a.Data.AttemptsLeft != left {
				w.Fatalf("guess %d: %+v", made, a)
			}
		}
		again := func(replica int) {
			w.Helper()
			if f, c := w.code(visitor{flow: flow, replica: replica}, ann); f != flow || c != code {
				w.Fatal("the code sent again is another")
			}
		}
		guess(4)
		guess(3)
		w.advance(time.Minute)
		again(1)
		guess(2)
		w.advance(2 * time.Minute)
		again(2)
		guess(1)
		guess(0)
		if a := w.reset(visitor{flow: flow, replica: 1}, ann, code, newPassword); a.Status != 429 {
			w.Fatalf("the right code after five wrong ones: %+v", a)
		}
		w.advance(5 * time.Minute)
		if flow, code = w.code(visitor{flow: flow}, ann); code == guesses[5] {
			w.Skip("the next code is the next guess, as one run in a million has it")
		}
		guess(4) // of another code
	})
}

func TestT11_TheStoreSaysNoCodePasswordOrNumber(t *testing.T) {
	everywhere(t, nil, func(w *town) {
		const password = "canaryPass9"
		flow, code := w.code(visitor{}, ann)
		w.reset(visitor{flow: flow}, ann, embedded.Wrong(code, 1)[0], password)
		w.reset(visitor{flow: flow}, ann, code, password)
		w.code(visitor{}, bob) // a live one too
		canaries := map[string]string{"number": ann, "other number": bob, "password": password, "flow": flow, "address": "127.0.0.1"}
		codes := map[string]*regexp.Regexp{}
		for i, m := range w.messages() {
			digits, err := strconv.Atoi(m.Code)
			if err != nil {
				w.Fatal(err)
			}
			// Six digits stand in any instant; a code would stand alone, or as a number of MessagePack.
			codes[fmt.Sprint("code ", i)] = regexp.MustCompile(`(^|[^0-9])` + m.Code + `([^0-9]|$)`)
			canaries[fmt.Sprint("code ", i, " in binary")] = string(binary.BigEndian.AppendUint32([]byte{0xce}, uint32(digits)))
		}
		stored := w.houses[0].Stored(w)
		for name, state := range stored {
			for what, canary := range canaries {
				if strings.Contains(name, canary) || strings.Contains(state, canary) {
					w.Errorf("%s says the %s: %q", name, what, state)
				}
			}
			for what, code := range codes {
				if code.MatchString(state) {
					w.Errorf("%s says %s: %q", name, what, state)
				}
			}
		}
		if len(stored) < 5 {
			w.Fatalf("only %d documents were there to look at", len(stored))
		}
	})
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
	everywhere(t, nil, func(w *town) {
		flow, code := w.code(visitor{}, ann)
		wrong := embedded.Wrong(code, 1000)
		counts, _ := w.volley(1000, func(i int) string {
			return rawPost(base, fmt.Sprintf(`{"mobile":%q,"sms_code":%q,"new_password":%q}`, ann, wrong[i], newPassword))
		})
		// On a slow machine a database is busy for some, who were compared or not.
		compared, busy := counts["403 4103"], counts["503 4500"]+counts["503 4001"]
		if compared > 3 || busy == 0 && compared != 3 || compared+busy+counts["429 4201"] != 1000 {
			w.Fatalf("%v", counts)
		}
		if a := w.reset(visitor{flow: flow, replica: 2}, ann, code, newPassword); a.Errno != "0" {
			w.Fatalf("%+v", a)
		}
	})
}

func TestT14_AStrangerAsksAgainAndAgain(t *testing.T) {
	everywhere(t, nil, func(w *town) {
		flow, code := w.code(visitor{address: "192.0.2.1"}, ann)
		for i := range 20 {
			a := w.send(visitor{address: fmt.Sprintf("198.51.100.%d", i), replica: i % 3}, ann)
			if a.Errno != "0" && a.Errno != "4003" && a.Errno != "4201" {
				w.Fatalf("%+v", a)
			}
			w.advance(12 * time.Second)
		}
		if a := w.reset(visitor{flow: flow}, ann, code, newPassword); a.Errno != "0" {
			w.Fatalf("%+v", a)
		}
	})
}

func TestT28_TwoHundredSendsAtOnce(t *testing.T) {
	everywhere(t, func(o *rekey.Options) {
		o.Limits.AddressSends10m, o.Limits.AddressNumberDay, o.Limits.AddressSendsDay = 0, 0, 0
	}, func(w *town) {
		counts, _ := w.volley(200, func(int) string { return rawPost(base+"sms_code/", fmt.Sprintf(`{"mobile":%q}`, ann)) })
		if len(w.messages()) != 1 || counts["200 0"] != 1 {
			w.Fatalf("%d messages, %v", len(w.messages()), counts)
		}
	})
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
	embedded.EachPlace(t, func(t *testing.T, p embedded.Place) {
		dir, o := t.TempDir(), p.Options(t)
		open := func(change func(*rekey.Options)) *embedded.House {
			o.Service = change
			return embedded.Open(t, dir, o)
		}
		// The steps of a rotation: the new key last everywhere, then first on one replica after the other.
		stages := []*embedded.House{open(keys(older)), open(keys(older, newer)), open(keys(newer, older))}
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
	})
}
