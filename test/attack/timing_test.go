package attack_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"rekey"
	"rekey/test/embedded"
)

// BenchmarkT39_KnownAndUnknownNumbersTakeTheSameTime interleaves sends to known and unknown numbers, with disclosure
// off, and reports what a classifier by latency could make of them: the difference of the medians, and the area under
// its ROC curve (0.5: a coin).
func BenchmarkT39_KnownAndUnknownNumbersTakeTheSameTime(b *testing.B) {
	h := embedded.Open(b, b.TempDir(), embedded.Options{
		Service: func(o *rekey.Options) { o.Disclosure, o.Limits = false, rekey.Limits{} },
	})
	const pairs = 2000
	tx, err := h.Write.Begin()
	if err != nil {
		b.Fatal(err)
	}
	for i := range pairs {
		if _, err := tx.Exec("INSERT INTO users (mobile, password) SELECT ?, ?", known(i), someHash); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
	send := func(mobile string) time.Duration {
		request := httptest.NewRequest("POST", base+"sms_code/", strings.NewReader(fmt.Sprintf(`{"mobile":%q}`, mobile)))
		w := httptest.NewRecorder()
		began := time.Now()
		h.Handler.ServeHTTP(w, request)
		took := time.Since(began)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"errno":"0"`) {
			b.Fatalf("%d %s", w.Code, w.Body)
		}
		time.Sleep(200 * time.Microsecond) // for what goes on after the answer
		return took
	}
	var ours, theirs []time.Duration
	for b.Loop() {
		ours, theirs = nil, nil
		if _, err := h.Write.Exec("DELETE FROM rekey_numbers"); err != nil {
			b.Fatal(err)
		}
		for i := range pairs {
			// In either order, or the cache would tell the second from the first.
			if rand.IntN(2) == 0 {
				ours, theirs = append(ours, send(known(i))), append(theirs, send(unknown(i)))
			} else {
				t := send(unknown(i))
				ours, theirs = append(ours, send(known(i))), append(theirs, t)
			}
		}
	}
	differences := make([]time.Duration, len(ours))
	for i := range ours {
		differences[i] = ours[i] - theirs[i]
	}
	slices.Sort(differences)
	b.ReportMetric(float64(differences[len(differences)/2].Microseconds()), "µs/paired-median")
	b.ReportMetric(auc(ours, theirs), "AUC")
}

func known(i int) string   { return fmt.Sprintf("138%04d%04d", i%100, i) }
func unknown(i int) string { return fmt.Sprintf("139%04d%04d", i%100, i) }

// someHash is an argon2id hash of nobody's password.
const someHash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$UjkUZm3s0p1kE0dQ0V5m1Qx3Jm1mXo7iS0mY8S3v0eM"

// auc is the chance that one of a takes longer than one of b.
func auc(a, b []time.Duration) float64 {
	slices.Sort(b)
	sum := 0.0
	for _, x := range a {
		below, _ := slices.BinarySearch(b, x)
		notAbove, _ := slices.BinarySearch(b, x+1)
		sum += float64(below) + float64(notAbove-below)/2
	}
	return sum / float64(len(a)*len(b))
}
