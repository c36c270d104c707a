package torture_test

import (
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"rekey"
)

// step is one step that a client asks of a store: one of the four.
type step struct {
	number   rekey.Name
	issue    *rekey.IssueRequest
	withdraw *rekey.Ticket
	guess    *rekey.Guess
	finish   *rekey.Redemption
}

// told is what a step was told. lost: an error; the step may have happened, or may happen still.
type told struct {
	lost    bool
	issued  rekey.Issued
	verdict rekey.Verdict
}

// next is what is known of the number after the step, and whether the step may then have been told so.
func (s step) next(before known, t told) (after known, explained bool) {
	after = before.copy()
	switch {
	case s.issue != nil:
		explained = alike(after.issue(*s.issue, t.issued.Ticket.Version), t.issued)
	case s.withdraw != nil:
		after.withdraw(*s.withdraw)
		explained = true
	case s.guess != nil:
		explained = after.guess(*s.guess) == t.verdict
	case s.finish != nil:
		after.finish(*s.finish)
		explained = true
	}
	return after, explained || t.lost
}

// alike reports whether an issue was told what it should. How long to wait and when the code expires is the clock's.
func alike(want, got rekey.Issued) bool {
	return want.Outcome == got.Outcome && want.Ticket.Flow == got.Ticket.Flow && want.Ticket.Nonce == got.Ticket.Nonce &&
		(want.Ticket.Version == got.Ticket.Version || want.Ticket.Version == 0) // 0: the send that gave it had its answer lost
}

// model is the protocol for the checker, number by number.
func model() porcupine.Model {
	seed := maphash.MakeSeed()
	return porcupine.Model{
		Init: func() any { return known{} },
		Step: func(state, input, output any) (bool, any) {
			after, explained := input.(step).next(state.(known), output.(told))
			return explained, after
		},
		Equal: func(a, b any) bool { return a.(known).equal(b.(known)) },
		Hash:  func(state any) uint64 { return state.(known).digest(seed) },
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			numbers := make(map[rekey.Name][]porcupine.Operation)
			for _, o := range history {
				n := o.Input.(step).number
				numbers[n] = append(numbers[n], o)
			}
			var parts [][]porcupine.Operation
			for _, part := range numbers {
				parts = append(parts, part)
			}
			return parts
		},
		DescribeOperation: func(input, output any) string { return input.(step).describe(output.(told)) },
	}
}

func (s step) describe(t told) string {
	var asked string
	var answer any = "done"
	switch {
	case s.issue != nil:
		asked, answer = fmt.Sprintf("issue in %q nonce %q of %q replacing %d", s.issue.Flow, s.issue.Nonce, s.issue.Fingerprints[0].Value, s.issue.Replace), t.issued
	case s.withdraw != nil:
		asked = fmt.Sprintf("withdraw %q nonce %q version %d", s.withdraw.Flow, s.withdraw.Nonce, s.withdraw.Version)
	case s.guess != nil:
		asked, answer = fmt.Sprintf("guess in %q %q as %q", s.guess.Flow, s.guess.Checks[0].Value, s.guess.Request), t.verdict
	case s.finish != nil:
		asked = fmt.Sprintf("finish %q nonce %q as %q", s.finish.Flow, s.finish.Nonce, s.finish.Request)
	}
	if t.lost {
		answer = "nothing"
	}
	return fmt.Sprintf("%s: %s, told %+v", s.number, asked, answer)
}

// history is what clients asked and were told. It is safe for concurrent use.
type history struct {
	began time.Time
	mu    sync.Mutex
	told  []porcupine.Operation
	lost  []porcupine.Operation // steps that may have happened, or happen after everything else, or not at all
	again []porcupine.Operation // steps that were told something and may have happened once more before
}

// add notes a step that began and ended then, since the history began.
func (h *history) add(client int, s step, t told, from, to time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	o := porcupine.Operation{ClientId: client, Input: s, Output: t, Call: from.Nanoseconds(), Return: to.Nanoseconds()}
	if t.lost {
		o.Return = math.MaxInt64
		h.lost = append(h.lost, o)
	} else {
		h.told = append(h.told, o)
	}
}

// resent notes that steps which were under way then may have happened twice: the store sends a step again whose connection
// was cut. That is no matter where the first has done everything, as a Withdraw has; a guess without a flow may meet
// another code the second time, and is then charged to both.
func (h *history) resent(from, to time.Duration) {
	for _, o := range h.told {
		if o.Call > to.Nanoseconds() || o.Return < from.Nanoseconds() || o.Input.(step).withdraw != nil {
			continue
		}
		o.Output, o.Return = told{lost: true}, math.MaxInt64
		h.again = append(h.again, o)
	}
}

// checkTime bounds the check of one history. Most take milliseconds; one with many lost answers may have more orders than
// can be tried.
const checkTime = 10 * time.Second

// explained looks for an order that explains the history: first one in which nothing happened that nobody was told of,
// since each of those makes many more orders.
func (h *history) explained() (result porcupine.CheckResult) {
	unsure := slices.Concat(h.lost, h.again)
	for _, more := range [][]porcupine.Operation{nil, h.lost, unsure} {
		result = porcupine.CheckOperationsTimeout(model(), slices.Concat(h.told, more), checkTime)
		if result == porcupine.Ok || len(more) == len(unsure) {
			break
		}
	}
	return result
}

// strange is the steps by their beginnings, of a number that has no order.
func (h *history) strange() string {
	all := slices.Concat(h.told, h.lost, h.again)
	for _, part := range model().Partition(all) {
		if porcupine.CheckOperationsTimeout(model(), part, checkTime) != porcupine.Illegal {
			continue
		}
		slices.SortFunc(part, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
		var lines []string
		for _, o := range part {
			until := "the end"
			if o.Return != math.MaxInt64 {
				until = time.Duration(o.Return).String()
			}
			lines = append(lines, fmt.Sprintf("%v to %s, client %d: %s", time.Duration(o.Call), until, o.ClientId,
				o.Input.(step).describe(o.Output.(told))))
		}
		return strings.Join(lines, "\n")
	}
	return ""
}
