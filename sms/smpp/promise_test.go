package smpp_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rekey/sms/smpp"
	"rekey/sms/smpp/smpptest"
)

// TestT31_WhatIsToldOfAMessageIsTrue sends over links that an SMSC breaks in every way that there is, and holds what each
// sender was told to what arrived: accepted and refused messages arrived once, those that are said not to have left never
// did, the others once at most.
func TestT31_WhatIsToldOfAMessageIsTrue(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			random := rand.New(rand.NewPCG(seed, 34))
			pick := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return random.IntN(n)
			}
			arrived := map[string]int{}
			smsc, client := open(t, smpptest.Config{Window: 10, Submit: func(l *smpptest.Link, s smpptest.Submission) {
				mu.Lock()
				arrived[string(s.Text)]++
				mu.Unlock()
				switch after := time.Duration(pick(200)) * time.Millisecond; pick(400) {
				case 0:
					l.Cut()
				case 1:
					time.AfterFunc(after, l.Cut)
				case 2:
					l.Request(6, nil)
					time.AfterFunc(after, func() { l.Accept(s) })
				case 3:
					l.Refuse(s, 4)
				case 4:
					l.Refuse(s, 0x58)
				case 5:
					l.Raw([]byte{0, 0, 0, 1, 0x80, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1})
				case 6: // never answered
				case 7:
					time.Sleep(after) // nothing is read meanwhile
					l.Accept(s)
				case 8:
					time.Sleep(after)
					l.Cut()
				case 9, 10, 11, 12, 13, 14, 15:
					l.Refuse(s, 0x0B)
				case 16, 17, 18, 19:
					l.Accept(s)
				default:
					time.AfterFunc(after, func() { l.Accept(s) })
				}
			}}, nil)
			const n = 2000
			told := make([]error, n)
			var sending sync.WaitGroup
			for i := range n {
				time.Sleep(time.Duration(pick(100)) * time.Millisecond)
				sending.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+pick(3000))*time.Millisecond)
					defer cancel()
					_, told[i] = client.Submit(ctx, message(fmt.Sprint(i)))
				})
				if i == n*9/10 {
					sending.Go(func() { client.Close() })
				}
			}
			sending.Wait()
			client.Close()
			synctest.Wait()
			accepted := map[string]bool{}
			for _, s := range smsc.Accepted() {
				accepted[string(s.Text)] = true
			}
			var stages [5]int
			for i, err := range told {
				text := fmt.Sprint(i)
				e, failed := errors.AsType[*smpp.Error](err)
				if !failed {
					e = &smpp.Error{}
				}
				stages[e.Stage]++
				may := map[smpp.Stage][]int{0: {1}, smpp.NotBound: {0}, smpp.NotSent: {0}, smpp.Refused: {1}, smpp.Unanswered: {0, 1}}[e.Stage]
				if !slices.Contains(may, arrived[text]) || !failed && !accepted[text] || e.Stage == smpp.Refused && accepted[text] {
					t.Errorf("seed %d: message %d arrived %d times, accepted: %v; its sender was told %v", seed, i, arrived[text], accepted[text], err)
				}
			}
			t.Logf("accepted, not bound, not sent, refused, unanswered: %v over %d links", stages, len(smsc.Links()))
		})
	}
}
